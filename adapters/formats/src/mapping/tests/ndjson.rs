//! JSON lines.

use samspor_domain::Decode as _;

use super::{Decoder, becomes, delivery, items, mapping, source};

const TEXT: &str = r#"[reads]
format = "ndjson"

[[pass]]
when = { path = "art", is = "T" }

[[message]]
type = "case"
  [message.fields]
  id = "id"
  version = "v"
  citizen.id = "hvem/nr"
"#;

fn case(id: &str) -> String {
    format!(r#"{{"type":"case","id":"{id}","version":1,"citizen":{{"id":"7"}}}}"#)
}

#[test]
fn each_line_is_a_document_and_one_that_is_broken_costs_itself_alone() {
    let line = |id: &str| format!(r#"{{"id":"{id}","v":1,"hvem":{{"nr":"7"}}}}"#);
    let (k, l, m, n) = (line("k"), line("l"), line("m"), line("n"));
    let body = format!(
        "\u{feff}{k}\r\n\n{{\"art\":\"T\"}}\n{{\"id\":\n[{l},{m}]\n  {n}\n{{\"id\":\"o\",\"v\":\"x\"}}\n[]"
    );
    let expected = [
        case("k"),
        "…undecodable at line 4: the body is not the JSON it should be".into(),
        case("l"),
        case("m"),
        case("n"),
        "invalid-field at [7]/v: is not a whole number in range (`version`, mapping line 11)".into(),
        "…unknown-type at line 8: the mapping makes no message of this".into(),
    ];
    let all = expected.each_ref().map(String::as_str);
    becomes(TEXT, &body, &all);
    assert_eq!(Decoder::new(mapping(TEXT)).read(&source(), &delivery(body.as_bytes())).passed, 1);
    // What is kept of a line is that line, and one that is alone is all of the body.
    let kept = |body: &str| -> Vec<_> {
        let of = |item: samspor_domain::Item| item.excerpt.map(|excerpt| (excerpt.item, excerpt.items));
        items(TEXT, body).into_iter().map(of).collect()
    };
    assert_eq!(kept(&format!("{k}\n{l}\n")), [Some((0, 1)), Some((0, 1))]);
    assert_eq!(kept(&format!("\n{k}\n")), [None]);
    // Where messages stand in arrays within lines, each is found again in what is kept of it.
    let text = TEXT
        .replace("type = \"case\"", "type = \"case\"\neach = \"s\"")
        .replace("[[pass]]", "[[pass]]\neach = \"s\"");
    let body = format!("{{\"s\":[{k},{l}]}}\n{{\"s\":{{\"id\":\"p\"}}}}\n{{\"s\":[{m}]}}");
    let expected = [&case("k"), &case("l"), "…missing-field at [2]/s/v: is required", &case("m")];
    becomes(&text, body, &expected);
}

#[test]
fn what_is_kept_of_a_line_is_read_in_its_own_encoding() {
    let text = TEXT.replace("\"ndjson\"", "\"ndjson\"\nencoding = \"iso-8859-1\"");
    let body = "[{\"id\":\"\u{e6}\",\"v\":1,\"hvem\":{\"nr\":\"7\"}},{\"id\":\"\u{f8}\",\"v\":1,\"hvem\":{\"nr\":\"7\"}}]\n\n{}\n";
    let bytes: Vec<u8> = body.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    // `becomes` reads what is kept again: of the array it is UTF-8 with its mark.
    becomes(&text, bytes, &[&case("æ"), &case("ø"), "…missing-field at [3]/id"]);
}

#[test]
fn a_day_without_lines_is_empty_where_the_mapping_says_so() {
    let empty = TEXT.replace("\"ndjson\"", "\"ndjson\"\nmay_be_empty = true");
    for body in ["", "\n", "[]\n", "{\"art\":\"T\"}\n{\"art\":\"T\"}"] {
        assert_eq!(items(&empty, body).len(), 0, "{body}");
        assert!(items(TEXT, body).iter().all(|item| item.content.is_err()), "{body}");
        assert!(!items(TEXT, body).is_empty(), "{body}");
    }
    becomes(&empty, "{\"fejl\":1}\n[]\n", &["…missing-field at [1]/id"]);
    assert!(Decoder::new(mapping(&empty)).may_be_empty());
}

#[test]
fn many_lines_are_bounded_like_one_body() {
    // Each line alone might hold a thousand messages.
    let line = format!("[{}]\n", ["null"; 900].join(","));
    let body = line.repeat(10);
    let items = items(TEXT, &body);
    assert!(items.len() == 1 && items[0].excerpt.is_none(), "{} items", items.len());
}
