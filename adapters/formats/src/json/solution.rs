//! Solutions, their rules, and split keys.

use samspor_domain::{Condition, Fault, PowerRule, Powers, Share, Side, SideRule, Solution, Split, Text};

use super::fields::{Field, Object};
use super::reference;

/// What a solution may carry besides what every fact may.
pub(super) const FIELDS: &[&str] = &[
    "name",
    "priority",
    "from",
    "to",
    "baseline_days",
    "aftercare_days",
    "ceiling",
    "above_ceiling",
    "sides",
    "default_side",
    "powers",
    "default_powers",
    "claims",
];

/// What a split key may carry besides what every fact may.
pub(super) const SPLIT_FIELDS: &[&str] =
    &["solution", "parts", "family", "grant", "account", "grouping", "cost_centre", "from", "to"];

/// The highest number of days before or after an enrolment: a hundred years.
const MAX_DAYS: i64 = 36_525;

/// Reads a solution.
pub(super) fn read(object: &Object<'_>) -> Result<Solution, Fault> {
    let days = |name| Ok(object.optional(name, |field| field.integer(0..=MAX_DAYS))?.unwrap_or_default());
    Ok(Solution {
        name: object.required("name", Field::text)?,
        priority: object.optional("priority", |field| field.integer(-1_000_000..=1_000_000))?.unwrap_or(100),
        span: object.span()?,
        baseline_days: days("baseline_days")?,
        aftercare_days: days("aftercare_days")?,
        ceiling: object.optional("ceiling", Field::amount_not_negative)?,
        above_ceiling: object.optional("above_ceiling", Field::text)?,
        sides: object.optional("sides", |field| field.list(side_rule))?.unwrap_or_default(),
        default_side: object.optional("default_side", Field::side)?.unwrap_or(Side::Outside),
        powers: object.optional("powers", |field| field.list(power_rule))?.unwrap_or_default(),
        default_powers: match object
            .optional("default_powers", |field| powers(&field.object(&["grants", "pays"])?))?
        {
            Some(given) => given,
            None => areas_own(object)?,
        },
        claims: object.optional("claims", |field| field.list(claim))?.unwrap_or_default(),
    })
}

/// The posting's own area both grants and pays.
fn areas_own(object: &Object<'_>) -> Result<Powers, Fault> {
    let area = Text::new("area").map_err(|_| object.missing("default_powers"))?;
    Ok(Powers { grants: area.clone(), pays: area })
}

/// Reads a split key. Its account may be left out, which means any.
pub(super) fn split(object: &Object<'_>) -> Result<Split, Fault> {
    Ok(Split {
        solution: object.required("solution", Field::text)?,
        parts: object.required("parts", parts)?,
        family: object.optional("family", Field::text)?,
        grant: object.optional("grant", reference::grant)?,
        condition: Condition { account: object.optional("account", Field::prefix)?, ..condition(object)? },
    })
}

/// 1–16 parts of unique areas with weights from 1 to 1,000,000.
pub(super) fn parts(field: Field<'_>) -> Result<Vec<Share>, Fault> {
    let mut areas: Vec<Text> = Vec::new();
    let parts = field.list(|item| {
        let object = item.object(&["area", "weight"])?;
        let area = object.required("area", |field| {
            let area = field.text()?;
            if areas.contains(&area) {
                Err(field.invalid("is the area of an earlier part too"))
            } else {
                Ok(area)
            }
        })?;
        // One too many is enough to know, and keeps a long list from being compared with itself.
        if areas.len() <= MAX_PARTS {
            areas.push(area.clone());
        }
        Ok(Share { area, weight: object.required("weight", |field| field.integer(1..=1_000_000))? })
    })?;
    match parts.len() {
        1..=MAX_PARTS => Ok(parts),
        _ => Err(field.invalid(format!("must hold 1 to {MAX_PARTS} parts"))),
    }
}

const MAX_PARTS: usize = 16;

/// What a rule may carry beside its account.
fn condition(object: &Object<'_>) -> Result<Condition, Fault> {
    Ok(Condition {
        account: None,
        grouping: object.optional("grouping", Field::grouping)?,
        cost_centre: object.optional("cost_centre", Field::text)?,
        span: object.span()?,
    })
}

fn rule(object: &Object<'_>) -> Result<Condition, Fault> {
    Ok(Condition { account: Some(object.required("account", Field::prefix)?), ..condition(object)? })
}

fn side_rule(field: Field<'_>) -> Result<SideRule, Fault> {
    let object = field.object(&["account", "grouping", "cost_centre", "from", "to", "side"])?;
    Ok(SideRule { condition: rule(&object)?, side: object.required("side", Field::side)? })
}

fn power_rule(field: Field<'_>) -> Result<PowerRule, Fault> {
    let object = field.object(&["account", "grouping", "cost_centre", "from", "to", "grants", "pays"])?;
    Ok(PowerRule { condition: rule(&object)?, powers: powers(&object)? })
}

fn claim(field: Field<'_>) -> Result<Condition, Fault> {
    rule(&field.object(&["account", "grouping", "cost_centre", "from", "to"])?)
}

fn powers(object: &Object<'_>) -> Result<Powers, Fault> {
    Ok(Powers {
        grants: object.required("grants", Field::text)?,
        pays: object.required("pays", Field::text)?,
    })
}
