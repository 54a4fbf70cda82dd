//! Sealing: authenticated encryption of what must be read again, and the covers of what is found again.

use std::sync::Arc;

use aes_gcm::aead::{Aead, Generate, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use samspor_domain::Pseudonym;
use samspor_domain::keys::{Covers, Generation, Purpose};
use samspor_domain::store::{Result as StoreResult, Sealed, StoreError};
use zeroize::Zeroizing;

use crate::cover::Cover;
use crate::ring::Secret;
use crate::{Vault, derive};

/// The bytes were not sealed with this key for this purpose, or were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed bytes do not open: another key made them, or they were changed")]
pub struct OpenError;

/// The keys of one generation.
pub(crate) struct Keys {
    /// By purpose.
    ciphers: [Aes256Gcm; 9],
    cover: Cover,
}

impl Keys {
    pub(crate) fn new(generation: Generation, secret: &Secret) -> Self {
        let Ok(root) = Hkdf::from_prk(&**secret) else { unreachable!("a secret is as long as a hash") };
        let cipher = |label| Aes256Gcm::new(&(*derive(&root, &["seal", label])).into());
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
        let cover = match generation {
            Generation::FIRST => Cover::NONE,
            _ => Cover::new(&derive(&root, &["cover"])),
        };
        Self { ciphers: labels.map(cipher), cover }
    }
}

/// The form of sealed bytes: the generation's number, 12 bytes of nonce, then ciphertext and tag.
const NONCE_BYTES: usize = 12;

impl Vault {
    fn keys(&self, generation: Generation) -> Option<Arc<Keys>> {
        let held = self.held();
        held.keys.get(&generation).cloned()
    }

    /// Seals bytes under the newest generation. It adds 29 to their number.
    #[must_use]
    pub fn seal(&self, purpose: Purpose, plain: &[u8]) -> Sealed {
        let held = self.held();
        let (form, keys) = ([held.newest.0], Arc::clone(&held.keys[&held.newest]));
        drop(held);
        // From the thread's own generator, which the system seeds: asking the system each time takes longer than sealing.
        let nonce = Nonce::generate_from_rng(&mut rand::rng());
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + plain.len() + 16);
        sealed.extend_from_slice(&form);
        sealed.extend_from_slice(&nonce);
        match keys.ciphers[purpose as usize].encrypt(&nonce, Payload { msg: plain, aad: &form }) {
            Ok(cipher) => sealed.extend_from_slice(&cipher),
            Err(_) => unreachable!("AES-GCM seals up to 64 GiB"),
        }
        Sealed(sealed)
    }

    /// Opens what was sealed for the same purpose, under whichever generation.
    pub fn open(&self, purpose: Purpose, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (form, rest) = sealed.0.split_first_chunk::<1>().ok_or(OpenError)?;
        let keys = self.keys(Generation(form[0])).ok_or(OpenError)?;
        let (nonce, cipher) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError)?;
        let payload = Payload { msg: cipher, aad: form };
        keys.ciphers[purpose as usize]
            .decrypt(&(*nonce).into(), payload)
            .map(Zeroizing::new)
            .map_err(|_| OpenError)
    }

    fn covering(&self, generation: Generation) -> StoreResult<Arc<Keys>> {
        let gone = || {
            StoreError::Unusable(format!(
                "something in it is under keys of generation {generation}, which it has not"
            ))
        };
        self.keys(generation).ok_or_else(gone)
    }
}

impl Covers for Vault {
    fn newest(&self) -> Generation {
        self.held().newest
    }

    fn oldest(&self) -> Generation {
        let held = self.held();
        held.keys.keys().next().copied().unwrap_or(held.newest)
    }

    fn cover(&self, under: Generation, bare: &Pseudonym) -> StoreResult<[u8; 16]> {
        Ok(self.covering(under)?.cover.over(bare))
    }

    fn uncover(&self, under: Generation, kept: [u8; 16]) -> StoreResult<Pseudonym> {
        Ok(self.covering(under)?.cover.off(kept))
    }

    fn reseal(&self, purpose: Purpose, sealed: &Sealed) -> StoreResult<Option<Sealed>> {
        if sealed.0.first() == Some(&self.newest().0) {
            return Ok(None);
        }
        let damaged = |_| StoreError::Damaged("sealed bytes do not open".into());
        self.open(purpose, sealed).map_err(damaged).map(|plain| Some(self.seal(purpose, &plain)))
    }
}
