//! Intake, the registry in memory, deciding again, delivery and supervision.

mod core;
mod deciding;
mod intake;
mod keyring;
mod kept;
mod registry;
mod tally;

pub use core::{Became, Core};
pub use intake::{Intake, Permissions, Prepared};
