//! kill −9 at random moments under load.

use samspor_harness::faults;
use samspor_harness::rabbitmq;

use super::{binary, four_zeros, tell};
use crate::deployment::Result;

/// Whenever it is killed, with messages unacknowledged and confirms outstanding: nothing is lost, nothing is there that
/// nobody sent, nothing is there twice, and no id has two contents; and the books balance to the øre.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_loses_nothing_and_does_nothing_twice() -> Result<()> {
    let seed = 4_001;
    println!("seed {seed}");
    let report = faults::kills(binary(), rabbitmq::shared().await?, 8, seed, &tell).await?;
    println!("{report:?}");
    assert_eq!(report.kills, 8);
    assert!(report.unacknowledged.0 > 0 && report.unconfirmed.0 > 0, "{report:?}");
    assert!(report.unknown > 0 && report.midway.confirmed < report.midway.attempted, "{report:?}");
    four_zeros(&report.midway);
    four_zeros(&report.end);
    assert_eq!(report.end.confirmed, report.end.attempted);
    Ok(())
}
