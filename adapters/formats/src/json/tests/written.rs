//! Messages written as canonical JSON are read back as they were.

use serde_json::Value;

use super::super::line;
use super::{decode, decode_text, samples};

/// The samples hold each field of each type; what has a default is written out.
#[test]
fn what_is_written_is_read_back() {
    let mut read = Vec::new();
    for (sample, _) in samples() {
        let message = decode(&sample).content.unwrap_or_else(|fault| panic!("{fault}: {sample}"));
        let written = line(&message);
        let again = decode_text(&written);
        assert_eq!(again.ignored_fields, 0, "{written}");
        assert_eq!(again.content, Ok(message), "{written}");
        // Nothing that the sample says is left out, `text` apart, which is never kept.
        let keys = |text: &str| match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(fields)) => {
                fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key).collect()
            }
            _ => Vec::new(),
        };
        let there = keys(&written);
        for key in keys(&sample.to_string())
            .into_iter()
            .filter(|key| !matches!(key.as_str(), "text" | "deleted" | "withdrawn"))
        {
            assert!(there.contains(&key), "{key} is not in {written}");
        }
        read.push(written);
    }
    assert!(read.len() >= 15);
    let gone = r#"{"type":"consent","id":"C","version":2,"withdrawn":true}"#;
    assert_eq!(decode_text(gone).content.map(|message| line(&message)), Ok(gone.to_owned()));
}

#[test]
fn keys_stand_in_the_contracts_order() {
    let posting = r#"{"type":"posting","id":"1-ø\"","date":"2026-03-14","account":"5.28.21.1","amount":"-12450.00","citizen":{"cpr":"6112801234"},"grant":{"system":"dubu","grant":"B-12"},"cost_centre":"0417","grouping":"003","voucher":"v","reverses":"0"}"#;
    assert_eq!(decode_text(posting).content.map(|message| line(&message)), Ok(posting.to_owned()));
}
