//! The command line: what can be asked of the gateway, and what it answers with its exit code.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// An integration gateway that tags a municipality's postings with the cross-sector solution they belong to.
///
/// It consumes from the queues that case systems and the finance system publish to, recognises the citizens who have
/// consented, and hands tagged postings to the ledger and to leadership-information systems.
#[derive(Debug, Parser)]
#[command(name = "samspor", version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway until it is told to stop.
    ///
    /// It connects to the brokers of the configuration, again and again if it must, and works until SIGTERM or Ctrl-C.
    /// Then it stops taking messages, finishes what is begun and closes, within `engine.shutdown_deadline_ms`. A message
    /// is acknowledged only when everything that it caused is stored, so a stop or a crash at any moment loses nothing.
    #[command(after_help = "Exit code: 0 after a clean stop, 2 where the configuration is faulty, 1 otherwise.")]
    Serve(Configured),

    /// Say what a configuration means, or what is wrong with it.
    ///
    /// Reads the file and its charts of accounts, and checks everything that needs neither broker nor secret. Each problem
    /// is shown with its file, line and column and with what is allowed there; all of them at once.
    #[command(after_help = "Exit code: 0 where it is good, 2 where it is faulty.\n\n\
        Example: samspor check --config config/demo.toml")]
    Check(Configured),

    /// Print a script that completes this command's words in a shell.
    #[command(after_help = "Example: samspor completions bash > /etc/bash_completion.d/samspor")]
    Completions {
        /// The shell that reads it.
        shell: Shell,
    },
}

/// The configuration that a command works with.
#[derive(Debug, Args)]
pub(crate) struct Configured {
    /// The configuration, a file in TOML; `docs/configuration.md` says what may stand in it.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_is_explained() {
        fn explained(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments().filter(|a| !matches!(a.get_id().as_str(), "help" | "version")) {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(explained);
        }
        explained(&Cli::command());
    }
}
