//! What the gateway must answer, worked out from what the town knows: who everyone is. It follows the design's rules
//! by a way of its own and shares no code with the domain's `decide`, so that each checks the other.

use jiff::ToSpan;
use jiff::civil::Date;
use samspor_domain::{Amount, Answer, Basis, Flag, Part, Phase, Side, Tag, Text, UNMAPPED, Untagged};

use crate::account::Written;
use crate::family::{COMMON_SPLITS, CPR_CHANGE, Consent, Enrolment, Family, Fate, Member, Split};
use crate::measure::Grant;
use crate::solution::{self, Solution, best};
use crate::source;

/// How a posting says whom it concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A CPR number: the one that held on the day, an earlier one or a stranger's that is tied to the person.
    Cpr,
    /// The person's UUID.
    Uuid,
    /// The finance system's own id.
    Local,
    /// The case in the job centre or DUBU.
    Case,
    /// The grant that the posting pays, and no citizen.
    Grant,
}

/// A posting as the oracle sees it.
pub(crate) struct Question<'a> {
    pub(crate) source: &'static str,
    pub(crate) date: Date,
    pub(crate) ore: i64,
    pub(crate) account: &'a Written,
    /// The grant that it says it pays.
    pub(crate) grant: Option<&'a Grant>,
}

/// The answer about a posting that concerns a member of a family.
pub(crate) fn about_member(question: &Question<'_>, family: &Family, member: &Member, by: By) -> Answer {
    let held: Vec<&Consent> = member
        .consents
        .iter()
        .filter(|consent| consent.fate == Fate::Live && consent.sources.contains(&question.source))
        .filter(|consent| reaches(consent, member, by, question.grant))
        .collect();
    if held.is_empty() {
        return Answer::Untagged(Untagged::NotConsented);
    }
    // A conflict is the person's, and so every consent's.
    if member.foreign_number.is_some() {
        return Answer::Untagged(Untagged::IdentityConflict);
    }
    let day = question.date;
    let covering: Vec<&Consent> = held
        .into_iter()
        .filter(|consent| consent.covers.0 <= day && consent.covers.1.is_none_or(|to| day <= to))
        .collect();
    if covering.is_empty() {
        return Answer::Untagged(Untagged::ConsentNotCovering);
    }
    let mut counting: Vec<Counting<'_>> = member.enrolments.iter().filter_map(|e| counting(e, day)).collect();
    counting.sort_by_key(|c| (c.phase, c.enrolment.solution.priority, c.from, c.enrolment.id.clone()));
    let Some(first) = counting.first() else { return Answer::Untagged(Untagged::NotEnrolled) };

    let solution = first.enrolment.solution;
    let mut other: Vec<Text> = counting
        .iter()
        .filter(|c| c.enrolment.solution.id != solution.id)
        .map(|c| text(&c.enrolment.id))
        .collect();
    other.sort();
    let total = question
        .grant
        .filter(|grant| covering.iter().any(|consent| consent.sources.contains(&grant.system)))
        .and_then(|grant| grant.total);
    let over = solution.ceiling.is_some_and(|(ceiling, _)| total.unwrap_or(question.ore.abs()) > ceiling);
    let splits = family.splits.iter();
    tag(question, solution, splits, Some((family, first)), over, other)
}

/// The answer about a posting that concerns nobody in particular.
pub(crate) fn about_nobody(question: &Question<'_>) -> Answer {
    let claims = |solution: &&Solution| {
        solution.runs(question.date)
            && solution.claims.iter().any(|claim| claim.holds(question.account, question.date))
    };
    // They stand by priority, and no two have the same.
    match solution::ALL.iter().find(claims) {
        Some(solution) => tag(question, solution, [].iter(), None, false, Vec::new()),
        None => Answer::Untagged(Untagged::NoCitizen),
    }
}

/// The answer about a posting that concerns a citizen who consented to nothing.
pub(crate) fn about_stranger() -> Answer {
    Answer::Untagged(Untagged::NotConsented)
}

/// The number by which systems know a member on a day.
pub(crate) fn number_on(member: &Member, day: Date) -> &str {
    member.earlier_number.as_deref().filter(|_| day < CPR_CHANGE).unwrap_or(&member.person.cpr)
}

fn reaches(consent: &Consent, member: &Member, by: By, grant: Option<&Grant>) -> bool {
    let links = |system| consent.sources.contains(&system);
    match by {
        By::Cpr => true,
        // Without an identity fact the job centre ties them: its grant names the number, and its case the UUID.
        By::Uuid => member.uuid_known || job_centre_ties(member) && links(source::JOBCENTRE),
        By::Local => member.local_id.is_some(),
        By::Case if member.is_adult => {
            links(source::JOBCENTRE) && (member.uuid_known || job_centre_ties(member))
        }
        By::Case => links(source::DUBU),
        By::Grant => grant.is_some_and(|grant| links(grant.system)),
    }
}

/// Whether a grant of the job centre names the CPR number of someone whose case names the UUID.
fn job_centre_ties(member: &Member) -> bool {
    member.is_adult
        && member.measures.iter().filter_map(|m| m.grant.as_ref()).any(|g| g.system == source::JOBCENTRE)
}

/// An enrolment that counts on a day.
struct Counting<'a> {
    enrolment: &'a Enrolment,
    from: Date,
    phase: Phase,
}

fn counting(enrolment: &Enrolment, day: Date) -> Option<Counting<'_>> {
    let solution = enrolment.solution;
    let from = enrolment.from.max(solution.from);
    let to = match (enrolment.to, solution.to) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    if to.is_some_and(|to| to < from) {
        return None;
    }
    let ended = to.filter(|to| *to < day);
    let phase = if day >= from && ended.is_none() {
        Phase::During
    } else if let Some(to) = ended {
        let aftercare_ends = to.saturating_add(solution.aftercare_days.days());
        (day <= aftercare_ends).then_some(Phase::After)?
    } else {
        let baseline_begins = from.saturating_sub(solution.baseline_days.days());
        (day >= baseline_begins).then_some(Phase::Before)?
    };
    Some(Counting { enrolment, from, phase })
}

fn tag<'a>(
    question: &Question<'_>,
    solution: &Solution,
    family_splits: impl Iterator<Item = &'a Split>,
    enrolled: Option<(&Family, &Counting<'_>)>,
    over_ceiling: bool,
    other: Vec<Text>,
) -> Answer {
    let (account, day) = (question.account, question.date);
    let charted = account.charted(day.year());
    let area = charted.map_or(UNMAPPED, |(area, _)| area);
    let inside = best(solution.inside, account, day).is_some();
    let (mut grants, pays) = best(solution.powers, account, day).unwrap_or(solution.default_powers);
    if let Some((_, above)) = solution.ceiling.filter(|_| over_ceiling) {
        grants = above;
    }

    let family = enrolled.map(|(family, _)| &family.id);
    let split = family_splits
        .chain(&*COMMON_SPLITS)
        .filter(|split| split.solution == solution.id && split.when.holds(account, day))
        .filter(|split| split.family.is_none() || split.family.as_ref() == family)
        .filter(|split| {
            split.grant.is_none() || split.grant.as_ref() == question.grant.map(|grant| &grant.id)
        })
        .max_by_key(|split| {
            let when = &split.when;
            let names = if split.grant.is_some() { 2 } else { i32::from(split.family.is_some()) };
            let rule = (when.account.len(), when.grouping.is_some(), when.centre.is_some(), when.from);
            (names, rule, split.id.clone())
        });
    let parts = split.map_or_else(|| vec![(area, 1)], |split| split.parts.clone());

    let mut flags = Vec::new();
    for (flag, is_raised) in [
        (Flag::OtherSolution, !other.is_empty()),
        (Flag::OverCeiling, over_ceiling),
        (Flag::UnmappedAccount, charted.is_none()),
    ] {
        if is_raised {
            flags.push(flag);
        }
    }
    Answer::Tagged(Box::new(Tag {
        solution: text(solution.id),
        family: family.map(|family| text(family)),
        enrolment: enrolled.map(|(_, counting)| text(&counting.enrolment.id)),
        phase: enrolled.map_or(Phase::During, |(_, counting)| counting.phase),
        basis: if enrolled.is_some() { Basis::Citizen } else { Basis::Account },
        area: text(area),
        kind: charted.map(|(_, kind)| kind),
        side: if inside { Side::Inside } else { Side::Outside },
        grants: text(grants),
        pays: text(pays),
        parts: shares(question.ore, &parts),
        split: split.map(|split| text(&split.id)),
        flags,
        other,
    }))
}

/// Shares an amount by weight, øre by øre where it does not go up.
fn shares(ore: i64, parts: &[(&'static str, i64)]) -> Vec<Part> {
    let whole = i128::from(ore.unsigned_abs());
    let weights: i128 = parts.iter().map(|(_, weight)| i128::from(*weight)).sum();
    let mut parts: Vec<(&str, i128, i128)> = parts
        .iter()
        .map(|(area, weight)| (*area, i128::from(*weight), whole * i128::from(*weight) / weights))
        .collect();
    parts.sort_unstable_by_key(|(area, ..)| *area);
    let mut left = whole - parts.iter().map(|(_, _, share)| share).sum::<i128>();
    let mut served: Vec<usize> = Vec::new();
    while left > 0 {
        // The greatest remainder that has had none; among equals the first, which has the lower area.
        let remainder = |at: usize| whole * parts[at].1 % weights;
        let next = (0..parts.len())
            .filter(|at| !served.contains(at))
            .reduce(|best, at| if remainder(at) > remainder(best) { at } else { best })
            .unwrap_or_else(|| unreachable!("fewer øre are left over than there are parts"));
        parts[next].2 += 1;
        served.push(next);
        left -= 1;
    }
    let part = |(area, weight, share): (&str, i128, i128)| Part {
        area: text(area),
        weight: weight as u32,
        amount: amount(if ore < 0 { -share as i64 } else { share as i64 }),
    };
    parts.into_iter().map(part).collect()
}

/// A short text of the town's own.
pub(crate) fn text(text: &str) -> Text {
    Text::new(text).unwrap_or_else(|_| unreachable!("the town's texts are short"))
}

/// An amount of the town's own.
pub(crate) fn amount(ore: i64) -> Amount {
    Amount::from_ore(ore).unwrap_or_else(|_| unreachable!("the town's amounts are small"))
}
