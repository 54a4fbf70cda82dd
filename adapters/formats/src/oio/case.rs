//! Cases: `RegistreringBesked` of `urn:oio:sts:sagdok:sag:6`.

use jiff::Timestamp;
use samspor_domain::{Body, Case, Fact, Fault, Kind, Span};

use super::registration::Registration;
use super::relation::{self, Identifier};
use super::xml::Element;
use super::{missing, within};
use crate::calendar;

/// The status of a case that has ended.
const ENDED: &str = "Afsluttet";

/// The case that a registration tells of.
pub(super) fn read(registration: &Registration<'_>) -> Result<Fact, Fault> {
    let body = if registration.deleted { None } else { Some(Body::Case(case(registration)?)) };
    registration.fact(Kind::Case, &registration.uuid, body)
}

fn case(registration: &Registration<'_>) -> Result<Case, Fault> {
    let parties = registration.relations("Sagspart")?;
    let citizen =
        relation::person(&parties, registration.source).map_err(|fault| within("RelationListe", fault))?;
    let (status, span) = progress(registration).map_err(|fault| within("TilstandListe", fault))?;
    let from = match span.from {
        None => first_day(registration.all("AttributListe", "Egenskaber"))
            .map_err(|f| within("AttributListe", f))?,
        known => known,
    };
    Ok(Case {
        citizen: citizen.ok_or_else(|| missing("RelationListe.Sagspart"))?,
        area: None,
        kle: kle(registration)?.map(|kle| relation::name(&kle)).transpose()?,
        status: status.map(relation::name).transpose()?,
        span: Span { from, ..span },
    })
}

/// The status, and the days of the case as far as its progress tells them.
fn progress<'e>(registration: &Registration<'e>) -> Result<(Option<&'e str>, Span), Fault> {
    let states = || registration.all("TilstandListe", "Fremdrift");
    let now = relation::newest(states(), registration.at)?;
    let status = now.and_then(|state| state.text("FremdriftStatusKode"));
    let ended = now.filter(|_| status == Some(ENDED));
    let to = ended.map(|state| relation::valid(state, "FraTidspunkt")).transpose()?.flatten();
    Ok((status, Span { from: first_day(states())?, to: to.map(calendar::day_of) }))
}

/// The first day of any of the elements that tell one.
fn first_day<'e>(elements: impl Iterator<Item = &'e Element>) -> Result<Option<jiff::civil::Date>, Fault> {
    let mut first: Option<Timestamp> = None;
    for element in elements {
        let from = relation::valid(element, "FraTidspunkt")?;
        first = first.into_iter().chain(from).min();
    }
    Ok(first.map(calendar::day_of))
}

fn kle(registration: &Registration<'_>) -> Result<Option<String>, Fault> {
    let classes = registration.relations("Sagsklasse")?;
    let mut ids =
        classes.iter().filter_map(|class| class.child("ReferenceID").and_then(relation::identifier));
    Ok(ids.find_map(|id| match id {
        Identifier::Urn(urn) => relation::after_prefix(urn, "urn:oio:kle:").map(str::to_owned),
        Identifier::Uuid(_) => None,
    }))
}
