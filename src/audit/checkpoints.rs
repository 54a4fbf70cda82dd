//! Checkpoints of the audit log: published while the gateway runs, and held against the log when it starts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use samspor_domain::Clock as _;
use samspor_engine::audit::{Break, Checkpoint, Damage, checkpoint};
use samspor_engine::{Core, Handle};

use crate::config::{self, Config};
use crate::open::MachineClock;
use crate::{appended, open};

/// The checkpoints of a file.
pub(crate) fn published(path: &Path) -> Result<Vec<Checkpoint>> {
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

/// Refuses a store whose audit log does not hold what was published last: it was cut off, or is another one's.
fn holds(core: &mut Core, path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let Some(Break { no, damage }) = core.lacks_published(&published(path)?)? else { return Ok(()) };
    let what = match damage {
        Damage::OtherStore => {
            "this is another store, or an older copy that was put in its place without `samspor restore`"
        }
        _ => "it was changed or cut off",
    };
    bail!(
        "the audit log does not hold entry {}, of which {} tells: {what}. Keep store and file as they are for whoever looks into it \
         (`samspor audit verify` says more); to go on without that proof, name another checkpoints_file",
        no.0,
        path.display()
    )
}

/// Writes that the keys are open, and publishes how far the log reaches.
pub(crate) fn opened(core: &mut Core, config: &Config, now: Timestamp) -> Result<()> {
    if let Some(path) = &config.checkpoints_file {
        holds(core, path)?;
    }
    core.note_open(Some(config::digest(config)?), now)?;
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
