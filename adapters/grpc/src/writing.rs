//! The domain's messages as Protobuf: what callers are shown, and what reading them gives again.

use std::collections::BTreeSet;

use samspor_domain::{
    Body, CitizenRef, Condition, CostKind, Fact, Grant, IdentityKind, Kind, Message, Period, Posting,
    Receipt, Share, Side, Solution, Split, State, Verdict,
};

use crate::v1;
use crate::v1::citizen_reference::Reference;
use crate::v1::source_message::Message as Sent;

/// Whether references are written, or only their form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum References<'r> {
    /// They are.
    Shown,
    /// These are, and no others.
    Of(&'r BTreeSet<CitizenRef>),
    /// They are not.
    Hidden,
}

/// A message; it holds personal data in clear where references are shown.
pub(crate) fn message(message: &Message, references: References<'_>) -> v1::SourceMessage {
    let sent = match message {
        Message::Posting(message) => Sent::Posting(posting(message, references)),
        Message::Receipt(message) => Sent::Receipt(receipt(message)),
        Message::Fact(message) => fact(message, references),
    };
    v1::SourceMessage { message: Some(sent) }
}

/// A kind of fact.
pub(crate) fn kind(kind: Kind) -> v1::FactKind {
    match kind {
        Kind::Case => v1::FactKind::Case,
        Kind::Grant => v1::FactKind::Grant,
        Kind::Payment => v1::FactKind::Payment,
        Kind::Progress => v1::FactKind::Progress,
        Kind::Identity => v1::FactKind::Identity,
        Kind::Consent => v1::FactKind::Consent,
        Kind::Enrolment => v1::FactKind::Enrolment,
        Kind::Solution => v1::FactKind::Solution,
        Kind::Split => v1::FactKind::Split,
        Kind::Estimate => v1::FactKind::Estimate,
        Kind::Budget => v1::FactKind::Budget,
        Kind::Target => v1::FactKind::Target,
        Kind::InvestmentCase => v1::FactKind::InvestmentCase,
        Kind::ControlTotal => v1::FactKind::ControlTotal,
    }
}

impl References<'_> {
    fn shows(self, reference: &CitizenRef) -> bool {
        match self {
            Self::Shown => true,
            Self::Of(known) => known.contains(reference),
            Self::Hidden => false,
        }
    }

    pub(crate) fn citizen(self, reference: &CitizenRef) -> v1::CitizenReference {
        let form = match reference {
            CitizenRef::Cpr(_) => v1::ReferenceForm::Cpr,
            CitizenRef::Uuid(_) => v1::ReferenceForm::Uuid,
            CitizenRef::Case(..) => v1::ReferenceForm::CaseId,
            CitizenRef::Grant(..) => v1::ReferenceForm::GrantId,
            CitizenRef::Local(..) => v1::ReferenceForm::PersonId,
        };
        if !self.shows(reference) {
            return v1::CitizenReference { reference: Some(Reference::Hidden(form.into())) };
        }
        let reference = match reference {
            CitizenRef::Cpr(cpr) => Reference::Cpr(cpr.reveal()),
            CitizenRef::Uuid(uuid) => Reference::Uuid(uuid.reveal()),
            CitizenRef::Case(..) => Reference::CaseId(self.grant(reference)),
            CitizenRef::Grant(..) => Reference::GrantId(self.grant(reference)),
            CitizenRef::Local(..) => Reference::PersonId(self.grant(reference)),
        };
        v1::CitizenReference { reference: Some(reference) }
    }

    /// What is known by its id in a system.
    fn grant(self, reference: &CitizenRef) -> v1::SystemId {
        match reference {
            CitizenRef::Case(system, id) | CitizenRef::Grant(system, id) | CitizenRef::Local(system, id)
                if self.shows(reference) =>
            {
                v1::SystemId { system: system.to_string(), id: id.to_string() }
            }
            _ => v1::SystemId::default(),
        }
    }
}

fn some(value: Option<&impl ToString>) -> Option<String> {
    value.map(ToString::to_string)
}

fn posting(posting: &Posting, references: References<'_>) -> v1::Posting {
    v1::Posting {
        id: posting.id.to_string(),
        date: posting.date.to_string(),
        account: posting.account.to_string(),
        amount: posting.amount.to_string(),
        citizen: posting.citizen.as_ref().map(|citizen| references.citizen(citizen)),
        grant: posting.grant.as_ref().map(|grant| references.grant(grant)),
        cost_centre: some(posting.cost_centre.as_ref()),
        grouping: some(posting.grouping.as_ref()),
        voucher: some(posting.voucher.as_ref()),
        reverses: some(posting.reverses.as_ref()),
    }
}

fn receipt(receipt: &Receipt) -> v1::Receipt {
    let status = match receipt.verdict {
        Verdict::Accepted => v1::ReceiptStatus::Accepted,
        Verdict::Rejected => v1::ReceiptStatus::Rejected,
    };
    v1::Receipt {
        id: receipt.id.to_string(),
        source: receipt.source.to_string(),
        posting: receipt.posting.to_string(),
        revision: receipt.revision,
        status: status.into(),
        at: receipt.at.to_string(),
        code: some(receipt.code.as_ref()),
        text: receipt.text.clone(),
    }
}

/// A version of a fact.
fn fact(fact: &Fact, references: References<'_>) -> Sent {
    let (id, version) = (fact.id.to_string(), fact.version);
    let body = match &fact.state {
        State::Deleted => return Sent::Deletion(v1::Deletion { kind: kind(fact.kind).into(), id, version }),
        State::Withdrawn => return Sent::Withdrawal(v1::Withdrawal { id, version }),
        State::Live(body) => body,
    };
    match body {
        Body::Case(case) => Sent::Case(v1::Case {
            id,
            version,
            citizen: Some(references.citizen(&case.citizen)),
            area: some(case.area.as_ref()),
            kle: some(case.kle.as_ref()),
            status: some(case.status.as_ref()),
            from_date: some(case.span.from.as_ref()),
            to_date: some(case.span.to.as_ref()),
        }),
        Body::Grant(grant) => Sent::Grant(self::grant(grant, (id, version), references)),
        Body::Payment(payment) => Sent::Payment(v1::Payment {
            id,
            version,
            grant: Some(references.grant(&payment.grant)),
            amount: payment.amount.to_string(),
            on: payment.on.to_string(),
            period_from: some(payment.period.from.as_ref()),
            period_to: some(payment.period.to.as_ref()),
        }),
        Body::Progress(progress) => Sent::Progress(v1::Progress {
            id,
            version,
            citizen: Some(references.citizen(&progress.citizen)),
            scale: progress.scale.to_string(),
            value: progress.value.to_string(),
            on: progress.on.to_string(),
        }),
        Body::Identity(identity) => Sent::Identity(v1::Identity {
            id,
            version,
            kind: match identity.kind {
                IdentityKind::Same => v1::IdentityKind::Same.into(),
                IdentityKind::CprChange => v1::IdentityKind::CprChange.into(),
            },
            refs: identity.refs.iter().map(|reference| references.citizen(reference)).collect(),
        }),
        Body::Consent(consent) => Sent::Consent(v1::Consent {
            id,
            version,
            citizen: Some(references.citizen(&consent.citizen)),
            sources: consent.sources.iter().map(ToString::to_string).collect(),
            covers_from: some(consent.covers.from.as_ref()).unwrap_or_default(),
            covers_to: some(consent.covers.to.as_ref()),
            given_on: some(consent.given_on.as_ref()),
            given_by: some(consent.given_by.as_ref()),
            basis: match consent.basis.as_ref().map(samspor_domain::Text::as_str) {
                Some("consent") => v1::ConsentBasis::Consent.into(),
                Some("law") => v1::ConsentBasis::Law.into(),
                _ => v1::ConsentBasis::Unspecified.into(),
            },
            legal_reference: some(consent.legal_reference.as_ref()),
        }),
        Body::Enrolment(enrolment) => Sent::Enrolment(v1::Enrolment {
            id,
            version,
            solution: enrolment.solution.to_string(),
            citizen: Some(references.citizen(&enrolment.citizen)),
            family: some(enrolment.family.as_ref()),
            from_date: some(enrolment.span.from.as_ref()).unwrap_or_default(),
            to_date: some(enrolment.span.to.as_ref()),
        }),
        Body::Solution(solution) => Sent::Solution(self::solution(solution, (id, version))),
        Body::Split(split) => Sent::Split(self::split(split, (id, version), references)),
        Body::Estimate(estimate) => Sent::Estimate(v1::Estimate {
            id,
            version,
            solution: estimate.solution.to_string(),
            account: estimate.account.to_string(),
            amount: estimate.amount.to_string(),
            per: if estimate.per_family { v1::EstimateUnit::Family } else { v1::EstimateUnit::Citizen }
                .into(),
            area: some(estimate.area.as_ref()),
            from_date: some(estimate.span.from.as_ref()).unwrap_or_default(),
            to_date: some(estimate.span.to.as_ref()),
        }),
        Body::Budget(budget) => Sent::Budget(v1::Budget {
            id,
            version,
            solution: budget.solution.to_string(),
            year: Some(budget.year.into()),
            amount: budget.amount.to_string(),
            area: some(budget.area.as_ref()),
            kind: budget.kind.map_or(0, |kind| cost_kind(kind).into()),
            side: budget.side.map_or(0, |given| side(given).into()),
            funding: some(budget.funding.as_ref()),
        }),
        Body::Target(target) => Sent::Target(v1::TargetGoal {
            id,
            version,
            solution: target.solution.to_string(),
            year: Some(target.year.into()),
            amount: target.amount.to_string(),
            area: some(target.area.as_ref()),
            kind: target.kind.map_or(0, |kind| cost_kind(kind).into()),
            side: target.side.map_or(0, |given| side(given).into()),
            share: target.share.iter().map(share).collect(),
        }),
        Body::InvestmentCase(case) => Sent::InvestmentCase(v1::InvestmentCase {
            id,
            version,
            solution: case.solution.to_string(),
            from_date: some(case.span.from.as_ref()).unwrap_or_default(),
            to_date: some(case.span.to.as_ref()).unwrap_or_default(),
            expected: (case.expected.iter())
                .map(|expected| v1::ExpectedAmount {
                    year: Some(expected.year.into()),
                    area: expected.area.to_string(),
                    amount: expected.amount.to_string(),
                })
                .collect(),
            activity: some(case.activity.as_ref()),
            effect: some(case.effect.as_ref()),
            uncertainty: some(case.uncertainty.as_ref()),
        }),
        Body::ControlTotal(control) => Sent::ControlTotal(v1::ControlTotal {
            id,
            version,
            source: control.source.to_string(),
            from_date: some(control.span.from.as_ref()).unwrap_or_default(),
            to_date: some(control.span.to.as_ref()).unwrap_or_default(),
            count: Some(control.count),
            sum: control.sum.to_string(),
        }),
    }
}

fn grant(grant: &Grant, (id, version): (String, i64), references: References<'_>) -> v1::Grant {
    let rate = grant.rate.map(|rate| {
        let per = match rate.per {
            Period::Day => v1::RatePeriod::Day,
            Period::Week => v1::RatePeriod::Week,
            Period::Month => v1::RatePeriod::Month,
            Period::Once => v1::RatePeriod::Once,
        };
        v1::Rate { amount: rate.amount.to_string(), per: per.into() }
    });
    v1::Grant {
        id,
        version,
        citizen: grant.citizen.as_ref().map(|citizen| references.citizen(citizen)),
        case_id: some(grant.case.as_ref()),
        account: some(grant.account.as_ref()),
        offer: some(grant.offer.as_ref()),
        law: some(grant.law.as_ref()),
        from_date: some(grant.span.from.as_ref()),
        to_date: some(grant.span.to.as_ref()),
        rate,
        total: some(grant.total.as_ref()),
    }
}

/// What a rule asks of a posting, in a message that has these fields.
macro_rules! rule {
    ($rule:ident, $condition:expr $(, $field:ident: $value:expr)*) => {{
        let condition: &Condition = $condition;
        v1::$rule {
            account: some(condition.account.as_ref()).unwrap_or_default(),
            grouping: some(condition.grouping.as_ref()),
            cost_centre: some(condition.cost_centre.as_ref()),
            from_date: some(condition.span.from.as_ref()),
            to_date: some(condition.span.to.as_ref()),
            $($field: $value,)*
        }
    }};
}

fn solution(solution: &Solution, (id, version): (String, i64)) -> v1::Solution {
    let powers = |powers: &samspor_domain::Powers| v1::Powers {
        grants: powers.grants.to_string(),
        pays: powers.pays.to_string(),
    };
    v1::Solution {
        id,
        version,
        name: solution.name.to_string(),
        priority: Some(solution.priority),
        from_date: some(solution.span.from.as_ref()),
        to_date: some(solution.span.to.as_ref()),
        baseline_days: solution.baseline_days.into(),
        aftercare_days: solution.aftercare_days.into(),
        ceiling: some(solution.ceiling.as_ref()),
        above_ceiling: some(solution.above_ceiling.as_ref()),
        sides: (solution.sides.iter())
            .map(|rule| rule!(SideRule, &rule.condition, side: side(rule.side).into()))
            .collect(),
        default_side: side(solution.default_side).into(),
        powers: (solution.powers.iter())
            .map(|rule| {
                let v1::Powers { grants, pays } = powers(&rule.powers);
                rule!(PowerRule, &rule.condition, grants: grants, pays: pays)
            })
            .collect(),
        default_powers: Some(powers(&solution.default_powers)),
        claims: solution.claims.iter().map(|claim| rule!(Claim, claim)).collect(),
    }
}

fn split(split: &Split, (id, version): (String, i64), references: References<'_>) -> v1::Split {
    v1::Split {
        id,
        version,
        solution: split.solution.to_string(),
        parts: split.parts.iter().map(share).collect(),
        family: some(split.family.as_ref()),
        grant: split.grant.as_ref().map(|grant| references.grant(grant)),
        account: some(split.condition.account.as_ref()),
        grouping: some(split.condition.grouping.as_ref()),
        cost_centre: some(split.condition.cost_centre.as_ref()),
        from_date: some(split.condition.span.from.as_ref()),
        to_date: some(split.condition.span.to.as_ref()),
    }
}

fn share(share: &Share) -> v1::Share {
    // At most a million.
    v1::Share { area: share.area.to_string(), weight: i32::try_from(share.weight).unwrap_or(i32::MAX) }
}

fn side(side: Side) -> v1::Side {
    match side {
        Side::Inside => v1::Side::Inside,
        Side::Outside => v1::Side::Outside,
    }
}

fn cost_kind(kind: CostKind) -> v1::CostKind {
    match kind {
        CostKind::Service => v1::CostKind::Service,
        CostKind::Transfer => v1::CostKind::Transfer,
    }
}
