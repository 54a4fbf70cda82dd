//! What `samspor reconcile --control` shows: what came in of what a control total counts, by day and by posting.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use samspor_domain::Text;
use samspor_domain::store::Read;
use samspor_engine::control_lines;
use samspor_vault::Vault;
use serde::Serialize;

use crate::books::{Control, controls};
use crate::cli::Reconcile;
use crate::reconcile::{Sum, UNBALANCED, as_text, kroner, table};

/// What stands behind a control total.
#[derive(Debug, Serialize)]
struct Shown {
    control_total: Control,
    days: Vec<Day>,
    /// Without those that are purged.
    postings: Vec<Posting>,
}

/// What came in of one date, purged or not.
#[derive(Debug, Serialize)]
struct Day {
    date: String,
    ours: Sum,
}

/// One posting.
#[derive(Debug, Serialize)]
struct Posting {
    posting: String,
    date: String,
    #[serde(serialize_with = "as_text")]
    ore: i128,
    tagged: bool,
}

/// Prints what came in of what a control total counts. Its exit code says whether that is the same.
pub(crate) fn show(
    read: &mut dyn Read,
    vault: &Arc<Vault>,
    id: &Text,
    arguments: &Reconcile,
) -> Result<ExitCode> {
    let found = control_lines(read, vault, id, arguments.limit)?;
    let found = found.with_context(|| format!("the store knows no control total {id}"))?;
    let days = found.days.iter().map(|day| Day { date: day.date.to_string(), ours: day.sum.into() });
    let postings = found.lines.iter().map(|line| Posting {
        posting: line.posting.to_string(),
        date: line.date.to_string(),
        ore: line.amount.ore().into(),
        tagged: line.is_tagged,
    });
    let code = if found.total.agrees() { ExitCode::SUCCESS } else { ExitCode::from(UNBALANCED) };
    let control_total = Control::from(&found.total);
    let shown = Shown { control_total, days: days.collect(), postings: postings.collect() };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(code);
    }
    let Shown { control_total, days, postings } = shown;
    if let Some(total) = controls(&[control_total]) {
        println!("{}\n", total.trim_fmt());
    }
    let mut by_day = table(["date", "ours", "kr."].into_iter(), 1);
    for day in &days {
        by_day.add_row([day.date.clone(), day.ours.postings.to_string(), kroner(day.ours.ore)]);
    }
    let mut by_posting = table(["posting", "date", "tagged", "kr."].into_iter(), 3);
    for posting in &postings {
        let tagged = if posting.tagged { "yes" } else { "no" }.to_owned();
        by_posting.add_row([posting.posting.clone(), posting.date.clone(), tagged, kroner(posting.ore)]);
    }
    println!("{}\n\n{}", by_day.trim_fmt(), by_posting.trim_fmt());
    let missing = found.total.ours.postings - i64::try_from(postings.len()).unwrap_or(i64::MAX);
    if postings.len() == arguments.limit {
        println!("\nThere may be more; --limit shows them.");
    } else if missing > 0 {
        println!("\n{missing} more came in and are purged; the sums hold them still.");
    }
    Ok(code)
}
