//! Dice for every item of the town: the same for a seed, and independent of which other items were made before.

use jiff::civil::Date;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Where one item's chances come from.
pub(crate) struct Dice(ChaCha8Rng);

/// What the dice are for; every purpose has numbers of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// A town's way of giving out numbers.
    Numbers = 1,
    /// A person.
    Person,
    /// A family's cast.
    Family,
    /// A family's facts.
    Facts,
    /// A family's month.
    FamilyMonth,
    /// A citizen outside every solution, for all time.
    Background,
    /// A month of citizens outside.
    BackgroundMonth,
    /// The town's month.
    TownMonth,
    /// Faulty messages.
    Faults,
}

impl Dice {
    /// The dice for one item. `no` is below 2⁵⁶.
    pub(crate) fn new(seed: u64, purpose: Purpose, no: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(((purpose as u64) << 56) | no);
        Self(generator)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: u32) -> bool {
        self.0.random_ratio(1, times)
    }

    /// One of these.
    pub(crate) fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A day of the same month, the 1st to the 28th.
    pub(crate) fn day_of(&mut self, month: Date) -> Date {
        let day = self.0.random_range(1..=28);
        Date::new(month.year(), month.month(), day).unwrap_or(month)
    }

    /// An amount in øre between two amounts in kroner, in steps of 25 øre.
    pub(crate) fn ore(&mut self, low_kroner: i64, high_kroner: i64) -> i64 {
        self.between(low_kroner * 4, high_kroner * 4) * 25
    }

    /// A random UUID (version 4) in lower case with hyphens.
    pub(crate) fn uuid(&mut self) -> String {
        let mut bytes: [u8; 16] = self.0.random();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let all = hex::encode(bytes);
        format!("{}-{}-{}-{}-{}", &all[..8], &all[8..12], &all[12..16], &all[16..20], &all[20..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_do_not_depend_on_each_other() {
        let draw = |purpose, no| Dice::new(7, purpose, no).uuid();
        let first = draw(Purpose::Person, 1);
        let _ = draw(Purpose::Person, 2);
        assert_eq!(draw(Purpose::Person, 1), first);
        assert_ne!(draw(Purpose::Person, 2), first);
        assert_ne!(draw(Purpose::Family, 1), first);
        assert_ne!(Dice::new(8, Purpose::Person, 1).uuid(), first);
    }
}
