//! Targets: a URL to which records are posted, one request after the other, each with one record or several.

mod answer;
mod batch;
mod owed;
mod publisher;
mod renewal;
mod url;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, Identity};
use samspor_domain as domain;
use samspor_domain::LinkError;
use secrecy::{ExposeSecret, SecretString};

use batch::Bound;
use owed::Owed;
use publisher::{Line, Publisher};
pub use renewal::Cause;
use renewal::Renewal;
pub use url::{Url, UrlError};

/// A connection that nobody used for so long is not used again. Receivers close idle ones after 5 s at the earliest
/// (Node.js), and what is on its way just then would have no answer.
const IDLE: Duration = Duration::from_secs(4);

/// Where records are posted, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// To where.
    pub url: Url,
    /// What the receiver is asked to answer in, as `Accept`.
    pub accept: &'static str,
    /// The certificates, in PEM, of the authorities that are trusted instead of the machine's.
    pub ca: Option<String>,
    /// The gateway's own certificate with those that it is signed by, and its key, in PEM (mTLS).
    pub identity: Option<Private>,
    /// What is sent as `Authorization: Bearer`.
    pub bearer: Option<Private>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a request may take, from its beginning to the last byte of its answer.
    pub answer_timeout: Duration,
    /// A longer answer is not read.
    pub max_answer_bytes: usize,
    /// How many records one request has at most. With more than one they are lines, and the answer is one for all.
    pub batch: usize,
    /// How many bytes those have together at most; one that has more goes alone.
    pub batch_bytes: usize,
}

/// A text that shows nowhere.
#[derive(Clone)]
pub struct Private(pub SecretString);

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Private")
    }
}

impl PartialEq for Private {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for Private {}

/// Settings with which nobody can be asked. The message quotes nothing of them.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No certificate of an authority.
    #[error("`ca_file` holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----")]
    Ca,
    /// No certificate, no key, or two that do not belong together.
    #[error(
        "`client_cert_file` must hold a certificate and `client_key_file` its key without a password, both in PEM"
    )]
    Identity,
    /// No header can carry it.
    #[error("the bearer token has characters that cannot be sent")]
    Bearer,
    /// Anything else about TLS.
    #[error("TLS cannot be set up; if this machine trusts no authority, `ca_file` names one")]
    Tls(#[source] reqwest::Error),
}

/// A URL to deliver to.
#[derive(Debug)]
pub struct Target {
    /// The settings as they were read last, and the way to the receiver by them.
    kept: Mutex<(Settings, Arc<Line>)>,
    renewal: Option<Renewal>,
}

impl Target {
    /// A target; it connects when it is asked to.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let line = Arc::new(Line::by(&settings, Arc::default())?);
        Ok(Self { kept: Mutex::new((settings, line)), renewal: None })
    }

    /// The same target, which reads its settings again each time it connects: others may renew its token and certificates
    /// in their files at any time.
    #[must_use]
    pub fn renewed(self, read: impl Fn() -> Result<Settings, Cause> + Send + Sync + 'static) -> Self {
        Self { renewal: Some(Renewal::new(read)), ..self }
    }

    /// Whether somebody answers there, whatever the answer is. Nothing is posted.
    pub async fn check(&self) -> Result<(), LinkError> {
        self.line().await?.reach().await
    }

    /// The way by the settings as they are now.
    async fn line(&self) -> Result<Arc<Line>, LinkError> {
        let read = match &self.renewal {
            Some(renewal) => Some(renewal.read().await?),
            None => None,
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(settings) = read.filter(|settings| *settings != kept.0) {
            let owed = Arc::clone(&kept.1.owed);
            let line = Line::by(&settings, owed).map_err(|error| renewal::failed(error.into()))?;
            *kept = (settings, Arc::new(line));
        }
        Ok(Arc::clone(&kept.1))
    }
}

impl Line {
    fn by(settings: &Settings, owed: Arc<Owed>) -> Result<Self, SettingsError> {
        let mut http = crate::client(settings.connect_timeout, settings.answer_timeout)
            .default_headers(headers(settings)?)
            .user_agent("samspor")
            .http1_only()
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(IDLE);
        if let Some(ca) = &settings.ca {
            http = http.tls_certs_only(authorities(ca)?);
        } else if !settings.url.is_tls() {
            // A machine without trusted certificates can do without them.
            http = http.tls_certs_only([]);
        }
        if let Some(Private(pem)) = &settings.identity {
            http = http.identity(identity(pem)?);
        }
        let has_identity = settings.identity.is_some();
        let built = http.build().map_err(|error| match has_identity && settings.ca.is_some() {
            true => SettingsError::Identity,
            false => SettingsError::Tls(error.without_url()),
        });
        let batch = Bound { records: settings.batch, bytes: settings.batch_bytes };
        Ok(Self {
            http: built?,
            url: settings.url.clone(),
            accept: settings.accept,
            max_answer_bytes: settings.max_answer_bytes,
            batch,
            failures: AtomicU64::new(0),
            owed,
        })
    }
}

/// The certificates of authorities, from PEM.
pub(crate) fn authorities(ca: &str) -> Result<Vec<Certificate>, SettingsError> {
    match Certificate::from_pem_bundle(ca.as_bytes()) {
        Ok(authorities) if !authorities.is_empty() => Ok(authorities),
        _ => Err(SettingsError::Ca),
    }
}

/// A certificate with its key, from PEM.
pub(crate) fn identity(pem: &SecretString) -> Result<Identity, SettingsError> {
    Identity::from_pem(pem.expose_secret().as_bytes()).map_err(|_| SettingsError::Identity)
}

fn headers(settings: &Settings) -> Result<HeaderMap, SettingsError> {
    let mut headers = HeaderMap::new();
    if let Some(Private(token)) = &settings.bearer {
        let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()));
        let mut bearer = bearer.map_err(|_| SettingsError::Bearer)?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    Ok(headers)
}

#[async_trait]
impl domain::Target for Target {
    /// Asks once whether somebody answers, so that what is wrong with the network or with certificates shows before a
    /// record is on its way.
    async fn connect(&self) -> Result<Box<dyn domain::Publisher>, LinkError> {
        let line = self.line().await?;
        line.reach().await?;
        Ok(Box::new(Publisher::new(line)))
    }
}
