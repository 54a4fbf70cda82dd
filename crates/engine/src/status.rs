//! How each part of the gateway is doing, for whoever watches: health, readiness, the operator.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use samspor_domain::{Clock, SourceName, Text};
use tokio::sync::watch;

/// How a part is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It has not been up yet.
    Starting,
    /// It works.
    Up,
    /// It does not, and is tried again: why.
    Down(String),
    /// Somebody paused it, and it waits until somebody resumes it.
    Paused,
    /// It has stopped, as it was told to.
    Stopped,
}

impl Condition {
    /// One word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Down(_) => "down",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }

    /// Whether it is as somebody wants it: it works, or was paused.
    #[must_use]
    pub const fn is_as_wanted(&self) -> bool {
        matches!(self, Self::Up | Self::Paused)
    }
}

/// What a part has said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How it is doing.
    pub condition: Condition,
    /// Since when it is up, down or whatever it is. Another reason to be down does not change that.
    pub since: Timestamp,
}

/// The parts by name: `source opus`, `target ledger`, `store`, `grpc`.
pub type Parts = BTreeMap<String, Report>;

/// The parts that warn only: somebody has something to set right, and everything works meanwhile.
const WARNING: [&str; 2] = [crate::writer::CLOCK, crate::scrub::PART];

/// Whether a gateway is ready: every part is as somebody wants it, but those that warn only.
#[must_use]
pub fn is_ready(parts: &Parts) -> bool {
    let warns = |part: &str| WARNING.contains(&part) || part.starts_with(FILES);
    parts.iter().all(|(part, report)| report.condition.is_as_wanted() || warns(part))
}

/// The name of a source's part.
#[must_use]
pub fn source_part(name: &SourceName) -> String {
    format!("source {name}")
}

/// How the parts begin that say what somebody should see to at a source, such as files that wait.
const FILES: &str = "files ";

/// The name of the part that says what somebody should see to at a source, though it works. It is there once there was
/// something, and warns only.
pub(crate) fn files_part(name: &SourceName) -> String {
    format!("{FILES}{name}")
}

/// The name of a target's part.
#[must_use]
pub fn target_part(name: &Text) -> String {
    format!("target {name}")
}

/// A board on which parts say how they are doing.
#[derive(Clone)]
pub struct Status {
    board: Arc<watch::Sender<Parts>>,
    clock: Arc<dyn Clock>,
}

impl Status {
    /// An empty board.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { board: Arc::new(watch::Sender::new(Parts::new())), clock }
    }

    /// Says how a part is doing. The log tells of each change once.
    pub fn set(&self, part: &str, condition: Condition) {
        self.board.send_if_modified(|parts| {
            let before = parts.get(part);
            if before.is_some_and(|said| said.condition == condition) {
                return false;
            }
            match &condition {
                Condition::Down(why) => tracing::warn!(part, why, "down; trying again"),
                Condition::Up => tracing::info!(part, "up"),
                Condition::Starting => tracing::debug!(part, "starting"),
                Condition::Paused => tracing::info!(part, "paused; `samspor resume` lets it go on"),
                Condition::Stopped => tracing::info!(part, "stopped"),
            }
            let since = match before {
                Some(said) if said.condition.word() == condition.word() => said.since,
                _ => self.clock.now(),
            };
            parts.insert(part.to_owned(), Report { condition, since });
            true
        });
    }

    /// Takes a part off the board.
    pub(crate) fn remove(&self, part: &str) {
        self.board.send_if_modified(|parts| {
            let was_there = parts.remove(part).is_some();
            if was_there {
                tracing::info!(part, "removed");
            }
            was_there
        });
    }

    /// The parts now, and every change from now on.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Parts> {
        self.board.subscribe()
    }
}
