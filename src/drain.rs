//! `samspor drain`: the running gateway takes nothing more in, and finishes what it has.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use samspor_grpc::client::{OperationsServiceClient, Way};
use samspor_grpc::v1::{DrainRequest, DrainResponse, PartCondition};

use crate::cli::Drain;
use crate::config;
use crate::gateway::{refused, runtime};
use crate::operations::operations;
use crate::status::NOT_UP;

/// How often it is asked what is left.
const EVERY: Duration = Duration::from_millis(500);

/// Drains the gateway, or lets it take in again.
pub(crate) fn run(arguments: &Drain) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    runtime()?.block_on(async {
        let mut gateway = match operations(&config).await {
            Ok(gateway) => gateway,
            Err(error) => {
                eprintln!("samspor: {error:#}");
                return Ok(ExitCode::from(NOT_UP));
            }
        };
        if arguments.cancel {
            ask(&mut gateway, true).await?;
            println!("the gateway takes messages in again");
            return Ok(ExitCode::SUCCESS);
        }
        let left = until_drained(&mut gateway).await?;
        for target in &left.targets {
            let state = if target.condition() == PartCondition::Paused { "is paused" } else { "is down" };
            println!("target {} {state}, and is to get {} records", target.target, target.waiting);
        }
        if left.targets.is_empty() {
            println!("nothing is left to do; the gateway takes nothing in until `samspor drain --cancel` or a restart");
            return Ok(ExitCode::SUCCESS);
        }
        println!("nothing else is left to do");
        Ok(ExitCode::from(NOT_UP))
    })
}

async fn ask(gateway: &mut OperationsServiceClient<Way>, cancel: bool) -> Result<DrainResponse> {
    Ok(gateway.drain(DrainRequest { cancel }).await.map_err(|status| refused(&status))?.into_inner())
}

/// Asks again and again until it is drained, and shows how far it has come.
async fn until_drained(gateway: &mut OperationsServiceClient<Way>) -> Result<DrainResponse> {
    let shape = "{elapsed_precise} {bar:40} {pos}/{len} {msg}";
    let progress = ProgressBar::no_length().with_style(ProgressStyle::with_template(shape)?);
    let mut most = 0;
    loop {
        let left = ask(gateway, false).await?;
        if left.drained {
            progress.finish_and_clear();
            return Ok(left);
        }
        let records: i64 = left.targets.iter().map(|target| target.waiting).sum();
        let open = u64::try_from(records + left.pending_work).unwrap_or_default();
        most = open.max(most);
        progress.set_length(most);
        progress.set_position(most - open);
        progress
            .set_message(format!("{records} records to deliver, {} changes to decide", left.pending_work));
        tokio::time::sleep(EVERY).await;
    }
}
