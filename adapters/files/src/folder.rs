//! A folder that is held open. What is done in it is done in that very folder, whatever somebody puts at its path meanwhile:
//! a sender that may write beside it can choose nothing of where a file goes.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use samspor_domain::LinkError;

use crate::failed;
use crate::place::Stamp;

/// What is made and taken away again to see whether a folder can be used.
const PROBE: &str = ".samspor-probe";

/// The folder behind one descriptor.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    dir: OwnedFd,
    itself: Stamp,
}

impl Folder {
    /// Opens the folder that lies at a path. A symbolic link is no folder.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::open_with(path, OFlags::NOFOLLOW)
    }

    /// Opens the folder that a path leads to, through a symbolic link too.
    pub(crate) fn follow(path: &Path) -> io::Result<Self> {
        Self::open_with(path, OFlags::empty())
    }

    fn open_with(path: &Path, flags: OFlags) -> io::Result<Self> {
        // A `/` at the end would lead through a link.
        let path: PathBuf = path.components().collect();
        let dir = rustix::fs::openat(CWD, &path, FLAGS | flags, Mode::empty())?;
        Self::held(path, dir)
    }

    fn held(path: PathBuf, dir: OwnedFd) -> io::Result<Self> {
        let itself = Stamp::of(&rustix::fs::fstat(&dir)?);
        Ok(Self { path, dir, itself })
    }

    /// Opens a folder and makes it if it is missing. Of one that lies inside this, no step of the way is a link.
    pub(crate) fn make(&self, path: &Path) -> io::Result<Self> {
        let path: PathBuf = path.components().collect();
        let Ok(inside) = path.strip_prefix(&self.path) else {
            std::fs::create_dir_all(&path)?;
            return Self::open(&path);
        };
        let mut dir = self.dir.try_clone()?;
        for step in inside.components() {
            let Component::Normal(step) = step else { return Err(io::ErrorKind::InvalidInput.into()) };
            let open = || rustix::fs::openat(&dir, step, FLAGS | OFlags::NOFOLLOW, Mode::empty());
            dir = match open() {
                Err(Errno::NOENT) => {
                    rustix::fs::mkdirat(&dir, step, Mode::from_raw_mode(0o777))?;
                    open()?
                }
                opened => opened?,
            };
        }
        Self::held(path, dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it still lies where it did.
    pub(crate) fn is_in_place(&self) -> bool {
        Self::open(&self.path).is_ok_and(|now| now.itself.is_same_file(&self.itself))
    }

    /// Whether two are one and the same folder.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.itself.is_same_file(&other.itself)
    }

    /// Sees to it that nobody else takes files from it: another source, or another gateway. It lasts as long as this. There
    /// are file systems of networks on which no folder can be locked.
    pub(crate) fn lock(&self) -> Result<(), LinkError> {
        match rustix::fs::flock(&self.dir, FlockOperation::NonBlockingLockExclusive) {
            Err(error @ Errno::AGAIN) => {
                let shown = self.path.display();
                let doing =
                    format!("locking the folder {shown} (another source or gateway takes files from it)");
                Err(failed(doing, io::Error::from(error)))
            }
            _ => Ok(()),
        }
    }

    /// The names of all that is there.
    pub(crate) fn names(&self) -> io::Result<impl Iterator<Item = io::Result<OsString>>> {
        use std::os::unix::ffi::OsStrExt;
        let entries = Dir::read_from(&self.dir)?;
        let name = |entry: rustix::io::Result<rustix::fs::DirEntry>| {
            let entry = entry?;
            Ok(OsStr::from_bytes(entry.file_name().to_bytes()).to_owned())
        };
        Ok(entries.map(name).filter(|name| !name.as_ref().is_ok_and(|name| name == "." || name == "..")))
    }

    /// What is there under a name, without following a link; none where there is nothing.
    pub(crate) fn look_at(&self, name: &OsStr) -> io::Result<Option<Stamp>> {
        match rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(Stamp::of(&found))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a file for reading. Never waits, whatever lies under the name.
    pub(crate) fn read(&self, name: &OsStr) -> rustix::io::Result<std::fs::File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(&self.dir, name, flags, Mode::empty()).map(std::fs::File::from)
    }

    /// Moves a file to where nothing is yet.
    pub(crate) fn move_to_nothing(&self, name: &OsStr, to: &Self, called: &OsStr) -> io::Result<()> {
        match rustix::fs::renameat_with(&self.dir, name, &to.dir, called, RenameFlags::NOREPLACE) {
            // Some file systems of networks cannot be told so. The folder that it goes to is the gateway's own, then.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                if to.look_at(called)?.is_some() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                rustix::fs::renameat(&self.dir, name, &to.dir, called).map_err(io::Error::from)
            }
            moved => moved.map_err(io::Error::from),
        }
    }

    /// Moves a file to another folder, under this name, or where that is taken already under one with the time. Answers
    /// under which.
    pub(crate) fn move_into(
        &self,
        name: &OsStr,
        to: &Self,
        called: &OsStr,
        now: Timestamp,
    ) -> io::Result<OsString> {
        let mut number: u32 = 0;
        loop {
            let called = variant(called, now, number);
            match self.move_to_nothing(name, to, &called) {
                Ok(()) => return Ok(called),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 10_000 => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes everything durable that was made, moved or taken away in it.
    pub(crate) fn sync(&self) -> io::Result<()> {
        rustix::fs::fsync(&self.dir).map_err(io::Error::from)
    }

    /// Sees whether a file can be made here and moved to another folder in one step.
    pub(crate) fn probe(&self, to: &Self) -> Result<(), LinkError> {
        let failed_in = |of: &Self, advice: &'static str| {
            let doing = format!("writing in the folder {} ({advice})", of.path.display());
            move |error: Errno| failed(doing, io::Error::from(error))
        };
        let rights = "may the gateway's user write there, and is there room?";
        let remove = |of: &Self| match rustix::fs::unlinkat(&of.dir, PROBE, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            removed => removed,
        };
        // Whatever lies under that name, a link of somebody's too, is not written to.
        remove(self).map_err(failed_in(self, rights))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&self.dir, PROBE, flags, Mode::from_raw_mode(0o600));
        drop(made.map_err(failed_in(self, rights))?);
        let moved = rustix::fs::renameat(&self.dir, PROBE, &to.dir, PROBE).map_err(|error| {
            let _ = remove(self); // A probe that stays is in nobody's way.
            let advice = match error {
                Errno::XDEV => {
                    "it lies on another file system than the files; name one on the same, for files to be moved in one \
                     step"
                }
                _ => rights,
            };
            failed_in(to, advice)(error)
        });
        moved?;
        remove(to).map_err(failed_in(to, rights))
    }
}

/// How folders are opened.
const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The same name, or with a number the name with the time and, from the second on, that number.
fn variant(name: &OsStr, now: Timestamp, number: u32) -> OsString {
    let mut name = name.to_owned();
    if number > 0 {
        name.push(now.strftime(".%Y%m%dT%H%M%SZ").to_string());
    }
    if number > 1 {
        name.push(format!(".{number}"));
    }
    name
}

/// The name without what [`variant`] put behind it.
pub(crate) fn original(name: &OsStr) -> Option<&OsStr> {
    use std::os::unix::ffi::OsStrExt;
    let text = name.as_bytes();
    let without = |text: &'_ [u8]| {
        let at = text.iter().rposition(|byte| *byte == b'.').filter(|at| *at > 0)?;
        Some((at, text[at + 1..].to_vec()))
    };
    let (mut end, mut last) = without(text)?;
    if !last.is_empty() && last.iter().all(u8::is_ascii_digit) {
        (end, last) = without(&text[..end])?;
    }
    let time = std::str::from_utf8(&last).ok()?;
    jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time).ok()?;
    Some(OsStr::from_bytes(&text[..end]))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn nothing_that_is_there_is_overwritten_and_the_name_is_found_again() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let from = Folder::open(dir.path())?;
        let to = from.make(&dir.path().join("done"))?;
        let name = OsStr::new("a.xml");
        let mut moved = Vec::new();
        for content in ["one", "two", "three", "four"] {
            fs::write(dir.path().join(name), content)?;
            moved.push((from.move_into(name, &to, name, Timestamp::UNIX_EPOCH)?, content));
        }
        let names =
            ["a.xml", "a.xml.19700101T000000Z", "a.xml.19700101T000000Z.2", "a.xml.19700101T000000Z.3"];
        assert_eq!(moved.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), names);
        for (name, content) in moved {
            assert_eq!(fs::read_to_string(dir.path().join("done").join(&name))?, content);
            let expected = (name != "a.xml").then_some(OsStr::new("a.xml"));
            assert_eq!(original(&name), expected);
        }
        for name in ["a", ".xml", "a.1", "a.xml.2", "a.19700101T000000", ""] {
            assert_eq!(original(OsStr::new(name)), None, "{name}");
        }
        Ok(())
    }

    #[test]
    fn what_somebody_puts_in_its_place_is_not_it_and_no_way_leads_through_a_link() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let (inbox, other) = (dir.path().join("in"), dir.path().join("other"));
        fs::create_dir(&inbox)?;
        fs::create_dir(&other)?;
        let held = Folder::open(&inbox)?;
        let done = held.make(&inbox.join("done"))?;
        assert!(done.is_in_place());
        fs::rename(inbox.join("done"), inbox.join("d2"))?;
        std::os::unix::fs::symlink(&other, inbox.join("done"))?;
        assert!(!done.is_in_place());
        assert!(held.make(&inbox.join("done")).is_err(), "a link is no folder");
        assert!(held.make(&inbox.join("done/deep")).is_err(), "nor a way to one");
        assert!(Folder::open(&inbox.join("done/")).is_err(), "nor with `/` behind it");
        assert!(Folder::follow(&inbox.join("done"))?.is(&Folder::open(&other)?));
        // A probe writes to nothing that lies under its name already.
        fs::write(other.join("victim"), "whole")?;
        std::os::unix::fs::symlink(other.join("victim"), inbox.join(PROBE))?;
        held.probe(&held).map_err(io::Error::other)?;
        assert_eq!(fs::read_to_string(other.join("victim"))?, "whole");
        Ok(())
    }
}
