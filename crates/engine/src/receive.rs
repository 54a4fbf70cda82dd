//! Receiving: a source's batches go to the writer in order, and are acknowledged when they are durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use samspor_domain::{LinkError, Source, Subscription, Token};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::core::Became;
use crate::intake::Intake;
use crate::status::{Condition, Status, files_part, source_part};
use crate::supervise::Backoff;
use crate::trace::Followed;
use crate::writer::{Handle, Unavailable, explain};

/// Batches of one source that may be on their way to the store at once: one is decoded while one is committed.
const IN_FLIGHT: usize = 3;

/// Where nothing comes for so long, nothing waits to be stored.
const QUIET: Duration = Duration::from_mins(1);

/// One source, as it runs.
pub struct Inlet {
    /// How its deliveries are read.
    pub intake: Intake,
    /// Where they come from.
    pub source: Arc<dyn Source>,
}

/// Why a subscription came to an end.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("a batch was not stored and will be delivered again")]
    Store(#[source] Unavailable),
}

/// What somebody should see to at a source.
struct Notice {
    part: String,
    said: Option<String>,
}

impl Notice {
    fn tell(&mut self, status: &Status, said: Option<String>) {
        let condition = said.clone().map_or(Condition::Up, Condition::Down);
        status.set(&self.part, condition);
        self.said = said;
    }
}

type Answer = oneshot::Receiver<Result<Vec<Became>, Unavailable>>;

impl Inlet {
    /// Receives until told to stop, connecting again after whatever goes wrong.
    pub(crate) async fn run(&self, handle: &Handle, status: &Status, stop: &CancellationToken) {
        let part = source_part(&self.intake.source);
        let mut backoff = Backoff::default();
        let mut is_stored = true;
        let mut notice = Notice { part: files_part(&self.intake.source), said: None };
        // One that ran before may have left something there.
        status.remove(&notice.part);
        status.set(&part, Condition::Starting);
        while !stop.is_cancelled() {
            let subscribed = tokio::select! {
                biased;
                subscribed = self.source.subscribe() => subscribed,
                () = stop.cancelled() => break,
            };
            let outcome = match subscribed {
                Ok(mut subscription) => {
                    // A source that gives is no sign that the store takes: each time that it does not, the source counts
                    // a delivery, and some drop a message after a number of them.
                    let works = || status.set(&part, Condition::Up);
                    if is_stored {
                        works();
                        backoff.reset();
                    }
                    let ended = self
                        .receive(
                            &mut *subscription,
                            handle,
                            stop,
                            &mut is_stored,
                            &works,
                            (status, &mut notice),
                        )
                        .await;
                    if is_stored {
                        backoff.reset(); // It worked until now.
                    }
                    ended
                }
                Err(error) => Err(Failure::Link(error)),
            };
            if let Err(error) = outcome {
                is_stored &= !matches!(error, Failure::Store(_));
                status.set(&part, Condition::Down(explain(&error)));
                backoff.wait(stop).await;
            }
        }
    }

    async fn receive(
        &self,
        subscription: &mut dyn Subscription,
        handle: &Handle,
        stop: &CancellationToken,
        is_stored: &mut bool,
        works: &impl Fn(),
        (status, notice): (&Status, &mut Notice),
    ) -> Result<(), Failure> {
        let mut in_flight: VecDeque<(Answer, Token, Followed)> = VecDeque::new();
        let quiet_at = tokio::time::Instant::now() + QUIET;
        loop {
            let stopping = stop.is_cancelled();
            if stopping && in_flight.is_empty() {
                return Ok(());
            }
            tokio::select! {
                // What is done is acknowledged before more is taken.
                biased;
                answer = settled(&mut in_flight), if !in_flight.is_empty() => {
                    let (_, token, followed) = in_flight.pop_front().unwrap_or_else(|| unreachable!("it has settled"));
                    match answer {
                        Ok(Ok(became)) => {
                            if !std::mem::replace(is_stored, true) {
                                works();
                            }
                            token.accept().await?;
                            followed.acknowledged(&became);
                        }
                        Ok(Err(unavailable)) => return Err(Failure::Store(unavailable)),
                        Err(_) => return Err(Failure::Store(Unavailable::stopping())),
                    }
                }
                () = stop.cancelled(), if !stopping => {}
                said = self.source.notice(notice.said.as_deref()) => notice.tell(status, said),
                () = tokio::time::sleep_until(quiet_at), if !*is_stored && in_flight.is_empty() => {
                    *is_stored = true;
                    works();
                }
                batch = subscription.next(), if !stopping && in_flight.len() < IN_FLIGHT => {
                    let batch = batch?;
                    let mut followed = handle.tracing.follow(&self.intake.source, &batch.deliveries);
                    let prepare = |(no, delivery)| followed.mark(no, self.intake.prepare(delivery));
                    let items = batch.deliveries.iter().enumerate().flat_map(prepare).collect();
                    in_flight.push_back((handle.hand_over(items).await, batch.token, followed));
                }
            }
        }
    }
}

/// Waits for the oldest batch in flight.
async fn settled(
    in_flight: &mut VecDeque<(Answer, Token, Followed)>,
) -> Result<Result<Vec<Became>, Unavailable>, oneshot::error::RecvError> {
    match in_flight.front_mut() {
        Some((answer, ..)) => answer.await,
        None => std::future::pending().await,
    }
}
