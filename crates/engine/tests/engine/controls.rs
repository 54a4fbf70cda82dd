//! Control totals of the finance system, held against what came in: to the day, also when that is purged.

use samspor_engine::books;

use crate::stage::{Stage, instant};

const THEN: &str = "2026-02-10T08:00:00Z";

fn post(stage: &mut Stage, id: &str, date: &str, kroner: &str) {
    let posting = format!(
        r#"{{"type":"posting","id":"{id}","date":"{date}","account":"5.28.21.1","amount":"{kroner}","citizen":{{"cpr":"6112801234"}}}}"#
    );
    stage.send(THEN, "opus", &posting);
}

fn control(stage: &mut Stage, id: &str, from: &str, to: &str, count: u8, kroner: &str) {
    let total = format!(
        r#"{{"type":"control-total","id":"{id}","version":1,"source":"opus","from":"{from}","to":"{to}","count":{count},"sum":"{kroner}"}}"#
    );
    stage.send(THEN, "registry", &total);
}

/// Of each control total its id, how many postings came in and their sum in øre, and whether it agrees.
fn controls(stage: &mut Stage) -> Vec<(String, i64, i128, bool)> {
    let vault = stage.vault.clone();
    let books = books(stage.core().store(), &vault).expect("the books");
    let shown = books
        .controls
        .iter()
        .map(|control| (control.id.to_string(), control.ours.postings, control.ours.ore(), control.agrees()));
    shown.collect()
}

#[test]
fn any_span_is_summed_to_the_day_and_stays_so_when_postings_are_purged() {
    let mut stage = Stage::purging(30);
    post(&mut stage, "1", "2026-01-05", "100.00");
    post(&mut stage, "2", "2026-01-05", "-1.00");
    post(&mut stage, "3", "2026-01-06", "10.00");
    post(&mut stage, "4", "2026-02-01", "7.50");
    control(&mut stage, "day", "2026-01-05", "2026-01-05", 2, "99.00");
    control(&mut stage, "month", "2026-01-01", "2026-01-31", 3, "109.00");
    control(&mut stage, "over", "2026-01-06", "2026-02-01", 2, "17.50");
    control(&mut stage, "sum", "2026-01-06", "2026-02-01", 2, "17.51");
    control(&mut stage, "too many", "2026-01-06", "2026-02-02", 3, "17.50");
    let mut right = [
        ("day".to_owned(), 2, 9_900, true),
        ("month".to_owned(), 3, 10_900, true),
        ("over".to_owned(), 2, 1_750, true),
        ("sum".to_owned(), 2, 1_750, false),
        ("too many".to_owned(), 2, 1_750, false),
    ]
    .to_vec();
    let told = |stage: &mut Stage| {
        let mut told = controls(stage);
        told.sort();
        told
    };
    right.sort();
    assert_eq!(told(&mut stage), right);
    stage.purge(instant("2026-04-01T08:00:00Z"));
    assert!(stage.ids().is_empty(), "all are purged");
    assert_eq!(told(&mut stage), right);
}
