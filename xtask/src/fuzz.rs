//! `cargo xtask fuzz`: libFuzzer over every decoder and parser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use samspor_fuzz::{Corpus, TARGETS, Target};
use serde::Serialize;

use crate::build;

/// How fuzzing runs.
#[derive(Args)]
pub(crate) struct Options {
    /// How long each target runs, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many run side by side; as many as there are processors where nothing is said.
    #[arg(long)]
    jobs: Option<usize>,
    /// The seed of the first run; inputs also follow from the corpus that earlier runs left.
    #[arg(long, default_value_t = 2026)]
    seed: u32,
    /// Run only these targets.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Give one target one file, such as the one that broke it.
    #[arg(long, value_name = "FILE", requires = "only")]
    input: Option<PathBuf>,
}

/// What came of one target.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fuzzed {
    pub(crate) target: &'static str,
    /// Inputs that it got.
    pub(crate) executions: u64,
    /// Places of the code that they reached.
    pub(crate) covered: u64,
    /// Inputs that are kept, since each reaches something that the others do not.
    pub(crate) kept: u64,
}

/// What makes rustc count what is reached; these flags are stable, and `cargo fuzz` passes the same.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                        -Cllvm-args=-sanitizer-coverage-pc-table \
                        -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

pub(crate) fn run(options: &Options) -> Result<()> {
    let unknown = options.only.iter().find(|only| !TARGETS.iter().any(|target| target.name == **only));
    let names = || TARGETS.map(|target| target.name).join(", ");
    ensure!(unknown.is_none(), "no target {}; there are {}", unknown.map_or("", |s| s), names());
    let fuzzer = Fuzzer::build()?;
    if let (Some(input), [only]) = (&options.input, options.only.as_slice()) {
        let ran = fuzzer.command(only).arg(std::path::absolute(input)?).status()?;
        ensure!(ran.success(), "it breaks {only}");
        return Ok(());
    }
    let wanted = TARGETS
        .iter()
        .filter(|target| options.only.is_empty() || options.only.iter().any(|o| o == target.name));
    let wanted: Vec<&Target> = wanted.collect();
    let rows =
        fuzzer.all(&wanted, options.seconds, options.seed, options.jobs, &|line| println!("{line}"))?;
    println!("{}", table(&rows));
    Ok(())
}

/// The same for a terminal.
fn table(rows: &[Fuzzed]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table
        .load_style(comfy_table::presets::UTF8_FULL_CONDENSED)
        .set_header(["target", "inputs", "covered", "kept"]);
    for row in rows {
        let [inputs, covered, kept] = [row.executions, row.covered, row.kept].map(|n| n.to_string());
        table.add_row([row.target, &inputs, &covered, &kept]);
    }
    table
}

/// The program, built to count what its inputs reach.
pub(crate) struct Fuzzer {
    program: PathBuf,
    /// Where inputs are kept, from one run to the next.
    dir: PathBuf,
}

impl Fuzzer {
    /// Builds it, apart from what other builds made.
    pub(crate) fn build() -> Result<Self> {
        println!("Building the fuzz targets …");
        let version = Command::new("rustc").arg("-vV").output().context("cannot run rustc")?;
        let version = String::from_utf8(version.stdout)?;
        // With a target, build scripts and macros are built without coverage.
        let host =
            version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc says its host")?;
        let dir = build::root().join("target/fuzz");
        let mut cargo = build::cargo();
        cargo.args(["build", "--package", "samspor-fuzz", "--features", "libfuzzer"]);
        cargo.args(["--profile", "fuzz", "--target", host]);
        cargo.arg("--target-dir").arg(&dir).env("RUSTFLAGS", COVERAGE);
        ensure!(cargo.status().context("cannot run cargo")?.success(), "the fuzz targets do not build");
        Ok(Self { program: dir.join(host).join("fuzz/fuzz"), dir })
    }

    fn command(&self, target: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.env("SAMSPOR_FUZZ_TARGET", target).current_dir(&self.dir);
        command
    }

    /// Runs targets side by side. The first that breaks is the error, which says how to look at it again.
    pub(crate) fn all(
        &self,
        targets: &[&'static Target],
        seconds: u64,
        seed: u32,
        jobs: Option<usize>,
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<Vec<Fuzzed>> {
        let corpus = Corpus::new(Corpus::SEED)?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let (next, done) = (Mutex::new(targets.iter()), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..jobs.unwrap_or(processors).clamp(1, targets.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let target = next.lock().unwrap_or_else(|broken| broken.into_inner()).next().copied();
                        let Some(target) = target else { break };
                        tell(target.name);
                        let ran = self.one(target, &corpus, seconds, seed);
                        done.lock().unwrap_or_else(|broken| broken.into_inner()).push(ran);
                    }
                });
            }
        });
        let done = done.into_inner().unwrap_or_else(|broken| broken.into_inner());
        let mut rows = done.into_iter().collect::<Result<Vec<Fuzzed>>>()?;
        rows.sort_by_key(|row| targets.iter().position(|target| target.name == row.target));
        Ok(rows)
    }

    fn one(&self, target: &'static Target, corpus: &Corpus, seconds: u64, seed: u32) -> Result<Fuzzed> {
        let kept = self.dir.join("corpus").join(target.name);
        let broken = self.dir.join("broken").join(target.name);
        let samples = self.dir.join("samples").join(target.name);
        for dir in [&kept, &broken, &samples] {
            fs::create_dir_all(dir)?;
        }
        for (n, sample) in corpus.samples(target).iter().enumerate() {
            fs::write(samples.join(n.to_string()), sample)?;
        }
        let mut command = self.command(target.name);
        command.args([format!("-max_total_time={seconds}"), format!("-seed={seed}")]);
        // Bodies of a megabyte and more are refused at a bound, which other tests try; small ones say more in a second.
        command.args(["-max_len=65536", "-timeout=20", "-rss_limit_mb=1024", "-print_final_stats=1"]);
        command.arg(format!("-dict={}", build::root().join("tests/fuzz/words.dict").display()));
        command.arg(format!("-artifact_prefix={}/", broken.display())).args([&kept, &samples]);
        let output = command.stdin(Stdio::null()).output().context("the fuzz target does not start")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}", breakage(target.name, &told));
        Ok(Fuzzed {
            target: target.name,
            executions: number_after(&told, "stat::number_of_executed_units:").context("it says how many")?,
            covered: number_after(&told, "cov:").context("it says what it reached")?,
            kept: count(&kept)?,
        })
    }
}

/// What is told of a target that broke: why, and how it is looked at again.
fn breakage(target: &str, told: &str) -> String {
    let why: Vec<&str> = told
        .lines()
        .skip_while(|line| !(line.contains("panicked at") || line.contains("ERROR: libFuzzer")))
        .take(4)
        .collect();
    let file =
        told.lines().find_map(|line| Some(line.split_once("Test unit written to ")?.1)).unwrap_or("FILE");
    format!(
        "{target} broke: {}\nTry it again: cargo xtask fuzz --only {target} --input {file}",
        why.join("\n")
    )
}

/// The last number that stands behind a word.
fn number_after(told: &str, word: &str) -> Option<u64> {
    told.rsplit_once(word)?.1.split_whitespace().next()?.parse().ok()
}

fn count(dir: &Path) -> Result<u64> {
    Ok(fs::read_dir(dir)?.count() as u64)
}
