//! Units: each source and each target is one. A unit that breaks starts again, and each is paused, replaced and removed
//! while the others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use samspor_domain::store::Read;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::deliver::Outlet;
use crate::missing;
use crate::receive::Inlet;
use crate::status::{Condition, Status, files_part, source_part, tags_part, target_part};
use crate::supervise::Backoff;
use crate::writer::Handle;

/// How long a unit that is paused, replaced or removed may take to finish what it has begun. What is not finished then
/// is dropped: it is delivered again, to the gateway or by it.
const DRAIN: Duration = Duration::from_secs(30);
/// A unit that ran for so long before it broke is started again at once.
const STEADY: Duration = Duration::from_mins(1);

/// What a unit does.
pub(crate) enum Work {
    Receive(Inlet),
    Deliver(Box<Outlet>, Box<dyn Read>),
}

impl Work {
    pub(crate) fn part(&self) -> String {
        match self {
            Self::Receive(inlet) => source_part(&inlet.intake.source),
            Self::Deliver(outlet, _) => target_part(&outlet.name),
        }
    }

    async fn run(&mut self, handle: &Handle, status: &Status, stop: &CancellationToken) {
        match self {
            Self::Receive(inlet) => inlet.run(handle, status, stop).await,
            Self::Deliver(outlet, reader) => outlet.run(&mut **reader, handle, status, stop).await,
        }
    }
}

/// What is wanted of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// It runs; where the number becomes another one, it ends what it has begun and begins anew.
    Run(u64),
    Pause,
    /// It ends with the gateway, however long that takes: the gateway's own deadline bounds it.
    Stop,
    /// It ends, and another one takes its name.
    Replace,
    /// It ends for good.
    Leave,
}

impl Wish {
    fn running(is_paused: bool) -> Self {
        if is_paused { Self::Pause } else { Self::Run(0) }
    }
}

struct Unit {
    wish: watch::Sender<Wish>,
    task: JoinHandle<()>,
    is_target: bool,
    /// Somebody paused it.
    is_paused: bool,
    /// How often it was told to begin anew. It outlives a pause: one that waits only for a moment may never see that it was to.
    turn: u64,
}

impl Unit {
    /// Wishes what follows from who paused it, and whether all sources wait. What runs already goes on undisturbed.
    fn wait_or_run(&self, is_draining: bool) {
        let waits = self.is_paused || is_draining && !self.is_target;
        self.wish.send_if_modified(|wish| {
            let is_so = if waits { *wish == Wish::Pause } else { matches!(wish, Wish::Run(_)) };
            if !is_so {
                *wish = if waits { Wish::Pause } else { Wish::Run(self.turn) };
            }
            !is_so
        });
    }
}

/// All units by name.
#[derive(Default)]
pub(crate) struct Units {
    units: BTreeMap<String, Unit>,
    /// Removed ones that have yet to end.
    leaving: BTreeMap<String, JoinHandle<()>>,
    sources: TaskTracker,
    targets: TaskTracker,
    /// The gateway stops: nothing starts, pauses or goes on any more.
    pub(crate) is_stopping: bool,
    /// Nothing more is taken in: sources wait, whether somebody paused them or not.
    is_draining: bool,
}

impl Units {
    /// The names of those that there are.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.units.keys()
    }

    /// Starts a unit. One of the same name ends first, with what it has begun.
    pub(crate) fn start(&mut self, work: Work, is_paused: bool, handle: &Handle, status: &Status) {
        if self.is_stopping {
            return;
        }
        let part = work.part();
        let is_target = matches!(work, Work::Deliver(..));
        let waits = is_paused || self.is_draining && !is_target;
        let (wish, wished) = watch::channel(Wish::running(waits));
        let before = match self.units.remove(&part) {
            Some(unit) => {
                unit.wish.send_replace(Wish::Replace);
                Some(unit.task)
            }
            None => {
                // At once, so that nobody sees a board on which only others stand.
                status.set(&part, Condition::Starting);
                self.leaving.remove(&part)
            }
        };
        let keeper =
            Keeper { part: part.clone(), work, wished, handle: handle.clone(), status: status.clone() };
        let tracker = if is_target { &self.targets } else { &self.sources };
        let task = tracker.spawn(keeper.keep(before));
        self.units.insert(part, Unit { wish, task, is_target, is_paused, turn: 0 });
    }

    /// Ends those whose names are not among these.
    pub(crate) fn retain(&mut self, names: &BTreeSet<String>) {
        if self.is_stopping {
            return; // They end anyhow.
        }
        self.leaving.retain(|_, task| !task.is_finished());
        for (part, unit) in self.units.extract_if(.., |part, _| !names.contains(part)) {
            unit.wish.send_replace(Wish::Leave);
            self.leaving.insert(part, unit.task);
        }
    }

    /// Lets a unit wait, or go on. Does nothing where there is none of that name.
    pub(crate) fn pause(&mut self, part: &str, is_paused: bool) {
        let is_draining = self.is_draining;
        if let Some(unit) = self.units.get_mut(part).filter(|_| !self.is_stopping) {
            unit.is_paused = is_paused;
            unit.wait_or_run(is_draining);
        }
    }

    /// Lets all sources wait, or those go on that nobody paused.
    pub(crate) fn drain(&mut self, is_draining: bool) {
        self.is_draining = is_draining;
        for unit in self.units.values_mut().filter(|_| !self.is_stopping) {
            unit.wait_or_run(is_draining);
        }
    }

    /// Lets a unit that runs end what it has begun and begin anew. One that waits does so when it goes on.
    pub(crate) fn begin_anew(&mut self, part: &str) {
        if let Some(unit) = self.units.get_mut(part).filter(|_| !self.is_stopping) {
            unit.turn += 1;
            let anew = Wish::Run(unit.turn);
            unit.wish.send_if_modified(|wish| {
                let runs = matches!(wish, Wish::Run(_));
                if runs {
                    *wish = anew;
                }
                runs
            });
        }
    }

    /// Tells all sources, or all targets, to end. What it gives waits until they have.
    pub(crate) fn stop(&mut self, targets: bool) -> TaskTracker {
        self.is_stopping = true;
        for unit in self.units.values().filter(|unit| unit.is_target == targets) {
            unit.wish.send_replace(Wish::Stop);
        }
        let tracker = if targets { &self.targets } else { &self.sources };
        tracker.close();
        tracker.clone()
    }
}

/// Who keeps a unit running.
struct Keeper {
    part: String,
    work: Work,
    wished: watch::Receiver<Wish>,
    handle: Handle,
    status: Status,
}

impl Keeper {
    /// Does what is wished, after another unit's end if there is one to wait for.
    async fn keep(mut self, before: Option<JoinHandle<()>>) {
        if let Some(before) = before {
            let _ = before.await;
            self.status.set(&self.part, Condition::Starting);
        }
        let Work::Deliver(outlet, _) = &self.work else { return self.keep_running().await };
        let (name, within) = (outlet.name.clone(), outlet.policy.receipt_within);
        let receipts = missing::look(name, within, self.handle.clone(), self.status.clone());
        tokio::select! {
            biased;
            () = self.keep_running() => {}
            () = receipts => {}
        }
    }

    async fn keep_running(&mut self) {
        let mut backoff = Backoff::default();
        loop {
            let wish = *self.wished.borrow_and_update();
            match wish {
                Wish::Run(_) => self.run(wish, &mut backoff).await,
                Wish::Pause => {
                    self.status.set(&self.part, Condition::Paused);
                    // A sender that is gone lets nobody go on any more.
                    if self.wished.changed().await.is_err() {
                        return;
                    }
                }
                Wish::Stop => return self.status.set(&self.part, Condition::Stopped),
                Wish::Replace => return,
                Wish::Leave => {
                    match &self.work {
                        Work::Deliver(outlet, _) => {
                            self.status.remove(&missing::receipts_part(&outlet.name));
                            self.status.remove(&tags_part(&outlet.name));
                        }
                        Work::Receive(inlet) => self.status.remove(&files_part(&inlet.intake.source)),
                    }
                    return self.status.remove(&self.part);
                }
            }
        }
    }

    /// Runs until something else is wished, or it breaks.
    async fn run(&mut self, own: Wish, backoff: &mut Backoff) {
        let Self { part, work, wished, handle, status } = self;
        let (stop, begun) = (CancellationToken::new(), Instant::now());
        let mut running = std::pin::pin!(AssertUnwindSafe(work.run(handle, status, &stop)).catch_unwind());
        let wish = tokio::select! {
            biased;
            ended = &mut running => {
                if ended.is_err() {
                    let what = part.split(' ').next().unwrap_or_default();
                    status.set(part, Condition::Down(format!("the {what} broke; please report it")));
                }
                if begun.elapsed() > STEADY {
                    backoff.reset();
                }
                None
            }
            wish = wished.wait_for(|wish| *wish != own) => Some(wish.map_or(Wish::Stop, |wish| *wish)),
        };
        match wish {
            None => {
                // Told something else meanwhile, it does not wait.
                tokio::select! {
                    biased;
                    () = backoff.wait(&stop) => {}
                    _ = wished.changed() => {}
                }
            }
            Some(Wish::Stop) => {
                stop.cancel();
                let _ = running.await;
            }
            Some(Wish::Run(_) | Wish::Pause | Wish::Replace | Wish::Leave) => {
                stop.cancel();
                let drained = async {
                    let _ = running.await;
                    // What it has said to the writer is durable when this is answered, so that whoever comes next goes
                    // on from there and delivers nothing again.
                    let _ = handle.run(|_, _| Ok(())).await;
                };
                // A stop of the whole gateway bounds this too, and may come sooner.
                if timeout(DRAIN, drained).await.is_err() {
                    tracing::warn!(part, "it did not finish in time; nothing is lost, the rest comes again");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A watch tells the last wish alone, so whoever looks late may see none of those between.
    #[tokio::test]
    async fn one_that_is_paused_told_to_begin_anew_and_resumed_before_it_looks_begins_anew() {
        let mut units = Units::default();
        let (wish, wished) = watch::channel(Wish::running(false));
        let own = *wished.borrow();
        let task = units.targets.spawn(async {});
        let unit = Unit { wish, task, is_target: true, is_paused: false, turn: 0 };
        units.units.insert("target ledger".into(), unit);
        units.pause("target ledger", true);
        units.begin_anew("target ledger");
        units.pause("target ledger", false);
        assert!(matches!(*wished.borrow(), Wish::Run(_)) && *wished.borrow() != own);
        // Paused and resumed alone, it goes on as it was.
        let own = *wished.borrow();
        units.pause("target ledger", true);
        units.pause("target ledger", false);
        assert!(*wished.borrow() == own);
    }
}
