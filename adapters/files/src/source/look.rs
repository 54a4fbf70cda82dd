//! Looking into a folder: which files are there, and which of them are whole.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use globset::GlobMatcher;
use samspor_domain::LinkError;
use tokio::time::Instant;

use super::take::{self, Taken};
use super::{Claimed, Shared, Whole};
use crate::failed;
use crate::place::{Stamp, look_at};

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
    matcher: GlobMatcher,
    claimed: Claimed,
    seen: BTreeMap<OsString, Seen>,
    /// Those that are whole and were not taken yet, by name.
    ready: VecDeque<(OsString, Stamp)>,
    next_look: Instant,
}

impl Looker {
    pub(super) fn new(shared: Arc<Shared>, claimed: Claimed) -> Self {
        let matcher = shared.settings.pattern.0.compile_matcher();
        let (seen, ready, next_look) = (BTreeMap::new(), VecDeque::new(), Instant::now());
        Self { shared, matcher, claimed, seen, ready, next_look }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Instant {
        if self.ready.is_empty() { self.next_look } else { Instant::now() }
    }

    /// Takes what is whole, after a look for that, if it is time.
    pub(super) fn step(&mut self, now: Instant) -> Result<Taken, LinkError> {
        if self.ready.is_empty() {
            self.look(now)?;
        }
        take::some(&self.shared, &self.claimed, &mut self.ready)
    }

    fn look(&mut self, now: Instant) -> Result<(), LinkError> {
        let settings = &self.shared.settings;
        let doing = || {
            let dir = settings.dir.display();
            format!("looking into the folder {dir} (is it there, and may the gateway's user read it?)")
        };
        let mut names: BTreeSet<OsString> = BTreeSet::new();
        let mut markers: BTreeSet<OsString> = BTreeSet::new();
        let mut is_all = true;
        let claimed = self.claimed.with(|claimed| claimed.clone());
        for entry in std::fs::read_dir(&settings.dir).map_err(|error| failed(doing(), error))? {
            let name = entry.map_err(|error| failed(doing(), error))?.file_name();
            if let Whole::Marked(marker) = &settings.whole
                && let Some(marked) = name.as_bytes().strip_suffix(marker.as_bytes())
            {
                let marked = OsStr::from_bytes(marked);
                if self.is_wanted(marked) && !claimed.contains(marked) {
                    markers.insert(marked.to_owned());
                    is_all &= !keep_first(&mut markers);
                }
            } else if self.is_wanted(&name) && !claimed.contains(&name) && !is_marked(&settings.whole) {
                names.insert(name);
                is_all &= !keep_first(&mut names);
            }
        }
        names.append(&mut markers);

        let mut seen = BTreeMap::new();
        for name in names {
            let path = settings.dir.join(&name);
            let found = look_at(&path).map_err(|error| failed(doing(), error))?;
            // What is gone is gone; and a folder is no file.
            let Some(found) = found.filter(|found| !found.is_dir()) else { continue };
            let stamp = Stamp::of(&found);
            let since = match self.seen.get(&name) {
                Some(before) if before.stamp == stamp => before.since,
                _ => now,
            };
            let is_whole = match &settings.whole {
                Whole::Settled(settle) => now.duration_since(since) >= *settle,
                Whole::Marked(marker) => {
                    let mut beside = path.into_os_string();
                    beside.push(marker);
                    let marker = look_at(beside.as_ref()).map_err(|error| failed(doing(), error))?;
                    // An older one was there for an earlier file of that name.
                    marker.is_some_and(|marker| Stamp::of(&marker).modified() >= stamp.modified())
                }
            };
            if is_whole {
                self.ready.push_back((name.clone(), stamp));
            }
            seen.insert(name, Seen { stamp, since });
        }
        self.seen = seen;
        self.next_look = now + if is_all { settings.poll } else { settings.poll.min(Duration::from_secs(1)) };
        Ok(())
    }

    fn is_wanted(&self, name: &OsStr) -> bool {
        let bytes = name.as_bytes();
        let is_unfinished = UNFINISHED.iter().any(|end| {
            let at = bytes.len().saturating_sub(end.len());
            bytes[at..].eq_ignore_ascii_case(end.as_bytes())
        });
        !bytes.starts_with(b".") && !is_unfinished && self.matcher.is_match(name)
    }
}

fn is_marked(whole: &Whole) -> bool {
    matches!(whole, Whole::Marked(_))
}

/// Keeps no more than there is room for. Answers whether that were not all.
fn keep_first(names: &mut BTreeSet<OsString>) -> bool {
    let is_over = names.len() > MOST;
    if is_over {
        names.pop_last();
    }
    is_over
}
