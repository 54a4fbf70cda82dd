//! The records that targets get, and the state of one posting, with their keys in the contract's order.

use std::fmt::Display;

use bytes::Bytes;
use samspor_domain::{Account, Amount, Answer, Encode, LedgerRecord, LisRecord, Record, Tag};
use serde::{Serialize, Serializer};

use crate::shown::{decision, hex, month};

/// Writes ledger and LIS records as JSON.
///
/// A ledger record is the state of its posting with `revision`, `change`, `date`, `account`, `amount` and `voucher`. An
/// LIS record has pseudonyms for posting, family and citizen, the month instead of the date, and no voucher; its tag
/// has neither family, enrolment nor `other`. Neither record tells the cause. An untag has no tag.
#[derive(Debug, Clone, Copy, Default)]
pub struct Encoder;

impl Encode for Encoder {
    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn encode(&self, record: &Record) -> Bytes {
        let written = match record {
            Record::Ledger(record) => serde_json::to_vec(&Ledger::from(record)),
            Record::Lis(record) => serde_json::to_vec(&Lis::from(record)),
        };
        // Strings, numbers and lists into memory: there is nothing that could fail.
        Bytes::from(written.unwrap_or_default())
    }
}

/// The state of one posting as the contract has it, on one line without its end.
#[must_use]
pub fn state(source: &str, posting: &str, answer: &Answer) -> String {
    let (decision, tag, reason) = match answer {
        Answer::Tagged(tag) => ("tagged", Some(Shown::whole(tag)), None),
        Answer::Untagged(reason) => ("untagged", None, Some(reason.word())),
    };
    serde_json::to_string(&State { source, posting, decision, tag, reason }).unwrap_or_default()
}

/// A tag as a ledger record has it; `null` for none.
pub(super) fn tag(tag: Option<&Tag>) -> String {
    serde_json::to_string(&tag.map(Shown::whole)).unwrap_or_default()
}

#[derive(Serialize)]
struct State<'a> {
    source: &'a str,
    posting: &'a str,
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Serialize)]
struct Ledger<'a> {
    source: &'a str,
    posting: &'a str,
    revision: i64,
    change: &'static str,
    decision: &'static str,
    #[serde(serialize_with = "shown")]
    date: jiff::civil::Date,
    #[serde(serialize_with = "shown")]
    account: Account,
    #[serde(serialize_with = "shown")]
    amount: Amount,
    voucher: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<Shown<'a>>,
}

impl<'a> From<&'a LedgerRecord> for Ledger<'a> {
    fn from(record: &'a LedgerRecord) -> Self {
        Self {
            source: record.source.as_str(),
            posting: record.posting.as_str(),
            revision: record.revision,
            change: record.change.word(),
            decision: decision(record.change),
            date: record.date,
            account: record.account,
            amount: record.amount,
            voucher: record.voucher.as_ref().map(|voucher| voucher.as_str()),
            tag: record.tag.as_ref().map(Shown::whole),
        }
    }
}

#[derive(Serialize)]
struct Lis<'a> {
    source: &'a str,
    posting: String,
    revision: i64,
    change: &'static str,
    decision: &'static str,
    month: String,
    #[serde(serialize_with = "shown")]
    account: Account,
    #[serde(serialize_with = "shown")]
    amount: Amount,
    family: Option<String>,
    citizen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<Shown<'a>>,
}

impl<'a> From<&'a LisRecord> for Lis<'a> {
    fn from(record: &'a LisRecord) -> Self {
        Self {
            source: record.source.as_str(),
            posting: hex(record.posting),
            revision: record.revision,
            change: record.change.word(),
            decision: decision(record.change),
            month: month(record),
            account: record.account,
            amount: record.amount,
            family: record.family.map(hex),
            citizen: record.citizen.map(hex),
            tag: record.tag.as_ref().map(Shown::without_persons),
        }
    }
}

/// A tag. What is none within a field that is there is null; what is none itself is left out.
#[derive(Serialize)]
struct Shown<'a> {
    solution: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrolment: Option<Option<&'a str>>,
    phase: &'static str,
    basis: &'static str,
    area: &'a str,
    kind: Option<&'static str>,
    side: &'static str,
    grants: &'a str,
    pays: &'a str,
    parts: Vec<Part<'a>>,
    split: Option<&'a str>,
    flags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<Vec<&'a str>>,
}

#[derive(Serialize)]
struct Part<'a> {
    area: &'a str,
    weight: u32,
    #[serde(serialize_with = "shown")]
    amount: Amount,
}

impl<'a> Shown<'a> {
    fn whole(tag: &'a Tag) -> Self {
        Self {
            family: Some(tag.family.as_ref().map(|family| family.as_str())),
            enrolment: Some(tag.enrolment.as_ref().map(|enrolment| enrolment.as_str())),
            other: Some(tag.other.iter().map(|other| other.as_str()).collect()),
            ..Self::without_persons(tag)
        }
    }

    fn without_persons(tag: &'a Tag) -> Self {
        Self {
            solution: tag.solution.as_str(),
            family: None,
            enrolment: None,
            phase: tag.phase.word(),
            basis: tag.basis.word(),
            area: tag.area.as_str(),
            kind: tag.kind.map(|kind| kind.word()),
            side: tag.side.word(),
            grants: tag.grants.as_str(),
            pays: tag.pays.as_str(),
            parts: (tag.parts.iter())
                .map(|part| Part { area: part.area.as_str(), weight: part.weight, amount: part.amount })
                .collect(),
            split: tag.split.as_ref().map(|split| split.as_str()),
            flags: tag.flags.iter().map(|flag| flag.word()).collect(),
            other: None,
        }
    }
}

fn shown<T: Display, S: Serializer>(value: &T, writer: S) -> Result<S::Ok, S::Error> {
    writer.collect_str(value)
}
