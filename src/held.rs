//! `samspor held`: changes of the registry that would change many postings, what they would change, and their release.

use std::process::ExitCode;

use anyhow::{Result, bail};
use samspor_grpc::client::ChangeServiceClient;
use samspor_grpc::v1;
use serde_json::json;

use crate::answers::Answers;
use crate::cli::{HeldAction, HeldList, HeldRelease};
use crate::reconcile::{kroner, ore, table};
use crate::{config, gateway};

pub(crate) fn run(action: &HeldAction) -> Result<ExitCode> {
    match action {
        HeldAction::List(list) => self::list(list),
        HeldAction::Release(release) => self::release(release),
    }
}

fn list(arguments: &HeldList) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let held = Answers::of(&config, None)?.to(v1::ListHeldChangesRequest {})?.changes;
    if arguments.json {
        let shown: Vec<_> = held.iter().map(as_json).collect();
        println!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(ExitCode::SUCCESS);
    }
    if held.is_empty() {
        println!("Nothing is held.");
    }
    for held in &held {
        let v1::HeldChange { number, kind, version, since, .. } = held;
        let id = if held.id.is_empty() { "(erased)" } else { &held.id };
        let state = if held.weighing { "still weighed" } else { "held" };
        println!("{number}: {kind} {id} version {version}, {state} since {since}");
        let mut shown = table(["posted", "from", "to", "postings", "kr."].into_iter(), 3);
        for shift in &held.preview {
            let texts = [shift.month.clone(), shift.from.clone(), shift.to.clone()];
            let numbers = [shift.postings.to_string(), kroner(ore(&shift.amount))];
            shown.add_row(texts.into_iter().chain(numbers));
        }
        println!("{}\n", shown.trim_fmt());
        if !held.weighing {
            println!(
                "To let it happen: samspor held release --config {} --number {number} --fact-version {version}\n",
                arguments.configured.config.display(),
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(held: &v1::HeldChange) -> serde_json::Value {
    let preview = held.preview.iter().map(|shift| {
        json!({
            "month": shift.month,
            "from": shift.from,
            "to": shift.to,
            "postings": shift.postings,
            "ore": ore(&shift.amount).to_string(),
        })
    });
    json!({
        "number": held.number,
        "kind": held.kind,
        "id": Some(&held.id).filter(|id| !id.is_empty()),
        "version": held.version,
        "since": held.since,
        "weighing": held.weighing,
        "preview": preview.collect::<Vec<_>>(),
    })
}

fn release(arguments: &HeldRelease) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let (number, version) = (arguments.number, arguments.fact_version);
    let released = gateway::runtime()?.block_on(async {
        let mut changes = ChangeServiceClient::new(gateway::connect(&config).await?);
        let answer = changes.release_held_change(v1::ReleaseHeldChangeRequest { number, version }).await;
        let answer = answer.map_err(|status| gateway::refused(&status))?;
        anyhow::Ok(answer.into_inner().released)
    })?;
    if !released {
        bail!("no change {number} of version {version} is held; `samspor held list` shows what is");
    }
    println!("released; the postings that it concerns are decided again");
    Ok(ExitCode::SUCCESS)
}
