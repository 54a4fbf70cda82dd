//! How each part of the gateway is doing, for whoever watches: health, readiness, the operator.

use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// It has stopped, as it was told to.
    Stopped,
}

/// The parts by name, such as `source opus`, `target ledger`, `store`.
pub type Parts = BTreeMap<String, Condition>;

/// A board on which parts say how they are doing.
#[derive(Debug, Clone)]
pub struct Status(Arc<watch::Sender<Parts>>);

impl Default for Status {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Parts::new())))
    }
}

impl Status {
    /// Says how a part is doing. The log tells of each change once.
    pub fn set(&self, part: &str, condition: Condition) {
        self.0.send_if_modified(|parts| {
            if parts.get(part) == Some(&condition) {
                return false;
            }
            match &condition {
                Condition::Down(why) => tracing::warn!(part, why, "down; trying again"),
                Condition::Up => tracing::info!(part, "up"),
                Condition::Starting => tracing::debug!(part, "starting"),
                Condition::Stopped => tracing::info!(part, "stopped"),
            }
            parts.insert(part.to_owned(), condition);
            true
        });
    }

    /// The parts now, and every change from now on.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Parts> {
        self.0.subscribe()
    }
}
