//! Who is one person: the references that are reached from a consent's own, and whether they contradict each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Body, CitizenRef, Cpr, IdentityKind, SourceName, Text};

/// More references than this in one closure are an identity conflict.
pub const MAX_REFERENCES: usize = 64;

/// References that one fact ties together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The references.
    pub refs: Vec<CitizenRef>,
    /// Whether the fact says that a CPR number was changed.
    pub is_cpr_change: bool,
}

impl Link {
    /// What a live fact ties together: a case its own reference and its citizen's; a grant its own, its citizen's and
    /// its case's; an identity its references. `source` is where a case or grant is named.
    #[must_use]
    pub fn of(source: Option<&SourceName>, id: &Text, body: &Body) -> Option<Self> {
        let refs = match (body, source) {
            (Body::Identity(identity), _) => {
                let is_cpr_change = identity.kind == IdentityKind::CprChange;
                return Some(Self { refs: identity.refs.clone(), is_cpr_change });
            }
            (Body::Case(case), Some(source)) => {
                vec![CitizenRef::Case(source.clone(), id.clone()), case.citizen.clone()]
            }
            (Body::Grant(grant), Some(source)) => {
                let case = grant.case.clone().map(|case| CitizenRef::Case(source.clone(), case));
                [Some(CitizenRef::Grant(source.clone(), id.clone())), grant.citizen.clone(), case]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            _ => return None,
        };
        Some(Self { refs, is_cpr_change: false })
    }
}

/// Every reference that is reached from one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Closure {
    /// The references, the first among them.
    pub refs: BTreeSet<CitizenRef>,
    /// Whether they cannot all be one person's.
    pub conflict: bool,
}

/// Follows links from `start` until nothing new is reached. `links_at` gives the links of live facts that hold a
/// reference: identity facts, and cases and grants of the consent's named sources.
pub fn closure<E>(
    start: CitizenRef,
    mut links_at: impl FnMut(&CitizenRef) -> Result<Vec<Link>, E>,
) -> Result<Closure, E> {
    let mut refs = BTreeSet::from([start.clone()]);
    let mut changes = Vec::new();
    let mut to_visit = vec![start];
    while let Some(reference) = to_visit.pop() {
        for link in links_at(&reference)? {
            if link.is_cpr_change {
                changes.push(link.refs.iter().filter_map(CitizenRef::cpr).collect());
            }
            for reached in link.refs {
                if refs.insert(reached.clone()) {
                    to_visit.push(reached);
                }
            }
        }
    }
    let conflict =
        refs.len() > MAX_REFERENCES || !one_person(refs.iter().filter_map(CitizenRef::cpr), &changes);
    Ok(Closure { refs, conflict })
}

/// Whether changes connect all the CPR numbers that are not replacement numbers. A replacement number may be a link.
fn one_person(numbers: impl Iterator<Item = Cpr>, changes: &[Vec<Cpr>]) -> bool {
    let mut leader: BTreeMap<Cpr, Cpr> = BTreeMap::new();
    fn find(leader: &BTreeMap<Cpr, Cpr>, mut cpr: Cpr) -> Cpr {
        while let Some(&next) = leader.get(&cpr).filter(|&&next| next != cpr) {
            cpr = next;
        }
        cpr
    }
    for change in changes {
        for pair in change.windows(2) {
            let (a, b) = (find(&leader, pair[0]), find(&leader, pair[1]));
            if a != b {
                leader.insert(a, b);
            }
        }
    }
    let mut groups = numbers.filter(|cpr| !cpr.is_replacement()).map(|cpr| find(&leader, cpr));
    let first = groups.next();
    groups.all(|group| Some(group) == first)
}
