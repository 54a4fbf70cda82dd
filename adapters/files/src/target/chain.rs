//! The chain of a target's files: each manifest says its number and the digest of the one before it, so that a reader sees
//! where one is missing. The last link is kept beside them, since readers take manifests away.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Settings, whose};

/// A manifest's place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    /// Which file it is of.
    stem: String,
    /// From 1.
    pub(super) number: u64,
    /// The digest of the manifest before it; none of the first.
    pub(super) previous: Option<String>,
    /// Its own manifest's.
    sha256: String,
}

impl Link {
    /// The place of a file's manifest. One that was made already, before a crash, has the same again.
    pub(super) fn next(settings: &Settings, stem: &str) -> io::Result<Self> {
        let before = match fs::read(path(settings)) {
            Ok(text) => Some(serde_json::from_slice::<Self>(&text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let (number, previous) = match before {
            Some(link) if link.stem == stem => (link.number, link.previous),
            Some(link) => (link.number.saturating_add(1), Some(link.sha256)),
            None => (1, None),
        };
        Ok(Self { stem: stem.to_owned(), number, previous, sha256: String::new() })
    }

    /// Keeps it, before its manifest is seen. It is durable when its folder is.
    pub(super) fn keep(self, settings: &Settings, manifest: &[u8]) -> io::Result<()> {
        let link = Self { sha256: hex::encode(Sha256::digest(manifest)), ..self };
        let (path, mut hidden) = (path(settings), path(settings).into_os_string());
        hidden.push(".tmp");
        let mut file = File::create(&hidden)?;
        file.write_all(&serde_json::to_vec(&link)?)?;
        file.sync_all()?;
        fs::rename(hidden, path)
    }
}

/// The next file is the first one again.
pub(super) fn forget(settings: &Settings) -> io::Result<()> {
    match fs::remove_file(path(settings)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn path(settings: &Settings) -> PathBuf {
    settings.dir.join(format!(".{}.chain", whose::of_target(settings)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use samspor_domain::Target as _;
    use serde_json::json;

    use super::*;
    use crate::target::tests::{At, Result, record, settings, visible};
    use crate::target::{Format, Target};

    async fn put(settings: Settings, records: std::ops::Range<i64>, is_anew: bool) -> Result {
        let target = Target::new(settings, Arc::new(At(Timestamp::UNIX_EPOCH)));
        let mut publisher = if is_anew { target.connect_anew().await? } else { target.connect().await? };
        drop(publisher.publish(records.map(|no| record(no, no)).collect()).await?);
        Ok(())
    }

    /// Each manifest with its digest, in their order.
    fn manifests(dir: &std::path::Path) -> Result<Vec<(serde_json::Value, String)>> {
        let files = visible(dir)?.into_iter().filter(|(name, _)| name.ends_with(".manifest.json"));
        files
            .map(|(_, text)| Ok((serde_json::from_slice(&text)?, hex::encode(Sha256::digest(&text)))))
            .collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_reader_sees_where_a_file_is_missing_also_when_it_has_taken_the_others_away() -> Result {
        let dir = tempfile::tempdir()?;
        let own = || settings(dir.path(), Format::Ndjson, 2);
        put(own(), 1..5, false).await?;
        let first = manifests(dir.path())?;
        assert_eq!(first.len(), 2);
        assert_eq!((&first[0].0["number"], &first[0].0["previous"]), (&json!(1), &json!(null)));
        assert_eq!((&first[1].0["number"], &first[1].0["previous"]), (&json!(2), &json!(first[0].1)));
        for (name, _) in visible(dir.path())? {
            fs::remove_file(dir.path().join(name))?;
        }
        put(own(), 5..7, false).await?;
        let third = manifests(dir.path())?;
        assert_eq!((&third[0].0["number"], &third[0].0["previous"]), (&json!(3), &json!(first[1].1)));
        put(own(), 7..9, true).await?;
        let anew = manifests(dir.path())?;
        assert!(anew.iter().any(|(manifest, _)| manifest["number"] == 1 && manifest["previous"].is_null()));
        Ok(())
    }

    /// It is closed twice, as after a crash before its manifest was seen: it keeps its place.
    #[test]
    fn what_is_made_again_keeps_its_place() -> Result {
        let dir = tempfile::tempdir()?;
        let own = settings(dir.path(), Format::Ndjson, 2);
        Link::next(&own, "a")?.keep(&own, b"one")?;
        Link::next(&own, "b")?.keep(&own, b"two")?;
        let (again, next) = (Link::next(&own, "b")?, Link::next(&own, "c")?);
        assert_eq!((again.number, again.previous), (2, Some(hex::encode(Sha256::digest(b"one")))));
        assert_eq!((next.number, next.previous), (3, Some(hex::encode(Sha256::digest(b"two")))));
        Ok(())
    }
}
