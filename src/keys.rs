//! `samspor keys`: a new master key, which keys the store is under, and their replacement.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use samspor_grpc::client::KeysServiceClient;
use samspor_grpc::v1;

use crate::cli::Configured;
use crate::{config, gateway, open};

/// How often the gateway is asked how far it has come.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Write a new master key into a file that is not there yet.
    ///
    /// Nobody but its owner can read the file. The key's id is printed, by which people tell keys apart; it tells nothing of the
    /// key. Whoever loses the key loses the store: keep a copy where the store and its backups are not.
    #[command(after_help = "Exit code: 0; 1 where the file is there already, or cannot be written.\n\n\
        Example: samspor keys new secrets/master.key")]
    New(New),
    /// Show which keys the store of the running gateway is under.
    #[command(after_help = "Exit code: 0; 2 where the configuration is faulty; 1 otherwise.\n\n\
        Example: samspor keys show --config gateway.toml")]
    Show(Configured),
    /// Replace the keys of the running gateway's store.
    ///
    /// Everything new is under new random keys at once, and everything older is put under them while the gateway works. It
    /// waits until that is done; interrupted, the gateway goes on. It changes no pseudonym that anybody was given. Where the
    /// master key may be known to others, give the gateway another one first; docs/keys.md says how.
    #[command(after_help = "Exit code: 0; 2 where the configuration is faulty; 1 otherwise.\n\n\
        Example: samspor keys rotate --config gateway.toml")]
    Rotate(Rotate),
}

/// Which file.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// The file.
    file: PathBuf,
}

/// How to replace the keys.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    #[command(flatten)]
    configured: Configured,
    /// Do not wait until everything is under the new keys.
    #[arg(long)]
    no_wait: bool,
}

pub(crate) fn run(action: &Action) -> Result<ExitCode> {
    let configured = match action {
        Action::New(new) => return make(new),
        Action::Show(configured) => configured,
        Action::Rotate(rotate) => &rotate.configured,
    };
    let config = match config::load(&configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    gateway::runtime()?.block_on(async {
        let mut keys = KeysServiceClient::new(gateway::connect(&config).await?);
        if let Action::Rotate(rotate) = action {
            let begun = keys.rotate_keys(v1::RotateKeysRequest {}).await;
            let begun = begun.map_err(|status| gateway::refused(&status))?.into_inner().rotation;
            let generation = begun.unwrap_or_default().generation;
            if rotate.no_wait {
                println!("generation {generation} has begun; `samspor keys show` tells how far it is");
                return anyhow::Ok(());
            }
        }
        let progress = ProgressBar::new(0).with_style(ProgressStyle::with_template(
            "{elapsed_precise} {bar:40} {pos}/{len} rows under the new keys, {eta} left",
        )?);
        loop {
            let held = keys.get_keys(v1::GetKeysRequest {}).await;
            let held = held.map_err(|status| gateway::refused(&status))?.into_inner();
            match held.rotation.as_ref().filter(|_| matches!(action, Action::Rotate(_))) {
                Some(rotation) => {
                    progress.set_length(u64::try_from(rotation.rows.max(rotation.done)).unwrap_or_default());
                    progress.set_position(u64::try_from(rotation.done).unwrap_or_default());
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                None => {
                    progress.finish_and_clear();
                    print(&held);
                    return Ok(());
                }
            }
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn print(held: &v1::GetKeysResponse) {
    println!("master key: {}", held.master_key_id);
    println!("generation: {}", held.generation);
    match &held.rotation {
        Some(v1::KeyRotation { since, done, rows, .. }) => {
            println!("being replaced since {since}: {done} of {rows} rows are under this generation");
        }
        None => println!("everything in the store is under this generation"),
    }
}

fn make(new: &New) -> Result<ExitCode> {
    let id = open::write_master(&new.file).with_context(|| {
        "a key that is there is never overwritten, since a store may be under it".to_owned()
    })?;
    println!("{} holds a new master key, {id}", new.file.display());
    Ok(ExitCode::SUCCESS)
}
