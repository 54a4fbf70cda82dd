//! Simulated runs: the real engine over the embedded store, with queues, receivers, a disk and an operator that do what a
//! seed says, on one thread and with time that passes only where nothing is left to do. So a night of faults takes
//! milliseconds, and a seed that fails fails again.
//!
//! `SAMSPOR_SIMULATIONS=n` runs so many schedules instead of the usual number; `SAMSPOR_SEED=s` begins at another seed.

mod disk;
mod look;
mod purging;
mod queue;
mod receiver;
mod run;
mod schedule;
mod tagged;
mod town;
mod world;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};

use look::Checked;
use run::Run;
use world::World;

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch; it is no setting of the gateway")]
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|error| panic!("{name}: {error}")))
}

thread_local! {
    /// Panics on this thread that no simulation has asked for.
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Counts panics, since the engine catches them. Those that a simulation asks for go past this.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            before(info);
        }));
    });
}

/// Runs a schedule, a plain one without answers, closed months and days that pass. Answers what happened, and what was wrong with it.
fn simulate(seed: u64, is_plain: bool) -> (Vec<String>, Checked) {
    count_panics();
    fastrand::seed(seed); // By which the engine's waits differ.
    PANICS.set(0);
    let world = Arc::new(World::new());
    let ran = catch_unwind(AssertUnwindSafe(|| Run::new(seed, Arc::clone(&world), is_plain).run()));
    let ran = ran.unwrap_or_else(|_| Err("the run panicked".into()));
    let ran = match PANICS.get() {
        0 => ran,
        _ => Err(format!("something panicked; then: {ran:?}")),
    };
    (world.events(), ran)
}

fn must_hold(seed: u64, is_plain: bool) {
    if let (events, Err(wrong)) = simulate(seed, is_plain) {
        panic!(
            "seed {seed}: {wrong}\nrun it alone with SAMSPOR_SIMULATIONS=1 SAMSPOR_SEED={seed}; what happened:\n{}",
            events.join("\n")
        );
    }
}

#[test]
fn whatever_goes_wrong_and_whenever_it_dies_it_ends_as_if_nothing_had() {
    let first = setting("SAMSPOR_SEED").unwrap_or(1);
    let end = first.saturating_add(setting("SAMSPOR_SIMULATIONS").unwrap_or(2_000));
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(2);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < end) {
                    must_hold(seed, false);
                }
            });
        }
    });
}

/// An answer to a reload that was lost left postings decided by charts that no longer held.
#[test]
fn seed_195_a_reload_whose_answer_is_lost() {
    must_hold(195, true);
}

/// Postings that an earlier version of a consent reached still told of it when it was withdrawn.
#[test]
fn seed_584_a_consent_that_is_narrowed_and_withdrawn() {
    must_hold(584, true);
}

/// What was in memory of a transaction that failed stayed there when reading the store again failed too.
#[test]
fn seed_1242_undoing_fails() {
    must_hold(1242, true);
}

/// With a full disk, work to do and purging due the writer never waited.
#[test]
fn seed_554_a_full_disk_while_purging_is_due() {
    must_hold(554, true);
}

/// With a full disk and something erased to overwrite the writer never waited.
#[test]
fn seed_2427_a_full_disk_while_something_is_overwritten() {
    must_hold(2427, true);
}

/// Without this a seed would be worth nothing.
#[test]
fn the_same_seed_gives_the_same_schedule() {
    for seed in 1..20 {
        assert_eq!(simulate(seed, false).0, simulate(seed, false).0, "seed {seed}");
    }
}
