//! Folders in trouble, with causes that are real: uploads that stall, links, folders that cannot be written in, files that
//! cannot be read or moved, files that wait.

use std::io::BufRead as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use super::*;

/// What is said, when it is this.
async fn said(source: &Source, is_it: impl Fn(&Option<String>) -> bool) -> Result<Option<String>> {
    let mut said = None;
    let waiting = async {
        while !is_it(&said) {
            said = source.notice(said.as_deref()).await;
        }
        said
    };
    Ok(tokio::time::timeout(LIMIT, waiting).await?)
}

/// Goes on taking, and accepts what comes.
async fn go_on(subscription: &mut dyn Subscription) -> Result<Vec<String>> {
    let batch = subscription.next().await?;
    let bodies = batch.deliveries.iter().map(|delivery| String::from_utf8_lossy(&delivery.body).into_owned());
    let bodies = bodies.collect();
    batch.token.accept().await?;
    Ok(bodies)
}

/// An upload pauses for longer than it may, and goes on through the handle that it has, wherever the file is by then. Nothing
/// of it is lost, and somebody is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_upload_loses_nothing() -> Result {
    for is_restarted in [false, true] {
        let place = Place::new()?;
        let source = place.source(place.settings(settled())?);
        let mut subscription = source.subscribe().await?;
        let mut upload = fs::File::create(place.path("a.g69"))?;
        upload.write_all(b"first half,")?;
        assert_eq!(take(&mut *subscription, 1).await?, ["first half,"]);
        assert!(place.path("done/a.g69").exists() && !place.path("a.g69").exists());
        if is_restarted {
            // The gateway stops, and the upload goes on before the next one starts.
            drop(subscription);
            upload.write_all(b"second half")?;
            let settings = place.settings(settled())?;
            let Place(_dir, before) = place;
            drop(before);
            let mut subscription = Source::new(settings, Arc::new(Epoch)).subscribe().await?;
            assert_eq!(take(&mut *subscription, 1).await?, ["first half,second half"]);
            continue;
        }
        upload.write_all(b"second half")?;
        assert_eq!(take(&mut *subscription, 1).await?, ["first half,second half"]);
        let told = said(source, Option::is_some).await?.unwrap_or_default();
        assert!(told.contains("1 times a file grew after it was taken"), "{told}");
        assert_eq!(names(&place.path("done"))?, ["a.g69"]);
        assert_eq!(fs::read_to_string(place.path("done/a.g69"))?, "first half,second half");
        assert_eq!(names(place.0.path())?, Vec::<String>::new());
    }
    Ok(())
}

/// A sender renames `done` and puts a link of its own there, to the folder of another source.
#[tokio::test(flavor = "multi_thread")]
async fn no_sender_chooses_where_its_files_are_moved() -> Result {
    let place = Place::new()?;
    let other = Place::new()?;
    let source = place.source(place.settings(settled())?);
    let mut subscription = source.subscribe().await?;
    place.write("a.xml", "forged")?;
    let batch = next(&mut *subscription).await?;
    fs::rename(place.path("done"), place.path("d2"))?;
    std::os::unix::fs::symlink(other.0.path(), place.path("done"))?;
    let error = batch.token.accept().await.err().ok_or("it is refused")?;
    assert!(error.doing.contains("is another folder than it was"), "{error}");
    drop(subscription);
    let error = source.subscribe().await.err().ok_or("it is refused")?;
    assert!(error.doing.contains("is a symbolic link"), "{error}");
    let faults = place.settings(settled())?.faults();
    assert!(faults.iter().any(|fault| fault.contains("is a symbolic link")), "{faults:?}");
    assert_eq!(names(other.0.path())?, Vec::<String>::new());

    // Set right, what is stored is moved and not taken again.
    fs::remove_file(place.path("done"))?;
    fs::rename(place.path("d2"), place.path("done"))?;
    let mut subscription = source.subscribe().await?;
    assert_eq!(fs::read_to_string(place.path("done/a.xml"))?, "forged");
    place.write("b.xml", "next")?;
    assert_eq!(take(&mut *subscription, 1).await?, ["next"]);
    Ok(())
}

/// Somebody renames the folder itself and makes a new one, as when a disk is mounted over it: senders write into the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_replaced_is_not_waited_at_for_ever() -> Result {
    let place = Place::new()?;
    let at = |name: &str| place.path("in").join(name);
    fs::create_dir(at(""))?;
    let settings =
        Settings { dir: at(""), done: at("done"), failed: at("failed"), ..place.settings(settled())? };
    let source = place.source(settings);
    let mut subscription = source.subscribe().await?;
    fs::rename(at(""), place.path("old"))?;
    fs::create_dir(at(""))?;
    fs::write(at("a.xml"), "new")?;
    let error = next(&mut *subscription).await.err().ok_or("it waits at the old folder")?;
    assert!(error.to_string().contains("is another folder than it was"), "{error}");
    drop(subscription);
    let mut subscription = source.subscribe().await?;
    assert_eq!(take(&mut *subscription, 1).await?, ["new"]);
    assert_eq!(names(&at("done"))?, ["a.xml"]);
    Ok(())
}

/// A file with the immutable bit, which its owner sets and nobody moves.
struct Immovable(PathBuf);

impl Immovable {
    fn make(path: PathBuf) -> Option<Self> {
        let is_set = chattr("+i", &path);
        is_set.then_some(Self(path))
    }
}

impl Drop for Immovable {
    fn drop(&mut self) {
        chattr("-i", &self.0);
    }
}

fn chattr(how: &str, path: &Path) -> bool {
    let quiet = || Command::new("chattr").arg(how).arg(path).stderr(Stdio::null()).status();
    quiet().is_ok_and(|status| status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_and_cannot_be_moved_comes_once_and_keeps_no_other_from_being_moved() -> Result {
    let place = Place::new()?;
    for name in ["a.xml", "b.xml", "c.xml"] {
        place.write(name, name)?;
    }
    let Some(immovable) = Immovable::make(place.path("b.xml")) else {
        println!("no file can be made immutable here: nothing was tested");
        return Ok(());
    };
    let source = place.source(place.settings(settled())?);
    let mut subscription = source.subscribe().await?;
    let batch = next(&mut *subscription).await?;
    assert_eq!(batch.deliveries.len(), 3);
    let error = batch.token.accept().await.err().ok_or("one cannot be moved")?;
    assert!(error.doing.starts_with("moving files that are stored to the folder"), "{error}");
    assert_eq!(names(&place.path("done"))?, ["a.xml", "c.xml"]);
    drop(subscription);
    for _ in 0..3 {
        let error = source.subscribe().await.err().ok_or("it stays down")?;
        assert!(error.doing.starts_with("moving files that are stored to the folder"), "{error}");
    }
    drop(immovable);
    let mut subscription = source.subscribe().await?;
    assert_eq!(names(&place.path("done"))?, ["a.xml", "b.xml", "c.xml"]);
    place.write("d.xml", "d.xml")?;
    assert_eq!(take(&mut *subscription, 1).await?, ["d.xml"], "none came twice");
    Ok(())
}

/// The test itself, as another user.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test tells itself, as another user, where to look")]
fn a_sticky_folder_of_somebody_else_is_refused() -> Result {
    const DIR: &str = "SAMSPOR_TEST_STICKY";
    const NOBODY: u32 = 65_534;
    let settings = |dir: &Path| -> Result<Settings> {
        let at = |name: &str| dir.join(name);
        let place = Place::new()?;
        Ok(Settings { dir: at("in"), done: at("done"), failed: at("failed"), ..place.settings(settled())? })
    };
    if let Some(dir) = std::env::var_os(DIR) {
        let faults = settings(Path::new(&dir))?.faults();
        assert!(faults.iter().any(|fault| fault.contains("sticky bit")), "{faults:?}");
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    for name in ["in", "done", "failed"] {
        fs::create_dir(dir.path().join(name))?;
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(0o1777))?;
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
    assert_eq!(settings(dir.path())?.faults(), Vec::<String>::new(), "it is one's own");
    let name = "trouble::a_sticky_folder_of_somebody_else_is_refused";
    let mut as_nobody = Command::new(std::env::current_exe()?);
    as_nobody.args(["--exact", name]).env(DIR, dir.path()).uid(NOBODY).gid(NOBODY).current_dir("/");
    match as_nobody.output() {
        Err(error) => println!("nobody else can be: {error}: nothing was tested"),
        Ok(ended) => {
            let out = String::from_utf8_lossy(&ended.stdout);
            assert!(ended.status.success() && out.contains("1 passed"), "{out}");
        }
    }
    Ok(())
}

/// Somebody who holds a lease on a file, as Samba does: whoever opens it without waiting is told to come again.
struct Lease(Child);

impl Lease {
    fn take(path: &Path) -> Result<Option<Self>> {
        const SCRIPT: &str = "import fcntl, signal, sys\n\
                              signal.signal(signal.SIGIO, signal.SIG_IGN)\n\
                              file = open(sys.argv[1], 'r+')\n\
                              fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)\n\
                              print('held', flush=True)\n\
                              sys.stdin.read()";
        let mut python = Command::new("python3");
        python.args(["-c", SCRIPT]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            std::io::BufReader::new(out).read_line(&mut line)?;
        }
        let lease = Self(child);
        Ok((line == "held\n").then_some(lease))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait(); // It ends with its input.
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_holds_up_no_other_and_comes_when_it_can() -> Result {
    let place = Place::new()?;
    for name in ["a.xml", "b.xml", "c.xml"] {
        place.write(name, name)?;
    }
    let Some(lease) = Lease::take(&place.path("b.xml"))? else {
        println!("no lease can be held here: nothing was tested");
        return Ok(());
    };
    // However long somebody holds it open: that is not what is put away as unreadable.
    let warn_after = Duration::from_millis(1);
    let source = place.source(Settings { warn_after, ..place.settings(settled())? });
    let mut subscription = source.subscribe().await?;
    assert_eq!(take(&mut *subscription, 2).await?, ["a.xml", "c.xml"]);
    let told = tokio::select! {
        told = said(source, Option::is_some) => told?.unwrap_or_default(),
        went = go_on(&mut *subscription) => panic!("it cannot be read: {went:?}"),
    };
    assert!(told.starts_with("1 file waits to be taken, the oldest since 1970-01-01T00:00:00Z:"), "{told}");
    assert!(told.contains("1 that cannot be read") && !told.contains("b.xml"), "{told}");
    place.write("d.xml", "d.xml")?;
    assert_eq!(take(&mut *subscription, 1).await?, ["d.xml"], "many looks later");
    drop(lease);
    assert_eq!(take(&mut *subscription, 1).await?, ["b.xml"]);
    assert_eq!(said(source, Option::is_none).await?, None);
    assert_eq!(names(&place.path("failed"))?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_told_of_files_that_wait_and_why() -> Result {
    let place = Place::new()?;
    let settings = Settings { warn_after: Duration::from_millis(50), ..place.settings(marked())? };
    place.write("unmarked.xml", "")?;
    place.write("old.xml.done", "")?;
    place.write("old.xml", "")?;
    let newer = fs::File::options().append(true).open(place.path("old.xml"))?;
    newer.set_modified(newer.metadata()?.modified()? + Duration::from_secs(120))?;
    place.write("UPPER.XML", "")?;
    place.write("left.xml.part", "")?;
    fs::create_dir(place.path("folder"))?;
    let source = place.source(settings);
    let mut subscription = source.subscribe().await?;
    let all = |said: &Option<String>| said.as_ref().is_some_and(|said| said.starts_with("4 files wait"));
    let told = tokio::select! {
        told = said(source, all) => told?.unwrap_or_default(),
        went = go_on(&mut *subscription) => panic!("nothing is whole: {went:?}"),
    };
    for expected in [
        "1 without its marker NAME.done",
        "1 newer than its marker NAME.done",
        "1 not of the pattern *.{xml,json,g69}",
        "1 named as one that is still being written",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    for name in ["unmarked", "old.xml", "UPPER", "left"] {
        assert!(!told.contains(name), "names may be somebody's: {told}");
    }
    place.write("unmarked.xml.done", "")?;
    assert_eq!(take(&mut *subscription, 1).await?, [""]);
    let fewer = |said: &Option<String>| said.as_ref().is_some_and(|said| said.starts_with("3 files wait"));
    tokio::select! {
        told = said(source, fewer) => drop(told?),
        went = go_on(&mut *subscription) => panic!("nothing else is whole: {went:?}"),
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_belongs_to_one_source() -> Result {
    let place = Place::new()?;
    let subscription = place.subscribe(settled()).await?;
    let second =
        Source::new(Settings { pattern: "*.g69".parse()?, ..place.settings(settled())? }, Arc::new(Epoch));
    let error = second.subscribe().await.err().ok_or("it is the first one's")?;
    assert!(error.doing.contains("another source or gateway takes files from it"), "{error}");
    // Who only looks is not kept from it.
    second.check().await?;
    // Whatever becomes of a subscription, the folder stays the source's.
    drop(subscription);
    assert!(second.subscribe().await.is_err());
    drop(place.subscribe(settled()).await?);
    let Place(dir, first) = place;
    drop(first);
    drop(second.subscribe().await?);
    drop(dir);
    Ok(())
}
