//! Proving a withdrawal: what was taken back when a consent ended, which targets know it, and since when nothing of it is left in the
//! store's files.
//!
//! What is kept of a withdrawal joins nothing: a count of records and how far the feed reached. Which postings they were is not kept,
//! since that would be the bridge between the citizen's references that the withdrawal erased.

use std::sync::Arc;

use jiff::Timestamp;
use samspor_domain::store::{PostingNo, Read, Result, Seq, Store, StoreError};
use samspor_domain::{FactNo, Kind, Rank, Scope, Text};
use samspor_vault::Vault;
use serde::{Deserialize, Serialize};

use crate::keyring::Keyring;
use crate::scrub;

/// The store's value of a withdrawal: this and the consent's number.
const OF: &str = "withdrawal:";
/// The store's value that lists the withdrawals that the files may still hold.
const IN_FILES: &str = "withdrawals-in-files";
/// How much is read at a time.
const SLICE: usize = 500;

/// What the store keeps of a withdrawal.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Noted {
    /// How many records took back or changed a tag.
    records: i64,
    /// The last record that this caused, or that there was before.
    until: i64,
    /// When what was erased was overwritten in the files, in microseconds.
    gone: Option<i64>,
}

/// How far the end of a consent has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// The version that ended it.
    pub version: i64,
    /// Whether it was withdrawn or deleted.
    pub rank: Rank,
    /// When that was registered.
    pub registered: Timestamp,
    /// How many records of the feed took back or changed a tag by it; none where nothing of it was held when it ended, as where
    /// a restored store was told again.
    pub records: Option<i64>,
    /// Whether the store holds neither what the consent said nor whom it was about.
    pub is_erased: bool,
    /// When that was overwritten in the store's files; none while that is still to be done.
    pub gone: Option<Timestamp>,
    /// What targets know of it.
    pub targets: Vec<WithdrawnAt>,
}

/// What a target knows of a withdrawal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithdrawnAt {
    /// The target.
    pub target: Text,
    /// How many records up to the last one that the withdrawal caused it is still to get: at least one, until it is past that.
    pub waiting: i64,
    /// How many records by which a tag was taken back because some consent ended are parked of it: it does not get those for now.
    pub parked: i64,
}

impl WithdrawnAt {
    /// Whether it has confirmed everything.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.waiting == 0 && self.parked == 0
    }
}

/// There is nothing to prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotWithdrawn {
    /// The store knows no such consent.
    #[error("there is no such consent")]
    Unknown,
    /// It is live.
    #[error("the consent is live: it was neither withdrawn nor deleted")]
    Live,
}

fn key(consent: FactNo) -> String {
    format!("{OF}{}", consent.0)
}

fn read_value<T: Default + for<'a> Deserialize<'a>>(
    read: &mut (impl Read + ?Sized),
    key: &str,
) -> Result<Option<T>> {
    let bytes = read.meta(key)?.filter(|bytes| !bytes.is_empty());
    let damaged = |_| StoreError::Damaged("what is kept of a withdrawal cannot be read".into());
    bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(damaged)).transpose()
}

fn write_value(store: &mut dyn Store, key: &str, value: &impl Serialize) -> Result<()> {
    let bytes = serde_json::to_vec(value).map_err(|error| StoreError::Failed(Box::new(error)))?;
    store.set_meta(key, &bytes)
}

/// Keeps what the end of a consent did since the feed reached so far, in the transaction that ends it.
pub(crate) fn note_withdrawn(store: &mut dyn Store, consent: FactNo, since: Seq) -> Result<()> {
    let until = store.last_seq()?.0;
    write_value(store, &key(consent), &Noted { records: until - since.0, until, gone: None })?;
    let mut left: Vec<i64> = read_value(store, IN_FILES)?.unwrap_or_default();
    left.push(consent.0);
    write_value(store, IN_FILES, &left)
}

/// Everything that was erased is overwritten in the files.
pub(crate) fn note_scrubbed(store: &mut dyn Store, now: Timestamp) -> Result<()> {
    let left: Vec<i64> = read_value(store, IN_FILES)?.unwrap_or_default();
    for consent in left.iter().map(|no| key(FactNo(*no))) {
        let noted: Noted = read_value(store, &consent)?.unwrap_or_default();
        write_value(store, &consent, &Noted { gone: Some(now.as_microsecond()), ..noted })?;
    }
    if left.is_empty() { Ok(()) } else { store.set_meta(IN_FILES, &[]) }
}

/// How far the end of a consent has come.
pub fn withdrawal(
    read: &mut dyn Read,
    vault: &Arc<Vault>,
    consent: &Text,
) -> Result<std::result::Result<Withdrawal, NotWithdrawn>> {
    let keyring = Keyring::load(Arc::clone(vault), read)?;
    let id = keyring.scope(Scope::Registry).id(Kind::Consent, consent);
    let Some(row) = read.find_fact(Scope::Registry, Kind::Consent, &id)? else {
        return Ok(Err(NotWithdrawn::Unknown));
    };
    if row.newest.rank == Rank::Live {
        return Ok(Err(NotWithdrawn::Live));
    }
    let noted: Option<Noted> = read_value(read, &key(row.no))?;
    let until = noted.map_or(Seq::default(), |noted| Seq(noted.until));
    let mut targets = Vec::new();
    for (target, at) in read.cursors()? {
        // Where newer records have taken the place of all of these, it is to get those, and knows of no end until it is there.
        let waiting = if at >= until { 0 } else { count_between(read, at, until)?.max(1) };
        let parked = parked_withdrawals(read, &target)?;
        targets.push(WithdrawnAt { target, waiting, parked });
    }
    let versions = read.versions(row.no)?;
    let gone = match noted {
        Some(noted) => noted.gone.and_then(|at| Timestamp::from_microsecond(at).ok()),
        // There was nothing of it to be erased then.
        None => (!scrub::is_owed(read)?).then_some(row.newest.registered),
    };
    Ok(Ok(Withdrawal {
        version: row.newest.version,
        rank: row.newest.rank,
        registered: row.newest.registered,
        records: noted.map(|noted| noted.records),
        // The version that ended it says its id, which is no reference to anybody, and nothing else.
        is_erased: versions.iter().all(|version| version.rank != Rank::Live || version.body.is_none()),
        gone,
        targets,
    }))
}

/// How many records between two are their posting's newest.
fn count_between(read: &mut dyn Read, after: Seq, until: Seq) -> Result<i64> {
    Ok(read.count_newest_after(after)? - read.count_newest_after(until)?)
}

/// How many parked records stand before the end of a tag that the target has: what it was handed last was erased since.
/// Whatever came of the posting afterwards, it knows nothing of that yet.
fn parked_withdrawals(read: &mut dyn Read, target: &Text) -> Result<i64> {
    let (mut after, mut found) = (PostingNo::default(), 0);
    loop {
        let page = read.parked(target, after, SLICE)?;
        for parked in &page {
            let Some(had) = read.handed(target, parked.posting)? else { continue };
            let records = read.records_of(parked.posting)?;
            let had = records.iter().find(|record| record.revision == had.revision);
            found += i64::from(had.is_some_and(|record| record.payload.is_none()));
        }
        match page.last() {
            Some(last) if page.len() == SLICE => after = last.posting,
            _ => return Ok(found),
        }
    }
}
