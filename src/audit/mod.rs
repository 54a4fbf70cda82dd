//! `samspor audit`: proving the audit log whole, looking into it, and the checkpoints by which it is proven.

mod checkpoints;
mod look;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use checkpoints::{closed, opened, published, publishing};

/// What can be done with the audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Prove that nothing in the audit log was changed, cut, moved or added.
    ///
    /// It reads the store beside the gateway or without it, walks every link, and holds the log against the checkpoints
    /// that were published. `docs/audit.md` says what that proves.
    #[command(
        after_help = "Exit code: 0 where it is whole; 7 where it is not, with the first broken link on standard \
        error; 2 where the configuration is faulty; 1 otherwise.\n\n\
        Example: samspor audit verify --config gateway.toml --checkpoints /mnt/worm/samspor.ndjson"
    )]
    Verify(verify::Verify),
    /// List what was done, and by whom, newest first.
    ///
    /// It asks the running gateway, and takes the role auditor. Asking is an entry of the log itself.
    #[command(after_help = "Exit code: 0; 2 where the configuration is faulty; 1 otherwise.\n\n\
        Example: samspor audit list --config gateway.toml --caller registry --from 2026-03-01T00:00:00Z")]
    List(look::List),
    /// List who looked at or changed what is about one posting, fact or citizen, newest first.
    ///
    /// A citizen's CPR number, or UUID, is read from standard input: arguments show in lists of processes and stay in the
    /// shell's history. About a citizen are all entries that name what the gateway holds on them now, their records in the
    /// feed among it. It takes the role auditor, and is an entry of the log itself.
    #[command(after_help = "Exit code: 0; 2 where the configuration is faulty; 1 otherwise.\n\n\
        Examples: samspor audit about --config gateway.toml --citizen < number.txt\n          \
        samspor audit about --config gateway.toml --posting P-1 --source opus\n          \
        samspor audit about --config gateway.toml --fact consent C-1")]
    About(look::About),
}

/// Does what is asked.
pub(crate) fn run(action: &Action) -> Result<ExitCode> {
    match action {
        Action::Verify(arguments) => verify::run(arguments),
        Action::List(arguments) => look::list(arguments),
        Action::About(arguments) => look::about(arguments),
    }
}
