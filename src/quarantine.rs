//! `samspor quarantine`: the messages that were not understood.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;
use comfy_table::{Table, presets::NOTHING};
use samspor_domain::store::{Quarantined, Read};
use serde_json::json;

use crate::cli::{Quarantine, QuarantineAction};
use crate::{config, open};

/// Lists what lies in quarantine.
pub(crate) fn run(arguments: &Quarantine) -> Result<ExitCode> {
    let QuarantineAction::List(list) = &arguments.action;
    let config = match config::load(&list.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let (dir, _) = open::existing(&config, list.data_dir.as_deref())?;
    let mut reader = open::reader(&dir)?;
    let names: BTreeMap<_, _> = reader.sources()?.into_iter().collect();
    let name = |entry: &Quarantined| names.get(&entry.source).map(ToString::to_string).unwrap_or_default();
    let entries = reader.quarantine(list.limit)?;
    if list.json {
        let shown: Vec<_> = entries
            .iter()
            .map(|entry| {
                json!({
                    "arrived": entry.registered.to_string(),
                    "source": name(entry),
                    "reason": entry.reason.word(),
                    "path": entry.path,
                    "message": entry.message,
                })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["arrived", "source", "reason", "place", "what is wrong"]);
    for entry in &entries {
        table.add_row([
            entry.registered.to_string(),
            name(entry),
            entry.reason.to_string(),
            entry.path.clone().unwrap_or_default(),
            entry.message.clone(),
        ]);
    }
    println!("{}", table.trim_fmt());
    println!("\n{} shown", entries.len());
    Ok(ExitCode::SUCCESS)
}
