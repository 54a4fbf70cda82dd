//! Facts: what all have, and those about citizens.

use samspor_domain::{
    Body, Case, CitizenRef, Consent, Enrolment, Fact, Fault, Grant, Identity, IdentityKind, Kind, Payment,
    Period, Progress, Rate, SourceName, Span, State,
};

use super::fields::{Field, Object};
use super::{plans, reference, solution};

/// What every fact may carry.
pub(super) const FIELDS: &[&str] = &["type", "id", "version", "deleted"];

/// What a kind of fact may carry besides.
pub(super) fn fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Case => &["citizen", "area", "kle", "status", "from", "to"],
        Kind::Grant => &["citizen", "case", "account", "offer", "law", "from", "to", "rate", "total"],
        Kind::Payment => &["grant", "amount", "on", "period_from", "period_to"],
        Kind::Progress => &["citizen", "scale", "value", "on"],
        Kind::Identity => &["kind", "refs"],
        Kind::Consent => &[
            "citizen",
            "sources",
            "covers_from",
            "covers_to",
            "given_on",
            "given_by",
            "basis",
            "legal_reference",
            "withdrawn",
        ],
        Kind::Enrolment => &["solution", "citizen", "family", "from", "to"],
        Kind::Solution => solution::FIELDS,
        Kind::Split => solution::SPLIT_FIELDS,
        Kind::Estimate => plans::ESTIMATE_FIELDS,
        Kind::Budget => plans::BUDGET_FIELDS,
        Kind::Target => plans::TARGET_FIELDS,
        Kind::InvestmentCase => plans::INVESTMENT_CASE_FIELDS,
        Kind::ControlTotal => plans::CONTROL_TOTAL_FIELDS,
    }
}

/// Reads a fact. Of one that is deleted or withdrawn the other fields are not read.
pub(super) fn read(kind: Kind, object: &Object<'_>) -> Result<Fact, Fault> {
    let id = object.required("id", Field::text)?;
    let version = object.required("version", |field| field.integer(1..=i64::MAX))?;
    let state = if object.flag("deleted")? {
        State::Deleted
    } else if kind == Kind::Consent && object.flag("withdrawn")? {
        State::Withdrawn
    } else {
        State::Live(body(kind, object)?)
    };
    Ok(Fact { kind, id, version, state })
}

fn body(kind: Kind, object: &Object<'_>) -> Result<Body, Fault> {
    Ok(match kind {
        Kind::Case => Body::Case(case(object)?),
        Kind::Grant => Body::Grant(grant(object)?),
        Kind::Payment => Body::Payment(payment(object)?),
        Kind::Progress => Body::Progress(progress(object)?),
        Kind::Identity => Body::Identity(identity(object)?),
        Kind::Consent => Body::Consent(consent(object)?),
        Kind::Enrolment => Body::Enrolment(enrolment(object)?),
        Kind::Solution => Body::Solution(Box::new(solution::read(object)?)),
        Kind::Split => Body::Split(solution::split(object)?),
        Kind::Estimate => Body::Estimate(plans::estimate(object)?),
        Kind::Budget => Body::Budget(plans::budget(object)?),
        Kind::Target => Body::Target(plans::target(object)?),
        Kind::InvestmentCase => Body::InvestmentCase(plans::investment_case(object)?),
        Kind::ControlTotal => Body::ControlTotal(plans::control_total(object)?),
    })
}

fn case(object: &Object<'_>) -> Result<Case, Fault> {
    Ok(Case {
        citizen: object.required("citizen", reference::any)?,
        area: object.optional("area", Field::text)?,
        kle: object.optional("kle", Field::text)?,
        status: object.optional("status", Field::text)?,
        span: object.span()?,
    })
}

fn grant(object: &Object<'_>) -> Result<Grant, Fault> {
    let citizen = object.optional("citizen", reference::any)?;
    let case = object.optional("case", Field::text)?;
    if citizen.is_none() && case.is_none() {
        return Err(Fault {
            message: "is required where there is no 'case'".into(),
            ..object.missing("citizen")
        });
    }
    Ok(Grant {
        citizen,
        case,
        account: object.optional("account", Field::account)?,
        offer: object.optional("offer", Field::text)?,
        law: object.optional("law", Field::text)?,
        span: object.span()?,
        rate: object.optional("rate", rate)?,
        total: object.optional("total", Field::amount_not_negative)?,
    })
}

fn rate(field: Field<'_>) -> Result<Rate, Fault> {
    let object = field.object(&["amount", "per"])?;
    let periods =
        [("day", Period::Day), ("week", Period::Week), ("month", Period::Month), ("once", Period::Once)];
    Ok(Rate {
        amount: object.required("amount", Field::amount)?,
        per: object.required("per", |field| field.word(&periods))?,
    })
}

fn payment(object: &Object<'_>) -> Result<Payment, Fault> {
    Ok(Payment {
        grant: object.required("grant", reference::grant)?,
        amount: object.required("amount", Field::amount)?,
        on: object.required("on", Field::date)?,
        period: Span {
            from: object.optional("period_from", Field::date)?,
            to: object.optional("period_to", Field::date)?,
        },
    })
}

fn progress(object: &Object<'_>) -> Result<Progress, Fault> {
    Ok(Progress {
        citizen: object.required("citizen", reference::any)?,
        scale: object.required("scale", Field::text)?,
        value: object.required("value", Field::text)?,
        on: object.required("on", Field::date)?,
    })
}

fn identity(object: &Object<'_>) -> Result<Identity, Fault> {
    let kinds = [("same", IdentityKind::Same), ("cpr-change", IdentityKind::CprChange)];
    let kind = object.required("kind", |field| field.word(&kinds))?;
    let refs = object.required("refs", |field| {
        let refs = match kind {
            IdentityKind::Same => field.list(reference::any)?,
            IdentityKind::CprChange => field.list(|item| {
                let cpr = |reference: &CitizenRef| reference.cpr().is_some();
                Some(reference::any(item)?).filter(cpr).ok_or_else(|| item.invalid("must be a CPR number"))
            })?,
        };
        match (kind, refs.len()) {
            (IdentityKind::Same, 2..) | (IdentityKind::CprChange, 2) => Ok(refs),
            (IdentityKind::Same, _) => Err(field.invalid("must hold two references or more")),
            (IdentityKind::CprChange, _) => Err(field.invalid("must hold exactly two CPR numbers")),
        }
    })?;
    Ok(Identity { kind, refs })
}

fn consent(object: &Object<'_>) -> Result<Consent, Fault> {
    Ok(Consent {
        citizen: object.required("citizen", reference::any)?,
        sources: object.required("sources", |field| {
            let sources: Vec<SourceName> = field.list(Field::text)?;
            if sources.is_empty() { Err(field.invalid("must name at least one source")) } else { Ok(sources) }
        })?,
        covers: Span {
            from: Some(object.required("covers_from", Field::date)?),
            to: object.optional("covers_to", Field::date)?,
        },
        given_on: object.optional("given_on", Field::date)?,
        given_by: object.optional("given_by", Field::text)?,
        basis: object.optional("basis", |field| {
            field.word(&[("consent", ()), ("law", ())])?;
            field.text()
        })?,
        legal_reference: object.optional("legal_reference", Field::text)?,
    })
}

fn enrolment(object: &Object<'_>) -> Result<Enrolment, Fault> {
    Ok(Enrolment {
        solution: object.required("solution", Field::text)?,
        citizen: object.required("citizen", reference::any)?,
        family: object.optional("family", Field::text)?,
        span: object.span_from()?,
    })
}
