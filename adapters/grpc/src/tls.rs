//! TLS at the front: its certificate, and which clients' certificates it takes.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::subject;

/// What TLS is made of, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// The front's certificate, then those between it and its authority.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// Who signs clients' certificates. Without it none are asked for.
    pub client_ca: Option<String>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Settings(…)")
    }
}

/// Why TLS cannot be had. It quotes nothing of a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificates cannot be read.
    #[error("the certificate file holds no certificates in PEM")]
    Certificate,
    /// The key cannot be read.
    #[error("the key file holds no private key in PEM")]
    Key,
    /// The authority's certificates cannot be read.
    #[error("the client CA file holds no certificates in PEM that sign others")]
    ClientCa,
    /// They do not belong together, or are of a kind that TLS does not take.
    #[error("certificate and key are not taken: {0}")]
    Refused(#[from] rustls::Error),
}

/// The front's side of TLS 1.2 and 1.3. A client without a certificate is let through where `optional`, to be known by a
/// token; one with a certificate that is expired or not signed by the authority never is.
pub(crate) fn config(settings: &Settings, optional: bool) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = certificates(&settings.certificate).filter(|chain| !chain.is_empty());
    let chain = chain.ok_or(TlsError::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(settings.key.as_bytes()).map_err(|_| TlsError::Key)?;
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match &settings.client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(ca).ok_or(TlsError::ClientCa)? {
                roots.add(root).map_err(|_| TlsError::ClientCa)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if optional { verifier.allow_unauthenticated() } else { verifier };
            builder.with_client_cert_verifier(verifier.build().map_err(|_| TlsError::ClientCa)?)
        }
    };
    let mut config = builder.with_single_cert(chain, key)?;
    // A session that is taken up again would not have its certificate looked at again, however long ago that expired.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().ok()
}

/// The names in a certificate, as the configuration names callers: `uri:…`, `dns:…`, and `subject:…` with the subject by
/// RFC 4514: `CN=…` or, where it has more, `CN=…,O=…,C=…`.
pub(crate) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let alternative = alternative.iter().flat_map(|extension| &extension.value.general_names);
    let mut names: Vec<String> = alternative
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(format!("uri:{uri}")),
            GeneralName::DNSName(name) => Some(format!("dns:{}", name.to_ascii_lowercase())),
            _ => None,
        })
        .collect();
    let subject = subject::written(certificate.subject());
    if !subject.is_empty() {
        names.push(format!("subject:{subject}"));
    }
    names
}
