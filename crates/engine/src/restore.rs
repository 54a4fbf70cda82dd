//! What a store that was restored from a backup must do before it goes on: readers of the feed begin anew, and whatever the
//! lost store said after the backup is overtaken.

use jiff::Timestamp;
use samspor_domain::store::{Read, Result};
use samspor_domain::{Cause, Seq, Text};

use crate::adopt::FEED;
use crate::core::Core;
use crate::cursor::{EPOCH, Epoch};
use crate::status::target_part;

/// The store's value of the revision above which this store's first ones are.
const FLOOR: &str = "revision-floor";

/// By how much a restored store's revisions begin above those of the backup's epoch where the clock does not say it: where it
/// was set back since that epoch began.
const EPOCH_REVISIONS: i64 = 1_000_000;

/// How far saying records again has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restating {
    /// The record after which to go on.
    pub after: Seq,
    /// The last record to say again.
    pub until: Seq,
    /// How many were said again so far.
    pub said: u64,
}

/// Above which revision a store's first ones are: 0, but in a restored one.
pub(crate) fn floor<R: Read + ?Sized>(read: &mut R) -> Result<i64> {
    let floor = read.meta(FLOOR)?.and_then(|bytes| Some(i64::from_be_bytes(bytes.try_into().ok()?)));
    Ok(floor.unwrap_or(0))
}

impl Core {
    /// Begins a new epoch of the feed in a store that was restored, with random bytes that name it. Cursors of the old one are
    /// refused from then on, revisions go on above all that the lost store can have made, and targets and readers are paused until
    /// somebody says that the facts since the backup are in again.
    ///
    /// Answers the revision above which the new epoch's are. All that is tagged is said again above it, so a receiver that
    /// has been handed the new epoch's records may take off every tag of that revision or a lower one: the lost store put it
    /// on a posting that has none now, which this store cannot know.
    ///
    /// It is the milliseconds of the instant: no posting changes once a millisecond, so that it is above whatever any store said
    /// before, also one that was restored from the same backup and lost again, of which this one cannot know either.
    ///
    /// # Errors
    /// The store does not take it.
    pub fn begin_epoch(&mut self, epoch: Epoch, targets: &[Text], now: Timestamp) -> Result<i64> {
        let mut known: Vec<Text> = targets.to_vec();
        known.extend(self.store.cursors()?.into_iter().map(|(name, _)| name));
        known.extend(self.store.forwardings()?.into_iter().map(|line| line.target));
        for target in &known {
            self.note_paused(&target_part(target), true)?;
        }
        self.note_paused(FEED, true)?;
        let before = floor(&mut *self.store)?;
        let floor = match now.as_millisecond() {
            now if now > before => now,
            _ => before.saturating_add(EPOCH_REVISIONS),
        };
        self.transaction(|core| {
            core.store.set_meta(EPOCH, &epoch)?;
            core.store.set_meta(FLOOR, &floor.to_be_bytes())
        })?;
        (self.epoch, self.floor) = (epoch, floor);
        Ok(floor)
    }

    /// What is to be said again: all that the feed holds now.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn restating(&mut self) -> Result<Restating> {
        Ok(Restating { after: Seq::default(), until: self.store.last_seq()?, said: 0 })
    }

    /// Says the newest record of some postings again, with a revision above whatever receivers may have had since the backup,
    /// so that they come to have what this store says. Answers how far it has come, and whether that is all.
    ///
    /// # Errors
    /// The store does not take it; nothing of this slice was done.
    pub fn restate(&mut self, restating: Restating, now: Timestamp) -> Result<(Restating, bool)> {
        let Restating { after, until, mut said } = restating;
        let slice = self.slice();
        self.transaction(|core| {
            let now = core.instant(now);
            let revision = core.floor + 1;
            let rows = core.store.newest_after(after, slice)?;
            let last = rows.last().map_or(until, |(row, _)| row.seq);
            for (row, posting) in rows {
                if row.seq <= until
                    && row.revision < revision
                    && let Some(payload) = &row.payload
                {
                    core.store.append(posting.no, revision, Cause::Start, now, payload)?;
                    said += 1;
                }
            }
            Ok((Restating { after: last, until, said }, last >= until))
        })
    }
}
