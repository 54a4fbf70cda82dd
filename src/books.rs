//! What `samspor reconcile` shows of targets and control totals, and the postings behind a figure.

use std::process::ExitCode;

use anyhow::{Context, Result};
use comfy_table::Table;
use samspor_domain::{Change, Stage, Text};
use samspor_grpc::v1::{self, difference_line::Parked};
use serde::Serialize;

use crate::answers::Answers;
use crate::cli::{Reconcile, TargetState};
use crate::reconcile::{Sum, as_text, kroner, ore, table, verdict};

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

impl From<Option<v1::FullSum>> for Full {
    fn from(sum: Option<v1::FullSum>) -> Self {
        let sum = sum.unwrap_or_default();
        Self {
            postings: sum.postings,
            debit_ore: ore(&sum.debit),
            credit_ore: ore(&sum.credit),
            hash: sum.hash,
        }
    }
}

impl From<v1::TargetBalance> for Target {
    fn from(book: v1::TargetBalance) -> Self {
        Self {
            target: book.target,
            source: book.source,
            month: book.month,
            tagged: book.tagged.into(),
            has: book.has.into(),
            coming: book.coming.into(),
            going: book.going.into(),
            outdated: book.outdated.into(),
            parked: book.parked,
            delivered: book.delivered,
            awaiting: book.awaiting,
            accepted: book.accepted,
            rejected: book.rejected,
            balanced: book.balanced,
            reconciled: book.reconciled,
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
    pub(crate) ours: Sum,
    pub(crate) agrees: bool,
}

impl From<v1::ControlBalance> for Control {
    fn from(control: v1::ControlBalance) -> Self {
        Self {
            id: control.id,
            source: control.source,
            from: control.from_date,
            to: control.to_date,
            theirs: control.theirs.into(),
            ours: control.ours.into(),
            agrees: control.agrees,
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
pub(crate) fn drill(answers: &mut Answers, target: &Text, arguments: &Reconcile) -> Result<ExitCode> {
    let state = match arguments.state.context("--target goes with --state")? {
        TargetState::Waiting => v1::TargetState::Waiting,
        TargetState::Parked => v1::TargetState::Parked,
        TargetState::Delivered => v1::TargetState::Delivered,
        TargetState::Awaiting => v1::TargetState::Awaiting,
        TargetState::Accepted => v1::TargetState::Accepted,
        TargetState::Rejected => v1::TargetState::Rejected,
        TargetState::Difference => v1::TargetState::Difference,
    };
    let limit = i32::try_from(arguments.limit).unwrap_or(i32::MAX);
    let question = v1::ListDifferencesRequest { target: target.to_string(), state: state.into(), limit };
    let rows: Vec<Shown> = answers.to(question)?.lines.into_iter().map(shown).collect();
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

fn shown(line: v1::DifferenceLine) -> Shown {
    let change = match line.change() {
        v1::RecordChange::Tag => Some(Change::Tag.word()),
        v1::RecordChange::Untag => Some(Change::Untag.word()),
        v1::RecordChange::Unspecified => None,
    };
    let stage = match line.state() {
        v1::TargetState::Delivered => Some(Stage::Delivered),
        v1::TargetState::Awaiting => Some(Stage::Awaiting),
        v1::TargetState::Accepted => Some(Stage::Accepted),
        v1::TargetState::Rejected => Some(Stage::Rejected),
        _ => None,
    };
    let parked = line.parked.as_ref().map(|why| match why {
        Parked::Refused(why) => refused(why),
        Parked::ClosedMonth(_) => CLOSED.to_owned(),
    });
    Shown {
        ore: ore(&line.amount),
        tagged: line.tagged,
        revision: line.revision,
        change,
        state: stage.map(Stage::word),
        parked,
        source: line.source,
        posting: line.posting,
        date: line.date,
        receipt_at: line.receipt_at,
        code: line.code,
        text: line.text,
    }
}

/// Why a record of a closed month is parked.
pub(crate) const CLOSED: &str = "its month is closed";

/// Why a record is parked that was refused, in words.
pub(crate) fn refused(why: &v1::RefusedRecord) -> String {
    format!("refused {} times: {}", why.tries, why.reason)
}
