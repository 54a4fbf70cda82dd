//! Folders: what a file in one is like, whether one can be used, and moving files from one to another.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use samspor_domain::LinkError;

use crate::failed;

/// What is made and taken away again to see whether a folder can be used.
const PROBE: &str = ".samspor-probe";

/// What tells one file, and one content of it, from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// Moves on with every change and cannot be set back, as a sender may do with the time of modification.
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Whether it is the same content of the same file, which may have another name or other permissions by now.
    pub(crate) fn is_content_of(&self, other: &Self) -> bool {
        Self { changed: other.changed, ..*self } == *other
    }

    /// When its content was last written.
    pub(crate) fn modified(&self) -> (i64, i64) {
        self.modified
    }
}

/// What is there under a name, without following a symbolic link; none where there is nothing.
pub(crate) fn look_at(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes everything durable that was made, moved or taken away in a folder.
pub(crate) fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Moves a file to where nothing is yet.
pub(crate) fn move_to_nothing(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems of networks cannot be told so. The folder that it goes to is the gateway's own, then.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            if look_at(to)?.is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        moved => moved.map_err(io::Error::from),
    }
}

/// Moves a file into a folder, under its own name, or where that is taken already under one with the time.
pub(crate) fn move_into(from: &Path, dir: &Path, name: &OsStr, now: Timestamp) -> io::Result<PathBuf> {
    let mut number: u32 = 0;
    loop {
        let to = dir.join(variant(name, now, number));
        match move_to_nothing(from, &to) {
            Ok(()) => return Ok(to),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 10_000 => number += 1,
            Err(error) => return Err(error),
        }
    }
}

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

/// Why a folder cannot be used as it stands, without changing anything; nothing where it can be. One that is missing is no
/// fault where the gateway makes it.
pub(crate) fn fault(dir: &Path, is_made: bool, beside: Option<&Path>) -> Option<String> {
    let shown = dir.display();
    let found = match fs::metadata(dir) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_made => {
            let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty())?;
            return fault(parent, is_made, beside);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Some(format!("the folder {shown} is not there: make it, or mount what it lies on"));
        }
        Err(error) => return Some(format!("the folder {shown} cannot be looked at: {error}")),
    };
    if !found.is_dir() {
        return Some(format!("{shown} is no folder"));
    }
    let needed = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    if rustix::fs::access(dir, needed).is_err() {
        return Some(format!(
            "the folder {shown} cannot be read and written: give the gateway's user both rights there"
        ));
    }
    let other = beside.and_then(|beside| fs::metadata(beside).ok());
    if other.is_some_and(|other| other.dev() != found.dev()) {
        return Some(format!(
            "the folder {shown} lies on another file system, so that nothing can be moved there in one step: name one \
             on the same"
        ));
    }
    None
}

/// Sees whether a file can be made in one folder and moved to another in one step.
pub(crate) fn probe(from: &Path, to: &Path) -> Result<(), LinkError> {
    let (made, moved) = (from.join(PROBE), to.join(PROBE));
    let failed_in = |dir: &Path, advice: &'static str| {
        let doing = format!("writing in the folder {} ({advice})", dir.display());
        move |error: io::Error| failed(doing, error)
    };
    let rights = "may the gateway's user write there, and is there room?";
    File::create(&made).map_err(failed_in(from, rights))?;
    let done = fs::rename(&made, &moved).map_err(|error| {
        let _ = fs::remove_file(&made); // A probe that stays is in nobody's way.
        let advice = match error.kind() {
            io::ErrorKind::CrossesDevices => {
                "it lies on another file system than the files; name one on the same, for files to be moved in one step"
            }
            _ => rights,
        };
        failed_in(to, advice)(error)
    });
    done?;
    fs::remove_file(&moved).map_err(failed_in(to, rights))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_there_is_overwritten() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let (from, to) = (dir.path().join("in"), dir.path().join("done"));
        fs::create_dir(&from)?;
        fs::create_dir(&to)?;
        let mut contents = Vec::new();
        for content in ["one", "two", "three", "four"] {
            fs::write(from.join("a.xml"), content)?;
            let moved = move_into(&from.join("a.xml"), &to, OsStr::new("a.xml"), Timestamp::UNIX_EPOCH)?;
            contents.push((moved.file_name().map(OsStr::to_owned), fs::read_to_string(&moved)?));
        }
        let names =
            ["a.xml", "a.xml.19700101T000000Z", "a.xml.19700101T000000Z.2", "a.xml.19700101T000000Z.3"];
        let expected = names.into_iter().zip(["one", "two", "three", "four"]);
        let expected: Vec<_> =
            expected.map(|(name, content)| (Some(OsString::from(name)), content.to_owned())).collect();
        assert_eq!(contents, expected);
        for (name, content) in expected {
            assert_eq!(fs::read_to_string(to.join(name.unwrap_or_default()))?, content);
        }
        Ok(())
    }
}
