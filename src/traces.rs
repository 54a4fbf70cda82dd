//! Traces: what makes the spans, and the task that sends them, which ends after all others.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use samspor_domain::Traces;
use samspor_http::collector;
use samspor_traces::{Export, Headers};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config;

/// What makes the spans, and what sends them.
pub(crate) fn open(traces: &config::Traces) -> Result<(Arc<dyn Traces>, Export)> {
    let headers = match &traces.headers {
        Some(secret) => {
            let headers = secret.read()?;
            headers.expose_secret().parse().with_context(|| format!("the headers in {secret}"))?
        }
        None => Headers::default(),
    };
    let authorities = traces.ca_file.as_ref().map(|path| {
        std::fs::read(path).with_context(|| format!("cannot read the certificates in {}", path.display()))
    });
    let settings = collector::Settings {
        is_tls: traces.endpoint.is_tls(),
        authorities: authorities.transpose()?,
        timeout: traces.timeout,
    };
    let client = collector::client(&settings).context("traces.ca_file")?;
    let settings = samspor_traces::Settings {
        endpoint: traces.endpoint.clone(),
        headers,
        service: traces.service_name.clone(),
        version: env!("CARGO_PKG_VERSION"),
        new_per_million: traces.new_per_million,
        queue: traces.queue_spans,
        timeout: traces.timeout,
    };
    let (spans, export) = samspor_traces::open(&settings, client)?;
    Ok((Arc::new(spans), export))
}

/// The task that sends spans. What breaks in it breaks nothing else.
pub(crate) struct Sending {
    task: TaskTracker,
    stop: CancellationToken,
}

impl Sending {
    /// Begins to send, if there is something to.
    pub(crate) fn start(export: Option<Export>) -> Self {
        let (task, stop) = (TaskTracker::new(), CancellationToken::new());
        if let Some(export) = export {
            task.spawn(export.run(stop.clone()));
        }
        task.close();
        Self { task, stop }
    }

    /// Sends what is there still, unless that takes longer.
    pub(crate) async fn finish(self, limit: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(limit, self.task.wait()).await.is_err() {
            tracing::warn!("the tracing system does not take the last spans in time; they are dropped");
        }
    }
}
