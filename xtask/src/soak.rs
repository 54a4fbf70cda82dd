//! `cargo xtask soak`: every fault at length, with the figures as JSON and in `docs/reliability.md`.

mod page;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use samspor_fuzz::TARGETS;
use samspor_harness::faults::{self, Verdict};
use samspor_harness::rabbitmq::{Node, Options as NodeOptions};
use serde::Serialize;

use crate::fuzz::Fuzzer;
use crate::{broker, build};

/// How the soak runs.
#[derive(Args)]
pub(crate) struct Options {
    /// Install what is missing without asking.
    #[arg(long)]
    yes: bool,
    /// Go on with further seeds until so many minutes have passed. Every campaign runs once at least, and ends what it
    /// began.
    #[arg(long, default_value_t = 0)]
    minutes: u64,
    /// Rounds of each campaign that goes in rounds: crash points, the broker's troubles, full disks.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How often the gateway is killed at random moments in each pass.
    #[arg(long, default_value_t = 50)]
    kills: usize,
    /// Records that queue up for a target that is away.
    #[arg(long, default_value_t = 1_000_000)]
    records: usize,
    /// How long each fuzz target runs in each pass, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Schedules of faults that are simulated in each pass.
    #[arg(long, default_value_t = 10_000)]
    simulations: u64,
    /// The first seed; each further pass takes the next one.
    #[arg(long, default_value_t = 2026)]
    seed: u64,
    /// Run only these campaigns: kills, points, broker, disk, rubbish, backlog, simulation, fuzz.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Leave docs/reliability.md as it is.
    #[arg(long)]
    keep_page: bool,
}

/// What came of it all.
#[derive(Debug, Serialize)]
pub(crate) struct Soak {
    /// When it began, in UTC.
    began: String,
    /// The commit that was tested.
    commit: String,
    /// Processors, and memory in GiB.
    machine: (usize, u64),
    /// How long it took, in seconds.
    seconds: u64,
    campaigns: Vec<Campaign>,
}

/// What came of one campaign.
#[derive(Debug, Serialize)]
pub(crate) struct Campaign {
    name: &'static str,
    seed: u64,
    seconds: u64,
    /// Why it failed, if it did.
    failed: Option<String>,
    figures: serde_json::Value,
}

const NAMES: [&str; 8] = ["kills", "points", "broker", "disk", "rubbish", "backlog", "simulation", "fuzz"];

/// The most memory that the gateway may ever have, in MiB, whatever waits for its targets.
const MOST_MIB: u64 = 256;

pub(crate) async fn run(options: Options) -> Result<()> {
    let unknown = options.only.iter().find(|name| !NAMES.contains(&name.as_str()));
    ensure!(unknown.is_none(), "no campaign {}; there are {}", unknown.map_or("", |s| s), NAMES.join(", "));
    broker::ensure_installed(options.yes)?;
    println!("Building the gateway …");
    let binary = build::gateway()?;
    let node = Node::temporary(NodeOptions::default()).await?;
    let begun = Instant::now();
    let mut soak =
        Soak { began: now(), commit: commit(), machine: machine(), seconds: 0, campaigns: Vec::new() };
    let stage = Stage { options: &options, binary, node };
    let mut pass = 0;
    loop {
        let seed = options.seed + pass;
        for name in NAMES {
            let wanted = options.only.is_empty() || options.only.iter().any(|only| only == name);
            // What does not depend on the seed runs once.
            if wanted && (pass == 0 || name != "backlog") {
                soak.campaigns.push(stage.campaign(name, seed).await);
            }
        }
        pass += 1;
        if begun.elapsed() >= Duration::from_secs(options.minutes * 60) {
            break;
        }
    }
    soak.seconds = begun.elapsed().as_secs();
    let dir = build::root().join("target/soak");
    std::fs::create_dir_all(&dir)?;
    std::fs::write(dir.join("result.json"), serde_json::to_string_pretty(&soak)?)?;
    println!("\n{}", page::table(&soak));
    println!("The figures are in target/soak/result.json.");
    if !options.keep_page {
        std::fs::write(build::root().join("docs/reliability.md"), page::render(&soak))?;
        println!("docs/reliability.md tells of this run.");
    }
    let failed = soak.campaigns.iter().filter(|campaign| campaign.failed.is_some()).count();
    ensure!(failed == 0, "{failed} campaigns failed");
    Ok(())
}

struct Stage<'a> {
    options: &'a Options,
    binary: PathBuf,
    node: Node,
}

impl Stage<'_> {
    /// Runs a campaign and shows how it comes on. One that fails does not end the others.
    async fn campaign(&self, name: &'static str, seed: u64) -> Campaign {
        let shown = Shown::new(name, seed);
        let begun = Instant::now();
        let tell = |what: &str| shown.tell(what);
        let ran = self.figures(name, seed, &tell).await;
        let (figures, failed) = match ran {
            Ok((figures, verdict)) => (figures, verdict.err().map(|error| format!("{error:#}"))),
            Err(error) => (serde_json::Value::Null, Some(format!("{error:#}"))),
        };
        let seconds = begun.elapsed().as_secs();
        shown.end(seconds, failed.as_deref());
        Campaign { name, seed, seconds, failed, figures }
    }

    /// The figures, and whether all that must hold does.
    async fn figures(
        &self,
        name: &str,
        seed: u64,
        tell: faults::Tell<'_>,
    ) -> Result<(serde_json::Value, Result<()>)> {
        let Self { options, binary, node } = self;
        let (rounds, binary) = (options.rounds, binary.as_path());
        Ok(match name {
            "kills" => {
                let ran = faults::kills(binary, node, options.kills, seed, tell).await?;
                judged(&ran, [&ran.midway, &ran.end])?
            }
            "points" => {
                let ran = faults::points(binary, node, rounds, seed, tell).await?;
                judged(&ran, [&ran.verdict])?
            }
            "broker" => {
                let ran = faults::troubles(binary, rounds, seed, tell).await?;
                judged(&ran, [&ran.verdict])?
            }
            "disk" => {
                let ran = faults::full_disks(binary, node, rounds, seed, tell).await?;
                let ran = ran.context("a small disk can be mounted by root only")?;
                judged(&ran, [&ran.verdict])?
            }
            "rubbish" => {
                let ran = faults::rubbish(binary, node, rounds * 400, seed, tell).await?;
                let (figures, zeros) = judged(&ran, [&ran.verdict])?;
                (figures, zeros.and_then(|()| within(ran.peak_mib)))
            }
            "backlog" => {
                let ran = faults::backlog(binary, node, options.records, tell).await?;
                let in_order = || -> Result<()> {
                    ensure!(ran.wrong == 0, "{} records came out of order, or twice", ran.wrong);
                    within(ran.gathering_mib.max(ran.drained_mib))
                };
                (serde_json::to_value(&ran)?, in_order())
            }
            "simulation" => {
                let schedules = options.simulations;
                // Each pass has schedules of its own.
                let first = seed.saturating_mul(1_000_000);
                let (schedules_of, seed_of) = (schedules.to_string(), first.to_string());
                let mut test = build::cargo();
                test.args([
                    "test",
                    "--quiet",
                    "--package",
                    "samspor-engine",
                    "--test",
                    "engine",
                    "simulation::whatever",
                ]);
                test.env("SAMSPOR_SIMULATIONS", schedules_of).env("SAMSPOR_SEED", seed_of);
                let ran = tokio::task::block_in_place(|| test.output()).context("cannot run cargo")?;
                let told = String::from_utf8_lossy(&ran.stdout);
                ensure!(told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&ran.stderr));
                (serde_json::json!({ "schedules": schedules, "first": first }), Ok(()))
            }
            _ => {
                let targets: Vec<_> = TARGETS.iter().collect();
                let seed = u32::try_from(seed)?;
                // It takes the processors for itself, and others wait.
                let all = tokio::task::block_in_place(|| {
                    Fuzzer::build()?.all(&targets, options.seconds, seed, None, &tell)
                })?;
                (serde_json::to_value(&all)?, Ok(()))
            }
        })
    }
}

fn judged<const N: usize>(
    ran: &impl Serialize,
    verdicts: [&Verdict; N],
) -> Result<(serde_json::Value, Result<()>)> {
    let zeros = verdicts.into_iter().try_for_each(Verdict::all_zero);
    Ok((serde_json::to_value(ran)?, zeros))
}

fn within(mebibytes: u64) -> Result<()> {
    ensure!(mebibytes <= MOST_MIB, "the gateway had {mebibytes} MiB, and may have {MOST_MIB}");
    Ok(())
}

/// How a campaign comes on, on a terminal or in lines.
struct Shown {
    name: &'static str,
    bar: Option<ProgressBar>,
}

impl Shown {
    fn new(name: &'static str, seed: u64) -> Self {
        println!("{name}, seed {seed}");
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}");
            let bar =
                ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { name, bar }
    }

    fn tell(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => println!("  {what}"),
        }
    }

    fn end(&self, seconds: u64, failed: Option<&str>) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        match failed {
            None => println!("{}: all as it must be, in {seconds} s", self.name),
            Some(why) => println!("{}: FAILED after {seconds} s: {why}", self.name),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the page says when it was made")]
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The commit, and whether something was changed since.
pub(crate) fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output =
            std::process::Command::new("git").current_dir(build::root()).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty());
    if changed { format!("{commit} with changes") } else { commit }
}

pub(crate) fn machine() -> (usize, u64) {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let told = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = told.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = total.and_then(|total| total.trim().trim_end_matches(" kB").parse::<u64>().ok());
    (processors, kibibytes.unwrap_or(0) >> 20)
}
