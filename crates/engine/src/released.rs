//! Trying again what is parked: what somebody released, what gave way to the feed because it may have failed by chance, and
//! what belongs to a month that is open again. It takes turns with the feed, one record alone at a time. Each record has its
//! first try before any has its second, and then waits on its own. So nothing that it does holds up the feed or the others,
//! but for a receiver that asks to be left alone. It is parked for good after as many tries as [`careful`](crate::careful)
//! says, four times as many where it may be chance, and only when it failed once more after another record got through.

use std::collections::BTreeMap;
use std::time::Duration;

use samspor_domain::store::{PostingNo, Result as StoreResult, Seq};
use samspor_domain::{Parked, Publisher, Sent, Why};
use tokio::time::Instant;

use crate::blocking;
use crate::careful::{Doubts, Fell, How, InHand, Tries};
use crate::deliver::{Failure, Means, Outlet, Step};
use crate::log::Log;
use crate::supervise::Backoff;

/// Records that are tried in one turn at most.
const TURN: usize = 16;
/// What the receiver has is read in pages of so many records.
const PAGE: usize = 100;
/// Of how many records it is remembered how they failed. Further ones are tried all the same, and count from when there
/// is room.
const REMEMBERED: usize = 1_000;

/// How far trying again has come.
pub(crate) struct Rounds {
    waits: (Duration, Duration),
    /// The posting after which the walk goes on that gives each record its first try, and not before when; none: each had it.
    walk: Option<(Instant, PostingNo)>,
    /// In this walk something failed for which there is no room.
    is_left: bool,
    failed: BTreeMap<PostingNo, Failed>,
    /// Failures since something last got through.
    row: usize,
    /// Nothing is tried before that, unless something else gets through.
    until: Option<Instant>,
    backoff: Backoff,
}

/// How a record failed when it was tried again.
struct Failed {
    tries: Tries,
    /// When it has its next try.
    due: Instant,
    backoff: Backoff,
    /// The record, as long as the store may not say yet that it is parked.
    is_new: Option<Seq>,
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
        Self { waits, walk: None, is_left: false, failed: BTreeMap::new(), row: 0, until: None, backoff }
    }

    /// Begins a walk, unless one is under way.
    pub(crate) fn begin(&mut self) {
        self.walk.get_or_insert_with(|| (Instant::now(), PostingNo::default()));
    }

    /// Begins anew at once, since somebody has released something.
    pub(crate) fn begin_anew(&mut self) {
        let now = Instant::now();
        (self.walk, self.until) = (Some((now, PostingNo::default())), None);
        self.failed.values_mut().for_each(|failed| failed.due = now);
        self.backoff.reset();
    }

    /// A record of the feed gave way, and goes on being tried from where it is. That it is parked becomes durable later.
    pub(crate) fn go_on(&mut self, step: &Step, mut tries: Tries) {
        let mut backoff = Backoff::between(self.waits);
        let due = Instant::now() + backoff.next_as_asked(None);
        if self.failed.len() < REMEMBERED {
            // Those that were made stand in the store.
            tries.made = 0;
            self.failed.insert(step.posting, Failed { tries, due, backoff, is_new: Some(step.seq) });
        } else {
            self.walk.get_or_insert((due, PostingNo::default()));
            self.is_left = true;
        }
    }

    /// A record was tried. The walk passes it if it is its first try.
    fn tried(&mut self, posting: PostingNo) {
        if !self.failed.contains_key(&posting)
            && let Some((_, after)) = &mut self.walk
        {
            *after = posting.max(*after);
        }
    }

    /// A record that failed waits for its next turn.
    fn postpone(&mut self, posting: PostingNo) {
        if let Some(failed) = self.failed.get_mut(&posting) {
            failed.due = Instant::now() + failed.backoff.next_as_asked(None);
        }
    }

    /// When the next turn is.
    fn next(&self) -> Option<Instant> {
        let walk = self.walk.iter().map(|(at, _)| *at);
        let next = walk.chain(self.failed.values().map(|failed| failed.due)).min()?;
        Some(self.until.map_or(next, |until| until.max(next)))
    }

    pub(crate) fn is_due(&self) -> bool {
        self.next().is_some_and(|next| next <= Instant::now())
    }

    /// When the next turn is; pending where there is none.
    pub(crate) fn due(&self) -> impl Future<Output = ()> + use<> {
        let next = self.next();
        async move {
            match next {
                Some(next) => tokio::time::sleep_until(next).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Nothing is tried for a while, as long as was asked for if somebody asked.
    pub(crate) fn pause(&mut self, asked: Option<Duration>) {
        self.until = Some(Instant::now() + self.backoff.next_as_asked(asked));
    }

    /// Something got through, so the receiver takes others than those that fail.
    pub(crate) fn got_through(&mut self) {
        (self.row, self.until) = (0, None);
        self.backoff.reset();
    }

    /// Everything that is parked had its first try, or is remembered.
    fn end_walk(&mut self) {
        let anew = std::mem::take(&mut self.is_left);
        self.walk = anew.then(|| (Instant::now() + self.backoff.next_as_asked(None), PostingNo::default()));
    }

    /// The record that failed and whose turn it is for the longest.
    fn longest_due(&self) -> Option<PostingNo> {
        let now = Instant::now();
        let due = self.failed.iter().filter(|(_, failed)| failed.due <= now);
        due.min_by_key(|(_, failed)| failed.due).map(|(posting, _)| *posting)
    }
}

impl Outlet {
    /// A turn of the records that are tried again; up to the first one that fails. Those that had no try yet go first, so
    /// that they wait for none that failed.
    pub(crate) async fn try_again(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
    ) -> Result<(), Failure> {
        if means.released.has_changed().is_ok_and(|has| has) {
            means.released.mark_unchanged();
            doubts.rounds.begin_anew();
        }
        for _ in 0..TURN {
            if means.stop.is_cancelled() {
                break;
            }
            let next = blocking::in_place(|| self.next_again(means, doubts))?;
            let Some((again, step)) = next else { break };
            if !self.try_parked(publisher, means, doubts, again, step).await? {
                break;
            }
        }
        Ok(())
    }

    /// The record that is tried next.
    fn next_again(
        &mut self,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
    ) -> StoreResult<Option<(Again, Step)>> {
        while let Some((at, after)) = doubts.rounds.walk.filter(|(at, _)| *at <= Instant::now()) {
            let page = self.parked_to_try(means, after, TURN)?;
            let Some(last) = page.last().map(|parked| parked.posting) else {
                doubts.rounds.end_walk();
                break;
            };
            for parked in page {
                if doubts.rounds.failed.contains_key(&parked.posting) {
                    continue;
                }
                if let Some(next) = self.again(means, doubts, &parked)? {
                    // It is passed when it was tried, since something else may go wrong before that.
                    doubts.rounds.walk = Some((at, PostingNo(parked.posting.0 - 1)));
                    return Ok(Some(next));
                }
            }
            doubts.rounds.walk = Some((at, last));
        }
        while let Some(posting) = doubts.rounds.longest_due() {
            let parked = self.parked_to_try(means, PostingNo(posting.0 - 1), 1)?.pop();
            if let Some(parked) = parked.filter(|parked| parked.posting == posting)
                && let Some(next) = self.again(means, doubts, &parked)?
            {
                if let Some(failed) = doubts.rounds.failed.get_mut(&posting) {
                    failed.is_new = None;
                }
                return Ok(Some(next));
            }
            let new = doubts.rounds.failed.get(&posting).and_then(|failed| failed.is_new);
            let newest = self.scribe.log().newest_seq(means.reader, &self.name, posting)?;
            if new.is_some() && new == newest {
                doubts.rounds.postpone(posting);
            } else {
                doubts.rounds.failed.remove(&posting);
            }
        }
        Ok(None)
    }

    fn parked_to_try(
        &self,
        means: &mut Means<'_>,
        after: PostingNo,
        limit: usize,
    ) -> StoreResult<Vec<Parked>> {
        means.reader.parked_to_try(&self.name, &self.policy.closed_months, after, limit)
    }

    /// What is tried again of what is parked. What the cursor has not passed comes in its turn.
    fn again(
        &mut self,
        means: &mut Means<'_>,
        doubts: &Doubts,
        parked: &Parked,
    ) -> StoreResult<Option<(Again, Step)>> {
        let before = match parked.why {
            Why::Refused(tries, _) => tries,
            Why::ClosedMonth => 0,
        };
        let step = self.newest(means.reader, parked.posting)?;
        let step = step.filter(|step| step.seq <= doubts.position && step.handing.is_some());
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
        let failed = failed.filter(|failed| failed.tries.wants_proof(self.policy.tries, doubts.proofs));
        let before = failed.map(|failed| failed.tries.how);
        // After a pause it is seen first whether the receiver takes anything.
        if (before.is_some() || doubts.rounds.until.is_some())
            && self.look_for_proof(publisher, means, doubts).await?
            && before == Some(How::Later)
        {
            // One that was put off does not go right behind another, which may be too soon for the receiver.
            doubts.rounds.postpone(again.posting);
            return Ok(false);
        }
        let fell = self.publish_alone(publisher, means, doubts, InHand::Again(again), &step).await?;
        if let Some(fell) = fell {
            // What the receiver asks for holds for everything that it would get.
            let later = fell.asked.map(|asked| Failure::Later(fell.why.clone(), Some(asked)));
            self.failed_again(means, doubts, again, fell).await;
            return later.map_or(Ok(false), Err);
        }
        means.backoff.reset();
        doubts.proven(&step);
        doubts.rounds.tried(again.posting);
        doubts.rounds.failed.remove(&again.posting);
        let mut advance = self.no_advance();
        advance.handed.extend(doubts.handing(&mut step));
        self.say(means.handle, doubts, advance).await;
        Ok(true)
    }

    /// Notes that a record failed that was tried again, and parks it if it is known that it is the record's own fault.
    pub(crate) async fn failed_again(
        &self,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
        again: Again,
        fell: Fell,
    ) {
        let (how, asked) = (fell.how, fell.asked);
        let Doubts { rounds, known, proofs, .. } = doubts;
        rounds.tried(again.posting);
        let failed = rounds.failed.remove(&again.posting);
        let (mut tries, mut backoff) = match failed {
            Some(Failed { tries, backoff, .. }) => (tries, backoff),
            None => (Tries::default(), Backoff::between(rounds.waits)),
        };
        let is_bad = tries.fail(fell, known, *proofs, self.policy.tries);
        rounds.row = if is_bad { 0 } else { rounds.row + 1 };
        if how == How::Cut || asked.is_some() || rounds.row > self.policy.failing {
            rounds.pause(asked);
        }
        if is_bad {
            tracing::warn!(target = %self.name, "parked a record again that the receiver does not take; \
                `samspor parked` lists it");
            let mut advance = self.no_advance();
            let why = doubts.parks(&tries, again.before);
            advance.parked.push(again.park(why));
            self.say(means.handle, doubts, advance).await;
            return;
        }
        if rounds.failed.len() < REMEMBERED {
            let due = Instant::now() + backoff.next_as_asked(asked);
            rounds.failed.insert(again.posting, Failed { tries, due, backoff, is_new: None });
        } else {
            rounds.is_left = true;
        }
    }

    /// Sends something again that the receiver has, to see whether it takes anything. Answers whether it does.
    pub(crate) async fn look_for_proof(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
    ) -> Result<bool, Failure> {
        if !doubts.may_prove {
            return Ok(false);
        }
        let Some(mut step) = blocking::in_place(|| self.known(means, doubts))? else { return Ok(false) };
        // Where this does not get through either, something else has its try first before this is sent again.
        doubts.may_prove = false;
        doubts.in_hand = Some(InHand::Proof);
        let sent = publisher.publish(std::mem::take(&mut step.messages)).await?.await?;
        doubts.in_hand = None;
        let is_taken = sent.iter().all(Sent::is_delivered);
        if is_taken {
            means.backoff.reset();
            doubts.proven(&step);
        }
        match sent.into_iter().find_map(Fell::of) {
            Some(Fell { why, asked: Some(asked), .. }) => Err(Failure::Later(why, Some(asked))),
            _ => Ok(is_taken),
        }
    }

    /// A record that the receiver has, which is its posting's newest.
    fn known(&mut self, means: &mut Means<'_>, doubts: &Doubts) -> StoreResult<Option<Step>> {
        if self.scribe.log() == Log::Own {
            return Ok(None); // What passed on does so once.
        }
        if let Some((posting, seq)) = doubts.good {
            let step = self.newest(means.reader, posting)?;
            if let Some(step) = step.filter(|step| step.seq == seq && step.handing.is_some()) {
                return Ok(Some(step));
            }
        }
        for (posting, handed) in means.reader.handed_in(&self.name, None, PostingNo::default(), PAGE)? {
            let step = self.newest(means.reader, posting)?;
            let is_it = |step: &Step| step.revision == handed.revision && step.handing.is_some();
            if let Some(step) = step.filter(is_it) {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }
}

impl Again {
    fn park(self, why: Why) -> crate::books::Parking {
        crate::books::Parking { posting: self.posting, seq: self.seq, why, is_released: false }
    }
}
