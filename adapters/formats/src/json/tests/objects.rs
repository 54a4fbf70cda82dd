//! Bodies, content types, lists and their rules.

use proptest::prelude::*;
use samspor_domain::{Decode, Delivery, Reason};
use serde_json::{Value, json};

use super::*;

fn undecodable(text: &str) {
    let fault = decode_text(text).content.err().unwrap_or_else(|| panic!("no fault in {text}"));
    assert_eq!((fault.reason, fault.path), (Reason::Undecodable, None), "{text}");
}

#[test]
fn a_body_is_one_object() {
    for text in [
        "",
        " ",
        "null",
        "1",
        "\"posting\"",
        "[]",
        "[{\"type\":\"case\"}]",
        "{",
        "{}}",
        "{} {}",
        "{\"a\":1,}",
        "{a:1}",
        "\u{feff}{}",
        "{\"a\":01}",
    ] {
        undecodable(text);
    }
    let line = format!("\n  {}\r\n", sample("posting"));
    assert!(decode_text(&line).content.is_ok());
    let mut bytes = sample("posting").to_string().into_bytes();
    bytes.insert(20, 0xff);
    let items = Decoder.decode(&source(), &delivery(bytes));
    assert!(items[0].content.as_ref().is_err_and(|fault| fault.reason == Reason::Undecodable));
}

#[test]
fn a_repeated_key_in_any_object_is_undecodable() {
    let whole = sample("solution").to_string();
    for (kind, part) in [
        ("posting", r#""amount":"12450.00""#),
        ("posting", r#""cpr":"6112801234""#),
        ("grant", r#""per":"month""#),
        ("solution", r#""side":"inside""#),
        ("split", r#""weight":60"#),
    ] {
        let text = sample(kind).to_string();
        assert!(text.contains(part), "{text}");
        undecodable(&text.replacen(part, &format!("{part},{part}"), 1));
        let key = part.split(':').next().unwrap_or_default();
        undecodable(&text.replacen(part, &format!("{part},{key}:null"), 1));
        undecodable(&text.replacen(part, &format!("{key}:null,{part}"), 1));
    }
    // In what is ignored, deleted or written with escapes as well, and in large objects.
    undecodable(r#"{"type":"case","id":"1","version":1,"deleted":true,"x":{"y":{"a":1,"a":1}}}"#);
    undecodable(&whole.replacen('{', r#"{"n\u0061me":"x","#, 1));
    let many: String = (0..1000).map(|i| format!("\"k{i}\":{i},")).collect();
    undecodable(&whole.replacen('{', &format!("{{{many}\"k500\":1,"), 1));
    let item = decode_text(&whole.replacen('{', &format!("{{{many}"), 1));
    assert_eq!((item.content.is_ok(), item.ignored_fields), (true, 1000));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| {
        let ignored = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        sample("posting").to_string().replacen('{', &format!("{{\"x\":{ignored},"), 1)
    };
    assert!(decode_text(&nested(31)).content.is_ok());
    undecodable(&nested(32));
    undecodable(&nested(100_000));
    undecodable(&"[".repeat(1_000_000));
    undecodable(&"{\"a\":".repeat(1_000_000));
}

#[test]
fn escapes_are_read() {
    let text = sample("posting").to_string().replace("2026-000123-1", r"2026-\u00e6\ud83d\ude00\n");
    let Ok(Message::Posting(posting)) = decode_text(&text).content else { panic!("{text}") };
    assert_eq!(posting.id.as_str(), "2026-æ😀\n");
    undecodable(&text.replace(r"\ude00", ""));
    let keys = sample("posting").to_string().replace("\"date\"", r#""d\u0061te""#);
    assert!(decode_text(&keys).content.is_ok());
}

#[test]
fn content_types() {
    let decode = |content_type: Option<&str>| {
        let delivery = Delivery {
            body: sample("posting").to_string().into(),
            content_type: content_type.map(str::to_owned),
            ..Delivery::default()
        };
        Decoder.decode(&source(), &delivery)[0].content.as_ref().map(|_| ()).map_err(|fault| fault.reason)
    };
    for good in [
        None,
        Some("application/json"),
        Some("application/json; charset=UTF-8"),
        Some("APPLICATION/JSON;v=1"),
    ] {
        assert_eq!(decode(good), Ok(()), "{good:?}");
    }
    for bad in [
        "text/plain",
        "application/xml",
        "application/json; charset=iso-8859-1",
        "application/problem+json",
        "json",
    ] {
        assert_eq!(decode(Some(bad)), Err(Reason::UnsupportedContentType), "{bad}");
    }
}

#[test]
fn identities_have_two_references_or_exactly_two_cpr_numbers() {
    let value = sample("identity");
    let refs = |refs: Value| with(&value, "/refs", refs);
    let (a, b) = (json!({"cpr": CPR}), json!({"cpr": OTHER_CPR}));
    for few in [json!([]), json!([a])] {
        assert_fault(&refs(few), Reason::InvalidField, "refs");
    }
    assert_fault(&refs(json!([a, null])), Reason::InvalidField, "refs[1]");
    assert!(decode(&refs(json!([a, b, {"system": "dubu", "case": "D-4"}]))).content.is_ok());
    let change = |list: Value| with(&refs(list), "/kind", json!("cpr-change"));
    assert!(decode(&change(json!([a, b]))).content.is_ok());
    for count in [json!([]), json!([a]), json!([a, b, a])] {
        assert_fault(&change(count), Reason::InvalidField, "refs");
    }
    assert_fault(
        &change(json!([a, {"uuid": "0f8fad5bd9cb469fa16570867728950e"}])),
        Reason::InvalidField,
        "refs[1]",
    );
    assert_fault(&change(json!([{"cpr": "1"}, b])), Reason::InvalidCpr, "refs[0].cpr");
}

#[test]
fn a_consent_names_a_source() {
    let value = sample("consent");
    assert_fault(&with(&value, "/sources", json!([])), Reason::InvalidField, "sources");
    assert_fault(&with(&value, "/sources", json!(["opus", ""])), Reason::InvalidField, "sources[1]");
    assert_fault(&with(&value, "/sources", json!([null])), Reason::InvalidField, "sources[0]");
    assert_fault(&with(&value, "/sources", json!("opus")), Reason::InvalidField, "sources");
}

#[test]
fn parts_are_1_to_16_of_unique_areas() {
    for (kind, name) in [("split", "parts"), ("target", "share")] {
        let parts = |count: usize| -> Vec<Value> {
            (0..count).map(|i| json!({"area": format!("a{i}"), "weight": 1})).collect()
        };
        let pointer = format!("/{name}");
        for count in [1, 16] {
            assert!(decode(&with(&sample(kind), &pointer, json!(parts(count)))).content.is_ok(), "{count}");
        }
        for count in [0, 17, 18, 1000] {
            assert_fault(&with(&sample(kind), &pointer, json!(parts(count))), Reason::InvalidField, name);
        }
        let mut twice = parts(3);
        twice[2]["area"] = json!("a0");
        assert_fault(
            &with(&sample(kind), &pointer, json!(twice)),
            Reason::InvalidField,
            &format!("{name}[2].area"),
        );
        assert_fault(
            &with(&sample(kind), &format!("{pointer}/1"), json!({"area": "x"})),
            Reason::MissingField,
            &format!("{name}[1].weight"),
        );
        assert_fault(
            &with(&sample(kind), &format!("{pointer}/1"), json!({"weight": 1})),
            Reason::MissingField,
            &format!("{name}[1].area"),
        );
        assert_fault(
            &with(&sample(kind), &format!("{pointer}/1"), json!(1)),
            Reason::InvalidField,
            &format!("{name}[1]"),
        );
    }
}

#[test]
fn rules_need_an_account_and_what_they_say() {
    for (pointer, path) in [
        ("/sides/0/account", "sides[0].account"),
        ("/sides/0/side", "sides[0].side"),
        ("/powers/0/account", "powers[0].account"),
        ("/powers/0/grants", "powers[0].grants"),
        ("/powers/0/pays", "powers[0].pays"),
        ("/default_powers/grants", "default_powers.grants"),
        ("/default_powers/pays", "default_powers.pays"),
        ("/claims/0/account", "claims[0].account"),
    ] {
        assert_fault(&without(&sample("solution"), pointer), Reason::MissingField, path);
    }
    for path in ["/rate/amount", "/rate/per"] {
        assert_fault(&without(&sample("grant"), path), Reason::MissingField, &path[1..].replace('/', "."));
    }
    for name in ["year", "area", "amount"] {
        let spoiled = without(&sample("investment-case"), &format!("/expected/0/{name}"));
        assert_fault(&spoiled, Reason::MissingField, &format!("expected[0].{name}"));
    }
    assert!(decode(&with(&sample("investment-case"), "/expected", json!([]))).content.is_ok());
}

/// A JSON value of any shape.
#[expect(clippy::disallowed_types, reason = "any number may come")]
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9.-]{0,12}".prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(json!({"cpr": CPR})),
        Just(json!("2026-01-01")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z_]{1,8}", inner), 0..4)
                .prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_field_may_hold_anything(of in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), value in any_json()) {
        let all = samples();
        let (sample, _) = of.get(&all);
        let names: Vec<&String> = sample.as_object().into_iter().flat_map(|entries| entries.keys()).collect();
        let name = at.get(&names);
        let item = decode(&with(sample, &format!("/{name}"), value.clone()));
        if let Err(fault) = item.content {
            // The fault is at the field that was spoiled, and quotes nothing of it.
            let path = fault.path.unwrap_or_default();
            prop_assert!(path.starts_with(name.as_str()) || (fault.reason == Reason::MissingField && path == "type"), "{path} {name}");
            prop_assert!(!fault.message.contains(CPR) && !path.contains(CPR));
        }
    }

    #[test]
    fn the_order_of_keys_and_the_space_between_do_not_matter(of in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let all = samples();
        let (sample, _) = of.get(&all);
        let Some(entries) = sample.as_object() else { return Ok(()) };
        let mut keys: Vec<&String> = entries.keys().collect();
        let length = keys.len();
        keys.rotate_left(usize::try_from(seed % length as u64).unwrap_or_default());
        let fields: Vec<String> = keys.iter().map(|key| format!("\n\t\"{key}\" : {}", entries[*key])).collect();
        prop_assert_eq!(decode_text(&format!("{{{}}}", fields.join(" ,"))).content.ok(), Some(message(sample)));
    }
}
