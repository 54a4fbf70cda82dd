//! From what was seen to what it means: pure, so that every rule is tested without a broker.

mod permission;
mod queue;
mod source;
mod target;
#[cfg(test)]
mod tests;

use std::time::Duration;

use samspor_http::management::{Exchange, Permissions, Queue, Version};

use crate::config;
pub(crate) use queue::dead_letters_to;
pub(crate) use source::source;
pub(crate) use target::{keys, target};

/// What was asked for: it is there, it is not there, or why it was not seen.
pub(crate) type Seen<T> = Result<Option<T>, String>;

/// What a queue's dead-letter exchange would do with what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeadLetters {
    /// The queue has none.
    None,
    /// It passes it to a queue.
    Kept(String),
    /// It does not exist.
    NoExchange(String),
    /// Nothing takes what it is given.
    NoQueue(String),
    /// It was not seen.
    Unseen(String, String),
}

/// A consumer of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Consumer {
    /// Where it comes from, or that it is not known.
    pub(crate) from: String,
    /// What its connection is called; `Ok(None)` where it has no name.
    pub(crate) name: Seen<String>,
}

/// What was seen of a source.
#[derive(Debug, Clone)]
pub(crate) struct SourceSeen {
    pub(crate) version: Option<Version>,
    pub(crate) user: String,
    pub(crate) queue: Seen<Queue>,
    pub(crate) dead_letters: DeadLetters,
    /// How many exchanges lead to it, beside the default one.
    pub(crate) bindings: Result<usize, String>,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) permissions: Seen<Permissions>,
}

/// What was seen of a target.
#[derive(Debug, Clone)]
pub(crate) struct TargetSeen {
    pub(crate) version: Option<Version>,
    pub(crate) user: String,
    /// The queue, or the exchange with what leads away from it.
    pub(crate) place: TargetPlace,
    pub(crate) permissions: Seen<Permissions>,
}

/// Where a target publishes.
#[derive(Debug, Clone)]
pub(crate) enum TargetPlace {
    Queue(Seen<Queue>),
    Exchange {
        exchange: Seen<Exchange>,
        /// The keys, and to where.
        bindings: Result<Vec<Bound>, String>,
        /// Where the exchange passes what no binding takes, and whether that is there.
        alternate: Option<(String, bool)>,
        /// The queues that take some of the keys, by name.
        queues: Vec<(String, Seen<Queue>)>,
    },
}

/// A binding away from an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) key: String,
    pub(crate) destination: String,
    pub(crate) is_queue: bool,
}

/// RabbitMQ's own advice is not to set an acknowledgement timeout below this.
const LEAST_TIMEOUT: Duration = Duration::from_mins(5);
/// How long the store may take for a batch and what it causes, when it is slow.
const PER_BATCH: Duration = Duration::from_secs(10);
/// What a node waits unless it is told otherwise.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_mins(30);

/// How long a source may need to acknowledge a message: as many batches as the prefetch lets come may lie before it. A
/// batch that the store does not take is given back and not held, so that tries again take no part in it.
pub(crate) fn acknowledges_within(source: &config::Queue) -> Duration {
    let batches = usize::from(source.prefetch).div_ceil(source.batch.max(1));
    LEAST_TIMEOUT.max(PER_BATCH.saturating_mul(u32::try_from(batches).unwrap_or(u32::MAX)))
}
