//! `samspor explain`: why a posting is or is not tagged, step by step.

use std::process::ExitCode;

use anyhow::{Context, Result};
use samspor_grpc::v1::ExplainPostingRequest;

use crate::answers::Answers;
use crate::cli::Explain;
use crate::{config, recording};

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
    let question = ExplainPostingRequest {
        source: arguments.source.to_string(),
        posting: arguments.posting.to_string(),
        as_of: as_of.map(|instant| instant.to_string()),
    };
    let explanation = match Answers::of(&config, arguments.data_dir.as_deref())?.find(question)? {
        Ok(explanation) => explanation,
        Err(unknown) => {
            eprintln!("{}", unknown.message());
            return Ok(ExitCode::from(UNKNOWN));
        }
    };
    if explanation.erased {
        println!("erased: a consent ended, and what was said under it is gone");
    } else {
        println!("{}", explanation.state);
    }
    for step in &explanation.steps {
        println!("\n{}", step.heading);
        for line in &step.lines {
            println!("  {line}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
