//! Where the broker is and how long it may take.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use lapin::uri::{AMQPScheme, AMQPUri};

use crate::{Login, SettingsError, Tls};

/// A broker, as one source or target connects to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// What the broker's own listings call the connection.
    pub name: String,
    /// Where it is, and who logs in.
    pub url: Url,
    /// Who logs in, where that is not whom the URL names.
    pub login: Login,
    /// Whom the gateway trusts, and who it is itself; with `amqps:` only.
    pub tls: Tls,
    /// How long connecting and logging in may take altogether, a token that is fetched for it included.
    pub connect_timeout: Duration,
    /// How long any other answer may take: to a declaration, a subscription, an acknowledgement.
    pub request_timeout: Duration,
    /// How often each side lets the other hear of it, in whole seconds from 1 to 65,535; the shorter of the broker's
    /// wish and this counts. After two of them in silence the connection is given up.
    pub heartbeat: Duration,
}

impl Broker {
    /// Whether what is said of TLS and of tokens goes with the URL.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let is_plain = self.url.0.scheme == AMQPScheme::AMQP;
        if is_plain && matches!(self.login, Login::Token(_)) {
            let message = "must begin with 'amqps:', since a token goes through the network under TLS only";
            return Err(SettingsError::new("the broker's URL", message));
        }
        if is_plain && !self.tls.is_usual() {
            let message = "must begin with 'amqps:', since the broker has certificates";
            return Err(SettingsError::new("the broker's URL", message));
        }
        Ok(())
    }
}

/// `amqp://user:password@host:port/vhost`, or `amqps:` for TLS. The ports
/// are 5672 and 5671 unless given, the virtual host is `/`. Neither `Debug` nor `Display` shows the user or the
/// password.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(AMQPUri);

/// A text is no broker's URL. The message quotes nothing of it, since a password may stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not of the form.
    #[error(
        "is not a broker's URL: expected 'amqp://user:password@host:port/vhost' or the same with 'amqps:'"
    )]
    Form,
    /// It ends in a slash, which the AMQP URI specification takes for the virtual host with the empty name.
    #[error(
        "names no virtual host after its last '/': leave out the '/', or write '/%2f' for the default one"
    )]
    EmptyVhost,
    /// The client library takes such an address for `localhost`.
    #[error("has an IPv6 address in place of a host name, which is not supported: give it a name")]
    Ipv6,
}

impl Url {
    /// The virtual host.
    #[must_use]
    pub fn vhost(&self) -> &str {
        &self.0.vhost
    }

    /// Who logs in.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.0.authority.userinfo.username
    }

    /// How the client library is told, with the broker's other settings.
    pub(crate) fn uri(&self, heartbeat: Duration) -> AMQPUri {
        let mut uri = self.0.clone();
        let seconds = heartbeat.as_secs().clamp(1, u64::from(u16::MAX));
        uri.query.heartbeat = u16::try_from(seconds).ok();
        uri
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Form)?;
        if !["amqp", "amqps"].contains(&scheme) {
            return Err(UrlError::Form);
        }
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if host.starts_with('[') {
            return Err(UrlError::Ipv6);
        }
        if host.is_empty() || host.starts_with(':') {
            return Err(UrlError::Form);
        }
        let uri: AMQPUri = text.parse().map_err(|_| UrlError::Form)?;
        if uri.vhost.is_empty() {
            return Err(UrlError::EmptyVhost);
        }
        if uri.vhost.len() > crate::MAX_NAME_BYTES {
            return Err(UrlError::Form);
        }
        Ok(Self(uri))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.0.scheme {
            AMQPScheme::AMQP => "amqp",
            AMQPScheme::AMQPS => "amqps",
        };
        let (authority, vhost) = (&self.0.authority, self.0.vhost.replace('/', "%2f"));
        write!(f, "{scheme}://{}:{}/{vhost}", authority.host, authority.port)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_show_where_but_not_who() {
        for (text, shown) in [
            ("amqp://who:secret@broker:1234/v", "amqp://broker:1234/v"),
            ("amqps://who:secret@broker.example/%2f", "amqps://broker.example:5671/%2f"),
            ("amqp://127.0.0.1", "amqp://127.0.0.1:5672/%2f"),
            ("amqp://who:se%40cret@broker?channel_max=7", "amqp://broker:5672/%2f"),
        ] {
            let url: Url = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_quoting_it() {
        for (text, error) in [
            ("", UrlError::Form),
            ("broker:5672", UrlError::Form),
            ("http://who:secret@broker", UrlError::Form),
            ("amqp://who:secret@", UrlError::Form),
            ("amqp://who:secret@:5672", UrlError::Form),
            ("amqp://who:secret@broker:port", UrlError::Form),
            ("amqp://who:secret@broker/", UrlError::EmptyVhost),
            ("amqp://who:secret@[::1]:5672/v", UrlError::Ipv6),
        ] {
            assert_eq!(text.parse::<Url>(), Err(error), "{text}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn the_heartbeat_stays_in_what_the_protocol_can_say() {
        let url: Url = "amqp://broker".parse().unwrap_or_else(|e| panic!("{e}"));
        for (wish, said) in [(0, 1), (10, 10), (100_000, u16::MAX)] {
            assert_eq!(url.uri(Duration::from_secs(wish)).query.heartbeat, Some(said));
        }
    }
}
