//! The records that targets get, as CSV in the Danish way: RFC 4180 with `;` and a decimal comma.

use std::fmt::Display;

use bytes::Bytes;
use samspor_domain::{Amount, Encode, LedgerRecord, LisRecord, Part, Record, Tag};

use crate::shown::{hex, month};

/// The columns of a ledger's record.
const LEDGER: [&str; 24] = [
    "source",
    "posting",
    "revision",
    "change",
    "date",
    "account",
    "amount",
    "voucher",
    "solution",
    "family",
    "enrolment",
    "phase",
    "basis",
    "area",
    "kind",
    "side",
    "grants",
    "pays",
    "split",
    "flags",
    "other",
    "part_area",
    "part_weight",
    "part_amount",
];
/// The columns of an LIS's record.
const LIS: [&str; 22] = [
    "source",
    "posting",
    "revision",
    "change",
    "month",
    "account",
    "amount",
    "family",
    "citizen",
    "solution",
    "phase",
    "basis",
    "area",
    "kind",
    "side",
    "grants",
    "pays",
    "split",
    "flags",
    "part_area",
    "part_weight",
    "part_amount",
];

/// Writes ledger and LIS records as CSV: a line with the names of the columns, then one line for each part of the tag, which
/// repeats what is said of the record as a whole. An untag is one line. The fields are those of the JSON records.
///
/// UTF-8 without a byte order mark, lines end in CRLF, fields are parted by `;` and quoted where they must be. What there
/// is none of is empty. A field that holds several words has them with `,` between; a `,` or `\` in such a word has a `\`
/// before it. A text that a spreadsheet would take for a formula has an apostrophe before it, as in files of a folder.
#[derive(Debug, Clone, Copy, Default)]
pub struct Encoder;

impl Encode for Encoder {
    fn content_type(&self) -> &'static str {
        "text/csv; charset=utf-8; header=present"
    }

    fn encode(&self, record: &Record) -> Bytes {
        let mut out = String::with_capacity(512);
        let (columns, record, tag): (&[&str], Vec<String>, Option<&Tag>) = match record {
            Record::Ledger(record) => (&LEDGER, ledger(record), record.tag.as_ref()),
            Record::Lis(record) => (&LIS, lis(record), record.tag.as_ref()),
        };
        line(&mut out, columns);
        let parts: &[Part] = tag.map_or(&[], |tag| &tag.parts);
        for part in parts {
            let of_part = [words(&part.area), part.weight.to_string(), comma(part.amount)];
            line(&mut out, &[&record[..], &of_part].concat());
        }
        if parts.is_empty() {
            let mut record = record;
            record.resize(columns.len(), String::new());
            line(&mut out, &record);
        }
        Bytes::from(out)
    }
}

fn ledger(record: &LedgerRecord) -> Vec<String> {
    let mut fields = vec![
        words(&record.source),
        words(&record.posting),
        record.revision.to_string(),
        record.change.word().to_owned(),
        record.date.to_string(),
        record.account.to_string(),
        comma(record.amount),
        text(&record.voucher),
    ];
    if let Some(tag) = &record.tag {
        fields.extend([words(&tag.solution), text(&tag.family), text(&tag.enrolment)]);
        fields.extend(common(tag));
        fields.push(list(tag.other.iter().map(|other| other.as_str())));
    }
    fields
}

fn lis(record: &LisRecord) -> Vec<String> {
    let pseudonym = |pseudonym: Option<_>| pseudonym.map(hex).unwrap_or_default();
    let mut fields = vec![
        words(&record.source),
        hex(record.posting),
        record.revision.to_string(),
        record.change.word().to_owned(),
        month(record),
        record.account.to_string(),
        comma(record.amount),
        pseudonym(record.family),
        pseudonym(record.citizen),
    ];
    if let Some(tag) = &record.tag {
        fields.push(words(&tag.solution));
        fields.extend(common(tag));
    }
    fields
}

/// What both kinds of reader are told of a tag, after its solution.
fn common(tag: &Tag) -> [String; 9] {
    [
        tag.phase.word().to_owned(),
        tag.basis.word().to_owned(),
        words(&tag.area),
        tag.kind.map(|kind| kind.word().to_owned()).unwrap_or_default(),
        tag.side.word().to_owned(),
        words(&tag.grants),
        words(&tag.pays),
        text(&tag.split),
        list(tag.flags.iter().map(|flag| flag.word())),
    ]
}

fn text(text: &Option<impl Display>) -> String {
    text.as_ref().map(words).unwrap_or_default()
}

fn words(text: &impl Display) -> String {
    harmless(text.to_string())
}

/// A spreadsheet takes a text that begins so for a formula, and does what it says. With an apostrophe before it, it is a
/// text; and so that nothing else is read for such a one, one that begins with an apostrophe gets another. The files of a
/// folder have the same rule.
fn harmless(text: String) -> String {
    let begins = ['=', '+', '-', '@', '\t', '\r', '\n', '\'', '＝', '＋', '－', '＠'];
    if text.starts_with(begins) { format!("'{text}") } else { text }
}

/// An amount in kroner with two decimals after a comma.
fn comma(amount: Amount) -> String {
    amount.to_string().replace('.', ",")
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(|word| word.replace('\\', "\\\\").replace(',', "\\,")).collect();
    harmless(words.join(","))
}

fn line(out: &mut String, fields: &[impl AsRef<str>]) {
    for (at, field) in fields.iter().map(AsRef::as_ref).enumerate() {
        if at > 0 {
            out.push(';');
        }
        if field.contains(['"', ';', '\r', '\n']) {
            out.push('"');
            out.push_str(&field.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(field);
        }
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests;
pub mod voucher;
