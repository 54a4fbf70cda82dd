//! The records that targets get, as protobuf: `proto/samspor/v1/records.proto`.

use prost::Message as _;
use prost::bytes::Bytes;
use samspor_domain as domain;
use samspor_domain::{Change, Encode, Pseudonym, Record, Text};

use crate::v1::target_record::Record as Kind;
use crate::v1::{
    CostKind, LedgerRecord, LisRecord, RecordChange, RecordPart, RecordTag, Side, TagBasis, TagFlag,
    TagPhase, TargetRecord,
};

/// Writes ledger and LIS records as one `TargetRecord` each, with the fields of the JSON records.
#[derive(Debug, Clone, Copy, Default)]
pub struct Encoder;

impl Encode for Encoder {
    fn content_type(&self) -> &'static str {
        "application/x-protobuf; messageType=\"samspor.v1.TargetRecord\""
    }

    fn encode(&self, record: &Record) -> Bytes {
        Bytes::from(target_record(record).encode_to_vec())
    }
}

/// A record as targets and readers of the feed get it.
pub(crate) fn target_record(record: &Record) -> TargetRecord {
    let kind = match record {
        Record::Ledger(record) => Kind::Ledger(ledger(record)),
        Record::Lis(record) => Kind::Lis(lis(record)),
    };
    TargetRecord { record: Some(kind) }
}

fn ledger(record: &domain::LedgerRecord) -> LedgerRecord {
    LedgerRecord {
        source: record.source.to_string(),
        posting: record.posting.to_string(),
        revision: record.revision,
        change: change(record.change),
        date: record.date.to_string(),
        account: record.account.to_string(),
        amount: record.amount.to_string(),
        voucher: text(&record.voucher),
        tag: record.tag.as_ref().map(whole),
    }
}

fn lis(record: &domain::LisRecord) -> LisRecord {
    LisRecord {
        source: record.source.to_string(),
        posting: hex(record.posting),
        revision: record.revision,
        change: change(record.change),
        month: format!("{:04}-{:02}", record.year, record.month),
        account: record.account.to_string(),
        amount: record.amount.to_string(),
        family: record.family.map(hex),
        citizen: record.citizen.map(hex),
        tag: record.tag.as_ref().map(without_persons),
    }
}

/// What a record does.
pub(crate) fn change(change: Change) -> i32 {
    match change {
        Change::Tag => RecordChange::Tag,
        Change::Untag => RecordChange::Untag,
    }
    .into()
}

pub(crate) fn whole(tag: &domain::Tag) -> RecordTag {
    RecordTag {
        family: text(&tag.family),
        enrolment: text(&tag.enrolment),
        other: tag.other.iter().map(Text::to_string).collect(),
        ..without_persons(tag)
    }
}

fn without_persons(tag: &domain::Tag) -> RecordTag {
    let phase = match tag.phase {
        domain::Phase::During => TagPhase::During,
        domain::Phase::After => TagPhase::After,
        domain::Phase::Before => TagPhase::Before,
    };
    let basis = match tag.basis {
        domain::Basis::Citizen => TagBasis::Citizen,
        domain::Basis::Account => TagBasis::Account,
    };
    let kind = match tag.kind {
        Some(domain::CostKind::Service) => CostKind::Service,
        Some(domain::CostKind::Transfer) => CostKind::Transfer,
        None => CostKind::Unspecified,
    };
    let side = match tag.side {
        domain::Side::Inside => Side::Inside,
        domain::Side::Outside => Side::Outside,
    };
    let flag = |flag: &domain::Flag| match flag {
        domain::Flag::OverCeiling => TagFlag::OverCeiling.into(),
        domain::Flag::OtherSolution => TagFlag::OtherSolution.into(),
        domain::Flag::UnmappedAccount => TagFlag::UnmappedAccount.into(),
    };
    RecordTag {
        solution: tag.solution.to_string(),
        family: None,
        enrolment: None,
        phase: phase.into(),
        basis: basis.into(),
        area: tag.area.to_string(),
        kind: kind.into(),
        side: side.into(),
        grants: tag.grants.to_string(),
        pays: tag.pays.to_string(),
        parts: tag.parts.iter().map(part).collect(),
        split: text(&tag.split),
        flags: tag.flags.iter().map(flag).collect(),
        other: Vec::new(),
    }
}

/// One area's part of an amount.
pub(crate) fn part(part: &domain::Part) -> RecordPart {
    RecordPart { area: part.area.to_string(), weight: part.weight, amount: part.amount.to_string() }
}

fn text(text: &Option<Text>) -> Option<String> {
    text.as_ref().map(Text::to_string)
}

/// 32 digits in lower case.
fn hex(pseudonym: Pseudonym) -> String {
    format!("{:032x}", u128::from_be_bytes(pseudonym.0))
}
