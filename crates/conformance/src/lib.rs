//! Suites that any store must pass under the real engine, and a second, deliberately naive evaluation of the rules to
//! hold the engine against. For tests only.
//!
//! A [`Corpus`] is what could arrive; a [`Script`] is one way in which it arrives; [`play`] takes the engine through
//! it and checks at every step what must hold. Where something does not, [`shrink`] finds a short script that shows it.
//! [`Faulty`] is a store in which things go wrong.

mod chance;
mod check;
mod corpus;
mod describe;
pub mod evaluate;
mod facts;
mod faulty;
mod forwarding;
mod play;
mod postings;
mod reader;
mod script;
mod shrink;
mod tagged;
mod world;

pub use chance::Chance;
pub use check::{Check, Failure};
pub use corpus::{Content, Corpus, Item, Size};
pub use describe::describe;
pub use faulty::{Call, Faults, Faulty};
pub use forwarding::forwarding;
pub use play::{Open, play};
pub use reader::{Filter, Reader};
pub use script::{Script, Step};
pub use shrink::shrink;
