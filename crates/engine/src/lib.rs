//! Intake, the registry in memory, deciding again, delivery and supervision.

mod conflicts;
mod core;
mod deciding;
mod deliver;
mod explain;
mod halve;
mod intake;
mod kept;
mod keyring;
pub mod quarantine;
mod receive;
mod registry;
mod retention;
mod scribe;
mod scrub;
mod status;
mod supervise;
mod tally;
mod writer;

pub use conflicts::{Conflict, Tie, conflicts};
pub use core::{Became, Core};
pub use deliver::Outlet;
pub use explain::{Explanation, Said, Step, explain};
pub use intake::{Intake, Intakes, Permissions, Prepared};
pub use kept::newest_tag;
pub use receive::Inlet;
pub use scribe::{Audience, Scribe};
pub use status::{Condition, Parts, Status};
pub use supervise::{Ended, Gateway};
pub use writer::{Handle, Unavailable};
