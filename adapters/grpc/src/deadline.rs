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

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tonic::Code;

    use super::*;

    /// Answers nothing, ever.
    struct Silent;

    impl Service<Request<()>> for Silent {
        type Response = Response<Body>;
        type Error = std::convert::Infallible;
        type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Self::Error>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            Box::pin(pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_call_is_bounded_but_the_stream_that_is_answered_at_its_end() {
        let limit = Duration::from_secs(30);
        let call = |path: &str| {
            let request = Request::builder().uri(path).body(()).unwrap_or_else(|error| panic!("{error}"));
            Deadline { limit }.layer(Silent).call(request)
        };
        let answer =
            call("/samspor.v1.IntakeService/SubmitMessage").await.unwrap_or_else(|error| match error {});
        let status = tonic::Status::from_header_map(answer.headers());
        assert_eq!(status.map(|status| status.code()), Some(Code::DeadlineExceeded));
        let stream = tokio::time::timeout(limit * 1000, call(STREAM)).await;
        assert!(stream.is_err(), "a stream goes on");
    }
}
