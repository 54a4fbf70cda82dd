//! Which enrolment, and what the tag says.

use std::cmp::Reverse;

use jiff::civil::Date;
use samspor_domain::{
    Amount, Answer, Basis, Body, Condition, CostKind, Enrolment, Flag, Part, Phase, Posting, Share, Solution,
    Split, Tag, Text, Untagged,
};

use super::Evaluation;
use super::person::Person;

/// An enrolment that counts on a day.
struct Candidate<'a> {
    id: &'a Text,
    enrolment: &'a Enrolment,
    solution: &'a Solution,
    phase: Phase,
    from: Date,
}

impl Evaluation<'_> {
    fn solution(&self, wanted: &Text) -> Option<&Solution> {
        self.live.iter().find_map(|(_, id, body)| match body {
            Body::Solution(solution) if id == wanted => Some(&**solution),
            _ => None,
        })
    }

    pub(super) fn by_citizen(&self, posting: &Posting, covering: &[&Person]) -> Option<Answer> {
        let mut candidates = Vec::new();
        for (id, enrolment) in self.enrolments() {
            if let Some(solution) = self.solution(&enrolment.solution)
                && covering.iter().any(|person| person.is(&enrolment.citizen))
                && let Some((phase, from)) = phase(posting.date, enrolment, solution)
            {
                candidates.push(Candidate { id, enrolment, solution, phase, from });
            }
        }
        let order = |candidate: &Candidate<'_>| {
            let phase = match candidate.phase {
                Phase::During => 1,
                Phase::After => 2,
                Phase::Before => 3,
            };
            (phase, candidate.solution.priority, candidate.from, candidate.id.as_str().as_bytes().to_vec())
        };
        let best = candidates.iter().min_by_key(|candidate| order(candidate))?;
        let others = candidates.iter().filter(|other| other.enrolment.solution != best.enrolment.solution);
        let mut others: Vec<Text> = others.map(|other| other.id.clone()).collect();
        others.sort_by(|a, b| a.as_str().as_bytes().cmp(b.as_str().as_bytes()));

        let known_total = posting
            .grant
            .as_ref()
            .and_then(|grant| covering.iter().find_map(|person| person.total(grant, &self.live)));
        let measure =
            known_total.map_or(posting.amount.ore().unsigned_abs(), |total| total.ore().unsigned_abs());
        let over_ceiling =
            best.solution.ceiling.is_some_and(|ceiling| measure > ceiling.ore().unsigned_abs());
        let mut tag =
            self.tag(posting, &best.enrolment.solution, best.solution, best.enrolment.family.as_ref());
        tag.enrolment = Some(best.id.clone());
        tag.phase = best.phase;
        tag.basis = Basis::Citizen;
        if over_ceiling {
            if let Some(who) = &best.solution.above_ceiling {
                tag.grants = who.clone();
            }
            tag.flags.push(Flag::OverCeiling);
        }
        if !others.is_empty() {
            tag.flags.push(Flag::OtherSolution);
        }
        tag.other = others;
        tag.flags.sort_by_key(|flag| match flag {
            Flag::OtherSolution => "other-solution",
            Flag::OverCeiling => "over-ceiling",
            Flag::UnmappedAccount => "unmapped-account",
        });
        Some(Answer::Tagged(Box::new(tag)))
    }

    pub(super) fn by_account(&self, posting: &Posting) -> Answer {
        let mut claiming: Vec<(&Text, &Solution)> = Vec::new();
        for (_, id, body) in &self.live {
            if let Body::Solution(solution) = body
                && within(posting.date, solution.span.from, solution.span.to)
                && solution.claims.iter().any(|claim| holds(claim, posting))
            {
                claiming.push((id, solution));
            }
        }
        match claiming.into_iter().min_by_key(|(id, solution)| (solution.priority, id.as_str())) {
            Some((id, solution)) => Answer::Tagged(Box::new(self.tag(posting, id, solution, None))),
            None => Answer::Untagged(Untagged::NoCitizen),
        }
    }

    /// What does not depend on how the posting came to the solution.
    fn tag(&self, posting: &Posting, id: &Text, solution: &Solution, family: Option<&Text>) -> Tag {
        let (area, kind) = self.area(posting);
        let side = best(solution.sides.iter().map(|rule| (&rule.condition, rule.side)), posting);
        let powers = best(solution.powers.iter().map(|rule| (&rule.condition, &rule.powers)), posting);
        let powers = powers.unwrap_or(&solution.default_powers);
        let split = self.split(posting, id, family);
        let parts = match split {
            Some((_, split)) => parts(posting.amount, &split.parts),
            None => parts(posting.amount, &[Share { area: area.clone(), weight: 1 }]),
        };
        Tag {
            solution: id.clone(),
            family: family.cloned(),
            enrolment: None,
            phase: Phase::During,
            basis: Basis::Account,
            area,
            kind,
            side: side.unwrap_or(solution.default_side),
            grants: powers.grants.clone(),
            pays: powers.pays.clone(),
            parts,
            split: split.map(|(id, _)| id.clone()),
            flags: if kind.is_none() { vec![Flag::UnmappedAccount] } else { Vec::new() },
            other: Vec::new(),
        }
    }

    /// By the chart of the posting's year; without one the latest earlier; without such the earliest.
    fn area(&self, posting: &Posting) -> (Text, Option<CostKind>) {
        let years: Vec<i16> = self.charts.0.keys().copied().collect();
        let year = years.iter().filter(|year| **year <= posting.date.year()).max().or(years.iter().min());
        let rules = year.map(|year| &self.charts.0[year].rules[..]).unwrap_or_default();
        match best(rules.iter().map(|rule| (&rule.condition, rule)), posting) {
            Some(rule) => (rule.area.clone(), Some(rule.kind)),
            None => (crate::world::text("unmapped"), None),
        }
    }

    fn split(&self, posting: &Posting, solution: &Text, family: Option<&Text>) -> Option<(&Text, &Split)> {
        let mut found: Vec<(&Text, &Split)> = Vec::new();
        for (_, id, body) in &self.live {
            if let Body::Split(split) = body
                && split.solution == *solution
                && same_if_given(split.grant.as_ref(), posting.grant.as_ref())
                && same_if_given(split.family.as_ref(), family)
                && holds(&split.condition, posting)
            {
                found.push((id, split));
            }
        }
        found.into_iter().max_by_key(|(id, split)| {
            let names = match (&split.grant, &split.family) {
                (Some(_), _) => 2,
                (None, Some(_)) => 1,
                (None, None) => 0,
            };
            (names, precision(&split.condition), id.as_str().as_bytes().to_vec())
        })
    }
}

fn same_if_given<T: PartialEq>(asked: Option<&T>, given: Option<&T>) -> bool {
    asked.is_none() || asked == given
}

fn within(day: Date, from: Option<Date>, to: Option<Date>) -> bool {
    from.unwrap_or(Date::MIN) <= day && day <= to.unwrap_or(Date::MAX)
}

/// In which phase a day falls, and where the enrolment's dates and its solution's begin to overlap.
fn phase(day: Date, enrolment: &Enrolment, solution: &Solution) -> Option<(Phase, Date)> {
    let from = match (enrolment.span.from, solution.span.from) {
        (Some(a), Some(b)) => a.max(b),
        (a, b) => a.or(b)?,
    };
    let to = match (enrolment.span.to, solution.span.to) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    if to.is_some_and(|to| to < from) {
        return None;
    }
    // Distances in days, so that no calendar's end is in the way.
    let distance = |a: Date, b: Date| i64::from(b.since(a).map_or(0, |span| span.get_days()));
    let phase = if day < from {
        (distance(day, from) <= i64::from(solution.baseline_days)).then_some(Phase::Before)
    } else {
        match to {
            Some(to) if to < day => {
                (distance(to, day) <= i64::from(solution.aftercare_days)).then_some(Phase::After)
            }
            _ => Some(Phase::During),
        }
    };
    phase.map(|phase| (phase, from))
}

/// Whether everything that a rule names holds.
fn holds(rule: &Condition, posting: &Posting) -> bool {
    let account = posting.account.to_string();
    let account_holds = match rule.account {
        None => true,
        Some(prefix) => account == prefix.to_string() || account.starts_with(&format!("{prefix}.")),
    };
    account_holds
        && same_if_given(rule.grouping.as_ref(), posting.grouping.as_ref())
        && same_if_given(rule.cost_centre.as_ref(), posting.cost_centre.as_ref())
        && within(posting.date, rule.span.from, rule.span.to)
}

/// More elements; then a grouping; then a cost centre; then the later start.
fn precision(rule: &Condition) -> (usize, u8, u8, Option<Date>) {
    let elements = rule.account.map_or(0, |prefix| prefix.to_string().split('.').count());
    (elements, u8::from(rule.grouping.is_some()), u8::from(rule.cost_centre.is_some()), rule.span.from)
}

/// What the best rule says; of equals the later.
fn best<'a, T>(rules: impl Iterator<Item = (&'a Condition, T)>, posting: &Posting) -> Option<T> {
    let mut best: Option<(&Condition, T)> = None;
    for (rule, says) in rules {
        let better = best.as_ref().is_none_or(|(before, _)| precision(rule) >= precision(before));
        if holds(rule, posting) && better {
            best = Some((rule, says));
        }
    }
    best.map(|(_, says)| says)
}

/// Whole øre by weight; those left over one each to the largest remainders, ties to the lower area.
fn parts(amount: Amount, shares: &[Share]) -> Vec<Part> {
    let whole = u128::from(amount.ore().unsigned_abs());
    let weights: u128 = shares.iter().map(|share| u128::from(share.weight)).sum();
    let mut given: Vec<(Text, u32, u128, u128)> = shares
        .iter()
        .map(|share| {
            let product = whole * u128::from(share.weight);
            (share.area.clone(), share.weight, product / weights, product % weights)
        })
        .collect();
    let mut left: u128 = whole - given.iter().map(|part| part.2).sum::<u128>();
    given.sort_by(|a, b| (Reverse(a.3), a.0.as_str()).cmp(&(Reverse(b.3), b.0.as_str())));
    for part in &mut given {
        if left > 0 {
            part.2 += 1;
            left -= 1;
        }
    }
    given.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
    let sign = if amount.ore() < 0 { -1 } else { 1 };
    let part = |(area, weight, ore, _): (Text, u32, u128, u128)| Part {
        area,
        weight,
        amount: crate::world::ore(sign * i64::try_from(ore).unwrap_or_else(|error| panic!("{error}"))),
    };
    given.into_iter().map(part).collect()
}
