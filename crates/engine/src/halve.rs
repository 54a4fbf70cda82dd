//! What breaks costs one item: where deciding panics, the transaction is undone, and halves of it are tried until the
//! one item is found.

use std::panic::{AssertUnwindSafe, catch_unwind};

use samspor_domain::store::{Result, StoreError};
use samspor_domain::{Fault, Reason};

use crate::core::Core;

/// The fault of an item on which the engine panics.
pub(crate) fn broke() -> Fault {
    Fault::new(Reason::Failed, "deciding broke on this message, and nothing of it was done; please report it")
}

/// One try.
pub(crate) enum Tried<T> {
    /// It came to an end, good or bad.
    Done(Result<T>),
    /// It panicked, and was undone.
    Broke,
}

impl Core {
    /// Runs something that makes transactions of the core. Where it panics, the core is as it was before the last one.
    pub(crate) fn attempt<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T>) -> Result<Tried<T>> {
        // Whatever a panic left half done in memory is taken from the store again.
        match catch_unwind(AssertUnwindSafe(|| body(self))) {
            Ok(done) => Ok(Tried::Done(done)),
            Err(_) => self.undo().map(|()| Tried::Broke),
        }
    }

    /// Runs all of a list in one transaction, or where that panics halves of it, down to single ones. `alone` is for one
    /// that panics by itself.
    pub(crate) fn halving<T, R>(
        &mut self,
        all: &[T],
        run: &impl Fn(&mut Self, &[T]) -> Result<Vec<R>>,
        alone: &impl Fn(&mut Self, &T) -> Result<R>,
    ) -> Result<Vec<R>> {
        if let Tried::Done(done) = self.attempt(|core| core.transaction(|core| run(core, all)))? {
            return done;
        }
        match all {
            [] => Ok(Vec::new()),
            [one] => match self.attempt(|core| core.transaction(|core| alone(core, one)))? {
                Tried::Done(done) => Ok(vec![done?]),
                Tried::Broke => Err(StoreError::Failed("keeping a message that broke panics too".into())),
            },
            _ => {
                let (left, right) = all.split_at(all.len() / 2);
                let mut done = self.halving(left, run, alone)?;
                done.extend(self.halving(right, run, alone)?);
                Ok(done)
            }
        }
    }
}
