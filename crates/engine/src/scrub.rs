//! Scrubbing: what was erased is also overwritten in the store's files, in slices between the transactions. That it is
//! owed is written with the erasure, so a process that ends before it is done leaves it to the next one.

use samspor_domain::store::{Read, Result};

use crate::core::Core;

/// The store's value that says that scrubbing is owed.
const OWED: &str = "scrub-owed";

/// How far scrubbing has come.
#[derive(Debug, Default)]
pub(crate) struct Scrubbing {
    /// The place in the files after which to go on; none if nothing is owed.
    after: Option<u32>,
    /// More was erased since it began, maybe before that place.
    again: bool,
    /// The store says that it is owed.
    is_written: bool,
}

impl Scrubbing {
    pub(crate) fn load(store: &mut dyn Read) -> Result<Self> {
        let is_written = store.meta(OWED)?.is_some_and(|owed| !owed.is_empty());
        Ok(Self { after: is_written.then_some(0), again: false, is_written })
    }
}

impl Core {
    /// Something is erased in this transaction.
    pub(crate) fn erased(&mut self) -> Result<()> {
        let scrubbing = &mut self.scrubbing;
        scrubbing.again |= scrubbing.after.is_some_and(|after| after > 0);
        scrubbing.after.get_or_insert(0);
        if !std::mem::replace(&mut scrubbing.is_written, true) {
            self.store.set_meta(OWED, &[1])?;
        }
        Ok(())
    }

    /// Takes the next slice of making sure that what was erased is in no file. Answers whether it is so;
    /// [`StoreError::Locked`](samspor_domain::store::StoreError::Locked) where readers hold it up.
    pub fn scrub(&mut self) -> Result<bool> {
        let Some(after) = self.scrubbing.after else { return Ok(true) };
        if let Some(next) = self.store.scrub(after)? {
            self.scrubbing.after = Some(next);
            return Ok(false);
        }
        if std::mem::take(&mut self.scrubbing.again) {
            self.scrubbing.after = Some(0);
            return Ok(false);
        }
        self.transaction(|core| core.store.set_meta(OWED, &[]))?;
        self.scrubbing = Scrubbing::default();
        Ok(true)
    }
}
