//! kill −9 exactly between two steps of a message's way.

use samspor_harness::faults::{self, POINTS};
use samspor_harness::rabbitmq;

use super::{binary, four_zeros, tell};
use crate::deployment::Result;

/// Between receive, commit, acknowledge, publish, confirm and cursor advance, and with work left: the same zeros.
#[tokio::test(flavor = "multi_thread")]
async fn killed_between_any_two_steps_it_loses_nothing_and_does_nothing_twice() -> Result<()> {
    let seed = 4_002;
    println!("seed {seed}");
    let report = faults::points(binary(), rabbitmq::shared().await?, 1, seed, &tell).await?;
    println!("{report:?}");
    assert_eq!(report.crashes.iter().map(|(point, _)| *point).collect::<Vec<_>>(), POINTS);
    four_zeros(&report.verdict);
    assert_eq!(report.verdict.confirmed, report.verdict.attempted);
    Ok(())
}
