//! The examples beside a mapping, or beside the settings of a format that is code: messages, and what they are expected to become.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use samspor_domain::{Decode, Delivery, Item, SourceName};
use samspor_engine::Intake;
use samspor_formats::json;
use samspor_formats::mapping::Coverage;

use super::{Test, deliveries, difference, rules, unfilled};
use crate::{FAULTY, config};

/// Anything differs.
const DIFFERS: u8 = 6;
/// What the name of an expectation ends in.
const EXPECTED: &str = ".expected.ndjson";

/// Runs examples, and prints how they went.
pub(crate) fn test(arguments: &Test) -> Result<ExitCode> {
    let configured = match arguments.config.as_deref().map(config::load).transpose() {
        Ok(configured) => configured,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let sources = configured.as_ref().map(rules::of).unwrap_or_default();
    let paths =
        if arguments.paths.is_empty() { rules::mappings(&sources)? } else { mappings(&arguments.paths)? };
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["mapping", "example", "messages", "faults", "result"]);
    let (mut is_faulty, mut differs) = (false, false);
    for path in paths {
        let name = path.display().to_string();
        let format = match config::load_format(&path) {
            Ok(format) => format,
            Err(problems) => {
                is_faulty = true;
                crate::faulty(&problems);
                table.add_row([name, String::new(), String::new(), String::new(), "faulty".into()]);
                continue;
            }
        };
        let examples = examples(&path)?;
        if examples.is_empty() {
            differs = true;
            let folder = path.with_extension("");
            // What ends in `.ndjson` is a recording.
            let ending = if format.word() == "ndjson" { "jsonl" } else { format.word() };
            eprintln!(
                "{name} has no examples: put a message into {}, such as NAME.{}, and run `samspor test {name} --update`\n",
                folder.display(),
                ending
            );
            table.add_row([name, String::new(), String::new(), String::new(), "no examples".into()]);
            continue;
        }
        let mut coverage = format.mapping().map(Coverage::new);
        let intake = rules::intake(&path, &format, &sources)?;
        for path in examples {
            let items = items(&intake, &mut coverage, &path)?;
            let example = Example { path: &path, source: &intake.source, is_masked: arguments.masked };
            let result = if arguments.update { example.update(&items)? } else { example.compare(&items)? };
            differs |= !matches!(result, "as expected" | "written" | "unchanged");
            let faults = items.iter().filter(|item| item.content.is_err()).count();
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let [good, bad] = [items.len() - faults, faults].map(|count| count.to_string());
            table.add_row([name.clone(), file, good, bad, result.to_owned()]);
        }
        let Some(coverage) = coverage else { continue };
        let never = unfilled::rules(&coverage, "example");
        if !never.is_empty() {
            differs = true;
            eprint!("{name}, {never}");
            eprint!("{}", unfilled::names(&coverage, arguments.masked));
            eprintln!(
                "hold the paths against what no rule reads, and add an example that shows them; of what no example need show, \
                 say `unseen = true`\n"
            );
            table.add_row([name, String::new(), String::new(), String::new(), "not all shown".into()]);
        }
    }
    println!("{}", table.trim_fmt());
    Ok(match (is_faulty, differs) {
        (true, _) => ExitCode::from(FAULTY),
        (_, true) => ExitCode::from(DIFFERS),
        _ => ExitCode::SUCCESS,
    })
}

/// What an example becomes: a message, or all of a recording.
fn items(intake: &Intake, coverage: &mut Option<Coverage>, path: &Path) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for (_, delivery, _) in deliveries(path, &intake.source)? {
        if let Some(coverage) = coverage {
            coverage.read(&intake.source, &delivery);
        }
        items.extend(intake.items(&delivery));
    }
    Ok(items)
}

/// The files that are named, and those whose name ends in `.toml` of the folders, in order.
fn mappings(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut mappings = Vec::new();
    for path in paths {
        if !path.is_dir() {
            mappings.push(path.clone());
            continue;
        }
        let found = files(path)?.into_iter().filter(|file| file.extension().is_some_and(|end| end == "toml"));
        let before = mappings.len();
        mappings.extend(found);
        if mappings.len() == before {
            bail!("the folder {} holds no mapping, which is a file such as opus.toml", path.display());
        }
    }
    Ok(mappings)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("cannot read the folder {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(context)? {
        let path = entry.with_context(context)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The messages beside a mapping.
fn examples(mapping: &Path) -> Result<Vec<PathBuf>> {
    let folder = mapping.with_extension("");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let is_example = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Editors leave copies beside what they write.
        let is_copy =
            name.starts_with('.') || [".bak", ".orig", ".swp", "~"].iter().any(|end| name.ends_with(end));
        !is_copy && !name.ends_with(EXPECTED)
    };
    Ok(files(&folder)?.into_iter().filter(is_example).collect())
}

/// An item as a line of what is expected.
fn line(item: &Item) -> String {
    match &item.content {
        Ok(message) => json::line(message),
        Err(fault) => {
            let path = fault.path.as_deref().unwrap_or_default();
            let path = serde_json::Value::from(path);
            format!("{{\"fault\":\"{}\",\"path\":{path}}}", fault.reason)
        }
    }
}

/// A message beside a mapping.
struct Example<'e> {
    path: &'e Path,
    source: &'e SourceName,
    is_masked: bool,
}

impl Example<'_> {
    /// Where it says what it is expected to become: beside `week.csv`, `week.csv.expected.ndjson`.
    fn expectation(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(EXPECTED);
        self.path.with_file_name(name)
    }

    fn update(&self, items: &[Item]) -> Result<&'static str> {
        let path = self.expectation();
        let text: String = items.iter().map(|item| line(item) + "\n").collect();
        if fs::read_to_string(&path).is_ok_and(|before| before == text) {
            return Ok("unchanged");
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok("written")
    }

    fn compare(&self, items: &[Item]) -> Result<&'static str> {
        let path = self.expectation();
        let Ok(text) = fs::read_to_string(&path) else {
            eprintln!(
                "{}: nothing says what it becomes: run `samspor test --update` and read {}\n",
                self.path.display(),
                path.display()
            );
            return Ok("nothing expected");
        };
        let mut expected = Vec::new();
        for (index, text) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let place = || format!("{}, line {}", path.display(), index + 1);
            expected.push(normal(self.source, text).with_context(place)?);
        }
        let got: Vec<String> = items.iter().map(line).collect();
        if expected == got {
            return Ok("as expected");
        }
        eprintln!("{} becomes something else than {}:", self.path.display(), path.display());
        for (index, (expected, got)) in difference::pairs(&expected, &got).enumerate() {
            if expected != got {
                let fault = items.get(index).and_then(|item| item.content.as_ref().err());
                let why = fault.map(|fault| format!(" ({fault})")).unwrap_or_default();
                eprintln!("  item {}{why}", index + 1);
                eprint!("{}", difference::fields(expected, got, self.is_masked));
            }
        }
        eprintln!();
        Ok("differs")
    }
}

/// A line of what is expected as [`line()`] would write it.
fn normal(source: &SourceName, text: &str) -> Result<String> {
    let value: serde_json::Value = serde_json::from_str(text)?;
    if let Some(reason) = value.get("fault") {
        let known = reason.as_str().and_then(samspor_domain::Reason::from_word);
        let Some(known) = known else { bail!("there is no such reason for a fault: {reason}") };
        let path = value.get("path").and_then(serde_json::Value::as_str).unwrap_or_default();
        return Ok(format!("{{\"fault\":\"{known}\",\"path\":{}}}", serde_json::Value::from(path)));
    }
    let delivery = Delivery { body: text.to_owned().into(), ..Delivery::default() };
    let items = json::Decoder.decode(source, &delivery);
    match items.into_iter().next().map(|item| item.content) {
        Some(Ok(message)) => Ok(json::line(&message)),
        Some(Err(fault)) => bail!("this is no canonical message: {fault}"),
        None => bail!("this is no canonical message"),
    }
}
