//! Vouchers balance whatever is moved, and put each part where it belongs.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{Basis, MAX_ORE, Phase, Share, Side, split};

fn text(text: &str) -> Text {
    Text::new(text).unwrap_or_else(|e| panic!("{e}"))
}

fn amount(ore: i64) -> Amount {
    Amount::from_ore(ore).unwrap_or_else(|e| panic!("{e}"))
}

fn moved(from: &str, to: &str, ore: i64) -> Move {
    Move { from: from.into(), to: to.into(), amount: amount(ore), text: "T".into(), about: None }
}

fn voucher(moves: impl IntoIterator<Item = Move>) -> Voucher {
    Voucher::new("00977-202603".into(), jiff::civil::date(2026, 3, 31), 1, moves)
}

/// What the lines do to each account, debit less credit.
fn booked(voucher: &Voucher) -> BTreeMap<String, i128> {
    let mut on: BTreeMap<String, i128> = BTreeMap::new();
    for line in voucher.lines() {
        let sign = if line.entry == Entry::Debit { 1 } else { -1 };
        *on.entry(line.account.clone()).or_default() += sign * i128::from(line.amount.ore());
    }
    on
}

fn tag(area: &str, parts: Vec<Part>) -> Tag {
    Tag {
        solution: text("sb"),
        family: None,
        enrolment: None,
        phase: Phase::During,
        basis: Basis::Citizen,
        area: text(area),
        kind: None,
        side: Side::Outside,
        grants: text("area"),
        pays: text("area"),
        parts,
        split: None,
        flags: Vec::new(),
        other: Vec::new(),
    }
}

#[test]
fn a_part_is_taken_off_in_credit_and_put_on_in_debit_and_a_negative_one_the_other_way() {
    let lines = |ore| {
        let voucher = voucher([moved("A", "B", ore)]);
        voucher
            .lines()
            .iter()
            .map(|l| (l.serial, l.entry, l.account.clone(), l.amount.ore()))
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(250), [(1, Entry::Credit, "A".into(), 250), (2, Entry::Debit, "B".into(), 250)]);
    assert_eq!(lines(-250), [(1, Entry::Debit, "A".into(), 250), (2, Entry::Credit, "B".into(), 250)]);
    assert!(lines(0).is_empty());
    assert!(voucher([moved("A", "A", 5)]).lines().is_empty(), "from an account to itself");
}

#[test]
fn a_template_says_what_is_kept_and_what_is_not_is_an_error() {
    let prisme: Template =
        "{cost_centre}-{function}{dranst}{grouping}-015031-529".parse().unwrap_or_else(|e| panic!("{e}"));
    let string: crate::AccountString =
        "01005-528211003-015031-529CPR---".parse().unwrap_or_else(|e| panic!("{e}"));
    let centre = string.cost_centre.as_deref().map(text);
    let filled = prisme.fill(string.account, centre.as_ref(), string.grouping);
    assert_eq!(filled.as_deref(), Ok("01005-528211003-015031-529"));
    assert_eq!(prisme.fill(string.account, None, string.grouping), Err(FillError::Unsaid(Word::CostCentre)));
    assert_eq!(
        prisme.fill(string.account.function(), centre.as_ref(), None),
        Err(FillError::Unsaid(Word::Dranst))
    );
    let normal: Template = "{account}".parse().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(normal.fill(string.account, None, None).as_deref(), Ok("5.28.21.1"));
    let other: Template = "x{account}".parse().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(other.fill(string.account, None, None), Err(FillError::Other));
    for bad in ["", "{", "}", "{art}", "{function", "a}b", "{{function}}"] {
        assert_eq!(bad.parse::<Template>(), Err(TemplateError), "{bad}");
    }
}

/// Sixteen digits have four for the cost centre: what has five, or three, is another ledger's.
#[test]
fn what_names_another_account_than_the_postings_is_refused() {
    let account: Account = "5.28.21.1".parse().unwrap_or_else(|e| panic!("{e}"));
    let grouping = Grouping::from_number(3);
    let fill = |template: &str, centre: &str| {
        let template: Template = template.parse().unwrap_or_else(|e| panic!("{e}"));
        template.fill(account, Some(&text(centre)), grouping)
    };
    let sixteen = "{function}{dranst}1{cost_centre}{grouping}40";
    assert_eq!(fill(sixteen, "0417").as_deref(), Ok("5282111041700340"));
    for centre in ["01005", "417", "6112801234", "A417", "0 17"] {
        assert_eq!(fill(sixteen, centre), Err(FillError::Other), "{centre}");
    }
    // As many digits as there must be, but in other places.
    assert_eq!(fill("{function}{dranst}{cost_centre}{grouping}401", "0417"), Err(FillError::Other));
    assert_eq!(fill("{function}{dranst}1{grouping}{cost_centre}40", "0417"), Err(FillError::Other));
    assert_eq!(fill("{function}91{cost_centre}{grouping}40", "0417").as_deref(), Ok("5282191041700340"));
}

#[test]
fn a_vouchers_own_lines_are_known_by_number_or_id() {
    let machines = BTreeSet::from([977, 5]);
    let is = |id: &str, voucher: Option<&str>| is_line(&machines, &text(id), voucher.map(text).as_ref());
    assert!(is("00977-0300001-20260331", None));
    assert!(is("2026-1", Some("00977-202603")) && is("2026-1", Some("00005-202603-2")));
    for id in [
        "00978-0300001-20260331",
        "977-202603",
        "00977202603",
        "00977-",
        "00977-x",
        "100977-1",
        "2026-00977-1",
    ] {
        assert!(!is(id, Some("2026-000123")), "{id}");
    }
}

proptest! {
    #[test]
    fn every_voucher_balances_and_every_account_gets_what_is_moved(
        moves in proptest::collection::vec(("[A-D]", "[A-D]", -MAX_ORE..=MAX_ORE), 0..60),
    ) {
        let moves = || moves.iter().map(|(from, to, ore)| moved(from, to, *ore));
        let made = voucher(moves());
        prop_assert_eq!(made.sum(Entry::Debit), made.sum(Entry::Credit));
        prop_assert!(made.lines().iter().all(|line| line.amount.ore() > 0));
        prop_assert!(made.lines().iter().map(|line| line.serial).eq(1..=made.lines().len()));
        let mut right: BTreeMap<String, i128> = BTreeMap::new();
        for one in moves() {
            *right.entry(one.from).or_default() -= i128::from(one.amount.ore());
            *right.entry(one.to).or_default() += i128::from(one.amount.ore());
        }
        right.retain(|_, ore| *ore != 0);
        let mut on = booked(&made);
        on.retain(|_, ore| *ore != 0);
        prop_assert_eq!(on, right);
        prop_assert_eq!(made, voucher(moves()), "twice the same");
    }

    /// The posting lies whole on its own area's account; with the voucher each area has its part, the øre left over too.
    #[test]
    fn with_the_voucher_each_area_bears_its_part(
        ore in -MAX_ORE..=MAX_ORE,
        weights in proptest::collection::vec(1u32..=1_000_000, 1..=16),
        own in 0usize..20,
    ) {
        let area = |i: usize| text(&format!("area-{i:02}"));
        let shares: Vec<Share> =
            weights.iter().enumerate().map(|(i, &weight)| Share { area: area(i), weight }).collect();
        let tag = tag(area(own).as_str(), split(amount(ore), &shares));
        let moves = elsewhere(&tag).map(|part| moved(tag.area.as_str(), part.area.as_str(), part.amount.ore()));
        let made = voucher(moves);
        prop_assert_eq!(made.sum(Entry::Debit), made.sum(Entry::Credit));
        let mut on = booked(&made);
        *on.entry(tag.area.to_string()).or_default() += i128::from(ore);
        for part in &tag.parts {
            let bears = on.remove(part.area.as_str()).unwrap_or_default();
            prop_assert_eq!(bears, i128::from(part.amount.ore()), "{}", part.area);
        }
        prop_assert!(on.values().all(|left| *left == 0), "nothing lies where it has no part: {:?}", on);
    }
}
