//! Watching what was put away: a sender that paused for longer than a file must settle goes on writing into it, wherever it
//! was moved. Such a file comes back to be taken again; what of it was taken before is known by its ids.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::held::{Held, bounded};
use super::put_away::Put;
use super::take::File;
use super::{Settings, Whole};
use crate::folder;
use crate::place::Stamp;

/// So many times as long as it must settle, a file is watched after it was put away.
const TIMES: u32 = 20;
/// No longer than that.
const LONGEST: Duration = Duration::from_hours(24);
/// So many are watched at most, the newest ones.
const MOST: usize = 20_000;

/// A file that was put away.
#[derive(Debug)]
pub(super) struct Watched {
    /// Its name there.
    name: OsString,
    /// The name that it had.
    original: OsString,
    /// What it looked like when it was taken; none if whatever lies there goes back.
    stamp: Option<Stamp>,
    until: Instant,
}

/// What is watched.
#[derive(Debug, Default)]
pub(super) struct Watch {
    files: VecDeque<Watched>,
    /// Whether it was looked at what the gateway put away before it was started.
    has_begun: bool,
    /// How many have come back since the start, and when the last one did.
    pub(super) grown: Option<(u64, Timestamp)>,
}

/// How long a file is watched.
fn span(settings: &Settings) -> Duration {
    match settings.whole {
        Whole::Settled(settle) => settle.saturating_mul(TIMES).min(LONGEST).max(settle),
        Whole::Marked(_) => Duration::ZERO,
    }
}

impl Watched {
    /// What is to be watched of a file that was put away, if anything.
    pub(super) fn new(settings: &Settings, put: Put, file: &File) -> Option<Self> {
        // What is too large is not taken again by coming back, and nothing of it was taken.
        let is_watched = file.is_whole && matches!(settings.whole, Whole::Settled(_));
        let (name, stamp) = match put {
            Put::Moved(name) if is_watched => (name, Some(file.ready.stamp)),
            Put::Other(name) if file.is_whole => (name, None),
            Put::Moved(_) | Put::Other(_) | Put::Left => return None,
        };
        let (original, until) = (file.ready.name.clone(), Instant::now() + span(settings));
        Some(Self { name, original, stamp, until })
    }
}

impl Watch {
    pub(super) fn add(&mut self, watched: Watched) {
        self.files.push_back(watched);
        bounded(&mut self.files, MOST);
    }

    /// Brings back what has grown.
    pub(super) fn look(&mut self, settings: &Settings, held: &Held, now: Timestamp) -> io::Result<()> {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.begin(settings, held, now)?;
        }
        let (mut brought, moment) = (0, Instant::now());
        for _ in 0..self.files.len() {
            let Some(watched) = self.files.pop_front() else { break };
            let found = held.done.look_at(&watched.name)?;
            let Some(found) = found else { continue };
            if let Some(stamp) = watched.stamp {
                if !found.is_same_file(&stamp) {
                    continue;
                }
                if found.is_content_of(&stamp) {
                    if watched.until > moment {
                        self.files.push_back(watched);
                    }
                    continue;
                }
            }
            match held.done.move_to_nothing(&watched.name, &held.dir, &watched.original) {
                Ok(()) => brought += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // Another file of its name is to be taken first.
                Err(_) => self.files.push_back(watched),
            }
        }
        if brought > 0 {
            held.dir.sync()?;
            held.done.sync()?;
            tracing::warn!(files = brought, folder = %held.dir.path().display(),
                "files grew after they were taken, and are taken again: their sender pauses for longer than `settle_s`");
            let before = self.grown.map_or(0, |(count, _)| count);
            self.grown = Some((before + brought, now));
        }
        Ok(())
    }

    /// What an earlier run put away not long ago. The move was the last that happened to a file that nobody has written to
    /// since; writing sets both of its times to the same moment.
    fn begin(&mut self, settings: &Settings, held: &Held, now: Timestamp) -> io::Result<()> {
        let span = span(settings);
        if span.is_zero() {
            return Ok(());
        }
        let since = now.checked_sub(span).unwrap_or(Timestamp::MIN);
        let since = (i128::from(since.as_second()), i128::from(since.subsec_nanosecond()));
        let pattern = settings.pattern.0.compile_matcher();
        for name in held.done.names()? {
            let name = name?;
            let Some(stamp) = held.done.look_at(&name)? else { continue };
            if !stamp.is_file() || stamp.changed() < since {
                continue;
            }
            let original = folder::original(&name).filter(|_| !pattern.is_match(&name) || is_any(settings));
            let original = original.map_or_else(|| name.clone(), ToOwned::to_owned);
            let has_grown = stamp.changed() == stamp.modified();
            let stamp = (!has_grown).then_some(stamp);
            self.add(Watched { name, original, stamp, until: Instant::now() + span });
        }
        Ok(())
    }
}

/// Whether every name is taken: then one with the time behind it says nothing about which it was.
fn is_any(settings: &Settings) -> bool {
    settings.pattern.to_string() == "*"
}
