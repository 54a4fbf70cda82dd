//! What was not understood: its entries with their numbers and states, frozen sets of them, and where they are kept.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::store::{EntryNo, Outcome, Result, Sealed, SetNo};
use crate::{Fault, Pseudonym, Reason, SourceName, SourceNo, Text};

/// An entry without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub no: EntryNo,
    /// Its source.
    pub source: SourceNo,
    /// When it arrived.
    pub registered: Timestamp,
    /// Why it is here; as it was last decoded, where somebody tried to release it.
    pub reason: Reason,
    /// Where in it.
    pub path: Option<String>,
    /// In words, without personal data.
    pub message: String,
    /// A keyed hash of its bytes, by which a second arrival is known.
    pub content: Pseudonym,
    /// Which item of its bytes it is, from 0.
    pub item: u32,
    /// How many items its bytes held when it arrived.
    pub items: u32,
    /// What became of it.
    pub state: State,
    /// Its bytes are gone: it was released or discarded, or had been kept for long enough.
    pub erased: bool,
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing yet.
    Open,
    /// It was decoded again and taken in.
    Released {
        /// When.
        at: Timestamp,
        /// As what it ended: of each outcome how many items. One, but for bytes that turned out to hold more.
        became: BTreeMap<Outcome, i64>,
    },
    /// Somebody decided that it is not needed.
    Discarded {
        /// When.
        at: Timestamp,
        /// Why, in that person's words.
        why: Text,
    },
}

/// A state without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "as State has it")]
pub enum Standing {
    Open,
    Released,
    Discarded,
}

impl Standing {
    /// Every standing.
    pub const ALL: [Self; 3] = [Self::Open, Self::Released, Self::Discarded];

    /// The word by which it is shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Released => "released",
            Self::Discarded => "discarded",
        }
    }
}

impl State {
    /// The state without its particulars.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match self {
            Self::Open => Standing::Open,
            Self::Released { .. } => Standing::Released,
            Self::Discarded { .. } => Standing::Discarded,
        }
    }
}

/// Which entries are meant: those for which all that is given holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this source.
    pub source: Option<SourceName>,
    /// For this reason.
    pub reason: Option<Reason>,
    /// At this path, in which `*` stands for anything.
    pub path: Option<String>,
    /// That arrived at this instant or later.
    pub from: Option<Timestamp>,
    /// That arrived before this instant.
    pub before: Option<Timestamp>,
    /// That stand so; none: any.
    pub standing: Option<Standing>,
}

/// In which order entries are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// By ascending numbers.
    #[default]
    OldestFirst,
    /// By descending numbers.
    NewestFirst,
}

/// Entries of one source with the same reason at the same place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Their source.
    pub source: SourceNo,
    /// Their reason.
    pub reason: Reason,
    /// Their path, with `*` for the numbers of lines and of list items; see [`general_path`].
    pub path: Option<String>,
    /// How many.
    pub entries: i64,
    /// When the first arrived.
    pub first: Timestamp,
    /// When the last arrived.
    pub last: Timestamp,
}

/// A set of entries that were frozen for release. What is in it never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set {
    /// Its number.
    pub no: SetNo,
    /// When it was made.
    pub made: Timestamp,
    /// How many entries it has.
    pub entries: i64,
}

/// A path with `*` for the numbers of lines and of list items: `line 17, field 112` is `line *, field 112`, and
/// `parts[2].weight` is `parts[*].weight`.
#[must_use]
pub fn general_path(path: &str) -> String {
    let mut general = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(character) = rest.chars().next() {
        if character.is_ascii_digit() && (general.ends_with('[') || general.ends_with("line ")) {
            general.push('*');
            rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        } else {
            general.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    general
}

/// What readers ask of the quarantine.
pub trait ReadQuarantine {
    /// An entry by its number.
    fn entry(&mut self, no: EntryNo) -> Result<Option<Entry>>;
    /// The sealed content type and bytes of an entry; none where they are erased.
    fn sealed_entry(&mut self, no: EntryNo) -> Result<Option<Sealed>>;
    /// Entries after one of them in that order, at most `limit`.
    fn entries(
        &mut self,
        filter: &Filter,
        order: Order,
        after: Option<EntryNo>,
        limit: usize,
    ) -> Result<Vec<Entry>>;
    /// The groups of the entries, the largest first.
    fn groups(&mut self, filter: &Filter) -> Result<Vec<Group>>;
    /// A frozen set.
    fn frozen(&mut self, no: SetNo) -> Result<Option<Set>>;
    /// The sets that an entry is in.
    fn sets_of(&mut self, entry: EntryNo) -> Result<Vec<SetNo>>;
    /// The numbers of a frozen set's entries after one of them, ascending, at most `limit`.
    fn frozen_entries(&mut self, no: SetNo, after: EntryNo, limit: usize) -> Result<Vec<EntryNo>>;
}

/// What the one writer does with the quarantine, between `begin` and `commit`.
pub trait WriteQuarantine: ReadQuarantine {
    /// Freezes a set of the entries that the filter means, the oldest first, at most `limit`.
    fn freeze(&mut self, filter: &Filter, limit: usize, made: Timestamp) -> Result<SetNo>;
    /// Says what became of an entry, and erases its bytes.
    fn settle(&mut self, no: EntryNo, state: &State) -> Result<()>;
    /// Says why an entry is still here. It is then known again by that keyed hash, unless another of its source is.
    fn fault_again(&mut self, no: EntryNo, fault: &Fault, content: &Pseudonym) -> Result<()>;
}

/// Shows bytes to an operator without showing whom they are about.
pub trait Show: Send + Sync {
    /// What can be shown of a body.
    fn show(&self, content_type: Option<&str>, body: &[u8]) -> Shown;
}

/// A body as an operator may see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// Its content type, masked where it is none that is known; none where it had none.
    pub content_type: Option<String>,
    /// As what it was read: `JSON`, `XML`, `G69` or `bytes`.
    pub format: &'static str,
    /// How many bytes it has.
    pub bytes: usize,
    /// Its text, in which digits are `9`, letters `a` or `A`, and only what tells of nobody stands as it is.
    pub text: String,
    /// It goes on after this text.
    pub cut: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_lines_and_items_are_generalised_and_those_of_fields_are_not() {
        for (path, general) in [
            ("line 17, field 112", "line *, field 112"),
            ("parts[2].weight", "parts[*].weight"),
            ("a[12].b[3]", "a[*].b[*]"),
            ("citizen.cpr", "citizen.cpr"),
            ("field 112", "field 112"),
            ("", ""),
            ("æ[1]ø", "æ[*]ø"),
        ] {
            assert_eq!(general_path(path), general);
            assert_eq!(general_path(general), general);
        }
    }
}
