//! Identity conflicts, a page at a time.

use samspor_domain::Kind;
use samspor_domain::Text;
use samspor_engine::{Conflict, Tie};

use crate::question::{NotAnswered, Question, Store};
use crate::reading::{Place, Read};
use crate::v1::{
    FactKind, FactName, IdentityConflict, ListIdentityConflictsRequest, ListIdentityConflictsResponse,
    ReferenceCount, ReferenceForm,
};
use crate::{reading, refusal};

/// Conflicts of a page whose caller does not say how many.
const USUAL_PAGE: usize = 50;
/// Conflicts of a page at most.
const MAX_PAGE: i64 = 100;
/// Facts of one conflict at most; a mistake in a registry may tie any number. With the longest ids a page of these
/// stays below the four megabytes that clients take.
const MAX_FACTS: usize = 100;

/// Which conflicts are asked for.
pub(crate) struct Page {
    size: usize,
    /// Those of consents after this one.
    after: Option<Text>,
}

/// Reads a request.
pub(crate) fn page(at: Place<'_>, request: &ListIdentityConflictsRequest) -> Read<Page> {
    let size = at.field("page_size").integer(request.page_size, 0..=MAX_PAGE);
    let token = Some(request.page_token.as_str()).filter(|token| !token.is_empty());
    let after = at.field("page_token").optional(token, Place::text);
    let size: usize = size?;
    Ok(Page { size: if size == 0 { USUAL_PAGE } else { size }, after: after? })
}

impl Question for ListIdentityConflictsRequest {
    type Answer = ListIdentityConflictsResponse;
    const METHOD: &'static str = "/samspor.v1.RegistryService/ListIdentityConflicts";

    fn answer(&self, store: &mut Store<'_>) -> Result<Self::Answer, NotAnswered> {
        let page = reading::request(|at| page(at, self)).map_err(|faults| refusal::invalid(&faults))?;
        Ok(response(&samspor_engine::conflicts(store.read, store.vault)?, &page))
    }
}

/// A page of conflicts, which are ordered by consent.
pub(crate) fn response(conflicts: &[Conflict], page: &Page) -> ListIdentityConflictsResponse {
    let start = conflicts.partition_point(|conflict| Some(&conflict.consent) <= page.after.as_ref());
    let rest = &conflicts[start..];
    let shown = &rest[..rest.len().min(page.size)];
    let more = shown.last().filter(|_| shown.len() < rest.len());
    ListIdentityConflictsResponse {
        conflicts: shown.iter().map(conflict).collect(),
        // A consent's id is no secret, and later conflicts are found by it whatever became of this one.
        next_page_token: more.map(|last| last.consent.to_string()).unwrap_or_default(),
    }
}

fn conflict(conflict: &Conflict) -> IdentityConflict {
    let references = conflict
        .references
        .iter()
        .map(|(form, count)| ReferenceCount { form: reference_form(form).into(), count: number(*count) });
    IdentityConflict {
        consent: conflict.consent.to_string(),
        references: references.collect(),
        facts: conflict.facts.iter().take(MAX_FACTS).map(fact).collect(),
        fact_count: number(conflict.facts.len()),
    }
}

fn fact(tie: &Tie) -> FactName {
    let kind = match tie.kind {
        Kind::Case => FactKind::Case,
        Kind::Grant => FactKind::Grant,
        Kind::Identity => FactKind::Identity,
        // Nothing else ties references together.
        _ => FactKind::Unspecified,
    };
    let system = tie.source.as_ref().map(ToString::to_string);
    FactName { kind: kind.into(), system, id: tie.id.to_string() }
}

/// The words are those of `CitizenRef::form`.
fn reference_form(word: &str) -> ReferenceForm {
    match word {
        "cpr" => ReferenceForm::Cpr,
        "uuid" => ReferenceForm::Uuid,
        "case" => ReferenceForm::CaseId,
        "grant" => ReferenceForm::GrantId,
        "id" => ReferenceForm::PersonId,
        _ => ReferenceForm::Unspecified,
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use prost::Message;
    use samspor_domain::{CitizenRef, Cpr, PersonUuid};

    use super::*;

    fn text(text: &str) -> Text {
        Text::new(text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn of(consent: &str) -> Conflict {
        Conflict { consent: text(consent), references: BTreeMap::from([("cpr", 2)]), facts: BTreeSet::new() }
    }

    fn ask(page_size: i32, page_token: &str) -> Option<Page> {
        let request = ListIdentityConflictsRequest { page_size, page_token: page_token.into() };
        reading::request(|at| page(at, &request)).ok()
    }

    #[test]
    fn pages_hold_every_conflict_once_whatever_their_size() {
        let ids: Vec<String> = (0..7).map(|n| format!("C-{n}")).collect();
        let conflicts: Vec<Conflict> = ids.iter().map(|id| of(id)).collect();
        for size in [0, 1, 2, 3, 6, 7, 8, 100] {
            let (mut seen, mut token) = (Vec::new(), String::new());
            loop {
                let answer = response(&conflicts, &ask(size, &token).expect("a good request"));
                assert!(size == 0 || answer.conflicts.len() <= size as usize);
                seen.extend(answer.conflicts.into_iter().map(|conflict| conflict.consent));
                token = answer.next_page_token;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!(seen, ids, "pages of {size}");
        }
        // The one that a page ended with was settled meanwhile.
        let rest = response(&conflicts[4..], &ask(2, "C-3").expect("a good request"));
        assert_eq!(rest.conflicts[0].consent, "C-4");
        assert!(ask(-1, "").is_none() && ask(101, "").is_none() && ask(1, &"x".repeat(121)).is_none());
    }

    #[test]
    fn every_form_is_told_and_the_largest_page_is_one_that_clients_take() {
        let cpr = Cpr::parse("6112801234").unwrap_or_else(|error| panic!("{error}"));
        let uuid = PersonUuid::parse(&"ab".repeat(16)).unwrap_or_else(|error| panic!("{error}"));
        let named = |make: fn(Text, Text) -> CitizenRef| make(text("dubu"), text("1"));
        let all = [
            CitizenRef::Cpr(cpr),
            CitizenRef::Uuid(uuid),
            named(CitizenRef::Case),
            named(CitizenRef::Grant),
            named(CitizenRef::Local),
        ];
        let forms: BTreeSet<i32> =
            all.iter().map(|reference| reference_form(reference.form()).into()).collect();
        assert_eq!(forms, (1..=5).collect());

        let long = |n: usize| text(&format!("{n:0>120}"));
        let ties = (0..1_000).map(|n| Tie { kind: Kind::Case, source: Some(long(n)), id: long(n) });
        let facts: BTreeSet<Tie> = ties.collect();
        let references = all.iter().map(|reference| (reference.form(), 1_000)).collect::<BTreeMap<_, _>>();
        let conflicts: Vec<Conflict> = (0..200)
            .map(|n| Conflict { consent: long(n), references: references.clone(), facts: facts.clone() })
            .collect();
        let answer = response(&conflicts, &ask(100, "").expect("a good request"));
        assert_eq!((answer.conflicts.len(), answer.conflicts[0].fact_count), (100, 1_000));
        assert!(answer.encoded_len() < 4 << 20, "{}", answer.encoded_len());
    }
}
