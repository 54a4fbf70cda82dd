//! Payments: `RegistreringBesked` of `urn:oio:sts:ydelse:oekonomiskeffektueringindeks:6`, one for each benefit paid.

use samspor_domain::{Body, CitizenRef, Fact, Fault, Kind, Payment, Span};

use super::registration::{self, Registration};
use super::xml::Element;
use super::{grant, missing, relation, within};

/// The name of the relation to a benefit that is paid.
const RELATION: &str = "OekonomiskYdelseEffektueringRelation";

/// The payments that a registration tells of.
pub(super) fn read(registration: &Registration<'_>) -> Vec<Result<Fact, Fault>> {
    let relations: Vec<&Element> = registration.all("RelationListe", RELATION).collect();
    if registration.deleted {
        // The first payment has the object's own id, and so it is known without any relation.
        return (0..relations.len().max(1))
            .map(|index| registration.fact(Kind::Payment, &id(registration, index), None))
            .collect();
    }
    if relations.is_empty() {
        return vec![Err(missing(&format!("RelationListe.{RELATION}")))];
    }
    let only = relations.len() == 1;
    let attributes = registration.attributes();
    let fact = |(index, relation)| {
        let attributes = attributes.as_ref().map_err(Clone::clone)?;
        let body = Body::Payment(payment(registration, *attributes, index, relation, only)?);
        registration.fact(Kind::Payment, &id(registration, index), Some(body))
    };
    relations.into_iter().enumerate().map(fact).collect()
}

fn id(registration: &Registration<'_>, index: usize) -> String {
    match index {
        0 => registration.uuid.clone(),
        _ => format!("{}:{}", registration.uuid, index + 1),
    }
}

fn payment(
    registration: &Registration<'_>,
    attributes: Option<&Element>,
    index: usize,
    relation: &Element,
    only: bool,
) -> Result<Payment, Fault> {
    let path = format!("RelationListe.{RELATION}[{index}]");
    let in_relation = |fault| within(&path, fault);
    let in_attributes = |fault| within("AttributListe.Egenskaber", fault);
    let shared_day = |name| attributes.map(|element| registration::day(element, name)).transpose();
    let grant = reference(registration, relation).map_err(in_relation)?;
    let mut amount = registration::amount(relation, "Ydelsesbeloeb").map_err(in_relation)?;
    if amount.is_none() && only {
        let sum = attributes.map(|element| registration::amount(element, "SamletBruttobeloeb"));
        amount = sum.transpose().map_err(in_attributes)?.flatten();
    }
    let on = shared_day("Dispositionsdato").map_err(in_attributes)?.flatten();
    let mut period = Span {
        from: registration::day(relation, "YdelsesperiodeStartdato").map_err(in_relation)?,
        to: registration::day(relation, "YdelsesperiodeSlutdato").map_err(in_relation)?,
    };
    if period == Span::default() {
        period.from = shared_day("Startdato").map_err(in_attributes)?.flatten();
        period.to = shared_day("Slutdato").map_err(in_attributes)?.flatten();
    }
    Ok(Payment {
        grant,
        amount: amount.ok_or_else(|| in_relation(missing("Ydelsesbeloeb")))?,
        on: on.ok_or_else(|| in_attributes(missing("Dispositionsdato")))?,
        period,
    })
}

/// The grant that is paid.
fn reference(registration: &Registration<'_>, relation: &Element) -> Result<CitizenRef, Fault> {
    let named = relation.child("BevilgetYdelseRef").ok_or_else(|| missing("BevilgetYdelseRef"))?;
    let uuid =
        named.text("UUIDIdentifikator").ok_or_else(|| missing("BevilgetYdelseRef.UUIDIdentifikator"))?;
    let uuid = relation::object_id(uuid);
    // A benefit without an id has its grant's, see `grant::read`.
    let id = named.text("BevilgetYdelseId").map_or(uuid.clone(), |id| grant::id(&uuid, id));
    let id = relation::name(&id).map_err(|fault| within("BevilgetYdelseRef", fault))?;
    Ok(CitizenRef::Grant(registration.source.clone(), id))
}
