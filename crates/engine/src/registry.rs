//! The registry in memory: solutions, splits, and of persons those alone whom a live consent reaches.
//!
//! Which references a consent reaches is never stored. It is computed from facts when the gateway starts and when a
//! fact changes, and lives here only.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use samspor_domain::store::{Reach, Read, Result, Store};
use samspor_domain::{
    Body, Charts, Circle, CitizenRef, Consent, Enrolled, FactNo, Kind, Known, Link, Pseudonym, Scope,
    Solution, SourceName, SourceNo, Span, Split, Text, closure, days_after, days_before, overlap,
};

use crate::kept;
use crate::keyring::Keyring;

/// A live consent, and what it reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) circle: Circle,
    /// The closure.
    pub(crate) refs: BTreeSet<CitizenRef>,
    /// The closure's pseudonyms under the keys of the named sources.
    pub(crate) bridge: BTreeSet<(SourceNo, Pseudonym)>,
}

pub(crate) struct Registry {
    charts: Charts,
    solutions: BTreeMap<Text, (FactNo, Solution)>,
    /// By solution, then id.
    splits: BTreeMap<Text, BTreeMap<Text, Split>>,
    consents: BTreeMap<FactNo, Reached>,
    by_bridge: HashMap<(SourceNo, Pseudonym), Vec<FactNo>>,
    by_reference: HashMap<CitizenRef, BTreeSet<FactNo>>,
    /// A consent has come to reach less.
    shrunk: bool,
}

impl Registry {
    /// What is known now, or was known at an instant.
    pub(crate) fn load(
        read: &mut (impl Read + ?Sized),
        keyring: &Keyring,
        charts: Charts,
        as_of: Option<Timestamp>,
    ) -> Result<Self> {
        let mut registry = Self {
            charts,
            solutions: BTreeMap::new(),
            splits: BTreeMap::new(),
            consents: BTreeMap::new(),
            by_bridge: HashMap::new(),
            by_reference: HashMap::new(),
            shrunk: false,
        };
        for kind in [Kind::Solution, Kind::Split, Kind::Consent] {
            for row in read.facts(kind)? {
                match kept::open_as_of(&keyring.vault, read, &row, as_of)? {
                    Some((id, Body::Solution(solution))) => {
                        registry.solutions.insert(id, (row.no, *solution));
                    }
                    Some((id, Body::Split(split))) => {
                        registry.splits.entry(split.solution.clone()).or_default().insert(id, split);
                    }
                    Some((id, Body::Consent(consent))) => {
                        let reached = reach(read, keyring, &id, &consent, as_of, &mut |_, _| {})?;
                        registry.replace(row.no, Some(reached));
                    }
                    _ => {}
                }
            }
        }
        Ok(registry)
    }

    /// Puts what a consent reaches in place of what it reached.
    fn replace(&mut self, no: FactNo, reached: Option<Reached>) -> Option<Reached> {
        let before = self.consents.remove(&no);
        if let Some(before) = &before {
            self.shrunk |= reached.as_ref().is_none_or(|after| {
                !before.refs.is_subset(&after.refs) || !before.bridge.is_subset(&after.bridge)
            });
            for key in &before.bridge {
                if let Some(all) = self.by_bridge.get_mut(key) {
                    all.retain(|other| *other != no);
                    if all.is_empty() {
                        self.by_bridge.remove(key);
                    }
                }
            }
            for reference in &before.refs {
                if let Some(all) = self.by_reference.get_mut(reference) {
                    all.remove(&no);
                    if all.is_empty() {
                        self.by_reference.remove(reference);
                    }
                }
            }
        }
        if let Some(reached) = reached {
            for key in &reached.bridge {
                self.by_bridge.entry(*key).or_default().push(no);
            }
            for reference in &reached.refs {
                self.by_reference.entry(reference.clone()).or_default().insert(no);
            }
            self.consents.insert(no, reached);
        }
        before
    }

    /// Takes in a fact that changed from one body to another, and answers which postings that can affect, by the old or
    /// the new reach. The store must already hold the new one.
    pub(crate) fn change(
        &mut self,
        store: &mut dyn Store,
        keyring: &mut Keyring,
        fact: &Changed<'_>,
    ) -> Result<Vec<Reach>> {
        match fact.kind {
            Kind::Solution => Ok(self.change_solution(fact)),
            Kind::Split => Ok(self.change_split(fact)),
            Kind::Consent => {
                let reached = match fact.new {
                    Some(Body::Consent(consent)) => {
                        for name in &consent.sources {
                            keyring.enter(store, name)?;
                        }
                        Some(reach(store, keyring, fact.id, consent, None, &mut |_, _| {})?)
                    }
                    _ => None,
                };
                let before = self.replace(fact.no, reached);
                Ok(self.affected(before.as_ref(), self.consents.get(&fact.no)))
            }
            Kind::Identity | Kind::Case | Kind::Grant | Kind::Enrolment => {
                self.change_person(store, keyring, fact)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn change_person(
        &mut self,
        store: &mut dyn Store,
        keyring: &Keyring,
        fact: &Changed<'_>,
    ) -> Result<Vec<Reach>> {
        let mut touched = BTreeSet::new();
        for body in [fact.old, fact.new].into_iter().flatten() {
            for reference in kept::references(fact.source, fact.id, body) {
                touched.extend(self.by_reference.get(&reference).into_iter().flatten().copied());
            }
        }
        let mut affected = Vec::new();
        for no in touched {
            let Some(row) = store.fact(no)? else { continue };
            let Some((id, Body::Consent(consent))) = kept::open_live(&keyring.vault, &row)? else { continue };
            let reached = reach(store, keyring, &id, &consent, None, &mut |_, _| {})?;
            let before = self.replace(no, Some(reached));
            affected.extend(self.affected(before.as_ref(), self.consents.get(&no)));
        }
        Ok(affected)
    }

    fn change_solution(&mut self, fact: &Changed<'_>) -> Vec<Reach> {
        let solution = |body: Option<&Body>| match body {
            Some(Body::Solution(solution)) => Some((**solution).clone()),
            _ => None,
        };
        let (old, new) = (solution(fact.old), solution(fact.new));
        match &new {
            Some(new) => self.solutions.insert(fact.id.clone(), (fact.no, new.clone())),
            None => self.solutions.remove(fact.id),
        };
        let mut affected = vec![Reach::Solution(fact.no)];
        let whom = |s: &Solution| (s.span, s.priority, s.baseline_days, s.aftercare_days);
        if old.as_ref().map(whom) != new.as_ref().map(whom) {
            for reached in self.consents.values() {
                if reached.circle.enrolments.iter().any(|e| e.enrolment.solution == *fact.id) {
                    affected.extend(persons(&reached.bridge, Span::default()));
                }
            }
        }
        for claim in [&old, &new].into_iter().flatten().flat_map(|s| &s.claims) {
            let (low, high) = claim.account.map_or((0, u32::MAX), |prefix| prefix.codes());
            affected.push(Reach::Unreferenced(low, high, claim.span));
        }
        affected
    }

    fn change_split(&mut self, fact: &Changed<'_>) -> Vec<Reach> {
        let mut affected = Vec::new();
        if let Some(Body::Split(old)) = fact.old {
            if let Some(splits) = self.splits.get_mut(&old.solution) {
                splits.remove(fact.id);
            }
            affected.extend(self.solutions.get(&old.solution).map(|(no, _)| Reach::Solution(*no)));
        }
        if let Some(Body::Split(new)) = fact.new {
            self.splits.entry(new.solution.clone()).or_default().insert(fact.id.clone(), new.clone());
            affected.extend(self.solutions.get(&new.solution).map(|(no, _)| Reach::Solution(*no)));
        }
        affected.dedup();
        affected
    }

    /// The postings that a consent's change from one reach to another can affect.
    fn affected(&self, before: Option<&Reached>, after: Option<&Reached>) -> Vec<Reach> {
        let none = BTreeSet::new();
        let (old, new) = (before.map_or(&none, |r| &r.bridge), after.map_or(&none, |r| &r.bridge));
        let mut affected = persons(old.symmetric_difference(new), Span::default());
        if let (Some(before), Some(after)) = (before, after) {
            let who = |r: &Reached| (r.circle.conflict, r.circle.covers);
            let span = if who(before) != who(after) || before.circle.totals != after.circle.totals {
                Some(Span::default())
            } else {
                self.days_of_changes(&before.circle.enrolments, &after.circle.enrolments)
            };
            if let Some(span) = span {
                affected.extend(persons(old.intersection(new), span));
            }
        }
        affected
    }

    /// From the first to the last day on which one of the enrolments that differ can count.
    fn days_of_changes(&self, before: &[Enrolled], after: &[Enrolled]) -> Option<Span> {
        let changed = before
            .iter()
            .filter(|enrolled| !after.contains(enrolled))
            .chain(after.iter().filter(|enrolled| !before.contains(enrolled)));
        changed
            .filter_map(|enrolled| {
                let (_, solution) = self.solutions.get(&enrolled.enrolment.solution)?;
                let (from, to) = overlap(enrolled.enrolment.span, solution.span)?;
                let from = days_before(from, solution.baseline_days);
                Some((from, to.map(|to| days_after(to, solution.aftercare_days))))
            })
            .reduce(|(a_from, a_to), (b_from, b_to)| {
                (a_from.min(b_from), a_to.zip(b_to).map(|(a, b)| a.max(b)))
            })
            .map(|(from, to)| Span { from: Some(from), to })
    }

    /// The ids of the live solutions.
    pub(crate) fn solution_ids(&self) -> impl Iterator<Item = &Text> {
        self.solutions.keys()
    }

    /// Decides by other charts from now on.
    pub(crate) fn use_charts(&mut self, charts: Charts) {
        self.charts = charts;
    }

    /// The fact of a live solution.
    pub(crate) fn solution_no(&self, id: &Text) -> Option<FactNo> {
        self.solutions.get(id).map(|(no, _)| *no)
    }

    /// Whether a live consent's bridge holds a pseudonym under a source's key.
    pub(crate) fn holds(&self, source: SourceNo, reference: &Pseudonym) -> bool {
        self.by_bridge.contains_key(&(source, *reference))
    }

    /// Whether a live consent's closure holds a reference.
    pub(crate) fn reaches(&self, reference: &CitizenRef) -> bool {
        self.by_reference.contains_key(reference)
    }

    /// Whether a consent has come to reach less since this was last asked.
    pub(crate) fn take_shrunk(&mut self) -> bool {
        std::mem::take(&mut self.shrunk)
    }

    /// The live consents.
    pub(crate) fn consents(&self) -> impl Iterator<Item = (FactNo, &Reached)> {
        self.consents.iter().map(|(no, reached)| (*no, reached))
    }

    /// The registry as `decide` asks it.
    pub(crate) fn known<'a>(&'a self, keyring: &'a Keyring) -> View<'a> {
        View { registry: self, keyring }
    }
}

/// A fact whose newest version changed.
pub(crate) struct Changed<'a> {
    pub(crate) no: FactNo,
    pub(crate) kind: Kind,
    /// Who sent it; where it is named, for what is named in its source.
    pub(crate) source: &'a SourceName,
    pub(crate) id: &'a Text,
    pub(crate) old: Option<&'a Body>,
    pub(crate) new: Option<&'a Body>,
}

pub(crate) fn persons<'a>(
    bridge: impl IntoIterator<Item = &'a (SourceNo, Pseudonym)>,
    span: Span,
) -> Vec<Reach> {
    bridge.into_iter().map(|(source, pseudonym)| Reach::Person(*source, *pseudonym, span)).collect()
}

/// A fact by its name; `source` is where a case or grant is named.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) kind: Kind,
    pub(crate) source: Option<&'a SourceName>,
    pub(crate) id: &'a Text,
}

/// Follows a consent from its own reference over what the store holds. `passed` is told of each fact that ties
/// references together.
pub(crate) fn reach(
    read: &mut (impl Read + ?Sized),
    keyring: &Keyring,
    id: &Text,
    consent: &Consent,
    as_of: Option<Timestamp>,
    passed: &mut dyn FnMut(Named<'_>, &Link),
) -> Result<Reached> {
    // A source that the store does not know has sent nothing yet.
    let sources: BTreeMap<SourceNo, &SourceName> =
        consent.sources.iter().filter_map(|name| Some((keyring.no(name)?, name))).collect();
    let mut enrolments = BTreeMap::new();
    let mut grants = BTreeMap::new();
    let closure = closure(consent.citizen.clone(), |reference| -> Result<Vec<Link>> {
        let mut links = Vec::new();
        let scopes = std::iter::once(Scope::Registry).chain(sources.keys().copied().map(Scope::Source));
        for scope in scopes {
            let source = if let Scope::Source(no) = scope { sources.get(&no).copied() } else { None };
            for row in read.facts_touching(scope, &keyring.pseudonym(scope, reference))? {
                let Some((id, body)) = kept::open_as_of(&keyring.vault, read, &row, as_of)? else { continue };
                if let Body::Enrolment(enrolment) = &body
                    && enrolment.citizen == *reference
                {
                    enrolments.insert(id.clone(), Enrolled { id: id.clone(), enrolment: enrolment.clone() });
                }
                // The store finds facts that ever held the reference; what counts is what they say now.
                let Some(link) = Link::of(source, &id, &body).filter(|link| link.refs.contains(reference))
                else {
                    continue;
                };
                passed(Named { kind: body.kind(), source, id: &id }, &link);
                if let (Body::Grant(grant), Some(source)) = (&body, source) {
                    grants.insert(CitizenRef::Grant(source.clone(), id), grant.total);
                }
                links.push(link);
            }
        }
        Ok(links)
    })?;
    let mut bridge = BTreeSet::new();
    let mut totals = BTreeMap::new();
    for no in sources.keys() {
        for reference in &closure.refs {
            let pseudonym = keyring.pseudonym(Scope::Source(*no), reference);
            bridge.insert((*no, pseudonym));
            if let Some(total) = grants.get(reference) {
                totals.insert((*no, pseudonym), *total);
            }
        }
    }
    let circle = Circle {
        consent: id.clone(),
        covers: consent.covers,
        conflict: closure.conflict,
        enrolments: enrolments.into_values().collect(),
        totals,
    };
    Ok(Reached { circle, refs: closure.refs, bridge })
}

/// The registry as `decide` asks it.
pub(crate) struct View<'a> {
    registry: &'a Registry,
    keyring: &'a Keyring,
}

impl Known for View<'_> {
    fn circles(&self, source: SourceNo, reference: &Pseudonym) -> impl Iterator<Item = &Circle> {
        let consents = self.registry.by_bridge.get(&(source, *reference));
        consents.into_iter().flatten().filter_map(|no| self.registry.consents.get(no)).map(|r| &r.circle)
    }

    fn solution(&self, id: &Text) -> Option<&Solution> {
        self.registry.solutions.get(id).map(|(_, solution)| solution)
    }

    fn claimants(&self) -> impl Iterator<Item = (&Text, &Solution)> {
        let claiming =
            self.registry.solutions.iter().filter(|(_, (_, solution))| !solution.claims.is_empty());
        let mut claiming: Vec<_> = claiming.map(|(id, (_, solution))| (id, solution)).collect();
        claiming.sort_by(|(a_id, a), (b_id, b)| (a.priority, a_id).cmp(&(b.priority, b_id)));
        claiming.into_iter()
    }

    fn splits(&self, solution: &Text) -> impl Iterator<Item = (&Text, &Split)> {
        self.registry.splits.get(solution).into_iter().flatten()
    }

    fn is_grant(&self, source: SourceNo, pseudonym: &Pseudonym, grant: &CitizenRef) -> bool {
        self.keyring.pseudonym(Scope::Source(source), grant) == *pseudonym
    }

    fn charts(&self) -> &Charts {
        &self.registry.charts
    }
}
