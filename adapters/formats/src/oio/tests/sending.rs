//! What is sent: that our own reader takes it, that ids stay, and what answers mean.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use samspor_domain::{Cause, Change, Encode, LedgerRecord, LisRecord, Pseudonym, Record};

use super::super::sending::{Encoder, Sender, message_id, status};
use super::super::xml::{self, Element, Space};
use super::*;

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
    let sender = Sender { message_type: message_type.into(), system: system.map(str::to_owned) };
    Encoder::new(std::sync::Arc::new(crate::json::Encoder), sender)
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
            Some(message_id("ky:P <&> 1:7").as_str())
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
    assert_eq!(of(&lis(1)), message_id("ky:01010101010101010101010101010101:1"));
    // Whoever kept an id must know it again after an update of the gateway.
    assert_eq!(message_id("opus:P-1:1"), "99c66fcb-a05f-5b51-8367-05f548497528");
    let lis = encoder(CASE_TYPE, None).encode(&lis(1));
    assert!(!String::from_utf8_lossy(&lis).contains("Dannelsestidspunkt"), "an LIS is told months");
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
