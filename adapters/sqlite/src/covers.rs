//! Keyed hashes in columns: each under the cover of a generation of keys, whose number stands in the same row.

use rusqlite::types::Type;
use rusqlite::{Error, Row};
use samspor_domain::Pseudonym;
use samspor_domain::keys::{Covers, Generation};
use samspor_domain::store::Result;

use crate::Sqlite;

impl Sqlite {
    /// The generation that everything new is put under.
    pub(crate) fn newest(&self) -> Generation {
        self.covers.newest()
    }

    /// A hash as it stands in a row of a generation.
    pub(crate) fn covered(&self, under: Generation, bare: &Pseudonym) -> Result<[u8; 16]> {
        self.covers.cover(under, bare)
    }

    /// Whether something may be under another generation than the newest.
    pub(crate) fn has_older(&self) -> bool {
        self.covers.oldest() < self.covers.newest()
    }

    /// Looks for a hash under each generation that it may be under, the newest first. There is one, but for the time in which
    /// keys are being replaced.
    pub(crate) fn find_covered<T>(
        &self,
        bare: &Pseudonym,
        mut find: impl FnMut(Generation, [u8; 16]) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let (oldest, newest) = (self.covers.oldest(), self.covers.newest());
        for under in (oldest.0..=newest.0).rev().map(Generation) {
            if let Some(found) = find(under, self.covers.cover(under, bare)?)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// A hash in a column of a row, and the generation in another.
pub(crate) fn hash(covers: &dyn Covers, row: &Row<'_>, at: usize, key: usize) -> rusqlite::Result<Pseudonym> {
    uncover(covers, row.get(at)?, Generation(row.get(key)?), at)
}

pub(crate) fn optional_hash(
    covers: &dyn Covers,
    row: &Row<'_>,
    at: usize,
    key: usize,
) -> rusqlite::Result<Option<Pseudonym>> {
    let Some(kept) = row.get::<_, Option<[u8; 16]>>(at)? else { return Ok(None) };
    uncover(covers, kept, Generation(row.get(key)?), at).map(Some)
}

fn uncover(covers: &dyn Covers, kept: [u8; 16], under: Generation, at: usize) -> rusqlite::Result<Pseudonym> {
    covers
        .uncover(under, kept)
        .map_err(|error| Error::FromSqlConversionFailure(at, Type::Blob, Box::new(error)))
}
