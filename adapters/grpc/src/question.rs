//! Questions that a store answers: through the front while the gateway runs, and by whoever has its files otherwise. So both
//! give one and the same answer.

use std::sync::Arc;

use samspor_domain::quarantine::Show;
use samspor_domain::store::{Read, StoreError};
use samspor_domain::{Answer, Charts};
use samspor_engine::{Handle, Keys};
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status};

use crate::refusal;

/// Writes the state of one posting, by its source, its id and what is said of it, as the contract has it.
pub type WriteState = fn(&str, &str, &Answer) -> String;

/// What answers are made with beside what the store holds.
#[derive(Clone)]
pub struct Means {
    /// How states are written.
    pub write_state: WriteState,
    /// How quarantined bodies are shown.
    pub show: Arc<dyn Show>,
}

/// What a question is answered from.
pub struct Store<'a> {
    /// What the store holds.
    pub read: &'a mut dyn Read,
    /// Its keys.
    pub vault: &'a Keys,
    /// The charts of accounts.
    pub charts: Arc<Charts>,
    /// What answers are made with beside.
    pub means: Means,
    /// Nobody waits for the answer any more.
    pub stop: CancellationToken,
}

/// Why a question is not answered.
#[derive(Debug, thiserror::Error)]
pub enum NotAnswered {
    /// It is none, or what it asks about is not there.
    #[error("{}", .0.message())]
    Refused(Status),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Status> for NotAnswered {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

/// A request that a store answers.
pub trait Question: prost::Message + Default + 'static {
    /// The answer.
    type Answer: prost::Message + Default + 'static;
    /// The method that answers it: `/samspor.v1.ExplainService/ExplainPosting`, say.
    const METHOD: &'static str;

    /// Answers it.
    ///
    /// # Errors
    /// The question is faulty, what it asks about is not there, or the store does not answer.
    fn answer(&self, store: &mut Store<'_>) -> Result<Self::Answer, NotAnswered>;
}

/// Answers a question beside the writer. It is not looked up further where nobody waits for the answer any more.
pub(crate) async fn answer<Q: Question>(
    handle: &Handle,
    means: &Means,
    question: Q,
) -> Result<Response<Q::Answer>, Status> {
    let stop = CancellationToken::new();
    let _stopped_when_dropped = stop.clone().drop_guard();
    let (charts, means) = (handle.charts(), means.clone());
    let answered = handle.read(move |read, vault| {
        match question.answer(&mut Store { read, vault, charts, means, stop }) {
            Ok(answer) => Ok(Ok(answer)),
            Err(NotAnswered::Refused(status)) => Ok(Err(status)),
            Err(NotAnswered::Store(error)) => Err(error),
        }
    });
    answered.await.map_err(|error| refusal::unavailable(&error))?.map(Response::new)
}
