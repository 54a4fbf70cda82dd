//! Where the management interface is, and who logs in.

use std::fmt;
use std::str::FromStr;

/// `http://user:password@host:port`, or `https:` with the certificates that the system trusts; a path may follow, where
/// the interface is below one. Neither `Debug` nor `Display` shows the user or the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(reqwest::Url);

/// A text is no such URL. The message quotes nothing of it, since a password may stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not of the form.
    #[error(
        "is not the URL of a management interface: expected 'http://user:password@host:port' or the same with 'https:'"
    )]
    Form,
    /// Nobody logs in.
    #[error("names no user and password: expected 'http://user:password@host:port'")]
    NoUser,
}

impl Url {
    /// The address of what stands under `api/` and these names, with user and password.
    pub(super) fn of(&self, path: &[&str]) -> reqwest::Url {
        let mut url = self.0.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("api").extend(path);
        }
        url
    }

    /// Whether it is spoken to under TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url: reqwest::Url = text.parse().map_err(|_| UrlError::Form)?;
        let is_plain = url.query().is_none() && url.fragment().is_none();
        if !["http", "https"].contains(&url.scheme()) || !url.has_host() || !is_plain {
            return Err(UrlError::Form);
        }
        if url.username().is_empty() || url.password().is_none() {
            return Err(UrlError::NoUser);
        }
        Ok(Self(url))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or_default())?;
        match self.0.port() {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
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
            ("http://who:secret@broker:15672", "http://broker:15672"),
            ("https://who:se%40cret@broker.example/rabbit/", "https://broker.example"),
        ] {
            let url: Url = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.to_owned(), shown.to_owned()));
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_quoting_it() {
        for (text, error) in [
            ("", UrlError::Form),
            ("broker:15672", UrlError::Form),
            ("amqp://who:secret@broker", UrlError::Form),
            ("http://who:secret@broker/?secret", UrlError::Form),
            ("http://broker:15672", UrlError::NoUser),
            ("http://who@broker:15672", UrlError::NoUser),
        ] {
            assert_eq!(text.parse::<Url>(), Err(error), "{text}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn names_stay_one_part_of_the_path_whatever_they_hold() {
        for (base, path) in [
            ("http://u:p@b", "/api/queues/%2F/a%20b%2Fc%25"),
            ("http://u:p@b/", "/api/queues/%2F/a%20b%2Fc%25"),
            ("http://u:p@b/rabbit/", "/rabbit/api/queues/%2F/a%20b%2Fc%25"),
        ] {
            let url: Url = base.parse().unwrap_or_else(|e| panic!("{base}: {e}"));
            assert_eq!(url.of(&["queues", "/", "a b/c%"]).path(), path);
        }
    }
}
