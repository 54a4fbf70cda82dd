//! One reader's stream: batches as its credit allows, keep-alives where there are none, and its end.
//!
//! It keeps where the reader has come and how much it may be sent, and no record: a page is read when it can be sent.

use std::time::Duration;

use futures_util::{Stream, stream};
use samspor_engine::{Page, Subscription};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::{refused, wanted};
use crate::balance::kroner;
use crate::door::Entered;
use crate::origin::Origin;
use crate::records::target_record;
use crate::refusal;
use crate::shares::Share;
use crate::v1::subscribe_response::Response;
use crate::v1::{FeedBatch, FeedKeepAlive, FeedRecord, SubscribeRequest, SubscribeResponse};

/// Records of one batch at most: with the longest tags that is less than clients take in one message by default.
const BATCH: u32 = 128;
/// How long after it was told something a reader is told that the feed went past it. Where much passes it by, it is not told
/// of each record.
const PASSING: Duration = Duration::from_secs(1);

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Between two messages to a reader.
    pub(super) keep_alive: Duration,
    /// Until the first request.
    pub(super) first_request: Duration,
    /// A whole stream.
    pub(super) age: Duration,
}

/// A stream's place among all, and of its caller's share.
pub(super) type Place = (OwnedSemaphorePermit, Share<Origin>);

/// The answers to a reader that has begun.
pub(super) fn answers(
    subscription: Subscription,
    requests: Streaming<SubscribeRequest>,
    bounds: Bounds,
    (stopping, entered): (CancellationToken, Option<Entered>),
    place: Place,
) -> impl Stream<Item = Result<SubscribeResponse, Status>> + Send + 'static {
    let now = Instant::now();
    let serving = Serving {
        subscription,
        requests,
        is_open: true,
        credit: 0,
        keep_alive: bounds.keep_alive,
        ends_at: now + bounds.age,
        told: Told { at: now.checked_sub(PASSING).unwrap_or(now), position: -1, is_end: false },
        stopping,
        entered,
        is_over: false,
        _place: place,
    };
    stream::unfold(serving, Serving::step)
}

/// What a reader was told last.
struct Told {
    at: Instant,
    position: i64,
    is_end: bool,
}

/// A stream that is open.
struct Serving {
    subscription: Subscription,
    requests: Streaming<SubscribeRequest>,
    /// Whether the caller may give more credit.
    is_open: bool,
    /// How many records it may still be sent.
    credit: u32,
    keep_alive: Duration,
    ends_at: Instant,
    told: Told,
    stopping: CancellationToken,
    entered: Option<Entered>,
    is_over: bool,
    _place: Place,
}

impl Serving {
    async fn step(mut self) -> Option<(Result<SubscribeResponse, Status>, Self)> {
        if self.is_over {
            return None;
        }
        let answer = self.next().await.transpose()?;
        self.is_over = answer.is_err();
        Some((answer, self))
    }

    /// The next message; none at the end of a stream whose caller has closed its side.
    async fn next(&mut self) -> Result<Option<SubscribeResponse>, Status> {
        loop {
            let now = Instant::now();
            if self.stopping.is_cancelled() {
                return Err(refusal::stopping());
            } else if self.entered.as_ref().is_some_and(Entered::is_replaced) {
                return Err(refusal::door_replaced());
            } else if now >= self.ends_at {
                return Err(refusal::aged());
            } else if now >= self.due() {
                return Ok(Some(self.told_alive(now)));
            }
            let is_at_end = self.subscription.is_at_end();
            if self.credit > 0 && !is_at_end {
                let most = self.credit.min(BATCH) as usize;
                let page = self.subscription.next(most).await.map_err(|error| refused(&error))?;
                if !page.records.is_empty() {
                    return Ok(Some(self.told_batch(page)));
                }
                continue;
            }
            if !self.is_open && (self.credit == 0 || is_at_end) {
                return Ok(None);
            }
            let until = self.due().min(self.ends_at);
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => {}
                () = replaced(&mut self.entered) => {}
                request = self.requests.message(), if self.is_open => match request? {
                    Some(request) => {
                        let credit = wanted::credit(&request, self.credit);
                        self.credit = credit.map_err(|faults| refusal::invalid(&faults))?;
                    }
                    None => self.is_open = false,
                },
                more = self.subscription.more(), if self.credit > 0 => {
                    more.map_err(|error| refusal::unavailable(&error))?;
                }
                () = sleep_until(until) => {}
            }
        }
    }

    /// When the reader is told something if there is no record for it.
    fn due(&self) -> Instant {
        let has_passed = self.told.position != self.subscription.position().0;
        let is_news = has_passed || !self.told.is_end && self.subscription.is_at_end();
        self.told.at + if is_news { PASSING.min(self.keep_alive) } else { self.keep_alive }
    }

    fn told_alive(&mut self, now: Instant) -> SubscribeResponse {
        let (position, is_end) = (self.subscription.position().0, self.subscription.is_at_end());
        self.told = Told { at: now, position, is_end };
        let alive = FeedKeepAlive { cursor: self.subscription.cursor(), position, caught_up: is_end };
        SubscribeResponse { response: Some(Response::KeepAlive(alive)) }
    }

    fn told_batch(&mut self, page: Page) -> SubscribeResponse {
        let count = u32::try_from(page.records.len()).unwrap_or(u32::MAX);
        self.credit = self.credit.saturating_sub(count);
        let (position, is_end) = (self.subscription.position().0, page.is_end);
        self.told = Told { at: Instant::now(), position, is_end };
        let record = |taken: samspor_engine::TakenRecord| FeedRecord {
            message_id: taken.message_id,
            record: Some(target_record(&taken.record)),
        };
        let batch = FeedBatch {
            count: i32::try_from(count).unwrap_or(i32::MAX),
            sum: kroner(page.ore),
            sha256: self.subscription.chain().to_vec(),
            cursor: self.subscription.cursor(),
            position,
            caught_up: is_end,
            records: page.records.into_iter().map(record).collect(),
        };
        SubscribeResponse { response: Some(Response::Batch(batch)) }
    }
}

/// Waits until the door is replaced through which a call came.
async fn replaced(entered: &mut Option<Entered>) {
    match entered {
        Some(entered) => entered.replaced().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How large what a function gives is.
    fn size<A, B, C, D, E, T>(_: impl Fn(A, B, C, D, E) -> T) -> usize {
        size_of::<T>()
    }

    /// What the documentation says of a reader without credit. On top of it come its name and the words of its filter.
    #[test]
    fn a_stream_holds_less_than_four_kilobytes() {
        let bytes = size(answers);
        println!("{bytes} bytes");
        assert!(bytes < 4_096, "{bytes}");
    }
}
