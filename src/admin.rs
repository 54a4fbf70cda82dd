//! `samspor pause`, `resume` and `reload`: what an operator tells the running gateway, and the way to it.

use std::process::ExitCode;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use samspor_domain::{ReadForward as _, Seq, Text};
use samspor_engine::{source_part, target_part};
use samspor_grpc::client::{AdminServiceClient, Code, Way};
use samspor_grpc::v1;

use crate::cli::{Component, ComponentKind, Configured, TargetsForget};
use crate::config::{self, Config};
use crate::gateway::{refused, runtime};
use crate::{gateway, open};

/// Lets a source or target wait, or go on.
pub(crate) fn pause(arguments: &Component, is_paused: bool) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let part = match arguments.kind {
        ComponentKind::Source => source_part(&arguments.name),
        ComponentKind::Target => target_part(&arguments.name),
    };
    let told = part.clone();
    let was_so = runtime()?.block_on(async {
        let mut admin = admin(&config).await?;
        let was_so = if is_paused {
            admin.pause(v1::PauseRequest { part }).await.map(|answer| answer.into_inner().was_so)
        } else {
            admin.resume(v1::ResumeRequest { part }).await.map(|answer| answer.into_inner().was_so)
        };
        was_so.map_err(|status| refused(&status))
    })?;
    match (is_paused, was_so) {
        (true, false) => println!("{told} is paused, also after a restart; `samspor resume` lets it go on"),
        (true, true) => println!("{told} was paused already"),
        (false, false) => println!("{told} goes on"),
        (false, true) => println!("{told} was not paused"),
    }
    Ok(ExitCode::SUCCESS)
}

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
        let mut admin = admin(&config).await?;
        let mut after = Some(0);
        while let Some(from) = after {
            let request = v1::ForgetTargetRequest { target: name.to_string(), after: from };
            let answer = admin.forget_target(request).await.map_err(|status| refused(&status))?.into_inner();
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

/// How many postings are still to pass on to a target; none where the store cannot be read from here.
fn to_pass_on(config: &Config, target: &Text) -> Option<i64> {
    let store = config.store.as_ref()?;
    open::reader(&store.dir).ok()?.count_forward_after(target, Seq::default()).ok()
}

/// Has the configuration read again.
pub(crate) fn reload(arguments: &Configured) -> Result<ExitCode> {
    let config = match config::load(&arguments.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let answer = runtime()?
        .block_on(async { anyhow::Ok(admin(&config).await?.reload(v1::ReloadRequest {}).await) })?;
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
        ("also other", &changes.settings),
    ];
    let told: Vec<String> = lists
        .into_iter()
        .filter(|(_, parts)| !parts.is_empty())
        .map(|(what, parts)| format!("{what}: {}", parts.join(", ")))
        .collect();
    if told.is_empty() { "nothing changed".to_owned() } else { told.join("; ") }
}

/// A client of the running gateway.
pub(crate) async fn admin(config: &Config) -> Result<AdminServiceClient<Way>> {
    Ok(AdminServiceClient::new(gateway::connect(config).await?))
}
