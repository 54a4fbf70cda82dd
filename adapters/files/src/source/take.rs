//! Taking files: each is read whole, and only if nobody changes it meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use samspor_domain::{Delivery, LinkError};

use super::{Claimed, MAX_BATCH_BYTES, MAX_BATCH_FILES, Settings, Shared};
use crate::place::{self, Stamp, look_at};
use crate::{failed, source::put_away};

/// What a file is told to be of which only the beginning was read. No decoder reads that, so that what lies in quarantine
/// can never be taken for the whole (RFC 2046, section 5.2.2).
const PARTIAL: &str = "message/partial";

/// Files that were read.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) deliveries: Vec<Delivery>,
    /// As many, in the same order.
    pub(super) files: Vec<File>,
}

/// A file that was read.
pub(super) struct File {
    pub(super) name: OsString,
    pub(super) stamp: Stamp,
    /// Whether all of it was.
    pub(super) is_whole: bool,
}

/// What came of reading a file.
enum Outcome {
    Read(Delivery, File),
    /// It is gone, or somebody changed it. If it is there at the next look, it is seen anew.
    Changed,
    /// It cannot be read, and never will be as it is.
    Unreadable(&'static str),
}

/// Takes files from the front, up to the bounds of a batch.
pub(super) fn some(
    shared: &Shared,
    claimed: &Claimed,
    ready: &mut VecDeque<(OsString, Stamp)>,
) -> Result<Taken, LinkError> {
    let (settings, mut taken, mut bytes) = (&shared.settings, Taken::default(), 0);
    while taken.files.len() < MAX_BATCH_FILES
        && bytes < MAX_BATCH_BYTES
        && let Some((name, stamp)) = ready.pop_front()
    {
        let path = settings.dir.join(&name);
        let outcome = read(&path, &name, stamp, settings.max_body_bytes).map_err(|error| {
            failed(format!("reading a file in the folder {}", settings.dir.display()), error)
        })?;
        match outcome {
            Outcome::Read(delivery, file) => {
                bytes += delivery.body.len();
                claimed.with(|claimed| claimed.insert(name));
                taken.deliveries.push(delivery);
                taken.files.push(file);
            }
            Outcome::Changed => {}
            Outcome::Unreadable(why) => put_away_unread(shared, &name, why)?,
        }
    }
    Ok(taken)
}

fn put_away_unread(shared: &Shared, name: &OsStr, why: &'static str) -> Result<(), LinkError> {
    let Settings { dir, failed: to, .. } = &shared.settings;
    let put = place::move_into(&dir.join(name), to, name, shared.clock.now());
    let put = put.and_then(|moved| put_away::marker(&shared.settings, name, &moved));
    match put.and_then(|()| put_away::sync(&shared.settings, to)) {
        Ok(()) => {
            // The name stays untold: it may be somebody's.
            tracing::warn!(folder = %to.display(), why, "a file that cannot be read was put away");
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            Err(failed(format!("moving a file that cannot be read to the folder {}", to.display()), error))
        }
    }
}

/// Reads a file that looked like that. Never waits, whatever lies under the name.
fn read(path: &Path, name: &OsStr, stamp: Stamp, limit: usize) -> io::Result<Outcome> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::NOENT) => return Ok(Outcome::Changed),
        Err(Errno::LOOP) => return Ok(Outcome::Unreadable("it is a symbolic link")),
        Err(Errno::ACCESS | Errno::PERM) => {
            return Ok(Outcome::Unreadable("the gateway's user may not read it"));
        }
        Err(Errno::NXIO | Errno::NODEV) => return Ok(Outcome::Unreadable("it is no file")),
        Err(error) => return Err(error.into()),
    };
    let mut file = std::fs::File::from(opened);
    let found = file.metadata()?;
    if !found.is_file() {
        return Ok(Outcome::Unreadable("it is no file"));
    }
    if Stamp::of(&found) != stamp {
        return Ok(Outcome::Changed);
    }
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let room = usize::try_from(found.len().min(most)).unwrap_or(0);
    let mut body = Vec::with_capacity(room.saturating_add(1));
    file.by_ref().take(most).read_to_end(&mut body)?;
    // Whoever wrote to it meanwhile, or put another in its place, is not done yet.
    let after = look_at(path)?;
    if Stamp::of(&file.metadata()?) != stamp || after.is_none_or(|after| Stamp::of(&after) != stamp) {
        return Ok(Outcome::Changed);
    }
    let is_whole = body.len() <= limit;
    let content_type = if is_whole { content_type(name) } else { Some(PARTIAL) };
    let delivery = Delivery {
        body: Bytes::from(body),
        content_type: content_type.map(str::to_owned),
        headers: BTreeMap::new(),
    };
    Ok(Outcome::Read(delivery, File { name: name.to_owned(), stamp, is_whole }))
}

/// What the end of a name says for sure. What any other says is the source's format to know.
fn content_type(name: &OsStr) -> Option<&'static str> {
    let end = Path::new(name).extension()?;
    let known = [("xml", "application/xml"), ("json", "application/json")];
    known.into_iter().find(|(known, _)| end.eq_ignore_ascii_case(known)).map(|(_, content_type)| content_type)
}
