//! Faults caused for real: the short forms of what `cargo xtask soak` runs at length.

mod backlog;
mod broker;
mod damage;
mod disk;
mod kills;
mod points;
mod restores;
mod rotations;
mod rubbish;

use std::path::Path;

use samspor_harness::faults::Verdict;

/// The gateway's program.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_samspor"))
}

/// Says how a campaign comes on, in the test's output.
pub(crate) fn tell(what: &str) {
    println!("{what}");
}

/// Panics unless nothing was lost, unexpected, duplicated, conflicting or out of order.
pub(crate) fn four_zeros(verdict: &Verdict) {
    verdict.all_zero().unwrap_or_else(|error| panic!("{error}"));
    assert!(verdict.attempted > 0 && verdict.postings > 0 && verdict.records.0 > 0, "{verdict:?}");
}
