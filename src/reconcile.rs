//! `samspor reconcile`: what came in equals what it became, and postings equal tagged and untagged, to the øre.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use samspor_domain::Untagged;
use samspor_domain::store::Outcome;
use samspor_grpc::v1;
use serde::Serialize;

use crate::answers::Answers;
use crate::cli::Reconcile;
use crate::{books, config, control, lines};

/// Something does not balance.
pub(crate) const UNBALANCED: u8 = 5;

/// Prints the balance.
pub(crate) fn run(arguments: &Reconcile) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let mut answers = Answers::of(&config, arguments.data_dir.as_deref())?;
    if let Some(target) = &arguments.target {
        return books::drill(&mut answers, target, arguments);
    }
    if let Some(id) = &arguments.control {
        return control::show(&mut answers, id, arguments);
    }
    let sheet = Sheet::from(answers.to(v1::GetBalanceRequest {})?);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&sheet)?);
    } else {
        print!("{}", sheet.tables());
    }
    Ok(if sheet.balanced { ExitCode::SUCCESS } else { ExitCode::from(UNBALANCED) })
}

/// The balance sheet.
#[derive(Debug, Serialize)]
struct Sheet {
    balanced: bool,
    items: Vec<Items>,
    postings: Vec<Postings>,
    targets: Vec<books::Target>,
    /// Of targets that forward.
    lines: Vec<lines::Line>,
    control_totals: Vec<books::Control>,
}

/// What became of the items of one source that arrived in one month.
#[derive(Debug, Serialize)]
struct Items {
    source: String,
    month: String,
    /// By the words of [`Outcome`].
    outcomes: BTreeMap<String, i64>,
    balanced: bool,
}

/// How the postings of one source and month stand.
#[derive(Debug, Serialize)]
struct Postings {
    source: String,
    month: String,
    all: Sum,
    tagged: Sum,
    /// By reason.
    untagged: BTreeMap<String, Sum>,
    balanced: bool,
}

/// A number of postings and their sum in øre.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Sum {
    pub(crate) postings: i64,
    #[serde(serialize_with = "as_text")]
    pub(crate) ore: i128,
}

impl From<Option<v1::PostingSum>> for Sum {
    fn from(sum: Option<v1::PostingSum>) -> Self {
        sum.map(|sum| Self { postings: sum.postings, ore: ore(&sum.amount) }).unwrap_or_default()
    }
}

/// The øre of a sum that the gateway wrote.
pub(crate) fn ore(kroner: &str) -> i128 {
    samspor_grpc::ore(kroner).unwrap_or_default()
}

/// Sums may exceed what a JSON number holds exactly.
pub(crate) fn as_text<S: serde::Serializer>(ore: &i128, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(ore)
}

impl From<v1::GetBalanceResponse> for Sheet {
    fn from(balance: v1::GetBalanceResponse) -> Self {
        let items = balance.items.into_iter().map(|row| Items {
            source: row.source,
            month: row.month,
            outcomes: row.outcomes.into_iter().map(|of| (of.outcome, of.items)).collect(),
            balanced: row.balanced,
        });
        let postings = balance.postings.into_iter().map(|row| Postings {
            source: row.source,
            month: row.month,
            all: row.all.into(),
            tagged: row.tagged.into(),
            untagged: row.untagged.into_iter().map(|of| (of.reason, of.sum.into())).collect(),
            balanced: row.balanced,
        });
        Self {
            balanced: balance.balanced,
            items: items.collect(),
            postings: postings.collect(),
            targets: balance.targets.into_iter().map(books::Target::from).collect(),
            lines: balance.lines.into_iter().map(lines::Line::from).collect(),
            control_totals: balance.control_totals.into_iter().map(books::Control::from).collect(),
        }
    }
}

impl Sheet {
    fn tables(&self) -> String {
        let mut items =
            table(["source", "arrived"].into_iter().chain(Outcome::ALL.map(Outcome::word)).chain([""]), 2);
        for row in &self.items {
            let cell = |outcome: Outcome| row.outcomes.get(outcome.word()).copied().unwrap_or(0).to_string();
            let verdict = verdict(row.balanced);
            let start = [row.source.clone(), row.month.clone()];
            items.add_row(start.into_iter().chain(Outcome::ALL.map(cell)).chain([verdict.to_owned()]));
        }
        let reasons: BTreeSet<&str> =
            self.postings.iter().flat_map(|row| row.untagged.keys().map(String::as_str)).collect();
        let reasons: Vec<&str> =
            Untagged::ALL.into_iter().map(Untagged::word).filter(|word| reasons.contains(word)).collect();
        let head = ["source", "posted", "postings", "kr.", "tagged", "kr."].into_iter();
        let mut postings = table(head.chain(reasons.iter().flat_map(|word| [*word, "kr."])).chain([""]), 2);
        for row in &self.postings {
            let sums = [row.all, row.tagged]
                .into_iter()
                .chain(reasons.iter().map(|word| row.untagged.get(*word).copied().unwrap_or_default()))
                .flat_map(|sum| [sum.postings.to_string(), kroner(sum.ore)]);
            let start = [row.source.clone(), row.month.clone()];
            postings.add_row(start.into_iter().chain(sums).chain([verdict(row.balanced).to_owned()]));
        }
        let verdict = if self.balanced { "Everything balances." } else { "Something does NOT balance." };
        let tables = [
            Some(items),
            Some(postings),
            books::targets(&self.targets),
            lines::table(&self.lines),
            books::controls(&self.control_totals),
        ];
        let tables: Vec<String> = tables.into_iter().flatten().map(|table| table.trim_fmt()).collect();
        format!("{}\n\n{verdict}\n", tables.join("\n\n"))
    }
}

/// A table whose columns from `numbers` on are aligned to the right.
pub(crate) fn table<'a>(head: impl Iterator<Item = &'a str>, numbers: usize) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(head);
    for (i, column) in table.column_iter_mut().enumerate() {
        if i >= numbers {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

pub(crate) fn verdict(balanced: bool) -> &'static str {
    if balanced { "" } else { "NOT BALANCED" }
}

/// Danish writing, `-1.234.567,05`, since Danish users read it.
pub(crate) fn kroner(ore: i128) -> String {
    let whole = (ore.unsigned_abs() / 100).to_string();
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            grouped.push('.');
        }
        grouped.push(digit);
    }
    format!("{}{grouped},{:02}", if ore < 0 { "-" } else { "" }, ore.unsigned_abs() % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kroner_are_written_as_danes_write_them() {
        for (ore, text) in [(0, "0,00"), (-5, "-0,05"), (123_456_705, "1.234.567,05"), (100_000, "1.000,00")]
        {
            assert_eq!(kroner(ore), text);
        }
    }
}
