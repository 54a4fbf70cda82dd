//! The whole way of a message, on real brokers, with the gateway's own program.

mod deployment;
mod town;
mod unlinkable;
