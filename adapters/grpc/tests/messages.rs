//! The same message in Protobuf and in canonical JSON is the same in the domain, and what is wrong with it is told alike.

mod mirror;

use proptest::prelude::*;
use samspor_domain::{Decode, Delivery, Fault, Message, Reason, SourceName};
use samspor_town::{Settings, Town};
use serde_json::{Map, Value, json};

fn source() -> SourceName {
    SourceName::new("dubu").expect("a name")
}

fn decoded(
    decoder: &dyn Decode,
    source: &SourceName,
    body: Vec<u8>,
    content_type: &str,
) -> Result<Message, Fault> {
    let content_type = Some(content_type.to_owned());
    let mut items =
        decoder.decode(source, &Delivery { body: body.into(), content_type, ..Delivery::default() });
    assert_eq!(items.len(), 1, "one message a body");
    items.remove(0).content
}

fn by_json(source: &SourceName, object: &Map<String, Value>) -> Result<Message, Fault> {
    let body = serde_json::to_vec(object).expect("JSON");
    decoded(&samspor_formats::json::Decoder, source, body, "application/json")
}

fn by_protobuf(source: &SourceName, bytes: Vec<u8>) -> Result<Message, Fault> {
    decoded(&samspor_grpc::Decoder, source, bytes, samspor_grpc::CONTENT_TYPE)
}

/// Every type of message with every field that it may have.
fn full() -> Vec<Value> {
    let cpr = json!({"cpr": "611280-1234"});
    let rule = |rest: Value| {
        let mut rule = json!({"account": "5.28", "grouping": "003", "cost_centre": "0417", "from": "2026-01-01", "to": "2026-12-31"});
        rule.as_object_mut().expect("an object").extend(rest.as_object().expect("an object").clone());
        rule
    };
    let parts = json!([{"area": "employment", "weight": 60}, {"area": "health", "weight": 40}]);
    vec![
        json!({"type": "posting", "id": "P-1", "date": "2026-03-14", "account": "5.28.21.1", "amount": "-12450.5", "citizen": cpr,
               "grant": {"grant": "B-12"}, "cost_centre": "0417", "grouping": "003", "voucher": "V-1", "reverses": "P-0"}),
        json!({"type": "posting", "id": "P-2", "date": "2026-03-14", "account": "01005-528211003-015031-529CPR", "amount": "1"}),
        json!({"type": "posting", "id": "P-3", "date": "2026-03-14", "account": "5282111904170031", "amount": "1",
               "citizen": {"id": "17"}, "grant": {"system": "opus", "grant": "B-1"}}),
        json!({"type": "receipt", "id": "R-1", "source": "opus", "posting": "P-1", "revision": 2, "status": "rejected",
               "at": "2026-03-15T06:00:00.5+01:00", "code": "K7", "text": "closed"}),
        json!({"type": "case", "id": "J-77", "version": 3, "citizen": {"uuid": "0F8FAD5Bd9cb469fa16570867728950e"},
               "area": "employment", "kle": "32.24.04", "status": "open", "from": "2026-01-05", "to": "2026-02-05"}),
        json!({"type": "case", "id": "J-78", "version": 1, "citizen": {"case": "J-77"}}),
        json!({"type": "grant", "id": "B-12", "version": 1, "citizen": {"system": "dubu", "case": "D-4"}, "case": "D-4",
               "account": "5.28.21.1", "offer": "Familiebehandling", "law": "BL § 32", "from": "2026-01-05", "to": "2026-06-30",
               "rate": {"amount": "12450.00", "per": "month"}, "total": "24900.00"}),
        json!({"type": "grant", "id": "B-13", "version": 1, "case": "D-4", "rate": {"amount": "-1", "per": "once"}}),
        json!({"type": "payment", "id": "U-1", "version": 1, "grant": {"grant": "B-12"}, "amount": "12450.00", "on": "2026-02-01",
               "period_from": "2026-01-01", "period_to": "2026-01-31"}),
        json!({"type": "progress", "id": "T-1", "version": 1, "citizen": cpr, "scale": "driftstrappe", "value": "2", "on": "2026-04-01"}),
        json!({"type": "identity", "id": "I-1", "version": 1, "kind": "same",
               "refs": [cpr, {"uuid": "0f8fad5b-d9cb-469f-a165-70867728950e"}, {"system": "opus", "id": "9"}]}),
        json!({"type": "identity", "id": "I-2", "version": 1, "kind": "cpr-change", "refs": [cpr, {"cpr": "6212801234"}]}),
        json!({"type": "consent", "id": "C-1", "version": 1, "citizen": cpr, "sources": ["opus", "dubu"], "covers_from": "2025-01-01",
               "covers_to": "2027-01-01", "given_on": "2026-01-20", "given_by": "reception", "basis": "law",
               "legal_reference": "§ 1"}),
        json!({"type": "enrolment", "id": "E-1", "version": 1, "solution": "sb", "citizen": cpr, "family": "F-17",
               "from": "2026-02-01", "to": "2026-12-31"}),
        json!({"type": "solution", "id": "sb", "version": 1, "name": "SB Familier", "priority": -10, "from": "2025-10-01",
               "to": "2028-10-01", "baseline_days": 730, "aftercare_days": 180, "ceiling": "25000.00", "above_ceiling": "shared",
               "sides": [rule(json!({"side": "inside"})), {"account": "5", "side": "outside"}], "default_side": "inside",
               "powers": [rule(json!({"grants": "solution", "pays": "health"}))],
               "default_powers": {"grants": "solution", "pays": "area"}, "claims": [rule(json!({})), {"account": "5.28.21.1"}]}),
        json!({"type": "split", "id": "S-1", "version": 2, "solution": "sb", "family": "F-17", "grant": {"system": "dubu", "grant": "B"},
               "account": "5.68.90", "grouping": "003", "cost_centre": "0417", "from": "2026-01-01", "to": "2026-12-31",
               "parts": parts}),
        json!({"type": "estimate", "id": "A-1", "version": 1, "solution": "sb", "account": "5.28.21", "amount": "100.00",
               "per": "family", "area": "health", "from": "2026-01-01", "to": "2026-12-31"}),
        json!({"type": "budget", "id": "M-1", "version": 1, "solution": "sb", "year": 2026, "amount": "1000000.00", "area": "health",
               "kind": "transfer", "side": "outside", "funding": "puljen"}),
        json!({"type": "target", "id": "G-1", "version": 1, "solution": "sb", "year": 0, "amount": "-5.00", "area": "health",
               "kind": "service", "side": "inside", "share": parts}),
        json!({"type": "investment-case", "id": "N-1", "version": 1, "solution": "sb", "from": "2026-01-01", "to": "2029-12-31",
               "expected": [{"year": 2026, "area": "health", "amount": "-1.00"}], "activity": "more", "effect": "fewer",
               "uncertainty": "some"}),
        json!({"type": "control-total", "id": "K-1", "version": 1, "source": "opus", "from": "2026-01-01", "to": "2026-01-31",
               "count": 0, "sum": "0.00"}),
        json!({"type": "case", "id": "J-77", "version": 4, "deleted": true}),
        json!({"type": "investment-case", "id": "N-1", "version": 4, "deleted": true}),
        json!({"type": "consent", "id": "C-1", "version": 4, "withdrawn": true}),
    ]
}

/// The places of a message, from the outside in, but for its type and what says that it is ended.
fn places(value: &Value) -> Vec<Vec<String>> {
    let keys: Vec<String> = match value {
        Value::Object(object) => object.keys().cloned().collect(),
        Value::Array(items) => (0..items.len()).map(|n| n.to_string()).collect(),
        _ => Vec::new(),
    };
    let mut all = Vec::new();
    for key in keys.into_iter().filter(|key| !["type", "deleted", "withdrawn"].contains(&key.as_str())) {
        let below = value.get(&key).or_else(|| value.get(key.parse::<usize>().ok()?)).expect("it is there");
        all.push(vec![key.clone()]);
        all.extend(places(below).into_iter().map(|place| [vec![key.clone()], place].concat()));
    }
    all
}

/// What may be done at a place.
#[derive(Debug, Clone, Copy)]
enum Change {
    Remove,
    Text(&'static str),
    Long,
    Number(i64),
}

/// Everything that is tried at each place.
fn changes() -> Vec<Change> {
    let texts = [
        "",
        " ",
        "x",
        "0",
        "-5",
        "-5.00",
        "5.001",
        "12,50",
        "00000000000001",
        "2026-02-30",
        "20260101",
        "2026-03-14",
        "5",
        "5.28",
        "5.28.21",
        "5.28.21.1",
        "528211190417003",
        "6113801234",
        "611280-1234",
        "6112801234",
        "61128O1234",
        "inside",
        "family",
        "once",
        "same",
        "cpr-change",
        "law",
        "service",
        "accepted",
        "2026-03-15T06:00:00Z",
        "2026-03-15 06:00:00Z",
        "2026-13-15T06:00:00Z",
        "2026-03-15T06:00:00+25:61",
        "0f8fad5b-d9cb-469f-a165-70867728950",
        "003",
        "0003",
        "area",
        "æøå",
    ];
    let numbers = [-1, 0, 1, 16, 9999, 10_000, 36_525, 36_526, 1_000_000, 1_000_001, i64::MAX];
    let mut all = vec![Change::Remove, Change::Long];
    all.extend(texts.map(Change::Text));
    all.extend(numbers.map(Change::Number));
    all
}

/// Does it; a text stays one and a number stays one, since Protobuf cannot say otherwise.
fn apply(message: &mut Value, place: &[String], change: Change) {
    let Some((last, above)) = place.split_last() else { return };
    let parent = above.iter().fold(message, |value, key| match value {
        Value::Array(items) => &mut items[key.parse::<usize>().expect("an index")],
        value => &mut value[key.as_str()],
    });
    match (parent, change) {
        (Value::Array(items), Change::Remove) => {
            items.remove(last.parse().expect("an index"));
        }
        (Value::Object(object), Change::Remove) => {
            object.remove(last);
        }
        (parent, change) => {
            let value = match parent {
                Value::Array(items) => &mut items[last.parse::<usize>().expect("an index")],
                parent => &mut parent[last.as_str()],
            };
            match (&value, change) {
                (Value::String(_), Change::Text(text)) => *value = text.into(),
                (Value::String(_), Change::Long) => *value = "æ".repeat(61).into(),
                (Value::Number(_), Change::Number(number)) => *value = number.into(),
                _ => {}
            }
        }
    }
}

/// What Protobuf cannot tell apart: none, empty and zero.
fn is_absence(reason: Reason) -> bool {
    use Reason::{InvalidAccount, InvalidAmount, InvalidCpr, InvalidField, MissingField};
    matches!(reason, MissingField | InvalidField | InvalidAccount | InvalidAmount | InvalidCpr)
}

/// The field of a message in which a fault is, by the name that JSON has for it.
fn field(path: Option<&str>) -> String {
    let path = path.unwrap_or_default();
    path.split(['.', '[']).next().unwrap_or_default().to_owned()
}

fn field_of_protobuf(path: Option<&str>) -> String {
    let (_, within) = path.unwrap_or_default().split_once('.').unwrap_or_default();
    match field(Some(within)).as_str() {
        "from_date" => "from".into(),
        "to_date" => "to".into(),
        "case_id" => "case".into(),
        other => other.to_owned(),
    }
}

/// Both decoders on one message. Answers whether it was good.
fn compare(message: &Value) -> bool {
    let object = message.as_object().expect("an object");
    let bytes = mirror::bytes(object).expect("only what Protobuf can say is said");
    match (by_json(&source(), object), by_protobuf(&source(), bytes)) {
        (Ok(a), Ok(b)) => {
            assert_eq!(a, b, "{message}");
            // What the domain has of it is written in JSON, and is the same again.
            let line = samspor_formats::json::line(&a);
            let again = serde_json::from_str::<Map<String, Value>>(&line).expect("JSON");
            let bytes = mirror::bytes(&again).expect("Protobuf says it");
            assert_eq!(by_protobuf(&source(), bytes).as_ref(), Ok(&a), "{line}");
            true
        }
        (Err(a), Err(b)) => {
            let alike = a.reason == b.reason
                || (is_absence(a.reason) && b.reason == Reason::MissingField)
                || (a.reason == Reason::MissingField && is_absence(b.reason));
            assert!(alike, "{message}\n{a}\n{b}");
            assert_eq!(field(a.path.as_deref()), field_of_protobuf(b.path.as_deref()), "{message}\n{a}\n{b}");
            false
        }
        (json, protobuf) => panic!("{message}\n{json:?}\n{protobuf:?}"),
    }
}

#[test]
fn every_type_with_every_field_is_the_same_in_both() {
    for message in full() {
        assert!(compare(&message), "{message}");
    }
}

/// These differ, since Protobuf has no lists that are not there: an empty one where one must be, or none.
fn is_list_that_may_be_empty(message: &Value) -> bool {
    let is_empty = |key: &str| message.get(key).is_none_or(|list| list.as_array().is_some_and(Vec::is_empty));
    (message["type"] == "investment-case" && is_empty("expected"))
        || (message["type"] == "target" && message.get("share").is_some() && is_empty("share"))
}

/// An empty name of a system in a reference is none in Protobuf, and then the message's own source where there is one.
fn has_empty_system(message: &Value) -> bool {
    match message {
        Value::Object(object) => {
            object.get("system").is_some_and(|system| *system == "") || object.values().any(has_empty_system)
        }
        Value::Array(items) => items.iter().any(has_empty_system),
        _ => false,
    }
}

#[test]
fn whatever_is_changed_in_one_place_both_say_the_same() {
    let (mut good, mut faulty) = (0, 0);
    for message in full() {
        for place in places(&message) {
            for change in changes() {
                let mut changed = message.clone();
                apply(&mut changed, &place, change);
                if changed == message || is_list_that_may_be_empty(&changed) || has_empty_system(&changed) {
                    continue;
                }
                if compare(&changed) { good += 1 } else { faulty += 1 }
            }
        }
    }
    assert!(
        good > 1_000 && faulty > 1_000,
        "{good} good and {faulty} faulty messages are too few to say anything"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_left_out_both_say_the_same(which in any::<prop::sample::Index>(), left in any::<u32>()) {
        let all = full();
        let mut message = all[which.index(all.len())].clone();
        let object = message.as_object_mut().expect("an object");
        // What is required goes last: with it missing there is nothing more to say.
        let optional = |key: &str, object: &Map<String, Value>| {
            let mut without = object.clone();
            without.remove(key);
            by_json(&source(), &without).is_ok()
        };
        for (n, key) in object.keys().cloned().collect::<Vec<_>>().into_iter().enumerate() {
            if left >> (n % 32) & 1 == 1 && optional(&key, object) {
                object.remove(&key);
            }
        }
        prop_assume!(!is_list_that_may_be_empty(&message));
        prop_assert!(compare(&message));
    }
}

#[test]
fn a_synthetic_town_is_the_same_in_both() {
    let town = Town::new(Settings::demo(7));
    let (mut good, mut faulty) = (0, 0);
    for message in town.messages() {
        let Ok(Value::Object(object)) = serde_json::from_slice(&message.body) else { continue };
        if !message.content_type.starts_with("application/json") {
            continue;
        }
        let source = SourceName::new(message.source).expect("a name");
        let Some(bytes) = mirror::bytes(&object) else { continue };
        match (by_json(&source, &object), by_protobuf(&source, bytes)) {
            (Ok(a), Ok(b)) => {
                assert_eq!(a, b);
                good += 1;
            }
            (Err(a), Err(b)) => {
                assert!(a.reason == b.reason || (is_absence(a.reason) && is_absence(b.reason)), "{a}\n{b}");
                faulty += 1;
            }
            (a, b) => panic!("{a:?}\n{b:?}"),
        }
    }
    assert!(good > 500 && faulty > 5, "{good} good and {faulty} faulty messages are too few to say anything");
}
