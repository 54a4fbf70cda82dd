//! `samspor explain`: why a posting is or is not tagged, step by step.

use std::process::ExitCode;

use anyhow::{Context, Result};
use samspor_engine::{Said, explain};
use samspor_formats::json;

use crate::cli::Explain;
use crate::{config, open, recording};

/// The posting is not known.
const UNKNOWN: u8 = 4;

/// Prints the state of one posting and the steps that led to it.
pub(crate) fn run(arguments: &Explain) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let as_of = arguments.as_of.as_deref().map(recording::instant).transpose();
    let as_of = as_of.context("--as-of is not an instant, such as 2026-03-15T06:00:00Z")?;
    let (mut reader, vault) = open::existing(&config, arguments.data_dir.as_deref())?;
    let (source, posting) = (&arguments.source, &arguments.posting);
    let Some(explanation) = explain(&mut reader, vault, &config.charts, source, posting, as_of)? else {
        let when = if as_of.is_some() { "was not known then" } else { "is not known" };
        eprintln!("posting {posting} of source {source} {when}");
        return Ok(ExitCode::from(UNKNOWN));
    };
    match &explanation.said {
        Said::Answer(answer) => println!("{}", json::state(source.as_str(), posting.as_str(), answer)),
        Said::Erased => println!("erased: a consent ended, and what was said under it is gone"),
    }
    for step in &explanation.steps {
        println!("\n{}", step.heading);
        for line in &step.lines {
            println!("  {line}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
