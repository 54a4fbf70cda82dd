//! `samspor audit verify`: proving the audit log whole.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;
use samspor_domain::audit::ReadAudit as _;
use samspor_engine::audit::verify;

use super::checkpoints::published;
use crate::cli::Configured;
use crate::{config, open};

/// The log is broken.
const BROKEN: u8 = 7;

/// What `audit verify` holds against what.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    configured: Configured,
    /// The checkpoints, instead of those at the configuration's `audit.checkpoints_file`.
    #[arg(long, value_name = "FILE")]
    checkpoints: Option<PathBuf>,
}

/// Proves it, or says where it is broken.
pub(super) fn run(arguments: &Verify) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let known = match arguments.checkpoints.as_ref().or(config.checkpoints_file.as_ref()) {
        Some(path) => published(path)?,
        None => Vec::new(),
    };
    let (mut reader, vault) = open::existing_held(&config)?;
    let (start, head) = (reader.audit_start()?.0, reader.audit_head()?.0);
    let progress = ProgressBar::new(u64::try_from(head.0.saturating_sub(start.0)).unwrap_or_default());
    let found = verify(&mut reader, &vault, &known, || progress.inc(1))?;
    progress.finish_and_clear();
    match found {
        Ok(proof) => {
            let span =
                proof.span.map(|(first, last)| format!(", from {first} to {last}")).unwrap_or_default();
            println!("the audit log is whole: {} entries{span}", proof.entries);
            match proof.proven {
                Some(no) => println!("proven up to entry {} by a published checkpoint", no.0),
                None => println!(
                    "no published checkpoint reaches into it: who has the key could have made it anew"
                ),
            }
            if proof.lost > 0 {
                println!(
                    "{} checkpoints tell of what a store wrote after the backup that took its place; that is lost",
                    proof.lost
                );
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(found) => {
            eprintln!("the audit log is broken: entry {} is {}", found.no.0, found.damage);
            Ok(ExitCode::from(BROKEN))
        }
    }
}
