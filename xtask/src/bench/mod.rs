//! `cargo xtask bench`: the gateway beside those who move messages otherwise, on the same queues of the same broker in the
//! same run.

#![expect(clippy::disallowed_types, reason = "what is measured and drawn is no money")]

mod arena;
mod contender;
mod curves;
pub(crate) mod forward;
pub(crate) mod growth;
mod latency;
mod load;
mod page;
mod plot;
mod report;
pub(crate) mod stages;
mod usage;

use anyhow::{Result, ensure};
use clap::Args;

use self::arena::Arena;
use self::contender::{Contender, install};
use self::load::Load;
use self::report::{Bench, Delays, Round};
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

const IN: &str = "bench.in";
const OUT: &str = "bench.out";

pub(crate) async fn run(options: Options) -> Result<()> {
    let unknown = options.only.iter().find(|only| !Contender::ALL.iter().any(|c| c.name() == *only));
    let names = || Contender::ALL.map(Contender::name).join(", ");
    ensure!(unknown.is_none(), "no contender {}; there are {}", unknown.map_or("", |s| s), names());
    broker::ensure_installed(options.yes)?;
    println!("Building the gateway and the forwarder, optimised …");
    let programs = build::optimised()?;
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
    let mut arena = Arena::open(&dir, programs).await?;
    let load = Load { before: options.before, ..Load::default() };
    println!("Replaying {} postings into the gateway's store …", load.before);
    let filled = arena.fill(load).await?;
    println!("That took {:.1} s.", filled.replay_s);
    let mut bench = Bench::new(&options, load, filled);
    for round in 0..options.rounds {
        for contender in &contenders {
            let postings = if contender.is_slow() { options.postings / 10 } else { options.postings };
            let moved = arena.round(*contender, &format!("{}-{round}", contender.name()), postings).await?;
            println!("{}: {:.0} messages/s", contender.title(), moved.per_second);
            bench.rounds.push(Round::of(*contender, round, moved));
        }
        for contender in &contenders {
            if options.seconds == 0 || contender.is_slow() || *contender == Contender::Twentieth {
                continue;
            }
            let tag = format!("late-{}-{round}", contender.name());
            let latency = arena.latency(*contender, &tag, options.rate, options.seconds).await?;
            println!("{}: p99 {} µs at {}/s", contender.title(), latency.p99, options.rate);
            bench.delays.push(Delays { contender: contender.name().to_owned(), round, latency });
        }
    }
    println!("\n{}", bench.table());
    std::fs::write(dir.join("result.json"), serde_json::to_string_pretty(&bench)?)?;
    println!("The figures are in target/bench/result.json.");
    if !options.keep_page {
        page::keep("bench", &bench)?;
        println!("docs/performance.md tells of this run.");
    }
    Ok(())
}
