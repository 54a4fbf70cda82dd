//! `preview`, `release` and `discard`: the running gateway does them, through the gRPC address of the configuration.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use samspor_grpc::client::{QuarantineServiceClient, Status, Way};
use samspor_grpc::v1::{self, Becoming, discard_request, preview_release_request};
use serde_json::{Value, json};

use super::arguments::{Discard, Preview, Release};
use crate::cli::Configured;
use crate::{config, gateway};

/// The way to the running gateway of a configuration.
struct Gateway {
    runtime: tokio::runtime::Runtime,
    client: QuarantineServiceClient<Way>,
}

/// The gateway, or the exit code of a faulty configuration.
fn open(configured: &Configured) -> Result<std::result::Result<Gateway, ExitCode>> {
    let config = match config::load(&configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(Err(crate::faulty(&problems))),
    };
    let runtime = gateway::runtime()?;
    let channel = runtime.block_on(gateway::connect(&config))?;
    Ok(Ok(Gateway { runtime, client: QuarantineServiceClient::new(channel) }))
}

fn refused(status: Status) -> anyhow::Error {
    gateway::refused(&status)
}

/// A set, and what becomes of its entries.
#[derive(Default)]
struct Told {
    set: v1::FrozenSet,
    entries: Vec<v1::EntryFate>,
}

/// Freezes a set, and says what would become of it.
pub(super) fn preview(arguments: &Preview) -> Result<ExitCode> {
    let Gateway { runtime, mut client } = match open(&arguments.configured)? {
        Ok(gateway) => gateway,
        Err(code) => return Ok(code),
    };
    let filter = arguments.which.filter(v1::QuarantineState::Open);
    let mut of =
        arguments.set.map_or(preview_release_request::Of::Filter(filter), preview_release_request::Of::Set);
    let mut told = Told::default();
    let mut after = 0;
    loop {
        let request = v1::PreviewReleaseRequest { of: Some(of), limit: arguments.limit, after };
        let answer = runtime.block_on(client.preview_release(request)).map_err(refused)?.into_inner();
        told.set = answer.set.unwrap_or_default();
        told.entries.extend(answer.entries);
        if answer.next_after == 0 {
            break;
        }
        (of, after) = (preview_release_request::Of::Set(told.set.number), answer.next_after);
    }
    if arguments.json {
        return json(&told);
    }
    let set = &told.set;
    println!(
        "Set {}, made {}: {} entries. Released now, they would become:\n",
        set.number, set.made, set.count
    );
    tables(&told, arguments.each);
    if arguments.set.is_none() && set.count == i64::from(arguments.limit) {
        println!("\nThe set has as many entries as --limit allows; there may be more that match.");
    }
    if set.count > 0 {
        println!(
            "\nNothing was changed. To take this set in: samspor quarantine release --config {} {}",
            shown(&arguments.configured.config),
            set.number
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Releases a set.
pub(super) fn release(arguments: &Release) -> Result<ExitCode> {
    let Gateway { runtime, mut client } = match open(&arguments.configured)? {
        Ok(gateway) => gateway,
        Err(code) => return Ok(code),
    };
    let mut told = Told::default();
    let mut after = 0;
    loop {
        let request = v1::ReleaseRequest { set: arguments.set, after };
        let answer = runtime.block_on(client.release(request)).map_err(refused)?.into_inner();
        told.set = answer.set.unwrap_or_default();
        told.entries.extend(answer.entries);
        if answer.next_after == 0 {
            break;
        }
        after = answer.next_after;
    }
    if arguments.json {
        return json(&told);
    }
    println!("Set {}: {} entries became:\n", told.set.number, told.set.count);
    tables(&told, arguments.each);
    Ok(ExitCode::SUCCESS)
}

/// Discards an entry, or what is open of a set.
pub(super) fn discard(arguments: &Discard) -> Result<ExitCode> {
    let Gateway { runtime, mut client } = match open(&arguments.configured)? {
        Ok(gateway) => gateway,
        Err(code) => return Ok(code),
    };
    let number = arguments.number.map(discard_request::What::Number);
    let what = number.or(arguments.set.map(discard_request::What::Set));
    let request = v1::DiscardRequest { what, reason: arguments.reason.clone() };
    let answer = runtime.block_on(client.discard(request)).map_err(refused)?.into_inner();
    println!("{} discarded", answer.discarded);
    if answer.settled > 0 {
        println!("{} had been released or discarded before", answer.settled);
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// What becomes of an item, in a word, and in a sentence.
fn becoming(fate: &v1::Fate) -> (String, &'static str) {
    let (word, sentence) = match fate.becoming() {
        Becoming::Unspecified => ("unknown", "this command is older than the gateway"),
        Becoming::Fact => ("fact", ""),
        Becoming::Stale => ("stale", "an older version of a fact that is known"),
        Becoming::Posting => ("posting", ""),
        Becoming::Receipt => ("receipt", ""),
        Becoming::Duplicate => ("duplicate", "known by now"),
        Becoming::Empty => ("empty", "nothing is in it, and its mapping says that this may be"),
        Becoming::Quarantined => ("quarantined", "still not understood, and stays"),
        Becoming::Settled => ("settled", "released or discarded before; nothing is done"),
        Becoming::Erased => ("erased", "retention has erased it; it can only be discarded"),
        Becoming::NoDecoder => ("no-decoder", "no configured source has its name; it stays"),
    };
    let reason = fate.reason.as_ref().map(|reason| format!(" {reason}"));
    (format!("{word}{}", reason.unwrap_or_default()), sentence)
}

fn tables(told: &Told, each: bool) {
    let mut sums: BTreeMap<(String, &str), i64> = BTreeMap::new();
    for fate in told.entries.iter().flat_map(|entry| &entry.fates) {
        *sums.entry(becoming(fate)).or_default() += fate.count;
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    if each {
        table.set_header(["no.", "", ""]);
        for entry in &told.entries {
            for fate in &entry.fates {
                let (word, sentence) = becoming(fate);
                table.add_row([entry.number.to_string(), word, sentence.to_owned()]);
            }
        }
        println!("{}\n", table.trim_fmt());
        table = Table::new();
        table.load_style(NOTHING);
    }
    for ((word, sentence), count) in sums {
        table.add_row([count.to_string(), word, sentence.to_owned()]);
    }
    if let Some(numbers) = table.column_mut(0) {
        numbers.set_cell_alignment(CellAlignment::Right);
    }
    println!("{}", table.trim_fmt());
}

fn json(told: &Told) -> Result<ExitCode> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for fate in told.entries.iter().flat_map(|entry| &entry.fates) {
        *sums.entry(becoming(fate).0).or_default() += fate.count;
    }
    let entry = |entry: &v1::EntryFate| {
        let fates: BTreeMap<String, i64> =
            entry.fates.iter().map(|fate| (becoming(fate).0, fate.count)).collect();
        json!({"number": entry.number, "becomes": fates})
    };
    let shown: Value = json!({
        "set": told.set.number,
        "made": told.set.made,
        "count": told.set.count,
        "becomes": sums,
        "entries": told.entries.iter().map(entry).collect::<Vec<_>>(),
    });
    println!("{}", serde_json::to_string_pretty(&shown)?);
    Ok(ExitCode::SUCCESS)
}
