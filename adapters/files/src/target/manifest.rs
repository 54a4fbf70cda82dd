//! The manifest: what a file holds, for its reader to count against.

use std::io;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::chain::Link;
use super::rows::Record;
use super::{Columns, Format, rows};

/// What a file holds.
pub(super) struct Manifest<'a> {
    pub(super) link: &'a Link,
    pub(super) file: &'a str,
    pub(super) format: Format,
    /// The columns and how many rows, where the format has rows.
    pub(super) columns: Option<Columns>,
    pub(super) rows: Option<u64>,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) totals: &'a Totals,
    pub(super) begun: Option<Timestamp>,
    pub(super) closed: Timestamp,
}

/// What records add up to.
#[derive(Debug, Default)]
pub(super) struct Totals {
    tagged: Total,
    untagged: Total,
    first: Option<String>,
    last: Option<String>,
}

/// A number of records, and the sum of their postings' amounts.
#[derive(Debug, Default, Clone, Copy)]
struct Total {
    records: u64,
    ore: i128,
}

impl Totals {
    pub(super) fn add(&mut self, record: &Record) {
        let total = if record.is_tagged() { &mut self.tagged } else { &mut self.untagged };
        total.records += 1;
        // A file has fewer records than would bring this near its end.
        total.ore = total.ore.saturating_add(i128::from(record.amount.ore()));
        let id = record.message_id();
        self.first.get_or_insert_with(|| id.clone());
        self.last = Some(id);
    }
}

impl Total {
    fn and(self, other: Self) -> Self {
        Self { records: self.records + other.records, ore: self.ore.saturating_add(other.ore) }
    }
}

impl Serialize for Total {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({ "records": self.records, "ore": self.ore.to_string(), "kr": kroner(self.ore) })
            .serialize(serializer)
    }
}

impl Manifest<'_> {
    pub(super) fn to_json(&self) -> io::Result<Vec<u8>> {
        let Totals { tagged, untagged, first, last } = self.totals;
        let columns: Option<Vec<Value>> = self.columns.map(|columns| {
            let column = |column: &rows::Column| json!({ "name": column.name, "type": column.kind.word() });
            rows::columns(columns).iter().map(column).collect()
        });
        let mut manifest = json!({
            "number": self.link.number,
            "previous": self.link.previous,
            "file": self.file,
            "format": self.format.extension(),
            "bytes": self.bytes,
            "sha256": self.sha256,
            "all": tagged.and(*untagged),
            "tag": tagged,
            "untag": untagged,
            "first": first,
            "last": last,
            "begun": self.begun,
            "closed": self.closed,
        });
        if let (Some(object), Some(columns)) = (manifest.as_object_mut(), columns) {
            object.insert("rows".into(), json!(self.rows));
            object.insert("columns".into(), json!(columns));
        }
        let mut text = serde_json::to_vec_pretty(&manifest)?;
        text.push(b'\n');
        Ok(text)
    }
}

/// Øre as kroner with two decimals and a point.
fn kroner(ore: i128) -> String {
    let sign = if ore < 0 { "-" } else { "" };
    let ore = ore.unsigned_abs();
    format!("{sign}{}.{:02}", ore / 100, ore % 100)
}

#[cfg(test)]
mod tests {
    use super::kroner;

    #[test]
    fn sums_are_written_to_the_ore() {
        for (ore, text) in [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (-1_234_567, "-12345.67")] {
            assert_eq!(kroner(ore), text);
        }
        assert_eq!(kroner(i128::MIN), "-1701411834604692317316873037158841057.28");
    }
}
