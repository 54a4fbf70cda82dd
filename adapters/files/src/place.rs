//! Folders: what a file in one is like, whether one can be used, and moving files from one to another.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FileType, Stat};

/// What tells one file, and one content of it, from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: i128,
    inode: i128,
    size: i128,
    modified: (i128, i128),
    /// Moves on with every change and cannot be set back, as a sender may do with the time of modification.
    changed: (i128, i128),
    kind: FileType,
}

impl Stamp {
    pub(crate) fn of(found: &Stat) -> Self {
        Self {
            device: found.st_dev.into(),
            inode: found.st_ino.into(),
            size: found.st_size.into(),
            modified: (found.st_mtime.into(), found.st_mtime_nsec.into()),
            changed: (found.st_ctime.into(), found.st_ctime_nsec.into()),
            kind: FileType::from_raw_mode(found.st_mode),
        }
    }

    /// Whether it is the same content of the same file, which may have another name or other permissions by now.
    pub(crate) fn is_content_of(&self, other: &Self) -> bool {
        Self { changed: other.changed, ..*self } == *other
    }

    /// Whether it is the same file, whatever is in it.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Whether it is a plain file.
    pub(crate) fn is_file(&self) -> bool {
        self.kind == FileType::RegularFile
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.kind == FileType::Directory
    }

    /// How many bytes it has.
    pub(crate) fn size(&self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX)
    }

    /// When its content was last written, in seconds and nanoseconds.
    pub(crate) fn modified(&self) -> (i128, i128) {
        self.modified
    }

    /// When anything about it was last changed; its name too.
    pub(crate) fn changed(&self) -> (i128, i128) {
        self.changed
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

/// Why files of others cannot be moved out of a folder: in one with the sticky bit, only its owner, that of the file and the
/// administrator may.
pub(crate) fn is_others_and_sticky(dir: &Path) -> bool {
    const STICKY: u32 = 0o1000;
    let (found, own) = (fs::metadata(dir), fs::metadata("/proc/self"));
    let own = own.map(|own| own.uid());
    found.is_ok_and(|found| found.mode() & STICKY != 0 && own.is_ok_and(|own| own != 0 && own != found.uid()))
}

/// Whether a symbolic link lies at a path, with or without `/` behind it.
pub(crate) fn is_link(path: &Path) -> bool {
    let path: std::path::PathBuf = path.components().collect();
    fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}
