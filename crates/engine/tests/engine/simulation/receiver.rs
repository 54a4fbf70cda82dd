//! A receiver of a simulated run: it takes, refuses, puts off, hangs, hangs up, and keeps books of what it took.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use samspor_conformance::Chance;
use samspor_domain::store::Month;
use samspor_domain::{
    Confirms, CostKind, Delivery, Flow, LinkError, Outgoing, Publisher, Sent, TagFilter, Target,
};
use tokio::sync::Notify;

use super::queue::{Message, Queue};
use super::world::{World, break_down, broken, lock};

/// Within this a receiver answers, or the connection counts as lost; in milliseconds.
const TIME_LIMIT: usize = 30_000;

/// What it says when it puts a message off.
pub(crate) const FULL: &str = "it is full";

/// How a receiver is for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It takes what it gets, but for the schedule's faults.
    Fine,
    /// It refuses everything.
    Refuses,
    /// It says that it takes nothing for now.
    Later,
    /// It takes messages and does not answer.
    Hangs,
    /// Its broker blocks whoever publishes, and says so.
    Blocks,
    /// It cannot be reached.
    Away,
}

/// What came of handing something over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// It was not told, and may have been taken.
    Unknown,
    Confirmed,
    Refused,
    Later,
}

pub(crate) struct Receiver {
    world: Arc<World>,
    pub(crate) name: &'static str,
    /// What it is to be told of.
    filter: TagFilter,
    part: u64,
    state: Mutex<State>,
    changed: Notify,
    /// Where its receipts go.
    receipts: Option<Arc<Queue>>,
    /// Whether it answers records with receipts, too.
    answers: bool,
}

struct State {
    chance: Chance,
    connecting: u32,
    publishing: u32,
    refusing: u32,
    /// So many of a hundred idle connections end.
    idling: u32,
    giving_receipts: u32,
    /// The longest that it takes to answer, in milliseconds.
    slow: usize,
    mood: Mood,
    /// Parts of messages that it never takes.
    bad: BTreeSet<String>,
    /// Whether it says of those that it takes nothing for now.
    puts_off: bool,
    /// Every message that was handed over, in order, and what came of it.
    tries: Vec<(String, Came)>,
    books: Books,
    /// What every message said the first time, by its id and topic.
    said: BTreeMap<(String, Option<String>), Bytes>,
    /// Of which messages it has given a receipt.
    given: BTreeSet<String>,
    wrong: Option<String>,
}

/// Of each posting the highest revision that was taken, and at one revision a tag before an untag.
pub(crate) type Books = BTreeMap<String, (i64, bool, serde_json::Value)>;

impl Receiver {
    pub(crate) fn new(
        world: Arc<World>,
        name: &'static str,
        filter: TagFilter,
        part: u64,
        seed: u64,
        receipts: Option<Arc<Queue>>,
        answers: bool,
    ) -> Self {
        let mut chance = Chance::new(seed, 20 + part);
        let rates = [0, 0, 3, 10, 30];
        let state = State {
            connecting: chance.of(&rates),
            publishing: chance.of(&rates),
            refusing: chance.of(&[0, 0, 2, 10]),
            idling: chance.of(&[0, 0, 5, 20]),
            giving_receipts: chance.of(&[0, 50, 100]),
            slow: chance.of(&[20, 200, 5_000]),
            bad: if chance.percent(30) {
                // None of these is part of another posting's id, nor of the last one's.
                (0..chance.count(1, 2)).map(|_| format!(":P-{}:", chance.count(0, 10))).collect()
            } else {
                BTreeSet::new()
            },
            puts_off: chance.percent(30),
            chance,
            mood: Mood::Fine,
            tries: Vec::new(),
            books: Books::new(),
            said: BTreeMap::new(),
            given: BTreeSet::new(),
            wrong: None,
        };
        Self {
            world,
            name,
            filter,
            part,
            state: Mutex::new(state),
            changed: Notify::new(),
            receipts,
            answers,
        }
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        lock(&self.state).mood = mood;
        self.changed.notify_waiters();
    }

    /// It has nothing any more.
    pub(crate) fn lose_books(&self) {
        lock(&self.state).books.clear();
    }

    /// Whether it never takes this message.
    pub(crate) fn is_bad(&self, id: &str) -> bool {
        lock(&self.state).bad.iter().any(|bad| id.contains(bad))
    }

    pub(crate) fn tries(&self) -> Vec<(String, Came)> {
        lock(&self.state).tries.clone()
    }

    pub(crate) fn books(&self) -> Books {
        lock(&self.state).books.clone()
    }

    /// What it got that it never should.
    pub(crate) fn wrong(&self) -> Option<String> {
        lock(&self.state).wrong.clone()
    }

    pub(crate) fn gives_receipts(&self) -> bool {
        self.receipts.is_some()
    }

    /// Whether it has given a receipt of a record.
    pub(crate) fn has_given(&self, posting: &str, revision: i64) -> bool {
        lock(&self.state).given.contains(&format!("{posting}:{revision}"))
    }

    /// Whether it answers a record with its receipt, whenever it takes it: of three, one is accepted, one rejected, and of
    /// one the receipt comes later, if the answer is anything at all.
    pub(crate) fn answers_with(&self, id: &str) -> Option<&'static str> {
        let sum = id.bytes().fold(0, |sum: usize, byte| sum * 31 % 1_009 + usize::from(byte));
        if self.answers { [Some("accepted"), Some("rejected"), None][sum % 3] } else { None }
    }

    /// What it says to a message that it takes.
    fn answer(&self, id: &str) -> Sent {
        let parts =
            id.rsplit_once(':').and_then(|(posting, revision)| Some((posting.split_once(':')?, revision)));
        let Some(((source, posting), revision)) = parts.filter(|_| self.answers) else {
            return Sent::Delivered;
        };
        let body = match self.answers_with(id) {
            // As early as can be, so that what comes over the queue is later.
            Some(status) => {
                lock(&self.state).given.insert(id.to_owned());
                format!(
                    r#"{{"type":"receipt","id":"A","source":"{source}","posting":"{posting}","revision":{revision},"status":"{status}","at":"2026-03-10T07:00:00Z"}}"#
                )
            }
            None => match self.chance(|chance| chance.count(0, 3)) {
                0 => return Sent::Delivered,
                1 => return Sent::Answered(Err("it is too long".into())),
                2 => "taken, thank you".into(),
                _ => format!(
                    r#"{{"type":"receipt","id":"A","source":"{source}","posting":"{posting}","revision":{revision}9,"status":"accepted","at":"2026-03-10T07:00:00Z"}}"#
                ),
            },
        };
        Sent::Answered(Ok(Box::new(Delivery { body: body.into(), ..Delivery::default() })))
    }

    /// Gives the receipt for everything in its books.
    pub(crate) fn give_all_receipts(&self) {
        let all: Vec<(String, i64)> =
            self.books().into_iter().map(|(posting, (revision, ..))| (posting, revision)).collect();
        for (posting, revision) in all {
            self.give_receipt(&posting, revision, "accepted");
        }
    }

    fn give_receipt(&self, posting: &str, revision: i64, status: &str) {
        let (Some(queue), Some((source, id))) = (&self.receipts, posting.split_once(':')) else { return };
        let at = samspor_domain::Clock::now(&*self.world);
        let body = format!(
            r#"{{"type":"receipt","id":"R-{id}-{revision}","source":"{source}","posting":"{id}","revision":{revision},"status":"{status}","at":"{at}"}}"#
        );
        lock(&self.state).given.insert(format!("{posting}:{revision}"));
        queue.put(Message { letter: None, body: body.into() });
    }

    /// Gives receipts as it likes: for anything in its books, in any order, again, of older records, good and bad.
    pub(crate) fn give_some_receipts(&self) {
        let percent = lock(&self.state).giving_receipts;
        let mut all: Vec<(String, i64)> = Vec::new();
        for (posting, (revision, ..)) in self.books() {
            for revision in 1..=revision {
                if self.chance(|chance| chance.percent(percent)) {
                    all.push((posting.clone(), revision));
                }
            }
        }
        self.chance(|chance| chance.shuffle(&mut all));
        for (posting, revision) in all {
            let status = self.chance(|chance| chance.of(&["accepted", "accepted", "rejected"]));
            for _ in 0..self.chance(|chance| chance.of(&[1, 1, 2])) {
                self.give_receipt(&posting, revision, status);
            }
        }
    }

    fn chance<T>(&self, draw: impl FnOnce(&mut Chance) -> T) -> T {
        draw(&mut lock(&self.state).chance)
    }

    fn strikes(&self, rate: impl Fn(&State) -> u32) -> bool {
        let mut state = lock(&self.state);
        let rate = rate(&state);
        state.chance.percent(rate) && !self.world.is_calm()
    }

    async fn pause(&self, most: usize) {
        let millis = self.chance(|chance| chance.count(0, most));
        self.world.pause(self.part, millis as u64).await;
    }

    fn mood(&self) -> Mood {
        if self.world.is_calm() { Mood::Fine } else { lock(&self.state).mood }
    }

    fn note(&self, what: &str) {
        self.world.note(format!("receiver {}: {what}", self.name));
    }

    /// Notes that a message was handed over. Answers its place among all of them.
    fn handed(&self, message: &Outgoing, closed: Option<Month>) -> usize {
        let mut state = lock(&self.state);
        if closed.is_some_and(|month| is_of(message, month)) {
            state.wrong =
                Some(format!("{} was sent {}, and its month is closed", self.name, message.message_id));
        }
        let topic = message.topic.as_ref().map(|(solution, area)| format!("{solution}/{area}"));
        let key = (message.message_id.clone(), topic);
        let said = state.said.entry(key).or_insert_with(|| message.body.clone());
        if *said != message.body {
            state.wrong = Some(format!("{} got two contents under one message id", self.name));
        }
        state.tries.push((message.message_id.clone(), Came::Unknown));
        state.tries.len() - 1
    }

    /// Whether it is to be told of such a tag.
    fn is_given(&self, tag: &serde_json::Value) -> bool {
        fn lists<T: Ord>(list: &Option<BTreeSet<T>>, is_it: impl Fn(&T) -> bool) -> bool {
            list.as_ref().is_none_or(|list| list.iter().any(is_it))
        }
        let says = |field: &str| tag[field].as_str();
        !tag.is_null()
            && lists(&self.filter.solutions, |word| says("solution") == Some(word.as_str()))
            && lists(&self.filter.areas, |word| says("area") == Some(word.as_str()))
            && lists(&self.filter.sides, |word| says("side") == Some(word.word()))
            && lists(&self.filter.phases, |word| says("phase") == Some(word.word()))
            && lists(&self.filter.kinds, |word| says("kind") == word.map(CostKind::word))
    }

    /// Writes a message into the books.
    fn take(&self, message: &Outgoing) {
        let said: serde_json::Value =
            serde_json::from_slice(&message.body).unwrap_or_else(|error| panic!("{error}"));
        let posting = message.message_id.rsplit_once(':').map(|(posting, _)| posting.to_owned());
        let revision = said["revision"].as_i64().unwrap_or_default();
        let is_tag = said["change"] == "tag";
        let mut state = lock(&self.state);
        if is_tag != self.is_given(&said["tag"]) {
            state.wrong = Some(format!("{} is given {said}, which is not for it", self.name));
        }
        let kept = state.books.entry(posting.unwrap_or_default()).or_default();
        if (kept.0, kept.1) < (revision, is_tag) {
            *kept = (revision, is_tag, said);
        }
    }
}

/// Whether a record is of a posting of a month. The ledger is told the date, the LIS the month.
fn is_of(message: &Outgoing, month: Month) -> bool {
    let said: serde_json::Value = serde_json::from_slice(&message.body).unwrap_or_default();
    let date = said["date"].as_str().or_else(|| said["month"].as_str());
    date.unwrap_or_else(|| panic!("a record has a date")).starts_with(&month.strftime("%Y-%m").to_string())
}

/// A receiver, and the month whose records it must not get.
pub(crate) struct Front(pub(crate) Arc<Receiver>, pub(crate) Option<Month>);

#[async_trait]
impl Target for Front {
    async fn connect(&self) -> Result<Box<dyn Publisher>, LinkError> {
        let receiver = &self.0;
        receiver.pause(50).await;
        if receiver.mood() == Mood::Away {
            return Err(broken("connecting"));
        }
        if receiver.strikes(|state| state.connecting) {
            let hangs = receiver.chance(|chance| chance.percent(30));
            receiver.note(if hangs { "does not answer who connects" } else { "cannot be connected to" });
            if hangs {
                receiver.pause(TIME_LIMIT).await;
            }
            return Err(broken("connecting"));
        }
        let ends = if receiver.strikes(|state| state.idling) {
            Some(receiver.chance(|chance| chance.count(1_000, 20_000)))
        } else {
            None
        };
        Ok(Box::new(Line { receiver: Arc::clone(receiver), closed: self.1, told: Flow::Open, ends }))
    }
}

struct Line {
    receiver: Arc<Receiver>,
    closed: Option<Month>,
    /// What the other side was told last.
    told: Flow,
    /// After how many idle milliseconds the connection ends.
    ends: Option<usize>,
}

#[async_trait]
impl Publisher for Line {
    async fn publish(&mut self, messages: Vec<Outgoing>) -> Result<Confirms, LinkError> {
        let receiver = Arc::clone(&self.receiver);
        receiver.pause(5).await;
        let places: Vec<usize> =
            messages.iter().map(|message| receiver.handed(message, self.closed)).collect();
        let mood = receiver.mood();
        if mood == Mood::Blocks || mood == Mood::Away {
            receiver.pause(TIME_LIMIT).await;
            return Err(broken("publishing"));
        }
        if receiver.strikes(|state| state.publishing) && receiver.chance(|chance| chance.percent(30)) {
            let breaks = receiver.chance(|chance| chance.percent(20));
            receiver.note(if breaks { "breaks who publishes" } else { "hangs up on who publishes" });
            if breaks {
                break_down();
            }
            return Err(broken("publishing"));
        }
        let (mut answers, mut taken, mut cut) = (Vec::new(), Vec::new(), mood == Mood::Hangs);
        for message in messages {
            let is_bad = receiver.is_bad(&message.message_id);
            let is_put_off = is_bad && lock(&receiver.state).puts_off;
            let is_bad = is_bad || mood == Mood::Refuses;
            if mood == Mood::Later || is_put_off || receiver.strikes(|state| state.refusing) {
                answers.push(Sent::Later(FULL.into(), None));
            } else if is_bad || receiver.strikes(|state| state.refusing) {
                answers.push(Sent::Refused(receiver.chance(|chance| {
                    chance.of(&["it is not to its taste", "the account is closed"]).to_owned()
                })));
            } else {
                answers.push(receiver.answer(&message.message_id));
                taken.push(message);
            }
            if receiver.strikes(|state| state.publishing) && receiver.chance(|chance| chance.percent(30)) {
                cut = true;
                break;
            }
        }
        // What it took it may write down before it answers, or only then.
        if cut {
            let written = receiver.chance(|chance| chance.count(0, taken.len()));
            receiver.note(&format!("takes {written} of {} and hangs up", places.len()));
            taken.drain(..written).for_each(|message| receiver.take(&message));
        } else if receiver.chance(|chance| chance.percent(50)) {
            taken.drain(..).for_each(|message| receiver.take(&message));
        }
        let slow = lock(&receiver.state).slow;
        let wait = if mood == Mood::Hangs { TIME_LIMIT } else { slow };
        Ok(Box::pin(async move {
            receiver.pause(wait).await;
            if cut {
                return Err(broken("waiting for confirms"));
            }
            taken.iter().for_each(|message| receiver.take(message));
            let mut state = lock(&receiver.state);
            for (place, answer) in places.into_iter().zip(&answers) {
                state.tries[place].1 = match answer {
                    Sent::Delivered | Sent::Answered(_) => Came::Confirmed,
                    Sent::Refused(_) | Sent::Broke(_) => Came::Refused,
                    Sent::Later(..) | Sent::Unsent => Came::Later,
                };
            }
            drop(state);
            Ok(answers)
        }))
    }

    async fn changed(&mut self) -> Result<Flow, LinkError> {
        let receiver = Arc::clone(&self.receiver);
        loop {
            let changed = receiver.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            let flow = match receiver.mood() {
                Mood::Blocks => Flow::Blocked("it is low on memory".into()),
                Mood::Away => return Err(broken("holding the connection")),
                _ => Flow::Open,
            };
            if flow != self.told {
                self.told = flow.clone();
                return Ok(flow);
            }
            let Some(millis) = self.ends.filter(|_| !receiver.world.is_calm()) else {
                changed.await;
                continue;
            };
            tokio::select! {
                biased;
                () = changed => {}
                () = receiver.world.pause(receiver.part, millis as u64) => {
                    receiver.note("ends an idle connection");
                    return Err(broken("holding the connection"));
                }
            }
        }
    }
}
