//! A broker in trouble, under load.

use samspor_harness::faults::{self, TROUBLES};

use super::{binary, four_zeros, tell};
use crate::deployment::Result;

/// Restarted, cut off, frozen for longer than the heartbeat, out of memory, out of disk: the gateway comes back without a
/// hand, and the same zeros hold.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_the_broker_it_comes_back_and_loses_nothing() -> Result<()> {
    let seed = 4_003;
    println!("seed {seed}");
    let report = faults::troubles(binary(), 1, seed, &tell).await?;
    println!("{report:?}");
    assert_eq!(report.happened.iter().map(|(trouble, _)| *trouble).collect::<Vec<_>>(), TROUBLES);
    assert!(report.happened.iter().all(|(_, held)| *held > 0), "each under load: {report:?}");
    four_zeros(&report.verdict);
    assert_eq!(report.verdict.confirmed, report.verdict.attempted);
    Ok(())
}
