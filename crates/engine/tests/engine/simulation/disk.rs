//! What goes wrong with the store in a simulated run, and where in it the process is killed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use samspor_conformance::{Call, Chance, Faults};
use samspor_domain::store::{Result, StoreError};

use super::world::{World, lock};

/// Where the process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// At so many calls of the store from now.
    Call(usize),
    /// Before so many commits from now are durable.
    BeforeCommit(usize),
    /// When they just are.
    AfterCommit(usize),
}

pub(crate) struct Disk {
    world: Arc<World>,
    state: Mutex<State>,
}

struct State {
    seed: u64,
    /// For the writer, and for each reader beside it.
    chances: BTreeMap<usize, Chance>,
    /// Of ten thousand calls so many fail.
    writing: i64,
    reading: i64,
    reading_beside: i64,
    /// Of a hundred commits so many are durable without the store saying so, and others are not and it does say so.
    forgetting: u32,
    committing: u32,
    is_full: bool,
    /// What goes wrong all the time is told once.
    is_told: bool,
    /// So many commits from now it is.
    fills_after: Option<usize>,
    kill: Option<Point>,
    /// The last moment at which something was asked, and how much was asked at that moment.
    asked: (Duration, usize),
}

/// So much is asked of the store at one moment only by who never stops asking.
const AT_ONCE: usize = 50_000;

impl Disk {
    pub(crate) fn new(world: Arc<World>, seed: u64) -> Self {
        let mut chance = Chance::new(seed, 30);
        let rates = [0, 0, 0, 1, 5, 20];
        let state = State {
            seed,
            writing: chance.of(&rates),
            reading: chance.of(&rates),
            reading_beside: chance.of(&[0, 0, 20, 200]),
            forgetting: chance.of(&[0, 0, 2, 10]),
            committing: chance.of(&[0, 0, 2, 10]),
            chances: BTreeMap::new(),
            is_full: false,
            is_told: false,
            fills_after: None,
            kill: None,
            asked: (Duration::ZERO, 0),
        };
        Self { world, state: Mutex::new(state) }
    }

    pub(crate) fn fill_after(&self, commits: usize) {
        lock(&self.state).fills_after = Some(commits);
    }

    pub(crate) fn make_room(&self) {
        let mut state = lock(&self.state);
        (state.is_full, state.is_told, state.fills_after) = (false, false, None);
    }

    pub(crate) fn kill_at(&self, point: Point) {
        lock(&self.state).kill = Some(point);
    }

    /// A new process starts, which nobody has planned to kill.
    pub(crate) fn restart(&self) {
        lock(&self.state).kill = None;
    }

    /// Whether this is where the process is killed.
    fn kills(&self, call: Call<'_>, is_done: bool) -> bool {
        let mut state = lock(&self.state);
        let left = match &mut state.kill {
            // Readers that wait for the same thing are woken in any order, so only one target's counts.
            Some(Point::Call(left)) if !is_done && call.by <= 2 => left,
            Some(Point::BeforeCommit(left)) if !is_done && call.name == "commit" => left,
            Some(Point::AfterCommit(left)) if is_done && call.name == "commit" => left,
            _ => return false,
        };
        *left = left.saturating_sub(1);
        *left == 0
    }

    fn never_stops(&self) -> bool {
        let now = self.world.elapsed();
        let (then, asked) = &mut lock(&self.state).asked;
        *asked = if *then == now { *asked + 1 } else { 0 };
        *then = now;
        *asked > AT_ONCE
    }

    fn kill(&self, call: Call<'_>, when: &str) -> Result<()> {
        self.world.die(&format!("{when} {} of the store", call.name));
        Err(failed())
    }
}

fn failed() -> StoreError {
    StoreError::Failed("the simulation lets it fail".into())
}

impl Faults for Disk {
    fn before(&self, call: Call<'_>) -> Result<()> {
        if self.world.is_dead() {
            return Err(failed());
        }
        if self.kills(call, false) {
            return self.kill(call, "before");
        }
        if self.never_stops() {
            self.world.fail("the gateway never stops asking the store");
            return Err(failed());
        }
        if self.world.is_calm() {
            return Ok(());
        }
        let mut state = lock(&self.state);
        let seed = state.seed;
        let (writing, reading, beside) = (state.writing, state.reading, state.reading_beside);
        let (is_full, committing) = (state.is_full, state.committing);
        let chance =
            state.chances.entry(call.by).or_insert_with(|| Chance::new(seed, 1_000 + call.by as u64));
        let rate = match (call.writes, call.by) {
            (true, _) => writing,
            (false, 0) => reading,
            (false, _) => beside,
        };
        let full = call.name == "commit" && (is_full || chance.percent(committing));
        let fails = chance.between(1, 10_000) <= rate;
        drop(state);
        let is_told = full && std::mem::replace(&mut lock(&self.state).is_told, is_full);
        if (full && !is_told) || fails {
            let who = if call.by == 0 { "the writer" } else { "a reader" };
            self.world.note(format!("store: {} of {who} fails", call.name));
        }
        match (full, fails) {
            (true, _) => Err(StoreError::Full),
            (_, true) => Err(failed()),
            _ => Ok(()),
        }
    }

    fn after(&self, call: Call<'_>) -> Result<()> {
        if self.kills(call, true) {
            return self.kill(call, "after");
        }
        if call.name != "commit" || self.world.is_calm() || self.world.is_dead() {
            return Ok(());
        }
        let mut state = lock(&self.state);
        let (seed, forgetting) = (state.seed, state.forgetting);
        if let Some(left) = &mut state.fills_after {
            *left = left.saturating_sub(1);
            state.is_full |= state.fills_after == Some(0);
        }
        let chance =
            state.chances.entry(call.by).or_insert_with(|| Chance::new(seed, 1_000 + call.by as u64));
        let forgets = chance.percent(forgetting);
        drop(state);
        if forgets {
            self.world.note("store: a commit is durable, and its answer is lost");
            return Err(failed());
        }
        Ok(())
    }
}
