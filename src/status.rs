//! `samspor status`: how the running gateway is doing, in a table.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use samspor_grpc::v1::{GetStatusRequest, GetStatusResponse, PartCondition, PartStatus};
use serde_json::{Value, json};

use crate::cli::Status;
use crate::config::{self, Config};
use crate::gateway::{refused, runtime};
use crate::operations::operations;

/// Something is not up, or nobody answers.
pub(crate) const NOT_UP: u8 = 6;
/// How often a watched status is shown anew.
const EVERY: Duration = Duration::from_secs(2);

/// Shows how the gateway is doing.
pub(crate) fn run(arguments: &Status) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let runtime = runtime()?;
    loop {
        let code = match runtime.block_on(ask(&config)) {
            Ok(status) => {
                if arguments.watch && std::io::stdout().is_terminal() {
                    print!("\x1b[2J\x1b[H"); // An empty screen, and its upper left corner.
                }
                if arguments.json {
                    println!("{}", serde_json::to_string_pretty(&as_json(&status))?);
                } else {
                    println!("{}", shown(&status));
                }
                if status.ready { ExitCode::SUCCESS } else { ExitCode::from(NOT_UP) }
            }
            Err(error) => {
                eprintln!("samspor: {error:#}");
                ExitCode::from(NOT_UP)
            }
        };
        if !arguments.watch {
            return Ok(code);
        }
        runtime.block_on(tokio::time::sleep(EVERY));
    }
}

async fn ask(config: &Config) -> Result<GetStatusResponse> {
    let answer = operations(config).await?.get_status(GetStatusRequest {}).await;
    Ok(answer.map_err(|status| refused(&status))?.into_inner())
}

fn word(part: &PartStatus) -> &'static str {
    match part.condition() {
        PartCondition::Up => "up",
        PartCondition::Down => "down",
        PartCondition::Starting => "starting",
        PartCondition::Paused => "paused",
        PartCondition::Stopped => "stopped",
        PartCondition::Unspecified => "unknown",
    }
}

/// What a part has done or has yet to do.
fn number(part: &PartStatus) -> String {
    let numbers = [
        part.received.map(|items| format!("{items} received")),
        part.waiting.map(|records| format!("{records} waiting")),
        part.pending_work.map(|changes| format!("{changes} to decide again")),
        part.kept_for_receipts.map(|postings| format!("{postings} kept for missing receipts")),
    ];
    numbers.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn shown(status: &GetStatusResponse) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["part", "condition", "since", "", "why"]);
    for part in &status.parts {
        // To the second.
        let since = part.since.split('.').next().unwrap_or_default().trim_end_matches('Z').replace('T', " ");
        table.add_row([part.part.clone(), word(part).to_owned(), since, number(part), part.why.clone()]);
    }
    let mut text = table.trim_fmt();
    if status.draining {
        text.push_str("\n\nit drains: nothing is taken in until `samspor drain --cancel` or a restart");
    }
    if !status.numbers_missing.is_empty() {
        text.push_str(&format!("\n\nthe numbers are missing: {}", status.numbers_missing));
    }
    text
}

fn as_json(status: &GetStatusResponse) -> Value {
    let part = |part: &PartStatus| {
        let mut shown = json!({"part": part.part, "condition": word(part), "since": part.since});
        if !part.why.is_empty() {
            shown["why"] = part.why.as_str().into();
        }
        let numbers = [
            ("received", part.received),
            ("waiting", part.waiting),
            ("pending_work", part.pending_work),
            ("kept_for_receipts", part.kept_for_receipts),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                shown[name] = number.into();
            }
        }
        shown
    };
    json!({"ready": status.ready, "draining": status.draining, "parts": status.parts.iter().map(part).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_json_say_what_the_gateway_says() {
        let part = |name: &str, condition: PartCondition| PartStatus {
            part: name.into(),
            condition: condition.into(),
            since: "2026-03-14T06:00:00.123456Z".into(),
            ..PartStatus::default()
        };
        let status = GetStatusResponse {
            parts: vec![
                PartStatus { received: Some(7), ..part("source opus", PartCondition::Paused) },
                PartStatus {
                    waiting: Some(3),
                    kept_for_receipts: Some(2),
                    why: "nobody there".into(),
                    ..part("target ledger", PartCondition::Down)
                },
            ],
            ready: false,
            numbers_missing: String::new(),
            draining: true,
        };
        let table = shown(&status);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[1].trim_start().starts_with("source opus"), "{table}");
        assert!(
            lines[1].contains("paused")
                && lines[1].contains("2026-03-14 06:00:00 ")
                && lines[1].contains("7 received")
        );
        assert!(
            lines[2].contains("down")
                && lines[2].contains("3 waiting, 2 kept for missing receipts")
                && lines[2].contains("nobody there")
        );
        assert!(table.contains("it drains"), "{table}");
        let json = as_json(&status);
        assert_eq!((&json["parts"][0]["received"], &json["draining"]), (&7.into(), &true.into()));
        assert_eq!(json["parts"][1]["why"], "nobody there");
        assert_eq!((&json["ready"], &json["parts"][0]["why"]), (&false.into(), &Value::Null));
    }
}
