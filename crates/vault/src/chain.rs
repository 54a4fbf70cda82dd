//! The links of a log in which nothing can be changed, left out, moved or added without the key.

use hmac::{Hmac, KeyInit, Mac};
use samspor_domain::audit::{AuditLink, AuditNo};
use sha2::Sha256;

/// The key of the links.
#[derive(Clone)]
pub struct Chain {
    keyed: Hmac<Sha256>,
}

impl Chain {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let Ok(keyed) = Hmac::new_from_slice(key) else { unreachable!("HMAC takes a key of any length") };
        Self { keyed }
    }

    /// The link of an entry after another's: of that link, the entry's number, its instant in microseconds since 1970, and
    /// what it says, before that is sealed: it can be put under other keys, and the link stays. All but the last have a fixed length, so they cannot run into each other.
    #[must_use]
    pub fn link(&self, before: &AuditLink, no: AuditNo, at: i64, plain: &[u8]) -> AuditLink {
        let mut mac = self.keyed.clone();
        mac.update(&before.0);
        mac.update(&no.0.to_be_bytes());
        mac.update(&at.to_be_bytes());
        mac.update(plain);
        AuditLink(mac.finalize().into_bytes().into())
    }
}
