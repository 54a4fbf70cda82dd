//! Receipts: what a target's books say of the records that they were handed.

use jiff::Timestamp;
use samspor_domain::store::{PostingRow, Result};
use samspor_domain::{Change, Fault, Fit, Handed, Reason, Receipt, Receipted, Text};
use samspor_vault::{Purpose, Vault};
use serde::{Deserialize, Serialize};

use crate::core::{Became, Core};
use crate::{filter, kept};

/// What a receipt says besides accepted or rejected, as it is sealed: it may be personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wording {
    /// The books' own code.
    pub code: Option<Text>,
    /// In words.
    pub text: Option<String>,
}

impl Core {
    /// Takes in a receipt of a target. It may come before the confirm of its record is noted, and more than once.
    pub(crate) fn receipt(&mut self, target: &Text, receipt: &Receipt, now: Timestamp) -> Result<Became> {
        let source = self.keyring.no(&receipt.source);
        let row = match source {
            Some(source) => self.store.find_posting(source, &receipt.posting)?,
            None => None,
        };
        let Some(row) = row else {
            return Ok(Became::Quarantined(unknown("posting", "no such posting is in the journal")));
        };
        let before = self.store.handed(target, row.no)?;
        // One that the receiver lost, and has again before it is noted, has only this receipt.
        let is_lost = before.as_ref().is_some_and(|had| self.was_lost(target, had));
        if let Some(had) = &before {
            if receipt.revision < had.revision {
                return Ok(Became::Stale); // The target has a newer record, which has a receipt of its own.
            }
            let is_same = receipt.revision == had.revision && !is_lost;
            if let (true, Receipted::Given(verdict, at, _)) = (is_same, &had.receipt) {
                match (receipt.at, receipt.verdict).cmp(&(*at, *verdict)) {
                    std::cmp::Ordering::Less => return Ok(Became::Stale),
                    std::cmp::Ordering::Equal => return Ok(Became::Duplicate),
                    std::cmp::Ordering::Greater => {}
                }
            }
        }
        let (at, change) = match before.as_ref().filter(|had| had.revision == receipt.revision) {
            Some(had) => (if is_lost { now } else { had.at }, had.change),
            None => match self.change_of(target, &row, receipt.revision)? {
                Some(change) => (now, change),
                None => {
                    return Ok(Became::Quarantined(unknown(
                        "revision",
                        "the posting has no such record for this target",
                    )));
                }
            },
        };
        let said = Wording { code: receipt.code.clone(), text: receipt.text.clone() };
        // Texts and nothing else, which JSON always takes.
        let said = serde_json::to_vec(&said).unwrap_or_default();
        let sealed = self.keyring.vault.seal(Purpose::Receipt, &said);
        let receipt_now = Receipted::Given(receipt.verdict, receipt.at, sealed);
        let handed = Handed { revision: receipt.revision, change, at, receipt: receipt_now };
        let entry = self.entry(row.source, &row.posting);
        self.hand(target, row.no, entry, before.as_ref(), &handed)?;
        self.purge_again(&row)?;
        Ok(Became::Receipt)
    }

    /// What a record of a posting did to a target; none if there is no such record, or it is none that the target is given.
    /// What an erased one did no longer matters, and counts as taking the tag off.
    fn change_of(&mut self, target: &Text, row: &PostingRow, revision: i64) -> Result<Option<Change>> {
        let records = self.store.records_of(row.no)?;
        let Some(record) = records.iter().find(|record| record.revision == revision) else { return Ok(None) };
        let Some(said) = kept::open_revision(&self.keyring.vault, record)? else {
            return Ok(Some(Change::Untag));
        };
        let filter = filter::filter(&mut *self.store, &self.keyring.vault, target)?;
        Ok(match filter.fit(&said) {
            Fit::Tag => Some(Change::Tag),
            Fit::Untag => Some(Change::Untag),
            Fit::Nothing => None,
        })
    }
}

/// Opens what a receipt says besides its verdict.
#[must_use]
pub fn wording(vault: &Vault, handed: &Handed) -> Option<Wording> {
    let Receipted::Given(_, _, sealed) = &handed.receipt else { return None };
    serde_json::from_slice(&vault.open(Purpose::Receipt, sealed).ok()?).ok()
}

fn unknown(path: &str, message: &str) -> Fault {
    Fault::at(Reason::InvalidField, path, message)
}
