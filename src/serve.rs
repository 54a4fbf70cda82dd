//! `samspor serve`: the gateway, until it is told to stop.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use samspor_domain::Clock as _;
use samspor_engine::{Core, Ended, Gateway};
use samspor_grpc::{Bound, Door, Reload, Server, TurnedAway};
use samspor_sqlite::Sqlite;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::cli::Configured;
use crate::config::{self, Config};
use crate::reload::Running;
use crate::traces::{self, Sending};
use crate::withdrawals::Withdrawals;
use crate::{audit, open, wiring};

/// Callers who may wait for a reload; more wait to be among them.
const RELOADS: usize = 4;
/// How long what has not ended may still take when the process ends: the store's thread within a commit, which it either
/// makes or does not.
const LAST: Duration = Duration::from_secs(1);

/// Runs the gateway until SIGTERM or Ctrl-C.
pub(crate) fn run(arguments: &Configured) -> Result<ExitCode> {
    let config = match config::load(&arguments.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    if let Err(problems) = config.to_serve() {
        return Ok(crate::faulty(&problems));
    }
    open::tls()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve(config));
    runtime.shutdown_timeout(LAST);
    served?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config) -> Result<()> {
    let started = open::MachineClock.now();
    let (store_settings, _) = config.to_serve().map_err(|problems| anyhow!("{}", problems.render()))?;
    let masters = open::masters(&config)?.context("the configuration has a [vault]")?;
    let mut store = Sqlite::open(&store_settings.dir)
        .with_context(|| format!("cannot open the store in {}", store_settings.dir.display()))?;
    let vault = masters.open(&mut store)?;
    drop(masters);
    let mut core =
        Core::open(Box::new(store), Arc::clone(&vault), config.charts.clone(), config.engine.slice_postings)?;
    if let Some(file) = &store_settings.withdrawals {
        let log = Withdrawals::open(file);
        let log = log.with_context(|| format!("cannot write the log of withdrawals {}", file.display()))?;
        core = core.writing_down_withdrawals(Box::new(log));
    }
    if let Some(postings) = config.engine.brake_postings {
        core = core.braking_above(postings);
    }
    if let Some(days) = config.journal.retention_days {
        core = core.purging_after(days);
        if days == 0 {
            tracing::warn!(meaning = config.journal.meaning(), "journal.retention_days is 0");
        }
    }
    core = core.keeping_audit_for(config.audit_days);
    audit::opened(&mut core, &config, started)?;
    let (spans, export) = config.traces.as_ref().map(traces::open).transpose()?.unzip();
    if let Some(spans) = spans {
        core = core.traced_by(spans);
    }
    let inlets = config.sources.iter().map(|source| wiring::inlet(&config, source)).collect::<Result<_>>()?;
    let outlets =
        config.targets.iter().map(|target| wiring::outlet(&config, &vault, target)).collect::<Result<_>>()?;

    // The signals are caught before anything runs, so that none is missed.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut gateway = Gateway::start(core, Arc::new(open::MachineClock), inlets, outlets)?;
    let sending = Sending::start(export);
    let doors = watch::Sender::new(Arc::new(wiring::door(&config)?));
    let checkpoints_file = config.checkpoints_file.clone();
    let mut running = Running::new(config, vault, gateway.control(), doors.clone())?;
    let (ask, mut asked) = mpsc::channel(RELOADS);
    let stop = CancellationToken::new();
    let bound = bind(running.config(), &gateway, doors.subscribe(), ask).await?;
    running.listens_on(bound.as_ref().map(Bound::local_addr));
    let turned_away = bound.as_ref().map(Bound::turned_away);
    let metrics = bind_metrics(running.config(), &gateway, started, turned_away).await?;
    let mut front = Box::pin(fronts(bound, metrics, stop.clone()));
    tracing::info!(config = %running.config().path.display(), "the gateway runs");

    let reloads = async {
        loop {
            let asked = tokio::select! {
                _ = hang_up.recv() => None,
                Some(asked) = asked.recv() => Some(asked),
            };
            let by = asked.as_ref().map_or("signal", |asked| &*asked.by);
            let reloaded = running.reload(by).await;
            if let Some(Reload { reply, .. }) = asked {
                let _ = reply.send(reloaded); // Whoever asked may have gone; the log has it.
            }
        }
    };
    let publishing = audit::publishing(checkpoints_file, gateway.handle());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = gateway.failed() => return Err(ended.into()),
        ended = &mut front => {
            ended?;
            return Err(anyhow!("a front ended by itself"));
        }
        () = reloads => {}
        () = publishing => {}
    }
    tracing::info!("stopping");
    let deadline = running.config().engine.shutdown_deadline;
    let begun = Instant::now();
    let config = running.config();
    let published = config.checkpoints_file.clone().zip(config.store.as_ref().map(|store| store.dir.clone()));
    drop(running); // It holds a way in, as the front does, which cuts off who does not finish.
    stop.cancel();
    front.await?;
    let stopped = gateway.stop(deadline.saturating_sub(begun.elapsed())).await;
    // Nothing makes spans any more.
    sending.finish(deadline.saturating_sub(begun.elapsed())).await;
    if let (Ok(()), Some((file, dir))) = (&stopped, published) {
        audit::closed(&file, &dir, open::MachineClock.now())?;
    }
    Ok(stopped.map_err(|ended| if let Ended::Late(_) = ended { Ended::Late(deadline) } else { ended })?)
}

/// Takes the gRPC front's address, if one is configured.
async fn bind(
    config: &Config,
    gateway: &Gateway,
    doors: watch::Receiver<Arc<Door>>,
    ask: mpsc::Sender<Reload>,
) -> Result<Option<Bound>> {
    let Some(grpc) = &config.grpc else { return Ok(None) };
    let usual = grpc.bounds.clone();
    // Callers who do not finish leave half of the time to the rest.
    let drain_deadline = usual.drain_deadline.min(config.engine.shutdown_deadline / 2);
    let backups_kept_days = config.store.as_ref().and_then(|store| store.backups_kept_days);
    let settings = samspor_grpc::Settings { drain_deadline, backups_kept_days, ..usual };
    gateway.control().set_callers(wiring::senders(config));
    let server = Server::new(settings, gateway.control());
    let server = server
        .showing(Arc::new(samspor_formats::Masked))
        .writing_states(samspor_formats::json::state)
        .reloaded_by(ask)
        .behind(doors);
    let bound = server.bind().await?;
    match &grpc.door {
        Some(door) => {
            let callers = door.callers.len();
            tracing::info!(address = %bound.local_addr(), callers, tls = door.tls.is_some(), "the gRPC front listens");
        }
        None => tracing::warn!(
            address = %bound.local_addr(),
            "the gRPC front listens without a door: anyone on this machine may do anything there; [grpc.tls] or [grpc.tokens] makes \
             one"
        ),
    }
    Ok(Some(bound))
}

/// The gRPC front, until told to stop. Where none is configured, waiting for that is all it does.
async fn front(bound: Option<Bound>, stop: CancellationToken) -> Result<()> {
    match bound {
        Some(bound) => Ok(bound.serve(stop.cancelled_owned()).await?),
        None => {
            stop.cancelled().await;
            Ok(())
        }
    }
}

/// Takes the metrics' address, if one is configured.
async fn bind_metrics(
    config: &Config,
    gateway: &Gateway,
    started: Timestamp,
    turned_away: Option<Arc<TurnedAway>>,
) -> Result<Option<samspor_metrics::Bound>> {
    let (Some(metrics), Some(store)) = (&config.metrics, &config.store) else { return Ok(None) };
    let settings = samspor_metrics::Settings::new(metrics.listen, started)
        .with_store(store.dir.clone(), samspor_sqlite::files(&store.dir));
    let server = samspor_metrics::Server::new(settings, gateway.handle(), gateway.status());
    let server = match turned_away {
        Some(turned_away) => server.turning_away(move || turned_away.counts()),
        None => server,
    };
    let bound = server.bind().await?;
    tracing::info!(address = %bound.local_addr(), "the metrics are at /metrics, for this machine only");
    Ok(Some(bound))
}

/// The gRPC front and the metrics, until told to stop.
async fn fronts(
    grpc: Option<Bound>,
    metrics: Option<samspor_metrics::Bound>,
    stop: CancellationToken,
) -> Result<()> {
    let metrics = async {
        if let Some(bound) = metrics {
            bound.serve(stop.clone().cancelled_owned()).await;
        }
        Ok(())
    };
    tokio::try_join!(front(grpc, stop.clone()), metrics).map(|_| ())
}
