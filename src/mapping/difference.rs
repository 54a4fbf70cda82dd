//! How two messages differ, field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use samspor_domain::quarantine::Show;
use samspor_formats::Masked;
use serde_json::Value;

/// What is expected beside what is there, to the end of the longer list.
pub(super) fn pairs<'l>(
    expected: &'l [String],
    got: &'l [String],
) -> impl Iterator<Item = (Option<&'l str>, Option<&'l str>)> {
    let longest = expected.len().max(got.len());
    let at = |list: &'l [String], index: usize| list.get(index).map(String::as_str);
    (0..longest).map(move |index| (at(expected, index), at(got, index)))
}

/// The fields that differ, one a line: their values, or only the form of these.
pub(super) fn fields(expected: Option<&str>, got: Option<&str>, is_masked: bool) -> String {
    let mut text = String::new();
    let (Some(expected), Some(got)) = (expected, got) else {
        let whole = |line: &str| match is_masked && !line.starts_with("{\"fault\"") {
            true => Masked.show(None, line.as_bytes()).text,
            false => line.to_owned(),
        };
        let _ = match (expected, got) {
            (Some(expected), _) => writeln!(text, "    expected {}\n    got      nothing", whole(expected)),
            (_, got) => {
                writeln!(text, "    expected nothing\n    got      {}", whole(got.unwrap_or_default()))
            }
        };
        return text;
    };
    let (expected, got) = (flat(expected), flat(got));
    let names: BTreeSet<_> = expected.keys().chain(got.keys()).collect();
    let differing = || names.iter().filter(|name| expected.get(**name) != got.get(**name));
    let width = differing().map(|name| name.chars().count()).max().unwrap_or_default();
    for name in differing() {
        let shown = |value: Option<&String>| match value {
            Some(value) if is_masked => masked(name, value),
            Some(value) => value.clone(),
            None => "nothing".to_owned(),
        };
        let (expected, got) = (shown(expected.get(*name)), shown(got.get(*name)));
        let alike = if expected == got { "  (another of the same form)" } else { "" };
        let _ = writeln!(text, "    {name:width$}  expected {expected}  got {got}{alike}");
    }
    text
}

/// The form of a field's value. What an expectation of a fault says is no value of a message.
fn masked(name: &str, value: &str) -> String {
    if matches!(name, "fault" | "path") {
        return value.to_owned();
    }
    let start = format!("{{\"{}\":", name.rsplit('.').next().unwrap_or_default());
    let shown = Masked.show(None, format!("{start}{value}}}").as_bytes()).text;
    let shown = shown.strip_prefix(&start).and_then(|shown| shown.strip_suffix('}'));
    shown.unwrap_or("…").to_owned()
}

/// Each value of a JSON text by its path.
fn flat(text: &str) -> BTreeMap<String, String> {
    fn add(into: &mut BTreeMap<String, String>, path: String, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    add(into, path, value);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    add(into, format!("{path}[{index}]"), value);
                }
            }
            value => drop(into.insert(path, value.to_string())),
        }
    }
    let mut into = BTreeMap::new();
    if let Ok(value) = serde_json::from_str(text) {
        add(&mut into, String::new(), &value);
    }
    into
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_field_by_field() {
        let told =
            fields(Some(r#"{"a":1,"b":{"c":"x"}}"#), Some(r#"{"a":1,"b":{"c":"y","d":[true]}}"#), false);
        assert_eq!(told, "    b.c     expected \"x\"  got \"y\"\n    b.d[0]  expected nothing  got true\n");
        assert_eq!(fields(Some("{}"), None, false), "    expected {}\n    got      nothing\n");
        assert_eq!(pairs(&["a".into()], &["a".into(), "b".into()]).last(), Some((None, Some("b"))));
    }

    #[test]
    fn masked_differences_tell_of_nobody() {
        let person = |cpr: &str| {
            format!(
                r#"{{"id":"Æ-7","from":"2026-01-05","citizen":{{"cpr":"{cpr}"}},"rate":{{"amount":"12.50"}}}}"#
            )
        };
        let told = fields(
            Some(&person("6112801234")),
            Some(&person("6112805234").replace("12.50", "1250.00").replace("01-05", "05-01")),
            true,
        );
        let right = "    citizen.cpr  expected \"9999999999\"  got \"9999999999\"  (another of the same form)\n    \
                     from         expected \"2026-01-05\"  got \"2026-05-01\"\n    \
                     rate.amount  expected \"99.99\"  got \"9999.99\"\n";
        assert_eq!(told, right);
        for (expected, got) in [(Some(person("6112801234")), None), (None, Some(person("6112801234")))] {
            let told = fields(expected.as_deref(), got.as_deref(), true);
            assert!(!told.contains("611280") && told.contains("9999999999"), "{told}");
        }
        let fault = |path: &str| format!(r#"{{"fault":"invalid-cpr","path":"{path}"}}"#);
        let told = fields(Some(&fault("line 3")), Some(&fault("line 4")), true);
        assert_eq!(told, "    path  expected \"line 3\"  got \"line 4\"\n");
    }
}
