//! Bodies in which nothing is, and lines that are none: what a mapping says may be there, and no more.

use samspor_domain::Decode as _;

use super::{Decoder, becomes, delivery, flaws, mapping, source};

const FIELDS: &str = "[message.fields]\nid = \"id\"\nversion = { value = 1 }\ncitizen.id = \"nr\"\n";
const CSV: &str = "format = \"csv\"\n[[pass]]\nstarts = [\"Antal linjer:\", \"SLUT\"]\n[[pass]]\nwhen = { path = \"nr\", is = \"T\" }\n\
    [[message]]\ntype = \"case\"\n";

/// How many items a body has, by the mapping as it stands and by the same where bodies may be empty.
fn items(rest: &str, body: &str) -> [(usize, u32); 2] {
    ["", "may_be_empty = true\n"].map(|empty| {
        let decoder = Decoder::new(mapping(&format!("[reads]\n{empty}{rest}")));
        assert_eq!(decoder.may_be_empty(), !empty.is_empty());
        let read = decoder.read(&source(), &delivery(body.as_bytes()));
        assert!(empty.is_empty() || read.items.iter().all(|item| item.content.is_err()), "{body}");
        (read.items.len(), read.passed)
    })
}

#[test]
fn a_body_of_the_expected_shape_may_hold_nothing_where_the_mapping_says_so() {
    let json = format!("format = \"json\"\n[[message]]\ntype = \"case\"\neach = \"a/b\"\n{FIELDS}");
    let xml = json.replace("json", "xml").replace("a/b", "/a/b/c");
    let top = format!("format = \"json\"\n[[message]]\ntype = \"case\"\n{FIELDS}");
    let csv = format!("{CSV}{FIELDS}");
    for (mapping, body) in [
        (&json, r#"{"a":[]}"#),
        (&json, r#"{"x":1,"a":{"b":[]}}"#),
        (&json, r#"{"a":[{"b":[]},{"c":1}]}"#),
        (&top, "[]"),
        (&xml, "<a/>"),
        (&xml, "<a><b/><b d='1'/></a>"),
        (&csv, "id;nr\n"),
        (&csv, "\nnr;x;id"),
    ] {
        assert_eq!(items(mapping, body), [(1, 0), (0, 0)], "{body}");
    }
    // What is something else is a fault all the same.
    for (mapping, body) in [
        (&json, "{}"),
        (&json, "[]x"),
        (&json, r#"{"a":{}}"#),
        (&json, r#"{"a":null}"#),
        (&json, r#"{"fejl":[]}"#),
        (&json, r#"{"a":"b"}"#),
        (&json, r#"{"c":{"b":[]}}"#),
        (&top, "{}"),
        (&top, ""),
        (&xml, "<fejl/>"),
        (&xml, "<a>"),
        (&xml, "<x><a><b/></a></x>"),
        (&csv, ""),
        (&csv, "\n\n"),
        (&csv, "id;navn\n"),
        (&csv, "fejl\n"),
        (&csv, "id;nr\n1\n"),
    ] {
        assert_eq!(items(mapping, body).map(|(items, _)| items), [1, 1], "{body}");
    }
}

#[test]
fn a_body_of_which_all_is_passed_over_may_be_one_of_them() {
    let csv = format!("{CSV}{FIELDS}");
    assert_eq!(items(&csv, "id;nr\n1;T\n2;T\nAntal linjer: 2\n"), [(1, 0), (0, 3)]);
    assert_eq!(items(&csv, "id;nr\n1;T\nAntal: 2\n").map(|(items, _)| items), [1, 1]);
    let json = format!(
        "format = \"json\"\n[[pass]]\nwhen = {{ path = \"nr\", is = \"T\" }}\n[[message]]\ntype = \"case\"\n{FIELDS}"
    );
    assert_eq!(items(&json, r#"{"nr":"T"}"#), [(1, 0), (0, 1)]);
}

#[test]
fn whole_lines_are_passed_over_by_what_they_begin_with_whatever_their_columns() {
    let text = format!("[reads]\n{CSV}{FIELDS}");
    let case = |id: &str| format!(r#"{{"type":"case","id":"{id}","version":1,"citizen":{{"id":"7"}}}}"#);
    let (k, l) = (case("k"), case("l"));
    let body = "id;nr\nSLUT;7\nk;7\nAntal linjer: \"2\nl;7\nSLUT\n SLUT\n";
    becomes(
        &text,
        body,
        &[&k, &l, "…undecodable at line 7: has 1 values, and by the header there are 2 columns"],
    );
    assert_eq!(Decoder::new(mapping(&text)).read(&source(), &delivery(body.as_bytes())).passed, 3);
    // Of lines of fixed width too, which need not be long enough.
    let text = format!(
        "[reads]\nformat = \"fixed\"\ncolumns = [{{ name = \"id\", at = 1, width = 5 }}, {{ name = \"nr\", at = 6, width = 1 }}]\n\
         [[pass]]\nstarts = \"T\"\n[[message]]\ntype = \"case\"\n{FIELDS}"
    );
    becomes(&text, "k    7\nT2\n", &[&k]);
}

#[test]
fn what_whole_lines_begin_with_is_for_lines_and_no_blank() {
    let xml = format!(
        "[reads]\nformat = \"xml\"\n[[pass]]\nstarts = \"T\"\n[[message]]\ntype = \"case\"\n{FIELDS}"
    );
    assert_eq!(flaws(&xml), ["4:1: `starts` is for csv and fixed: say `when` instead"]);
    let csv = format!("[reads]\n{CSV}{FIELDS}");
    let told = flaws(&csv.replacen("\"SLUT\"", "\" \"", 1));
    assert!(told.len() == 1 && told[0].contains("lines begin with nothing"), "{told:?}");
    let told = flaws(&csv.replacen("\"SLUT\"]", "\"SLUT\"]\nwhen = { path = \"nr\", is = \"T\" }", 1));
    assert!(told.len() == 1 && told[0].contains("no key `when`"), "{told:?}");
}
