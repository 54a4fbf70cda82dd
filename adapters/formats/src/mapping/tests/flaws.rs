//! What is wrong with a mapping is told at its place, all of it at once.

use super::flaws;

#[test]
fn everything_is_told_at_its_place_with_what_is_allowed() {
    let text = r#"[reads]
format = "xml"
encoding = "klingon"
namespaces = { o = "urn:x" }
separator = ";"

[tables.area]
BU = ""

[[message]]
type = "posting"
each = "p:Bilag/o:Linje"
when = { path = "A" }
  [message.fields]
  id = "a//b"
  date = { path = "Dato", format = "%d-%m", decimal = "," }
  amount = { path = "Beloeb", decimal = ",", thousands = ",", number = true, unit = "ører" }
  "citizen.cpr" = "Cpr"
  grant = "Bev"
  area = "Afd"
  voucher = { path = "A", join = ["B"] }
  cost_centre = { path = "A", table = "areas" }
  grouping = { value = "12" }
  reverses = 7

[[message]]
type = "postering"
fields = {}

[[message]]
type = "split"
each = "o:Nøgle"
  [message.fields]
  id = { when = { path = "x", exists = true } }
  version = { path = "@v", format = "%Q%Q" }
  solution = { path = "../..", pad = 200 }
  parts = "P"
"#;
    let told = flaws(text);
    for (index, expected) in [
        "3:12: the encoding `klingon` is not read; there are utf-8",
        "5:1: [reads] has no key `separator`; there are format, encoding, namespaces",
        "10:1: a posting needs the field `account`, an account; write account = \"…\"",
        "12:8: this path has the prefix `p`, which [reads] namespaces does not have",
        "13:8: a condition needs exactly one of `is`, `is_not` and `exists`",
        "15:8: this path has an empty step",
        "16:36: `%d-%m` is no format from which a date can be read; such as",
        "16:45: the rule of `date`, a date, has no key `decimal`; there are path, first, join, value, when, unseen, otherwise, needed, strip, part, format",
        "17:12: `decimal` and `thousands` are both ','",
        "17:72: `number` is for json, which alone has numbers",
        "17:72: a JSON number is written in one way",
        "17:85: this is neither `kroner` nor `oere`",
        "18:3: a posting has no field `citizen.cpr`; write citizen.cpr without quotes",
        "19:11: this is a text: expected its parts, each with a rule of its own: grant.system, grant.grant",
        "20:3: a posting has no field `area`; there are id, date, account",
        "21:13: `path`, `first`, `join` and `value` exclude each other",
        "22:39: there is no table `areas`; there are area",
        "23:24: `12` ",
        "24:14: this is a whole number: expected a path in quotes, or a table such as { path = \"…\" }",
        "27:8: there is no message type `postering`; there are posting, receipt, case",
        "34:8: a rule needs one of `path`, `first`, `join` and `value`",
        "35:37: `%Q%Q` is no format",
        "36:23: this path goes up beyond the document",
        "36:38: this is a whole number: expected a whole number from 1 to 120",
        "37:3: `parts` is a list of objects, which no mapping can make; send it as canonical JSON or over gRPC",
    ]
    .into_iter()
    .enumerate()
    {
        let got = told.get(index).map(String::as_str).unwrap_or_default();
        assert!(got.starts_with(expected), "{index}: expected {expected}\n got {got}\nall {told:#?}");
    }
    assert_eq!(told.len(), 25, "{told:#?}");
}

#[test]
fn what_is_no_toml_or_lacks_a_section_is_told() {
    for (text, expected) in [
        ("[reads", "1:7: "),
        ("", "1:1: a mapping needs the key `reads`"),
        (
            "[reads]\nformat = \"yaml\"\n[[message]]\ntype = \"case\"",
            "2:10: there is no format `yaml`; there are xml, json, ndjson, csv and fixed",
        ),
        (
            "[reads]\nformat = \"json\"\n[message]\ntype = \"case\"",
            "3:1: messages are a list: write [[message]] with two brackets",
        ),
        (
            "[reads]\nformat = \"json\"\n[[message]]\ntype = \"case\"",
            "3:1: [[message]] needs the key `fields`",
        ),
        (
            "[reads]\nformat = \"csv\"\n[[message]]\ntype = \"case\"\neach = \"x\"\n[message.fields]\nid=\"\"\nversion=\"a\"\ncitizen.system=\"a\"",
            "5:1: each line is a message of its own: `each` is for xml and json",
        ),
        (
            "[reads]\nformat = \"fixed\"\ncolumns = [{ name = \"a\", at = 0, width = 1 }]\n[[message]]\ntype = \"case\"\n[message.fields]\nid = \"b\"",
            "3:31: this is a whole number: expected a whole number from 1 to 10000",
        ),
        (
            "[reads]\nformat = \"csv\"\nheader = false\n[[message]]\ntype = \"case\"\n[message.fields]\nid = \"1\"",
            "1:1: without a header, [reads] needs the key `columns`",
        ),
        (
            "[reads]\nformat = \"csv\"\nheader = false\ncolumns = 2\n[[message]]\ntype = \"case\"\n[message.fields]\nid = \"3\"",
            "5:1: a case needs the field `version`",
        ),
        (
            "pass = 1\n[reads]\nformat = \"json\"\n[[message]]\ntype = \"case\"\n[message.fields]\nid = \"3\"\nversion = \"v\"\ncitizen.id = \"i\"",
            "1:8: what is passed over is a list: write [[pass]]",
        ),
        (
            "[reads]\nformat = \"json\"\n[[pass]]\neach = \"b\"\n[[message]]\ntype = \"case\"\neach = \"a\"\n[message.fields]\nid = \"3\"\nversion = \"v\"\ncitizen.id = \"i\"",
            "3:1: [[pass]] needs the key `when`",
        ),
        (
            "[reads]\nformat = \"json\"\n[[pass]]\neach = \"b\"\nwhen = { path = \"x\", is = \"y\" }\n[[message]]\ntype = \"case\"\neach = \"a\"\n[message.fields]\nid = \"3\"\nversion = \"v\"\ncitizen.id = \"i\"",
            "4:1: no [[message]] has this `each`, so there is nothing to pass over",
        ),
    ] {
        let told = flaws(text);
        assert!(told[0].starts_with(expected), "{text}: {told:#?}");
    }
}
