//! Who answers what a command asks: the running gateway, or the store's files where none runs. Both answer alike.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use samspor_formats::{Masked, json};
use samspor_grpc::client::{Code, ConnectError, Status, Way, ask};
use samspor_grpc::{Means, NotAnswered, Question, Store};
use samspor_sqlite::Sqlite;
use samspor_vault::Vault;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::{gateway, open};

/// Who answers.
pub(crate) enum Answers {
    /// The gateway that runs.
    Gateway(Runtime, Way),
    /// The store's files.
    Files(Box<Sqlite>, Arc<Vault>, Arc<samspor_domain::Charts>),
}

impl Answers {
    /// A data directory is read. Without one the running gateway is asked; where nobody listens at its address, or there is
    /// none, the store's files are read, and standard error says so. A gateway that refuses is an error.
    pub(crate) fn of(config: &Config, data_dir: Option<&Path>) -> Result<Self> {
        if data_dir.is_some() {
            return Self::files(config, data_dir);
        }
        let why = if gateway::url(config).is_none() {
            "the configuration names no gateway"
        } else {
            let runtime = gateway::runtime()?;
            match runtime.block_on(gateway::connect(config)) {
                Ok(way) => return Ok(Self::Gateway(runtime, way)),
                Err(error) if error.downcast_ref().is_some_and(ConnectError::is_refused) => {
                    "no gateway listens there"
                }
                Err(error) => return Err(error),
            }
        };
        let files = Self::files(config, None)?;
        eprintln!("samspor: {why}, so the store's files are read");
        Ok(files)
    }

    fn files(config: &Config, data_dir: Option<&Path>) -> Result<Self> {
        let (reader, vault) = open::existing(config, data_dir)?;
        Ok(Self::Files(Box::new(reader), vault, Arc::new(config.charts.clone())))
    }

    /// The answer.
    pub(crate) fn to<Q: Question>(&mut self, question: Q) -> Result<Q::Answer> {
        self.find(question)?.map_err(|status| anyhow!("{}", status.message()))
    }

    /// The same; where what it asks about is not there, the words that say so.
    pub(crate) fn find<Q: Question>(&mut self, question: Q) -> Result<Result<Q::Answer, Status>> {
        let answered = match self {
            Self::Gateway(runtime, way) => runtime.block_on(ask(way.clone(), question)),
            Self::Files(read, vault, charts) => {
                let (charts, stop) = (Arc::clone(charts), CancellationToken::new());
                let mut store = Store { read: &mut **read, vault, charts, means: means(), stop };
                match question.answer(&mut store) {
                    Ok(answer) => Ok(answer),
                    Err(NotAnswered::Refused(status)) => Err(status),
                    Err(NotAnswered::Store(error)) => return Err(error.into()),
                }
            }
        };
        match answered {
            Err(status) if status.code() != Code::NotFound => Err(match self {
                Self::Gateway(..) => gateway::refused(&status),
                Self::Files(..) => anyhow!("{}", status.message()),
            }),
            answered => Ok(answered),
        }
    }
}

/// What answers from files are made with, as the gateway's are.
fn means() -> Means {
    Means { write_state: json::state, show: Arc::new(Masked) }
}
