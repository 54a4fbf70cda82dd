//! Records in protobuf, read back by the generated types, say what the JSON record says.

use prost::Message as _;
use samspor_domain::Encode as _;
use samspor_formats::json;
use samspor_grpc::Encoder;
use samspor_grpc::v1::target_record::Record;
use samspor_grpc::v1::{RecordTag, TargetRecord};
use samspor_town::{Settings, Town};
use serde_json::{Value, json};

/// The last words of an enum's name, as JSON has them.
fn word(name: &str, prefix: &str) -> String {
    let word = name.strip_prefix(prefix).unwrap_or_else(|| panic!("{name} begins with {prefix}"));
    word.to_lowercase().replace('_', "-")
}

/// A tag as JSON has it; with what tells of persons or without.
fn tag(tag: &RecordTag, is_whole: bool) -> Value {
    let kind = word(tag.kind().as_str_name(), "COST_KIND_");
    let parts = tag.parts.iter();
    let mut said = json!({
        "solution": tag.solution,
        "phase": word(tag.phase().as_str_name(), "TAG_PHASE_"),
        "basis": word(tag.basis().as_str_name(), "TAG_BASIS_"),
        "area": tag.area,
        "kind": if kind == "unspecified" { Value::Null } else { json!(kind) },
        "side": word(tag.side().as_str_name(), "SIDE_"),
        "grants": tag.grants,
        "pays": tag.pays,
        "parts": parts.map(|p| json!({"area": p.area, "weight": p.weight, "amount": p.amount})).collect::<Vec<_>>(),
        "split": tag.split,
        "flags": tag.flags().map(|flag| word(flag.as_str_name(), "TAG_FLAG_")).collect::<Vec<_>>(),
    });
    if is_whole {
        said["family"] = json!(tag.family);
        said["enrolment"] = json!(tag.enrolment);
        said["other"] = json!(tag.other);
    } else {
        assert!(
            tag.family.is_none() && tag.enrolment.is_none() && tag.other.is_empty(),
            "it tells of persons"
        );
    }
    said
}

fn said(record: TargetRecord) -> Value {
    let decision = |change: &str| if change == "tag" { "tagged" } else { "untagged" };
    let (mut said, tag) = match record.record.unwrap_or_else(|| panic!("for somebody")) {
        Record::Ledger(record) => {
            let change = word(record.change().as_str_name(), "RECORD_CHANGE_");
            let said = json!({
                "source": record.source, "posting": record.posting, "revision": record.revision, "change": change,
                "decision": decision(&change), "date": record.date, "account": record.account,
                "amount": record.amount, "voucher": record.voucher,
            });
            (said, record.tag.map(|given| tag(&given, true)))
        }
        Record::Lis(record) => {
            let change = word(record.change().as_str_name(), "RECORD_CHANGE_");
            let said = json!({
                "source": record.source, "posting": record.posting, "revision": record.revision, "change": change,
                "decision": decision(&change), "month": record.month, "account": record.account,
                "amount": record.amount, "family": record.family, "citizen": record.citizen,
            });
            (said, record.tag.map(|given| tag(&given, false)))
        }
    };
    if let Some(tag) = tag {
        said["tag"] = tag;
    }
    said
}

#[test]
fn what_is_read_of_it_is_what_json_says() {
    let town = Town::new(Settings { seed: 1, families: 6, background_citizens: 2, faulty: false });
    let mut records = 0;
    for record in town.expected().records() {
        let json: Value = serde_json::from_slice(&json::Encoder.encode(&record)).expect("JSON");
        let read = TargetRecord::decode(Encoder.encode(&record)).expect("a record");
        assert_eq!(said(read), json);
        records += 1;
    }
    assert!(records > 400, "{records} records");
}
