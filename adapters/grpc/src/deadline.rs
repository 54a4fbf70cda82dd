//! How long a call may take, where its caller allows no less. A stream of messages is bounded in its silence instead, since
//! it is answered once, at its end.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};

use crate::refusal;

/// The call that is not bounded here.
const STREAM: &str = "/samspor.v1.IntakeService/SubmitMessages";

/// Bounds calls in time.
#[derive(Clone)]
pub(crate) struct Deadline {
    pub(crate) limit: Duration,
}

impl<S> Layer<S> for Deadline {
    type Service = Bounded<S>;

    fn layer(&self, inner: S) -> Bounded<S> {
        Bounded { inner, limit: self.limit }
    }
}

/// A service whose calls are bounded.
#[derive(Clone)]
pub(crate) struct Bounded<S> {
    inner: S,
    limit: Duration,
}

impl<S, B> Service<Request<B>> for Bounded<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let limit = Some(self.limit).filter(|_| request.uri().path() != STREAM);
        let called = self.inner.call(request);
        Box::pin(async move {
            match limit {
                None => called.await,
                Some(limit) => match tokio::time::timeout(limit, called).await {
                    Ok(answer) => answer,
                    Err(_) => Ok(refusal::too_long().into_http()),
                },
            }
        })
    }
}
