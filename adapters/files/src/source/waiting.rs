//! What waits: files that are not taken, since when, and why. Somebody has to be told of those that wait for long.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Settings, Whole};

/// Why a file is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// There is no marker beside it.
    Unmarked,
    /// Its marker is older than it is.
    OldMarker,
    /// It changes again and again.
    Changes,
    /// It ends as a file does that somebody is still writing.
    Unfinished,
    /// The pattern does not take it.
    Name,
    /// It cannot be read for now.
    Unread(io::ErrorKind),
}

#[derive(Debug, Clone, Copy)]
struct Since {
    moment: Instant,
    at: Timestamp,
    why: Why,
}

/// Everything that waits, by name.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    files: BTreeMap<OsString, Since>,
    /// As they are seen at this look.
    seen: BTreeMap<OsString, Since>,
}

impl Waiting {
    /// A file is not taken at this look.
    pub(super) fn see(&mut self, name: &OsStr, why: Why, (moment, at): (Instant, Timestamp)) {
        let since = self.files.get(name).map_or(Since { moment, at, why }, |since| Since { why, ..*since });
        self.seen.insert(name.to_owned(), since);
    }

    /// The look is over: what was not seen waits no longer.
    pub(super) fn end(&mut self) {
        self.files = std::mem::take(&mut self.seen);
    }

    /// A file that was to be taken cannot be read. Answers since when.
    pub(super) fn unread(
        &mut self,
        name: &OsStr,
        error: &io::Error,
        (moment, at): (Instant, Timestamp),
    ) -> Instant {
        let why = Why::Unread(error.kind());
        let since = self.files.entry(name.to_owned()).or_insert(Since { moment, at, why });
        since.why = why;
        since.moment
    }

    /// A file was taken.
    pub(super) fn taken(&mut self, name: &OsStr) {
        self.files.remove(name);
    }

    /// Whether it could not be read when it was last tried.
    pub(super) fn is_unread(&self, name: &OsStr) -> bool {
        self.files.get(name).is_some_and(|since| matches!(since.why, Why::Unread(_)))
    }

    /// What somebody should see to: files that have waited for too long, and those that cannot be read.
    pub(super) fn notice(&self, settings: &Settings, now: Instant) -> Option<String> {
        let mut counts: BTreeMap<Why, u64> = BTreeMap::new();
        let mut oldest: Option<Timestamp> = None;
        for since in self.files.values() {
            let is_long = now.saturating_duration_since(since.moment) >= settings.warn_after;
            if is_long || matches!(since.why, Why::Unread(_)) {
                *counts.entry(since.why).or_default() += 1;
                oldest = Some(oldest.map_or(since.at, |oldest| oldest.min(since.at)));
            }
        }
        let oldest = oldest?.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let (count, marker) = (
            counts.values().sum::<u64>(),
            match &settings.whole {
                Whole::Marked(marker) => marker.as_str(),
                Whole::Settled(_) => "",
            },
        );
        let mut text = format!("{} to be taken, the oldest since {oldest}:", waits(count));
        for (no, (why, count)) in counts.into_iter().enumerate() {
            let before = if no == 0 { "" } else { "," };
            let said = match why {
                Why::Unmarked => format!("without its marker NAME{marker}"),
                Why::OldMarker => format!("newer than its marker NAME{marker}, which is put there last"),
                Why::Changes => "still being written to".to_owned(),
                Why::Unfinished => "named as one that is still being written".to_owned(),
                Why::Name => format!("not of the pattern {}", settings.pattern),
                Why::Unread(kind) => format!("that cannot be read ({kind})"),
            };
            // Writing to a text does not fail.
            let _ = write!(text, "{before} {count} {said}");
        }
        Some(text)
    }
}

fn waits(count: u64) -> String {
    if count == 1 { "1 file waits".into() } else { format!("{count} files wait") }
}
