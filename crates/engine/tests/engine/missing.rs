//! The alarm for missing receipts: raised whatever the target does, over when they come, gone with the target.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use samspor_domain::{Charts, Clock, LinkError, Publisher, Target};
use samspor_engine::{Audience, Condition, Gateway, Intake, Outlet, Permissions, Plan, Policy, Scribe};
use samspor_formats::json;

use crate::delivery::{Reaction, Receiver, has_all, policy, posting, receipt, with_postings};
use crate::stage::{Stage, instant, prepare, text};

#[derive(Default)]
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        instant("2026-03-20T08:00:00Z") + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// A receiver that may be out of reach.
struct Far(Receiver, AtomicBool);

#[async_trait::async_trait]
impl Target for Far {
    async fn connect(&self) -> Result<Box<dyn Publisher>, LinkError> {
        if self.1.load(Ordering::SeqCst) {
            return Err(LinkError { doing: "looking for it".into(), source: None });
        }
        self.0.connect().await
    }
}

fn outlet(stage: &Stage, far: &Arc<Far>, receipt_within: Option<Duration>) -> Outlet {
    let scribe =
        Scribe::new(Arc::clone(&stage.vault), &text("ledger"), Audience::Ledger, Arc::new(json::Encoder));
    let target: Arc<dyn Target> = Arc::<Far>::clone(far);
    let policy = Policy { receipt_within, ..policy() };
    Outlet { name: text("ledger"), target, scribe, window: 16, policy, answers: None }
}

/// Waits until the board says something.
async fn told(gateway: &Gateway, what: &str, says: impl Fn(Option<&Condition>) -> bool) {
    let mut board = gateway.status().watch();
    let told = board.wait_for(|parts| says(parts.get(what).map(|report| &report.condition)));
    let told = tokio::time::timeout(Duration::from_mins(10), told).await;
    told.unwrap_or_else(|_| panic!("{what} is {:?}", gateway.control().parts().get(what)))
        .expect("the board is there");
}

fn is_down(condition: Option<&Condition>) -> bool {
    matches!(condition, Some(Condition::Down(_)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum While {
    Up,
    Paused,
    Away,
    Careful,
    /// What was registered is ahead of the clock.
    Ahead,
}

/// The time of the runtime passes where nothing else is to be done; that of the gateway's clock where the test says so.
#[tokio::test(start_paused = true)]
async fn missing_receipts_raise_an_alarm_whatever_the_target_does() {
    let within = Some(Duration::from_secs(60));
    for (state, stays) in [
        (While::Up, true),
        (While::Paused, true),
        (While::Away, true),
        (While::Careful, true),
        (While::Ahead, true),
        (While::Away, false),
        (While::Paused, false),
    ] {
        println!("{state:?}, and the target {}", if stays { "stays" } else { "goes" });
        let receiver = Receiver::new(|id| if id == "P-9" { Reaction::Refuse } else { Reaction::Take });
        let far = Arc::new(Far(receiver, AtomicBool::new(false)));
        let clock = Arc::new(Hands::default());
        let mut stage = with_postings(0..2);
        if state == While::Ahead {
            stage.send(
                "2036-01-01T00:00:00Z",
                "registry",
                r#"{"type":"solution","id":"x","version":1,"name":"X"}"#,
            );
        }
        let start = |stage: &mut Stage| {
            let outlets = vec![outlet(stage, &far, within)];
            let clock: Arc<dyn Clock> = Arc::<Hands>::clone(&clock);
            Gateway::start(stage.close(), clock, Vec::new(), outlets).expect("it starts")
        };
        let mut gateway = start(&mut stage);
        told(&gateway, "target ledger", |said| said == Some(&Condition::Up)).await;
        while !gateway.handle().read(|read, _| Ok(has_all(read))).await.expect("it answers") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        told(&gateway, "receipts ledger", |said| said == Some(&Condition::Up)).await;
        match state {
            While::Up | While::Ahead => {}
            While::Paused => {
                gateway.control().pause("target ledger", true).await.expect("it is there");
                told(&gateway, "target ledger", |said| said == Some(&Condition::Paused)).await;
            }
            While::Away => {
                gateway.stop(Duration::from_secs(60)).await.expect("it stops");
                stage.open(Charts::default(), 1_000, None);
                far.1.store(true, Ordering::SeqCst);
                gateway = start(&mut stage);
                told(&gateway, "target ledger", is_down).await;
                told(&gateway, "receipts ledger", |said| said == Some(&Condition::Up)).await;
            }
            While::Careful => {
                let items = prepare("opus", &posting("P-9", "2026-03-05"));
                gateway.handle().take_in(items).await.expect("it is taken in");
                while far.0.lock().tries.get("P-9") < Some(&5) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
        clock.0.store(61, Ordering::SeqCst);
        told(&gateway, "receipts ledger", is_down).await;
        if stays {
            let may_send = Permissions { receipts_of: Some(text("ledger")), ..Permissions::default() };
            let decoder = Arc::new(json::Decoder);
            let intake = Intake { source: text("receipts"), decoder, may_send, max_body_bytes: 10_000 };
            for id in ["P-0", "P-1"] {
                let body = receipt(id, 1, "accepted", "2026-03-11T08:00:00Z").into();
                let items =
                    intake.prepare(&samspor_domain::Delivery { body, ..samspor_domain::Delivery::default() });
                gateway.handle().take_in(items).await.expect("it is taken in");
            }
            told(&gateway, "receipts ledger", |said| said == Some(&Condition::Up)).await;
        }
        // Without the setting or the target nobody waits for receipts.
        let settings = super::supervision::settings(Charts::default());
        let outlets = if stays { vec![outlet(&stage, &far, None)] } else { Vec::new() };
        let targets = outlets.iter().map(|outlet| outlet.name.clone()).collect();
        let plan = Plan {
            settings,
            unchanged: std::collections::BTreeSet::new(),
            inlets: Vec::new(),
            outlets,
            targets,
        };
        gateway.control().take_over(plan).await.expect("it is taken");
        told(&gateway, "receipts ledger", |said| said.is_none()).await;
        gateway.stop(Duration::from_secs(60)).await.expect("it stops");
    }
}
