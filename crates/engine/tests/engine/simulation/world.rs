//! What all parts of a simulated run share: its time, whether the process lives, whether anything still goes wrong, and
//! what has happened.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use samspor_domain::{Clock, LinkError};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Every part of the outside world acts at moments of its own, by this modulus in milliseconds: two never act at once, and
/// so nothing depends on the order in which the runtime wakes those who wait for the same.
const PARTS: u64 = 16;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct World {
    life: Mutex<Life>,
    is_dead: AtomicBool,
    is_calm: AtomicBool,
    is_mended: AtomicBool,
    died: Notify,
    events: Mutex<Vec<String>>,
    wrong: Mutex<Option<String>>,
    /// Days that have passed at once.
    days: AtomicI64,
}

/// The gateway's process, from one start to its end.
struct Life {
    /// How much time had passed before.
    before: Duration,
    began: Option<Instant>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            life: Mutex::new(Life { before: Duration::ZERO, began: None }),
            is_dead: AtomicBool::new(false),
            is_calm: AtomicBool::new(false),
            is_mended: AtomicBool::new(false),
            died: Notify::new(),
            events: Mutex::default(),
            wrong: Mutex::default(),
            days: AtomicI64::new(0),
        }
    }

    /// A process starts.
    pub(crate) fn begin(&self) {
        lock(&self.life).began = Some(Instant::now());
        self.is_dead.store(false, Ordering::SeqCst);
    }

    /// It has ended. Until the next one begins, nothing is heard of it.
    pub(crate) fn end(&self) {
        let mut life = lock(&self.life);
        let lived = life.began.take().map(|began| began.elapsed());
        life.before += lived.unwrap_or_default();
        self.is_dead.store(true, Ordering::SeqCst);
    }

    /// The process dies where it stands: nothing that it does from now on has an effect.
    pub(crate) fn die(&self, how: &str) {
        if !self.is_dead.swap(true, Ordering::SeqCst) {
            self.note(format!("the process is killed {how}"));
            self.died.notify_one();
        }
    }

    /// The run ends here, since something is wrong.
    pub(crate) fn fail(&self, wrong: &str) {
        lock(&self.wrong).get_or_insert(wrong.to_owned());
        self.die("since something is wrong");
    }

    pub(crate) fn wrong(&self) -> Option<String> {
        lock(&self.wrong).clone()
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }

    pub(crate) async fn died(&self) {
        self.died.notified().await;
    }

    /// From now on nothing goes wrong any more.
    pub(crate) fn calm(&self) {
        self.is_calm.store(true, Ordering::SeqCst);
        self.note("everything goes well from now on");
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::SeqCst)
    }

    /// The decoders understand more from now on.
    pub(crate) fn mend(&self) {
        self.is_mended.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_mended(&self) -> bool {
        self.is_mended.load(Ordering::SeqCst)
    }

    /// The time since the run began.
    pub(crate) fn elapsed(&self) -> Duration {
        let life = lock(&self.life);
        life.before + life.began.map(|began| began.elapsed()).unwrap_or_default()
    }

    /// So many days pass at once, as far as the clock tells.
    pub(crate) fn pass(&self, days: i64) {
        self.days.fetch_add(days, Ordering::SeqCst);
        self.note(format!("{days} days pass"));
    }

    /// Some time passes for a part, so many milliseconds or a few more. It never ends in a process that is dead.
    pub(crate) async fn pause(&self, part: u64, millis: u64) {
        let Some(began) = lock(&self.life).began else { return std::future::pending().await };
        let now = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX / 2);
        let then = now + millis + 1;
        let then = then + (PARTS + part - then % PARTS) % PARTS;
        sleep_until(began + Duration::from_millis(then)).await;
        if self.is_dead() {
            std::future::pending().await
        }
    }

    /// Notes what happens, in words that hold nothing personal.
    pub(crate) fn note(&self, what: impl AsRef<str>) {
        let millis = self.elapsed().as_millis();
        let line = format!("{:>6}.{:03} s  {}", millis / 1_000, millis % 1_000, what.as_ref());
        lock(&self.events).push(line);
    }

    /// All that has happened, a line each.
    pub(crate) fn events(&self) -> Vec<String> {
        lock(&self.events).clone()
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.elapsed()).unwrap_or_default();
        let days = SignedDuration::from_hours(24 * self.days.load(Ordering::SeqCst));
        crate::stage::instant("2026-03-10T08:00:00Z") + days + elapsed
    }
}

pub(crate) fn broken(doing: &str) -> LinkError {
    LinkError { doing: doing.to_owned(), source: None }
}

/// Panics as a bug would, without a word on the test's output.
pub(crate) fn break_down() -> ! {
    std::panic::resume_unwind(Box::new("the simulation breaks it"))
}
