//! Putting files away that were taken: into the folder of those that are done, or of those that were not read whole.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use samspor_domain::LinkError;

use super::take::File;
use super::{Settings, Whole};
use crate::failed;
use crate::place::{self, Stamp, look_at};

/// Moves files away, and makes that durable. What somebody changed since it was read stays where it is.
pub(super) fn all(settings: &Settings, files: &[File], now: Timestamp) -> Result<(), LinkError> {
    for to in [&settings.done, &settings.failed] {
        let mut files = files.iter().filter(|file| folder_of(settings, file) == to).peekable();
        if files.peek().is_none() {
            continue;
        }
        let doing = || {
            let advice = "may the gateway's user write there, and is it on the same file system?";
            format!("moving files that were taken to the folder {} ({advice})", to.display())
        };
        files.try_for_each(|file| one(settings, file, to, now)).map_err(|error| failed(doing(), error))?;
        sync(settings, to).map_err(|error| failed(doing(), error))?;
    }
    Ok(())
}

fn folder_of<'a>(settings: &'a Settings, file: &File) -> &'a PathBuf {
    if file.is_whole { &settings.done } else { &settings.failed }
}

fn one(settings: &Settings, file: &File, to: &Path, now: Timestamp) -> io::Result<()> {
    let path = settings.dir.join(&file.name);
    // Its sender may have taken it back, or put another in its place, which is then to be taken, too.
    match look_at(&path)? {
        Some(found) if Stamp::of(&found) == file.stamp => {}
        _ => return Ok(()),
    }
    let moved = match place::move_into(&path, to, &file.name, now) {
        Ok(moved) => moved,
        Err(error) if error.kind() == io::ErrorKind::NotFound && look_at(&path)?.is_none() => return Ok(()),
        Err(error) => return Err(error),
    };
    // Between the look and the move, too.
    if look_at(&moved)?.is_some_and(|found| !Stamp::of(&found).is_content_of(&file.stamp)) {
        place::move_into(&moved, &settings.dir, &file.name, now)?;
        return Ok(());
    }
    marker(settings, &file.name, &moved)
}

/// Moves the marker of a file after it. Left behind by a crash it would be older than the next file of the name.
pub(super) fn marker(settings: &Settings, name: &OsStr, moved: &Path) -> io::Result<()> {
    let Whole::Marked(marker) = &settings.whole else { return Ok(()) };
    let (mut from, mut to) = (settings.dir.join(name).into_os_string(), moved.to_owned().into_os_string());
    from.push(marker);
    to.push(marker);
    match place::move_to_nothing(from.as_ref(), to.as_ref()) {
        // It says nothing by itself.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => std::fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
}

/// Makes the moves durable: first that the files are there, then that they are not here any more.
pub(super) fn sync(settings: &Settings, to: &Path) -> io::Result<()> {
    place::sync(to)?;
    place::sync(&settings.dir)
}
