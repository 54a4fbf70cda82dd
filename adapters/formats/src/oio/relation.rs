//! Identifiers and relations: who and what an object refers to, and which of several relations is meant.

use jiff::Timestamp;
use samspor_domain::{CitizenRef, Cpr, Fault, PersonUuid, Reason, SourceName, Text};

use super::within;
use super::xml::Element;
use crate::calendar::Moment;

/// An identifier: a choice of two strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identifier<'e> {
    Uuid(&'e str),
    Urn(&'e str),
}

impl<'e> Identifier<'e> {
    /// As it was written.
    pub(super) fn written(self) -> &'e str {
        match self {
            Self::Uuid(text) | Self::Urn(text) => text,
        }
    }
}

/// The identifier in an element of `UnikIdType`; a blank one is none.
pub(super) fn identifier(element: &Element) -> Option<Identifier<'_>> {
    let uuid = element.text("UUIDIdentifikator").map(Identifier::Uuid);
    uuid.or_else(|| element.text("URNIdentifikator").map(Identifier::Urn))
}

/// A UUID in lower case with hyphens; what is no UUID as it stands.
pub(super) fn object_id(written: &str) -> String {
    let written = written.trim_ascii();
    let Ok(uuid) = PersonUuid::parse(written) else { return written.to_owned() };
    let digits = uuid.reveal();
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

/// What follows a URN's prefix, whose case does not matter (RFC 8141, section 3.1).
pub(super) fn after_prefix<'u>(urn: &'u str, prefix: &str) -> Option<&'u str> {
    let (start, rest) = urn.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Those elements whose `Virkning` holds at the instant; all of them where none does.
pub(super) fn in_force<'e>(
    elements: impl Iterator<Item = &'e Element>,
    at: Timestamp,
) -> Result<Vec<&'e Element>, Fault> {
    let mut all = Vec::new();
    let mut holding = Vec::new();
    for element in elements {
        let (from, to) = (valid(element, "FraTidspunkt")?, valid(element, "TilTidspunkt")?);
        if from.is_none_or(|from| from <= at) && to.is_none_or(|to| at < to) {
            holding.push(element);
        }
        all.push(element);
    }
    Ok(if holding.is_empty() { all } else { holding })
}

/// Of the elements in force the one that began last; the last of several that began together.
pub(super) fn newest<'e>(
    elements: impl Iterator<Item = &'e Element>,
    at: Timestamp,
) -> Result<Option<&'e Element>, Fault> {
    let mut newest = None;
    for element in in_force(elements, at)? {
        let from = valid(element, "FraTidspunkt")?;
        if newest.is_none_or(|(newest, _)| newest <= from) {
            newest = Some((from, element));
        }
    }
    Ok(newest.map(|(_, element)| element))
}

/// One end of an element's `Virkning`; none where it is open.
pub(super) fn valid(element: &Element, end: &str) -> Result<Option<Timestamp>, Fault> {
    let bound = element.child("Virkning").and_then(|virkning| virkning.child(end));
    let Some(written) = bound.and_then(|bound| bound.text("TidsstempelDatoTid")) else { return Ok(None) };
    let moment = Moment::parse(written).ok_or_else(|| {
        Fault::at(Reason::InvalidField, format!("{}.Virkning.{end}", element.name), NOT_A_TIME)
    })?;
    // Writers give the ends of the calendar for infinity.
    Ok(moment.instant())
}

/// What is wrong with a time.
pub(super) const NOT_A_TIME: &str = "is not a time: expected 'YYYY-MM-DDThh:mm:ss' with or without an offset";

/// The person that the relations mean, if they mean one.
pub(super) fn person(relations: &[&Element], source: &SourceName) -> Result<Option<CitizenRef>, Fault> {
    one(relations, |id| match id {
        Identifier::Uuid(text) => uuid(text).map(Some),
        Identifier::Urn(urn) => urn_person(urn, source),
    })
}

/// The case that the relations mean, if they mean one.
pub(super) fn case(relations: &[&Element]) -> Result<Option<Text>, Fault> {
    one(relations, |id| match id {
        Identifier::Uuid(text) => name(&object_id(text)).map(Some),
        Identifier::Urn(_) => Ok(None),
    })
}

fn uuid(text: &str) -> Result<CitizenRef, Fault> {
    let uuid =
        PersonUuid::parse(text).map_err(|error| Fault::new(Reason::InvalidField, error.to_string()))?;
    Ok(CitizenRef::Uuid(uuid))
}

fn urn_person(urn: &str, source: &SourceName) -> Result<Option<CitizenRef>, Fault> {
    if let Some(number) = after_prefix(urn, "urn:oio:cpr-nr:") {
        let cpr = Cpr::parse(number).map_err(|error| Fault::new(Reason::InvalidCpr, error.to_string()))?;
        return Ok(Some(CitizenRef::Cpr(cpr)));
    }
    if let Some(text) = after_prefix(urn, "urn:uuid:") {
        return uuid(text).map(Some);
    }
    if let Some(id) = after_prefix(urn, "urn:oio:us:personid:") {
        return Ok(Some(CitizenRef::Local(source.clone(), name(id)?)));
    }
    Ok(None)
}

/// A text of the domain.
pub(super) fn name(text: &str) -> Result<Text, Fault> {
    Text::new(text).map_err(|error| Fault::new(Reason::InvalidField, error.to_string()))
}

/// The one thing that relations mean: the only one, or the only one with the lowest `Indeks`.
fn one<T: PartialEq>(
    relations: &[&Element],
    read: impl Fn(Identifier<'_>) -> Result<Option<T>, Fault>,
) -> Result<Option<T>, Fault> {
    let mut meant: Vec<(u32, T)> = Vec::new();
    for relation in relations {
        let Some(id) = relation.child("ReferenceID").and_then(identifier) else { continue };
        let read = read(id).map_err(|fault| within(&format!("{}.ReferenceID", relation.name), fault))?;
        let Some(value) = read else { continue };
        let index = relation.text("Indeks").and_then(|index| index.parse().ok()).unwrap_or(u32::MAX);
        match meant.iter_mut().find(|(_, other)| *other == value) {
            Some((known, _)) => *known = index.min(*known),
            None => meant.push((index, value)),
        }
    }
    let lowest = meant.iter().map(|(index, _)| *index).min();
    meant.retain(|(index, _)| Some(*index) == lowest);
    match (meant.len(), meant.pop()) {
        (0 | 1, last) => Ok(last.map(|(_, value)| value)),
        _ => {
            let name = relations.first().map(|relation| relation.name.clone()).unwrap_or_default();
            Err(Fault::at(
                Reason::InvalidField,
                name,
                "names several, and their Indeks does not say which goes first",
            ))
        }
    }
}
