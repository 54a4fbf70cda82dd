//! Corpora by chance: any order, any duplication, any batches and any slices of work give what the rules say.
//!
//! `SAMSPOR_CORPORA=n` plays so many instead of the usual number; `SAMSPOR_SEED=s` begins at another seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use samspor_conformance::{Corpus, Script, Size};

use crate::stage::must_hold;

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch; it is no setting of the gateway")]
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// Runs `test` for so many seeds, on two threads. Answers how many they were.
fn for_seeds(usual: u64, test: impl Fn(u64) + Sync) -> u64 {
    let first = setting("SAMSPOR_SEED").unwrap_or(1);
    let count = setting("SAMSPOR_CORPORA").unwrap_or(usual);
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(2);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first.saturating_add(count) {
                        break;
                    }
                    test(seed);
                }
            });
        }
    });
    count
}

#[test]
fn any_order_and_any_duplication_give_what_the_rules_say() {
    let met = Mutex::new(BTreeMap::new());
    let played = for_seeds(1000, |seed| {
        let corpus = Corpus::random(seed, Size::of(300));
        let state = must_hold(&corpus, Script::random(&corpus, 0));
        meet(&mut met.lock().unwrap_or_else(PoisonError::into_inner), &state);
    });
    if played >= 200 {
        every_rule_was_met(&met.into_inner().unwrap_or_else(PoisonError::into_inner));
    }
}

#[test]
fn many_postings_at_once() {
    for_seeds(10, |seed| {
        let corpus = Corpus::random(seed, Size::of(5000));
        must_hold(&corpus, Script::random(&corpus, 0));
    });
}

#[test]
fn of_postings_that_contradict_each_other_the_first_stays() {
    for_seeds(50, |seed| {
        let corpus = Corpus::random(seed, Size { posting_conflicts: true, ..Size::of(100) });
        must_hold(&corpus, Script::random(&corpus, 0));
    });
}

/// The rules say of such versions only that one of them wins, always the same one.
#[test]
fn of_one_version_that_says_several_things_the_same_wins_in_any_order() {
    for_seeds(50, |seed| {
        let corpus = Corpus::random(seed, Size { version_conflicts: true, ..Size::of(100) });
        let states: BTreeSet<String> =
            (0..4).map(|variant| must_hold(&corpus, Script::random(&corpus, variant))).collect();
        assert_eq!(states.len(), 1, "seed {seed}: the order of arrival shows");
    });
}

/// What corpora must meet again and again, or they prove little.
const WORDS: [&str; 24] = [
    "not-consented",
    "identity-conflict",
    "consent-not-covering",
    "not-enrolled",
    "no-citizen",
    "\"during\"",
    "\"after\"",
    "\"before\"",
    "\"basis\":\"citizen\"",
    "\"basis\":\"account\"",
    "\"kind\":\"service\"",
    "\"kind\":\"transfer\"",
    "\"kind\":null",
    "\"side\":\"inside\"",
    "\"side\":\"outside\"",
    "\"family\":\"",
    "\"split\":\"",
    "\"split\":null",
    "other-solution",
    "over-ceiling",
    "unmapped-account",
    "area-15",
    "999999999999999",
    "\"grants\":\"health\"",
];

fn meet(met: &mut BTreeMap<&'static str, usize>, state: &str) {
    for line in state.lines() {
        for word in WORDS.into_iter().filter(|word| line.contains(word)) {
            *met.entry(word).or_default() += 1;
        }
    }
}

fn every_rule_was_met(met: &BTreeMap<&'static str, usize>) {
    for word in WORDS {
        let times = met.get(word).copied().unwrap_or_default();
        assert!(times >= 20, "{word} was met {times} times only");
    }
}
