//! TLS to a broker: whom the gateway trusts, and who it is itself.

use std::fmt;
use std::io;

use lapin::tcp::{RustlsConnector, RustlsConnectorConfig};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret as _, SecretString};

use crate::SettingsError;

/// Whom the gateway trusts, and who it is itself. `Debug` shows neither.
#[derive(Clone, Default)]
pub struct Tls {
    ca: Option<String>,
    identity: Option<(String, SecretString)>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls(ca: {}, identity: {})", self.ca.is_some(), self.identity.is_some())
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        // No copy of the key is made.
        let is_same = match (&self.identity, &other.identity) {
            (None, None) => true,
            (Some((certificate, key)), Some((other_certificate, other_key))) => {
                certificate == other_certificate && key.expose_secret() == other_key.expose_secret()
            }
            _ => false,
        };
        is_same && self.ca == other.ca
    }
}

impl Eq for Tls {}

impl Tls {
    /// The certificates of the authorities that are trusted instead of the machine's, and the gateway's own certificate
    /// (with those that it is signed by behind it) with its key; all in PEM.
    pub fn new(ca: Option<String>, identity: Option<(String, SecretString)>) -> Result<Self, SettingsError> {
        let tls = Self { ca, identity };
        if let Some(ca) = &tls.ca {
            certificates(ca).map_err(|_| {
                let message = "holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----";
                SettingsError::new("ca_file", message)
            })?;
        }
        if let Some((certificate, _)) = &tls.identity {
            // Somebody must be trusted, whoever it is: nobody is spoken to.
            let trusting = |roots| RustlsConnectorConfig::default().with_parsable_certificates(roots);
            certificates(certificate).and_then(|roots| tls.connector_of(trusting(roots))).map_err(|_| {
                let message =
                    "must hold a certificate and `client_key_file` its key without a password, both in PEM";
                SettingsError::new("client_cert_file", message)
            })?;
        }
        Ok(tls)
    }

    /// Whether nothing was said, so that everything is as the machine has it.
    pub(crate) fn is_usual(&self) -> bool {
        self.ca.is_none() && self.identity.is_none()
    }

    /// What shakes hands; none where everything is as usual.
    pub(crate) fn connector(&self) -> io::Result<Option<RustlsConnector>> {
        if self.is_usual() {
            return Ok(None);
        }
        let config = match &self.ca {
            Some(ca) => RustlsConnectorConfig::default().with_parsable_certificates(certificates(ca)?),
            None => RustlsConnectorConfig::new_with_native_certs()?,
        };
        self.connector_of(config).map(Some)
    }

    fn connector_of(&self, config: RustlsConnectorConfig) -> io::Result<RustlsConnector> {
        let Some((certificate, key)) = &self.identity else { return config.connector_with_no_client_auth() };
        let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes());
        config.connector_with_single_cert(certificates(certificate)?, key.map_err(|_| invalid())?)
    }
}

/// At least one certificate. What is wrong with others is not told: the text may be that of a key.
fn certificates(pem: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(|_| invalid())?;
    if certificates.is_empty() { Err(invalid()) } else { Ok(certificates) }
}

fn invalid() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use samspor_harness::receiver::Certificates;

    use super::*;

    #[tokio::test]
    async fn certificates_and_keys_are_looked_at_before_anybody_is_spoken_to() -> anyhow::Result<()> {
        let made = Certificates::make().await?;
        let (ca, certificate, key) =
            (made.read("ca.pem")?, made.read("client.pem")?, made.read("client.key")?);
        let of = |ca: Option<&str>, certificate: &str, key: &str| {
            Tls::new(ca.map(str::to_owned), Some((certificate.to_owned(), key.to_owned().into())))
        };
        let tls = of(Some(&ca), &certificate, key.trim())?;
        tls.connector_of(RustlsConnectorConfig::default().with_parsable_certificates(certificates(&ca)?))?;
        assert!(tls.connector()?.is_some() && !format!("{tls:?}").contains("MI"));
        of(None, &certificate, &key)?;
        for (ca, certificate, key, field) in [
            (Some("no certificate"), certificate.as_str(), key.as_str(), "ca_file"),
            (Some(ca.as_str()), "no certificate", &key, "client_cert_file"),
            (Some(&ca), &certificate, "no key", "client_cert_file"),
            (Some(&ca), &certificate, &made.read("server.key")?, "client_cert_file"),
            (Some(&ca), &key, &key, "client_cert_file"),
        ] {
            let error = of(ca, certificate, key).expect_err("it cannot work");
            assert_eq!(error.field, field, "{error}");
        }
        Ok(())
    }
}
