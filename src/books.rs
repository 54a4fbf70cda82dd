//! What `samspor reconcile` shows of targets and control totals, and the postings behind a figure.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use comfy_table::Table;
use samspor_domain::store::Read;
use samspor_domain::{Stage, Text, Why};
use samspor_engine::{Book, Line, State, wording};
use samspor_vault::Vault;
use serde::Serialize;

use crate::cli::{Reconcile, TargetState};
use crate::reconcile::{Sum, as_text, kroner, table, verdict, year_month};

/// What a target has of one source's postings of one month, against what is tagged.
#[derive(Debug, Serialize)]
pub(crate) struct Target {
    target: String,
    source: String,
    month: String,
    tagged: Full,
    /// What it has a tag of.
    has: Full,
    /// Tagged, and it has no tag yet.
    coming: Sum,
    /// Tagged no longer, and it has a tag still.
    going: Sum,
    /// It has an older tag.
    outdated: Sum,
    /// Records that are parked, of all the above.
    parked: i64,
    delivered: i64,
    awaiting: i64,
    accepted: i64,
    rejected: i64,
    pub(crate) balanced: bool,
    reconciled: bool,
}

/// A sum in full.
#[derive(Debug, Serialize)]
struct Full {
    postings: i64,
    #[serde(serialize_with = "as_text")]
    debit_ore: i128,
    #[serde(serialize_with = "as_text")]
    credit_ore: i128,
    /// The keyed hashes of the postings' ids, added up.
    hash: String,
}

impl From<samspor_domain::Sum> for Full {
    fn from(sum: samspor_domain::Sum) -> Self {
        Self {
            postings: sum.postings,
            debit_ore: sum.debit,
            credit_ore: sum.credit,
            hash: format!("{:032x}", sum.hash),
        }
    }
}

impl From<&Book> for Target {
    fn from(book: &Book) -> Self {
        let stage = |stage: Stage| {
            [&book.has, &book.untagged]
                .iter()
                .filter_map(|stages| stages.get(&stage))
                .map(|sum| sum.postings)
                .sum()
        };
        Self {
            target: book.target.to_string(),
            source: book.source.to_string(),
            month: year_month(book.month),
            tagged: book.tagged.into(),
            has: book.all().into(),
            coming: book.coming.into(),
            going: book.going.into(),
            outdated: book.outdated.into(),
            parked: book.parked,
            delivered: stage(Stage::Delivered),
            awaiting: stage(Stage::Awaiting),
            accepted: stage(Stage::Accepted),
            rejected: stage(Stage::Rejected),
            balanced: book.is_balanced(),
            reconciled: book.is_reconciled(),
        }
    }
}

/// A control total of the finance system against what came in.
#[derive(Debug, Serialize)]
pub(crate) struct Control {
    id: String,
    source: String,
    from: String,
    to: String,
    theirs: Sum,
    ours: Sum,
    pub(crate) agrees: bool,
}

impl From<&samspor_engine::ControlSum> for Control {
    fn from(control: &samspor_engine::ControlSum) -> Self {
        Self {
            id: control.id.to_string(),
            source: control.source.to_string(),
            from: control.dates.0.to_string(),
            to: control.dates.1.to_string(),
            theirs: Sum { postings: control.count, ore: i128::from(control.sum.ore()) },
            ours: control.ours.into(),
            agrees: control.agrees(),
        }
    }
}

/// The table of targets; none without any.
pub(crate) fn targets(rows: &[Target]) -> Option<Table> {
    let stages = Stage::ALL.map(Stage::word);
    let head = ["target", "source", "posted", "tagged", "debit", "credit", "has", "debit", "credit"];
    let more = ["coming", "going", "outdated", "parked"];
    let mut shown = table(head.into_iter().chain(more).chain(stages).chain([""]), 3);
    for row in rows {
        let full = |sum: &Full| [sum.postings.to_string(), kroner(sum.debit_ore), kroner(sum.credit_ore)];
        let numbers = [row.coming.postings, row.going.postings, row.outdated.postings, row.parked];
        let stages = [row.delivered, row.awaiting, row.accepted, row.rejected];
        let state = match (row.balanced, row.reconciled) {
            (true, true) => "reconciled",
            (balanced, _) => verdict(balanced),
        };
        let cells = [row.target.clone(), row.source.clone(), row.month.clone()].into_iter();
        let cells = cells.chain(full(&row.tagged)).chain(full(&row.has));
        let cells = cells.chain(numbers.iter().chain(&stages).map(ToString::to_string));
        shown.add_row(cells.chain([state.to_owned()]));
    }
    (!rows.is_empty()).then_some(shown)
}

/// The table of control totals; none without any.
pub(crate) fn controls(rows: &[Control]) -> Option<Table> {
    let head = ["control total", "source", "from", "to", "theirs", "kr.", "ours", "kr.", ""];
    let mut shown = table(head.into_iter(), 4);
    for row in rows {
        let state = if row.agrees { "agrees" } else { "DIFFERS" };
        shown.add_row([
            row.id.clone(),
            row.source.clone(),
            row.from.clone(),
            row.to.clone(),
            row.theirs.postings.to_string(),
            kroner(row.theirs.ore),
            row.ours.postings.to_string(),
            kroner(row.ours.ore),
            state.to_owned(),
        ]);
    }
    (!rows.is_empty()).then_some(shown)
}

/// One posting behind a figure.
#[derive(Debug, Serialize)]
struct Shown {
    source: String,
    posting: String,
    date: String,
    #[serde(serialize_with = "as_text")]
    ore: i128,
    tagged: bool,
    /// The revision that the target has, and what it did.
    revision: Option<i64>,
    change: Option<&'static str>,
    state: Option<&'static str>,
    receipt_at: Option<String>,
    code: Option<String>,
    text: Option<String>,
    parked: Option<String>,
}

/// Prints the postings of a target in a state.
pub(crate) fn drill(
    read: &mut dyn Read,
    vault: &Arc<Vault>,
    target: &Text,
    arguments: &Reconcile,
) -> Result<ExitCode> {
    let known = read.cursors()?.iter().any(|(name, _)| name == target);
    anyhow::ensure!(
        known,
        "the store knows no target {target} that gets records of tags; the books of one that forwards are shown without \
         --target, and what is parked of it by `samspor parked list`"
    );
    let state = match arguments.state.context("--target goes with --state")? {
        TargetState::Waiting => State::Waiting,
        TargetState::Parked => State::Parked,
        TargetState::Delivered => State::Stage(Stage::Delivered),
        TargetState::Awaiting => State::Stage(Stage::Awaiting),
        TargetState::Accepted => State::Stage(Stage::Accepted),
        TargetState::Rejected => State::Stage(Stage::Rejected),
        TargetState::Difference => State::Difference,
    };
    let lines = samspor_engine::drill(read, vault, target, state, arguments.limit)?;
    let rows: Vec<Shown> = lines.iter().map(|line| shown(line, vault)).collect();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(ExitCode::SUCCESS);
    }
    let head = ["source", "posting", "date", "kr.", "tagged", "revision", "state", "receipt", "code", "text"];
    let mut shown = table(head.into_iter(), usize::MAX);
    for row in &rows {
        let or = |text: &Option<String>| text.clone().unwrap_or_default();
        let state = row.parked.clone().or(row.state.map(str::to_owned)).unwrap_or_default();
        let revision = row.revision.map(|revision| revision.to_string());
        shown.add_row([
            row.source.clone(),
            row.posting.clone(),
            row.date.clone(),
            kroner(row.ore),
            (if row.tagged { "yes" } else { "no" }).to_owned(),
            revision.unwrap_or_default(),
            state,
            or(&row.receipt_at),
            or(&row.code),
            or(&row.text),
        ]);
    }
    println!("{}", shown.trim_fmt());
    if rows.len() == arguments.limit {
        println!("\nThere may be more; --limit shows them.");
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(line: &Line, vault: &Vault) -> Shown {
    let said = line.handed.as_ref().and_then(|handed| wording(vault, handed));
    let (code, text) = said.map(|said| (said.code, said.text)).unwrap_or_default();
    Shown {
        source: line.source.to_string(),
        posting: line.posting.to_string(),
        date: line.date.to_string(),
        ore: line.amount.ore().into(),
        tagged: line.is_tagged,
        revision: line.handed.as_ref().map(|handed| handed.revision),
        change: line.handed.as_ref().map(|handed| handed.change.word()),
        state: line.stage().map(Stage::word),
        receipt_at: line.receipt_given().map(|at| at.to_string()),
        code: code.map(|code| code.to_string()),
        text,
        parked: line.parked.as_ref().map(why),
    }
}

/// Why a record is parked, in words.
pub(crate) fn why(why: &Why) -> String {
    match why {
        Why::ClosedMonth => "its month is closed".into(),
        Why::Refused(tries, why) => format!("refused {tries} times: {why}"),
    }
}
