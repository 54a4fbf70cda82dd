//! What the gateway tells a tracing system, by OTLP over HTTP: spans of the messages that are sampled.
//!
//! A message is sampled where its sender says so in a `traceparent` header (W3C Trace Context), and some of the others
//! by chance where that is configured. `tracestate` and `baggage` are neither read nor passed on: they may hold anything.

mod endpoint;
mod export;
mod parent;
mod queue;
mod spans;

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{
    ExporterBuildError, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanExporter as _};

pub use endpoint::{Endpoint, EndpointError, HeaderError, Headers};
pub use export::Export;
pub use spans::Spans;

/// Where spans go, and the bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the tracing system listens.
    pub endpoint: Endpoint,
    /// What goes along with each request, such as a token.
    pub headers: Headers,
    /// The name under which the tracing system shows the gateway.
    pub service: String,
    /// The gateway's version.
    pub version: &'static str,
    /// How many of a million messages that are not sampled get a trace of their own, 0 to 1,000,000.
    pub new_per_million: u32,
    /// How many spans may wait to be sent; with more, they are dropped.
    pub queue: usize,
    /// How long the tracing system may take to accept spans, trying again included.
    pub timeout: Duration,
}

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
#[error("spans cannot be sent")]
pub struct Error(#[from] ExporterBuildError);

/// What makes the spans, and what sends them. They are sent by `client`, which follows no redirects and has the time
/// limit of the settings.
///
/// # Errors
/// [`Error`] where the library does not take the settings.
pub fn open(
    settings: &Settings,
    client: impl opentelemetry_http::HttpClient + 'static,
) -> Result<(Spans, Export), Error> {
    let resource = Resource::builder_empty()
        .with_service_name(settings.service.clone())
        .with_attribute(opentelemetry::KeyValue::new("service.version", settings.version))
        .build();
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(settings.endpoint.url())
        .with_headers(settings.headers.of_requests())
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .with_timeout(settings.timeout)
        .with_retry_policy(RetryPolicy::recommended())
        .build()?;
    exporter.set_resource(&resource);
    let (queue, waiting) = queue::bounded(settings.queue);
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio(
            settings.new_per_million,
        )))))
        .with_span_processor(queue)
        .build();
    let spans = Spans::new(provider.tracer("samspor"), settings.new_per_million > 0);
    Ok((spans, Export::new(exporter, waiting, settings.timeout)))
}

#[expect(
    clippy::float_arithmetic,
    clippy::disallowed_types,
    reason = "the library wants a share of messages as a float; it is no money"
)]
fn ratio(per_million: u32) -> f64 {
    f64::from(per_million) / 1_000_000.0
}
