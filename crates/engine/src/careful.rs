//! Delivering record by record after something went wrong, to tell a bad record from a receiver that is out of order:
//! a record is parked when it has failed often enough, one that comes after it got through, **and** it failed once more
//! after that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use samspor_domain::store::StoreError;
use samspor_domain::{Publisher, Receipt, Sent, Seq, Why};

use crate::blocking;
use crate::books::Handing;
use crate::deliver::{Failure, Means, Outlet, Step};
use crate::trace;

/// Connections in a row that may be lost with the same records under way before those are suspected.
const LOSSES: u32 = 2;
/// Refusals that are remembered at most.
const REFUSALS: usize = 100;

/// How a record failed.
#[derive(Default)]
struct Tries {
    made: u32,
    /// How many of those that it may have are used up.
    spent: u32,
    /// Why the last one failed.
    why: String,
}

/// What is known of records that did not go through. It lives as long as its target runs.
#[derive(Default)]
pub(crate) struct Doubts {
    /// Everything up to here is delivered or parked.
    pub(crate) position: Seq,
    /// One by one up to here.
    until: Option<Seq>,
    /// Connections lost since something last got through.
    losses: u32,
    /// What lies after the position and is delivered already.
    delivered: BTreeSet<Seq>,
    /// The receipts that the receiver answered with, until their records are noted as handed over.
    receipts: BTreeMap<Seq, Box<Receipt>>,
    /// Why the last answer was no receipt, where it should have been one.
    pub(crate) no_receipt: Option<String>,
    tries: BTreeMap<Seq, Tries>,
    /// The record that was on its way alone.
    in_hand: Option<Seq>,
    /// Records that failed once more after the receiver had shown that it is in order.
    condemned: BTreeSet<Seq>,
    /// Refusals for which a record was parked. The next that is refused so is parked at once.
    known: BTreeSet<String>,
}

impl Doubts {
    /// Whether records go one by one.
    pub(crate) fn is_careful(&self) -> bool {
        self.until.is_some()
    }

    /// The connection was lost with records up to this one under way.
    pub(crate) fn lost(&mut self, last: Seq) {
        self.losses += 1;
        if self.losses >= LOSSES {
            self.begin(last);
        }
    }

    /// One of the records up to this one failed.
    pub(crate) fn begin(&mut self, last: Seq) {
        self.until = self.until.max(Some(last));
    }

    /// A record after the position is delivered.
    pub(crate) fn delivered(&mut self, seq: Seq) {
        self.delivered.insert(seq);
    }

    /// The receiver answered a record with its receipt.
    pub(crate) fn answered(&mut self, seq: Seq, receipt: Receipt) {
        self.receipts.insert(seq, Box::new(receipt));
    }

    /// A record as it was handed over, with the receipt that came with it.
    pub(crate) fn handing(&mut self, step: Step) -> Handing {
        Handing { receipt: self.receipts.remove(&step.seq), ..step.handing }
    }

    /// Everything up to a record is delivered or parked.
    pub(crate) fn passed(&mut self, to: Seq) {
        self.losses = 0;
        self.position = self.position.max(to);
        self.delivered = self.delivered.split_off(&Seq(self.position.0 + 1));
        self.receipts = self.receipts.split_off(&Seq(self.position.0 + 1));
        self.tries = self.tries.split_off(&Seq(self.position.0 + 1));
        self.condemned = self.condemned.split_off(&Seq(self.position.0 + 1));
    }

    fn went_through(&mut self, seq: Seq) {
        self.tries.remove(&seq);
        self.delivered.insert(seq);
    }

    fn failed(&mut self, seq: Seq, why: String) {
        let tries = self.tries.entry(seq).or_default();
        tries.made += 1;
        // One more that fails like those that are parked needs no further proof.
        tries.spent = if self.known.contains(&why) { u32::MAX } else { tries.spent.saturating_add(1) };
        tries.why = why;
    }

    fn spent(&self, seq: Seq) -> u32 {
        self.tries.get(&seq).map_or(0, |tries| tries.spent)
    }

    /// Every record that was tried enough gets one more try.
    fn once_more(&mut self, tries: u32) {
        for failed in self.tries.values_mut() {
            failed.spent = failed.spent.min(tries - 1);
        }
    }
}

impl Outlet {
    /// Delivers one by one, until everything that is in doubt is delivered or parked.
    pub(crate) async fn go_carefully(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
    ) -> Result<(), Failure> {
        if let Some(seq) = doubts.in_hand.take() {
            doubts.failed(seq, "the connection ended while it was on its way".into());
        }
        let mut newest = means.handle.newest();
        // What lies between the position and the record that is tried.
        let mut behind: VecDeque<Step> = VecDeque::new();
        let mut failing = 0;
        while !means.stop.is_cancelled() {
            newest.mark_unchanged();
            let after = behind.back().map_or(doubts.position, |step| step.seq);
            let steps = blocking::in_place(|| self.read(means.reader, after))?;
            if steps.is_empty() {
                if failing == 0 {
                    // Only records of closed months are left.
                    self.advance(means.handle, doubts, behind.drain(..)).await;
                    break;
                }
                // Nothing comes after those that failed, so there is no telling them from a receiver that is out of
                // order, and nobody waits for them to get out of the way.
                tokio::select! {
                    biased;
                    () = means.backoff.wait(means.stop) => doubts.once_more(self.policy.tries),
                    _ = newest.changed() => {}
                }
                (behind, failing) = (VecDeque::new(), 0);
                continue;
            }
            for step in steps {
                if means.stop.is_cancelled() {
                    return Ok(());
                }
                let is_delivered = doubts.delivered.contains(&step.seq);
                if step.messages.is_some()
                    && !is_delivered
                    && !self.try_step(publisher, means, doubts, &step).await?
                {
                    behind.push_back(step);
                    failing += 1;
                    if failing > self.policy.failing {
                        doubts.once_more(self.policy.tries);
                        let why = doubts.tries.values().next_back().map(|tries| tries.why.clone());
                        return Err(Failure::Refused(why.unwrap_or_default()));
                    }
                    continue;
                }
                let is_proof = step.messages.is_some();
                behind.push_back(step);
                if is_proof {
                    self.pass(publisher, means, doubts, &mut behind).await?;
                    failing = 0;
                }
            }
            if behind.is_empty() && doubts.until <= Some(doubts.position) {
                break;
            }
        }
        doubts.until = None;
        means.backoff.reset();
        Ok(())
    }

    /// Tries a record until it is delivered or has been tried often enough. Answers whether it is delivered.
    async fn try_step(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
        step: &Step,
    ) -> Result<bool, Failure> {
        while doubts.spent(step.seq) < self.policy.tries {
            doubts.in_hand = Some(step.seq);
            let mut messages = step.messages.clone().unwrap_or_default();
            let span = self.span(means.handle, step, &mut messages);
            let sent = publisher.publish(messages).await?.await?;
            trace::tell(span, &sent);
            doubts.in_hand = None;
            self.hear(means, doubts, step, &sent)?;
            match sent.into_iter().find(|sent| !sent.is_delivered()) {
                None | Some(Sent::Delivered | Sent::Answered(_)) => {
                    doubts.went_through(step.seq);
                    return Ok(true);
                }
                Some(Sent::Later(why, asked)) => return Err(Failure::Later(why, asked)),
                Some(Sent::Refused(why)) => {
                    doubts.failed(step.seq, why);
                    tracing::debug!(target = %self.name, "the receiver refused a record");
                }
            }
            if doubts.spent(step.seq) < self.policy.tries {
                means.backoff.wait(means.stop).await;
                if means.stop.is_cancelled() {
                    return Ok(false);
                }
            }
        }
        Ok(false)
    }

    /// The last of these got through: the others are delivered, parked for their month, or bad unless the receiver takes
    /// them now.
    async fn pass(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
        behind: &mut VecDeque<Step>,
    ) -> Result<(), Failure> {
        let reader = &mut *means.reader;
        let superseded = blocking::in_place(|| {
            let mut superseded = Vec::new();
            for step in behind.iter().filter(|step| doubts.tries.contains_key(&step.seq)) {
                let newest = reader.newest_record(step.handing.posting)?;
                if newest.is_none_or(|newest| newest.seq != step.seq) {
                    superseded.push(step.seq);
                }
            }
            Ok::<_, StoreError>(superseded)
        })?;
        // What is no longer its posting's newest record is passed over, as ever.
        behind.retain(|step| !superseded.contains(&step.seq));
        for step in &*behind {
            if doubts.tries.contains_key(&step.seq) && doubts.condemned.insert(step.seq) {
                let mut messages = step.messages.clone().unwrap_or_default();
                let span = self.span(means.handle, step, &mut messages);
                let sent = publisher.publish(messages).await?.await?;
                trace::tell(span, &sent);
                self.hear(means, doubts, step, &sent)?;
                match sent.into_iter().find(|sent| !sent.is_delivered()) {
                    None | Some(Sent::Delivered | Sent::Answered(_)) => doubts.went_through(step.seq),
                    Some(Sent::Refused(why)) => doubts.failed(step.seq, why),
                    Some(Sent::Later(why, asked)) => {
                        doubts.condemned.remove(&step.seq);
                        return Err(Failure::Later(why, asked));
                    }
                }
            }
        }
        let mut advance = self.no_advance();
        let mut parked = 0;
        for step in behind.drain(..) {
            advance.to = step.seq;
            if step.messages.is_none() {
                advance.parked.push(step.park(Why::ClosedMonth));
            } else if let Some(Tries { made, why, .. }) = doubts.tries.remove(&step.seq) {
                if doubts.known.len() < REFUSALS {
                    doubts.known.insert(why.clone());
                }
                parked += 1;
                advance.parked.push(step.park(Why::Refused(made, why)));
            } else {
                advance.handed.push(doubts.handing(step));
            }
        }
        if parked > 0 {
            tracing::warn!(target = %self.name, parked, "parked records that the receiver does not take; \
                `samspor parked` lists them");
        }
        means.backoff.reset();
        self.say(means.handle, doubts, advance).await;
        Ok(())
    }
}
