//! `samspor map` and `samspor test`: what messages become by a mapping or in a format that is code, with no broker, store or
//! configuration.

mod difference;
mod examples;
mod rules;
mod unfilled;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use samspor_domain::quarantine::Show;
use samspor_domain::{Delivery, SourceName};
use samspor_formats::mapping::Coverage;
use samspor_formats::{Masked, json};

use crate::{config, recording, wiring};

pub(crate) use examples::test;

/// Any item is a fault.
const FAULTS: u8 = 3;

/// What `map` maps.
#[derive(Debug, Args)]
pub(crate) struct Map {
    /// The mapping; or a file with the keys of a source that say its format, such as `format = "g69"`.
    #[arg(value_name = "FILE")]
    pub(crate) mapping: PathBuf,
    /// The message as the system sends it; or a recording, whose name ends in `.ndjson`, with any number of them.
    #[arg(value_name = "MESSAGE")]
    pub(crate) message: PathBuf,
    /// The source's name, which references without a system get. Without it: the mapping's name, or in a recording that of
    /// each message.
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<SourceName>,
    /// Show the form of each value only, so that the output tells of nobody.
    #[arg(long)]
    pub(crate) masked: bool,
}

/// What `test` tests.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Mappings, files with the keys of a source that say its format, or folders with such files. Without any: the mappings that
    /// the configuration names.
    #[arg(required_unless_present = "config", value_name = "FILE")]
    pub(crate) paths: Vec<PathBuf>,
    /// A configuration. Where its sources name a mapping, examples are held against what those sources may send and how large
    /// their messages may be, too.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Show the form of values that differ only, so that the output tells of nobody.
    #[arg(long)]
    pub(crate) masked: bool,
    /// Write what each example becomes as what is expected of it, instead of comparing. Read what it writes.
    #[arg(long)]
    pub(crate) update: bool,
}

/// Prints what a message becomes.
pub(crate) fn map(arguments: &Map) -> Result<ExitCode> {
    let format = match config::load_format(&arguments.mapping) {
        Ok(format) => format,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let own = source_of(&arguments.mapping)?;
    let decoder = wiring::decoder(&format);
    let mut coverage = format.mapping().map(Coverage::new);
    let (mut messages, mut faults, mut ignored) = (0u64, 0u64, 0u64);
    for (source, delivery, place) in deliveries(&arguments.message, &own)? {
        let source = arguments.source.as_ref().unwrap_or(&source);
        if let Some(coverage) = &mut coverage {
            coverage.read(source, &delivery);
        }
        for item in decoder.decode(source, &delivery) {
            ignored += u64::from(item.ignored_fields);
            match item.content {
                Ok(message) => {
                    messages += 1;
                    let line = json::line(&message);
                    let masked = || Masked.show(Some("application/json"), line.as_bytes()).text;
                    println!("{}", if arguments.masked { masked() } else { line });
                }
                Err(fault) => {
                    faults += 1;
                    eprintln!("{place}{fault}");
                }
            }
        }
    }
    if let Some(coverage) = &coverage {
        eprint!("{}", unfilled::rules(coverage, "message"));
        eprint!("{}", unfilled::names(coverage, arguments.masked));
    }
    let passed = decoder.passed().unwrap_or_default();
    eprintln!(
        "{messages} messages, {faults} faults; {passed} passed over; {ignored} fields that no rule reads"
    );
    Ok(if faults > 0 { ExitCode::from(FAULTS) } else { ExitCode::SUCCESS })
}

/// The deliveries of a file, each with its source and how it is told apart from others.
fn deliveries(path: &Path, own: &SourceName) -> Result<Vec<(SourceName, Delivery, String)>> {
    if path.extension().is_some_and(|extension| extension == "ndjson") {
        let recorded = recording::read(path)?.enumerate().map(|(index, recorded)| {
            let recorded = recorded?;
            Ok((recorded.source, recorded.delivery, format!("message {}: ", index + 1)))
        });
        return recorded.collect();
    }
    Ok(vec![(own.clone(), delivery(path)?, String::new())])
}

/// A file as a delivery that says nothing of what it is.
fn delivery(path: &Path) -> Result<Delivery> {
    let body = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Delivery { body: body.into(), ..Delivery::default() })
}

/// The source that a mapping is for, by its name.
fn source_of(mapping: &Path) -> Result<SourceName> {
    let stem = mapping.file_stem().unwrap_or_default().to_string_lossy();
    SourceName::new(&stem).with_context(|| format!("the name of {}", mapping.display()))
}
