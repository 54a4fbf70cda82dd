//! Simulated runs: the real engine over the embedded store, with queues, receivers, a disk and an operator that do what a
//! seed says, on one thread and with time that passes only where nothing is left to do. So a night of faults takes
//! milliseconds, and a seed that fails fails again.
//!
//! `SAMSPOR_SIMULATIONS=n` runs so many schedules instead of the usual number; `SAMSPOR_SEED=s` begins at another seed.

mod disk;
mod look;
mod queue;
mod receiver;
mod run;
mod schedule;
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

/// Runs a schedule. Answers what happened, and what was wrong with it.
fn simulate(seed: u64) -> (Vec<String>, Checked) {
    count_panics();
    fastrand::seed(seed); // By which the engine's waits differ.
    PANICS.set(0);
    let world = Arc::new(World::new());
    let ran = catch_unwind(AssertUnwindSafe(|| Run::new(seed, Arc::clone(&world)).run()));
    let ran = ran.unwrap_or_else(|_| Err("the run panicked".into()));
    let ran = match PANICS.get() {
        0 => ran,
        _ => Err(format!("something panicked; then: {ran:?}")),
    };
    (world.events(), ran)
}

fn must_hold(seed: u64) {
    if let (events, Err(wrong)) = simulate(seed) {
        panic!(
            "seed {seed}: {wrong}\nrun it alone with SAMSPOR_SIMULATIONS=1 SAMSPOR_SEED={seed}; what happened:\n{}",
            events.join("\n")
        );
    }
}

#[test]
fn whatever_goes_wrong_and_whenever_it_dies_it_ends_as_if_nothing_had() {
    let first = setting("SAMSPOR_SEED").unwrap_or(1);
    let end = first.saturating_add(setting("SAMSPOR_SIMULATIONS").unwrap_or(200));
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(2);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < end) {
                    must_hold(seed);
                }
            });
        }
    });
}

/// Without this a seed would be worth nothing.
#[test]
fn the_same_seed_gives_the_same_schedule() {
    for seed in 1..20 {
        assert_eq!(simulate(seed).0, simulate(seed).0, "seed {seed}");
    }
}
