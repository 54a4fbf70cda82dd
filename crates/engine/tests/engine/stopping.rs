//! Once a stop has begun, nothing starts any more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use samspor_domain::Charts;
use samspor_engine::{Condition, Plan};

use crate::fakes::{LIMIT, Queue};
use crate::stage::Stage;
use crate::supervision::{inlet, posting, settings, start, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_paused_resumed_or_taken_over_while_it_stops() {
    let mut stage = Stage::new();
    let queues: [Arc<Queue>; 3] = Default::default();
    let [busy, idle, new] = &queues;
    let inlets = vec![inlet("busy", busy), inlet("idle", idle)];
    let gateway = start(&mut stage, inlets, vec![]);
    let control = gateway.control();
    busy.hangs.store(true, Ordering::SeqCst);
    busy.put(&posting("P-0"));
    busy.until_empty().await;
    idle.until_subscriptions(1).await;
    let status = gateway.status();
    let stopping = gateway.stop(LIMIT);
    let meanwhile = async move {
        until(&control, &status, "source idle", &Condition::Stopped).await;

        let plan = Plan {
            settings: settings(Charts::default()),
            unchanged: BTreeSet::new(),
            inlets: vec![inlet("new", new)],
            outlets: vec![],
            targets: vec![],
        };
        control.take_over(plan).await.expect_err("it is stopping");
        for is_paused in [true, false] {
            // It is noted for the next start.
            control.pause("source busy", is_paused).await.expect("it is there");
        }
        assert_eq!(control.parts()["store"].condition, Condition::Up, "the store has nothing to do with it");
        assert!(!control.parts().contains_key("source new"));
        drop(control); // The writer ends with the last of them.
        busy.release();
    };
    let (stopped, ()) = tokio::join!(stopping, meanwhile);
    stopped.expect("it stops in time");
    assert_eq!(new.subscribed.load(Ordering::SeqCst), 0);
    assert_eq!(busy.subscribed.load(Ordering::SeqCst), 1);
}
