//! The project's own commands: `cargo xtask demo`, `distributor`, `test`, `fuzz`, `soak`, `bench`, `growth`, `stages`
//! and `count`.

mod bench;
mod broker;
mod build;
mod count;
mod demo;
mod distributor;
mod fuzz;
mod show;
mod soak;
mod test;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway on a sample town, from queues to ledger, and show what comes out.
    ///
    /// It uses the broker at SAMSPOR_AMQP_URL if that is set, else a private RabbitMQ node of its own, whose package it
    /// installs where it is missing. It checks everything that comes out against what the town's generator knows to be
    /// right, stops everything that it started, and fails if anything is not as it should be.
    Demo(demo::Options),
    /// Run a stand-in for the message distributor (Beskedfordeler) and its token service, to try a configuration against.
    ///
    /// It makes certificates, starts a private RabbitMQ node behind it (or takes the broker at SAMSPOR_AMQP_URL), writes a
    /// configuration that receives from it and sends to it, and answers every record that is sent to it. It ends at Ctrl-C.
    Distributor(distributor::Options),
    /// Run every test, starting the servers that they need.
    Test(test::Options),
    /// Measure the gateway beside a bare forwarder, RabbitMQ's shovel and what people write by hand, on the same queues of
    /// the same private broker in the same run.
    ///
    /// The figures go to target/bench/result.json, and docs/performance.md tells of them.
    Bench(bench::Options),
    /// Measure how the gateway's figures move as the journal, the citizens, the sources, the targets and the bodies grow.
    ///
    /// The figures go to target/bench/growth.json.
    Growth(bench::growth::Options),
    /// Time each stage of the hot path on one processor.
    ///
    /// The figures go to docs/performance/stages.json, and docs/performance.md tells of them.
    Stages,
    /// Count the instructions that each stage of the hot path takes, and hold them against the baseline that is kept in the
    /// repository. It needs valgrind.
    Count(count::Options),
    /// Cause every fault at length, and hold what comes out against what must hold.
    ///
    /// The gateway is killed at random moments and between any two steps, its broker is restarted, cut off, frozen and out
    /// of memory and disk, its own disk is filled up, it is fed rubbish, its target stays away, and its decoders are
    /// fuzzed. The figures go to target/soak/result.json, and docs/reliability.md tells of them.
    Soak(soak::Options),
    /// Give every decoder and parser what libFuzzer makes of the sample town's messages.
    ///
    /// What it finds new is kept in target/fuzz/corpus for the next run, and what breaks a target in target/fuzz/broken,
    /// with the command that shows it again.
    Fuzz(fuzz::Options),
    /// The bare forwarder that `bench` measures: from one queue to another.
    #[command(hide = true)]
    Forward { from: String, to: String },
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match Cli::parse().command {
        Command::Demo(options) => runtime.block_on(demo::run(options)),
        Command::Distributor(options) => runtime.block_on(distributor::run(options)),
        Command::Test(options) => test::run(&options),
        Command::Bench(options) => runtime.block_on(bench::run(options)),
        Command::Growth(options) => runtime.block_on(bench::growth::run(options)),
        Command::Stages => bench::stages::run(),
        Command::Count(options) => count::run(&options),
        Command::Soak(options) => runtime.block_on(soak::run(options)),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Forward { from, to } => {
            let url = broker::named().context("the broker is named in the environment")?;
            runtime.block_on(bench::forward::run(&url, &from, &to))
        }
    }
}
