//! Looking for whom nothing uses any more costs more, the larger the journal is: so few are looked for in a transaction
//! where it is large, and each once for all that named them.

use rusqlite::Connection;
use rusqlite::types::Value;
use samspor_domain::Charts;

use crate::stage::{Stage, instant};

const THEN: &str = "2026-01-10T08:00:00Z";
const LATER: &str = "2026-02-20T08:00:00Z";

/// A journal that is as long as one of 80 million postings, and at its end these postings and cases of so many persons.
fn stage(persons: usize, postings: usize, cases: usize) -> Stage {
    let mut stage = Stage::new();
    stage.send(
        THEN,
        "opus",
        r#"{"type":"posting","id":"stays","date":"2026-01-05","account":"5.28.21.1","amount":"1.00"}"#,
    );
    let file = Connection::open(stage.dir.path().join("samspor.sqlite")).expect("the store's file");
    file.execute("UPDATE sqlite_sequence SET seq = 5000 * 16384 WHERE name = 'posting'", [])
        .expect("it does");
    let citizen = |i: usize| format!(r#""citizen":{{"cpr":"611280{}"}}"#, 1_000 + i % persons);
    for i in 0..postings {
        let posting = format!(
            r#"{{"type":"posting","id":"P-{i}","date":"2026-01-05","account":"5.28.21.1","amount":"100.00",{}}}"#,
            citizen(i)
        );
        stage.send(THEN, "opus", &posting);
    }
    for i in 0..cases {
        stage.send(THEN, "dubu", &format!(r#"{{"type":"case","id":"D-{i}","version":1,{}}}"#, citizen(i)));
    }
    stage.open(Charts::default(), 1_000, Some(30));
    stage
}

fn persons(stage: &Stage) -> i64 {
    let counted = stage.sql("SELECT count(*) FROM person");
    let [row] = &counted[..] else { panic!("one row: {counted:?}") };
    let [Value::Integer(persons)] = row[..] else { panic!("a number: {row:?}") };
    persons
}

#[test]
fn in_a_long_journal_a_transaction_looks_for_few_persons_and_at_the_end_none_is_left() {
    let mut stage = stage(30, 60, 30);
    let (mut before, mut transactions) = (persons(&stage), 0);
    assert_eq!(before, 90, "each as two sources know them, and their cases");
    loop {
        let is_left = stage.core().purge(instant(LATER)).expect("it purges");
        let after = persons(&stage);
        assert!(before - after <= 10, "{before} to {after}");
        before = after;
        transactions += 1;
        if !is_left {
            break;
        }
    }
    assert_eq!((before, stage.ids().len()), (0, 1));
    assert!(transactions >= 9, "{transactions}");
}

#[test]
fn one_person_is_looked_for_once_however_many_postings_name_them() {
    let mut stage = stage(1, 40, 0);
    assert!(!stage.core().purge(instant(LATER)).expect("it purges"), "one transaction holds them all");
    assert_eq!((persons(&stage), stage.ids().len()), (0, 1));
}
