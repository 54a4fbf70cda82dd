//! Marks: keyed hashes by which the gateway knows again what it gave away itself.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a mark.
pub const MARK_BYTES: usize = 16;

/// The marks under one key: HMAC-SHA-256 (RFC 2104), cut to 16 bytes.
#[derive(Clone)]
pub struct Marks {
    /// Keyed once; each mark begins from a copy.
    keyed: Hmac<Sha256>,
}

impl Marks {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let Ok(keyed) = Hmac::new_from_slice(key) else { unreachable!("HMAC takes a key of any length") };
        Self { keyed }
    }

    /// The mark of some bytes.
    #[must_use]
    pub fn of(&self, bytes: &[u8]) -> [u8; MARK_BYTES] {
        let mut mark = [0; MARK_BYTES];
        let whole = self.keyed.clone().chain_update(bytes).finalize().into_bytes();
        mark.copy_from_slice(&whole[..MARK_BYTES]);
        mark
    }

    /// Whether it is their mark. How long that takes tells nothing of the right one.
    #[must_use]
    pub fn are_known(&self, bytes: &[u8], mark: &[u8; MARK_BYTES]) -> bool {
        self.keyed.clone().chain_update(bytes).verify_truncated_left(mark).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_that_made_a_mark_knows_it_and_only_of_the_same_bytes() {
        let (a, b) = (Marks::new(&[1; 32]), Marks::new(&[2; 32]));
        let mark = a.of(b"cursor");
        assert!(a.are_known(b"cursor", &mark) && !b.are_known(b"cursor", &mark));
        assert!(!a.are_known(b"cursos", &mark) && !a.are_known(b"curso", &mark));
        for i in 0..MARK_BYTES {
            let mut changed = mark;
            changed[i] ^= 1;
            assert!(!a.are_known(b"cursor", &changed), "byte {i}");
        }
    }
}
