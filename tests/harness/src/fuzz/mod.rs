//! Fuzzing: what the town's systems send, and rubbish, spoiled over and over from a seed, through every decoder and every
//! parser of the domain.
//!
//! A target is a plain function of bytes that panics where something does not hold, so that `cargo fuzz` can call the same
//! functions where there is a toolchain for it.

mod mutate;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::Serialize;

pub use targets::{Corpus, TARGETS, Target};

use crate::faults::Chance;

/// How long to go on.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// So many executions.
    Executions(u64),
    /// So long.
    Elapsed(Duration),
}

/// What came of fuzzing one target.
#[derive(Debug, Clone, Serialize)]
pub struct Fuzzed {
    /// Which.
    pub target: &'static str,
    /// By which the inputs were chosen.
    pub seed: u64,
    /// How many inputs it got.
    pub executions: u64,
    /// How many of them it took for good.
    pub good: u64,
}

/// Gives a target inputs until the end. An input for which something does not hold ends it, and is told in hexadecimal.
pub fn fuzz(target: &Target, corpus: &Corpus, seed: u64, until: Until) -> Result<Fuzzed> {
    let mut chance = Chance::new(seed);
    let begun = Instant::now();
    let mut fuzzed = Fuzzed { target: target.name, seed, executions: 0, good: 0 };
    let samples = corpus.samples(target);
    // The samples as they are come first.
    let mut next = 0;
    loop {
        let go_on = match until {
            Until::Executions(most) => fuzzed.executions < most,
            // The clock is looked at now and then.
            Until::Elapsed(most) => !fuzzed.executions.is_multiple_of(64) || begun.elapsed() < most,
        };
        if !go_on {
            return Ok(fuzzed);
        }
        let input = match samples.get(next) {
            Some(sample) => sample.clone(),
            None => mutate::spoil(&samples, &mut chance),
        };
        next += 1;
        fuzzed.executions += 1;
        match catch_unwind(AssertUnwindSafe(|| target.run(corpus, &input))) {
            Ok(good) => fuzzed.good += u64::from(good),
            Err(_) => {
                let shown: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
                bail!("{}, seed {seed}, input {}: {shown}", target.name, fuzzed.executions);
            }
        }
    }
}
