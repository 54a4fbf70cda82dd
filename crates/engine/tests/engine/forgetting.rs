//! A target that is gone is forgotten, and no longer keeps postings from being purged.

use std::sync::Arc;
use std::time::Duration;

use samspor_domain::store::PostingNo;
use samspor_domain::{Change, Charts, Handed, Parked, Receipted, Seq, Shelf, Stage as Progress, Sum, Why};
use samspor_engine::ControlError;

use crate::fakes::{LIMIT, Receiver};
use crate::stage::{Stage, instant, text};
use crate::supervision::{outlet, start};

const THEN: &str = "2026-01-10T08:00:00Z";
const LATER: &str = "2026-02-20T08:00:00Z";

/// Postings that were tagged and no longer are. Two targets have the tags; one of them has also that they were taken
/// off, and of the other one of these records is parked.
fn stage() -> Stage {
    let mut stage = Stage::purging(30);
    for body in [
        r#"{"type":"solution","id":"s","version":1,"name":"S"}"#,
        r#"{"type":"enrolment","id":"E-1","version":1,"solution":"s","family":"F-1","citizen":{"cpr":"6112801234"},"from":"2025-01-01"}"#,
        r#"{"type":"consent","id":"C-1","version":1,"citizen":{"cpr":"6112801234"},"sources":["opus"],"covers_from":"2025-01-01"}"#,
    ] {
        stage.send(THEN, "registry", body);
    }
    for i in 0..20 {
        let posting = format!(
            r#"{{"type":"posting","id":"P-{i}","date":"2026-01-05","account":"5.28.21.1","amount":"100.00","citizen":{{"cpr":"6112801234"}}}}"#
        );
        stage.send(THEN, "opus", &posting);
    }
    stage.send(THEN, "registry", r#"{"type":"consent","id":"C-1","version":2,"withdrawn":true}"#);
    let store = stage.core().store();
    store.begin().expect("begins");
    let source =
        store.sources().expect("sources").iter().find(|(_, name)| name.as_str() == "opus").expect("it is").0;
    let month = "2026-01-01".parse().expect("a date");
    for (target, to, revision, change) in [("gone", 20, 1, Change::Tag), ("ledger", 40, 2, Change::Untag)] {
        store.advance(&text(target), Seq(to)).expect("advances");
        for no in 1..=20 {
            let receipt = Receipted::NotAsked;
            let handed = Handed { revision, change, at: instant(THEN), receipt };
            store.set_handed(&text(target), PostingNo(no), &handed).expect("is handed");
        }
        let sum = Sum { postings: 20, ..Sum::default() };
        let stage = Progress::Delivered;
        store
            .shelve(&[Shelf { target: text(target), source, month, change, stage, sum }])
            .expect("is added up");
    }
    let parked = |no| Parked {
        target: text("gone"),
        posting: PostingNo(no),
        seq: Seq(20 + no),
        why: Why::ClosedMonth,
        since: instant(THEN),
        is_released: false,
    };
    (1..=9).for_each(|no| store.park(&parked(no)).expect("is parked"));
    store.commit().expect("commits");
    stage
}

fn left(stage: &Stage, table: &str) -> usize {
    stage.sql(&format!("SELECT * FROM {table}")).len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_forgotten_is_gone_for_good_and_purging_goes_on() {
    let mut stage = stage();
    stage.purge(instant(LATER));
    assert_eq!(stage.ids().len(), 20, "one target has not all of it");
    stage.open(Charts::default(), 4, None);
    let ledger = Arc::<Receiver>::default();
    let outlets = vec![outlet(&stage, "ledger", &ledger)];
    let gateway = start(&mut stage, vec![], outlets);
    let control = gateway.control();
    let refused = control.forget_target(&text("ledger"), PostingNo(0), LIMIT).await;
    assert!(matches!(refused, Err(ControlError::InUse)), "{refused:?}");
    let refused = control.forget_target(&text("nobody"), PostingNo(0), LIMIT).await;
    assert!(
        matches!(&refused, Err(ControlError::UnknownTarget { known }) if *known == ["gone", "ledger"]),
        "{refused:?}"
    );
    assert_eq!((left(&stage, "handed"), left(&stage, "parked")), (40, 9), "nothing has changed");
    // A place beyond all is no place to go on after: it begins at the beginning.
    let beyond = control.forget_target(&text("gone"), PostingNo(99), Duration::ZERO).await;
    let beyond = beyond.expect("it answers").expect("there is more");
    assert_eq!((beyond.after, beyond.left), (PostingNo(4), 16));
    // Told to go on whenever it has worked for a moment, as a caller whose calls have a deadline.
    let (mut after, mut told) = (PostingNo(99), Vec::new());
    while let Some(more) =
        control.forget_target(&text("gone"), after, Duration::ZERO).await.expect("it is forgotten")
    {
        told.push(more.left);
        after = more.after;
    }
    assert_eq!(told, [12, 8, 4, 0, 0, 0, 0], "one transaction each, and then what is parked");
    let again = control.forget_target(&text("gone"), PostingNo(0), LIMIT).await;
    assert!(matches!(again, Err(ControlError::UnknownTarget { .. })), "{again:?}");
    drop(control);
    gateway.stop(LIMIT).await.expect("it stops");

    let tables = ["target", "handed", "parked", "shelf"].map(|table| left(&stage, table));
    assert_eq!(tables, [1, 20, 0, 1], "the other target's stay");
    // Another one gets nothing of it.
    stage.open(Charts::default(), 1_000, Some(30));
    stage.advance("new", 40);
    assert_eq!(
        stage.core().store().handed_in(&text("new"), None, PostingNo(0), 99).expect("what it has"),
        []
    );
    stage.purge(instant(LATER));
    assert!(stage.ids().is_empty());
    assert_eq!(left(&stage, "handed"), 0);
}
