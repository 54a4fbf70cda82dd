//! The ring: the secrets from which a store's keys are derived, by generation, as the store keeps them: sealed under the
//! master key, so that another master key needs nothing but to seal them anew.

use std::collections::BTreeMap;
use std::fmt;

use aes_gcm::aead::{Aead, Generate, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use samspor_domain::keys::Generation;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{Master, derive};

/// A secret of a generation: 32 bytes.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// The first bytes of a hash of a master key, by which people tell keys apart. It tells nothing of the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The ring that a store keeps does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// It is under another master key.
    #[error(
        "it is under the master key {needed}, and the one given is {given}; give the gateway the key that belongs to \
         this store, or, where the new key is to take its place, name the old one as well (docs/keys.md)"
    )]
    OtherKey {
        /// The key that it is under.
        needed: KeyId,
        /// The key that was given.
        given: KeyId,
    },
    /// It has keys that the vault was not opened with.
    #[error("its keys were replaced since they were opened; open it again")]
    OtherKeys,
    /// It is not what was written.
    #[error("the keys that it keeps are damaged; restore it from a backup")]
    Damaged,
}

/// A master key, as what the ring is sealed under.
pub(crate) struct Wrapping {
    pub(crate) id: KeyId,
    cipher: Aes256Gcm,
    /// What the first generation of a store is derived from that has no ring yet.
    first: Secret,
}

/// The form of a kept ring: this byte, 4 of the master key's id, 12 of nonce, then ciphertext and tag. What is sealed:
/// the first secret, then each generation's number and secret.
const FORM: u8 = 1;
const HEAD: usize = 5;
const NONCE: usize = 12;

impl Wrapping {
    pub(crate) fn new(master: &Master) -> Self {
        let (first, root) = Hkdf::<Sha256>::extract(Some(b"samspor"), &master.0);
        let id = *derive(&root, &["master", "id"]).first_chunk().unwrap_or(&[0; 4]);
        let cipher = Aes256Gcm::new(&(*derive(&root, &["master", "wrap"])).into());
        Self { id: KeyId(id), cipher, first: Zeroizing::new(first.into()) }
    }

    fn seal(&self, plain: &[u8]) -> Vec<u8> {
        let mut kept = vec![FORM];
        kept.extend_from_slice(&self.id.0);
        let nonce = Nonce::generate_from_rng(&mut rand::rng());
        let cipher = self.cipher.encrypt(&nonce, Payload { msg: plain, aad: &kept });
        kept.extend_from_slice(&nonce);
        match cipher {
            Ok(cipher) => kept.extend_from_slice(&cipher),
            Err(_) => unreachable!("AES-GCM seals up to 64 GiB"),
        }
        kept
    }

    fn open(&self, kept: &[u8]) -> Result<Zeroizing<Vec<u8>>, RingError> {
        let (head, rest) = kept.split_at_checked(HEAD).ok_or(RingError::Damaged)?;
        let [FORM, needed @ ..] = head else { return Err(RingError::Damaged) };
        let needed = KeyId(needed.try_into().map_err(|_| RingError::Damaged)?);
        if needed != self.id {
            return Err(RingError::OtherKey { needed, given: self.id });
        }
        let (nonce, cipher) = rest.split_first_chunk::<NONCE>().ok_or(RingError::Damaged)?;
        let payload = Payload { msg: cipher, aad: head };
        self.cipher.decrypt(&(*nonce).into(), payload).map(Zeroizing::new).map_err(|_| RingError::Damaged)
    }
}

/// The secrets of a store.
#[derive(Clone)]
pub(crate) struct Ring {
    /// From which is derived what never changes: what hashes, pseudonyms of targets, cursors and the links of logs are made
    /// with. What of it lies in the store is under the covers of the generations.
    pub(crate) root: Secret,
    pub(crate) generations: BTreeMap<Generation, Secret>,
}

impl Ring {
    /// That of a store that has none yet.
    pub(crate) fn first(master: &Wrapping) -> Self {
        let generations = BTreeMap::from([(Generation::FIRST, master.first.clone())]);
        Self { root: master.first.clone(), generations }
    }

    /// The same without the generations before one.
    pub(crate) fn since(&self, first: Generation) -> Self {
        let generations = self.generations.iter().filter(|(generation, _)| **generation >= first);
        let generations = generations.map(|(generation, secret)| (*generation, secret.clone())).collect();
        Self { root: self.root.clone(), generations }
    }

    pub(crate) fn seal(&self, master: &Wrapping) -> Vec<u8> {
        let mut plain = Zeroizing::new(self.root.to_vec());
        for (generation, secret) in &self.generations {
            plain.push(generation.0);
            plain.extend_from_slice(&**secret);
        }
        master.seal(&plain)
    }

    pub(crate) fn open(master: &Wrapping, kept: &[u8]) -> Result<Self, RingError> {
        let plain = master.open(kept)?;
        let (root, rest) = plain.split_first_chunk::<32>().ok_or(RingError::Damaged)?;
        let (each, []) = rest.as_chunks::<33>() else { return Err(RingError::Damaged) };
        let secret = |[no, secret @ ..]: &[u8; 33]| (Generation(*no), Zeroizing::new(*secret));
        let generations: BTreeMap<_, _> = each.iter().map(secret).collect();
        if generations.is_empty() {
            return Err(RingError::Damaged);
        }
        Ok(Self { root: Zeroizing::new(*root), generations })
    }
}

#[cfg(test)]
mod tests {
    use samspor_domain::Pseudonym;
    use samspor_domain::keys::Covers;

    use super::*;
    use crate::{Purpose, Vault};

    fn master(byte: &str) -> Master {
        Master::from_hex(&byte.repeat(32)).expect("64 digits")
    }

    /// The ring of a store with two generations under a master key.
    fn two(by: &Master) -> (Vault, Vec<u8>) {
        let vault = Vault::new(by);
        let added = vault.add().expect("there is room");
        vault.begin(added.generation);
        (vault, added.ring)
    }

    #[test]
    fn a_ring_opens_under_its_master_key_only_and_a_wrong_one_is_named() {
        let (a, b) = (master("01"), master("02"));
        let (vault, ring) = two(&a);
        let sealed = vault.seal(Purpose::Fact, b"what");
        assert_eq!(sealed.0[0], 2);
        let again = Vault::with_ring(&a, None, Some(&ring)).expect("opens");
        assert_eq!(again.open(Purpose::Fact, &sealed).expect("opens").as_slice(), b"what");
        assert_eq!(again.newest(), Generation(2));

        let error = Vault::with_ring(&b, None, Some(&ring)).map(drop).expect_err("another key");
        assert_eq!(error, RingError::OtherKey { needed: a.id(), given: b.id() });
        let said = error.to_string();
        assert!(said.contains(&a.id().to_string()) && said.contains(&b.id().to_string()), "{said}");
        assert_eq!(Vault::with_ring(&b, Some(&b), Some(&ring)).map(drop), Err(error));
        for at in 0..ring.len() {
            let mut changed = ring.clone();
            changed[at] ^= 1;
            assert!(Vault::with_ring(&a, None, Some(&changed)).is_err(), "byte {at}");
            assert!(Vault::with_ring(&a, None, Some(&ring[..at])).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn another_master_key_takes_the_place_of_the_one_before_once_the_store_keeps_it() {
        let (a, b) = (master("01"), master("02"));
        let (vault, ring) = two(&a);
        let sealed = vault.seal(Purpose::Fact, b"what");
        let moved = Vault::with_ring(&b, Some(&a), Some(&ring)).expect("opens by the one before");
        let kept = moved.ring_to_keep(Some(&ring)).expect("its own").expect("to be kept anew");
        assert_eq!(moved.key_id(), b.id());
        // Now the one before is not needed, and is of no use.
        assert!(Vault::with_ring(&a, None, Some(&kept)).is_err());
        let after = Vault::with_ring(&b, None, Some(&kept)).expect("opens");
        assert_eq!(after.open(Purpose::Fact, &sealed).expect("opens").as_slice(), b"what");
        assert_eq!(after.ring_to_keep(Some(&kept)), Ok(None));
        // Where the old one is still named, nothing changes.
        let named = Vault::with_ring(&b, Some(&a), Some(&kept)).expect("opens");
        assert_eq!(named.ring_to_keep(Some(&kept)), Ok(None));
    }

    /// A store may keep a generation though nobody heard that it does; whoever adds it again adds the same.
    #[test]
    fn a_generation_that_was_added_and_not_begun_has_one_secret_however_often_it_is_added() {
        let a = master("01");
        let (vault, _) = two(&a);
        let (first, again) = (vault.add().expect("another"), vault.add().expect("the same"));
        assert_eq!(first.generation, again.generation);
        vault.begin(again.generation);
        let sealed = vault.seal(Purpose::Fact, b"what");
        for ring in [first.ring, again.ring] {
            let kept = Vault::with_ring(&a, None, Some(&ring)).expect("opens");
            assert_eq!(kept.open(Purpose::Fact, &sealed).expect("opens").as_slice(), b"what");
        }
    }

    #[test]
    fn what_was_taken_out_of_the_ring_does_not_come_back_with_the_next_generation() {
        let a = master("01");
        let vault = Vault::new(&a);
        let first = vault.seal(Purpose::Fact, b"what");
        for _ in 0..3 {
            let added = vault.add().expect("another");
            let before = vault.seal(Purpose::Fact, b"what");
            let kept = Vault::with_ring(&a, None, Some(&added.ring)).expect("opens");
            assert!(kept.open(Purpose::Fact, &before).is_ok(), "what is under the one before is still there");
            let opens_first = kept.open(Purpose::Fact, &first).is_ok();
            assert_eq!(opens_first, added.generation == Generation(2));
            vault.begin(added.generation);
        }
    }

    #[test]
    fn keys_that_the_store_does_not_have_never_take_the_place_of_its_own() {
        let a = master("01");
        let (vault, ring) = two(&a);
        assert_eq!(vault.ring_to_keep(Some(&ring)), Ok(None));
        // Opened without the ring: it knows the first generation only.
        assert_eq!(Vault::new(&a).ring_to_keep(Some(&ring)), Err(RingError::OtherKeys));
        // Another replacement of the same store.
        let (other, _) = two(&a);
        assert_eq!(other.ring_to_keep(Some(&ring)), Err(RingError::OtherKeys));
    }

    #[test]
    fn what_is_added_is_used_when_it_is_begun_and_what_is_retired_opens_until_the_end() {
        let a = master("01");
        let vault = Vault::new(&a);
        let first = vault.seal(Purpose::Fact, b"what");
        let added = vault.add().expect("there is room");
        assert_eq!(vault.seal(Purpose::Fact, b"what").0[0], 1, "nothing is under it yet");
        vault.begin(added.generation);
        let again = vault.reseal(Purpose::Fact, &first).expect("opens").expect("it is older");
        assert_eq!(again.0[0], 2);
        assert_eq!(vault.reseal(Purpose::Fact, &again).expect("opens"), None);
        let retired = vault.ring_of_newest();
        assert!(vault.open(Purpose::Fact, &first).is_ok());
        let after = Vault::with_ring(&a, None, Some(&retired)).expect("opens");
        assert!(after.open(Purpose::Fact, &first).is_err() && after.open(Purpose::Fact, &again).is_ok());
        assert_eq!((after.oldest(), after.newest()), (Generation(2), Generation(2)));
        // What others were given stays the same, and so does what is found again.
        let text = samspor_domain::Text::new("lis").expect("a name");
        assert_eq!(after.target(&text).content(b"x"), vault.target(&text).content(b"x"));
        for _ in 2..=254 {
            let added = vault.add().expect("there is room");
            vault.begin(added.generation);
        }
        assert!(vault.add().is_err(), "a number has one byte");
    }

    #[test]
    fn covers_come_off_and_no_two_generations_share_one() {
        let (vault, _) = two(&master("01"));
        for byte in 0..=255 {
            let bare = Pseudonym([byte; 16]);
            let [first, second] = [1, 2].map(|no| vault.cover(Generation(no), &bare).expect("known"));
            assert_eq!(first, bare.0, "the first has none");
            assert_ne!(second, bare.0);
            assert_eq!(vault.uncover(Generation(2), second).expect("known"), bare);
        }
        assert!(vault.cover(Generation(3), &Pseudonym([0; 16])).is_err());
    }
}
