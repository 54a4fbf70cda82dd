//! The brake: what would change many postings is held with a preview, and nothing else is.

use std::collections::BTreeMap;

use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use samspor_conformance::{Corpus, Size};
use samspor_domain::Charts;
use samspor_domain::store::Standing;
use samspor_engine::{Held, held};

use crate::stage::{Stage, instant};
use crate::supervision::charts;

const THEN: &str = "2026-03-10T08:00:00Z";

fn solution(version: u8, more: &str) -> String {
    format!(r#"{{"type":"solution","id":"s","version":{version},"name":"S"{more}}}"#)
}

/// Ten tagged postings of 100 kroner, five in each of two months, and a brake at four.
fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.brake(4);
    stage.send(THEN, "registry", &solution(1, ""));
    stage.send(THEN, "registry", r#"{"type":"enrolment","id":"E-1","version":1,"solution":"s","family":"F-1","citizen":{"cpr":"6112801234"},"from":"2025-01-01"}"#);
    stage.send(THEN, "registry", r#"{"type":"consent","id":"C-1","version":1,"citizen":{"cpr":"6112801234"},"sources":["opus"],"covers_from":"2025-01-01"}"#);
    for i in 0..10 {
        arrive(&mut stage, i);
    }
    assert_eq!(tagged(&mut stage), 10);
    stage
}

fn arrive(stage: &mut Stage, i: usize) {
    let month = 1 + i % 2;
    let posting = format!(
        r#"{{"type":"posting","id":"P-{i}","date":"2026-0{month}-05","account":"5.28.21.1","amount":"100.00","citizen":{{"cpr":"6112801234"}}}}"#
    );
    stage.send(THEN, "opus", &posting);
}

fn tagged(stage: &mut Stage) -> usize {
    let journal = stage.journal();
    journal.iter().filter(|(row, _)| matches!(row.standing, Standing::Tagged(_))).count()
}

fn is_held(stage: &mut Stage) -> Vec<Held> {
    let vault = stage.vault.clone();
    held(stage.core().store(), &vault).expect("what is held")
}

const GONE: &str = r#","from":"2020-01-01","to":"2020-01-01""#;

#[test]
fn a_change_of_many_is_held_with_its_preview_and_released_as_it_was_shown() {
    let mut stage = stage();
    stage.send(THEN, "registry", &solution(2, GONE));
    assert_eq!(tagged(&mut stage), 10, "nothing has changed");
    let all = is_held(&mut stage);
    let [held] = all.as_slice() else { panic!("{all:?}") };
    assert!(held.is_held && held.version == 2 && held.id.as_ref().is_some_and(|id| id.as_str() == "s"));
    let preview: Vec<(String, &str, &str, i64, i128)> = held
        .preview
        .iter()
        .map(|shift| {
            (shift.month.to_string(), shift.from.as_str(), shift.to.as_str(), shift.postings, shift.ore)
        })
        .collect();
    let month = |month: &str| (month.to_owned(), "s", "not-enrolled", 5, 50_000);
    assert_eq!(preview, [month("2026-01-01"), month("2026-02-01")]);

    // What arrives is decided by it, and a process that ends forgets nothing of it.
    arrive(&mut stage, 11);
    stage.open(Charts::default(), 3, None);
    stage.brake(4);
    stage.finish(instant(THEN));
    assert_eq!((tagged(&mut stage), is_held(&mut stage).len()), (10, 1));

    // Only what was shown is released.
    let number = held.fact;
    assert!(!stage.release(number, 1) && !stage.release(number, 3));
    assert!(stage.release(number, 2));
    assert!(!stage.release(number, 2), "once");
    stage.finish(instant(THEN));
    assert_eq!((tagged(&mut stage), is_held(&mut stage).len()), (0, 0));
}

#[test]
fn a_correction_takes_the_place_of_what_is_held() {
    let mut stage = stage();
    stage.send(THEN, "registry", &solution(2, GONE));
    arrive(&mut stage, 11);
    assert_eq!(tagged(&mut stage), 10);
    // Back to what it was: only what arrived meanwhile changes, which is few.
    stage.send(THEN, "registry", &solution(3, ""));
    assert_eq!((tagged(&mut stage), is_held(&mut stage).len()), (11, 0));
    // Something else that changes many is weighed on its own.
    stage.send(THEN, "registry", &solution(4, GONE));
    stage.send(THEN, "registry", &solution(5, r#","from":"2026-02-01""#));
    let all = is_held(&mut stage);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].preview.iter().map(|shift| shift.postings).sum::<i64>(), 5);
    assert!(stage.release(all[0].fact, 5));
    stage.finish(instant(THEN));
    assert_eq!(tagged(&mut stage), 6);
}

#[test]
fn few_changes_and_withdrawals_are_never_held() {
    let mut stage = stage();
    // It reaches many and changes few.
    stage.send(THEN, "registry", &solution(2, r#","to":"2026-02-05""#));
    assert_eq!((tagged(&mut stage), is_held(&mut stage).len()), (10, 0));
    stage.send(THEN, "registry", r#"{"type":"consent","id":"C-1","version":2,"withdrawn":true}"#);
    assert_eq!((tagged(&mut stage), is_held(&mut stage).len()), (0, 0));
    // Nor is what was held of a consent that ends kept.
    stage.send(THEN, "registry", r#"{"type":"consent","id":"C-1","version":3,"citizen":{"cpr":"6112801234"},"sources":["opus"],"covers_from":"2025-01-01"}"#);
    assert_eq!((tagged(&mut stage), is_held(&mut stage).len()), (0, 1));
    stage.send(THEN, "registry", r#"{"type":"consent","id":"C-1","version":4,"withdrawn":true}"#);
    assert_eq!((tagged(&mut stage), is_held(&mut stage).len()), (0, 0));
}

fn areas(stage: &mut Stage) -> BTreeMap<String, usize> {
    let mut areas = BTreeMap::new();
    for tag in stage.journal().into_iter().filter_map(|(_, tag)| tag) {
        *areas.entry(format!("{} {}", tag.solution, tag.area)).or_default() += 1;
    }
    areas
}

fn counted(counted: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counted.iter().map(|(area, count)| ((*area).to_owned(), *count)).collect()
}

#[test]
fn other_charts_leave_what_is_held_as_it_is_and_its_preview_says_what_they_change() {
    let mut stage = stage();
    stage.send(
        THEN,
        "registry",
        r#"{"type":"solution","id":"o","version":1,"name":"O","claims":[{"account":"5.28.22"}]}"#,
    );
    stage.send(
        THEN,
        "opus",
        r#"{"type":"posting","id":"O-1","date":"2026-01-05","account":"5.28.22.1","amount":"1.00"}"#,
    );
    let before = counted(&[("o unmapped", 1), ("s unmapped", 10)]);
    assert_eq!(areas(&mut stage), before);
    stage.send(THEN, "registry", &solution(2, r#","to":"2026-01-31""#));
    assert_eq!((areas(&mut stage), is_held(&mut stage).len()), (before, 1));

    // The other solution's posting has the area that the new charts give; what is held waits, also after a restart.
    for _ in 0..2 {
        stage.open(charts("employment"), 3, None);
        stage.brake(4);
        stage.finish(instant(THEN));
        assert_eq!(areas(&mut stage), counted(&[("o employment", 1), ("s unmapped", 10)]));
    }
    let all = is_held(&mut stage);
    let [held] = all.as_slice() else { panic!("{all:?}") };
    assert!(held.is_held);
    let preview: Vec<(&str, &str, i64)> =
        held.preview.iter().map(|shift| (shift.from.as_str(), shift.to.as_str(), shift.postings)).collect();
    assert_eq!(preview, [("s", "s", 5), ("s", "not-enrolled", 5)], "by the charts in force");
    assert!(stage.release(held.fact, 2));
    stage.finish(instant(THEN));
    assert_eq!(areas(&mut stage), counted(&[("o employment", 1), ("s employment", 5)]));
}

/// By month, from one answer to another: how many.
type Shifts = BTreeMap<(String, String, String), i64>;

/// What every posting is answered: its month, the word for that, and all of it.
fn answered(stage: &mut Stage) -> Vec<(String, String, String)> {
    let journal = stage.journal().into_iter();
    journal
        .map(|(row, tag)| {
            let word = match (&tag, row.standing) {
                (Some(tag), _) => tag.solution.to_string(),
                (None, Standing::Untagged(reason)) => reason.word().to_owned(),
                (None, Standing::Tagged(_)) => panic!("tagged without a tag"),
            };
            (row.posting.date.first_of_month().to_string(), word, format!("{tag:?} {:?}", row.standing))
        })
        .collect()
}

/// What became other between two moments.
fn shifted(before: &[(String, String, String)], after: &[(String, String, String)]) -> Shifts {
    let mut shifts = Shifts::new();
    for ((month, from, was), (_, to, is)) in before.iter().zip(after) {
        if was != is {
            *shifts.entry((month.clone(), from.clone(), to.clone())).or_default() += 1;
        }
    }
    shifts
}

#[test]
fn what_another_fact_decides_is_no_longer_in_a_preview() {
    let mut stage = stage();
    [11, 13, 15, 17].into_iter().for_each(|february| arrive(&mut stage, february));
    stage.send(THEN, "registry", &solution(2, GONE));
    assert_eq!(is_held(&mut stage)[0].preview.len(), 2);
    // An enrolment elsewhere reaches those of January: they are decided again, by all that is in force.
    stage.brake(6);
    stage.send(THEN, "registry", r#"{"type":"solution","id":"o","version":1,"name":"O"}"#);
    stage.send(THEN, "registry", r#"{"type":"enrolment","id":"E-2","version":1,"solution":"o","family":"F-2","citizen":{"cpr":"6112801234"},"from":"2026-01-01","to":"2026-01-31"}"#);
    let all = is_held(&mut stage);
    assert_eq!(all.len(), 1);
    assert!(all[0].is_held);
    let months: Vec<String> = all[0].preview.iter().map(|shift| shift.month.to_string()).collect();
    assert_eq!(months, ["2026-02-01"]);
    assert_eq!(areas(&mut stage), counted(&[("o unmapped", 5), ("s unmapped", 9)]));
}

/// Whatever is held, and in whatever order it is released: in the end everything is as if there were no brake, and each
/// release changes what its preview said.
#[test]
fn with_everything_released_all_is_as_without_a_brake() {
    let mut times_held = 0;
    for seed in 0..25 {
        println!("seed {seed}");
        let mut corpus = Corpus::random(seed, Size::of(150));
        corpus.items.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let mut stages = [Stage::new(), Stage::new()];
        stages[1].open(Charts::default(), 7, None);
        stages[1].brake(2);
        for stage in &mut stages {
            for (i, item) in corpus.items.iter().enumerate() {
                stage.take(i, item);
                if i % 5 == 0 {
                    stage.finish(instant(THEN));
                }
            }
            stage.finish(instant(THEN));
        }
        loop {
            let all = is_held(&mut stages[1]);
            times_held += all.len();
            let Some(last) = all.last() else { break };
            assert!(last.is_held, "all is weighed");
            let before = answered(&mut stages[1]);
            assert!(stages[1].release(last.fact, last.version));
            stages[1].finish(instant(THEN));
            // More may change: what follows these, and what is held no longer since it has become few.
            let shifted = shifted(&before, &answered(&mut stages[1]));
            for shift in &last.preview {
                let key = (shift.month.to_string(), shift.from.clone(), shift.to.clone());
                let changed = shifted.get(&key).copied().unwrap_or_default();
                assert!(changed >= shift.postings, "{shift:?}: {changed} changed, seed {seed}");
            }
        }
        let [free, braked] = &mut stages;
        let answers = |stage: &mut Stage| -> Vec<_> {
            let journal = stage.journal().into_iter();
            journal
                .map(|(row, tag)| {
                    (row.source, row.posting.id.clone(), tag, matches!(row.standing, Standing::Tagged(_)))
                })
                .collect()
        };
        let (free, braked) = (answers(free), answers(braked));
        assert!(free == braked, "seed {seed}");
    }
    assert!(times_held > 50, "something was held: {times_held}");
}
