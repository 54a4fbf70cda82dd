//! The brake: a fact that would change more postings than allowed is weighed first and held, with a preview of what it
//! would change, until someone releases it, or a newer version of it says something else.
//!
//! The fact itself is in the registry: postings that arrive are decided by it. What is held is deciding those again that
//! were decided before; they stay on the work list. Other charts and rules do not decide them either. What arrives, and what
//! another fact decides again, is decided by all facts in force. Whatever changes what a release would change, it is weighed
//! again, so that a preview is always what would happen.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use samspor_domain::store::{
    HeldChange, Month, PostingRow, Reach, Read, Result, Standing, StoreError, Work, WorkPhase,
};
use samspor_domain::{Answer, Cause, FactNo, Kind, Text};
use samspor_vault::Vault;
use serde::{Deserialize, Serialize};

use crate::core::Core;
use crate::kept;

/// Postings that would go from one answer to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// The month of their dates.
    pub month: Month,
    /// The solution that they are tagged with, or the reason why they are not.
    pub from: String,
    /// What they would have instead; the same solution where something else in the tag would change.
    pub to: String,
    /// How many.
    pub postings: i64,
    /// Their sum in øre.
    #[serde(with = "as_text")]
    pub ore: i128,
}

/// JSON numbers do not hold 128 bits.
mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(number: &i128, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i128, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// A change that is held, or still weighed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The number by which it is released.
    pub fact: FactNo,
    /// What the fact is about.
    pub kind: Kind,
    /// Its id; none where that was erased.
    pub id: Option<Text>,
    /// The version that would change so much.
    pub version: i64,
    /// Since when.
    pub since: Timestamp,
    /// Whether it waits for its release; otherwise it is still being weighed, and the preview grows.
    pub is_held: bool,
    /// What would change.
    pub preview: Vec<Shift>,
}

/// The changes that are held or weighed.
pub fn held(read: &mut dyn Read, vault: &Arc<Vault>) -> Result<Vec<Held>> {
    let mut all = Vec::new();
    for change in read.held_changes()? {
        let Some(row) = read.fact(change.fact)? else { continue };
        let said = kept::open_version(vault, &row.newest)?;
        all.push(Held {
            fact: change.fact,
            kind: row.kind,
            id: said.map(|said| said.id),
            version: change.version,
            since: change.since,
            is_held: change.is_held,
            preview: open(&change)?,
        });
    }
    Ok(all)
}

fn open(change: &HeldChange) -> Result<Vec<Shift>> {
    serde_json::from_slice(&change.preview)
        .map_err(|_| StoreError::Damaged("the preview of a held change cannot be read".into()))
}

impl Core {
    /// Holds facts that would change more than so many postings.
    #[must_use]
    pub fn braking_above(mut self, postings: usize) -> Self {
        self.brake = Some(postings);
        self
    }

    /// Puts on the work list what a version of a fact may change.
    pub(crate) fn put_to_work(
        &mut self,
        fact: FactNo,
        version: i64,
        mut reaches: Vec<Reach>,
        now: Timestamp,
    ) -> Result<()> {
        if self.store.held_change(fact)?.is_some() {
            // What an earlier version was to change is weighed again, with this one.
            for reach in self.store.take_work_of(fact)? {
                if !reaches.contains(&reach) {
                    reaches.push(reach);
                }
            }
            self.store.drop_held_change(fact)?;
        }
        let mut phase = WorkPhase::Decide;
        if let Some(limit) = self.brake {
            let mut size = 0;
            for reach in &reaches {
                if size <= limit {
                    size += self.store.reach_size(reach, limit + 1 - size)?;
                }
            }
            if size > limit {
                phase = WorkPhase::Weigh;
                let preview = b"[]".to_vec();
                let change = HeldChange { fact, version, since: now, is_held: false, preview };
                self.store.set_held_change(&change)?;
            }
        }
        for reach in &reaches {
            self.store.add_work(reach, Cause::Fact(fact, version), phase)?;
        }
        Ok(())
    }

    /// Of postings that other charts or rules are to decide, those that no held change concerns. The others stay on the
    /// work list with that, and are decided when it is released or corrected.
    pub(crate) fn without_held(&mut self, work: &Work, mut rows: Vec<PostingRow>) -> Result<Vec<PostingRow>> {
        if work.cause != Cause::Start {
            return Ok(rows);
        }
        for change in self.store.held_changes()? {
            let held = self.store.work_of(change.fact)?;
            rows.retain(|row| !held.iter().any(|work| work.reach.holds(row)));
        }
        Ok(rows)
    }

    /// Answers would now be others: what is held is weighed again, so that previews say what releasing would change.
    pub(crate) fn weigh_anew(&mut self) -> Result<()> {
        for change in self.store.held_changes()? {
            let held = self.store.work_of(change.fact)?;
            self.weigh_again(change, &held)?;
        }
        Ok(())
    }

    /// Another cause reaches these postings, by which what is held would change others of them, or otherwise: it is weighed
    /// again. What is only weighed again itself is no such cause, or two that are held would have no end of it.
    pub(crate) fn overtake(&mut self, cause: Cause, rows: &[PostingRow]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        for change in self.store.held_changes()? {
            let is_own = matches!(cause, Cause::Fact(fact, _) if fact == change.fact);
            if is_own || cause == Cause::Start {
                continue;
            }
            let held = self.store.work_of(change.fact)?;
            if rows.iter().any(|row| held.iter().any(|work| work.reach.holds(row))) {
                self.weigh_again(change, &held)?;
            }
        }
        Ok(())
    }

    /// Begins weighing anew, behind all that is to be decided by now, so that it is done once for all of that.
    fn weigh_again(&mut self, change: HeldChange, held: &[Work]) -> Result<()> {
        let was_weighed = held.iter().all(|work| work.phase != WorkPhase::Weigh);
        let phase = if was_weighed { WorkPhase::WeighAgain } else { WorkPhase::Weigh };
        for reach in self.store.take_work_of(change.fact)? {
            self.store.add_work(&reach, Cause::Fact(change.fact, change.version), phase)?;
        }
        self.store.set_held_change(&HeldChange { is_held: false, preview: b"[]".to_vec(), ..change })
    }

    /// Finds out what deciding these postings again would change.
    pub(crate) fn weigh(&mut self, work: &Work, rows: &[PostingRow]) -> Result<()> {
        if work.phase == WorkPhase::Weigh {
            self.overtake(work.cause, rows)?;
        }
        let Some(mut change) = self.weighed_change(work)? else { return Ok(()) };
        let mut shifts: BTreeMap<(Month, String, String), (i64, i128)> = BTreeMap::new();
        for shift in open(&change)? {
            shifts.insert((shift.month, shift.from, shift.to), (shift.postings, shift.ore));
        }
        // One posting may be in several reaches of one fact, and changes once.
        let before: Vec<Work> = self.store.work_of(change.fact)?;
        let before: Vec<&Reach> =
            before.iter().filter(|other| other.no < work.no).map(|other| &other.reach).collect();
        for row in rows.iter().filter(|row| !before.iter().any(|reach| reach.holds(row))) {
            let (decision, _) = self.resolve(row)?;
            let Some(before) = self.differs(row, &decision)? else { continue };
            let from = match before.and_then(|(_, revision)| revision.tag) {
                Some(tag) => tag.solution.to_string(),
                None => match row.standing {
                    Standing::Untagged(reason) => reason.word().to_owned(),
                    Standing::Tagged(_) => String::new(),
                },
            };
            let to = match &decision.answer {
                Answer::Tagged(tag) => tag.solution.to_string(),
                Answer::Untagged(reason) => reason.word().to_owned(),
            };
            let key = (row.posting.date.first_of_month(), from, to);
            let (postings, ore) = shifts.entry(key).or_default();
            *postings += 1;
            *ore += i128::from(row.posting.amount.ore());
        }
        let shifts: Vec<Shift> = shifts
            .into_iter()
            .map(|((month, from, to), (postings, ore))| Shift { month, from, to, postings, ore })
            .collect();
        change.preview = serde_json::to_vec(&shifts).map_err(|error| StoreError::Failed(Box::new(error)))?;
        self.store.set_held_change(&change)
    }

    /// Some work is weighed. If it was the last that its fact caused, that is held, or goes on.
    pub(crate) fn weighed(&mut self, work: &Work) -> Result<()> {
        let Some(mut change) = self.weighed_change(work)? else { return self.store.finish_work(work.no) };
        if self.store.finish_weighing(work.no, change.fact)? > 0 {
            return Ok(());
        }
        let changes: i64 = open(&change)?.iter().map(|shift| shift.postings).sum();
        if self.brake.is_some_and(|limit| i64::try_from(limit).is_ok_and(|limit| changes > limit)) {
            tracing::warn!(
                changes,
                number = change.fact.0,
                "a fact would change more postings than \
                `engine.brake_postings` allows, and is held; `samspor held list` shows what it would change"
            );
            change.is_held = true;
            return self.store.set_held_change(&change);
        }
        self.let_go(change.fact)
    }

    fn weighed_change(&mut self, work: &Work) -> Result<Option<HeldChange>> {
        match work.cause {
            Cause::Fact(fact, _) => self.store.held_change(fact),
            _ => Ok(None),
        }
    }

    /// Lets a held version of a fact change what it would. Answers whether it was held.
    pub fn release_change(&mut self, fact: FactNo, version: i64) -> Result<bool> {
        self.transaction(|core| {
            let change = core.store.held_change(fact)?;
            let is_meant = change.is_some_and(|change| change.is_held && change.version == version);
            if is_meant {
                core.let_go(fact)?;
            } else {
                core.refuse_noted();
            }
            Ok(is_meant)
        })
    }

    fn let_go(&mut self, fact: FactNo) -> Result<()> {
        self.store.drop_held_change(fact)?;
        self.store.set_phase(fact, WorkPhase::Decide)
    }
}
