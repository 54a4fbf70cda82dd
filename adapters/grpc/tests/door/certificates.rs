//! Certificates and tokens of all kinds, made when a test needs them.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use serde_json::{Value, json};

/// A day.
pub(crate) const DAY: i64 = 24 * 60 * 60;

/// The time that tokens and certificates are held against.
#[expect(clippy::disallowed_methods, reason = "libraries hold them against the machine's clock")]
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since.as_secs().try_into().unwrap_or(i64::MAX)
}

/// One who signs certificates.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Certified {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("an authority").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// The front's own.
    pub(crate) fn server(&self) -> Certified {
        let mut params = params("front");
        params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// A caller's, with its name as a URI, valid for so many days from now, or up to so many ago.
    pub(crate) fn client(&self, name: &str, days: i64) -> Certified {
        let mut params = params(name);
        let uri = format!("urn:samspor:{name}").try_into().expect("a URI");
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let since =
            |days: i64| SystemTime::UNIX_EPOCH + Duration::from_secs((now() + days * DAY).unsigned_abs());
        (params.not_before, params.not_after) = (since(days.min(0) - 2).into(), since(days).into());
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Certified {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Certified { certificate, key: key.serialize_pem() }
    }
}

/// One who issues tokens.
pub(crate) struct TokenIssuer {
    key: KeyPair,
}

impl TokenIssuer {
    pub(crate) fn new() -> Self {
        Self { key: KeyPair::generate().expect("a key") }
    }

    /// Its public key, as a JWK set.
    pub(crate) fn keys(&self) -> String {
        let point = self.key.public_key_raw();
        let (x, y) = (base64(&point[1..33]), base64(&point[33..65]));
        json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "kid": "1", "x": x, "y": y}]}).to_string()
    }

    /// Its public key, as everybody may have it.
    pub(crate) fn public_pem(&self) -> String {
        self.key.public_key_pem()
    }

    /// What a good token says.
    pub(crate) fn claims(subject: &str) -> Value {
        json!({"sub": subject, "iss": "https://idp.example", "aud": "samspor", "exp": now() + 300})
    }

    /// A token that says this.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let key = EncodingKey::from_ec_pem(self.key.serialize_pem().as_bytes()).expect("a key");
        let header = Header { kid: Some("1".into()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &key).expect("a token")
    }
}

/// Base64 as tokens have it.
pub(crate) fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
