//! A gateway that is drained takes nothing more in, finishes what it has, and says what is left.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use samspor_domain::Charts;
use samspor_engine::{Condition, Gateway, Left, Plan};

use crate::fakes::{LIMIT, Queue, Receiver};
use crate::stage::{Stage, text};
use crate::supervision::{inlet, outlet, posting, settings, start, until};

const SOLUTION: &str =
    r#"{"type":"solution","id":"sb","version":1,"name":"SB","claims":[{"account":"5.28.21"}]}"#;

/// What is left, once the gateway has drained.
async fn drained(gateway: &Gateway) -> Left {
    let control = gateway.control();
    let asked = async {
        loop {
            let left = control.left().await.expect("it answers");
            if left.is_drained() {
                return left;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, asked).await.expect("it drains")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_nothing_in_finishes_what_it_has_and_goes_on_when_told() {
    let mut stage = Stage::new();
    let (opus, prisme) = (Arc::<Queue>::default(), Arc::<Queue>::default());
    let (ledger, lis) = (Arc::<Receiver>::default(), Arc::<Receiver>::default());
    let inlets = vec![inlet("opus", &opus), inlet("prisme", &prisme)];
    let outlets = vec![outlet(&stage, "ledger", &ledger), outlet(&stage, "lis", &lis)];
    let gateway = start(&mut stage, inlets, outlets);
    let (control, status) = (gateway.control(), gateway.status());
    control.pause("target lis", true).await.expect("it pauses");
    control.pause("source prisme", true).await.expect("it pauses");
    // One that is paused finishes what it has begun, so there is something only now.
    until(&control, &status, "target lis", &Condition::Paused).await;
    opus.put(SOLUTION);
    (0..20).for_each(|n| opus.put(&posting(&format!("P-{n}"))));
    opus.until_accepted(21).await;
    control.drain(true).await.expect("it drains");
    assert!(control.is_draining() && *gateway.handle().draining().borrow());
    control.drain(true).await.expect("again is the same");
    let left = drained(&gateway).await;
    assert_eq!((left.sources.len(), left.pending_work), (0, 0));
    // One that is paused waits for its own; the other one has everything.
    let waiting: Vec<_> = left.targets.iter().filter(|(_, records, _)| *records > 0).collect();
    assert_eq!(waiting, [&(text("lis"), 20, Condition::Paused)]);
    assert_eq!(ledger.until_taken(20).await.len(), 20);

    // Nothing comes in, whatever is resumed or taken over meanwhile.
    opus.put(&posting("P-20"));
    opus.until_subscriptions(0).await;
    control.pause("source opus", false).await.expect("it is not paused");
    let plan = Plan {
        settings: settings(Charts::default()),
        unchanged: ["source prisme", "target ledger", "target lis"].map(String::from).into(),
        inlets: vec![inlet("opus", &opus)],
        outlets: vec![],
        targets: vec![text("ledger"), text("lis")],
    };
    control.take_over(plan).await.expect("it is taken over");
    until(&control, &status, "source opus", &Condition::Paused).await;
    assert_eq!((opus.len(), opus.subscriptions.load(Ordering::SeqCst)), (1, 0));

    // Taken back, those go on that nobody paused.
    control.drain(false).await.expect("it is taken back");
    opus.until_accepted(22).await;
    until(&control, &status, "source prisme", &Condition::Paused).await;
    assert!(!control.is_draining());
    drop(control);
    gateway.stop(LIMIT).await.expect("it stops");
}
