//! The gateway's binary: the command line, the configuration, and what wires the adapters together.

mod check;
mod cli;
#[expect(dead_code, reason = "`serve` reads the rest of it")]
mod config;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use cli::{Cli, Command};

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Serve(arguments) => check::run(&arguments),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "samspor", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    }
}
