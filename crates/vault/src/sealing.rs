//! Sealing: authenticated encryption of what must be read again.

use aes_gcm::aead::{Aead, Generate, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use samspor_domain::store::Sealed;
use zeroize::Zeroizing;

use crate::Vault;

/// What is sealed; each has a key of its own, so that one cannot be passed off as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The reference beside a pseudonym.
    Reference,
    /// What a fact says.
    Fact,
    /// What a feed record says.
    Revision,
    /// What lies in quarantine.
    Quarantine,
    /// What a target's books say of a record.
    Receipt,
    /// By what readers filter postings that are added up.
    FilterKey,
    /// A posting that is to pass on as it came.
    Forward,
    /// The tag that it passes on with.
    ForwardTag,
    /// What an entry of the audit log says.
    Audit,
}

/// The bytes were not sealed with this key for this purpose, or were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed bytes do not open: another master key made them, or they were changed")]
pub struct OpenError;

pub(crate) struct Keys {
    ciphers: [Aes256Gcm; 9],
}

impl Keys {
    pub(crate) fn new(derive: impl Fn(&str) -> Zeroizing<[u8; 32]>) -> Self {
        let cipher = |label| Aes256Gcm::new(&(*derive(label)).into());
        let labels = [
            "reference",
            "fact",
            "revision",
            "quarantine",
            "receipt",
            "filter-key",
            "forward",
            "forward-tag",
            "audit",
        ];
        Self { ciphers: labels.map(cipher) }
    }
}

/// The form of sealed bytes: this byte, 12 of nonce, then ciphertext and tag.
const FORM: u8 = 1;
const NONCE_BYTES: usize = 12;

impl Vault {
    /// Seals bytes. It adds 29 to their number.
    #[must_use]
    pub fn seal(&self, purpose: Purpose, plain: &[u8]) -> Sealed {
        // From the thread's own generator, which the system seeds: asking the system each time takes longer than sealing.
        let nonce = Nonce::generate_from_rng(&mut rand::rng());
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + plain.len() + 16);
        sealed.push(FORM);
        sealed.extend_from_slice(&nonce);
        match self.sealing.ciphers[purpose as usize].encrypt(&nonce, Payload { msg: plain, aad: &[FORM] }) {
            Ok(cipher) => sealed.extend_from_slice(&cipher),
            Err(_) => unreachable!("AES-GCM seals up to 64 GiB"),
        }
        Sealed(sealed)
    }

    /// Opens what was sealed for the same purpose.
    pub fn open(&self, purpose: Purpose, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let Some((&[FORM], rest)) = sealed.0.split_first_chunk() else { return Err(OpenError) };
        let (nonce, cipher) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError)?;
        let payload = Payload { msg: cipher, aad: &[FORM] };
        self.sealing.ciphers[purpose as usize]
            .decrypt(&(*nonce).into(), payload)
            .map(Zeroizing::new)
            .map_err(|_| OpenError)
    }
}
