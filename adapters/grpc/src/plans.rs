//! What solutions are planned and checked against as the domain's: estimates, budgets, targets, investment cases, control
//! totals. The rules are those of the canonical JSON.

use samspor_domain::{
    Body, Budget, ControlTotal, CostKind, Estimate, Expected, InvestmentCase, Message, Span, TargetGoal,
};

use crate::facts::{live, parts, side};
use crate::reading::{Place, Read};
use crate::v1;

/// An estimate.
pub(crate) fn estimate(at: Place<'_>, estimate: &v1::Estimate) -> Read<Message> {
    let solution = at.field("solution").required(&estimate.solution, Place::text);
    let account = at.field("account").required(&estimate.account, Place::account);
    let amount = at.field("amount").required(&estimate.amount, Place::amount);
    let per_family = at.field("per").required_choice(estimate.per, |per| match per {
        v1::EstimateUnit::Unspecified => None,
        v1::EstimateUnit::Family => Some(true),
        v1::EstimateUnit::Citizen => Some(false),
    });
    let area = at.field("area").optional(estimate.area.as_deref(), Place::text);
    let from = at.field("from_date").required(&estimate.from_date, Place::date);
    let to = at.field("to_date").optional(estimate.to_date.as_deref(), Place::date);
    let body = || {
        Ok(Body::Estimate(Estimate {
            solution: solution?,
            account: account?,
            amount: amount?,
            per_family: per_family?,
            area: area?,
            span: Span { from: Some(from?), to: to? },
        }))
    };
    live(at, &estimate.id, estimate.version, body())
}

/// A year's budget.
pub(crate) fn budget(at: Place<'_>, budget: &v1::Budget) -> Read<Message> {
    let solution = at.field("solution").required(&budget.solution, Place::text);
    let year = at.field("year").year(budget.year);
    let amount = at.field("amount").required(&budget.amount, Place::amount);
    let area = at.field("area").optional(budget.area.as_deref(), Place::text);
    let kind = at.field("kind").choice(budget.kind, cost_kind);
    let side = at.field("side").choice(budget.side, side);
    let funding = at.field("funding").optional(budget.funding.as_deref(), Place::text);
    let body = || {
        Ok(Body::Budget(Budget {
            solution: solution?,
            year: year?,
            amount: amount?,
            area: area?,
            kind: kind?,
            side: side?,
            funding: funding?,
        }))
    };
    live(at, &budget.id, budget.version, body())
}

/// A year's target.
pub(crate) fn target(at: Place<'_>, target: &v1::TargetGoal) -> Read<Message> {
    let solution = at.field("solution").required(&target.solution, Place::text);
    let year = at.field("year").year(target.year);
    let amount = at.field("amount").required(&target.amount, Place::amount);
    let area = at.field("area").optional(target.area.as_deref(), Place::text);
    let kind = at.field("kind").choice(target.kind, cost_kind);
    let side = at.field("side").choice(target.side, side);
    let share = match target.share.as_slice() {
        [] => Ok(Vec::new()),
        share => parts(at.field("share"), share),
    };
    let body = || {
        Ok(Body::Target(TargetGoal {
            solution: solution?,
            year: year?,
            amount: amount?,
            area: area?,
            kind: kind?,
            side: side?,
            share: share?,
        }))
    };
    live(at, &target.id, target.version, body())
}

/// What a solution was expected to cost and give.
pub(crate) fn investment_case(at: Place<'_>, case: &v1::InvestmentCase) -> Read<Message> {
    let solution = at.field("solution").required(&case.solution, Place::text);
    let span = both_ends(at, &case.from_date, &case.to_date);
    let expected = at.field("expected").list(&case.expected, |at, expected| {
        let year = at.field("year").year(expected.year);
        let area = at.field("area").required(&expected.area, Place::text);
        let amount = at.field("amount").required(&expected.amount, Place::amount);
        Ok(Expected { year: year?, area: area?, amount: amount? })
    });
    let activity = at.field("activity").optional(case.activity.as_deref(), Place::text);
    let effect = at.field("effect").optional(case.effect.as_deref(), Place::text);
    let uncertainty = at.field("uncertainty").optional(case.uncertainty.as_deref(), Place::text);
    let body = || {
        Ok(Body::InvestmentCase(InvestmentCase {
            solution: solution?,
            span: span?,
            expected: expected?,
            activity: activity?,
            effect: effect?,
            uncertainty: uncertainty?,
        }))
    };
    live(at, &case.id, case.version, body())
}

/// What a finance system says that it sent.
pub(crate) fn control_total(at: Place<'_>, control: &v1::ControlTotal) -> Read<Message> {
    let source = at.field("source").required(&control.source, Place::text);
    let span = both_ends(at, &control.from_date, &control.to_date);
    let count = at.field("count").given(control.count, |at, count| at.integer(count, 0..=i64::MAX));
    let sum = at.field("sum").required(&control.sum, Place::amount);
    let body =
        || Ok(Body::ControlTotal(ControlTotal { source: source?, span: span?, count: count?, sum: sum? }));
    live(at, &control.id, control.version, body())
}

fn both_ends(at: Place<'_>, from: &str, to: &str) -> Read<Span> {
    let from = at.field("from_date").required(from, Place::date);
    let to = at.field("to_date").required(to, Place::date);
    Ok(Span { from: Some(from?), to: Some(to?) })
}

fn cost_kind(kind: v1::CostKind) -> Option<CostKind> {
    match kind {
        v1::CostKind::Unspecified => None,
        v1::CostKind::Service => Some(CostKind::Service),
        v1::CostKind::Transfer => Some(CostKind::Transfer),
    }
}
