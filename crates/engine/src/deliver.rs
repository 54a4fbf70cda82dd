//! Delivery: each target is a cursor over the feed, or over a log of its own. It publishes newest records in order, and advances when the
//! receiver has confirmed them. Where something goes wrong, [`careful`](crate::careful) finds out what.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use samspor_domain::store::{Month, PostingNo, Read, Result as StoreResult, StoreError};
use samspor_domain::{
    Confirms, Decode, Flow, LinkError, Outgoing, Publisher, Publishing, Sent, Seq, Target, Text, Why,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::blocking;
use crate::books::{Advance, Handing, Parking};
use crate::careful::{Doubts, UNSENT};
use crate::log::Logged;
use crate::scribe::Scribe;
use crate::status::{Condition, Status, tags_part, target_part};
use crate::supervise::Backoff;
use crate::trace;
use crate::writer::{Handle, explain};

/// Batches that may wait for their confirms at once, each of them a part of the window; fewer where that is smaller.
pub const IN_FLIGHT: usize = 4;

/// Records that are looked at in one go, at most, for some that a filter does not let pass by.
const LOOKED_AT: usize = 1_000;

/// Of which so many are read at once.
const PAGE: usize = 250;

/// What is said where there was no room for a tag.
const SHORT: &str = "postings passed on without a part of their tag, for which the fields that the configuration names have no \
                     room; `samspor reconcile` counts them";

/// One target, as it runs.
pub struct Outlet {
    /// Its name, by which its cursor is kept.
    pub name: Text,
    /// Where records go.
    pub target: Arc<dyn Target>,
    /// How they are written.
    pub scribe: Scribe,
    /// How many records may wait for their confirms at once.
    pub window: usize,
    /// What is done where it does not go well.
    pub policy: Policy,
    /// How the receiver's answers are read, where it may answer a record with its receipt.
    pub answers: Option<Arc<dyn Decode>>,
}

/// What is done about records that a receiver does not take, and which ones it is not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How often a record is tried before it is parked, 1 or more; four times as often where it may fail by chance.
    pub tries: u32,
    /// How many records may fail one after the other. With more, unless it takes something that it has already, it is the
    /// receiver that is out of order, none of them is parked, and delivery waits.
    pub failing: usize,
    /// The shortest and the longest wait between tries; they grow from one to the other.
    pub waits: (Duration, Duration),
    /// The months, by their first day, whose books are closed: their records are parked until a start without the month.
    pub closed_months: BTreeSet<Month>,
    /// How long the receiver may take to give a receipt; none: it gives none.
    pub receipt_within: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            tries: 5,
            failing: 10,
            waits: (Duration::from_millis(200), Duration::from_secs(30)),
            closed_months: BTreeSet::new(),
            receipt_within: None,
        }
    }
}

/// Why a delivery came to an end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("the feed cannot be read")]
    Store(#[from] StoreError),
    #[error("the receiver did not take a record: {0}")]
    Refused(String),
    #[error("the receiver takes nothing for now: {0}")]
    Later(String, Option<Duration>),
    #[error("the writer is gone, and nothing new will come")]
    Gone,
}

/// A record on its way.
pub(crate) struct Step {
    pub(crate) seq: Seq,
    pub(crate) posting: PostingNo,
    pub(crate) revision: i64,
    /// None for a record of a closed month, and for one that the target's filter lets pass by; these have no messages
    /// either.
    pub(crate) handing: Option<Handing>,
    /// The target is not given this one: only the cursor goes on.
    pub(crate) passes_by: bool,
    pub(crate) messages: Vec<Outgoing>,
    /// The span in which it is published, if somebody follows its posting.
    pub(crate) span: Option<Box<dyn Publishing>>,
}

/// What an outlet works with.
pub(crate) struct Means<'a> {
    pub(crate) reader: &'a mut dyn Read,
    pub(crate) handle: &'a Handle,
    pub(crate) status: &'a Status,
    pub(crate) stop: &'a CancellationToken,
    pub(crate) backoff: &'a mut Backoff,
    /// Changes when something parked was released.
    pub(crate) released: watch::Receiver<u64>,
}

/// Records that wait for their confirms, and how many messages each is.
pub(crate) struct Flight {
    pub(crate) steps: Vec<(Step, usize)>,
    confirms: Confirms,
    begun: Instant,
}

impl Outlet {
    /// Delivers until told to stop, connecting again after whatever goes wrong.
    pub(crate) async fn run(
        &mut self,
        reader: &mut dyn Read,
        handle: &Handle,
        status: &Status,
        stop: &CancellationToken,
    ) {
        let part = target_part(&self.name);
        let mut backoff = Backoff::between(self.policy.waits);
        let mut doubts = Doubts::new(self.policy.waits, handle.turns.of(&self.name));
        // One for all connections: what is released between two of them is seen in the next.
        let released = handle.released();
        let mut means = Means { reader, handle, status, stop, backoff: &mut backoff, released };
        // One that ran before may have left something there.
        status.remove(&tags_part(&self.name));
        status.set(&part, Condition::Starting);
        while !stop.is_cancelled() {
            let connecting = async {
                if begins_anew(&self.name, &mut means, &doubts).await {
                    self.target.connect_anew().await
                } else {
                    self.target.connect().await
                }
            };
            let connected = tokio::select! {
                biased;
                connected = connecting => connected,
                () = stop.cancelled() => break,
            };
            let outcome = match connected {
                Ok(mut publisher) => self.serve(&mut *publisher, &mut means, &mut doubts, &part).await,
                Err(error) => Err(Failure::Link(error)),
            };
            if let Err(error) = outcome {
                status.set(&part, Condition::Down(explain(&error)));
                let asked = match error {
                    Failure::Later(_, asked) => asked,
                    Failure::Gone => break,
                    Failure::Link(_) | Failure::Store(_) | Failure::Refused(_) => None,
                };
                means.backoff.wait_as_asked(asked, stop).await;
            }
        }
    }

    /// Serves one connection.
    async fn serve(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
        part: &str,
    ) -> Result<(), Failure> {
        let kept = blocking::in_place(|| means.reader.cursor(&self.name))?;
        // What was said to the writer may not be committed yet.
        doubts.position = doubts.position.max(kept);
        self.note_cut(means, doubts).await;
        doubts.rounds.begin();
        if doubts.is_careful() {
            self.go_carefully(publisher, means, doubts).await?;
        }
        means.status.set(part, Condition::Up);
        self.deliver(publisher, means, doubts).await
    }

    async fn deliver(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
    ) -> Result<(), Failure> {
        let mut newest = means.handle.newest(self.scribe.log());
        let measure = means.handle.measures.confirms_of(&self.name);
        let mut read = doubts.position;
        let mut in_flight: VecDeque<Flight> = VecDeque::new();
        let most = self.window.clamp(1, IN_FLIGHT);
        // Whether the feed has had its turn since what is tried again had its own.
        let mut had_turn = false;
        loop {
            let stopping = means.stop.is_cancelled();
            if stopping && in_flight.is_empty() {
                return Ok(());
            }
            let is_due = !stopping && doubts.rounds.is_due();
            if is_due && had_turn && in_flight.is_empty() {
                self.try_again(publisher, means, doubts).await?;
                had_turn = false;
                continue;
            }
            newest.mark_unchanged();
            let mut more = false;
            if !stopping && in_flight.len() < most && !(is_due && had_turn) {
                let mut steps = blocking::in_place(|| self.read(means.reader, read))?;
                if let Some(last) = steps.last() {
                    read = last.seq;
                    let mut messages = Vec::with_capacity(steps.len());
                    let mut counted = Vec::with_capacity(steps.len());
                    for mut step in steps.drain(..) {
                        self.tell_short(means.status, &step);
                        let before = messages.len();
                        messages.append(&mut step.messages);
                        step.span = self.span(means.handle, &step, &mut messages[before..]);
                        counted.push((step, messages.len() - before));
                    }
                    let begun = Instant::now();
                    let published = publisher.publish(messages).await;
                    let confirms = published.inspect_err(|_| doubts.lost(read))?;
                    in_flight.push_back(Flight { steps: counted, confirms, begun });
                    more = in_flight.len() < most;
                } else if is_due {
                    had_turn = true;
                    more = in_flight.is_empty();
                }
            }
            if more {
                continue;
            }
            tokio::select! {
                biased;
                sent = settled(&mut in_flight), if !in_flight.is_empty() => {
                    let mut flight = in_flight.pop_front().unwrap_or_else(|| unreachable!("it has settled"));
                    let mut sent = sent.inspect_err(|_| doubts.lost(read))?;
                    flight.tell(&sent);
                    self.hear_all(means, doubts, &flight, &sent)?;
                    if let Some(failure) = failure(&sent) {
                        // What got through before the first that did not is done with.
                        let through = flight.take_delivered(&mut sent);
                        if !through.is_empty() {
                            self.advance(means.handle, doubts, through.into_iter()).await;
                        }
                        note(&flight, &sent, doubts);
                        flight.doubt(&sent, doubts);
                        doubts.spare_delivered();
                        // What else is under way is answered too, and need not go twice.
                        while let Some(mut flight) = in_flight.pop_front() {
                            let sent = (&mut flight.confirms).await?;
                            flight.tell(&sent);
                            self.hear_all(means, doubts, &flight, &sent)?;
                            note(&flight, &sent, doubts);
                            if doubts.is_careful() {
                                flight.doubt(&sent, doubts);
                            }
                            doubts.spare_delivered();
                        }
                        return Err(failure);
                    }
                    measure.confirmed(flight.begun.elapsed());
                    means.backoff.reset();
                    had_turn = true;
                    if let Some((step, _)) = flight.steps.iter().rfind(|(_, messages)| *messages > 0) {
                        doubts.proven(step);
                    }
                    let steps = flight.steps.into_iter().map(|(step, _)| step);
                    self.advance(means.handle, doubts, steps).await;
                }
                // Looked at also while nothing is under way, when nothing else would show that the connection is gone.
                flow = publisher.changed() => means.status.set(&target_part(&self.name), match flow.inspect_err(|_| {
                    if !in_flight.is_empty() {
                        doubts.lost(read);
                    }
                })? {
                    Flow::Open => Condition::Up,
                    Flow::Blocked(why) => Condition::Down(format!("the receiver takes nothing for now: {why}")),
                }),
                changed = newest.changed(), if !stopping && in_flight.len() < most => {
                    changed.map_err(|_| Failure::Gone)?;
                }
                changed = means.released.changed(), if !stopping => {
                    if changed.is_ok() {
                        doubts.rounds.begin_anew();
                    }
                }
                () = doubts.rounds.due(), if !stopping && !is_due => {}
                () = means.stop.cancelled(), if !stopping => {}
            }
        }
    }

    /// Says that a posting goes without a part of its tag, if it does.
    pub(crate) fn tell_short(&self, status: &Status, step: &Step) {
        if step.handing.as_ref().is_some_and(|handing| handing.is_short) {
            status.set(&tags_part(&self.name), Condition::Down(SHORT.into()));
        }
    }

    /// Says that the target has these records, or that they are parked because their month is closed.
    pub(crate) async fn advance(
        &self,
        handle: &Handle,
        doubts: &mut Doubts,
        steps: impl Iterator<Item = Step>,
    ) {
        let mut advance = self.no_advance();
        for mut step in steps {
            advance.to = step.seq;
            match doubts.handing(&mut step) {
                Some(handing) => advance.handed.push(handing),
                None if step.passes_by => {}
                None => advance.parked.push(step.park(Why::ClosedMonth)),
            }
        }
        self.say(handle, doubts, advance).await;
    }

    pub(crate) async fn say(&self, handle: &Handle, doubts: &mut Doubts, mut advance: Advance) {
        advance.turn = doubts.turn;
        doubts.passed(advance.to);
        handle.advance(advance).await;
    }

    pub(crate) fn no_advance(&self) -> Advance {
        Advance {
            target: self.name.clone(),
            turn: 0,
            to: Seq::default(),
            handed: Vec::new(),
            parked: Vec::new(),
            gives_receipts: self.policy.receipt_within.is_some(),
        }
    }

    /// The next records. Those that pass the target by are left out, but for the last one of many, so that the cursor goes
    /// on.
    pub(crate) fn read(&mut self, reader: &mut dyn Read, after: Seq) -> StoreResult<Vec<Step>> {
        let limit = (self.window / IN_FLIGHT).max(1);
        if self.scribe.filter().is_everything() {
            return self.read_page(reader, after, limit);
        }
        let (mut steps, mut passed, mut looked, mut after) = (Vec::new(), None, 0, after);
        while steps.len() < limit && looked < LOOKED_AT {
            // The longer nothing is found, the more is looked at in one go. What is read too much is read again.
            let limit_of_page = (limit - steps.len()).max(looked).min(PAGE);
            let entries = self.scribe.log().after(reader, &self.name, after, limit_of_page)?;
            let Some(last) = entries.last() else { break };
            (after, looked) = (last.seq, looked + entries.len());
            for entry in &entries {
                let step = self.step(reader, entry)?;
                if step.passes_by {
                    passed = Some(step);
                    continue;
                }
                passed = None;
                steps.push(step);
                if steps.len() == limit {
                    break;
                }
            }
        }
        steps.extend(passed);
        Ok(steps)
    }

    fn read_page(&mut self, reader: &mut dyn Read, after: Seq, limit: usize) -> StoreResult<Vec<Step>> {
        let entries = self.scribe.log().after(reader, &self.name, after, limit)?;
        entries.iter().map(|entry| self.step(reader, entry)).collect()
    }

    fn step(&mut self, reader: &mut dyn Read, entry: &Logged) -> StoreResult<Step> {
        let (posting, revision) = (&entry.posting, entry.revision());
        // What is not delivered is not unsealed, unless a filter must see it.
        let is_closed = self.policy.closed_months.contains(&posting.posting.date.first_of_month());
        let is_looked_at = !is_closed || !self.scribe.filter().is_everything();
        let written = if is_looked_at { self.scribe.messages(reader, entry)? } else { None };
        let passes_by = is_looked_at && written.is_none();
        let (handing, messages) = written.filter(|_| !is_closed).unzip();
        let (seq, messages) = (entry.seq, messages.unwrap_or_default());
        Ok(Step { seq, posting: posting.no, revision, handing, passes_by, messages, span: None })
    }

    /// The span of a record that is published now, if somebody follows its posting. Its messages tell of it.
    pub(crate) fn span(
        &self,
        handle: &Handle,
        step: &Step,
        messages: &mut [Outgoing],
    ) -> Option<Box<dyn Publishing>> {
        handle.tracing.publish(&self.name, step.posting, messages, self.scribe.tells_who())
    }

    /// The newest entry of a posting.
    pub(crate) fn newest(&mut self, reader: &mut dyn Read, posting: PostingNo) -> StoreResult<Option<Step>> {
        let newest = self.scribe.log().newest(reader, &self.name, posting)?;
        newest.map(|entry| self.step(reader, &entry)).transpose()
    }
}

impl Step {
    pub(crate) fn park(&self, why: Why) -> Parking {
        Parking { posting: self.posting, seq: self.seq, why, is_released: false }
    }
}

impl Flight {
    /// Each record with what was answered to its messages.
    fn answers<'a>(&'a self, sent: &'a [Sent]) -> impl Iterator<Item = (&'a Step, &'a [Sent])> {
        self.steps.iter().scan(sent, |sent, (step, count)| {
            let (own, others) = sent.split_at((*count).min(sent.len()));
            *sent = others;
            Some((step, own))
        })
    }

    /// Takes out the records up to the first that was not delivered, with their answers.
    fn take_delivered(&mut self, sent: &mut Vec<Sent>) -> Vec<Step> {
        let is_through = |(_, own): &(&Step, &[Sent])| own.iter().all(Sent::is_delivered);
        let (records, messages) = self
            .answers(sent)
            .take_while(is_through)
            .fold((0, 0), |(records, messages), (_, own)| (records + 1, messages + own.len()));
        sent.drain(..messages);
        self.steps.drain(..records).map(|(step, _)| step).collect()
    }

    /// Suspects what was sent of a flight that did not get through, unless all of it was only put off together.
    fn doubt(&self, sent: &[Sent], doubts: &mut Doubts) {
        let went = |own: &[Sent]| own.iter().any(|sent| *sent != Sent::Unsent);
        let of_those = self.answers(sent).filter(|(_, own)| went(own));
        let (last, count) = of_those.fold((None, 0), |(_, count), (step, _)| (Some(step.seq), count + 1));
        let Some(last) = last else { return };
        let is_put_off = sent.iter().all(|sent| !matches!(sent, Sent::Refused(_) | Sent::Broke(_)));
        if is_put_off && count > 1 { doubts.put_off(last) } else { doubts.begin(last) }
    }

    /// Tells those who follow them how the records were answered.
    fn tell(&mut self, sent: &[Sent]) {
        let mut sent = sent;
        for (step, count) in &mut self.steps {
            let (own, others) = sent.split_at((*count).min(sent.len()));
            trace::tell(step.span.take(), own);
            sent = others;
        }
    }
}

/// Why not all of them were delivered, where that is so.
fn failure(sent: &[Sent]) -> Option<Failure> {
    let failed = sent.iter().find_map(|sent| match sent {
        Sent::Delivered | Sent::Answered(_) | Sent::Unsent => None,
        Sent::Refused(why) | Sent::Broke(why) => Some(Failure::Refused(why.clone())),
        Sent::Later(why, asked) => Some(Failure::Later(why.clone(), *asked)),
    });
    failed.or_else(|| sent.contains(&Sent::Unsent).then(|| Failure::Later(UNSENT.into(), None)))
}

/// Notes which records of a flight were delivered, where something did not get through.
fn note(flight: &Flight, sent: &[Sent], doubts: &mut Doubts) {
    for (step, sent) in flight.answers(sent) {
        if sent.iter().all(Sent::is_delivered) && step.handing.is_some() {
            doubts.delivered(step);
        }
    }
}

/// Whether a target begins, or begins anew: it has nothing, so that everything comes. What was said to the writer counts.
async fn begins_anew(name: &Text, means: &mut Means<'_>, doubts: &Doubts) -> bool {
    let mut is_at_start =
        || blocking::in_place(|| means.reader.cursor(name)).is_ok_and(|kept| kept == Seq::default());
    doubts.has_nothing() && is_at_start() && means.handle.run(|_, _| Ok(())).await.is_ok() && is_at_start()
}

/// Waits for the oldest batch in flight.
async fn settled(in_flight: &mut VecDeque<Flight>) -> Result<Vec<Sent>, LinkError> {
    match in_flight.front_mut() {
        Some(flight) => (&mut flight.confirms).await,
        None => std::future::pending().await,
    }
}
