//! What the store holds on one citizen: for whoever has a right to know, and to find out who looked at it.
//!
//! Of somebody who consented it is what the consent reaches, in the sources that it names. Of everybody, and in every other source,
//! it is what stands there under the reference that is given, and under cases and grants of that source that are tied to it:
//! nothing is joined across sources but by a consent.

mod find;
mod withdrawal;

use std::collections::BTreeSet;

use jiff::Timestamp;
use samspor_domain::audit::Subject;
use samspor_domain::store::{EntryNo, PostingRow, SetNo};
use samspor_domain::{CitizenRef, Handed, Revision, Seq, SourceName, Text};
use samspor_vault::Vault;

use crate::audit;
use crate::facts::StoredFact;

pub use withdrawal::{NotWithdrawn, Withdrawal, WithdrawnAt, withdrawal};
pub(crate) use withdrawal::{note_scrubbed, note_withdrawn};

/// What is held on one citizen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// The live consents that reach them, by id.
    pub consents: BTreeSet<Text>,
    /// The references by which they are known, the one that was given among them.
    pub references: BTreeSet<CitizenRef>,
    /// The facts about them, each with the versions that are kept, oldest first.
    pub facts: Vec<Vec<StoredFact>>,
    /// Their postings, in the order in which they arrived.
    pub postings: Vec<HeldPosting>,
    /// Entries of the quarantine whose bytes hold a reference of theirs.
    pub quarantined: Vec<HeldEntry>,
}

/// An entry of the quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldEntry {
    /// Its number.
    pub no: EntryNo,
    /// Its source.
    pub source: SourceName,
    /// When it arrived.
    pub registered: Timestamp,
    /// The sets that somebody put it into, to look what its release would make of it.
    pub sets: Vec<SetNo>,
}

/// A posting about somebody, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPosting {
    /// Its source.
    pub source: SourceName,
    /// The posting.
    pub row: PostingRow,
    /// What was said of it, oldest first.
    pub records: Vec<HeldRecord>,
    /// The newest record that each target has.
    pub handed: Vec<(Text, Handed)>,
    /// The targets to which it is still to pass on as it came.
    pub passes_on_to: Vec<Text>,
}

/// A record of the feed about a posting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRecord {
    /// Its number.
    pub seq: Seq,
    /// Its revision.
    pub revision: i64,
    /// Since when it was said.
    pub registered: Timestamp,
    /// What it says; none where it was erased.
    pub said: Option<Revision>,
}

impl Holdings {
    /// What the audit log names: the citizen by each reference, and what is held on them.
    pub fn subjects(&self, vault: &Vault) -> impl Iterator<Item = Subject> {
        let citizen = self.references.iter().map(|reference| audit::citizen(vault, reference));
        let facts = self.facts.iter().filter_map(|versions| {
            let fact = versions.last()?;
            let id = versions.iter().rev().find_map(|version| version.id.clone())?;
            Some(Subject::Fact { kind: fact.kind, id, source: fact.source.clone() })
        });
        let postings = self.postings.iter().map(|held| {
            let (source, id) = (held.source.clone(), held.row.posting.id.clone());
            Subject::Posting { source, id }
        });
        let entries = self.quarantined.iter().map(|entry| Subject::Quarantined(entry.no.0));
        citizen.chain(facts).chain(postings).chain(entries)
    }

    /// The numbers of the feed's records about them.
    pub fn records(&self) -> impl Iterator<Item = Seq> {
        self.postings.iter().flat_map(|held| &held.records).map(|record| record.seq)
    }
}
