//! The audit log: an entry is written in the transaction of what it tells, sealed, and tied to all before it.

mod look;
mod verify;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use samspor_domain::audit::{Action, AuditLink, AuditNo, AuditRow, Entry, Outcome, Subject};
use samspor_domain::store::{Read, Result, Store, StoreError};
use samspor_domain::{Pseudonym, Text};
use samspor_vault::{OpenError, Purpose, Vault};
use serde::{Deserialize, Serialize};

use crate::core::Core;
pub use look::{About, Page, Said, Wanted, about, citizen, list};
pub use verify::{Break, Checkpoint, Damage, Proof, checkpoint, verify};

/// Who acts where nobody asked: the gateway itself.
/// Who does what the gateway does by itself; no caller is called that.
pub const ITSELF: &str = "samspor";
/// How many entries are looked at or pruned at a time.
const PAGE: usize = 1_000;
/// The store's own name, by which checkpoints of another are told apart: 16 random bytes.
const STORE: &str = "store-id";

/// What is sealed of an entry.
#[derive(Serialize, Deserialize)]
struct Written {
    no: AuditNo,
    entry: Entry,
}

/// What the gateway does by itself.
pub(crate) fn itself(action: Action, subjects: Vec<Subject>) -> Result<Entry> {
    let caller = Text::new(ITSELF).map_err(|error| StoreError::Failed(Box::new(error)))?;
    Ok(Entry { caller, action, subjects, outcome: Outcome::Done })
}

/// The keyed hash of what an entry is about; none of a range of the feed.
#[must_use]
pub fn subject(vault: &Vault, subject: &Subject) -> Option<Pseudonym> {
    if let Subject::Feed { .. } = subject {
        return None;
    }
    let Ok(text) = serde_json::to_string(subject) else { unreachable!("words and numbers are JSON") };
    Some(vault.audited().text("subject", &text))
}

/// What an entry is about, as it stands beside the log: sorted, nothing twice.
fn beside(vault: &Vault, entry: &Entry) -> (Vec<Pseudonym>, Vec<(i64, i64)>) {
    let hashes: BTreeSet<Pseudonym> =
        entry.subjects.iter().filter_map(|known| subject(vault, known)).collect();
    let ranges: BTreeSet<(i64, i64)> = entry
        .subjects
        .iter()
        .filter_map(|known| match known {
            Subject::Feed { from, to } => Some((*from, *to)),
            _ => None,
        })
        .collect();
    (hashes.into_iter().collect(), ranges.into_iter().collect())
}

/// An entry as it was written, if that is what stands there.
pub fn open_entry(vault: &Vault, row: &AuditRow) -> std::result::Result<(AuditNo, Entry), OpenError> {
    read_entry(&vault.open(Purpose::Audit, &row.sealed)?)
}

fn read_entry(plain: &[u8]) -> std::result::Result<(AuditNo, Entry), OpenError> {
    let written: Written = serde_json::from_slice(plain).map_err(|_| OpenError)?;
    Ok((written.no, written.entry))
}

/// Appends an entry in the transaction that is under way.
fn append(store: &mut dyn Store, vault: &Vault, entry: &Entry, at: Timestamp) -> Result<AuditNo> {
    let (last, before): (AuditNo, AuditLink) = store.audit_head()?;
    let written = Written { no: AuditNo(last.0 + 1), entry: entry.clone() };
    let plain = serde_json::to_vec(&written).map_err(|error| StoreError::Failed(Box::new(error)))?;
    let sealed = vault.seal(Purpose::Audit, &plain);
    let link = vault.chain().link(&before, written.no, at.as_microsecond(), &plain);
    let (subjects, ranges) = beside(vault, entry);
    store.append_audit(&AuditRow { no: written.no, at, sealed, link }, &subjects, &ranges)?;
    Ok(written.no)
}

impl Core {
    /// Lets the next transaction write an entry, or none if it fails.
    pub fn note(&mut self, entry: Entry, now: Timestamp) {
        self.noted.push((entry, now));
    }

    /// What was noted and not written is forgotten: what it tells of did not happen.
    pub(crate) fn forget_noted(&mut self) {
        self.noted.clear();
    }

    /// What was noted is refused, and nothing else comes of it.
    pub(crate) fn refuse_noted(&mut self) {
        self.noted.iter_mut().for_each(|(entry, _)| entry.outcome = Outcome::Refused);
    }

    /// Writes what was noted, in the transaction that is under way.
    pub(crate) fn write_noted(&mut self) -> Result<()> {
        for (entry, at) in &self.noted {
            append(&mut *self.store, &self.keyring.vault, entry, *at)?;
        }
        Ok(())
    }

    /// Writes what was noted in a transaction of its own, unless one has written it.
    pub fn keep_noted(&mut self) -> Result<()> {
        if self.noted.is_empty() { Ok(()) } else { self.transaction(|_| Ok(())) }
    }

    /// Writes that the keys are open, by which configuration, and gives a store without a name one.
    pub fn note_open(&mut self, configuration: Option<Text>, now: Timestamp) -> Result<()> {
        let part = Text::new(&self.keyring.vault.key_id().to_string())
            .map_err(|error| StoreError::Failed(Box::new(error)))?;
        let subjects = [part].into_iter().chain(configuration).map(Subject::Part).collect();
        self.note(itself(Action::OpenKeys, subjects)?, now);
        self.transaction(|core| {
            if core.store.meta(STORE)?.is_none() {
                let name = core.keyring.vault.random();
                core.store.set_meta(STORE, &name)?;
            }
            Ok(())
        })
    }

    /// Writes that a backup takes the place of a store that was lost, and gives the store another name: what the lost one wrote after
    /// the backup is not in this log, and checkpoints tell of both. So they do of stores that were restored from the same backup
    /// or an older one and lost again; of those the log knows nothing else than the names that `published` has.
    pub fn note_restore(&mut self, published: &[Checkpoint], now: Timestamp) -> Result<()> {
        let (head, _) = self.store.audit_head()?;
        let own = hex::encode(store_name(&mut *self.store)?);
        let known = verify::names(&mut *self.store, &self.keyring.vault)?;
        let others = published.iter().map(|checkpoint| &checkpoint.store);
        let others: BTreeSet<&String> =
            others.filter(|store| known.iter().all(|(name, _)| name != *store)).collect();
        let names = std::iter::once(&own).chain(others);
        let mut subjects = vec![Subject::AuditUpTo(head)];
        subjects.extend(names.filter_map(|name| Text::new(name).ok()).map(Subject::Part));
        self.note(itself(Action::Restore, subjects)?, now);
        let noted = self.transaction(|core| {
            let name = core.keyring.vault.random();
            core.store.set_meta(STORE, &name)
        });
        self.forget_noted();
        noted
    }

    /// What the log lacks of the newest of the checkpoints that were published, or that another store published it; none where it
    /// holds that.
    pub fn lacks_published(&mut self, published: &[Checkpoint]) -> Result<Option<Break>> {
        verify::lacks(&mut *self.store, &self.keyring.vault, published)
    }

    /// Keeps the entries of the audit log for so many days from now on. Without it they are kept for ever.
    #[must_use]
    pub fn keeping_audit_for(mut self, days: u32) -> Self {
        self.audit_days = Some(days);
        self
    }

    /// Deletes entries that have been kept for long enough, a page at most, and writes that it did. Answers how many.
    pub fn prune_audit(&mut self, now: Timestamp) -> Result<usize> {
        let kept = self.audit_days.map(|days| SignedDuration::from_hours(24 * i64::from(days)));
        let Some(until) = kept.and_then(|kept| now.checked_sub(kept).ok()) else { return Ok(0) };
        let (start, _) = self.store.audit_start()?;
        let page = self.store.audit_entries(start, PAGE)?;
        // Once a day at most: each time is an entry itself.
        let is_due = |first: &AuditRow| first.at.duration_since(until) < SignedDuration::from_hours(-24);
        if !page.first().is_some_and(is_due) {
            return Ok(0);
        }
        let old: Vec<AuditNo> = page.iter().take_while(|row| row.at < until).map(|row| row.no).collect();
        let Some(last) = old.last().copied() else { return Ok(0) };
        self.note(itself(Action::PruneAudit, vec![Subject::AuditUpTo(last)])?, now);
        let done = self.transaction(|core| {
            core.store.prune_audit(last)?;
            core.erased()
        });
        self.forget_noted();
        done.map(|()| old.len())
    }
}

/// The store's own name.
fn store_name(read: &mut dyn Read) -> Result<Vec<u8>> {
    Ok(read.meta(STORE)?.unwrap_or_default())
}
