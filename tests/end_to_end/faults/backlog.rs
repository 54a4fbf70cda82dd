//! A target that is away for long.

use samspor_harness::faults;
use samspor_harness::rabbitmq;

use super::{binary, tell};
use crate::deployment::Result;

/// The most memory that a gateway may ever have in this test, in MiB: it does not depend on how much waits.
const MIB: u64 = 256;

/// What waits for a target waits on disk, and reaches it in order when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_target_misses_waits_on_disk_and_arrives_in_order() -> Result<()> {
    let report = faults::backlog(binary(), rabbitmq::shared().await?, 50_000, &tell).await?;
    println!("{report:?}");
    assert_eq!(report.wrong, 0, "each posting came once, in the order in which they were sent");
    assert!(report.gathering_mib < MIB && report.drained_mib < MIB, "{report:?}");
    Ok(())
}
