//! `list`, `show` and `groups`: they read the store beside the gateway.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use samspor_domain::EntryNo;
use samspor_domain::quarantine::{Entry, Order, ReadQuarantine, State};
use samspor_domain::store::Read;
use samspor_engine::quarantine::detail;
use samspor_formats::Masked;
use samspor_sqlite::Sqlite;
use samspor_vault::Vault;
use serde_json::{Value, json};

use super::arguments::{Groups, List, Place, Show};
use crate::{config, open};

/// What a command reads, or the exit code of a faulty configuration.
fn opened(place: &Place) -> Result<std::result::Result<(Sqlite, Arc<Vault>), ExitCode>> {
    let config = match config::load(&place.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(Err(crate::faulty(&problems))),
    };
    Ok(Ok(open::existing(&config, place.data_dir.as_deref())?))
}

fn print(shown: &impl serde::Serialize) -> Result<ExitCode> {
    println!("{}", serde_json::to_string_pretty(shown)?);
    Ok(ExitCode::SUCCESS)
}

/// Lists entries.
pub(super) fn list(list: &List) -> Result<ExitCode> {
    let mut reader = match opened(&list.place)? {
        Ok((reader, _)) => reader,
        Err(code) => return Ok(code),
    };
    let names: BTreeMap<_, _> = reader.sources()?.into_iter().collect();
    let name = |entry: &Entry| names.get(&entry.source).map(ToString::to_string).unwrap_or_default();
    let order = if list.newest { Order::NewestFirst } else { Order::OldestFirst };
    let filter = list.which.filter(list.state.standing());
    // One more shows whether there are any more.
    let mut entries =
        reader.entries(&filter, order, list.after.map(EntryNo), list.limit.saturating_add(1))?;
    let more = entries.len() > list.limit;
    entries.truncate(list.limit);
    if list.place.json {
        return print(&entries.iter().map(|entry| as_json(entry, &name(entry))).collect::<Vec<_>>());
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
            entry.no.0.to_string(),
            entry.registered.to_string(),
            name(entry),
            entry.reason.to_string(),
            entry.path.clone().unwrap_or_default(),
            entry.message.clone(),
            state(entry),
        ]);
    }
    println!("{}", table.trim_fmt());
    let next = entries.last().filter(|_| more);
    let next = next.map(|last| format!("; there are more, see --after {}", last.no.0));
    println!("\n{} shown{}", entries.len(), next.unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}

/// Shows an entry.
pub(super) fn show(show: &Show) -> Result<ExitCode> {
    let (mut reader, vault) = match opened(&show.place)? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let found = detail(&mut reader, &vault, &Masked, EntryNo(show.number))?;
    let found = found.with_context(|| format!("the quarantine has no entry {}", show.number))?;
    let (entry, source) = (&found.entry, found.source.as_str());
    if show.place.json {
        let mut shown = as_json(entry, source);
        shown["body"] = found.shown.as_ref().map_or(Value::Null, |body| {
            json!({
                "content_type": body.content_type, "format": body.format, "bytes": body.bytes, "text": body.text,
                "cut": body.cut,
            })
        });
        return print(&shown);
    }
    let mut told = vec![
        ("entry", entry.no.0.to_string()),
        ("source", source.to_owned()),
        ("arrived", entry.registered.to_string()),
        ("reason", entry.reason.to_string()),
        ("place", entry.path.clone().unwrap_or_else(|| "the whole message".into())),
        ("what is wrong", entry.message.clone()),
        ("state", state(entry)),
    ];
    if entry.items > 1 {
        told.push(("item", format!("{} of {} in its message", entry.item + 1, entry.items)));
    }
    if let Some(body) = &found.shown {
        told.push(("content type", body.content_type.clone().unwrap_or_else(|| "none".into())));
        told.push(("body", format!("{} bytes, read as {}", body.bytes, body.format)));
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    for (name, value) in told {
        table.add_row([name.to_owned(), value]);
    }
    println!("{}", table.trim_fmt());
    if let Some(body) = &found.shown {
        println!("\nIts body, with 9 for digits and a or A for letters:\n\n{}", body.text.trim_end());
        if body.cut {
            println!("\n… and so on");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Counts entries.
pub(super) fn groups(groups: &Groups) -> Result<ExitCode> {
    let mut reader = match opened(&groups.place)? {
        Ok((reader, _)) => reader,
        Err(code) => return Ok(code),
    };
    let names: BTreeMap<_, _> = reader.sources()?.into_iter().collect();
    let found = reader.groups(&groups.which.filter(groups.state.standing()))?;
    let name = |no| names.get(&no).map(ToString::to_string).unwrap_or_default();
    if groups.place.json {
        let group = |group: &samspor_domain::quarantine::Group| {
            json!({
                "source": name(group.source), "reason": group.reason.word(), "path": group.path,
                "entries": group.entries, "first": group.first.to_string(), "last": group.last.to_string(),
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
            group.entries.to_string(),
            name(group.source),
            group.reason.to_string(),
            group.path.clone().unwrap_or_default(),
            group.first.to_string(),
            group.last.to_string(),
        ]);
    }
    println!("{}", table.trim_fmt());
    println!("\n{} entries in {} groups", found.iter().map(|group| group.entries).sum::<i64>(), found.len());
    Ok(ExitCode::SUCCESS)
}

fn state(entry: &Entry) -> String {
    match &entry.state {
        State::Open if entry.erased => "open, erased by retention".into(),
        State::Open => "open".into(),
        State::Released { at, became } => {
            let became: Vec<String> =
                became.iter().map(|(outcome, items)| format!("{items} {}", outcome.word())).collect();
            format!("released {at} as {}", became.join(", "))
        }
        State::Discarded { at, why } => format!("discarded {at}: {why}"),
    }
}

fn as_json(entry: &Entry, source: &str) -> Value {
    let mut shown = json!({
        "number": entry.no.0,
        "arrived": entry.registered.to_string(),
        "source": source,
        "reason": entry.reason.word(),
        "path": entry.path,
        "message": entry.message,
        "state": entry.state.standing().word(),
        "erased": entry.erased,
    });
    match &entry.state {
        State::Open => {}
        State::Released { at, became } => {
            shown["settled"] = at.to_string().into();
            shown["became"] = became
                .iter()
                .map(|(outcome, items)| (outcome.word().to_owned(), Value::from(*items)))
                .collect();
        }
        State::Discarded { at, why } => {
            shown["settled"] = at.to_string().into();
            shown["discarded_because"] = why.as_str().into();
        }
    }
    shown
}
