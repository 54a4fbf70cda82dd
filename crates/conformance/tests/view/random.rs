//! Corpora by chance: any order, any duplication, any batches and any slices of work give what the rules say.
//!
//! `SAMSPOR_CORPORA=n` plays so many instead of the usual number; `SAMSPOR_SEED=s` begins at another seed.

use std::sync::atomic::{AtomicU64, Ordering};

use samspor_conformance::{Corpus, Script, Size};

use crate::stage::must_hold;

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch; it is no setting of the gateway")]
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// Runs `test` for so many seeds on every core.
fn for_seeds(usual: u64, test: impl Fn(u64) + Sync) {
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
}

#[test]
fn any_order_and_any_duplication_give_what_the_rules_say() {
    for_seeds(1000, |seed| {
        let corpus = Corpus::random(seed, Size::of(300));
        must_hold(&corpus, Script::random(&corpus, 0));
    });
}

#[test]
fn stats() {
    let mut all = std::collections::BTreeMap::<&str, usize>::new();
    for seed in 1..=40 {
        let corpus = Corpus::random(seed, Size::of(300));
        let state = must_hold(&corpus, Script::random(&corpus, 0));
        for line in state.lines() {
            *all.entry("all").or_default() += 1;
            for what in ["not-consented", "identity-conflict", "consent-not-covering", "not-enrolled", "no-citizen", "\"tagged\"", "during", "after\"", "before", "\"citizen\"", "\"account\"", "over-ceiling", "other-solution", "unmapped-account","\"split\":\"", "inside", "outside", "\"kind\":\"service\"", "above", "\"family\":\""] {
                if line.contains(what) { *all.entry(what).or_default() += 1; }
            }
        }
    }
    println!("{all:#?}");
}
