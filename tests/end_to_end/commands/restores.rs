//! `samspor backup` and `restore` where they are not to go on: nothing is put in the place of anything, and it is said why.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::recordings::{facts, line, posting, write};
use crate::deployment::{Result, demo_config};
use crate::samspor::{Ran, samspor};

/// A store and a backup of it.
struct Stored {
    dir: tempfile::TempDir,
    config: PathBuf,
}

impl Stored {
    fn new(more: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let config = demo_config(dir.path())?;
        let text = fs::read_to_string(&config)?.replace("[store]\n", &format!("[store]\n{more}\n"));
        fs::write(&config, text)?;
        let stored = Self { dir, config };
        let lines = facts().into_iter().chain([("opus", posting("P-1"))]);
        let lines = lines.enumerate().map(|(n, (source, message))| line(n, source, &message));
        let recording = write(stored.dir.path(), "town.ndjson", lines)?;
        let store = stored.store();
        stored.run("replay", [Path::new("--data-dir"), &store, &recording])?.ended(0)?;
        let backup = stored.backup();
        stored.run("backup", [Path::new("--to"), &backup])?.ended(0)?;
        Ok(stored)
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn backup(&self) -> PathBuf {
        self.dir.path().join("backup")
    }

    fn run<'a>(&'a self, verb: &'a str, more: impl IntoIterator<Item = &'a Path>) -> Result<Ran> {
        samspor([Path::new(verb), Path::new("--config"), &self.config].into_iter().chain(more))
    }

    fn restore(&self) -> Result<Ran> {
        self.run("restore", [Path::new("--from"), &self.backup()])
    }

    /// Nothing came of it, and it says why.
    fn is_refused(&self, why: &str) -> Result<()> {
        let said = self.restore()?.ended(1)?.stderr;
        assert!(said.contains(why), "{said}");
        assert!(!self.store().join("samspor.sqlite").exists(), "nothing is in the place of the store");
        Ok(())
    }
}

#[test]
fn a_backup_goes_to_a_folder_of_its_own_and_leaves_others_alone() -> Result<()> {
    let stored = Stored::new("")?;
    let shared = stored.dir.path().join("shared");
    fs::create_dir(&shared)?;
    fs::write(shared.join("another"), "")?;
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o755))?;
    let said = stored.run("backup", [Path::new("--to"), &shared])?.ended(1)?.stderr;
    assert!(said.contains("is not empty"), "{said}");
    assert_eq!(fs::metadata(&shared)?.permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::metadata(stored.backup())?.permissions().mode() & 0o777, 0o700);
    Ok(())
}

#[test]
fn a_restore_takes_the_place_of_nothing_that_is_there() -> Result<()> {
    let stored = Stored::new("withdrawals_file = \"withdrawals.ndjson\"")?;
    fs::write(stored.dir.path().join("withdrawals.ndjson"), "")?;
    let before = fs::read(stored.store().join("samspor.sqlite"))?;
    let said = stored.restore()?.ended(1)?.stderr;
    assert!(said.contains("move the folder away"), "{said}");
    assert_eq!(fs::read(stored.store().join("samspor.sqlite"))?, before);

    // The log of the store that was lost would be played into the restored one.
    fs::remove_file(stored.store().join("samspor.sqlite"))?;
    fs::write(stored.store().join("samspor.sqlite-wal"), "what it wrote last")?;
    stored.is_refused("the log of a store")?;
    fs::remove_file(stored.store().join("samspor.sqlite-wal"))?;

    // Nor does it begin beside a gateway that is making a store there.
    let lock = fs::File::options().append(true).open(stored.store().join("lock"))?;
    lock.lock()?;
    stored.is_refused("cannot lock")?;
    lock.unlock()?;
    stored.restore()?.ended(0)?;
    Ok(())
}

#[test]
fn a_restore_wants_the_backup_and_the_log_of_withdrawals_as_they_were_written() -> Result<()> {
    let stored = Stored::new("withdrawals_file = \"withdrawals.ndjson\"")?;
    fs::remove_dir_all(stored.store())?;
    let log = stored.dir.path().join("withdrawals.ndjson");
    stored.is_refused("cannot read the log of withdrawals")?;
    fs::write(&log, "{\"consent\":\"00\",\"version\":2,\"deleted\":falsX}\n")?;
    stored.is_refused("line 1 of the log of withdrawals")?;
    // What a crash cut off is told, and no more.
    fs::write(&log, "{\"consent\":\"00\",\"vers")?;

    let copy = stored.backup().join("samspor.sqlite");
    let whole = fs::read(&copy)?;
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    fs::write(&copy, &changed)?;
    stored.is_refused("the backup is not as it was made")?;
    fs::write(&copy, &whole)?;
    let said = stored.restore()?.ended(0)?;
    assert!(said.stderr.contains("line 1 of the log of withdrawals was cut off"), "{said:?}");

    let without = Stored::new("")?;
    fs::remove_dir_all(without.store())?;
    without.is_refused("give --without-withdrawals")?;
    let backup = without.backup();
    let more = [Path::new("--without-withdrawals"), Path::new("--from"), &backup];
    without.run("restore", more)?.ended(0)?;
    Ok(())
}
