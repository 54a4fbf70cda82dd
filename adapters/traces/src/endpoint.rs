//! Where a tracing system listens, and what it is told to let somebody in.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use opentelemetry_http::Request;

/// The base of an OTLP endpoint over HTTP, such as `http://127.0.0.1:4318`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    base: String,
    is_tls: bool,
}

/// What is wrong with an endpoint. No message quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is no URL of the kind.
    #[error("is not a URL such as http://127.0.0.1:4318 or https://collector.example:4318")]
    NotHttp,
    /// It holds a user or a password.
    #[error("holds a user or password; what the tracing system wants to know goes into headers")]
    Login,
    /// It has a query or fragment.
    #[error("has a `?` or `#`; the path of OTLP, /v1/traces, is put behind it")]
    Query,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if text.contains(['?', '#']) {
            return Err(EndpointError::Query);
        }
        let request = Request::post(text).body(()).map_err(|_| EndpointError::NotHttp)?;
        let uri = request.uri();
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(EndpointError::NotHttp),
        };
        match uri.authority() {
            Some(authority) if authority.as_str().contains('@') => Err(EndpointError::Login),
            Some(authority) if !authority.host().is_empty() => {
                Ok(Self { base: text.trim_end_matches('/').to_owned(), is_tls })
            }
            _ => Err(EndpointError::NotHttp),
        }
    }
}

impl Endpoint {
    /// Whether it is `https`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Where spans are posted to, by the specification of OTLP.
    pub(crate) fn url(&self) -> String {
        format!("{}/v1/traces", self.base)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

/// HTTP headers with secrets in them: their `Debug` shows none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

/// Headers that are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {0} is not a header such as `authorization: Bearer …`")]
pub struct HeaderError(pub usize);

/// One `name: value` a line; empty lines are nothing.
impl FromStr for Headers {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let header = |(no, line): (usize, &str)| {
            let (name, value) = line.split_once(':').ok_or(HeaderError(no))?;
            let (name, value) = (name.trim(), value.trim());
            let request = Request::post("/").header(name, value).body(());
            request.map(|_| (name.to_owned(), value.to_owned())).map_err(|_| HeaderError(no))
        };
        lines.map(header).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Headers {
    pub(crate) fn of_requests(&self) -> HashMap<String, String> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_gets_the_path_of_otlp() {
        for (text, url, is_tls) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces", false),
            ("http://[::1]:4318/", "http://[::1]:4318/v1/traces", false),
            ("https://collector.example/otlp", "https://collector.example/otlp/v1/traces", true),
        ] {
            let endpoint: Endpoint = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((endpoint.url(), endpoint.is_tls()), (url.to_owned(), is_tls));
        }
        for (text, wrong) in [
            ("", EndpointError::NotHttp),
            ("127.0.0.1:4318", EndpointError::NotHttp),
            ("/v1/traces", EndpointError::NotHttp),
            ("grpc://127.0.0.1:4317", EndpointError::NotHttp),
            ("http://user:secret@127.0.0.1", EndpointError::Login),
            ("http://127.0.0.1/?key=secret", EndpointError::Query),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(wrong), "{text}");
        }
    }

    #[test]
    fn headers_stand_one_a_line_and_show_nowhere() {
        let headers: Headers = "authorization: Bearer a:b=\n\nx-scope: 1\n".parse().expect("headers");
        let of_requests = headers.of_requests();
        assert_eq!(of_requests["authorization"], "Bearer a:b=");
        assert_eq!((of_requests["x-scope"].as_str(), of_requests.len()), ("1", 2));
        assert_eq!(format!("{headers:?}"), r#"["authorization", "x-scope"]"#);
        for (text, line) in [("Bearer abc", 1), ("a: 1\nb c: 2", 2), (": 1", 1), ("a: \u{7}", 1)] {
            let error = text.parse::<Headers>().expect_err(text);
            assert_eq!(error, HeaderError(line), "{text}");
            assert!(!error.to_string().contains("abc"));
        }
    }
}
