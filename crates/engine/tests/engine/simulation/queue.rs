//! A queue of a simulated run: what is not acknowledged comes back, and more goes wrong than that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use samspor_conformance::Chance;
use samspor_domain::{Acknowledge, Batch, Delivery, LinkError, Source, Subscription, Token};
use tokio::sync::Notify;

use super::town::SOURCES;
use super::world::{World, break_down, broken, lock};

/// Something in a queue: its number among all letters, and its bytes. Receipts have none.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) letter: Option<usize>,
    pub(crate) body: Bytes,
}

pub(crate) struct Queue {
    world: Arc<World>,
    source: usize,
    state: Mutex<State>,
    changed: Notify,
    /// Looks whether what is acknowledged is stored. Answers what is missing.
    is_stored: Box<dyn Fn(usize) -> Result<(), String> + Send + Sync>,
}

struct State {
    chance: Chance,
    /// Of a hundred subscriptions, batches or acknowledgements so many go wrong.
    subscribing: u32,
    receiving: u32,
    acknowledging: u32,
    /// So many of a hundred messages are delivered twice.
    twice: u32,
    /// What comes back comes in another order.
    shuffles: bool,
    most: usize,
    waiting: VecDeque<Message>,
    /// What was delivered and not acknowledged, by connection and number.
    out: BTreeMap<(u64, u64), Message>,
    connection: u64,
    /// The deliveries so far, of the same message again among them.
    delivered: u64,
    accepted: BTreeSet<usize>,
    /// What was acknowledged without being stored.
    lost: Option<String>,
}

impl Queue {
    pub(crate) fn new(
        world: Arc<World>,
        source: usize,
        seed: u64,
        is_stored: Box<dyn Fn(usize) -> Result<(), String> + Send + Sync>,
    ) -> Self {
        let mut chance = Chance::new(seed, 10 + source as u64);
        let rates = [0, 0, 3, 10, 30];
        let state = State {
            subscribing: chance.of(&rates),
            receiving: chance.of(&rates),
            acknowledging: chance.of(&rates),
            twice: chance.of(&rates),
            shuffles: chance.percent(50),
            most: chance.of(&[1, 3, 10]),
            chance,
            waiting: VecDeque::new(),
            out: BTreeMap::new(),
            connection: 0,
            delivered: 0,
            accepted: BTreeSet::new(),
            lost: None,
        };
        Self { world, source, state: Mutex::new(state), changed: Notify::new(), is_stored }
    }

    pub(crate) fn put(&self, message: Message) {
        lock(&self.state).waiting.push_back(message);
        self.changed.notify_waiters();
    }

    /// Whether everything was acknowledged; else how much is not.
    pub(crate) fn left(&self) -> usize {
        let state = lock(&self.state);
        state.waiting.len() + state.out.len()
    }

    pub(crate) fn delivered(&self) -> i64 {
        i64::try_from(lock(&self.state).delivered).unwrap_or(i64::MAX)
    }

    /// The letters that were acknowledged.
    pub(crate) fn accepted(&self) -> BTreeSet<usize> {
        lock(&self.state).accepted.clone()
    }

    /// What was acknowledged without being stored, if anything was.
    pub(crate) fn lost(&self) -> Option<String> {
        lock(&self.state).lost.clone()
    }

    fn strikes(&self, rate: impl Fn(&State) -> u32) -> bool {
        let mut state = lock(&self.state);
        let rate = rate(&state);
        state.chance.percent(rate) && !self.world.is_calm()
    }

    fn chance<T>(&self, draw: impl FnOnce(&mut Chance) -> T) -> T {
        draw(&mut lock(&self.state).chance)
    }

    async fn pause(&self, most: usize) {
        let millis = self.chance(|chance| chance.count(0, most));
        self.world.pause(self.source as u64, millis as u64).await;
    }

    fn note(&self, what: &str) {
        self.world.note(format!("queue {}: {what}", SOURCES[self.source]));
    }

    /// A connection ends, and what was delivered over it and not acknowledged comes back.
    fn close(&self, connection: u64) {
        let mut state = lock(&self.state);
        let state = &mut *state;
        if state.connection == connection {
            state.connection += 1;
        }
        let mut back: Vec<Message> = Vec::new();
        while let Some(entry) = state.out.range((connection, 0)..(connection + 1, 0)).next() {
            let key = *entry.0;
            back.extend(state.out.remove(&key));
        }
        if state.shuffles {
            state.chance.shuffle(&mut back);
        }
        for message in back.into_iter().rev() {
            let place = if state.shuffles { state.chance.count(0, state.waiting.len()) } else { 0 };
            state.waiting.insert(place, message);
        }
        self.changed.notify_waiters();
    }
}

pub(crate) struct End(pub(crate) Arc<Queue>);

#[async_trait]
impl Source for End {
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, LinkError> {
        let queue = &self.0;
        queue.pause(50).await;
        if queue.strikes(|state| state.subscribing) {
            match queue.chance(|chance| chance.count(0, 2)) {
                0 => queue.note("refuses to be subscribed to"),
                1 => {
                    queue.note("does not answer who subscribes");
                    queue.pause(40_000).await;
                }
                _ => {
                    queue.note("breaks who subscribes");
                    break_down();
                }
            }
            return Err(broken("subscribing"));
        }
        let connection = lock(&queue.state).connection;
        Ok(Box::new(Line { queue: Arc::clone(queue), connection }))
    }
}

struct Line {
    queue: Arc<Queue>,
    connection: u64,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.queue.close(self.connection);
    }
}

#[async_trait]
impl Subscription for Line {
    async fn next(&mut self) -> Result<Batch, LinkError> {
        let queue = &self.queue;
        queue.pause(20).await;
        if queue.strikes(|state| state.receiving) {
            queue.pause(5_000).await;
            let panics = queue.chance(|chance| chance.percent(20));
            queue.note(if panics { "breaks who receives" } else { "ends the connection" });
            if panics {
                break_down();
            }
            return Err(broken("receiving"));
        }
        loop {
            let changed = queue.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if lock(&queue.state).connection != self.connection {
                return Err(broken("receiving"));
            }
            if let Some(batch) = self.take() {
                return Ok(batch);
            }
            changed.await;
            if queue.world.is_dead() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Line {
    fn take(&self) -> Option<Batch> {
        let mut state = lock(&self.queue.state);
        let state = &mut *state;
        if state.waiting.is_empty() {
            return None;
        }
        let size = state.chance.count(1, state.most).min(state.waiting.len());
        let (mut deliveries, mut numbers) = (Vec::new(), Vec::new());
        for message in state.waiting.drain(..size).collect::<Vec<_>>() {
            if state.chance.percent(state.twice) && !self.queue.world.is_calm() {
                state.waiting.push_back(message.clone());
            }
            state.delivered += 1;
            numbers.push(state.delivered);
            deliveries.push(Delivery { body: message.body.clone(), ..Delivery::default() });
            state.out.insert((self.connection, state.delivered), message);
        }
        let queue = Arc::clone(&self.queue);
        let token = Token::new(Taken { queue, connection: self.connection, numbers });
        Some(Batch { deliveries, token })
    }
}

struct Taken {
    queue: Arc<Queue>,
    connection: u64,
    numbers: Vec<u64>,
}

impl Taken {
    fn accepted(&self) {
        for number in &self.numbers {
            let message = lock(&self.queue.state).out.remove(&(self.connection, *number));
            let Some(letter) = message.and_then(|message| message.letter) else { continue };
            let stored = (self.queue.is_stored)(letter);
            let mut state = lock(&self.queue.state);
            state.accepted.insert(letter);
            state.lost = state.lost.take().or(stored.err());
        }
        self.queue.changed.notify_waiters();
    }
}

#[async_trait]
impl Acknowledge for Taken {
    async fn accept(self: Box<Self>) -> Result<(), LinkError> {
        let queue = &self.queue;
        queue.pause(20).await;
        if queue.strikes(|state| state.acknowledging) {
            match queue.chance(|chance| chance.count(0, 2)) {
                0 => queue.note("the connection ends before an acknowledgement"),
                1 => {
                    queue.note("an acknowledgement hangs");
                    queue.pause(45_000).await;
                }
                _ => {
                    queue.note("the connection ends after an acknowledgement");
                    if lock(&queue.state).connection == self.connection {
                        self.accepted();
                    }
                }
            }
            queue.close(self.connection);
        }
        if lock(&queue.state).connection != self.connection {
            return Err(broken("acknowledging"));
        }
        self.accepted();
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // Dropped without a word, the batch comes back.
        let back: Vec<Message> = {
            let mut state = lock(&self.queue.state);
            self.numbers.iter().filter_map(|number| state.out.remove(&(self.connection, *number))).collect()
        };
        for message in back.into_iter().rev() {
            lock(&self.queue.state).waiting.push_front(message);
        }
        self.queue.changed.notify_waiters();
    }
}
