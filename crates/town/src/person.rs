//! Synthetic people. Their numbers are those that nobody has: births in 2030–2057, and replacement numbers.

use crate::seed::{Dice, Purpose};

/// A synthetic person.
#[derive(Clone)]
pub(crate) struct Person {
    /// Ten digits.
    pub(crate) cpr: String,
    /// Lower case, with hyphens.
    pub(crate) uuid: String,
    /// A made-up name, found nowhere else.
    pub(crate) name: String,
}

/// Whose number it is: every person of a town has an own place in one of these rows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Row {
    /// Births in 2030–2057; at most [`BIRTHS`].
    Birth(u64),
    /// Replacement numbers, which add 60 to the day; at most [`REPLACEMENTS`].
    Replacement(u64),
}

/// Days 1–28, months, the years 30–57, the seventh digit from 5 to 8, and the last three.
pub(crate) const BIRTHS: u64 = 28 * 12 * 28 * 4 * 1000;
/// Days 61–88, months, the years 30–99, the seventh digit from 5 to 8, and the last three.
pub(crate) const REPLACEMENTS: u64 = 28 * 12 * 70 * 4 * 1000;

/// How a town gives out its numbers: one to one, in an order that the seed decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    seed: u64,
    factor: u64,
    offset: u64,
}

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed, Purpose::Numbers, 0);
        // Both rows' sizes have the prime factors 2, 3, 5 and 7 only, so a factor with none of them loses no number.
        let factor = loop {
            let candidate = dice.between(1 << 30, 1 << 40).unsigned_abs();
            if [2, 3, 5, 7].iter().all(|prime| !candidate.is_multiple_of(*prime)) {
                break candidate;
            }
        };
        Self { seed, factor, offset: dice.between(0, 1 << 40).unsigned_abs() }
    }

    fn shuffled(self, no: u64, of: u64) -> u64 {
        assert!(no < of, "a town cannot have so many people");
        // Below 2^28 × 2^40 + 2^40, which a u128 holds; the rest is below `of`.
        ((u128::from(no) * u128::from(self.factor) + u128::from(self.offset)) % u128::from(of)) as u64
    }

    /// The CPR number at a place of a row.
    pub(crate) fn cpr(self, row: Row) -> String {
        let (mut rest, first_day, years) = match row {
            Row::Birth(no) => (self.shuffled(no, BIRTHS), 1, 28),
            Row::Replacement(no) => (self.shuffled(no, REPLACEMENTS), 61, 70),
        };
        let mut digit_of = |radix: u64| {
            let digit = rest % radix;
            rest /= radix;
            digit
        };
        let (day, month) = (first_day + digit_of(28), 1 + digit_of(12));
        let (year, seventh) = (30 + digit_of(years), 5 + digit_of(4));
        format!("{day:02}{month:02}{year:02}{seventh}{:03}", digit_of(1000))
    }

    /// The person at a place of a row.
    pub(crate) fn person(self, row: Row) -> Person {
        let (no, mark) = match row {
            Row::Birth(no) => (no * 2, 'F'),
            Row::Replacement(no) => (no * 2 + 1, 'E'),
        };
        let uuid = Dice::new(self.seed, Purpose::Person, no).uuid();
        Person { cpr: self.cpr(row), uuid, name: format!("Prøve Opdigtet-{mark}{no:08}") }
    }
}

/// The ways in which systems write a CPR number.
pub(crate) fn cpr_writings(cpr: &str) -> [String; 3] {
    let (date, last) = cpr.split_at(6);
    [cpr.to_owned(), format!("{date}-{last}"), format!("{date} {last}")]
}

/// The ways in which systems write a UUID.
pub(crate) fn uuid_writings(uuid: &str) -> [String; 4] {
    let plain = uuid.replace('-', "");
    [uuid.to_owned(), uuid.to_uppercase(), plain.to_uppercase(), plain]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use samspor_domain::{Cpr, PersonUuid};

    use super::*;

    #[test]
    fn numbers_are_those_that_nobody_has_and_come_once() {
        for seed in 0..5 {
            let numbers = Numbers::new(seed);
            let mut seen = BTreeSet::new();
            for no in (0..20_000).chain(BIRTHS - 100..BIRTHS) {
                for row in [Row::Birth(no), Row::Replacement(no)] {
                    let cpr = numbers.cpr(row);
                    let parsed = Cpr::parse(&cpr).unwrap_or_else(|e| panic!("seed {seed}, {row:?}: {e}"));
                    let (year, seventh) = (cpr[4..6].parse::<u8>(), cpr.as_bytes()[6]);
                    match row {
                        Row::Replacement(_) => assert!(parsed.is_replacement(), "seed {seed}, {row:?}"),
                        Row::Birth(_) => {
                            assert!(!parsed.is_replacement(), "seed {seed}, {row:?}");
                            assert!(year.is_ok_and(|y| (30..=57).contains(&y)), "seed {seed}, {row:?}");
                            assert!((b'5'..=b'8').contains(&seventh), "seed {seed}, {row:?}");
                        }
                    }
                    assert!(seen.insert(cpr), "seed {seed}, {row:?} comes twice");
                }
            }
        }
    }

    #[test]
    fn writings_mean_the_same() {
        let person = Numbers::new(1).person(Row::Birth(3));
        for writing in cpr_writings(&person.cpr) {
            assert_eq!(Cpr::parse(&writing), Cpr::parse(&person.cpr));
        }
        for writing in uuid_writings(&person.uuid) {
            assert!(PersonUuid::parse(&writing).is_ok());
            assert_eq!(PersonUuid::parse(&writing), PersonUuid::parse(&person.uuid));
        }
    }
}
