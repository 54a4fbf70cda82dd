//! Asking the management interface: every answer within a time and a size.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep_until};

use super::{Alarm, Binding, Connection, Exchange, Overview, Permissions, Queue, Url};

/// The longest answer that is read, in bytes: some ten thousand bindings.
const MAX_BODY_BYTES: usize = 8 << 20;

/// The broker tells the interface about a new queue within 5 s, unless it is told otherwise
/// (`collect_statistics_interval`); so long its policy is not known.
const POLICY_WITHIN: Duration = Duration::from_secs(12);
const ASK_AGAIN_EVERY: Duration = Duration::from_millis(500);

/// Where to ask, and how long it may take.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is.
    pub url: Url,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long any one answer may take, from the question to its last byte.
    pub request_timeout: Duration,
}

/// A client of the interface.
#[derive(Debug, Clone)]
pub struct Client {
    settings: Settings,
    http: reqwest::Client,
}

/// Why there is no answer. No message holds a user or a password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there, or not in time.
    #[error("{url} does not answer")]
    Unreachable {
        /// Where.
        url: Url,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// User or password are wrong.
    #[error("{0} does not know this user and password")]
    Login(Url),
    /// The user may not ask this.
    #[error("the user may not see this ({0})")]
    NotAllowed(String),
    /// Something else answers there, or a version that answers otherwise.
    #[error("{url} answers {what}, which RabbitMQ's management interface does not")]
    NotUnderstood {
        /// Where.
        url: Url,
        /// With what.
        what: String,
    },
}

/// Why the interface refuses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    reason: String,
}

/// What a health check answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Health {
    alarms: Vec<Alarm>,
}

impl Client {
    /// A client; it connects when it is asked.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let mut http = crate::client(settings.connect_timeout, settings.request_timeout);
        if !settings.url.is_tls() {
            // A machine without trusted certificates can do without them.
            http = http.tls_certs_only([]);
        }
        let unreachable = |source| Error::Unreachable { url: settings.url.clone(), source };
        let http = http.build().map_err(unreachable)?;
        Ok(Self { settings, http })
    }

    /// What the broker says of itself.
    pub async fn overview(&self) -> Result<Overview, Error> {
        self.there(&["overview"]).await
    }

    /// A queue, if there is one. Waits a while for the policy of a new one.
    pub async fn queue(&self, vhost: &str, name: &str) -> Result<Option<Queue>, Error> {
        let deadline = Instant::now() + POLICY_WITHIN;
        loop {
            let queue: Option<Queue> = self.find(&["queues", vhost, name]).await?;
            let is_known = queue.as_ref().is_none_or(Queue::policy_is_known);
            if is_known || Instant::now() >= deadline {
                return Ok(queue);
            }
            sleep_until(Instant::now() + ASK_AGAIN_EVERY).await;
        }
    }

    /// An exchange, if there is one.
    pub async fn exchange(&self, vhost: &str, name: &str) -> Result<Option<Exchange>, Error> {
        let Some(mut exchange) = self.find::<Exchange>(&["exchanges", vhost, name]).await? else {
            return Ok(None);
        };
        let argument = exchange.arguments.get("alternate-exchange").and_then(|name| name.as_str());
        exchange.alternate = argument.map(str::to_owned);
        if let (None, Some(policy)) = (&exchange.alternate, &exchange.policy) {
            let policy = self.find::<ExchangePolicy>(&["policies", vhost, policy]).await?;
            exchange.alternate = policy.and_then(|policy| policy.definition.alternate_exchange);
        }
        Ok(Some(exchange))
    }

    /// What an exchange passes on.
    pub async fn bindings_from(&self, vhost: &str, exchange: &str) -> Result<Vec<Binding>, Error> {
        let found = self.find(&["exchanges", vhost, exchange, "bindings", "source"]).await?;
        Ok(found.unwrap_or_default())
    }

    /// What leads to a queue. The default exchange leads to every queue by its name, and is named by an empty text.
    pub async fn bindings_to(&self, vhost: &str, queue: &str) -> Result<Vec<Binding>, Error> {
        Ok(self.find(&["queues", vhost, queue, "bindings"]).await?.unwrap_or_default())
    }

    /// The alarms of all nodes.
    pub async fn alarms(&self) -> Result<Vec<Alarm>, Error> {
        let (status, body) = self.ask(&["health", "checks", "alarms"]).await?;
        match status {
            StatusCode::OK => Ok(Vec::new()),
            StatusCode::SERVICE_UNAVAILABLE => match self.understood::<Health>(&body)?.alarms {
                alarms if alarms.is_empty() => {
                    Ok(vec![Alarm { node: "some node".into(), resource: "".into() }])
                }
                alarms => Ok(alarms),
            },
            status => Err(self.refused(status, &body)),
        }
    }

    /// What a user may do, if the broker's own list of users has it. Needs the tag `administrator`.
    pub async fn permissions(&self, vhost: &str, user: &str) -> Result<Option<Permissions>, Error> {
        self.find(&["permissions", vhost, user]).await
    }

    /// A connection by the broker's name of it. Those of others need the tag `monitoring`.
    pub async fn connection(&self, name: &str) -> Result<Option<Connection>, Error> {
        self.find(&["connections", name]).await
    }

    async fn there<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Error> {
        let missing = || self.not_understood("that there is nothing");
        self.find(path).await?.ok_or_else(missing)
    }

    async fn find<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Option<T>, Error> {
        let (status, body) = self.ask(path).await?;
        match status {
            StatusCode::OK => self.understood(&body).map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(self.refused(status, &body)),
        }
    }

    async fn ask(&self, path: &[&str]) -> Result<(StatusCode, Vec<u8>), Error> {
        // The address is shown without what stands in it.
        let unreachable = |error: reqwest::Error| Error::Unreachable {
            url: self.settings.url.clone(),
            source: error.without_url(),
        };
        let mut response: Response =
            self.http.get(self.settings.url.of(path)).send().await.map_err(unreachable)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(self.not_understood(format!("more than {MAX_BODY_BYTES} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((response.status(), body))
    }

    fn understood<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(body).map_err(|error| self.not_understood(format!("in another form: {error}")))
    }

    fn not_understood(&self, what: impl Into<String>) -> Error {
        Error::NotUnderstood { url: self.settings.url.clone(), what: what.into() }
    }

    /// A wrong password and a missing right have the same status, and differ in the reason.
    fn refused(&self, status: StatusCode, body: &[u8]) -> Error {
        let reason = serde_json::from_slice::<Refusal>(body).unwrap_or_default().reason;
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if is_about_rights(&reason) => {
                Error::NotAllowed(reason)
            }
            StatusCode::UNAUTHORIZED => Error::Login(self.settings.url.clone()),
            StatusCode::FORBIDDEN => Error::NotAllowed("forbidden".into()),
            status => self.not_understood(status.to_string()),
        }
    }
}

/// `Not monitor user`, `Not administrator user`, `User not authorised to access virtual host`; and not `Login failed`
/// or `Not_Authorized`.
fn is_about_rights(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    (reason.starts_with("not ") && reason.ends_with(" user")) || reason.starts_with("user not ")
}

#[derive(Debug, Deserialize)]
struct ExchangePolicy {
    definition: ExchangeDefinition,
}

#[derive(Debug, Deserialize)]
struct ExchangeDefinition {
    #[serde(default, rename = "alternate-exchange")]
    alternate_exchange: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_password_is_told_from_a_missing_right() {
        for (reason, rights) in [
            ("Login failed", false),
            ("Not_Authorized", false),
            ("", false),
            ("Not management user", true),
            ("Not monitor user", true),
            ("Not administrator user", true),
            ("User not authorised to access virtual host", true),
        ] {
            assert_eq!(is_about_rights(reason), rights, "{reason}");
        }
    }
}
