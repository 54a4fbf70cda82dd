//! Looking into a folder: which files are there, and which of them are whole.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use globset::GlobMatcher;
use jiff::Timestamp;
use samspor_domain::LinkError;
use tokio::time::Instant;

use super::held::Held;
use super::put_away;
use super::take::{self, Ready, Taken};
use super::waiting::{Waiting, Why};
use super::{Claimed, Shared, Whole};
use crate::failed;
use crate::place::Stamp;

/// Of so many files at most is kept what they were like, the first ones by name. Others have their turn when those are gone.
const MOST: usize = 20_000;

/// By what senders call files that they are still writing.
const UNFINISHED: [&str; 3] = [".part", ".tmp", ".filepart"];

/// A file that was seen.
#[derive(Debug, Clone, Copy)]
struct Seen {
    stamp: Stamp,
    /// Since when it has looked like that.
    since: Instant,
}

/// What is known of a folder.
pub(super) struct Looker {
    shared: Arc<Shared>,
    held: Arc<Held>,
    matcher: GlobMatcher,
    claimed: Claimed,
    seen: BTreeMap<OsString, Seen>,
    /// Those that are whole and were not taken yet, by name.
    ready: VecDeque<Ready>,
    waiting: Waiting,
    next_look: Instant,
}

/// The names in a folder, by what they are.
#[derive(Default)]
struct Names {
    /// Those that may be taken.
    wanted: BTreeSet<OsString>,
    others: BTreeMap<OsString, Why>,
    /// Whether there were more than are kept.
    are_more: bool,
}

impl Looker {
    pub(super) fn new(shared: Arc<Shared>, held: Arc<Held>, claimed: Claimed) -> Self {
        let matcher = shared.settings.pattern.0.compile_matcher();
        let (seen, ready, next_look) = (BTreeMap::new(), VecDeque::new(), Instant::now());
        Self { shared, held, matcher, claimed, seen, ready, waiting: Waiting::default(), next_look }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Instant {
        if self.ready.is_empty() { self.next_look } else { Instant::now() }
    }

    /// Takes what is whole, after a look for that, if it is time.
    pub(super) fn step(&mut self, now: Instant) -> Result<Taken, LinkError> {
        let at = (now, self.shared.clock.now());
        if self.ready.is_empty() {
            self.look(at)?;
        }
        let mut taken = take::some(&self.shared, &self.held, &self.claimed, &mut self.ready)?;
        for (ready, error) in taken.unread.drain(..) {
            let since = self.waiting.unread(&ready.name, &error, at);
            // One that somebody else holds open is not broken.
            let is_held = error.kind() == io::ErrorKind::WouldBlock;
            if !is_held && now.saturating_duration_since(since) >= self.shared.settings.warn_after {
                take::put_away_unread(&self.shared, &self.held, &ready, "reading it failed for too long")?;
            }
        }
        for file in &taken.files {
            self.waiting.taken(&file.ready.name);
        }
        self.tell(now);
        Ok(taken)
    }

    fn look(&mut self, at: (Instant, Timestamp)) -> Result<(), LinkError> {
        let shared = Arc::clone(&self.shared);
        let settings = &shared.settings;
        let doing = || {
            let dir = settings.dir.display();
            format!("looking into the folder {dir} (is it there, and may the gateway's user read it?)")
        };
        if !self.held.is_in_place() {
            return Err(self.held.misplaced());
        }
        let watched = shared.kept(|kept| kept.watch.look(settings, &self.held, at.1));
        watched.map_err(|error| failed(doing(), error))?;
        let names = self.names().map_err(|error| failed(doing(), error))?;
        let mut seen = BTreeMap::new();
        for name in names.wanted {
            // One that cannot even be looked at holds up no other.
            let found = match self.held.dir.look_at(&name) {
                Ok(found) => found,
                Err(error) => {
                    self.waiting.see(&name, Why::Unread(error.kind()), at);
                    continue;
                }
            };
            if let (None, Whole::Marked(end)) = (&found, &settings.whole) {
                let put = put_away::left_behind(&self.held, &name, end, at.1);
                put.map_err(|error| failed(doing(), error))?;
            }
            // What is gone is gone; and a folder is no file.
            let Some(stamp) = found.filter(|found| !found.is_dir()) else { continue };
            let since = match self.seen.get(&name) {
                Some(before) if before.stamp == stamp => before.since,
                _ => at.0,
            };
            match self.is_whole(&name, &stamp, at.0.saturating_duration_since(since)) {
                Ok(marker) => {
                    if self.waiting.is_unread(&name) {
                        self.waiting.see(&name, Why::Unread(io::ErrorKind::Other), at);
                    }
                    self.ready.push_back(Ready { name: name.clone(), stamp, marker });
                }
                Err(why) => self.waiting.see(&name, why, at),
            }
            seen.insert(name, Seen { stamp, since });
        }
        for (name, why) in names.others {
            if self.held.dir.look_at(&name).is_ok_and(|found| found.is_some_and(|found| !found.is_dir())) {
                self.waiting.see(&name, why, at);
            }
        }
        self.waiting.end();
        self.seen = seen;
        let soon = settings.poll.min(Duration::from_secs(1));
        self.next_look = at.0 + if names.are_more { soon } else { settings.poll };
        Ok(())
    }

    fn names(&self) -> io::Result<Names> {
        let mut names = Names::default();
        let claimed = self.claimed.with(|claimed| claimed.clone());
        let marker = match &self.shared.settings.whole {
            Whole::Marked(marker) => marker.as_bytes(),
            Whole::Settled(_) => &[],
        };
        let mut marked: BTreeSet<OsString> = BTreeSet::new();
        for name in self.held.dir.names()? {
            let name = name?;
            if name.as_bytes().starts_with(b".") || claimed.contains(&name) {
                continue;
            }
            let of_marker = name.as_bytes().strip_suffix(marker).filter(|_| !marker.is_empty());
            if let Some(of) = of_marker.map(OsStr::from_bytes) {
                if self.unwanted(of).is_none() && !claimed.contains(of) {
                    marked.insert(of.to_owned());
                    names.are_more |= keep_first(&mut marked);
                }
                continue;
            }
            if let Some(why) = self.unwanted(&name) {
                names.others.insert(name, why);
                if names.others.len() > MOST {
                    names.others.pop_last();
                }
                continue;
            }
            if marker.is_empty() {
                names.wanted.insert(name);
                names.are_more |= keep_first(&mut names.wanted);
            } else if names.others.len() < MOST {
                names.others.insert(name, Why::Unmarked);
            }
        }
        // Where there is a marker for it, it has its turn; what has none only waits.
        if !marker.is_empty() {
            names.others.retain(|name, _| !marked.contains(name));
            names.wanted = marked;
        }
        Ok(names)
    }

    /// Why a name is not taken.
    fn unwanted(&self, name: &OsStr) -> Option<Why> {
        let bytes = name.as_bytes();
        let is_unfinished = UNFINISHED.iter().any(|end| {
            let at = bytes.len().saturating_sub(end.len());
            bytes[at..].eq_ignore_ascii_case(end.as_bytes())
        });
        if is_unfinished {
            return Some(Why::Unfinished);
        }
        (bytes.starts_with(b".") || !self.matcher.is_match(name)).then_some(Why::Name)
    }

    /// Whether a file is whole: with the marker that says so, where it takes one; or why not.
    fn is_whole(&self, name: &OsStr, stamp: &Stamp, unchanged: Duration) -> Result<Option<Stamp>, Why> {
        match &self.shared.settings.whole {
            Whole::Settled(settle) if unchanged >= *settle => Ok(None),
            Whole::Settled(_) => Err(Why::Changes),
            Whole::Marked(end) => {
                let mut beside = name.to_owned();
                beside.push(end);
                let marker = self.held.dir.look_at(&beside);
                let marker = marker.map_err(|error| Why::Unread(error.kind()))?.ok_or(Why::Unmarked)?;
                // An older one was there for an earlier file of that name.
                if marker.modified() < stamp.modified() { Err(Why::OldMarker) } else { Ok(Some(marker)) }
            }
        }
    }

    /// Tells what somebody should see to.
    fn tell(&self, now: Instant) {
        let waits = self.waiting.notice(&self.shared.settings, now);
        let grown = self.shared.kept(|kept| kept.watch.grown).map(|(count, last)| {
            let last = last.strftime("%Y-%m-%dT%H:%M:%SZ");
            format!(
                "{count} times a file grew after it was taken, the last time at {last}, and was taken again: its sender \
                 pauses for longer than `settle_s`; let it rename files when they are whole, or put a `marker`"
            )
        });
        let said: Vec<String> = [waits, grown].into_iter().flatten().collect();
        let said = (!said.is_empty()).then(|| said.join("; "));
        self.shared.notice.send_if_modified(|now| {
            let is_new = *now != said;
            *now = said;
            is_new
        });
    }
}

/// Keeps no more than there is room for. Answers whether that were not all.
fn keep_first(names: &mut BTreeSet<OsString>) -> bool {
    let is_over = names.len() > MOST;
    if is_over {
        names.pop_last();
    }
    is_over
}
