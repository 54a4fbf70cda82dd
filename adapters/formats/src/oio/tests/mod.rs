//! The OIO envelope and its payloads, on messages written after the schemas.

mod envelope;
mod payloads;
mod schemas;
mod sending;
mod writings;

use bytes::Bytes;
use samspor_domain::{Body, Decode, Delivery, Fact, Fault, Item, Message, SourceName, State, Text};

use super::{Decoder, Payload, Settings};

const CASE_TYPE: &str = "0b0e7a3c-5d1f-4c7e-9a31-6d1b2f7f0a01";
const GRANT_TYPE: &str = "0B0E7A3C5D1F4C7E9A316D1B2F7F0A02";
const PAYMENT_TYPE: &str = "urn:oio:beskedtype:Effektuering";
const OBJECT: &str = "5F0C2D1E-8A4B-4E6D-9C3F-7B2A1D0E4F55";
const OBJECT_ID: &str = "5f0c2d1e-8a4b-4e6d-9c3f-7b2a1d0e4f55";
const PERSON: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const CPR: &str = "6112801234";

fn source() -> SourceName {
    Text::new("ky").unwrap_or_else(|e| panic!("{e}"))
}

fn decoder() -> Decoder {
    let types = [(CASE_TYPE, Payload::Case), (GRANT_TYPE, Payload::Grant), (PAYMENT_TYPE, Payload::Payment)];
    Decoder::new(Settings {
        message_types: types.into_iter().map(|(id, payload)| (id.to_owned(), payload)).collect(),
    })
}

fn decode_bytes(body: impl Into<Bytes>, content_type: Option<&str>) -> Vec<Item> {
    let delivery =
        Delivery { body: body.into(), content_type: content_type.map(str::to_owned), ..Delivery::default() };
    let items = decoder().decode(&source(), &delivery);
    assert!(!items.is_empty());
    items
}

fn decode(text: &str) -> Vec<Item> {
    decode_bytes(text.to_owned(), Some("application/xml"))
}

fn results(text: &str) -> Vec<Result<Fact, Fault>> {
    let fact = |message| match message {
        Message::Fact(fact) => fact,
        Message::Posting(_) | Message::Receipt(_) => panic!("a posting"),
    };
    decode(text).into_iter().map(|item| item.content.map(fact)).collect()
}

fn facts(text: &str) -> Vec<Fact> {
    results(text).into_iter().map(|result| result.unwrap_or_else(|fault| panic!("{fault}: {text}"))).collect()
}

fn fault(text: &str) -> Fault {
    let mut results = results(text);
    assert_eq!(results.len(), 1, "{text}");
    results.remove(0).err().unwrap_or_else(|| panic!("no fault: {text}"))
}

fn body(fact: &Fact) -> &Body {
    match &fact.state {
        State::Live(body) => body,
        other => panic!("{other:?}"),
    }
}

/// A message with the sagdok namespace as the default one, as it is often written.
fn message(kind: &str, data: &str) -> String {
    let id = if kind.starts_with("urn:") { "URNIdentifikator" } else { "UUIDIdentifikator" };
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<k:Haendelsesbesked xmlns:k="urn:oio:besked:kuvert:1.0" xmlns="urn:oio:sagdok:3.0.0">
  <k:BeskedId><UUIDIdentifikator>1</UUIDIdentifikator></k:BeskedId>
  <k:BeskedVersion>1.0</k:BeskedVersion>
  <k:Beskedkuvert>
    <k:Filtreringsdata><k:Beskedtype><{id}>{kind}</{id}></k:Beskedtype></k:Filtreringsdata>
    <k:Leveranceinformation/>
  </k:Beskedkuvert>
  <k:Beskeddata>{data}</k:Beskeddata>
</k:Haendelsesbesked>"#
    )
}

/// What all registrations begin with.
const START: &str = "<s:FraTidspunkt><s:TidsstempelDatoTid>2026-03-14T12:00:00Z</s:TidsstempelDatoTid></s:FraTidspunkt>\
                     <s:LivscyklusKode>Opstaaet</s:LivscyklusKode>";
/// The same in microseconds.
const VERSION: i64 = 1_773_489_600_000_000;

fn besked(space: &str, registration: &str) -> String {
    format!(
        r#"<p:RegistreringBesked xmlns:p="{space}" xmlns:s="urn:oio:sagdok:3.0.0" xmlns:g="urn:oio:sts:generelledefinitioner:6"><s:UUIDIdentifikator>{OBJECT}</s:UUIDIdentifikator><p:Registrering>{START}{registration}</p:Registrering></p:RegistreringBesked>"#
    )
}

/// A reference of a relation, as UUID or URN.
fn reference(id: &str) -> String {
    let kind = if id.starts_with("urn:") { "URNIdentifikator" } else { "UUIDIdentifikator" };
    format!("<g:ReferenceID><s:{kind}>{id}</s:{kind}></g:ReferenceID>")
}

/// A period of valid time.
fn virkning(from: &str, to: &str) -> String {
    let end = |name: &str, time: &str| match time {
        "" => String::new(),
        "∞" => format!("<s:{name}><s:GraenseIndikator>true</s:GraenseIndikator></s:{name}>"),
        _ => format!("<s:{name}><s:TidsstempelDatoTid>{time}</s:TidsstempelDatoTid></s:{name}>"),
    };
    format!("<g:Virkning>{}{}</g:Virkning>", end("FraTidspunkt", from), end("TilTidspunkt", to))
}

fn case_besked() -> String {
    let from = virkning("2026-01-05T08:00:00", "∞");
    besked(
        "urn:oio:sts:sagdok:sag:6",
        &format!(
            "<p:AttributListe><p:Egenskaber>{from}<p:Sagsnummer>26/17</p:Sagsnummer><p:Titel>Anna</p:Titel></p:Egenskaber>\
             </p:AttributListe><p:TilstandListe><p:Fremdrift>{from}<p:FremdriftStatusKode>Oplyst</p:FremdriftStatusKode>\
             </p:Fremdrift></p:TilstandListe><p:RelationListe><p:Sagsklasse>{}</p:Sagsklasse><p:Sagspart>{}</p:Sagspart>\
             </p:RelationListe>",
            reference("urn:oio:kle:32.24.04"),
            reference("urn:oio:cpr-nr:6112801234"),
        ),
    )
}

fn grant_besked() -> String {
    besked(
        "urn:oio:sts:ydelse:bevillingindeks:6",
        &format!(
            "<p:AttributListe><p:Egenskaber><p:Bevillingstartdato>2026-01-01</p:Bevillingstartdato></p:Egenskaber>\
             <p:BevilgetYdelse><p:Id>1</p:Id><p:Navn>Mentor</p:Navn>\
             <p:BevilgetYdelseStartdato>2026-01-04T23:00:00Z</p:BevilgetYdelseStartdato>\
             <p:BevilgetYdelseSlutdato>2026-12-31T00:00:00</p:BevilgetYdelseSlutdato>\
             <p:OekonomiskEffektueringsplan><p:Beregningsfrekvens>Månedlig</p:Beregningsfrekvens>\
             <p:Ydelsesbeloeb>12450.50</p:Ydelsesbeloeb></p:OekonomiskEffektueringsplan></p:BevilgetYdelse>\
             <p:BevilgetYdelse><p:Id>AB-2</p:Id><p:Ydelse><p:Ydelsesnavn>Bolig</p:Ydelsesnavn></p:Ydelse></p:BevilgetYdelse>\
             </p:AttributListe><p:TilstandListe/><p:RelationListe><p:Bevillingssag>{}</p:Bevillingssag>\
             <p:Bevillingspart>{}<p:FuldtNavn>Anna Hansen</p:FuldtNavn></p:Bevillingspart></p:RelationListe>",
            reference("11111111-2222-3333-4444-555555555555"),
            reference(PERSON),
        ),
    )
}

fn payment_relation(amount: &str, id: &str) -> String {
    format!(
        "<p:OekonomiskYdelseEffektueringRelation><p:YdelsesperiodeStartdato>2026-03-01T00:00:00</p:YdelsesperiodeStartdato>\
         <p:YdelsesperiodeSlutdato>2026-03-31T00:00:00</p:YdelsesperiodeSlutdato>{amount}<p:BevilgetYdelseRef>\
         <s:UUIDIdentifikator>{OBJECT}</s:UUIDIdentifikator><p:BevilgetYdelseId>{id}</p:BevilgetYdelseId>\
         </p:BevilgetYdelseRef></p:OekonomiskYdelseEffektueringRelation>"
    )
}

fn payment_besked(relations: &str) -> String {
    besked(
        "urn:oio:sts:ydelse:oekonomiskeffektueringindeks:6",
        &format!(
            "<p:AttributListe><p:Egenskaber><p:SamletBruttobeloeb>900</p:SamletBruttobeloeb>\
             <p:Dispositionsdato>2026-03-31T00:00:00+02:00</p:Dispositionsdato></p:Egenskaber></p:AttributListe>\
             <p:TilstandListe/><p:RelationListe>{relations}</p:RelationListe>"
        ),
    )
}
