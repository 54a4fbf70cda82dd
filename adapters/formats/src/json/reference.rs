//! References to a citizen: exactly one of five forms.

use samspor_domain::{CitizenRef, Cpr, Fault, PersonUuid, Reason, SourceName};

use super::fields::{Field, Object};

/// The key that gives a reference its form.
const FORMS: [&str; 5] = ["cpr", "uuid", "case", "grant", "id"];

/// A reference in any form.
pub(super) fn any(field: Field<'_>) -> Result<CitizenRef, Fault> {
    read(field, &FORMS)
}

/// A reference in the grant form, which a field called `grant` takes alone.
pub(super) fn grant(field: Field<'_>) -> Result<CitizenRef, Fault> {
    read(field, &["grant"])
}

fn read(field: Field<'_>, allowed: &[&'static str]) -> Result<CitizenRef, Fault> {
    let object = field.bare_object()?;
    let mut form = None;
    let mut named_system = false;
    for (key, _) in object.entries() {
        if key == "system" {
            named_system = true;
        } else {
            let known =
                allowed.iter().find(|known| *known == key).ok_or_else(|| malformed(field, allowed))?;
            if form.replace(*known).is_some() {
                return Err(malformed(field, allowed));
            }
        }
    }
    match form {
        Some("cpr") if !named_system => object.required("cpr", cpr).map(CitizenRef::Cpr),
        Some("uuid") if !named_system => object.required("uuid", uuid).map(CitizenRef::Uuid),
        Some("case") => Ok(CitizenRef::Case(system(&object)?, object.required("case", Field::text)?)),
        Some("grant") => Ok(CitizenRef::Grant(system(&object)?, object.required("grant", Field::text)?)),
        Some("id") => Ok(CitizenRef::Local(system(&object)?, object.required("id", Field::text)?)),
        _ => Err(malformed(field, allowed)),
    }
}

fn malformed(field: Field<'_>, allowed: &[&str]) -> Fault {
    field.invalid(if allowed.len() == 1 {
        "is not a reference to a grant: expected {system, grant} and no further key"
    } else {
        "is not one reference: expected exactly one of {cpr}, {uuid}, {system, case}, {system, grant}, {system, id}, \
         and no further key"
    })
}

/// The system that the reference names, or the source where the message is named.
fn system(object: &Object<'_>) -> Result<SourceName, Fault> {
    match (object.optional("system", Field::text)?, object.system()) {
        (Some(named), _) => Ok(named),
        (None, Some(source)) => Ok(source.clone()),
        (None, None) => Err(object.missing("system")),
    }
}

fn cpr(field: Field<'_>) -> Result<Cpr, Fault> {
    Cpr::parse(field.string(Reason::InvalidCpr)?)
        .map_err(|error| field.fault(Reason::InvalidCpr, error.to_string()))
}

fn uuid(field: Field<'_>) -> Result<PersonUuid, Fault> {
    PersonUuid::parse(field.string(Reason::InvalidField)?).map_err(|error| field.invalid(error.to_string()))
}
