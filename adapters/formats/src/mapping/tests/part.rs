//! Values of which a part is meant.

use proptest::prelude::*;

use super::{becomes, flaws};

fn case(id: &str) -> String {
    format!(
        "[reads]\nformat = \"json\"\n[[message]]\ntype = \"posting\"\n[message.fields]\nid = {id}\ndate = \"d\"\naccount = {{ value = \"5.28.21\" }}\namount = {{ path = \"b\", part = [3], decimal = \",\" }}\ncitizen.cpr = {{ path = \"hvem\", part = [1, 10] }}\n"
    )
}

fn posting(id: &str, amount: &str) -> String {
    format!(
        r#"{{"type":"posting","id":"{id}","date":"2026-03-14","account":"5.28.21","amount":"{amount}","citizen":{{"cpr":"6112801234"}}}}"#
    )
}

#[test]
fn what_stands_around_a_value_is_left() {
    let text = case("{ path = \"i\", strip = \"opus:\", part = [2, 4] }");
    let body = |id: &str, amount: &str, who: &str| {
        format!(r#"{{"i":"{id}","d":"2026-03-14","b":"{amount}","hvem":"{who}"}}"#)
    };
    for (id, amount, who, expected) in [
        ("opus:xæøåZ", "kr12,50", "6112801234 Prøve Person", posting("æøåZ", "12.50")),
        ("opus:x AB y", "kr -0,05", "6112801234", posting("AB", "-0.05")),
        (
            "opus:xæøå",
            "kr1",
            "6112801234",
            "…invalid-field at i: is no text in which all of the characters stand that `part` takes (`id`, mapping line 6)".into(),
        ),
        ("opus:x    y", "kr1", "6112801234", "…invalid-field at i: is no text in which".into()),
        ("opus:xABCD", "kr", "6112801234", "…invalid-amount at b: is no text in which".into()),
        ("opus:xABCD", "kr12.50", "6112801234", "…invalid-amount at b: is not an amount as declared".into()),
        ("opus:xABCD", "kr1", "611280123", "…invalid-cpr at hvem: is no text in which".into()),
        ("opus:xABCD", "kr1", "611280-1234", "…invalid-cpr at hvem".into()),
    ] {
        becomes(&text, body(id, amount, who), &[&expected]);
    }
    // A number has no characters that could be counted on.
    becomes(
        &text,
        r#"{"i":"opus:xABCD","d":"2026-03-14","b":1250,"hvem":"6112801234"}"#,
        &["…invalid-amount at b"],
    );
}

#[test]
fn a_part_is_told_where_it_is_none() {
    for (part, told) in [
        ("[0, 1]", "6:28: "),
        ("[1, 0]", "6:31: "),
        ("[]", "6:27: "),
        ("[1, 2, 3]", "6:27: "),
        ("3", "6:27: "),
        ("[\"1\"]", "6:28: "),
    ] {
        let flaws = flaws(&case(&format!("{{ path = \"i\", part = {part} }}")));
        assert!(flaws.len() == 1 && flaws[0].starts_with(told), "{part}: {flaws:?}");
    }
    let flaws = flaws(&case("{ value = \"i\", part = [1] }"));
    assert!(flaws.len() == 1 && flaws[0].contains("has no key `part`"), "{flaws:?}");
}

proptest! {
    #[test]
    fn it_is_just_those_characters_or_a_fault(text in "[a-zæøåß€😀]{0,12}", at in 1usize..15, length in 1usize..15) {
        let mapping = case(&format!("{{ path = \"i\", part = [{at}, {length}] }}"));
        let body = format!(r#"{{"i":"{text}","d":"2026-03-14","b":"kr1","hvem":"6112801234"}}"#);
        let part: String = text.chars().skip(at - 1).take(length).collect();
        let is_there = text.chars().count() + 1 >= at + length;
        let expected = match (text.is_empty(), is_there) {
            (true, _) => "…missing-field".to_owned(),
            (false, true) => posting(&part, "1"),
            (false, false) => "…invalid-field".to_owned(),
        };
        becomes(&mapping, body, &[&expected]);
    }
}
