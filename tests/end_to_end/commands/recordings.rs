//! Recordings as tests write them.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::{Timestamp, ToSpan};
use samspor_town::Message;
use serde_json::{Value, json};

use crate::deployment::Result;

/// The `n`th instant of a recording; each is a minute after the one before.
pub(crate) fn instant(n: usize) -> Timestamp {
    let start = Timestamp::from_second(1_767_600_000).unwrap_or_else(|error| panic!("{error}"));
    let later = i64::try_from(n).ok().and_then(|n| start.checked_add(n.minutes()).ok());
    later.unwrap_or_else(|| panic!("{n} minutes are too many"))
}

/// A line of a recording that holds one message in canonical JSON, which arrived at the `n`th instant.
pub(crate) fn line(n: usize, source: &str, message: &Value) -> String {
    json!({"source": source, "received_at": instant(n).to_string(), "content_type": "application/json",
           "headers": {}, "body": message.to_string()})
    .to_string()
}

/// A line that holds a message of the town.
pub(crate) fn of_town(n: usize, message: &Message) -> String {
    let mut line = json!({"source": message.source, "received_at": instant(n).to_string(),
                          "content_type": message.content_type, "headers": {}});
    match std::str::from_utf8(&message.body) {
        Ok(text) => line["body"] = text.into(),
        Err(_) => line["body_base64"] = BASE64_STANDARD.encode(&message.body).into(),
    }
    line.to_string()
}

/// Makes a recording of lines in a folder.
pub(crate) fn write(
    dir: &Path,
    name: &str,
    lines: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<PathBuf> {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.as_ref());
        text.push('\n');
    }
    let path = dir.join(name);
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Makes a configuration that says nothing more than where the charts are.
pub(crate) fn charts_alone(dir: &Path) -> Result<PathBuf> {
    let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/charts");
    let path = dir.join("charts-alone.toml");
    std::fs::write(&path, format!("[charts]\ndir = {charts:?}\n"))?;
    Ok(path)
}

/// One citizen in one solution: the contract's own examples. The citizen has a replacement number, which nobody has.
pub(crate) fn facts() -> Vec<(&'static str, Value)> {
    vec![
        (
            "registry",
            json!({"type": "solution", "id": "sb-familier", "version": 1, "name": "SB Familier", "priority": 10,
                   "from": "2025-10-01", "to": null, "baseline_days": 730, "aftercare_days": 180,
                   "ceiling": "25000.00", "above_ceiling": "shared",
                   "sides": [{"account": "5.28.21", "side": "inside", "from": "2026-01-01"}],
                   "default_side": "outside",
                   "powers": [{"account": "5.28.21", "grants": "solution", "pays": "solution"}],
                   "default_powers": {"grants": "solution", "pays": "area"},
                   "claims": [{"account": "5.28.21", "cost_centre": "0417", "from": "2026-01-01"}]}),
        ),
        ("registry", consent(1)),
        ("registry", enrolment(1, "2026-02-01", "F-17")),
        (
            "dubu",
            json!({"type": "grant", "id": "B-12", "version": 1, "citizen": {"cpr": "6112801234"},
                   "account": "5.28.21.1", "total": "24900.00"}),
        ),
    ]
}

pub(crate) fn consent(version: i64) -> Value {
    json!({"type": "consent", "id": "C-1", "version": version, "citizen": {"cpr": "6112801234"},
           "sources": ["opus", "dubu"], "given_on": "2026-01-20", "covers_from": "2025-01-01", "covers_to": null})
}

pub(crate) fn enrolment(version: i64, from: &str, family: &str) -> Value {
    json!({"type": "enrolment", "id": "E-1", "version": version, "solution": "sb-familier", "family": family,
           "citizen": {"cpr": "611280-1234"}, "from": from, "to": null})
}

/// The contract's posting, which pays the grant.
pub(crate) fn posting(id: &str) -> Value {
    json!({"type": "posting", "id": id, "date": "2026-03-14", "account": "5.28.21.1", "amount": "12450.00",
           "citizen": {"cpr": "6112801234"}, "grant": {"system": "dubu", "grant": "B-12"},
           "voucher": "2026-000123", "reverses": null})
}
