//! What mappings make several of, in quarantine: each entry is one item and stays that one, however often it is released.

use std::collections::BTreeMap;
use std::sync::Arc;

use samspor_domain::quarantine::{Filter, Order, Standing};
use samspor_domain::store::Outcome;
use samspor_domain::{Delivery, EntryNo, Reason};
use samspor_engine::quarantine::{Fate, Fates, Slice, preview, ready};
use samspor_engine::{Became, Core, Intake, Intakes, Permissions};
use samspor_formats::mapping::{Decoder, Mapping};

use crate::stage::{Stage, instant, text};

const THEN: &str = "2026-03-14T12:00:00Z";
const LATER: &str = "2026-03-15T12:00:00Z";

fn intake(mapping: &str, may_send: Permissions) -> Intake {
    let mapping = Mapping::load(mapping).unwrap_or_else(|flaws| panic!("{flaws:#?}"));
    let decoder = Arc::new(Decoder::new(mapping));
    Intake { source: text("kss"), decoder, may_send, max_body_bytes: 100_000 }
}

fn deliver(core: &mut Core, intake: &Intake, body: &str) -> Vec<Became> {
    let items = intake.prepare(&Delivery { body: body.to_owned().into(), ..Delivery::default() });
    core.take_in(&items, instant(THEN)).expect("it is taken in")
}

/// Items by outcome, which must balance.
fn books(core: &mut Core) -> BTreeMap<Outcome, i64> {
    let mut books = BTreeMap::new();
    for count in core.store().counts().expect("counts") {
        *books.entry(count.outcome).or_default() += count.items;
    }
    books
        .retain(|outcome, items| *items != 0 && !matches!(outcome, Outcome::Message | Outcome::IgnoredField));
    let ended: i64 =
        books.iter().filter(|(outcome, _)| **outcome != Outcome::Received).map(|(_, items)| items).sum();
    assert_eq!(books.get(&Outcome::Received).copied().unwrap_or(0), ended, "{books:?}");
    books
}

/// The entries that are open: where, and which item of how many.
fn entries(core: &mut Core) -> Vec<(i64, Reason, Option<String>, u32, u32)> {
    let open = Filter { standing: Some(Standing::Open), ..Filter::default() };
    let entries = core.store().entries(&open, Order::OldestFirst, None, 99).expect("entries");
    entries.into_iter().map(|entry| (entry.no.0, entry.reason, entry.path, entry.item, entry.items)).collect()
}

/// Releases all that is open as one decodes it by now. What the preview says is what happens.
fn release(stage: &mut Stage, intake: &Intake) -> Fates {
    let intakes = Intakes::default();
    intakes.set([intake.clone()]);
    let vault = Arc::clone(&stage.vault);
    let open = Filter { standing: Some(Standing::Open), ..Filter::default() };
    let set = stage.core().freeze(&open, 99, instant(LATER)).expect("frozen");
    let previewed =
        preview(stage.core().store(), &vault, &intakes, set, EntryNo(0)).expect("reads").expect("a set");
    let ready =
        ready(stage.core().store(), &vault, &intakes, set, EntryNo(0)).expect("reads").expect("a set");
    let released = stage.core().release(ready, instant(LATER)).expect("released");
    stage.finish(instant(LATER));
    let released = sum(released);
    // A preview does not tell a fact that is new from one that is known.
    let mut told = released.clone();
    if let Some(known) = told.remove(&Fate::Duplicate) {
        *told.entry(Fate::Fact).or_default() += known;
    }
    assert_eq!(sum(previewed), told, "the preview says what happens");
    released
}

fn sum(slice: Slice) -> Fates {
    let mut sum = Fates::new();
    for (fate, items) in slice.entries.into_iter().flat_map(|(_, fates)| fates) {
        *sum.entry(fate).or_default() += items;
    }
    sum
}

/// A body of which some items are good, and how its mapping is mended: what is replaced by what, one after the other, and which
/// items are taken in then.
struct Told<'t> {
    mapping: &'t str,
    body: &'t str,
    /// The same item elsewhere in another body: known.
    elsewhere: &'t str,
    good: i64,
    places: &'t [(Reason, &'t str)],
    mends: &'t [(&'t str, &'t str, Fates)],
}

fn hold(told: Told<'_>) {
    let mut stage = Stage::new();
    let before = intake(told.mapping, Permissions::all());
    deliver(stage.core(), &before, told.body);
    stage.finish(instant(THEN));
    let faulty = i64::try_from(told.places.len()).expect("few");
    let received = told.good + faulty;
    let taken = books(stage.core());
    assert_eq!((taken[&Outcome::Received], taken[&Outcome::Quarantined]), (received, faulty));
    let first = entries(stage.core());
    let places: Vec<_> =
        first.iter().map(|entry| (entry.1, entry.2.as_deref().unwrap_or_default())).collect();
    assert_eq!(places, told.places);

    // With nothing mended a release changes nothing, and the same body is known.
    for _ in 0..2 {
        let fates = release(&mut stage, &before);
        assert!(fates.keys().all(|fate| matches!(fate, Fate::Quarantined(_))), "{fates:?}");
        assert_eq!(books(stage.core()), taken);
        assert_eq!(entries(stage.core()), first);
    }
    for body in [told.body, told.elsewhere] {
        let again = deliver(stage.core(), &before, body);
        let new = again
            .iter()
            .filter(|became| matches!(became, Became::Quarantined(_) | Became::Fact | Became::Posting));
        assert_eq!(new.count(), 0, "{again:?}");
    }
    assert_eq!(entries(stage.core()), first);
    let received = books(stage.core())[&Outcome::Received];

    // Each entry becomes its own item and no other, and nothing is counted as received twice.
    let mut mapping = told.mapping.to_owned();
    for (from, to, right) in told.mends {
        assert!(mapping.contains(from), "{from} is in {mapping}");
        mapping = mapping.replace(from, to);
        let fates = release(&mut stage, &intake(&mapping, Permissions::all()));
        assert_eq!(fates, *right, "{from} became {to}");
        assert_eq!(books(stage.core())[&Outcome::Received], received);
        let left = entries(stage.core());
        assert!(left.iter().all(|entry| first.contains(entry)), "{left:?} of {first:?}");
    }
    assert_eq!(entries(stage.core()), []);
    assert_eq!(books(stage.core()).get(&Outcome::Quarantined), None);
}

const LINES: &str = r#"
[reads]
format = "csv"
skip_lines = 1

[tables.status]
"Påbegyndt" = "open"

[[message]]
type = "case"
  [message.fields]
  id = "Forløb"
  version = { path = "Opdateret", format = "%d-%m-%Y %H:%M" }
  citizen.cpr = "Borger"
  status = { path = "Status", table = "status" }

[[message]]
type = "grant"
when = { path = "Ugepris", exists = true }
  [message.fields]
  id = { join = ["Forløb", "Nr"], with = "/" }
  version = { path = "Opdateret", format = "%d-%m-%Y %H:%M" }
  case = "Forløb"
  rate.amount = { path = "Ugepris", decimal = "," }
  rate.per = { value = "week" }
"#;

#[test]
fn of_a_line_that_is_a_case_and_a_grant_each_is_an_entry_of_its_own() {
    let lines = "6112801234;F-1;1;12.50;Påbegyndt;09-03-2026 14:05\n\
                 6112801234;F-2;1;12.50;Ukendt;09-03-2026 14:05\n\
                 6112801234;F-3;1;12,50;Påbegyndt;09-03-2026 14:05\n\
                 6112801234;F-4;1;12,50;Ukendt;09-03-2026 14:05\n";
    let header = "Uge 11\nBorger;Forløb;Nr;Ugepris;Status;Opdateret\n";
    let (field, amount) = (Reason::InvalidField, Reason::InvalidAmount);
    hold(Told {
        mapping: LINES,
        body: &format!("{header}{lines}"),
        elsewhere: &format!("{header}\n\n{lines}"),
        good: 4,
        places: &[
            (amount, "line 3, column \"Ugepris\""),
            (field, "line 4, column \"Status\""),
            (amount, "line 4, column \"Ugepris\""),
            (field, "line 6, column \"Status\""),
        ],
        mends: &[
            (
                "\"Påbegyndt\" = \"open\"",
                "\"Påbegyndt\" = \"open\"\nUkendt = \"unknown\"",
                Fates::from([(Fate::Fact, 2), (Fate::Quarantined(amount), 2)]),
            ),
            ("decimal = \",\"", "decimal = \".\"", Fates::from([(Fate::Fact, 2)])),
        ],
    });
}

const CASES: &str = r#"
[reads]
format = "json"

[[message]]
type = "case"
each = "sager"
  [message.fields]
  id = "nr"
  version = "v"
  citizen.cpr = "cpr"
  from = { path = "fra", format = "%d-%m-%Y" }

[[message]]
type = "grant"
each = "sager/indsatser"
  [message.fields]
  id = "nr"
  version = "../v"
  case = "../nr"
  rate.amount = { path = "takst" }
  rate.per = { value = "week" }
"#;

#[test]
fn of_grants_within_cases_each_is_an_entry_of_its_own() {
    let sager = r#"{"nr":"D-1","v":1,"cpr":"6112801234","fra":"05-01-2026","indsatser":[{"nr":"B-1","takst":"1"},{"nr":"B-2","takst":2},{"nr":"B-3","takst":3}]},
        {"nr":"D-2","v":1,"cpr":"6112801234","fra":"5-1-2026","indsatser":[{"nr":"B-4","takst":"1"},{"nr":"B-5","takst":2}]}"#;
    let (field, amount) = (Reason::InvalidField, Reason::InvalidAmount);
    hold(Told {
        mapping: CASES,
        body: &format!("{{\"sager\":[{sager}]}}"),
        elsewhere: &format!("{{\"sager\":[{sager}]}}"),
        good: 3,
        places: &[
            (amount, "sager[1]/indsatser[2]/takst"),
            (amount, "sager[1]/indsatser[3]/takst"),
            (field, "sager[2]/fra"),
            (amount, "sager[2]/indsatser[2]/takst"),
        ],
        mends: &[
            (
                "\"%d-%m-%Y\"",
                "[\"%d-%m-%Y\", \"%-d-%-m-%Y\"]",
                Fates::from([(Fate::Fact, 1), (Fate::Quarantined(amount), 3)]),
            ),
            (
                "rate.amount = { path = \"takst\" }",
                "rate.amount = { value = \"1\" }",
                Fates::from([(Fate::Fact, 3)]),
            ),
        ],
    });
}

const EXTRACT: &str = r#"
[reads]
format = "xml"

[[message]]
type = "control-total"
each = "u/kontrol"
  [message.fields]
  id = "../dag"
  version = { value = 1 }
  source = { value = "kss" }
  from = "../dag"
  to = "../dag"
  count = "antal"
  sum = "sum"

[[message]]
type = "posting"
each = "u/bilag/linje"
  [message.fields]
  id = { join = ["../nr", "nr"], with = "-" }
  date = "../../dag"
  account = "konto"
  amount = "kr"
  cost_centre = "../../kontrol/sted"
"#;

#[test]
fn of_postings_beside_a_header_with_a_control_total_each_is_an_entry_of_its_own() {
    let linje = |nr: u8, kr: &str| format!("<linje><nr>{nr}</nr><konto>5.28.21</konto><kr>{kr}</kr></linje>");
    let body = format!(
        "<u><dag>2026-03-14</dag><kontrol><antal>4</antal><sum>2</sum><sted>0417</sted></kontrol>\
         <bilag><nr>A</nr>{}{}</bilag><bilag><nr>B</nr>{}{}</bilag></u>",
        linje(1, "1"),
        linje(2, "1,5"),
        linje(1, "2,5"),
        linje(2, "1")
    );
    hold(Told {
        mapping: EXTRACT,
        body: &body,
        elsewhere: &body,
        good: 3,
        places: &[
            (Reason::InvalidAmount, "u/bilag[1]/linje[2]/kr"),
            (Reason::InvalidAmount, "u/bilag[2]/linje[1]/kr"),
        ],
        mends: &[(
            "amount = \"kr\"",
            "amount = { path = \"kr\", decimal = \",\" }",
            Fates::from([(Fate::Posting, 2)]),
        )],
    });
}

/// Two items of one line are wrong in the same way and at the same place; neither may be taken for the other.
#[test]
fn what_may_not_be_sent_is_an_entry_for_each_item_of_its_line() {
    let mut stage = Stage::new();
    let nothing = Permissions { postings: true, facts: Default::default(), receipts_of: None };
    let body = "Uge 11\nBorger;Forløb;Nr;Ugepris;Status;Opdateret\n\
                6112801234;F-1;1;12,50;Påbegyndt;09-03-2026 14:05\n6112801234;F-2;1;;Påbegyndt;09-03-2026 14:05\n";
    let became = deliver(stage.core(), &intake(LINES, nothing), body);
    assert_eq!(
        became.iter().filter(|became| matches!(became, Became::Quarantined(_))).count(),
        3,
        "{became:?}"
    );
    let fates = release(&mut stage, &intake(LINES, Permissions::all()));
    assert_eq!(fates, Fates::from([(Fate::Fact, 3)]));
    assert_eq!(books(stage.core()), BTreeMap::from([(Outcome::Received, 3), (Outcome::Fact, 3)]));
}

/// Entries were once known by their place alone, as if their bytes held nothing else. What lies there so stays releasable.
#[test]
fn an_entry_of_before_is_known_by_its_place() {
    let mut stage = Stage::new();
    let before = intake(LINES, Permissions::all());
    let body = "Uge 11\nBorger;Forløb;Nr;Ugepris;Status;Opdateret\n\n\
                6112801234;F-1;1;12.50;Påbegyndt;09-03-2026 14:05\n6112801234;F-2;1;12.50;Påbegyndt;09-03-2026 14:05\n";
    let items = samspor_domain::Decode::decode(
        &*before.decoder,
        &text("kss"),
        &Delivery { body: body.to_owned().into(), ..Delivery::default() },
    );
    deliver(stage.core(), &before, body);
    stage.finish(instant(THEN));
    let faulty: Vec<_> =
        entries(stage.core()).into_iter().map(|(no, reason, path, ..)| (no, reason, path)).collect();
    assert_eq!(faulty.len(), 2);
    let excerpts: Vec<_> =
        items.iter().filter(|item| item.content.is_err()).map(|item| item.excerpt.clone()).collect();
    let file = rusqlite::Connection::open(stage.dir.path().join("samspor.sqlite")).expect("the store's file");
    for ((no, reason, path), excerpt) in faulty.iter().zip(excerpts) {
        let mut known_by = vec![0];
        known_by.extend_from_slice(&excerpt.expect("a part of the body").bytes);
        known_by.extend_from_slice(reason.word().as_bytes());
        known_by.extend_from_slice(path.as_deref().unwrap_or_default().as_bytes());
        let content = stage.vault.source(&text("kss")).content(&known_by);
        let sql = "UPDATE quarantine SET item = 0, items = 1, content = ? WHERE no = ?";
        assert_eq!(file.execute(sql, rusqlite::params![content.0, no]).expect("written"), 1);
    }
    let (taken, old) = (books(stage.core()), entries(stage.core()));
    for _ in 0..2 {
        assert_eq!(
            release(&mut stage, &before),
            Fates::from([(Fate::Quarantined(Reason::InvalidAmount), 2)])
        );
        assert_eq!((books(stage.core()), entries(stage.core())), (taken.clone(), old.clone()));
    }
    let mended = intake(&LINES.replace("decimal = \",\"", "decimal = \".\""), Permissions::all());
    // Which item of its line each was is not known, so the case, which was taken in, counts once more as a duplicate.
    assert_eq!(release(&mut stage, &mended), Fates::from([(Fate::Fact, 2), (Fate::Duplicate, 2)]));
    assert_eq!(entries(stage.core()), []);
    assert_eq!(books(stage.core()).get(&Outcome::Quarantined), None);
}
