//! Rubbish between good messages.

use samspor_harness::faults;
use samspor_harness::rabbitmq;

use super::{binary, four_zeros, tell};
use crate::deployment::Result;

/// Whatever the bytes are: they lie in quarantine with their reason, nothing goes down, and everything else arrives.
#[tokio::test(flavor = "multi_thread")]
async fn rubbish_lies_in_quarantine_and_everything_else_arrives() -> Result<()> {
    let seed = 4_005;
    println!("seed {seed}");
    let report = faults::rubbish(binary(), rabbitmq::shared().await?, 200, seed, &tell).await?;
    println!("{report:?}");
    assert!(report.bodies > 300, "{report:?}");
    assert!(report.peak_mib < 256, "{report:?}");
    four_zeros(&report.verdict);
    assert_eq!(report.verdict.confirmed, report.verdict.attempted);
    Ok(())
}
