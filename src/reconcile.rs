//! `samspor reconcile`: what came in equals what it became, and postings equal tagged and untagged, to the øre.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use samspor_domain::store::{Month, Outcome, Read};
use samspor_domain::{SourceName, Untagged};
use samspor_vault::Vault;
use serde::Serialize;

use crate::cli::Reconcile;
use crate::{books, config, control, lines, open};

/// Something does not balance.
pub(crate) const UNBALANCED: u8 = 5;

/// Prints the balance.
pub(crate) fn run(arguments: &Reconcile) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let (mut reader, vault) = open::existing(&config, arguments.data_dir.as_deref())?;
    if let Some(target) = &arguments.target {
        return books::drill(&mut reader, &vault, target, arguments);
    }
    if let Some(id) = &arguments.control {
        return control::show(&mut reader, &vault, id, arguments);
    }
    let sheet = Sheet::read(&mut reader, &vault)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&sheet)?);
    } else {
        print!("{}", sheet.tables());
    }
    Ok(if sheet.balanced { ExitCode::SUCCESS } else { ExitCode::from(UNBALANCED) })
}

/// What is no part of the sum of what items became: their number, the messages that held them, and fields in them.
const APART: [&str; 3] = [Outcome::Message.word(), Outcome::Received.word(), Outcome::IgnoredField.word()];

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
    outcomes: BTreeMap<&'static str, i64>,
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
    untagged: BTreeMap<&'static str, Sum>,
    balanced: bool,
}

/// A number of postings and their sum in øre.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Sum {
    pub(crate) postings: i64,
    #[serde(serialize_with = "as_text")]
    pub(crate) ore: i128,
}

impl From<samspor_domain::Sum> for Sum {
    fn from(sum: samspor_domain::Sum) -> Self {
        Self { postings: sum.postings, ore: sum.ore() }
    }
}

/// Sums may exceed what a JSON number holds exactly.
pub(crate) fn as_text<S: serde::Serializer>(ore: &i128, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(ore)
}

impl Sum {
    fn plus(self, other: Self) -> Self {
        Self { postings: self.postings + other.postings, ore: self.ore + other.ore }
    }
}

impl Sheet {
    fn read(read: &mut dyn Read, vault: &Arc<Vault>) -> Result<Self> {
        let names: BTreeMap<_, SourceName> = read.sources()?.into_iter().collect();
        let name = |no| names.get(&no).map(ToString::to_string).unwrap_or_default();

        let mut items: BTreeMap<(String, Month), BTreeMap<&'static str, i64>> = BTreeMap::new();
        for count in read.counts()? {
            *items
                .entry((name(count.source), count.month))
                .or_default()
                .entry(count.outcome.word())
                .or_default() += count.items;
        }
        let items: Vec<Items> = items
            .into_iter()
            .map(|((source, month), outcomes)| {
                let received = outcomes.get(Outcome::Received.word()).copied().unwrap_or(0);
                let others = outcomes.iter().filter(|(word, _)| !APART.contains(word));
                let balanced = received == others.map(|(_, items)| items).sum::<i64>();
                Items { source, month: year_month(month), outcomes, balanced }
            })
            .collect();

        let mut postings: BTreeMap<(String, Month), Postings> = BTreeMap::new();
        for balance in read.balances()? {
            let source = name(balance.source);
            let entry = postings.entry((source.clone(), balance.month)).or_insert_with(|| Postings {
                source,
                month: year_month(balance.month),
                all: Sum::default(),
                tagged: Sum::default(),
                untagged: BTreeMap::new(),
                balanced: false,
            });
            let sum = Sum::from(balance.sum);
            match balance.standing {
                None => entry.all = sum,
                Some(None) => entry.tagged = sum,
                Some(Some(reason)) => {
                    entry.untagged.insert(reason.word(), sum);
                }
            }
        }
        let mut postings: Vec<Postings> = postings.into_values().collect();
        for row in &mut postings {
            row.balanced = row.untagged.values().fold(row.tagged, |sum, one| sum.plus(*one)) == row.all;
        }
        let engine = samspor_engine::books(read, vault)?;
        let targets: Vec<books::Target> = engine.targets.iter().map(books::Target::from).collect();
        let lines: Vec<lines::Line> = engine.lines.iter().map(lines::Line::from).collect();
        let control_totals: Vec<books::Control> = engine.controls.iter().map(books::Control::from).collect();
        let balanced = items.iter().all(|row| row.balanced)
            && postings.iter().all(|row| row.balanced)
            && targets.iter().all(|row| row.balanced)
            && lines.iter().all(|row| row.balanced)
            && control_totals.iter().all(|row| row.agrees);
        Ok(Self { balanced, items, postings, targets, lines, control_totals })
    }

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
            self.postings.iter().flat_map(|row| row.untagged.keys().copied()).collect();
        let reasons: Vec<&str> =
            Untagged::ALL.into_iter().map(Untagged::word).filter(|word| reasons.contains(word)).collect();
        let head = ["source", "posted", "postings", "kr.", "tagged", "kr."].into_iter();
        let mut postings = table(head.chain(reasons.iter().flat_map(|word| [*word, "kr."])).chain([""]), 2);
        for row in &self.postings {
            let sums = [row.all, row.tagged]
                .into_iter()
                .chain(reasons.iter().map(|word| row.untagged.get(word).copied().unwrap_or_default()))
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

pub(crate) fn year_month(month: Month) -> String {
    month.strftime("%Y-%m").to_string()
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
