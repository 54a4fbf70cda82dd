//! `samspor serve`: the gateway, until it is told to stop.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use samspor_engine::{Core, Gateway, Handle, Status};
use samspor_grpc::Server;
use samspor_sqlite::Sqlite;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::Configured;
use crate::config::{self, Config};
use crate::{open, wiring};

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
    runtime.block_on(serve(&config))?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: &Config) -> Result<()> {
    let (store_settings, _) = config.to_serve().map_err(|problems| anyhow!("{}", problems.render()))?;
    let vault = open::vault(config)?.context("the configuration has a [vault]")?;
    let store = Sqlite::open(&store_settings.dir)
        .with_context(|| format!("cannot open the store in {}", store_settings.dir.display()))?;
    let mut core =
        Core::open(Box::new(store), Arc::clone(&vault), config.charts.clone(), config.engine.slice_postings)?;
    if let Some(postings) = config.engine.brake_postings {
        core = core.braking_above(postings);
    }
    if let Some(days) = config.journal.retention_days {
        core = core.purging_after(days);
        if days == 0 {
            tracing::warn!("journal.retention_days is 0: {}", config.journal.meaning());
        }
    }
    let inlets = config.sources.iter().map(|source| wiring::inlet(config, source)).collect::<Result<_>>()?;
    let outlets =
        config.targets.iter().map(|target| wiring::outlet(config, &vault, target)).collect::<Result<_>>()?;

    // The signals are caught before anything runs, so that none is missed.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut gateway = Gateway::start(core, Arc::new(open::MachineClock), inlets, outlets)?;
    let (stop, stopping) = watch::channel(false);
    let mut front = Box::pin(front(config, gateway.handle(), gateway.status(), stopping));
    tracing::info!(config = %config.path.display(), "the gateway runs");

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = gateway.failed() => return Err(ended.into()),
        ended = &mut front => {
            ended?;
            return Err(anyhow!("the gRPC front ended by itself"));
        }
    }
    tracing::info!("stopping");
    stop.send_replace(true);
    // The front holds a way in, so it ends first; it cuts off who does not finish.
    front.await?;
    Ok(gateway.stop(config.engine.shutdown_deadline).await?)
}

/// The gRPC front, until told to stop. Where none is configured, waiting for that is all it does.
async fn front(
    config: &Config,
    handle: Handle,
    status: Status,
    mut stopping: watch::Receiver<bool>,
) -> Result<()> {
    let stop = async move {
        // A sender that is gone stops too.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let Some(grpc) = &config.grpc else {
        drop((handle, status));
        stop.await;
        return Ok(());
    };
    let server = Server::new(samspor_grpc::Settings::new(grpc.listen), handle, status);
    let bound = server.showing(Arc::new(samspor_formats::Masked)).bind().await?;
    tracing::info!(address = %bound.local_addr(), "the gRPC front listens, without authentication, on loopback only");
    Ok(bound.serve(stop).await?)
}
