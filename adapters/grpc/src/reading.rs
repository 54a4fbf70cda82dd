//! Fields of a request read to the contract's forms, with the domain's own parsers. Every fault is noted at its path.

use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;

use jiff::Timestamp;
use jiff::civil::Date;
use samspor_domain::{AccountPrefix, AccountString, Amount, Fault, Grouping, Reason, SourceName, Span, Text};

/// More faults than these are not noted: they travel in trailers, and clients bound those.
const MAX_FAULTS: usize = 16;

/// A fault was noted, so this cannot be had.
pub(crate) struct Noted(());

/// What reading gives.
pub(crate) type Read<T> = Result<T, Noted>;

/// Reads a request, and answers with every fault of it where there is any.
pub(crate) fn request<T>(read: impl FnOnce(Place<'_>) -> Read<T>) -> Result<T, Vec<Fault>> {
    with(None, read)
}

/// Reads what a source sends: a system that is left out is that source, where the message is named in it.
pub(crate) fn sent_by<T>(
    source: &SourceName,
    read: impl FnOnce(Place<'_>) -> Read<T>,
) -> Result<T, Vec<Fault>> {
    with(Some(source), read)
}

fn with<T>(source: Option<&SourceName>, read: impl FnOnce(Place<'_>) -> Read<T>) -> Result<T, Vec<Fault>> {
    let faults = RefCell::default();
    let read = read(Place { step: Step::Root, source, faults: &faults });
    read.map_err(|Noted(())| faults.into_inner())
}

/// A place in a request, at which faults are noted.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    step: Step<'p>,
    /// The system of references that leave it out, if they may.
    source: Option<&'p SourceName>,
    faults: &'p RefCell<Vec<Fault>>,
}

/// How a place is reached from the one above it; only a fault pays for writing the path.
#[derive(Clone, Copy)]
enum Step<'p> {
    Root,
    Field(&'p Step<'p>, &'static str),
    Item(&'p Step<'p>, usize),
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(above, name) => write!(f, "{above}.{name}"),
            Self::Item(above, index) => write!(f, "{above}[{index}]"),
        }
    }
}

impl Place<'_> {
    /// A field of the message here.
    pub(crate) fn field(&self, name: &'static str) -> Place<'_> {
        Place { step: Step::Field(&self.step, name), ..*self }
    }

    /// An item of the list here; the first is 0.
    fn item(&self, index: usize) -> Place<'_> {
        Place { step: Step::Item(&self.step, index), ..*self }
    }

    /// The same place in a message that is named across the municipality: there no system may be left out.
    pub(crate) fn of_municipality(self) -> Self {
        Self { source: None, ..self }
    }

    /// The system of references that leave it out.
    pub(crate) fn source(&self) -> Option<&SourceName> {
        self.source
    }

    /// Notes a fault here.
    pub(crate) fn fault(self, reason: Reason, message: impl Into<String>) -> Noted {
        self.note(|| Fault::at(reason, self.step.to_string(), message))
    }

    /// Notes a fault that was found in the message here, with a path of its own.
    pub(crate) fn within(self, fault: Fault) -> Noted {
        let path = match (self.step, &fault.path) {
            (Step::Root, Some(path)) => path.clone(),
            (here, Some(path)) => format!("{here}.{path}"),
            (here, None) => here.to_string(),
        };
        self.note(|| Fault { path: Some(path), ..fault })
    }

    fn note(self, fault: impl FnOnce() -> Fault) -> Noted {
        let mut faults = self.faults.borrow_mut();
        if faults.len() < MAX_FAULTS {
            faults.push(fault());
        }
        Noted(())
    }

    /// Notes that what stands here is malformed.
    pub(crate) fn invalid(self, message: impl Into<String>) -> Noted {
        self.fault(Reason::InvalidField, message)
    }

    /// Notes that what must stand here does not.
    pub(crate) fn missing(self) -> Noted {
        self.fault(Reason::MissingField, "is required")
    }

    /// A string that must be given; Protobuf cannot tell an empty one from none.
    pub(crate) fn required<T>(self, value: &str, read: impl FnOnce(Self, &str) -> Read<T>) -> Read<T> {
        if value.is_empty() { Err(self.missing()) } else { read(self, value) }
    }

    /// A string that may be left out.
    pub(crate) fn optional<T>(
        self,
        value: Option<&str>,
        read: impl FnOnce(Self, &str) -> Read<T>,
    ) -> Read<Option<T>> {
        value.map(|value| read(self, value)).transpose()
    }

    /// A message that must be given.
    pub(crate) fn message<M, T>(self, value: Option<&M>, read: impl FnOnce(Self, &M) -> Read<T>) -> Read<T> {
        value.map_or_else(|| Err(self.missing()), |value| read(self, value))
    }

    /// A list. Every item is read, whatever is wrong with those before it.
    pub(crate) fn list<M, T>(
        self,
        items: &[M],
        mut read: impl FnMut(Place<'_>, &M) -> Read<T>,
    ) -> Read<Vec<T>> {
        let read: Vec<Read<T>> = items.iter().enumerate().map(|(i, item)| read(self.item(i), item)).collect();
        read.into_iter().collect()
    }

    /// A value of an enumeration, of which 0 means that none is given.
    pub(crate) fn choice<E: TryFrom<i32>, T>(
        self,
        value: i32,
        read: impl FnOnce(E) -> Option<T>,
    ) -> Read<Option<T>> {
        if value == 0 {
            return Ok(None);
        }
        let known = E::try_from(value).ok().and_then(read);
        known.map(Some).ok_or_else(|| self.invalid("is none of the values that this gateway knows"))
    }

    /// A value of an enumeration that must be given.
    pub(crate) fn required_choice<E: TryFrom<i32>, T>(
        self,
        value: i32,
        read: impl FnOnce(E) -> Option<T>,
    ) -> Read<T> {
        self.choice(value, read)?.ok_or_else(|| self.missing())
    }

    /// An integer in a range.
    pub(crate) fn integer<T: TryFrom<i64>>(
        self,
        value: impl Into<i64>,
        range: RangeInclusive<i64>,
    ) -> Read<T> {
        let value = value.into();
        let fitting = range.contains(&value).then(|| T::try_from(value).ok()).flatten();
        fitting.ok_or_else(|| {
            self.invalid(format!("must be an integer from {} to {}", range.start(), range.end()))
        })
    }

    /// A text of 1–120 bytes.
    pub(crate) fn text(self, value: &str) -> Read<Text> {
        Text::new(value).map_err(|error| self.invalid(error.to_string()))
    }

    /// `YYYY-MM-DD` and nothing else.
    pub(crate) fn date(self, value: &str) -> Read<Date> {
        let form = value.len() == 10
            && value
                .bytes()
                .enumerate()
                .all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
        let date = form.then(|| value.parse().ok()).flatten();
        date.ok_or_else(|| self.invalid("is not a date: expected a day that exists as 'YYYY-MM-DD'"))
    }

    /// An instant as in RFC 3339, with an offset.
    pub(crate) fn instant(self, value: &str) -> Read<Timestamp> {
        let form = value.is_ascii()
            && value.as_bytes().get(10) == Some(&b'T')
            && (value.ends_with('Z')
                || value.as_bytes().iter().nth_back(5).is_some_and(|b| b"+-".contains(b)));
        let instant = form.then(|| value.parse().ok()).flatten();
        instant.ok_or_else(|| self.invalid("is not an instant: expected one such as '2026-03-15T06:00:00Z'"))
    }

    /// A year of four digits at most, which must be given.
    pub(crate) fn year(self, value: Option<i32>) -> Read<i16> {
        self.given(value, |at, value| at.integer(value, 0..=9999))
    }

    /// A number that must be given.
    pub(crate) fn given<N, T>(self, value: Option<N>, read: impl FnOnce(Self, N) -> Read<T>) -> Read<T> {
        value.map_or_else(|| Err(self.missing()), |value| read(self, value))
    }

    /// An amount.
    pub(crate) fn amount(self, value: &str) -> Read<Amount> {
        value.parse().map_err(|error: samspor_domain::AmountError| {
            self.fault(Reason::InvalidAmount, error.to_string())
        })
    }

    /// An account in any of its three writings.
    pub(crate) fn account_string(self, value: &str) -> Read<AccountString> {
        value.parse().map_err(|error: samspor_domain::AccountError| {
            self.fault(Reason::InvalidAccount, error.to_string())
        })
    }

    /// An account, of which only the normal form is kept.
    pub(crate) fn account(self, value: &str) -> Read<samspor_domain::Account> {
        self.account_string(value).map(|string| string.account)
    }

    /// An amount that is not negative.
    pub(crate) fn amount_not_negative(self, value: &str) -> Read<Amount> {
        let amount = self.amount(value)?;
        if amount.ore() < 0 {
            Err(self.fault(Reason::InvalidAmount, "must not be negative"))
        } else {
            Ok(amount)
        }
    }

    /// The account prefix of a rule.
    pub(crate) fn prefix(self, value: &str) -> Read<AccountPrefix> {
        value.parse().map_err(|error: samspor_domain::AccountError| {
            self.fault(Reason::InvalidAccount, error.to_string())
        })
    }

    /// Three digits.
    pub(crate) fn grouping(self, value: &str) -> Read<Grouping> {
        value.parse().map_err(|error: samspor_domain::AccountError| self.invalid(error.to_string()))
    }

    /// `from_date` and `to_date` of the message here, both of which may be left out.
    pub(crate) fn span(self, from: Option<&str>, to: Option<&str>) -> Read<Span> {
        let from = self.field("from_date").optional(from, Place::date);
        let to = self.field("to_date").optional(to, Place::date);
        Ok(Span { from: from?, to: to? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults<T>(read: impl FnOnce(Place<'_>) -> Read<T>) -> Vec<(Reason, String)> {
        let faults = request(read).err().unwrap_or_default();
        faults.into_iter().map(|fault| (fault.reason, fault.path.unwrap_or_default())).collect()
    }

    #[test]
    fn a_date_has_one_writing() {
        let date = |text: &str| request(|at| at.date(text)).ok();
        assert_eq!(date("2024-02-29"), Some(jiff::civil::date(2024, 2, 29)));
        for text in [
            "",
            "2026-3-14",
            "20260314",
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "+026-03-14",
            "-026-03-14",
            "2026-03-14 ",
            "2026-03-14T00:00:00",
            "2026/03/14",
            "٢٠٢٦-٠٣-١٤",
            "2026-W11-6",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn every_fault_is_noted_at_its_path_up_to_a_bound() {
        let noted = faults(|at| {
            let list = at.field("list");
            let first = list.list(&["", "x"], |at, text| at.field("name").required(text, Place::text));
            let second = at.field("days").integer::<u16>(70_000, 0..=36_525);
            Ok((first?, second?))
        });
        assert_eq!(
            noted,
            [(Reason::MissingField, "list[0].name".to_owned()), (Reason::InvalidField, "days".to_owned()),]
        );
        let many = faults(|at| at.list(&[""; 1000], |at, text| at.required(text, Place::text)));
        assert_eq!(many.len(), MAX_FAULTS);
    }
}
