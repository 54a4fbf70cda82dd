//! `samspor parked`: records that a target does not get for now, and their release.

use std::process::ExitCode;

use anyhow::{Result, bail};
use samspor_grpc::client::TargetsServiceClient;
use samspor_grpc::v1;
use samspor_grpc::v1::parked_record::Why;
use serde_json::json;

use crate::answers::Answers;
use crate::cli::{ParkedAction, ParkedList, ParkedRelease};
use crate::reconcile::table;
use crate::{books, config, gateway};

/// Records that are asked for at a time at most.
const PAGE: usize = 1_000;

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
    let mut answers = Answers::of(&config, None)?;
    let targets = answers.to(v1::ListTargetsRequest {})?.targets.into_iter().map(|target| target.target);
    let (mut rows, mut more) = (Vec::new(), false);
    for target in targets.filter(|name| arguments.target.as_ref().is_none_or(|one| one.as_str() == name)) {
        let (mut page_token, mut left) = (String::new(), arguments.limit);
        while left > 0 {
            let page_size = i32::try_from(left.min(PAGE))?;
            let question = v1::ListParkedRequest { target: target.clone(), page_size, page_token };
            let page = answers.to(question)?;
            left = left.saturating_sub(page.records.len());
            rows.extend(page.records.into_iter().map(|record| (target.clone(), record)));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
            more |= left == 0;
        }
    }
    if arguments.json {
        let rows: Vec<_> = rows.iter().map(|(target, record)| as_json(target, record)).collect();
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut shown = table(["target", "source", "posting", "date", "since", "why"].into_iter(), usize::MAX);
    for (target, record) in &rows {
        let v1::ParkedRecord { source, posting, date, since, .. } = record;
        shown.add_row([target, source, posting, date, since, &state(record)]);
    }
    println!("{}\n\n{} shown", shown.trim_fmt(), rows.len());
    if more {
        println!("There are more; --limit shows them.");
    }
    if rows.iter().any(|(_, record)| matches!(record.why, Some(Why::Refused(_)))) {
        println!("When the receiver takes them, `samspor parked release --target NAME` tries them again.");
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(target: &str, record: &v1::ParkedRecord) -> serde_json::Value {
    json!({
        "target": target,
        "source": record.source,
        "posting": record.posting,
        "date": record.date,
        "since": record.since,
        "why": why(record),
        "released": record.released,
    })
}

fn state(record: &v1::ParkedRecord) -> String {
    let again = if record.released { "; is tried again" } else { "" };
    format!("{}{again}", why(record))
}

fn why(record: &v1::ParkedRecord) -> String {
    match &record.why {
        Some(Why::Refused(refused)) => books::refused(refused),
        Some(Why::ClosedMonth(_)) | None => books::CLOSED.into(),
    }
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
        let mut targets = TargetsServiceClient::new(gateway::connect(&config).await?);
        let answer = targets.release_parked(request).await;
        let answer = answer.map_err(|status| gateway::refused(&status))?;
        anyhow::Ok(answer.into_inner().released)
    })?;
    println!(
        "{released} released; each is tried again, and parked again if others get through and it does not"
    );
    Ok(ExitCode::SUCCESS)
}
