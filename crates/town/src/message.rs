//! A message of the town, and what must become of everything in it.

use std::fmt;

use jiff::civil::Date;
use samspor_domain::{Account, Amount, Answer, Reason};

/// A message as a system of the town sends it.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// When it may be sent.
    pub stage: Stage,
    /// Which system sends it: one of [`crate::source::ALL`].
    pub source: &'static str,
    /// Its content type.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Vec<u8>,
    /// What must become of each of its items, in the order of the body. Never empty.
    pub outcomes: Vec<Outcome>,
}

/// The two stages of the town's messages. Once everything of the first has been taken in, every posting is decided
/// right when it arrives; sent in any other order, the same answers must come in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Solutions, identities, consents, enrolments, splits, cases and grants.
    Facts,
    /// Postings, and facts that decide nothing about them: payments.
    Postings,
}

/// What must become of one item of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A new posting, with this answer.
    Posting(Box<Expectation>),
    /// A fact's new newest version.
    Fact,
    /// A version of a fact that another goes before.
    Stale,
    /// Known already.
    Duplicate,
    /// Put in quarantine.
    Quarantined(Reason),
}

/// A posting as it must be known in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// Its id in its source.
    pub id: String,
    /// Its date.
    pub date: Date,
    /// Its account.
    pub account: Account,
    /// Its amount.
    pub amount: Amount,
    /// What the gateway must say about it.
    pub answer: Answer,
}

impl Message {
    /// The same bytes sent again: nothing in them is new. What went to quarantine is there already, too.
    #[must_use]
    pub fn again(&self) -> Self {
        Self { outcomes: vec![Outcome::Duplicate; self.outcomes.len()], ..self.clone() }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Message({:?}, {}, {}, {} bytes)",
            self.stage,
            self.source,
            self.content_type,
            self.body.len()
        )
    }
}
