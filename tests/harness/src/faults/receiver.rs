//! The systems that receive: they keep the highest revision of each posting, and notice what must not come.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::LIMIT;
use crate::books::Ledger;
use crate::client::{Client, Received};

/// One target's receiver.
pub struct Receiver {
    url: String,
    queue: String,
    hasher: RandomState,
    /// A hash of each record's bytes, by its message id and topic: where a posting moves from one topic to another, both
    /// get a record under one id.
    bytes: BTreeMap<(String, String), u64>,
    /// What each revision says, by source and posting.
    revisions: BTreeMap<(String, String), BTreeMap<i64, Said>>,
    /// The highest revision of each posting.
    kept: Ledger,
    /// Records that came, each time they came.
    pub records: usize,
    /// Of those, the ones that had come before.
    pub repeats: usize,
    /// Records whose id came before with other bytes.
    pub conflicting: usize,
    /// Records that came for the first time after a higher revision of their posting.
    pub misordered: usize,
    /// Records whose id is not made of what they say.
    pub misnamed: usize,
}

/// What a record says, apart from its number.
#[derive(PartialEq, Eq)]
struct Said {
    change: String,
    tag: String,
}

impl Receiver {
    /// A receiver of a queue, which is there or will be.
    #[must_use]
    pub fn new(url: &str, queue: &str) -> Self {
        Self {
            url: url.to_owned(),
            queue: queue.to_owned(),
            hasher: RandomState::new(),
            bytes: BTreeMap::new(),
            revisions: BTreeMap::new(),
            kept: Ledger(BTreeMap::new()),
            records: 0,
            repeats: 0,
            conflicting: 0,
            misordered: 0,
            misnamed: 0,
        }
    }

    /// Takes what lies in the queue now.
    pub async fn collect(&mut self) -> Result<usize> {
        let client = Client::connect(&self.url).await?;
        let waiting = client.count(&self.queue).await? as usize;
        for record in client.drain(&self.queue, waiting, LIMIT).await? {
            self.take(&record)?;
        }
        Ok(waiting)
    }

    fn take(&mut self, received: &Received) -> Result<()> {
        let record: Value = serde_json::from_slice(&received.body).context("a record is JSON")?;
        let text =
            |field: &str| record[field].as_str().map(str::to_owned).with_context(|| format!("no {field}"));
        let (source, posting) = (text("source")?, text("posting")?);
        let revision = record["revision"].as_i64().context("no revision")?;
        let id = received.message_id.clone().unwrap_or_default();
        self.records += 1;
        self.misnamed += usize::from(id != format!("{source}:{posting}:{revision}"));
        let hash = self.hasher.hash_one(&received.body);
        if let Some(before) = self.bytes.insert((id, received.routing_key.clone()), hash) {
            self.repeats += 1;
            self.conflicting += usize::from(before != hash);
            return Ok(());
        }
        let key = (source, posting);
        let revisions = self.revisions.entry(key.clone()).or_default();
        let highest = revisions.last_key_value().map(|(highest, _)| *highest);
        self.misordered += usize::from(highest > Some(revision));
        let said = Said { change: text("change")?, tag: record["tag"].to_string() };
        // Who gets both under one revision keeps the tag (docs/records.md).
        if said.change == "untag" && revisions.contains_key(&revision) {
            return Ok(());
        }
        revisions.insert(revision, said);
        if highest <= Some(revision) {
            self.kept.0.insert(key, record);
        }
        Ok(())
    }

    /// What it keeps: the highest revision of each posting.
    #[must_use]
    pub fn kept(&self) -> &Ledger {
        &self.kept
    }

    /// Revisions that say again what the one before them said: an effect made twice, which keeping the highest does not
    /// undo for who acts on each.
    #[must_use]
    pub fn said_twice(&self) -> usize {
        let pairs = |revisions: &BTreeMap<i64, Said>| {
            let all: Vec<_> = revisions.iter().collect();
            all.windows(2).filter(|pair| *pair[0].0 + 1 == *pair[1].0 && pair[0].1 == pair[1].1).count()
        };
        self.revisions.values().map(pairs).sum()
    }

    /// How many different records came.
    #[must_use]
    pub fn different(&self) -> usize {
        self.bytes.len()
    }
}
