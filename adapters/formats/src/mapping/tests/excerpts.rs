//! Which item of its excerpt each item is, where one body, element or line makes several.

use super::{Mapping, again, delivery, mapping, source};
use crate::mapping::Decoder;

/// Messages of the document, of each section with a code, of each line in it twice over, and of a header that lines read too.
fn nested(format: &str) -> Mapping {
    let message = |kind: &str, each: &str, id: &str, citizen: &str| {
        format!(
            "[[message]]\ntype = \"{kind}\"\n{each}[message.fields]\nid = \"{id}\"\nversion = {{ value = 1 }}\n{citizen}\n"
        )
    };
    let of = |each: &str| format!("each = \"{each}\"\n");
    let root = if format == "xml" { "u/" } else { "" };
    let parts = [
        format!(
            "[reads]\nformat = \"{format}\"\n[[pass]]\neach = \"{root}s\"\nwhen = {{ path = \"k\", is = \"P\" }}\n"
        ),
        message("case", "", &format!("{root}nr"), &format!("citizen.id = \"{root}nr\"")),
        message("case", &of(&format!("{root}s")), "k", "citizen.id = \"../nr\""),
        message("grant", &of(&format!("{root}s/l")), "id", "case = \"../k\""),
        message("grant", &of(&format!("{root}s/l")), "id", "case = \"../h/x\""),
        message("grant", &of(&format!("{root}s/h")), "x", "case = \"../k\""),
        message("grant", &of(&format!("{root}s/l/d")), "id", "case = \"../id\""),
    ];
    mapping(&parts.concat())
}

fn held(name: &str, mapping: &Mapping, body: &str, expected: &[(u32, u32)]) {
    use samspor_domain::Decode as _;
    let items = Decoder::new(mapping.clone()).decode(&source(), &delivery(body.as_bytes()));
    for item in &items {
        assert_eq!(again(mapping, item), Ok(()), "{name}");
    }
    let places: Vec<_> =
        items.iter().filter_map(|item| item.excerpt.as_ref()).map(|e| (e.item, e.items)).collect();
    assert_eq!(places, expected, "{name}: {items:#?}");
}

#[test]
fn each_item_is_found_among_those_that_its_excerpt_holds() {
    let xml = "<u><nr>7</nr><s><h><x>1</x></h><k>a</k><l><id>b</id><d><id>c</id></d><d/></l><l><id/></l></s><s><k>P</k><l><id>d</id></l></s></u>";
    held(
        "xml",
        &nested("xml"),
        xml,
        // The document of XML has no excerpt. A section: the document's, its own, all in it.
        &[(1, 9), (2, 3), (3, 7), (4, 7), (5, 6), (5, 6), (3, 5), (4, 5), (1, 3), (2, 3)],
    );
    let json = r#"{"nr":"7","s":[{"h":{"x":"1"},"k":"a","l":[{"id":"b","d":[{"id":"c"},{}]},{}]},{"k":"P","l":{"id":"d"}}]}"#;
    held(
        "json",
        &nested("json"),
        json,
        &[(0, 11), (1, 9), (2, 3), (3, 7), (4, 7), (5, 6), (5, 6), (3, 5), (4, 5), (1, 3), (2, 3)],
    );
    // Several headers, of which each is beside the others.
    let json = r#"{"nr":"7","s":[{"h":[{"x":"1"},{"x":"2"}],"k":"a","l":[{"id":"b"}]}]}"#;
    held("headers", &nested("json"), json, &[(0, 6), (1, 6), (2, 3), (2, 3), (4, 6), (5, 6)]);
    let xml = "<u><nr>7</nr><s><h><x>1</x></h><h><x>2</x></h><k>a</k><l><id>b</id></l></s></u>";
    held("headers in xml", &nested("xml"), xml, &[(1, 6), (3, 4), (3, 4), (4, 6), (5, 6)]);
}

#[test]
fn a_line_holds_all_that_is_made_of_it_and_nothing_else() {
    let text = "[reads]\nformat = \"csv\"\n[[message]]\ntype = \"case\"\n[message.fields]\nid = \"a\"\nversion = { value = 1 }\ncitizen.id = \"b\"\n\
                [[message]]\ntype = \"grant\"\nwhen = { path = \"c\", exists = true }\n[message.fields]\nid = \"c\"\nversion = { value = 1 }\ncase = \"a\"\n";
    held(
        "lines",
        &mapping(text),
        "a;b;c\n1;2;3\n4;5;\n;;6\n7\n",
        &[(0, 2), (1, 2), (0, 1), (0, 2), (1, 2), (0, 1)],
    );
}
