//! The answer about one posting: its tag, or why it has none.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Amount, CostKind, Side, Text};

/// What the gateway says about a posting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// It belongs to a solution.
    Tagged(Box<Tag>),
    /// It belongs to none.
    Untagged(Untagged),
}

/// Why a posting has no tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Untagged {
    /// No live consent's bridge holds its reference.
    NotConsented,
    /// Every consent that does is in identity conflict.
    IdentityConflict,
    /// None of the others covers its date.
    ConsentNotCovering,
    /// No enrolment counts on its date.
    NotEnrolled,
    /// It has no reference and no solution claims it.
    NoCitizen,
}

impl Untagged {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::NotConsented,
        Self::IdentityConflict,
        Self::ConsentNotCovering,
        Self::NotEnrolled,
        Self::NoCitizen,
    ];

    /// The contract's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotConsented => "not-consented",
            Self::IdentityConflict => "identity-conflict",
            Self::ConsentNotCovering => "consent-not-covering",
            Self::NotEnrolled => "not-enrolled",
            Self::NoCitizen => "no-citizen",
        }
    }
}

impl fmt::Display for Untagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a tagged posting gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// The solution's id.
    pub solution: Text,
    /// The family, if the enrolment names one.
    pub family: Option<Text>,
    /// The enrolment's id; none when claimed by account.
    pub enrolment: Option<Text>,
    /// When in the enrolment it falls.
    pub phase: Phase,
    /// By what it was tagged.
    pub basis: Basis,
    /// The sector area, [`UNMAPPED`] where the chart has no rule.
    pub area: Text,
    /// The kind of cost; none where the chart has no rule.
    pub kind: Option<CostKind>,
    /// Inside or outside the solution's budget.
    pub side: Side,
    /// Who grants.
    pub grants: Text,
    /// Who pays.
    pub pays: Text,
    /// The shares, sorted by area; they sum to the amount.
    pub parts: Vec<Part>,
    /// The split key that made the parts, if any.
    pub split: Option<Text>,
    /// Sorted.
    pub flags: Vec<Flag>,
    /// Sorted ids of enrolments in other solutions that would have counted too.
    pub other: Vec<Text>,
}

/// The area of an account that the chart does not know.
pub const UNMAPPED: &str = "unmapped";

/// One area's part of an amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The area.
    pub area: Text,
    /// Its weight.
    pub weight: u32,
    /// Its part.
    pub amount: Amount,
}

/// When in an enrolment a posting falls, in the order in which they are preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words say it")]
pub enum Phase {
    During,
    After,
    Before,
}

impl Phase {
    /// The contract's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::During => "during",
            Self::After => "after",
            Self::Before => "before",
        }
    }
}

/// By what a posting was tagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// By whom it concerns.
    Citizen,
    /// By its account, which the solution claims.
    Account,
}

impl Basis {
    /// The contract's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Citizen => "citizen",
            Self::Account => "account",
        }
    }
}

/// What someone should know about a tag, in the order of their words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// An enrolment in another solution would have counted too.
    OtherSolution,
    /// It is above the solution's ceiling.
    OverCeiling,
    /// The chart does not know the account.
    UnmappedAccount,
}

impl Flag {
    /// The contract's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::OtherSolution => "other-solution",
            Self::OverCeiling => "over-ceiling",
            Self::UnmappedAccount => "unmapped-account",
        }
    }
}

impl Answer {
    /// The tag, if it has one.
    #[must_use]
    pub fn tag(&self) -> Option<&Tag> {
        if let Self::Tagged(tag) = self { Some(tag) } else { None }
    }

    /// The answer of a posting that reverses this one's: parts negated, all else the same.
    #[must_use]
    pub fn negated(&self) -> Self {
        let mut answer = self.clone();
        if let Self::Tagged(tag) = &mut answer {
            for part in &mut tag.parts {
                part.amount = -part.amount;
            }
        }
        answer
    }
}
