//! Elements that are told apart by what stands in them, not by their names.

use super::{becomes, flaws};

const XML: &str = r#"[reads]
format = "xml"
namespaces = { o = "urn:o" }

[[message]]
type = "posting"
each = "/Udtraek/Linje"
  [message.fields]
  id = "Felt[@navn=Id]"
  date = { path = "Felt[ @navn = Bogført / dato ]/Vaerdi", format = "%d-%m-%Y" }
  account = "../Felt[@navn=Konto]"
  amount = { path = "Felt[@navn=Beloeb]", decimal = ",", negative = { path = "Felt[@navn=DK]", is = "K" }, positive = { path = "Felt[@navn=DK]", is = "D" } }
  citizen.cpr = "o:Part[o:Rolle=Borger]/o:Nr"
"#;

fn line(fields: &str) -> String {
    format!(
        "<Udtraek xmlns:o='urn:o'><Felt navn='Andet'>x</Felt><Felt navn='Konto'>5.28.21.1</Felt><Linje>\
         <Felt navn='Id'>a</Felt><Felt navn=' Bogført / dato '><Vaerdi>14-03-2026</Vaerdi></Felt>{fields}\
         <o:Part><o:Rolle>Sagsbehandler</o:Rolle><o:Nr>1</o:Nr></o:Part>\
         <o:Part><o:Rolle>Bisidder</o:Rolle><o:Rolle>Borger</o:Rolle><o:Nr>6112801234</o:Nr></o:Part>\
         </Linje><Linje><Felt navn='Id'/></Linje></Udtraek>"
    )
}

#[test]
fn elements_of_one_name_are_told_apart_by_what_they_say_of_themselves() {
    let posting = |amount: &str| {
        format!(
            r#"{{"type":"posting","id":"a","date":"2026-03-14","account":"5.28.21.1","amount":"{amount}","citizen":{{"cpr":"6112801234"}}}}"#
        )
    };
    let missing = "missing-field at Udtraek/Linje[2]/Felt: is required, and nothing is found here (`id`, mapping line 9)";
    let beloeb = "<Felt navn='Beløb'>1,00</Felt><Felt navn='Beloeb'>12,50</Felt><Felt>3,00</Felt>";
    for (fields, expected) in [
        (format!("{beloeb}<Felt navn='DK'>D</Felt>"), posting("12.50")),
        (format!("<Felt navn='DK'>K</Felt>{beloeb}"), posting("-12.50")),
        (
            "<Felt navn='DK'>K</Felt><Felt navn='beloeb'>1,00</Felt>".into(),
            "missing-field at Udtraek/Linje[1]/Felt[@navn=Beloeb]: is required, and nothing is found here (`amount`, mapping line 12)".into(),
        ),
        (
            format!("<Felt navn='DK'>D</Felt>{beloeb}{beloeb}"),
            "invalid-field at Udtraek/Linje[1]/Felt[5]: stands there several times, and one is wanted (`amount`, mapping line 12)".into(),
        ),
    ] {
        becomes(XML, line(&fields), &[&expected, missing]);
    }
}

#[test]
fn so_they_are_in_json_by_texts_numbers_and_words() {
    let text = r#"[reads]
format = "json"
[[message]]
type = "case"
each = "sager"
  [message.fields]
  id = "felter[navn=Id]/vaerdi"
  version = "felter[nr=2]/vaerdi"
  citizen.id = "felter[borger=true]/vaerdi"
  area = "a[b]"
"#;
    let body = r#"{"sager":[{"felter":[{"navn":"Id","vaerdi":"k"},{"nr":2,"vaerdi":7},{"nr":"20","vaerdi":8},{"borger":true,"vaerdi":"B"},{"borger":{},"vaerdi":"C"}]},
        {"felter":{"navn":"Id","vaerdi":"l"}}]}"#;
    let case = r#"{"type":"case","id":"k","version":7,"citizen":{"id":"B"}}"#;
    let told = flaws(text);
    assert!(
        told.len() == 1 && told[0].starts_with("10:10: this path has brackets without a name"),
        "{told:?}"
    );
    let text = text.replace("  area = \"a[b]\"\n", "");
    becomes(&text, body, &[case, "…missing-field at sager[2]/felter[nr=2]/vaerdi: is required"]);
}

#[test]
fn brackets_that_ask_for_nothing_are_told() {
    for (path, told) in [
        ("Felt[@navn]", "has brackets without a name"),
        ("Felt[=x]", "has brackets without a name"),
        ("Felt[@navn=]", "has brackets without a name"),
        ("Felt[a/b=c]", "has brackets without a name"),
        ("Felt[p:navn=x]", "has the prefix `p`"),
        ("@navn[@a=b]", "goes on below an attribute"),
        ("Felt[@navn=x", "has a step that is not the name of an element"),
        ("Felt]", "has a step that is not the name of an element"),
        ("/Udtraek[@a=b]/Felt", "leads out of its own element and into others that hold messages"),
    ] {
        let flaws = flaws(&XML.replace("Felt[@navn=Id]", path));
        assert!(flaws.len() == 1 && flaws[0].contains(told), "{path}: {flaws:?}");
    }
    let flaws = flaws(&XML.replace("/Udtraek/Linje", "/Udtraek/Linje[@art=B]"));
    assert!(flaws[0].contains("`when` says of which elements"), "{flaws:?}");
}

#[test]
fn many_elements_of_one_name_are_no_way_to_take_time() {
    let many = "<Felt navn='x'>1</Felt>".repeat(20_000);
    // More than are looked at: several, whatever they are.
    becomes(
        XML,
        line(&many),
        &["…invalid-field at Udtraek/Linje[1]", "…missing-field at Udtraek/Linje[2]/Felt: is required"],
    );
}
