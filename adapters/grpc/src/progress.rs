//! Whether a peer takes what is for it. HTTP/2 asks an answer for its next piece only when the peer's window has room; so an
//! answer that is not asked for long is one whose peer does not read, however well it answers pings.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::wire;

/// The answers of a connection for whose next piece nobody has asked yet, and since when.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<(u64, HashMap<u64, Instant>)>);

impl Progress {
    /// Since when the answer that stands still for longest does.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.all().1.values().min().copied()
    }

    fn all(&self) -> MutexGuard<'_, (u64, HashMap<u64, Instant>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes of each answer whether it is asked on.
#[derive(Clone)]
pub(crate) struct Watch;

impl<S> Layer<S> for Watch {
    type Service = Watching<S>;

    fn layer(&self, inner: S) -> Watching<S> {
        Watching(inner)
    }
}

/// A service whose answers are noted.
#[derive(Clone)]
pub(crate) struct Watching<S>(S);

impl<S, B, R> Service<Request<B>> for Watching<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<Answer<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let progress = request.extensions().get::<wire::Peer>().map(|peer| Arc::clone(&peer.progress));
        let called = self.0.call(request);
        Box::pin(async move { Ok(called.await?.map(|body| Answer::new(body, progress.unwrap_or_default()))) })
    }
}

/// The body of an answer.
pub(crate) struct Answer<B> {
    body: B,
    number: u64,
    progress: Arc<Progress>,
}

impl<B> Answer<B> {
    fn new(body: B, progress: Arc<Progress>) -> Self {
        let number = {
            let (last, waiting) = &mut *progress.all();
            *last += 1;
            waiting.insert(*last, Instant::now());
            *last
        };
        Self { body, number, progress }
    }
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let (_, waiting) = &mut *self.progress.all();
        match &polled {
            // The next piece is asked for when there is room for it.
            Poll::Ready(Some(_)) => waiting.insert(self.number, Instant::now()),
            // It is the service that has nothing.
            Poll::Pending | Poll::Ready(None) => waiting.remove(&self.number),
        };
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Answer<B> {
    fn drop(&mut self) {
        self.progress.all().1.remove(&self.number);
    }
}
