//! Delivering record by record after something went wrong, to tell a bad record from a receiver that is out of order:
//! a record is parked when it has failed often enough, another one got through, **and** it failed once more after that.
//! Where nothing behind it is left to try, that other one is something that the receiver has already and is sent again; in a
//! log of which nothing is sent twice [`probe`](crate::probe) finds one.
//! A record whose last failure may have been chance gives way like that, and goes on being tried, as
//! [`released`](crate::released) tries what is parked, until it has failed four times as often.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use samspor_domain::store::{PostingNo, Read, Result as StoreResult};
use samspor_domain::{Publisher, Receipt, Sent, Seq, Why};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::blocking;
use crate::books::{Handing, Parking};
use crate::deliver::{Failure, Means, Outlet, Step};
use crate::log::Log;
use crate::released::{Again, Rounds};
use crate::trace;

/// Connections in a row that may be lost with the same records under way before those are suspected.
const LOSSES: u32 = 2;
/// Times in a row that records may be put off together before those are suspected.
const PUT_OFF: u32 = 2;
/// Refusals that are remembered at most.
const REFUSALS: usize = 100;
/// Records that may have failed with others behind them that are tried to find a proof.
const FAILED: usize = 1_000;

/// How many times more often a record has to fail where that may be chance.
const CHANCE: u32 = 4;

/// Why a record failed that was on its way alone when the connection ended.
const CUT: &str = "the connection ended while it was on its way";

/// Why a record was not delivered that was not even sent.
pub(crate) const UNSENT: &str = "a record before it did not get through";

/// In which way a record failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum How {
    /// The receiver said no to it, and says the same of others that are alike.
    #[default]
    Refused,
    /// The receiver broke, which may be its own doing.
    Broke,
    /// The receiver put it off, which may not be the record's fault: it may take nothing for now.
    Later,
    /// The connection ended, which may not be the record's fault.
    Cut,
}

impl How {
    /// Whether a record may fail so by no fault of its own.
    pub(crate) fn may_be_chance(self) -> bool {
        matches!(self, Self::Later | Self::Cut)
    }
}

/// How a record failed that was on its way alone.
pub(crate) struct Fell {
    pub(crate) why: String,
    pub(crate) how: How,
    /// How long the receiver asks to be left alone, if it does.
    pub(crate) asked: Option<Duration>,
}

impl Fell {
    pub(crate) fn cut() -> Self {
        Self { why: CUT.into(), how: How::Cut, asked: None }
    }

    pub(crate) fn of(sent: Sent) -> Option<Self> {
        let (why, how, asked) = match sent {
            Sent::Delivered | Sent::Answered(_) => return None,
            Sent::Refused(why) => (why, How::Refused, None),
            Sent::Broke(why) => (why, How::Broke, None),
            Sent::Later(why, asked) => (why, How::Later, asked),
            Sent::Unsent => (UNSENT.into(), How::Later, None),
        };
        Some(Self { why, how, asked })
    }
}

/// How a record failed.
#[derive(Default)]
pub(crate) struct Tries {
    pub(crate) made: u32,
    /// How many of those that it may have are used up. Of the further ones only those count before which something else
    /// got through.
    spent: u32,
    /// Whether it has one more all the same.
    has_one_more: bool,
    /// Why the last one failed.
    why: String,
    pub(crate) how: How,
    /// How often something else had been shown to get through by then.
    proofs: u64,
}

impl Tries {
    /// Notes one more. Answers whether it shows that the record is bad: it was tried enough, another one got through after
    /// that, and now it failed once more.
    pub(crate) fn fail(&mut self, fell: Fell, known: &BTreeSet<String>, proofs: u64, tries: u32) -> bool {
        let Fell { why, how, .. } = fell;
        let is_proven = proofs > self.proofs;
        let enough = if how.may_be_chance() { tries.saturating_mul(CHANCE) } else { tries };
        let is_bad = self.spent >= enough && is_proven;
        self.made += 1;
        if self.spent < tries || is_proven {
            self.spent = self.spent.saturating_add(1);
        }
        // One more that fails like those that are parked needs no more tries to be suspected.
        if how == How::Refused && known.contains(&why) {
            self.spent = self.spent.max(tries);
        }
        (self.why, self.how, self.proofs, self.has_one_more) = (why, how, proofs, false);
        is_bad
    }

    /// Whether it was tried enough, and nothing got through since.
    pub(crate) fn wants_proof(&self, tries: u32, proofs: u64) -> bool {
        self.spent >= tries && proofs == self.proofs
    }

    /// Whether it was tried enough, and something got through since.
    fn is_last(&self, tries: u32, proofs: u64) -> bool {
        self.spent >= tries && proofs > self.proofs
    }
}

/// What was on its way alone.
pub(crate) enum InHand {
    /// A record of the feed.
    Step(Seq, PostingNo),
    /// One that is tried again.
    Again(Again),
    /// One that the receiver has already.
    Proof,
}

/// What is known of records that did not go through. It lives as long as its target runs.
pub(crate) struct Doubts {
    /// How often the target had been told to get records again when it began to run.
    pub(crate) turn: u64,
    /// Everything up to here is delivered or parked.
    pub(crate) position: Seq,
    /// One by one up to here.
    until: Option<Seq>,
    /// Everything up to here was tried, or is parked because its month is closed.
    after: Seq,
    /// Connections lost since something last got through.
    losses: u32,
    /// How often records were put off together since something last got through.
    put_off: u32,
    /// What lies after the position and is delivered already.
    delivered: BTreeMap<Seq, PostingNo>,
    /// The receipts that the receiver answered with, until their records are noted as handed over.
    receipts: BTreeMap<Seq, Box<Receipt>>,
    /// What lies after the position and failed.
    tries: BTreeMap<Seq, (PostingNo, Tries)>,
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
    /// Up to where it was looked for something behind those that failed that gets through.
    pub(crate) probed: Seq,
    /// How far what is parked is tried again.
    pub(crate) rounds: Rounds,
}

impl Doubts {
    pub(crate) fn new(waits: (Duration, Duration), turn: u64) -> Self {
        Self {
            turn,
            position: Seq::default(),
            until: None,
            after: Seq::default(),
            losses: 0,
            put_off: 0,
            delivered: BTreeMap::new(),
            receipts: BTreeMap::new(),
            tries: BTreeMap::new(),
            in_hand: None,
            condemned: BTreeSet::new(),
            known: BTreeSet::new(),
            proofs: 0,
            good: None,
            may_prove: true,
            probed: Seq::default(),
            rounds: Rounds::new(waits),
        }
    }

    /// A record got through.
    pub(crate) fn proven(&mut self, step: &Step) {
        self.proofs += 1;
        self.good = Some((step.posting, step.seq));
        self.rounds.got_through();
    }

    /// Why a record is parked that failed so, and so often before.
    pub(crate) fn parks(&mut self, tries: &Tries, before: u32) -> Why {
        if self.known.len() < REFUSALS && tries.how == How::Refused {
            self.known.insert(tries.why.clone());
        }
        Why::Refused(before.saturating_add(tries.made), tries.why.clone())
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

    /// Records up to this one were put off together. A receiver that asks to be left alone for a while is not asked for each of
    /// them instead: the first time they go again as they went.
    pub(crate) fn put_off(&mut self, last: Seq) {
        self.put_off += 1;
        if self.put_off >= PUT_OFF || self.is_careful() {
            self.begin(last);
        }
    }

    /// What is delivered already does not go again with what lies before it and is not.
    pub(crate) fn spare_delivered(&mut self) {
        if let Some((last, _)) = self.delivered.last_key_value() {
            self.begin(*last);
        }
    }

    /// Whether nothing is delivered at all.
    pub(crate) fn has_nothing(&self) -> bool {
        self.position == Seq::default() && self.delivered.is_empty()
    }

    /// A record after the position is delivered.
    pub(crate) fn delivered(&mut self, step: &Step) {
        self.delivered.insert(step.seq, step.posting);
        self.good = Some((step.posting, step.seq));
    }

    /// The receiver answered a record with its receipt.
    pub(crate) fn answered(&mut self, seq: Seq, receipt: Receipt) {
        self.receipts.insert(seq, Box::new(receipt));
    }

    /// A record as it was handed over, with the receipt that came with it; none for one of a closed month.
    pub(crate) fn handing(&mut self, step: &mut Step) -> Option<Handing> {
        let handing = step.handing.take()?;
        Some(Handing { receipt: self.receipts.remove(&step.seq), ..handing })
    }

    /// Everything up to a record is delivered or parked.
    pub(crate) fn passed(&mut self, to: Seq) {
        (self.losses, self.put_off) = (0, 0);
        self.position = self.position.max(to);
        self.delivered = self.delivered.split_off(&Seq(self.position.0 + 1));
        self.receipts = self.receipts.split_off(&Seq(self.position.0 + 1));
        self.tries = self.tries.split_off(&Seq(self.position.0 + 1));
        self.condemned = self.condemned.split_off(&Seq(self.position.0 + 1));
    }

    /// Whether the receiver has what lies after the position.
    pub(crate) fn has(&self, seq: Seq) -> bool {
        self.delivered.contains_key(&seq)
    }

    pub(crate) fn went_through(&mut self, step: &Step) {
        self.tries.remove(&step.seq);
        self.delivered(step);
        self.proven(step);
    }

    /// Something behind those that failed did so too. The same proof serves for it.
    pub(crate) fn failed_behind(&mut self, step: &Step, fell: Fell, tries: u32) {
        if self.tries.len() < FAILED {
            self.failed(step.seq, step.posting, fell, tries);
        }
    }

    /// A record of the feed failed.
    fn failed(&mut self, seq: Seq, posting: PostingNo, fell: Fell, tries: u32) {
        let (_, failed) = self.tries.entry(seq).or_insert((posting, Tries::default()));
        if failed.is_last(tries, self.proofs) {
            self.condemned.insert(seq);
        }
        failed.fail(fell, &self.known, self.proofs, tries);
    }

    /// Whether a record of the feed is tried before those behind it.
    fn has_tries_left(&self, seq: Seq, tries: u32) -> bool {
        self.tries.get(&seq).is_none_or(|(_, failed)| {
            // One that was refused like those that are parked was tried enough.
            let is_known = failed.how == How::Refused && self.known.contains(&failed.why);
            failed.has_one_more || (failed.spent < tries && !is_known)
        })
    }

    /// Every record up to this one that failed gets one more try.
    fn once_more(&mut self, last: Seq) {
        self.tries.range_mut(..=last).for_each(|(_, (_, failed))| failed.has_one_more = true);
    }

    /// Whether something got through since each of those failed that are not found to be bad.
    fn is_proven(&self) -> bool {
        let mut failed = self.tries.iter().filter(|(seq, _)| !self.condemned.contains(seq));
        failed.all(|(_, (_, failed))| self.proofs > failed.proofs)
    }

    /// Why the last of those failed that did.
    fn why(&self) -> Failure {
        match self.tries.values().next_back() {
            Some((_, Tries { how: How::Later, why, .. })) => Failure::Later(why.clone(), None),
            Some((_, Tries { why, .. })) => Failure::Refused(why.clone()),
            None => Failure::Refused(String::new()),
        }
    }
}

impl Outlet {
    /// Notes that the connection ended while something was on its way alone.
    pub(crate) async fn note_cut(&self, means: &mut Means<'_>, doubts: &mut Doubts) {
        match doubts.in_hand.take() {
            None => {}
            Some(InHand::Step(seq, posting)) => doubts.failed(seq, posting, Fell::cut(), self.policy.tries),
            Some(InHand::Again(again)) => self.failed_again(means, doubts, again, Fell::cut()).await,
            Some(InHand::Proof) => doubts.rounds.pause(None),
        }
    }

    /// Publishes one record alone, in its span, and hears what is answered. Answers how it failed, if it did.
    pub(crate) async fn publish_alone(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
        what: InHand,
        step: &Step,
    ) -> Result<Option<Fell>, Failure> {
        (doubts.in_hand, doubts.may_prove) = (Some(what), true);
        self.tell_short(means.status, step);
        let mut messages = step.messages.clone();
        let span = self.span(means.handle, step, &mut messages);
        let sent = publisher.publish(messages).await?.await?;
        trace::tell(span, &sent);
        doubts.in_hand = None;
        self.hear(means, doubts, step, &sent)?;
        Ok(sent.into_iter().find_map(Fell::of))
    }

    /// Tries a record of the feed once. Answers how it failed, if it did. One that is put off ends the connection, so
    /// that nothing goes before the receiver was left alone for as long as it asks.
    async fn try_once(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
        step: &mut Step,
    ) -> Result<Option<How>, Failure> {
        if !self.refresh(means.reader, step)? {
            doubts.tries.remove(&step.seq); // The receiver has it.
            return Ok(None);
        }
        let what = InHand::Step(step.seq, step.posting);
        let Some(fell) = self.publish_alone(publisher, means, doubts, what, step).await? else {
            doubts.went_through(step);
            return Ok(None);
        };
        let how = fell.how;
        let later = (how == How::Later).then(|| Failure::Later(fell.why.clone(), fell.asked));
        doubts.failed(step.seq, step.posting, fell, self.policy.tries);
        later.map_or(Ok(Some(how)), Err)
    }

    /// Delivers one by one, until everything that is in doubt is delivered or parked.
    pub(crate) async fn go_carefully(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
    ) -> Result<(), Failure> {
        let mut newest = means.handle.newest(self.scribe.log());
        // When what failed at the end of the log is tried once more. What comes there and changes nothing puts it off no further.
        let mut once_more = None;
        doubts.after = doubts.after.max(doubts.position);
        // What failed, and nothing else got through yet.
        let mut failing = Vec::new();
        let mut steps = blocking::in_place(|| self.tried(means.reader, doubts))?;
        loop {
            let mut after = doubts.after;
            // Records of closed months wait for nobody. They are no proof either.
            let mut closed = Vec::new();
            for mut step in steps {
                if means.stop.is_cancelled() {
                    return Ok(());
                }
                after = after.max(step.seq);
                if step.passes_by {
                    continue;
                }
                if step.handing.is_none() {
                    closed.push(step.park(Why::ClosedMonth));
                    continue;
                }
                let seq = step.seq;
                let is_delivered =
                    doubts.has(seq) || self.try_step(publisher, means, doubts, &mut step).await?;
                if !is_delivered && means.stop.is_cancelled() {
                    return Ok(());
                }
                failing.push(step);
                let suspects = failing.iter().filter(|step| doubts.tries.contains_key(&step.seq)).count();
                let are_enough = suspects > self.policy.failing;
                // What was delivered before those before it failed says nothing of how the receiver is now.
                if (is_delivered && doubts.is_proven())
                    || (are_enough && self.takes_anything(publisher, means, doubts, Some(seq)).await?)
                {
                    self.pass(publisher, means, doubts, seq, &mut failing, &mut closed).await?;
                } else if are_enough {
                    doubts.once_more(seq);
                    return Err(doubts.why());
                }
            }
            let to = if failing.is_empty() { after } else { doubts.position };
            self.park_closed(means, doubts, to, closed).await?;
            doubts.after = after;
            if failing.is_empty() && doubts.until <= Some(doubts.position) {
                break;
            }
            newest.mark_unchanged();
            steps = blocking::in_place(|| self.read(means.reader, after))?;
            if means.stop.is_cancelled() {
                return Ok(());
            }
            if failing.is_empty() {
                once_more = None;
            }
            if steps.is_empty() {
                if failing.is_empty() {
                    break;
                }
                if self.takes_anything(publisher, means, doubts, None).await? {
                    self.pass(publisher, means, doubts, after, &mut failing, &mut Vec::new()).await?;
                    continue;
                }
                self.wait_at_the_end(publisher, means, doubts, &mut newest, &mut once_more).await?;
                failing.clear();
                steps = blocking::in_place(|| self.tried(means.reader, doubts))?;
            }
        }
        doubts.until = None;
        means.backoff.reset();
        Ok(())
    }

    /// Whether something got through since those failed that did, or what the receiver has already does so now. Where
    /// nothing is sent twice, it is something `behind` them, if there is to be anything.
    async fn takes_anything(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
        behind: Option<Seq>,
    ) -> Result<bool, Failure> {
        if doubts.is_proven() {
            return Ok(true);
        }
        match (self.scribe.log(), behind) {
            (Log::Own, Some(behind)) => self.probe(publisher, means, doubts, behind).await,
            _ => self.look_for_proof(publisher, means, doubts).await,
        }
    }

    /// What waits in a log of its own may lose its tag while it is in hand, as when a consent is withdrawn, and then goes
    /// without. Answers whether it is still to go. A record of the feed stays as it is: what comes after has its own number.
    pub(crate) fn refresh(&mut self, reader: &mut dyn Read, step: &mut Step) -> StoreResult<bool> {
        if self.scribe.log() == Log::Feed {
            return Ok(true);
        }
        let now = blocking::in_place(|| self.newest(reader, step.posting))?;
        let now = now.filter(|now| now.seq == step.seq);
        Ok(now.map(|now| *step = now).is_some())
    }

    /// What was tried and is not passed yet, as far as it is still its posting's newest record.
    fn tried(&mut self, reader: &mut dyn Read, doubts: &Doubts) -> StoreResult<Vec<Step>> {
        let failed = doubts.tries.iter().map(|(seq, (posting, _))| (*seq, *posting));
        let delivered = doubts.delivered.iter().map(|(seq, posting)| (*seq, *posting));
        let tried: BTreeMap<Seq, PostingNo> =
            failed.chain(delivered).filter(|(seq, _)| *seq <= doubts.after).collect();
        let mut steps = Vec::with_capacity(tried.len());
        for (seq, posting) in tried {
            steps.extend(self.newest(reader, posting)?.filter(|step| step.seq == seq));
        }
        Ok(steps)
    }

    /// Nothing comes after those that failed and the receiver has nothing that it would take again, so there is no telling
    /// them from a receiver that is out of order. Until they are tried once more, or something comes, what was released goes
    /// on, and has the time for it.
    async fn wait_at_the_end(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
        newest: &mut watch::Receiver<Seq>,
        once_more: &mut Option<(Instant, Instant)>,
    ) -> Result<(), Failure> {
        let (until, at_last) = *once_more.get_or_insert_with(|| {
            let now = Instant::now();
            (now + means.backoff.next_as_asked(None), now + self.policy.waits.1)
        });
        while !means.stop.is_cancelled() {
            if doubts.rounds.is_due() {
                self.try_again(publisher, means, doubts).await?;
            }
            let is_due = doubts.rounds.is_due();
            let until = if is_due { until.max(at_last) } else { until };
            tokio::select! {
                biased;
                () = means.stop.cancelled() => {}
                // Before what comes, of which there may always be more.
                () = tokio::time::sleep_until(until) => {
                    doubts.once_more(doubts.after);
                    *once_more = None;
                    break;
                }
                changed = newest.changed() => {
                    changed.map_err(|_| Failure::Gone)?;
                    break;
                }
                changed = means.released.changed() => {
                    changed.map_err(|_| Failure::Gone)?;
                    doubts.rounds.begin_anew();
                }
                () = doubts.rounds.due(), if !is_due => {}
                () = std::future::ready(()), if is_due => {}
            }
        }
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
        step: &mut Step,
    ) -> Result<bool, Failure> {
        while doubts.has_tries_left(step.seq, self.policy.tries) {
            let Some(how) = self.try_once(publisher, means, doubts, step).await? else {
                return Ok(true);
            };
            if how == How::Refused {
                tracing::debug!(target = %self.name, "the receiver refused a record");
            }
            if doubts.has_tries_left(step.seq, self.policy.tries) {
                means.backoff.wait(means.stop).await;
                if means.stop.is_cancelled() {
                    return Ok(false);
                }
            }
        }
        Ok(false)
    }

    /// Something got through after these had failed: they are bad unless the receiver takes them now. Everything `to` a
    /// record is done with then; `closed` goes with it.
    async fn pass(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
        to: Seq,
        failing: &mut Vec<Step>,
        closed: &mut Vec<Parking>,
    ) -> Result<(), Failure> {
        // What is no longer its posting's newest record is passed over, as ever.
        let (mut behind, through): (Vec<_>, Vec<_>) =
            failing.drain(..).partition(|step| doubts.tries.contains_key(&step.seq));
        behind = self.still_newest(means.reader, behind)?;
        for step in &mut behind {
            if !doubts.condemned.contains(&step.seq) {
                self.try_once(publisher, means, doubts, step).await?;
            }
        }
        let mut advance = self.no_advance();
        (advance.to, advance.parked) = (to, std::mem::take(closed));
        let mut parked = 0;
        for mut step in behind.into_iter().chain(through) {
            if let Some((_, tries)) = doubts.tries.remove(&step.seq) {
                let why = doubts.parks(&tries, 0);
                let is_released = tries.how.may_be_chance();
                advance.parked.push(Parking { is_released, ..step.park(why) });
                if is_released {
                    doubts.rounds.go_on(&step, tries);
                } else {
                    parked += 1;
                }
            } else {
                advance.handed.extend(doubts.handing(&mut step));
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

    /// Those that are still their posting's newest record.
    fn still_newest(&self, reader: &mut dyn Read, steps: Vec<Step>) -> StoreResult<Vec<Step>> {
        let log = self.scribe.log();
        blocking::in_place(|| {
            let mut newest = Vec::with_capacity(steps.len());
            for step in steps {
                if log.newest_seq(reader, &self.name, step.posting)? == Some(step.seq) {
                    newest.push(step);
                }
            }
            Ok(newest)
        })
    }
}
