//! Where records are posted.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// `https://host:port/path`, or `http:` to this very machine. `Display` and `Debug` leave out the query, in which
/// something secret may stand.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(reqwest::Url);

/// A text is no such URL. The message quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not of the form.
    #[error("is not a URL to post to: expected 'https://host:port/path'")]
    Form,
    /// Somebody logs in with it.
    #[error("holds a user or a password, which do not stand in the configuration")]
    User,
    /// In clear text through a network.
    #[error("goes through the network in clear text: expected 'https:', and 'http:' to this machine only")]
    Plain,
}

impl Url {
    pub(crate) fn get(&self) -> reqwest::Url {
        self.0.clone()
    }

    /// Whether it is spoken to under TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url: reqwest::Url = text.parse().map_err(|_| UrlError::Form)?;
        if !["http", "https"].contains(&url.scheme()) || !url.has_host() || url.fragment().is_some() {
            return Err(UrlError::Form);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::User);
        }
        if url.scheme() == "http" && !url.host_str().is_some_and(is_this_machine) {
            return Err(UrlError::Plain);
        }
        Ok(Self(url))
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        shown.set_query(None);
        shown.fmt(f)
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
    fn only_this_machine_is_spoken_to_in_clear_text_and_nobody_logs_in_by_url() {
        for (text, expected) in [
            ("https://ledger.example:8443/postings?key=secret", Ok("https://ledger.example:8443/postings")),
            ("http://127.0.0.1:8080/x", Ok("http://127.0.0.1:8080/x")),
            ("http://[::1]/", Ok("http://[::1]/")),
            ("http://localhost:1/", Ok("http://localhost:1/")),
            ("http://ledger.example/", Err(UrlError::Plain)),
            ("http://127.0.0.1.example/", Err(UrlError::Plain)),
            ("http://10.0.0.1/", Err(UrlError::Plain)),
            ("https://who:secret@ledger.example/", Err(UrlError::User)),
            ("https://who@ledger.example/", Err(UrlError::User)),
            ("https://ledger.example/#part", Err(UrlError::Form)),
            ("amqps://ledger.example/", Err(UrlError::Form)),
            ("ledger.example", Err(UrlError::Form)),
            ("", Err(UrlError::Form)),
        ] {
            let shown = text.parse::<Url>().map(|url| format!("{url}"));
            assert_eq!(shown, expected.map(str::to_owned), "{text}");
        }
    }
}
