//! What passes on where something goes wrong in the line: a posting at its end is tried again whatever else the gateway does,
//! many bad ones in a row do not stop it, and what is withdrawn while it waits goes without its tag.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use samspor_domain::Seq;
use samspor_engine::{Gateway, Handle, Outlet, Policy, Scribe};

use crate::fakes::LIMIT;
use crate::forwarding::{Far, LINE, Shows, Stands, lines, registered, until, until_passed};
use crate::stage::{Stage, prepare, text};

async fn send(handle: &Handle, source: &str, id: &str) {
    // A solution claims it, so it is tagged and stands in the feed.
    let body = format!(
        r#"{{"type":"posting","id":"{id}","date":"2026-01-05","account":"5.32.10.1","amount":"100.00"}}"#
    );
    handle.take_in(prepare(source, &body)).await.expect("it is taken in");
}

async fn until_far(far: &Far, what: &str, holds: impl Fn(&Far) -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds(far) {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        tokio::task::yield_now().await;
    }
}

fn refused(far: &Far, id: &str) -> usize {
    far.mood(|mood| mood.refused.get(id).copied().unwrap_or_default())
}

/// Whoever waits at the end of the line is woken by what is appended to other logs, or to its own for another target. That
/// must not put off its next try for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_of_the_line_is_tried_again_however_busy_the_rest_is() {
    for other in ["dubu", "prisme"] {
        println!("{other} is busy");
        let mut stage = Stage::new();
        registered(&mut stage);
        let (far, second) = (Far::new(0, 0), Far::new(0, 0));
        far.mood(|mood| mood.refuses.insert("opus:P-1".into()));
        let waits = (Duration::from_millis(1), Duration::from_millis(50));
        let line = far.outlet(&stage, "opus", 2);
        let line = Outlet { policy: Policy { waits, ..line.policy.clone() }, ..line };
        let name = text("second");
        let scribe = Scribe::forwarding(Arc::clone(&stage.vault), &name, text("prisme"), Arc::new(Shows));
        let second = Outlet { name, scribe, ..second.outlet(&stage, "prisme", 2) };
        let gateway =
            Gateway::start(stage.close(), Arc::new(Stands), vec![], vec![line, second]).expect("it starts");
        let handle = gateway.handle();
        send(&handle, "opus", "P-1").await;
        // By then its waits have grown to the longest.
        until_far(&far, "it has failed often", |far| refused(far, "opus:P-1") > 20).await;
        far.mood(|mood| mood.refuses.clear());
        let deadline = Instant::now() + LIMIT / 4;
        let mut sent = 0;
        while far.firsts().is_empty() {
            assert!(Instant::now() < deadline, "it is tried again; {sent} others came meanwhile");
            sent += 1;
            send(&handle, other, &format!("O-{sent}")).await;
        }
        until_passed(&handle).await;
        drop(handle);
        gateway.stop(LIMIT).await.expect("it stops");
    }
}

/// More postings in a row than may fail: those behind show whether it is they or the receiver.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_bad_ones_in_a_row_are_parked_and_the_others_pass_on() {
    // By their numbers, so that between the good ones lie more of the bad ones than may fail.
    for good in [vec![36], vec![1, 2, 36, 37], vec![14, 28], vec![20]] {
        println!("{good:?} are good");
        let mut stage = Stage::new();
        let far = Far::new(0, 0);
        let id = |no: usize| format!("opus:P-{no}");
        let bad: BTreeSet<String> = (1..=37).filter(|no| !good.contains(no)).map(id).collect();
        far.mood(|mood| mood.refuses = bad.clone());
        let outlets = vec![far.outlet(&stage, "opus", 2)];
        let gateway = Gateway::start(stage.close(), Arc::new(Stands), vec![], outlets).expect("it starts");
        let handle = gateway.handle();
        for no in 1..=37 {
            send(&handle, "opus", &format!("P-{no}")).await;
        }
        until_far(&far, "the good ones passed", |far| far.firsts().len() == good.len()).await;
        if good.last() < Some(&37) {
            // Of those at the end nobody can tell yet; the next one shows it.
            send(&handle, "opus", "P-38").await;
        }
        let left = i64::try_from(bad.len()).expect("few");
        until(&handle, "the bad ones are parked", move |read| {
            Ok(read.count_parked(&text(LINE))? == (left, 0)
                && read.count_forward_after(&text(LINE), Seq(0))? == left)
        })
        .await;
        lines(&handle).await;
        let taken: Vec<String> = far.mood(|mood| mood.taken.iter().map(|(id, ..)| id.clone()).collect());
        let once: BTreeSet<&String> = taken.iter().collect();
        assert_eq!(taken.len(), once.len(), "nothing is sent twice for a proof: {taken:?}");
        drop(handle);
        gateway.stop(LIMIT).await.expect("it stops");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_withdrawn_while_it_is_tried_goes_without_its_tag() {
    let mut stage = Stage::new();
    registered(&mut stage);
    let far = Far::new(0, 0);
    far.mood(|mood| mood.refuses.insert("opus:P-1".into()));
    // It is in hand all the time.
    let outlets = vec![far.outlet(&stage, "opus", 1_000_000)];
    let gateway = Gateway::start(stage.close(), Arc::new(Stands), vec![], outlets).expect("it starts");
    let handle = gateway.handle();
    let posting = r#"{"type":"posting","id":"P-1","date":"2026-01-05","account":"5.28.21.1","amount":"100.00","citizen":{"cpr":"6112801234"}}"#;
    handle.take_in(prepare("opus", posting)).await.expect("it is taken in");
    until_far(&far, "it is tried", |far| refused(far, "opus:P-1") > 3).await;
    let withdrawn = r#"{"type":"consent","id":"C-1","version":2,"withdrawn":true}"#;
    handle.take_in(prepare("registry", withdrawn)).await.expect("it is taken in");
    until(&handle, "all is decided", |read| Ok(read.pending_work()? == 0)).await;
    // What was on its way by then is answered when there is another.
    let by_then = refused(&far, "opus:P-1");
    until_far(&far, "it is tried once more", |far| refused(far, "opus:P-1") > by_then + 1).await;
    far.mood(|mood| mood.refuses.clear());
    until_passed(&handle).await;
    assert_eq!(far.firsts().iter().map(|(.., tag)| tag.is_some()).collect::<Vec<_>>(), [false]);
    drop(handle);
    gateway.stop(LIMIT).await.expect("it stops");
}
