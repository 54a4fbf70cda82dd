//! Takes the gateway through a schedule, life after life of its process, until all is quiet.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use samspor_conformance::{Chance, Faulty};
use samspor_domain::quarantine::Filter;
use samspor_domain::store::{EntryNo, Month, Read};
use samspor_domain::{Clock, Decode, Encode, Seq};
use samspor_engine::{
    Condition, Control, Core, Gateway, Handle, Inlet, Intake, NotReplayed, NotStarted, Outlet, Permissions,
    Plan, Policy, ReplayFrom, Scribe, Unavailable, held, open_keys, rekeying,
};
use samspor_formats::json;
use samspor_sqlite::Sqlite;
use samspor_vault::{Master, Vault};
use tokio::time::{Instant, sleep, timeout};

use super::disk::Disk;
use super::look::{self, Checked};
use super::purging;
use super::queue::{End as QueueEnd, Message, Queue};
use super::receiver::{Front, Receiver};
use super::schedule::{Settings, Step, TARGETS, let_pass, lose_books, rotate_keys, steps};
use super::town::{self, Decoder, Letter, RECEIPTS, SOURCES};
use super::world::{World, lock};
use crate::stage::text;

/// How long everything may take once nothing goes wrong any more.
const QUIET_WITHIN: Duration = Duration::from_hours(4);
/// How often a process may end before that.
const LIVES: usize = 200;
/// How long an operator waits for what was asked.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a record is tried before it is parked.
pub(crate) const TRIES: u32 = 3;

/// An empty store, which is copied for every run.
static EMPTY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let directory = directory();
    drop(Sqlite::open(directory.path()).unwrap_or_else(|error| panic!("{error}")));
    std::fs::read(directory.path().join("samspor.sqlite")).unwrap_or_else(|error| panic!("{error}"))
});

/// A directory that goes away; in memory where there is such a place, since every transaction is made durable.
fn directory() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.unwrap_or_else(|error| panic!("{error}"))
}

/// Reads the store, and nothing goes wrong with that.
type Reader = Arc<Mutex<Box<dyn Read>>>;

/// Everything of one run.
pub(crate) struct Run {
    pub(crate) world: Arc<World>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) letters: Arc<Vec<Letter>>,
    /// The letters that were sent, and when they first were.
    pub(crate) sent: BTreeMap<usize, Timestamp>,
    pub(crate) queues: Vec<Arc<Queue>>,
    pub(crate) receivers: Vec<Arc<Receiver>>,
    pub(crate) charts: usize,
    directory: tempfile::TempDir,
    master: Master,
    reader: Reader,
    pub(crate) settings: Settings,
    /// The month whose books are closed, and all that ever were.
    closed: Option<Month>,
    pub(crate) ever_closed: BTreeSet<Month>,
    /// What was there when purging was looked at last.
    pub(crate) before: RefCell<purging::Before>,
    /// Postings that came again with other content after they were purged, by source.
    pub(crate) conflicting: BTreeMap<usize, usize>,
    /// How far it has come in becoming quiet.
    phase: usize,
    /// What was released since then, by target.
    released: BTreeSet<(&'static str, Seq)>,
    disk: Arc<Disk>,
    steps: std::vec::IntoIter<(u64, Step)>,
    /// The targets that are still to be told to get everything again.
    lost: BTreeSet<usize>,
    /// A reload of which nobody knows whether it was done.
    reloads: bool,
    /// The targets are to be made anew in the next one.
    closes: bool,
}

/// Who operates the gateway.
struct Operator {
    control: Control,
    handle: Handle,
}

impl Operator {
    fn of(gateway: &Gateway) -> Self {
        Self { control: gateway.control(), handle: gateway.handle() }
    }
}

/// How a process ended.
enum End {
    /// Another one is to be started.
    Again,
    /// All is quiet, and it was stopped.
    Quiet,
}

impl Run {
    pub(crate) fn new(seed: u64, world: Arc<World>, is_plain: bool) -> Self {
        let mut chance = Chance::new(seed, 0);
        let mut more = (!is_plain).then(|| Chance::new(seed, 1));
        let mut letters = town::letters(&mut chance);
        let settings = Settings::random(&mut chance, more.as_mut());
        if settings.passes {
            // What lies in quarantine for too long is purged there, and never understood.
            letters = letters.into_iter().map(Letter::understood).collect();
        }
        let mut steps = steps(&letters, settings, &mut chance);
        if let Some(more) = &mut more {
            let_pass(&mut steps, settings, letters.len(), more);
            rotate_keys(&mut steps, more);
            lose_books(&mut steps, settings, more);
        }
        if settings.passes {
            letters.extend(town::withdrawals());
        }
        letters.extend(town::last_letters());
        let letters = Arc::new(letters);
        let directory = directory();
        std::fs::write(directory.path().join("samspor.sqlite"), &*EMPTY).unwrap_or_else(|e| panic!("{e}"));
        let master = Master::from_hex(&"5a".repeat(32)).unwrap_or_else(|error| panic!("{error}"));
        let mut reader = Sqlite::open_reader(directory.path()).unwrap_or_else(|error| panic!("{error}"));
        let vault = open_keys(&mut reader, &master, None).unwrap_or_else(|error| panic!("{error}"));
        let reader: Reader = Arc::new(Mutex::new(Box::new(reader)));
        let queue = |source| {
            let (reader, vault, letters) = (Arc::clone(&reader), Arc::clone(&vault), Arc::clone(&letters));
            let is_stored =
                move |letter: usize| look::is_stored(&mut **lock(&reader), &vault, &letters[letter]);
            Arc::new(Queue::new(Arc::clone(&world), source, seed, Box::new(is_stored)))
        };
        let queues: Vec<Arc<Queue>> = (0..SOURCES.len()).map(queue).collect();
        let receiver = |target: usize| {
            let receipts = (target == 0).then(|| Arc::clone(&queues[RECEIPTS]));
            let part = (SOURCES.len() + target) as u64;
            let answers = settings.answers && target == 0;
            let name = TARGETS[target];
            let (_, filter) = settings.reader(name);
            Arc::new(Receiver::new(Arc::clone(&world), name, filter, part, seed, receipts, answers))
        };
        let receivers = (0..settings.targets).map(receiver).collect();
        let disk = Arc::new(Disk::new(Arc::clone(&world), seed));
        Self {
            world,
            vault,
            letters,
            sent: BTreeMap::new(),
            closed: settings.closed,
            ever_closed: settings.closed.into_iter().collect(),
            before: RefCell::default(),
            conflicting: BTreeMap::new(),
            phase: 0,
            released: BTreeSet::new(),
            queues,
            receivers,
            charts: 0,
            directory,
            master,
            reader,
            settings,
            disk,
            steps: steps.into_iter(),
            lost: BTreeSet::new(),
            reloads: false,
            closes: false,
        }
    }

    /// Runs to the end, and checks what must hold then.
    pub(crate) fn run(&mut self) -> Checked {
        for _ in 0..LIVES {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap_or_else(|error| panic!("{error}"));
            let end = runtime.block_on(async {
                self.world.begin();
                let end = self.live().await;
                self.world.end();
                end
            });
            drop(runtime);
            if let Some(wrong) = self.world.wrong() {
                return Err(wrong);
            }
            if let End::Quiet = end? {
                // With the keys that the store has now, and no others.
                self.open_keys().map_err(|error| error.to_string())?;
                return look::at_the_end(self);
            }
        }
        Err(format!("it ended {LIVES} times and never became quiet"))
    }

    /// Whether everything has been kept for long enough.
    pub(crate) fn is_purging_due(&self) -> bool {
        self.settings.passes && self.phase >= 4
    }

    /// A reader of the store in which nothing goes wrong.
    pub(crate) fn reader(&self) -> MutexGuard<'_, Box<dyn Read>> {
        lock(&self.reader)
    }

    fn inlet(&self, source: usize) -> Inlet {
        let may_send = if source == RECEIPTS {
            Permissions { postings: false, facts: BTreeSet::new(), receipts_of: Some(text(TARGETS[0])) }
        } else {
            Permissions::all()
        };
        let decoder = Arc::new(Decoder(Arc::clone(&self.world)));
        let intake = Intake { source: town::source_name(source), decoder, may_send, max_body_bytes: 10_000 };
        Inlet { intake, source: Arc::new(QueueEnd(Arc::clone(&self.queues[source]))) }
    }

    fn outlet(&self, target: usize) -> Outlet {
        let name = text(TARGETS[target]);
        let (audience, filter) = self.settings.reader(TARGETS[target]);
        let encoder: Arc<dyn Encode> = Arc::new(json::Encoder);
        let policy = Policy {
            tries: TRIES,
            failing: 4,
            receipt_within: (target == 0).then_some(Duration::from_hours(1)),
            closed_months: self.closed.into_iter().collect(),
            ..Policy::default()
        };
        Outlet {
            scribe: Scribe::new(Arc::clone(&self.vault), &name, audience, encoder).filtered(filter),
            name,
            target: Arc::new(Front(Arc::clone(&self.receivers[target]), self.closed)),
            window: self.settings.window,
            policy,
            answers: (target == 0 && self.settings.answers)
                .then(|| Arc::new(json::Decoder) as Arc<dyn Decode>),
        }
    }

    /// Reads the store with the keys that it has now.
    fn open_keys(&mut self) -> Result<(), NotStarted> {
        let mut reader = Sqlite::open_reader(self.directory.path())?;
        self.vault = open_keys(&mut reader, &self.master, None)?;
        *lock(&self.reader) = Box::new(reader);
        Ok(())
    }

    fn start(&mut self) -> Result<Gateway, NotStarted> {
        self.open_keys()?;
        let store = Box::new(Sqlite::open(self.directory.path())?);
        self.disk.restart();
        let faults = Arc::clone(&self.disk);
        let store = Box::new(Faulty::new(store, faults));
        let charts = town::charts(self.charts);
        let mut core = Core::open(store, Arc::clone(&self.vault), charts, self.settings.slice)?;
        if let Some(postings) = self.settings.brake {
            core = core.braking_above(postings);
        }
        if let Some(days) = self.settings.retention {
            core = core.purging_after(days);
        }
        let clock: Arc<dyn Clock> = Arc::clone(&self.world) as Arc<dyn Clock>;
        let inlets = (0..SOURCES.len()).map(|source| self.inlet(source)).collect();
        let outlets = (0..self.settings.targets).map(|target| self.outlet(target)).collect();
        Gateway::start(core, clock, inlets, outlets)
    }

    /// One life of the process.
    async fn live(&mut self) -> Checked<End> {
        let world = Arc::clone(&self.world);
        world.note("the gateway starts");
        let mut gateway = match self.start() {
            Ok(gateway) => gateway,
            Err(error) if !world.is_calm() => {
                world.note(format!("it cannot start: {error}"));
                self.disk.make_room(); // Whoever starts it makes room for it.
                sleep(Duration::from_secs(1)).await;
                return Ok(End::Again);
            }
            Err(error) => return Err(format!("the gateway does not start: {error}")),
        };
        (self.reloads, self.closes) = (false, false);
        while let Some((wait, step)) = self.steps.next() {
            tokio::select! {
                biased;
                () = world.died() => return Ok(End::Again),
                ended = gateway.failed() => {
                    world.note(format!("the gateway ends: {ended}"));
                    return Ok(End::Again);
                }
                () = sleep(Duration::from_millis(wait)) => {}
            }
            world.note(self.in_words(&step));
            if let Step::Stop(seconds) = step {
                tokio::select! {
                    biased;
                    () = world.died() => {}
                    ended = gateway.stop(Duration::from_secs(seconds)) => match ended {
                        Ok(()) => world.note("it has stopped"),
                        Err(error) => world.note(format!("it is stopped: {error}")),
                    }
                }
                return Ok(End::Again);
            }
            let operator = Operator::of(&gateway);
            tokio::select! {
                biased;
                () = world.died() => return Ok(End::Again),
                done = timeout(PATIENCE, self.step(&step, &operator)) => match done {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => world.note(format!("not done: {error}")),
                    Err(_) => world.note("not done in time"),
                }
            }
            look::meanwhile(self)?;
        }
        if !world.is_calm() {
            world.calm();
        }
        self.become_quiet(gateway).await
    }

    fn in_words(&self, step: &Step) -> String {
        match step {
            Step::Send(letters) => {
                let names = letters.iter().map(|&letter| {
                    let letter = &self.letters[letter];
                    format!("{} from {}", letter.name, SOURCES[letter.source])
                });
                format!("sent: {}", names.collect::<Vec<_>>().join(", "))
            }
            other => format!("{other:?}"),
        }
    }

    fn send(&mut self, letter: usize) {
        self.sent.entry(letter).or_insert_with(|| self.world.now());
        let Letter { source, body, .. } = &self.letters[letter];
        self.queues[*source].put(Message { letter: Some(letter), body: body.clone() });
    }

    async fn step(&mut self, step: &Step, operator: &Operator) -> Result<(), Unavailable> {
        match step {
            Step::Send(letters) => letters.iter().for_each(|letter| self.send(*letter)),
            Step::Kill => self.world.die("as it stands"),
            Step::KillAt(point) => self.disk.kill_at(*point),
            Step::Stop(_) => {}
            Step::Pause(part, is_paused) => {
                if let Err(error) = operator.control.pause(part, *is_paused).await {
                    self.world.note(format!("not done: {error}"));
                }
            }
            Step::Mood(target, mood) => self.receivers[*target].set_mood(*mood),
            Step::FillAfter(commits) => self.disk.fill_after(*commits),
            Step::MakeRoom => self.disk.make_room(),
            Step::Receipts => self.receivers[0].give_some_receipts(),
            Step::ReleaseHeld => self.release_held(operator).await?,
            Step::ReleaseParked => self.release_parked(operator).await?,
            Step::Mend => self.world.mend(),
            Step::ReleaseQuarantine => self.release_quarantine(operator).await?,
            Step::Reload(charts, anew) => {
                (self.charts, self.reloads) = (*charts, true);
                self.reload(operator, anew).await?;
            }
            Step::Close(month) => self.close(*month, operator).await?,
            Step::Days(days) => self.world.pass(*days),
            Step::Lose(target) => {
                self.receivers[*target].lose_books();
                self.lost.insert(*target);
                self.replay(operator).await?;
            }
            Step::RotateKeys => {
                if let Err(error) = operator.handle.rotate_keys().await? {
                    self.world.note(format!("not done: {error}"));
                }
            }
        }
        Ok(())
    }

    /// Tells the targets whose receivers lost their books to get everything again.
    async fn replay(&mut self, operator: &Operator) -> Result<(), Unavailable> {
        while let Some(target) = self.lost.first().copied() {
            let name = text(TARGETS[target]);
            match operator.control.replay_target(&name, ReplayFrom::Beginning).await {
                Err(NotReplayed::Unavailable(error)) => return Err(error),
                Err(error) => self.world.note(format!("not done: {error}")),
                Ok(_) => {}
            }
            self.lost.remove(&target);
        }
        Ok(())
    }

    /// From now on the books of this month are closed, and those of no other.
    async fn close(&mut self, month: Option<Month>, operator: &Operator) -> Result<(), Unavailable> {
        self.closed = month;
        self.ever_closed.extend(month);
        (self.reloads, self.closes) = (true, true);
        self.reload(operator, &[]).await
    }

    async fn reload(&mut self, operator: &Operator, anew: &[String]) -> Result<(), Unavailable> {
        let sources = (0..SOURCES.len()).map(|source| (source, format!("source {}", SOURCES[source])));
        let targets =
            (0..self.settings.targets).map(|target| (target, format!("target {}", TARGETS[target])));
        let all = targets.clone().map(|(_, name)| name).filter(|_| self.closes);
        let anew: BTreeSet<String> = anew.iter().cloned().chain(all).collect();
        let plan = Plan {
            settings: samspor_engine::Settings {
                charts: town::charts(self.charts),
                slice: self.settings.slice,
                retention_days: self.settings.retention,
                brake_postings: self.settings.brake,
                audit_days: None,
            },
            unchanged: sources
                .clone()
                .chain(targets.clone())
                .map(|(_, name)| name)
                .filter(|name| !anew.contains(name))
                .collect(),
            inlets: sources.filter(|(_, name)| anew.contains(name)).map(|(no, _)| self.inlet(no)).collect(),
            outlets: targets.filter(|(_, name)| anew.contains(name)).map(|(no, _)| self.outlet(no)).collect(),
            targets: TARGETS[..self.settings.targets].iter().map(|name| text(name)).collect(),
        };
        operator.control.take_over(plan).await?;
        (self.reloads, self.closes) = (false, false);
        Ok(())
    }

    async fn release_held(&self, operator: &Operator) -> Result<(), Unavailable> {
        for held in operator.handle.read(held).await? {
            operator.handle.release_change(held.fact, held.version).await?;
        }
        Ok(())
    }

    async fn release_parked(&self, operator: &Operator) -> Result<(), Unavailable> {
        for receiver in &self.receivers {
            operator.handle.release_parked(text(receiver.name), None).await?;
        }
        Ok(())
    }

    async fn release_quarantine(&self, operator: &Operator) -> Result<(), Unavailable> {
        let handle = &operator.handle;
        let set = handle.freeze(Filter::default(), 100).await?;
        let mut after = EntryNo::default();
        while let Some(next) = handle.release(set, after).await?.and_then(|slice| slice.next) {
            after = next;
        }
        Ok(())
    }

    /// Lets time pass, with nothing going wrong, until nothing is left to do; and stops the gateway.
    async fn become_quiet(&mut self, mut gateway: Gateway) -> Checked<End> {
        let world = Arc::clone(&self.world);
        let operator = Operator::of(&gateway);
        world.mend();
        let deadline = Instant::now() + QUIET_WITHIN;
        let mut told = None;
        loop {
            tokio::select! {
                biased;
                () = world.died() => return Ok(End::Again), // Planned before.
                ended = gateway.failed() => {
                    world.note(format!("the gateway ends: {ended}"));
                    // What it had read wrongly before may end it once.
                    return Ok(End::Again);
                }
                () = sleep(Duration::from_secs(5)) => {}
            }
            tokio::select! {
                biased;
                () = world.died() => return Ok(End::Again),
                done = timeout(PATIENCE, self.help(&operator)) => {
                    done.map_err(|_| "the gateway does not answer")?.map_err(|error| error.to_string())?;
                }
            }
            look::meanwhile(self)?;
            let rekeys = rekeying(&mut **self.reader()).map_err(|error| error.to_string())?;
            let waits = match look::undecided(self)?.or_else(|| rekeys.map(|_| "its keys".to_owned())) {
                Some(waits) => Some(waits),
                // These need what comes after them, such as a record that is refused.
                None if self.phase < 2 => None,
                None => look::undelivered(self, &operator.control.parts(), self.phase == 2)?,
            };
            if waits != told {
                world.note(format!("waits for {}", waits.as_deref().unwrap_or("nothing")));
                told.clone_from(&waits);
            }
            match (waits, self.phase) {
                (None, 0) => self.send(self.letters.len() - 2),
                (None, 1) => self.send(self.letters.len() - 1),
                (None, 2) => self.receivers[0].give_all_receipts(),
                (None, 3) if self.settings.passes => {
                    // The next start looks for what is to be purged.
                    world.pass(1_000);
                    self.phase += 1;
                    drop(operator);
                    gateway.stop(PATIENCE).await.map_err(|error| error.to_string())?;
                    return Ok(End::Again);
                }
                (None, 4) => self.send_all_again()?,
                (None, _) => break,
                (Some(waits), _) if Instant::now() > deadline => {
                    return Err(format!("after {QUIET_WITHIN:?} it still waits for {waits}"));
                }
                _ => continue,
            }
            self.phase += 1;
        }
        drop(operator);
        gateway.stop(PATIENCE).await.map_err(|error| error.to_string())?;
        Ok(End::Quiet)
    }

    /// A full extract comes once more, and of what is purged also something else under its id.
    fn send_all_again(&mut self) -> Checked {
        let purged = purging::purged(&mut **self.reader(), self)?;
        let all: Vec<usize> = self.sent.keys().copied().collect();
        all.into_iter().for_each(|letter| self.send(letter));
        for (letter, _) in purged.into_values() {
            let Letter { source, body, .. } = &self.letters[letter];
            let other =
                String::from_utf8_lossy(body).replace(r#""amount":""#, r#""voucher":"other","amount":""#);
            self.queues[*source].put(Message { letter: None, body: other.into() });
            *self.conflicting.entry(*source).or_default() += 1;
        }
        Ok(())
    }

    /// Does what an operator would.
    async fn help(&mut self, operator: &Operator) -> Result<(), Unavailable> {
        if self.closed.is_some() {
            self.close(None, operator).await?;
        }
        if self.reloads {
            self.reload(operator, &[]).await?;
        }
        for (part, report) in operator.control.parts() {
            if report.condition == Condition::Paused {
                let _ = operator.control.pause(&part, false).await;
            }
        }
        self.replay(operator).await?;
        self.release_held(operator).await?;
        for (target, source, posting, seq) in look::wrongly_refused(self) {
            let what = (target, seq);
            // Each once: what was released is the gateway's to try.
            if !self.released.contains(&what) {
                operator.handle.release_parked(text(target), Some((source, posting))).await?;
                self.released.insert(what);
            }
        }
        if look::holds_understandable(self) {
            self.release_quarantine(operator).await?;
        }
        Ok(())
    }
}
