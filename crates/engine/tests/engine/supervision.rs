//! Sources and targets that break, wait, come, go and change while others go on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use rusqlite::Connection;
use samspor_domain::{Chart, ChartRule, Charts, Clock, Condition as When, CostKind, Decode, Encode, Flow};
use samspor_engine::{
    Audience, Condition, Control, ControlError, Gateway, Inlet, Intake, Outlet, Permissions, Plan, Policy,
    Scribe, Settings, Status,
};
use samspor_formats::json;

use crate::fakes::{LIMIT, Queue, QueueSource, Receiver, ReceiverTarget};
use crate::stage::{Stage, instant, text};

const NOW: &str = "2026-03-15T06:00:00Z";

struct Stands;

impl Clock for Stands {
    fn now(&self) -> Timestamp {
        instant(NOW)
    }
}

/// A solution that takes every posting of an account.
const SOLUTION: &str =
    r#"{"type":"solution","id":"sb","version":1,"name":"SB","claims":[{"account":"5.28.21"}]}"#;

pub(crate) fn posting(id: &str) -> String {
    format!(r#"{{"type":"posting","id":"{id}","date":"2026-03-14","account":"5.28.21.1","amount":"100.00"}}"#)
}

pub(crate) fn inlet(name: &str, queue: &Arc<Queue>) -> Inlet {
    let decoder: Arc<dyn Decode> = Arc::new(json::Decoder);
    let intake = Intake { source: text(name), decoder, may_send: Permissions::all(), max_body_bytes: 10_000 };
    Inlet { intake, source: Arc::new(QueueSource(Arc::clone(queue))) }
}

pub(crate) fn outlet(stage: &Stage, name: &str, receiver: &Arc<Receiver>) -> Outlet {
    let encoder: Arc<dyn Encode> = Arc::new(json::Encoder);
    let scribe = Scribe::new(Arc::clone(&stage.vault), &text(name), Audience::Ledger, encoder);
    Outlet {
        name: text(name),
        target: Arc::new(ReceiverTarget(Arc::clone(receiver))),
        scribe,
        window: 8,
        policy: Policy::default(),
        answers: None,
    }
}

pub(crate) fn start(stage: &mut Stage, inlets: Vec<Inlet>, outlets: Vec<Outlet>) -> Gateway {
    Gateway::start(stage.close(), Arc::new(Stands), inlets, outlets).expect("it starts")
}

pub(crate) fn settings(charts: Charts) -> Settings {
    Settings { charts, slice: 1_000, retention_days: None, brake_postings: None, audit_days: None }
}

/// Waits until a part is as it is to be.
pub(crate) async fn until(control: &Control, status: &Status, part: &str, condition: &Condition) {
    let mut board = status.watch();
    let is_so = board.wait_for(|parts| parts.get(part).is_some_and(|report| report.condition == *condition));
    let waited = tokio::time::timeout(LIMIT, is_so).await.map(drop);
    waited.unwrap_or_else(|_| panic!("{part} is to be {condition:?}: {:?}", control.parts()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_says_so_and_starts_again_and_loses_nothing() {
    let mut stage = Stage::new();
    stage.send(NOW, "registry", SOLUTION);
    let (opus, prisme, ledger) =
        (Arc::<Queue>::default(), Arc::<Queue>::default(), Arc::<Receiver>::default());
    opus.breaks.store(usize::MAX, Ordering::SeqCst);
    ledger.breaks.store(usize::MAX, Ordering::SeqCst);
    (0..4).for_each(|n| opus.put(&posting(&format!("P-{n}"))));
    let inlets = vec![inlet("opus", &opus), inlet("prisme", &prisme)];
    let outlets = vec![outlet(&stage, "ledger", &ledger)];
    let gateway = start(&mut stage, inlets, outlets);
    let control = gateway.control();
    let broke = |what: &str| Condition::Down(format!("the {what} broke; please report it"));
    until(&control, &gateway.status(), "source opus", &broke("source")).await;
    opus.breaks.store(0, Ordering::SeqCst);
    until(&control, &gateway.status(), "target ledger", &broke("target")).await;
    ledger.breaks.store(0, Ordering::SeqCst);
    until(&control, &gateway.status(), "source opus", &Condition::Up).await;
    until(&control, &gateway.status(), "target ledger", &Condition::Up).await;
    opus.until_accepted(4).await;
    let ids: BTreeSet<String> = ledger.until_taken(4).await.into_iter().collect();
    assert_eq!(ids, (0..4).map(|n| format!("opus:P-{n}:1")).collect());
    prisme.until_subscriptions(1).await;
    assert!(opus.subscribed.load(Ordering::SeqCst) > 1 && ledger.connected.load(Ordering::SeqCst) > 1);
    assert_eq!(prisme.subscribed.load(Ordering::SeqCst), 1, "what does not break goes on");
    drop(control);
    gateway.stop(LIMIT).await.expect("it stops");
    stage.open(Charts::default(), 1_000, None);
    assert_eq!(stage.ids().len(), 4);
}

/// On one thread with paused time, so that hours pass at once. Each delivery that comes back counts at the broker, which
/// may drop a message after a number of them.
#[tokio::test(start_paused = true)]
async fn while_the_store_takes_nothing_messages_are_given_back_seldom_and_the_part_says_so_once() {
    let mut stage = Stage::new();
    let opus = Arc::<Queue>::default();
    opus.put(&posting("P-1"));
    let disk = Connection::open(stage.dir.path().join("samspor.sqlite")).expect("it opens");
    let refuse = "CREATE TRIGGER full BEFORE INSERT ON posting BEGIN SELECT RAISE(FAIL, 'it is full'); END";
    disk.execute_batch(refuse).expect("a trigger");
    let gateway = start(&mut stage, vec![inlet("opus", &opus)], vec![]);
    let control = gateway.control();
    let mut board = gateway.status().watch();
    let is_down = |condition: &Condition| matches!(condition, Condition::Down(_));
    let part = "source opus";
    board
        .wait_for(|parts| parts.get(part).is_some_and(|part| is_down(&part.condition)))
        .await
        .expect("a board");

    // It stays down however often its queue is subscribed to meanwhile.
    let flaps = async {
        let mut board = gateway.status().watch();
        board.wait_for(|parts| parts.get(part).is_some_and(|part| !is_down(&part.condition))).await.is_ok()
    };
    let flapped = tokio::time::timeout(std::time::Duration::from_hours(1), flaps).await;
    assert!(flapped.is_err(), "{:?}", control.parts());
    let delivered = opus.delivered.load(Ordering::SeqCst);
    assert!((60..130).contains(&delivered), "given back {delivered} times within an hour");

    disk.execute_batch("DROP TRIGGER full").expect("it is dropped");
    opus.until_accepted(1).await;
    until(&control, &gateway.status(), part, &Condition::Up).await;
    drop((control, board));
    gateway.stop(LIMIT).await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_ends_or_blocks_while_idle_is_noticed() {
    let mut stage = Stage::new();
    let ledger = Arc::<Receiver>::default();
    let outlets = vec![outlet(&stage, "ledger", &ledger)];
    let gateway = start(&mut stage, vec![], outlets);
    let control = gateway.control();
    until(&control, &gateway.status(), "target ledger", &Condition::Up).await;
    ledger.flow.send_replace(Some(Flow::Blocked("low on memory".into())));
    let blocked = Condition::Down("the receiver takes nothing for now: low on memory".into());
    until(&control, &gateway.status(), "target ledger", &blocked).await;
    ledger.flow.send_replace(Some(Flow::Open));
    until(&control, &gateway.status(), "target ledger", &Condition::Up).await;
    assert_eq!(ledger.connected.load(Ordering::SeqCst), 1);
    ledger.flow.send_replace(None);
    ledger.until_connected(2).await;
    until(&control, &gateway.status(), "target ledger", &Condition::Up).await;
    drop(control);
    gateway.stop(LIMIT).await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_paused_waits_with_all_of_its_messages_also_after_a_restart() {
    let mut stage = Stage::new();
    stage.send(NOW, "registry", SOLUTION);
    let (opus, dubu, ledger) = (Arc::<Queue>::default(), Arc::<Queue>::default(), Arc::<Receiver>::default());
    let parts = |stage: &Stage| {
        (vec![inlet("opus", &opus), inlet("dubu", &dubu)], vec![outlet(stage, "ledger", &ledger)])
    };
    let (inlets, outlets) = parts(&stage);
    let gateway = start(&mut stage, inlets, outlets);
    let control = gateway.control();
    // A batch under way is finished first.
    opus.hangs.store(true, Ordering::SeqCst);
    opus.put(&posting("P-0"));
    opus.until_empty().await;
    assert!(control.pause("source opus", true).await.expect("it is there"));
    assert!(!control.pause("source opus", true).await.expect("it is there"));
    opus.release();
    opus.until_accepted(1).await;
    until(&control, &gateway.status(), "source opus", &Condition::Paused).await;
    opus.until_subscriptions(0).await;
    control.pause("target ledger", true).await.expect("it is there");
    until(&control, &gateway.status(), "target ledger", &Condition::Paused).await;
    let before = ledger.until_taken(0).await.len();
    opus.put(&posting("P-1"));
    dubu.put(&posting("P-2"));
    dubu.until_accepted(1).await;
    let numbers = control.numbers().await.expect("the store answers");
    assert_eq!(numbers.received[&text("dubu")], 1);
    assert_eq!(numbers.targets[&text("ledger")].1 as usize, 2 - before);
    for part in ["source nobody", "store", "opus", ""] {
        let refused = control.pause(part, true).await.expect_err(part);
        assert!(matches!(&refused, ControlError::Unknown { known } if known.len() == 3), "{refused}");
    }
    drop(control);
    gateway.stop(LIMIT).await.expect("it stops");
    assert_eq!((opus.len(), ledger.until_taken(0).await.len()), (1, before));

    stage.open(Charts::default(), 1_000, None);
    let (inlets, outlets) = parts(&stage);
    let gateway = start(&mut stage, inlets, outlets);
    let control = gateway.control();
    for part in ["source opus", "target ledger"] {
        until(&control, &gateway.status(), part, &Condition::Paused).await;
    }
    until(&control, &gateway.status(), "source dubu", &Condition::Up).await;
    assert_eq!((opus.len(), ledger.until_taken(0).await.len()), (1, before));
    for part in ["source opus", "target ledger"] {
        assert!(control.pause(part, false).await.expect("it is there"));
        until(&control, &gateway.status(), part, &Condition::Up).await;
    }
    opus.until_accepted(2).await;
    assert_eq!(opus.delivered.load(Ordering::SeqCst), 2, "what was begun was finished");
    assert_eq!(ledger.until_taken(3).await, ["opus:P-0:1", "dubu:P-2:1", "opus:P-1:1"]);
    drop(control);
    gateway.stop(LIMIT).await.expect("it stops");
}

pub(crate) fn charts(area: &str) -> Charts {
    let condition =
        When { account: "5.28".parse().ok(), grouping: None, cost_centre: None, span: Default::default() };
    let rules = vec![ChartRule { condition, area: text(area), kind: CostKind::Service, committee: None }];
    Charts([(2026, Chart { rules })].into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_come_go_and_change_while_others_go_on() {
    let mut stage = Stage::new();
    stage.send(NOW, "registry", SOLUTION);
    let queues: [Arc<Queue>; 4] = Default::default();
    let [stays, changes, goes, comes] = &queues;
    let (ledger, lis) = (Arc::<Receiver>::default(), Arc::<Receiver>::default());
    let inlets = vec![inlet("stays", stays), inlet("changes", changes), inlet("goes", goes)];
    let outlets = vec![outlet(&stage, "ledger", &ledger)];
    let gateway = start(&mut stage, inlets, outlets);
    let control = gateway.control();
    for queue in [stays, changes, goes] {
        queue.put(&posting("P-0"));
        queue.until_accepted(1).await;
    }
    // What the changed one has begun, it finishes before it starts anew.
    changes.hangs.store(true, Ordering::SeqCst);
    changes.put(&posting("P-1"));
    changes.until_empty().await;
    control.pause("source goes", true).await.expect("it is there");
    let plan = |area: &str, targets: &[&str]| Plan {
        settings: settings(charts(area)),
        unchanged: ["source stays", "target ledger"].map(str::to_owned).into(),
        inlets: vec![inlet("changes", changes), inlet("comes", comes)],
        outlets: vec![],
        targets: targets.iter().map(|name| text(name)).collect(),
    };
    let taken = ledger.until_taken(3).await.len();
    let mut next = plan("employment", &["ledger", "lis"]);
    next.outlets.push(outlet(&stage, "lis", &lis));
    control.take_over(next).await.expect("it is taken");
    comes.until_subscriptions(1).await;
    assert_eq!(changes.subscribed.load(Ordering::SeqCst), 1);
    changes.release();
    changes.until_accepted(2).await;
    goes.until_subscriptions(0).await;
    for queue in [stays, changes, comes] {
        queue.put(&posting("P-2"));
    }
    stays.until_accepted(2).await;
    changes.until_accepted(3).await;
    comes.until_accepted(1).await;
    let mut board = gateway.status().watch();
    let gone = board.wait_for(|parts| !parts.contains_key("source goes"));
    tokio::time::timeout(LIMIT, gone).await.expect("it goes").expect("the board is there");
    for part in ["source stays", "source changes", "source comes", "target ledger", "target lis"] {
        until(&control, &gateway.status(), part, &Condition::Up).await;
    }
    let subscribed = queues.each_ref().map(|queue| queue.subscribed.load(Ordering::SeqCst));
    assert_eq!(subscribed, [1, 2, 1, 1]);
    assert_eq!(changes.delivered.load(Ordering::SeqCst), 3, "what was begun was finished");
    assert_eq!(ledger.connected.load(Ordering::SeqCst), 1);
    // By the new charts everything has another area, which both targets get: four postings anew, three for the first time.
    let all = ledger.until_taken(taken + 7).await;
    assert!(all.iter().any(|id| id == "goes:P-0:2"), "{all:?}");
    lis.until_taken(7).await;
    drop(control);
    gateway.stop(LIMIT).await.expect("it stops");
    stage.open(charts("employment"), 1_000, None);
    let areas: BTreeSet<String> =
        stage.journal().into_iter().filter_map(|(_, tag)| Some(tag?.area.to_string())).collect();
    assert_eq!(areas, ["employment".to_owned()].into());
    assert_eq!(stage.core().store().pending_work().expect("the store answers"), 0);
    let cursors = stage.core().store().cursors().expect("the store answers");
    assert_eq!(cursors.into_iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>(), ["ledger", "lis"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_the_store_does_not_take_changes_nothing() {
    let mut stage = Stage::new();
    stage.send(NOW, "registry", SOLUTION);
    let queues: [Arc<Queue>; 2] = Default::default();
    let [opus, other] = &queues;
    let gateway = start(&mut stage, vec![inlet("opus", opus)], vec![]);
    let control = gateway.control();
    opus.until_subscriptions(1).await;
    // Somebody holds the store's write lock, as a full disk would hold the writer up.
    let lock = Connection::open(stage.dir.path().join("samspor.sqlite")).expect("the store's file");
    lock.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes now");
    let plan = Plan {
        settings: Settings { slice: 1, ..settings(charts("employment")) },
        unchanged: BTreeSet::new(),
        inlets: vec![inlet("other", other)],
        outlets: vec![],
        targets: vec![text("ledger")],
    };
    control.take_over(plan).await.expect_err("the store is locked");
    let mut board = gateway.status().watch();
    let told = board.wait_for(|parts| matches!(parts["store"].condition, Condition::Down(_)));
    tokio::time::timeout(LIMIT, told).await.expect("it is told").expect("the board is there");
    lock.execute_batch("ROLLBACK").expect("it ends");
    opus.put(&posting("P-0"));
    opus.until_accepted(1).await;
    let parts: Vec<String> = control.parts().into_keys().collect();
    assert_eq!(parts, ["source opus", "store"]);
    assert_eq!(control.parts()["store"].condition, Condition::Up);
    assert_eq!((opus.subscribed.load(Ordering::SeqCst), other.subscribed.load(Ordering::SeqCst)), (1, 0));
    drop(control);
    gateway.stop(LIMIT).await.expect("it stops");
    stage.open(Charts::default(), 1_000, None);
    let areas = stage.journal().into_iter().filter_map(|(_, tag)| Some(tag?.area.to_string()));
    assert_eq!(areas.collect::<Vec<_>>(), ["unmapped"]);
    assert_eq!(stage.core().store().pending_work().expect("the store answers"), 0);
}
