//! `samspor pause` and `resume`: a source, a target or the readers of the feed wait, and go on.

use std::process::ExitCode;

use anyhow::{Result, bail};
use samspor_domain::Text;
use samspor_engine::{source_part, target_part};
use samspor_grpc::client::{OperationsServiceClient, SourcesServiceClient, TargetsServiceClient, Way};
use samspor_grpc::v1;

use crate::cli::{Component, ComponentKind};
use crate::gateway::{refused, runtime};
use crate::{config, gateway};

/// Lets a source or target wait, or go on.
pub(crate) fn pause(arguments: &Component, is_paused: bool) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let (told, was_so) = runtime()?.block_on(async {
        let way = gateway::connect(&config).await?;
        match (arguments.kind, &arguments.name) {
            (ComponentKind::Source, Some(name)) => source(way, name, is_paused).await,
            (ComponentKind::Target, Some(name)) => target(way, name, is_paused).await,
            (ComponentKind::Feed, None) => feed(way, is_paused).await,
            (ComponentKind::Feed, Some(_)) => {
                bail!("the feed has no name: its readers wait or read on together")
            }
            (_, None) => bail!("the name of what is meant is missing"),
        }
    })?;
    match (is_paused, was_so) {
        (true, false) => println!("{told} is paused, also after a restart; `samspor resume` lets it go on"),
        (true, true) => println!("{told} was paused already"),
        (false, false) => println!("{told} goes on"),
        (false, true) => println!("{told} was not paused"),
    }
    Ok(ExitCode::SUCCESS)
}

async fn feed(way: Way, is_paused: bool) -> Result<(String, bool)> {
    let mut operations = OperationsServiceClient::new(way);
    let was_so = if is_paused {
        operations.pause_feed(v1::PauseFeedRequest {}).await.map(|answer| answer.into_inner().was_so)
    } else {
        operations.resume_feed(v1::ResumeFeedRequest {}).await.map(|answer| answer.into_inner().was_so)
    };
    Ok(("feed".into(), was_so.map_err(|status| refused(&status))?))
}

async fn source(way: Way, name: &Text, is_paused: bool) -> Result<(String, bool)> {
    let (mut sources, source) = (SourcesServiceClient::new(way), name.to_string());
    let was_so = if is_paused {
        sources.pause_source(v1::PauseSourceRequest { source }).await.map(|answer| answer.into_inner().was_so)
    } else {
        sources
            .resume_source(v1::ResumeSourceRequest { source })
            .await
            .map(|answer| answer.into_inner().was_so)
    };
    Ok((source_part(name), was_so.map_err(|status| refused(&status))?))
}

async fn target(way: Way, name: &Text, is_paused: bool) -> Result<(String, bool)> {
    let (mut targets, target) = (TargetsServiceClient::new(way), name.to_string());
    let was_so = if is_paused {
        targets.pause_target(v1::PauseTargetRequest { target }).await.map(|answer| answer.into_inner().was_so)
    } else {
        targets
            .resume_target(v1::ResumeTargetRequest { target })
            .await
            .map(|answer| answer.into_inner().was_so)
    };
    Ok((target_part(name), was_so.map_err(|status| refused(&status))?))
}
