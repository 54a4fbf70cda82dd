//! Building the gateway, and where things lie.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The project's root.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().map_or_else(|| own.to_owned(), Path::to_owned)
}

/// Cargo, as it runs this program.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    cargo.current_dir(root());
    cargo
}

/// Builds the gateway and gives its path. What Cargo says is shown.
pub(crate) fn gateway() -> Result<PathBuf> {
    let built = cargo().args(["build", "--package", "samspor", "--bin", "samspor"]).status();
    ensure!(built.context("cannot run cargo")?.success(), "the gateway does not build");
    // This program lies where the gateway was built.
    let own = std::env::current_exe()?;
    let dir = own.parent().context("a program lies in a folder")?;
    Ok(dir.join("samspor"))
}

/// Builds the gateway and these commands, optimised, and gives the folder in which they lie. What Cargo says is shown.
pub(crate) fn optimised() -> Result<PathBuf> {
    let built = cargo().args(["build", "--release", "--package", "samspor", "--package", "xtask"]).status();
    ensure!(built.context("cannot run cargo")?.success(), "they do not build");
    Ok(profiles()?.join("release"))
}

/// The folder in which each profile has its own.
pub(crate) fn profiles() -> Result<PathBuf> {
    // This program lies in the folder of its profile.
    let own = std::env::current_exe()?;
    Ok(own.parent().and_then(Path::parent).context("a program lies in a folder")?.to_owned())
}
