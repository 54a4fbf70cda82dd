//! A store that is lost, and a backup that takes its place.

use samspor_harness::faults;
use samspor_harness::rabbitmq;

use super::{binary, four_zeros, tell};
use crate::deployment::Result;

/// Whenever the backup was made and the store was lost, under load, and where one backup takes the place of two stores: when everybody has sent again, nothing is lost, nothing is
/// there that nobody sent, nothing is there twice, no id has two contents, and the books balance to the øre.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_ends_as_if_nothing_had_been_lost() -> Result<()> {
    let seed = 4_009;
    println!("seed {seed}");
    let report = faults::restores(binary(), rabbitmq::shared().await?, 3, seed, &tell).await?;
    println!("{report:?}");
    assert!(report.kept.iter().zip(&report.lost).all(|(kept, lost)| *kept > 0 && kept < lost), "{report:?}");
    assert_eq!(report.restores, 3);
    assert!(report.withdrawn > 0, "{report:?}");
    four_zeros(&report.end);
    assert_eq!(report.end.confirmed, report.end.attempted);
    Ok(())
}
