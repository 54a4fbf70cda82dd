//! CSV records, read by RFC 4180: the same as in JSON.

use serde_json::{Map, Value, json};

use super::*;
use crate::shown_tests::{records, said};

/// Reads lines of fields as RFC 4180 has them, with `;`.
fn read(body: &[u8]) -> Vec<Vec<String>> {
    let text = std::str::from_utf8(body).unwrap_or_else(|error| panic!("{error}"));
    let (mut lines, mut fields, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            '"' => is_quoted = !is_quoted,
            ';' if !is_quoted => fields.push(std::mem::take(&mut field)),
            '\r' if !is_quoted => {
                assert_eq!(chars.next(), Some('\n'), "lines end in CRLF");
                fields.push(std::mem::take(&mut field));
                lines.push(std::mem::take(&mut fields));
            }
            c => {
                assert!(is_quoted || c != '\n', "a line that ends in no CRLF");
                field.push(c);
            }
        }
    }
    assert!(fields.is_empty() && field.is_empty() && !is_quoted, "the last line ends too");
    lines
}

fn words(list: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut chars = list.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.extend(chars.next()),
            ',' => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words
}

/// The record that the lines are, as JSON has it.
fn record(lines: &[Vec<String>]) -> Value {
    const TAG: [&str; 14] = [
        "solution",
        "family",
        "enrolment",
        "phase",
        "basis",
        "area",
        "kind",
        "side",
        "grants",
        "pays",
        "split",
        "flags",
        "other",
        "parts",
    ];
    let [columns, lines @ ..] = lines else { panic!("a line with the columns") };
    let is_lis = columns.iter().any(|column| column == "month");
    let (mut record, mut tag, mut parts) = (Map::new(), Map::new(), Vec::new());
    for line in lines {
        assert_eq!(line.len(), columns.len());
        let mut part = Map::new();
        for (column, field) in columns.iter().zip(line).filter(|(_, field)| !field.is_empty()) {
            let value = match column.as_str() {
                "revision" | "part_weight" => json!(field.parse::<i64>().unwrap_or_default()),
                "amount" | "part_amount" => {
                    assert!(!field.contains('.'), "{field}");
                    json!(field.replace(',', "."))
                }
                "flags" | "other" => json!(words(field.strip_prefix('\'').unwrap_or(field))),
                _ => json!(field.strip_prefix('\'').unwrap_or(field)),
            };
            match column.strip_prefix("part_") {
                Some(name) => part.insert(name.to_owned(), value),
                // An LIS's family is a pseudonym, and stands beside the tag.
                None if TAG.contains(&column.as_str()) && !(is_lis && column == "family") => {
                    tag.insert(column.clone(), value)
                }
                None => record.insert(column.clone(), value),
            };
        }
        parts.extend(Some(Value::Object(part)).filter(|part| *part != json!({})));
    }
    let decision = if record["change"] == "tag" { "tagged" } else { "untagged" };
    record.insert("decision".into(), json!(decision));
    if !tag.is_empty() {
        tag.insert("parts".into(), Value::Array(parts));
        record.insert("tag".into(), Value::Object(tag));
    }
    Value::Object(record)
}

#[test]
fn what_is_read_of_it_is_what_json_says() {
    for written in records() {
        assert_eq!(record(&read(&Encoder.encode(&written))), said(&written));
    }
}

/// Whatever a finance system calls its postings: a spreadsheet that opens the message computes nothing.
#[test]
fn no_text_is_a_formula() {
    let begins = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    let mut guarded = 0;
    for written in records() {
        let lines = read(&Encoder.encode(&written));
        let amounts: Vec<bool> = lines[0].iter().map(|column| column.ends_with("amount")).collect();
        for (field, is_amount) in lines[1..].iter().flat_map(|line| line.iter().zip(&amounts)) {
            assert!(*is_amount || !field.starts_with(begins), "{field}");
            assert!(!is_amount || !field.starts_with('\''), "an amount is a number: {field}");
            guarded += usize::from(field.starts_with('\''));
        }
    }
    assert!(guarded > 20, "{guarded} texts were guarded");
    for (text, expected) in [("'=1", "''=1"), ("a=1", "a=1"), ("", ""), ("5.28", "5.28")] {
        assert_eq!(harmless(text.to_owned()), expected);
    }
}

#[test]
fn an_lis_record_to_the_letter() {
    let all = records();
    let lis = all.iter().find(|record| matches!(record, Record::Lis(lis) if lis.tag.is_none()));
    let written = Encoder.encode(lis.unwrap_or_else(|| panic!("an untag for an LIS")));
    let text = String::from_utf8_lossy(&written).into_owned();
    assert!(
        text.starts_with("source;posting;revision;change;month;account;amount;family;citizen;solution;"),
        "{text}"
    );
    assert!(text.ends_with(&(";".repeat(15) + "\r\n")), "{text}");
    assert_eq!(text.lines().count(), 2);
}
