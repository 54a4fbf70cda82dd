//! Keys, pseudonyms and sealing: without the master secret, what the store holds tells of no person.
//!
//! Keys are derived from secrets with HKDF-SHA-256 (RFC 5869), each under a label of its own. The secrets are a store's
//! ring: one for each generation of keys, the first derived from the master secret and later ones random, and the store keeps
//! them sealed under the master secret. Pseudonyms are HMAC-SHA-256 (RFC 2104), cut to 16 bytes. Sealing is AES-256-GCM (NIST
//! SP 800-38D) with a random nonce; a later generation's cover over pseudonyms at rest is AES-256 on their one block.

mod chain;
mod cover;
mod marks;
mod pseudonyms;
mod ring;
mod sealing;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hkdf::Hkdf;
use samspor_domain::keys::Generation;
use samspor_domain::{SourceName, Text};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub use chain::Chain;
pub use marks::{MARK_BYTES, Marks};
pub use pseudonyms::Pseudonyms;
pub use ring::{KeyId, RingError};
pub use samspor_domain::keys::Purpose;
pub use sealing::OpenError;

use ring::{Ring, Wrapping};

/// The secret that opens all others: 32 bytes.
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

    /// By what people tell it from others.
    #[must_use]
    pub fn id(&self) -> KeyId {
        Wrapping::new(self).id
    }
}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Master(…)")
    }
}

/// All keys of one store.
pub struct Vault {
    root: Hkdf<Sha256>,
    master: Wrapping,
    /// The ring that this was made of, where it was under the master key before this one.
    to_keep_anew: Option<Vec<u8>>,
    held: RwLock<Held>,
}

/// The generations of a store's keys. More come while it is used.
struct Held {
    ring: Ring,
    keys: BTreeMap<Generation, Arc<sealing::Keys>>,
    newest: Generation,
}

/// A generation of keys more, which nothing is under yet.
pub struct Added {
    /// It.
    pub generation: Generation,
    /// What the store must keep before anything is put under it.
    pub ring: Vec<u8>,
}

/// No more generations can be numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the keys of a store can be replaced 254 times; begin another store")]
pub struct NoMore;

impl Vault {
    /// The keys of a store that has no ring yet.
    #[must_use]
    pub fn new(master: &Master) -> Self {
        let master = Wrapping::new(master);
        Self::of(Ring::first(&master), master, None)
    }

    /// The keys of a store, by the ring that it keeps, if it keeps one. With a master key before this one, that may be what
    /// the ring is under.
    ///
    /// # Errors
    /// The ring is under neither, or is damaged.
    pub fn with_ring(
        master: &Master,
        previous: Option<&Master>,
        ring: Option<&[u8]>,
    ) -> Result<Self, RingError> {
        let Some(kept) = ring else {
            // A store that was made before there were rings is under the previous one.
            let first = Wrapping::new(previous.unwrap_or(master));
            return Ok(Self::of(Ring::first(&first), Wrapping::new(master), None));
        };
        let master = Wrapping::new(master);
        let previous = previous.map(Wrapping::new);
        match (Ring::open(&master, kept), previous) {
            (Ok(ring), _) => Ok(Self::of(ring, master, None)),
            (Err(error @ RingError::OtherKey { .. }), Some(previous)) => {
                let ring = Ring::open(&previous, kept).map_err(|other| match other {
                    RingError::OtherKey { .. } => error,
                    _ => other,
                })?;
                Ok(Self::of(ring, master, Some(kept.to_vec())))
            }
            (Err(error), _) => Err(error),
        }
    }

    fn of(ring: Ring, master: Wrapping, to_keep_anew: Option<Vec<u8>>) -> Self {
        let keys: BTreeMap<_, _> = ring
            .generations
            .iter()
            .map(|(generation, secret)| (*generation, Arc::new(sealing::Keys::new(*generation, secret))))
            .collect();
        let newest = keys.keys().next_back().copied().unwrap_or(Generation::FIRST);
        let Ok(root) = Hkdf::from_prk(&*ring.root) else { unreachable!("a secret is as long as a hash") };
        Self { root, master, to_keep_anew, held: RwLock::new(Held { ring, keys, newest }) }
    }

    /// The ring that a store must keep before it is used with these keys, of the one that it keeps, if it keeps one; none where
    /// it may stay.
    ///
    /// # Errors
    /// The keys are not the store's.
    pub fn ring_to_keep(&self, kept: Option<&[u8]>) -> Result<Option<Vec<u8>>, RingError> {
        let anew = || Some(self.held().ring.seal(&self.master));
        let Some(kept) = kept else { return Ok(anew()) };
        if self.to_keep_anew.as_deref() == Some(kept) {
            return Ok(anew());
        }
        let ring = Ring::open(&self.master, kept)?;
        let held = self.held();
        let has = |(generation, secret)| held.ring.generations.get(generation) == Some(secret);
        let newest = ring.generations.keys().next_back();
        if ring.root != held.ring.root || newest != Some(&held.newest) || !ring.generations.iter().all(has) {
            return Err(RingError::OtherKeys);
        }
        Ok(None)
    }

    fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_mut(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a generation of random keys more. Nothing is put under it before [`Vault::begin`].
    ///
    /// # Errors
    /// There are 255.
    pub fn add(&self) -> Result<Added, NoMore> {
        let mut held = self.held_mut();
        let generation = Generation(held.newest.0.checked_add(1).ok_or(NoMore)?);
        // One that was added before and not begun may be in the store, though nobody heard that: there is no other by its number.
        let secret = held.ring.generations.entry(generation);
        let secret = secret.or_insert_with(|| Zeroizing::new(rand::random())).clone();
        held.keys.entry(generation).or_insert_with(|| Arc::new(sealing::Keys::new(generation, &secret)));
        Ok(Added { generation, ring: held.ring.since(held.newest).seal(&self.master) })
    }

    /// Everything new is put under a generation that was added, now that the store keeps it.
    pub fn begin(&self, generation: Generation) {
        self.held_mut().newest = generation;
    }

    /// The ring without the generations before the newest, under which nothing is any more. They are at hand until the
    /// process ends, for those who look at what was there before.
    #[must_use]
    pub fn ring_of_newest(&self) -> Vec<u8> {
        let held = self.held();
        held.ring.since(held.newest).seal(&self.master)
    }

    /// By what people tell the master key from others.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.master.id
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
