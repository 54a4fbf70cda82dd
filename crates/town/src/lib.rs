//! A seeded generator of a synthetic municipality: families in three cross-sector solutions, the systems that send
//! messages about them, and what must come of every message.
//!
//! [`Town::messages`] is what the systems send, in their own formats: canonical JSON, G69, OIO envelopes. [`Expected`]
//! is what a gateway must make of it. Both are worked out here from the design's rules and the formats' descriptions, with
//! nothing of the decoders and of `decide`, so that agreement between them means something.
//!
//! Everything follows from the seed. Nothing is held in memory but what is asked for, so a town scales to any size. Its
//! people have only numbers that nobody has.

mod account;
mod books;
mod expected;
mod facts;
mod family;
mod faults;
mod g69;
mod json;
mod measure;
mod message;
mod month;
mod oio;
mod oracle;
mod person;
mod personal;
mod plan;
mod posting;
mod records;
pub mod rubbish;
pub mod search;
mod seed;
mod solution;
pub mod source;
mod town;

#[cfg(test)]
mod tests;

pub use expected::{Balance, Counts, Expected, Sum};
pub use message::{Expectation, Message, Outcome, Stage};
pub use town::{Settings, Town};
