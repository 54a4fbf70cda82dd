//! What sources send as the domain's: postings, receipts, cases, grants, payments, progress. The rules are those of the
//! canonical JSON.

use samspor_domain::{
    Body, Case, Grant, Message, Payment, Period, Posting, Progress, Rate, Reason, Receipt, Span, Text,
    Verdict, check_names,
};

use crate::facts::{grant_of, live, reference};
use crate::reading::{Place, Read};
use crate::v1;

/// The longest text of a receipt, in bytes.
const MAX_TEXT_BYTES: usize = 2_000;

/// A posting. An explicit cost centre or grouping goes before what the account string holds.
pub(crate) fn posting(at: Place<'_>, posting: &v1::Posting) -> Read<Message> {
    let id = at.field("id").required(&posting.id, Place::text);
    let date = at.field("date").required(&posting.date, Place::date);
    let account = at.field("account").required(&posting.account, |at, account| {
        let string = at.account_string(account)?;
        let cost_centre = string.cost_centre.map(|centre| Text::new(&centre)).transpose();
        let cost_centre = cost_centre.map_err(|error| at.fault(Reason::InvalidAccount, error.to_string()))?;
        Ok((string.account, cost_centre, string.grouping))
    });
    let amount = at.field("amount").required(&posting.amount, Place::amount);
    let citizen = posting.citizen.as_ref().map(|citizen| reference(at.field("citizen"), citizen));
    let grant = posting.grant.as_ref().map(|grant| grant_of(at.field("grant"), grant));
    let cost_centre = at.field("cost_centre").optional(posting.cost_centre.as_deref(), Place::text);
    let grouping = at.field("grouping").optional(posting.grouping.as_deref(), Place::grouping);
    let voucher = at.field("voucher").optional(posting.voucher.as_deref(), Place::text);
    let reverses = at.field("reverses").optional(posting.reverses.as_deref(), Place::text);
    let (account, centre_of_account, grouping_of_account) = account?;
    let message = Message::Posting(Posting {
        id: id?,
        date: date?,
        account,
        amount: amount?,
        citizen: citizen.transpose()?,
        grant: grant.transpose()?,
        cost_centre: cost_centre?.or(centre_of_account),
        grouping: grouping?.or(grouping_of_account),
        voucher: voucher?,
        reverses: reverses?,
    });
    check_names(&message).map_err(|fault| at.within(fault))?;
    Ok(message)
}

/// A receipt.
pub(crate) fn receipt(at: Place<'_>, receipt: &v1::Receipt) -> Read<Message> {
    let id = at.field("id").required(&receipt.id, Place::text);
    let source = at.field("source").required(&receipt.source, Place::text);
    let posting = at.field("posting").required(&receipt.posting, Place::text);
    let revision = at.field("revision").integer(receipt.revision, 1..=i64::MAX);
    let verdict = at.field("status").required_choice(receipt.status, |status| match status {
        v1::ReceiptStatus::Unspecified => None,
        v1::ReceiptStatus::Accepted => Some(Verdict::Accepted),
        v1::ReceiptStatus::Rejected => Some(Verdict::Rejected),
    });
    let instant = at.field("at").required(&receipt.at, Place::instant);
    let code = at.field("code").optional(receipt.code.as_deref(), Place::text);
    let text = at.field("text").optional(receipt.text.as_deref(), |at, text| {
        if text.len() > MAX_TEXT_BYTES {
            return Err(at.invalid(format!("must have {MAX_TEXT_BYTES} bytes at most")));
        }
        Ok(text.to_owned())
    });
    Ok(Message::Receipt(Receipt {
        id: id?,
        source: source?,
        posting: posting?,
        revision: revision?,
        verdict: verdict?,
        at: instant?,
        code: code?,
        text: text?,
    }))
}

/// A case.
pub(crate) fn case(at: Place<'_>, case: &v1::Case) -> Read<Message> {
    let citizen = at.field("citizen").message(case.citizen.as_ref(), reference);
    let area = at.field("area").optional(case.area.as_deref(), Place::text);
    let kle = at.field("kle").optional(case.kle.as_deref(), Place::text);
    let status = at.field("status").optional(case.status.as_deref(), Place::text);
    let span = at.span(case.from_date.as_deref(), case.to_date.as_deref());
    let body =
        || Ok(Body::Case(Case { citizen: citizen?, area: area?, kle: kle?, status: status?, span: span? }));
    live(at, &case.id, case.version, body())
}

/// A grant.
pub(crate) fn grant(at: Place<'_>, grant: &v1::Grant) -> Read<Message> {
    let citizen = match (&grant.citizen, &grant.case_id) {
        (None, None) => {
            let message = "is required where there is no 'case_id'";
            Err(at.field("citizen").fault(Reason::MissingField, message))
        }
        (citizen, _) => citizen.as_ref().map(|citizen| reference(at.field("citizen"), citizen)).transpose(),
    };
    let case = at.field("case_id").optional(grant.case_id.as_deref(), Place::text);
    let account = at.field("account").optional(grant.account.as_deref(), Place::account);
    let offer = at.field("offer").optional(grant.offer.as_deref(), Place::text);
    let law = at.field("law").optional(grant.law.as_deref(), Place::text);
    let span = at.span(grant.from_date.as_deref(), grant.to_date.as_deref());
    let rate = grant.rate.as_ref().map(|given| rate(at.field("rate"), given));
    let total = at.field("total").optional(grant.total.as_deref(), Place::amount_not_negative);
    let body = || {
        Ok(Body::Grant(Grant {
            citizen: citizen?,
            case: case?,
            account: account?,
            offer: offer?,
            law: law?,
            span: span?,
            rate: rate.transpose()?,
            total: total?,
        }))
    };
    live(at, &grant.id, grant.version, body())
}

fn rate(at: Place<'_>, rate: &v1::Rate) -> Read<Rate> {
    let amount = at.field("amount").required(&rate.amount, Place::amount);
    let per = at.field("per").required_choice(rate.per, |per| match per {
        v1::RatePeriod::Unspecified => None,
        v1::RatePeriod::Day => Some(Period::Day),
        v1::RatePeriod::Week => Some(Period::Week),
        v1::RatePeriod::Month => Some(Period::Month),
        v1::RatePeriod::Once => Some(Period::Once),
    });
    Ok(Rate { amount: amount?, per: per? })
}

/// A payment.
pub(crate) fn payment(at: Place<'_>, payment: &v1::Payment) -> Read<Message> {
    let grant = at.field("grant").message(payment.grant.as_ref(), grant_of);
    let amount = at.field("amount").required(&payment.amount, Place::amount);
    let on = at.field("on").required(&payment.on, Place::date);
    let from = at.field("period_from").optional(payment.period_from.as_deref(), Place::date);
    let to = at.field("period_to").optional(payment.period_to.as_deref(), Place::date);
    let body = || {
        let period = Span { from: from?, to: to? };
        Ok(Body::Payment(Payment { grant: grant?, amount: amount?, on: on?, period }))
    };
    live(at, &payment.id, payment.version, body())
}

/// Progress of a citizen.
pub(crate) fn progress(at: Place<'_>, progress: &v1::Progress) -> Read<Message> {
    let citizen = at.field("citizen").message(progress.citizen.as_ref(), reference);
    let scale = at.field("scale").required(&progress.scale, Place::text);
    let value = at.field("value").required(&progress.value, Place::text);
    let on = at.field("on").required(&progress.on, Place::date);
    let body = || Ok(Body::Progress(Progress { citizen: citizen?, scale: scale?, value: value?, on: on? }));
    live(at, &progress.id, progress.version, body())
}
