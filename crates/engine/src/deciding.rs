//! Deciding, and deciding again: the newest feed record of every posting equals `decide` over what is known.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use samspor_domain::store::{
    FactVersion, NewPosting, PersonNo, Posted, PostingRow, Reach, Result, Standing, StoreError, WorkPhase,
};
use samspor_domain::{
    Answer, Body, Cause, CitizenRef, Decision, Fact, FactNo, FilterKey, Kind, Posting, PostingNo, Pseudonym,
    Rank, Revision, Scope, SourceName, SourceNo, Span, State, Tag, TraceContext, Untagged, decide, follows,
};
use samspor_vault::Purpose;

use crate::citizen;
use crate::core::{Became, Core, conflict, same};
use crate::kept;
use crate::registry::{Changed, persons, reach};
use crate::tally::Entry;

impl Core {
    /// Puts a posting in the journal and decides it.
    pub(crate) fn posting(
        &mut self,
        source: SourceNo,
        posting: &Posting,
        now: Timestamp,
        trace: Option<TraceContext>,
    ) -> Result<Became> {
        let scope = Scope::Source(source);
        let kept = posting.map(|reference| self.keyring.pseudonym(scope, reference));
        if let Some(became) = self.purged_before(source, &kept)? {
            return Ok(became);
        }
        let (mut decision, standing) = self.decide(source, &kept)?;
        if self.purge_new_posting(source, &kept, standing, now)? {
            self.tally.posting(self.entry(source, &kept), standing);
            return Ok(Became::Posting);
        }

        let persons = kept.try_zip(posting, |pseudonym, reference| {
            self.store.person(scope, pseudonym, &|| self.keyring.seal_reference(reference))
        })?;
        let new = NewPosting { source, posting: &persons, registered: now, standing };
        let no = match self.store.post(&new)? {
            Posted::New(no) => no,
            Posted::Known(known) if same(&known.posting, &kept) => return Ok(Became::Duplicate),
            Posted::Known(_) => {
                // Nothing is made of it, nor of persons whom it alone names.
                self.store
                    .drop_unused(&persons.citizen.into_iter().chain(persons.grant).collect::<Vec<_>>())?;
                return Ok(Became::Quarantined(conflict()));
            }
        };
        // Its id's keyed hash is dear, so it is made once.
        let entry = self.entry(source, &kept);
        self.tally.posting(entry, standing);
        self.tracing.note(no, trace);

        let mut row = PostingRow { no, source, posting: kept, registered: now, standing };
        if row.posting.reverses.is_some() {
            let standing;
            (decision, standing) = self.resolve(&row)?;
            self.stand(&mut row, entry, standing)?;
        }
        if let Answer::Tagged(tag) = decision.answer {
            self.append(no, entry, None, (Some(*tag), decision.subject), Cause::Posting(no), now)?;
        }
        // Its arrival may close a ring, so all that follow it, near and far, are looked at.
        let followers = self.followers(&row)?;
        self.decide_again(followers, Cause::Posting(no), now, true)?;
        Ok(Became::Posting)
    }

    /// The number of whom a reference names, in a scope.
    fn person(&mut self, scope: Scope, reference: &CitizenRef) -> Result<PersonNo> {
        let pseudonym = self.keyring.pseudonym(scope, reference);
        self.store.person(scope, &pseudonym, &|| self.keyring.seal_reference(reference))
    }

    /// Takes in a version of a fact.
    pub(crate) fn fact(
        &mut self,
        source: SourceNo,
        name: &SourceName,
        fact: &Fact,
        now: Timestamp,
    ) -> Result<Became> {
        let scope = if fact.kind.is_named_in_source() { Scope::Source(source) } else { Scope::Registry };
        let key = self.keyring.scope(scope).id(fact.kind, &fact.id);
        let plain = kept::Kept::of(&fact.id, &fact.state);
        let mut hashed = plain.clone();
        hashed.push(fact.state.rank() as u8);
        let content = self.keyring.scope(scope).content(&hashed);

        let held = self.store.find_fact(scope, fact.kind, &key)?;
        let no = match &held {
            Some(row) => row.no,
            None => self.store.insert_fact(scope, fact.kind, &key)?,
        };
        if self.store.see_version(no, fact.version, &content)? {
            return Ok(Became::Duplicate);
        }
        let vault = &self.keyring.vault;
        if let Some(row) = &held {
            let order = (fact.version, fact.state.rank()).cmp(&(row.newest.version, row.newest.rank));
            let wins = order.then_with(|| {
                match row.newest.body.as_ref().map(|sealed| vault.open(Purpose::Fact, sealed)) {
                    // Equal versions that differ: the greater writing, whichever came first.
                    Some(Ok(opened)) => plain.as_slice().cmp(opened.as_slice()),
                    _ => std::cmp::Ordering::Less,
                }
            });
            if wins.is_le() {
                return Ok(Became::Stale);
            }
        }
        let old =
            held.as_ref().map(|row| kept::open_live(vault, row)).transpose()?.flatten().map(|(_, body)| body);
        let new = if let State::Live(body) = &fact.state { Some(body) } else { None };
        let refs = new.map(|body| kept::references(name, &fact.id, body));
        // Where nothing is kept for a day, it is purged as it arrives, unless there is more to purge than this version.
        let is_purged = self.purges_at_once()
            && !self.keeps(scope, fact.kind, refs.as_deref())
            && held.as_ref().is_none_or(|row| row.newest.body.is_none());
        let refs = refs.filter(|_| !is_purged).unwrap_or_default();
        let version = FactVersion {
            version: fact.version,
            rank: fact.state.rank(),
            content,
            registered: now,
            body: (!is_purged).then(|| vault.seal(Purpose::Fact, &plain)),
        };
        let holds = refs.iter().map(|reference| self.person(scope, reference)).collect::<Result<Vec<_>>>()?;
        self.store.set_newest(no, &version, &holds)?;
        if fact.kind == Kind::Consent && version.rank != Rank::Live {
            self.note_withdrawal(&key, fact.version, version.rank, now);
        }

        let changed = Changed { no, kind: fact.kind, source: name, id: &fact.id, old: old.as_ref(), new };
        let affected = self.registry.change(&mut *self.store, &mut self.keyring, &changed)?;
        self.purge_anew()?;
        if matches!(old, Some(Body::Consent(_))) && fact.state.rank() != Rank::Live {
            self.forget(no, &affected, now)?;
        } else {
            self.put_to_work(no, fact.version, affected, now)?;
        }
        Ok(Became::Fact)
    }

    /// A consent has ended: every tag made under it is retracted and what earlier records said is erased, all at once.
    fn forget(&mut self, consent: FactNo, affected: &[Reach], now: Timestamp) -> Result<()> {
        // What its earlier versions reached may not have been decided again yet.
        let unfinished = self.store.take_work_of(consent)?;
        self.store.drop_held_change(consent)?;
        let since = self.store.last_seq()?;
        let mut told = BTreeSet::new();
        let mut reaches = [affected, &unfinished].concat();
        reaches.extend(self.reached_before(consent)?);
        for reach in &reaches {
            let mut after = PostingNo::default();
            loop {
                let rows = self.store.postings(reach, after, self.slice())?;
                let Some(last) = rows.last() else { break };
                after = last.no;
                self.decide_again(rows.clone().into(), Cause::Withdrawal, now, false)?;
                // What follows them had their tags.
                let mut rows = VecDeque::from(rows);
                while let Some(row) = rows.pop_front() {
                    if told.insert(row.no) {
                        rows.extend(self.followers(&row)?);
                    }
                }
            }
        }
        // Not before all have their new answers, since one may get its own from another that comes later.
        for no in told {
            self.store.erase_superseded(no)?;
            self.blank_what_passes_on(no)?;
        }
        let held = self.store.erase_fact(consent)?;
        self.store.drop_unused(&held)?;
        citizen::note_withdrawn(&mut *self.store, consent, since)?;
        self.erased()
    }

    /// What earlier versions of a consent reached, as it was then and as it is now: records of that tell of it too.
    fn reached_before(&mut self, consent: FactNo) -> Result<Vec<Reach>> {
        let mut bridges = BTreeSet::new();
        let versions = self.store.versions(consent)?;
        for (version, next) in versions.iter().zip(versions.iter().skip(1)) {
            let said = kept::open_if_live(&self.keyring.vault, version)?;
            let Some((id, Body::Consent(said))) = said else { continue };
            let last = next.registered.checked_sub(jiff::SignedDuration::from_micros(1)).ok();
            for as_of in [last, None] {
                let reached = reach(&mut *self.store, &self.keyring, &id, &said, as_of, &mut |_, _| {})?;
                bridges.extend(reached.bridge);
            }
        }
        Ok(persons(&bridges, Span::default()))
    }

    /// Decides up to a slice of the work list again.
    pub(crate) fn work_slice(&mut self, now: Timestamp) -> Result<()> {
        let mut left = self.slice();
        while left > 0 {
            let Some(work) = self.store.next_work()? else { break };
            let rows = self.store.postings(&work.reach, work.after, left)?;
            let (found, last) = (rows.len(), rows.last().map(|row| row.no));
            let is_weighed = work.phase != WorkPhase::Decide;
            if is_weighed {
                self.weigh(&work, &rows)?;
            } else {
                let rows = self.without_held(&work, rows)?;
                self.decide_again(rows.into(), work.cause, now, false)?;
            }
            match last {
                Some(last) if found == left => self.store.advance_work(work.no, last)?,
                _ if is_weighed => self.weighed(&work)?,
                _ => self.store.finish_work(work.no)?,
            }
            left -= found;
        }
        Ok(())
    }

    /// Decides postings again, and those that follow a changed one (or any, if `all_followers`).
    fn decide_again(
        &mut self,
        mut rows: VecDeque<PostingRow>,
        cause: Cause,
        now: Timestamp,
        all_followers: bool,
    ) -> Result<()> {
        let mut seen = BTreeSet::new();
        let mut changed = BTreeSet::new();
        self.overtake(cause, rows.make_contiguous())?;
        while let Some(mut row) = rows.pop_front() {
            if all_followers && !seen.insert(row.no) {
                continue; // Around the ring once is enough.
            }
            if changed.contains(&row.no) {
                // It was read before it changed.
                row = self.store.posting(row.no)?.unwrap_or(row);
            }
            let (decision, standing) = self.resolve(&row)?;
            let has_changed = self.answer(&mut row, decision, standing, cause, now)?;
            if has_changed {
                changed.insert(row.no);
            }
            if has_changed || all_followers {
                let mut followers = self.followers(&row)?;
                self.overtake(cause, followers.make_contiguous())?;
                rows.append(&mut followers);
            }
        }
        Ok(())
    }

    /// Gives a posting an answer. Writes only what differs from the last one.
    fn answer(
        &mut self,
        row: &mut PostingRow,
        decision: Decision,
        standing: Standing,
        cause: Cause,
        now: Timestamp,
    ) -> Result<bool> {
        let Some(before) = self.differs(row, &decision)? else { return Ok(false) };
        let had_tag = matches!(row.standing, Standing::Tagged(_));
        let entry = self.entry(row.source, &row.posting);
        self.stand(row, entry, standing)?;
        let is_linked = !matches!(decision.answer, Answer::Untagged(Untagged::NotConsented));
        let says = match decision.answer {
            Answer::Tagged(tag) => (Some(*tag), decision.subject),
            Answer::Untagged(_) => (None, None),
        };
        // Of one reason or another the feed says nothing.
        if had_tag || says.0.is_some() {
            self.append(row.no, entry, before, says, cause, now)?;
        }
        if !is_linked {
            // No consent leads from the posting to a citizen any more, nor does the later end of one lead to the posting.
            self.blank_what_passes_on(row.no)?;
        }
        Ok(true)
    }

    /// What a posting's newest record says, if a decision says something else; none if it says the same.
    pub(crate) fn differs(
        &mut self,
        row: &PostingRow,
        decision: &Decision,
    ) -> Result<Option<Option<(i64, Revision)>>> {
        let before = match row.standing {
            Standing::Untagged(reason) if decision.answer == Answer::Untagged(reason) => return Ok(None),
            _ => self.newest(row.no)?,
        };
        // Whose enrolment it is goes to readers too, so that it changes with the fact that says it.
        let said = before.as_ref().map(|(_, revision)| (revision.tag.as_ref(), &revision.subject));
        let is_same = matches!(row.standing, Standing::Tagged(_))
            && said == Some((decision.answer.tag(), &decision.subject));
        Ok((!is_same).then_some(before))
    }

    fn newest(&mut self, no: PostingNo) -> Result<Option<(i64, Revision)>> {
        let Some(row) = self.store.newest_record(no)? else { return Ok(None) };
        let revision = kept::open_revision(&self.keyring.vault, &row)?;
        // Only superseded records are ever erased.
        let revision = revision.ok_or_else(|| StoreError::Damaged("a newest feed record is empty".into()))?;
        Ok(Some((row.revision, revision)))
    }

    fn append(
        &mut self,
        no: PostingNo,
        entry: Entry,
        before: Option<(i64, Revision)>,
        (tag, subject): (Option<Tag>, Option<CitizenRef>),
        cause: Cause,
        now: Timestamp,
    ) -> Result<()> {
        let number = before.as_ref().map_or(self.floor, |(number, _)| *number) + 1;
        let key = |tag: Option<&Tag>| tag.map(FilterKey::from);
        let had = key(before.as_ref().and_then(|(_, revision)| revision.tag.as_ref()));
        self.tally.retagged(entry, had, key(tag.as_ref()));
        let revision = Revision::after(before.as_ref().map(|(_, revision)| revision), tag, subject);
        let sealed = kept::seal_revision(&self.keyring.vault, &revision);
        self.store.append(no, number, cause, now, &sealed).map(drop)
    }

    fn stand(&mut self, row: &mut PostingRow, entry: Entry, standing: Standing) -> Result<()> {
        if row.standing != standing {
            self.store.set_standing(row.no, standing)?;
            self.tally.moved(entry, row.standing, standing);
            row.standing = standing;
        }
        Ok(())
    }

    fn standing(&self, answer: &Answer) -> Result<Standing> {
        match answer {
            Answer::Untagged(reason) => Ok(Standing::Untagged(*reason)),
            Answer::Tagged(tag) => {
                let no: Option<FactNo> = self.registry.solution_no(&tag.solution);
                no.map(Standing::Tagged)
                    .ok_or_else(|| StoreError::Damaged("a tag's solution is not live".into()))
            }
        }
    }

    /// What a posting that follows no other is answered, by what is known now; nothing is taken in. Pseudonyms are under
    /// the source's key.
    pub fn decide(&self, source: SourceNo, posting: &Posting<Pseudonym>) -> Result<(Decision, Standing)> {
        let decision = decide(source, posting, &self.registry.known(&self.keyring));
        let standing = self.standing(&decision.answer)?;
        Ok((decision, standing))
    }

    /// The answer of a posting: its own, or that of the posting that it follows, negated. A member of a ring has its
    /// own.
    ///
    /// What one follows may be on the work list. Its answer is taken as it stands even so: a follower that knew better
    /// would be missed where the other's answer then turns out the same as before.
    pub(crate) fn resolve(&mut self, row: &PostingRow) -> Result<(Decision, Standing)> {
        let followed = match self.followed(row)? {
            Some(followed) if !self.returns(row, &followed)? => followed,
            _ => return self.decide(row.source, &row.posting),
        };
        let decision = match followed.standing {
            Standing::Untagged(reason) => reason.into(),
            Standing::Tagged(_) => {
                let revision = self.newest(followed.no)?.map(|(_, revision)| revision);
                let tagged = revision.and_then(|revision| Some((revision.tag?, revision.subject)));
                let (tag, subject) = tagged
                    .ok_or_else(|| StoreError::Damaged("a tagged posting has no tag in the feed".into()))?;
                Decision { answer: Answer::Tagged(Box::new(tag)).negated(), subject }
            }
        };
        Ok((decision, followed.standing))
    }

    /// Whether following on from `next`, which `row` follows, comes back to `row`.
    fn returns(&mut self, row: &PostingRow, next: &PostingRow) -> Result<bool> {
        let mut seen = BTreeSet::new();
        let mut at = next.clone();
        while at.no != row.no {
            if !seen.insert(at.no) {
                return Ok(false); // In a ring further on.
            }
            match self.followed(&at)? {
                Some(next) => at = next,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The posting that one follows.
    pub(crate) fn followed(&mut self, row: &PostingRow) -> Result<Option<PostingRow>> {
        let Some(id) = &row.posting.reverses else { return Ok(None) };
        let reversed = self.store.find_posting(row.source, id)?;
        Ok(reversed.filter(|reversed| follows(&row.posting, &reversed.posting)))
    }

    /// The postings that follow one.
    pub(crate) fn followers(&mut self, row: &PostingRow) -> Result<VecDeque<PostingRow>> {
        let reversals = self.store.reversals_of(row.source, &row.posting.id)?;
        Ok(reversals.into_iter().filter(|reversal| follows(&reversal.posting, &row.posting)).collect())
    }
}
