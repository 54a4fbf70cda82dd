//! Sources: a folder, the files of which are deliveries. One that was taken and is durable is moved to another folder.

mod held;
mod look;
mod put_away;
mod take;
mod waiting;
mod watch;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use samspor_domain as domain;
use samspor_domain::{Acknowledge, Batch, Clock, LinkError, Token};
use tokio::sync::watch as seen;
use tokio::time::Instant;

use crate::blocking::{Work, begin, end};
use crate::folder::Folder;
use crate::{failed, place};
use held::{Held, Kept};
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
    /// Of a file that is not taken for so long, somebody is told. One that cannot be read for so long is put away.
    pub warn_after: Duration,
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
    kept: Mutex<Kept>,
    /// What somebody should see to.
    notice: seen::Sender<Option<String>>,
}

impl Source {
    /// A source. The folder is looked into when it is subscribed to.
    #[must_use]
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let (kept, notice) = (Mutex::default(), seen::Sender::new(None));
        Self { shared: Arc::new(Shared { settings, clock, kept, notice }) }
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
        let found = place::fault(dir, false, None).or_else(|| {
            place::is_others_and_sticky(dir).then(|| {
                format!(
                    "the folder {} has the sticky bit (as /tmp has) and another owner, so that the gateway's user cannot \
                     move files of others out of it: take the bit away, or let the gateway's user own the folder",
                    dir.display()
                )
            })
        });
        if found.is_some() {
            return found.into_iter().collect();
        }
        let links = [dir, done, failed].into_iter().filter(|path| place::is_link(path)).map(|path| {
            format!(
                "{} is a symbolic link, which whoever may write beside it can turn elsewhere: name the folder itself",
                path.display()
            )
        });
        let links: Vec<String> = links.collect();
        if !links.is_empty() {
            return links;
        }
        [done, failed].into_iter().filter_map(|to| place::fault(to, true, Some(dir))).collect()
    }

    fn probe(&self) -> Result<(), LinkError> {
        let Self { dir, done, failed, .. } = self;
        if let Some(fault) = self.faults().into_iter().next() {
            return Err(LinkError { doing: fault, source: None });
        }
        let open = |path: &PathBuf| {
            Folder::open(path)
                .map_err(|error| crate::failed(format!("opening the folder {}", path.display()), error))
        };
        let from = open(dir)?;
        [dir, done, failed].into_iter().filter(|to| to.is_dir()).try_for_each(|to| from.probe(&open(to)?))
    }
}

#[async_trait]
impl domain::Source for Source {
    async fn subscribe(&self) -> Result<Box<dyn domain::Subscription>, LinkError> {
        let shared = Arc::clone(&self.shared);
        let held = end(&mut begin(move || shared.prepare())).await??;
        let (claimed, shared) = (Claimed::default(), Arc::clone(&self.shared));
        let looker = Looker::new(Arc::clone(&shared), Arc::clone(&held), claimed.clone());
        Ok(Box::new(Subscription { state: State::Idle(Box::new(looker)), claimed, held, shared }))
    }

    async fn notice(&self, said: Option<&str>) -> Option<String> {
        let mut notice = self.shared.notice.subscribe();
        let now = notice.wait_for(|now| now.as_deref() != said).await.map(|now| now.clone());
        match now {
            Ok(now) => now,
            Err(_) => std::future::pending().await, // The source itself is the sender.
        }
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
    held: Arc<Held>,
    shared: Arc<Shared>,
}

/// Work that was begun goes on when nobody waits for it; whoever waits next gets what came of it.
enum State {
    Idle(Box<Looker>),
    Working(Work<(Box<Looker>, Result<Taken, LinkError>)>),
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
            let Taken { deliveries, files, .. } = taken?;
            if !deliveries.is_empty() {
                let claim = Claim { files, claimed: self.claimed.clone() };
                let (held, shared) = (Arc::clone(&self.held), Arc::clone(&self.shared));
                let token = Token::new(Accept { claim, held, shared });
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
                claimed.remove(&file.ready.name);
            }
        });
    }
}

/// The duty to move files away.
struct Accept {
    claim: Claim,
    held: Arc<Held>,
    shared: Arc<Shared>,
}

#[async_trait]
impl Acknowledge for Accept {
    async fn accept(self: Box<Self>) -> Result<(), LinkError> {
        let Self { claim, held, shared } = *self;
        let work = move || {
            let put = put_away::all(&shared, &held, claim.files.clone(), false);
            drop(claim); // Not before they are gone.
            put
        };
        end(&mut begin(work)).await?
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use super::*;

    pub(crate) fn settings(dir: &Path, whole: Whole) -> Result<Settings, PatternError> {
        Ok(Settings {
            dir: dir.to_owned(),
            done: dir.join("done"),
            failed: dir.join("failed"),
            pattern: "*".parse()?,
            whole,
            poll: Duration::from_millis(10),
            warn_after: Duration::from_secs(3_600),
            max_body_bytes: 1_000,
        })
    }
}
