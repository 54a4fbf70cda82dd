//! The one writer: a task on a thread of its own that owns the core and commits what has gathered in one transaction.

use std::ops::DerefMut;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use samspor_domain::audit::Entry;
use samspor_domain::store::{Read, Seq, StoreError};
use samspor_domain::{Charts, Clock, FactNo, SourceName, Text};
use samspor_vault::Vault;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use crate::blocking;
use crate::books::Advance;
use crate::core::{Became, Core};
use crate::cursor::Epoch;
use crate::halve::Tried;
use crate::intake::{Intakes, Prepared};
use crate::log::Log;
use crate::measure::Measures;
use crate::missing::Misunderstood;
use crate::readers::Readers;
use crate::rekey::{NotRotated, Rekeying};
use crate::replay::Turns;
use crate::retention;
use crate::scrub::HeldUp;
use crate::status::{Condition, Status};
use crate::trace::Tracing;

/// Commands that may wait for the writer; those who would send more wait.
const WAITING: usize = 32;
/// Commands that one transaction takes at most.
const GROUP: usize = 16;
/// How long after purging all that was due the writer looks for more. Where nothing is kept for a day it always does.
const PURGE_EVERY: Duration = Duration::from_mins(10);
/// How long the writer waits before it tries again what the store did not take, where nothing else comes.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How many batches of deliveries are remembered that the store did not take. With more, delivery waits.
const KEPT_ADVANCES: usize = 64;
/// The store's name on the status board.
const PART: &str = "store";
/// The clock's name on it, once it was behind what was registered.
pub(crate) const CLOCK: &str = "clock";
/// How often a clock that is behind is looked at.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(10);

/// The store did not take something, and nothing of it was done; or it did not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store {did_not}: {why}")]
pub struct Unavailable {
    did_not: &'static str,
    why: String,
}

const DID_NOT_TAKE_IT: &str = "did not take it";
const DID_NOT_ANSWER: &str = "did not answer";
/// Why the store is down though it takes things in.
const STALLED: &str = "postings are taken in, but deciding some of them again broke, so those that a changed fact \
                       concerns keep their answers; please report it";

impl Unavailable {
    pub(crate) fn stopping() -> Self {
        Self { did_not: DID_NOT_TAKE_IT, why: "the gateway is stopping".into() }
    }

    pub(crate) fn refusing(why: String) -> Self {
        Self { did_not: DID_NOT_TAKE_IT, why }
    }
}

fn did_not_answer(why: String) -> Unavailable {
    Unavailable { did_not: DID_NOT_ANSWER, why }
}

/// Something to do with the core between two transactions. Its error ends the writer where going on makes it worse.
type Run = Box<dyn FnOnce(&mut Core, Timestamp) -> Result<(), StoreError> + Send>;

enum Command {
    /// Items, and what the audit log says of them.
    TakeIn(Vec<Prepared>, Option<Entry>, oneshot::Sender<Result<Vec<Became>, Unavailable>>),
    Advance(Advance),
    /// What the audit log says of a look.
    Note(Entry, oneshot::Sender<Result<(), Unavailable>>),
    /// Something else that the core does, by transactions of its own. It answers by itself.
    Run(Run),
}

/// The way to the writer, and to what it has written.
#[derive(Clone)]
pub struct Handle {
    // Dropped first: the writer ends with the last of the senders, and closes the store as the last one.
    readers: Arc<Readers>,
    /// Those who read the feed wait for each other, and nobody else waits for them.
    feed_reader: Arc<Mutex<Box<dyn Read>>>,
    vault: Arc<Vault>,
    pub(crate) epoch: Epoch,
    commands: mpsc::Sender<Command>,
    /// How far the feed reaches, and how far the logs of what passes on.
    newest: [watch::Receiver<Seq>; 2],
    /// For how many days what no live consent reaches is kept.
    retention_days: watch::Receiver<Option<u32>>,
    /// How often targets were told to get records again.
    pub(crate) turns: Turns,
    /// Nothing more is taken in.
    pub(crate) draining: Arc<watch::Sender<bool>>,
    /// The charts in force.
    pub(crate) charts: Arc<watch::Sender<Arc<Charts>>>,
    /// Counts releases of what is parked.
    released: Arc<watch::Sender<u64>>,
    clock: Arc<dyn Clock>,
    /// How what lies in quarantine is decoded again.
    pub(crate) intakes: Intakes,
    pub(crate) misunderstood: Misunderstood,
    pub(crate) measures: Arc<Measures>,
    pub(crate) tracing: Tracing,
    /// What the audit log says of what is asked next.
    note: Arc<std::sync::Mutex<Option<Entry>>>,
}

impl Handle {
    /// Hands items over, waiting while the writer is behind. What it returns settles when they are durable.
    pub async fn hand_over(
        &self,
        items: Vec<Prepared>,
    ) -> oneshot::Receiver<Result<Vec<Became>, Unavailable>> {
        let (reply, answer) = oneshot::channel();
        // A writer that has stopped drops the command, and with it the reply.
        let _ = self.commands.send(Command::TakeIn(items, self.noted(), reply)).await;
        answer
    }

    /// Takes items in and waits until they are durable: what became of each, in order.
    pub async fn take_in(&self, items: Vec<Prepared>) -> Result<Vec<Became>, Unavailable> {
        self.hand_over(items).await.await.map_err(|_| Unavailable::stopping()).flatten()
    }

    /// The same way, of which the audit log tells: an entry is written in the transaction of the first that is changed by it,
    /// or before the first answer.
    #[must_use]
    pub fn audited(&self, entry: Entry) -> Self {
        Self { note: Arc::new(std::sync::Mutex::new(Some(entry))), ..self.clone() }
    }

    /// The same way, of which the audit log does not tell.
    pub(crate) fn unaudited(&self) -> Self {
        Self { note: Arc::default(), ..self.clone() }
    }

    fn noted(&self) -> Option<Entry> {
        self.note.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }

    /// Writes an entry to the audit log, together with those of others, and waits until it is durable.
    async fn trace_it(&self, entry: Entry) -> Result<(), Unavailable> {
        let (reply, answer) = oneshot::channel();
        let _ = self.commands.send(Command::Note(entry, reply)).await;
        answer.await.map_err(|_| Unavailable::stopping()).flatten()
    }

    /// Asks the store, beside the writer. A few are answered at once, and more wait; the writer waits
    /// for them only where it scrubs the store's log.
    pub async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut dyn Read, &Arc<Vault>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Unavailable> {
        if let Some(entry) = self.noted() {
            self.trace_it(entry).await?; // No answer without a trace.
        }
        let reader = self.readers.take().await;
        self.ask(reader.ok_or_else(|| did_not_answer("it is closed; please report it".into()))?, ask).await
    }

    /// The same for those who read the feed: they are many, and in no hurry.
    pub(crate) async fn read_feed<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut dyn Read, &Arc<Vault>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Unavailable> {
        if let Some(entry) = self.noted() {
            self.trace_it(entry).await?;
        }
        let vault = Arc::clone(&self.vault);
        // A stream is asked for more before its peer takes what it has. One whose peer takes nothing is not looked at again, so
        // it must not itself stand in the queue for what the others wait for.
        let locked = Arc::clone(&self.feed_reader).lock_owned();
        match blocking::start_with(locked, move |mut reader| ask(&mut **reader, &vault)).await.flatten() {
            Ok(answer) => answer.map_err(|error| did_not_answer(explain(&error))),
            Err(_) => Err(did_not_answer("reading broke; please report it".into())),
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        mut reader: impl DerefMut<Target = Box<dyn Read>> + Send + 'static,
        ask: impl FnOnce(&mut dyn Read, &Arc<Vault>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let vault = Arc::clone(&self.vault);
        match blocking::start(async move { ask(&mut **reader, &vault) }).await {
            Ok(answer) => answer.map_err(|error| did_not_answer(explain(&error))),
            Err(_) => Err(did_not_answer("reading broke; please report it".into())),
        }
    }

    /// Lets the core do something that is one transaction or several, and waits until that is durable.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        body: impl FnOnce(&mut Core, Timestamp) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (reply, answer) = oneshot::channel();
        let note = self.noted();
        let run = move |core: &mut Core, now: Timestamp| {
            note.into_iter().for_each(|entry| core.note(entry, now));
            let tried = core.attempt(|core| {
                let done = body(core, now)?;
                core.keep_noted()?;
                Ok(done)
            });
            core.forget_noted();
            let done = match tried {
                Ok(Tried::Done(done)) => done,
                Ok(Tried::Broke) => Err(StoreError::Failed("it broke; please report it".into())),
                Err(error) => Err(error),
            };
            let (answer, error) = match done {
                Ok(done) => (Ok(done), Ok(())),
                Err(error) => {
                    (Err(Unavailable { did_not: DID_NOT_TAKE_IT, why: explain(&error) }), Err(error))
                }
            };
            let _ = reply.send(answer); // Whoever asked may have gone; it is done all the same.
            error
        };
        let _ = self.commands.send(Command::Run(Box::new(run))).await;
        answer.await.map_err(|_| Unavailable::stopping()).flatten()
    }

    /// Says that a target has come further. It becomes durable with the next transaction; if it does not, those records
    /// are delivered again.
    pub(crate) async fn advance(&self, advance: Advance) {
        let _ = self.commands.send(Command::Advance(advance)).await;
    }

    /// Releases what is parked of a target, so that it is tried again: everything, or that of one posting. What a closed
    /// month holds is not released. Answers how much was.
    pub async fn release_parked(
        &self,
        target: Text,
        posting: Option<(SourceName, Text)>,
    ) -> Result<usize, Unavailable> {
        let tell = Arc::clone(&self.released);
        self.run(move |core, _| {
            let released = core.release_parked(&target, posting.as_ref());
            // Told here, since whoever asked may have gone by then.
            tell.send_modify(|count| *count += 1);
            released
        })
        .await
    }

    /// Lets a held version of a fact change what it would. Answers whether it was held.
    pub async fn release_change(&self, fact: FactNo, version: i64) -> Result<bool, Unavailable> {
        self.run(move |core, _| core.release_change(fact, version)).await
    }

    /// Begins to replace the keys of the store.
    pub async fn rotate_keys(&self) -> Result<Result<Rekeying, NotRotated>, Unavailable> {
        self.run(|core, now| core.rotate_keys(now)).await
    }

    /// Changes when something parked was released.
    pub(crate) fn released(&self) -> watch::Receiver<u64> {
        self.released.subscribe()
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Up to when what was registered has been kept for long enough, and is purged unless something keeps it; none where
    /// nothing is purged.
    #[must_use]
    pub fn purges_until(&self) -> Option<Timestamp> {
        let days = *self.retention_days.borrow();
        retention::until(days?, self.now())
    }

    /// Whether the gateway takes nothing more in, and every change of that.
    #[must_use]
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// The charts by which postings are decided now.
    #[must_use]
    pub fn charts(&self) -> Arc<Charts> {
        Arc::clone(&self.charts.borrow())
    }

    /// The keys, for what is made of them without the store.
    #[must_use]
    pub fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// What is measured of the hot path.
    #[must_use]
    pub fn measures(&self) -> &Measures {
        &self.measures
    }

    /// How far such a log reaches, and every change of it. Whoever reads one is not woken by what is appended to the other.
    pub(crate) fn newest(&self, log: Log) -> watch::Receiver<Seq> {
        let [feed, own] = &self.newest;
        match log {
            Log::Feed => feed.clone(),
            Log::Own => own.clone(),
        }
    }
}

/// The writer before it runs.
pub(crate) struct Writer {
    core: Core,
    clock: Arc<dyn Clock>,
    status: Status,
    commands: mpsc::Receiver<Command>,
    newest: [watch::Sender<Seq>; 2],
    retention_days: watch::Sender<Option<u32>>,
    /// When to look for something to purge.
    purge_at: Instant,
    /// When to try again what the store did not take, if there is such a thing.
    retry_at: Option<Instant>,
    /// How far targets have come, as far as the store did not take it.
    advances: Vec<Advance>,
    measures: Arc<Measures>,
    /// Overwriting what was erased, while readers hold that up.
    held_up: HeldUp,
    /// When to look again at a clock that is behind what was registered.
    clock_at: Option<Instant>,
    /// What was erased could not be overwritten, and nothing has shown since that the store works.
    scrub_failed: bool,
}

impl Writer {
    pub(crate) fn new(
        mut core: Core,
        clock: Arc<dyn Clock>,
        status: Status,
    ) -> Result<(Self, Handle), StoreError> {
        let (send, commands) = mpsc::channel(WAITING);
        let newest = core.ends()?.map(watch::Sender::new);
        let retention_days = watch::Sender::new(core.retention.days);
        let vault = Arc::clone(&core.keyring.vault);
        let readers = Arc::new(Readers::new(core.store())?);
        let feed_reader = Arc::new(Mutex::new(core.store().reader()?));
        let handle = Handle {
            readers,
            feed_reader,
            vault,
            epoch: core.epoch,
            commands: send,
            newest: newest.each_ref().map(watch::Sender::subscribe),
            retention_days: retention_days.subscribe(),
            turns: core.turns.clone(),
            draining: Arc::new(watch::Sender::new(false)),
            charts: Arc::new(watch::Sender::new(Arc::new(core.charts.clone()))),
            released: Arc::new(watch::Sender::new(0)),
            clock: Arc::clone(&clock),
            intakes: Intakes::default(),
            misunderstood: Misunderstood::default(),
            measures: Arc::default(),
            tracing: core.tracing.tracing(),
            note: Arc::default(),
        };
        let measures = Arc::clone(&handle.measures);
        let (purge_at, retry_at, advances, scrub_failed) = (Instant::now(), None, Vec::new(), false);
        let mut writer = Self {
            core,
            clock,
            status,
            commands,
            newest,
            retention_days,
            purge_at,
            retry_at,
            advances,
            measures,
            held_up: HeldUp::default(),
            clock_at: None,
            scrub_failed,
        };
        writer.works();
        writer.look_at_clock();
        Ok((writer, handle))
    }

    /// A reader beside the writer.
    pub(crate) fn reader(&mut self) -> Result<Box<dyn Read>, StoreError> {
        self.core.store().reader()
    }

    /// Runs until every handle is gone and everything handed over is done.
    pub(crate) async fn run(mut self) -> Result<(), StoreError> {
        let mut work_left = true;
        loop {
            // Where it takes turns with others, they have theirs between two transactions.
            tokio::task::yield_now().await;
            let first = if work_left && self.retry_at.is_none() {
                match self.commands.try_recv() {
                    Ok(command) => Some(command),
                    Err(mpsc::error::TryRecvError::Empty) => None,
                    Err(mpsc::error::TryRecvError::Disconnected) => break,
                }
            } else {
                match self.wait().await {
                    Ok(Some(command)) => Some(command),
                    Ok(None) => break,
                    Err(_) => None,
                }
            };
            match first {
                Some(first) => work_left = self.group(Some(first))?,
                None if !self.advances.is_empty() => work_left = self.group(None)?,
                None => {
                    work_left = self.work()? || self.give_up()? || self.purge()?;
                    if self.core.stalled {
                        self.works();
                    }
                }
            }
            work_left |= !self.scrub()?;
            work_left |= self.rekey()?;
            self.look_at_clock();
            let days = self.core.retention.days;
            self.retention_days.send_if_modified(|said| std::mem::replace(said, days) != days);
            for (newest, last) in self.newest.iter().zip(self.core.ends()?) {
                newest.send_if_modified(|newest| std::mem::replace(newest, last) != last);
            }
        }
        self.status.set(PART, Condition::Stopped);
        Ok(())
    }

    /// Waits for the next command; none is the end. An error says that there may be something to purge or to try again.
    async fn wait(&mut self) -> Result<Option<Command>, Elapsed> {
        let purge_at = Some(self.purge_at).filter(|_| self.core.purges() || self.core.audit_days.is_some());
        // What is due does not hurry what is tried again: both need a store that works.
        let until =
            self.retry_at.or(purge_at).into_iter().chain(self.held_up.retry_at).chain(self.clock_at).min();
        let is_full = self.advances.len() >= KEPT_ADVANCES;
        if let (true, Some(retry_at)) = (is_full, self.retry_at) {
            // Whoever would say more waits, and so nothing more is delivered.
            let never = std::future::pending();
            timeout_at(retry_at, never).await
        } else if let Some(until) = until {
            timeout_at(until, self.commands.recv()).await
        } else {
            Ok(self.commands.recv().await)
        }
    }

    /// Decides a slice of the work list again. Answers whether any is left. What fails for now is tried again later.
    fn work(&mut self) -> Result<bool, StoreError> {
        if self.core.store().pending_work()? == 0 {
            self.retry_at = None; // Whether the store works again is not known by that.
            return Ok(false);
        }
        match self.core.work(self.clock.now()) {
            Ok(left) => {
                self.took();
                Ok(left)
            }
            Err(error @ (StoreError::Damaged(_) | StoreError::Unusable(_))) => Err(error),
            Err(error) => {
                self.did_not_take(explain(&error));
                Ok(true)
            }
        }
    }

    /// The store works.
    fn took(&mut self) {
        self.retry_at = None;
        self.works();
    }

    /// The store does not work for now.
    fn did_not_take(&mut self, why: String) {
        self.retry_at = Some(Instant::now() + RETRY_AFTER);
        self.status.set(PART, Condition::Down(why));
    }

    /// Gives up a slice of the receipts that will not come. Answers whether any are left. What fails for now is tried
    /// again later.
    fn give_up(&mut self) -> Result<bool, StoreError> {
        if !self.core.gives_up() {
            return Ok(false);
        }
        match self.core.give_up_receipts() {
            Ok(left) => {
                self.took();
                self.purge_at = Instant::now(); // Something may have waited for them.
                Ok(left)
            }
            Err(error @ (StoreError::Damaged(_) | StoreError::Unusable(_))) => Err(error),
            Err(error) => {
                self.did_not_take(explain(&error));
                Ok(true)
            }
        }
    }

    /// Purges a slice if it is time to. Answers whether any is left. What fails for now is tried again later.
    fn purge(&mut self) -> Result<bool, StoreError> {
        let is_time = self.core.purges_at_once() || self.core.looks_again();
        if !is_time && Instant::now() < self.purge_at {
            return Ok(false);
        }
        let now = self.clock.now();
        let purged = self.core.purge(now).and_then(|left| Ok(self.core.prune_audit(now)? > 0 || left));
        let left = purged.or_else(|error| match error {
            StoreError::Damaged(_) | StoreError::Unusable(_) => Err(error),
            _ => {
                self.status.set(PART, Condition::Down(explain(&error)));
                Ok(false)
            }
        })?;
        if !left {
            self.purge_at = Instant::now() + PURGE_EVERY;
        }
        Ok(left)
    }

    /// Takes a slice of overwriting what was erased. Answers whether none is left to do at once. What fails for now is
    /// tried again; what a reader holds up is tried again later, whether anything else comes or not.
    fn scrub(&mut self) -> Result<bool, StoreError> {
        if self.held_up.retry_at.is_some_and(|at| Instant::now() < at) {
            return Ok(true);
        }
        self.held_up.retry_at = None;
        match self.core.scrub_patiently(self.held_up.patience(), self.clock.now()) {
            Ok(done) => {
                if done {
                    self.held_up.over(&self.status);
                }
                if std::mem::take(&mut self.scrub_failed) {
                    self.took();
                }
                Ok(done)
            }
            Err(error @ (StoreError::Damaged(_) | StoreError::Unusable(_))) => Err(error),
            Err(StoreError::Locked) => {
                self.held_up.again(&self.status);
                Ok(true)
            }
            Err(error) => {
                self.scrub_failed = true;
                self.did_not_take(explain(&error));
                Ok(false)
            }
        }
    }

    /// Puts a slice under the newest keys, where they are being replaced. Answers whether any is left to do at once. What fails
    /// for now is tried again later.
    fn rekey(&mut self) -> Result<bool, StoreError> {
        if self.core.rekeying.is_none() || self.retry_at.is_some() {
            return Ok(self.core.rekeying.is_some());
        }
        match self.core.rekey(self.clock.now()) {
            Ok(left) => {
                self.took();
                Ok(left)
            }
            Err(error @ (StoreError::Damaged(_) | StoreError::Unusable(_))) => Err(error),
            Err(error) => {
                self.did_not_take(explain(&error));
                Ok(true)
            }
        }
    }

    /// Commits a command together with those that wait behind it. Answers whether there may be more to do.
    fn group(&mut self, first: Option<Command>) -> Result<bool, StoreError> {
        let mut batches = Vec::new();
        let mut replies = Vec::new();
        let mut advances = std::mem::take(&mut self.advances);
        let mut runs = Vec::new();
        let mut traces = Vec::new();
        let waiting = std::iter::from_fn(|| self.commands.try_recv().ok());
        for command in first.into_iter().chain(waiting.take(GROUP - 1)) {
            match command {
                Command::TakeIn(items, note, reply) => {
                    note.into_iter().for_each(|entry| self.core.note(entry, self.clock.now()));
                    batches.push(items);
                    replies.push(reply);
                }
                Command::Advance(advance) => advances.push(advance),
                Command::Note(entry, reply) => {
                    self.core.note(entry, self.clock.now());
                    traces.push(reply);
                }
                Command::Run(run) => runs.push(run),
            }
        }
        // A job makes its own transaction.
        let is_transaction = !batches.is_empty() || !advances.is_empty() || !traces.is_empty();
        let begun = Instant::now();
        let grouped = if is_transaction {
            self.core.take_in_group(&batches, &advances, self.clock.now())
        } else {
            Ok(Vec::new())
        };
        self.core.forget_noted();
        match grouped {
            Ok(became) => {
                for trace in traces {
                    let _ = trace.send(Ok(()));
                }
                self.took();
                if is_transaction {
                    self.measures.committed(became.iter().map(Vec::len).sum(), begun.elapsed());
                }
                for (reply, became) in replies.into_iter().zip(became) {
                    let _ = reply.send(Ok(became)); // Whoever asked may have gone; it is done all the same.
                }
            }
            Err(error) => {
                let unavailable = Unavailable { did_not: DID_NOT_TAKE_IT, why: explain(&error) };
                self.did_not_take(unavailable.why.clone());
                // Nobody says them again.
                self.advances = advances;
                for trace in traces {
                    let _ = trace.send(Err(unavailable.clone()));
                }
                for reply in replies {
                    let _ = reply.send(Err(unavailable.clone()));
                }
                if let StoreError::Damaged(_) | StoreError::Unusable(_) = error {
                    return Err(error); // Going on could only make it worse.
                }
            }
        }
        for run in runs {
            match run(&mut self.core, self.clock.now()) {
                Ok(()) => self.took(),
                Err(error @ (StoreError::Damaged(_) | StoreError::Unusable(_))) => return Err(error),
                Err(error) => self.did_not_take(explain(&error)),
            }
        }
        let purge_left = (self.core.purges_at_once() || self.core.looks_again()) && self.purge()?;
        let is_left = purge_left || self.core.gives_up();
        Ok(is_left || !self.core.stalled && self.core.store().pending_work()? > 0)
    }

    /// Says that the store took something.
    fn works(&self) {
        let alarm = self.core.stalled.then(|| STALLED.into());
        self.status.set(PART, alarm.map_or(Condition::Up, Condition::Down));
    }

    /// Says that the clock is behind what was registered, or no longer. The store takes things in all the same.
    fn look_at_clock(&mut self) {
        match self.core.is_ahead_of(self.clock.now()) {
            Some(last) => {
                let why = behind(last);
                if self.clock_at.is_none() {
                    tracing::error!("{why}");
                }
                self.status.set(CLOCK, Condition::Down(why));
                self.clock_at = Some(Instant::now() + LOOK_AT_CLOCK);
            }
            None if self.clock_at.take().is_some() => self.status.set(CLOCK, Condition::Up),
            None => {}
        }
    }
}

/// What is said of a clock that is behind the last registration. It stays the same while that is so.
fn behind(last: Timestamp) -> String {
    format!(
        "the clock is behind what was registered last ({last}): set it right; if that instant was wrong, what arrives \
         is registered at it until then (docs/operations.md says what that means)"
    )
}

/// An error and its causes in one line.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
