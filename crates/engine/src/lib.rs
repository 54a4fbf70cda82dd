//! Intake, the registry in memory, deciding again, delivery and supervision.

mod adopt;
mod conflicts;
mod control;
mod core;
mod deciding;
mod deliver;
mod explain;
mod intake;
mod kept;
mod keyring;
mod receive;
mod registry;
mod retention;
mod scribe;
mod scrub;
mod status;
mod supervise;
mod tally;
mod unit;
mod writer;

pub use adopt::Settings;
pub use conflicts::{Conflict, Tie, conflicts};
pub use control::{Control, ControlError, Numbers, Plan};
pub use core::{Became, Core};
pub use deliver::Outlet;
pub use explain::{Explanation, Said, Step, explain};
pub use intake::{Intake, Permissions, Prepared};
pub use kept::newest_tag;
pub use receive::Inlet;
pub use scribe::{Audience, Scribe};
pub use status::{Condition, Parts, Report, Status, source_part, target_part};
pub use supervise::{Ended, Gateway};
pub use writer::{Handle, Unavailable};
