//! Cursors of the feed's readers: what one is made of, and what makes it one that cannot be read on from.
//!
//! A reader is told where it has come by a text that it keeps and gives back. It holds all that is known of the reader, so
//! that the store keeps nothing of readers; and a mark, so that nobody else can make one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use samspor_domain::store::{Read, Result, Seq, Store, StoreError};
use samspor_vault::{MARK_BYTES, Marks};

/// Which of the lives of a store's feed it is. A store that was restored from a backup begins another one, since numbers of
/// records are then given twice.
pub type Epoch = [u8; 16];

/// The store's value that names the feed's epoch.
pub(crate) const EPOCH: &str = "feed-epoch";
/// The store's value that says the highest number of a feed record that was purged with its posting.
const PURGED: &str = "feed-purged";

/// The form of a cursor.
const VERSION: u8 = 1;
/// Bytes of a cursor without its mark.
const SAID_BYTES: usize = 1 + 16 + 8 + 8 + 8 + 8 + 32;

/// Why a reader cannot read on from a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// It was changed on its way, or made under other keys.
    #[error(
        "the cursor is none that this gateway gave: give back the text of a cursor as it came, or begin anew"
    )]
    Malformed,
    /// Another reader got it, whose pseudonyms are not this one's.
    #[error("the cursor was given to a reader of another name: read under that name, or begin anew")]
    OfAnotherReader,
    /// It was got with another filter or in another form, and what was passed by then is not what would be passed by now.
    #[error("the cursor was given for another filter or form: read with that one, or begin anew")]
    OfAnotherFilter,
    /// The store was restored from a backup since.
    #[error("the gateway was restored from a backup since it gave the cursor: begin anew")]
    OfAnotherEpoch,
    /// The feed does not reach so far, which a store that was put back by other means than a restore would show.
    #[error("the cursor is ahead of the feed, so the gateway's store is an older one: begin anew")]
    Ahead,
    /// Postings were purged of which this reader may have a tag.
    #[error(
        "postings were purged since whose last records the reader has not got: begin anew, and drop what does not come again"
    )]
    TooOld,
}

/// Where a reader has come, as its cursor says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) epoch: Epoch,
    /// It has every record up to this one.
    pub(crate) seq: Seq,
    /// How far the feed reached when it began. Up to there it cannot have got anything but newest records.
    pub(crate) begun: Seq,
    /// Tells whose it is.
    pub(crate) reader: [u8; 8],
    /// Tells what it is given.
    pub(crate) filter: [u8; 8],
    /// The hash over the message ids of all that it got.
    pub(crate) chain: [u8; 32],
}

impl Place {
    /// The text that a reader keeps.
    pub(crate) fn write(&self, marks: &Marks) -> String {
        let mut bytes = Vec::with_capacity(SAID_BYTES + MARK_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.epoch);
        bytes.extend_from_slice(&self.seq.0.to_be_bytes());
        bytes.extend_from_slice(&self.begun.0.to_be_bytes());
        bytes.extend_from_slice(&self.reader);
        bytes.extend_from_slice(&self.filter);
        bytes.extend_from_slice(&self.chain);
        let mark = marks.of(&bytes);
        bytes.extend_from_slice(&mark);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what a reader gives back.
    pub(crate) fn read(text: &str, marks: &Marks) -> std::result::Result<Self, CursorError> {
        Self::take_apart(text, marks).ok_or(CursorError::Malformed)
    }

    fn take_apart(text: &str, marks: &Marks) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (said, mark) = bytes.split_at_checked(SAID_BYTES)?;
        if !marks.are_known(said, mark.try_into().ok()?) {
            return None;
        }
        let (&version, said) = said.split_first()?;
        let (epoch, said) = said.split_first_chunk()?;
        let (seq, said) = said.split_first_chunk()?;
        let (begun, said) = said.split_first_chunk()?;
        let (reader, said) = said.split_first_chunk()?;
        let (filter, said) = said.split_first_chunk()?;
        let place = Self {
            epoch: *epoch,
            seq: Seq(i64::from_be_bytes(*seq)),
            begun: Seq(i64::from_be_bytes(*begun)),
            reader: *reader,
            filter: *filter,
            chain: said.try_into().ok()?,
        };
        (version == VERSION).then_some(place)
    }

    /// Whether what was purged is no loss to the reader: it has come past all of it, or began after it.
    pub(crate) fn check(&self, last: Seq, purged: Seq) -> std::result::Result<(), CursorError> {
        if self.seq > last {
            Err(CursorError::Ahead)
        } else if purged > self.seq.max(self.begun) {
            Err(CursorError::TooOld)
        } else {
            Ok(())
        }
    }
}

/// The feed's epoch; a new one where the store names none.
pub(crate) fn epoch(read: &mut (impl Read + ?Sized)) -> Result<Epoch> {
    match read.meta(EPOCH)?.filter(|known| !known.is_empty()) {
        Some(known) => known
            .try_into()
            .map_err(|_| StoreError::Damaged("the name of the feed's epoch is not one".into())),
        None => Ok(rand::random()),
    }
}

/// Keeps the feed's epoch.
pub(crate) fn note_epoch(store: &mut dyn Store, epoch: Epoch) -> Result<()> {
    store.set_meta(EPOCH, &epoch)
}

/// Lets a new epoch of the feed begin when the store is opened next, as a part of a transaction: no cursor that was given
/// before can be read on from.
pub fn begin_epoch(store: &mut dyn Store) -> Result<()> {
    store.set_meta(EPOCH, &[])
}

/// The highest number of a feed record that was purged with its posting.
pub(crate) fn purged(read: &mut (impl Read + ?Sized)) -> Result<Seq> {
    let Some(bytes) = read.meta(PURGED)? else { return Ok(Seq::default()) };
    let bytes = bytes.try_into();
    let number = bytes.map_err(|_| StoreError::Damaged("how far the feed was purged cannot be read".into()));
    Ok(Seq(i64::from_be_bytes(number?)))
}

/// Keeps that a feed record was purged with its posting, in the transaction that does it.
pub(crate) fn note_purged(store: &mut dyn Store, seq: Seq) -> Result<()> {
    if seq > purged(store)? { store.set_meta(PURGED, &seq.0.to_be_bytes()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use samspor_vault::{Master, Vault};

    use super::*;

    fn marks(byte: &str) -> Marks {
        Vault::new(&Master::from_hex(&byte.repeat(32)).expect("64 digits")).cursors()
    }

    fn place() -> Place {
        Place { epoch: [1; 16], seq: Seq(7), begun: Seq(3), reader: [2; 8], filter: [3; 8], chain: [4; 32] }
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is_one() {
        let (marks, others) = (marks("01"), marks("02"));
        let text = place().write(&marks);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
        assert_eq!(Place::read(&text, &marks), Ok(place()));
        assert_eq!(Place::read(&text, &others), Err(CursorError::Malformed));
        for at in 0..text.len() {
            assert_eq!(Place::read(&text[..at], &marks), Err(CursorError::Malformed), "cut at {at}");
            let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(Place::read(&changed, &marks), Err(CursorError::Malformed), "changed at {at}");
        }
        assert_eq!(Place::read(&format!("{text}A"), &marks), Err(CursorError::Malformed));
        assert_eq!(Place::read(&format!("{text}="), &marks), Err(CursorError::Malformed));
    }

    #[test]
    fn what_was_purged_before_a_reader_began_or_had_come_there_is_no_loss() {
        for (last, purged, right) in [
            (7, 0, Ok(())),
            (9, 7, Ok(())),
            (9, 8, Err(CursorError::TooOld)),
            (6, 0, Err(CursorError::Ahead)),
        ] {
            assert_eq!(place().check(Seq(last), Seq(purged)), right, "{last} {purged}");
        }
        let begun_late = Place { begun: Seq(8), ..place() };
        assert_eq!(begun_late.check(Seq(9), Seq(8)), Ok(()));
        assert_eq!(begun_late.check(Seq(9), Seq(9)), Err(CursorError::TooOld));
    }
}
