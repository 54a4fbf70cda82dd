//! A tracing system's collector: takes spans by OTLP over HTTP, or does not.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
pub use opentelemetry_proto::tonic::common::v1::any_value::Value;
pub use opentelemetry_proto::tonic::trace::v1::Span;
pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What it does with what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It takes it.
    Takes,
    /// It answers 500.
    Fails,
    /// It never answers.
    Hangs,
}

/// Takes requests until it is dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    got: Arc<Mutex<Got>>,
    accepting: JoinHandle<()>,
}

/// What it was sent.
#[derive(Debug, Default)]
struct Got {
    requests: usize,
    /// The heads and bodies as they came.
    bytes: Vec<u8>,
    spans: Vec<Span>,
    /// What was no such request.
    wrong: Option<String>,
}

impl Collector {
    /// Listens on a free port of the loopback interface.
    pub async fn start(mood: Mood) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listening for spans")?;
        let (address, got) = (listener.local_addr()?, Arc::default());
        #[expect(clippy::disallowed_methods, reason = "the collector ends with the test that owns it")]
        let accepting = tokio::spawn(accept(listener, Arc::clone(&got), mood));
        Ok(Self { address, got, accepting })
    }

    /// Where it listens, as the gateway's configuration says it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn got(&self) -> MutexGuard<'_, Got> {
        lock(&self.got)
    }

    /// How many requests came.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.got().requests
    }

    /// Everything that came, as bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.got().bytes.clone()
    }

    /// The spans that came, or what came instead.
    pub fn spans(&self) -> anyhow::Result<Vec<Span>> {
        let got = self.got();
        match &got.wrong {
            Some(wrong) => anyhow::bail!("this is no export of spans: {wrong}"),
            None => Ok(got.spans.clone()),
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(got: &Mutex<Got>) -> MutexGuard<'_, Got> {
    got.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, got: Arc<Mutex<Got>>, mood: Mood) {
    // They end with this task.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&got), mood));
    }
}

async fn serve(stream: TcpStream, got: Arc<Mutex<Got>>, mood: Mood) {
    let answer = |request| {
        let got = Arc::clone(&got);
        async move { Ok::<_, Infallible>(answer(request, &got, mood).await) }
    };
    // A client that goes away in the middle has its reasons.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

async fn answer(request: Request<Incoming>, got: &Mutex<Got>, mood: Mood) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes());
    lock(got).take(&head, body.unwrap_or_default().as_ref());
    match mood {
        Mood::Takes => Response::new(Full::default()),
        Mood::Fails => {
            let mut response = Response::new(Full::from("everything is broken"));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
        Mood::Hangs => std::future::pending().await,
    }
}

impl Got {
    fn take(&mut self, head: &hyper::http::request::Parts, body: &[u8]) {
        self.requests += 1;
        self.bytes.extend(format!("{head:?}").into_bytes());
        self.bytes.extend(body);
        let is_export = head.method == "POST"
            && head.uri.path() == "/v1/traces"
            && head.headers.get("content-type").is_some_and(|kind| kind == "application/x-protobuf");
        match ExportTraceServiceRequest::decode(body) {
            Ok(export) if is_export => {
                let scopes = export.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
                self.spans.extend(scopes.flat_map(|scope| scope.spans));
            }
            _ => self.wrong = Some(format!("{head:?}")),
        }
    }
}

/// A text or number that a span says.
#[must_use]
pub fn said(span: &Span, key: &str) -> Option<Value> {
    let said = span.attributes.iter().find(|said| said.key == key)?;
    said.value.as_ref()?.value.clone()
}
