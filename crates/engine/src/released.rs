//! Trying again what is parked: what somebody released, and what belongs to a month that is open again. It takes turns
//! with the feed, one record alone at a time, and each record has one try in every round. So nothing that it does holds up
//! the feed or the others. It is parked again as [`careful`](crate::careful) parks: after as many tries, and only when it
//! failed once more after another record got through.

use std::collections::BTreeMap;
use std::time::Duration;

use samspor_domain::store::{PostingNo, Result as StoreResult, Seq};
use samspor_domain::{Parked, Publisher, Sent, Why};
use tokio::time::Instant;

use crate::blocking;
use crate::careful::{Doubts, How, InHand, Tries};
use crate::deliver::{Failure, Means, Outlet, Step};
use crate::supervise::Backoff;
use crate::trace;

/// Records that are tried in one turn at most.
const TURN: usize = 16;
/// What is parked is read in pages of so many records.
const PAGE: usize = 100;
/// Of how many records it is remembered how they failed. Further ones are tried all the same, and count from when there
/// is room.
const REMEMBERED: usize = 1_000;

/// How far trying again has come.
pub(crate) struct Rounds {
    /// The posting after which the round goes on; none: there is nothing to try.
    after: Option<PostingNo>,
    /// This round left something for the next one.
    is_left: bool,
    failed: BTreeMap<PostingNo, Tries>,
    /// Failures since something last got through.
    row: usize,
    /// Nothing is tried before that.
    until: Option<Instant>,
    backoff: Backoff,
}

/// A record that is tried again.
#[derive(Clone, Copy)]
pub(crate) struct Again {
    posting: PostingNo,
    seq: Seq,
    /// How often it had failed when it was parked.
    before: u32,
}

impl Rounds {
    pub(crate) fn new(waits: (Duration, Duration)) -> Self {
        let backoff = Backoff::between(waits);
        Self { after: None, is_left: false, failed: BTreeMap::new(), row: 0, until: None, backoff }
    }

    /// Begins a round, unless one is under way.
    pub(crate) fn begin(&mut self) {
        self.after.get_or_insert_default();
    }

    /// Begins a round at once, since somebody has released something.
    pub(crate) fn begin_anew(&mut self) {
        (self.after, self.until) = (Some(PostingNo::default()), None);
        self.backoff.reset();
    }

    pub(crate) fn is_due(&self) -> bool {
        self.after.is_some() && self.until.is_none_or(|until| until <= Instant::now())
    }

    /// When the next turn is; pending where there is none.
    pub(crate) fn due(&self) -> impl Future<Output = ()> + use<> {
        let until = self.after.map(|_| self.until.unwrap_or_else(Instant::now));
        async move {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        }
    }

    /// What is tried just now waits for the next round; and everything for a while, as long as was asked for if somebody
    /// asked.
    pub(crate) fn put_off(&mut self, asked: Option<Duration>) {
        self.is_left = true;
        self.pause(asked);
    }

    fn pause(&mut self, asked: Option<Duration>) {
        self.until = Some(Instant::now() + self.backoff.next_as_asked(asked));
    }

    fn end(&mut self) {
        self.after = None;
        if std::mem::take(&mut self.is_left) {
            self.begin();
            self.pause(None);
        } else {
            self.failed.clear();
        }
    }

    fn got_through(&mut self, posting: PostingNo) {
        self.failed.remove(&posting);
        self.row = 0;
        self.backoff.reset();
    }
}

impl Outlet {
    /// A turn of the records that are tried again; up to the first one that fails.
    pub(crate) async fn try_again(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
    ) -> Result<(), Failure> {
        let mut tried = 0;
        while let Some(after) = doubts.rounds.after.filter(|_| !means.stop.is_cancelled()) {
            let page = blocking::in_place(|| means.reader.parked(&self.name, after, PAGE))?;
            if page.is_empty() {
                doubts.rounds.end();
                return Ok(());
            }
            for parked in page {
                if tried == TURN {
                    return Ok(());
                }
                doubts.rounds.after = Some(parked.posting);
                let Some((again, step)) = blocking::in_place(|| self.again(means, doubts, &parked))? else {
                    continue;
                };
                tried += 1;
                if !self.try_parked(publisher, means, doubts, again, step).await? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// What is tried again of what is parked. What the cursor has not passed comes in its turn.
    fn again(
        &mut self,
        means: &mut Means<'_>,
        doubts: &Doubts,
        parked: &Parked,
    ) -> StoreResult<Option<(Again, Step)>> {
        let before = match parked.why {
            Why::Refused(tries, _) if parked.is_released => tries,
            Why::ClosedMonth => 0,
            Why::Refused(..) => return Ok(None),
        };
        let step = self.newest(means.reader, parked.posting)?;
        let step = step.filter(|step| step.seq <= doubts.position && step.messages.is_some());
        Ok(step.map(|step| (Again { posting: parked.posting, seq: step.seq, before }, step)))
    }

    /// Tries a record once. Answers whether it got through.
    async fn try_parked(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
        again: Again,
        mut step: Step,
    ) -> Result<bool, Failure> {
        let failed = doubts.rounds.failed.get(&again.posting);
        let wants_proof = failed.is_some_and(|failed| failed.wants_proof(self.policy.tries, doubts.proofs));
        if wants_proof || doubts.rounds.row > self.policy.failing {
            self.look_for_proof(publisher, means, doubts).await?;
        }
        doubts.may_prove = true;
        doubts.in_hand = Some(InHand::Again(again));
        let mut messages = step.messages.take().unwrap_or_default();
        let span = self.span(means.handle, &step, &mut messages);
        let sent = publisher.publish(messages).await?.await?;
        trace::tell(span, &sent);
        doubts.in_hand = None;
        self.hear(means, doubts, &step, &sent)?;
        match sent.into_iter().find(|sent| !sent.is_delivered()) {
            None | Some(Sent::Delivered | Sent::Answered(_)) => {
                doubts.proven(&step);
                doubts.rounds.got_through(again.posting);
                let mut advance = self.no_advance();
                advance.handed.push(doubts.handing(step));
                self.say(means.handle, doubts, advance).await;
                return Ok(true);
            }
            Some(Sent::Later(_, asked)) => doubts.rounds.put_off(asked),
            Some(Sent::Refused(why)) => self.failed_again(means, doubts, again, why, How::Refused).await,
            Some(Sent::Broke(why)) => self.failed_again(means, doubts, again, why, How::Broke).await,
        }
        Ok(false)
    }

    /// Notes that a record failed that was tried again, and parks it if it is known that it is the record's own fault.
    pub(crate) async fn failed_again(
        &self,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
        again: Again,
        why: String,
        how: How,
    ) {
        let Doubts { rounds, known, proofs, .. } = doubts;
        let mut tries = rounds.failed.remove(&again.posting).unwrap_or_default();
        if tries.fail(why, how, known, *proofs, self.policy.tries) {
            rounds.row = 0;
            tracing::warn!(target = %self.name, "parked a record again that the receiver does not take; \
                `samspor parked` lists it");
            let mut advance = self.no_advance();
            let why = doubts.parks(tries, again.before);
            advance.parked.push(again.park(why));
            self.say(means.handle, doubts, advance).await;
            return;
        }
        (rounds.row, rounds.is_left) = (rounds.row + 1, true);
        if rounds.failed.len() < REMEMBERED {
            rounds.failed.insert(again.posting, tries);
        }
        if how == How::Cut || rounds.row > self.policy.failing {
            rounds.pause(None);
        }
    }

    /// Sends something again that the receiver has, to see whether it takes anything.
    async fn look_for_proof(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
    ) -> Result<(), Failure> {
        if !doubts.may_prove {
            return Ok(());
        }
        let Some(mut step) = blocking::in_place(|| self.known(means, doubts))? else { return Ok(()) };
        // Where this record ends the connection, the other one has its try first before this is sent again.
        doubts.may_prove = false;
        doubts.in_hand = Some(InHand::Proof);
        let messages = step.messages.take().unwrap_or_default();
        let sent = publisher.publish(messages).await?.await?;
        doubts.in_hand = None;
        if sent.iter().all(Sent::is_delivered) {
            doubts.proven(&step);
            doubts.rounds.row = 0;
        }
        Ok(())
    }

    /// A record that the receiver has, which is its posting's newest.
    fn known(&mut self, means: &mut Means<'_>, doubts: &Doubts) -> StoreResult<Option<Step>> {
        if let Some((posting, seq)) = doubts.good {
            let step = self.newest(means.reader, posting)?;
            if let Some(step) = step.filter(|step| step.seq == seq && step.messages.is_some()) {
                return Ok(Some(step));
            }
        }
        for (posting, handed) in means.reader.handed_in(&self.name, None, PostingNo::default(), PAGE)? {
            let step = self.newest(means.reader, posting)?;
            let is_it = |step: &Step| step.handing.revision == handed.revision && step.messages.is_some();
            if let Some(step) = step.filter(is_it) {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }
}

impl Again {
    fn park(self, why: Why) -> crate::books::Parking {
        crate::books::Parking { posting: self.posting, seq: self.seq, why }
    }
}
