//! XML.

use super::{Decoder, becomes, delivery, flaws, items, mapping, source};

const XML: &str = r#"
[reads]
format = "xml"
encoding = "iso-8859-1"
namespaces = { o = "urn:opus", default = "urn:opus" }

[[message]]
type = "posting"
each = "Udtraek/Bilag/o:Linje"
when = { path = "Status", is = ["B", "K"] }
  [message.fields]
  id = { join = ["../Nr", "@nr"], with = "-" }
  date = { path = "../Dato", format = "iso" }
  account = "Konto"
  amount = { path = "Beloeb", decimal = ",", negative = { path = "DK", is = "K" }, positive = { any = [{ path = "DK", is = "D" }, { path = "DK", exists = false }] } }
  citizen.cpr = { path = "Cpr", when = { path = "Type", is = "02" } }
  citizen.id = { path = "Cpr", when = { path = "Type", is = "09" } }
  voucher = "/Udtraek/Bilag/Nr"
  cost_centre = { first = ["Sted", "/Udtraek/Hoved/Sted"] }

[[message]]
type = "control-total"
each = "Udtraek/Hoved"
  [message.fields]
  id = { path = "Nr" }
  version = { path = "Dannet", format = "iso" }
  source = { value = "opus" }
  from = "Dag"
  to = "Dag"
  count = "Antal"
  sum = { path = "Sum", decimal = "," }

[[pass]]
each = "Udtraek/Bilag/o:Linje"
when = { path = "Status", is = "A" }
"#;

fn linje(nr: &str, inner: &str) -> String {
    format!("<Linje nr=\"{nr}\"><Status>B</Status><Konto>5.28.21</Konto>{inner}</Linje>")
}

fn document(lines: &str) -> String {
    format!(
        "<Udtraek xmlns=\"urn:opus\"><Hoved><Nr>7</Nr><Dannet>2026-03-15T06:00:00Z</Dannet><Dag>2026-03-14</Dag>\
         <Antal>3</Antal><Sum>1,50</Sum><Sted>0417</Sted></Hoved>\
         <Bilag><Nr>B1</Nr><Dato>2026-03-14T23:30:00Z</Dato>{lines}<Andet>x</Andet></Bilag></Udtraek>"
    )
}

#[test]
fn elements_become_messages_by_namespace_and_never_by_prefix() {
    let lines = [
        linje("1", "<Beloeb>12,50</Beloeb><DK>K</DK><Type>02</Type><Cpr>611280-1234</Cpr>"),
        linje("2", "<Beloeb>-1,5</Beloeb><DK>K</DK><Type>09</Type><Cpr>L-7</Cpr><Sted>1</Sted>"),
        "<Linje nr=\"3\"><Status>A</Status></Linje>".to_owned(),
        linje("4", "<Beloeb>1.50</Beloeb><Ukendt><Beloeb>x</Beloeb></Ukendt>"),
        linje("5", "<Beloeb>1</Beloeb><Beloeb>2</Beloeb>"),
        linje("6", ""),
        linje("7", "<Beloeb>1</Beloeb><Type>02</Type><Cpr>6113801234</Cpr>"),
    ];
    let expected = [
        r#"{"type":"control-total","id":"7","version":1773554400000000,"source":"opus","from":"2026-03-14","to":"2026-03-14","count":3,"sum":"1.50"}"#,
        r#"{"type":"posting","id":"B1-1","date":"2026-03-15","account":"5.28.21","amount":"-12.50","citizen":{"cpr":"6112801234"},"voucher":"B1","cost_centre":"0417"}"#,
        r#"{"type":"posting","id":"B1-2","date":"2026-03-15","account":"5.28.21","amount":"1.50","citizen":{"id":"L-7"},"voucher":"B1","cost_centre":"1"}"#,
        "invalid-amount at Udtraek/Bilag/Linje[4]/Beloeb: is not an amount as declared: digits, at most two after ',', and any '-' before them (`amount`, mapping line 15)",
        "invalid-field at Udtraek/Bilag/Linje[5]/Beloeb[1]: stands there several times, and one is wanted (`amount`, mapping line 15)",
        "missing-field at Udtraek/Bilag/Linje[6]/Beloeb: is required, and nothing is found here (`amount`, mapping line 15)",
        "invalid-cpr at Udtraek/Bilag/Linje[7]/Cpr: does not begin with a date that exists in the century that its seventh digit gives (`citizen.cpr`, mapping line 16)",
    ];
    let plain = document(&lines.concat());
    becomes(XML, &plain, &expected);
    // Another prefix is the same; another namespace, or none, is something else.
    let prefixed = plain.replace("<", "<p:").replace("<p:/", "</p:").replace("xmlns=", "xmlns:p=");
    becomes(XML, &prefixed, &expected);
    becomes(XML, plain.replace("urn:opus", "urn:other"), &["…unknown-type"]);
    becomes(XML, plain.replace(" xmlns=\"urn:opus\"", ""), &["…unknown-type"]);
    // What is not named is counted once, and what is passed over apart from it.
    assert_eq!(items(XML, &plain)[0].ignored_fields, 2);
    let read = Decoder::new(mapping(XML)).read(&source(), &delivery(plain.as_bytes()));
    assert_eq!(read.passed, 1);
    // A prefix that stands for nothing is no way to fill an attribute.
    becomes(
        XML,
        plain.replace("<Linje nr=", "<Linje x:nr="),
        &["undecodable: uses a prefix without a namespace"],
    );
}

#[test]
fn an_excerpt_holds_the_element_and_what_stands_beside_its_ancestors() {
    let lines: String = (1..=3).map(|nr| linje(&nr.to_string(), "<Beloeb>x</Beloeb>")).collect();
    let body = document(&lines).replace("<Hoved>", "<Hoved><Navn>&#230;</Navn>");
    let items = items(XML, &body);
    // The header is a message of its own, which lines read too.
    let header =
        body.get(body.find("<Hoved>").unwrap_or(0)..body.find("<Bilag>").unwrap_or(0)).unwrap_or_default();
    let excerpt =
        items[2].excerpt.as_ref().map(|excerpt| String::from_utf8_lossy(&excerpt.bytes).into_owned());
    let excerpt = excerpt.unwrap_or_default();
    assert_eq!(
        excerpt,
        format!(
            "\u{feff}<Udtraek xmlns=\"urn:opus\">{header}<Bilag><Nr>B1</Nr><Dato>2026-03-14T23:30:00Z</Dato><Andet>x</Andet>{}</Bilag></Udtraek>",
            linje("2", "<Beloeb>x</Beloeb>")
        )
    );
}

#[test]
fn a_long_beginning_is_not_kept_a_thousand_times() {
    let small = |count: usize, beside: &str| {
        let lines: String = (0..count).map(|nr| linje(&nr.to_string(), "<Beloeb>x</Beloeb>")).collect();
        document(&format!("{beside}{lines}"))
    };
    let long = "y".repeat(100_000);
    // Beside the messages and not named: left away.
    let body = small(1_000, &format!("<Langt>{long}</Langt>"));
    let kept: usize =
        items(XML, &body).iter().filter_map(|item| item.excerpt.as_ref()).map(|e| e.bytes.len()).sum();
    assert!(kept < 8 * body.len() + (16 << 20), "{kept} of {}", body.len());
    // Named: it cannot be left away, so the body is one fault.
    let body = small(1_000, "").replace("<Nr>B1</Nr>", &format!("<Nr>{long}</Nr>"));
    becomes(XML, body, &["…too-large: what its messages share"]);
}

#[test]
fn encodings_doctypes_entities_and_depth() {
    let body = document(&linje("1", "<Beloeb>1</Beloeb><Sted>\u{e6}&amp;</Sted>"));
    let expected = [
        r#"{"type":"control-total","id":"7","version":1773554400000000,"source":"opus","from":"2026-03-14","to":"2026-03-14","count":3,"sum":"1.50"}"#,
        r#"{"type":"posting","id":"B1-1","date":"2026-03-15","account":"5.28.21","amount":"1","voucher":"B1","cost_centre":"æ&"}"#,
    ];
    let latin1: Vec<u8> = body.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    becomes(XML, latin1, &expected);
    becomes(XML, format!("\u{feff}{body}"), &expected);
    becomes(XML, format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{body}"), &expected);
    for (body, why) in [
        (format!("<!DOCTYPE x>{body}"), "DOCTYPE"),
        (body.replace("&amp;", "&egen;"), "entity"),
        (body.replace("</Bilag>", ""), "not well-formed"),
        (format!("{body}<x/>"), "more than one root"),
        (format!("{body}x"), "outside its root"),
        (format!("{}{}", "<a>".repeat(100), "</a>".repeat(100)), "in each other"),
        ("<b/>".repeat(100_000), "more than one root"),
        (format!("<Udtraek xmlns=\"urn:opus\">{}</Udtraek>", "<Bilag/>".repeat(100_000)), "more elements"),
        (String::new(), "no element"),
        (body[..body.len() - 10].to_owned(), "ends within"),
    ] {
        let items = items(XML, &body);
        let fault = items[0].content.as_ref().expect_err(why);
        assert!(fault.to_string().contains(why), "{fault}");
    }
}

#[test]
fn paths_lead_where_an_excerpt_can_follow() {
    let of = |path: &str| XML.replace("\"../Nr\"", &format!("\"{path}\""));
    for path in ["../../Hoved/Sted", "../../Bilag/Nr", "/Udtraek/Bilag/Linje/Sted", "/Udtraek/@dato", "."] {
        mapping(&of(path));
    }
    let text = of("/Udtraek/Bilag/Nr").replace("\"Udtraek/Hoved\"", "\"Udtraek/Hoved/Total\"");
    assert_eq!(
        flaws(&text),
        ["19:36: this path leads out of its own element and into others that hold messages"]
    );
    assert_eq!(mapping(XML).makes().collect::<Vec<_>>(), ["posting", "control-total"]);
}
