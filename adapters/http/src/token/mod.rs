//! Tokens from a security token service: asked for over mTLS, kept, and fetched again before they end.

mod wire;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use samspor_domain::{Clock, Credential, Credentials, LinkError, Refusal};

use crate::target::{Private, SettingsError, Url, authorities, identity};
use wire::{AnswerError, Request};

/// The longest assertion that is taken, in bytes. It goes into one frame of a login, and into the headers of a message.
const MAX_TOKEN_BYTES: usize = 24 << 10;
/// The longest answer that is read, in bytes: the assertion in Base64, and what stands around it.
const MAX_ANSWER_BYTES: usize = 256 << 10;
/// For so long after it was fetched a token may count as too early, by clocks that go behind the service's.
const YOUNG: SignedDuration = SignedDuration::from_secs(60);
/// A token is fetched anew when less than one part of so many is left of its life.
const MARGIN: i32 = 5;

/// Where tokens are had, by whom and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the service issues them.
    pub url: Url,
    /// The CVR number of the authority that the gateway acts for: eight digits.
    pub cvr: String,
    /// The service that a token is for.
    pub entity_id: String,
    /// The certificates, in PEM, of the authorities that are trusted instead of the machine's.
    pub ca: Option<String>,
    /// The gateway's own certificate, in PEM, with those that it is signed by behind it.
    pub certificate: String,
    /// The key of that certificate, in PEM.
    pub key: Private,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a request may take with its answer.
    pub answer_timeout: Duration,
}

/// Fetches tokens one at a time, and keeps the last one.
pub struct Client {
    http: reqwest::Client,
    settings: Settings,
    /// As the service is told it: in DER and Base64.
    certificate: String,
    clock: Arc<dyn Clock>,
    not_on_or_after: fn(&[u8]) -> Option<Timestamp>,
    kept: Mutex<Option<Kept>>,
    /// Held by whoever fetches one.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Kept {
    credential: Credential,
    /// From then on another one is fetched, or tried to be.
    renew: Timestamp,
    /// When it was fetched.
    fetched: Timestamp,
    /// How often in a row it did not let in.
    failures: u32,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token::Client({})", self.settings.url)
    }
}

/// Why no token was had; it quotes nothing of the answer.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(
        "it answered {0}: look whether `cvr` and `entity_id` are those of the service agreement, and whether the \
         certificate is the one that it knows the system by"
    )]
    Refused(StatusCode),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("its answer is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error("the token ended at {0}, before it came: does this machine's clock go right?")]
    Ended(Timestamp),
    #[error("no answer within {} ms", .0.as_millis())]
    Late(Duration),
    #[error("no answer")]
    Link(#[source] reqwest::Error),
}

impl Client {
    /// A client; it asks when a token is wanted. `not_on_or_after` reads the end of an assertion.
    pub fn new(
        settings: Settings,
        clock: Arc<dyn Clock>,
        not_on_or_after: fn(&[u8]) -> Option<Timestamp>,
    ) -> Result<Self, SettingsError> {
        use secrecy::ExposeSecret as _;
        let mut http = crate::client(settings.connect_timeout, settings.answer_timeout)
            .user_agent("samspor")
            .http1_only()
            // A token is asked for once in a while; no connection is kept for it.
            .pool_max_idle_per_host(0);
        if let Some(ca) = &settings.ca {
            http = http.tls_certs_only(authorities(ca)?);
        }
        let pem = format!("{}\n{}\n", settings.certificate, settings.key.0.expose_secret());
        http = http.identity(identity(&pem.into())?);
        let certificate = wire::certificate(&settings.certificate).ok_or(SettingsError::Identity)?;
        let has_ca = settings.ca.is_some();
        let built = http.build().map_err(|error| match has_ca {
            true => SettingsError::Identity,
            false => SettingsError::Tls(error.without_url()),
        });
        let (kept, fetching) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { http: built?, settings, certificate, clock, not_on_or_after, kept, fetching })
    }

    fn kept(&self) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, kept: Option<Kept>) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    /// The one that is kept, if it need not be renewed.
    fn fresh(&self) -> Option<Credential> {
        self.kept().filter(|kept| self.clock.now() < kept.renew).map(|kept| kept.credential)
    }

    /// Another one. While there is one that holds, whoever connects by it does not wait long: it is asked for within the time
    /// that connecting may take, TLS and login included.
    async fn fetch(&self) -> Result<Credential, FetchError> {
        if self.kept().is_none_or(|kept| kept.credential.expires() <= self.clock.now()) {
            return self.ask().await;
        }
        let limit = self.settings.answer_timeout.min(self.settings.connect_timeout / 4);
        tokio::time::timeout(limit, self.ask()).await.unwrap_or(Err(FetchError::Late(limit)))
    }

    async fn ask(&self) -> Result<Credential, FetchError> {
        let Settings { cvr, entity_id, url, .. } = &self.settings;
        let body = serde_json::to_vec(&Request::new(cvr, &self.certificate, entity_id)).unwrap_or_default();
        let request = self.http.post(url.get()).header(CONTENT_TYPE, "application/json");
        let request = request.header(ACCEPT, "application/json").body(body);
        let link = |error: reqwest::Error| FetchError::Link(error.without_url());
        let mut response = request.send().await.map_err(link)?;
        let status = response.status();
        if status.is_client_error() {
            return Err(FetchError::Refused(status));
        }
        if !status.is_success() {
            return Err(FetchError::Status(status));
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(link)? {
            if answer.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(FetchError::TooLong);
            }
            answer.extend_from_slice(&chunk);
        }
        let (assertion, lifetime) = wire::read(&answer, MAX_TOKEN_BYTES)?;
        // Whoever is shown the assertion goes by what it says itself.
        let ends = [lifetime, (self.not_on_or_after)(&assertion)];
        let end = ends.into_iter().flatten().min().ok_or(AnswerError::NoEnd)?;
        if end <= self.clock.now() {
            return Err(FetchError::Ended(end));
        }
        Ok(Credential::new(assertion.into(), end))
    }

    fn failed(&self, error: FetchError) -> LinkError {
        LinkError {
            doing: format!("asking for a token at {}", self.settings.url),
            source: Some(Box::new(error)),
        }
    }
}

#[async_trait]
impl Credentials for Client {
    async fn current(&self) -> Result<Credential, LinkError> {
        if let Some(credential) = self.fresh() {
            return Ok(credential);
        }
        let _one_at_a_time = self.fetching.lock().await;
        if let Some(credential) = self.fresh() {
            return Ok(credential);
        }
        let fetched = self.fetch().await;
        let now = self.clock.now();
        // A share of what is left, whatever the service and this machine make of the time.
        let share = |end: Timestamp| end.duration_since(now) / MARGIN;
        match fetched {
            Ok(credential) => {
                let renew = before(credential.expires(), share(credential.expires()));
                self.keep(Some(Kept { credential: credential.clone(), renew, fetched: now, failures: 0 }));
                Ok(credential)
            }
            Err(error) => match self.kept().filter(|kept| now < kept.credential.expires()) {
                Some(kept) => {
                    let end = kept.credential.expires();
                    let error: &dyn std::error::Error = &self.failed(error);
                    tracing::warn!(error, %end, "no new token is had, and the one that there is holds for a while yet");
                    // Not for every message that is sent meanwhile.
                    let renew = before(end, share(end) * (MARGIN - 1));
                    let credential = kept.credential.clone();
                    self.keep(Some(Kept { renew, ..kept }));
                    Ok(credential)
                }
                None => Err(self.failed(error)),
            },
        }
    }

    fn refused(&self, credential: &Credential, refusal: Refusal) -> bool {
        let now = self.clock.now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Another one may have been fetched by then.
        let Some(its) = kept.as_mut().filter(|kept| kept.credential == *credential) else { return true };
        its.failures += 1;
        let is_old = now.duration_since(its.fetched) > YOUNG;
        let is_refused = its.failures > 1 || (refusal == Refusal::Said && is_old);
        if is_refused {
            *kept = None;
        }
        is_refused
    }

    fn accepted(&self, credential: &Credential) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(its) = kept.as_mut().filter(|kept| kept.credential == *credential) {
            its.failures = 0;
        }
    }
}

/// An instant so long before another one.
fn before(end: Timestamp, margin: SignedDuration) -> Timestamp {
    end.checked_sub(margin).unwrap_or(end)
}
