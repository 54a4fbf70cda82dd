//! `cargo xtask count`: how many instructions each stage of the hot path takes, held against the baseline that is kept in
//! the repository. Instructions are the same on a busy machine as on a quiet one, which times are not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use comfy_table::{CellAlignment, Table};
use indicatif::ProgressBar;

use crate::build;

/// How instructions are counted.
#[derive(Args)]
pub(crate) struct Options {
    /// Keep what is counted as the new baseline, `tests/bench/counts.toml`.
    #[arg(long)]
    keep: bool,
    /// Count only these stages.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

/// Instructions of an item, by stage.
type Counts = BTreeMap<String, u64>;

const BASELINE: &str = "tests/bench/counts.toml";
/// By how many hundredths a stage may take more than its baseline. Processors and C libraries differ by less, and so does what
/// the compiler makes of the same code in another file: that alone has been 6.
const MORE: u64 = 10;
/// Rounds that are counted.
const ROUNDS: u64 = 4;

pub(crate) fn run(options: &Options) -> Result<()> {
    let found = Command::new("valgrind").arg("--version").output();
    found.context("valgrind is needed; on Debian: `sudo apt-get install valgrind`")?;
    println!("Building the stages, optimised …");
    let built =
        build::cargo().args(["build", "--release", "--package", "samspor-bench", "--bin", "stage"]).status();
    ensure!(built.context("cannot run cargo")?.success(), "they do not build");
    let program = build::profiles()?.join("release/stage");
    let stages = stages(&program)?;
    let known = |name: &String| stages.iter().any(|(stage, _)| stage == name);
    let names = || stages.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(unknown) = options.only.iter().find(|only| !known(only)) {
        anyhow::bail!("no stage is called {unknown}; there are {}", names());
    }

    let path = build::root().join(BASELINE);
    let mut baseline: Counts = match fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).with_context(|| format!("{BASELINE} cannot be read"))?,
        Err(_) => Counts::new(),
    };
    let bar = ProgressBar::new(stages.len() as u64);
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["stage", "instructions an item", "baseline", "of it"]);
    let mut slower = Vec::new();
    for (name, items) in &stages {
        if options.only.is_empty() || options.only.contains(name) {
            bar.set_message(name.clone());
            let now = count(&program, name, *items)?;
            let before = baseline.get(name).copied();
            if before.is_none_or(|before| now * 100 > before * (100 + MORE)) {
                slower.push(name.clone());
            }
            let percent = before.map(|before| format!("{} %", (now * 100 + before / 2) / before.max(1)));
            let before = before.map_or("none".to_owned(), |before| before.to_string());
            table.add_row([name.clone(), now.to_string(), before, percent.unwrap_or_default()]);
            if options.keep {
                baseline.insert(name.clone(), now);
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("{table}");
    if options.keep {
        let head = "# Instructions of an item in each stage of the hot path, under callgrind: `cargo xtask count --keep`.\n";
        fs::write(&path, format!("{head}{}", toml::to_string(&baseline)?))?;
        println!("{BASELINE} holds them.");
        return Ok(());
    }
    ensure!(
        slower.is_empty(),
        "{} take more than {MORE} % more than the baseline. Where that is meant, say why and run `cargo xtask count --keep`.",
        slower.join(", ")
    );
    Ok(())
}

/// The stages, and how many items a round of each is.
fn stages(program: &Path) -> Result<Vec<(String, u64)>> {
    let listed = Command::new(program).output().context("the stages cannot be listed")?;
    let read = |line: &str| {
        let (name, items) = line.split_once(' ')?;
        Some((name.to_owned(), items.parse().ok()?))
    };
    String::from_utf8(listed.stdout)?.lines().map(|line| read(line).context("no stage")).collect()
}

/// The instructions of an item: those of some rounds, without what it takes to get there and the first round, in which
/// what is kept for later is made.
fn count(program: &Path, stage: &str, items: u64) -> Result<u64> {
    let all = ROUNDS + 1;
    let few = instructions(program, stage, all, 1)?;
    let more = instructions(program, stage, all, all)?;
    Ok(more.saturating_sub(few) / (ROUNDS * items))
}

fn instructions(program: &Path, stage: &str, prepared: u64, run: u64) -> Result<u64> {
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([stage, &prepared.to_string(), &run.to_string()])
        .output()
        .context("valgrind cannot be run")?;
    let said = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "{stage} failed under callgrind:\n{said}");
    let collected =
        said.lines().find_map(|line| line.split_once("Collected :")).context("callgrind counted nothing")?;
    Ok(collected.1.trim().parse()?)
}
