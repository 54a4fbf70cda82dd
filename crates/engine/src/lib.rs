//! Intake, the registry in memory, deciding again, delivery and supervision.

mod adopt;
mod answer;
mod blocking;
mod books;
mod brake;
mod careful;
mod conflicts;
mod control;
mod core;
mod deciding;
mod deliver;
mod explain;
mod filter;
mod halve;
mod intake;
mod kept;
mod keyring;
mod measure;
mod missing;
pub mod quarantine;
mod receipt;
mod receive;
mod reconcile;
mod registry;
mod released;
mod retention;
mod scribe;
mod scrub;
mod silent;
mod status;
mod supervise;
mod tally;
mod trace;
mod unit;
mod writer;

pub use adopt::Settings;
pub use brake::{Held, Shift, held};
pub use conflicts::{Conflict, Tie, conflicts};
pub use control::{Control, ControlError, Forgetting, Numbers, Plan};
pub use core::{Became, Core};
pub use deliver::{IN_FLIGHT, Outlet, Policy};
pub use explain::{Explanation, Said, Step, explain};
pub use filter::tagged_for;
pub use intake::{Intake, Intakes, Permissions, Prepared};
pub use kept::newest_tag;
pub use measure::{Measures, Reading};
pub use receipt::{Wording, wording};
pub use receive::Inlet;
pub use reconcile::{
    Book, Books, ControlLines, ControlSum, Line, State, books, control_lines, controls, drill,
};
pub use scribe::{Audience, Scribe};
pub use status::{Condition, Parts, Report, Status, is_ready, source_part, target_part};
pub use supervise::{Ended, Gateway, NotStarted};
pub use writer::{Handle, Unavailable};
