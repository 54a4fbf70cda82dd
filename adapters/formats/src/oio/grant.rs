//! Grants: `RegistreringBesked` of `urn:oio:sts:ydelse:bevillingindeks:6`, one for each `BevilgetYdelse`.

use samspor_domain::{
    Body, CitizenRef, Fact, Fault, Grant, Kind, MAX_TEXT_BYTES, Period, Rate, Reason, Span, Text,
};

use super::registration::{self, Registration};
use super::relation;
use super::xml::Element;
use super::{missing, within};

/// A grant's id, by which payments name it too.
pub(super) fn id(uuid: &str, id: &str) -> String {
    format!("{uuid}:{}", relation::object_id(id))
}

/// The grants that a registration tells of.
pub(super) fn read(registration: &Registration<'_>) -> Vec<Result<Fact, Fault>> {
    let mut groups: Vec<(Option<&str>, Vec<&Element>)> = Vec::new();
    for benefit in registration.all("AttributListe", "BevilgetYdelse") {
        let id = benefit.text("Id");
        match groups.iter_mut().find(|(known, _)| *known == id) {
            Some((_, same)) => same.push(benefit),
            None => groups.push((id, vec![benefit])),
        }
    }
    if groups.is_empty() {
        return vec![Err(missing(BENEFIT))];
    }
    if registration.deleted {
        let deleted = |(given, benefits): (Option<&str>, Vec<_>)| {
            registration.fact(Kind::Grant, &own_id(registration, given, benefits.len())?, None)
        };
        return groups.into_iter().map(deleted).collect();
    }
    let shared = Shared::read(registration);
    let live = |(given, benefits): (Option<&str>, Vec<&Element>)| {
        let id = own_id(registration, given, benefits.len())?;
        let counting = relation::newest(benefits.into_iter(), registration.at);
        let benefit =
            counting.map_err(|fault| within("AttributListe", fault))?.ok_or_else(|| missing(BENEFIT))?;
        let body = grant(registration, shared.as_ref().map_err(Clone::clone)?, benefit)?;
        registration.fact(Kind::Grant, &id, Some(Body::Grant(body)))
    };
    groups.into_iter().map(live).collect()
}

/// Where benefits stand in a registration.
const BENEFIT: &str = "AttributListe.BevilgetYdelse";

/// The id of a grant whose benefit has that id, or none as that many have.
fn own_id(registration: &Registration<'_>, given: Option<&str>, benefits: usize) -> Result<String, Fault> {
    match given {
        Some(given) => Ok(id(&registration.uuid, given)),
        None if benefits == 1 => Ok(registration.uuid.clone()),
        None => {
            let message = "is left out by several, which cannot be told apart";
            Err(Fault::at(Reason::MissingField, format!("{BENEFIT}.Id"), message))
        }
    }
}

/// What all grants of a registration have in common.
struct Shared<'e> {
    citizen: Option<CitizenRef>,
    case: Option<Text>,
    attributes: Option<&'e Element>,
}

impl<'e> Shared<'e> {
    fn read(registration: &Registration<'e>) -> Result<Self, Fault> {
        let in_relations = |fault| within("RelationListe", fault);
        let parties = registration.relations("Bevillingspart")?;
        let citizen = relation::person(&parties, registration.source).map_err(in_relations)?;
        let case = relation::case(&registration.relations("Bevillingssag")?).map_err(in_relations)?;
        if citizen.is_none() && case.is_none() {
            return Err(missing("RelationListe.Bevillingspart"));
        }
        Ok(Self { citizen, case, attributes: registration.attributes()? })
    }
}

fn grant(registration: &Registration<'_>, shared: &Shared<'_>, benefit: &Element) -> Result<Grant, Fault> {
    let name = benefit
        .text("Navn")
        .or_else(|| benefit.child("Ydelse").and_then(|ydelse| ydelse.text("Ydelsesnavn")));
    Ok(Grant {
        citizen: shared.citizen.clone(),
        case: shared.case.clone(),
        account: None,
        offer: name.map(|name| relation::name(cut(name))).transpose()?,
        law: None,
        span: span(shared, benefit)?,
        rate: rate(registration, benefit).map_err(|fault| within(BENEFIT, fault))?,
        total: None,
    })
}

/// As much of a name as the domain has room for.
fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_TEXT_BYTES)]
}

fn span(shared: &Shared<'_>, benefit: &Element) -> Result<Span, Fault> {
    let end = |own: &str, of_all: &str| {
        let day = registration::day(benefit, own).map_err(|fault| within(BENEFIT, fault))?;
        match (day, shared.attributes) {
            (None, Some(attributes)) => registration::day(attributes, of_all)
                .map_err(|fault| within("AttributListe.Egenskaber", fault)),
            (day, _) => Ok(day),
        }
    };
    Ok(Span {
        from: end("BevilgetYdelseStartdato", "Bevillingstartdato")?,
        to: end("BevilgetYdelseSlutdato", "Bevillingslutdato")?,
    })
}

/// The rate of the plan that runs on the day of registration; of the last where none does.
fn rate(registration: &Registration<'_>, benefit: &Element) -> Result<Option<Rate>, Fault> {
    let today = crate::calendar::day_of(registration.at);
    let mut best = None;
    for plan in benefit.all("OekonomiskEffektueringsplan") {
        let in_plan = |fault| within("OekonomiskEffektueringsplan", fault);
        let amount = registration::amount(plan, "Ydelsesbeloeb").map_err(in_plan)?;
        let from = registration::day(plan, "EffektueringsplanStartdato").map_err(in_plan)?;
        let to = registration::day(plan, "EffektueringsplanSlutdato").map_err(in_plan)?;
        let period = plan.text("Beregningsfrekvens").and_then(period);
        let Some(amount) = amount else { continue };
        let rank = (Span { from, to }.contains(today), from);
        if best.is_none_or(|(known, _)| known <= rank) {
            best = Some((rank, period.map(|per| Rate { amount, per })));
        }
    }
    Ok(best.and_then(|(_, rate)| rate))
}

/// The period that a frequency means. The schema leaves the words open; these are the Danish ones for the four.
fn period(frequency: &str) -> Option<Period> {
    let word = frequency.to_lowercase().replace("aa", "å");
    Some(match word.as_str() {
        "dag" | "daglig" | "dagligt" | "pr. dag" | "per dag" => Period::Day,
        "uge" | "ugentlig" | "ugentligt" | "pr. uge" | "per uge" => Period::Week,
        "måned" | "månedlig" | "månedligt" | "månedsvis" | "pr. måned" | "per måned" => Period::Month,
        "engang" | "en gang" | "engangs" | "engangsydelse" | "engangsbeløb" | "én gang" => Period::Once,
        _ => return None,
    })
}
