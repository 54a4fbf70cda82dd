//! Keys that are replaced while the gateway works.

use samspor_harness::faults;
use samspor_harness::rabbitmq;

use super::{binary, four_zeros, tell};
use crate::deployment::Result;

/// Whenever the keys are replaced under load, the master key among them, and whenever it is killed while they are: nothing is
/// lost, nothing is there that nobody sent, nothing is there twice, no id has two contents, the books balance to the øre, and in
/// the end nothing is under any but the newest keys.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_replaced_under_load_and_nothing_is_lost() -> Result<()> {
    let seed = 4_010;
    println!("seed {seed}");
    let report = faults::rotations(binary(), rabbitmq::shared().await?, 3, seed, &tell).await?;
    println!("{report:?}");
    assert_eq!(report.rotations, 3);
    assert!(report.midway > 0 && report.masters > 0, "{report:?}");
    assert_eq!(report.left_behind, 0);
    four_zeros(&report.end);
    assert_eq!(report.end.confirmed, report.end.attempted);
    Ok(())
}
