//! The whole way of a message, on real brokers, with the gateway's own program.

mod answers;
mod canaries;
mod citizens;
mod commands;
mod conflicts;
mod deployment;
mod distributor;
mod door;
mod faults;
mod feed;
mod folders;
mod formats;
mod forward;
mod http;
mod intake;
mod metrics;
mod operations;
mod parts;
mod quarantine;
mod record;
mod samspor;
mod town;
mod traces;
mod unlinkable;
