//! A store in which things go wrong where a test says so, and which otherwise is the store that it wraps.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use samspor_domain::audit::{AuditLink, AuditNo, AuditRow, ReadAudit, WriteAudit};
use samspor_domain::keys::Covers;
use samspor_domain::quarantine::{Entry, Filter, Group, Order, ReadQuarantine, Set, State, WriteQuarantine};
use samspor_domain::store::{
    Balance, Count, Day, FactRow, FactVersion, FeedRow, HeldChange, Month, NewPosting, PersonNo, Posted,
    PostingRow, Quarantined, Reach, Read, Rekeyed, Result, Sealed, Standing, Store, TaggedSum, Work, WorkNo,
    WorkPhase,
};
use samspor_domain::{
    Cause, EntryNo, FactNo, Fault, ForwardRow, ForwardSum, Forwarding, Handed, Kind, Parked, PostingNo,
    Pseudonym, ReadForward, Scope, Seq, SetNo, Shelf, SourceName, SourceNo, Stage, Text, WaitingRow,
    WriteForward,
};

/// Something that is asked of a store.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The name of the port's function.
    pub name: &'static str,
    /// Whether it may change something.
    pub writes: bool,
    /// Who asks: 0 is the writer, and others are readers beside it, in the order in which they were made.
    pub by: usize,
    /// The id of the posting that is put in the journal.
    pub posting: Option<&'a Text>,
}

/// What goes wrong. An error is the store's answer; a panic goes through.
pub trait Faults: Send + Sync {
    /// Before it is done.
    fn before(&self, _call: Call<'_>) -> Result<()> {
        Ok(())
    }

    /// When it was done and succeeded.
    fn after(&self, _call: Call<'_>) -> Result<()> {
        Ok(())
    }
}

/// A store, or a reader of one, in which things go wrong.
pub struct Faulty<S: ?Sized> {
    inner: Box<S>,
    faults: Arc<dyn Faults>,
    by: usize,
    readers: Arc<AtomicUsize>,
}

impl Faulty<dyn Store> {
    /// Wraps a store. Its readers are wrapped too.
    #[must_use]
    pub fn new(inner: Box<dyn Store>, faults: Arc<dyn Faults>) -> Self {
        Self { inner, faults, by: 0, readers: Arc::default() }
    }
}

impl<S: ?Sized> Faulty<S> {
    fn call<T>(
        &mut self,
        (name, writes): (&'static str, bool),
        posting: Option<&Text>,
        run: impl FnOnce(&mut S) -> Result<T>,
    ) -> Result<T> {
        let call = Call { name, writes, by: self.by, posting };
        self.faults.before(call)?;
        let done = run(&mut self.inner)?;
        self.faults.after(call)?;
        Ok(done)
    }
}

macro_rules! pass {
    ($writes:literal: $(fn $name:ident(&mut self $(, $argument:ident: $type:ty)*) -> $answer:ty;)*) => {$(
        fn $name(&mut self $(, $argument: $type)*) -> $answer {
            self.call((stringify!($name), $writes), None, |inner| inner.$name($($argument),*))
        }
    )*};
}

impl<S: Read + ?Sized> ReadQuarantine for Faulty<S> {
    pass! {
        false:
        fn entry(&mut self, no: EntryNo) -> Result<Option<Entry>>;
        fn sealed_entry(&mut self, no: EntryNo) -> Result<Option<Sealed>>;
        fn entries(&mut self, filter: &Filter, order: Order, after: Option<EntryNo>, limit: usize) -> Result<Vec<Entry>>;
        fn groups(&mut self, filter: &Filter) -> Result<Vec<Group>>;
        fn frozen(&mut self, no: SetNo) -> Result<Option<Set>>;
        fn sets_of(&mut self, entry: EntryNo) -> Result<Vec<SetNo>>;
        fn frozen_entries(&mut self, no: SetNo, after: EntryNo, limit: usize) -> Result<Vec<EntryNo>>;
    }
}

impl WriteQuarantine for Faulty<dyn Store> {
    pass! {
        true:
        fn freeze(&mut self, filter: &Filter, limit: usize, made: Timestamp) -> Result<SetNo>;
        fn settle(&mut self, no: EntryNo, state: &State) -> Result<()>;
        fn fault_again(&mut self, no: EntryNo, fault: &Fault, content: &Pseudonym) -> Result<()>;
    }
}

impl<S: Read + ?Sized> ReadAudit for Faulty<S> {
    pass! {
        false:
        fn audit_start(&mut self) -> Result<(AuditNo, AuditLink)>;
        fn audit_head(&mut self) -> Result<(AuditNo, AuditLink)>;
        fn audit_entries(&mut self, after: AuditNo, limit: usize) -> Result<Vec<AuditRow>>;
        fn audit_subjects(&mut self, no: AuditNo) -> Result<Vec<Pseudonym>>;
        fn count_audit_subjects(&mut self) -> Result<(i64, i64)>;
        fn audit_ranges(&mut self, no: AuditNo) -> Result<Vec<(i64, i64)>>;
        fn audit_about(&mut self, subject: &Pseudonym, before: AuditNo, limit: usize) -> Result<Vec<AuditNo>>;
        fn audit_about_record(&mut self, seq: i64, before: AuditNo, limit: usize) -> Result<Vec<AuditNo>>;
    }
}

impl WriteAudit for Faulty<dyn Store> {
    pass! {
        true:
        fn append_audit(&mut self, row: &AuditRow, subjects: &[Pseudonym], ranges: &[(i64, i64)]) -> Result<()>;
        fn prune_audit(&mut self, up_to: AuditNo) -> Result<()>;
    }
}

impl<S: Read + ?Sized> ReadForward for Faulty<S> {
    pass! {
        false:
        fn forwardings(&mut self) -> Result<Vec<Forwarding>>;
        fn forward_after(&mut self, target: &Text, after: Seq, limit: usize) -> Result<Vec<(ForwardRow, PostingRow)>>;
        fn forward_of(&mut self, target: &Text, posting: PostingNo) -> Result<Option<ForwardRow>>;
        fn forward_no(&mut self, target: &Text, posting: PostingNo) -> Result<Option<Seq>>;
        fn forward_waiting(&mut self, target: &Text, after: Seq, limit: usize) -> Result<Vec<WaitingRow>>;
        fn is_to_pass_on(&mut self, posting: PostingNo) -> Result<bool>;
        fn forward_tags(&mut self, posting: PostingNo) -> Result<Vec<(Seq, Sealed)>>;
        fn count_forward_after(&mut self, target: &Text, after: Seq) -> Result<i64>;
        fn last_forward(&mut self) -> Result<Seq>;
        fn forward_sums(&mut self) -> Result<Vec<ForwardSum>>;
    }
}

impl WriteForward for Faulty<dyn Store> {
    pass! {
        true:
        fn begin_forwarding(&mut self, target: &Text, source: SourceNo) -> Result<()>;
        fn forward(&mut self, target: &Text, posting: PostingNo, body: &Sealed, tag: Option<&Sealed>) -> Result<Seq>;
        fn has_passed(&mut self, target: &Text, posting: PostingNo) -> Result<bool>;
        fn blank_forward(&mut self, no: Seq) -> Result<()>;
        fn add_forwarded(&mut self, sums: &[ForwardSum]) -> Result<()>;
    }
}

impl<S: Read + ?Sized> Read for Faulty<S> {
    fn set_covers(&mut self, covers: Arc<dyn Covers>) {
        self.inner.set_covers(covers);
    }

    pass! {
        false:
        fn hold(&mut self) -> Result<()>;
        fn release(&mut self) -> Result<()>;
        fn handed(&mut self, target: &Text, posting: PostingNo) -> Result<Option<Handed>>;
        fn handed_of(&mut self, posting: PostingNo) -> Result<Vec<(Text, Handed)>>;
        fn handed_in(&mut self, target: &Text, stage: Option<Stage>, after: PostingNo, limit: usize) -> Result<Vec<(PostingNo, Handed)>>;
        fn shelves(&mut self) -> Result<Vec<Shelf>>;
        fn awaited(&mut self, target: &Text, until: Timestamp) -> Result<i64>;
        fn kept_for_receipts(&mut self, target: &Text, until: Timestamp) -> Result<i64>;
        fn parked(&mut self, target: &Text, after: PostingNo, limit: usize) -> Result<Vec<Parked>>;
        fn parked_refused(&mut self, target: &Text, after: PostingNo, limit: usize) -> Result<Vec<Parked>>;
        fn count_parked(&mut self, target: &Text) -> Result<(i64, i64)>;
        fn parked_to_try(&mut self, target: &Text, closed: &BTreeSet<Month>, after: PostingNo, limit: usize) -> Result<Vec<Parked>>;
        fn reach_size(&mut self, reach: &Reach, limit: usize) -> Result<usize>;
        fn work_of(&mut self, fact: FactNo) -> Result<Vec<Work>>;
        fn held_changes(&mut self) -> Result<Vec<HeldChange>>;
        fn held_change(&mut self, fact: FactNo) -> Result<Option<HeldChange>>;
        fn sources(&mut self) -> Result<Vec<(SourceNo, SourceName)>>;
        fn meta(&mut self, key: &str) -> Result<Option<Vec<u8>>>;
        fn metas(&mut self, beginning: &str) -> Result<Vec<(String, Vec<u8>)>>;
        fn find_fact(&mut self, scope: Scope, kind: Kind, key: &Pseudonym) -> Result<Option<FactRow>>;
        fn fact(&mut self, no: FactNo) -> Result<Option<FactRow>>;
        fn facts(&mut self, kind: Kind) -> Result<Vec<FactRow>>;
        fn facts_after(&mut self, kind: Kind, after: FactNo, limit: usize) -> Result<Vec<FactRow>>;
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
        fn newest_between(&mut self, after: Seq, until: Seq, limit: usize) -> Result<Vec<(FeedRow, PostingRow)>>;
        fn count_newest_after(&mut self, after: Seq) -> Result<i64>;
        fn last_seq(&mut self) -> Result<Seq>;
        fn cursor(&mut self, target: &Text) -> Result<Seq>;
        fn cursors(&mut self) -> Result<Vec<(Text, Seq)>>;
        fn counts(&mut self) -> Result<Vec<Count>>;
        fn balances(&mut self) -> Result<Vec<Balance>>;
        fn tagged_sums(&mut self) -> Result<Vec<TaggedSum>>;
        fn days(&mut self, source: SourceNo, from: Date, to: Date) -> Result<Vec<Day>>;
        fn quarantine(&mut self, limit: usize) -> Result<Vec<Quarantined>>;
        fn pending_work(&mut self) -> Result<i64>;
    }
}

impl Store for Faulty<dyn Store> {
    fn reader(&self) -> Result<Box<dyn Read>> {
        let (faults, readers) = (Arc::clone(&self.faults), Arc::clone(&self.readers));
        let by = readers.fetch_add(1, Ordering::Relaxed) + 1;
        let reader: Faulty<dyn Read> = Faulty { inner: self.inner.reader()?, faults, by, readers };
        Ok(Box::new(reader))
    }

    fn rollback(&mut self) {
        self.inner.rollback();
    }

    fn post(&mut self, posting: &NewPosting<'_>) -> Result<Posted> {
        self.call(("post", true), Some(&posting.posting.id), |inner| inner.post(posting))
    }

    pass! {
        true:
        fn begin(&mut self) -> Result<()>;
        fn commit(&mut self) -> Result<()>;
        fn source(&mut self, name: &SourceName) -> Result<SourceNo>;
        fn set_meta(&mut self, key: &str, value: &[u8]) -> Result<()>;
        fn person(&mut self, scope: Scope, pseudonym: &Pseudonym, seal: &dyn Fn() -> Sealed) -> Result<PersonNo>;
        fn insert_fact(&mut self, scope: Scope, kind: Kind, key: &Pseudonym) -> Result<FactNo>;
        fn see_version(&mut self, no: FactNo, version: i64, content: &Pseudonym) -> Result<bool>;
        fn set_newest(&mut self, no: FactNo, version: &FactVersion, holds: &[PersonNo]) -> Result<()>;
        fn erase_fact(&mut self, no: FactNo) -> Result<Vec<PersonNo>>;
        fn drop_unused(&mut self, persons: &[PersonNo]) -> Result<()>;
        fn persons_at_once(&mut self) -> Result<usize>;
        fn set_standing(&mut self, no: PostingNo, standing: Standing) -> Result<()>;
        fn append(&mut self, posting: PostingNo, revision: i64, cause: Cause, registered: Timestamp, payload: &Sealed) -> Result<Seq>;
        fn erase_superseded(&mut self, posting: PostingNo) -> Result<()>;
        fn advance(&mut self, target: &Text, to: Seq) -> Result<()>;
        fn set_handed(&mut self, target: &Text, posting: PostingNo, handed: &Handed) -> Result<()>;
        fn set_first_handed(&mut self, target: &Text, posting: PostingNo, handed: &Handed) -> Result<bool>;
        fn shelve(&mut self, shelves: &[Shelf]) -> Result<()>;
        fn park(&mut self, parked: &Parked) -> Result<()>;
        fn unpark(&mut self, target: &Text, posting: PostingNo) -> Result<bool>;
        fn rewind(&mut self, target: &Text, to: Seq) -> Result<()>;
        fn take_back(&mut self, target: &Text, postings: &[PostingNo]) -> Result<()>;
        fn forget_target(&mut self, target: &Text, limit: usize) -> Result<bool>;
        fn finish_weighing(&mut self, no: WorkNo, fact: FactNo) -> Result<i64>;
        fn set_phase(&mut self, fact: FactNo, phase: WorkPhase) -> Result<()>;
        fn set_held_change(&mut self, change: &HeldChange) -> Result<()>;
        fn drop_held_change(&mut self, fact: FactNo) -> Result<()>;
        fn add_work(&mut self, reach: &Reach, cause: Cause, phase: WorkPhase) -> Result<()>;
        fn next_work(&mut self) -> Result<Option<Work>>;
        fn advance_work(&mut self, no: WorkNo, after: PostingNo) -> Result<()>;
        fn finish_work(&mut self, no: WorkNo) -> Result<()>;
        fn take_work_of(&mut self, fact: FactNo) -> Result<Vec<Reach>>;
        fn count(&mut self, counts: &[Count]) -> Result<()>;
        fn weigh(&mut self, balances: &[Balance]) -> Result<()>;
        fn add_tagged(&mut self, sums: &[TaggedSum]) -> Result<()>;
        fn add_days(&mut self, days: &[Day]) -> Result<()>;
        fn put_in_quarantine(&mut self, entry: &Quarantined) -> Result<bool>;
        fn erase_quarantine(&mut self, until: Timestamp, limit: usize) -> Result<usize>;
        fn remember_purged(&mut self, source: SourceNo, id: &Pseudonym, content: &Pseudonym) -> Result<()>;
        fn delete_posting(&mut self, no: PostingNo) -> Result<Vec<PersonNo>>;
        fn count_keyed(&mut self) -> Result<i64>;
        fn rekey(&mut self, after: &[u8], limit: usize) -> Result<Rekeyed>;
        fn scrub(&mut self, after: u32, patience: Duration) -> Result<Option<u32>>;
    }
}
