//! The envelope in its variants, and what is refused.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use proptest::prelude::*;
use samspor_domain::Reason;

use super::*;

fn undecodable(text: &str) {
    let fault = fault(text);
    assert_eq!(fault.reason, Reason::Undecodable, "{fault}: {text}");
}

#[test]
fn prefixes_do_not_matter_and_namespaces_do() {
    let plain = message(CASE_TYPE, &case_besked());
    let expected = facts(&plain);
    // The envelope's namespace as the default one.
    let other = plain
        .replace("<k:", "<")
        .replace("</k:", "</")
        .replace("xmlns:k=", "xmlns=")
        .replace(r#"xmlns="urn:oio:sagdok:3.0.0""#, r#"xmlns:zz="urn:oio:sagdok:3.0.0""#)
        .replace("<UUIDIdentifikator>", "<zz:UUIDIdentifikator>")
        .replace("</UUIDIdentifikator>", "</zz:UUIDIdentifikator>");
    assert!(other.contains("<zz:UUID") && !other.contains("k:Beskeddata"), "{other}");
    assert_eq!(facts(&other), expected);
    // The payload's namespace as the default one, declared far from its use.
    let inner = case_besked().replace("<p:", "<").replace("</p:", "</").replace("xmlns:p=", "xmlns=");
    assert_eq!(facts(&message(CASE_TYPE, &inner)), expected);
    // The same prefix for another namespace.
    undecodable(
        &plain.replace(r#"xmlns:k="urn:oio:besked:kuvert:1.0""#, r#"xmlns:k="urn:oio:besked:kuvert:2.0""#),
    );
    undecodable(&plain.replace(r#"xmlns:k="urn:oio:besked:kuvert:1.0""#, ""));
    let wrong = fault(&message(CASE_TYPE, &case_besked().replace("sagdok:sag:6", "sagdok:sag:5")));
    assert_eq!((wrong.reason, wrong.path.as_deref()), (Reason::MissingField, Some("Beskeddata")));
}

#[test]
fn extensions_are_passed_over_and_counted() {
    let plain = case_besked();
    let trap = "<x:Sagspart xmlns:x=\"urn:x\"><x:ReferenceID><x:URNIdentifikator>urn:oio:cpr-nr:7005902345\
                </x:URNIdentifikator></x:ReferenceID></x:Sagspart>";
    let extended = plain.replace("<p:RelationListe>", &format!("<p:RelationListe>{trap}")).replace(
        "</p:RelationListe>",
        &format!("<g:LokalUdvidelseListe>{trap}</g:LokalUdvidelseListe></p:RelationListe>"),
    );
    let items = decode(&message(CASE_TYPE, &format!("<x xmlns='urn:x'/>text{extended}<!-- c --><?p i?>")));
    let expected = facts(&message(CASE_TYPE, &plain));
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].content.as_ref().ok(), expected.first().cloned().map(Message::Fact).as_ref());
    assert_eq!(items[0].ignored_fields, 3);
}

#[test]
fn the_push_variant_wraps_it() {
    let plain = message(CASE_TYPE, &case_besked());
    let inner = plain.split_once("?>").map(|(_, rest)| rest).unwrap_or_default();
    let pushed =
        |name: &str, space: &str| format!("<w:{name} xmlns:w='{space}'><w:Kontekst/>{inner}</w:{name}>");
    assert_eq!(facts(&pushed("ModtagBeskedInput", "urn:oio:sts:1.0.0")), facts(&plain));
    undecodable(&pushed("ModtagBeskedInput", "urn:oio:sts:2.0.0"));
    undecodable(&pushed("AfsendBeskedInput", "urn:oio:sts:1.0.0"));
    let empty = fault("<w:ModtagBeskedInput xmlns:w='urn:oio:sts:1.0.0'/>");
    assert_eq!(empty.reason, Reason::MissingField);
    undecodable(inner.replace("Haendelsesbesked", "Besked").as_str());
    undecodable(&case_besked());
}

#[test]
fn message_types_are_mapped_without_regard_to_case() {
    for kind in [
        CASE_TYPE.to_owned(),
        CASE_TYPE.to_uppercase(),
        CASE_TYPE.replace('-', ""),
        format!(" {CASE_TYPE}\n"),
    ] {
        assert_eq!(facts(&message(&kind, &case_besked())).len(), 1, "{kind}");
    }
    assert_eq!(facts(&message(&GRANT_TYPE.to_lowercase(), &grant_besked())).len(), 2);
    let payment = payment_besked(&payment_relation("", "1"));
    assert_eq!(facts(&message(&PAYMENT_TYPE.to_uppercase().replace("URN", "urn"), &payment)).len(), 1);
    for kind in ["1", "0b0e7a3c-5d1f-4c7e-9a31-6d1b2f7f0aff", "urn:oio:beskedtype:Anden"] {
        let fault = fault(&message(kind, &case_besked()));
        let path = Some("Beskedkuvert.Filtreringsdata.Beskedtype");
        assert_eq!((fault.reason, fault.path.as_deref()), (Reason::UnknownType, path), "{kind}");
    }
    for kind in ["", "  "] {
        assert_eq!(fault(&message(kind, &case_besked())).reason, Reason::MissingField);
    }
}

#[test]
fn payloads_in_base64() {
    let plain = case_besked();
    let expected = facts(&message(CASE_TYPE, &plain));
    let base64 = |attributes: &str, content: &str| {
        message(
            CASE_TYPE,
            &format!("<Base64 xmlns=\"urn:besked:kuvert:1.0\" {attributes}>{content}</Base64>"),
        )
    };
    let whole = STANDARD.encode(&plain);
    let (a, b) = whole.split_at(70);
    for text in [
        base64("", &whole),
        base64("content-type='application/xml' encoding='UTF-8' file-type='xml'", &whole),
        base64("content-type='text/xml; charset=utf-8' encoding='base64'", &STANDARD_NO_PAD.encode(&plain)),
        base64("", &format!("\n  {a}\r\n  {b}\n")),
        base64("", &format!("<![CDATA[{a}]]>{b}")),
    ] {
        assert_eq!(facts(&text), expected, "{text}");
    }
    // Its encoding by its own declaration, else by the attribute.
    let danish = plain.replace("Anna", "Åse");
    let latin1: Vec<u8> = danish.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    let declared = [b"<?xml version='1.0' encoding='ISO-8859-1'?>".as_slice(), &latin1].concat();
    assert_eq!(facts(&base64("encoding='UTF-8'", &STANDARD.encode(&declared))), expected);
    assert_eq!(facts(&base64("encoding='ISO-8859-1'", &STANDARD.encode(&latin1))), expected);
    for (content, path) in [
        ("!!!!".to_owned(), "Beskeddata[0].Base64"),
        (STANDARD.encode("<a>"), "Beskeddata[0].Base64"),
        (STANDARD.encode(&latin1), "Beskeddata[0].Base64"),
    ] {
        let fault = fault(&base64("", &content));
        assert_eq!((fault.reason, fault.path.as_deref()), (Reason::Undecodable, Some(path)));
    }
    // What says that it is something else, or is another document, is no payload.
    for text in [base64("content-type='application/pdf'", &whole), base64("", &STANDARD.encode("<a/>"))] {
        assert_eq!(fault(&text).reason, Reason::MissingField, "{text}");
    }
    undecodable(&base64("content-type='&x;'", &whole));
}

#[test]
fn several_beskeddata_are_all_read() {
    let other = case_besked().replace(OBJECT, "99999999-8A4B-4E6D-9C3F-7B2A1D0E4F55");
    let bad = case_besked().replace("6112801234", "6012801234");
    let text = message(
        CASE_TYPE,
        &format!(
            "{}</k:Beskeddata><k:Beskeddata/><k:Beskeddata><x/></k:Beskeddata><k:Beskeddata><Base64 \
             xmlns='urn:besked:kuvert:1.0'>{}</Base64>{bad}",
            case_besked(),
            STANDARD.encode(&other)
        ),
    );
    let results = results(&text);
    let shown: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().map(|fact| fact.id.to_string()).map_err(|f| f.path.clone()))
        .collect();
    let path = "Beskeddata[3].RegistreringBesked.Registrering.RelationListe.Sagspart.ReferenceID";
    assert_eq!(
        shown,
        [
            Ok(OBJECT_ID.to_owned()),
            Ok("99999999-8a4b-4e6d-9c3f-7b2a1d0e4f55".to_owned()),
            Err(Some(path.to_owned()))
        ]
    );
    assert_eq!(decode(&text)[0].ignored_fields, 1);
    assert_eq!(decode(&text)[1].ignored_fields, 0);
}

#[test]
fn a_message_without_a_payload_is_not_lost() {
    for text in [
        message(CASE_TYPE, ""),
        message(CASE_TYPE, "<x/>"),
        message(CASE_TYPE, &grant_besked()),
        message(CASE_TYPE, "").replace("<k:Beskeddata></k:Beskeddata>", ""),
    ] {
        let fault = fault(&text);
        assert_eq!(
            (fault.reason, fault.path.as_deref()),
            (Reason::MissingField, Some("Beskeddata")),
            "{text}"
        );
    }
}

#[test]
fn what_xml_can_hide_is_refused() {
    let plain = message(CASE_TYPE, &case_besked());
    let declared = plain.replace("?>", "?><!DOCTYPE k:Haendelsesbesked [<!ENTITY x 'y'>]>");
    undecodable(&declared);
    undecodable(&plain.replace("?>", "?><!DOCTYPE x SYSTEM 'http://localhost/'>"));
    undecodable(&plain.replace("26/17", "&x;"));
    undecodable(&plain.replace("26/17", "&nbsp;"));
    undecodable(&plain.replace("26/17", "&#0;"));
    undecodable(&plain.replace("26/17", "&amp"));
    undecodable(&plain.replace("<k:Beskeddata>", "<k:Beskeddata x='&x;'>"));
    undecodable(&plain.replace("<k:Beskeddata>", "<k:Beskeddata x='1' x='2'>"));
    undecodable(&plain.replace("<k:Beskeddata>", "<k:Beskeddata x=1>"));
    assert_eq!(facts(&plain.replace("26/17", "&lt;&amp;&#x41;&#66;<![CDATA[<&x;]]>")), facts(&plain));
    // References are read where they stand, not passed over.
    assert_eq!(facts(&plain.replace("6112801234", "611280&#x31;<![CDATA[23]]>4")), facts(&plain));
}

#[test]
fn documents_are_whole() {
    let plain = message(CASE_TYPE, &case_besked());
    for cut in [0, 1, 60, 400, plain.len() - 1] {
        undecodable(&plain[..cut]);
    }
    undecodable(&format!("{plain}<x/>"));
    undecodable(&format!("{plain}text"));
    undecodable(&plain.replace("</k:Beskeddata>", "</k:Beskedkuvert>"));
    undecodable("<a/>");
    undecodable("   ");
    undecodable("{}");
    assert_eq!(facts(&format!("{plain}\n<!-- end -->\n")), facts(&plain));
}

#[test]
fn depth_and_size_are_bounded() {
    let nested =
        |depth: usize| message(CASE_TYPE, &format!("{}{}", "<x>".repeat(depth), "</x>".repeat(depth)));
    assert_eq!(fault(&nested(60)).reason, Reason::MissingField);
    undecodable(&nested(63));
    undecodable(&nested(100_000));
    undecodable(&"<x>".repeat(1_000_000));
    undecodable(&message(CASE_TYPE, &"<x/>".repeat(20_000)));
    let large = message(CASE_TYPE, &" ".repeat(16 << 20));
    assert_eq!(fault(&large).reason, Reason::TooLarge);
}

#[test]
fn encodings() {
    let plain = message(CASE_TYPE, &case_besked().replace("Anna", "Åse Ørum"));
    let expected = facts(&plain);
    let latin1: Vec<u8> = plain
        .replace("encoding=\"UTF-8\"", "encoding='iso-8859-1'")
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect();
    let first = |body: Vec<u8>, content_type: Option<&str>| {
        let item = decode_bytes(body, content_type).remove(0);
        item.content.map_err(|fault| fault.reason)
    };
    let good = Ok(Message::Fact(expected[0].clone()));
    let types = ["text/xml", "application/xml", "application/octet-stream", "text/xml; charset=ISO-8859-1"];
    for content_type in types.into_iter().map(Some).chain([None]) {
        assert_eq!(first(latin1.clone(), content_type), good, "{content_type:?}");
    }
    // The transport's word goes before the declaration, and a byte order mark before both.
    assert_eq!(first(latin1.clone(), Some("text/xml; charset=utf-8")), Err(Reason::Undecodable));
    let marked = [b"\xEF\xBB\xBF".as_slice(), plain.as_bytes()].concat();
    assert_eq!(first(marked, Some("text/xml; charset=iso-8859-1")), good);
    let undeclared = plain.replace(" encoding=\"UTF-8\"", "");
    assert_eq!(first(undeclared.into_bytes(), None), good);
    assert_eq!(first(plain.replace("UTF-8", "UTF-16").into_bytes(), None), Err(Reason::Undecodable));
    assert_eq!(first(plain.replace("UTF-8", "klingon").into_bytes(), None), Err(Reason::Undecodable));
    let (_, without_declaration) =
        latin1.split_at(latin1.iter().position(|b| *b == b'\n').unwrap_or_default());
    assert_eq!(first(without_declaration.to_vec(), None), Err(Reason::Undecodable));
    for bad in ["application/json", "text/plain", "application/xml; charset=utf-16"] {
        assert_eq!(
            first(plain.clone().into_bytes(), Some(bad)),
            Err(Reason::UnsupportedContentType),
            "{bad}"
        );
    }
}

proptest! {
    #[test]
    fn white_space_between_elements_does_not_matter(space in "[ \t\r\n]{0,5}") {
        let plain = message(GRANT_TYPE, &grant_besked());
        prop_assert_eq!(facts(&plain.replace("><", &format!(">{space}<"))), facts(&plain));
    }
}
