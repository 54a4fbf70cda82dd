//! Records in XML and CSV, read back by readers of the tests' own, say what the JSON record says.

use serde_json::{Map, Value};

use samspor_domain::{Encode, LedgerRecord, Record, Tag, Text};
use samspor_town::{Settings, Town};

use crate::json;

/// Every kind of record of a small town, and one with texts that no format likes.
pub(crate) fn records() -> Vec<Record> {
    let town = Town::new(Settings { seed: 1, families: 6, background_citizens: 2, faulty: false });
    let mut records: Vec<Record> = town.expected().records().collect();
    assert!(records.len() > 400, "{} records", records.len());
    let formulas = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "'=1", "＝1"];
    let nasty = ["a;b\"c\r\nd\te", "<&>'\" ]]>", " \u{1}\u{fffe} ", "a,b\\c", "Æ ø å 🦔", "%20"];
    for nasty in formulas.into_iter().chain(nasty) {
        let nasty = Text::new(nasty).unwrap_or_else(|error| panic!("{error}"));
        let Some(Record::Ledger(first)) = records.first().cloned() else { panic!("a ledger's comes first") };
        let tag = first.tag.map(|tag| Tag {
            family: Some(nasty.clone()),
            area: nasty.clone(),
            split: Some(nasty.clone()),
            other: vec![nasty.clone(), nasty.clone()],
            ..tag
        });
        records.push(Record::Ledger(LedgerRecord {
            posting: nasty.clone(),
            voucher: Some(nasty),
            tag,
            ..first
        }));
    }
    records
}

/// What the JSON record says, without what is null or an empty list: the other formats leave those out.
pub(crate) fn said(record: &Record) -> Value {
    let said = serde_json::from_slice(&json::Encoder.encode(record));
    bare(said.unwrap_or_else(|error| panic!("{error}")))
}

fn bare(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, bare(value)));
            let is_something = |value: &Value| !value.is_null() && *value != Value::Array(Vec::new());
            Value::Object(fields.filter(|(_, value)| is_something(value)).collect::<Map<_, _>>())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(bare).collect()),
        other => other,
    }
}
