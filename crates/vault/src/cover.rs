//! Covers: what lies over the keyed hashes of a store, one for each generation of keys.

use aes_gcm::aes::Aes256;
use aes_gcm::aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use samspor_domain::Pseudonym;

/// AES-256 on one block: every 16 bytes have their cover, no two the same one, and it comes off again. What is under it is
/// a keyed hash already, so that blocks repeat only where the hash does, as it must to be found.
pub(crate) struct Cover(Option<Aes256>);

impl Cover {
    /// The first generation's: none.
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Some(Aes256::new(&(*key).into())))
    }

    pub(crate) fn over(&self, bare: &Pseudonym) -> [u8; 16] {
        let mut block = bare.0.into();
        if let Some(cipher) = &self.0 {
            cipher.encrypt_block(&mut block);
        }
        block.into()
    }

    pub(crate) fn off(&self, kept: [u8; 16]) -> Pseudonym {
        let mut block = kept.into();
        if let Some(cipher) = &self.0 {
            cipher.decrypt_block(&mut block);
        }
        Pseudonym(block.into())
    }
}
