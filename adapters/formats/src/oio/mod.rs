//! OIO: the `Haendelsesbesked` of the common public message distributor (SF1461), with cases, grants and payments.
//!
//! # The envelope
//!
//! `{urn:oio:besked:kuvert:1.0}Haendelsesbesked`, or the push variant that wraps it in
//! `{urn:oio:sts:1.0.0}ModtagBeskedInput`. `Beskedkuvert/Filtreringsdata/Beskedtype` (a UUID or a URN, compared without
//! regard to case) says through [`Settings::message_types`] what the payload is. In each `Beskeddata` the payload stands
//! inline, or as a document of its own in `{urn:besked:kuvert:1.0}Base64`. Whatever else stands there is passed over and
//! counted; a message in which no payload is found goes to quarantine.
//!
//! Names are told apart by namespace URI, never by prefix. Within a payload, elements of the OIO namespaces are told
//! apart by their local name alone, since writers differ on which of the schemas' namespaces a relation's inner elements
//! belong to; elements of any other namespace are extensions, and never read. A `DOCTYPE`, an entity beyond the five of
//! XML, too much depth or too many elements are refused. Encodings are UTF-8 and the ISO-8859-1 family, by byte order
//! mark, by the content type's charset, or by the declaration, in that order (RFC 7303, section 3).
//!
//! # The mapping
//!
//! Every payload is a `RegistreringBesked` with the object's UUID and its `Registrering`.
//!
//! | of the fact | from |
//! |---|---|
//! | version | `Registrering/FraTidspunkt`, the instant of registration, in whole microseconds since 1970 UTC; a time without offset is Europe/Copenhagen |
//! | deleted | `LivscyklusKode` is `Slettet`. `Passiveret` is not: what is passive still tells who is who |
//! | ids | UUIDs in lower case with hyphens, whatever their writing; what is no UUID (even `1` has been seen) as it stands |
//! | references | a UUID is a person's UUID, `urn:oio:cpr-nr:` a CPR number, `urn:oio:us:personid:` an id of this source; companies (`urn:oio:cvr-nr:`, `urn:oio:cvr:`) and other URNs are nobody |
//!
//! What has a `Virkning` counts if that holds at the instant of registration; if none does, all count. Where several
//! different persons or cases count, the one with the lowest `Indeks` is meant; where `Indeks` does not say, the message
//! goes to quarantine, for a wrong link would join two persons' data.
//!
//! | `case`, of `{urn:oio:sts:sagdok:sag:6}` | from |
//! |---|---|
//! | id | the object's UUID |
//! | citizen | `RelationListe/Sagspart` |
//! | kle | the first `RelationListe/Sagsklasse` that is `urn:oio:kle:…` |
//! | status | `TilstandListe/Fremdrift/FremdriftStatusKode`, the word as it stands |
//! | from | the first day of any `Fremdrift`, else of `Egenskaber` |
//! | to | the first day of the status `Afsluttet`, if that is the status |
//!
//! | `grant`, of `{urn:oio:sts:ydelse:bevillingindeks:6}` | from |
//! |---|---|
//! | one for each | `AttributListe/BevilgetYdelse` with an `Id` of its own; of several with the same, the one that counts |
//! | id | the object's UUID, `:` and `Id`; without `Id` the UUID alone, which only one may do |
//! | citizen, case | `RelationListe/Bevillingspart`, `RelationListe/Bevillingssag` (a UUID: the id of a case of this source) |
//! | offer | `Navn`, else `Ydelse/Ydelsesnavn`, cut to 120 bytes |
//! | from, to | `BevilgetYdelseStartdato`, `BevilgetYdelseSlutdato`, else those of `Egenskaber` |
//! | rate | `OekonomiskEffektueringsplan`: `Ydelsesbeloeb` and `Beregningsfrekvens`, if that is a known word for day, week, month or once; no rate otherwise |
//! | account, law, total | none: the schemas have no place for them |
//!
//! | `payment`, of `{urn:oio:sts:ydelse:oekonomiskeffektueringindeks:6}` | from |
//! |---|---|
//! | one for each | `RelationListe/OekonomiskYdelseEffektueringRelation` |
//! | id | the object's UUID; from the second on with `:2`, `:3`, … |
//! | grant | `BevilgetYdelseRef`: its UUID, `:` and `BevilgetYdelseId`, as a grant of this source |
//! | amount | `Ydelsesbeloeb`; where there is only one relation and it has none, `Egenskaber/SamletBruttobeloeb` |
//! | on | `Egenskaber/Dispositionsdato` |
//! | period | `YdelsesperiodeStartdato`, `YdelsesperiodeSlutdato`, else `Startdato`, `Slutdato` of `Egenskaber` |
//!
//! Days are Europe/Copenhagen's. Names of persons (`FuldtNavn`), titles, grounds and notes are never read. A deleted
//! object's parts are known by what the deletion lists. One that lists no payment deletes that with the object's own id;
//! one that lists no `BevilgetYdelse` goes to quarantine, since nothing tells which grants it means. What a later
//! registration merely no longer lists stays as it was, since each message is read on its own.

mod case;
mod envelope;
mod grant;
mod payment;
mod registration;
mod relation;
mod sending;
#[cfg(test)]
mod tests;
mod xml;

use std::collections::BTreeMap;

use samspor_domain::{Decode, Delivery, Fault, Item, Message, Reason, SourceName};

use registration::Registration;
pub use sending::{Encoder, Sender, message_id, status};
use xml::{Element, Space};

/// What one source's message types mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The payload by message type: a UUID or a URN, in any case. The types' UUIDs are not public.
    pub message_types: BTreeMap<String, Payload>,
}

/// What a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Payload {
    /// A case: `{urn:oio:sts:sagdok:sag:6}RegistreringBesked`.
    Case,
    /// Grants: `{urn:oio:sts:ydelse:bevillingindeks:6}RegistreringBesked`.
    Grant,
    /// Payments: `{urn:oio:sts:ydelse:oekonomiskeffektueringindeks:6}RegistreringBesked`.
    Payment,
}

impl Payload {
    fn space(self) -> Space {
        match self {
            Self::Case => Space::Case,
            Self::Grant => Space::Grant,
            Self::Payment => Space::Payment,
        }
    }
}

/// Reads the OIO envelope with its payloads.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// By the normal form of the type's identifier.
    message_types: BTreeMap<String, Payload>,
}

impl Decoder {
    /// A decoder for a source with these message types.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let normal =
            |(id, payload): (String, Payload)| (relation::object_id(&id).to_ascii_lowercase(), payload);
        Self { message_types: settings.message_types.into_iter().map(normal).collect() }
    }
}

impl Decode for Decoder {
    fn decode(&self, source: &SourceName, delivery: &Delivery) -> Vec<Item> {
        let (contents, ignored) = match envelope::open(&self.message_types, delivery) {
            Ok(envelope) => (contents(source, &envelope), envelope.ignored),
            Err(fault) => (vec![Err(fault)], 0),
        };
        let mut ignored = Some(ignored);
        // What was passed over belongs to the message, so it is counted once, with its first item.
        let item =
            |content| Item { content, excerpt: None, ignored_fields: ignored.take().unwrap_or_default() };
        contents.into_iter().map(item).collect()
    }
}

fn contents(source: &SourceName, envelope: &envelope::Envelope) -> Vec<Result<Message, Fault>> {
    let mut contents = Vec::new();
    for (path, payload) in &envelope.payloads {
        match payload {
            Ok(besked) => {
                for content in besked_contents(source, envelope.kind, besked) {
                    let content =
                        content.and_then(|message| samspor_domain::check_names(&message).map(|()| message));
                    contents.push(content.map_err(|fault| within(path, fault)));
                }
            }
            Err(fault) => contents.push(Err(within(path, fault.clone()))),
        }
    }
    if contents.is_empty() {
        let message = "holds no payload of the kind that its message type is mapped to";
        contents.push(Err(Fault::at(Reason::MissingField, "Beskeddata", message)));
    }
    contents
}

fn besked_contents(source: &SourceName, kind: Payload, besked: &Element) -> Vec<Result<Message, Fault>> {
    let Some(uuid) = besked.text("UUIDIdentifikator") else { return vec![Err(missing("UUIDIdentifikator"))] };
    let mut contents = Vec::new();
    for registration in besked.all("Registrering") {
        let registration = match Registration::read(source, &relation::object_id(uuid), registration) {
            Ok(registration) => registration,
            Err(fault) => {
                contents.push(Err(within("Registrering", fault)));
                continue;
            }
        };
        let facts = match kind {
            Payload::Case => vec![case::read(&registration)],
            Payload::Grant => grant::read(&registration),
            Payload::Payment => payment::read(&registration),
        };
        let fact =
            |fact: Result<_, _>| fact.map(Message::Fact).map_err(|fault| within("Registrering", fault));
        contents.extend(facts.into_iter().map(fact));
    }
    if contents.is_empty() {
        contents.push(Err(missing("Registrering")));
    }
    contents
}

/// The fault of an element that is not there.
fn missing(path: &str) -> Fault {
    Fault::at(Reason::MissingField, path, "is required")
}

/// A fault of what stands in an element.
fn within(outer: &str, fault: Fault) -> Fault {
    let path = match fault.path {
        Some(inner) => format!("{outer}.{inner}"),
        None => outer.to_owned(),
    };
    Fault { path: Some(path), ..fault }
}
