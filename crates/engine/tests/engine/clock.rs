//! A clock that is behind what was registered is told of.

use std::time::Duration;

use samspor_domain::Charts;
use samspor_engine::Condition;

use crate::stage::{Stage, prepare};
use crate::supervision::{posting, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_far_behind_what_was_registered_last_is_an_alarm_and_a_little_is_not() {
    for (registered, is_told) in [("2036-01-01T00:00:00Z", true), ("2026-03-15T06:01:00Z", false)] {
        let mut stage = Stage::new();
        stage.send(registered, "opus", &posting("P-0"));
        stage.open(Charts::default(), 1_000, None);
        let gateway = start(&mut stage, vec![], vec![]);
        let control = gateway.control();
        for id in ["P-1", "P-2"] {
            let told = control.parts()["store"].condition.clone();
            assert_eq!(
                matches!(&told, Condition::Down(why) if why.contains("2036-01-01")),
                is_told,
                "{told:?}"
            );
            // It goes on all the same.
            gateway.handle().take_in(prepare("opus", &posting(id))).await.expect("it is taken in");
        }
        drop(control);
        gateway.stop(Duration::from_secs(60)).await.expect("it stops");
    }
}
