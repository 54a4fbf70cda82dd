//! Facts of solutions and who is in them as the domain's. The rules are those of the canonical JSON.

#[cfg(test)]
mod tests;

use samspor_domain::{
    AccountPrefix, Body, CitizenRef, Condition, Consent, Cpr, Enrolment, Fact, Identity, IdentityKind, Kind,
    Message, PersonUuid, PowerRule, Powers, Reason, Share, Side, SideRule, Solution, SourceName, Span, Split,
    State, Text, check_names,
};

use crate::reading::{Place, Read};
use crate::v1;
use crate::v1::citizen_reference::Reference;

/// The highest number of days before or after an enrolment: a hundred years.
const MAX_DAYS: i64 = 36_525;
/// The most parts of a split.
const MAX_PARTS: usize = 16;

/// A fact that is no longer live: a deletion, or a withdrawal of a consent.
pub(crate) fn ended(at: Place<'_>, kind: Read<Kind>, id: &str, version: i64, state: State) -> Read<Message> {
    let (id, version) = named(at, id, version);
    Ok(Message::Fact(Fact { kind: kind?, id: id?, version: version?, state }))
}

/// The kind of a fact.
pub(crate) fn any_kind(at: Place<'_>, kind: i32) -> Read<Kind> {
    at.required_choice(kind, |kind| {
        Some(match kind {
            v1::FactKind::Unspecified => return None,
            v1::FactKind::Case => Kind::Case,
            v1::FactKind::Grant => Kind::Grant,
            v1::FactKind::Payment => Kind::Payment,
            v1::FactKind::Progress => Kind::Progress,
            v1::FactKind::Identity => Kind::Identity,
            v1::FactKind::Consent => Kind::Consent,
            v1::FactKind::Enrolment => Kind::Enrolment,
            v1::FactKind::Solution => Kind::Solution,
            v1::FactKind::Split => Kind::Split,
            v1::FactKind::Estimate => Kind::Estimate,
            v1::FactKind::Budget => Kind::Budget,
            v1::FactKind::Target => Kind::Target,
            v1::FactKind::InvestmentCase => Kind::InvestmentCase,
            v1::FactKind::ControlTotal => Kind::ControlTotal,
        })
    })
}

/// The kind of a fact that is named across the municipality.
pub(crate) fn kind(at: Place<'_>, kind: i32) -> Read<Kind> {
    let kind = any_kind(at, kind)?;
    if kind.is_named_in_source() {
        return Err(at.fault(Reason::NotPermitted, "is named in its source, and told by that alone"));
    }
    Ok(kind)
}

/// A solution.
pub(crate) fn solution(at: Place<'_>, solution: &v1::Solution) -> Read<Message> {
    let days = |name, days| at.field(name).integer(days, 0..=MAX_DAYS);
    let name = at.field("name").required(&solution.name, Place::text);
    let priority = at.field("priority").integer(solution.priority.unwrap_or(100), -1_000_000..=1_000_000);
    let span = at.span(solution.from_date.as_deref(), solution.to_date.as_deref());
    let baseline_days = days("baseline_days", solution.baseline_days);
    let aftercare_days = days("aftercare_days", solution.aftercare_days);
    let ceiling = at.field("ceiling").optional(solution.ceiling.as_deref(), Place::amount_not_negative);
    let above_ceiling = at.field("above_ceiling").optional(solution.above_ceiling.as_deref(), Place::text);
    let sides = at.field("sides").list(&solution.sides, side_rule);
    let default_side = at.field("default_side").choice(solution.default_side, side);
    let powers_by_account = at.field("powers").list(&solution.powers, power_rule);
    let default_powers = match &solution.default_powers {
        Some(given) => powers(at.field("default_powers"), &given.grants, &given.pays),
        None => powers(at.field("default_powers"), "area", "area"),
    };
    let claims = at.field("claims").list(&solution.claims, claim);
    let body = || {
        Ok(Body::Solution(Box::new(Solution {
            name: name?,
            priority: priority?,
            span: span?,
            baseline_days: baseline_days?,
            aftercare_days: aftercare_days?,
            ceiling: ceiling?,
            above_ceiling: above_ceiling?,
            sides: sides?,
            default_side: default_side?.unwrap_or(Side::Outside),
            powers: powers_by_account?,
            default_powers: default_powers?,
            claims: claims?,
        })))
    };
    live(at, &solution.id, solution.version, body())
}

/// An enrolment.
pub(crate) fn enrolment(at: Place<'_>, enrolment: &v1::Enrolment) -> Read<Message> {
    let solution = at.field("solution").required(&enrolment.solution, Place::text);
    let citizen = at.field("citizen").message(enrolment.citizen.as_ref(), reference);
    let family = at.field("family").optional(enrolment.family.as_deref(), Place::text);
    let from = at.field("from_date").required(&enrolment.from_date, Place::date);
    let to = at.field("to_date").optional(enrolment.to_date.as_deref(), Place::date);
    let body = || {
        Ok(Body::Enrolment(Enrolment {
            solution: solution?,
            citizen: citizen?,
            family: family?,
            span: Span { from: Some(from?), to: to? },
        }))
    };
    live(at, &enrolment.id, enrolment.version, body())
}

/// A consent.
pub(crate) fn consent(at: Place<'_>, consent: &v1::Consent) -> Read<Message> {
    let citizen = at.field("citizen").message(consent.citizen.as_ref(), reference);
    let sources = sources(at.field("sources"), &consent.sources);
    let from = at.field("covers_from").required(&consent.covers_from, Place::date);
    let to = at.field("covers_to").optional(consent.covers_to.as_deref(), Place::date);
    let given_on = at.field("given_on").optional(consent.given_on.as_deref(), Place::date);
    let given_by = at.field("given_by").optional(consent.given_by.as_deref(), Place::text);
    let basis = at.field("basis").choice(consent.basis, |basis| match basis {
        v1::ConsentBasis::Unspecified => None,
        v1::ConsentBasis::Consent => Some("consent"),
        v1::ConsentBasis::Law => Some("law"),
    });
    let basis = basis.and_then(|word| at.field("basis").optional(word, Place::text));
    let legal_reference =
        at.field("legal_reference").optional(consent.legal_reference.as_deref(), Place::text);
    let body = || {
        Ok(Body::Consent(Consent {
            citizen: citizen?,
            sources: sources?,
            covers: Span { from: Some(from?), to: to? },
            given_on: given_on?,
            given_by: given_by?,
            basis: basis?,
            legal_reference: legal_reference?,
        }))
    };
    live(at, &consent.id, consent.version, body())
}

fn sources(at: Place<'_>, sources: &[String]) -> Read<Vec<SourceName>> {
    if sources.is_empty() {
        return Err(at.missing());
    }
    at.list(sources, |at, source| at.text(source))
}

/// An identity.
pub(crate) fn identity(at: Place<'_>, identity: &v1::Identity) -> Read<Message> {
    let kind = at.field("kind").required_choice(identity.kind, |kind| match kind {
        v1::IdentityKind::Unspecified => None,
        v1::IdentityKind::Same => Some(IdentityKind::Same),
        v1::IdentityKind::CprChange => Some(IdentityKind::CprChange),
    });
    let refs = at.field("refs");
    let read = refs.list(&identity.refs, |at, item| {
        let read = reference(at, item)?;
        match kind {
            Ok(IdentityKind::CprChange) if read.cpr().is_none() => Err(at.invalid("must be a CPR number")),
            _ => Ok(read),
        }
    });
    let refs = match (&kind, identity.refs.len()) {
        (Ok(_), 0) => Err(refs.missing()),
        (Ok(IdentityKind::Same), 1) => Err(refs.invalid("must hold two references or more")),
        (Ok(IdentityKind::CprChange), 1 | 3..) => Err(refs.invalid("must hold exactly two CPR numbers")),
        _ => read,
    };
    let body = || Ok(Body::Identity(Identity { kind: kind?, refs: refs? }));
    live(at, &identity.id, identity.version, body())
}

/// A split key.
pub(crate) fn split(at: Place<'_>, split: &v1::Split) -> Read<Message> {
    let solution = at.field("solution").required(&split.solution, Place::text);
    let parts = parts(at.field("parts"), &split.parts);
    let family = at.field("family").optional(split.family.as_deref(), Place::text);
    let grant = split.grant.as_ref().map(|named| grant_of(at.field("grant"), named));
    let account = at.field("account").optional(split.account.as_deref(), Place::prefix);
    let condition = condition(at, account, &split.into());
    let body = || {
        Ok(Body::Split(Split {
            solution: solution?,
            family: family?,
            grant: grant.transpose()?,
            condition: condition?,
            parts: parts?,
        }))
    };
    live(at, &split.id, split.version, body())
}

pub(crate) fn parts(at: Place<'_>, parts: &[v1::Share]) -> Read<Vec<Share>> {
    match parts.len() {
        0 => return Err(at.missing()),
        1..=MAX_PARTS => {}
        _ => return Err(at.invalid(format!("must hold 1 to {MAX_PARTS} parts"))),
    }
    let mut earlier: Vec<Text> = Vec::new();
    at.list(parts, |at, part| {
        let weight = at.field("weight").integer(part.weight, 1..=1_000_000);
        let area = at.field("area").required(&part.area, Place::text)?;
        if earlier.contains(&area) {
            return Err(at.field("area").invalid("is the area of an earlier part too"));
        }
        earlier.push(area.clone());
        Ok(Share { area, weight: weight? })
    })
}

fn named(at: Place<'_>, id: &str, version: i64) -> (Read<Text>, Read<i64>) {
    (at.field("id").required(id, Place::text), at.field("version").integer(version, 1..=i64::MAX))
}

pub(crate) fn live(at: Place<'_>, id: &str, version: i64, body: Read<Body>) -> Read<Message> {
    let (id, version) = named(at, id, version);
    let body = body?;
    let fact = Fact { kind: body.kind(), id: id?, version: version?, state: State::Live(body) };
    let message = Message::Fact(fact);
    check_names(&message).map_err(|fault| at.within(fault))?;
    Ok(message)
}

pub(crate) fn reference(at: Place<'_>, citizen: &v1::CitizenReference) -> Read<CitizenRef> {
    match &citizen.reference {
        None | Some(Reference::Hidden(_)) => Err(at.missing()),
        Some(Reference::Cpr(cpr)) => {
            let cpr = Cpr::parse(cpr);
            cpr.map(CitizenRef::Cpr)
                .map_err(|error| at.field("cpr").fault(Reason::InvalidCpr, error.to_string()))
        }
        Some(Reference::Uuid(uuid)) => {
            let uuid = PersonUuid::parse(uuid);
            uuid.map(CitizenRef::Uuid).map_err(|error| at.field("uuid").invalid(error.to_string()))
        }
        Some(Reference::CaseId(case)) => {
            system_id(at.field("case_id"), case).map(|(system, id)| CitizenRef::Case(system, id))
        }
        Some(Reference::GrantId(grant)) => {
            system_id(at.field("grant_id"), grant).map(|(system, id)| CitizenRef::Grant(system, id))
        }
        Some(Reference::PersonId(person)) => {
            system_id(at.field("person_id"), person).map(|(system, id)| CitizenRef::Local(system, id))
        }
    }
}

/// A reference to a grant.
pub(crate) fn grant_of(at: Place<'_>, named: &v1::SystemId) -> Read<CitizenRef> {
    system_id(at, named).map(|(system, id)| CitizenRef::Grant(system, id))
}

fn system_id(at: Place<'_>, named: &v1::SystemId) -> Read<(SourceName, Text)> {
    let system = match at.source() {
        Some(source) if named.system.is_empty() => Ok(source.clone()),
        _ => at.field("system").required(&named.system, Place::text),
    };
    let id = at.field("id").required(&named.id, Place::text);
    Ok((system?, id?))
}

pub(crate) fn side(side: v1::Side) -> Option<Side> {
    match side {
        v1::Side::Unspecified => None,
        v1::Side::Inside => Some(Side::Inside),
        v1::Side::Outside => Some(Side::Outside),
    }
}

fn side_rule(at: Place<'_>, rule: &v1::SideRule) -> Read<SideRule> {
    let condition = condition_of_rule(at, &rule.account, &rule.into());
    let side = at.field("side").required_choice(rule.side, side);
    Ok(SideRule { condition: condition?, side: side? })
}

fn power_rule(at: Place<'_>, rule: &v1::PowerRule) -> Read<PowerRule> {
    let condition = condition_of_rule(at, &rule.account, &rule.into());
    let powers = powers(at, &rule.grants, &rule.pays);
    Ok(PowerRule { condition: condition?, powers: powers? })
}

fn claim(at: Place<'_>, rule: &v1::Claim) -> Read<Condition> {
    condition_of_rule(at, &rule.account, &rule.into())
}

fn powers(at: Place<'_>, grants: &str, pays: &str) -> Read<Powers> {
    let grants = at.field("grants").required(grants, Place::text);
    let pays = at.field("pays").required(pays, Place::text);
    Ok(Powers { grants: grants?, pays: pays? })
}

fn condition_of_rule(at: Place<'_>, account: &str, rest: &Terms<'_>) -> Read<Condition> {
    condition(at, at.field("account").required(account, Place::prefix).map(Some), rest)
}

fn condition(at: Place<'_>, account: Read<Option<AccountPrefix>>, terms: &Terms<'_>) -> Read<Condition> {
    let grouping = at.field("grouping").optional(terms.grouping, Place::grouping);
    let cost_centre = at.field("cost_centre").optional(terms.cost_centre, Place::text);
    let span = at.span(terms.from_date, terms.to_date);
    Ok(Condition { account: account?, grouping: grouping?, cost_centre: cost_centre?, span: span? })
}

/// What every rule may ask of a posting beside its account.
struct Terms<'r> {
    grouping: Option<&'r str>,
    cost_centre: Option<&'r str>,
    from_date: Option<&'r str>,
    to_date: Option<&'r str>,
}

macro_rules! terms {
    ($($rule:ident)*) => {$(
        impl<'r> From<&'r v1::$rule> for Terms<'r> {
            fn from(rule: &'r v1::$rule) -> Self {
                Self {
                    grouping: rule.grouping.as_deref(),
                    cost_centre: rule.cost_centre.as_deref(),
                    from_date: rule.from_date.as_deref(),
                    to_date: rule.to_date.as_deref(),
                }
            }
        }
    )*};
}
terms!(SideRule PowerRule Claim Split);
