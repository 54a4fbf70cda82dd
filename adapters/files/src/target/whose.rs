//! Whose an open file is: the target that it is for, and what that was given, stand in its name. What was meant for another
//! reader is never handed to this one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::open::begun;
use super::{Columns, Format, Settings};

/// How the names of open files end; they begin with `.`.
const OPEN: &str = ".open";

/// How many hexadecimal digits tell of the target, and how many of all.
const DIGITS: (usize, usize) = (8, 20);

/// The name of an open file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// What the files that it becomes are called, without what comes behind.
    pub(super) stem: String,
    /// Whose it is; earlier gateways did not say.
    stamp: Option<String>,
}

/// What an open file is to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bond {
    /// Its own, to be handed over in this format.
    Own(Format),
    /// Its own, of the time when it was given something else.
    Older,
    /// Another target's.
    Other,
}

impl Name {
    pub(super) fn new(settings: &Settings, stem: String) -> Self {
        Self { stem, stamp: Some(stamp(settings, settings.format)) }
    }

    /// The same of a file that there is.
    pub(super) fn read(name: &OsStr) -> Option<Self> {
        let name = name.as_bytes().strip_prefix(b".")?.strip_suffix(OPEN.as_bytes())?;
        let name = std::str::from_utf8(name).ok()?;
        let is_stamp = |stamp: &str| stamp.len() == DIGITS.1 && stamp.bytes().all(|b| b.is_ascii_hexdigit());
        match name.rsplit_once('.') {
            Some((stem, stamp)) if is_stamp(stamp) && begun(stem).is_some() => {
                Some(Self { stem: stem.to_owned(), stamp: Some(stamp.to_owned()) })
            }
            _ => begun(name).map(|_| Self { stem: name.to_owned(), stamp: None }),
        }
    }

    pub(super) fn path(&self, dir: &Path) -> PathBuf {
        let stamp = self.stamp.iter().flat_map(|stamp| [".", stamp]).collect::<String>();
        dir.join(format!(".{}{stamp}{OPEN}", self.stem))
    }

    pub(super) fn bond(&self, settings: &Settings) -> Bond {
        let Some(own) = &self.stamp else { return Bond::Own(settings.format) };
        let formats = [Format::Ndjson, Format::Csv, Format::Parquet];
        match formats.into_iter().find(|format| stamp(settings, *format) == *own) {
            Some(format) => Bond::Own(format),
            None if own.starts_with(&of_target(settings)) => Bond::Older,
            None => Bond::Other,
        }
    }
}

/// Target, audience, format and filter. What is written here must never change: open files are known by it.
fn stamp(settings: &Settings, format: Format) -> String {
    let columns = match settings.columns {
        Columns::Ledger => "ledger",
        Columns::Lis => "lis",
    };
    // By its fields in their order, which a value made of it may not keep.
    let filter = serde_json::to_string(&settings.filter).unwrap_or_else(|_| unreachable!("words are JSON"));
    let of_all = digest(&[settings.target.as_str(), columns, format.extension(), &filter]);
    format!("{}{}", of_target(settings), &of_all[..DIGITS.1 - DIGITS.0])
}

/// What tells of the target alone.
pub(super) fn of_target(settings: &Settings) -> String {
    digest(&[settings.target.as_str()])[..DIGITS.0].to_owned()
}

fn digest(texts: &[&str]) -> String {
    hex::encode(Sha256::digest(json!(texts).to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use jiff::Timestamp;
    use samspor_domain::{Outgoing, Sent, Side, TagFilter, Target as _};

    use super::*;
    use crate::target::Target;
    use crate::target::tests::{At, Result, manifests, name, record, settings, visible};

    fn open_files(dir: &Path) -> Result<Vec<Name>> {
        let names = fs::read_dir(dir)?.map(|entry| Ok(Name::read(&entry?.file_name())));
        Ok(names.collect::<std::io::Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    async fn put(settings: Settings, records: Vec<Outgoing>, is_anew: bool) -> Result {
        let target = Target::new(settings, Arc::new(At(Timestamp::UNIX_EPOCH)));
        let connected = if is_anew { target.connect_anew().await } else { target.connect().await };
        let count = records.len();
        assert_eq!(connected?.publish(records).await?.await?, vec![Sent::Delivered; count]);
        Ok(())
    }

    fn sided(settings: Settings, side: Side) -> Settings {
        Settings { filter: TagFilter { sides: Some([side].into()), ..TagFilter::default() }, ..settings }
    }

    /// Revision 1 of a posting is an `untag` to whoever has the one side, and a tag to whoever has the other.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_meant_for_another_filter_is_never_handed_over_and_hides_nothing() -> Result {
        for is_anew in [true, false] {
            let dir = tempfile::tempdir()?;
            let settings = |side| sided(settings(dir.path(), Format::Ndjson, 2), side);
            let tag = record(1, 1_000);
            let mut said: serde_json::Value = serde_json::from_slice(&tag.body)?;
            (said["change"], said["tag"]) = (json!("untag"), json!(null));
            let untag = Outgoing { body: said.to_string().into(), ..tag.clone() };
            put(settings(Side::Outside), vec![untag], false).await?;
            put(settings(Side::Inside), vec![tag.clone()], is_anew).await?;
            assert_eq!(open_files(dir.path())?.len(), if is_anew { 1 } else { 2 });
            put(settings(Side::Inside), vec![record(2, 1_000)], false).await?;
            let manifests = manifests(dir.path())?;
            assert_eq!(manifests.len(), 1, "the other one stays open, or is gone");
            assert_eq!(manifests[0]["tag"]["records"], 2);
            let files = visible(dir.path())?;
            assert!(files.iter().any(|(_, text)| text.starts_with(&tag.body)), "it is there, and first");
            assert_eq!(open_files(dir.path())?.len(), usize::from(!is_anew));
        }
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_anothers_is_left_alone_and_what_is_in_another_format_is_handed_over_in_that() -> Result {
        let dir = tempfile::tempdir()?;
        let own = || settings(dir.path(), Format::Csv, 10);
        put(Settings { target: name("other"), ..own() }, vec![record(1, 100)], false).await?;
        let lis = Settings { columns: Columns::Lis, ..own() };
        put(lis, vec![record(2, 200)], false).await?;
        put(own(), vec![record(3, 300)], false).await?;
        put(own(), vec![record(4, 400)], false).await?;
        assert_eq!((open_files(dir.path())?.len(), visible(dir.path())?.len()), (3, 0));
        put(Settings { format: Format::Parquet, ..own() }, vec![], false).await?;
        let handed = manifests(dir.path())?;
        assert_eq!(
            (handed.len(), &handed[0]["format"], &handed[0]["all"]["records"]),
            (1, &json!("csv"), &json!(2))
        );
        // Beginning anew takes away what was its own, and not what is another target's.
        put(own(), vec![], true).await?;
        let left = open_files(dir.path())?;
        assert_eq!(left.iter().map(|name| name.bond(&own())).collect::<Vec<_>>(), [Bond::Other]);
        Ok(())
    }

    /// As gateways made them that did not say whose they are.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_open_file_without_a_stamp_is_gone_on_with() -> Result {
        let dir = tempfile::tempdir()?;
        let own = || settings(dir.path(), Format::Ndjson, 2);
        put(own(), vec![record(1, 100)], false).await?;
        let file = open_files(dir.path())?.remove(0);
        let old = Name { stamp: None, ..file.clone() };
        fs::rename(file.path(dir.path()), old.path(dir.path()))?;
        put(own(), vec![record(1, 100), record(2, 200)], false).await?;
        assert_eq!(manifests(dir.path())?[0]["all"]["records"], 2);
        Ok(())
    }

    /// A source's name and a posting's id may both hold what stands between them in a message id.
    #[tokio::test(flavor = "multi_thread")]
    async fn two_records_of_one_id_are_two_unless_they_are_of_several_topics() -> Result {
        let dir = tempfile::tempdir()?;
        let mut records = vec![record(1, 100), record(2, 200), record(1, 100)];
        records[1].message_id = records[0].message_id.clone();
        put(settings(dir.path(), Format::Ndjson, 2), records, false).await?;
        assert_eq!(manifests(dir.path())?[0]["all"], json!({"records": 2, "ore": "300", "kr": "3.00"}));
        Ok(())
    }

    #[test]
    fn the_stamp_is_what_it_always_was() {
        let settings = sided(settings(Path::new("."), Format::Ndjson, 2), Side::Inside);
        assert_eq!(stamp(&settings, Format::Csv), "2d06b2c74c9807402e1f");
    }
}
