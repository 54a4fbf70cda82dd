//! Reading the feed for those who ask for it themselves: from a cursor on, a page at a time, beside the writer.
//!
//! Between two pages a reader holds no place in the store: neither a transaction nor a connection, only where it has come.

use std::sync::Arc;

use samspor_domain::store::{Month, Read, Result as StoreResult, Seq};
use samspor_domain::{Record, SourceName, SourceNo, Sum, TagFilter, Text};
use samspor_vault::Vault;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::adopt::is_feed_paused;
use crate::cursor::{self, CursorError, Place};
use crate::filter;
use crate::log::Log;
use crate::scribe::{Audience, Scribe};
use crate::writer::{Handle, Unavailable};

/// Records that are looked at in one go where a filter may pass them by.
const LOOKED_AT: usize = 256;
/// Numbers of records that are looked through in one go, superseded ones among them.
const SPAN: i64 = 4_096;

/// Whoever reads the feed, and what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// Its name. Pseudonyms are those of a target of that name.
    pub name: Text,
    /// Whether it gets the ledger's records or those of a leadership-information system.
    pub audience: Audience,
    /// The tags that it is given, as a target with that filter is.
    pub filter: TagFilter,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum NotRead {
    /// It cannot be read on from there.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// Somebody paused the feed.
    #[error(
        "the feed is paused, as after a restored backup until all facts are in again; read on with the last cursor later"
    )]
    Paused,
    /// The store did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A record that a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenRecord {
    /// The id that it has whenever it is read.
    pub message_id: String,
    /// What it says.
    pub record: Record,
}

/// A page of the feed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Each the newest of its posting, in feed order.
    pub records: Vec<TakenRecord>,
    /// The sum of their amounts, in øre.
    pub ore: i128,
    /// Whether that was the end of the feed as it was read.
    pub is_end: bool,
}

/// A reader that has begun. It is as small as where it has come.
pub struct Subscription {
    handle: Handle,
    reader: Arc<Reader>,
    place: Place,
    newest: watch::Receiver<Seq>,
}

impl Subscription {
    /// Begins after a cursor; at the beginning of the feed where it is empty.
    ///
    /// # Errors
    /// The cursor is not this reader's, or cannot be read on from; or the store does not answer.
    pub async fn begin(handle: &Handle, reader: Reader, cursor: &str) -> Result<Self, NotRead> {
        let (whose, what) = prints(handle.vault(), &reader);
        let given =
            if cursor.is_empty() { None } else { Some(Place::read(cursor, &handle.vault().cursors())?) };
        if let Some(place) = &given {
            if place.epoch != handle.epoch {
                return Err(CursorError::OfAnotherEpoch.into());
            }
            if place.reader != whose {
                return Err(CursorError::OfAnotherReader.into());
            }
            if place.filter != what {
                return Err(CursorError::OfAnotherFilter.into());
            }
        }
        let epoch = handle.epoch;
        let begin = move |read: &mut dyn Read| {
            if is_feed_paused(read)? {
                return Ok(Err(NotRead::Paused));
            }
            let last = read.last_seq()?;
            let Some(place) = given else {
                let (seq, chain) = (Seq::default(), [0; 32]);
                return Ok(Ok(Place { epoch, seq, begun: last, reader: whose, filter: what, chain }));
            };
            Ok(place.check(last, cursor::purged(read)?).map(|()| place).map_err(NotRead::from))
        };
        let place = handle.read_feed(|read, _| at_once(read, begin)).await??;
        let (newest, handle) = (handle.newest(Log::Feed), handle.clone());
        Ok(Self { handle, reader: Arc::new(reader), place, newest })
    }

    /// Where it has come, as a text to begin from again.
    #[must_use]
    pub fn cursor(&self) -> String {
        self.place.write(&self.handle.vault().cursors())
    }

    /// Where it has come: the number of the last record that it got or that passed it by.
    #[must_use]
    pub fn position(&self) -> Seq {
        self.place.seq
    }

    /// The hash over the message ids of all that it got since it began at the beginning: 32 bytes of zero before the first
    /// one, and after each the SHA-256 of the hash before and the id's bytes.
    #[must_use]
    pub fn chain(&self) -> [u8; 32] {
        self.place.chain
    }

    /// Whether it has come to the end of the feed.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        *self.newest.borrow() <= self.place.seq
    }

    /// Waits until the feed reaches further than it has come. Dropped, it has done nothing.
    ///
    /// # Errors
    /// The gateway stops.
    pub async fn more(&mut self) -> Result<(), Unavailable> {
        let come = self.place.seq;
        let more = self.newest.wait_for(|newest| *newest > come).await;
        more.map(drop).map_err(|_| Unavailable::stopping())
    }

    /// The next page, of so many records at most. It may have none: of a part of the feed that passes the reader by.
    ///
    /// # Errors
    /// It cannot be read on, or the store does not answer; then it stays where it is.
    pub async fn next(&mut self, most: usize) -> Result<Page, NotRead> {
        let (reader, mut place) = (Arc::clone(&self.reader), self.place.clone());
        let next = move |read: &mut dyn Read, vault: &Arc<Vault>| {
            let page = at_once(read, |read| page(read, vault, &reader, &mut place, most))?;
            Ok(page.map(|page| (page, place)))
        };
        let (page, place) = self.handle.read_feed(next).await??;
        self.place = place;
        Ok(page)
    }
}

/// What tells whose a cursor is, and what its reader is given.
fn prints(vault: &Vault, reader: &Reader) -> ([u8; 8], [u8; 8]) {
    let Reader { name, audience, filter } = reader;
    let audience = match audience {
        Audience::Ledger => "ledger",
        Audience::Lis => "lis",
    };
    // Sets have one writing.
    let filter = serde_json::to_vec(&(audience, filter)).unwrap_or_else(|error| unreachable!("{error}"));
    let short = |what: &str, bytes: &[u8]| {
        let whole = vault.cursors().of(&[what.as_bytes(), bytes].concat());
        let mut short = [0; 8];
        short.copy_from_slice(&whole[..8]);
        short
    };
    (short("reader:", name.as_str().as_bytes()), short("filter:", &filter))
}

/// Reads as of one moment.
fn at_once<T>(read: &mut dyn Read, ask: impl FnOnce(&mut dyn Read) -> StoreResult<T>) -> StoreResult<T> {
    read.hold()?;
    let answer = ask(read);
    let released = read.release();
    answer.and_then(|answer| released.map(|()| answer))
}

fn page(
    read: &mut dyn Read,
    vault: &Arc<Vault>,
    reader: &Reader,
    place: &mut Place,
    most: usize,
) -> StoreResult<Result<Page, NotRead>> {
    if is_feed_paused(read)? {
        return Ok(Err(NotRead::Paused));
    }
    let last = read.last_seq()?;
    if let Err(error) = place.check(last, cursor::purged(read)?) {
        return Ok(Err(error.into()));
    }
    let Reader { name, audience, filter } = reader;
    let mut scribe = Scribe::reading(Arc::clone(vault), name, *audience, filter.clone());
    let limit = if filter.is_everything() { most } else { most.max(LOOKED_AT) };
    let until = Seq(last.0.min(place.seq.0.saturating_add(SPAN)));
    let rows = read.newest_between(place.seq, until, limit)?;
    let mut is_through = rows.len() < limit;
    let mut page = Page::default();
    for (row, posting) in &rows {
        if page.records.len() >= most {
            is_through = false;
            break;
        }
        if let Some(described) = scribe.describe(read, row, posting)? {
            place.chain = Sha256::new()
                .chain_update(place.chain)
                .chain_update(described.message_id.as_bytes())
                .finalize()
                .into();
            page.ore += i128::from(posting.posting.amount.ore());
            page.records.push(TakenRecord { message_id: described.message_id, record: described.record });
        }
        place.seq = row.seq;
    }
    if is_through {
        place.seq = until;
    }
    page.is_end = place.seq == last;
    Ok(Ok(page))
}

/// What a reader must have that has come to the end of the feed: of which postings it has a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Where the end is.
    pub position: Seq,
    /// By source and month of posting. Its hash total is over hashes that only the gateway has the key of.
    pub sums: Vec<(SourceName, Month, Sum)>,
}

/// What the books say that is tagged of what a filter lets through.
///
/// # Errors
/// The store does not answer.
pub async fn expected(handle: &Handle, filter: TagFilter) -> Result<Expected, Unavailable> {
    let ask = move |read: &mut dyn Read, vault: &Arc<Vault>| {
        at_once(read, |read| {
            let sources: Vec<(SourceNo, SourceName)> = read.sources()?;
            let tagged = filter::tagged(read, vault, &filter)?.into_iter();
            let named = tagged.filter(|(_, sum)| sum.postings != 0).filter_map(|((no, month), sum)| {
                let (_, name) = sources.iter().find(|(known, _)| *known == no)?;
                Some((name.clone(), month, sum))
            });
            let mut sums: Vec<_> = named.collect();
            sums.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
            Ok(Expected { position: read.last_seq()?, sums })
        })
    };
    handle.read(ask).await
}
