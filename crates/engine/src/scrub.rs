//! Scrubbing: what was erased is also overwritten in the store's files, in slices between the transactions. That it is
//! owed is written with the erasure, so a process that ends before it is done leaves it to the next one.

use std::time::Duration;

use jiff::Timestamp;
use samspor_domain::store::{Read, Result};
use tokio::time::Instant;

use crate::citizen;
use crate::core::Core;
use crate::status::{Condition, Status};

/// The store's value that says that scrubbing is owed.
const OWED: &str = "scrub-owed";

/// The name of its part on the status board, once it was held up for long.
pub(crate) const PART: &str = "scrubbing";
/// How long after readers held it up it is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// When it was held up for so long, readers are waited for.
const URGENT: Duration = Duration::from_secs(2);
/// How long they are waited for at a time. The writer takes nothing meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long after it waited in vain it does so again.
const PATIENT_EVERY: Duration = Duration::from_secs(10);
/// When it was held up for so long, somebody is told.
const TELL_AFTER: Duration = Duration::from_mins(1);
/// What is told.
const HOLDS_UP: &str = "what was erased is still in the store's log, which one reader holds for longer than a minute: end \
                        a `samspor reconcile`, a backup or another program that reads the store's file; it is tried again";

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

/// Whether the files may hold something that was erased.
pub(crate) fn is_owed(read: &mut dyn Read) -> Result<bool> {
    Ok(read.meta(OWED)?.is_some_and(|owed| !owed.is_empty()))
}

impl Scrubbing {
    pub(crate) fn load(store: &mut dyn Read) -> Result<Self> {
        let is_written = is_owed(store)?;
        Ok(Self { after: is_written.then_some(0), again: false, is_written })
    }
}

/// What readers hold up, as the writer tries again: at first without waiting for them, since it has other things to do;
/// when that does not get through, it waits for those that are reading, for a moment at a time.
#[derive(Debug, Default)]
pub(crate) struct HeldUp {
    since: Option<Instant>,
    /// When to try again.
    pub(crate) retry_at: Option<Instant>,
    is_told: bool,
}

impl HeldUp {
    /// How long readers may be waited for now. It is more than any read of the gateway's own should take.
    pub(crate) fn patience(&self) -> Duration {
        if self.is_urgent() { PATIENCE } else { Duration::ZERO }
    }

    fn is_urgent(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= URGENT)
    }

    /// Readers held it up.
    pub(crate) fn again(&mut self, status: &Status) {
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        self.retry_at = Some(now + if self.is_urgent() { PATIENT_EVERY } else { RETRY_AFTER });
        if now.duration_since(since) >= TELL_AFTER {
            self.is_told = true;
            status.set(PART, Condition::Down(HOLDS_UP.into()));
        }
    }

    /// It got through.
    pub(crate) fn over(&mut self, status: &Status) {
        if std::mem::take(self).is_told {
            status.set(PART, Condition::Up);
        }
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
    pub fn scrub(&mut self, now: Timestamp) -> Result<bool> {
        self.scrub_patiently(Duration::ZERO, now)
    }

    /// The same, and waits for readers, so long at most.
    pub(crate) fn scrub_patiently(&mut self, patience: Duration, now: Timestamp) -> Result<bool> {
        let Some(after) = self.scrubbing.after else { return Ok(true) };
        if let Some(next) = self.store.scrub(after, patience)? {
            self.scrubbing.after = Some(next);
            return Ok(false);
        }
        if std::mem::take(&mut self.scrubbing.again) {
            self.scrubbing.after = Some(0);
            return Ok(false);
        }
        self.transaction(|core| {
            citizen::note_scrubbed(&mut *core.store, now)?;
            core.store.set_meta(OWED, &[])
        })?;
        self.scrubbing = Scrubbing::default();
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use samspor_domain::Clock;

    use super::*;

    struct Stands;

    impl Clock for Stands {
        fn now(&self) -> jiff::Timestamp {
            jiff::Timestamp::UNIX_EPOCH
        }
    }

    #[tokio::test(start_paused = true)]
    async fn readers_are_waited_for_when_it_is_urgent_and_told_of_when_that_does_not_help() {
        let status = Status::new(Arc::new(Stands));
        let told = || status.watch().borrow().get(PART).map(|report| report.condition.clone());
        let (mut held_up, mut tries) = (HeldUp::default(), 0);
        let begun = Instant::now();
        assert_eq!(held_up.patience(), Duration::ZERO);
        while begun.elapsed() < TELL_AFTER {
            assert_eq!(held_up.patience() > Duration::ZERO, begun.elapsed() >= URGENT);
            assert_eq!(told(), None);
            held_up.again(&status);
            tokio::time::sleep_until(held_up.retry_at.expect("it is tried again")).await;
            tries += 1;
        }
        assert!(tries < 15, "the writer has other things to do: {tries}");
        held_up.again(&status);
        assert!(matches!(told(), Some(Condition::Down(_))));
        held_up.over(&status);
        assert_eq!((told(), held_up.patience()), (Some(Condition::Up), Duration::ZERO));
    }
}
