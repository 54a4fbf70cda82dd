//! What every registration says: of which object, since when, and whether the object is deleted.

use jiff::Timestamp;
use jiff::civil::Date;
use samspor_domain::{Amount, Body, Fact, Fault, Kind, Reason, SourceName, State, Text};

use super::relation::{self, NOT_A_TIME};
use super::xml::Element;
use super::{missing, within};
use crate::calendar::{self, Moment};

/// One registration of an object.
pub(super) struct Registration<'e> {
    /// Where ids without a system are named.
    pub(super) source: &'e SourceName,
    /// The object's id.
    pub(super) uuid: String,
    /// When it was registered.
    pub(super) at: Timestamp,
    /// The same in microseconds since 1970.
    version: i64,
    /// Whether the object is deleted with it.
    pub(super) deleted: bool,
    element: &'e Element,
}

impl<'e> Registration<'e> {
    /// Reads what all objects have.
    pub(super) fn read(source: &'e SourceName, uuid: &str, element: &'e Element) -> Result<Self, Fault> {
        const FROM: &str = "FraTidspunkt";
        let invalid = |message| Fault::at(Reason::InvalidField, FROM, message);
        let from = element.child(FROM).ok_or_else(|| missing(FROM))?;
        let written =
            from.text("TidsstempelDatoTid").ok_or_else(|| missing("FraTidspunkt.TidsstempelDatoTid"))?;
        let at = Moment::parse(written).and_then(Moment::instant).ok_or_else(|| invalid(NOT_A_TIME))?;
        let version = at.as_microsecond();
        if version < 1 {
            return Err(invalid("is before 1970, which cannot be a version"));
        }
        let deleted = match element.text("LivscyklusKode").ok_or_else(|| missing("LivscyklusKode"))? {
            "Slettet" => true,
            "Opstaaet" | "Importeret" | "Passiveret" | "Rettet" => false,
            _ => {
                return Err(Fault::at(
                    Reason::InvalidField,
                    "LivscyklusKode",
                    "is none of the codes of the schema",
                ));
            }
        };
        Ok(Self { source, uuid: uuid.to_owned(), at, version, deleted, element })
    }

    /// A fact with this registration's version.
    pub(super) fn fact(&self, kind: Kind, id: &str, body: Option<Body>) -> Result<Fact, Fault> {
        let id = Text::new(id).map_err(|error| Fault::new(Reason::InvalidField, error.to_string()))?;
        Ok(Fact { kind, id, version: self.version, state: body.map_or(State::Deleted, State::Live) })
    }

    /// The elements of one of its three lists.
    pub(super) fn all(&self, list: &'e str, name: &'e str) -> impl Iterator<Item = &'e Element> + use<'e> {
        self.element.child(list).into_iter().flat_map(move |list| list.all(name))
    }

    /// The attributes that count.
    pub(super) fn attributes(&self) -> Result<Option<&'e Element>, Fault> {
        relation::newest(self.all("AttributListe", "Egenskaber"), self.at)
            .map_err(|fault| within("AttributListe", fault))
    }

    /// The relations of a name that count.
    pub(super) fn relations(&self, name: &'e str) -> Result<Vec<&'e Element>, Fault> {
        relation::in_force(self.all("RelationListe", name), self.at)
            .map_err(|fault| within("RelationListe", fault))
    }
}

/// The day in an element.
pub(super) fn day(element: &Element, name: &str) -> Result<Option<Date>, Fault> {
    let read = |text| calendar::day(text).ok_or_else(|| Fault::at(Reason::InvalidField, name, NOT_A_TIME));
    element.text(name).map(read).transpose()
}

/// The amount in an element.
pub(super) fn amount(element: &Element, name: &str) -> Result<Option<Amount>, Fault> {
    let read = |text| {
        Amount::from_xml_decimal(text)
            .map_err(|error| Fault::at(Reason::InvalidAmount, name, error.to_string()))
    };
    element.text(name).map(read).transpose()
}
