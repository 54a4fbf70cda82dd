//! What targets have: of each posting the newest record that the receiver confirmed, its receipt, and what is parked.

use jiff::Timestamp;

use crate::store::{Month, PostingNo, Sealed, Seq};
use crate::{Change, SourceNo, Sum, Text};

/// The newest record of a posting that a target has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// Its revision.
    pub revision: i64,
    /// Whether it put a tag on the posting or took it off.
    pub change: Change,
    /// When the receiver confirmed it, by the clock as it was then: how long a receipt has been missing is told by that,
    /// also while registrations run ahead of the clock.
    pub at: Timestamp,
    /// What the receiver's books say of it.
    pub receipt: Receipted,
}

/// What the receiver's books say of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipted {
    /// The target is not set to give receipts.
    NotAsked,
    /// It has not come yet.
    Awaited,
    /// It came.
    Given(Verdict, Timestamp, Sealed),
}

/// What a receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It is in the books.
    Accepted,
    /// It is not.
    Rejected,
}

/// How far records have come, by which they are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Confirmed, and no receipt is asked for.
    Delivered,
    /// Confirmed, and the receipt is awaited.
    Awaiting,
    /// In the books.
    Accepted,
    /// Refused by the books.
    Rejected,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 4] = [Self::Delivered, Self::Awaiting, Self::Accepted, Self::Rejected];

    /// The word by which it is shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Awaiting => "awaiting",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

impl Receipted {
    /// How far a record with this receipt has come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self {
            Self::NotAsked => Stage::Delivered,
            Self::Awaited => Stage::Awaiting,
            Self::Given(Verdict::Accepted, ..) => Stage::Accepted,
            Self::Given(Verdict::Rejected, ..) => Stage::Rejected,
        }
    }
}

/// The sum of what a target has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shelf {
    /// The target.
    pub target: Text,
    /// The postings' source.
    pub source: SourceNo,
    /// The month of the postings' dates.
    pub month: Month,
    /// Those with a tag, or those whose tag was taken off.
    pub change: Change,
    /// How far their records have come.
    pub stage: Stage,
    /// What they add up to.
    pub sum: Sum,
}

/// A posting's newest record that a target does not get for now, while the others go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The target.
    pub target: Text,
    /// The posting.
    pub posting: PostingNo,
    /// The record that was parked; a newer one goes before it.
    pub seq: Seq,
    /// Why.
    pub why: Why,
    /// Since when.
    pub since: Timestamp,
    /// It is tried again: somebody has released it, or it may have failed by chance.
    pub is_released: bool,
}

/// Why a record is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The receiver refused it, so many times, in these words; none of them personal.
    Refused(u32, String),
    /// The books of its month are closed.
    ClosedMonth,
}
