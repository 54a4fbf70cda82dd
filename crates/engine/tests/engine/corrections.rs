//! What vouchers are proposed of: postings of the enrolment, each where it lies wrong, and no voucher's own lines.

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use samspor_domain::Text;
use samspor_domain::voucher::{Entry, Move, Voucher};
use samspor_engine::{Asked, Corrections, corrections};
use tokio_util::sync::CancellationToken;

use crate::stage::{Stage, text};
use crate::supervision::charts;

const THEN: &str = "2026-06-10T08:00:00Z";
/// The machine number of the vouchers.
const MACHINE: u32 = 977;

/// A family enrolled in February and March, and wages that the solution claims; both shared between two areas.
fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.open(charts("children"), 1_000, None);
    for fact in [
        r#"{"type":"solution","id":"s","version":1,"name":"S","baseline_days":90,"aftercare_days":90,"claims":[{"account":"5.28.21","cost_centre":"0417"}]}"#,
        r#"{"type":"enrolment","id":"E-1","version":1,"solution":"s","family":"F-1","citizen":{"cpr":"6112801234"},"from":"2026-02-01","to":"2026-03-31"}"#,
        r#"{"type":"consent","id":"C-1","version":1,"citizen":{"cpr":"6112801234"},"sources":["opus","prisme"],"covers_from":"2025-01-01"}"#,
        r#"{"type":"split","id":"K","version":1,"solution":"s","parts":[{"area":"children","weight":60},{"area":"employment","weight":40}]}"#,
    ] {
        stage.send(THEN, "registry", fact);
    }
    stage
}

/// A posting of 100 kroner of the citizen, but for what is said otherwise.
fn arrive(stage: &mut Stage, source: &str, id: &str, day: &str, more: &str) {
    let amount = if more.contains("amount") { "" } else { r#","amount":"100.00""# };
    let account = if more.contains("account") { "" } else { r#","account":"5.28.21.1""# };
    let posting = format!(
        r#"{{"type":"posting","id":"{id}","date":"{day}","citizen":{{"cpr":"6112801234"}}{amount}{account}{more}}}"#
    );
    stage.send(THEN, source, &posting);
}

fn found(stage: &mut Stage, dates: (Date, Date), sources: &[&str]) -> Corrections {
    let vault = stage.vault.clone();
    let (solution, sources) = (text("s"), sources.iter().map(|source| text(source)).collect());
    let asked = Asked { solution: &solution, dates, sources: &sources, machines: &BTreeSet::from([MACHINE]) };
    let found =
        corrections(stage.core().store(), &vault, asked, &CancellationToken::new()).expect("it is read");
    found.expect("the solution is known")
}

/// What is moved: source, posting and øre.
fn moved(found: &Corrections) -> Vec<(&str, &str, i64)> {
    let one = |(correction, ore)| {
        let correction: &samspor_engine::Correction = correction;
        (correction.source.as_str(), correction.posting.as_str(), ore)
    };
    let parts = found.postings.iter().flat_map(|c| c.parts.iter().map(move |part| (c, part.amount.ore())));
    parts.map(one).collect()
}

const YEAR: (Date, Date) = (date(2026, 1, 1), date(2026, 12, 31));
const MARCH: (Date, Date) = (date(2026, 3, 1), date(2026, 3, 31));

#[test]
fn only_what_was_booked_during_the_enrolment_is_moved() {
    let mut stage = stage();
    arrive(&mut stage, "opus", "before", "2026-01-15", "");
    arrive(&mut stage, "opus", "during", "2026-03-15", "");
    arrive(&mut stage, "opus", "after", "2026-05-15", "");
    let tagged = stage.journal().into_iter().filter(|(_, tag)| tag.is_some()).count();
    assert_eq!(tagged, 3, "the others are tagged too, to compare with");
    assert_eq!(moved(&found(&mut stage, YEAR, &[])), [("opus", "during", 4_000)]);
}

#[test]
fn a_reversal_moves_back_in_its_own_month_what_its_posting_moved() {
    let mut stage = stage();
    arrive(&mut stage, "opus", "P-1", "2026-02-20", "");
    arrive(&mut stage, "opus", "P-2", "2026-03-05", r#","amount":"-100.00","reverses":"P-1""#);
    assert_eq!(moved(&found(&mut stage, YEAR, &[])), [("opus", "P-1", 4_000), ("opus", "P-2", -4_000)]);
    assert_eq!(moved(&found(&mut stage, MARCH, &[])), [("opus", "P-2", -4_000)]);
}

#[test]
fn sources_are_told_apart_and_what_the_chart_does_not_know_is_counted() {
    let mut stage = stage();
    arrive(&mut stage, "prisme", "1", "2026-03-02", "");
    arrive(&mut stage, "opus", "2", "2026-03-09", "");
    arrive(&mut stage, "opus", "1", "2026-03-02", "");
    arrive(&mut stage, "opus", "3", "2026-03-09", r#","account":"9.99.99.1""#);
    let all = found(&mut stage, MARCH, &[]);
    let opus = [("opus", "1", 4_000), ("opus", "2", 4_000)];
    assert_eq!(moved(&all), [opus[0], opus[1], ("prisme", "1", 4_000)]);
    let unmapped: Vec<_> = all.unmapped.iter().map(|(account, n)| (account.to_string(), *n)).collect();
    assert_eq!(unmapped, [("9.99.99.1".to_owned(), 1)]);
    assert_eq!(moved(&found(&mut stage, MARCH, &["opus"])), opus);
    let prisme = found(&mut stage, MARCH, &["prisme"]);
    assert_eq!((moved(&prisme), prisme.unmapped.len()), (vec![("prisme", "1", 4_000)], 0));
}

#[test]
fn what_may_still_change_is_said() {
    let mut stage = stage();
    for n in 0..3 {
        arrive(&mut stage, "opus", &n.to_string(), "2026-03-02", "");
    }
    let quiet = found(&mut stage, MARCH, &[]);
    assert_eq!((quiet.pending_work, quiet.held), (0, 0));
    stage.brake(1);
    let gone = r#"{"type":"solution","id":"s","version":2,"name":"S","from":"2020-01-01","to":"2020-01-01"}"#;
    stage.send(THEN, "registry", gone);
    let held = found(&mut stage, MARCH, &[]);
    assert_eq!((held.held, moved(&held).len()), (1, 3), "as it was, and it is said that a change is held");
}

/// Played back as the ledger sends them, the lines of a booked voucher are claimed like the wage that they correct.
#[test]
fn what_was_moved_is_not_shared_once_more() {
    let mut stage = stage();
    let wage =
        r#"{"type":"posting","id":"W-1","date":"2026-03-02","account":"5282111041700340","amount":"100.00"}"#;
    stage.send(THEN, "opus", wage);
    let first = found(&mut stage, YEAR, &[]);
    assert_eq!((moved(&first), first.own_lines), (vec![("opus", "W-1", 4_000)], 0));

    // Booked a month later, since March is closed.
    let amount = first.postings[0].parts[0].amount;
    let (from, to, about) = ("5282111041700340".into(), "5282199041700340".into(), None);
    let booked = [Move { from, to, amount, text: "T".into(), about }];
    let voucher = Voucher::new("00977-202603".into(), date(2026, 4, 30), 300_001, booked);
    for (ledger, number) in
        [("known by its id", ""), ("known by its voucher", r#","voucher":"00977-202603""#)]
    {
        for line in voucher.lines() {
            let sign = if line.entry == Entry::Credit { "-" } else { "" };
            let id = if number.is_empty() {
                format!("00977-{:07}-20260430", line.serial)
            } else {
                line.serial.to_string()
            };
            let (account, kroner) = (&line.account, line.amount);
            let back = format!(
                r#"{{"type":"posting","id":"{id}","date":"2026-04-30","account":"{account}","amount":"{sign}{kroner}"{number}}}"#
            );
            stage.send(THEN, ledger, &back);
        }
    }
    let again = found(&mut stage, YEAR, &[]);
    assert_eq!(again.postings, first.postings);
    assert_eq!(again.own_lines, 4, "both lines of both ledgers are claimed and passed over");

    // Without the machine number they would be shared.
    let (solution, vault): (Text, _) = (text("s"), stage.vault.clone());
    let (sources, machines) = (BTreeSet::new(), BTreeSet::new());
    let asked = Asked { solution: &solution, dates: YEAR, sources: &sources, machines: &machines };
    let wrong = corrections(stage.core().store(), &vault, asked, &CancellationToken::new())
        .expect("it is read")
        .expect("known");
    assert_eq!(wrong.postings.len(), 5);
}
