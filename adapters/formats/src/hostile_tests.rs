//! No decoder panics, loses a body, or lets personal data into a fault, whatever the bytes.

use proptest::prelude::*;
use samspor_domain::{Decode, Delivery, Item, Reason, Text};

use crate::{g69, json, oio};

const CPR: &str = "6112801234";
const PERSON: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const TYPE: &str = "0b0e7a3c-5d1f-4c7e-9a31-6d1b2f7f0a01";

fn decoders() -> Vec<(&'static str, Box<dyn Decode>)> {
    let oio = |payload| {
        let message_types = [(TYPE.to_owned(), payload)].into_iter().collect();
        Box::new(oio::Decoder::new(oio::Settings { message_types }))
    };
    vec![
        ("json", Box::new(json::Decoder)),
        ("case", oio(oio::Payload::Case)),
        ("grant", oio(oio::Payload::Grant)),
        ("payment", oio(oio::Payload::Payment)),
        ("g69 utf-8", Box::new(g69::Decoder::new(g69::Settings { encoding: g69::Encoding::Utf8 }))),
        ("g69 latin-1", Box::new(g69::Decoder::new(g69::Settings { encoding: g69::Encoding::Latin1 }))),
    ]
}

/// Good bodies of every format, with a citizen in each.
fn bodies() -> Vec<Vec<u8>> {
    let posting = format!(
        r#"{{"type":"posting","id":"1-ø","date":"2026-03-14","account":"5.28.21.1","amount":"12450.00","citizen":{{"cpr":"{CPR}"}},"grant":{{"system":"dubu","grant":"B"}},"voucher":"v"}}"#
    );
    let identity = format!(
        r#"{{"type":"identity","id":"I","version":1,"kind":"same","refs":[{{"cpr":"611280-1234"}},{{"uuid":"{PERSON}"}},{{"system":"dubu","case":"D"}}]}}"#
    );
    let split = r#"{"type":"split","id":"s","version":2,"solution":"x","family":"F","account":"5.68","from":"2026-01-01","parts":[{"area":"a","weight":60},{"area":"b","weight":40}]}"#;
    let payload = |space: &str, inner: &str| {
        format!(
            r#"<Haendelsesbesked xmlns="urn:oio:besked:kuvert:1.0" xmlns:s="urn:oio:sagdok:3.0.0"><Beskedkuvert><Filtreringsdata><Beskedtype><s:UUIDIdentifikator>{TYPE}</s:UUIDIdentifikator></Beskedtype></Filtreringsdata></Beskedkuvert><Beskeddata><p:RegistreringBesked xmlns:p="{space}"><s:UUIDIdentifikator>{TYPE}</s:UUIDIdentifikator><p:Registrering><s:FraTidspunkt><s:TidsstempelDatoTid>2026-03-14T12:00:00.5+01:00</s:TidsstempelDatoTid></s:FraTidspunkt><s:LivscyklusKode>Rettet</s:LivscyklusKode>{inner}</p:Registrering></p:RegistreringBesked></Beskeddata></Haendelsesbesked>"#
        )
    };
    let case = payload(
        "urn:oio:sts:sagdok:sag:6",
        &format!(
            "<p:RelationListe><p:Sagspart><p:Indeks>1</p:Indeks><p:ReferenceID><s:URNIdentifikator>urn:oio:cpr-nr:{CPR}</s:URNIdentifikator></p:ReferenceID></p:Sagspart></p:RelationListe>"
        ),
    );
    let grant = payload(
        "urn:oio:sts:ydelse:bevillingindeks:6",
        &format!(
            "<p:AttributListe><p:BevilgetYdelse><p:Id>1</p:Id><p:Navn>M&#230;</p:Navn><p:OekonomiskEffektueringsplan><p:Ydelsesbeloeb>1.50</p:Ydelsesbeloeb></p:OekonomiskEffektueringsplan></p:BevilgetYdelse></p:AttributListe><p:RelationListe><p:Bevillingspart><p:ReferenceID><s:UUIDIdentifikator>{PERSON}</s:UUIDIdentifikator></p:ReferenceID></p:Bevillingspart></p:RelationListe>"
        ),
    );
    let payment = payload(
        "urn:oio:sts:ydelse:oekonomiskeffektueringindeks:6",
        &format!(
            "<p:AttributListe><p:Egenskaber><p:Dispositionsdato>2026-03-31T00:00:00</p:Dispositionsdato></p:Egenskaber></p:AttributListe><p:RelationListe><p:OekonomiskYdelseEffektueringRelation><p:Ydelsesbeloeb>7</p:Ydelsesbeloeb><p:BevilgetYdelseRef><s:UUIDIdentifikator>{TYPE}</s:UUIDIdentifikator><p:BevilgetYdelseId>{CPR}</p:BevilgetYdelseId></p:BevilgetYdelseRef></p:OekonomiskYdelseEffektueringRelation></p:RelationListe>"
        ),
    );
    let line = format!(
        "012G6900001003401NORFLYD&10300123&1040000001&11020260314&1115282110417003499&112000001245000 &113D&116v&13202&133{CPR}"
    );
    let file = format!("{line}\r\n{}\n", line.replace("&1040000001", "&1040000002"));
    [posting, identity, split.to_owned(), case, grant, payment, line, file].map(String::into_bytes).into()
}

/// Decodes with every decoder and holds what must hold of any outcome.
fn decode_all(body: &[u8]) -> Result<(), TestCaseError> {
    let source = Text::new("source").unwrap_or_else(|e| panic!("{e}"));
    let delivery = Delivery { body: body.to_vec().into(), ..Delivery::default() };
    for (name, decoder) in decoders() {
        let items = decoder.decode(&source, &delivery);
        prop_assert!(!items.is_empty(), "{}", name);
        for Item { content, excerpt, .. } in items {
            if let Some(excerpt) = excerpt {
                prop_assert!(excerpt.bytes.len() < body.len(), "{}", name);
            }
            match content {
                Ok(message) => {
                    let shown = format!("{message:?}");
                    // A grant's id is no name of the message, and the samples put the number there on purpose.
                    prop_assert!(!shown.contains(PERSON) && !shown.contains("-1234"), "{}: {}", name, shown);
                    prop_assert_eq!(
                        samspor_domain::check_names(&message).err().map(|f| f.reason),
                        None::<Reason>
                    );
                }
                Err(fault) => {
                    let shown = fault.to_string();
                    prop_assert!(
                        !shown.contains(CPR) && !shown.contains("611280") && !shown.contains(PERSON),
                        "{}",
                        shown
                    );
                    prop_assert!(shown.len() < 600, "a fault quotes nothing: {}", shown);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn every_sample_is_good_for_its_decoder() {
    let source = Text::new("source").unwrap_or_else(|e| panic!("{e}"));
    for body in bodies() {
        let delivery = Delivery { body: body.clone().into(), ..Delivery::default() };
        let good = |(_, decoder): &(_, Box<dyn Decode>)| {
            decoder.decode(&source, &delivery).iter().all(|item| item.content.is_ok())
        };
        assert!(decoders().iter().any(good), "{}", String::from_utf8_lossy(&body));
    }
}

/// A way to spoil bytes.
#[derive(Debug, Clone)]
enum Spoil {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    End(prop::sample::Index),
}

fn spoil() -> impl Strategy<Value = Spoil> {
    let at = any::<prop::sample::Index>;
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..6),
        prop::sample::select(vec![
            "null",
            "{",
            "[",
            "\"",
            "&",
            "&#x;",
            "&113K",
            "<x>",
            "</",
            "]]>",
            "<!--",
            "\u{0}",
            "-",
            "ø",
            "\\ud800",
            "9999999999999999999",
            "\r\n"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Spoil::Set(at, byte)),
        (at(), 1usize..40).prop_map(|(at, length)| Spoil::Cut(at, length)),
        (at(), 1usize..80).prop_map(|(at, length)| Spoil::Repeat(at, length)),
        (at(), piece).prop_map(|(at, piece)| Spoil::Insert(at, piece)),
        at().prop_map(Spoil::End),
    ]
}

fn spoiled(mut body: Vec<u8>, ways: Vec<Spoil>) -> Vec<u8> {
    for way in ways {
        if body.is_empty() {
            break;
        }
        let length = body.len();
        match way {
            Spoil::Set(at, byte) => body[at.index(length)] = byte,
            Spoil::Cut(at, count) => {
                let at = at.index(length);
                drop(body.drain(at..length.min(at + count)));
            }
            Spoil::Repeat(at, count) => {
                let at = at.index(length);
                let piece = body[at..length.min(at + count)].to_vec();
                drop(body.splice(at..at, piece));
            }
            Spoil::Insert(at, piece) => {
                let at = at.index(length);
                drop(body.splice(at..at, piece));
            }
            Spoil::End(at) => body.truncate(at.index(length)),
        }
    }
    body
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(body in prop::collection::vec(any::<u8>(), 0..200)) {
        decode_all(&body)?;
    }

    #[test]
    fn any_text(body in "\\PC{0,100}") {
        decode_all(body.as_bytes())?;
    }

    #[test]
    fn spoiled_bodies(of in any::<prop::sample::Index>(), ways in prop::collection::vec(spoil(), 1..6)) {
        let all = bodies();
        decode_all(&spoiled(of.get(&all).clone(), ways))?;
    }
}
