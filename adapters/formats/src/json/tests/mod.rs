//! The canonical JSON held against its contract: samples of every type, and ways to spoil them.

mod forms;
mod messages;
mod objects;
mod records;
mod written;

use bytes::Bytes;
use samspor_domain::{
    Decode, Delivery, Fact, Fault, Item, Message, Posting, Reason, SourceName, State, Text,
};
use serde_json::{Value, json};

use super::Decoder;

fn source() -> SourceName {
    Text::new("opus").unwrap_or_else(|e| panic!("{e}"))
}

fn delivery(body: impl Into<Bytes>) -> Delivery {
    Delivery { body: body.into(), content_type: Some("application/json".into()), ..Delivery::default() }
}

fn decode_text(text: &str) -> Item {
    let mut items = Decoder.decode(&source(), &delivery(text.to_owned()));
    assert_eq!(items.len(), 1);
    let item = items.remove(0);
    assert!(item.excerpt.is_none());
    item
}

fn decode(message: &Value) -> Item {
    decode_text(&message.to_string())
}

fn message(value: &Value) -> Message {
    decode(value).content.unwrap_or_else(|fault| panic!("{fault} in {value}"))
}

fn posting(value: &Value) -> Posting {
    match message(value) {
        Message::Posting(posting) => posting,
        Message::Fact(_) | Message::Receipt(_) => panic!("a fact: {value}"),
    }
}

fn fact(value: &Value) -> Fact {
    match message(value) {
        Message::Fact(fact) => fact,
        Message::Posting(_) | Message::Receipt(_) => panic!("a posting: {value}"),
    }
}

fn body(value: &Value) -> samspor_domain::Body {
    match fact(value).state {
        State::Live(body) => body,
        other => panic!("{other:?}: {value}"),
    }
}

fn fault(value: &Value) -> Fault {
    decode(value).content.err().unwrap_or_else(|| panic!("no fault in {value}"))
}

fn assert_fault(value: &Value, reason: Reason, path: &str) {
    let fault = fault(value);
    assert_eq!((fault.reason, fault.path.as_deref()), (reason, Some(path)), "{value}");
}

/// The value with another at a JSON pointer.
fn with(value: &Value, pointer: &str, other: Value) -> Value {
    let mut value = value.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_else(|| panic!("{pointer}"));
    let parent = value.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"));
    match parent {
        Value::Object(entries) => drop(entries.insert(name.to_owned(), other)),
        Value::Array(items) => items[name.parse::<usize>().unwrap_or_else(|e| panic!("{e}"))] = other,
        _ => panic!("{pointer}"),
    }
    value
}

/// The value without a key.
fn without(value: &Value, pointer: &str) -> Value {
    let mut value = value.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_else(|| panic!("{pointer}"));
    let parent =
        value.pointer_mut(parent).and_then(Value::as_object_mut).unwrap_or_else(|| panic!("{pointer}"));
    assert!(parent.remove(name).is_some(), "{pointer}");
    value
}

const CPR: &str = "6112801234";
const OTHER_CPR: &str = "7005902345";

/// One message of each type with every field that it may have, and the names of the required ones.
fn samples() -> Vec<(Value, &'static [&'static str])> {
    vec![
        (
            json!({"type": "posting", "id": "2026-000123-1", "date": "2026-03-14", "account": "5.28.21.1",
                "amount": "12450.00", "citizen": {"cpr": CPR}, "grant": {"system": "dubu", "grant": "B-12"},
                "cost_centre": "0417", "grouping": "003", "voucher": "2026-000123", "reverses": "2026-000122-1",
                "text": "any"}),
            &["date", "account", "amount"],
        ),
        (
            json!({"type": "case", "id": "J-77", "version": 1, "citizen": {"cpr": CPR}, "area": "employment",
                "kle": "32.24.04", "status": "open", "from": "2026-01-05", "to": "2026-02-05"}),
            &["citizen"],
        ),
        (
            json!({"type": "grant", "id": "B-12", "version": 1, "citizen": {"uuid": "0f8fad5bd9cb469fa16570867728950e"},
                "case": "D-4", "account": "5.28.21.1", "offer": "Familiebehandling", "law": "BL § 32",
                "from": "2026-01-05", "to": "2026-12-31", "rate": {"amount": "12450.00", "per": "month"},
                "total": "24900.00"}),
            &[],
        ),
        (
            json!({"type": "payment", "id": "U-1", "version": 1, "grant": {"grant": "B-12"}, "amount": "12450",
                "on": "2026-01-31", "period_from": "2026-01-01", "period_to": "2026-01-31"}),
            &["grant", "amount", "on"],
        ),
        (
            json!({"type": "progress", "id": "P-9", "version": 1, "citizen": {"id": "17"}, "scale": "driftstrappe",
                "value": "2", "on": "2026-04-01"}),
            &["citizen", "scale", "value", "on"],
        ),
        (
            json!({"type": "identity", "id": "I-1", "version": 1, "kind": "same",
                "refs": [{"cpr": CPR}, {"uuid": "0F8FAD5B-D9CB-469F-A165-70867728950E"}]}),
            &["kind", "refs"],
        ),
        (
            json!({"type": "consent", "id": "C-1", "version": 1, "citizen": {"cpr": CPR}, "sources": ["opus", "dubu"],
                "covers_from": "2025-01-01", "covers_to": "2027-01-01", "given_on": "2026-01-20", "given_by": "team 4",
                "basis": "law", "legal_reference": "§ 1", "withdrawn": false}),
            &["citizen", "sources", "covers_from"],
        ),
        (
            json!({"type": "enrolment", "id": "E-1", "version": 1, "solution": "sb-familier", "family": "F-17",
                "citizen": {"cpr": CPR}, "from": "2026-02-01", "to": "2026-09-01"}),
            &["solution", "citizen", "from"],
        ),
        (
            json!({"type": "solution", "id": "sb-familier", "version": 1, "name": "SB Familier", "priority": 10,
                "from": "2025-10-01", "to": "2029-10-01", "baseline_days": 730, "aftercare_days": 180,
                "ceiling": "25000.00", "above_ceiling": "shared",
                "sides": [{"account": "5.28.21", "grouping": "003", "cost_centre": "0417", "from": "2026-01-01",
                    "to": "2026-12-31", "side": "inside"}],
                "default_side": "inside",
                "powers": [{"account": "5", "grants": "solution", "pays": "solution"}],
                "default_powers": {"grants": "solution", "pays": "area"},
                "claims": [{"account": "5.28.21", "cost_centre": "0417", "from": "2026-01-01"}]}),
            &["name"],
        ),
        (
            json!({"type": "split", "id": "mentor", "version": 2, "solution": "sb-familier", "family": "F-17",
                "grant": {"system": "dubu", "grant": "B-12"}, "account": "5.68", "grouping": "001",
                "cost_centre": "0417", "from": "2026-01-01", "to": "2026-12-31",
                "parts": [{"area": "employment", "weight": 60}, {"area": "vulnerable-adults", "weight": 20},
                    {"area": "vulnerable-children", "weight": 1_000_000}]}),
            &["solution", "parts"],
        ),
        (
            json!({"type": "estimate", "id": "A-1", "version": 1, "solution": "sb-familier", "account": "5.28.21",
                "amount": "1000", "per": "family", "from": "2026-01-01", "area": "employment", "to": "2026-12-31"}),
            &["solution", "account", "amount", "per", "from"],
        ),
        (
            json!({"type": "budget", "id": "B-1", "version": 1, "solution": "sb-familier", "year": 2026,
                "amount": "-900000.5", "area": "employment", "kind": "service", "side": "inside", "funding": "fond"}),
            &["solution", "year", "amount"],
        ),
        (
            json!({"type": "target", "id": "T-1", "version": 1, "solution": "sb-familier", "year": 2026,
                "amount": "900000", "area": "employment", "kind": "transfer", "side": "outside",
                "share": [{"area": "employment", "weight": 1}, {"area": "health", "weight": 2}]}),
            &["solution", "year", "amount"],
        ),
        (
            json!({"type": "investment-case", "id": "N-1", "version": 1, "solution": "sb-familier",
                "from": "2026-01-01", "to": "2029-12-31",
                "expected": [{"year": 2026, "area": "employment", "amount": "-1.5"}], "activity": "12 families",
                "effect": "work", "uncertainty": "high"}),
            &["solution", "from", "to", "expected"],
        ),
        (
            json!({"type": "control-total", "id": "K-1", "version": 1, "source": "opus", "from": "2026-01-01",
                "to": "2026-01-31", "count": 17, "sum": "-12.30"}),
            &["source", "from", "to", "count", "sum"],
        ),
    ]
}

fn sample(kind: &str) -> Value {
    let found = samples().into_iter().find(|(value, _)| value["type"] == kind);
    found.unwrap_or_else(|| panic!("{kind}")).0
}
