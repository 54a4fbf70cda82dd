//! `cargo xtask bench`: the gateway beside those who move messages otherwise, on the same queues of the same broker in the
//! same run.

mod contender;
pub(crate) mod forward;
mod latency;
mod load;
mod plot;
mod report;
mod usage;

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use samspor_harness::client::{Client, Kind};
use samspor_harness::gateway::Program;
use samspor_harness::rabbitmq::{Node, Options as NodeOptions};

use self::contender::{Contender, Stage, install};
use self::report::{Bench, Delays, Round};
use self::usage::Usage;
use crate::{broker, build};

/// How the benchmark runs.
#[derive(Args)]
pub(crate) struct Options {
    /// Install what is missing without asking.
    #[arg(long)]
    yes: bool,
    /// Postings in each round; those that are written by hand in Python get a tenth.
    #[arg(long, default_value_t = 60_000)]
    postings: usize,
    /// Postings in the gateway's store before the run.
    #[arg(long, default_value_t = 1_000_000)]
    before: usize,
    /// Rounds of each contender, in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The rate at which latency is measured, in messages a second.
    #[arg(long, default_value_t = 1_000)]
    rate: usize,
    /// For how long latency is measured in each round, in seconds; 0 leaves it out.
    #[arg(long, default_value_t = 10)]
    seconds: usize,
    /// Only these: forwarder, shovel, tagged, twentieth, pika, faststream, amqplib.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Leave docs/performance.md and its plots as they are.
    #[arg(long)]
    keep_page: bool,
}

/// How long one round may last.
const LIMIT: Duration = Duration::from_secs(300);
const IN: &str = "bench.in";
const OUT: &str = "bench.out";

pub(crate) async fn run(options: Options) -> Result<()> {
    let unknown = options.only.iter().find(|only| !Contender::ALL.iter().any(|c| c.name() == *only));
    let names = || Contender::ALL.map(Contender::name).join(", ");
    ensure!(unknown.is_none(), "no contender {}; there are {}", unknown.map_or("", |s| s), names());
    broker::ensure_installed(options.yes)?;
    println!("Building the gateway and the forwarder, optimised …");
    let built =
        build::cargo().args(["build", "--release", "--package", "samspor", "--package", "xtask"]).status()?;
    ensure!(built.success(), "they do not build");
    let dir = build::root().join("target/bench");
    std::fs::create_dir_all(&dir)?;
    let mut contenders = Vec::new();
    for contender in Contender::ALL {
        if !options.only.is_empty() && !options.only.iter().any(|only| contender.name() == only) {
            continue;
        }
        match install(contender, &dir).await {
            Ok(()) => contenders.push(contender),
            Err(why) => println!("{} is left out: {why:#}", contender.title()),
        }
    }
    let arena = Arena::open(dir, options).await?;
    let mut bench = Bench::new(&arena.options, arena.replay_s);
    for round in 0..arena.options.rounds {
        for contender in &contenders {
            let round = arena.round(*contender, round).await?;
            println!("{}: {:.0} messages/s", contender.title(), round.per_second);
            bench.rounds.push(round);
        }
        for contender in &contenders {
            if arena.options.seconds == 0 || contender.is_slow() || *contender == Contender::Twentieth {
                continue;
            }
            let delays = arena.delays(*contender, round).await?;
            println!("{}: p99 {} µs at {}/s", contender.title(), delays.latency.p99, arena.options.rate);
            bench.delays.push(delays);
        }
    }
    println!("\n{}", bench.table());
    std::fs::write(arena.stage.dir.join("result.json"), serde_json::to_string_pretty(&bench)?)?;
    println!("The figures are in target/bench/result.json.");
    if !arena.options.keep_page {
        bench.write(&build::root().join("docs"))?;
        println!("docs/performance.md tells of this run.");
    }
    Ok(())
}

/// The broker, the gateway's store as it is before each round, and the queues.
struct Arena {
    options: Options,
    stage: Stage,
    client: Client,
    /// A folder to make each round's store from.
    before: PathBuf,
    /// How long the postings before the run took to be replayed.
    replay_s: f64,
}

impl Arena {
    async fn open(dir: PathBuf, options: Options) -> Result<Self> {
        let config = dir.join("gateway.toml");
        std::fs::write(dir.join("master.key"), "5a".repeat(32))?;
        std::fs::write(&config, load::config(&build::root().join("config/charts")))?;
        let enrolled: Vec<String> = load::enrolled().collect();
        std::fs::write(dir.join("enrolled.json"), serde_json::to_string(&enrolled)?)?;
        let binary = build::root().join("target/release/samspor");

        println!("Replaying {} postings into the gateway's store …", options.before);
        let before = dir.join("before");
        let replay_s = replay(&binary, &config, &before, options.before)?;
        println!("That took {replay_s:.1} s.");

        let home = dir.join("broker");
        if home.exists() {
            std::fs::remove_dir_all(&home)?;
        }
        let plugins = vec!["rabbitmq_shovel".to_owned()];
        let node = Node::start(&home, NodeOptions { plugins, ..NodeOptions::default() }).await?;
        let client = Client::connect(&node.url()).await?;
        client.declare(&format!("{IN}.facts"), Kind::Classic).await?;
        let environment = vec![(broker::URL.to_owned(), node.url())];
        let gateway = Program { binary, config, environment };
        Ok(Self { options, stage: Stage { dir, node, gateway }, client, before, replay_s })
    }

    /// Empty queues, and the store as it was before.
    async fn clear(&self, contender: Contender) -> Result<()> {
        for queue in [IN, OUT] {
            self.client.delete(queue).await?;
            self.client.declare(queue, Kind::Quorum).await?;
        }
        if contender.is_gateway() {
            let store = self.stage.dir.join("store");
            if store.exists() {
                std::fs::remove_dir_all(&store)?;
            }
            std::fs::create_dir(&store)?;
            for file in std::fs::read_dir(&self.before)? {
                let file = file?;
                std::fs::copy(file.path(), store.join(file.file_name()))?;
                // What was copied is on disk before anything is measured.
                std::fs::File::open(store.join(file.file_name()))?.sync_all()?;
            }
        }
        Ok(())
    }

    /// A contender empties a full queue: from the first tenth that arrives to the last message, so that starting does not
    /// count.
    #[expect(clippy::float_arithmetic, reason = "a rate is a measurement, not money")]
    async fn round(&self, contender: Contender, round: usize) -> Result<Round> {
        self.clear(contender).await?;
        let postings = if contender.is_slow() { self.options.postings / 10 } else { self.options.postings };
        let tag = format!("{}-{round}", contender.name());
        let share = contender.share();
        self.client.publish(IN, (0..postings).map(|i| load::posting(&tag, share, i))).await?;
        // Those who tell apart pass on only what is tagged; the others all of it.
        let expected = share.of(postings);
        let broker: u32 = self.stage.node.eval("list_to_integer(os:getpid()).").await?.trim().parse()?;
        let running = self.stage.start(contender).await?;
        let look = || -> Result<(Instant, Usage, Usage)> {
            let own = running.process().map_or(Ok(Usage::default()), Usage::of)?;
            Ok((Instant::now(), own, Usage::of(broker)?))
        };
        let (first, (begun, own, brokers)) = self.until(expected / 10, look).await?;
        let (last, (ended, own_then, brokers_then)) = self.until(expected, look).await?;
        running.stop(&self.stage.node).await?;
        let part = (last - first) as f64 / expected as f64;
        let moved = postings as f64 * part;
        let (own, brokers) = (own_then.since(own), brokers_then.since(brokers));
        Ok(Round {
            contender: contender.name(),
            round,
            per_second: moved / (ended - begun).as_secs_f64(),
            cpu_s: own.cpu_s * 100_000.0 / moved,
            broker_cpu_s: brokers.cpu_s * 100_000.0 / moved,
            peak_mib: own.peak_kib as f64 / 1024.0,
            written: own.written as f64 / moved,
        })
    }

    /// Waits until so many messages have arrived, and looks at that moment.
    async fn until<T>(&self, count: usize, look: impl Fn() -> Result<T>) -> Result<(usize, T)> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let arrived = self.client.count(OUT).await? as usize;
            if arrived >= count {
                return Ok((arrived, look()?));
            }
            ensure!(Instant::now() < deadline, "{arrived} of {count} arrived in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn delays(&self, contender: Contender, round: usize) -> Result<Delays> {
        self.clear(contender).await?;
        let running = self.stage.start(contender).await?;
        let tag = format!("late-{}-{round}", contender.name());
        let latency =
            latency::measure(&self.stage.node.url(), &tag, self.options.rate, self.options.seconds).await?;
        running.stop(&self.stage.node).await?;
        Ok(Delays { contender: contender.name(), round, latency })
    }
}

/// Replays postings into a new store. How long that took, as a whole process, in seconds.
fn replay(binary: &Path, config: &Path, store: &Path, postings: usize) -> Result<f64> {
    if store.exists() {
        std::fs::remove_dir_all(store)?;
    }
    let recording = store.with_extension("ndjson");
    let mut file = BufWriter::new(std::fs::File::create(&recording)?);
    for line in load::recording(postings) {
        writeln!(file, "{line}")?;
    }
    file.flush()?;
    let begun = Instant::now();
    let replayed = std::process::Command::new(binary)
        .args(["replay", "--config"])
        .arg(config)
        .arg("--data-dir")
        .arg(store)
        .arg(&recording)
        .stdout(Stdio::null())
        .output()
        .context("the gateway does not start")?;
    let took = begun.elapsed().as_secs_f64();
    ensure!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    std::fs::remove_file(&recording)?;
    Ok(took)
}
