//! Retention, case by case: what is purged, what is not, and how it is known when it comes again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use samspor_domain::store::{Outcome, Reach, Standing};
use samspor_domain::{Charts, Clock, LinkError, PostingNo, Publisher, Reason, Target, Untagged};
use samspor_engine::{Audience, Became, Gateway, Outlet, Policy, Scribe};
use samspor_formats::json;

use crate::stage::{Stage, instant, prepare, text};

const CPR: &str = r#"{"cpr":"6112801234"}"#;
const OTHER: &str = r#"{"cpr":"6212801234"}"#;
const THEN: &str = "2026-01-10T08:00:00Z";
/// 29 days later.
const SOON: &str = "2026-02-08T08:00:00Z";
/// 31 days later.
const LATER: &str = "2026-02-10T08:00:00Z";
/// More than 31 days later still.
const END: &str = "2026-04-01T08:00:00Z";

fn posting(id: &str, amount: &str, more: &str) -> String {
    format!(
        r#"{{"type":"posting","id":"{id}","date":"2026-01-05","account":"5.28.21.1","amount":"{amount}"{more}}}"#
    )
}

fn of(id: &str, citizen: &str) -> String {
    posting(id, "100.00", &format!(r#","citizen":{citizen}"#))
}

fn consent(version: u8, citizen: &str) -> String {
    format!(
        r#"{{"type":"consent","id":"C-1","version":{version},"citizen":{citizen},"sources":["opus","dubu"],"covers_from":"2025-01-01"}}"#
    )
}

fn withdrawal(version: u8) -> String {
    format!(r#"{{"type":"consent","id":"C-1","version":{version},"withdrawn":true}}"#)
}

/// A solution in which a citizen is enrolled, and a consent.
fn enrol(stage: &mut Stage, citizen: &str) {
    stage.send(THEN, "registry", r#"{"type":"solution","id":"s","version":1,"name":"S"}"#);
    let enrolment = format!(
        r#"{{"type":"enrolment","id":"E-1","version":1,"solution":"s","family":"F-1","citizen":{citizen},"from":"2025-01-01"}}"#
    );
    stage.send(THEN, "registry", &enrolment);
    stage.send(THEN, "registry", &consent(1, citizen));
}

fn ids(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

/// How many facts still say something.
fn facts_left(stage: &Stage) -> usize {
    stage.sql("SELECT fact FROM fact_version WHERE body IS NOT NULL").len()
}

fn count(stage: &mut Stage, outcome: Outcome) -> i64 {
    let counts = stage.core().store().counts().expect("counts");
    counts.iter().filter(|count| count.outcome == outcome).map(|count| count.items).sum()
}

#[test]
fn a_posting_that_no_consent_reaches_goes_when_its_days_have_passed_and_not_before() {
    let mut stage = Stage::purging(30);
    stage.send(THEN, "opus", &of("unreached", CPR));
    stage.send(THEN, "opus", &posting("nobody's", "7.00", ""));
    let sums = stage.core().store().balances().expect("balances");
    stage.purge(instant(SOON));
    assert_eq!(stage.ids(), ids(&["unreached", "nobody's"]));
    stage.purge(instant(LATER));
    assert_eq!(stage.ids(), ids(&["nobody's"]));
    assert_eq!(stage.core().store().balances().expect("balances"), sums);
    assert!(stage.sql("SELECT * FROM person").is_empty());

    assert_eq!(stage.send(LATER, "opus", &of("unreached", CPR)), Became::Duplicate);
    assert_eq!(stage.send(LATER, "opus", &posting("nobody's", "7.00", "")), Became::Duplicate);
    for other in [
        of("unreached", OTHER),
        posting("unreached", "100.00", ""),
        posting("unreached", "100.01", &format!(r#","citizen":{CPR}"#)),
        posting("unreached", "100.00", &format!(r#","citizen":{CPR},"voucher":"V""#)),
        posting("unreached", "100.00", &format!(r#","citizen":{CPR},"reverses":"V""#)),
        posting("unreached", "100.00", &format!(r#","citizen":{CPR},"grouping":"015""#)),
        posting("unreached", "100.00", &format!(r#","citizen":{CPR},"cost_centre":"015""#)),
        posting(
            "unreached",
            "100.00",
            &format!(r#","grant":{{"system":"dubu","grant":"B-1"}},"citizen":{CPR}"#),
        ),
    ] {
        let became = stage.send(LATER, "opus", &other);
        assert!(
            matches!(&became, Became::Quarantined(fault) if fault.reason == Reason::PostingConflict),
            "{became:?}"
        );
    }
    // Another source's posting is another posting.
    assert_eq!(stage.send(LATER, "prisme", &of("unreached", CPR)), Became::Posting);
    assert_eq!(stage.core().store().pending_work().expect("work"), 0);
}

#[test]
fn without_the_setting_nothing_is_purged_and_what_was_purged_is_still_known() {
    let mut stage = Stage::new();
    stage.send(THEN, "opus", &of("1", CPR));
    stage.send(THEN, "opus", "no message");
    stage.purge(Timestamp::MAX);
    assert_eq!(stage.ids(), ids(&["1"]));
    assert_eq!(stage.core().store().quarantine(9).expect("quarantine").len(), 1);

    stage.open(Charts::default(), 1_000, Some(30));
    stage.purge(instant(LATER));
    stage.open(Charts::default(), 1_000, None);
    assert_eq!(stage.send(LATER, "opus", &of("1", CPR)), Became::Duplicate);
    assert_eq!(stage.send(LATER, "opus", &of("2", CPR)), Became::Posting);
    stage.purge(Timestamp::MAX);
    assert_eq!(stage.ids(), ids(&["2"]));
}

#[test]
fn what_a_live_consent_reaches_stays_until_it_ends() {
    let mut stage = Stage::purging(30);
    enrol(&mut stage, CPR);
    let reached = [
        ("opus", of("tagged", CPR)),
        ("opus", r#"{"type":"posting","id":"by grant","date":"2026-01-05","account":"5.28.21.1","amount":"1.00","grant":{"system":"dubu","grant":"B-1"}}"#.into()),
        ("opus", of("too early", CPR).replace("2026-01-05", "2020-01-05")),
        ("dubu", format!(r#"{{"type":"case","id":"D-1","version":1,"citizen":{CPR}}}"#)),
        ("dubu", r#"{"type":"grant","id":"B-1","version":1,"case":"D-1"}"#.into()),
        ("dubu", r#"{"type":"payment","id":"U-1","version":1,"grant":{"grant":"B-1"},"amount":"1.00","on":"2026-01-05"}"#.into()),
        ("dubu", format!(r#"{{"type":"progress","id":"P-1","version":1,"citizen":{CPR},"scale":"s","value":"2","on":"2026-01-05"}}"#)),
        ("registry", format!(r#"{{"type":"identity","id":"I-1","version":1,"kind":"same","refs":[{CPR},{{"uuid":"0f8fad5b-d9cb-469f-a165-70867728950e"}}]}}"#)),
    ];
    let unreached = [
        ("opus", of("someone else's", OTHER)),
        ("jobcentre", of("of a source that is not named", CPR)),
        ("jobcentre", format!(r#"{{"type":"case","id":"J-1","version":1,"citizen":{CPR}}}"#)),
        ("dubu", format!(r#"{{"type":"case","id":"D-2","version":1,"citizen":{OTHER}}}"#)),
        ("dubu", r#"{"type":"grant","id":"B-2","version":1,"case":"D-2"}"#.into()),
        ("dubu", r#"{"type":"payment","id":"U-2","version":1,"grant":{"grant":"B-2"},"amount":"1.00","on":"2026-01-05"}"#.into()),
        ("dubu", format!(r#"{{"type":"progress","id":"P-2","version":1,"citizen":{OTHER},"scale":"s","value":"2","on":"2026-01-05"}}"#)),
        ("registry", format!(r#"{{"type":"identity","id":"I-2","version":1,"kind":"same","refs":[{OTHER},{{"uuid":"1f8fad5b-d9cb-469f-a165-70867728950e"}}]}}"#)),
        // The last one that said something of it was deleted.
        ("dubu", format!(r#"{{"type":"case","id":"D-3","version":1,"citizen":{CPR}}}"#)),
        ("dubu", r#"{"type":"case","id":"D-3","version":2,"deleted":true}"#.into()),
    ];
    for (source, body) in reached.iter().chain(&unreached) {
        assert!(!matches!(stage.send(THEN, source, body), Became::Quarantined(_)), "{body}");
    }
    let kept = ids(&["tagged", "by grant", "too early"]);
    stage.purge(instant(LATER));
    assert_eq!(stage.ids(), kept);
    // Solution, enrolment, consent, and the five that are reached.
    assert_eq!(facts_left(&stage), 8);
    // What is left is enough to decide by, and to go on by after a new start.
    stage.open(Charts::default(), 1_000, Some(30));
    stage.send(LATER, "opus", &of("later", CPR));
    let tagged = stage.journal().into_iter().filter(|(_, tag)| tag.is_some());
    let tagged: BTreeSet<String> = tagged.map(|(row, _)| row.posting.id.to_string()).collect();
    assert_eq!(tagged, ids(&["tagged", "by grant", "later"]));
    for (source, body) in reached.iter().chain(&unreached) {
        assert_eq!(stage.send(LATER, source, body), Became::Duplicate, "{body}");
    }

    // Every target has what there is; then nothing holds it but the time.
    let end = stage.core().store().last_seq().expect("seq");
    stage.send(LATER, "registry", &withdrawal(2));
    stage.advance("ledger", end.0 + 9);
    stage.purge(instant(LATER));
    assert_eq!(stage.ids(), ids(&["later"]));
    stage.purge(instant(END));
    assert_eq!(stage.ids(), ids(&[]));
    assert_eq!(facts_left(&stage), 2, "the solution and the enrolment");
    assert_eq!(stage.sql("SELECT * FROM feed").len(), 0);
    assert_eq!(stage.sql("SELECT * FROM person").len(), 1, "the enrolled");
    // A new consent reaches nothing of it.
    stage.send(END, "registry", &consent(3, CPR));
    assert_eq!(stage.send(END, "opus", &of("tagged", CPR)), Became::Duplicate);
    assert_eq!(stage.ids(), ids(&[]));
    assert_eq!(stage.send(END, "opus", &of("new", CPR)), Became::Posting);
    assert!(stage.journal()[0].1.is_some());
    assert!(stage.core().store().last_seq().expect("seq") > end, "no number is given twice");
}

#[test]
fn a_consent_that_comes_to_reach_less_lets_go_of_it() {
    let mut stage = Stage::purging(30);
    enrol(&mut stage, CPR);
    stage.send(THEN, "dubu", &format!(r#"{{"type":"case","id":"D-1","version":1,"citizen":{CPR}}}"#));
    stage.send(THEN, "dubu", &posting("by case", "1.00", r#","citizen":{"case":"D-1"}"#));
    stage.purge(instant(LATER));
    assert_eq!(stage.ids(), ids(&["by case"]));
    stage.send(LATER, "dubu", &format!(r#"{{"type":"case","id":"D-1","version":2,"citizen":{OTHER}}}"#));
    stage.purge(instant(LATER));
    assert_eq!(stage.ids(), ids(&[]));
}

#[test]
fn of_a_purged_fact_older_and_equal_versions_are_known_and_a_newer_one_is_taken_in() {
    let mut stage = Stage::purging(30);
    let case = |version: u8, citizen: &str| {
        format!(r#"{{"type":"case","id":"D-1","version":{version},"citizen":{citizen}}}"#)
    };
    assert_eq!(stage.send(THEN, "dubu", &case(3, CPR)), Became::Fact);
    let before = stage.sql("SELECT body FROM fact_version");
    stage.purge(instant(LATER));
    assert_eq!(facts_left(&stage), 0);
    assert!(stage.sql("SELECT * FROM holds").is_empty() && stage.sql("SELECT * FROM person").is_empty());
    let sealed = before.into_iter().flatten().filter_map(|value| match value {
        rusqlite::types::Value::Blob(bytes) => Some(bytes),
        _ => None,
    });
    stage.holds_none_of(&sealed.collect::<Vec<_>>());

    assert_eq!(stage.send(LATER, "dubu", &case(3, CPR)), Became::Duplicate);
    assert_eq!(stage.send(LATER, "dubu", &case(2, CPR)), Became::Stale);
    assert_eq!(stage.send(LATER, "dubu", &case(3, OTHER)), Became::Stale, "the first stays");
    assert_eq!(facts_left(&stage), 0);
    assert_eq!(stage.send(LATER, "dubu", &case(4, CPR)), Became::Fact);
    assert_eq!(facts_left(&stage), 1);

    // It is a fact like any other.
    enrol(&mut stage, CPR);
    stage.send(LATER, "dubu", &posting("1", "1.00", r#","citizen":{"case":"D-1"}"#));
    assert!(stage.journal()[0].1.is_some());
    // A deletion at the same version goes before what was purged.
    stage.send(LATER, "registry", &withdrawal(2));
    stage.purge(instant(END));
    let deleted = r#"{"type":"case","id":"D-1","version":4,"deleted":true}"#;
    assert_eq!(stage.send(END, "dubu", deleted), Became::Fact);
    assert_eq!(stage.send(END, "dubu", deleted), Became::Duplicate);
}

#[test]
fn quarantine_forgets_the_bytes_and_knows_them_again() {
    let mut stage = Stage::purging(30);
    for body in ["one", "two", "three"] {
        stage.send(THEN, "opus", body);
    }
    stage.send(LATER, "opus", "young");
    stage.purge(instant(LATER));
    assert_eq!(stage.core().store().quarantine(9).expect("quarantine").len(), 1);
    assert_eq!(count(&mut stage, Outcome::Quarantined), 4);
    for body in ["one", "two", "three", "young"] {
        assert_eq!(stage.send(LATER, "opus", body), Became::Duplicate);
    }
    assert_eq!(stage.core().store().quarantine(9).expect("quarantine").len(), 1);
    assert_eq!(count(&mut stage, Outcome::Quarantined), 4);
}

#[test]
fn persons_whom_a_kept_posting_names_beside_its_citizen_stay() {
    let mut stage = Stage::purging(30);
    enrol(&mut stage, CPR);
    let grant = r#","grant":{"system":"prisme","grant":"B-1"}"#;
    let both = posting("both", "1.00", &format!(r#","citizen":{CPR}{grant}"#));
    stage.send(THEN, "opus", &both);
    stage.send(THEN, "opus", &posting("grant alone", "1.00", grant));
    // Refused because of what is known, and so nobody else is.
    stage.send(THEN, "opus", &posting("both", "1.00", &format!(r#","citizen":{OTHER}{grant}"#)));
    let persons = stage.sql("SELECT * FROM person WHERE scope <> 0").len();
    assert_eq!(persons, 2);
    stage.purge(instant(LATER));
    assert_eq!(stage.ids(), ids(&["both"]));
    assert_eq!(stage.sql("SELECT * FROM person WHERE scope <> 0").len(), 2);
    assert_eq!(stage.send(LATER, "opus", &both), Became::Duplicate);
}

#[test]
fn postings_that_take_each_others_answers_go_together() {
    let mut stage = Stage::purging(30);
    let reversal = |id: &str, amount: &str, of: &str| posting(id, amount, &format!(r#","reverses":"{of}""#));
    stage.send(THEN, "opus", &of("root", CPR));
    stage.send(THEN, "opus", &reversal("back", "-100.00", "root"));
    stage.send(THEN, "opus", &reversal("in part", "-40.00", "root"));
    // The youngest keeps all of them.
    stage.send(LATER, "opus", &reversal("and forth", "100.00", "back"));
    stage.purge(instant(LATER));
    assert_eq!(stage.ids(), ids(&["root", "back", "in part", "and forth"]));
    stage.purge(instant(END));
    assert_eq!(stage.ids(), ids(&["in part"]), "a reversal in part is nobody's, and decided on its own");
    for (id, amount, whose) in [("back", "-100.00", "root"), ("and forth", "100.00", "back")] {
        assert_eq!(stage.send(END, "opus", &reversal(id, amount, whose)), Became::Duplicate);
    }
    // One that comes when what it reverses is gone is decided on its own.
    stage.send(END, "opus", &reversal("late", "-100.00", "root"));
    let late = stage.journal().into_iter().find(|(row, _)| row.posting.id.as_str() == "late");
    assert_eq!(late.map(|(row, _)| row.standing), Some(Standing::Untagged(Untagged::NoCitizen)));
}

#[test]
fn a_posting_that_was_tagged_once_waits_for_every_target() {
    let mut stage = Stage::purging(30);
    enrol(&mut stage, CPR);
    stage.send(THEN, "opus", &of("once tagged", CPR));
    stage.send(THEN, "opus", &of("never tagged", OTHER));
    stage.send(THEN, "registry", &withdrawal(2));
    let last = stage.core().store().last_seq().expect("seq").0;
    stage.advance("ledger", last);
    stage.advance("lis", last - 1);
    stage.purge(instant(LATER));
    assert_eq!(stage.ids(), ids(&["once tagged"]));
    stage.send(LATER, "opus", &of("young", OTHER));
    stage.purge(instant(LATER));
    assert_eq!(stage.ids(), ids(&["once tagged", "young"]));
    stage.advance("lis", last);
    stage.purge(instant(LATER));
    assert_eq!(stage.ids(), ids(&["young"]));
    assert_eq!(stage.core().store().last_seq().expect("seq").0, last);
}

#[test]
fn no_transaction_purges_more_than_a_slice() {
    let mut stage = Stage::purging(30);
    for i in 0..10 {
        stage.send(THEN, "opus", &of(&format!("P-{i}"), CPR));
        stage.send(THEN, "opus", &posting(&format!("R-{i}"), "-100.00", r#","reverses":"P-0""#));
        stage.send(THEN, "dubu", &format!(r#"{{"type":"case","id":"D-{i}","version":1,"citizen":{CPR}}}"#));
        stage.send(THEN, "dubu", &format!("quarantined {i}"));
    }
    stage.open(Charts::default(), 4, Some(30));
    let what = |stage: &mut Stage| {
        let quarantine = stage.core().store().quarantine(99).expect("quarantine").len();
        stage.ids().len() + facts_left(stage) + quarantine
    };
    let mut before = what(&mut stage);
    assert_eq!(before, 40);
    while stage.core().purge(instant(LATER)).expect("it purges") {
        let after = what(&mut stage);
        assert!(after < before && before - after <= 4, "{before} to {after}");
        before = after;
    }
    assert_eq!(what(&mut stage), 0);
}

#[test]
fn where_nothing_is_kept_for_a_day_only_hashes_of_the_unreached_are_ever_written() {
    let mut stage = Stage::purging(0);
    let case = |version: u8| format!(r#"{{"type":"case","id":"D-1","version":{version},"citizen":{CPR}}}"#);
    assert_eq!(stage.send(THEN, "opus", &of("unreached", CPR)), Became::Posting);
    assert_eq!(stage.send(THEN, "dubu", &case(2)), Became::Fact);
    assert!(stage.ids().is_empty());
    assert_eq!(facts_left(&stage), 0);
    assert!(stage.sql("SELECT * FROM person").is_empty());
    assert_eq!(stage.send(THEN, "opus", &of("unreached", CPR)), Became::Duplicate);
    assert!(matches!(stage.send(THEN, "opus", &of("unreached", OTHER)), Became::Quarantined(_)));
    assert_eq!(stage.send(THEN, "dubu", &case(1)), Became::Stale);
    assert_eq!(stage.send(THEN, "dubu", &case(2)), Became::Duplicate);

    // A consent reaches what comes after it, and nothing else.
    enrol(&mut stage, CPR);
    assert_eq!(stage.send(THEN, "opus", &of("reached", CPR)), Became::Posting);
    assert_eq!(stage.send(THEN, "dubu", &case(3)), Became::Fact);
    stage.purge(instant(THEN));
    assert_eq!(stage.ids(), ids(&["reached"]));
    assert_eq!(facts_left(&stage), 4);
    let all = stage.core().store().balances().expect("balances");
    let all: i64 =
        all.iter().filter(|balance| balance.standing.is_none()).map(|balance| balance.sum.postings).sum();
    assert_eq!(all, 2);
    // And what it reaches goes when it ends.
    stage.send(THEN, "registry", &withdrawal(2));
    stage.purge(instant(THEN));
    assert!(stage.ids().is_empty());
    assert_eq!(facts_left(&stage), 2, "the solution and the enrolment");
}

/// A clock that stands.
struct Stands(Timestamp);

impl Clock for Stands {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_purges_at_once_where_nothing_is_kept_for_a_day() {
    let mut stage = Stage::purging(0);
    let clock = Arc::new(Stands(instant(THEN)));
    let gateway = Gateway::start(stage.close(), clock, Vec::new(), Vec::new()).expect("it starts");
    let handle = gateway.handle();
    for body in [of("unreached", CPR), "broken".to_owned()] {
        handle.take_in(prepare("opus", &body)).await.expect("it is taken in");
    }
    drop(handle);
    gateway.stop(Duration::from_secs(60)).await.expect("it stops");
    stage.open(Charts::default(), 1_000, None);
    assert!(stage.ids().is_empty());
    assert!(stage.core().store().quarantine(9).expect("quarantine").is_empty());
    assert_eq!(stage.send(THEN, "opus", &of("unreached", CPR)), Became::Duplicate);
    assert_eq!(stage.core().store().cursor(&text("nobody")).expect("a cursor").0, 0);
}

/// A target that is never there.
struct Away;

#[async_trait::async_trait]
impl Target for Away {
    async fn connect(&self) -> Result<Box<dyn Publisher>, LinkError> {
        Err(LinkError { doing: "connecting to nobody".into(), source: None })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_purges_what_is_due_when_it_has_nothing_else_to_do() {
    let mut stage = Stage::purging(30);
    enrol(&mut stage, CPR);
    stage.send(THEN, "opus", &of("once tagged", CPR));
    stage.send(THEN, "registry", &withdrawal(2));
    for i in 0..20 {
        stage.send(THEN, "opus", &of(&format!("P-{i}"), OTHER));
    }
    stage.open(Charts::default(), 4, Some(30));
    let scribe = Scribe::new(stage.vault.clone(), &text("ledger"), Audience::Ledger, Arc::new(json::Encoder));
    let outlet = Outlet {
        name: text("ledger"),
        target: Arc::new(Away),
        scribe,
        window: 8,
        policy: Policy::default(),
        answers: None,
    };
    let clock = Arc::new(Stands(instant(LATER)));
    let gateway = Gateway::start(stage.close(), clock, Vec::new(), vec![outlet]).expect("it starts");
    let handle = gateway.handle();
    let deadline = Instant::now() + Duration::from_secs(60);
    let left = || handle.read(|read, _| Ok(read.postings(&Reach::All, PostingNo(0), 99)?.len()));
    while left().await.expect("it answers") > 1 {
        assert!(Instant::now() < deadline, "it purges without being told to");
    }
    drop(handle);
    gateway.stop(Duration::from_secs(60)).await.expect("it stops");
    stage.open(Charts::default(), 1_000, None);
    // The target is known from the start, though it never got anything.
    assert_eq!(stage.ids(), ids(&["once tagged"]));
}
