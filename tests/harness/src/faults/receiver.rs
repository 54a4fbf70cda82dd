//! The systems that receive: they keep the highest revision of each posting, and notice what must not come.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::LIMIT;
use crate::books::Ledger;
use crate::client::{Client, Message, Received};

/// One target's receiver.
pub struct Receiver {
    takes: Takes,
    hasher: RandomState,
    /// A hash of each record's bytes, by its message id and topic: where a posting moves from one topic to another, both
    /// get a record under one id.
    bytes: BTreeMap<(String, String), u64>,
    /// What each revision says, by source and posting.
    revisions: BTreeMap<(String, String), BTreeMap<i64, Said>>,
    /// The highest revision of each posting.
    kept: Ledger,
    /// Whether the books accepted each revision, by source and posting; nothing where they give no receipts.
    receipts: BTreeMap<(String, String), BTreeMap<i64, bool>>,
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

/// Where records come from, and how they are answered.
enum Takes {
    /// A queue at a broker, and the queue for its receipts with the seed by which it gives them.
    Queue { url: String, queue: String, receipts: Option<(String, u64)> },
    /// What a receiver over HTTP wrote down, which has answered already; looked at up to a byte.
    Book { path: PathBuf, looked_at: u64 },
}

/// A revision of a posting: source, posting, revision.
type Key = ((String, String), i64);

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
        Self::taking(Takes::Queue { url: url.to_owned(), queue: queue.to_owned(), receipts: None })
    }

    /// What a receiver over HTTP writes to a file.
    #[must_use]
    pub fn of_book(path: PathBuf) -> Self {
        Self::taking(Takes::Book { path, looked_at: 0 })
    }

    /// Lets a queue's receiver give a receipt for each record that it takes, as often as it takes it. By the seed it is
    /// accepted or rejected.
    #[must_use]
    pub fn giving_receipts(mut self, to: &str, seed: u64) -> Self {
        if let Takes::Queue { receipts, .. } = &mut self.takes {
            *receipts = Some((to.to_owned(), seed));
        }
        self
    }

    fn taking(takes: Takes) -> Self {
        Self {
            takes,
            hasher: RandomState::new(),
            bytes: BTreeMap::new(),
            revisions: BTreeMap::new(),
            kept: Ledger(BTreeMap::new()),
            receipts: BTreeMap::new(),
            records: 0,
            repeats: 0,
            conflicting: 0,
            misordered: 0,
            misnamed: 0,
        }
    }

    /// Takes what has come by now, and gives receipts for it.
    pub async fn collect(&mut self) -> Result<usize> {
        match &mut self.takes {
            Takes::Queue { url, queue, receipts } => {
                let (queue, receipts) = (queue.clone(), receipts.clone());
                let client = Client::connect(url).await?;
                let waiting = client.count(&queue).await? as usize;
                let mut given = Vec::new();
                for record in client.drain(&queue, waiting, LIMIT).await? {
                    let revision = self.take(&record)?;
                    if let Some((_, seed)) = &receipts {
                        given.push(self.receipt(revision, *seed));
                    }
                }
                if let Some((to, _)) = receipts {
                    client.publish(&to, given).await?;
                }
                Ok(waiting)
            }
            Takes::Book { path, looked_at } => {
                let mut book = std::fs::File::open(path)?;
                book.seek(SeekFrom::Start(*looked_at))?;
                let mut lines = Vec::new();
                book.read_to_end(&mut lines)?;
                lines.truncate(lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
                *looked_at += lines.len() as u64;
                let mut came = 0;
                for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    let line: Value = serde_json::from_slice(line)?;
                    let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
                    let record = Received {
                        body: text("body").into_bytes(),
                        message_id: Some(text("key")),
                        ..Received::default()
                    };
                    let (key, revision) = self.take(&record)?;
                    self.receipts.entry(key).or_default().insert(revision, line["receipt"] == "accepted");
                    came += 1;
                }
                Ok(came)
            }
        }
    }

    /// The receipt of a revision, always the same one.
    fn receipt(&mut self, ((source, posting), revision): Key, seed: u64) -> Message {
        let chosen = format!("{seed}:{source}:{posting}:{revision}");
        // FNV-1a, so that the seed says the same whenever it is asked.
        let hash = chosen.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let is_accepted = (hash >> 32) % 4 > 0;
        let mut receipt = json!({"type": "receipt", "id": format!("R-{:016x}", hash), "source": source, "posting": posting,
                                 "revision": revision, "status": "accepted", "at": "2026-03-16T04:10:00Z"});
        if !is_accepted {
            (receipt["status"], receipt["code"]) = ("rejected".into(), "K07".into());
        }
        self.receipts.entry((source, posting)).or_default().insert(revision, is_accepted);
        Message::new("application/json", receipt.to_string())
    }

    fn take(&mut self, received: &Received) -> Result<Key> {
        let record: Value = serde_json::from_slice(&received.body).context("a record is JSON")?;
        let text =
            |field: &str| record[field].as_str().map(str::to_owned).with_context(|| format!("no {field}"));
        let (source, posting) = (text("source")?, text("posting")?);
        let revision = record["revision"].as_i64().context("no revision")?;
        let id = received.message_id.clone().unwrap_or_default();
        self.records += 1;
        self.misnamed += usize::from(id != format!("{source}:{posting}:{revision}"));
        let hash = self.hasher.hash_one(&received.body);
        let key = (source, posting);
        if let Some(before) = self.bytes.insert((id, received.routing_key.clone()), hash) {
            self.repeats += 1;
            self.conflicting += usize::from(before != hash);
            return Ok((key, revision));
        }
        let revisions = self.revisions.entry(key.clone()).or_default();
        let highest = revisions.last_key_value().map(|(highest, _)| *highest);
        self.misordered += usize::from(highest > Some(revision));
        let said = Said { change: text("change")?, tag: record["tag"].to_string() };
        // Who gets both under one revision keeps the tag (docs/records.md).
        if said.change == "untag" && revisions.contains_key(&revision) {
            return Ok((key, revision));
        }
        revisions.insert(revision, said);
        if highest <= Some(revision) {
            self.kept.0.insert(key.clone(), record);
        }
        Ok((key, revision))
    }

    /// What it keeps: the highest revision of each posting.
    #[must_use]
    pub fn kept(&self) -> &Ledger {
        &self.kept
    }

    /// How many of the postings that it keeps its books accepted, and how many they rejected.
    #[must_use]
    pub fn booked(&self) -> (i64, i64) {
        let mut booked = (0, 0);
        for (key, record) in &self.kept.0 {
            match self.receipts.get(key).zip(record["revision"].as_i64()).and_then(|(of, no)| of.get(&no)) {
                Some(true) => booked.0 += 1,
                Some(false) => booked.1 += 1,
                None => {}
            }
        }
        booked
    }

    /// How many of the records that came are of a month, `YYYY-MM`.
    #[must_use]
    pub fn of_month(&self, month: &str) -> usize {
        let is_of = |record: &&Value| record["date"].as_str().is_some_and(|date| date.starts_with(month));
        self.kept.0.values().filter(is_of).count()
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

    /// Takes off what only a store that was lost said: the tags with that revision or a lower one, once all that the restored
    /// one says has come.
    pub fn take_off_up_to(&mut self, revision: i64) {
        self.kept.0.retain(|_, record| record["revision"].as_i64() > Some(revision));
    }

    /// How many different records came.
    #[must_use]
    pub fn different(&self) -> usize {
        self.bytes.len()
    }
}
