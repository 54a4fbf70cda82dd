//! The port to a tracing system: where a message stands in a trace, and the spans that the gateway adds to it.
//!
//! A trace is told of times, names of the configuration and words of the contract. Nothing that a message says goes
//! into it. A context is never stored: a trace id that the messages of two systems share would link them at rest.

use std::fmt;

use crate::store::Outcome;
use crate::{Delivery, Reason, Sent, SourceName, Text};

/// A span's place in a trace that is sampled, as W3C Trace Context has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace, which is never 0.
    pub trace: u128,
    /// The span, which is never 0.
    pub span: u64,
}

/// As a `traceparent` header writes it: version, trace, span and flags, of which `sampled` is set.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-01", self.trace, self.span)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TraceContext")
    }
}

/// Whoever is told of spans. Nothing here waits, and nothing fails: what cannot be told is dropped.
pub trait Traces: Send + Sync {
    /// A delivery is being processed, from now on until the span ends. None where it is not sampled.
    fn processing(&self, source: &SourceName, delivery: &Delivery) -> Option<Box<dyn Processing>>;

    /// A record is being published, from now on until the span ends: a child of the span by which its posting came.
    fn publishing(&self, target: &Text, parent: TraceContext) -> Box<dyn Publishing>;
}

/// A span that lasts from a delivery's arrival to its acknowledgement. Dropped, it ends as one that comes again.
pub trait Processing: Send + Sync {
    /// Where it stands.
    fn context(&self) -> TraceContext;

    /// The delivery is acknowledged. What became of its items, in their order.
    fn acknowledged(self: Box<Self>, items: &[(Outcome, Option<Reason>)]);
}

/// A span that lasts from handing a record over until the receiver has answered. Dropped, it ends as one without answer.
pub trait Publishing: Send + Sync {
    /// Where it stands.
    fn context(&self) -> TraceContext;

    /// The receiver has answered: what is not delivered, or that all is.
    fn answered(self: Box<Self>, sent: &Sent);
}
