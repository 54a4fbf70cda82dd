//! The port to the store: one writer, many readers. What a store keeps of persons is pseudonyms and sealed bytes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::audit::{ReadAudit, WriteAudit};
use crate::keys::Covers;
use crate::quarantine::{ReadQuarantine, WriteQuarantine};
use crate::{
    Cause, Handed, Kind, Parked, Posting, Pseudonym, Rank, ReadForward, Reason, Shelf, SourceName, Span,
    Stage, Sum, Text, Untagged, WriteForward,
};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub i64);
    };
}
number!(/** A source's number in the store, from 1. */ SourceNo);
number!(/** A fact's number in the store, from 1. */ FactNo);
number!(/** A posting's number in the store, from 1, in order of arrival. None is given twice. */ PostingNo);
number!(/** A feed record's number, from 1. None is given twice; what is purged leaves a gap. */ Seq);
number!(/** A pseudonym's number in the store: a person as one scope knows it. */ PersonNo);
number!(/** A work item's number in the store. */ WorkNo);
number!(/** The number of an entry of the quarantine, from 1. None is given twice. */ EntryNo);
number!(/** The number of a frozen set of quarantine's entries, from 1. None is given twice. */ SetNo);

/// Under whose key a pseudonym stands: a source's, or the registry's for what is named across the municipality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The registry's key.
    Registry,
    /// A source's key.
    Source(SourceNo),
}

/// Bytes under authenticated encryption; only the vault opens them.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// The newest version of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactRow {
    /// Its number.
    pub no: FactNo,
    /// Where it is named.
    pub scope: Scope,
    /// What it is about.
    pub kind: Kind,
    /// Its newest version.
    pub newest: FactVersion,
}

/// One version of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactVersion {
    /// The version.
    pub version: i64,
    /// Live, withdrawn or deleted.
    pub rank: Rank,
    /// A keyed hash of what it says.
    pub content: Pseudonym,
    /// When the gateway learnt of it.
    pub registered: Timestamp,
    /// What it says with its id, sealed; none where it was erased or says nothing.
    pub body: Option<Sealed>,
}

/// How a posting stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It is tagged with the solution of that fact.
    Tagged(FactNo),
    /// It is not.
    Untagged(Untagged),
}

/// A posting in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostingRow {
    /// Its number.
    pub no: PostingNo,
    /// Its source.
    pub source: SourceNo,
    /// What it says, with references as pseudonyms under its source's key.
    pub posting: Posting<Pseudonym>,
    /// When the gateway learnt of it.
    pub registered: Timestamp,
    /// How it stands.
    pub standing: Standing,
}

/// A posting to put in the journal.
pub struct NewPosting<'a> {
    /// Its source.
    pub source: SourceNo,
    /// What it says.
    pub posting: &'a Posting<PersonNo>,
    /// When the gateway learnt of it.
    pub registered: Timestamp,
    /// How it stands.
    pub standing: Standing,
}

/// What came of putting a posting in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// It is there now.
    New(PostingNo),
    /// Its source and id were there already, with this content.
    Known(Box<PostingRow>),
}

/// A record of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRow {
    /// Its number.
    pub seq: Seq,
    /// Which posting.
    pub posting: PostingNo,
    /// 1, 2, … per posting.
    pub revision: i64,
    /// What made the gateway decide.
    pub cause: Cause,
    /// When.
    pub registered: Timestamp,
    /// A sealed [`crate::Revision`]; none where it was erased.
    pub payload: Option<Sealed>,
}

/// Postings that a change can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Those of one reference in one source, in these dates.
    Person(SourceNo, Pseudonym, Span),
    /// Those without a reference, with an [`crate::Account::code`] in the range and in these dates.
    Unreferenced(u32, u32, Span),
    /// Those tagged with the solution of that fact.
    Solution(FactNo),
    /// Every tagged one.
    Tagged,
    /// Every one.
    All,
}

impl Reach {
    /// Whether a posting is in it.
    #[must_use]
    pub fn holds(&self, row: &PostingRow) -> bool {
        let reference = row.posting.reference();
        match self {
            Self::Person(source, pseudonym, span) => {
                row.source == *source && reference == Some(pseudonym) && span.contains(row.posting.date)
            }
            Self::Unreferenced(low, high, span) => {
                let code = row.posting.account.code();
                reference.is_none() && (*low..=*high).contains(&code) && span.contains(row.posting.date)
            }
            Self::Solution(solution) => row.standing == Standing::Tagged(*solution),
            Self::Tagged => matches!(row.standing, Standing::Tagged(_)),
            Self::All => true,
        }
    }
}

/// Postings that must be decided again, in slices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Its number.
    pub no: WorkNo,
    /// Which.
    pub reach: Reach,
    /// Why.
    pub cause: Cause,
    /// Up to which it is done.
    pub after: PostingNo,
    /// What is done with them.
    pub phase: WorkPhase,
}

/// What is done with postings on the work list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkPhase {
    /// They are decided again.
    Decide,
    /// It is found out what deciding them again would change; nothing is changed.
    Weigh,
    /// They wait until someone releases the fact that is the cause.
    Held,
    /// It is found out again, since something else changed what it would be.
    WeighAgain,
}

/// What a fact would change, where that may be more than is allowed without someone's consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldChange {
    /// The fact.
    pub fact: FactNo,
    /// Its version.
    pub version: i64,
    /// Since when.
    pub since: Timestamp,
    /// Whether it waits for its release; otherwise it is still being weighed.
    pub is_held: bool,
    /// What it would change, as the engine writes it; nothing in it is personal.
    pub preview: Vec<u8>,
}

/// What became of items received, by source and month of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// They arrived; counted before what they say is looked at, and apart from all the others, whose sum it must be.
    Received,
    /// A fact's new newest version.
    Fact,
    /// A fact's version that another goes before.
    Stale,
    /// A new posting.
    Posting,
    /// A receipt for a record.
    Receipt,
    /// Something that was known already.
    Duplicate,
    /// Put in quarantine.
    Quarantined,
    /// Discarded from quarantine by someone.
    Discarded,
    /// No item, but a field in one that the contract does not know, and that was ignored. A duplicate's do not count.
    IgnoredField,
    /// No item, but a message that arrived, counted before it is decoded; what publishers count. One that comes again
    /// counts again.
    Message,
    /// A message in which there is nothing, as its source's mapping says that there may be; it counts as one item.
    Empty,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 11] = [
        Self::Message,
        Self::Received,
        Self::Fact,
        Self::Stale,
        Self::Posting,
        Self::Receipt,
        Self::Duplicate,
        Self::Empty,
        Self::Quarantined,
        Self::Discarded,
        Self::IgnoredField,
    ];

    /// The word by which it is stored and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Fact => "facts",
            Self::Stale => "stale",
            Self::Posting => "postings",
            Self::Receipt => "receipts",
            Self::Duplicate => "duplicates",
            Self::Quarantined => "quarantined",
            Self::Discarded => "discarded",
            Self::IgnoredField => "ignored_fields",
            Self::Message => "messages",
            Self::Empty => "empty",
        }
    }
}

/// The first day of a month.
pub type Month = Date;

/// A number of items, by source and month of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count {
    /// The source.
    pub source: SourceNo,
    /// The month of arrival.
    pub month: Month,
    /// What became of them.
    pub outcome: Outcome,
    /// How many.
    pub items: i64,
}

/// How many postings stand so, and their sum, by source and month of posting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Balance {
    /// The source.
    pub source: SourceNo,
    /// The month of the postings' dates.
    pub month: Month,
    /// None: all postings as they were received; `Some(None)`: the tagged ones; `Some(Some(_))`: untagged by reason.
    pub standing: Option<Option<Untagged>>,
    /// What they add up to.
    pub sum: Sum,
}

/// The tagged postings of a source and month that readers filter alike, added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedSum {
    /// The source.
    pub source: SourceNo,
    /// The month of the postings' dates.
    pub month: Month,
    /// A keyed hash of what readers filter them by.
    pub key: Pseudonym,
    /// The same, sealed: a [`crate::FilterKey`].
    pub filter_key: Sealed,
    /// What they add up to.
    pub sum: Sum,
}

/// The postings of a day as they were received, whether they are purged or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    /// The source.
    pub source: SourceNo,
    /// The postings' date.
    pub date: Date,
    /// What they add up to.
    pub sum: Sum,
}

/// Something that could not be understood, kept whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Its source.
    pub source: SourceNo,
    /// When it arrived.
    pub registered: Timestamp,
    /// Why.
    pub reason: Reason,
    /// Where in it.
    pub path: Option<String>,
    /// In words, without personal data.
    pub message: String,
    /// A keyed hash of its bytes, by which a second arrival is known.
    pub content: Pseudonym,
    /// Its content type and bytes, sealed.
    pub body: Sealed,
    /// Which item of these bytes it is, from 0.
    pub item: u32,
    /// How many items they hold.
    pub items: u32,
}

/// What came of putting some rows under the newest keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rekeyed {
    /// The place to go on after; none when all is done.
    pub after: Option<Vec<u8>>,
    /// How many rows were looked at.
    pub rows: usize,
}

/// What a store could not do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room; it goes on when there is.
    #[error("the disk is full; nothing was stored, and the gateway goes on when there is room")]
    Full,
    /// Another process has it.
    #[error("another process uses the store; stop it, or give this one another data directory")]
    Locked,
    /// Its files are not what was written.
    #[error("the store is damaged ({0}); restore it from a backup")]
    Damaged(String),
    /// It was made by a newer gateway, or is not the gateway's.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
    /// Anything else.
    #[error("the store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a store answers.
pub type Result<T> = std::result::Result<T, StoreError>;

/// What readers ask. A reader sees committed transactions only; a writer its own as well.
pub trait Read: Send + ReadQuarantine + ReadForward + ReadAudit {
    /// Says under which keys everything is. Without, it is taken to be under the first ones. Readers that are made of it have
    /// the same.
    fn set_covers(&mut self, covers: Arc<dyn Covers>);

    /// Lets what is read from now on be of one moment, until it is released.
    fn hold(&mut self) -> Result<()>;
    /// Ends that.
    fn release(&mut self) -> Result<()>;

    /// The sources in order of their numbers.
    fn sources(&mut self) -> Result<Vec<(SourceNo, SourceName)>>;
    /// A value of the store's own.
    fn meta(&mut self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Those whose keys begin so, by their keys.
    fn metas(&mut self, beginning: &str) -> Result<Vec<(String, Vec<u8>)>>;

    /// A fact by where it is named, its kind and the pseudonym of its id.
    fn find_fact(&mut self, scope: Scope, kind: Kind, key: &Pseudonym) -> Result<Option<FactRow>>;
    /// A fact by its number.
    fn fact(&mut self, no: FactNo) -> Result<Option<FactRow>>;
    /// The facts of a kind, live or not.
    fn facts(&mut self, kind: Kind) -> Result<Vec<FactRow>>;
    /// The same after one of them, in the order of their numbers, at most `limit`.
    fn facts_after(&mut self, kind: Kind, after: FactNo, limit: usize) -> Result<Vec<FactRow>>;
    /// The facts, live or not, that hold a reference in any of their versions.
    fn facts_touching(&mut self, scope: Scope, reference: &Pseudonym) -> Result<Vec<FactRow>>;
    /// All versions of a fact that were ever the newest, oldest registration first.
    fn versions(&mut self, no: FactNo) -> Result<Vec<FactVersion>>;
    /// When and of which facts versions were registered that are not erased: after one of them, up to an instant, in
    /// that order, at most `limit`.
    fn facts_by_registration(
        &mut self,
        after: (Timestamp, FactNo),
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, FactNo)>>;

    /// A posting by its number.
    fn posting(&mut self, no: PostingNo) -> Result<Option<PostingRow>>;
    /// A posting by its source and id.
    fn find_posting(&mut self, source: SourceNo, id: &Text) -> Result<Option<PostingRow>>;
    /// The postings in reach with a number above `after`, in order, at most `limit`.
    fn postings(&mut self, reach: &Reach, after: PostingNo, limit: usize) -> Result<Vec<PostingRow>>;
    /// The postings of a source in the order of their ids' bytes, after an id, at most `limit`.
    fn postings_by_id(
        &mut self,
        source: SourceNo,
        after: Option<&Text>,
        limit: usize,
    ) -> Result<Vec<PostingRow>>;
    /// The postings of a source that say that they reverse an id.
    fn reversals_of(&mut self, source: SourceNo, id: &Text) -> Result<Vec<PostingRow>>;
    /// Of a purged posting of a source the keyed hash of what it said, by that of its id.
    fn purged(&mut self, source: SourceNo, id: &Pseudonym) -> Result<Option<Pseudonym>>;

    /// The newest feed record of a posting.
    fn newest_record(&mut self, posting: PostingNo) -> Result<Option<FeedRow>>;
    /// All feed records of a posting, oldest first.
    fn records_of(&mut self, posting: PostingNo) -> Result<Vec<FeedRow>>;
    /// Records above `after` that are their posting's newest, in order, at most `limit`, with their postings. Where many
    /// are superseded, it looks at far more than it answers.
    fn newest_after(&mut self, after: Seq, limit: usize) -> Result<Vec<(FeedRow, PostingRow)>> {
        self.newest_between(after, Seq(i64::MAX), limit)
    }
    /// The same of the records up to `until`, that one among them. It looks at no others.
    fn newest_between(&mut self, after: Seq, until: Seq, limit: usize) -> Result<Vec<(FeedRow, PostingRow)>>;
    /// How many records above `after` are their posting's newest.
    fn count_newest_after(&mut self, after: Seq) -> Result<i64>;
    /// The last number that a record was given.
    fn last_seq(&mut self) -> Result<Seq>;
    /// Up to where a target has everything.
    fn cursor(&mut self, target: &Text) -> Result<Seq>;
    /// Up to where each target that reads the feed has everything.
    fn cursors(&mut self) -> Result<Vec<(Text, Seq)>>;
    /// What a target has of a posting.
    fn handed(&mut self, target: &Text, posting: PostingNo) -> Result<Option<Handed>>;
    /// What each target has of a posting.
    fn handed_of(&mut self, posting: PostingNo) -> Result<Vec<(Text, Handed)>>;
    /// Which records of a stage a target has, after a posting, by posting, at most `limit`.
    fn handed_in(
        &mut self,
        target: &Text,
        stage: Option<Stage>,
        after: PostingNo,
        limit: usize,
    ) -> Result<Vec<(PostingNo, Handed)>>;
    /// What each target has, added up.
    fn shelves(&mut self) -> Result<Vec<Shelf>>;
    /// For how many records handed to a target up to an instant the receipt is awaited.
    fn awaited(&mut self, target: &Text, until: Timestamp) -> Result<i64>;
    /// How many postings about somebody that have no tag, and were registered up to an instant, a target knows to have
    /// none and has yet to give its receipt of.
    fn kept_for_receipts(&mut self, target: &Text, until: Timestamp) -> Result<i64>;
    /// What is parked of a target after a posting, by posting, at most `limit`.
    fn parked(&mut self, target: &Text, after: PostingNo, limit: usize) -> Result<Vec<Parked>>;
    /// The same of what it refused and nobody has released. It costs what it finds, however much else is parked.
    fn parked_refused(&mut self, target: &Text, after: PostingNo, limit: usize) -> Result<Vec<Parked>>;
    /// How much is parked of a target because it refused it, and how much for a closed month.
    fn count_parked(&mut self, target: &Text) -> Result<(i64, i64)>;
    /// The same as `parked` of what is to be tried again: what somebody released, and what is of a month that is not `closed`. It
    /// costs what it finds, however much else is parked.
    fn parked_to_try(
        &mut self,
        target: &Text,
        closed: &BTreeSet<Month>,
        after: PostingNo,
        limit: usize,
    ) -> Result<Vec<Parked>>;

    /// Items by source, month of arrival and outcome.
    fn counts(&mut self) -> Result<Vec<Count>>;
    /// Postings by source, month and standing.
    fn balances(&mut self) -> Result<Vec<Balance>>;
    /// The tagged postings by source, month and what readers filter them by.
    fn tagged_sums(&mut self) -> Result<Vec<TaggedSum>>;
    /// The days from one date to another on which a source has postings, in order.
    fn days(&mut self, source: SourceNo, from: Date, to: Date) -> Result<Vec<Day>>;
    /// What lies in quarantine with its bytes, oldest first, at most `limit`.
    fn quarantine(&mut self, limit: usize) -> Result<Vec<Quarantined>>;
    /// How many postings are in reach, if it is not more than `limit`; else `limit`.
    fn reach_size(&mut self, reach: &Reach, limit: usize) -> Result<usize>;
    /// The work that a fact caused, in order.
    fn work_of(&mut self, fact: FactNo) -> Result<Vec<Work>>;
    /// The changes that are weighed or held, by fact.
    fn held_changes(&mut self) -> Result<Vec<HeldChange>>;
    /// What is weighed or held of a fact.
    fn held_change(&mut self, fact: FactNo) -> Result<Option<HeldChange>>;
    /// How many work items there are that are not held.
    fn pending_work(&mut self) -> Result<i64>;
}

/// What the one writer does, between `begin` and `commit`.
pub trait Store: Read + WriteQuarantine + WriteForward + WriteAudit {
    /// A reader beside it.
    fn reader(&self) -> Result<Box<dyn Read>>;

    /// Begins a transaction.
    fn begin(&mut self) -> Result<()>;
    /// Makes it durable.
    fn commit(&mut self) -> Result<()>;
    /// Undoes it. Does nothing where none was begun.
    fn rollback(&mut self);

    /// A source's number; a new name gets one.
    fn source(&mut self, name: &SourceName) -> Result<SourceNo>;
    /// Sets a value of the store's own.
    fn set_meta(&mut self, key: &str, value: &[u8]) -> Result<()>;

    /// A person's number. One new to the store gets one, and the sealed reference is kept beside the pseudonym.
    fn person(&mut self, scope: Scope, pseudonym: &Pseudonym, seal: &dyn Fn() -> Sealed) -> Result<PersonNo>;

    /// Makes room for a fact that has no version yet.
    fn insert_fact(&mut self, scope: Scope, kind: Kind, key: &Pseudonym) -> Result<FactNo>;
    /// Whether a version of a fact with this content has been seen; if not, it is now.
    fn see_version(&mut self, no: FactNo, version: i64, content: &Pseudonym) -> Result<bool>;
    /// Makes a version the newest of its fact, holding these references.
    fn set_newest(&mut self, no: FactNo, version: &FactVersion, holds: &[PersonNo]) -> Result<()>;
    /// Erases what all versions of a fact say, and which references they hold. Answers whom it held: those that nothing
    /// else uses are still to be dropped.
    fn erase_fact(&mut self, no: FactNo) -> Result<Vec<PersonNo>>;
    /// Deletes those of these persons that nothing uses. Each costs a look at the whole journal.
    fn drop_unused(&mut self, persons: &[PersonNo]) -> Result<()>;
    /// How many persons can be looked for so that it takes a tenth of a second or so, however large the journal is; two
    /// at least.
    fn persons_at_once(&mut self) -> Result<usize>;

    /// Puts a posting in the journal, unless its source and id are there.
    fn post(&mut self, posting: &NewPosting<'_>) -> Result<Posted>;
    /// Changes how a posting stands.
    fn set_standing(&mut self, no: PostingNo, standing: Standing) -> Result<()>;
    /// Appends to the feed.
    fn append(
        &mut self,
        posting: PostingNo,
        revision: i64,
        cause: Cause,
        registered: Timestamp,
        payload: &Sealed,
    ) -> Result<Seq>;
    /// Erases what the records of a posting say and what caused them, but the newest's.
    fn erase_superseded(&mut self, posting: PostingNo) -> Result<()>;
    /// Moves a target's cursor forward; never back.
    fn advance(&mut self, target: &Text, to: Seq) -> Result<()>;
    /// Moves the cursor of a target that is known back; never forward. It gets again what comes after.
    fn rewind(&mut self, target: &Text, to: Seq) -> Result<()>;
    /// Says what a target has of a posting.
    fn set_handed(&mut self, target: &Text, posting: PostingNo, handed: &Handed) -> Result<()>;
    /// The same of a posting that is in the journal and of which the target has nothing. Answers whether that is so; if
    /// not, nothing is done.
    fn set_first_handed(&mut self, target: &Text, posting: PostingNo, handed: &Handed) -> Result<bool>;
    /// Adds to what targets have.
    fn shelve(&mut self, shelves: &[Shelf]) -> Result<()>;
    /// Parks a record, in place of an older one of the same posting.
    fn park(&mut self, parked: &Parked) -> Result<()>;
    /// A target has a posting's newest record, so nothing of it is parked. Answers whether something was.
    fn unpark(&mut self, target: &Text, posting: PostingNo) -> Result<bool>;

    /// A target has nothing of these postings, and begins at the beginning again.
    fn take_back(&mut self, target: &Text, postings: &[PostingNo]) -> Result<()>;
    /// Forgets a target that has nothing: at most `limit` of what is parked, and when nothing is, itself. Answers whether
    /// that is done.
    fn forget_target(&mut self, target: &Text, limit: usize) -> Result<bool>;

    /// Puts postings on the work list.
    fn add_work(&mut self, reach: &Reach, cause: Cause, phase: WorkPhase) -> Result<()>;
    /// The first work item that is not held.
    fn next_work(&mut self) -> Result<Option<Work>>;
    /// Says up to which posting a work item is done.
    fn advance_work(&mut self, no: WorkNo, after: PostingNo) -> Result<()>;
    /// Takes a work item off the list.
    fn finish_work(&mut self, no: WorkNo) -> Result<()>;
    /// A work item that was weighed waits for the others that its fact caused. Answers how many those are.
    fn finish_weighing(&mut self, no: WorkNo, fact: FactNo) -> Result<i64>;
    /// Changes what is done with all the work that a fact caused, and lets it begin anew.
    fn set_phase(&mut self, fact: FactNo, phase: WorkPhase) -> Result<()>;
    /// Says what a fact would change, in place of what was said before.
    fn set_held_change(&mut self, change: &HeldChange) -> Result<()>;
    /// Forgets what a fact would change.
    fn drop_held_change(&mut self, fact: FactNo) -> Result<()>;
    /// Takes all work off the list that a fact caused, and answers what it was to reach.
    fn take_work_of(&mut self, fact: FactNo) -> Result<Vec<Reach>>;

    /// Adds to the items counted.
    fn count(&mut self, counts: &[Count]) -> Result<()>;
    /// Adds to the balance.
    fn weigh(&mut self, balances: &[Balance]) -> Result<()>;
    /// Adds to the sums of tagged postings.
    fn add_tagged(&mut self, sums: &[TaggedSum]) -> Result<()>;
    /// Adds to the sums of days.
    fn add_days(&mut self, days: &[Day]) -> Result<()>;
    /// Puts something in quarantine, unless the same bytes from the same source are or were there: then `false`.
    fn put_in_quarantine(&mut self, entry: &Quarantined) -> Result<bool>;
    /// Erases the bytes of what came to quarantine up to an instant, the oldest first, at most `limit`; answers how many.
    fn erase_quarantine(&mut self, until: Timestamp, limit: usize) -> Result<usize>;
    /// Keeps the keyed hashes of a purged posting's id and of what it said.
    fn remember_purged(&mut self, source: SourceNo, id: &Pseudonym, content: &Pseudonym) -> Result<()>;
    /// Deletes a posting, its feed records, and what targets have of it. Balances stay. Answers whom it named, two at
    /// most: those that nothing else uses are still to be dropped.
    fn delete_posting(&mut self, no: PostingNo) -> Result<Vec<PersonNo>>;
    /// How many rows replacing the keys has to go through.
    fn count_keyed(&mut self) -> Result<i64>;
    /// Puts what is under older keys under the newest: of some rows after a place, which is empty at the beginning, at most
    /// `limit`.
    fn rekey(&mut self, after: &[u8], limit: usize) -> Result<Rekeyed>;
    /// Makes what was erased unrecoverable from the store's files: from a bounded part of them, after a place in them.
    /// Answers the place to go on after; none when all is done, the log included. Readers may hold up the log, and are
    /// waited for as long as the patience lasts; then it answers [`StoreError::Locked`].
    fn scrub(&mut self, after: u32, patience: Duration) -> Result<Option<u32>>;
}
