//! The client by which spans are posted to a tracing system's collector.

use std::time::Duration;

use reqwest::Certificate;

/// Whom to trust, and how long it may take.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether it is asked over TLS.
    pub is_tls: bool,
    /// Certificates in PEM of those who sign the collector's; without them those that the machine trusts.
    pub authorities: Option<Vec<u8>>,
    /// How long any one answer may take, connecting included.
    pub timeout: Duration,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The certificates are none.
    #[error("there is no certificate in PEM")]
    NoCertificate,
    /// The library does not take them.
    #[error("the certificates cannot be used")]
    Certificates(#[source] reqwest::Error),
}

/// A client; it connects when something is posted. It follows no redirects and uses no proxy, so that a token stays here.
///
/// # Errors
/// Where the certificates are none.
pub fn client(settings: &Settings) -> Result<reqwest::Client, Error> {
    let mut client = crate::client(settings.timeout, settings.timeout);
    if let Some(pem) = &settings.authorities {
        let certificates = Certificate::from_pem_bundle(pem).map_err(Error::Certificates)?;
        if certificates.is_empty() {
            return Err(Error::NoCertificate);
        }
        client = client.tls_certs_only(certificates);
    } else if !settings.is_tls {
        // A machine without trusted certificates can do without them.
        client = client.tls_certs_only([]);
    }
    client.build().map_err(Error::Certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_that_are_none_are_refused() {
        for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let settings = Settings {
                is_tls: true,
                authorities: Some(pem.as_bytes().to_vec()),
                timeout: Duration::from_secs(1),
            };
            assert!(client(&settings).is_err(), "{pem}");
        }
    }
}
