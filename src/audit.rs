//! `samspor audit`: proving the audit log whole, and the checkpoints by which that is done.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use jiff::Timestamp;
use samspor_domain::audit::ReadAudit as _;
use samspor_domain::store::Read as _;
use samspor_engine::Core;
use samspor_engine::audit::{Checkpoint, checkpoint, verify};

use crate::cli::Configured;
use crate::config::{self, Config};
use crate::open;

/// The log is broken.
const BROKEN: u8 = 7;

/// What can be done with the audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Prove that nothing in the audit log was changed, cut, moved or added.
    ///
    /// It reads the store beside the gateway or without it, walks every link, and holds the log against the checkpoints
    /// that were published. `docs/audit.md` says what that proves.
    #[command(
        after_help = "Exit code: 0 where it is whole; 7 where it is not, with the first broken link on standard \
        error; 2 where the configuration is faulty; 1 otherwise.\n\n\
        Example: samspor audit verify --config gateway.toml --checkpoints /mnt/worm/samspor.ndjson"
    )]
    Verify(Verify),
}

/// What `audit verify` holds against what.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    configured: Configured,
    /// The checkpoints, instead of those at the configuration's `audit.checkpoints_file`.
    #[arg(long, value_name = "FILE")]
    checkpoints: Option<PathBuf>,
}

/// Does what is asked.
pub(crate) fn run(action: &Action) -> Result<ExitCode> {
    let Action::Verify(arguments) = action;
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let known = match arguments.checkpoints.as_ref().or(config.checkpoints_file.as_ref()) {
        Some(path) => published(path)?,
        None => Vec::new(),
    };
    let (mut reader, vault) = open::existing(&config, None)?;
    reader.hold()?; // All of it is of one moment, whatever the gateway writes meanwhile.
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
            Ok(ExitCode::SUCCESS)
        }
        Err(found) => {
            eprintln!("the audit log is broken: entry {} is {}", found.no.0, found.damage);
            Ok(ExitCode::from(BROKEN))
        }
    }
}

/// The checkpoints of a file.
fn published(path: &Path) -> Result<Vec<Checkpoint>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let line = |(at, line): (usize, &str)| {
        serde_json::from_str(line)
            .with_context(|| format!("{}, line {}: no checkpoint", path.display(), at + 1))
    };
    text.lines().enumerate().map(line).collect()
}

/// Writes that the keys are open, and publishes how far the log reaches.
pub(crate) fn opened(core: &mut Core, config: &Config, now: Timestamp) -> Result<()> {
    core.note_open(now)?;
    let Some(path) = &config.checkpoints_file else { return Ok(()) };
    publish(path, &checkpoint(core.store(), now)?)
}

/// Publishes how far the log of a store reaches that is closed.
pub(crate) fn closed(checkpoints_file: &Path, dir: &Path, now: Timestamp) -> Result<()> {
    publish(checkpoints_file, &checkpoint(&mut open::reader(dir)?, now)?)
}

fn publish(path: &Path, checkpoint: &Checkpoint) -> Result<()> {
    let line = serde_json::to_string(checkpoint)? + "\n";
    let append = || {
        let mut file: File = OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()
    };
    append().with_context(|| format!("cannot write a checkpoint to {}", path.display()))
}
