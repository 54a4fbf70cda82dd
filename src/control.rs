//! What `samspor reconcile --control` shows: what came in of what a control total counts, by day and by posting.

use std::process::ExitCode;

use anyhow::Result;
use samspor_domain::Text;
use samspor_grpc::v1;
use serde::Serialize;

use crate::answers::Answers;
use crate::books::{Control, controls};
use crate::cli::Reconcile;
use crate::reconcile::{Sum, UNBALANCED, as_text, kroner, ore, table};

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
pub(crate) fn show(answers: &mut Answers, id: &Text, arguments: &Reconcile) -> Result<ExitCode> {
    let limit = i32::try_from(arguments.limit).unwrap_or(i32::MAX);
    let found = answers.to(v1::ListControlLinesRequest { id: id.to_string(), limit })?;
    let days = found.days.into_iter().map(|day| Day { date: day.date, ours: day.ours.into() });
    let postings = found.lines.into_iter().map(|line| Posting {
        posting: line.posting,
        date: line.date,
        ore: ore(&line.amount),
        tagged: line.tagged,
    });
    let control_total = Control::from(found.control_total.unwrap_or_default());
    let code = if control_total.agrees { ExitCode::SUCCESS } else { ExitCode::from(UNBALANCED) };
    let came_in = control_total.ours.postings;
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
    let missing = came_in - i64::try_from(postings.len()).unwrap_or(i64::MAX);
    if postings.len() == arguments.limit {
        println!("\nThere may be more; --limit shows them.");
    } else if missing > 0 {
        println!("\n{missing} more came in and are purged; the sums hold them still.");
    }
    Ok(code)
}
