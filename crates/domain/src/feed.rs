//! The feed: an append-only log of tag revisions, and the records that its readers get.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    Account, Amount, CitizenRef, CostKind, FactNo, Phase, PostingNo, Pseudonym, Side, SourceName, Tag, Text,
};

/// Whether a record puts a tag on a posting or takes it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// The posting has this tag.
    Tag,
    /// The posting has no tag any more.
    Untag,
}

impl Change {
    /// The contract's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Untag => "untag",
        }
    }
}

/// By what readers filter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FilterKey {
    /// The solution's id.
    pub solution: Text,
    /// The sector area.
    pub area: Text,
    /// The side.
    pub side: Side,
    /// The phase.
    pub phase: Phase,
    /// The kind of cost, if the chart knows it.
    pub kind: Option<CostKind>,
}

impl From<&Tag> for FilterKey {
    fn from(tag: &Tag) -> Self {
        Self {
            solution: tag.solution.clone(),
            area: tag.area.clone(),
            side: tag.side,
            phase: tag.phase,
            kind: tag.kind,
        }
    }
}

/// What one revision says. It is serialised for sealing only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The tag; none for an untag.
    pub tag: Option<Tag>,
    /// The earlier filter keys of this posting, its present one not among them, in the order in which it had them.
    pub left: Vec<FilterKey>,
    /// Whose enrolment the tag rests on.
    pub subject: Option<CitizenRef>,
}

impl Revision {
    /// What it does.
    #[must_use]
    pub fn change(&self) -> Change {
        if self.tag.is_some() { Change::Tag } else { Change::Untag }
    }

    /// The revision that follows `earlier` with a new tag or none.
    #[must_use]
    pub fn after(earlier: Option<&Self>, tag: Option<Tag>, subject: Option<CitizenRef>) -> Self {
        let now = tag.as_ref().map(FilterKey::from);
        let mut left: Vec<FilterKey> = Vec::new();
        if let Some(earlier) = earlier {
            let last = earlier.tag.as_ref().map(FilterKey::from);
            for key in earlier.left.iter().cloned().chain(last) {
                if now.as_ref() != Some(&key) && !left.contains(&key) {
                    left.push(key);
                }
            }
        }
        Self { tag, left, subject }
    }
}

/// What made the gateway decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A posting arrived: this one, or one that it reverses.
    Posting(PostingNo),
    /// A fact reached a version.
    Fact(FactNo, i64),
    /// The gateway started with other charts or rules.
    Start,
    /// A consent ended. Which one is not kept, since that would tie together what its end must take apart.
    Withdrawal,
}

/// What the ledger gets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the contract's field names")]
pub struct LedgerRecord {
    pub source: SourceName,
    pub posting: Text,
    pub revision: i64,
    pub change: Change,
    pub date: Date,
    pub account: Account,
    pub amount: Amount,
    pub voucher: Option<Text>,
    pub tag: Option<Tag>,
    pub cause: Cause,
    pub registered: Timestamp,
}

/// What a leadership-information system gets: pseudonyms under the target's own key, and the month instead of the date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LisRecord {
    /// The source's name.
    pub source: SourceName,
    /// Stands for the posting.
    pub posting: Pseudonym,
    /// Stands for the family.
    pub family: Option<Pseudonym>,
    /// Stands for the citizen.
    pub citizen: Option<Pseudonym>,
    /// 1, 2, … per posting.
    pub revision: i64,
    /// What it does.
    pub change: Change,
    /// The year of the posting.
    pub year: i16,
    /// The month of the posting, 1–12.
    pub month: i8,
    /// The account in normal form.
    pub account: Account,
    /// The amount.
    pub amount: Amount,
    /// The tag, of which the encoder leaves out enrolment, family and other.
    pub tag: Option<Tag>,
}

/// A record for one kind of reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// For the ledger.
    Ledger(LedgerRecord),
    /// For a leadership-information system.
    Lis(LisRecord),
}
