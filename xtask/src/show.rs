//! What came out, as tables.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use samspor_domain::Untagged;
use samspor_town::Expected;
use serde_json::Value;

use samspor_harness::books::Ledger;

fn table<const N: usize>(head: [&str; N], numbers_from: usize) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(head);
    for (i, column) in table.column_iter_mut().enumerate() {
        if i >= numbers_from {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A few tagged postings, as the ledger got them.
pub(crate) fn some_postings(ledger: &Ledger) -> Table {
    let mut shown = table(
        ["source", "posting", "date", "account", "kr.", "solution", "family", "phase", "area", "side"],
        10,
    );
    if let Some(column) = shown.column_mut(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut seen = BTreeSet::new();
    for record in ledger.0.values() {
        let tag = &record["tag"];
        let text = |value: &Value| value.as_str().unwrap_or("–").to_owned();
        // One of each kind tells more than ten of the first.
        if tag.is_null()
            || !seen.insert((text(&tag["solution"]), text(&tag["phase"]), text(&tag["area"])))
            || seen.len() > 12
        {
            continue;
        }
        shown.add_row([
            text(&record["source"]),
            text(&record["posting"]),
            text(&record["date"]),
            text(&record["account"]),
            danish(&text(&record["amount"])),
            text(&tag["solution"]),
            text(&tag["family"]),
            text(&tag["phase"]),
            text(&tag["area"]),
            text(&tag["side"]),
        ]);
    }
    shown
}

/// What each solution costs, by area and month, from the parts that the ledger got.
pub(crate) fn costs(ledger: &Ledger) -> (Table, BTreeMap<(String, String, String), i128>) {
    let mut sums: BTreeMap<(String, String, String), i128> = BTreeMap::new();
    for record in ledger.0.values() {
        let tag = &record["tag"];
        let month = record["date"].as_str().and_then(|date| date.get(..7)).unwrap_or_default();
        for part in tag["parts"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let key = (text(&tag["solution"]), text(&part["area"]), month.to_owned());
            *sums.entry(key).or_default() += ore(&text(&part["amount"]));
        }
    }
    let months: Vec<String> = sums
        .keys()
        .map(|(_, _, month)| month.clone())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .rev()
        .take(6)
        .collect();
    let months: Vec<&String> = months.iter().rev().collect();
    let mut shown = Table::new();
    shown.load_style(UTF8_FULL_CONDENSED);
    let head = ["solution", "area"].into_iter().map(str::to_owned);
    shown.set_header(
        head.chain(["earlier".to_owned()])
            .chain(months.iter().map(|m| (*m).clone()))
            .chain(["in all".to_owned()]),
    );
    for (i, column) in shown.column_iter_mut().enumerate() {
        if i >= 2 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let rows: BTreeSet<(&String, &String)> =
        sums.keys().map(|(solution, area, _)| (solution, area)).collect();
    for (solution, area) in rows {
        let of =
            |month: &String| sums.get(&(solution.clone(), area.clone(), month.clone())).copied().unwrap_or(0);
        let all: i128 =
            sums.iter().filter(|((s, a, _), _)| s == solution && a == area).map(|(_, ore)| ore).sum();
        let recent: i128 = months.iter().map(|month| of(month)).sum();
        let cells = [solution.clone(), area.clone(), whole(all - recent)];
        shown.add_row(
            cells.into_iter().chain(months.iter().map(|month| whole(of(month)))).chain([whole(all)]),
        );
    }
    (shown, sums)
}

/// What stayed untagged, and why.
pub(crate) fn untagged(balance: &Value) -> Table {
    let mut shown = table(["untagged because", "postings", "kr."], 1);
    for reason in Untagged::ALL {
        let (mut postings, mut ore) = (0, 0i128);
        for row in balance["postings"].as_array().into_iter().flatten() {
            let sum = &row["untagged"][reason.word()];
            postings += sum["postings"].as_i64().unwrap_or(0);
            ore += sum["ore"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
        }
        shown.add_row([meaning(reason).to_owned(), postings.to_string(), whole(ore)]);
    }
    shown
}

fn meaning(reason: Untagged) -> &'static str {
    match reason {
        Untagged::NotConsented => "not-consented: nobody consented",
        Untagged::IdentityConflict => "identity-conflict: references contradict each other",
        Untagged::ConsentNotCovering => "consent-not-covering: the consent is for other dates",
        Untagged::NotEnrolled => "not-enrolled: in no solution on that date",
        Untagged::NoCitizen => "no-citizen: no citizen, and no solution claims it",
    }
}

/// What went to quarantine, by reason, from the generator's list (the gateway's counts were held against it).
pub(crate) fn quarantine(quarantine: &BTreeMap<(String, String), u64>) -> Table {
    let mut shown = table(["source", "in quarantine because", "items"], 2);
    for ((source, reason), items) in quarantine {
        shown.add_row([source.clone(), reason.clone(), items.to_string()]);
    }
    shown
}

/// The balance: what came in equals what it became.
pub(crate) fn balance(balance: &Value, expected: &Expected) -> Table {
    let words = ["received", "facts", "stale", "postings", "duplicates", "quarantined"];
    let mut shown =
        table(["source", "sent", "received", "facts", "stale", "postings", "duplicates", "quarantined"], 1);
    for (source, counts) in &expected.counts {
        let sum = |word: &str| -> i64 {
            let rows =
                balance["items"].as_array().into_iter().flatten().filter(|row| row["source"] == *source);
            rows.filter_map(|row| row["outcomes"][word].as_i64()).sum()
        };
        let start = [(*source).to_owned(), counts.received.to_string()];
        shown.add_row(start.into_iter().chain(words.map(|word| sum(word).to_string())));
    }
    shown
}

/// `-12450.00` in øre.
fn ore(amount: &str) -> i128 {
    amount.replace('.', "").parse().unwrap_or(0)
}

/// `-12450.00` as Danes write it.
fn danish(amount: &str) -> String {
    let ore = ore(amount);
    format!("{},{:02}", whole(ore), ore.unsigned_abs() % 100)
}

/// Whole kroner with points between thousands.
fn whole(ore: i128) -> String {
    let digits = (ore.unsigned_abs() / 100).to_string();
    let mut text = if ore <= -100 { "-".to_owned() } else { String::new() };
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('.');
        }
        text.push(digit);
    }
    text
}
