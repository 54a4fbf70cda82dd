//! Sending spans: in batches, each within a time. What is not accepted is dropped and counted, and nobody waits for it.

use std::future::pending;
use std::time::Duration;

use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::queue::Waiting;

/// How many spans one request holds at most.
const BATCH: usize = 512;
/// How long spans are gathered for one request.
const GATHER: Duration = Duration::from_secs(1);

/// Who sends the spans.
pub struct Export {
    exporter: opentelemetry_otlp::SpanExporter,
    waiting: Waiting,
    limit: Duration,
    lost: Lost,
}

/// What was dropped, of which the log is told when it begins and when it ends.
#[derive(Default)]
struct Lost {
    spans: u64,
    /// Whether the log says so.
    is_told: bool,
}

impl Export {
    pub(crate) fn new(exporter: opentelemetry_otlp::SpanExporter, waiting: Waiting, limit: Duration) -> Self {
        Self { exporter, waiting, limit, lost: Lost::default() }
    }

    /// Sends what comes, until it is told to stop; then what is there, unless that is not accepted. It never ends before,
    /// and takes no longer than the time limit for each request.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::new();
        while !stop.is_cancelled() {
            tokio::select! {
                () = self.gather(&mut batch) => {}
                () = stop.cancelled() => break,
            }
            self.send(&mut batch).await;
        }
        loop {
            while batch.len() < BATCH
                && let Ok(span) = self.waiting.receive.try_recv()
            {
                batch.push(span);
            }
            if batch.is_empty() {
                break;
            }
            // Who does not take these does not take the others either, and somebody waits for the end.
            if !self.send(&mut batch).await {
                let waiting = std::iter::from_fn(|| self.waiting.receive.try_recv().ok());
                self.lost.spans += waiting.count() as u64;
                break;
            }
        }
        self.lost.spans += self.waiting.take_dropped();
        if self.lost.spans > 0 {
            tracing::warn!(spans = self.lost.spans, "not all spans reached the tracing system");
        }
    }

    /// Waits for spans, and then a while for more. Dropped, it leaves what it has in the batch.
    async fn gather(&mut self, batch: &mut Vec<SpanData>) {
        if self.waiting.receive.recv_many(batch, BATCH).await == 0 {
            return pending().await; // Nobody makes spans any more.
        }
        let more = async {
            while batch.len() < BATCH {
                let room = BATCH - batch.len();
                if self.waiting.receive.recv_many(batch, room).await == 0 {
                    break;
                }
            }
        };
        tokio::select! {
            () = more => {}
            () = sleep(GATHER) => {}
        }
    }

    /// Sends a batch, or drops it. Answers whether it was accepted.
    async fn send(&mut self, batch: &mut Vec<SpanData>) -> bool {
        let spans = batch.len() as u64;
        let sent = timeout(self.limit, self.exporter.export(std::mem::take(batch))).await;
        let why = match sent {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("it did not answer within {} ms", self.limit.as_millis())),
        };
        if why.is_some() {
            self.lost.spans += spans;
        }
        let dropped = self.waiting.take_dropped();
        self.lost.spans += dropped;
        self.lost.tell(why.as_deref(), dropped);
        why.is_none()
    }
}

impl Lost {
    /// Says once that spans are lost, and once that they are not any more.
    fn tell(&mut self, why: Option<&str>, dropped: u64) {
        match why {
            Some(why) if !self.is_told => {
                tracing::warn!(why, "the tracing system does not take spans; they are dropped until it does");
                self.is_told = true;
            }
            None if dropped > 0 && !self.is_told => {
                tracing::warn!("spans come faster than the tracing system takes them; some are dropped");
                self.is_told = true;
            }
            None if dropped == 0 && self.is_told => {
                tracing::info!(lost = self.spans, "the tracing system takes all spans again");
                self.is_told = false;
            }
            _ => {}
        }
    }
}
