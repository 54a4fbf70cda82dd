//! What must hold at every step, and the failure that says what did not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use samspor_domain::store::{FeedRow, PostingRow, Reach, Standing, Store, StoreError};
use samspor_domain::{Answer, CitizenRef, Kind, PostingNo, Scope, Seq, SourceName, SourceNo, Tag};
use samspor_vault::Vault;

use crate::evaluate::{Evaluation, Id};
use crate::reader::{self, Reader};

/// What was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is what its message says")]
pub enum Check {
    Store,
    Outcome,
    Answer,
    Subject,
    Feed,
    Reader,
    Parts,
    Balance,
    Counts,
    Erasure,
    Again,
    Reopened,
    Panic,
}

/// Something that must hold and did not.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What was checked.
    pub check: Check,
    /// What was found.
    pub found: String,
}

impl Failure {
    pub(crate) fn new(check: Check, found: impl Into<String>) -> Self {
        Self { check, found: found.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.check, self.found)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Check::Store, format!("{error:?}"))
    }
}

/// What a check says.
pub(crate) type Checked<T = ()> = Result<T, Failure>;

/// Fails unless the two are equal.
pub(crate) fn same<T: PartialEq + fmt::Debug>(check: Check, what: &str, left: &T, right: &T) -> Checked {
    if left == right {
        return Ok(());
    }
    Err(Failure::new(check, format!("{what}\n   engine: {left:?}\n expected: {right:?}")))
}

/// The newest record of each posting that has one, kept up by reading on.
#[derive(Default)]
pub(crate) struct Newest {
    cursor: Seq,
    records: BTreeMap<PostingNo, (FeedRow, Option<Tag>, Option<CitizenRef>)>,
}

impl Newest {
    pub(crate) fn read_on(&mut self, store: &mut dyn Store, vault: &Vault) -> Checked {
        for (row, _) in store.newest_after(self.cursor, usize::MAX)? {
            let late =
                self.records.get(&row.posting).is_some_and(|(before, ..)| before.revision >= row.revision);
            if row.seq <= self.cursor || late {
                return Err(Failure::new(Check::Feed, "seq and revision must grow"));
            }
            self.cursor = row.seq;
            let Some(revision) = reader::open(vault, &row) else {
                return Err(Failure::new(Check::Feed, "a newest record is erased"));
            };
            self.records.insert(row.posting, (row, revision.tag, revision.subject));
        }
        same(Check::Feed, "last seq", &store.last_seq()?, &self.cursor)
    }

    pub(crate) fn tag(&self, no: PostingNo) -> Option<&Tag> {
        self.records.get(&no).and_then(|(_, tag, _)| tag.as_ref())
    }

    /// The postings that are tagged by what the feed says.
    pub(crate) fn tagged(&self) -> BTreeMap<PostingNo, &Tag> {
        self.records.iter().filter_map(|(no, (_, tag, _))| Some((*no, tag.as_ref()?))).collect()
    }
}

/// The state of the store as its readers see it, with the sources' names.
pub(crate) struct Seen {
    pub(crate) rows: Vec<PostingRow>,
    pub(crate) names: BTreeMap<SourceNo, SourceName>,
}

impl Seen {
    pub(crate) fn of(store: &mut dyn Store) -> Checked<Self> {
        let rows = store.postings(&Reach::All, PostingNo::default(), usize::MAX)?;
        Ok(Self { rows, names: store.sources()?.into_iter().collect() })
    }

    pub(crate) fn id(&self, row: &PostingRow) -> Id {
        (self.names[&row.source].clone(), row.posting.id.clone())
    }

    /// What holds after every transaction, work to do or not: the journal and the feed tell the same.
    pub(crate) fn agrees_with_feed(&self, newest: &Newest, store: &mut dyn Store, vault: &Vault) -> Checked {
        let mut solutions = BTreeMap::new();
        for row in &self.rows {
            let tag = newest.tag(row.no);
            let expected = match (row.standing, tag) {
                (Standing::Tagged(_), None) | (Standing::Untagged(_), Some(_)) => {
                    return Err(Failure::new(
                        Check::Feed,
                        format!("{:?} stands {:?}", self.id(row), row.standing),
                    ));
                }
                (Standing::Untagged(_), None) => continue,
                (Standing::Tagged(no), Some(tag)) => (no, &tag.solution),
            };
            if *solutions.entry(expected.0).or_insert(expected.1) != expected.1 {
                return Err(Failure::new(Check::Feed, "a standing names another solution than the tag"));
            }
            let sum: i128 =
                tag.iter().flat_map(|tag| &tag.parts).map(|part| i128::from(part.amount.ore())).sum();
            same(Check::Parts, "parts sum to the amount", &sum, &i128::from(row.posting.amount.ore()))?;
        }
        for (no, solution) in solutions {
            let key = vault.registry().id(Kind::Solution, solution);
            let fact = store.find_fact(Scope::Registry, Kind::Solution, &key)?.map(|row| row.no);
            same(Check::Feed, "a standing names the tag's solution", &Some(no), &fact)?;
        }
        Ok(())
    }

    /// What holds when there is no work to do: every posting's answer is what the rules say.
    pub(crate) fn agrees_with(&self, newest: &Newest, evaluation: &Evaluation<'_>) -> Checked {
        let mut expected = evaluation.answers();
        for row in &self.rows {
            let id = self.id(row);
            let answer = self.answer(newest, row);
            let Some(right) = expected.remove(&id) else {
                return Err(Failure::new(Check::Answer, format!("{id:?} never arrived")));
            };
            same(Check::Answer, &format!("{} {}", id.0, id.1), &answer, &right)?;
            if let Some((_, tag, subject)) = newest.records.get(&row.no) {
                let enrolment = tag.as_ref().and_then(|tag| tag.enrolment.as_ref());
                let enrolled = enrolment.and_then(|enrolment| evaluation.enrolled(enrolment));
                if subject.as_ref() != enrolled {
                    return Err(Failure::new(Check::Subject, format!("{} {}", id.0, id.1)));
                }
            }
        }
        match expected.keys().next() {
            Some(id) => Err(Failure::new(Check::Answer, format!("{} {} is not in the journal", id.0, id.1))),
            None => Ok(()),
        }
    }

    pub(crate) fn answer(&self, newest: &Newest, row: &PostingRow) -> Answer {
        match (row.standing, newest.tag(row.no)) {
            (Standing::Untagged(reason), _) => Answer::Untagged(reason),
            (Standing::Tagged(_), Some(tag)) => Answer::Tagged(Box::new(tag.clone())),
            (Standing::Tagged(_), None) => unreachable!("journal and feed agree"),
        }
    }

    /// Balances are what adding everything up gives.
    pub(crate) fn balances(&self, store: &mut dyn Store) -> Checked {
        let mut sums: BTreeMap<_, (i64, i128)> = BTreeMap::new();
        for row in &self.rows {
            let date = row.posting.date;
            let month = jiff::civil::date(date.year(), date.month(), 1);
            let standing = match row.standing {
                Standing::Tagged(_) => None,
                Standing::Untagged(reason) => Some(reason),
            };
            for standing in [None, Some(standing)] {
                let (postings, ore) = sums.entry((row.source, month, standing)).or_default();
                *postings += 1;
                *ore += i128::from(row.posting.amount.ore());
            }
        }
        let kept = store
            .balances()?
            .into_iter()
            .map(|b| ((b.source, b.month, b.standing), (b.sum.postings, b.sum.ore())));
        let kept: BTreeMap<_, _> = kept.filter(|(_, sum)| *sum != (0, 0)).collect();
        same(Check::Balance, "balances", &kept, &sums)
    }
}

/// Revisions are 1, 2, … and every one that is not erased holds.
pub(crate) fn revisions(seen: &Seen, newest: &Newest, store: &mut dyn Store) -> Checked {
    for row in &seen.rows {
        let records = store.records_of(row.no)?;
        let revisions: Vec<i64> = records.iter().map(|record| record.revision).collect();
        let expected: Vec<i64> = (1..).take(records.len()).collect();
        same(Check::Feed, "revisions", &revisions, &expected)?;
        let last = records.last().map(|record| record.seq);
        same(
            Check::Feed,
            "newest record",
            &last,
            &newest.records.get(&row.no).map(|(record, ..)| record.seq),
        )?;
        if records.iter().zip(records.iter().skip(1)).any(|(a, b)| a.registered > b.registered) {
            return Err(Failure::new(Check::Feed, "a revision is registered before the one that it follows"));
        }
    }
    Ok(())
}

/// Of these postings no earlier record tells anything.
pub(crate) fn erased(ids: &BTreeSet<Id>, seen: &Seen, store: &mut dyn Store) -> Checked {
    for row in &seen.rows {
        if ids.contains(&seen.id(row)) {
            let records = store.records_of(row.no)?;
            let (_, earlier) =
                records.split_last().map_or((None, &[][..]), |(last, rest)| (Some(last), rest));
            if earlier.iter().any(|record| record.payload.is_some()) {
                let (source, id) = seen.id(row);
                return Err(Failure::new(Check::Erasure, format!("{source} {id} still tells what it was")));
            }
        }
    }
    Ok(())
}

/// A reader that has read to the end holds exactly its part.
pub(crate) fn holds_its_part(reader: &Reader, newest: &Newest) -> Checked {
    let tagged = newest.tagged();
    let part: BTreeMap<_, _> = tagged.into_iter().filter(|(_, tag)| reader.filter().wants_tag(tag)).collect();
    if reader.holds() == part {
        return Ok(());
    }
    let what = format!("a reader with {:?}", reader.filter());
    same(Check::Reader, &what, &reader.holds(), &part)
}
