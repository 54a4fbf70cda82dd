//! Records as rows: one for each part of a record's amount, so that parts can be added up by area.

use std::io;

use jiff::civil::Date;
use samspor_domain::Amount;
use serde::Deserialize;

use super::Columns;

/// Which record it is.
#[derive(Debug, Deserialize)]
pub(super) struct Key {
    source: String,
    posting: String,
    revision: i64,
}

impl Key {
    pub(super) fn of(line: &[u8]) -> io::Result<Self> {
        serde_json::from_slice(line).map_err(|_| not_a_record())
    }

    /// The same as the record had when it came.
    pub(super) fn message_id(&self) -> String {
        message_id(&self.source, &self.posting, self.revision)
    }
}

fn message_id(source: &str, posting: &str, revision: i64) -> String {
    format!("{source}:{posting}:{revision}")
}

/// What a record says, as the gateway's JSON has it.
#[derive(Debug, Deserialize)]
struct Written {
    source: String,
    posting: String,
    revision: i64,
    change: String,
    date: Option<String>,
    month: Option<String>,
    account: String,
    amount: String,
    voucher: Option<String>,
    family: Option<String>,
    citizen: Option<String>,
    tag: Option<Tag>,
}

#[derive(Debug, Deserialize)]
struct Tag {
    solution: String,
    family: Option<String>,
    enrolment: Option<String>,
    phase: String,
    basis: String,
    area: String,
    kind: Option<String>,
    side: String,
    grants: String,
    pays: String,
    parts: Vec<Part>,
    split: Option<String>,
    flags: Vec<String>,
    #[serde(default)]
    other: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Part {
    area: String,
    weight: i64,
    amount: String,
}

/// A record with its amounts and date read.
pub(super) struct Record {
    written: Written,
    pub(super) amount: Amount,
    date: Option<Date>,
    parts: Vec<Amount>,
}

impl Record {
    pub(super) fn read(line: &[u8]) -> io::Result<Self> {
        let written: Written = serde_json::from_slice(line).map_err(|_| not_a_record())?;
        let amount = |text: &str| text.parse::<Amount>().map_err(|_| not_a_record());
        let parts = written.tag.iter().flat_map(|tag| &tag.parts).map(|part| amount(&part.amount));
        let parts = parts.collect::<io::Result<_>>()?;
        let date = written.date.as_deref().map(str::parse).transpose().map_err(|_| not_a_record())?;
        Ok(Self { amount: amount(&written.amount)?, parts, date, written })
    }

    pub(super) fn message_id(&self) -> String {
        let Written { source, posting, revision, .. } = &self.written;
        message_id(source, posting, *revision)
    }

    /// Whether it puts a tag on its posting.
    pub(super) fn is_tagged(&self) -> bool {
        self.written.tag.is_some()
    }

    /// Its rows, one at least.
    pub(super) fn rows(&self, columns: Columns) -> impl Iterator<Item = Vec<Value<'_>>> {
        (0..self.parts.len().max(1))
            .map(move |no| super::rows::columns(columns).iter().map(|column| (column.of)(self, no)).collect())
    }

    fn tag<'a>(&'a self, of: impl FnOnce(&'a Tag) -> &'a str) -> Value<'a> {
        self.tag_if(|tag| Some(of(tag)))
    }

    fn tag_if<'a>(&'a self, of: impl FnOnce(&'a Tag) -> Option<&'a str>) -> Value<'a> {
        text(self.written.tag.as_ref().and_then(of))
    }

    fn part(&self, no: usize) -> Option<(&Part, Amount)> {
        Some((self.written.tag.as_ref()?.parts.get(no)?, *self.parts.get(no)?))
    }
}

/// The line itself is not told: it may be about somebody.
fn not_a_record() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a line of the open file is no record of this gateway")
}

/// What stands in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    None,
    Text(&'a str),
    Owned(String),
    Whole(i64),
    Amount(Amount),
    Date(Date),
}

fn text(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::None, Value::Text)
}

/// What kind of values a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Whole,
    Amount,
    Date,
}

impl Kind {
    /// As the manifest calls it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Whole => "whole number",
            Self::Amount => "amount in kroner",
            Self::Date => "date",
        }
    }
}

/// A column: its name, its kind, and what stands in it for a part of a record.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    of: fn(&Record, usize) -> Value<'_>,
}

const fn column(name: &'static str, kind: Kind, of: fn(&Record, usize) -> Value<'_>) -> Column {
    Column { name, kind, of }
}

fn count(number: usize) -> Value<'static> {
    i64::try_from(number).map_or(Value::None, Value::Whole)
}

const SOURCE: Column = column("source", Kind::Text, |r, _| Value::Text(&r.written.source));
const POSTING: Column = column("posting", Kind::Text, |r, _| Value::Text(&r.written.posting));
const REVISION: Column = column("revision", Kind::Whole, |r, _| Value::Whole(r.written.revision));
const CHANGE: Column = column("change", Kind::Text, |r, _| Value::Text(&r.written.change));
const DATE: Column = column("date", Kind::Date, |r, _| r.date.map_or(Value::None, Value::Date));
const MONTH: Column = column("month", Kind::Text, |r, _| text(r.written.month.as_deref()));
const ACCOUNT: Column = column("account", Kind::Text, |r, _| Value::Text(&r.written.account));
const AMOUNT: Column = column("amount", Kind::Amount, |r, _| Value::Amount(r.amount));
const VOUCHER: Column = column("voucher", Kind::Text, |r, _| text(r.written.voucher.as_deref()));
const FAMILY: Column = column("family", Kind::Text, |r, _| {
    let of_tag = || r.written.tag.as_ref().and_then(|tag| tag.family.as_deref());
    text(r.written.family.as_deref().or_else(of_tag))
});
const CITIZEN: Column = column("citizen", Kind::Text, |r, _| text(r.written.citizen.as_deref()));
const ENROLMENT: Column = column("enrolment", Kind::Text, |r, _| r.tag_if(|tag| tag.enrolment.as_deref()));
const SOLUTION: Column = column("solution", Kind::Text, |r, _| r.tag(|tag| &tag.solution));
const PHASE: Column = column("phase", Kind::Text, |r, _| r.tag(|tag| &tag.phase));
const BASIS: Column = column("basis", Kind::Text, |r, _| r.tag(|tag| &tag.basis));
const AREA: Column = column("area", Kind::Text, |r, _| r.tag(|tag| &tag.area));
const KIND: Column = column("kind", Kind::Text, |r, _| r.tag_if(|tag| tag.kind.as_deref()));
const SIDE: Column = column("side", Kind::Text, |r, _| r.tag(|tag| &tag.side));
const GRANTS: Column = column("grants", Kind::Text, |r, _| r.tag(|tag| &tag.grants));
const PAYS: Column = column("pays", Kind::Text, |r, _| r.tag(|tag| &tag.pays));
const SPLIT: Column = column("split", Kind::Text, |r, _| r.tag_if(|tag| tag.split.as_deref()));
const FLAGS: Column = column("flags", Kind::Text, |r, _| {
    r.written.tag.as_ref().map_or(Value::None, |tag| Value::Owned(tag.flags.join(",")))
});
const OTHER: Column = column("other", Kind::Text, |r, _| {
    r.written.tag.as_ref().map_or(Value::None, |tag| Value::Owned(tag.other.join(",")))
});
const PARTS: Column = column("parts", Kind::Whole, |r, _| count(r.parts.len()));
const PART: Column = column("part", Kind::Whole, |_, no| count(no + 1));
const PART_AREA: Column =
    column("part_area", Kind::Text, |r, no| text(r.part(no).map(|(part, _)| part.area.as_str())));
const PART_WEIGHT: Column = column("part_weight", Kind::Whole, |r, no| {
    r.part(no).map_or(Value::None, |(part, _)| Value::Whole(part.weight))
});
const PART_AMOUNT: Column = column("part_amount", Kind::Amount, |r, no| {
    r.part(no).map_or(Value::None, |(_, amount)| Value::Amount(amount))
});

/// The ledger's.
static LEDGER: [Column; 26] = [
    SOURCE,
    POSTING,
    REVISION,
    CHANGE,
    DATE,
    ACCOUNT,
    AMOUNT,
    VOUCHER,
    SOLUTION,
    FAMILY,
    ENROLMENT,
    PHASE,
    BASIS,
    AREA,
    KIND,
    SIDE,
    GRANTS,
    PAYS,
    SPLIT,
    FLAGS,
    OTHER,
    PARTS,
    PART,
    PART_AREA,
    PART_WEIGHT,
    PART_AMOUNT,
];
/// An LIS'.
static LIS: [Column; 24] = [
    SOURCE,
    POSTING,
    REVISION,
    CHANGE,
    MONTH,
    ACCOUNT,
    AMOUNT,
    SOLUTION,
    FAMILY,
    CITIZEN,
    PHASE,
    BASIS,
    AREA,
    KIND,
    SIDE,
    GRANTS,
    PAYS,
    SPLIT,
    FLAGS,
    PARTS,
    PART,
    PART_AREA,
    PART_WEIGHT,
    PART_AMOUNT,
];

/// The columns, in their order.
pub(super) fn columns(columns: Columns) -> &'static [Column] {
    match columns {
        Columns::Ledger => &LEDGER,
        Columns::Lis => &LIS,
    }
}
