//! Messages written as canonical JSON, one a line, with their keys in the contract's order; what is none is left out.

use std::fmt::Display;

use samspor_domain::{
    Body, CitizenRef, Condition, Fact, Grant, Message, Period, Posting, Powers, Receipt, Share, Solution,
    Span, Split, State, Verdict,
};

/// A message as canonical JSON, on one line without its end. It holds personal data in clear.
#[must_use]
pub fn line(message: &Message) -> String {
    let mut object = Object::new();
    match message {
        Message::Posting(message) => posting(&mut object, message),
        Message::Receipt(message) => receipt(&mut object, message),
        Message::Fact(message) => fact(&mut object, message),
    }
    object.end()
}

/// An object that is being written.
struct Object(String);

impl Object {
    fn new() -> Self {
        Self("{".to_owned())
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    /// A value that is JSON already.
    fn json(&mut self, key: &str, value: &str) -> &mut Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&quoted(key));
        self.0.push(':');
        self.0.push_str(value);
        self
    }

    fn text(&mut self, key: &str, value: &impl Display) -> &mut Self {
        self.json(key, &quoted(&value.to_string()))
    }

    fn maybe(&mut self, key: &str, value: Option<&impl Display>) -> &mut Self {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    fn number(&mut self, key: &str, value: impl Into<i64>) -> &mut Self {
        self.json(key, &value.into().to_string())
    }

    fn reference(&mut self, key: &str, value: Option<&CitizenRef>) -> &mut Self {
        match value {
            Some(value) => self.json(key, &reference(value)),
            None => self,
        }
    }

    fn span(&mut self, span: Span) -> &mut Self {
        self.maybe("from", span.from.as_ref()).maybe("to", span.to.as_ref())
    }

    fn list<T>(&mut self, key: &str, values: &[T], write: impl Fn(&T) -> String) -> &mut Self {
        if values.is_empty() {
            return self;
        }
        let values: Vec<String> = values.iter().map(write).collect();
        self.json(key, &format!("[{}]", values.join(",")))
    }

    fn condition(&mut self, condition: &Condition) -> &mut Self {
        self.maybe("account", condition.account.as_ref())
            .maybe("grouping", condition.grouping.as_ref())
            .maybe("cost_centre", condition.cost_centre.as_ref())
            .span(condition.span)
    }

    fn powers(&mut self, powers: &Powers) -> &mut Self {
        self.text("grants", &powers.grants).text("pays", &powers.pays)
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    // A string into memory: there is nothing that could fail.
    serde_json::to_string(text).unwrap_or_default()
}

fn with(write: impl for<'o> FnOnce(&'o mut Object) -> &'o mut Object) -> String {
    let mut object = Object::new();
    write(&mut object);
    object.end()
}

fn reference(reference: &CitizenRef) -> String {
    with(|object| match reference {
        CitizenRef::Cpr(cpr) => object.text("cpr", &cpr.reveal()),
        CitizenRef::Uuid(uuid) => {
            let digits = uuid.reveal();
            let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
            object.text("uuid", &parts.join("-"))
        }
        CitizenRef::Case(system, id) | CitizenRef::Grant(system, id) | CitizenRef::Local(system, id) => {
            object.text("system", system).text(reference.form(), id)
        }
    })
}

fn share(share: &Share) -> String {
    with(|object| object.text("area", &share.area).number("weight", share.weight))
}

fn posting(object: &mut Object, posting: &Posting) {
    object
        .text("type", &"posting")
        .text("id", &posting.id)
        .text("date", &posting.date)
        .text("account", &posting.account)
        .text("amount", &posting.amount)
        .reference("citizen", posting.citizen.as_ref())
        .reference("grant", posting.grant.as_ref())
        .maybe("cost_centre", posting.cost_centre.as_ref())
        .maybe("grouping", posting.grouping.as_ref())
        .maybe("voucher", posting.voucher.as_ref())
        .maybe("reverses", posting.reverses.as_ref());
}

fn receipt(object: &mut Object, receipt: &Receipt) {
    object
        .text("type", &"receipt")
        .text("id", &receipt.id)
        .text("source", &receipt.source)
        .text("posting", &receipt.posting)
        .number("revision", receipt.revision)
        .text("status", &if receipt.verdict == Verdict::Accepted { "accepted" } else { "rejected" })
        .text("at", &receipt.at)
        .maybe("code", receipt.code.as_ref())
        .maybe("text", receipt.text.as_ref());
}

fn fact(object: &mut Object, fact: &Fact) {
    object.text("type", &fact.kind).text("id", &fact.id).number("version", fact.version);
    match &fact.state {
        State::Deleted => object.json("deleted", "true"),
        State::Withdrawn => object.json("withdrawn", "true"),
        State::Live(body) => self::body(object, body),
    };
}

fn body<'o>(object: &'o mut Object, body: &Body) -> &'o mut Object {
    match body {
        Body::Case(case) => object
            .reference("citizen", Some(&case.citizen))
            .maybe("area", case.area.as_ref())
            .maybe("kle", case.kle.as_ref())
            .maybe("status", case.status.as_ref())
            .span(case.span),
        Body::Grant(grant) => self::grant(object, grant),
        Body::Payment(payment) => object
            .reference("grant", Some(&payment.grant))
            .text("amount", &payment.amount)
            .text("on", &payment.on)
            .maybe("period_from", payment.period.from.as_ref())
            .maybe("period_to", payment.period.to.as_ref()),
        Body::Progress(progress) => object
            .reference("citizen", Some(&progress.citizen))
            .text("scale", &progress.scale)
            .text("value", &progress.value)
            .text("on", &progress.on),
        Body::Identity(identity) => {
            let kind = match identity.kind {
                samspor_domain::IdentityKind::Same => "same",
                samspor_domain::IdentityKind::CprChange => "cpr-change",
            };
            object.text("kind", &kind).list("refs", &identity.refs, reference)
        }
        Body::Consent(consent) => object
            .reference("citizen", Some(&consent.citizen))
            .list("sources", &consent.sources, |source| quoted(source.as_str()))
            .maybe("covers_from", consent.covers.from.as_ref())
            .maybe("covers_to", consent.covers.to.as_ref())
            .maybe("given_on", consent.given_on.as_ref())
            .maybe("given_by", consent.given_by.as_ref())
            .maybe("basis", consent.basis.as_ref())
            .maybe("legal_reference", consent.legal_reference.as_ref()),
        Body::Enrolment(enrolment) => object
            .text("solution", &enrolment.solution)
            .reference("citizen", Some(&enrolment.citizen))
            .maybe("family", enrolment.family.as_ref())
            .span(enrolment.span),
        Body::Solution(solution) => self::solution(object, solution),
        Body::Split(split) => self::split(object, split),
        Body::Estimate(estimate) => object
            .text("solution", &estimate.solution)
            .text("account", &estimate.account)
            .text("amount", &estimate.amount)
            .text("per", &if estimate.per_family { "family" } else { "citizen" })
            .maybe("from", estimate.span.from.as_ref())
            .maybe("area", estimate.area.as_ref())
            .maybe("to", estimate.span.to.as_ref()),
        Body::Budget(budget) => object
            .text("solution", &budget.solution)
            .number("year", budget.year)
            .text("amount", &budget.amount)
            .maybe("area", budget.area.as_ref())
            .maybe("kind", budget.kind.map(|kind| kind.word()).as_ref())
            .maybe("side", budget.side.map(|side| side.word()).as_ref())
            .maybe("funding", budget.funding.as_ref()),
        Body::Target(target) => object
            .text("solution", &target.solution)
            .number("year", target.year)
            .text("amount", &target.amount)
            .maybe("area", target.area.as_ref())
            .maybe("kind", target.kind.map(|kind| kind.word()).as_ref())
            .maybe("side", target.side.map(|side| side.word()).as_ref())
            .list("share", &target.share, share),
        Body::InvestmentCase(case) => object
            .text("solution", &case.solution)
            .span(case.span)
            // It must be there, also with nothing in it.
            .json("expected", "[")
            .items(&case.expected, |expected| {
                with(|object| {
                    object
                        .number("year", expected.year)
                        .text("area", &expected.area)
                        .text("amount", &expected.amount)
                })
            })
            .maybe("activity", case.activity.as_ref())
            .maybe("effect", case.effect.as_ref())
            .maybe("uncertainty", case.uncertainty.as_ref()),
        Body::ControlTotal(control) => object
            .text("source", &control.source)
            .span(control.span)
            .number("count", control.count)
            .text("sum", &control.sum),
    }
}

impl Object {
    /// The rest of a list that was begun.
    fn items<T>(&mut self, values: &[T], write: impl Fn(&T) -> String) -> &mut Self {
        let values: Vec<String> = values.iter().map(write).collect();
        self.0.push_str(&values.join(","));
        self.0.push(']');
        self
    }
}

fn grant<'o>(object: &'o mut Object, grant: &Grant) -> &'o mut Object {
    object
        .reference("citizen", grant.citizen.as_ref())
        .maybe("case", grant.case.as_ref())
        .maybe("account", grant.account.as_ref())
        .maybe("offer", grant.offer.as_ref())
        .maybe("law", grant.law.as_ref())
        .span(grant.span);
    if let Some(rate) = grant.rate {
        let per = match rate.per {
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
            Period::Once => "once",
        };
        let rate = with(|object| object.text("amount", &rate.amount).text("per", &per));
        object.json("rate", &rate);
    }
    object.maybe("total", grant.total.as_ref())
}

fn solution<'o>(object: &'o mut Object, solution: &Solution) -> &'o mut Object {
    object
        .text("name", &solution.name)
        .number("priority", solution.priority)
        .span(solution.span)
        .number("baseline_days", solution.baseline_days)
        .number("aftercare_days", solution.aftercare_days)
        .maybe("ceiling", solution.ceiling.as_ref())
        .maybe("above_ceiling", solution.above_ceiling.as_ref())
        .list("sides", &solution.sides, |rule| {
            with(|object| object.condition(&rule.condition).text("side", &rule.side.word()))
        })
        .text("default_side", &solution.default_side.word())
        .list("powers", &solution.powers, |rule| {
            with(|object| object.condition(&rule.condition).powers(&rule.powers))
        })
        .json("default_powers", &with(|object| object.powers(&solution.default_powers)))
        .list("claims", &solution.claims, |claim| with(|object| object.condition(claim)))
}

fn split<'o>(object: &'o mut Object, split: &Split) -> &'o mut Object {
    object
        .text("solution", &split.solution)
        .list("parts", &split.parts, share)
        .maybe("family", split.family.as_ref())
        .reference("grant", split.grant.as_ref())
        .condition(&split.condition)
}
