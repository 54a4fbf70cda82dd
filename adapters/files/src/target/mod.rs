//! Targets: a folder, into which files of records are put. Records are collected in an open file, in which they are safe;
//! when it is full or old enough it is closed: written in the wanted format and handed over with a manifest.

mod chain;
mod close;
mod csv;
mod manifest;
mod open;
mod parquet;
mod rows;
#[cfg(test)]
mod tests;
mod whose;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use samspor_domain as domain;
use samspor_domain::{Clock, Confirms, Flow, LinkError, Outgoing, Sent, TagFilter, Text};

use crate::blocking::{Work, begin, end};
use crate::folder::Folder;
use crate::{failed, place};
use open::Spool;

/// What files are put where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The target's name.
    pub target: Text,
    /// What it is given. An open file with what it was given before is not gone on with.
    pub filter: TagFilter,
    /// The folder.
    pub dir: PathBuf,
    /// How their names begin.
    pub prefix: Prefix,
    /// What they are written in.
    pub format: Format,
    /// What stands in a row, where the format has rows.
    pub columns: Columns,
    /// With how many records a file is full, 1 or more.
    pub max_records: usize,
    /// With how many bytes of records, as they come, a file is full. One record is in it at least.
    pub max_bytes: u64,
    /// For how long a file is open after its first record.
    pub max_age: Duration,
}

/// What files are written in. The records themselves come as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The records as they come, one a line.
    Ndjson,
    /// Rows with `;`, decimal commas and CRLF, in UTF-8 with its mark.
    Csv,
    /// Rows with types, in Apache Parquet.
    Parquet,
}

impl Format {
    /// How the names of such files end.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ndjson => "NDJSON",
            Self::Csv => "CSV",
            Self::Parquet => "Parquet",
        })
    }
}

/// Whose records they are, which decides the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// The ledger's: dates and vouchers.
    Ledger,
    /// An LIS': months, and pseudonyms of family and citizen.
    Lis,
}

/// How names of files begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

/// Why a text is no beginning of a file's name.
#[derive(Debug, thiserror::Error)]
#[error("must be 1 to 64 letters, digits, `-`, `_` or `.`, and begin with a letter or digit")]
pub struct PrefixError;

impl FromStr for Prefix {
    type Err = PrefixError;
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let begins = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        if begins && text.len() <= 64 && text.bytes().all(is_allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(PrefixError)
        }
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("records".to_owned())
    }
}

impl Settings {
    /// What is wrong with the folder, as far as that is seen without changing anything.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        place::fault(&self.dir, false, None).into_iter().collect()
    }
}

/// How the open file is begun, or gone on with.
type Begin = fn(Arc<Settings>, Arc<dyn Clock>) -> Result<Spool, LinkError>;

/// A folder to put files into.
pub struct Target {
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
}

impl Target {
    /// A target. The folder is looked at when it is connected to.
    #[must_use]
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self { settings: Arc::new(settings), clock }
    }

    /// Sees whether files can be put there.
    pub async fn check(&self) -> Result<(), LinkError> {
        let settings = Arc::clone(&self.settings);
        end(&mut begin(move || prepare(&settings))).await?
    }

    async fn open(&self, spool: Begin) -> Result<Box<dyn domain::Publisher>, LinkError> {
        let (settings, clock) = (Arc::clone(&self.settings), Arc::clone(&self.clock));
        let open = move || {
            prepare(&settings)?;
            spool(settings, clock)
        };
        let spool = end(&mut begin(open)).await??;
        Ok(Box::new(Publisher { state: State::Idle(spool) }))
    }
}

fn prepare(settings: &Settings) -> Result<(), LinkError> {
    match settings.faults().pop() {
        Some(fault) => Err(LinkError { doing: fault, source: None }),
        None => {
            let dir = Folder::follow(&settings.dir)
                .map_err(|error| failed(format!("opening the folder {}", settings.dir.display()), error))?;
            dir.probe(&dir)
        }
    }
}

#[async_trait]
impl domain::Target for Target {
    async fn connect(&self) -> Result<Box<dyn domain::Publisher>, LinkError> {
        self.open(Spool::recover).await
    }

    async fn connect_anew(&self) -> Result<Box<dyn domain::Publisher>, LinkError> {
        self.open(Spool::anew).await
    }
}

struct Publisher {
    state: State,
}

/// Work that was begun goes on when nobody waits for it; whoever waits next gets what came of it.
enum State {
    Idle(Spool),
    Working(Work<(Spool, Result<(), LinkError>)>),
    Failed,
}

impl Publisher {
    /// Waits for work that is under way.
    async fn settle(&mut self) -> Result<(), LinkError> {
        if let State::Working(work) = &mut self.state {
            let (spool, done) = end(work).await?;
            self.state = State::Idle(spool);
            done?;
        }
        Ok(())
    }

    /// Does something with the open file. What was begun before is waited for.
    async fn with_spool(
        &mut self,
        change: impl FnOnce(&mut Spool) -> Result<(), LinkError> + Send + 'static,
    ) -> Result<(), LinkError> {
        self.settle().await?;
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Idle(mut spool) => {
                self.state = State::Working(begin(move || {
                    let done = change(&mut spool);
                    (spool, done)
                }));
            }
            State::Working(_) | State::Failed => {
                return Err(failed("writing files of records", "an earlier write failed"));
            }
        }
        self.settle().await
    }
}

#[async_trait]
impl domain::Publisher for Publisher {
    async fn publish(&mut self, messages: Vec<Outgoing>) -> Result<Confirms, LinkError> {
        let count = messages.len();
        self.with_spool(move |spool| spool.append(messages)).await?;
        // They are safe in the open file, and whoever closes it finds them there.
        Ok(Box::pin(std::future::ready(Ok(vec![Sent::Delivered; count]))))
    }

    async fn changed(&mut self) -> Result<Flow, LinkError> {
        loop {
            self.settle().await?;
            let due = match &self.state {
                State::Idle(spool) => spool.due(),
                State::Working(_) | State::Failed => None,
            };
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
            self.with_spool(Spool::close_if_due).await?;
        }
    }
}
