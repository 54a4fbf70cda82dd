//! Opening what the commands share: the keys and the store.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use samspor_domain::Clock;
use samspor_domain::store::Read as _;
use samspor_engine::open_keys;
use samspor_sqlite::Sqlite;
use samspor_vault::{KeyId, Master, Vault};
use secrecy::ExposeSecret;

use crate::config::{Config, Secret};

/// The name of the key that a replay makes beside its store, where the configuration names none.
const REPLAY_KEY: &str = "master.key";

/// The master key of a configuration, and the one whose place it takes, if there is one.
pub(crate) struct Masters {
    pub(crate) master: Master,
    previous: Option<Master>,
}

impl Masters {
    /// The keys of a store, with which it is read from then on.
    pub(crate) fn open(&self, store: &mut Sqlite) -> Result<Arc<Vault>> {
        open_keys(store, &self.master, self.previous.as_ref()).context("cannot open the store")
    }
}

/// The master key that a configuration names, if it names one.
pub(crate) fn masters(config: &Config) -> Result<Option<Masters>> {
    let Some(vault) = &config.vault else { return Ok(None) };
    let read = |secret: &Secret| {
        let text = secret.read()?;
        Master::from_hex(text.expose_secret()).with_context(|| secret.to_string())
    };
    let previous = vault.previous_master_key.as_ref().map(read).transpose()?;
    Ok(Some(Masters { master: read(&vault.master_key)?, previous }))
}

/// The same; where the configuration names none, a key of the store's own in its folder, which a replay makes.
pub(crate) fn masters_or_replays(config: &Config, dir: &Path) -> Result<Masters> {
    masters(config)?.map_or_else(|| replay_master(dir), Ok)
}

fn replay_master(dir: &Path) -> Result<Masters> {
    let path = dir.join(REPLAY_KEY);
    if !path.exists() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        write_master(&path)?;
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let master = Master::from_hex(&text).with_context(|| path.display().to_string())?;
    Ok(Masters { master, previous: None })
}

/// Writes a new master key into a file that is not there yet, and that nobody else can read.
pub(crate) fn write_master(path: &Path) -> Result<KeyId> {
    let mut key = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key).map_err(|error| anyhow!("the machine gives no random bytes: {error}"))?;
    let text = zeroize::Zeroizing::new(hex::encode(*key));
    write_private(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Master::from_hex(&text)?.id())
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    // Whatever is written under it soon is on its disk.
    file.sync_all()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

/// A reader of an existing store, a replay's data directory or the configuration's own, and its keys.
pub(crate) fn existing(config: &Config, data_dir: Option<&Path>) -> Result<(Sqlite, Arc<Vault>)> {
    let (dir, masters) = match (data_dir, &config.store) {
        (Some(dir), _) => (dir, masters_or_replays(config, dir)?),
        (None, Some(store)) => match masters(config)? {
            Some(masters) => (&*store.dir, masters),
            None => bail!(
                "the configuration names a store but no [vault], without which the store cannot be read"
            ),
        },
        (None, None) => bail!(
            "the configuration names no [store]: this reads the store's files, on the gateway's machine and with its configuration, or \
             those of a replay where there is a --data-dir"
        ),
    };
    let mut reader = reader(dir)?;
    let vault = masters.open(&mut reader)?;
    Ok((reader, vault))
}

/// The same, as all of it is at one moment: whatever a gateway writes meanwhile, under these keys or newer ones, is not read.
pub(crate) fn existing_held(config: &Config) -> Result<(Sqlite, Arc<Vault>)> {
    let (mut reader, _) = existing(config, None)?;
    reader.hold()?;
    let masters = masters(config)?.context("the configuration has a [vault]")?;
    let vault = masters.open(&mut reader)?;
    Ok((reader, vault))
}

/// A reader of a store without its keys, beside the gateway if it runs.
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
