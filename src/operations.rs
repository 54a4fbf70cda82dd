//! `samspor reload`: what an operator tells the running gateway as a whole, and the way to it.

use std::process::ExitCode;

use anyhow::Result;
use samspor_grpc::client::{Code, OperationsServiceClient, Way};
use samspor_grpc::v1;

use crate::cli::Configured;
use crate::config::{self, Config};
use crate::gateway;
use crate::gateway::{refused, runtime};

/// Has the configuration read again.
pub(crate) fn reload(arguments: &Configured) -> Result<ExitCode> {
    let config = match config::load(&arguments.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let answer = runtime()?
        .block_on(async { anyhow::Ok(operations(&config).await?.reload(v1::ReloadRequest {}).await) })?;
    match answer {
        Ok(answer) => {
            println!("{}", told(&answer.into_inner()));
            Ok(ExitCode::SUCCESS)
        }
        Err(status) if status.code() == Code::FailedPrecondition => {
            eprintln!("the gateway goes on with the configuration that it has:\n{}", status.message());
            Ok(ExitCode::from(crate::FAULTY))
        }
        Err(status) => Err(refused(&status)),
    }
}

/// What a reload changed, in one line.
pub(crate) fn told(changes: &v1::ReloadResponse) -> String {
    let lists = [
        ("new", &changes.added),
        ("changed", &changes.changed),
        ("removed", &changes.removed),
        ("other settings", &changes.settings),
    ];
    let told: Vec<String> = lists
        .into_iter()
        .filter(|(_, parts)| !parts.is_empty())
        .map(|(what, parts)| format!("{what}: {}", parts.join(", ")))
        .collect();
    if told.is_empty() { "nothing changed".to_owned() } else { told.join("; ") }
}

/// A client of the running gateway.
pub(crate) async fn operations(config: &Config) -> Result<OperationsServiceClient<Way>> {
    Ok(OperationsServiceClient::new(gateway::connect(config).await?))
}
