//! Keyed hashes that stand for references, ids and contents, under one key.

use hmac::{Hmac, KeyInit, Mac};
use samspor_domain::{CitizenRef, Kind, Pseudonym, Text};
use sha2::Sha256;

/// The pseudonyms under one key: the same for the same text, and none shared with another key.
#[derive(Clone)]
pub struct Pseudonyms {
    /// Keyed once; each hash begins from a copy.
    keyed: Hmac<Sha256>,
}

impl Pseudonyms {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let Ok(keyed) = Hmac::new_from_slice(key) else { unreachable!("HMAC takes a key of any length") };
        Self { keyed }
    }

    fn hash(&self, what: u8, parts: &[&[u8]]) -> Pseudonym {
        let mut mac = self.keyed.clone();
        mac.update(&[what]);
        for part in parts {
            mac.update(part);
        }
        let mut pseudonym = [0; 16];
        pseudonym.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        Pseudonym(pseudonym)
    }

    /// Stands for a reference to a citizen.
    #[must_use]
    pub fn reference(&self, reference: &CitizenRef) -> Pseudonym {
        self.hash(b'r', &[&reference.canonical()])
    }

    /// Stands for the id of a fact.
    #[must_use]
    pub fn id(&self, kind: Kind, id: &Text) -> Pseudonym {
        self.hash(b'i', &[kind.word().as_bytes(), b":", id.as_str().as_bytes()])
    }

    /// Stands for any other text, such as a family or a posting's id; `what` keeps their kinds apart.
    #[must_use]
    pub fn text(&self, what: &str, text: &str) -> Pseudonym {
        self.hash(b't', &[what.as_bytes(), b":", text.as_bytes()])
    }

    /// Stands for content, to know it when it comes again.
    #[must_use]
    pub fn content(&self, content: &[u8]) -> Pseudonym {
        self.hash(b'c', &[content])
    }
}
