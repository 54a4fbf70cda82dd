//! `samspor audit`: proving the audit log whole, and the checkpoints by which that is done.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use jiff::Timestamp;
use samspor_domain::Clock as _;
use samspor_domain::audit::{AuditLink, AuditNo, ReadAudit as _};
use samspor_domain::store::Read;
use samspor_engine::audit::{Checkpoint, checkpoint, verify};
use samspor_engine::{Core, Handle};

use crate::cli::Configured;
use crate::config::{self, Config};
use crate::open::MachineClock;
use crate::{appended, open};

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

/// The checkpoints of a file.
fn published(path: &Path) -> Result<Vec<Checkpoint>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut known = Vec::new();
    for (at, line) in text.lines().enumerate() {
        match serde_json::from_str(line) {
            Ok(checkpoint) => known.push(checkpoint),
            // A crash cut it off, and what it was to tell is told by the next one.
            Err(error) if error.is_eof() => {
                eprintln!("{}, line {}: cut off, and passed over", path.display(), at + 1);
            }
            Err(_) => bail!("{}, line {}: no checkpoint", path.display(), at + 1),
        }
    }
    Ok(known)
}

/// How often it is published how far the log reaches, where it has grown.
const PUBLISH_EVERY: Duration = Duration::from_mins(5);

/// Publishes how far the log reaches, again and again, while the gateway runs. Where that fails it is told, and tried again.
pub(crate) async fn publishing(path: Option<PathBuf>, handle: Handle) {
    let Some(path) = path else { return std::future::pending().await };
    let mut last = None;
    loop {
        tokio::time::sleep(PUBLISH_EVERY).await;
        let now = MachineClock.now();
        let reached = match handle.read(move |read, _| checkpoint(read, now)).await {
            Ok(reached) if last == Some(reached.no) => continue,
            Ok(reached) => reached,
            Err(error) => {
                tracing::error!(%error, "no checkpoint of the audit log can be made");
                continue;
            }
        };
        match publish(&path, &reached) {
            Ok(()) => last = Some(reached.no),
            Err(error) => tracing::error!("{error:#}"),
        }
    }
}

/// Refuses a store whose audit log does not hold what was published of it: it was cut off, or is another one's.
fn holds(read: &mut dyn Read, path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let now = checkpoint(read, MachineClock.now())?;
    let Some(last) = published(path)?.into_iter().rfind(|known| known.store == now.store) else {
        return Ok(());
    };
    let link = match last.no - 1 {
        before if before < 0 => Some(AuditLink::default()),
        before => read
            .audit_entries(AuditNo(before), 1)?
            .first()
            .filter(|row| row.no.0 == last.no)
            .map(|row| row.link),
    };
    let (start, start_link) = read.audit_start()?;
    let is_held = if last.no <= start.0 {
        last.no < start.0 || last.link == hex::encode(start_link.0)
    } else {
        link.is_some_and(|link| last.link == hex::encode(link.0))
    };
    ensure!(
        is_held,
        "the audit log does not hold entry {}, of which {} tells: it was changed or cut off. Keep store and file as they are for whoever \
         looks into it (`samspor audit verify` says more); to go on without that proof, name another checkpoints_file",
        last.no,
        path.display()
    );
    Ok(())
}

/// Writes that the keys are open, and publishes how far the log reaches.
pub(crate) fn opened(core: &mut Core, config: &Config, now: Timestamp) -> Result<()> {
    if let Some(path) = &config.checkpoints_file {
        holds(core.store(), path)?;
    }
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
    appended::append(path, &line).with_context(|| format!("cannot write a checkpoint to {}", path.display()))
}
