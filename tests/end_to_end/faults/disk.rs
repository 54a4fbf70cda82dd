//! A disk that is full while the gateway commits.

use samspor_harness::faults::{self, ABOUT};
use samspor_harness::rabbitmq;

use super::{binary, four_zeros, tell};
use crate::deployment::Result;

/// What cannot be stored is not acknowledged; log and health say what is the matter; and it goes on when there is room,
/// without a restart or after a kill.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_it_acknowledges_nothing_and_goes_on_when_there_is_room() -> Result<()> {
    let seed = 4_004;
    println!("seed {seed}");
    let Some(report) = faults::full_disks(binary(), rabbitmq::shared().await?, 1, seed, &tell).await? else {
        println!("skipped: a small disk can be mounted by root only");
        return Ok(());
    };
    println!("{report:?}");
    assert_eq!(report.times.iter().map(|(about, _)| *about).collect::<Vec<_>>(), ABOUT);
    assert!(report.times.iter().all(|(_, left)| *left > 0), "{report:?}");
    four_zeros(&report.verdict);
    Ok(())
}
