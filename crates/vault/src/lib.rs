//! Keys, pseudonyms and sealing: without the master secret, what the store holds tells of no person.
//!
//! Every key is derived from one master secret with HKDF-SHA-256 (RFC 5869), each under a label of its own. Pseudonyms
//! are HMAC-SHA-256 (RFC 2104), cut to 16 bytes. Sealing is AES-256-GCM (NIST SP 800-38D) with a random nonce.

mod chain;
mod marks;
mod pseudonyms;
mod sealing;

use std::fmt;

use hkdf::Hkdf;
use samspor_domain::{SourceName, Text};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub use chain::Chain;
pub use marks::{MARK_BYTES, Marks};
pub use pseudonyms::Pseudonyms;
pub use sealing::{OpenError, Purpose};

/// The secret from which all keys are derived: 32 bytes.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Master([u8; 32]);

/// The text is no master secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the master key must be 64 hexadecimal digits; make one with `openssl rand -hex 32`")]
pub struct MasterError;

impl Master {
    /// Reads 64 hexadecimal digits; white space around them is ignored.
    pub fn from_hex(text: &str) -> Result<Self, MasterError> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), &mut *bytes).map_err(|_| MasterError)?;
        Ok(Self(*bytes))
    }
}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Master(…)")
    }
}

/// All keys of one deployment.
pub struct Vault {
    root: Hkdf<Sha256>,
    sealing: sealing::Keys,
}

impl Vault {
    /// Derives the keys.
    #[must_use]
    pub fn new(master: &Master) -> Self {
        let root = Hkdf::new(Some(b"samspor"), &master.0);
        let sealing = sealing::Keys::new(|label| derive(&root, &["seal", label]));
        Self { root, sealing }
    }

    /// The pseudonyms of what arrives from a source.
    #[must_use]
    pub fn source(&self, name: &SourceName) -> Pseudonyms {
        Pseudonyms::new(&derive(&self.root, &["source", name.as_str()]))
    }

    /// The pseudonyms of what is named across the municipality.
    #[must_use]
    pub fn registry(&self) -> Pseudonyms {
        Pseudonyms::new(&derive(&self.root, &["registry"]))
    }

    /// The pseudonyms that a leadership-information system gets.
    #[must_use]
    pub fn target(&self, name: &Text) -> Pseudonyms {
        Pseudonyms::new(&derive(&self.root, &["target", name.as_str()]))
    }

    /// The marks by which the cursors of the feed's readers are known.
    #[must_use]
    pub fn cursors(&self) -> Marks {
        Marks::new(&derive(&self.root, &["feed-cursor"]))
    }

    /// The links of the audit log.
    #[must_use]
    pub fn chain(&self) -> Chain {
        Chain::new(&derive(&self.root, &["audit", "link"]))
    }

    /// What stands beside the audit log for what its entries are about.
    #[must_use]
    pub fn audited(&self) -> Pseudonyms {
        Pseudonyms::new(&derive(&self.root, &["audit", "subject"]))
    }

    /// Random bytes, by which a store can be named. They tell of no key.
    #[must_use]
    pub fn random(&self) -> [u8; 16] {
        rand::random()
    }

    /// A value by which a store knows whether it was made with the same master secret. It tells nothing of it.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        *derive(&self.root, &["fingerprint"])
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

/// One key, by a label of parts that cannot run into each other.
fn derive(root: &Hkdf<Sha256>, label: &[&str]) -> Zeroizing<[u8; 32]> {
    let mut info = vec![1];
    for part in label {
        info.push(part.len() as u8); // A text has 120 bytes at most.
        info.extend_from_slice(part.as_bytes());
    }
    let mut key = Zeroizing::new([0; 32]);
    if root.expand(&info, &mut *key).is_err() {
        unreachable!("HKDF-SHA-256 gives up to 8,160 bytes");
    }
    key
}

#[cfg(test)]
mod tests {
    use samspor_domain::{CitizenRef, Cpr, Kind};

    use super::*;

    fn vault(byte: &str) -> Vault {
        Vault::new(&Master::from_hex(&byte.repeat(32)).expect("64 digits"))
    }

    fn text(text: &str) -> Text {
        Text::new(text).expect("short")
    }

    #[test]
    fn a_master_key_is_64_hexadecimal_digits() {
        assert!(Master::from_hex(&format!(" {}\n", "aB".repeat(32))).is_ok());
        for bad in ["", "ab", &"g".repeat(64), &"a".repeat(63), &"a".repeat(66)] {
            assert!(Master::from_hex(bad).is_err());
        }
    }

    #[test]
    fn no_two_scopes_share_a_pseudonym() {
        let reference = CitizenRef::Cpr(Cpr::parse("6112801234").expect("a replacement number"));
        let (a, b) = (vault("01"), vault("02"));
        let scopes = [
            a.registry(),
            a.source(&text("opus")),
            a.source(&text("dubu")),
            a.target(&text("opus")),
            a.source(&text("registry")),
            b.registry(),
            b.source(&text("opus")),
        ];
        let all: std::collections::BTreeSet<_> = scopes.iter().map(|s| s.reference(&reference)).collect();
        assert_eq!(all.len(), scopes.len());
        assert_eq!(a.source(&text("opus")).reference(&reference), scopes[1].reference(&reference));
        assert_ne!(a.fingerprint(), b.fingerprint());
    }

    #[test]
    fn references_ids_and_contents_do_not_share_pseudonyms() {
        let keys = vault("01").registry();
        let all = std::collections::BTreeSet::from([
            keys.id(Kind::Case, &text("cpr:")),
            keys.id(Kind::Grant, &text("cpr:")),
            keys.content(b"cpr:"),
        ]);
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn only_the_right_key_and_purpose_open_what_is_sealed() {
        let (a, b) = (vault("01"), vault("02"));
        let sealed = a.seal(Purpose::Fact, b"6112801234");
        assert!(!sealed.0.windows(10).any(|w| w == b"6112801234"));
        assert_ne!(sealed, a.seal(Purpose::Fact, b"6112801234"), "nonces differ");
        assert_eq!(a.open(Purpose::Fact, &sealed).expect("opens").as_slice(), b"6112801234");
        assert!(b.open(Purpose::Fact, &sealed).is_err());
        assert!(a.open(Purpose::Revision, &sealed).is_err());
        for i in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[i] ^= 1;
            assert!(a.open(Purpose::Fact, &changed).is_err(), "byte {i}");
            changed.0.truncate(i);
            assert!(a.open(Purpose::Fact, &changed).is_err(), "cut at {i}");
        }
    }
}
