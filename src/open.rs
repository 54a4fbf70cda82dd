//! Opening what the commands share: the vault and the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use samspor_domain::Clock;
use samspor_sqlite::Sqlite;
use samspor_vault::{Master, Vault};
use secrecy::ExposeSecret;

use crate::config::Config;

/// The name of the key that a replay makes beside its store, where the configuration names none.
const REPLAY_KEY: &str = "master.key";

/// The vault of a configuration, if it names one.
pub(crate) fn vault(config: &Config) -> Result<Option<Arc<Vault>>> {
    let Some(vault) = &config.vault else { return Ok(None) };
    let text = vault.master_key.read()?;
    let master = Master::from_hex(text.expose_secret()).with_context(|| vault.master_key.to_string())?;
    Ok(Some(Arc::new(Vault::new(&master))))
}

/// A vault with a key of its own in a folder, for a replay whose configuration names none.
pub(crate) fn replay_vault(dir: &Path) -> Result<Arc<Vault>> {
    let path = dir.join(REPLAY_KEY);
    if !path.exists() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let mut key = [0; 32];
        getrandom::fill(&mut key).context("the machine gives no random bytes")?;
        write_private(&path, &hex::encode(key))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Arc::new(Vault::new(&Master::from_hex(&text).with_context(|| path.display().to_string())?)))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// The folder and vault of an existing store: a replay's data directory, or the configuration's own.
pub(crate) fn existing(config: &Config, data_dir: Option<&Path>) -> Result<(PathBuf, Arc<Vault>)> {
    match (data_dir, &config.store) {
        (Some(dir), _) => {
            let vault = vault(config)?.map_or_else(|| replay_vault(dir), Ok)?;
            Ok((dir.to_owned(), vault))
        }
        (None, Some(store)) => match vault(config)? {
            Some(vault) => Ok((store.dir.clone(), vault)),
            None => bail!(
                "the configuration names a store but no [vault], without which the store cannot be read"
            ),
        },
        (None, None) => bail!("the configuration names no [store]; name one, or give --data-dir of a replay"),
    }
}

/// A reader of an existing store, beside the gateway if it runs.
pub(crate) fn reader(dir: &Path) -> Result<Sqlite> {
    Sqlite::open_reader(dir).with_context(|| format!("cannot open the store in {}", dir.display()))
}

/// One TLS provider for everything; called once, before anything shakes hands.
pub(crate) fn tls() -> Result<()> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow!("another TLS provider was installed before"))
}

/// The machine's clock.
pub(crate) struct MachineClock;

impl Clock for MachineClock {
    #[expect(clippy::disallowed_methods, reason = "the binary is where the clock is read")]
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}
