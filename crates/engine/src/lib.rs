//! Intake, the registry in memory, deciding again, delivery and supervision.

mod adopt;
mod answer;
pub mod audit;
mod balance;
mod blocking;
mod books;
mod brake;
mod careful;
mod citizen;
mod conflicts;
mod control;
mod core;
mod corrections;
mod cursor;
mod deciding;
mod deliver;
mod drain;
mod explain;
mod facts;
mod filter;
mod forward;
mod halve;
mod intake;
mod kept;
mod keyring;
mod line_books;
mod log;
mod measure;
mod missing;
mod probe;
pub mod quarantine;
mod readers;
mod receipt;
mod receive;
mod reconcile;
mod registry;
mod rekey;
mod released;
mod replay;
mod restore;
mod retention;
mod scribe;
mod scrub;
mod silent;
mod status;
mod subscribe;
mod supervise;
mod tally;
mod trace;
mod unit;
mod withdrawals;
mod writer;

pub use adopt::{FEED, Settings};
pub use balance::{Balance, Items, Postings, balance};
pub use brake::{Held, Shift, held};
pub use citizen::{
    HeldEntry, HeldPosting, HeldRecord, Holdings, NotWithdrawn, Withdrawal, WithdrawnAt, withdrawal,
};
pub use conflicts::{Conflict, Tie, conflicts};
pub use control::{Control, ControlError, Forgetting, Numbers, Plan};
pub use core::{Became, Core};
pub use corrections::{Asked, Correction, Corrections, corrections};
pub use cursor::{CursorError, Epoch, begin_epoch};
pub use deliver::{IN_FLIGHT, Outlet, Policy};
pub use drain::Left;
pub use explain::{Explanation, Said, Step, explain};
pub use facts::{Amended, StoredFact, fact, facts_after, versions};
pub use filter::tagged_for;
pub use intake::{Intake, Intakes, Permissions, Prepared};
pub use kept::newest_tag;
pub use line_books::LineBook;
pub use measure::{Measures, Reading};
pub use readers::READERS;
pub use receipt::{Wording, wording};
pub use receive::Inlet;
pub use reconcile::{
    Book, Books, ControlLines, ControlSum, Line, State, books, control_lines, controls, drill,
};
pub use rekey::{KeysHeld, NotRotated, Rekeying, keys_held, open_keys, rekeying};
pub use replay::{NotReplayed, ReplayFrom};
pub use restore::Restating;
pub use scribe::{Audience, Scribe};
pub use status::{Condition, Parts, Report, Status, is_ready, source_part, target_part};
pub use subscribe::{Expected, NotRead, Page, Reader, Subscription, TakenRecord, expected};
pub use supervise::{Ended, Gateway, NotStarted};
pub use withdrawals::{WithdrawAgainError, WithdrawalError, WithdrawalLog, WithdrawnAgain};
pub use writer::{Handle, Unavailable};

/// The keys of a store, for what is asked of it.
pub type Keys = std::sync::Arc<samspor_vault::Vault>;
