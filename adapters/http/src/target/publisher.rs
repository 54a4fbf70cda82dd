//! Posting records, one after the other.

use std::collections::BTreeMap;
use std::iter::successors;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, Response, StatusCode};
use samspor_domain as domain;
use samspor_domain::{Confirms, Delivery, LinkError, Outgoing, Sent};

use super::answer;
use super::batch::{self, Bound, Request};
use super::owed::Owed;
use super::url::Url;

/// By which a receiver knows a record that comes again.
const KEY: &str = "Idempotency-Key";
/// What a key carries as `%` and two hexadecimal digits for each byte: whatever is not visible in ASCII, and `%` itself.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// The way to a receiver.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) http: reqwest::Client,
    pub(super) url: Url,
    /// What an answer is to be that says more than its status.
    pub(super) accept: &'static str,
    pub(super) max_answer_bytes: usize,
    /// How much a request has at most.
    pub(super) batch: Bound,
    /// How many requests did not get through.
    pub(super) failures: AtomicU64,
    /// To what it owes an answer.
    pub(super) owed: Arc<Owed>,
}

/// Posts records. What it was handed goes when its confirms are asked for, in that order.
pub(super) struct Publisher(Arc<Line>);

impl Publisher {
    pub(super) fn new(line: Arc<Line>) -> Self {
        Self(line)
    }
}

#[async_trait]
impl domain::Publisher for Publisher {
    async fn publish(&mut self, messages: Vec<Outgoing>) -> Result<Confirms, LinkError> {
        let line = Arc::clone(&self.0);
        let failures = line.failures.load(Ordering::Relaxed);
        Ok(Box::pin(async move {
            let mut sent = Vec::with_capacity(messages.len());
            for request in batch::requests(messages, line.batch) {
                let messages = request.messages;
                // What was handed over behind a record that did not get through is not posted past it.
                let answer = if line.failures.load(Ordering::Relaxed) == failures {
                    let answer = line.post(request).await?;
                    if !answer.is_delivered() {
                        line.failures.fetch_add(1, Ordering::Relaxed);
                    }
                    answer
                } else {
                    Sent::Unsent
                };
                sent.extend(std::iter::repeat_n(answer, messages));
            }
            Ok(sent)
        }))
    }
}

impl Line {
    /// Asks for nothing but an answer, whatever it is.
    pub(super) async fn reach(&self) -> Result<(), LinkError> {
        let asked = async {
            let mut response = self.http.request(Method::OPTIONS, self.url.get()).send().await?;
            self.body(&mut response).await.map(drop)
        };
        asked.await.map_err(|error| self.failed(error, "asking whether somebody answers at"))
    }

    async fn post(&self, asked: Request) -> Result<Sent, LinkError> {
        let key = utf8_percent_encode(&asked.key, ESCAPED).to_string();
        let is_owed = self.owed.begin(&key);
        let mut request = self
            .http
            .post(self.url.get())
            .header(CONTENT_TYPE, asked.content_type.as_ref())
            .header(ACCEPT, self.accept)
            .header(KEY, &key)
            .body(asked.body);
        if let Some(trace) = asked.trace {
            request = request.header("traceparent", trace.to_string());
        }
        let posted = async {
            let mut response = request.send().await?;
            let body = self.body(&mut response).await?;
            if !(is_owed && response.status() == StatusCode::CONFLICT) {
                self.owed.end(&key);
            }
            // These say that some of it was taken and not which: each alone shows that.
            if asked.is_several && matches!(response.status().as_u16(), 206 | 207) {
                return Ok(Sent::Refused(format!("it answers {}", response.status())));
            }
            Ok(answer::sent(response.status(), response.headers(), body, is_owed))
        };
        const DOING: &str = "whether it has the record is not known, so that goes again under the same \
                             Idempotency-Key: waiting for the answer of";
        posted.await.map_err(|error| self.failed(error, DOING))
    }

    /// The body of an answer with its content type, or why it is not read.
    async fn body(&self, response: &mut Response) -> reqwest::Result<Result<Delivery, String>> {
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > self.max_answer_bytes {
                let max = self.max_answer_bytes;
                return Ok(Err(format!("it is longer than {max} bytes (`max_answer_bytes`)")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Ok(Delivery { body: body.into(), content_type, headers: BTreeMap::new() }))
    }

    fn failed(&self, error: reqwest::Error, doing: &str) -> LinkError {
        let (url, error) = (&self.url, error.without_url());
        let doing = if says(&error, "invalid peer certificate") {
            format!("connecting to {url}, whose certificate is not trusted (`ca_file` names who signs it)")
        } else if says(&error, "CertificateRequired") {
            format!(
                "connecting to {url}, which wants a certificate of the gateway's own (`client_cert_file`)"
            )
        } else if error.is_connect() {
            format!("connecting to {url}")
        } else {
            format!("{doing} {url}")
        };
        LinkError { doing, source: Some(Box::new(error)) }
    }
}

/// Whether a cause of an error says this. What TLS says comes through libraries that pass it on as text.
fn says(error: &dyn std::error::Error, text: &str) -> bool {
    successors(error.source(), |error| error.source()).any(|cause| cause.to_string().contains(text))
}
