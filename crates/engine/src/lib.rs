//! Intake, the registry in memory, deciding again, delivery and supervision.

mod books;
mod brake;
mod careful;
mod conflicts;
mod core;
mod deciding;
mod deliver;
mod explain;
mod intake;
mod kept;
mod keyring;
mod receipt;
mod receive;
mod reconcile;
mod registry;
mod retention;
mod scribe;
mod scrub;
mod status;
mod supervise;
mod tally;
mod writer;

pub use brake::{Held, Shift, held};
pub use conflicts::{Conflict, Tie, conflicts};
pub use core::{Became, Core};
pub use deliver::{Outlet, Policy};
pub use explain::{Explanation, Said, Step, explain};
pub use intake::{Intake, Permissions, Prepared};
pub use kept::newest_tag;
pub use receipt::{Wording, wording};
pub use receive::Inlet;
pub use reconcile::{Book, Books, Control, Line, State, books, drill};
pub use scribe::{Audience, Scribe};
pub use status::{Condition, Parts, Status};
pub use supervise::{Ended, Gateway};
pub use writer::{Handle, Unavailable};
