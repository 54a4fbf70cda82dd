//! Measures of the hot path: histograms that cost a few atomic additions for each transaction and each batch, and that
//! whoever watches reads when asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use samspor_domain::Text;

/// The upper bounds of durations, in microseconds: from half a millisecond to ten seconds.
const DURATIONS: &[u64] = &[
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000,
];
/// The upper bounds of numbers of items.
const ITEMS: &[u64] = &[1, 10, 50, 100, 250, 500, 1_000, 2_500, 5_000];

/// How often something was how large.
#[derive(Debug)]
struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is above all of them.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a histogram holds, in the unit of its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// How many values lie in each bucket, and in none before it, with the bucket's upper bound; the last has none.
    pub buckets: Vec<(Option<u64>, u64)>,
    /// The sum of the values.
    pub sum: u64,
}

impl Reading {
    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, values)| values).sum()
    }
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum: AtomicU64::new(0) }
    }

    fn note(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        // What is read beside this may miss the last value in one place and hold it in the other; the next has it.
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    fn note_duration(&self, duration: Duration) {
        self.note(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    fn read(&self) -> Reading {
        let bounds = self.bounds.iter().map(|bound| Some(*bound)).chain([None]);
        let values = self.buckets.iter().map(|values| values.load(Ordering::Relaxed));
        Reading { buckets: bounds.zip(values).collect(), sum: self.sum.load(Ordering::Relaxed) }
    }
}

/// All measures since the gateway started.
#[derive(Debug)]
pub struct Measures {
    commit_micros: Histogram,
    commit_items: Histogram,
    confirm_micros: Mutex<BTreeMap<Text, Arc<Confirms>>>,
}

/// How long a target takes to confirm batches.
#[derive(Debug)]
pub(crate) struct Confirms(Histogram);

impl Confirms {
    /// A batch was confirmed so long after it was handed over.
    pub(crate) fn confirmed(&self, after: Duration) {
        self.0.note_duration(after);
    }
}

impl Default for Measures {
    fn default() -> Self {
        Self {
            commit_micros: Histogram::new(DURATIONS),
            commit_items: Histogram::new(ITEMS),
            confirm_micros: Mutex::default(),
        }
    }
}

impl Measures {
    /// A transaction with so many items was durable so long after it was begun.
    pub(crate) fn committed(&self, items: usize, after: Duration) {
        self.commit_micros.note_duration(after);
        self.commit_items.note(items as u64);
    }

    /// The measure of a target, which its outlet takes once for a connection.
    pub(crate) fn confirms_of(&self, target: &Text) -> Arc<Confirms> {
        let mut targets = self.confirm_micros.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Confirms(Histogram::new(DURATIONS)));
        Arc::clone(targets.entry(target.clone()).or_insert_with(new))
    }

    /// How long transactions of arrivals took from their begin to their commit, deciding included, in microseconds.
    #[must_use]
    pub fn commit_micros(&self) -> Reading {
        self.commit_micros.read()
    }

    /// How many items those transactions took in. Some only move targets' cursors, and take in none.
    #[must_use]
    pub fn commit_items(&self) -> Reading {
        self.commit_items.read()
    }

    /// How long each target took from being handed a batch to having confirmed all of it, in microseconds.
    #[must_use]
    pub fn confirm_micros(&self) -> BTreeMap<Text, Reading> {
        let targets = self.confirm_micros.lock().unwrap_or_else(PoisonError::into_inner);
        targets.iter().map(|(target, confirms)| (target.clone(), confirms.0.read())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_in_the_first_bucket_that_is_not_below_it() {
        let measures = Measures::default();
        for items in [0, 1, 2, 10, 11, 5_000, 5_001, 9_999] {
            measures.committed(items, Duration::from_micros(500));
        }
        let items = measures.commit_items();
        let below = |bound: Option<u64>| items.buckets.iter().find(|(of, _)| *of == bound).map(|(_, n)| *n);
        assert_eq!([Some(1), Some(10), Some(50), Some(5_000), None].map(below), [2, 2, 1, 1, 2].map(Some));
        assert_eq!((items.count(), items.sum), (8, 20_024));
        let micros = measures.commit_micros();
        assert_eq!((micros.buckets[0], micros.count(), micros.sum), ((Some(500), 8), 8, 4_000));
    }
}
