//! `samspor record`: what lies in the sources' queues, as a recording. Nothing is consumed: the broker holds the
//! messages for this reader, which acknowledges none, and puts them back in their places when it leaves.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::future::try_join_all;
use futures_util::stream::{self, BoxStream, StreamExt};
use samspor_domain::{Batch, Clock, Delivery, LinkError, Source as _, SourceName, Subscription};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Record;
use crate::config::{self, Config, Queue as Consumed, Source, SourceWay};
use crate::recording::{self, Recorded};
use crate::{open, replay, wiring};

/// Shown before anything is written.
const WARNING: &str = "A recording holds personal data in clear: keep it where only its readers can read it, and delete \
                       it when it has served.";

/// Records until the queues are quiet, at their limits, or somebody stops it.
pub(crate) fn run(arguments: &Record) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let sources = chosen(&config, &arguments.sources)?;
    eprintln!("{WARNING}");
    open::tls()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let queues = runtime.block_on(record(&config, &sources, arguments))?;
    for queue in &queues {
        let limited = queue.recorded == usize::from(arguments.limit);
        let more = if limited { " (the limit: there may be more)" } else { "" };
        eprintln!("{}: {} recorded{more}", queue.source, queue.recorded);
    }
    Ok(ExitCode::SUCCESS)
}

/// What was recorded of a source.
struct Queue {
    source: SourceName,
    recorded: usize,
}

fn chosen<'a>(config: &'a Config, names: &[SourceName]) -> Result<Vec<(&'a Source, &'a Consumed)>> {
    if config.sources.is_empty() {
        bail!("the configuration names no [[sources]], so there are no queues to record from");
    }
    for name in names {
        if !config.sources.iter().any(|source| source.name == *name) {
            let known: Vec<&str> = config.sources.iter().map(|source| source.name.as_str()).collect();
            bail!("the configuration has no source {name}; it has {}", known.join(", "));
        }
    }
    let wanted = |source: &&Source| names.is_empty() || names.contains(&source.name);
    let mut chosen = Vec::new();
    for source in config.sources.iter().filter(wanted) {
        match &source.way {
            SourceWay::Amqp(queue) => chosen.push((source, queue)),
            SourceWay::Folder(folder) if !names.is_empty() => {
                bail!(
                    "{} takes files from {}, and has no queue to record from",
                    source.name,
                    folder.dir.display()
                )
            }
            SourceWay::Folder(_) => {}
        }
    }
    if chosen.is_empty() {
        bail!("the sources take files from folders, so there are no queues to record from");
    }
    Ok(chosen)
}

async fn record(config: &Config, sources: &[(&Source, &Consumed)], arguments: &Record) -> Result<Vec<Queue>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let taps = sources.iter().map(async |(source, consumed)| -> Result<_> {
        let tap = wiring::tap(config, source, consumed, arguments.limit)?;
        let subscription = tap.subscribe().await.with_context(|| format!("source {}", source.name))?;
        Ok(deliveries(source.name.clone(), subscription, arguments.limit))
    });
    let mut taps = stream::select_all(try_join_all(taps).await?);
    let mut output = Output::open(arguments.output.as_deref())?;
    let mut queues: Vec<Queue> =
        sources.iter().map(|(source, _)| Queue { source: source.name.clone(), recorded: 0 }).collect();
    let progress = replay::progress();
    let quiet = Duration::from_millis(arguments.wait_ms);
    loop {
        let next = tokio::select! {
            next = tokio::time::timeout(quiet, taps.next()) => next,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        };
        // Nothing for that long, or nothing more from any queue.
        let Ok(Some(taken)) = next else { break };
        let Taken { source, deliveries } = taken?;
        let received_at = open::MachineClock.now();
        progress.inc(deliveries.len() as u64);
        for queue in queues.iter_mut().filter(|queue| queue.source == source) {
            queue.recorded += deliveries.len();
        }
        for delivery in deliveries {
            output.line(&Recorded { source: source.clone(), received_at, delivery })?;
        }
    }
    progress.finish_and_clear();
    output.finish()?;
    Ok(queues)
}

/// Deliveries of one source.
struct Taken {
    source: SourceName,
    deliveries: Vec<Delivery>,
}

/// What a queue gives, up to the limit. With the end of the stream, or when it is dropped, the queue has everything
/// again.
fn deliveries(
    source: SourceName,
    subscription: Box<dyn Subscription>,
    limit: u16,
) -> BoxStream<'static, Result<Taken, LinkError>> {
    stream::try_unfold((subscription, usize::from(limit)), move |(mut subscription, left)| {
        let source = source.clone();
        async move {
            if left == 0 {
                return Ok(None);
            }
            // Without its token a batch is never acknowledged.
            let Batch { deliveries, token: _ } = subscription.next().await?;
            let left = left.saturating_sub(deliveries.len());
            Ok(Some((Taken { source, deliveries }, (subscription, left))))
        }
    })
    .boxed()
}

/// Where the recording goes.
enum Output {
    Standard(BufWriter<io::Stdout>),
    File(BufWriter<File>, PathBuf),
}

impl Output {
    fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::Standard(BufWriter::new(io::stdout()))) };
        // A file that is there already may be somebody's recording, or be readable by others.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.with_context(|| format!("cannot make the recording {}", path.display()))?;
        Ok(Self::File(BufWriter::with_capacity(1 << 20, file), path.to_owned()))
    }

    fn line(&mut self, recorded: &Recorded) -> Result<()> {
        let line = recording::write(recorded)?;
        match self {
            Self::Standard(out) => writeln!(out, "{line}").context("cannot write the recording"),
            Self::File(file, path) => {
                writeln!(file, "{line}").with_context(|| format!("cannot write {}", path.display()))
            }
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Standard(mut out) => out.flush().context("cannot write the recording"),
            Self::File(mut file, path) => {
                let written = file.flush().and_then(|()| file.get_ref().sync_all());
                written.with_context(|| format!("cannot write {}", path.display()))
            }
        }
    }
}
