//! The gateway's binary: the command line, the configuration, and what wires the adapters together.

mod answers;
mod appended;
mod audit;
mod backup;
mod books;
mod check;
mod citizen;
mod cli;
mod config;
mod conflicts;
mod control;
mod drain;
mod explain;
mod gateway;
mod held;
mod keys;
mod lines;
mod mapping;
mod open;
mod operations;
mod panics;
mod parked;
mod pause;
mod quarantine;
mod reconcile;
mod record;
mod recording;
mod reload;
mod replay;
mod serve;
mod status;
mod targets;
mod topology;
mod traces;
mod vouchers;
mod wiring;
mod withdrawals;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser};
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command};

/// The configuration is faulty.
const FAULTY: u8 = 2;

fn main() -> ExitCode {
    panics::tell();
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("samspor: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(arguments) => {
            log();
            serve::run(&arguments)
        }
        Command::Check(arguments) => check::run(&arguments),
        Command::Record(arguments) => record::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Map(arguments) => mapping::map(&arguments),
        Command::Test(arguments) => mapping::test(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Reconcile(arguments) => reconcile::run(&arguments),
        Command::Vouchers(arguments) => vouchers::run(&arguments),
        Command::Quarantine(arguments) => quarantine::run(&arguments),
        Command::Held { action } => held::run(&action),
        Command::Parked { action } => parked::run(&action),
        Command::Conflicts(arguments) => conflicts::run(&arguments),
        Command::Keys { action } => keys::run(&action),
        Command::Audit { action } => audit::run(&action),
        Command::Citizen { action } => citizen::run(&action),
        Command::Status(arguments) => status::run(&arguments),
        Command::Targets { action: cli::TargetsAction::Forget(arguments) } => targets::forget(&arguments),
        Command::Targets { action: cli::TargetsAction::Replay(arguments) } => targets::replay(&arguments),
        Command::Drain(arguments) => drain::run(&arguments),
        Command::Pause(arguments) => pause::pause(&arguments, true),
        Command::Resume(arguments) => pause::pause(&arguments, false),
        Command::Reload(arguments) => operations::reload(&arguments),
        Command::Backup(arguments) => backup::make(&arguments),
        Command::Restore(arguments) => backup::restore(&arguments),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "samspor", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Logs go to standard error: lines of JSON, or text on a terminal. `SAMSPOR_LOG` says how much; without it, `info`. Whatever
/// it says, the AMQP library tells of no frames: a login and a message to the distributor have a token in one.
fn log() {
    let filter = EnvFilter::try_from_env("SAMSPOR_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let quiet = ["lapin=warn", "lapin::frames=off"].into_iter().flat_map(str::parse);
    let filter = quiet.fold(filter, EnvFilter::add_directive);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) { log.init() } else { log.json().init() }
}

/// Shows what is wrong with a configuration.
fn faulty(problems: &config::Problems) -> ExitCode {
    eprint!("{}", problems.render());
    ExitCode::from(FAULTY)
}
