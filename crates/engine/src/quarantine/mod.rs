//! The quarantine as a tool: what lies there is shown, tried again as a frozen set, taken in, or discarded.
//!
//! A set is made first, of the entries that are open at that moment, and never changes. A release takes in that set and
//! nothing else: each of its entries is decoded as its source's deliveries are decoded now, goes through the very same
//! intake as a delivery does, and is marked in the same transaction. So a release may be repeated, cut off anywhere, or
//! asked for by two at once, and each entry has its effect once.

mod again;
mod settle;

use std::collections::BTreeMap;

use samspor_domain::quarantine::{Entry, Filter, Set, Show, Shown, Standing};
use samspor_domain::store::{self, EntryNo, Read, SetNo};
use samspor_domain::{Reason, SourceName, Text};
use samspor_vault::Vault;

use crate::kept;
use crate::writer::{Handle, Unavailable};

use again::Verdict;
pub use again::{Ready, preview, ready};

/// Entries that one transaction releases at most.
const SLICE: usize = 200;
/// Entries that one transaction discards at most.
const DISCARDED: usize = 1_000;
/// Bytes of entries that are held in memory at once, but for a single entry that has more.
const SLICE_BYTES: usize = 8 << 20;

/// What becomes of an entry, or of an item in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// A fact. A preview does not tell a newest version, an older one and a known one apart.
    Fact,
    /// An older version of a fact.
    Stale,
    /// A posting.
    Posting,
    /// A receipt for a record.
    Receipt,
    /// Something known by now.
    Duplicate,
    /// Nothing, as its source's mapping says by now that there may be.
    Empty,
    /// It is still not understood, and stays. Of an entry that turned out to hold several items, the others are taken in
    /// and this one is an entry of its own.
    Quarantined(Reason),
    /// It was released or discarded meanwhile, so nothing is done.
    Settled,
    /// Retention has erased its bytes, so nothing can be done but to discard it.
    Erased,
    /// No configured source has its name, so nothing can decode it. It stays.
    NoDecoder,
}

impl Fate {
    /// The word by which it is shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Stale => "stale",
            Self::Posting => "posting",
            Self::Receipt => "receipt",
            Self::Duplicate => "duplicate",
            Self::Empty => "empty",
            Self::Quarantined(_) => "quarantined",
            Self::Settled => "settled",
            Self::Erased => "erased",
            Self::NoDecoder => "no-decoder",
        }
    }
}

/// What becomes of one entry: of each fate how many of its items.
pub type Fates = BTreeMap<Fate, u64>;

/// A part of a set, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The set.
    pub set: Set,
    /// Its entries, or some of them, in the order of their numbers.
    pub entries: Vec<(EntryNo, Fates)>,
    /// The entry after which to go on; none after the last.
    pub next: Option<EntryNo>,
}

/// What is to be discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// One entry.
    Entry(EntryNo),
    /// Those of a set that are still open.
    Set(SetNo),
}

/// How many entries were discarded, and how many had been settled before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Discarded {
    /// Discarded now.
    pub discarded: u64,
    /// Released or discarded before.
    pub settled: u64,
}

/// An entry as somebody may look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// The entry.
    pub entry: Entry,
    /// Its source.
    pub source: SourceName,
    /// Its bytes, masked; none where they are erased.
    pub shown: Option<Shown>,
}

/// An entry, shown without showing whom it is about; none where there is none with that number.
pub fn detail(
    read: &mut dyn Read,
    vault: &Vault,
    show: &dyn Show,
    no: EntryNo,
) -> store::Result<Option<Detail>> {
    let Some(entry) = read.entry(no)? else { return Ok(None) };
    let sources = read.sources()?;
    let source = sources.into_iter().find(|(known, _)| *known == entry.source).map(|(_, name)| name);
    let source = source.ok_or_else(again::no_source)?;
    let shown = match read.sealed_entry(no)? {
        Some(sealed) => {
            let body = kept::open_body(vault, &sealed)?;
            Some(show.show(body.content_type.as_deref(), &body.body))
        }
        None => None,
    };
    Ok(Some(Detail { entry, source, shown }))
}

impl Handle {
    /// Freezes a set of the open entries that a filter means, the oldest first, at most `limit`.
    pub async fn freeze(&self, filter: Filter, limit: usize) -> Result<SetNo, Unavailable> {
        let filter = Filter { standing: Some(Standing::Open), ..filter };
        self.run(move |core, now| core.freeze(&filter, limit, now)).await
    }

    /// What would become of the next entries of a set after one of them, if they were released now. None: there is no
    /// such set.
    pub async fn preview_release(&self, set: SetNo, after: EntryNo) -> Result<Option<Slice>, Unavailable> {
        let intakes = self.intakes.clone();
        self.read(move |read, vault| preview(read, vault, &intakes, set, after)).await
    }

    /// Releases the next entries of a set after one of them. None: there is no such set.
    pub async fn release(&self, set: SetNo, after: EntryNo) -> Result<Option<Slice>, Unavailable> {
        let intakes = self.intakes.clone();
        let ready = self.read(move |read, vault| ready(read, vault, &intakes, set, after)).await?;
        let Some(ready) = ready else { return Ok(None) };
        let slice = self.run(move |core, now| core.release(ready, now)).await?;
        tracing::info!(set = set.0, entries = slice.entries.len(), "released from quarantine");
        Ok(Some(slice))
    }

    /// Discards entries, for good: their bytes are erased, and what they were is known when it comes again. None: there is
    /// no such entry or set.
    pub async fn discard(&self, what: Discard, why: Text) -> Result<Option<Discarded>, Unavailable> {
        let mut sum = Discarded::default();
        let mut after = EntryNo::default();
        loop {
            let entries = self
                .read(move |read, _| match what {
                    Discard::Entry(no) => Ok(read.entry(no)?.map(|entry| vec![entry.no])),
                    Discard::Set(set) => match read.frozen(set)? {
                        Some(_) => read.frozen_entries(set, after, DISCARDED).map(Some),
                        None => Ok(None),
                    },
                })
                .await?;
            let Some(entries) = entries else { return Ok(None) };
            let Some(last) = entries.last().copied() else { break };
            let why = why.clone();
            let done = self.run(move |core, now| core.discard(&entries, &why, now)).await?;
            sum.discarded += done.discarded;
            sum.settled += done.settled;
            after = last;
            if matches!(what, Discard::Entry(_)) {
                break;
            }
        }
        tracing::info!(entries = sum.discarded, "discarded from quarantine");
        Ok(Some(sum))
    }

    /// Says how each source's deliveries are decoded from now on, for what is decoded again.
    #[must_use]
    pub fn intakes(&self) -> crate::Intakes {
        self.intakes.clone()
    }
}
