//! A posting whose receipt is awaited is kept until it came.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use samspor_domain::store::PostingNo;
use samspor_domain::{Change, Charts, Clock, Decode, Delivery, Handed, Receipted, Seq};
use samspor_engine::{Became, Gateway, Intake, Outlet, Permissions, Plan, Policy, Settings};
use samspor_formats::json;

use crate::fakes::{LIMIT, Receiver};
use crate::stage::{Stage, instant, text};
use crate::supervision;

const THEN: &str = "2026-01-10T08:00:00Z";
const LATER: &str = "2026-02-20T08:00:00Z";

/// A posting that was tagged and no longer is, and a target that has both records and gave no receipt of the second.
fn stage() -> Stage {
    stage_of(3, [2])
}

/// The same with so many postings, and these without a receipt.
fn stage_of(postings: i64, without: impl IntoIterator<Item = i64>) -> Stage {
    let postings: Vec<String> = (0..postings).map(|i| posting(i, "100.00", "")).collect();
    stage_with(&postings, without)
}

fn posting(i: i64, amount: &str, more: &str) -> String {
    format!(
        r#"{{"type":"posting","id":"P-{i}","date":"2026-01-05","account":"5.28.21.1","amount":"{amount}","citizen":{{"cpr":"6112801234"}}{more}}}"#
    )
}

fn stage_with(postings: &[String], without: impl IntoIterator<Item = i64>) -> Stage {
    let mut stage = Stage::purging(30);
    for body in [
        r#"{"type":"solution","id":"s","version":1,"name":"S"}"#,
        r#"{"type":"enrolment","id":"E-1","version":1,"solution":"s","family":"F-1","citizen":{"cpr":"6112801234"},"from":"2025-01-01"}"#,
        r#"{"type":"consent","id":"C-1","version":1,"citizen":{"cpr":"6112801234"},"sources":["opus"],"covers_from":"2025-01-01"}"#,
    ] {
        stage.send(THEN, "registry", body);
    }
    for posting in postings {
        stage.send(THEN, "opus", posting);
    }
    let postings = i64::try_from(postings.len()).expect("a few");
    stage.send(THEN, "registry", r#"{"type":"consent","id":"C-1","version":2,"withdrawn":true}"#);
    let handed =
        Handed { revision: 2, change: Change::Untag, at: instant(THEN), receipt: Receipted::Awaited };
    let store = stage.core().store();
    store.begin().expect("begins");
    store.advance(&text("ledger"), Seq(2 * postings)).expect("advances");
    for no in without {
        store.set_handed(&text("ledger"), PostingNo(no), &handed).expect("is handed");
    }
    store.commit().expect("commits");
    stage
}

fn receipt(stage: &mut Stage, posting: i64) -> Became {
    let decoder: Arc<dyn Decode> = Arc::new(json::Decoder);
    let may_send = Permissions { receipts_of: Some(text("ledger")), ..Permissions::default() };
    let intake = Intake { source: text("books"), decoder, may_send, max_body_bytes: 10_000 };
    let body = format!(
        r#"{{"type":"receipt","id":"R-{posting}","source":"opus","posting":"P-{posting}","revision":2,"status":"accepted","at":"2026-02-20T07:00:00Z"}}"#
    );
    let items = intake.prepare(&Delivery { body: body.into(), ..Delivery::default() });
    stage.core().take_in(&items, instant(LATER)).expect("it is taken in").remove(0)
}

#[test]
fn what_has_no_receipt_yet_is_not_purged_and_goes_when_it_has() {
    let mut stage = stage();
    stage.purge(instant(LATER));
    assert_eq!(stage.ids(), ["P-1".to_owned()].into(), "the others go, though they come before and after it");
    stage.open(Charts::default(), 1_000, Some(30));
    stage.purge(instant(LATER));
    assert_eq!(stage.ids(), ["P-1".to_owned()].into());
    assert_eq!(receipt(&mut stage, 1), Became::Receipt);
    stage.purge(instant(LATER));
    assert!(stage.ids().is_empty(), "the receipt came");
    assert!(stage.sql("SELECT * FROM handed").is_empty());
}

/// Of whatever each slice holds: what is looked at counts.
#[test]
fn a_late_receipt_costs_the_posting_that_it_is_of_and_no_other() {
    let mut stage = stage_of(100, 1..=100);
    stage.open(Charts::default(), 10, Some(30));
    assert!(stage.purge(instant(LATER)) >= 10, "all of them are looked at");
    assert_eq!(stage.ids().len(), 100);
    let mut left = 100;
    for posting in [0, 50, 98, 1] {
        assert_eq!(receipt(&mut stage, posting), Became::Receipt);
        // Its purging outlives a restart.
        stage.open(Charts::default(), 10, Some(30));
        assert_eq!(stage.purge(instant(LATER)), 1, "of P-{posting}");
        left -= 1;
        assert!(!stage.ids().contains(&format!("P-{posting}")) && stage.ids().len() == left);
    }
    // More of them than it remembers one by one.
    for posting in (2..98).filter(|posting| *posting != 50) {
        assert_eq!(receipt(&mut stage, posting), Became::Receipt);
    }
    stage.purge(instant(LATER));
    assert_eq!(stage.ids(), ["P-99".to_owned()].into());
}

/// In slices that hold one of them, the posting that goes last is the one whose receipt came.
#[test]
fn a_posting_and_its_reversal_go_when_the_receipts_of_both_came() {
    let postings = [posting(0, "100.00", ""), posting(1, "-100.00", r#","reverses":"P-0""#)];
    let mut stage = stage_with(&postings, [1, 2]);
    stage.open(Charts::default(), 1, Some(30));
    for (received, left) in [(1, 2), (0, 0)] {
        assert_eq!(receipt(&mut stage, received), Became::Receipt);
        stage.purge(instant(LATER));
        assert_eq!(stage.ids().len(), left);
    }
}

struct Later;

impl Clock for Later {
    fn now(&self) -> jiff::Timestamp {
        instant(LATER)
    }
}

/// Waits until these postings are in the journal, and so many of them for their receipts alone.
async fn until(gateway: &Gateway, ids: &[&str], kept: i64) {
    let is_so = async {
        let (control, handle) = (gateway.control(), gateway.handle());
        loop {
            let asked =
                handle.read(|read, _| read.postings(&samspor_domain::store::Reach::All, PostingNo(0), 9));
            let there = asked.await.expect("it answers");
            let numbers = control.numbers().await.expect("it answers");
            let is_kept = numbers.kept_for_receipts.get(&text("ledger")) == Some(&kept);
            if is_kept && there.iter().map(|row| row.posting.id.as_str()).eq(ids.iter().copied()) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(LIMIT, is_so).await;
    waited.unwrap_or_else(|_| panic!("there are to be {ids:?}, {kept} of them for their receipts"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_awaits_a_receipt_of_a_target_that_gives_none_any_more() {
    for is_reload in [true, false] {
        let mut stage = stage();
        let ledger = Arc::<Receiver>::default();
        let outlet = |stage: &Stage, receipt_within: Option<Duration>| Outlet {
            policy: Policy { receipt_within, ..Policy::default() },
            ..supervision::outlet(stage, "ledger", &ledger)
        };
        let start = |stage: &mut Stage, within| {
            let outlets = vec![outlet(stage, within)];
            Gateway::start(stage.close(), Arc::new(Later), vec![], outlets).expect("it starts")
        };
        let mut gateway = start(&mut stage, Some(Duration::from_secs(60)));
        until(&gateway, &["P-1"], 1).await;
        if is_reload {
            let settings = Settings { retention_days: Some(30), ..supervision::settings(Charts::default()) };
            let (unchanged, inlets, targets) = (BTreeSet::new(), vec![], vec![text("ledger")]);
            let outlets = vec![outlet(&stage, None)];
            let plan = Plan { settings, unchanged, inlets, outlets, targets };
            gateway.control().take_over(plan).await.expect("it is taken");
        } else {
            gateway.stop(LIMIT).await.expect("it stops");
            stage.open(Charts::default(), 1_000, Some(30));
            gateway = start(&mut stage, None);
        }
        until(&gateway, &[], 0).await;
        gateway.stop(LIMIT).await.expect("it stops");
        assert!(stage.sql("SELECT * FROM handed").is_empty());
        assert!(stage.sql("SELECT * FROM shelf WHERE stage = 1 AND postings > 0").is_empty());
    }
}
