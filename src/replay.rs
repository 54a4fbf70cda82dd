//! `samspor replay`: recordings through the very same decoders, engine and store, and the final state of every posting.

use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use samspor_domain::store::{Outcome, Standing, StoreError};
use samspor_domain::{Answer, SourceName, SourceNo, Text};
use samspor_engine::{Core, Intake, Permissions, Prepared, newest_tag};
use samspor_formats::json;
use samspor_sqlite::Sqlite;
use samspor_vault::Vault;

use crate::cli::Replay;
use crate::config::{self, Config};
use crate::{open, recording, wiring};

/// Something went to quarantine.
const QUARANTINED: u8 = 3;
/// Items that one transaction takes.
const BATCH: usize = 2_000;
/// Batches that are decoded before they can be stored.
const AHEAD: usize = 2;
/// Postings that are read together for printing.
const PAGE: usize = 2_000;

/// Plays recordings and prints the final state.
pub(crate) fn run(arguments: &Replay) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let temporary = tempfile::tempdir().context("cannot make a temporary folder")?;
    let dir = arguments.data_dir.as_deref().unwrap_or(temporary.path());
    let masters = open::masters_or_replays(&config, dir)?;
    let mut store =
        Sqlite::open(dir).with_context(|| format!("cannot open the store in {}", dir.display()))?;
    let vault = masters.open(&mut store)?;
    let core =
        Core::open(Box::new(store), Arc::clone(&vault), config.charts.clone(), config.engine.slice_postings)?;

    let mut core = core;
    let intakes = intakes(&config)?;
    let progress = progress();
    std::thread::scope(|scope| -> Result<()> {
        // While one batch is stored, the next ones are read and decoded.
        let (send, batches) = sync_channel(AHEAD);
        let mut decoding = Decoding { intakes, config: &config, batch: Vec::with_capacity(BATCH), send };
        let recordings = &arguments.recordings;
        let decoded = scope.spawn(move || {
            recordings.iter().try_for_each(|path| decoding.read(path)).and_then(|()| decoding.end())
        });
        for batch in batches {
            // Every item says when it was learnt.
            core.take_in(&batch, Timestamp::MIN)?;
            progress.inc(batch.iter().filter(|item| item.is_first()).count() as u64);
        }
        decoded.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    progress.set_message("deciding again");
    while core.work(Timestamp::MIN)? {}
    scrub(&mut core)?;
    progress.finish_and_clear();

    print_states(&mut core, &vault)?;
    let quarantined = print_counts(&mut core)?;
    Ok(if quarantined { ExitCode::from(QUARANTINED) } else { ExitCode::SUCCESS })
}

/// Overwrites what was erased. Where someone reads the store just now, that is left to who opens it next.
fn scrub(core: &mut Core) -> Result<()> {
    loop {
        match core.scrub(samspor_domain::Clock::now(&open::MachineClock)) {
            Ok(false) => {}
            Ok(true) | Err(StoreError::Locked) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What reads and decodes, beside what stores.
struct Decoding<'a> {
    intakes: HashMap<SourceName, Intake>,
    config: &'a Config,
    batch: Vec<Prepared>,
    send: SyncSender<Vec<Prepared>>,
}

impl Decoding<'_> {
    fn read(&mut self, path: &Path) -> Result<()> {
        recording::read(path)?.try_for_each(|recorded| self.play(&recorded?))
    }

    fn play(&mut self, recorded: &recording::Recorded) -> Result<()> {
        if !self.intakes.contains_key(&recorded.source) {
            let intake = self.unnamed(&recorded.source);
            self.intakes.insert(recorded.source.clone(), intake);
        }
        let items = self.intakes[&recorded.source].prepare(&recorded.delivery);
        self.batch.extend(items.into_iter().map(|item| item.learnt_at(recorded.received_at)));
        if self.batch.len() >= BATCH { self.end() } else { Ok(()) }
    }

    /// Hands over what there is.
    fn end(&mut self) -> Result<()> {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        self.send.send(batch).context("what was decoded could not be stored")
    }

    /// A source that the configuration does not name: canonical JSON, and any type where it names none at all.
    fn unnamed(&self, source: &SourceName) -> Intake {
        let may_send =
            if self.config.sources.is_empty() { Permissions::all() } else { Permissions::default() };
        Intake {
            source: source.clone(),
            decoder: Arc::new(json::Decoder),
            may_send,
            max_body_bytes: wiring::MAX_BODY_BYTES,
        }
    }
}

fn intakes(config: &Config) -> Result<HashMap<SourceName, Intake>> {
    Ok(config.sources.iter().map(|source| (source.name.clone(), wiring::intake(source))).collect())
}

/// How many deliveries have gone through, on standard error if that is a terminal.
pub(crate) fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {human_pos} deliveries, {per_sec} {msg}");
    ProgressBar::no_length().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

/// The state of every posting, by source and posting in the order of their bytes.
fn print_states(core: &mut Core, vault: &Vault) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let store = core.store();
    let mut sources: Vec<(SourceNo, SourceName)> = store.sources()?;
    sources.sort_by(|(_, a), (_, b)| a.cmp(b));
    for (no, source) in sources {
        let mut after: Option<Text> = None;
        loop {
            let rows = store.postings_by_id(no, after.as_ref(), PAGE)?;
            let Some(last) = rows.last() else { break };
            after = Some(last.posting.id.clone());
            for row in &rows {
                let answer = match row.standing {
                    Standing::Untagged(reason) => Answer::Untagged(reason),
                    Standing::Tagged(_) => {
                        let tag = newest_tag(&mut *store, vault, row.no)?;
                        Answer::Tagged(Box::new(tag.context("a tagged posting has no tag in the feed")?))
                    }
                };
                writeln!(out, "{}", json::state(source.as_str(), row.posting.id.as_str(), &answer))?;
            }
        }
    }
    Ok(out.flush()?)
}

/// What became of the items, on standard error. Answers whether anything went to quarantine.
fn print_counts(core: &mut Core) -> Result<bool> {
    let store = core.store();
    let names: HashMap<SourceNo, SourceName> = store.sources()?.into_iter().collect();
    let mut totals: std::collections::BTreeMap<(String, Outcome), i64> = std::collections::BTreeMap::new();
    for count in store.counts()? {
        let name = names.get(&count.source).map(ToString::to_string).unwrap_or_default();
        *totals.entry((name, count.outcome)).or_default() += count.items;
    }
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(std::iter::once("source").chain(Outcome::ALL.map(Outcome::word)));
    let sources: std::collections::BTreeSet<&String> = totals.keys().map(|(name, _)| name).collect();
    for source in sources {
        let cell = |outcome| totals.get(&(source.clone(), outcome)).copied().unwrap_or(0).to_string();
        table.add_row(std::iter::once(source.clone()).chain(Outcome::ALL.map(cell)));
    }
    eprintln!("{table}");
    Ok(totals.iter().any(|((_, outcome), items)| *outcome == Outcome::Quarantined && *items > 0))
}
