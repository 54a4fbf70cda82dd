//! The pseudonym keys of the sources that the store knows, by number.

use std::collections::BTreeMap;
use std::sync::Arc;

use samspor_domain::store::{Read, Result, Scope, Sealed, Store};
use samspor_domain::{CitizenRef, Pseudonym, SourceName, SourceNo};
use samspor_vault::{Pseudonyms, Purpose, Vault};

/// The vault, with the keys of the registry and of each source at hand.
pub(crate) struct Keyring {
    pub(crate) vault: Arc<Vault>,
    registry: Pseudonyms,
    sources: BTreeMap<SourceNo, Pseudonyms>,
    by_name: BTreeMap<SourceName, SourceNo>,
}

impl Keyring {
    pub(crate) fn load<S: Read + ?Sized>(vault: Arc<Vault>, store: &mut S) -> Result<Self> {
        let registry = vault.registry();
        let mut keyring = Self { vault, registry, sources: BTreeMap::new(), by_name: BTreeMap::new() };
        for (no, name) in store.sources()? {
            keyring.add(no, name);
        }
        Ok(keyring)
    }

    fn add(&mut self, no: SourceNo, name: SourceName) {
        let pseudonyms = self.vault.source(&name);
        self.by_name.insert(name, no);
        self.sources.insert(no, pseudonyms);
    }

    /// The number of a source; a name that is new to the store gets one.
    pub(crate) fn enter(&mut self, store: &mut dyn Store, name: &SourceName) -> Result<SourceNo> {
        if let Some(no) = self.by_name.get(name) {
            return Ok(*no);
        }
        let no = store.source(name)?;
        self.add(no, name.clone());
        Ok(no)
    }

    /// The number of a source that the store knows.
    pub(crate) fn no(&self, name: &SourceName) -> Option<SourceNo> {
        self.by_name.get(name).copied()
    }

    /// The name of a source that the store knows.
    pub(crate) fn name(&self, no: SourceNo) -> Option<&SourceName> {
        self.by_name.iter().find(|(_, known)| **known == no).map(|(name, _)| name)
    }

    /// The keys of a scope. Numbers come from the store that the keyring was loaded from.
    pub(crate) fn scope(&self, scope: Scope) -> &Pseudonyms {
        match scope {
            Scope::Registry => &self.registry,
            Scope::Source(no) => self.sources.get(&no).unwrap_or(&self.registry),
        }
    }

    pub(crate) fn pseudonym(&self, scope: Scope, reference: &CitizenRef) -> Pseudonym {
        self.scope(scope).reference(reference)
    }

    pub(crate) fn seal_reference(&self, reference: &CitizenRef) -> Sealed {
        self.vault.seal(Purpose::Reference, &reference.canonical())
    }
}
