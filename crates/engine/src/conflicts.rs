//! Consents that cannot be one person's, for someone to settle. No reference is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use samspor_domain::store::{Read, Result};
use samspor_domain::{Body, Kind, SourceName, Text};
use samspor_vault::Vault;

use crate::kept;
use crate::keyring::Keyring;
use crate::registry::{Named, reach};

/// A live consent in identity conflict. Nothing is tagged by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// The consent's id.
    pub consent: Text,
    /// How many references it reaches, by form (`cpr`, `uuid`, `case`, `grant`, `id`).
    pub references: BTreeMap<&'static str, usize>,
    /// The facts that tie them together.
    pub facts: BTreeSet<Tie>,
}

/// A fact that ties references together, by its name. Its `Display` is `case J-77 of dubu`, `identity I-1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tie {
    /// A case, a grant or an identity.
    pub kind: Kind,
    /// Where it is named, if that is a source.
    pub source: Option<SourceName>,
    /// Its id.
    pub id: Text,
}

impl Tie {
    pub(crate) fn of(fact: Named<'_>) -> Self {
        Self { kind: fact.kind, source: fact.source.cloned(), id: fact.id.clone() }
    }
}

impl fmt::Display for Tie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)?;
        self.source.as_ref().map_or(Ok(()), |source| write!(f, " of {source}"))
    }
}

/// The consents in identity conflict, by id.
pub fn conflicts(read: &mut dyn Read, vault: &Arc<Vault>) -> Result<Vec<Conflict>> {
    let keyring = Keyring::load(Arc::clone(vault), read)?;
    let mut found = Vec::new();
    for row in read.facts(Kind::Consent)? {
        let Some((id, Body::Consent(consent))) = kept::open_live(&keyring.vault, &row)? else { continue };
        let mut facts = BTreeSet::new();
        let reached = reach(read, &keyring, &id, &consent, None, &mut |fact, _| {
            facts.insert(Tie::of(fact));
        })?;
        if reached.circle.conflict {
            let mut references = BTreeMap::new();
            for reference in &reached.refs {
                *references.entry(reference.form()).or_default() += 1;
            }
            found.push(Conflict { consent: id, references, facts });
        }
    }
    found.sort();
    Ok(found)
}
