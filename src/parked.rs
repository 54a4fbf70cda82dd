//! `samspor parked`: records that a target does not get for now, and their release.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use samspor_domain::store::{PostingNo, Read};
use samspor_domain::{Parked, ReadForward as _, Text, Why};
use samspor_grpc::client::DeliveryServiceClient;
use samspor_grpc::v1;
use serde_json::json;

use crate::books::why;
use crate::cli::{ParkedAction, ParkedList, ParkedRelease};
use crate::reconcile::table;
use crate::{config, gateway, open};

pub(crate) fn run(action: &ParkedAction) -> Result<ExitCode> {
    match action {
        ParkedAction::List(list) => self::list(list),
        ParkedAction::Release(release) => self::release(release),
    }
}

fn list(arguments: &ParkedList) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let (mut reader, _) = open::existing(&config, None)?;
    let names: std::collections::BTreeMap<_, _> = reader.sources()?.into_iter().collect();
    let lines = reader.forwardings()?.into_iter().map(|line| line.target);
    let mut targets: Vec<Text> = reader.cursors()?.into_iter().map(|(name, _)| name).chain(lines).collect();
    targets.sort();
    let (mut rows, mut more) = (Vec::new(), false);
    for target in targets.iter().filter(|name| arguments.target.as_ref().is_none_or(|one| one == *name)) {
        let mut page = reader.parked(target, PostingNo::default(), arguments.limit + 1)?;
        more |= page.len() > arguments.limit;
        page.truncate(arguments.limit);
        for parked in page {
            let posting = reader.posting(parked.posting)?.context("what is parked has a posting")?;
            let source = names.get(&posting.source).map(ToString::to_string).unwrap_or_default();
            rows.push((parked, source, posting.posting.id, posting.posting.date));
        }
    }
    if arguments.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(parked, source, posting, date)| {
                json!({
                    "target": parked.target.as_str(),
                    "source": source,
                    "posting": posting.as_str(),
                    "date": date.to_string(),
                    "since": parked.since.to_string(),
                    "why": why(&parked.why),
                    "released": parked.is_released,
                })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut shown = table(["target", "source", "posting", "date", "since", "why"].into_iter(), usize::MAX);
    for (parked, source, posting, date) in &rows {
        let cells = [parked.target.to_string(), source.clone(), posting.to_string(), date.to_string()];
        shown.add_row(cells.into_iter().chain([parked.since.to_string(), state(parked)]));
    }
    println!("{}\n\n{} shown", shown.trim_fmt(), rows.len());
    if more {
        println!("There are more; --limit shows them.");
    }
    if rows.iter().any(|(parked, ..)| matches!(parked.why, Why::Refused(..))) {
        println!("When the receiver takes them, `samspor parked release --target NAME` tries them again.");
    }
    Ok(ExitCode::SUCCESS)
}

fn state(parked: &Parked) -> String {
    let again = if parked.is_released { "; is tried again" } else { "" };
    format!("{}{again}", why(&parked.why))
}

fn release(arguments: &ParkedRelease) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    if !config.targets.iter().any(|target| target.name == arguments.target) {
        bail!("the configuration has no target {}", arguments.target);
    }
    let posting = match (&arguments.source, &arguments.posting) {
        (Some(source), Some(id)) => Some(v1::PostingName { source: source.to_string(), id: id.to_string() }),
        _ => None,
    };
    let request = v1::ReleaseParkedRequest { target: arguments.target.to_string(), posting };
    let released = gateway::runtime()?.block_on(async {
        let mut delivery = DeliveryServiceClient::new(gateway::connect(&config).await?);
        let answer = delivery.release_parked(request).await;
        let answer = answer.map_err(|status| gateway::refused(&status))?;
        anyhow::Ok(answer.into_inner().released)
    })?;
    println!(
        "{released} released; each is tried again, and parked again if others get through and it does not"
    );
    Ok(ExitCode::SUCCESS)
}
