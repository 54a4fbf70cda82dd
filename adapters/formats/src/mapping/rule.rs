//! Rules: from what in a message a field's value is made, and how it is written there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::path::Path;
use super::schema::Form;

/// One message that is made of each element, or each line.
#[derive(Debug)]
pub(super) struct Making {
    /// The canonical type.
    pub(super) word: &'static str,
    /// The slot of its elements.
    pub(super) each: u16,
    /// What must hold; else the element is passed over.
    pub(super) when: Vec<Condition>,
    /// The fields, in the order of the contract.
    pub(super) fields: Vec<Made>,
    /// Its line in the mapping.
    pub(super) line: usize,
    /// No example need show it.
    pub(super) is_unseen: bool,
}

/// Elements or lines that are passed over, since the mapping says so.
#[derive(Debug)]
pub(super) struct Pass {
    /// The slot of the elements.
    pub(super) each: u16,
    /// What holds of them.
    pub(super) when: Vec<Condition>,
    /// Instead of that: with what whole lines begin, before they are split into columns.
    pub(super) starts: Vec<String>,
}

/// A field and what makes it.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) name: &'static str,
    pub(super) by: By,
}

/// What makes a field.
#[derive(Debug)]
pub(super) enum By {
    /// A value.
    Rule(Box<Rule>),
    /// An object; it is there if anything in it is that the message brings.
    Object(Vec<(&'static str, Rule)>),
    /// A list of such objects.
    Objects(Vec<Vec<(&'static str, Rule)>>),
}

/// What makes one value.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its line in the mapping.
    pub(super) line: usize,
    pub(super) form: Form,
    pub(super) from: From,
    /// It must begin with this, which is taken away.
    pub(super) strip: String,
    /// The part of what is left that is the value, if not all of it.
    pub(super) part: Option<Part>,
    /// Zeros are put before it up to this length.
    pub(super) pad: usize,
    pub(super) table: Option<Arc<Table>>,
    /// The canonical value where nothing is found.
    pub(super) otherwise: Option<String>,
    /// What must hold; else there is none.
    pub(super) when: Vec<Condition>,
    pub(super) writing: Writing,
    /// Where its conditions hold, nothing found is a fault.
    pub(super) is_needed: bool,
    /// No example need fill it.
    pub(super) is_unseen: bool,
}

/// Some of a value's characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// The first, from 0.
    pub(super) at: usize,
    /// How many; without it, up to the end.
    pub(super) length: Option<usize>,
}

/// Where a value comes from.
#[derive(Debug)]
pub(super) enum From {
    /// What stands there.
    Path(Path),
    /// The first of them that is there.
    First(Vec<Path>),
    /// All of them, joined.
    Join(Vec<Path>, String),
    /// Debit and credit, each in a place of its own, of which exactly one is not zero.
    Sides(Path, Path),
    /// The mapping itself: canonical values, of which there is one but in lists.
    Constant(Vec<String>),
    /// The rule's own conditions: true where they hold.
    Conditions,
}

/// How a value is written in the message.
#[derive(Debug)]
pub(super) enum Writing {
    /// As the canonical JSON writes it.
    Canonical,
    /// A date or an instant in one of these formats.
    Moment(Vec<Moment>, Resolution),
    /// An amount.
    Money(Money),
}

/// What tells two instants apart, where one orders versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolution {
    /// Their time.
    Time,
    /// Their day, which the mapping says is enough.
    Day,
}

/// A format of dates and instants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// `xsd:date` or `xsd:dateTime`.
    Iso,
    /// As strptime has it.
    Format(String),
}

/// How amounts are written.
#[derive(Debug)]
pub(super) struct Money {
    pub(super) decimal: char,
    pub(super) thousands: Option<char>,
    pub(super) is_trailing: bool,
    /// Whole øre.
    pub(super) is_oere: bool,
    /// A JSON number, by its own characters.
    pub(super) is_number: bool,
    /// Where these hold, the sign is turned round.
    pub(super) negative: Vec<Condition>,
    /// If there are any: where these hold it is not, and exactly one of both must.
    pub(super) positive: Vec<Condition>,
}

/// A lookup.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) entries: BTreeMap<String, String>,
    /// For what is not in it.
    pub(super) otherwise: Option<String>,
}

/// Something that holds of an element or a line, or does not.
#[derive(Debug)]
pub(super) enum Condition {
    /// What stands at a path is so.
    Of { line: usize, path: Path, test: Test },
    /// All conditions of one of these lists hold.
    Any(Vec<Vec<Condition>>),
}

impl Condition {
    /// The first path that is asked for.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Of { path, .. } => Some(path),
            Self::Any(lists) => lists.iter().flatten().find_map(Self::path),
        }
    }

    /// Whether it asks for a word.
    pub(super) fn asks_for_a_word(&self) -> bool {
        match self {
            Self::Of { test, .. } => !matches!(test, Test::Exists(_)),
            Self::Any(lists) => lists.iter().flatten().any(Self::asks_for_a_word),
        }
    }
}

/// What is asked of what stands at a path.
#[derive(Debug)]
pub(super) enum Test {
    /// It is one of these.
    Is(Vec<String>),
    /// It is none of these, or is not there.
    IsNot(Vec<String>),
    /// There is a value, or there is none.
    Exists(bool),
}
