//! Facts as they are kept, for those who may see them: one, a slice of a kind, the versions of one; and a change of the
//! newest version that no other comes between.

use std::sync::Arc;

use jiff::Timestamp;
use samspor_domain::store::{FactRow, FactVersion, Read, Result, Scope};
use samspor_domain::{Body, Fact, FactNo, Kind, Rank, SourceName, State, Text};
use samspor_vault::Vault;

use crate::core::{Became, Core};
use crate::intake::Prepared;
use crate::kept;
use crate::keyring::Keyring;
use crate::writer::{Handle, Unavailable};

/// A version of a fact as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFact {
    /// The fact's number in the store.
    pub no: FactNo,
    /// What it is about.
    pub kind: Kind,
    /// Where it is named, if that is a source.
    pub source: Option<SourceName>,
    /// Its id; none where it was erased and nobody said it.
    pub id: Option<Text>,
    /// The version.
    pub version: i64,
    /// Whether it holds.
    pub rank: Rank,
    /// When the gateway learnt of it.
    pub registered: Timestamp,
    /// What it says; none where that was erased.
    pub state: Option<State>,
}

impl StoredFact {
    /// The fact that it says, unless that was erased.
    #[must_use]
    pub fn fact(&self) -> Option<Fact> {
        let (id, state) = (self.id.clone()?, self.state.clone()?);
        Some(Fact { kind: self.kind, id, version: self.version, state })
    }

    fn open(
        keyring: &Keyring,
        (no, scope, kind): (FactNo, Scope, Kind),
        version: &FactVersion,
        id: Option<&Text>,
    ) -> Result<Self> {
        let kept = kept::open_version(&keyring.vault, version)?;
        let (said, body) = kept.map_or((None, None), |kept| (Some(kept.id), kept.body));
        let state = match version.rank {
            Rank::Live => body.map(State::Live),
            Rank::Withdrawn => Some(State::Withdrawn),
            Rank::Deleted => Some(State::Deleted),
        };
        let source = match scope {
            Scope::Registry => None,
            Scope::Source(no) => keyring.name(no).cloned(),
        };
        Ok(Self {
            no,
            kind,
            source,
            id: said.or_else(|| id.cloned()),
            version: version.version,
            rank: version.rank,
            registered: version.registered,
            state,
        })
    }

    fn of(keyring: &Keyring, row: &FactRow, id: Option<&Text>) -> Result<Self> {
        Self::open(keyring, (row.no, row.scope, row.kind), &row.newest, id)
    }
}

fn find(
    read: &mut dyn Read,
    keyring: &Keyring,
    (kind, source, id): (Kind, Option<&SourceName>, &Text),
) -> Result<Option<FactRow>> {
    let scope = match source {
        None => Scope::Registry,
        Some(source) => match keyring.no(source) {
            Some(no) => Scope::Source(no),
            None => return Ok(None),
        },
    };
    read.find_fact(scope, kind, &keyring.scope(scope).id(kind, id))
}

/// The newest version of a fact, by its kind, the source that it is named in if it is, and its id.
pub fn fact(
    read: &mut dyn Read,
    vault: &Arc<Vault>,
    kind: Kind,
    source: Option<&SourceName>,
    id: &Text,
) -> Result<Option<StoredFact>> {
    let keyring = Keyring::load(Arc::clone(vault), read)?;
    let row = find(read, &keyring, (kind, source, id))?;
    row.map(|row| StoredFact::of(&keyring, &row, Some(id))).transpose()
}

/// Every version of a fact that was ever its newest, oldest registration first; none where there is no such fact.
pub fn versions(
    read: &mut dyn Read,
    vault: &Arc<Vault>,
    kind: Kind,
    source: Option<&SourceName>,
    id: &Text,
) -> Result<Option<Vec<StoredFact>>> {
    let keyring = Keyring::load(Arc::clone(vault), read)?;
    let Some(row) = find(read, &keyring, (kind, source, id))? else { return Ok(None) };
    versions_of(read, &keyring, &row, Some(id)).map(Some)
}

/// The same of a fact that was found.
pub(crate) fn versions_of(
    read: &mut dyn Read,
    keyring: &Keyring,
    row: &FactRow,
    id: Option<&Text>,
) -> Result<Vec<StoredFact>> {
    let name = (row.no, row.scope, row.kind);
    let versions = read.versions(row.no)?;
    versions.iter().map(|version| StoredFact::open(keyring, name, version, id)).collect()
}

/// The newest versions of the facts of a kind after one of them, in the order in which the store first learnt of them, at
/// most `limit`.
pub fn facts_after(
    read: &mut dyn Read,
    vault: &Arc<Vault>,
    kind: Kind,
    after: FactNo,
    limit: usize,
) -> Result<Vec<StoredFact>> {
    let keyring = Keyring::load(Arc::clone(vault), read)?;
    let rows = read.facts_after(kind, after, limit)?;
    rows.iter().map(|row| StoredFact::of(&keyring, row, None)).collect()
}

/// What came of changing the newest version of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amended {
    /// The version with this number says so now.
    Done(Became, i64),
    /// There is no such fact.
    Unknown,
    /// It is deleted or withdrawn, or what it says was erased.
    NotLive,
    /// Its newest version is this one.
    Changed(i64),
}

impl Handle {
    /// Puts the next version of a live fact that is named across the municipality: its newest one, changed. Nothing is put
    /// where the newest one is not the version that is given; or it is the next one and says what this would make it say,
    /// as when the same is asked for twice. `prepare` makes an item of the new version.
    pub async fn amend(
        &self,
        kind: Kind,
        id: Text,
        version: i64,
        change: impl Fn(&mut Body) + Send + 'static,
        prepare: impl FnOnce(Fact) -> Vec<Prepared> + Send + 'static,
    ) -> std::result::Result<Amended, Unavailable> {
        self.run(move |core, now| {
            let amended = core.amend((kind, id), version, &change, prepare, now)?;
            if !matches!(amended, Amended::Done(..)) {
                core.refuse_noted();
            }
            Ok(amended)
        })
        .await
    }
}

impl Core {
    fn amend(
        &mut self,
        (kind, id): (Kind, Text),
        version: i64,
        change: &dyn Fn(&mut Body),
        prepare: impl FnOnce(Fact) -> Vec<Prepared>,
        now: Timestamp,
    ) -> Result<Amended> {
        let Some(row) = find(&mut *self.store, &self.keyring, (kind, None, &id))? else {
            return Ok(Amended::Unknown);
        };
        let vault = Arc::clone(&self.keyring.vault);
        let Some((_, newest)) = kept::open_live(&vault, &row)? else { return Ok(Amended::NotLive) };
        let found = row.newest.version;
        let Some(next) = version.checked_add(1) else { return Ok(Amended::Changed(found)) };
        if found == next {
            let versions = self.store.versions(row.no)?;
            let before = versions.iter().rfind(|known| known.version == version);
            let before = before.map(|known| kept::open_if_live(&vault, known)).transpose()?.flatten();
            let made = before.map(|(_, mut body)| {
                change(&mut body);
                body
            });
            let is_made = made.is_some_and(|made| made == newest);
            return Ok(if is_made {
                Amended::Done(Became::Duplicate, next)
            } else {
                Amended::Changed(found)
            });
        }
        if found != version {
            return Ok(Amended::Changed(found));
        }
        let mut body = newest;
        change(&mut body);
        let items = prepare(Fact { kind, id, version: next, state: State::Live(body) });
        let became = self.take_in(&items, now)?.into_iter().next();
        Ok(Amended::Done(became.unwrap_or(Became::Empty), next))
    }
}
