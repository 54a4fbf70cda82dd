//! The commands that scripts use: what they print, and the exit code that they end with.

mod check_broker;
mod explain;
mod mappings;
mod others;
pub(crate) mod recordings;
mod replay;
mod restores;
mod vouchers;
