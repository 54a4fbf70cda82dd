//! A clock that is behind what was registered is told of, until it is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use samspor_domain::{Charts, Clock};
use samspor_engine::{Condition, Gateway, is_ready};

use crate::fakes::LIMIT;
use crate::stage::{Stage, instant, prepare};
use crate::supervision::{posting, start, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_far_behind_what_was_registered_last_is_an_alarm_and_a_little_is_not() {
    for (registered, is_told) in [("2036-01-01T00:00:00Z", true), ("2026-03-15T06:01:00Z", false)] {
        let mut stage = Stage::new();
        stage.send(registered, "opus", &posting("P-0"));
        stage.open(Charts::default(), 1_000, None);
        let gateway = start(&mut stage, vec![], vec![]);
        let control = gateway.control();
        for id in ["P-1", "P-2"] {
            let parts = control.parts();
            let told = parts.get("clock").map(|report| &report.condition);
            let is_down = matches!(told, Some(Condition::Down(why)) if why.contains("2036-01-01"));
            assert_eq!((is_down, told.is_some()), (is_told, is_told), "{told:?}");
            assert_eq!(parts["store"].condition, Condition::Up, "it goes on all the same");
            assert!(is_ready(&parts), "and is ready");
            gateway.handle().take_in(prepare("opus", &posting(id))).await.expect("it is taken in");
        }
        drop(control);
        gateway.stop(Duration::from_secs(60)).await.expect("it stops");
    }
}

#[derive(Default)]
struct SetRight(AtomicBool);

impl Clock for SetRight {
    fn now(&self) -> Timestamp {
        instant(if self.0.load(Ordering::SeqCst) { "2026-03-20T08:00:00Z" } else { "2026-03-10T08:00:00Z" })
    }
}

/// The time of the runtime passes where nothing else is to be done.
#[tokio::test(start_paused = true)]
async fn the_alarm_is_over_when_the_clock_is_right_though_nothing_comes() {
    let mut stage = Stage::new();
    stage.send("2026-03-20T08:00:00Z", "opus", &posting("P-0"));
    let clock = Arc::<SetRight>::default();
    let gateway =
        Gateway::start(stage.close(), Arc::<SetRight>::clone(&clock) as Arc<dyn Clock>, vec![], vec![]);
    let gateway = gateway.expect("it starts");
    let (control, status) = (gateway.control(), gateway.status());
    assert!(matches!(control.parts()["clock"].condition, Condition::Down(_)));
    tokio::time::sleep(Duration::from_secs(1)).await; // By then the writer waits for something to do.
    clock.0.store(true, Ordering::SeqCst);
    until(&control, &status, "clock", &Condition::Up).await;
    drop(control);
    gateway.stop(LIMIT).await.expect("it stops");
}
