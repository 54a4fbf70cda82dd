//! Bearer tokens: JWTs (RFC 7519) that an issuer signs with one of the keys of a JWK set (RFC 7517).

use std::collections::HashSet;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

/// Which tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The JWK set, as JSON.
    pub keys: String,
    /// The one `iss` that is taken.
    pub issuer: String,
    /// The `aud` that must be among a token's.
    pub audience: String,
    /// By how much clocks may differ.
    pub leeway: Duration,
}

/// Why a JWK set is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// It is no JWK set.
    #[error("this is no JWK set (RFC 7517): {0}")]
    Malformed(String),
    /// It has no key.
    #[error("the JWK set has no key")]
    Empty,
    /// A key is not one that tokens may be signed with.
    #[error(
        "key {0} of the JWK set cannot verify tokens: it must be a public key for signatures (RSA with its `alg`, EC with P-256 or \
         P-384, or OKP with Ed25519)"
    )]
    Unusable(usize),
}

/// Why a token is not taken. It quotes nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is not signed with a key that is known, or is none")]
    Signature,
}

/// What verifies tokens.
pub(crate) struct Tokens {
    keys: Vec<Key>,
}

/// One key, and what must hold of what it signed.
struct Key {
    id: Option<String>,
    key: DecodingKey,
    validation: Validation,
}

/// What is read of a token. All else that must hold is held by its validation.
#[derive(Deserialize)]
struct Claims {
    sub: String,
}

impl Tokens {
    pub(crate) fn new(settings: &Settings) -> Result<Self, KeysError> {
        let set: JwkSet = serde_json::from_str(&settings.keys).map_err(|error| {
            KeysError::Malformed(format!("line {}, column {}", error.line(), error.column()))
        })?;
        if set.keys.is_empty() {
            return Err(KeysError::Empty);
        }
        let keys = set.keys.iter().enumerate().map(|(i, jwk)| {
            let algorithm = algorithm(jwk).ok_or(KeysError::Unusable(i + 1))?;
            let key = DecodingKey::from_jwk(jwk).map_err(|_| KeysError::Unusable(i + 1))?;
            let validation = validation(settings, algorithm);
            Ok(Key { id: jwk.common.key_id.clone(), key, validation })
        });
        Ok(Self { keys: keys.collect::<Result<_, _>>()? })
    }

    /// Whose token it is: its `sub`.
    pub(crate) fn subject(&self, token: &str) -> Result<String, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Signature)?;
        let is_meant = |key: &&Key| header.kid.is_none() || key.id == header.kid;
        let mut refused = TokenError::Signature;
        for key in self.keys.iter().filter(is_meant) {
            match decode::<Claims>(token, &key.key, &key.validation) {
                Ok(token) => return Ok(token.claims.sub),
                Err(error) => match error.kind() {
                    // Signed with this key, so no other one says more.
                    ErrorKind::ExpiredSignature => refused = TokenError::Expired,
                    ErrorKind::ImmatureSignature => refused = TokenError::NotYet,
                    ErrorKind::InvalidAudience => refused = TokenError::Audience,
                    ErrorKind::InvalidIssuer => refused = TokenError::Issuer,
                    _ => {}
                },
            }
        }
        Err(refused)
    }
}

/// The one algorithm of a key, if it is an asymmetric one. A key with several would let who sends a token choose.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    if jwk.common.public_key_use.as_ref().is_some_and(|is_for| *is_for != PublicKeyUse::Signature) {
        return None;
    }
    let said = jwk.common.key_algorithm;
    match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => match said? {
            KeyAlgorithm::RS256 => Some(Algorithm::RS256),
            KeyAlgorithm::RS384 => Some(Algorithm::RS384),
            KeyAlgorithm::RS512 => Some(Algorithm::RS512),
            KeyAlgorithm::PS256 => Some(Algorithm::PS256),
            KeyAlgorithm::PS384 => Some(Algorithm::PS384),
            KeyAlgorithm::PS512 => Some(Algorithm::PS512),
            _ => None,
        },
        AlgorithmParameters::EllipticCurve(key) => match (&key.curve, said) {
            (EllipticCurve::P256, None | Some(KeyAlgorithm::ES256)) => Some(Algorithm::ES256),
            (EllipticCurve::P384, None | Some(KeyAlgorithm::ES384)) => Some(Algorithm::ES384),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(key) => match (&key.curve, said) {
            (EllipticCurve::Ed25519, None | Some(KeyAlgorithm::EdDSA)) => Some(Algorithm::EdDSA),
            _ => None,
        },
        // Who can verify with it can sign with it.
        AlgorithmParameters::OctetKey(_) => None,
    }
}

fn validation(settings: &Settings, algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.leeway = settings.leeway.as_secs();
    validation.validate_nbf = true;
    validation.set_audience(&[&settings.audience]);
    validation.set_issuer(&[&settings.issuer]);
    validation.required_spec_claims = HashSet::from(["exp", "aud", "iss", "sub"].map(str::to_owned));
    validation
}
