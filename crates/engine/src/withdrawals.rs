//! The log of withdrawals: which consents have ended, written down outside the store, so that restoring a backup revives none.
//!
//! It names no consent and no citizen: a consent's id is a keyed hash there, and each line carries a keyed check of itself, so
//! that nobody without the keys can add one or tell what a line is about.

use jiff::Timestamp;
use samspor_domain::store::{FactVersion, Result, StoreError};
use samspor_domain::{Fact, Kind, Pseudonym, Rank, Scope, SourceName, SourceNo, State};
use samspor_vault::Pseudonyms;
use serde::{Deserialize, Serialize};

use crate::core::Core;
use crate::kept;

/// Where the log is kept.
pub trait WithdrawalLog: Send {
    /// Appends lines, each with its end. When it returns they are durable. The same line twice means what it means once.
    ///
    /// # Errors
    /// They are not durable; they are appended again.
    fn append(&mut self, lines: &str) -> std::io::Result<()>;
}

/// Withdrawals that the transaction holds, and where they are written down before it ends.
#[derive(Default)]
pub(crate) struct Withdrawals {
    log: Option<Box<dyn WithdrawalLog>>,
    lines: String,
}

impl Withdrawals {
    /// Writes down what the transaction withdraws. Before it commits: what is withdrawn durably is in the log then, whatever
    /// becomes of the store; where the commit fails, the message comes again.
    pub(crate) fn write(&mut self) -> Result<()> {
        match &mut self.log {
            Some(log) if !self.lines.is_empty() => log.append(&self.lines).map_err(|error| {
                StoreError::Failed(format!("the log of withdrawals cannot be written: {error}").into())
            }),
            _ => Ok(()),
        }
    }

    /// The transaction has ended, one way or the other.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// The keyed hash of the consent's id, in hexadecimal.
    consent: String,
    /// The version that ended it.
    version: i64,
    /// Whether it was deleted; otherwise it was withdrawn.
    deleted: bool,
    /// When that was registered.
    at: Timestamp,
    /// A keyed hash of the above, in hexadecimal.
    check: String,
}

impl Line {
    fn checked(&self, keys: &Pseudonyms) -> String {
        let Self { consent, version, deleted, at, .. } = self;
        let said = format!("{consent} {version} {deleted} {}", at.as_microsecond());
        hex::encode(keys.text("withdrawal", &said).0)
    }
}

/// A line of the log of withdrawals that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line} of the log of withdrawals was written with another master key, or was changed or damaged, so nobody can say what was \
     withdrawn there; to go on without it, take it out, and have withdrawn anew what was withdrawn since the backup"
)]
pub struct WithdrawalError {
    /// Its number, from 1.
    pub line: usize,
}

impl Core {
    /// Writes down each withdrawal before it is committed. A withdrawal that cannot be written down is not taken: its
    /// message waits, as on a full disk.
    #[must_use]
    pub fn writing_down_withdrawals(mut self, log: Box<dyn WithdrawalLog>) -> Self {
        self.withdrawals.log = Some(log);
        self
    }

    /// Notes that this transaction ends a consent.
    pub(crate) fn note_withdrawal(&mut self, consent: &Pseudonym, version: i64, rank: Rank, at: Timestamp) {
        if self.withdrawals.log.is_none() {
            return;
        }
        let consent = hex::encode(consent.0);
        let mut line = Line { consent, version, deleted: rank == Rank::Deleted, at, check: String::new() };
        line.check = line.checked(self.keyring.scope(Scope::Registry));
        if let Ok(line) = serde_json::to_string(&line) {
            self.withdrawals.lines.push_str(&line);
            self.withdrawals.lines.push('\n');
        }
    }

    /// Ends again what a log of withdrawals says has ended: consents that are live in this store with a lower version, and
    /// those that are not in it yet, so that none of them comes alive when it is put again.
    ///
    /// # Errors
    /// The log is not this store's, and nothing of it was done; or the store does not take it.
    pub fn withdraw_again(
        &mut self,
        log: &str,
        now: Timestamp,
    ) -> std::result::Result<WithdrawnAgain, WithdrawAgainError> {
        let (lines, cut_off) = self.read_log(log)?;
        let mut ended = 0;
        for line in lines {
            ended += usize::from(self.transaction(|core| core.end_again(&line, now))?);
        }
        Ok(WithdrawnAgain { ended, cut_off })
    }

    /// The lines, and the numbers of those that a crash cut off, before what they say was stored.
    fn read_log(&self, log: &str) -> std::result::Result<(Vec<Line>, Vec<usize>), WithdrawalError> {
        let keys = self.keyring.scope(Scope::Registry);
        let (mut lines, mut cut_off) = (Vec::new(), Vec::new());
        for (text, number) in log.lines().zip(1..) {
            match serde_json::from_str::<Line>(text) {
                Ok(line) if line.check == line.checked(keys) => lines.push(line),
                Err(error) if error.is_eof() => cut_off.push(number),
                _ => return Err(WithdrawalError { line: number }),
            }
        }
        Ok((lines, cut_off))
    }

    fn end_again(&mut self, line: &Line, now: Timestamp) -> Result<bool> {
        let now = self.instant(now);
        let mut key = Pseudonym([0; 16]);
        if hex::decode_to_slice(&line.consent, &mut key.0).is_err() {
            return Ok(false); // Its check held, so this cannot be.
        }
        let rank = if line.deleted { Rank::Deleted } else { Rank::Withdrawn };
        let held = self.store.find_fact(Scope::Registry, Kind::Consent, &key)?;
        if held.as_ref().is_some_and(|row| (row.newest.version, row.newest.rank) >= (line.version, rank)) {
            return Ok(false);
        }
        let live = held.as_ref().map(|row| kept::open_live(&self.keyring.vault, row)).transpose()?.flatten();
        let Some((id, _)) = live else {
            // It was put after the backup, or had ended by a lower version: nothing rests on it.
            let no = match held {
                Some(row) => row.no,
                None => self.store.insert_fact(Scope::Registry, Kind::Consent, &key)?,
            };
            let content = self.keyring.scope(Scope::Registry).text("withdrawal", &line.check);
            self.store.see_version(no, line.version, &content)?;
            let version = FactVersion { version: line.version, rank, content, registered: now, body: None };
            self.store.set_newest(no, &version, &[])?;
            return Ok(true);
        };
        let state = if line.deleted { State::Deleted } else { State::Withdrawn };
        let fact = Fact { kind: Kind::Consent, id, version: line.version, state };
        // What is named across the municipality is under the registry's key, whoever says it.
        let (source, name) = (SourceNo(0), SourceName::new("registry"));
        let name = name.map_err(|error| StoreError::Failed(Box::new(error)))?;
        self.fact(source, &name, &fact, now)?;
        Ok(true)
    }
}

/// What came of doing a log of withdrawals again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WithdrawnAgain {
    /// How many consents were ended.
    pub ended: usize,
    /// The lines, from 1, that a crash cut off, before what they say was stored.
    pub cut_off: Vec<usize>,
}

/// Why a log of withdrawals was not done again.
#[derive(Debug, thiserror::Error)]
pub enum WithdrawAgainError {
    /// The log is not this store's.
    #[error(transparent)]
    Log(#[from] WithdrawalError),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
