//! `cargo xtask stages`: how long each stage of the hot path takes on one processor, by criterion.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::page::{self, number};
use crate::build;
use crate::soak::{commit, now};

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stages {
    began: String,
    commit: String,
    stages: Vec<Stage>,
}

/// One stage.
#[derive(Debug, Serialize, Deserialize)]
struct Stage {
    name: String,
    /// How long an item takes, in nanoseconds: criterion's estimate.
    item_ns: f64,
    /// Megabytes a second, where it reads or writes bytes.
    megabytes: Option<f64>,
}

/// What criterion keeps of a benchmark, as far as it is read here.
#[derive(Deserialize)]
struct Estimates {
    slope: Option<Estimate>,
    mean: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

#[derive(Deserialize)]
struct Benchmark {
    throughput: serde_json::Value,
}

pub(crate) fn run() -> Result<()> {
    let mut stages = Stages { began: now(), commit: commit(), stages: Vec::new() };
    let timed = build::cargo().args(["bench", "--package", "samspor-bench", "--bench", "stages"]).status();
    ensure!(timed.context("cannot run cargo")?.success(), "they were not timed");
    let dir = build::profiles()?.join("criterion/stages");
    for entry in
        std::fs::read_dir(&dir).with_context(|| format!("criterion left nothing in {}", dir.display()))?
    {
        let entry = entry?.path().join("new");
        let Ok(estimates) = std::fs::read(entry.join("estimates.json")) else { continue };
        let estimates: Estimates = serde_json::from_slice(&estimates)?;
        let benchmark = std::fs::read(entry.join("benchmark.json"))?;
        let said: serde_json::Value = serde_json::from_slice(&benchmark)?;
        let Benchmark { throughput } = serde_json::from_slice(&benchmark)?;
        let round_ns = estimates.slope.unwrap_or(estimates.mean).point_estimate;
        let name = said["function_id"].as_str().context("a stage has a name")?;
        stages.stages.push(Stage::of(name, round_ns, &throughput)?);
    }
    stages.stages.sort_by(|a, b| a.name.cmp(&b.name));
    page::keep("stages", &stages)?;
    println!("docs/performance.md tells of this run.");
    Ok(())
}

impl Stage {
    #[expect(clippy::float_arithmetic, reason = "measurements, not money")]
    fn of(name: &str, round_ns: f64, throughput: &serde_json::Value) -> Result<Self> {
        let both = &throughput["ElementsAndBytes"];
        let items =
            both["elements"].as_f64().or(throughput["Elements"].as_f64()).context("a stage has items")?;
        let megabytes = both["bytes"].as_f64().map(|bytes| bytes * 1e3 / round_ns);
        Ok(Self { name: name.to_owned(), item_ns: round_ns / items, megabytes })
    }
}

impl Stages {
    /// How many items one processor does in a second.
    #[expect(clippy::float_arithmetic, reason = "measurements, not money")]
    pub(super) fn per_second(&self, name: &str) -> Option<f64> {
        self.stages.iter().find(|stage| stage.name == name).map(|stage| 1e9 / stage.item_ns)
    }

    #[expect(clippy::float_arithmetic, reason = "measurements, not money")]
    pub(super) fn section(&self) -> String {
        let mut page = format!(
            "## Stages\n\nWhat one item takes in each stage of the hot path, on one processor. {}, commit {}. `take-in` is with \
             its share of a commit of 500, `read-feed` of a read of 500. `cargo xtask count` holds the instructions of the same \
             stages against [a baseline](../tests/bench/counts.toml), in CI too.\n\n\
             | stage | ns an item | items a second | MB a second |\n|---|--:|--:|--:|\n",
            self.began, self.commit,
        );
        for Stage { name, item_ns, megabytes } in &self.stages {
            let megabytes = megabytes.map_or(String::new(), number);
            let _ =
                writeln!(page, "| {name} | {} | {} | {megabytes} |", number(*item_ns), number(1e9 / item_ns));
        }
        page + "\nThe figures: [performance/stages.json](performance/stages.json). Again: `cargo xtask stages`.\n"
    }
}
