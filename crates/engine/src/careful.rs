//! Delivering record by record after something went wrong, to tell a bad record from a receiver that is out of order:
//! a record is parked when it has failed often enough, one that comes after it got through, **and** it failed once more
//! after that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use samspor_domain::store::{PostingNo, Read, Result as StoreResult};
use samspor_domain::{Publisher, Receipt, Sent, Seq, Why};

use crate::blocking;
use crate::books::{Handing, Parking};
use crate::deliver::{Failure, Means, Outlet, Step};
use crate::released::{Again, Rounds};
use crate::trace;

/// Connections in a row that may be lost with the same records under way before those are suspected.
const LOSSES: u32 = 2;
/// Refusals that are remembered at most.
const REFUSALS: usize = 100;

/// Why a record failed that was on its way alone when the connection ended.
const CUT: &str = "the connection ended while it was on its way";

/// In which way a record failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum How {
    /// The receiver said no to it, and says the same of others that are alike.
    #[default]
    Refused,
    /// The receiver broke, which may be its own doing.
    Broke,
    /// The connection ended, which may not be the record's fault.
    Cut,
}

/// How a record failed.
#[derive(Default)]
pub(crate) struct Tries {
    made: u32,
    /// How many of those that it may have are used up.
    spent: u32,
    /// Why the last one failed.
    why: String,
    how: How,
    /// How often something else had been shown to get through by then.
    proofs: u64,
}

impl Tries {
    /// Notes one more. Answers whether it shows that the record is bad: it was tried enough, another one got through after
    /// that, and now it failed once more. A connection that ended shows that only where the one before did as well.
    pub(crate) fn fail(
        &mut self,
        why: String,
        how: How,
        known: &BTreeSet<String>,
        proofs: u64,
        tries: u32,
    ) -> bool {
        let is_bad = self.spent >= tries && proofs > self.proofs && (how != How::Cut || self.how == How::Cut);
        self.made += 1;
        // One more that fails like those that are parked needs no more tries to be suspected.
        let is_known = how == How::Refused && known.contains(&why);
        self.spent = if is_known { u32::MAX } else { self.spent.saturating_add(1) };
        (self.why, self.how, self.proofs) = (why, how, proofs);
        is_bad
    }

    /// Whether it was tried enough, and nothing got through since.
    pub(crate) fn wants_proof(&self, tries: u32, proofs: u64) -> bool {
        self.spent >= tries && proofs == self.proofs
    }
}

/// What was on its way alone.
pub(crate) enum InHand {
    /// A record of the feed; and whether it was its last try.
    Step(Seq, bool),
    /// One that is tried again.
    Again(Again),
    /// One that the receiver has already.
    Proof,
}

/// What is known of records that did not go through. It lives as long as its target runs.
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
    tries: BTreeMap<Seq, Tries>,
    /// What was on its way alone.
    pub(crate) in_hand: Option<InHand>,
    /// Records that failed once more after the receiver had shown that it is in order.
    condemned: BTreeSet<Seq>,
    /// Refusals for which a record was parked. The next that is refused so is suspected at once.
    pub(crate) known: BTreeSet<String>,
    /// How often something was shown to get through.
    pub(crate) proofs: u64,
    /// What did so last.
    pub(crate) good: Option<(PostingNo, Seq)>,
    /// Whether that may be sent again as a proof.
    pub(crate) may_prove: bool,
    /// How far what is parked is tried again.
    pub(crate) rounds: Rounds,
}

impl Doubts {
    pub(crate) fn new(waits: (Duration, Duration)) -> Self {
        Self {
            position: Seq::default(),
            until: None,
            losses: 0,
            delivered: BTreeSet::new(),
            receipts: BTreeMap::new(),
            tries: BTreeMap::new(),
            in_hand: None,
            condemned: BTreeSet::new(),
            known: BTreeSet::new(),
            proofs: 0,
            good: None,
            may_prove: true,
            rounds: Rounds::new(waits),
        }
    }

    /// A record got through.
    pub(crate) fn proven(&mut self, step: &Step) {
        self.proofs += 1;
        self.good = Some((step.handing.posting, step.seq));
    }

    /// Why a record is parked that failed so, and so often before.
    pub(crate) fn parks(&mut self, tries: Tries, before: u32) -> Why {
        if self.known.len() < REFUSALS && tries.how == How::Refused {
            self.known.insert(tries.why.clone());
        }
        Why::Refused(before.saturating_add(tries.made), tries.why)
    }

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

    fn went_through(&mut self, step: &Step) {
        self.tries.remove(&step.seq);
        self.delivered.insert(step.seq);
        self.proven(step);
    }

    /// A record of the feed failed; `is_last` where it was tried since another one got through.
    fn failed(&mut self, seq: Seq, is_last: bool, why: String, how: How) {
        let tries = self.tries.entry(seq).or_default();
        let is_condemned = is_last && (how != How::Cut || tries.how == How::Cut);
        tries.fail(why, how, &self.known, self.proofs, 0);
        if is_condemned {
            self.condemned.insert(seq);
        }
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
    /// Notes that the connection ended while something was on its way alone.
    pub(crate) async fn note_cut(&self, means: &mut Means<'_>, doubts: &mut Doubts) {
        match doubts.in_hand.take() {
            None => {}
            Some(InHand::Step(seq, is_last)) => doubts.failed(seq, is_last, CUT.into(), How::Cut),
            Some(InHand::Again(again)) => self.failed_again(means, doubts, again, CUT.into(), How::Cut).await,
            Some(InHand::Proof) => doubts.rounds.put_off(None),
        }
    }

    /// Delivers one by one, until everything that is in doubt is delivered or parked.
    pub(crate) async fn go_carefully(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
    ) -> Result<(), Failure> {
        let mut newest = means.handle.newest();
        // What failed, and nothing behind it got through yet; and how far the feed is read.
        let (mut failing, mut after) = (Vec::new(), doubts.position);
        while !means.stop.is_cancelled() {
            newest.mark_unchanged();
            let mut steps = blocking::in_place(|| self.read(means.reader, after))?;
            if steps.is_empty() {
                if failing.is_empty() {
                    break;
                }
                // Nothing comes after those that failed, so there is no telling them from a receiver that is out of
                // order, and nobody waits for them to get out of the way but what is tried again.
                doubts.rounds.begin();
                if doubts.rounds.is_due() {
                    self.try_again(publisher, means, doubts).await?;
                }
                tokio::select! {
                    biased;
                    () = means.backoff.wait(means.stop) => doubts.once_more(self.policy.tries),
                    _ = newest.changed() => {}
                }
                steps = still_newest(means.reader, std::mem::take(&mut failing))?;
            }
            // Records of closed months wait for nobody. They are no proof either.
            let mut closed = Vec::new();
            for step in steps {
                if means.stop.is_cancelled() {
                    return Ok(());
                }
                after = after.max(step.seq);
                if step.messages.is_none() {
                    closed.push(step.park(Why::ClosedMonth));
                    continue;
                }
                let is_delivered = doubts.delivered.contains(&step.seq)
                    || self.try_step(publisher, means, doubts, &step).await?;
                failing.push(step);
                if is_delivered {
                    self.pass(publisher, means, doubts, &mut failing, &mut closed).await?;
                } else if failing.len() > self.policy.failing {
                    doubts.once_more(self.policy.tries);
                    let why = doubts.tries.values().next_back().map(|tries| tries.why.clone());
                    return Err(Failure::Refused(why.unwrap_or_default()));
                }
            }
            let to = if failing.is_empty() { after } else { doubts.position };
            self.park_closed(means, doubts, to, closed).await?;
            if failing.is_empty() && doubts.until <= Some(doubts.position) {
                break;
            }
        }
        doubts.until = None;
        means.backoff.reset();
        Ok(())
    }

    /// Parks records of closed months, but for those that are, and says how far the target has come.
    async fn park_closed(
        &self,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
        to: Seq,
        closed: Vec<Parking>,
    ) -> StoreResult<()> {
        let mut advance = self.no_advance();
        advance.to = to;
        for parking in closed {
            let before = PostingNo(parking.posting.0 - 1);
            let next = blocking::in_place(|| means.reader.parked(&self.name, before, 1))?;
            if next.iter().all(|next| (next.posting, next.seq) != (parking.posting, parking.seq)) {
                advance.parked.push(parking);
            }
        }
        if to > doubts.position || !advance.parked.is_empty() {
            self.say(means.handle, doubts, advance).await;
        }
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
            doubts.in_hand = Some(InHand::Step(step.seq, false));
            let mut messages = step.messages.clone().unwrap_or_default();
            let span = self.span(means.handle, step, &mut messages);
            let sent = publisher.publish(messages).await?.await?;
            trace::tell(span, &sent);
            doubts.in_hand = None;
            self.hear(means, doubts, step, &sent)?;
            match sent.into_iter().find(|sent| !sent.is_delivered()) {
                None | Some(Sent::Delivered | Sent::Answered(_)) => {
                    doubts.went_through(step);
                    return Ok(true);
                }
                Some(Sent::Later(why, asked)) => return Err(Failure::Later(why, asked)),
                Some(Sent::Refused(why)) => {
                    doubts.failed(step.seq, false, why, How::Refused);
                    tracing::debug!(target = %self.name, "the receiver refused a record");
                }
                Some(Sent::Broke(why)) => doubts.failed(step.seq, false, why, How::Broke),
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

    /// The last of these got through: the others are bad unless the receiver takes them now. `closed` goes with them.
    async fn pass(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
        failing: &mut Vec<Step>,
        closed: &mut Vec<Parking>,
    ) -> Result<(), Failure> {
        let to = failing.last().map(|step| step.seq).unwrap_or_default();
        // What is no longer its posting's newest record is passed over, as ever.
        let (mut behind, through): (Vec<_>, Vec<_>) =
            failing.drain(..).partition(|step| doubts.tries.contains_key(&step.seq));
        behind = still_newest(means.reader, behind)?;
        for step in &behind {
            if doubts.condemned.contains(&step.seq) {
                continue;
            }
            doubts.in_hand = Some(InHand::Step(step.seq, true));
            let mut messages = step.messages.clone().unwrap_or_default();
            let span = self.span(means.handle, step, &mut messages);
            let sent = publisher.publish(messages).await?.await?;
            trace::tell(span, &sent);
            doubts.in_hand = None;
            self.hear(means, doubts, step, &sent)?;
            match sent.into_iter().find(|sent| !sent.is_delivered()) {
                None | Some(Sent::Delivered | Sent::Answered(_)) => doubts.went_through(step),
                Some(Sent::Refused(why)) => doubts.failed(step.seq, true, why, How::Refused),
                Some(Sent::Broke(why)) => doubts.failed(step.seq, true, why, How::Broke),
                Some(Sent::Later(why, asked)) => return Err(Failure::Later(why, asked)),
            }
        }
        let mut advance = self.no_advance();
        (advance.to, advance.parked) = (to, std::mem::take(closed));
        let mut parked = 0;
        for step in behind.into_iter().chain(through) {
            if let Some(tries) = doubts.tries.remove(&step.seq) {
                parked += 1;
                advance.parked.push(step.park(doubts.parks(tries, 0)));
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

/// Those that are still their posting's newest record.
fn still_newest(reader: &mut dyn Read, steps: Vec<Step>) -> StoreResult<Vec<Step>> {
    blocking::in_place(|| {
        let mut newest = Vec::with_capacity(steps.len());
        for step in steps {
            if reader.newest_record(step.handing.posting)?.is_some_and(|record| record.seq == step.seq) {
                newest.push(step);
            }
        }
        Ok(newest)
    })
}
