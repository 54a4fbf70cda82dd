//! A target gets again what it had from a point of the feed on, for a receiver that lost its last days: of every posting the
//! newest record, with the revision and the message id that it has anyway.
//!
//! A target's place is its cursor, and that is all that moves. What it has stays in the books until it is handed over anew, so
//! they balance all the time; only what is on its way again is not reconciled. A receipt of what the receiver lost says
//! nothing any more: it is awaited anew as soon as its record is handed over again. What is parked is tried again when its turn
//! comes, and parked again where it fails again or its month is closed. The store stays the one place that knows how far a
//! target has come: what a delivery says that began before is not heard.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use samspor_domain::store::{Read, Result, Seq, StoreError};
use samspor_domain::{Handed, Text};

use crate::control::Control;
use crate::core::Core;
use crate::cursor::{self, CursorError, Place};
use crate::status::target_part;
use crate::writer::Unavailable;

/// How the names of the store's values begin that say when targets began to get records again.
const REPLAYED: &str = "replayed ";

/// From where a target gets records again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayFrom {
    /// From the first on.
    Beginning,
    /// From the first that was registered at that instant or later.
    Time(Timestamp),
    /// From the first after a cursor that a reader of the feed was given, whoever that was.
    Cursor(String),
}

/// Why a target does not get records again. Nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum NotReplayed {
    /// The store knows no such target.
    #[error("the store knows no target of that name; it knows: {}", .known.join(", "))]
    Unknown {
        /// Those that it knows.
        known: Vec<String>,
    },
    /// Postings pass on to it as they came.
    #[error(
        "postings pass on to this target as they came, each once, and what has passed on is kept no longer"
    )]
    Forwards,
    /// There is no way to go on from there.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The store did not take it.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// When targets began to get records again.
pub(crate) type Replayed = BTreeMap<Text, Timestamp>;

/// Reads them from the store.
pub(crate) fn load(read: &mut (impl Read + ?Sized)) -> Result<Replayed> {
    let damaged = || StoreError::Damaged("when a target began to get records again cannot be read".into());
    let mut replayed = Replayed::new();
    for (key, at) in read.metas(REPLAYED)?.into_iter().filter(|(_, at)| !at.is_empty()) {
        let name = Text::new(&key[REPLAYED.len()..]).map_err(|_| damaged())?;
        let at = at.try_into().map(i64::from_be_bytes).map_err(|_| damaged())?;
        replayed.insert(name, Timestamp::from_microsecond(at).map_err(|_| damaged())?);
    }
    Ok(replayed)
}

/// Counts how often targets were told to get records again since the gateway started. What a delivery says under an earlier
/// count is not heard: it tells of what the receiver lost.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<BTreeMap<Text, u64>>>);

impl Turns {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Text, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn of(&self, target: &Text) -> u64 {
        self.lock().get(target).copied().unwrap_or_default()
    }

    fn next(&self, target: &Text) {
        *self.lock().entry(target.clone()).or_default() += 1;
    }
}

impl Control {
    /// Lets a target get records again from a point on, whether it is at work or paused. Answers how many records it is to get
    /// now, those that it had not yet among them.
    pub async fn replay_target(
        &self,
        target: &Text,
        from: ReplayFrom,
    ) -> std::result::Result<i64, NotReplayed> {
        let (epoch, name) = (self.handle.epoch, target.clone());
        let cursor = match &from {
            ReplayFrom::Cursor(text) => Some(Place::read(text, &self.handle.vault().cursors())?),
            _ => None,
        };
        if cursor.as_ref().is_some_and(|place| place.epoch != epoch) {
            return Err(CursorError::OfAnotherEpoch.into());
        }
        let to = match (&from, cursor) {
            (_, Some(place)) => place.seq,
            // Looked for beside the writer. What is registered meanwhile is later still.
            (ReplayFrom::Time(at), _) => {
                let at = *at;
                self.handle.unaudited().read(move |read, _| last_before(read, at)).await?
            }
            _ => Seq::default(),
        };
        let units = self.units.clone();
        let done = self.handle.run(move |core, now| {
            let rewound = core.rewind(&name, to, now)?;
            if rewound.is_ok() {
                core.turns.next(&name);
                units.lock().begin_anew(&target_part(&name));
            }
            Ok(rewound)
        });
        done.await?
    }
}

/// The last record that is its posting's newest and was registered before an instant. Registrations never go back, so it is
/// looked for by halves.
fn last_before(read: &mut dyn Read, at: Timestamp) -> Result<Seq> {
    let (mut low, mut high) = (0, read.last_seq()?.0);
    while low < high {
        let middle = low + (high - low) / 2;
        match read.newest_between(Seq(middle), Seq(high), 1)?.first() {
            Some((row, _)) if row.registered < at => low = row.seq.0,
            _ => high = middle,
        }
    }
    Ok(Seq(low))
}

impl Core {
    /// Moves a target's cursor back. Answers how many records it is to get then.
    fn rewind(
        &mut self,
        target: &Text,
        to: Seq,
        now: Timestamp,
    ) -> Result<std::result::Result<i64, NotReplayed>> {
        if self.lines.contains_key(target) {
            return Ok(Err(NotReplayed::Forwards));
        }
        let known = self.store.cursors()?;
        if known.iter().all(|(name, _)| name != target) {
            let known = known.into_iter().map(|(name, _)| name.to_string()).collect();
            return Ok(Err(NotReplayed::Unknown { known }));
        }
        if to > self.store.last_seq()? {
            return Ok(Err(CursorError::Ahead.into()));
        }
        // At the beginning a receiver has nothing that would have to be taken off.
        if to > Seq::default() && cursor::purged(&mut *self.store)? > to {
            return Ok(Err(CursorError::TooOld.into()));
        }
        // As precise as the store keeps instants.
        let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        self.transaction(|core| {
            core.store.rewind(target, to)?;
            core.note_replayed(target, &now.as_microsecond().to_be_bytes())
        })?;
        self.replayed.insert(target.clone(), now);
        let at = self.store.cursor(target)?;
        self.store.count_newest_after(at).map(Ok)
    }

    fn note_replayed(&mut self, target: &Text, at: &[u8]) -> Result<()> {
        self.store.set_meta(&format!("{REPLAYED}{target}"), at)
    }

    /// Forgets when a target began to get records again, as a part of a transaction.
    pub(crate) fn forget_replay(&mut self, target: &Text) -> Result<()> {
        match self.replayed.remove(target) {
            Some(_) => self.note_replayed(target, &[]),
            None => Ok(()),
        }
    }

    /// Whether a target had a record only before it began to get records again: then what its receipt says counts no more.
    pub(crate) fn was_lost(&self, target: &Text, had: &Handed) -> bool {
        self.replayed.get(target).is_some_and(|at| had.at < *at)
    }
}

#[cfg(test)]
mod tests {
    use samspor_domain::Charts;
    use samspor_sqlite::Sqlite;
    use samspor_vault::{Master, Vault};

    use super::*;
    use crate::books::Advance;

    /// As when a receiver confirms what it had before it lost it, or the store took that late.
    #[test]
    fn what_a_delivery_says_that_began_before_is_not_heard() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Box::new(Sqlite::open(dir.path()).expect("a store"));
        let vault = Arc::new(Vault::new(&Master::from_hex(&"5a".repeat(32)).expect("64 digits")));
        let mut core = Core::open(store, vault, Charts::default(), 10).expect("a core");
        let target = Text::new("ledger").expect("a name");
        core.know_targets(&[&target]).expect("it is known");
        let now = Timestamp::UNIX_EPOCH;
        let to = |core: &mut Core, turn, to| {
            let (handed, parked) = (Vec::new(), Vec::new());
            let advance = Advance { target: target.clone(), turn, to, handed, parked, gives_receipts: false };
            core.transaction(|core| core.advance(&advance, now)).expect("it is noted");
            core.store.cursor(&target).expect("a cursor")
        };
        assert_eq!(to(&mut core, 0, Seq(7)), Seq(7));
        assert_eq!(core.rewind(&target, Seq(0), now).expect("it answers").expect("it is taken"), 0);
        core.turns.next(&target);
        assert_eq!(to(&mut core, 0, Seq(9)), Seq(0));
        assert_eq!(to(&mut core, 1, Seq(3)), Seq(3));
    }
}
