//! What is sent: that our own reader takes it, that ids stay, and what answers mean.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use samspor_domain::{Cause, Change, Encode, LedgerRecord, LisRecord, Pseudonym, Record};

use super::super::sending::{Encoder, Sender, message_id, status};
use super::super::xml::{self, Element, Space};
use super::*;

/// For whom and by which target it is sent.
const SCOPE: &str = "00000019:ledger";

fn ledger(revision: i64) -> LedgerRecord {
    LedgerRecord {
        source: source(),
        posting: "P <&> 1".parse().expect("a text"),
        revision,
        change: Change::Untag,
        date: "2026-03-14".parse().expect("a date"),
        account: "5.28.21.1".parse().expect("an account"),
        amount: "12450.00".parse().expect("an amount"),
        voucher: None,
        tag: None,
        cause: Cause::Start,
        registered: "2026-03-15T06:00:00.25Z".parse().expect("a time"),
    }
}

fn lis(posting: u8) -> Record {
    let of = ledger(1);
    Record::Lis(LisRecord {
        source: of.source,
        posting: Pseudonym([posting; 16]),
        family: None,
        citizen: None,
        revision: 1,
        change: Change::Untag,
        year: 2026,
        month: 3,
        account: of.account,
        amount: of.amount,
        tag: None,
    })
}

fn encoder(message_type: &str, system: Option<&str>) -> Encoder {
    Encoder::new(std::sync::Arc::new(crate::json::Encoder), sender(message_type, system))
}

fn sender(message_type: &str, system: Option<&str>) -> Sender {
    Sender {
        scope: SCOPE.into(),
        message_type: message_type.into(),
        system: system.map(str::to_owned),
        responsible: None,
        recipients: Vec::new(),
    }
}

fn at<'e>(element: &'e Element, path: &[&str]) -> &'e Element {
    path.iter().fold(element, |element, name| element.child(name).unwrap_or_else(|| panic!("no {name}")))
}

#[test]
fn an_envelope_is_taken_by_our_own_reader_and_holds_the_record_as_it_was_encoded() {
    for (message_type, system) in
        [(CASE_TYPE, Some("urn:oio:cvr-nr:00000019")), (PAYMENT_TYPE, Some(OBJECT_ID)), (CASE_TYPE, None)]
    {
        let record = Record::Ledger(ledger(7));
        let body = encoder(message_type, system).encode(&record);
        let root = xml::parse(&body, None, None).unwrap_or_else(|fault| panic!("{fault}"));
        assert!(root.is(Space::Envelope, "Haendelsesbesked"));
        let names = |element: &Element| element.children.iter().map(|e| e.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&root), ["BeskedId", "BeskedVersion", "Beskedkuvert", "Beskeddata"]);
        assert_eq!(
            at(&root, &["BeskedId"]).text("UUIDIdentifikator"),
            Some(message_id(SCOPE, "ky:P <&> 1:7").as_str())
        );
        let kuvert = at(&root, &["Beskedkuvert"]);
        let id = |text: &str| if text.starts_with("urn:") { "URNIdentifikator" } else { "UUIDIdentifikator" };
        let kind = at(kuvert, &["Filtreringsdata", "Beskedtype"]);
        assert_eq!(kind.text(id(message_type)), Some(message_type));
        let delivery = at(kuvert, &["Leveranceinformation"]);
        assert_eq!(
            at(delivery, &["Dannelsestidspunkt"]).text("TidsstempelDatoTid"),
            Some("2026-03-15T06:00:00.25Z")
        );
        assert_eq!(
            delivery.child("Kildesystem").and_then(|e| e.text(id(system.unwrap_or_default()))),
            system
        );
        let data = &at(&root, &["Beskeddata"]).children;
        assert!(data.len() == 1 && data[0].is(Space::Base64, "Base64"));
        assert_eq!(data[0].attribute("content-type"), Some("application/json"));
        let content = BASE64_STANDARD.decode(data[0].own_text().unwrap_or_default()).expect("Base64");
        assert_eq!(content, crate::json::Encoder.encode(&record));

        // A decoder opens it, and finds no registration in it.
        let faults: Vec<_> = decode_bytes(body, Some("application/xml"));
        let fault = faults[0].content.as_ref().expect_err("no payload");
        assert_eq!(fault.path.as_deref(), Some("Beskeddata"), "{fault}");
    }
}

#[test]
fn the_same_record_has_the_same_id_and_no_other_has() {
    let of = |record: &Record| {
        let body = encoder(CASE_TYPE, None).encode(record);
        let root = xml::parse(&body, None, None).unwrap_or_else(|fault| panic!("{fault}"));
        at(&root, &["BeskedId"]).text("UUIDIdentifikator").expect("an id").to_owned()
    };
    let other = Record::Ledger(LedgerRecord { posting: "P-2".parse().expect("a text"), ..ledger(1) });
    let all = [Record::Ledger(ledger(1)), Record::Ledger(ledger(2)), other, lis(1), lis(2)];
    let ids: std::collections::BTreeSet<String> = all.iter().map(of).collect();
    assert_eq!(ids.len(), all.len());
    assert_eq!(
        of(&all[0]),
        of(&Record::Ledger(LedgerRecord { amount: "1.00".parse().expect("it"), ..ledger(1) }))
    );
    assert_eq!(of(&lis(1)), message_id(SCOPE, "ky:01010101010101010101010101010101:1"));
    // Whoever kept an id must know it again after an update of the gateway.
    assert_eq!(message_id(SCOPE, "opus:P-1:1"), "293d393c-ae5c-5dfb-9da8-6a6ec5212494");
    // Other gateways have the same names, and a posting that changes its solution goes by two targets at once.
    let elsewhere = ["00000027:ledger", "00000019:other"].map(|scope| {
        let sender = Sender { scope: scope.into(), ..sender(CASE_TYPE, None) };
        let body = Encoder::new(std::sync::Arc::new(crate::json::Encoder), sender).encode(&all[0]);
        let root = xml::parse(&body, None, None).unwrap_or_else(|fault| panic!("{fault}"));
        at(&root, &["BeskedId"]).text("UUIDIdentifikator").expect("an id").to_owned()
    });
    assert!(elsewhere[0] != elsewhere[1] && elsewhere.iter().all(|id| !ids.contains(id)));
    let lis = encoder(CASE_TYPE, None).encode(&lis(1));
    assert!(!String::from_utf8_lossy(&lis).contains("Dannelsestidspunkt"), "an LIS is told months");
}

/// An encoder whose content type needs escaping, and whose bytes are no text.
struct Binary;

const BINARY: &str = "application/x-protobuf; messageType=\"<a & b>\"";

impl Encode for Binary {
    fn content_type(&self) -> &'static str {
        BINARY
    }

    fn encode(&self, _: &Record) -> bytes::Bytes {
        bytes::Bytes::from_static(&[0xff, 0, 0xfe])
    }
}

#[test]
fn a_content_type_may_hold_anything_and_bytes_are_not_called_text() {
    let body = Encoder::new(std::sync::Arc::new(Binary), sender(CASE_TYPE, None));
    let body = body.encode(&Record::Ledger(ledger(1)));
    let root = xml::parse(&body, None, None).unwrap_or_else(|fault| panic!("{fault}"));
    let data = &at(&root, &["Beskeddata"]).children[0];
    assert_eq!((data.attribute("content-type"), data.attribute("encoding")), (Some(BINARY), None));
    assert_eq!(data.own_text(), Some("/wD+"));

    let body = encoder(CASE_TYPE, None).encode(&Record::Ledger(ledger(1)));
    let root = xml::parse(&body, None, None).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(at(&root, &["Beskeddata"]).children[0].attribute("encoding"), Some("UTF-8"));
}

/// By another program than the gateway's libraries, as for the records: namespaces, names, their order and their content.
#[test]
fn every_kind_of_envelope_is_valid_by_its_schema() {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let valid = |body: &[u8]| {
        let path = folder.path().join("envelope.xml");
        std::fs::write(&path, body).unwrap_or_else(|error| panic!("{error}"));
        let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/schemas/envelope.xsd");
        let mut xmllint = std::process::Command::new("xmllint");
        xmllint.args(["--noout", "--nonet", "--schema", schema]).arg(path);
        let output = xmllint.output().unwrap_or_else(|error| {
            panic!("{error}: xmllint is needed; on Debian: `sudo apt-get install libxml2-utils`")
        });
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let full = Sender {
        responsible: Some("URN:oio:Example:<&>".into()),
        recipients: vec!["urn:oio:cvr-nr:00000027".into(), OBJECT_ID.into()],
        ..sender("urn:oio:type", Some(OBJECT_ID))
    };
    for sender in [full.clone(), sender(CASE_TYPE, None)] {
        for content in [
            std::sync::Arc::new(crate::json::Encoder) as std::sync::Arc<dyn Encode>,
            std::sync::Arc::new(Binary),
        ] {
            let encoder = Encoder::new(content, sender.clone());
            for record in [Record::Ledger(ledger(1)), lis(1)] {
                let (is_valid, said) = valid(&encoder.encode(&record));
                assert!(is_valid, "{said}");
            }
        }
    }
    // And the schema is not one that takes anything.
    let good =
        Encoder::new(std::sync::Arc::new(crate::json::Encoder), full).encode(&Record::Ledger(ledger(1)));
    let good = String::from_utf8_lossy(&good).into_owned();
    for (right, wrong) in [
        ("urn:oio:sagdok:3.0.0", "urn:oio:sagdok:2.0.0"),
        ("xmlns=\"urn:oio:besked:kuvert:1.0\"", "xmlns=\"urn:besked:kuvert:1.0\""),
        ("<Base64 xmlns=\"urn:besked:kuvert:1.0\"", "<Base64"),
        ("<BeskedVersion>1.0</BeskedVersion>", ""),
        ("<BeskedAnsvarligAktoer>", "<TilladtModtager/><BeskedAnsvarligAktoer>"),
        ("<Kildesystem><s:UUIDIdentifikator>", "<Kildesystem><s:UUIDIdentifikator>x"),
        ("2026-03-15T", "2026-03-15 "),
        (" content-type=", " type="),
    ] {
        assert!(good.contains(right), "{right} in {good}");
        assert!(!valid(good.replacen(right, wrong, 1).as_bytes()).0, "{wrong}");
    }
}

#[test]
fn an_answer_is_told_by_its_status_code_whatever_its_namespace() {
    for (answer, code) in [
        ("<StandardRetur><StatusKode>20</StatusKode></StandardRetur>", Some(20)),
        (
            r#"<a:StandardRetur xmlns:a="urn:any"><a:StatusKode> 41 </a:StatusKode><a:FejlbeskedTekst>no</a:FejlbeskedTekst></a:StandardRetur>"#,
            Some(41),
        ),
        (
            r#"<?xml version="1.0"?><Svar xmlns="urn:x"><StandardRetur><StatusKode>53</StatusKode></StandardRetur></Svar>"#,
            Some(53),
        ),
        ("<StandardRetur><FejlbeskedTekst>20</FejlbeskedTekst></StandardRetur>", None),
        ("<StandardRetur><StatusKode>OK</StatusKode></StandardRetur>", None),
        ("<StandardRetur><StatusKode>-1</StatusKode></StandardRetur>", None),
        ("<StatusKode>20</StatusKode>", None),
        ("20", None),
        ("", None),
        ("<!DOCTYPE x><StandardRetur><StatusKode>20</StatusKode></StandardRetur>", None),
    ] {
        assert_eq!(status(answer.as_bytes()), code, "{answer}");
    }
}
