//! Taking files: each is read whole, and only if nobody changes it meanwhile. One that cannot be read holds up no other.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use rustix::io::Errno;
use samspor_domain::{Delivery, LinkError};

use super::held::Held;
use super::{Claimed, MAX_BATCH_BYTES, MAX_BATCH_FILES, Shared};
use crate::place::Stamp;
use crate::{failed, source::put_away};

/// What a file is told to be of which only the beginning was read. No decoder reads that, so that what lies in quarantine
/// can never be taken for the whole (RFC 2046, section 5.2.2).
const PARTIAL: &str = "message/partial";

/// A file that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) name: OsString,
    pub(super) stamp: Stamp,
    /// What its marker looks like, where it has one.
    pub(super) marker: Option<Stamp>,
}

/// Files that were read.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) deliveries: Vec<Delivery>,
    /// As many, in the same order.
    pub(super) files: Vec<File>,
    /// Files that could not be read for now, and why.
    pub(super) unread: Vec<(Ready, io::Error)>,
}

/// A file that was read.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) ready: Ready,
    /// Whether all of it was.
    pub(super) is_whole: bool,
}

/// What came of reading a file.
enum Outcome {
    Read(Delivery, bool),
    /// It is gone, or somebody changed it. If it is there at the next look, it is seen anew.
    Changed,
    /// It cannot be read, and never will be as it is.
    Unreadable(&'static str),
    /// It cannot be read for now.
    NotNow(io::Error),
}

/// Takes files from the front, up to the bounds of a batch.
pub(super) fn some(
    shared: &Shared,
    held: &Held,
    claimed: &Claimed,
    ready: &mut VecDeque<Ready>,
) -> Result<Taken, LinkError> {
    let (mut taken, mut bytes) = (Taken::default(), 0);
    while taken.files.len() < MAX_BATCH_FILES
        && bytes < MAX_BATCH_BYTES
        && let Some(next) = ready.pop_front()
    {
        match read(held, &next, shared.settings.max_body_bytes) {
            Outcome::Read(delivery, is_whole) => {
                bytes += delivery.body.len();
                claimed.with(|claimed| claimed.insert(next.name.clone()));
                taken.deliveries.push(delivery);
                taken.files.push(File { ready: next, is_whole });
            }
            Outcome::Changed => {}
            Outcome::Unreadable(why) => put_away_unread(shared, held, &next, why)?,
            Outcome::NotNow(error) if is_own_trouble(&error) => {
                // What was read meanwhile goes first.
                ready.push_front(next);
                if taken.files.is_empty() {
                    let dir = shared.settings.dir.display();
                    return Err(failed(format!("reading a file in the folder {dir}"), error));
                }
                break;
            }
            Outcome::NotNow(error) => taken.unread.push((next, error)),
        }
    }
    Ok(taken)
}

/// Whether it is the gateway that lacks something, and not one file.
fn is_own_trouble(error: &io::Error) -> bool {
    let own = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| own.iter().any(|own| own.raw_os_error() == code))
}

/// Moves a file away that cannot be read. Another one that has its name by now stays.
pub(super) fn put_away_unread(
    shared: &Shared,
    held: &Held,
    ready: &Ready,
    why: &'static str,
) -> Result<(), LinkError> {
    let file = File { ready: ready.clone(), is_whole: false };
    match put_away::one(&shared.settings, held, &file, shared.clock.now()) {
        Ok(put_away::Put::Moved(_)) => {
            let synced = held.failed.sync().and_then(|()| held.dir.sync());
            // The name stays untold: it may be somebody's.
            tracing::warn!(folder = %held.failed.path().display(), why, "a file that cannot be read was put away");
            synced
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(|error| {
        let to = held.failed.path().display();
        failed(format!("moving a file that cannot be read to the folder {to}"), error)
    })
}

/// Reads a file that looked like that.
fn read(held: &Held, ready: &Ready, limit: usize) -> Outcome {
    let mut file = match held.dir.read(&ready.name) {
        Ok(opened) => opened,
        Err(Errno::LOOP) => return Outcome::Unreadable("it is a symbolic link"),
        Err(Errno::ACCESS | Errno::PERM) => {
            return Outcome::Unreadable("the gateway's user may not read it");
        }
        Err(Errno::NXIO | Errno::NODEV) => return Outcome::Unreadable("it is no file"),
        Err(error) => return not_now(error.into()),
    };
    read_opened(&mut file, held, ready, limit).unwrap_or_else(not_now)
}

fn not_now(error: io::Error) -> Outcome {
    let is = |of: Errno| error.raw_os_error() == Some(of.raw_os_error());
    // A file that is gone, or was replaced on a server that this machine is told of late.
    if is(Errno::NOENT) || is(Errno::STALE) { Outcome::Changed } else { Outcome::NotNow(error) }
}

fn read_opened(file: &mut std::fs::File, held: &Held, ready: &Ready, limit: usize) -> io::Result<Outcome> {
    let stamp = ready.stamp;
    let found = Stamp::of(&rustix::fs::fstat(&*file)?);
    if !found.is_file() {
        return Ok(Outcome::Unreadable("it is no file"));
    }
    if found != stamp {
        return Ok(Outcome::Changed);
    }
    let most = limit.saturating_add(1);
    let mut body = Vec::with_capacity(found.size().min(most).saturating_add(1));
    file.by_ref().take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut body)?;
    // Whoever wrote to it meanwhile, or put another in its place, is not done yet.
    let after = held.dir.look_at(&ready.name)?;
    if Stamp::of(&rustix::fs::fstat(&*file)?) != stamp || after != Some(stamp) {
        return Ok(Outcome::Changed);
    }
    let is_whole = body.len() <= limit;
    let content_type = if is_whole { content_type(&ready.name) } else { Some(PARTIAL) };
    let delivery = Delivery {
        body: Bytes::from(body),
        content_type: content_type.map(str::to_owned),
        headers: BTreeMap::new(),
    };
    Ok(Outcome::Read(delivery, is_whole))
}

/// What the end of a name says for sure. What any other says is the source's format to know.
fn content_type(name: &OsStr) -> Option<&'static str> {
    let end = Path::new(name).extension()?;
    let known = [("xml", "application/xml"), ("json", "application/json")];
    known.into_iter().find(|(known, _)| end.eq_ignore_ascii_case(known)).map(|(_, content_type)| content_type)
}
