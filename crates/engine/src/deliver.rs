//! Delivery: each target is a cursor over the feed. It publishes newest records in order, and advances when the
//! receiver has confirmed them.

use std::collections::VecDeque;
use std::sync::Arc;

use samspor_domain::store::{Read, Result as StoreResult, StoreError};
use samspor_domain::{Confirms, Flow, LinkError, Outgoing, Publisher, Sent, Seq, Target, Text};
use tokio_util::sync::CancellationToken;

use crate::scribe::Scribe;
use crate::status::{Condition, Status, target_part};
use crate::supervise::Backoff;
use crate::writer::{Handle, explain};

/// Batches that may wait for their confirms at once.
const IN_FLIGHT: usize = 4;

/// One target, as it runs.
pub struct Outlet {
    /// Its name, by which its cursor is kept.
    pub name: Text,
    /// Where records go.
    pub target: Arc<dyn Target>,
    /// How they are written.
    pub scribe: Scribe,
    /// How many records may wait for their confirms at once.
    pub window: usize,
}

/// Why a delivery came to an end.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("the feed cannot be read")]
    Store(#[from] StoreError),
    #[error("the receiver refused a record: {0}")]
    Refused(String),
}

impl Outlet {
    /// Delivers until told to stop, connecting again after whatever goes wrong.
    pub(crate) async fn run(
        &mut self,
        reader: &mut dyn Read,
        handle: &Handle,
        status: &Status,
        stop: &CancellationToken,
    ) {
        let part = target_part(&self.name);
        let mut backoff = Backoff::default();
        status.set(&part, Condition::Starting);
        while !stop.is_cancelled() {
            let connected = tokio::select! {
                connected = self.target.connect() => connected,
                () = stop.cancelled() => break,
            };
            let outcome = match connected {
                Ok(mut publisher) => {
                    status.set(&part, Condition::Up);
                    self.deliver(&mut *publisher, reader, handle, status, stop, &mut backoff).await
                }
                Err(error) => Err(Failure::Link(error)),
            };
            if let Err(error) = outcome {
                status.set(&part, Condition::Down(explain(&error)));
                backoff.wait(stop).await;
            }
        }
    }

    async fn deliver(
        &mut self,
        publisher: &mut dyn Publisher,
        reader: &mut dyn Read,
        handle: &Handle,
        status: &Status,
        stop: &CancellationToken,
        backoff: &mut Backoff,
    ) -> Result<(), Failure> {
        let mut newest = handle.newest();
        let mut read = reader.cursor(&self.name)?;
        let mut in_flight: VecDeque<(Seq, Confirms)> = VecDeque::new();
        loop {
            let stopping = stop.is_cancelled();
            if stopping && in_flight.is_empty() {
                return Ok(());
            }
            newest.mark_unchanged();
            let mut more = false;
            if !stopping && in_flight.len() < IN_FLIGHT {
                let (last, messages) = tokio::task::block_in_place(|| self.read(reader, read))?;
                if last > read {
                    in_flight.push_back((last, publisher.publish(messages).await?));
                    read = last;
                    more = in_flight.len() < IN_FLIGHT;
                }
            }
            if more {
                continue;
            }
            tokio::select! {
                biased;
                sent = settled(&mut in_flight), if !in_flight.is_empty() => {
                    let (last, _) = in_flight.pop_front().unwrap_or_else(|| unreachable!("it has settled"));
                    for sent in sent? {
                        if let Sent::Refused(why) = sent {
                            return Err(Failure::Refused(why));
                        }
                    }
                    backoff.reset();
                    handle.advance(self.name.clone(), last).await;
                }
                // Looked at also while nothing is under way, when nothing else would show that the connection is gone.
                flow = publisher.changed() => status.set(&target_part(&self.name), match flow? {
                    Flow::Open => Condition::Up,
                    Flow::Blocked(why) => Condition::Down(format!("the receiver takes nothing for now: {why}")),
                }),
                changed = newest.changed(), if !stopping && in_flight.len() < IN_FLIGHT => {
                    if changed.is_err() {
                        return Ok(()); // The writer is gone, and nothing new will come.
                    }
                }
                () = stop.cancelled(), if !stopping => {}
            }
        }
    }

    /// The messages of the next records, and the last record's number.
    fn read(&mut self, reader: &mut dyn Read, after: Seq) -> StoreResult<(Seq, Vec<Outgoing>)> {
        let rows = reader.newest_after(after, (self.window / IN_FLIGHT).max(1))?;
        let last = rows.last().map_or(after, |(row, _)| row.seq);
        let mut messages = Vec::with_capacity(rows.len());
        for (row, posting) in &rows {
            messages.extend(self.scribe.messages(reader, row, posting)?);
        }
        Ok((last, messages))
    }
}

/// Waits for the oldest batch in flight.
async fn settled(in_flight: &mut VecDeque<(Seq, Confirms)>) -> Result<Vec<Sent>, LinkError> {
    match in_flight.front_mut() {
        Some((_, confirms)) => confirms.await,
        None => std::future::pending().await,
    }
}
