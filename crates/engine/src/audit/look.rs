//! Looking into the audit log: what was done, newest first, and who looked at or changed what is about somebody or something.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use samspor_domain::audit::{Action, AuditNo, AuditRow, Entry, Subject};
use samspor_domain::store::{Read, Result, Seq, StoreError};
use samspor_domain::{CitizenRef, Text};
use samspor_vault::Vault;

use super::{open_entry, subject};
use crate::citizen::Holdings;
use crate::keyring::Keyring;

/// How many entries one call looks through at most, where a filter lets few through.
const LOOKED_THROUGH: usize = 10_000;
/// How many are read at a time.
const SLICE: i64 = 500;

/// An entry of the log as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its number.
    pub no: AuditNo,
    /// When.
    pub at: Timestamp,
    /// What it says; none where it does not open, which `verify` looks into.
    pub entry: Option<Entry>,
}

impl Said {
    fn of(vault: &Vault, row: &AuditRow) -> Self {
        // One that stands in another's place says nothing of that.
        let entry = open_entry(vault, row).ok().filter(|(no, _)| *no == row.no);
        Self { no: row.no, at: row.at, entry: entry.map(|(_, entry)| entry) }
    }
}

/// Which entries are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// By this caller.
    pub caller: Option<Text>,
    /// Of this action.
    pub action: Option<Action>,
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
}

impl Wanted {
    fn lets_through(&self, said: &Said) -> bool {
        let by = |entry: &Entry| {
            self.caller.as_ref().is_none_or(|caller| *caller == entry.caller)
                && self.action.is_none_or(|action| action == entry.action)
        };
        let is_any = self.caller.is_none() && self.action.is_none();
        self.until.is_none_or(|until| said.at < until) && said.entry.as_ref().map_or(is_any, by)
    }
}

/// A page of entries, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Said>,
    /// Before which entry the next page goes on; none after the last.
    pub next: Option<AuditNo>,
}

/// What was done, newest first, before an entry. A page whose filter lets few through may hold fewer than `limit`, and is not
/// the last one for that.
pub fn list(
    read: &mut dyn Read,
    vault: &Arc<Vault>,
    wanted: &Wanted,
    before: AuditNo,
    limit: usize,
) -> Result<Page> {
    let start = read.audit_start()?.0;
    let mut page = Page::default();
    let mut before = before.0.min(read.audit_head()?.0.0.saturating_add(1));
    let mut looked = 0;
    while before > start.0 + 1 {
        let after = (before - 1 - SLICE).max(start.0);
        // Numbers have no gap, so this is as many as there are between.
        let rows = read.audit_entries(AuditNo(after), usize::try_from(before - 1 - after).unwrap_or(0))?;
        for row in rows.iter().rev().filter(|row| row.no.0 < before) {
            if page.entries.len() >= limit || looked >= LOOKED_THROUGH {
                page.next = Some(AuditNo(row.no.0 + 1));
                return Ok(page);
            }
            looked += 1;
            if wanted.from.is_some_and(|from| row.at < from) {
                return Ok(page);
            }
            let said = Said::of(vault, row);
            if wanted.lets_through(&said) {
                page.entries.push(said);
            }
        }
        before = after + 1;
    }
    Ok(page)
}

/// Somebody who is asked about, as the log names them: a keyed hash of the reference.
#[must_use]
pub fn citizen(vault: &Vault, reference: &CitizenRef) -> Subject {
    Subject::Citizen(vault.audited().reference(reference))
}

/// What the log is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A posting or a fact, by its name.
    Named(Subject),
    /// Everything that is held on a citizen, and the citizen.
    Citizen(CitizenRef),
}

/// The entries about a posting, a fact or a citizen, newest first, before one of them. About a citizen are those that name what
/// is held on them now: facts, postings, their records in ranges of the feed that somebody read, what lies in quarantine, and
/// questions about the citizen.
pub fn about(
    read: &mut dyn Read,
    vault: &Arc<Vault>,
    about: &About,
    before: AuditNo,
    limit: usize,
) -> Result<Page> {
    let mut found = Found { read, before, limit: limit + 1, numbers: BTreeSet::new() };
    match about {
        About::Named(named) => {
            found.subject(vault, named)?;
            if let Subject::Posting { source, id } = named {
                let keyring = Keyring::load(Arc::clone(vault), found.read)?;
                let row = keyring.no(source).map(|no| found.read.find_posting(no, id)).transpose()?.flatten();
                for record in row.map(|row| found.read.records_of(row.no)).transpose()?.into_iter().flatten()
                {
                    found.record(record.seq)?;
                }
            }
        }
        About::Citizen(reference) => {
            let held = Holdings::find(found.read, vault, reference)?;
            for subject in held.subjects(vault) {
                found.subject(vault, &subject)?;
            }
            for set in held.quarantined.iter().flat_map(|entry| &entry.sets) {
                found.subject(vault, &Subject::FrozenSet(set.0))?;
            }
            for record in held.records() {
                found.record(record)?;
            }
        }
    }
    let Found { read, numbers, .. } = found;
    let mut page = Page::default();
    for no in numbers.into_iter().rev() {
        if page.entries.len() == limit {
            page.next = page.entries.last().map(|said| said.no);
            break;
        }
        let row = read.audit_entries(AuditNo(no.0 - 1), 1)?.into_iter().find(|row| row.no == no);
        let row = row.ok_or_else(|| StoreError::Damaged("an entry of the audit log is gone".into()))?;
        page.entries.push(Said::of(vault, &row));
    }
    Ok(page)
}

/// The newest entries that were found.
struct Found<'r> {
    read: &'r mut dyn Read,
    before: AuditNo,
    limit: usize,
    numbers: BTreeSet<AuditNo>,
}

impl Found<'_> {
    fn subject(&mut self, vault: &Vault, named: &Subject) -> Result<()> {
        let Some(hash) = subject(vault, named) else { return Ok(()) };
        let found = self.read.audit_about(&hash, self.before, self.limit)?;
        self.keep(found);
        Ok(())
    }

    fn record(&mut self, seq: Seq) -> Result<()> {
        let found = self.read.audit_about_record(seq.0, self.before, self.limit)?;
        self.keep(found);
        Ok(())
    }

    /// No more than a page, however much there is.
    fn keep(&mut self, found: Vec<AuditNo>) {
        self.numbers.extend(found);
        while self.numbers.len() > self.limit {
            self.numbers.pop_first();
        }
    }
}
