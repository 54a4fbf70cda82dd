//! What is passed over, since the mapping says so; and what is a fault, since it does not.

use samspor_domain::Decode as _;

use super::{Decoder, becomes, delivery, mapping, source};

const LINES: &str = "[reads]\nformat = \"csv\"\n\n[[pass]]\nwhen = { path = \"art\", is = [\"T\", \"U\"] }\n\n\
    [[message]]\ntype = \"case\"\nwhen = { path = \"art\", is = \"B\" }\n  [message.fields]\n  id = \"id\"\n  version = { value = 1 }\n  citizen.id = \"nr\"\n";

#[test]
fn nothing_that_is_not_said_to_be_passed_over_is() {
    let body = "art;id;nr\nT;0;1\nB;k;7\nb;l;7\nK;m;7\n;n;7\nU;o;7\n";
    let wanted = "…is what no [[message]] takes, since `when` holds of none, and no [[pass]] passes over";
    becomes(
        LINES,
        body,
        &[r#"{"type":"case","id":"k","version":1,"citizen":{"id":"7"}}"#, wanted, wanted, wanted],
    );
    let read = Decoder::new(mapping(LINES)).read(&source(), &delivery(body.as_bytes()));
    assert_eq!(read.passed, 2);
    assert!(read.items.iter().all(|item| item.ignored_fields == 0), "what is passed over is no field");
    let faults = read.items.iter().filter_map(|item| item.content.as_ref().err()?.path.clone());
    assert_eq!(faults.collect::<Vec<_>>(), ["line 4", "line 5", "line 6"]);
    // A body of nothing else is not nothing.
    becomes(LINES, "art;id;nr\nT;0;1\n", &["…unknown-type: the mapping makes no message of this"]);
}

#[test]
fn what_is_passed_over_goes_before_what_is_taken() {
    let text = LINES.replace("when = { path = \"art\", is = \"B\" }\n", "");
    becomes(
        &text,
        "art;id;nr\nT;;\nB;k;7\n",
        &[r#"{"type":"case","id":"k","version":1,"citizen":{"id":"7"}}"#],
    );
}

#[test]
fn elements_are_passed_over_where_they_stand_and_not_what_is_in_them() {
    let text = "[reads]\nformat = \"json\"\n[[pass]]\neach = \"s\"\nwhen = { path = \"x\", is = \"P\" }\n\
        [[message]]\ntype = \"case\"\neach = \"s\"\nwhen = { path = \"x\", is = \"B\" }\n[message.fields]\nid = \"id\"\nversion = { value = 1 }\ncitizen.id = \"nr\"\n\
        [[message]]\ntype = \"case\"\neach = \"s/t\"\n[message.fields]\nid = \"id\"\nversion = { value = 1 }\ncitizen.id = \"../nr\"\n";
    becomes(
        text,
        r#"{"s":[{"x":"P","id":"a","nr":"1","t":[{"id":"b"}]},{"x":"p","id":"c","nr":"2","t":{"id":"d"}},{"x":"B","id":"e","nr":"3"}]}"#,
        &[
            r#"{"type":"case","id":"b","version":1,"citizen":{"id":"1"}}"#,
            "…unknown-type at s[2]: is what no",
            r#"{"type":"case","id":"d","version":1,"citizen":{"id":"2"}}"#,
            r#"{"type":"case","id":"e","version":1,"citizen":{"id":"3"}}"#,
        ],
    );
    // `becomes` reads each excerpt again; here the ancestor that is passed over makes nothing in it.
    let items = Decoder::new(mapping(text))
        .decode(&source(), &delivery(br#"{"s":[{"x":"P","nr":"1","t":[{"id":"b"},{"id":"c"}]}]}"#));
    let places: Vec<_> =
        items.iter().filter_map(|item| item.excerpt.as_ref()).map(|e| (e.item, e.items)).collect();
    assert_eq!(places, [(0, 1), (0, 1)]);
}
