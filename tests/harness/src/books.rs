//! A town's messages sent, and what came out held against what its generator knows to be right.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use samspor_domain::{Answer, Untagged};
use samspor_formats::json;

use samspor_town::{Expected, Stage, Town};
use serde_json::Value;

use crate::client::{Client, Message, Received};

/// The ledger as a receiver keeps it: the highest revision per posting.
pub struct Ledger(pub BTreeMap<(String, String), Value>);

impl Ledger {
    /// Takes in what a receiver got, in any order and any number of times.
    pub fn of(received: &[Received]) -> Result<Self> {
        let mut ledger: BTreeMap<(String, String), Value> = BTreeMap::new();
        for message in received {
            let record: Value =
                serde_json::from_slice(&message.body).context("the ledger got something that is not JSON")?;
            let text = |field: &str| {
                record[field].as_str().map(str::to_owned).with_context(|| format!("no {field}"))
            };
            let key = (text("source")?, text("posting")?);
            let newer =
                ledger.get(&key).is_none_or(|kept| kept["revision"].as_i64() < record["revision"].as_i64());
            if newer {
                ledger.insert(key, record);
            }
        }
        Ok(Self(ledger))
    }
}

/// How many postings must be tagged.
pub fn tagged(expected: &Expected) -> usize {
    expected.postings.values().filter(|posting| posting.answer.tag().is_some()).count()
}

/// Every difference between what came out and what is right.
pub fn differences(expected: &Expected, ledger: &Ledger, balance: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    for ((source, id), expectation) in &expected.postings {
        let record = ledger.0.get(&((*source).to_owned(), id.clone()));
        let state: Value =
            serde_json::from_str(&json::state(source, id, &expectation.answer)).unwrap_or_default();
        match (&expectation.answer, record) {
            (Answer::Tagged(_), None) => differences.push(format!("{source} {id} is not in the ledger")),
            (Answer::Tagged(_), Some(record)) if record["tag"] != state["tag"] => {
                differences.push(format!(
                    "{source} {id} is tagged {}, and should be {}",
                    record["tag"], state["tag"]
                ));
            }
            (Answer::Untagged(reason), Some(record)) if !record["tag"].is_null() => {
                differences.push(format!("{source} {id} is tagged, and should be untagged: {reason}"));
            }
            _ => {}
        }
    }
    let known: std::collections::BTreeSet<(&str, &str)> =
        expected.postings.keys().map(|(source, id)| (*source, id.as_str())).collect();
    for (source, id) in ledger.0.keys() {
        if !known.contains(&(source.as_str(), id.as_str())) {
            differences.push(format!("{source} {id} is in the ledger, and nobody sent it"));
        }
    }
    counts(expected, balance, &mut differences);
    postings(expected, balance, &mut differences);
    if balance["balanced"] != Value::Bool(true) {
        differences.push("the balance does not balance".into());
    }
    differences
}

fn counts(expected: &Expected, balance: &Value, differences: &mut Vec<String>) {
    for (source, counts) in &expected.counts {
        let right = [
            ("received", counts.received),
            ("facts", counts.facts),
            ("stale", counts.stale),
            ("postings", counts.postings),
            ("duplicates", counts.duplicates),
            ("quarantined", counts.quarantined.values().sum()),
        ];
        for (word, right) in right {
            let rows =
                balance["items"].as_array().into_iter().flatten().filter(|row| row["source"] == *source);
            let found: u64 = rows.filter_map(|row| row["outcomes"][word].as_u64()).sum();
            if found != right {
                differences.push(format!("{source} has {found} {word}, and should have {right}"));
            }
        }
    }
}

fn postings(expected: &Expected, balance: &Value, differences: &mut Vec<String>) {
    for ((source, month), right) in &expected.balance {
        let month = month.strftime("%Y-%m").to_string();
        let none = Value::Null;
        let mut row = balance["postings"].as_array().into_iter().flatten();
        let row = row.rfind(|row| row["source"] == *source && row["month"] == month).unwrap_or(&none);
        let mut compare = |what: &str, found: &Value, postings: u64, ore: i128| {
            let found =
                (found["postings"].as_u64().unwrap_or(0), found["ore"].as_str().unwrap_or("0").to_owned());
            if found != (postings, ore.to_string()) {
                differences
                    .push(format!("{source} {month} {what}: {found:?}, and should be {postings} and {ore}"));
            }
        };
        compare("all", &row["all"], right.all.postings, right.all.ore);
        compare("tagged", &row["tagged"], right.tagged.postings, right.tagged.ore);
        for reason in Untagged::ALL {
            let sum = right.untagged.get(&reason).copied().unwrap_or_default();
            compare(reason.word(), &row["untagged"][reason.word()], sum.postings, sum.ore);
        }
    }
}

/// Publishes a stage of a town's messages to the queues of their sources, which are named `prefix` and the source, and
/// tells how many messages and items they were.
pub async fn publish(client: &Client, town: &Town, stage: Stage, prefix: &str) -> Result<(usize, u64)> {
    let mut by_source: BTreeMap<&str, Vec<Message>> = BTreeMap::new();
    let mut items = 0;
    for message in town.messages().filter(|message| message.stage == stage) {
        items += message.outcomes.len() as u64;
        by_source.entry(message.source).or_default().push(Message::new(message.content_type, message.body));
    }
    let messages = by_source.values().map(Vec::len).sum();
    for (source, messages) in by_source {
        client.publish(&format!("{prefix}{source}"), messages).await?;
    }
    Ok((messages, items))
}

/// How many items a town's messages hold.
#[must_use]
pub fn items(expected: &Expected) -> u64 {
    expected.counts.values().map(|counts| counts.received).sum()
}
