//! Facts that the registry shows: one, a page of a kind, a page of the versions of one.

use samspor_domain::audit::Subject;
use samspor_domain::{Body, FactNo, Kind, Message, Rank, SourceName, State, Text};
use samspor_engine::StoredFact;

use crate::reading::{Place, Read};
use crate::writing::{self, References};
use crate::{facts, v1};

/// Items of a page whose caller does not say how many.
const USUAL_PAGE: usize = 100;
/// Items of a page at most. The largest solution that a call may put is a megabyte, and pages are bounded in bytes as well.
const MAX_PAGE: i64 = 500;
/// Bytes of a page after which it ends: half of what clients take, since what ends it may be a megabyte itself.
pub(crate) const PAGE_BYTES: usize = 2 * 1024 * 1024;

/// A fact by its name.
pub(crate) struct Named {
    pub(crate) kind: Kind,
    pub(crate) source: Option<SourceName>,
    pub(crate) id: Text,
}

/// Reads a fact's name.
pub(crate) fn named(at: Place<'_>, kind: i32, id: &str, source: Option<&str>) -> Read<Named> {
    named_by(at, (kind, id), ("source", source))
}

/// The same, where the source's field is called so.
pub(crate) fn named_by(
    at: Place<'_>,
    (kind, id): (i32, &str),
    (called, source): (&'static str, Option<&str>),
) -> Read<Named> {
    let kind = facts::any_kind(at.field("kind"), kind);
    let id = at.field("id").required(id, Place::text);
    let named = at.field(called);
    let source = match (&kind, source) {
        (Ok(kind), None) if kind.is_named_in_source() => Err(named.missing()),
        (Ok(kind), Some(_)) if !kind.is_named_in_source() => {
            Err(named.invalid("must not be given: facts of this kind are named across the municipality"))
        }
        (_, source) => named.optional(source, Place::text),
    };
    Ok(Named { kind: kind?, source: source?, id: id? })
}

/// How many items a page may have.
pub(crate) fn page_size(at: Place<'_>, size: i32) -> Read<usize> {
    let size = at.field("page_size").integer(size, 0..=MAX_PAGE)?;
    Ok(if size == 0 { USUAL_PAGE } else { size })
}

/// What a page goes on after: a number that belongs to a list and its filter. Empty is the beginning.
pub(crate) fn page_token(at: Place<'_>, token: &str, list: &str) -> Read<i64> {
    if token.is_empty() {
        return Ok(0);
    }
    let number =
        token.rsplit_once('.').filter(|(of, _)| *of == list).and_then(|(_, number)| number.parse().ok());
    let invalid = || at.field("page_token").invalid("is not one that this list gave");
    number.filter(|number: &i64| *number > 0).ok_or_else(invalid)
}

/// The token that [`page_token`] reads.
pub(crate) fn token(list: &str, after: i64) -> String {
    format!("{list}.{after}")
}

/// Which facts are listed.
pub(crate) struct Filter {
    pub(crate) kind: Kind,
    pub(crate) solution: Option<Text>,
    pub(crate) ended: bool,
}

impl Filter {
    pub(crate) fn lets_through(&self, fact: &StoredFact) -> bool {
        let is_live = matches!(fact.state, Some(State::Live(_)));
        (is_live || self.ended) && self.solution.as_ref().is_none_or(|wanted| solution(fact) == Some(wanted))
    }

    /// What its pages' tokens begin with.
    pub(crate) fn list(&self) -> String {
        format!("{}.{}.{}", self.kind, u8::from(self.ended), self.solution.as_ref().map_or("", Text::as_str))
    }
}

fn solution(fact: &StoredFact) -> Option<&Text> {
    let Some(State::Live(body)) = &fact.state else { return None };
    match body {
        Body::Enrolment(enrolment) => Some(&enrolment.solution),
        Body::Split(split) => Some(&split.solution),
        Body::Estimate(estimate) => Some(&estimate.solution),
        Body::Budget(budget) => Some(&budget.solution),
        Body::Target(target) => Some(&target.solution),
        Body::InvestmentCase(case) => Some(&case.solution),
        _ => None,
    }
}

/// Reads which facts are listed.
pub(crate) fn filter(at: Place<'_>, request: &v1::ListFactsRequest) -> Read<Filter> {
    let kind = facts::kind(at.field("kind"), request.kind);
    let solution = at.field("solution").optional(request.solution.as_deref(), Place::text);
    Ok(Filter { kind: kind?, solution: solution?, ended: request.include_ended })
}

/// What the audit log names a fact; none where what it says was erased, its id too.
pub(crate) fn subject(fact: &StoredFact) -> Option<Subject> {
    let id = fact.id.clone()?;
    Some(Subject::Fact { kind: fact.kind, id, source: fact.source.clone() })
}

/// Whether references are shown.
pub(crate) fn references(shown: bool) -> References<'static> {
    if shown { References::Shown } else { References::Hidden }
}

/// A version of a fact as callers see it. Whom a case or a grant is about is its source's to know, and is never shown: registrars
/// see what is named across the municipality, and nothing else joins a system's ids to a person.
pub(crate) fn shown(fact: &StoredFact, references: References<'_>) -> v1::StoredFact {
    shown_with(fact, if fact.source.is_some() { References::Hidden } else { references })
}

/// The same with these references, also where its source alone should know them: for the citizen whose they are.
pub(crate) fn shown_with(fact: &StoredFact, references: References<'_>) -> v1::StoredFact {
    let standing = match fact.rank {
        Rank::Live => v1::FactStanding::Live,
        Rank::Withdrawn => v1::FactStanding::Withdrawn,
        Rank::Deleted => v1::FactStanding::Deleted,
    };
    v1::StoredFact {
        kind: writing::kind(fact.kind).into(),
        source: fact.source.as_ref().map(ToString::to_string),
        id: fact.id.as_ref().map(ToString::to_string).unwrap_or_default(),
        version: fact.version,
        standing: standing.into(),
        registered: fact.registered.to_string(),
        content: fact.fact().map(|fact| writing::message(&Message::Fact(fact), references)),
    }
}

/// The number that a page of facts goes on after.
pub(crate) fn after(number: i64) -> FactNo {
    FactNo(number)
}
