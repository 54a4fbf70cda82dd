//! Sources: a folder, the files of which are deliveries. One that was taken and is durable is moved to another folder.

mod look;
mod put_away;
mod take;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use samspor_domain as domain;
use samspor_domain::{Acknowledge, Batch, Clock, LinkError, Token};
use tokio::time::Instant;

use crate::blocking::{Work, begin, end};
use crate::{failed, place};
use look::Looker;
use take::{File, Taken};

/// Which files are taken, from where, and where they end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder that is looked into; what lies in folders inside it is left alone.
    pub dir: PathBuf,
    /// Where files are moved that were taken whole. It is made if it is missing, on the same file system as `dir`.
    pub done: PathBuf,
    /// The same for files that cannot be read, or not whole.
    pub failed: PathBuf,
    /// The names of those that are taken.
    pub pattern: Pattern,
    /// By what it is seen that a file is whole.
    pub whole: Whole,
    /// How often the folder is looked into.
    pub poll: Duration,
    /// Of a larger file one byte more than this is read, for it to be seen as too large.
    pub max_body_bytes: usize,
}

/// The names of files, by a pattern such as `*.xml` or `postings-*.{g69,txt}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(globset::Glob);

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error)]
#[error("is no pattern of file names: {0}")]
pub struct PatternError(String);

impl FromStr for Pattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() || text.contains('/') {
            return Err(PatternError("it stands for names, without folders".into()));
        }
        globset::Glob::new(text).map(Self).map_err(|error| PatternError(error.kind().to_string()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.glob())
    }
}

/// By what it is seen that a file is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whole {
    /// Nothing in it has changed for so long, as the gateway saw it.
    Settled(Duration),
    /// Beside it lies a file with its name and this behind, which is not older than it.
    Marked(String),
}

/// With so many bytes a batch is full, and with so many files.
const MAX_BATCH_BYTES: usize = 1 << 20;
const MAX_BATCH_FILES: usize = 500;

/// A folder to take files from.
pub struct Source {
    shared: Arc<Shared>,
}

/// What a source and all that it hands out need.
struct Shared {
    settings: Settings,
    clock: Arc<dyn Clock>,
}

impl Source {
    /// A source. The folder is looked into when it is subscribed to.
    #[must_use]
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self { shared: Arc::new(Shared { settings, clock }) }
    }

    /// Sees whether files can be moved in one step to where they end, as far as those folders are there.
    pub async fn check(&self) -> Result<(), LinkError> {
        let shared = Arc::clone(&self.shared);
        end(&mut begin(move || shared.settings.probe())).await?
    }
}

impl Settings {
    /// What is wrong with the folders, as far as that is seen without changing anything.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let Self { dir, done, failed, .. } = self;
        let found = place::fault(dir, false, None);
        if found.is_some() {
            return found.into_iter().collect();
        }
        [done, failed].into_iter().filter_map(|to| place::fault(to, true, Some(dir))).collect()
    }

    fn probe(&self) -> Result<(), LinkError> {
        let Self { dir, done, failed, .. } = self;
        if let Some(fault) = self.faults().into_iter().next() {
            return Err(LinkError { doing: fault, source: None });
        }
        [dir, done, failed].into_iter().filter(|to| to.is_dir()).try_for_each(|to| place::probe(dir, to))
    }

    /// Makes the folders that are missing, and sees whether they can be used.
    fn prepare(&self) -> Result<(), LinkError> {
        self.probe()?;
        for to in [&self.done, &self.failed] {
            fs::create_dir_all(to).map_err(|error| {
                failed(format!("making the folder {} (may the gateway's user do that?)", to.display()), error)
            })?;
        }
        self.probe()
    }
}

#[async_trait]
impl domain::Source for Source {
    async fn subscribe(&self) -> Result<Box<dyn domain::Subscription>, LinkError> {
        let shared = Arc::clone(&self.shared);
        end(&mut begin(move || shared.settings.prepare())).await??;
        let claimed = Claimed::default();
        let looker = Looker::new(Arc::clone(&self.shared), claimed.clone());
        Ok(Box::new(Subscription { state: State::Idle(looker), claimed, shared: Arc::clone(&self.shared) }))
    }
}

/// Names of files that were handed out and of which it is not known yet what became of them.
#[derive(Debug, Clone, Default)]
struct Claimed(Arc<Mutex<BTreeSet<OsString>>>);

impl Claimed {
    fn with<T>(&self, change: impl FnOnce(&mut BTreeSet<OsString>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Subscription {
    state: State,
    claimed: Claimed,
    shared: Arc<Shared>,
}

/// Work that was begun goes on when nobody waits for it; whoever waits next gets what came of it.
enum State {
    Idle(Looker),
    Working(Work<(Looker, Result<Taken, LinkError>)>),
    Failed,
}

#[async_trait]
impl domain::Subscription for Subscription {
    async fn next(&mut self) -> Result<Batch, LinkError> {
        loop {
            if let State::Idle(looker) = &self.state {
                tokio::time::sleep_until(looker.due()).await;
                if let State::Idle(mut looker) = std::mem::replace(&mut self.state, State::Failed) {
                    let now = Instant::now();
                    self.state = State::Working(begin(move || {
                        let taken = looker.step(now);
                        (looker, taken)
                    }));
                }
            }
            let State::Working(work) = &mut self.state else {
                return Err(failed("reading a folder", "an earlier look failed"));
            };
            let (looker, taken) = end(work).await?;
            self.state = State::Idle(looker);
            let Taken { deliveries, files } = taken?;
            if !deliveries.is_empty() {
                let claim = Claim { files, claimed: self.claimed.clone() };
                let token = Token::new(Accept { claim, shared: Arc::clone(&self.shared) });
                return Ok(Batch { deliveries, token });
            }
        }
    }
}

/// Files that were handed out. Dropped, they may be handed out again, if they are still there.
struct Claim {
    files: Vec<File>,
    claimed: Claimed,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claimed.with(|claimed| {
            for file in &self.files {
                claimed.remove(&file.name);
            }
        });
    }
}

/// The duty to move files away.
struct Accept {
    claim: Claim,
    shared: Arc<Shared>,
}

#[async_trait]
impl Acknowledge for Accept {
    async fn accept(self: Box<Self>) -> Result<(), LinkError> {
        let Self { claim, shared } = *self;
        let work = move || {
            let put = put_away::all(&shared.settings, &claim.files, shared.clock.now());
            drop(claim); // Not before they are gone.
            put
        };
        end(&mut begin(work)).await?
    }
}
