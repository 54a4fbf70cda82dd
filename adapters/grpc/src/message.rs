//! One message of a source, as Protobuf: read in one place, whether a call brought it or it is taken from quarantine.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use samspor_domain::{Decode, Delivery, Fault, Item, Kind, Message, Reason, SourceName, State};
use samspor_engine::{Intake, Permissions};

use crate::reading::{self, Place, Read};
use crate::v1::SourceMessage;
use crate::v1::source_message::Message as Sent;
use crate::{facts, plans, sent};

/// The content type of one `samspor.v1.SourceMessage`.
pub const CONTENT_TYPE: &str = "application/x-protobuf; messageType=\"samspor.v1.SourceMessage\"";

/// Reads `samspor.v1.SourceMessage`, one a body. Fields that the definition does not have are ignored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Decoder;

impl Decode for Decoder {
    fn decode(&self, source: &SourceName, delivery: &Delivery) -> Vec<Item> {
        let read = match SourceMessage::decode(&*delivery.body) {
            Ok(message) => read(source, &message).map_err(first),
            // The library's own words are left out: they are not ours to vouch for.
            Err(_) => Err(Fault::new(Reason::Undecodable, "the body is not a samspor.v1.SourceMessage")),
        };
        vec![Item { content: read, excerpt: None, ignored_fields: 0 }]
    }
}

/// The largest message that the front takes, in bytes. So none of a source is too large to be decoded.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// How the messages are read that a source sends by callers.
#[must_use]
pub fn intake(source: SourceName, may_send: Permissions) -> Intake {
    Intake { source, decoder: Arc::new(Decoder), may_send, max_body_bytes: MAX_MESSAGE_BYTES }
}

/// A message as it would be delivered: these bytes are read, and lie in quarantine where they cannot be.
pub(crate) fn delivery(message: &SourceMessage) -> Delivery {
    let body = Bytes::from(message.encode_to_vec());
    Delivery { body, content_type: Some(CONTENT_TYPE.to_owned()), ..Delivery::default() }
}

/// A message of a source, or every fault of it up to a bound.
pub(crate) fn read(source: &SourceName, message: &SourceMessage) -> Result<Message, Vec<Fault>> {
    reading::sent_by(source, |at| any(at, message))
}

fn first(faults: Vec<Fault>) -> Fault {
    let unsaid = || Fault::new(Reason::Failed, "it was refused without a reason; please report it");
    faults.into_iter().next().unwrap_or_else(unsaid)
}

fn any(at: Place<'_>, message: &SourceMessage) -> Read<Message> {
    let wide = at.of_municipality();
    match &message.message {
        None => Err(at
            .field("message")
            .fault(Reason::UnknownType, "is none of the messages that this gateway knows, or is not given")),
        Some(Sent::Posting(posting)) => sent::posting(at.field("posting"), posting),
        Some(Sent::Receipt(receipt)) => sent::receipt(wide.field("receipt"), receipt),
        Some(Sent::Case(case)) => sent::case(at.field("case"), case),
        Some(Sent::Grant(grant)) => sent::grant(at.field("grant"), grant),
        Some(Sent::Payment(payment)) => sent::payment(at.field("payment"), payment),
        Some(Sent::Progress(progress)) => sent::progress(at.field("progress"), progress),
        Some(Sent::Identity(identity)) => facts::identity(wide.field("identity"), identity),
        Some(Sent::Consent(consent)) => facts::consent(wide.field("consent"), consent),
        Some(Sent::Enrolment(enrolment)) => facts::enrolment(wide.field("enrolment"), enrolment),
        Some(Sent::Solution(solution)) => facts::solution(wide.field("solution"), solution),
        Some(Sent::Split(split)) => facts::split(wide.field("split"), split),
        Some(Sent::Estimate(estimate)) => plans::estimate(wide.field("estimate"), estimate),
        Some(Sent::Budget(budget)) => plans::budget(wide.field("budget"), budget),
        Some(Sent::Target(target)) => plans::target(wide.field("target"), target),
        Some(Sent::InvestmentCase(case)) => plans::investment_case(wide.field("investment_case"), case),
        Some(Sent::ControlTotal(control)) => plans::control_total(wide.field("control_total"), control),
        Some(Sent::Deletion(deletion)) => {
            let at = at.field("deletion");
            let kind = facts::any_kind(at.field("kind"), deletion.kind);
            facts::ended(at, kind, &deletion.id, deletion.version, State::Deleted)
        }
        Some(Sent::Withdrawal(withdrawal)) => {
            let at = at.field("withdrawal");
            facts::ended(at, Ok(Kind::Consent), &withdrawal.id, withdrawal.version, State::Withdrawn)
        }
    }
}
