//! Finding what is held on a citizen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use samspor_domain::quarantine::{Filter, Order};
use samspor_domain::store::{EntryNo, PostingNo, PostingRow, Reach, Read, Result, Scope};
use samspor_domain::{Charts, CitizenRef, FactNo, Link, SourceName, SourceNo, Span, State, Text, follows};
use samspor_vault::Vault;

use super::{HeldEntry, HeldPosting, HeldRecord, Holdings};
use crate::facts::{self, StoredFact};
use crate::kept;
use crate::keyring::Keyring;
use crate::registry::Registry;

/// How much is read at a time.
const SLICE: usize = 500;

impl Holdings {
    /// Everything that the store holds on whom a reference means.
    pub fn find(read: &mut dyn Read, vault: &Arc<Vault>, reference: &CitizenRef) -> Result<Self> {
        let keyring = Keyring::load(Arc::clone(vault), read)?;
        let mut finder = Finder { read, keyring, held: Self::default() };
        let known = finder.references(reference)?;
        for (scope, references) in &known {
            finder.facts(*scope, references)?;
            if let Scope::Source(source) = scope {
                finder.postings(*source, references)?;
            }
        }
        finder.held.references = known.into_values().flatten().collect();
        finder.held.postings.sort_by_key(|held| held.row.no);
        finder.quarantined()?;
        Ok(finder.held)
    }
}

struct Finder<'r> {
    read: &'r mut dyn Read,
    keyring: Keyring,
    held: Holdings,
}

impl Finder<'_> {
    /// By which references they are known where.
    fn references(&mut self, given: &CitizenRef) -> Result<BTreeMap<Scope, BTreeSet<CitizenRef>>> {
        let sources: Vec<(SourceNo, SourceName)> = self.read.sources()?;
        let mut known = BTreeMap::from([(Scope::Registry, BTreeSet::from([given.clone()]))]);
        for (no, name) in &sources {
            known.insert(Scope::Source(*no), self.in_source((*no, name), given)?);
        }
        // Charts decide about postings, and about nobody's references.
        let registry = Registry::load(self.read, &self.keyring, Charts::default(), None)?;
        for (_, reached) in registry.consents().filter(|(_, reached)| reached.refs.contains(given)) {
            self.held.consents.insert(reached.circle.consent.clone());
            if reached.circle.conflict {
                continue; // What it reaches may be another person's.
            }
            let named = reached.bridge.iter().map(|(no, _)| Scope::Source(*no));
            for scope in named.chain([Scope::Registry]).collect::<BTreeSet<_>>() {
                known.entry(scope).or_default().extend(reached.refs.iter().cloned());
            }
        }
        Ok(known)
    }

    /// The reference itself, and the cases and grants of a source that are tied to it there, but for those that are another
    /// person's: a mother's case may hold a grant of her child's.
    fn in_source(
        &mut self,
        (no, name): (SourceNo, &SourceName),
        given: &CitizenRef,
    ) -> Result<BTreeSet<CitizenRef>> {
        let scope = Scope::Source(no);
        let mut found = BTreeSet::from([given.clone()]);
        let mut visit = VecDeque::from([given.clone()]);
        while let Some(reference) = visit.pop_front() {
            for row in self.read.facts_touching(scope, &self.keyring.pseudonym(scope, &reference))? {
                let Some((id, body)) = kept::open_live(&self.keyring.vault, &row)? else { continue };
                let tied = Link::of(Some(name), &id, &body).filter(|link| link.refs.contains(&reference));
                for next in tied.into_iter().flat_map(|link| link.refs) {
                    let is_thing = matches!(next, CitizenRef::Case(..) | CitizenRef::Grant(..));
                    if is_thing && !found.contains(&next) && !self.is_anothers((no, name), &next, given)? {
                        found.insert(next.clone());
                        visit.push_back(next);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Whether a case or grant says of itself that it is somebody else's.
    fn is_anothers(
        &mut self,
        (no, name): (SourceNo, &SourceName),
        thing: &CitizenRef,
        given: &CitizenRef,
    ) -> Result<bool> {
        let scope = Scope::Source(no);
        for row in self.read.facts_touching(scope, &self.keyring.pseudonym(scope, thing))? {
            let Some((id, body)) = kept::open_live(&self.keyring.vault, &row)? else { continue };
            // Its own reference comes first.
            let own = Link::of(Some(name), &id, &body).filter(|link| link.refs.first() == Some(thing));
            if own.is_some_and(|link| link.refs.iter().any(|other| is_person(other) && other != given)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn facts(&mut self, scope: Scope, references: &BTreeSet<CitizenRef>) -> Result<()> {
        let mut found: BTreeSet<FactNo> = BTreeSet::new();
        for reference in references {
            let pseudonym = self.keyring.pseudonym(scope, reference);
            for row in self.read.facts_touching(scope, &pseudonym)? {
                if !found.insert(row.no) {
                    continue;
                }
                let mut versions = facts::versions_of(self.read, &self.keyring, &row, None)?;
                // One that was about somebody else once, or is now, shows what it said of this one. One that never said anything
                // of this one is not shown, nor that it ended.
                let is_known = versions.iter().any(says);
                versions.retain(|version| is_about(version, references));
                if versions.iter().any(says) || !is_known {
                    self.held.facts.push(versions);
                }
            }
        }
        Ok(())
    }

    fn postings(&mut self, source: SourceNo, references: &BTreeSet<CitizenRef>) -> Result<()> {
        let Some(name) = self.keyring.name(source).cloned() else { return Ok(()) };
        let mut rows: BTreeMap<PostingNo, PostingRow> = BTreeMap::new();
        for reference in references {
            let pseudonym = self.keyring.pseudonym(Scope::Source(source), reference);
            let reach = Reach::Person(source, pseudonym, Span::default());
            let mut after = PostingNo::default();
            loop {
                let page = self.read.postings(&reach, after, SLICE)?;
                let (is_last, last) = (page.len() < SLICE, page.last().map(|row| row.no));
                rows.extend(page.into_iter().map(|row| (row.no, row)));
                match last {
                    Some(last) if !is_last => after = last,
                    _ => break,
                }
            }
        }
        // What reverses one of them without a reference of its own follows it.
        let mut visit: VecDeque<PostingNo> = rows.keys().copied().collect();
        while let Some(row) = visit.pop_front().and_then(|no| rows.get(&no)).cloned() {
            for reversal in self.read.reversals_of(source, &row.posting.id)? {
                if follows(&reversal.posting, &row.posting) && !rows.contains_key(&reversal.no) {
                    visit.push_back(reversal.no);
                    rows.insert(reversal.no, reversal);
                }
            }
        }
        let forwardings = self.read.forwardings()?.into_iter();
        let targets: Vec<Text> = forwardings.filter(|of| of.source == source).map(|of| of.target).collect();
        for (no, row) in rows {
            let mut records = Vec::new();
            for record in self.read.records_of(no)? {
                let said = kept::open_revision(&self.keyring.vault, &record)?;
                let (seq, revision, registered) = (record.seq, record.revision, record.registered);
                records.push(HeldRecord { seq, revision, registered, said });
            }
            let handed = self.read.handed_of(no)?;
            let mut passes_on_to = Vec::new();
            for target in &targets {
                if self.read.forward_no(target, no)?.is_some() {
                    passes_on_to.push(target.clone());
                }
            }
            self.held.postings.push(HeldPosting { source: name.clone(), row, records, handed, passes_on_to });
        }
        Ok(())
    }

    /// What lies in quarantine was not understood, so that it can only be looked for in its bytes.
    fn quarantined(&mut self) -> Result<()> {
        let forms: Vec<Vec<u8>> = self.held.references.iter().flat_map(writings).collect();
        if forms.is_empty() {
            return Ok(());
        }
        let mut after: Option<EntryNo> = None;
        loop {
            let page = self.read.entries(&Filter::default(), Order::OldestFirst, after, SLICE)?;
            for entry in page.iter().filter(|entry| !entry.erased) {
                let Some(sealed) = self.read.sealed_entry(entry.no)? else { continue };
                let body = kept::open_body(&self.keyring.vault, &sealed)?.body;
                let holds =
                    |form: &Vec<u8>| body.windows(form.len()).any(|bytes| bytes.eq_ignore_ascii_case(form));
                if let (true, Some(source)) = (forms.iter().any(holds), self.keyring.name(entry.source)) {
                    let (no, registered, source) = (entry.no, entry.registered, source.clone());
                    let sets = self.read.sets_of(no)?;
                    self.held.quarantined.push(HeldEntry { no, source, registered, sets });
                }
            }
            match page.last() {
                Some(last) if page.len() == SLICE => after = Some(last.no),
                _ => return Ok(()),
            }
        }
    }
}

/// Whether it means a person, by whatever number.
fn is_person(reference: &CitizenRef) -> bool {
    matches!(reference, CitizenRef::Cpr(_) | CitizenRef::Uuid(_) | CitizenRef::Local(..))
}

/// Whether a version says something, as one that ended or was erased does not.
fn says(version: &StoredFact) -> bool {
    matches!(version.state, Some(State::Live(_)))
}

/// Whether a version is about somebody with one of these references: it names them, or a case or grant of theirs and nobody. One
/// that ended, and says nothing more, is.
fn is_about(version: &StoredFact, references: &BTreeSet<CitizenRef>) -> bool {
    let Some((id, State::Live(body))) = version.id.as_ref().zip(version.state.as_ref()) else { return true };
    let source = version.source.as_ref().unwrap_or(id); // Only what is named in a source has references that say it.
    let named = kept::references(source, id, body);
    let persons: Vec<_> = named.iter().filter(|reference| is_person(reference)).collect();
    let decides = if persons.is_empty() { named.iter().collect() } else { persons };
    decides.into_iter().any(|reference| references.contains(reference))
}

/// How a number or UUID may be written in bytes that nobody understood. A system's own ids are not looked for: they may be
/// as short as one digit.
fn writings(reference: &CitizenRef) -> Vec<Vec<u8>> {
    let parted = |text: String, places: &[usize], with: &str| {
        let mut parted = text;
        places.iter().rev().for_each(|at| parted.insert_str(*at, with));
        parted.into_bytes()
    };
    match reference {
        CitizenRef::Cpr(cpr) => ["", "-", " "].map(|with| parted(cpr.reveal(), &[6], with)).into(),
        CitizenRef::Uuid(uuid) => ["", "-"].map(|with| parted(uuid.reveal(), &[8, 12, 16, 20], with)).into(),
        CitizenRef::Case(..) | CitizenRef::Grant(..) | CitizenRef::Local(..) => Vec::new(),
    }
}
