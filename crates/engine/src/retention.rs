//! Retention: what no live consent reaches is purged when it has been kept for so many days. Keyed hashes stay of it, by
//! which it is known when it comes again.
//!
//! Purging goes through quarantine, facts and postings in the order of their registration, a slice at a time, and
//! remembers how far it came. What it found in use it passes by; when a consent comes to reach less, it begins anew. What
//! waited for a receipt is looked at again by itself.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use samspor_domain::store::{
    FactRow, PersonNo, PostingRow, Reach, Result, Scope, Standing, Store, StoreError,
};
use samspor_domain::{
    CitizenRef, FactNo, Kind, Posting, PostingNo, Pseudonym, Receipted, Seq, SourceNo, Text,
};
use serde::{Deserialize, Serialize};

use crate::core::{Became, Core, conflict};
use crate::{cursor, kept};

/// The store's value that says how far purging came.
const PROGRESS: &str = "purging";

/// For how long what no live consent reaches is kept.
pub(crate) struct Retention {
    /// Days of 24 hours since registration; none: for ever.
    pub(crate) days: Option<u32>,
    /// Whether purging ever began, so that what is known may be in no journal any more.
    begun: bool,
    /// How many postings are to be looked at again.
    again: usize,
}

impl Retention {
    /// For so many days, with what was purged before.
    pub(crate) fn load(store: &mut dyn Store, days: Option<u32>) -> Result<Self> {
        let begun = store.meta(PROGRESS)?.is_some();
        Ok(Self { days, begun, again: Progress::load(store)?.again.len() })
    }

    /// The instant up to which what was registered has been kept for long enough.
    fn until(&self, now: Timestamp) -> Option<Timestamp> {
        until(self.days?, now)
    }
}

/// The instant up to which what was registered has been kept for so many days.
pub(crate) fn until(days: u32, now: Timestamp) -> Option<Timestamp> {
    match days {
        0 => Some(Timestamp::MAX),
        days => now.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).ok(),
    }
}

/// How far purging came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// The last posting that was looked at.
    posting: i64,
    /// When the last fact that was looked at was registered, in microseconds, and its number.
    fact: Option<(i64, i64)>,
    /// Postings that targets are not done with: the first of them, and the last record that is waited for.
    waiting: Option<(i64, i64)>,
    /// Postings that were passed by, of which receipts came since: these are looked at again, and no others for them.
    #[serde(default)]
    again: BTreeSet<i64>,
}

impl Progress {
    fn load(store: &mut dyn Store) -> Result<Self> {
        let Some(bytes) = store.meta(PROGRESS)? else { return Ok(Self::default()) };
        serde_json::from_slice(&bytes)
            .map_err(|_| StoreError::Damaged("how far purging came cannot be read".into()))
    }

    fn wait(&mut self, first: PostingNo, last: Seq) {
        let (a, b) = self.waiting.unwrap_or((first.0, last.0));
        self.waiting = Some((a.min(first.0), b.max(last.0)));
    }
}

/// One slice of purging.
struct Slice {
    progress: Progress,
    /// What was registered later is kept.
    until: Timestamp,
    /// How much may still be looked at or purged.
    left: usize,
    /// Something had to be put off to the next slice.
    put_off: bool,
    /// Whom it named, that was purged. Those that nothing else uses are dropped with it.
    persons: BTreeSet<PersonNo>,
    /// How many these may be.
    most_persons: usize,
    /// The last feed record that went with its posting.
    last_record: Seq,
}

impl Slice {
    fn is_full(&self) -> bool {
        self.left == 0 || self.persons.len() >= self.most_persons
    }

    /// Whether so many postings can go yet. Each names two persons at most.
    fn has_room_for(&self, postings: usize) -> bool {
        postings <= self.left && self.persons.len() + 2 * postings <= self.most_persons
    }
}

/// What came of looking at a posting and those that it stays or goes with.
enum Looked {
    /// They stay, wait or are gone.
    Done,
    /// They go in a slice of their own.
    PutOff,
    /// Some of them are gone, and the slice is full: the lowest number among them, and the one that goes last.
    Begun(PostingNo, PostingNo),
}

/// What is to become of postings.
enum Fate {
    Stays,
    /// It goes when every target has this record.
    Waits(Seq),
    Goes,
}

impl Core {
    /// Purges from now on: what no live consent reaches is kept for so many days after its registration. Without it
    /// nothing is purged.
    #[must_use]
    pub fn purging_after(mut self, days: u32) -> Self {
        self.retention.days = Some(days);
        self
    }

    /// Whether anything is ever purged.
    pub(crate) fn purges(&self) -> bool {
        self.retention.days.is_some()
    }

    /// Whether what no live consent reaches is purged as it arrives.
    pub(crate) fn purges_at_once(&self) -> bool {
        self.retention.days == Some(0)
    }

    /// Purges a slice of what has been kept for long enough. Answers whether any is left; while there is work left, it
    /// waits for that.
    pub fn purge(&mut self, now: Timestamp) -> Result<bool> {
        // What the work list reaches stands as it stood before.
        let (Some(until), 0) = (self.retention.until(now), self.store.pending_work()?) else {
            return Ok(false);
        };
        self.transaction(|core| core.purge_slice(until))
    }

    fn purge_slice(&mut self, until: Timestamp) -> Result<bool> {
        let progress = Progress::load(&mut *self.store)?;
        let (left, most_persons) = (self.slice(), self.store.persons_at_once()?);
        let (put_off, persons) = (false, BTreeSet::new());
        let last_record = Seq::default();
        let mut slice =
            Slice { progress: progress.clone(), until, left, put_off, persons, most_persons, last_record };
        let erased = self.store.erase_quarantine(until, slice.left)?;
        if erased > 0 {
            self.erased()?;
        }
        slice.left -= erased;
        self.purge_facts(&mut slice)?;
        self.purge_postings(&mut slice)?;
        // Once for each, when all that named them is gone.
        self.store.drop_unused(&slice.persons.iter().copied().collect::<Vec<_>>())?;
        cursor::note_purged(&mut *self.store, slice.last_record)?;
        if slice.progress != progress || !self.retention.begun {
            self.purging_came(&slice.progress)?;
        }
        Ok(slice.put_off || slice.is_full())
    }

    fn purge_facts(&mut self, slice: &mut Slice) -> Result<()> {
        let (registered, no) = slice.progress.fact.unwrap_or((i64::MIN, 0));
        let after = (Timestamp::from_microsecond(registered).unwrap_or(Timestamp::MIN), FactNo(no));
        for (registered, no) in self.store.facts_by_registration(after, slice.until, slice.left)? {
            if slice.is_full() {
                break;
            }
            slice.left -= 1;
            slice.progress.fact = Some((registered.as_microsecond(), no.0));
            let Some(row) = self.store.fact(no)? else { continue };
            // Where the newest version is younger, the fact comes up again with that.
            if row.newest.registered <= slice.until && !self.is_used(&row)? {
                slice.persons.extend(self.store.erase_fact(no)?);
                self.erased()?;
            }
        }
        Ok(())
    }

    fn is_used(&self, row: &FactRow) -> Result<bool> {
        let live = kept::open_live(&self.keyring.vault, row)?;
        let references = live.map(|(id, body)| match row.scope {
            Scope::Source(no) => {
                self.keyring.name(no).map(|name| kept::references(name, &id, &body)).unwrap_or_default()
            }
            // Nothing that is named across the municipality has a reference of its own.
            Scope::Registry => kept::references(&id, &id, &body),
        });
        Ok(self.keeps(row.scope, row.kind, references.as_deref()))
    }

    /// Whether a fact is kept as long as it says what it says: because it is about nobody, or is a registrar's, or a
    /// live consent reaches it by one of its references. None: it is deleted or withdrawn.
    pub(crate) fn keeps(&self, scope: Scope, kind: Kind, references: Option<&[CitizenRef]>) -> bool {
        match kind {
            Kind::Case | Kind::Grant | Kind::Payment | Kind::Progress | Kind::Identity => {
                references.into_iter().flatten().any(|reference| match scope {
                    Scope::Source(no) => self.registry.holds(no, &self.keyring.pseudonym(scope, reference)),
                    Scope::Registry => self.registry.reaches(reference),
                })
            }
            Kind::Consent | Kind::Enrolment | Kind::Split => references.is_some(),
            Kind::Solution
            | Kind::Estimate
            | Kind::Budget
            | Kind::Target
            | Kind::InvestmentCase
            | Kind::ControlTotal => true,
        }
    }

    fn purge_postings(&mut self, slice: &mut Slice) -> Result<()> {
        let passed = self.store.cursors()?.into_iter().map(|(_, at)| at).min();
        if let Some((first, last)) = slice.progress.waiting
            && passed.is_none_or(|at| at.0 >= last)
        {
            slice.progress.posting = slice.progress.posting.min(first - 1);
            slice.progress.waiting = None;
        }
        let mut seen = BTreeSet::new();
        if !self.look_again(slice, passed, &mut seen)? {
            return Ok(());
        }
        // Mostly the next one is too young, and then the others need not be read.
        let next = self.store.postings(&Reach::All, PostingNo(slice.progress.posting), slice.left.min(1))?;
        let is_due = next.first().is_some_and(|row| row.registered <= slice.until);
        let limit = if is_due { slice.left } else { 0 };
        for row in self.store.postings(&Reach::All, PostingNo(slice.progress.posting), limit)? {
            if slice.is_full() || row.registered > slice.until {
                break;
            }
            let no = row.no;
            match self.look_at(row, slice, passed, &mut seen)? {
                Looked::Done => slice.progress.posting = no.0,
                Looked::PutOff => break,
                Looked::Begun(first, _) => {
                    slice.progress.posting = slice.progress.posting.min(first.0 - 1);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Looks at the postings again of which receipts came. Answers whether that is done.
    fn look_again(
        &mut self,
        slice: &mut Slice,
        passed: Option<Seq>,
        seen: &mut BTreeSet<PostingNo>,
    ) -> Result<bool> {
        while let Some(no) = slice.progress.again.first().copied() {
            if slice.is_full() {
                return Ok(false);
            }
            match self.store.posting(PostingNo(no))? {
                Some(row) if row.registered <= slice.until => match self.look_at(row, slice, passed, seen)? {
                    Looked::Done => {}
                    Looked::PutOff => return Ok(false),
                    Looked::Begun(_, last) => {
                        slice.progress.again.remove(&no);
                        slice.progress.again.insert(last.0); // Which may be this one.
                        return Ok(false);
                    }
                },
                // It is kept for longer than when it was passed by, and waits for its time.
                Some(_) => slice.progress.posting = slice.progress.posting.min(no - 1),
                None => {}
            }
            slice.progress.again.remove(&no);
        }
        Ok(true)
    }

    /// Looks at a posting that is old enough, and at those that it stays or goes with.
    fn look_at(
        &mut self,
        row: PostingRow,
        slice: &mut Slice,
        passed: Option<Seq>,
        seen: &mut BTreeSet<PostingNo>,
    ) -> Result<Looked> {
        let no = row.no;
        if seen.contains(&no) || self.stays(&row, slice.until) {
            slice.left -= 1;
            return Ok(Looked::Done);
        }
        let chain = self.chain(row)?;
        let first = chain.iter().map(|member| member.no).min().unwrap_or(no);
        let last = chain.first().map_or(no, |member| member.no);
        seen.extend(chain.iter().map(|member| member.no));
        match self.fate(&chain, passed, slice.until)? {
            Fate::Stays => slice.left -= 1,
            Fate::Waits(last) => {
                slice.progress.wait(first, last);
                slice.left -= 1;
            }
            Fate::Goes if !slice.has_room_for(chain.len()) && slice.left < self.slice() => {
                slice.put_off = true; // It fits, or at least begins, in a slice of its own.
                return Ok(Looked::PutOff);
            }
            Fate::Goes => {
                // The last first, so that what is left are still answers of what is left.
                let mut members = chain.iter().rev();
                while !slice.is_full()
                    && let Some(member) = members.next()
                {
                    self.purge_posting(member, slice)?;
                }
                if members.len() > 0 {
                    return Ok(Looked::Begun(first, last));
                }
            }
        }
        Ok(Looked::Done)
    }

    /// Whether a posting stays whatever the others are: it is young, tagged, reached, or nobody's.
    fn stays(&self, row: &PostingRow, until: Timestamp) -> bool {
        let is_reached = match row.posting.reference() {
            Some(reference) => self.registry.holds(row.source, reference),
            // A reversal may be about whom that is about which it reverses.
            None => row.posting.reverses.is_none(),
        };
        row.registered > until || matches!(row.standing, Standing::Tagged(_)) || is_reached
    }

    /// What is to become of postings that take each other's answers: they stay or go together.
    fn fate(&mut self, chain: &[PostingRow], passed: Option<Seq>, until: Timestamp) -> Result<Fate> {
        let is_nobodys = chain.iter().all(|member| member.posting.reference().is_none());
        if is_nobodys || chain.iter().any(|member| self.stays(member, until)) {
            return Ok(Fate::Stays);
        }
        let mut last = Seq::default();
        for member in chain {
            last =
                last.max(self.store.newest_record(member.no)?.map(|record| record.seq).unwrap_or_default());
            if self.is_parked(member.no)?
                || self.awaits_receipt(member.no)?
                || self.is_to_pass_on(member.no)?
            {
                return Ok(Fate::Stays);
            }
        }
        Ok(if passed.is_some_and(|at| at < last) { Fate::Waits(last) } else { Fate::Goes })
    }

    /// Whether a target has not got the last record of a posting because it is parked.
    fn is_parked(&mut self, no: PostingNo) -> Result<bool> {
        for (target, _) in self.store.cursors()? {
            let next = self.store.parked(&target, PostingNo(no.0 - 1), 1)?;
            if next.first().is_some_and(|parked| parked.posting == no) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a target has the last record of a posting and has yet to say whether it is in its books.
    fn awaits_receipt(&mut self, no: PostingNo) -> Result<bool> {
        let handed = self.store.handed_of(no)?;
        Ok(handed.iter().any(|(_, handed)| handed.receipt == Receipted::Awaited))
    }

    /// A receipt came that purging may have waited for: it looks at this posting again, and those that it goes with.
    pub(crate) fn purge_again(&mut self, row: &PostingRow) -> Result<()> {
        if !self.retention.begun || matches!(row.standing, Standing::Tagged(_)) {
            return Ok(());
        }
        let mut progress = Progress::load(&mut *self.store)?;
        if progress.posting < row.no.0 || !progress.again.insert(row.no.0) {
            return Ok(()); // It is still to come there.
        }
        self.note_again(progress)
    }

    /// The same for postings that passed on, of which there are many at a time.
    pub(crate) fn purge_all_again(&mut self, postings: &[PostingNo]) -> Result<()> {
        if !self.retention.begun || postings.is_empty() {
            return Ok(());
        }
        let mut progress = Progress::load(&mut *self.store)?;
        let mut is_new = false;
        for no in postings.iter().filter(|no| no.0 <= progress.posting) {
            if let Some(row) = self.store.posting(*no)?
                && !matches!(row.standing, Standing::Tagged(_))
            {
                is_new |= progress.again.insert(no.0);
            }
        }
        if is_new { self.note_again(progress) } else { Ok(()) }
    }

    /// Notes what purging is to look at again.
    fn note_again(&mut self, mut progress: Progress) -> Result<()> {
        if progress.again.len() > self.slice()
            && let Some(first) = progress.again.first().copied()
        {
            // More than purging could look at meanwhile: then it goes through them in their order.
            progress.posting = progress.posting.min(first - 1);
            progress.again.clear();
        }
        self.purging_came(&progress)
    }

    /// Whether so much is to be looked at again that purging should not wait for its time.
    pub(crate) fn looks_again(&self) -> bool {
        self.purges() && self.retention.again * 2 > self.slice()
    }

    /// The postings that take each other's answers, one of them given; each before those that follow it.
    fn chain(&mut self, one: PostingRow) -> Result<Vec<PostingRow>> {
        let mut first = one;
        let mut seen = BTreeSet::from([first.no]);
        while let Some(next) = self.followed(&first)? {
            if !seen.insert(next.no) {
                break; // Around a ring.
            }
            first = next;
        }
        seen = BTreeSet::from([first.no]);
        let mut chain = vec![first];
        let mut at = 0;
        while let Some(row) = chain.get(at).cloned() {
            chain.extend(self.followers(&row)?.into_iter().filter(|follower| seen.insert(follower.no)));
            at += 1;
        }
        Ok(chain)
    }

    fn purge_posting(&mut self, row: &PostingRow, slice: &mut Slice) -> Result<()> {
        self.remember_purged(row.source, &row.posting)?;
        self.unhand(row)?;
        let newest = self.store.newest_record(row.no)?.map(|record| record.seq);
        slice.last_record = slice.last_record.max(newest.unwrap_or_default());
        slice.persons.extend(self.store.delete_posting(row.no)?);
        slice.left -= 1;
        self.erased()
    }

    fn remember_purged(&mut self, source: SourceNo, posting: &Posting<Pseudonym>) -> Result<()> {
        let keys = self.keyring.scope(Scope::Source(source));
        let (id, content) = (keys.text("posting", posting.id.as_str()), keys.content(&written(posting)));
        self.store.remember_purged(source, &id, &content)
    }

    /// What a posting that was purged is when it comes again; none for one that was not purged.
    pub(crate) fn purged_before(
        &mut self,
        source: SourceNo,
        posting: &Posting<Pseudonym>,
    ) -> Result<Option<Became>> {
        if !self.retention.begun {
            return Ok(None);
        }
        let keys = self.keyring.scope(Scope::Source(source));
        let known = self.store.purged(source, &keys.text("posting", posting.id.as_str()))?;
        Ok(known.map(|content| {
            if content == keys.content(&written(posting)) {
                Became::Duplicate
            } else {
                Became::Quarantined(conflict())
            }
        }))
    }

    /// Purges a posting instead of putting it in the journal, where nothing is kept for a day and nothing in the journal
    /// takes its answer. Answers whether it did.
    pub(crate) fn purge_new_posting(
        &mut self,
        source: SourceNo,
        posting: &Posting<Pseudonym>,
        standing: Standing,
        now: Timestamp,
    ) -> Result<bool> {
        let row =
            PostingRow { no: PostingNo(0), source, posting: posting.clone(), registered: now, standing };
        if !self.purges_at_once() || posting.reference().is_none() || self.stays(&row, now) {
            return Ok(false);
        }
        if self.passes_on(source) {
            return Ok(false); // It is purged when it has passed on.
        }
        let is_known = self.store.find_posting(source, &posting.id)?.is_some();
        if is_known || self.followed(&row)?.is_some() || !self.followers(&row)?.is_empty() {
            return Ok(false);
        }
        self.remember_purged(source, posting)?;
        if !self.retention.begun {
            self.purging_came(&Progress::default())?;
        }
        Ok(true)
    }

    /// Lets purging begin anew if a consent has come to reach less than before.
    pub(crate) fn purge_anew(&mut self) -> Result<()> {
        if self.registry.take_shrunk() && self.retention.begun {
            self.purging_came(&Progress::default())?;
        }
        Ok(())
    }

    /// Lets purging begin anew, since something that held it up is gone.
    pub(crate) fn purge_anew_all(&mut self) -> Result<()> {
        if self.retention.begun { self.purging_came(&Progress::default()) } else { Ok(()) }
    }

    /// Notes how far purging came, and so that it has begun.
    fn purging_came(&mut self, progress: &Progress) -> Result<()> {
        let bytes = serde_json::to_vec(progress).map_err(|error| StoreError::Failed(Box::new(error)))?;
        self.store.set_meta(PROGRESS, &bytes)?;
        self.retention.begun = true;
        self.retention.again = progress.again.len();
        Ok(())
    }

    /// Makes targets known to the store before they have anything, so that nothing is purged before they have it.
    pub(crate) fn know_targets(&mut self, targets: &[&Text]) -> Result<()> {
        self.transaction(|core| core.note_targets(targets))?;
        self.warn_of_unknown(targets)
    }

    /// The same as a part of a transaction.
    pub(crate) fn note_targets(&mut self, targets: &[&Text]) -> Result<()> {
        targets.iter().try_for_each(|target| self.store.advance(target, Seq::default()))
    }

    /// Tells of targets for which purging waits in vain.
    pub(crate) fn warn_of_unknown(&mut self, targets: &[&Text]) -> Result<()> {
        for target in self.lines.keys().filter(|line| !targets.contains(line)) {
            tracing::warn!(%target, "the store knows a target that forwards and is not configured; what arrives for it is \
                kept until it comes back; `samspor targets forget` ends that");
        }
        if self.purges() {
            for (target, at) in self.store.cursors()? {
                if !targets.contains(&&target) {
                    tracing::warn!(%target, at = at.0, "the store knows a target that is not configured; postings of \
                        which it has not all records are not purged; `samspor targets forget` ends that");
                }
            }
        }
        Ok(())
    }
}

/// What a posting says as bytes, of which the keyed hash is kept. Stores hold such hashes, so it must never change.
pub(crate) fn written(posting: &Posting<Pseudonym>) -> Vec<u8> {
    let Posting { id, date, account, grouping, cost_centre, amount, citizen, grant, voucher, reverses } =
        posting;
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.as_str().as_bytes().to_vec());
    let fields = [
        Some(id.as_str().as_bytes().to_vec()),
        Some(date.to_string().into_bytes()),
        Some(account.code().to_be_bytes().to_vec()),
        grouping.map(|grouping| grouping.number().to_be_bytes().to_vec()),
        text(cost_centre),
        Some(amount.ore().to_be_bytes().to_vec()),
        citizen.map(|citizen| citizen.0.to_vec()),
        grant.map(|grant| grant.0.to_vec()),
        text(voucher),
        text(reverses),
    ];
    let mut bytes = b"posting".to_vec();
    for field in fields {
        match field {
            None => bytes.push(0),
            Some(field) => {
                bytes.push(1);
                bytes.push(field.len() as u8); // A text has 120 bytes at most.
                bytes.extend(field);
            }
        }
    }
    bytes
}
