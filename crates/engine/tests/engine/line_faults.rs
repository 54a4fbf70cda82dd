//! What passes on where something goes wrong in the line: a posting at its end is tried again whatever else the gateway does,
//! many bad ones in a row do not stop it, and what is withdrawn while it waits goes without its tag.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use samspor_domain::{Delivery, Reason, Seq};
use samspor_engine::quarantine::{Fate, Fates};
use samspor_engine::{Gateway, Handle, Intake, LineBook, Outlet, Permissions, Policy, Scribe};
use samspor_formats::g69;

use crate::fakes::LIMIT;
use crate::forwarding::{Far, LINE, Shows, Stands, THEN, begin, lines, registered, until, until_passed};
use crate::quarantine::{freeze, intakes, open, release};
use crate::stage::{Stage, instant, prepare, text};

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

fn line(no: usize, amount: &str) -> String {
    format!("000G69&1031&104{no}&11020260314&1115.28.21.1&112{amount}&113D")
}

/// Lets everything pass on, and answers its bodies.
async fn passed(stage: &mut Stage, far: &Far) -> Vec<String> {
    let outlets = vec![far.outlet(stage, "opus", 2)];
    let gateway = Gateway::start(stage.close(), Arc::new(Stands), vec![], outlets).expect("it starts");
    until_passed(&gateway.handle()).await;
    gateway.stop(LIMIT).await.expect("it stops");
    stage.open(samspor_domain::Charts::default(), 1_000, None);
    far.firsts().into_iter().map(|(_, body, _)| body).collect()
}

/// Each line with the end that it has in its file, whether it passes on at once or when it is released from quarantine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_was_in_quarantine_passes_on_as_it_came() {
    let [first, second, third, last] = [1, 2, 3, 4].map(|no| line(no, "000000000100"));
    let ends = ["\r\n", "\n", "\r\r\n", ""];
    let came: Vec<String> =
        [&first, &second, &third, &last].iter().zip(ends).map(|(line, end)| format!("{line}{end}")).collect();
    let decoder = Arc::new(g69::Decoder::new(g69::Settings { encoding: g69::Encoding::Utf8 }));
    let may = Intake { source: text("opus"), decoder, may_send: Permissions::all(), max_body_bytes: 10_000 };
    let may_not = Intake { may_send: Permissions { postings: false, ..Permissions::all() }, ..may.clone() };
    let all = intakes(&[&may]);
    for (begins, is_held) in [(&may, false), (&may_not, true)] {
        let mut stage = Stage::new();
        let far = Far::new(0, 0);
        begin(&mut stage, &far, None).await;
        let file = Delivery { body: came.concat().into(), ..Delivery::default() };
        stage.core().take_in(&begins.prepare(&file), instant(THEN)).expect("it is taken in");
        if is_held {
            assert!(stage.sql("SELECT no FROM forward").is_empty(), "what is in quarantine does not pass on");
            let set = freeze(stage.core(), &open());
            assert_eq!(release(&mut stage, &all, set), Fates::from([(Fate::Posting, 4)]));
        }
        assert_eq!(passed(&mut stage, &far).await, came, "held first: {is_held}");

        // Lines that are known do not pass on, nor does one that says something else, released or not.
        let other = [came[0].clone(), line(2, "000000000200"), "\n".into()].concat();
        let file = Delivery { body: other.into(), ..Delivery::default() };
        stage.core().take_in(&may.prepare(&file), instant(THEN)).expect("it is taken in");
        let set = freeze(stage.core(), &open());
        let conflict = Fates::from([(Fate::Quarantined(Reason::PostingConflict), 1)]);
        assert_eq!(release(&mut stage, &all, set), conflict);
        assert!(stage.sql("SELECT no FROM forward").is_empty());
        // In quarantine it is known by its line, whatever that ends with.
        let file = Delivery {
            body: [came[0].clone(), line(2, "000000000200")].concat().into(),
            ..Delivery::default()
        };
        stage.core().take_in(&may.prepare(&file), instant(THEN)).expect("it is taken in");
        assert_eq!(stage.sql("SELECT no FROM quarantine").len(), 1 + if is_held { 4 } else { 0 });
    }
}

/// Nobody is to learn from the ledger that tags are missing there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_that_have_no_room_are_counted_and_told() {
    for (solution, left_out) in [("s", 0), ("x", 2)] {
        let mut stage = Stage::new();
        let body = format!(
            r#"{{"type":"solution","id":"{solution}","version":1,"name":"S","claims":[{{"account":"5.32"}}]}}"#
        );
        stage.send(THEN, "registry", &body);
        let far = Far::new(0, 0);
        let outlets = vec![far.outlet(&stage, "opus", 2)];
        let gateway = Gateway::start(stage.close(), Arc::new(Stands), vec![], outlets).expect("it starts");
        let handle = gateway.handle();
        send(&handle, "opus", "P-1").await;
        send(&handle, "opus", "P-2").await;
        handle.take_in(prepare("opus", &crate::supervision::posting("P-3"))).await.expect("it is taken in");
        until_passed(&handle).await;
        let books = lines(&handle).await;
        let sum = |of: fn(&LineBook) -> i64| books.iter().map(of).sum::<i64>();
        assert_eq!((sum(|book| book.passed.postings), sum(|book| book.left_out.postings)), (3, left_out));
        let parts = gateway.control().parts();
        let said = parts.get("tags line").map(|report| report.condition.word());
        assert_eq!(said, (left_out > 0).then_some("down"));
        assert!(samspor_engine::is_ready(&parts), "it warns only: {parts:?}");
        drop(handle);
        gateway.stop(LIMIT).await.expect("it stops");
    }
}

/// A tag that rests on a link which is gone by the time that the consent ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_tag_passes_on_when_no_consent_leads_to_its_posting_any_more() {
    let mut stage = Stage::new();
    registered(&mut stage);
    let grant =
        |version: u32, says: &str| format!(r#"{{"type":"grant","id":"G-1","version":{version},{says}}}"#);
    let said = r#""citizen":{"cpr":"6112801234"},"account":"5.28.21.1","from":"2025-01-01""#;
    stage.send(THEN, "opus", &grant(1, said));
    let far = Far::new(0, 0);
    begin(&mut stage, &far, None).await;
    let posting = r#"{"type":"posting","id":"P-1","date":"2026-01-05","account":"5.28.21.1","amount":"100.00","grant":{"system":"opus","grant":"G-1"}}"#;
    stage.send(THEN, "opus", posting);
    let tags = |stage: &Stage| stage.sql("SELECT tag FROM forward WHERE tag IS NOT NULL").len();
    assert_eq!(tags(&stage), 1, "the grant leads to it");
    stage.send(THEN, "opus", &grant(2, r#""deleted":true"#));
    stage.send(THEN, "registry", r#"{"type":"consent","id":"C-1","version":2,"withdrawn":true}"#);
    assert_eq!(tags(&stage), 0);
    assert_eq!(passed(&mut stage, &far).await.len(), 1, "it passes on all the same");
}
