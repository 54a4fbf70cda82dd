//! What solutions are planned and checked against: estimates, budgets, targets, investment cases, control totals.

use samspor_domain::{Budget, ControlTotal, Estimate, Expected, Fault, InvestmentCase, Span, TargetGoal};

use super::fields::{Field, Object};
use super::solution;

/// What an estimate may carry besides what every fact may.
pub(super) const ESTIMATE_FIELDS: &[&str] = &["solution", "account", "amount", "per", "from", "area", "to"];

/// What a budget may carry besides what every fact may.
pub(super) const BUDGET_FIELDS: &[&str] = &["solution", "year", "amount", "area", "kind", "side", "funding"];

/// What a target may carry besides what every fact may.
pub(super) const TARGET_FIELDS: &[&str] = &["solution", "year", "amount", "area", "kind", "side", "share"];

/// What an investment case may carry besides what every fact may.
pub(super) const INVESTMENT_CASE_FIELDS: &[&str] =
    &["solution", "from", "to", "expected", "activity", "effect", "uncertainty"];

/// What a control total may carry besides what every fact may.
pub(super) const CONTROL_TOTAL_FIELDS: &[&str] = &["source", "from", "to", "count", "sum"];

/// An average price for what is not booked on a citizen.
pub(super) fn estimate(object: &Object<'_>) -> Result<Estimate, Fault> {
    Ok(Estimate {
        solution: object.required("solution", Field::text)?,
        account: object.required("account", Field::account)?,
        amount: object.required("amount", Field::amount)?,
        per_family: object.required("per", |field| field.word(&[("family", true), ("citizen", false)]))?,
        area: object.optional("area", Field::text)?,
        span: object.span_from()?,
    })
}

/// A year's budget.
pub(super) fn budget(object: &Object<'_>) -> Result<Budget, Fault> {
    Ok(Budget {
        solution: object.required("solution", Field::text)?,
        year: object.required("year", Field::year)?,
        amount: object.required("amount", Field::amount)?,
        area: object.optional("area", Field::text)?,
        kind: object.optional("kind", Field::cost_kind)?,
        side: object.optional("side", Field::side)?,
        funding: object.optional("funding", Field::text)?,
    })
}

/// A year's target.
pub(super) fn target(object: &Object<'_>) -> Result<TargetGoal, Fault> {
    Ok(TargetGoal {
        solution: object.required("solution", Field::text)?,
        year: object.required("year", Field::year)?,
        amount: object.required("amount", Field::amount)?,
        area: object.optional("area", Field::text)?,
        kind: object.optional("kind", Field::cost_kind)?,
        side: object.optional("side", Field::side)?,
        share: object.optional("share", solution::parts)?.unwrap_or_default(),
    })
}

/// What a solution was expected to cost and give.
pub(super) fn investment_case(object: &Object<'_>) -> Result<InvestmentCase, Fault> {
    Ok(InvestmentCase {
        solution: object.required("solution", Field::text)?,
        span: both_ends(object)?,
        expected: object.required("expected", |field| {
            field.list(|item| {
                let object = item.object(&["year", "area", "amount"])?;
                Ok(Expected {
                    year: object.required("year", Field::year)?,
                    area: object.required("area", Field::text)?,
                    amount: object.required("amount", Field::amount)?,
                })
            })
        })?,
        activity: object.optional("activity", Field::text)?,
        effect: object.optional("effect", Field::text)?,
        uncertainty: object.optional("uncertainty", Field::text)?,
    })
}

/// What a finance system says that it sent.
pub(super) fn control_total(object: &Object<'_>) -> Result<ControlTotal, Fault> {
    Ok(ControlTotal {
        source: object.required("source", Field::text)?,
        span: both_ends(object)?,
        count: object.required("count", |field| field.integer(0..=i64::MAX))?,
        sum: object.required("sum", Field::amount)?,
    })
}

fn both_ends(object: &Object<'_>) -> Result<Span, Fault> {
    let date = |name| object.required(name, Field::date).map(Some);
    Ok(Span { from: date("from")?, to: date("to")? })
}
