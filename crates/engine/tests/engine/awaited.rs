//! A posting whose receipt is awaited is kept until it came.

use std::sync::Arc;

use samspor_domain::store::PostingNo;
use samspor_domain::{Change, Charts, Decode, Delivery, Handed, Receipted, Seq};
use samspor_engine::{Became, Intake, Permissions};
use samspor_formats::json;

use crate::stage::{Stage, instant, text};

const THEN: &str = "2026-01-10T08:00:00Z";
const LATER: &str = "2026-02-20T08:00:00Z";

/// A posting that was tagged and no longer is, and a target that has both records and gave no receipt of the second.
fn stage() -> Stage {
    let mut stage = Stage::purging(30);
    for body in [
        r#"{"type":"solution","id":"s","version":1,"name":"S"}"#,
        r#"{"type":"enrolment","id":"E-1","version":1,"solution":"s","family":"F-1","citizen":{"cpr":"6112801234"},"from":"2025-01-01"}"#,
        r#"{"type":"consent","id":"C-1","version":1,"citizen":{"cpr":"6112801234"},"sources":["opus"],"covers_from":"2025-01-01"}"#,
    ] {
        stage.send(THEN, "registry", body);
    }
    for id in ["P-0", "P-1", "P-2"] {
        let posting = format!(
            r#"{{"type":"posting","id":"{id}","date":"2026-01-05","account":"5.28.21.1","amount":"100.00","citizen":{{"cpr":"6112801234"}}}}"#
        );
        stage.send(THEN, "opus", &posting);
    }
    stage.send(THEN, "registry", r#"{"type":"consent","id":"C-1","version":2,"withdrawn":true}"#);
    let handed =
        Handed { revision: 2, change: Change::Untag, at: instant(THEN), receipt: Receipted::Awaited };
    let store = stage.core().store();
    store.begin().expect("begins");
    store.advance(&text("ledger"), Seq(6)).expect("advances");
    store.set_handed(&text("ledger"), PostingNo(2), &handed).expect("is handed");
    store.commit().expect("commits");
    stage
}

fn receipt(stage: &mut Stage) -> Became {
    let decoder: Arc<dyn Decode> = Arc::new(json::Decoder);
    let may_send = Permissions { receipts_of: Some(text("ledger")), ..Permissions::default() };
    let intake = Intake { source: text("books"), decoder, may_send, max_body_bytes: 10_000 };
    let body = r#"{"type":"receipt","id":"R-1","source":"opus","posting":"P-1","revision":2,"status":"accepted","at":"2026-02-20T07:00:00Z"}"#;
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
    assert_eq!(receipt(&mut stage), Became::Receipt);
    stage.purge(instant(LATER));
    assert!(stage.ids().is_empty(), "the receipt came");
    assert!(stage.sql("SELECT * FROM handed").is_empty());
}
