//! Postings added up: how many, their debit and credit, and a total by which two sets of postings are told apart.

use std::ops::{AddAssign, SubAssign};

use crate::{Amount, Pseudonym};

/// A set of postings as books hold it. Two sets with the same sum are, but for a chance of 1 in 2¹²⁸, the same set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Sum {
    /// How many.
    pub postings: i64,
    /// The positive amounts, in øre.
    pub debit: i128,
    /// The negative amounts without their sign, in øre.
    pub credit: i128,
    /// The keyed hashes of their ids, added up modulo 2¹²⁸.
    pub hash: u128,
}

impl Sum {
    /// One posting, by its amount and the keyed hash of its id.
    #[must_use]
    pub fn of(amount: Amount, id: &Pseudonym) -> Self {
        let ore = i128::from(amount.ore());
        Self { postings: 1, debit: ore.max(0), credit: (-ore).max(0), hash: u128::from_be_bytes(id.0) }
    }

    /// Debit less credit, in øre.
    #[must_use]
    pub fn ore(&self) -> i128 {
        self.debit - self.credit
    }
}

// 2⁶³ amounts of 15 digits stay below 2¹²⁷, so nothing here overflows.
impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.postings += other.postings;
        self.debit += other.debit;
        self.credit += other.credit;
        self.hash = self.hash.wrapping_add(other.hash);
    }
}

impl SubAssign for Sum {
    fn sub_assign(&mut self, other: Self) {
        self.postings -= other.postings;
        self.debit -= other.debit;
        self.credit -= other.credit;
        self.hash = self.hash.wrapping_sub(other.hash);
    }
}

impl std::iter::Sum for Sum {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}
