//! Who is it: everything that a consent's own reference leads to.

use std::collections::BTreeSet;

use jiff::civil::Date;
use samspor_domain::{Amount, Body, CitizenRef, Consent, IdentityKind, SourceName, Text};

/// What one live consent is about.
pub(super) struct Person {
    pub(super) consent: Text,
    sources: Vec<SourceName>,
    from: Option<Date>,
    to: Option<Date>,
    refs: BTreeSet<CitizenRef>,
    pub(super) in_conflict: bool,
}

impl Person {
    pub(super) fn of(id: &Text, consent: &Consent, live: &[(SourceName, Text, Body)]) -> Self {
        let mut refs = BTreeSet::from([consent.citizen.clone()]);
        loop {
            let before = refs.len();
            for (source, id, body) in live {
                let tied = match body {
                    Body::Identity(identity) => identity.refs.clone(),
                    Body::Case(case) if consent.sources.contains(source) => {
                        vec![CitizenRef::Case(source.clone(), id.clone()), case.citizen.clone()]
                    }
                    Body::Grant(grant) if consent.sources.contains(source) => {
                        let mut tied = vec![CitizenRef::Grant(source.clone(), id.clone())];
                        tied.extend(grant.citizen.clone());
                        tied.extend(grant.case.clone().map(|case| CitizenRef::Case(source.clone(), case)));
                        tied
                    }
                    _ => continue,
                };
                if tied.iter().any(|reference| refs.contains(reference)) {
                    refs.extend(tied);
                }
            }
            if refs.len() == before {
                break;
            }
        }
        let in_conflict = refs.len() > 64 || !one_number(&refs, live);
        let (from, to) = (consent.covers.from, consent.covers.to);
        Self { consent: id.clone(), sources: consent.sources.clone(), from, to, refs, in_conflict }
    }

    /// Whether the consent lets what the source sends about the reference be linked.
    pub(super) fn holds(&self, source: &SourceName, reference: &CitizenRef) -> bool {
        self.sources.contains(source) && self.refs.contains(reference)
    }

    /// Whether the consent's dates cover a day.
    pub(super) fn covers(&self, day: Date) -> bool {
        let after_start = match self.from {
            Some(from) => from <= day,
            None => true,
        };
        let before_end = match self.to {
            Some(to) => day <= to,
            None => true,
        };
        after_start && before_end
    }

    pub(super) fn is(&self, reference: &CitizenRef) -> bool {
        self.refs.contains(reference)
    }

    /// The total of a grant, if it is known under this consent: a live grant of a named source, and the person's.
    pub(super) fn total(&self, grant: &CitizenRef, live: &[(SourceName, Text, Body)]) -> Option<Amount> {
        live.iter().find_map(|(source, id, body)| match body {
            Body::Grant(found)
                if *grant == CitizenRef::Grant(source.clone(), id.clone())
                    && self.sources.contains(source)
                    && self.is(grant) =>
            {
                found.total
            }
            _ => None,
        })
    }
}

/// Whether changes of CPR numbers connect all that are not replacement numbers.
fn one_number(refs: &BTreeSet<CitizenRef>, live: &[(SourceName, Text, Body)]) -> bool {
    let is_real = |reference: &CitizenRef| match reference {
        CitizenRef::Cpr(cpr) => matches!(cpr.reveal().as_bytes()[0], b'0'..=b'3'),
        _ => false,
    };
    let Some(first) = refs.iter().find(|reference| is_real(reference)) else { return true };
    let mut connected = BTreeSet::from([first.clone()]);
    loop {
        let before = connected.len();
        for (_, _, body) in live {
            if let Body::Identity(identity) = body
                && identity.kind == IdentityKind::CprChange
                && identity.refs.iter().any(|reference| connected.contains(reference))
            {
                connected.extend(identity.refs.iter().cloned());
            }
        }
        if connected.len() == before {
            break;
        }
    }
    refs.iter().filter(|reference| is_real(reference)).all(|reference| connected.contains(reference))
}
