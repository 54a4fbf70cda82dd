//! The envelope: what type of message it is, and the payloads in it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use samspor_domain::{Delivery, Fault, Reason};

use super::xml::{self, Element, Space};
use super::{Payload, missing, relation};
use crate::content_type;

/// Base64 with its padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A message that was opened.
pub(super) struct Envelope {
    /// What its type is mapped to.
    pub(super) kind: Payload,
    /// Its payloads with their paths.
    pub(super) payloads: Vec<(String, Result<Element, Fault>)>,
    /// How many elements were passed over.
    pub(super) ignored: u32,
}

/// Opens a message.
pub(super) fn open(
    message_types: &BTreeMap<String, Payload>,
    delivery: &Delivery,
) -> Result<Envelope, Fault> {
    let charset =
        content_type::check(delivery, &["application/xml", "text/xml", "application/octet-stream"])?;
    let root = xml::parse(&delivery.body, charset, None)?;
    let message = if root.is(Space::Push, "ModtagBeskedInput") {
        root.children.into_iter().find(is_message).ok_or_else(|| missing("Haendelsesbesked"))?
    } else {
        Some(root).filter(is_message).ok_or_else(|| {
            Fault::new(Reason::Undecodable, "is neither a Haendelsesbesked nor a ModtagBeskedInput with one")
        })?
    };
    let kind = kind(message_types, &message)?;
    let mut envelope = Envelope { kind, payloads: Vec::new(), ignored: 0 };
    for (index, element) in
        message.children.into_iter().filter(|child| child.is(Space::Envelope, "Beskeddata")).enumerate()
    {
        for child in element.children {
            envelope.take(&format!("Beskeddata[{index}]"), child);
        }
    }
    Ok(envelope)
}

fn is_message(element: &Element) -> bool {
    element.is(Space::Envelope, "Haendelsesbesked")
}

fn kind(message_types: &BTreeMap<String, Payload>, message: &Element) -> Result<Payload, Fault> {
    const PATH: &str = "Beskedkuvert.Filtreringsdata.Beskedtype";
    let found = message.child("Beskedkuvert").and_then(|kuvert| kuvert.child("Filtreringsdata"));
    let id = found.and_then(|data| data.child("Beskedtype")).and_then(relation::identifier);
    let id = id.ok_or_else(|| missing(PATH))?;
    let normal = relation::object_id(id.written()).to_ascii_lowercase();
    message_types.get(&normal).copied().ok_or_else(|| {
        Fault::at(Reason::UnknownType, PATH, "is a message type that the source's configuration does not map")
    })
}

impl Envelope {
    /// Takes an element of `Beskeddata`, if it is a payload.
    fn take(&mut self, path: &str, element: Element) {
        if element.is(self.kind.space(), "RegistreringBesked") {
            self.ignored += element.extensions();
            self.payloads.push((format!("{path}.RegistreringBesked"), Ok(element)));
        } else if element.is(Space::Base64, "Base64") && is_xml(&element) {
            let path = format!("{path}.Base64");
            match inner(&element) {
                Ok(inner) if inner.is(self.kind.space(), "RegistreringBesked") => {
                    self.ignored += inner.extensions();
                    self.payloads.push((format!("{path}.RegistreringBesked"), Ok(inner)));
                }
                Ok(_) => self.ignored += 1,
                Err(fault) => self.payloads.push((path, Err(fault))),
            }
        } else {
            self.ignored += 1;
        }
    }
}

/// Whether the content is XML, or does not say what it is.
fn is_xml(element: &Element) -> bool {
    element.attribute("content-type").is_none_or(|given| {
        let media = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        media.is_empty() || media.ends_with("/xml") || media.ends_with("+xml")
    })
}

/// The document that stands in a Base64 element.
fn inner(element: &Element) -> Result<Element, Fault> {
    let text: Vec<u8> =
        element.own_text().unwrap_or_default().bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let bytes = BASE64.decode(text).map_err(|_| Fault::new(Reason::Undecodable, "is not Base64"))?;
    xml::parse(&bytes, None, element.attribute("encoding"))
}
