//! The bounded queue between those who make spans and whoever sends them: it never waits, and drops what does not fit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc;

/// The end into which spans go.
#[derive(Debug)]
pub(crate) struct Queue {
    send: mpsc::Sender<SpanData>,
    dropped: Arc<AtomicU64>,
}

/// The end from which they come.
pub(crate) struct Waiting {
    pub(crate) receive: mpsc::Receiver<SpanData>,
    dropped: Arc<AtomicU64>,
}

/// A queue for so many spans.
pub(crate) fn bounded(spans: usize) -> (Queue, Waiting) {
    let (send, receive) = mpsc::channel(spans);
    let dropped = Arc::default();
    (Queue { send, dropped: Arc::clone(&dropped) }, Waiting { receive, dropped })
}

impl Waiting {
    /// How many spans did not fit since this was asked last.
    pub(crate) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.send.try_send(span).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
