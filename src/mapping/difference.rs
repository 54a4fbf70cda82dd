//! How two messages differ, field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

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

/// The fields that differ, one a line.
pub(super) fn fields(expected: Option<&str>, got: Option<&str>) -> String {
    let mut text = String::new();
    let (Some(expected), Some(got)) = (expected, got) else {
        let _ = match (expected, got) {
            (Some(expected), _) => writeln!(text, "    expected {expected}\n    got      nothing"),
            (_, got) => writeln!(text, "    expected nothing\n    got      {}", got.unwrap_or_default()),
        };
        return text;
    };
    let (expected, got) = (flat(expected), flat(got));
    let names: BTreeSet<_> = expected.keys().chain(got.keys()).collect();
    let differing = || names.iter().filter(|name| expected.get(**name) != got.get(**name));
    let width = differing().map(|name| name.chars().count()).max().unwrap_or_default();
    for name in differing() {
        let shown = |value: Option<&String>| value.cloned().unwrap_or_else(|| "nothing".to_owned());
        let (expected, got) = (shown(expected.get(*name)), shown(got.get(*name)));
        let _ = writeln!(text, "    {name:width$}  expected {expected}  got {got}");
    }
    text
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
        let told = fields(Some(r#"{"a":1,"b":{"c":"x"}}"#), Some(r#"{"a":1,"b":{"c":"y","d":[true]}}"#));
        assert_eq!(told, "    b.c     expected \"x\"  got \"y\"\n    b.d[0]  expected nothing  got true\n");
        assert_eq!(fields(Some("{}"), None), "    expected {}\n    got      nothing\n");
        assert_eq!(pairs(&["a".into()], &["a".into(), "b".into()]).last(), Some((None, Some("b"))));
    }
}
