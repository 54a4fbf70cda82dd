//! `samspor backup` and `restore`: the store as it was at one moment, and how a gateway goes on from it.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use samspor_domain::Clock as _;
use samspor_engine::audit::Checkpoint;
use samspor_engine::{Core, WithdrawnAgain};
use samspor_sqlite::{Sqlite, database};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::cli::Configured;
use crate::config::{self, Config};
use crate::{audit, open};

/// What `backup` copies to where.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    configured: Configured,
    /// The folder to write it into. It is made; if it is there it must be empty.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// What `restore` puts back.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    configured: Configured,
    /// The folder that `samspor backup` wrote.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Go on without a log of withdrawals: what was withdrawn since the backup comes alive again, unless somebody withdraws
    /// it anew before the targets are resumed.
    #[arg(long)]
    without_withdrawals: bool,
}

/// The file that says what a backup is.
const ABOUT: &str = "backup.json";
/// The version of its form.
const FORMAT: u32 = 1;
/// The folder beside the store in which a restored one is made.
const MAKING: &str = "restoring";

/// What a backup is, written when all of it is there.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    format: u32,
    /// When it was begun: what was stored before is in it.
    made: Timestamp,
    /// By which gateway.
    gateway: String,
    /// The database's size in bytes, and its SHA-256 in hexadecimal.
    bytes: u64,
    sha256: String,
}

/// Makes a backup.
pub(crate) fn make(arguments: &Backup) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let store = config.store.as_ref().context("the configuration names no [store]")?;
    let to = &arguments.to;
    std::fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    let is_empty =
        std::fs::read_dir(to).with_context(|| format!("cannot read {}", to.display()))?.next().is_none();
    ensure!(is_empty, "{} is not empty; a backup has a folder of its own", to.display());
    std::fs::set_permissions(to, Permissions::from_mode(0o700))?;

    let progress = spinner("copying the store")?;
    let made = open::MachineClock.now();
    Sqlite::copy(&store.dir, to).with_context(|| format!("cannot copy the store into {}", to.display()))?;
    progress.set_message("reading the copy");
    let (bytes, sha256) = hash(&database(to))?;
    let about = About { format: FORMAT, made, gateway: env!("CARGO_PKG_VERSION").to_owned(), bytes, sha256 };
    write_about(to, &about)?;
    progress.finish_and_clear();
    println!("{}: the store as of {made}, {} MB", to.display(), bytes.div_ceil(1_000_000));
    if store.withdrawals.is_none() {
        eprintln!(
            "warning: [store] has no `withdrawals_file`, so restoring this would revive every consent that is withdrawn from \
             now on"
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts a backup where the store was.
pub(crate) fn restore(arguments: &Restore) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    if let Err(problems) = config.to_serve() {
        return Ok(crate::faulty(&problems));
    }
    let store = config.store.as_ref().context("the configuration names no [store]")?;
    let dir = &store.dir;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("cannot make {}", dir.display()))?;
    // Nobody else makes a store here meanwhile.
    let _lock = samspor_sqlite::lock(dir).with_context(|| format!("cannot lock {}", dir.display()))?;
    // What lies in the log of a store that was lost would be taken for what the restored one had written last.
    for (what, path) in samspor_sqlite::files(dir) {
        let shown = path.display();
        ensure!(
            !path.exists(),
            "{shown} is there, the {what} of a store; move the folder away before a backup takes its place"
        );
    }
    let about = read_about(&arguments.from)?;
    let log = withdrawals(&config, arguments.without_withdrawals)?;
    let published = match &config.checkpoints_file {
        Some(path) if path.exists() => audit::published(path)?,
        _ => Vec::new(),
    };

    let making = dir.join(MAKING);
    if making.exists() {
        std::fs::remove_dir_all(&making).with_context(|| format!("cannot clear {}", making.display()))?;
    }
    let made = DirBuilder::new().mode(0o700).create(&making);
    made.with_context(|| format!("cannot make {}", making.display()))?;
    let progress = spinner("copying the backup")?;
    std::fs::copy(database(&arguments.from), database(&making)).context("cannot copy the backup")?;
    let found = hash(&database(&making))?;
    ensure!(
        found == (about.bytes, about.sha256.clone()),
        "the backup is not as it was made: its bytes differ from what {ABOUT} says; take another one"
    );
    let begun = begin_anew(&config, &making, log.as_deref(), &published, &progress)?;

    // From here on the store is there, whole; before, nothing was.
    progress.set_message("putting it in its place");
    File::open(database(&making))?.sync_all()?;
    std::fs::rename(database(&making), database(dir)).context("cannot put the store in its place")?;
    File::open(dir)?.sync_all()?;
    std::fs::remove_dir_all(&making)?;
    progress.finish_and_clear();
    println!(
        "{}: the store as of {}; {} consents withdrawn again, {} records said again",
        dir.display(),
        about.made,
        begun.withdrawn.ended,
        begun.said
    );
    for line in begun.withdrawn.cut_off {
        eprintln!(
            "line {line} of the log of withdrawals was cut off, before what it was to say was stored, and is passed over"
        );
    }
    println!(
        "Start the gateway, have the registrars and sources send again what they sent since {}, and then let the targets go on:",
        about.made
    );
    for target in &config.targets {
        println!("    samspor resume target {} --config {}", target.name, config.path.display());
    }
    println!("    samspor resume feed --config {}", config.path.display());
    println!(
        "When a target has everything (`samspor status`), a tag that it has with revision {} or lower was the lost store's alone, \
         and is to be taken off there.",
        begun.floor
    );
    Ok(ExitCode::SUCCESS)
}

/// The log of withdrawals, if there is to be one.
fn withdrawals(config: &Config, without: bool) -> Result<Option<String>> {
    let file = config.store.as_ref().and_then(|store| store.withdrawals.as_ref());
    match file {
        _ if without => Ok(None),
        Some(file) => {
            let log = std::fs::read_to_string(file);
            let log = log.with_context(|| {
                format!(
                    "cannot read the log of withdrawals {}; if none was kept, give --without-withdrawals, and have withdrawn anew \
                     what was withdrawn since the backup before the targets go on",
                    file.display()
                )
            })?;
            Ok(Some(log))
        }
        None => bail!(
            "[store] has no `withdrawals_file`: what was withdrawn since the backup would come alive again; name the log, or \
             give --without-withdrawals and have it withdrawn anew before the targets go on"
        ),
    }
}

/// How a restored store goes on.
struct Begun {
    /// The revision above which it says everything.
    floor: i64,
    /// What was withdrawn again.
    withdrawn: WithdrawnAgain,
    /// How many records were said again.
    said: u64,
}

/// Makes of a copied store one that goes on.
fn begin_anew(
    config: &Config,
    dir: &Path,
    log: Option<&str>,
    published: &[Checkpoint],
    progress: &ProgressBar,
) -> Result<Begun> {
    let masters = open::masters(config)?.context("the configuration has a [vault]")?;
    let mut store = Sqlite::open(dir).context("cannot open the backup")?;
    let vault = masters.open(&mut store)?;
    let charts = config.charts.clone();
    let mut core = Core::open(Box::new(store), Arc::clone(&vault), charts, config.engine.slice_postings)?;
    let now = || open::MachineClock.now();
    let mut epoch = [0; 16];
    getrandom::fill(&mut epoch).map_err(|error| anyhow!("the machine gives no random bytes: {error}"))?;
    let targets: Vec<_> = config.targets.iter().map(|target| target.name.clone()).collect();
    let floor = core.begin_epoch(epoch, &targets, now())?;
    core.note_restore(published, now())?;

    progress.set_message("withdrawing again");
    let withdrawn = log.map(|log| core.withdraw_again(log, now())).transpose()?.unwrap_or_default();
    progress.set_message("deciding again");
    while core.work(now())? {}
    progress.set_message("saying records again");
    let (mut restating, mut is_done) = (core.restating()?, false);
    while !is_done {
        (restating, is_done) = core.restate(restating, now())?;
    }
    progress.set_message("overwriting what was erased");
    while !core.scrub(now())? {}
    drop(core);
    // Else it would be left behind, with what it holds.
    let is_whole = samspor_sqlite::files(dir).iter().all(|(what, path)| *what != "log" || !path.exists());
    ensure!(is_whole, "the restored store could not be closed; is the disk full?");
    Ok(Begun { floor, withdrawn, said: restating.said })
}

fn write_about(dir: &Path, about: &About) -> Result<()> {
    let (making, path) = (dir.join(format!("{ABOUT}.part")), dir.join(ABOUT));
    let mut file = File::create(&making)?;
    file.write_all(&serde_json::to_vec_pretty(about)?)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(making, path)?;
    Ok(File::open(dir)?.sync_all()?)
}

fn read_about(dir: &Path) -> Result<About> {
    let path = dir.join(ABOUT);
    let text = std::fs::read(&path)
        .with_context(|| format!("{} is no backup: cannot read {ABOUT} in it", dir.display()))?;
    let about: About = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not what `samspor backup` wrote", path.display()))?;
    ensure!(
        about.format == FORMAT,
        "{}: a newer gateway made this backup; restore it with that one",
        path.display()
    );
    Ok(about)
}

/// A file's size, and its SHA-256 in hexadecimal.
fn hash(path: &Path) -> Result<(u64, String)> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (mut hasher, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, hex::encode(hasher.finalize()))),
            read => {
                hasher.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

fn spinner(message: &'static str) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{elapsed_precise} {spinner} {msg}")?;
    let progress = ProgressBar::new_spinner().with_style(style).with_message(message);
    progress.enable_steady_tick(Duration::from_millis(200));
    Ok(progress)
}
