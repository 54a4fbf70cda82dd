//! Generations of keys: what a store keeps is under one of them, and is put under a newer one while it is used.

use crate::Pseudonym;
use crate::store::{Result, Sealed, StoreError};

/// A generation of keys, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u8);

impl Generation {
    /// The first one.
    pub const FIRST: Self = Self(1);
}

impl std::fmt::Display for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What is sealed; each has a key of its own, so that one cannot be passed off as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The reference beside a pseudonym.
    Reference,
    /// What a fact says.
    Fact,
    /// What a feed record says.
    Revision,
    /// What lies in quarantine.
    Quarantine,
    /// What a target's books say of a record.
    Receipt,
    /// By what readers filter postings that are added up.
    FilterKey,
    /// A posting that is to pass on as it came.
    Forward,
    /// The tag that it passes on with.
    ForwardTag,
    /// What an entry of the audit log says.
    Audit,
}

/// Under which keys a store puts what it is given, and how it puts that under newer ones.
///
/// Sealed bytes say themselves under which generation they are. A keyed hash has no room to, and cannot be made again
/// where what it is of is gone, as it is of a purged posting. So a store keeps each hash under a cover: a permutation of
/// its 16 bytes by the generation's key, which is taken off when the hash is read, and stands beside the number of the
/// generation. The first generation has none.
pub trait Covers: Send + Sync {
    /// The generation under which everything new is put.
    fn newest(&self) -> Generation;
    /// The oldest under which something may be.
    fn oldest(&self) -> Generation;
    /// A hash as it is kept.
    fn cover(&self, under: Generation, bare: &Pseudonym) -> Result<[u8; 16]>;
    /// A hash as it is known, of how it is kept.
    fn uncover(&self, under: Generation, kept: [u8; 16]) -> Result<Pseudonym>;
    /// The same under the newest generation; none where it is under that one.
    fn reseal(&self, purpose: Purpose, sealed: &Sealed) -> Result<Option<Sealed>>;
}

/// The covers of a store that has had one generation of keys only: none.
#[derive(Debug, Clone, Copy)]
pub struct Uncovered;

impl Uncovered {
    fn only(under: Generation) -> Result<()> {
        match under {
            Generation::FIRST => Ok(()),
            _ => Err(StoreError::Unusable("its keys were replaced, and it is read without them".into())),
        }
    }
}

impl Covers for Uncovered {
    fn newest(&self) -> Generation {
        Generation::FIRST
    }

    fn oldest(&self) -> Generation {
        Generation::FIRST
    }

    fn cover(&self, under: Generation, bare: &Pseudonym) -> Result<[u8; 16]> {
        Self::only(under).map(|()| bare.0)
    }

    fn uncover(&self, under: Generation, kept: [u8; 16]) -> Result<Pseudonym> {
        Self::only(under).map(|()| Pseudonym(kept))
    }

    fn reseal(&self, _: Purpose, _: &Sealed) -> Result<Option<Sealed>> {
        Ok(None)
    }
}
