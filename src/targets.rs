//! `samspor targets`: what becomes of a target of the running gateway.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use samspor_domain::{ReadForward as _, Seq, Text};
use samspor_grpc::client::TargetsServiceClient;
use samspor_grpc::v1::{self, replay_target_request::From};

use crate::cli::{TargetsForget, TargetsReplay};
use crate::config::{self, Config};
use crate::gateway::{refused, runtime};
use crate::{gateway, open, recording};

/// Forgets a target that is no longer configured.
pub(crate) fn forget(arguments: &TargetsForget) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let name = &arguments.name;
    if config.targets.iter().any(|target| target.name == *name) {
        bail!("the configuration still has target {name}; take it out, and `samspor reload`");
    }
    let left = to_pass_on(&config, name).unwrap_or_default();
    let progress = ProgressBar::no_length().with_style(ProgressStyle::with_template(
        "{elapsed_precise} {bar:40} {pos}/{len} postings that the target has, {eta} left",
    )?);
    runtime()?.block_on(async {
        let mut targets = TargetsServiceClient::new(gateway::connect(&config).await?);
        let mut after = Some(0);
        while let Some(from) = after {
            let request = v1::ForgetTargetRequest { target: name.to_string(), after: from };
            let answer =
                targets.forget_target(request).await.map_err(|status| refused(&status))?.into_inner();
            let left = u64::try_from(answer.left).unwrap_or_default();
            let all = progress.length().unwrap_or_else(|| {
                progress.set_length(left);
                left
            });
            progress.set_position(all.saturating_sub(left));
            after = answer.after;
        }
        anyhow::Ok(())
    })?;
    progress.finish_and_clear();
    let dropped = if left > 0 {
        format!(", and with it {left} postings that had not passed on to it")
    } else {
        String::new()
    };
    println!(
        "target {name} is forgotten{dropped}; a target of that name begins anew: with all that is tagged, or, if it forwards, \
         with what arrives from then on"
    );
    Ok(ExitCode::SUCCESS)
}

/// Lets a target get records again.
pub(crate) fn replay(arguments: &TargetsReplay) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let from = match (&arguments.from_time, &arguments.from_cursor) {
        (Some(time), _) => {
            let time = recording::instant(time);
            From::Time(
                time.context("--from-time is not an instant, such as 2026-03-15T06:00:00Z")?.to_string(),
            )
        }
        (None, Some(cursor)) => From::Cursor(cursor.clone()),
        (None, None) => From::Beginning(v1::FeedBeginning {}),
    };
    let request = v1::ReplayTargetRequest { target: arguments.name.to_string(), from: Some(from) };
    let waiting = runtime()?.block_on(async {
        let mut targets = TargetsServiceClient::new(gateway::connect(&config).await?);
        let answer = targets.replay_target(request).await.map_err(|status| refused(&status))?;
        anyhow::Ok(answer.into_inner().waiting)
    })?;
    println!(
        "target {} is to get {waiting} records; `samspor status` shows how many are left",
        arguments.name
    );
    Ok(ExitCode::SUCCESS)
}

/// How many postings are still to pass on to a target; none where the store cannot be read from here.
fn to_pass_on(config: &Config, target: &Text) -> Option<i64> {
    let store = config.store.as_ref()?;
    open::reader(&store.dir).ok()?.count_forward_after(target, Seq::default()).ok()
}
