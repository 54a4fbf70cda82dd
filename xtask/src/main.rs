//! The project's own commands: `cargo xtask demo` and `cargo xtask test`.

mod broker;
mod build;
mod demo;
mod show;
mod test;

use anyhow::Result;
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
    /// Run every test, starting the servers that they need.
    Test(test::Options),
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Demo(options) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(demo::run(options))
        }
        Command::Test(options) => test::run(&options),
    }
}
