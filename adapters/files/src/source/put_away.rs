//! Putting files away that were taken: into the folder of those that are done, or of those that were not read whole.

use std::ffi::{OsStr, OsString};
use std::io;

use jiff::Timestamp;
use samspor_domain::LinkError;

use super::held::Held;
use super::take::File;
use super::watch::Watched;
use super::{Settings, Shared, Whole};
use crate::failed;
use crate::folder::Folder;
use crate::place::Stamp;

/// What became of a file that was to be moved.
pub(super) enum Put {
    /// It is there, under this name.
    Moved(OsString),
    /// Under this name lies what somebody put in its place, or wrote into it, just then; it is to be taken, too.
    Other(OsString),
    /// It is gone, or another one.
    Left,
}

/// Moves files away, and makes that durable. What somebody changed since it was read stays where it is. One that cannot be
/// moved keeps no other from it, and is remembered: it is stored, and must not be taken again. `again` says that they are
/// such ones.
pub(super) fn all(shared: &Shared, held: &Held, files: Vec<File>, again: bool) -> Result<(), LinkError> {
    let (now, mut ended) = (shared.clock.now(), Ok(()));
    let (mut moved, mut unmoved) = ([false; 2], Vec::new());
    let is_in_place = files.is_empty() || held.is_in_place();
    for mut file in files {
        if again
            && let Ok(Some(found)) = held.dir.look_at(&file.ready.name)
            && found.is_content_of(&file.ready.stamp)
        {
            file.ready.stamp = found; // Somebody set its rights right, as a rule.
        }
        let put = if is_in_place {
            one(&shared.settings, held, &file, now)
        } else {
            Err(io::ErrorKind::Other.into())
        };
        match put {
            Ok(put) => {
                moved[usize::from(file.is_whole)] |= !matches!(put, Put::Left);
                if let Some(watched) = Watched::new(&shared.settings, put, &file) {
                    shared.kept(|kept| kept.watch.add(watched));
                }
            }
            Err(error) => {
                if ended.is_ok() {
                    ended = Err(not_moved(folder_of(held, &file), error));
                }
                unmoved.push(file);
            }
        }
    }
    if !unmoved.is_empty() {
        tracing::warn!(files = unmoved.len(), folder = %held.dir.path().display(),
            "files that are stored could not be moved away; they are not taken again");
        shared.kept(|kept| kept.unmoved.append(&mut unmoved));
    }
    // First that the files are there, then that they are not here any more.
    for (to, moved) in [&held.failed, &held.done].into_iter().zip(moved) {
        if moved {
            to.sync().and_then(|()| held.dir.sync()).map_err(|error| not_moved(to, error))?;
        }
    }
    if is_in_place { ended } else { Err(held.misplaced()) }
}

fn not_moved(to: &Folder, error: io::Error) -> LinkError {
    let advice = "may the gateway's user move files of others out of theirs, write there, and is it on the same file system?";
    failed(format!("moving files that are stored to the folder {} ({advice})", to.path().display()), error)
}

fn folder_of<'a>(held: &'a Held, file: &File) -> &'a Folder {
    if file.is_whole { &held.done } else { &held.failed }
}

/// Moves a file away, if it is still the one that was read.
pub(super) fn one(settings: &Settings, held: &Held, file: &File, now: Timestamp) -> io::Result<Put> {
    let (name, stamp, to) = (&file.ready.name, file.ready.stamp, folder_of(held, file));
    // Its sender may have taken it back, or put another in its place, which is then to be taken, too.
    if held.dir.look_at(name)? != Some(stamp) {
        return Ok(Put::Left);
    }
    let moved = match held.dir.move_into(name, to, name, now) {
        Ok(moved) => moved,
        Err(error) if error.kind() == io::ErrorKind::NotFound && held.dir.look_at(name)?.is_none() => {
            return Ok(Put::Left);
        }
        Err(error) => return Err(error),
    };
    // Between the look and the move, too.
    if to.look_at(&moved)?.is_some_and(|found| !found.is_content_of(&stamp)) {
        return match to.move_to_nothing(&moved, &held.dir, name) {
            // Yet another has its name: it goes back when that one is gone.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Put::Other(moved)),
            Err(error) => Err(error),
            Ok(()) => Ok(Put::Left),
        };
    }
    if let (Whole::Marked(end), Some(stamp)) = (&settings.whole, file.ready.marker) {
        marker(held, to, &with(name, end), &stamp, &with(&moved, end), now)?;
    }
    Ok(Put::Moved(moved))
}

/// Moves a marker after its file, where the gateway died between the two: it is alone, and the file lies in `done` without
/// it. One that was there before its file was looked for is not that of a next file, which would be there first.
pub(super) fn left_behind(held: &Held, name: &OsStr, end: &str, now: Timestamp) -> io::Result<()> {
    let beside = with(name, end);
    let Some(stamp) = held.dir.look_at(&beside)? else { return Ok(()) };
    let is_of_the_last = held.dir.look_at(name)?.is_none()
        && held.done.look_at(name)?.is_some()
        && held.done.look_at(&beside)?.is_none();
    if is_of_the_last { marker(held, &held.done, &beside, &stamp, &beside, now) } else { Ok(()) }
}

fn with(name: &OsStr, end: &str) -> OsString {
    let mut name = name.to_owned();
    name.push(end);
    name
}

/// Moves the marker of a file after it: that one, and not the one that its sender put there for the next file of the name.
fn marker(
    held: &Held,
    to: &Folder,
    name: &OsStr,
    stamp: &Stamp,
    called: &OsStr,
    now: Timestamp,
) -> io::Result<()> {
    if held.dir.look_at(name)?.is_none_or(|found| !found.is_same_file(stamp)) {
        return Ok(());
    }
    let moved = match held.dir.move_into(name, to, called, now) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        moved => moved?,
    };
    if to.look_at(&moved)?.is_some_and(|found| !found.is_same_file(stamp)) {
        match to.move_to_nothing(&moved, &held.dir, name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {} // A newer one is there already.
            back => back?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::source::take::Ready;

    /// Between a file's move and its marker's, the sender puts the next file of that name there, with its marker.
    #[test]
    fn the_marker_of_the_next_file_stays_with_it() -> Result<(), Box<dyn std::error::Error>> {
        let place = tempfile::tempdir()?;
        let at = |name: &str| place.path().join(name);
        fs::write(at("a.xml.ok"), "")?;
        let dir = Folder::open(place.path())?;
        let done = dir.make(&at("done"))?;
        let name = OsStr::new("a.xml.ok");
        let first = dir.look_at(name)?.ok_or("the first marker")?;
        // Not by writing it again, which would be the same file.
        fs::write(at("next"), "")?;
        fs::rename(at("next"), at("a.xml.ok"))?;
        let failed = dir.make(&at("failed"))?;
        let held = Held { dir, done, failed };
        marker(&held, &held.done, name, &first, name, Timestamp::UNIX_EPOCH)?;
        assert!(at("a.xml.ok").exists() && !at("done/a.xml.ok").exists());
        let second = held.dir.look_at(name)?.ok_or("the second marker")?;
        marker(&held, &held.done, name, &second, name, Timestamp::UNIX_EPOCH)?;
        assert!(!at("a.xml.ok").exists() && at("done/a.xml.ok").exists());
        Ok(())
    }

    /// The gateway died between a file's move and its marker's.
    #[test]
    fn a_marker_that_was_left_behind_follows_its_file() -> Result<(), Box<dyn std::error::Error>> {
        let place = tempfile::tempdir()?;
        let at = |name: &str| place.path().join(name);
        let dir = Folder::open(place.path())?;
        let (done, failed) = (dir.make(&at("done"))?, dir.make(&at("failed"))?);
        let held = Held { dir, done, failed };
        let look = |name: &str| left_behind(&held, OsStr::new(name), ".ok", Timestamp::UNIX_EPOCH);
        for name in ["a.xml.ok", "b.xml.ok", "c.xml", "c.xml.ok", "done/a.xml", "done/c.xml"] {
            fs::write(at(name), name)?;
        }
        // Of the first the file is done; the second one's has not come; the third one's next file is there.
        for name in ["a.xml", "b.xml", "c.xml", "a.xml"] {
            look(name)?;
        }
        assert_eq!(fs::read_to_string(at("done/a.xml.ok"))?, "a.xml.ok");
        assert!(!at("a.xml.ok").exists() && at("b.xml.ok").exists() && at("c.xml.ok").exists());
        // Another one of its name has a marker there, so that this one is of a file that is to come.
        fs::write(at("a.xml.ok"), "next")?;
        look("a.xml")?;
        assert!(at("a.xml.ok").exists());
        Ok(())
    }

    /// A file that is put in the place of one that cannot be read is not put away for it.
    #[test]
    fn what_replaced_an_unreadable_file_stays() -> Result<(), Box<dyn std::error::Error>> {
        let place = tempfile::tempdir()?;
        let at = |name: &str| place.path().join(name);
        std::os::unix::fs::symlink("nowhere", at("a.xml"))?;
        let dir = Folder::open(place.path())?;
        let (done, failed) = (dir.make(&at("done"))?, dir.make(&at("failed"))?);
        let held = Held { dir, done, failed };
        let name = OsStr::new("a.xml");
        let stamp = held.dir.look_at(name)?.ok_or("the link")?;
        let file = File { ready: Ready { name: name.into(), stamp, marker: None }, is_whole: false };
        fs::write(at("good"), "good")?;
        fs::rename(at("good"), at("a.xml"))?;
        let settings =
            crate::source::tests::settings(place.path(), Whole::Settled(std::time::Duration::ZERO))?;
        assert!(matches!(one(&settings, &held, &file, Timestamp::UNIX_EPOCH)?, Put::Left));
        assert_eq!(fs::read_to_string(at("a.xml"))?, "good");
        Ok(())
    }
}
