//! Fields read to the contract's forms; every fault names the field by its path.

use std::cell::Cell;
use std::fmt;
use std::ops::RangeInclusive;

use jiff::Timestamp;
use jiff::civil::Date;
use samspor_domain::{
    Account, AccountPrefix, AccountString, Amount, CostKind, Fault, Grouping, Reason, Side, SourceName, Span,
    Text,
};

use super::node::{Entry, Node};
use crate::calendar;

/// What holds for a whole message.
#[derive(Clone, Copy)]
pub(super) struct Context<'c> {
    /// The system of references that leave it out; none in messages named across the municipality.
    pub(super) system: Option<&'c SourceName>,
    /// Counts the fields that the contract does not know.
    pub(super) ignored: &'c Cell<u32>,
}

/// Where a value stands, kept as a chain so that only a fault pays for its writing.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'static str),
    Item(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// An object whose fields are read by name.
pub(super) struct Object<'p> {
    entries: &'p [Entry<'p>],
    path: Path<'p>,
    context: &'p Context<'p>,
}

/// A value at its place.
#[derive(Clone, Copy)]
pub(super) struct Field<'p> {
    node: &'p Node<'p>,
    path: Path<'p>,
    context: &'p Context<'p>,
}

impl<'p> Object<'p> {
    /// The message itself.
    pub(super) fn root(entries: &'p [Entry<'p>], context: &'p Context<'p>, known: &[&str]) -> Self {
        Self { entries, path: Path::Root, context }.counted(known)
    }

    /// Counts the fields that are not known.
    fn counted(self, known: &[&str]) -> Self {
        let unknown = self.entries.iter().filter(|(key, _)| !known.contains(&key.as_ref())).count();
        self.context
            .ignored
            .set(self.context.ignored.get().saturating_add(u32::try_from(unknown).unwrap_or(u32::MAX)));
        self
    }

    fn at(&self, reason: Reason, name: &'static str, message: &str) -> Fault {
        Fault::at(reason, Path::Field(&self.path, name).to_string(), message)
    }

    /// The fault of a field that is not there.
    pub(super) fn missing(&self, name: &'static str) -> Fault {
        self.at(Reason::MissingField, name, "is required")
    }

    /// A field that may be left out.
    pub(super) fn optional<'o, T>(
        &'o self,
        name: &'static str,
        read: impl FnOnce(Field<'o>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let Some((_, node)) = self.entries.iter().find(|(key, _)| key == name) else { return Ok(None) };
        read(Field { node, path: Path::Field(&self.path, name), context: self.context }).map(Some)
    }

    /// A field that must be there.
    pub(super) fn required<'o, T>(
        &'o self,
        name: &'static str,
        read: impl FnOnce(Field<'o>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.optional(name, read)?.ok_or_else(|| self.missing(name))
    }

    /// A true-or-false field; left out it is false.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, Fault> {
        Ok(self.optional(name, Field::boolean)?.unwrap_or_default())
    }

    /// `from` and `to`, which may be left out.
    pub(super) fn span(&self) -> Result<Span, Fault> {
        Ok(Span { from: self.optional("from", Field::date)?, to: self.optional("to", Field::date)? })
    }

    /// `from`, which must be there, and `to`.
    pub(super) fn span_from(&self) -> Result<Span, Fault> {
        Ok(Span { from: Some(self.required("from", Field::date)?), to: self.optional("to", Field::date)? })
    }

    /// The keys and their values.
    pub(super) fn entries(&self) -> &'p [Entry<'p>] {
        self.entries
    }

    /// The system that a reference may leave out.
    pub(super) fn system(&self) -> Option<&'p SourceName> {
        self.context.system
    }
}

impl<'p> Field<'p> {
    /// A fault here.
    pub(super) fn fault(&self, reason: Reason, message: impl Into<String>) -> Fault {
        Fault::at(reason, self.path.to_string(), message)
    }

    /// A fault of the form.
    pub(super) fn invalid(&self, message: impl Into<String>) -> Fault {
        self.fault(Reason::InvalidField, message)
    }

    /// The string, or the fault of that reason.
    pub(super) fn string(&self, reason: Reason) -> Result<&'p str, Fault> {
        match self.node {
            Node::Text(text) => Ok(text),
            _ => Err(self.fault(reason, "must be a string")),
        }
    }

    /// A text of 1–120 bytes.
    pub(super) fn text(self) -> Result<Text, Fault> {
        Text::new(self.string(Reason::InvalidField)?).map_err(|error| self.invalid(error.to_string()))
    }

    /// `YYYY-MM-DD`.
    pub(super) fn date(self) -> Result<Date, Fault> {
        calendar::date(self.string(Reason::InvalidField)?)
            .ok_or_else(|| self.invalid("is not a date: expected a day that exists as 'YYYY-MM-DD'"))
    }

    /// RFC 3339; without an offset Danish time.
    pub(super) fn instant(self) -> Result<Timestamp, Fault> {
        calendar::Moment::parse(self.string(Reason::InvalidField)?)
            .and_then(calendar::Moment::instant)
            .ok_or_else(|| self.invalid("is not an instant: expected one such as '2026-03-15T06:00:00Z'"))
    }

    /// `true` or `false`.
    pub(super) fn boolean(self) -> Result<bool, Fault> {
        match self.node {
            Node::Boolean(value) => Ok(*value),
            _ => Err(self.invalid("must be true or false")),
        }
    }

    /// An integer in a range.
    pub(super) fn integer<T: TryFrom<i64>>(self, range: RangeInclusive<i64>) -> Result<T, Fault> {
        let wanted = || self.invalid(format!("must be an integer from {} to {}", range.start(), range.end()));
        match self.node {
            Node::Integer(value) if range.contains(value) => T::try_from(*value).map_err(|_| wanted()),
            _ => Err(wanted()),
        }
    }

    /// A year of four digits at most.
    pub(super) fn year(self) -> Result<i16, Fault> {
        self.integer(0..=9999)
    }

    /// An amount, written as a string.
    pub(super) fn amount(self) -> Result<Amount, Fault> {
        match self.node {
            Node::Integer(_) | Node::Number => {
                let message =
                    "is a JSON number, which may have been through a float: write the amount as a string";
                Err(self.fault(Reason::InvalidAmount, message))
            }
            _ => (self.string(Reason::InvalidAmount)?.parse::<Amount>())
                .map_err(|error| self.fault(Reason::InvalidAmount, error.to_string())),
        }
    }

    /// A total or ceiling.
    pub(super) fn amount_not_negative(self) -> Result<Amount, Fault> {
        let amount = self.amount()?;
        if amount.ore() < 0 {
            return Err(self.fault(Reason::InvalidAmount, "must not be negative"));
        }
        Ok(amount)
    }

    /// An account in any of its three writings.
    pub(super) fn account_string(self) -> Result<AccountString, Fault> {
        (self.string(Reason::InvalidAccount)?.parse()).map_err(|error: samspor_domain::AccountError| {
            self.fault(Reason::InvalidAccount, error.to_string())
        })
    }

    /// An account, of which only the normal form is kept.
    pub(super) fn account(self) -> Result<Account, Fault> {
        self.account_string().map(|string| string.account)
    }

    /// The account prefix of a rule.
    pub(super) fn prefix(self) -> Result<AccountPrefix, Fault> {
        (self.string(Reason::InvalidAccount)?.parse()).map_err(|error: samspor_domain::AccountError| {
            self.fault(Reason::InvalidAccount, error.to_string())
        })
    }

    /// Three digits.
    pub(super) fn grouping(self) -> Result<Grouping, Fault> {
        (self.string(Reason::InvalidField)?.parse())
            .map_err(|error: samspor_domain::AccountError| self.invalid(error.to_string()))
    }

    /// One of the contract's words.
    pub(super) fn word<T: Copy>(self, words: &[(&str, T)]) -> Result<T, Fault> {
        let given = self.string(Reason::InvalidField)?;
        words.iter().find(|(word, _)| *word == given).map(|(_, value)| *value).ok_or_else(|| {
            let expected: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.invalid(format!("is none of: {}", expected.join(", ")))
        })
    }

    /// `inside` or `outside`.
    pub(super) fn side(self) -> Result<Side, Fault> {
        self.word(&[Side::Inside, Side::Outside].map(|side| (side.word(), side)))
    }

    /// `service` or `transfer`.
    pub(super) fn cost_kind(self) -> Result<CostKind, Fault> {
        self.word(&[CostKind::Service, CostKind::Transfer].map(|kind| (kind.word(), kind)))
    }

    /// An object of which these fields are known; others are counted.
    pub(super) fn object(self, known: &[&str]) -> Result<Object<'p>, Fault> {
        Ok(self.bare_object()?.counted(known))
    }

    /// An object whose fields are looked at one by one.
    pub(super) fn bare_object(self) -> Result<Object<'p>, Fault> {
        match self.node {
            Node::Object(entries) => Ok(Object { entries, path: self.path, context: self.context }),
            _ => Err(self.invalid("must be an object")),
        }
    }

    /// A list, item by item.
    pub(super) fn list<'o, T>(
        &'o self,
        mut read: impl FnMut(Field<'o>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let Node::List(nodes) = self.node else { return Err(self.invalid("must be an array")) };
        let item =
            |(index, node)| read(Field { node, path: Path::Item(&self.path, index), context: self.context });
        nodes.iter().enumerate().map(item).collect()
    }
}
