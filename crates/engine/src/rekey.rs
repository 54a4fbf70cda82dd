//! Replacing the keys of a store while it is used: everything new goes under a new generation at once, and everything older
//! follows in slices between the transactions. How far that is is written with each slice, so that a process that ends
//! leaves it to the next one.

use std::sync::Arc;

use jiff::Timestamp;
use samspor_domain::Text;
use samspor_domain::audit::{Action, Subject};
use samspor_domain::keys::{Covers, Generation, Purpose};
use samspor_domain::store::{Read, Result, Sealed, Store, StoreError};
use samspor_vault::{Master, Vault};
use serde::{Deserialize, Serialize};

use crate::audit;
use crate::core::Core;
use crate::filter;

/// The store's value that holds the secrets of its keys, sealed under the master key.
const RING: &str = "key-ring";
/// The store's value that says how far replacing its keys has come.
const PROGRESS: &str = "rekeying";
/// The store's value by which earlier gateways knew the master key.
const FINGERPRINT: &str = "key-fingerprint";

/// How far replacing the keys has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rekeying {
    /// The generation that everything is put under.
    pub generation: u8,
    /// When it began.
    pub since: Timestamp,
    /// How many rows there were then.
    pub rows: i64,
    /// How many were gone through.
    pub done: i64,
    /// The place after which to go on, as the store writes it.
    after: Vec<u8>,
}

/// What keys a store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysHeld {
    /// By what people tell the master key from others.
    pub master: String,
    /// The generation that everything new is put under.
    pub generation: Generation,
    /// Whether and how far everything older is being put under it.
    pub rekeying: Option<Rekeying>,
}

/// The keys are not replaced now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRotated {
    /// They are being replaced already.
    #[error("the keys are being replaced already ({done} of {rows} rows); wait until that is done")]
    Already {
        /// Rows gone through.
        done: i64,
        /// Rows in all.
        rows: i64,
    },
    /// There are no more generations.
    #[error(transparent)]
    NoMore(#[from] samspor_vault::NoMore),
}

/// The keys of a store, with which it is read from then on.
///
/// # Errors
/// The master key does not open them, nor does the one before it.
pub fn open_keys(
    read: &mut (impl Read + ?Sized),
    master: &Master,
    previous: Option<&Master>,
) -> Result<Arc<Vault>> {
    let ring = read.meta(RING)?;
    let unusable = |error: samspor_vault::RingError| StoreError::Unusable(error.to_string());
    let fingerprint = read.meta(FINGERPRINT)?;
    // Without a ring and without a mark of keys it is a new store, which no earlier key shall ever open.
    let previous = previous.filter(|_| ring.is_some() || fingerprint.is_some());
    let vault = Arc::new(Vault::with_ring(master, previous, ring.as_deref()).map_err(unusable)?);
    if ring.is_none() && fingerprint.is_some_and(|known| known != vault.fingerprint()) {
        return Err(other_key());
    }
    read.set_covers(Arc::clone(&vault) as Arc<dyn Covers>);
    Ok(vault)
}

fn other_key() -> StoreError {
    StoreError::Unusable(
        "it was made with another master key; give the gateway the key that belongs to this store".into(),
    )
}

/// Lets a store be read and written with keys, if they are its own. Answers the ring that it must keep then, if it does not.
pub(crate) fn take(store: &mut dyn Store, vault: &Arc<Vault>) -> Result<Option<Vec<u8>>> {
    let ring = store.meta(RING)?;
    if ring.is_none() && store.meta(FINGERPRINT)?.is_some_and(|known| known != vault.fingerprint()) {
        return Err(other_key());
    }
    let to_keep =
        vault.ring_to_keep(ring.as_deref()).map_err(|error| StoreError::Unusable(error.to_string()))?;
    store.set_covers(Arc::clone(vault) as Arc<dyn Covers>);
    Ok(to_keep)
}

pub(crate) fn keep_ring(store: &mut dyn Store, ring: &[u8]) -> Result<()> {
    store.set_meta(RING, ring)
}

/// How far replacing the keys has come; none where all is under the newest.
pub fn rekeying(read: &mut (impl Read + ?Sized)) -> Result<Option<Rekeying>> {
    let damaged = |_| StoreError::Damaged("how far replacing its keys has come cannot be read".into());
    let written = read.meta(PROGRESS)?.filter(|written| !written.is_empty());
    written.map(|written| serde_json::from_slice(&written).map_err(damaged)).transpose()
}

/// The same, for the writer. Where a transaction that began a generation was durable though its answer was lost, everything
/// new is put under that generation from now on.
pub(crate) fn load(store: &mut dyn Store, vault: &Vault) -> Result<Option<Rekeying>> {
    let rekeying = rekeying(store)?;
    if let Some(rekeying) = &rekeying {
        vault.begin(Generation(rekeying.generation));
    }
    Ok(rekeying)
}

/// What keys a store has, and whether they are being replaced.
pub fn keys_held(read: &mut dyn Read, vault: &Arc<Vault>) -> Result<KeysHeld> {
    let master = vault.key_id().to_string();
    Ok(KeysHeld { master, generation: vault.newest(), rekeying: rekeying(read)? })
}

impl Core {
    /// Begins to replace the keys: everything new is under a new generation from now on.
    ///
    /// # Errors
    /// The store does not take it; then nothing is under the new generation.
    pub fn rotate_keys(&mut self, now: Timestamp) -> Result<std::result::Result<Rekeying, NotRotated>> {
        if let Some(Rekeying { done, rows, .. }) = self.rekeying {
            self.refuse_noted();
            return Ok(Err(NotRotated::Already { done, rows }));
        }
        let added = match self.keyring.vault.add() {
            Ok(added) => added,
            Err(error) => {
                self.refuse_noted();
                return Ok(Err(error.into()));
            }
        };
        let rows = self.store.count_keyed()?;
        let rekeying =
            Rekeying { generation: added.generation.0, since: now, rows, done: 0, after: Vec::new() };
        self.transaction(|core| {
            keep_ring(&mut *core.store, &added.ring)?;
            core.note_rekeying(Some(&rekeying))
        })?;
        // Not before the store keeps its secret: nothing could open what is under it.
        self.keyring.vault.begin(added.generation);
        self.rekeying = Some(rekeying.clone());
        Ok(Ok(rekeying))
    }

    fn note_rekeying(&mut self, rekeying: Option<&Rekeying>) -> Result<()> {
        let written = rekeying.map(serde_json::to_vec).transpose();
        let written = written.map_err(|error| StoreError::Failed(Box::new(error)))?;
        self.store.set_meta(PROGRESS, &written.unwrap_or_default())
    }

    /// Puts the next slice under the newest keys. Answers whether anything is left.
    ///
    /// # Errors
    /// The store does not take it; nothing of the slice was done.
    pub fn rekey(&mut self, now: Timestamp) -> Result<bool> {
        let Some(mut rekeying) = self.rekeying.clone() else { return Ok(false) };
        let slice = self.slice();
        let left = self.transaction(|core| {
            let sliced = core.store.rekey(&rekeying.after, slice)?;
            rekeying.done = rekeying.done.saturating_add(i64::try_from(sliced.rows).unwrap_or(i64::MAX));
            match sliced.after {
                Some(after) => {
                    rekeying.after = after;
                    core.note_rekeying(Some(&rekeying))?;
                    Ok(true)
                }
                None => {
                    core.rekey_filters()?;
                    keep_ring(&mut *core.store, &core.keyring.vault.ring_of_newest())?;
                    let generation = Text::new(&format!("generation {}", rekeying.generation));
                    let generation = generation.map_err(|error| StoreError::Failed(Box::new(error)))?;
                    let entry = audit::itself(Action::RetireKeys, vec![Subject::Part(generation)])?;
                    core.note(entry, now);
                    // What was overwritten in a row may still be in the store's log, or in a page that was given back.
                    core.erased()?;
                    core.note_rekeying(None)?;
                    Ok(false)
                }
            }
        });
        if left.is_err() {
            self.forget_noted();
        }
        let left = left?;
        self.rekeying = left.then_some(rekeying);
        Ok(left)
    }

    /// What targets are given is kept among the store's own values.
    fn rekey_filters(&mut self) -> Result<()> {
        for (key, sealed) in self.store.metas(filter::FILTERS)? {
            if sealed.is_empty() {
                continue;
            }
            if let Some(again) = self.keyring.vault.reseal(Purpose::FilterKey, &Sealed(sealed))? {
                self.store.set_meta(&key, &again.0)?;
            }
        }
        Ok(())
    }
}
