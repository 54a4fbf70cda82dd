//! `cargo xtask test`: every test, with the servers that they need.

use anyhow::{Result, ensure};
use clap::Args;

use crate::{broker, build};

/// How the tests are run.
#[derive(Args)]
pub(crate) struct Options {
    /// Install what is missing without asking.
    #[arg(long)]
    yes: bool,
    /// Further arguments for `cargo test`, such as `--package samspor-domain`.
    #[arg(last = true)]
    cargo: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    broker::ensure_installed(options.yes)?;
    let mut test = build::cargo();
    // One run tells of all that fails.
    test.args(["test", "--no-fail-fast"]);
    if options.cargo.is_empty() {
        test.arg("--workspace");
    }
    let passed = test.args(&options.cargo).status()?.success();
    ensure!(passed, "some tests failed");
    Ok(())
}
