//! `list`, `show` and `groups`: the running gateway is asked, or the store's files where none runs.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use samspor_grpc::v1::{self, QuarantineEntry, QuarantineState};
use serde_json::{Value, json};

use super::arguments::{Groups, List, Place, Show, Stand, Which};
use crate::answers::Answers;
use crate::config;

/// Entries of a page at most.
const PAGE: usize = 1_000;

/// Who answers, or the exit code of a faulty configuration.
fn opened(place: &Place) -> Result<std::result::Result<Answers, ExitCode>> {
    let config = match config::load(&place.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(Err(crate::faulty(&problems))),
    };
    Answers::of(&config, place.data_dir.as_deref()).map(Ok)
}

fn print(shown: &impl serde::Serialize) -> Result<ExitCode> {
    println!("{}", serde_json::to_string_pretty(shown)?);
    Ok(ExitCode::SUCCESS)
}

fn filter(which: &Which, state: Stand) -> v1::QuarantineFilter {
    let state = match state {
        Stand::Open => QuarantineState::Open,
        Stand::Released => QuarantineState::Released,
        Stand::Discarded => QuarantineState::Discarded,
        Stand::All => QuarantineState::Unspecified,
    };
    which.filter(state)
}

/// Lists entries.
pub(super) fn list(list: &List) -> Result<ExitCode> {
    let mut answers = match opened(&list.place)? {
        Ok(answers) => answers,
        Err(code) => return Ok(code),
    };
    let mut request = v1::ListQuarantineRequest {
        filter: Some(filter(&list.which, list.state)),
        newest_first: list.newest,
        page_size: 0,
        page_token: list.after.map(|after| after.to_string()).unwrap_or_default(),
    };
    let mut entries: Vec<QuarantineEntry> = Vec::new();
    let more = loop {
        let size = PAGE.min(list.limit - entries.len());
        if size == 0 {
            break !request.page_token.is_empty();
        }
        request.page_size = i32::try_from(size)?;
        let page = answers.to(request.clone())?;
        entries.extend(page.entries);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break false;
        }
    };
    if list.place.json {
        return print(&entries.iter().map(as_json).collect::<Vec<_>>());
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header([
        "no.",
        "arrived",
        "source",
        "reason",
        "place",
        "what is wrong",
        "state",
    ]);
    if let Some(numbers) = table.column_mut(0) {
        numbers.set_cell_alignment(CellAlignment::Right);
    }
    for entry in &entries {
        table.add_row([
            entry.number.to_string(),
            entry.arrived.clone(),
            entry.source.clone(),
            entry.reason.clone(),
            entry.path.clone().unwrap_or_default(),
            entry.message.clone(),
            state(entry),
        ]);
    }
    println!("{}", table.trim_fmt());
    let next = entries.last().filter(|_| more);
    let next = next.map(|last| format!("; there are more, see --after {}", last.number));
    println!("\n{} shown{}", entries.len(), next.unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}

/// Shows an entry.
pub(super) fn show(show: &Show) -> Result<ExitCode> {
    let mut answers = match opened(&show.place)? {
        Ok(answers) => answers,
        Err(code) => return Ok(code),
    };
    let found = answers.to(v1::GetQuarantinedRequest { number: show.number })?;
    let entry = &found.entry.ok_or_else(|| anyhow!("the answer holds no entry"))?;
    if show.place.json {
        let mut shown = as_json(entry);
        shown["body"] = found.body.as_ref().map_or(Value::Null, |body| {
            json!({
                "content_type": body.content_type, "format": body.format, "bytes": body.byte_count, "text": body.text,
                "cut": body.cut,
            })
        });
        return print(&shown);
    }
    let mut told = vec![
        ("entry", entry.number.to_string()),
        ("source", entry.source.clone()),
        ("arrived", entry.arrived.clone()),
        ("reason", entry.reason.clone()),
        ("place", entry.path.clone().unwrap_or_else(|| "the whole message".into())),
        ("what is wrong", entry.message.clone()),
        ("state", state(entry)),
    ];
    if entry.items > 1 {
        told.push(("item", format!("{} of {} in its message", entry.item, entry.items)));
    }
    if let Some(body) = &found.body {
        told.push(("content type", body.content_type.clone().unwrap_or_else(|| "none".into())));
        told.push(("body", format!("{} bytes, read as {}", body.byte_count, body.format)));
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    for (name, value) in told {
        table.add_row([name.to_owned(), value]);
    }
    println!("{}", table.trim_fmt());
    if let Some(body) = &found.body {
        println!("\nIts body, with 9 for digits and a or A for letters:\n\n{}", body.text.trim_end());
        if body.cut {
            println!("\n… and so on");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Counts entries.
pub(super) fn groups(groups: &Groups) -> Result<ExitCode> {
    let mut answers = match opened(&groups.place)? {
        Ok(answers) => answers,
        Err(code) => return Ok(code),
    };
    let filter = Some(filter(&groups.which, groups.state));
    let found = answers.to(v1::GroupQuarantineRequest { filter })?.groups;
    if groups.place.json {
        let group = |group: &v1::QuarantineGroup| {
            json!({
                "source": group.source, "reason": group.reason, "path": group.path, "entries": group.count,
                "first": group.first_arrived, "last": group.last_arrived,
            })
        };
        return print(&found.iter().map(group).collect::<Vec<_>>());
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["entries", "source", "reason", "place", "first", "last"]);
    if let Some(numbers) = table.column_mut(0) {
        numbers.set_cell_alignment(CellAlignment::Right);
    }
    for group in &found {
        table.add_row([
            group.count.to_string(),
            group.source.clone(),
            group.reason.clone(),
            group.path.clone().unwrap_or_default(),
            group.first_arrived.clone(),
            group.last_arrived.clone(),
        ]);
    }
    println!("{}", table.trim_fmt());
    println!("\n{} entries in {} groups", found.iter().map(|group| group.count).sum::<i64>(), found.len());
    Ok(ExitCode::SUCCESS)
}

fn state(entry: &QuarantineEntry) -> String {
    let settled = entry.settled.as_deref().unwrap_or_default();
    match entry.state() {
        QuarantineState::Released => {
            let became: BTreeMap<_, _> = entry.became.iter().collect();
            let became: Vec<String> = became.iter().map(|(word, items)| format!("{items} {word}")).collect();
            format!("released {settled} as {}", became.join(", "))
        }
        QuarantineState::Discarded => {
            format!("discarded {settled}: {}", entry.discarded_because.as_deref().unwrap_or_default())
        }
        _ if entry.erased => "open, erased by retention".into(),
        _ => "open".into(),
    }
}

fn as_json(entry: &QuarantineEntry) -> Value {
    let state = match entry.state() {
        QuarantineState::Released => "released",
        QuarantineState::Discarded => "discarded",
        _ => "open",
    };
    let mut shown = json!({
        "number": entry.number,
        "arrived": entry.arrived,
        "source": entry.source,
        "reason": entry.reason,
        "path": entry.path,
        "message": entry.message,
        "state": state,
        "erased": entry.erased,
    });
    if let Some(settled) = &entry.settled {
        shown["settled"] = settled.as_str().into();
    }
    if state == "released" {
        shown["became"] =
            entry.became.iter().map(|(word, items)| (word.clone(), Value::from(*items))).collect();
    }
    if let Some(because) = &entry.discarded_because {
        shown["discarded_because"] = because.as_str().into();
    }
    shown
}
