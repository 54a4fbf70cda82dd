//! `decide`: from a posting and what is known to its answer. Pure, and normative in every line.

use std::cmp::Reverse;

use jiff::ToSpan;
use jiff::civil::Date;

use crate::{
    Answer, Basis, Body, Charts, CitizenRef, Enrolment, Flag, Phase, Posting, Pseudonym, Share, Solution,
    SourceNo, Span, Split, Tag, Text, Untagged, answer, rule, split,
};

/// The version of the rules in this module. A store that holds answers of another version decides everything again.
pub const RULES_VERSION: i64 = 1;

/// What a live consent reaches: the person as its bridge and its named sources' facts show them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circle {
    /// The consent's id.
    pub consent: Text,
    /// The posting dates that the consent covers.
    pub covers: Span,
    /// Whether the closure cannot be one person.
    pub conflict: bool,
    /// The live enrolments whose reference lies in the closure.
    pub enrolments: Vec<Enrolled>,
    /// The live grants in the closure that named sources hold, each under the key of each named source, with its total.
    pub totals: std::collections::BTreeMap<(SourceNo, Pseudonym), Option<crate::Amount>>,
}

/// A live enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// Its id.
    pub id: Text,
    /// What it says.
    pub enrolment: Enrolment,
}

/// What `decide` asks of the registry.
pub trait Known {
    /// The live consents whose bridge holds the reference.
    fn circles(&self, source: SourceNo, reference: &Pseudonym) -> impl Iterator<Item = &Circle>;
    /// A live solution.
    fn solution(&self, id: &Text) -> Option<&Solution>;
    /// The live solutions that claim anything, by priority, then id.
    fn claimants(&self) -> impl Iterator<Item = (&Text, &Solution)>;
    /// The live splits of a solution.
    fn splits(&self, solution: &Text) -> impl Iterator<Item = (&Text, &Split)>;
    /// Whether the pseudonym is that grant's under the source's key.
    fn is_grant(&self, source: SourceNo, pseudonym: &Pseudonym, grant: &CitizenRef) -> bool;
    /// The charts of accounts.
    fn charts(&self) -> &Charts;
}

/// An answer, and the citizen that the enrolment it rests on names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub answer: Answer,
    /// Whose enrolment it rests on.
    pub subject: Option<CitizenRef>,
}

impl From<Untagged> for Decision {
    fn from(reason: Untagged) -> Self {
        Self { answer: Answer::Untagged(reason), subject: None }
    }
}

/// Whether a posting follows the one that it reverses: exactly the opposite amount, the same account, and no reference
/// or the same. Both are of one source.
pub fn follows<R: PartialEq>(posting: &Posting<R>, reversed: &Posting<R>) -> bool {
    posting.amount == -reversed.amount
        && posting.account == reversed.account
        && posting.reference().is_none_or(|reference| Some(reference) == reversed.reference())
}

/// Decides a posting that follows no other. One that follows takes the other's answer, [`Answer::negated`].
pub fn decide(source: SourceNo, posting: &Posting<Pseudonym>, known: &impl Known) -> Decision {
    match posting.reference() {
        Some(reference) => by_citizen(source, posting, reference, known),
        None => by_account(source, posting, known),
    }
}

fn by_citizen(
    source: SourceNo,
    posting: &Posting<Pseudonym>,
    reference: &Pseudonym,
    known: &impl Known,
) -> Decision {
    let mut reason = Untagged::NotConsented;
    let mut covering = Vec::new();
    for circle in known.circles(source, reference) {
        reason = reason.max(if circle.conflict {
            Untagged::IdentityConflict
        } else if circle.covers.contains(posting.date) {
            covering.push(circle);
            Untagged::NotEnrolled
        } else {
            Untagged::ConsentNotCovering
        });
    }
    let candidates = candidates(posting.date, &covering, known);
    let Some(best) = candidates.first() else { return reason.into() };

    let mut other: Vec<Text> = candidates
        .iter()
        .filter(|candidate| candidate.enrolled.enrolment.solution != best.enrolled.enrolment.solution)
        .map(|candidate| candidate.enrolled.id.clone())
        .collect();
    other.sort();
    let total = posting.grant.as_ref().and_then(|grant| {
        covering.iter().find_map(|circle| circle.totals.get(&(source, *grant)).copied().flatten())
    });
    let over_ceiling =
        best.solution.ceiling.is_some_and(|ceiling| total.unwrap_or(posting.amount.abs()) > ceiling);
    let matter = Matter {
        solution_id: &best.enrolled.enrolment.solution,
        solution: best.solution,
        enrolled: Some(best.enrolled),
        phase: best.phase,
        over_ceiling,
        other,
    };
    Decision {
        subject: Some(best.enrolled.enrolment.citizen.clone()),
        answer: tag(source, posting, matter, known),
    }
}

fn by_account(source: SourceNo, posting: &Posting<Pseudonym>, known: &impl Known) -> Decision {
    let claimant = known.claimants().find(|(_, solution)| {
        solution.span.contains(posting.date) && solution.claims.iter().any(|claim| claim.holds(posting))
    });
    let Some((solution_id, solution)) = claimant else { return Untagged::NoCitizen.into() };
    let phase = Phase::During;
    let matter =
        Matter { solution_id, solution, enrolled: None, phase, over_ceiling: false, other: Vec::new() };
    Decision { subject: None, answer: tag(source, posting, matter, known) }
}

/// An enrolment that counts on the posting's date.
pub struct Candidate<'a> {
    /// The enrolment.
    pub enrolled: &'a Enrolled,
    /// Its solution.
    pub solution: &'a Solution,
    /// In which of its phases the date falls.
    pub phase: Phase,
}

/// The enrolments of these circles that count on a day, the best first.
pub fn candidates<'a>(day: Date, covering: &[&'a Circle], known: &'a impl Known) -> Vec<Candidate<'a>> {
    let mut found: Vec<(Date, Candidate<'a>)> = Vec::new();
    for enrolled in covering.iter().flat_map(|circle| &circle.enrolments) {
        if found.iter().any(|(_, candidate)| candidate.enrolled.id == enrolled.id) {
            continue; // Two consents may reach one enrolment.
        }
        let Some(solution) = known.solution(&enrolled.enrolment.solution) else { continue };
        let Some((from, to)) = overlap(enrolled.enrolment.span, solution.span) else { continue };
        if let Some(phase) = phase(day, from, to, solution) {
            found.push((from, Candidate { enrolled, solution, phase }));
        }
    }
    found.sort_by(|(a_from, a), (b_from, b)| {
        (a.phase, a.solution.priority, a_from, &a.enrolled.id).cmp(&(
            b.phase,
            b.solution.priority,
            b_from,
            &b.enrolled.id,
        ))
    });
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Where an enrolment's dates and its solution's overlap; none if nowhere.
#[must_use]
pub fn overlap(enrolment: Span, solution: Span) -> Option<(Date, Option<Date>)> {
    // An enrolment always has a start.
    let from = enrolment.from.max(solution.from)?;
    let to = enrolment.to.into_iter().chain(solution.to).min();
    to.is_none_or(|to| from <= to).then_some((from, to))
}

/// The phase of an enrolment's span in which a day falls.
fn phase(day: Date, from: Date, to: Option<Date>, solution: &Solution) -> Option<Phase> {
    if day < from {
        (days_before(from, solution.baseline_days) <= day).then_some(Phase::Before)
    } else {
        match to {
            Some(to) if to < day => (day <= days_after(to, solution.aftercare_days)).then_some(Phase::After),
            _ => Some(Phase::During),
        }
    }
}

/// The day so many days before; the calendar's ends bound it.
#[must_use]
pub fn days_before(day: Date, days: u16) -> Date {
    day.saturating_sub(i32::from(days).days())
}

/// The day so many days after; the calendar's ends bound it.
#[must_use]
pub fn days_after(day: Date, days: u16) -> Date {
    day.saturating_add(i32::from(days).days())
}

/// What a tag is made of.
struct Matter<'a> {
    solution_id: &'a Text,
    solution: &'a Solution,
    enrolled: Option<&'a Enrolled>,
    phase: Phase,
    over_ceiling: bool,
    other: Vec<Text>,
}

fn tag(source: SourceNo, posting: &Posting<Pseudonym>, matter: Matter<'_>, known: &impl Known) -> Answer {
    let Matter { solution_id, solution, enrolled, phase, over_ceiling, other } = matter;
    let family = enrolled.and_then(|enrolled| enrolled.enrolment.family.clone());
    let chart_rule = known.charts().rule(posting);
    let area = chart_rule.map_or_else(unmapped, |rule| rule.area.clone());
    let side = rule::best(&solution.sides, |rule| &rule.condition, posting)
        .map_or(solution.default_side, |rule| rule.side);
    let powers = rule::best(&solution.powers, |rule| &rule.condition, posting)
        .map_or(&solution.default_powers, |rule| &rule.powers);
    let grants = solution.above_ceiling.as_ref().filter(|_| over_ceiling).unwrap_or(&powers.grants).clone();
    let split = best_split(source, posting, solution_id, family.as_ref(), known);
    let parts = match split {
        Some((_, split)) => split::split(posting.amount, &split.parts),
        None => split::split(posting.amount, &[Share { area: area.clone(), weight: 1 }]),
    };
    let flags = [
        (Flag::OtherSolution, !other.is_empty()),
        (Flag::OverCeiling, over_ceiling),
        (Flag::UnmappedAccount, chart_rule.is_none()),
    ];
    Answer::Tagged(Box::new(Tag {
        solution: solution_id.clone(),
        family,
        enrolment: enrolled.map(|enrolled| enrolled.id.clone()),
        phase,
        basis: if enrolled.is_some() { Basis::Citizen } else { Basis::Account },
        area,
        kind: chart_rule.map(|rule| rule.kind),
        side,
        grants,
        pays: powers.pays.clone(),
        parts,
        split: split.map(|(id, _)| id.clone()),
        flags: flags.into_iter().filter_map(|(flag, raised)| raised.then_some(flag)).collect(),
        other,
    }))
}

fn unmapped() -> Text {
    Text::new(answer::UNMAPPED).unwrap_or_else(|_| unreachable!("a constant of eight bytes"))
}

/// The best of the solution's splits that hold: naming a grant before naming a family before naming neither; then the
/// best rule; then the greater id.
fn best_split<'a>(
    source: SourceNo,
    posting: &Posting<Pseudonym>,
    solution: &Text,
    family: Option<&Text>,
    known: &'a impl Known,
) -> Option<(&'a Text, &'a Split)> {
    let names_grant = |split: &Split| match (&split.grant, &posting.grant) {
        (None, _) => true,
        (Some(grant), Some(pseudonym)) => known.is_grant(source, pseudonym, grant),
        (Some(_), None) => false,
    };
    let rank = |split: &Split| match (&split.grant, &split.family) {
        (Some(_), _) => Reverse(0),
        (None, Some(_)) => Reverse(1),
        (None, None) => Reverse(2),
    };
    known
        .splits(solution)
        .filter(|(_, split)| {
            split.family.as_ref().is_none_or(|named| Some(named) == family)
                && split.condition.holds(posting)
                && names_grant(split)
        })
        .max_by(|(a_id, a), (b_id, b)| {
            rank(a)
                .cmp(&rank(b))
                .then_with(|| a.condition.cmp_precision(&b.condition))
                .then_with(|| a_id.cmp(b_id))
        })
}

impl Body {
    /// Whether a fact of this kind can change who a person is.
    #[must_use]
    pub fn links(&self) -> bool {
        matches!(self, Self::Identity(_) | Self::Case(_) | Self::Grant(_))
    }
}
