//! Folders as sources: files are taken whole, once, in order, and end where they should.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use samspor_domain::{Batch, Clock, Source as _, Subscription};
use samspor_files::source::{Settings, Source, Whole};

#[path = "source/trouble.rs"]
mod trouble;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);
const SETTLE: Duration = Duration::from_millis(200);

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

struct Epoch;

impl Clock for Epoch {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

/// A folder with nothing in it, and who takes files from it.
struct Place(tempfile::TempDir, std::sync::OnceLock<Source>);

impl Place {
    fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir()?, std::sync::OnceLock::new()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> Result {
        Ok(fs::write(self.path(name), text)?)
    }

    fn settings(&self, whole: Whole) -> Result<Settings> {
        Ok(Settings {
            dir: self.0.path().to_owned(),
            done: self.path("done"),
            failed: self.path("failed"),
            pattern: "*.{xml,json,g69}".parse()?,
            whole,
            poll: Duration::from_millis(10),
            warn_after: LIMIT,
            max_body_bytes: 1_000,
        })
    }

    async fn subscribe(&self, whole: Whole) -> Result<Box<dyn Subscription>> {
        Ok(self.source(self.settings(whole)?).subscribe().await?)
    }

    fn source(&self, settings: Settings) -> &Source {
        self.1.get_or_init(|| Source::new(settings, Arc::new(Epoch)))
    }
}

fn settled() -> Whole {
    Whole::Settled(SETTLE)
}

fn marked() -> Whole {
    Whole::Marked(".done".into())
}

/// The names in a folder, without those of folders.
fn names(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

async fn next(subscription: &mut dyn Subscription) -> Result<Batch> {
    Ok(tokio::time::timeout(LIMIT, subscription.next()).await??)
}

/// So many deliveries, accepted.
async fn take(subscription: &mut dyn Subscription, count: usize) -> Result<Vec<String>> {
    let mut bodies = Vec::new();
    while bodies.len() < count {
        let batch = next(subscription).await?;
        bodies.extend(
            batch.deliveries.iter().map(|delivery| String::from_utf8_lossy(&delivery.body).into_owned()),
        );
        batch.token.accept().await?;
    }
    Ok(bodies)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_by_name_and_end_in_done() -> Result {
    let place = Place::new()?;
    for name in
        ["b.xml", "a.json", "c.g69", "left.txt", ".hidden.xml", "a.xml.part", "b.xml.TMP", "c.filepart"]
    {
        place.write(name, name)?;
    }
    fs::create_dir(place.path("folder.xml"))?;
    let mut subscription = place.subscribe(settled()).await?;
    let batch = next(&mut *subscription).await?;
    let said: Vec<_> =
        batch.deliveries.iter().map(|d| (d.body.as_ref(), d.content_type.as_deref())).collect();
    let expected: [(&[u8], Option<&str>); 3] =
        [(b"a.json", Some("application/json")), (b"b.xml", Some("application/xml")), (b"c.g69", None)];
    assert_eq!(said, expected);
    assert_eq!(names(&place.path("done"))?, Vec::<String>::new(), "not before they are durable");
    batch.token.accept().await?;
    assert_eq!(names(&place.path("done"))?, ["a.json", "b.xml", "c.g69"]);
    assert_eq!(names(place.0.path())?, [".hidden.xml", "a.xml.part", "b.xml.TMP", "c.filepart", "left.txt"]);

    // The same name again is another file, and overwrites nothing.
    place.write("a.json", "again")?;
    assert_eq!(take(&mut *subscription, 1).await?, ["again"]);
    assert_eq!(fs::read_to_string(place.path("done/a.json"))?, "a.json");
    assert_eq!(fs::read_to_string(place.path("done/a.json.19700101T000000Z"))?, "again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_accepted_comes_again_and_what_is_handed_out_does_not() -> Result {
    let place = Place::new()?;
    place.write("a.xml", "one")?;
    let mut subscription = place.subscribe(settled()).await?;
    let batch = next(&mut *subscription).await?;
    place.write("b.xml", "two")?;
    let other = next(&mut *subscription).await?;
    assert_eq!(other.deliveries[0].body.as_ref(), b"two", "the first is still out");
    drop(batch);
    let again = next(&mut *subscription).await?;
    assert_eq!(again.deliveries[0].body.as_ref(), b"one");
    // What came before is done with, whatever becomes of the subscription.
    drop(subscription);
    other.token.accept().await?;
    again.token.accept().await?;
    assert_eq!(names(&place.path("done"))?, ["a.xml", "b.xml"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_is_not_taken_and_one_that_was_replaced_is_not_put_away() -> Result {
    let place = Place::new()?;
    place.write("a.xml", "old")?;
    let mut subscription = place.subscribe(settled()).await?;
    let batch = next(&mut *subscription).await?;
    // Its sender puts another in its place while it is out.
    place.write("upload", "new")?;
    fs::rename(place.path("upload"), place.path("a.xml"))?;
    batch.token.accept().await?;
    assert_eq!(names(&place.path("done"))?, Vec::<String>::new(), "nobody has read that one");
    assert_eq!(take(&mut *subscription, 1).await?, ["new"]);
    assert_eq!(fs::read_to_string(place.path("done/a.xml"))?, "new");

    // One that its sender takes back while it is out is gone.
    place.write("b.xml", "back")?;
    let batch = next(&mut *subscription).await?;
    fs::remove_file(place.path("b.xml"))?;
    batch.token.accept().await?;
    assert_eq!(names(&place.path("done"))?, ["a.xml"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_marker_no_file_is_taken_and_an_old_marker_is_none() -> Result {
    let place = Place::new()?;
    // A crash left the marker of an earlier file behind; then its sender begins the next one.
    place.write("b.xml.done", "")?;
    let marker = fs::File::options().append(true).open(place.path("b.xml.done"))?;
    marker.set_modified(marker.metadata()?.modified()? - Duration::from_secs(60))?;
    place.write("b.xml", "half")?;
    place.write("c.xml", "unmarked")?;
    place.write("a.xml", "whole")?;
    place.write("a.xml.done", "")?;
    let mut subscription = place.subscribe(marked()).await?;
    assert_eq!(take(&mut *subscription, 1).await?, ["whole"]);
    place.write("b.xml", "half and half")?;
    place.write("b.xml.done", "")?;
    assert_eq!(take(&mut *subscription, 1).await?, ["half and half"]);
    assert_eq!(names(&place.path("done"))?, ["a.xml", "a.xml.done", "b.xml", "b.xml.done"]);
    assert_eq!(names(place.0.path())?, ["c.xml"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_put_away_and_what_is_too_large_is_never_taken_for_the_whole() -> Result {
    let place = Place::new()?;
    let outside = tempfile::NamedTempFile::new()?;
    fs::write(outside.path(), "secret")?;
    std::os::unix::fs::symlink(outside.path(), place.path("link.xml"))?;
    rustix::fs::mknodat(
        rustix::fs::CWD,
        place.path("pipe.xml"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )?;
    place.write("large.xml", "x".repeat(5_000))?;
    place.write("most.xml", "x".repeat(1_000))?;
    let mut subscription = place.subscribe(settled()).await?;
    let batch = next(&mut *subscription).await?;
    let said: Vec<_> = batch.deliveries.iter().map(|d| (d.body.len(), d.content_type.as_deref())).collect();
    assert_eq!(said, [(1_001, Some("message/partial")), (1_000, Some("application/xml"))]);
    batch.token.accept().await?;
    assert_eq!(names(&place.path("failed"))?, ["large.xml", "link.xml", "pipe.xml"]);
    assert_eq!(fs::metadata(place.path("failed/large.xml"))?.len(), 5_000, "all of it is kept");
    assert_eq!(names(&place.path("done"))?, ["most.xml"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_used_says_what_to_do() -> Result {
    let place = Place::new()?;
    let at = |dir: &str, done: &str| -> Result<Settings> {
        Ok(Settings { dir: place.path(dir), done: place.path(done), ..place.settings(settled())? })
    };
    place.write("file", "")?;
    fs::create_dir(place.path("in"))?;
    for (settings, expected) in [
        (at("missing", "done")?, "is not there: make it"),
        (at("file", "done")?, "is no folder"),
        (at("in", "file")?, "is no folder"),
        (Settings { done: "/dev/shm/samspor-test-done".into(), ..at("in", "done")? }, "another file system"),
    ] {
        let faults = settings.faults();
        let error = Source::new(settings, Arc::new(Epoch)).subscribe().await.err();
        let error = error.map(|error| format!("{error}: {:?}", error.source)).unwrap_or_default();
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}: {faults:?}");
        assert!(error.contains(expected), "{expected}: {error}");
    }
    assert!(!Path::new("/dev/shm/samspor-test-done").exists(), "nothing is made where it is of no use");
    Ok(())
}

/// Senders write in pieces, begin again, replace and rename; whoever takes loses its patience and its batches. In the end
/// everything that was whole has come, and nothing that was not.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_senders_do_files_come_whole() -> Result {
    for (seed, whole) in [(0x5eed_0001, settled()), (0x5eed_0002, marked())] {
        println!("seed {seed:#x}");
        let place = Place::new()?;
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let is_marked = whole == marked();
        let mut subscription = place.subscribe(whole.clone()).await?;
        let mut unwritten: Vec<(String, Vec<String>)> = (0..40)
            .map(|no| {
                let pieces = (0..chance.random_range(1..5)).map(|piece| format!("{no}/{piece};")).collect();
                (format!("{no:02}.g69"), pieces)
            })
            .collect();
        let expected: std::collections::BTreeSet<String> =
            unwritten.iter().map(|(_, pieces)| pieces.concat()).collect();
        let mut came = std::collections::BTreeSet::new();
        let deadline = tokio::time::Instant::now() + LIMIT;
        while came.len() < expected.len() {
            assert!(tokio::time::Instant::now() < deadline, "{} of {} came", came.len(), expected.len());
            // Faster than anything settles.
            if let Some(at) = (!unwritten.is_empty()).then(|| chance.random_range(0..unwritten.len())) {
                let (name, pieces) = &mut unwritten[at];
                if pieces.is_empty() {
                    if is_marked {
                        place.write(&format!("{name}.done"), "")?;
                    }
                    unwritten.remove(at);
                } else if is_marked {
                    let mut file = fs::File::options().create(true).append(true).open(place.path(name))?;
                    file.write_all(pieces.remove(0).as_bytes())?;
                } else {
                    // Without a marker, one that pauses for too long would count as whole: so it is renamed when it is.
                    let part = place.path(&format!("{name}.part"));
                    let mut file = fs::File::options().create(true).append(true).open(&part)?;
                    file.write_all(pieces.remove(0).as_bytes())?;
                    if pieces.is_empty() {
                        fs::rename(part, place.path(name))?;
                    }
                }
            }
            // Whoever waits may stop waiting at any time.
            let patience = Duration::from_millis(chance.random_range(0..20));
            if let Ok(batch) = tokio::time::timeout(patience, subscription.next()).await {
                let batch = batch?;
                for delivery in &batch.deliveries {
                    let body = String::from_utf8_lossy(&delivery.body).into_owned();
                    assert!(expected.contains(&body), "half a file came: {body}");
                }
                match chance.random_range(0..4) {
                    0 => drop(batch),
                    1 => subscription = place.subscribe(whole.clone()).await?,
                    _ => {
                        let bodies =
                            batch.deliveries.iter().map(|d| String::from_utf8_lossy(&d.body).into_owned());
                        came.extend(bodies);
                        batch.token.accept().await?;
                    }
                }
            }
        }
        let done = names(&place.path("done"))?.len();
        assert_eq!(done, if is_marked { 80 } else { 40 });
        assert_eq!(names(place.0.path())?, Vec::<String>::new());
    }
    Ok(())
}
