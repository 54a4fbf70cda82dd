//! A store that panics where a test says so, and otherwise is the store that it wraps.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use samspor_domain::quarantine::{Entry, Filter, Group, Order, ReadQuarantine, Set, State, WriteQuarantine};
use samspor_domain::store::{
    Balance, Count, FactRow, FactVersion, FeedRow, NewPosting, PersonNo, Posted, PostingRow, Quarantined,
    Reach, Read, Result, Sealed, Standing, Store, Work, WorkNo,
};
use samspor_domain::{
    Cause, EntryNo, FactNo, Fault, Kind, PostingNo, Pseudonym, Scope, Seq, SetNo, SourceName, SourceNo, Text,
};

/// When it panics.
#[derive(Clone, Default)]
pub(crate) struct Breaks(Arc<Mutex<Points>>);

#[derive(Default)]
struct Points {
    /// Putting a posting with such an id in the journal.
    posts: Vec<String>,
    /// Changing how any posting stands.
    standing: bool,
}

impl Breaks {
    /// From now on at the postings whose id ends so.
    pub(crate) fn on_posting(&self, ends: &[&str]) {
        self.points().posts = ends.iter().map(|end| (*end).to_owned()).collect();
    }

    /// From now on, or no longer, where a posting comes to stand differently.
    pub(crate) fn on_standing(&self, breaks: bool) {
        self.points().standing = breaks;
    }

    fn points(&self) -> std::sync::MutexGuard<'_, Points> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

pub(crate) struct Breaking {
    pub(crate) inner: Box<dyn Store>,
    pub(crate) breaks: Breaks,
}

macro_rules! pass {
    ($(fn $name:ident(&mut self $(, $argument:ident: $type:ty)*) $(-> $answer:ty)?;)*) => {$(
        fn $name(&mut self $(, $argument: $type)*) $(-> $answer)? {
            self.inner.$name($($argument),*)
        }
    )*};
}

impl ReadQuarantine for Breaking {
    pass! {
        fn entry(&mut self, no: EntryNo) -> Result<Option<Entry>>;
        fn sealed_entry(&mut self, no: EntryNo) -> Result<Option<Sealed>>;
        fn entries(&mut self, filter: &Filter, order: Order, after: Option<EntryNo>, limit: usize) -> Result<Vec<Entry>>;
        fn groups(&mut self, filter: &Filter) -> Result<Vec<Group>>;
        fn frozen(&mut self, no: SetNo) -> Result<Option<Set>>;
        fn frozen_entries(&mut self, no: SetNo, after: EntryNo, limit: usize) -> Result<Vec<EntryNo>>;
    }
}

impl WriteQuarantine for Breaking {
    pass! {
        fn freeze(&mut self, filter: &Filter, limit: usize, made: Timestamp) -> Result<SetNo>;
        fn settle(&mut self, no: EntryNo, state: &State) -> Result<()>;
        fn fault_again(&mut self, no: EntryNo, fault: &Fault, content: &Pseudonym) -> Result<()>;
    }
}

impl Read for Breaking {
    pass! {
        fn sources(&mut self) -> Result<Vec<(SourceNo, SourceName)>>;
        fn meta(&mut self, key: &str) -> Result<Option<Vec<u8>>>;
        fn find_fact(&mut self, scope: Scope, kind: Kind, key: &Pseudonym) -> Result<Option<FactRow>>;
        fn fact(&mut self, no: FactNo) -> Result<Option<FactRow>>;
        fn facts(&mut self, kind: Kind) -> Result<Vec<FactRow>>;
        fn facts_touching(&mut self, scope: Scope, reference: &Pseudonym) -> Result<Vec<FactRow>>;
        fn versions(&mut self, no: FactNo) -> Result<Vec<FactVersion>>;
        fn facts_by_registration(&mut self, after: (Timestamp, FactNo), until: Timestamp, limit: usize) -> Result<Vec<(Timestamp, FactNo)>>;
        fn posting(&mut self, no: PostingNo) -> Result<Option<PostingRow>>;
        fn find_posting(&mut self, source: SourceNo, id: &Text) -> Result<Option<PostingRow>>;
        fn postings(&mut self, reach: &Reach, after: PostingNo, limit: usize) -> Result<Vec<PostingRow>>;
        fn postings_by_id(&mut self, source: SourceNo, after: Option<&Text>, limit: usize) -> Result<Vec<PostingRow>>;
        fn reversals_of(&mut self, source: SourceNo, id: &Text) -> Result<Vec<PostingRow>>;
        fn purged(&mut self, source: SourceNo, id: &Pseudonym) -> Result<Option<Pseudonym>>;
        fn newest_record(&mut self, posting: PostingNo) -> Result<Option<FeedRow>>;
        fn records_of(&mut self, posting: PostingNo) -> Result<Vec<FeedRow>>;
        fn newest_after(&mut self, after: Seq, limit: usize) -> Result<Vec<(FeedRow, PostingRow)>>;
        fn last_seq(&mut self) -> Result<Seq>;
        fn cursor(&mut self, target: &Text) -> Result<Seq>;
        fn cursors(&mut self) -> Result<Vec<(Text, Seq)>>;
        fn counts(&mut self) -> Result<Vec<Count>>;
        fn balances(&mut self) -> Result<Vec<Balance>>;
        fn quarantine(&mut self, limit: usize) -> Result<Vec<Quarantined>>;
        fn pending_work(&mut self) -> Result<i64>;
    }
}

impl Store for Breaking {
    fn reader(&self) -> Result<Box<dyn Read>> {
        self.inner.reader()
    }

    fn post(&mut self, posting: &NewPosting<'_>) -> Result<Posted> {
        let id = posting.posting.id.as_str();
        let breaks = self.breaks.points().posts.iter().any(|end| id.ends_with(end.as_str()));
        // Half done, so that what is not undone shows.
        let posted = self.inner.post(posting);
        assert!(!breaks, "the test breaks this posting");
        posted
    }

    fn set_standing(&mut self, no: PostingNo, standing: Standing) -> Result<()> {
        assert!(!self.breaks.points().standing, "the test breaks every change");
        self.inner.set_standing(no, standing)
    }

    pass! {
        fn begin(&mut self) -> Result<()>;
        fn commit(&mut self) -> Result<()>;
        fn rollback(&mut self);
        fn source(&mut self, name: &SourceName) -> Result<SourceNo>;
        fn set_meta(&mut self, key: &str, value: &[u8]) -> Result<()>;
        fn person(&mut self, scope: Scope, pseudonym: &Pseudonym, seal: &dyn Fn() -> Sealed) -> Result<PersonNo>;
        fn insert_fact(&mut self, scope: Scope, kind: Kind, key: &Pseudonym) -> Result<FactNo>;
        fn see_version(&mut self, no: FactNo, version: i64, content: &Pseudonym) -> Result<bool>;
        fn set_newest(&mut self, no: FactNo, version: &FactVersion, holds: &[PersonNo]) -> Result<()>;
        fn erase_fact(&mut self, no: FactNo) -> Result<()>;
        fn drop_unused(&mut self, persons: &[PersonNo]) -> Result<()>;
        fn append(&mut self, posting: PostingNo, revision: i64, cause: Cause, registered: Timestamp, payload: &Sealed) -> Result<Seq>;
        fn erase_superseded(&mut self, posting: PostingNo) -> Result<()>;
        fn advance(&mut self, target: &Text, to: Seq) -> Result<()>;
        fn add_work(&mut self, reach: &Reach, cause: Cause) -> Result<()>;
        fn next_work(&mut self) -> Result<Option<Work>>;
        fn advance_work(&mut self, no: WorkNo, after: PostingNo) -> Result<()>;
        fn finish_work(&mut self, no: WorkNo) -> Result<()>;
        fn take_work_of(&mut self, fact: FactNo) -> Result<Vec<Reach>>;
        fn count(&mut self, counts: &[Count]) -> Result<()>;
        fn weigh(&mut self, balances: &[Balance]) -> Result<()>;
        fn put_in_quarantine(&mut self, entry: &Quarantined) -> Result<bool>;
        fn erase_quarantine(&mut self, until: Timestamp, limit: usize) -> Result<usize>;
        fn remember_purged(&mut self, source: SourceNo, id: &Pseudonym, content: &Pseudonym) -> Result<()>;
        fn delete_posting(&mut self, no: PostingNo) -> Result<()>;
        fn scrub(&mut self, after: u32) -> Result<Option<u32>>;
    }
}
