//! `samspor held`: changes of the registry that would change many postings, what they would change, and their release.

use std::process::ExitCode;

use anyhow::{Result, bail};
use samspor_grpc::client::ChangeServiceClient;
use samspor_grpc::v1;
use serde_json::json;

use crate::cli::{HeldAction, HeldList, HeldRelease};
use crate::reconcile::{kroner, table, year_month};
use crate::{config, gateway, open};

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
    let (mut reader, vault) = open::existing(&config, None)?;
    let held = samspor_engine::held(&mut reader, &vault)?;
    if arguments.json {
        let shown: Vec<_> = held
            .iter()
            .map(|held| {
                let preview = held.preview.iter().map(|shift| {
                    json!({
                        "month": year_month(shift.month),
                        "from": shift.from,
                        "to": shift.to,
                        "postings": shift.postings,
                        "ore": shift.ore.to_string(),
                    })
                });
                json!({
                    "number": held.fact.0,
                    "kind": held.kind.word(),
                    "id": held.id.as_ref().map(|id| id.as_str()),
                    "version": held.version,
                    "since": held.since.to_string(),
                    "weighing": !held.is_held,
                    "preview": preview.collect::<Vec<_>>(),
                })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(ExitCode::SUCCESS);
    }
    if held.is_empty() {
        println!("Nothing is held.");
    }
    for held in &held {
        let id = held.id.as_ref().map_or("(erased)", |id| id.as_str());
        let state = if held.is_held { "held" } else { "still weighed" };
        println!(
            "{}: {} {id} version {}, {state} since {}",
            held.fact.0, held.kind, held.version, held.since
        );
        let mut shown = table(["posted", "from", "to", "postings", "kr."].into_iter(), 3);
        for shift in &held.preview {
            let texts = [year_month(shift.month), shift.from.clone(), shift.to.clone()];
            shown.add_row(texts.into_iter().chain([shift.postings.to_string(), kroner(shift.ore)]));
        }
        println!("{}\n", shown.trim_fmt());
        if held.is_held {
            println!(
                "To let it happen: samspor held release --config {} --number {} --fact-version {}\n",
                arguments.configured.config.display(),
                held.fact.0,
                held.version
            );
        }
    }
    Ok(ExitCode::SUCCESS)
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
