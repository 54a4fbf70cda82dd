//! What an operator does with a gateway that runs: look at it, pause and resume parts of it, give it another
//! configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use samspor_domain::audit::Entry;
use samspor_domain::store::Outcome;
use samspor_domain::{PostingNo, Seq, SourceName, Text};
use tokio::time::Instant;

use crate::adopt::{FEED, Settings};
use crate::deliver::Outlet;
use crate::intake::Intake;
use crate::receive::Inlet;
use crate::silent::receipts_of;
use crate::status::{Condition, Parts, Status, source_part, target_part};
use crate::unit::{Units, Work};
use crate::writer::{Handle, Unavailable};

/// The units, which the gateway and those who control it share.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Units>>);

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Units> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to a running gateway for those who operate it. The gateway ends only when all of them are dropped.
#[derive(Clone)]
pub struct Control {
    pub(crate) handle: Handle,
    pub(crate) status: Status,
    pub(crate) units: Shared,
}

/// What a gateway is to be from now on.
pub struct Plan {
    /// What the core works by.
    pub settings: Settings,
    /// The parts that go on as they are, by name.
    pub unchanged: BTreeSet<String>,
    /// Sources that are new, or take the place of those of the same name.
    pub inlets: Vec<Inlet>,
    /// Targets that are new, or take the place of those of the same name.
    pub outlets: Vec<Outlet>,
    /// The names of all targets, the unchanged ones among them.
    pub targets: Vec<Text>,
}

/// Why a part was neither paused nor resumed, or a target not forgotten.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no such part, or it is none that can be paused.
    #[error("there is no source or target of that name; there are: {}", .known.join(", "))]
    Unknown {
        /// Those that there are.
        known: Vec<String>,
    },
    /// The target is configured, or was until a moment ago and has yet to end.
    #[error(
        "the gateway delivers to this target; take it out of the configuration, have that read again, and wait until \
         `samspor status` no longer shows it"
    )]
    InUse,
    /// The store knows no such target.
    #[error("the store knows no target of that name; it knows: {}", .known.join(", "))]
    UnknownTarget {
        /// Those that it knows.
        known: Vec<String>,
    },
    /// That could not be made to outlive a restart, so it was not done.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What the store says about a gateway's work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Items that came in, by source, those of sources that are gone among them.
    pub received: BTreeMap<SourceName, i64>,
    /// By target, up to where it has everything, and how many records it is still to get.
    pub targets: BTreeMap<Text, (Seq, i64)>,
    /// The last record's number.
    pub last: Seq,
    /// Work items: facts whose postings are still to be decided again.
    pub pending_work: i64,
    /// By target, how many postings without a tag have been kept for long enough, and are not purged before it gives its
    /// receipt of them; those of targets that are gone among them, and none where nothing is purged.
    pub kept_for_receipts: BTreeMap<Text, i64>,
}

/// How far forgetting a target has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgetting {
    /// The posting after which to go on.
    pub after: PostingNo,
    /// Of how many postings the target still has a record, or how many are still to pass on to it. What is parked goes after
    /// these.
    pub left: i64,
}

impl Control {
    /// The same way, of whose first change the audit log tells.
    #[must_use]
    pub fn audited(&self, entry: Entry) -> Self {
        Self { handle: self.handle.audited(entry), ..self.clone() }
    }

    /// Writes what the audit log is to tell, where nothing changes with it.
    pub async fn witness(&self) -> Result<(), Unavailable> {
        self.handle.read(|_, _| Ok(())).await
    }

    /// The way in for callers.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The board on which the parts stand.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.clone()
    }

    /// From now on callers send as these sources, and as no others.
    pub fn set_callers(&self, callers: Vec<Intake>) {
        self.handle.intakes.set_callers(callers);
    }

    /// How the parts are doing.
    #[must_use]
    pub fn parts(&self) -> Parts {
        self.status.watch().borrow().clone()
    }

    /// What the store says, read beside the writer.
    pub async fn numbers(&self) -> Result<Numbers, Unavailable> {
        let until = self.handle.purges_until();
        let ask = move |read: &mut dyn samspor_domain::store::Read| {
            let sources: BTreeMap<_, _> = read.sources()?.into_iter().collect();
            let mut received = BTreeMap::new();
            for count in read.counts()?.into_iter().filter(|count| count.outcome == Outcome::Received) {
                if let Some(name) = sources.get(&count.source) {
                    *received.entry(name.clone()).or_default() += count.items;
                }
            }
            let (mut targets, mut kept_for_receipts) = (BTreeMap::new(), BTreeMap::new());
            for (target, at) in read.cursors()? {
                if let Some(until) = until {
                    kept_for_receipts.insert(target.clone(), read.kept_for_receipts(&target, until)?);
                }
                targets.insert(target, (at, read.count_newest_after(at)?));
            }
            for line in read.forwardings()? {
                let waiting = read.count_forward_after(&line.target, line.cursor)?;
                targets.insert(line.target, (line.cursor, waiting));
            }
            let (last, pending_work) = (read.last_seq()?, read.pending_work()?);
            Ok(Numbers { received, targets, last, pending_work, kept_for_receipts })
        };
        self.handle.read(move |read, _| ask(read)).await
    }

    /// Lets a source or target wait, or go on, also after a restart. Answers whether that is new.
    pub async fn pause(&self, part: &str, is_paused: bool) -> Result<bool, ControlError> {
        {
            let units = self.units.lock();
            if !units.names().any(|name| name == part) {
                return Err(ControlError::Unknown { known: units.names().cloned().collect() });
            }
        }
        let (units, part) = (self.units.clone(), part.to_owned());
        let done = self.handle.run(move |core, _| {
            let is_new = core.note_paused(&part, is_paused)?;
            units.lock().pause(&part, is_paused);
            Ok(is_new)
        });
        Ok(done.await?)
    }

    /// Lets readers of the feed wait, or read on, also after a restart. Answers whether that is new.
    pub async fn pause_feed(&self, is_paused: bool) -> Result<bool, Unavailable> {
        let status = self.status.clone();
        let done = self.handle.run(move |core, _| {
            let is_new = core.note_paused(FEED, is_paused)?;
            status.set(FEED, if is_paused { Condition::Paused } else { Condition::Up });
            Ok(is_new)
        });
        done.await
    }

    /// Forgets a target that is gone: its place in the feed, what it has and what is parked of it. It works for so long,
    /// and a transaction more, in transactions between which others have their turn, after the posting to which it has
    /// come; who tells it to go on until it answers none forgets all of it. Interrupted, it may begin at the beginning.
    /// Under the same name a target then begins anew.
    pub async fn forget_target(
        &self,
        target: &Text,
        mut after: PostingNo,
        so_long: Duration,
    ) -> Result<Option<Forgetting>, ControlError> {
        let known = |read: &mut dyn samspor_domain::store::Read| -> samspor_domain::store::Result<Vec<Text>> {
            let readers = read.cursors()?.into_iter().map(|(name, _)| name);
            Ok(readers.chain(read.forwardings()?.into_iter().map(|line| line.target)).collect())
        };
        let mut known = self.handle.read(move |read, _| known(read)).await?;
        if !known.contains(target) {
            known.sort();
            let known = known.into_iter().map(|name| name.to_string()).collect();
            return Err(ControlError::UnknownTarget { known });
        }
        let until = Instant::now() + so_long;
        loop {
            let (control, name) = (self.clone(), target.clone());
            let slice = self.handle.run(move |core, _| {
                let part = target_part(&name);
                // One that was removed is on the board until it has ended.
                if control.units.lock().names().any(|unit| *unit == part)
                    || control.parts().contains_key(&part)
                {
                    core.refuse_noted();
                    return Ok(Err(ControlError::InUse));
                }
                let next = core.forget_target(&name, after)?;
                if next.is_none() {
                    core.note_paused(&part, false)?;
                }
                Ok(Ok(next))
            });
            let Some(next) = slice.await?? else { return Ok(None) };
            after = next;
            if Instant::now() >= until {
                break;
            }
        }
        let name = target.clone();
        let left = self.handle.read(move |read, _| {
            let shelves = read.shelves()?;
            let has = shelves.iter().filter(|shelf| shelf.target == name).map(|shelf| shelf.sum.postings);
            Ok(has.sum::<i64>() + read.count_forward_after(&name, Seq::default())?)
        });
        Ok(Some(Forgetting { after, left: left.await? }))
    }

    /// Makes the gateway what a plan says: all of it, or after an error nothing. Sources and targets that are neither
    /// unchanged nor there anew are removed; a removed target's cursor stays. While it stops, nothing is taken.
    pub async fn take_over(&self, plan: Plan) -> Result<(), Unavailable> {
        let (units, handle, status) = (self.units.clone(), self.handle.clone(), self.status.clone());
        let done = self.handle.run(move |core, _| {
            if units.lock().is_stopping {
                core.refuse_noted();
                return Ok(Err(Unavailable::stopping()));
            }
            let Plan { settings, unchanged, inlets, outlets, targets } = plan;
            // What may be refused comes before what is written.
            let lines = match core.new_lines(&outlets)? {
                Ok(lines) => lines,
                Err(why) => {
                    core.refuse_noted();
                    return Ok(Err(Unavailable::refusing(why)));
                }
            };
            if let Err(why) = core.note_filters(&outlets)? {
                core.refuse_noted();
                return Ok(Err(Unavailable::refusing(why)));
            }
            core.warn_of_no_room(&outlets);
            let intakes: Vec<Intake> = inlets.iter().map(|inlet| inlet.intake.clone()).collect();
            let receipts = receipts_of(&outlets);
            let mut work: Vec<Work> = inlets.into_iter().map(Work::Receive).collect();
            for outlet in outlets {
                work.push(Work::Deliver(Box::new(outlet), core.store().reader()?));
            }
            let paused = core.paused()?;
            let charts = Arc::new(settings.charts.clone());
            core.adopt(settings, &targets.iter().collect::<Vec<_>>(), &lines)?;
            // From here on nothing fails.
            handle.charts.send_replace(charts);
            core.expect_only(&targets);
            core.expect_receipts(receipts);
            handle.intakes.change(|source| unchanged.contains(&source_part(source)), intakes);
            let mut units = units.lock();
            units.retain(&work.iter().map(Work::part).chain(unchanged).collect());
            for work in work {
                let is_paused = paused.contains(&work.part());
                units.start(work, is_paused, &handle, &status);
            }
            Ok(Ok(()))
        });
        done.await?
    }
}
