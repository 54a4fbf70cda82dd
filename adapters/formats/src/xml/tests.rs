//! XML records: valid by the schema, and the same as in JSON.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};
use serde_json::{Map, Value};

use super::*;
use crate::shown_tests::{records, said};

/// An element as a reader sees it: its name, its text and its children.
#[derive(Debug, Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

/// Reads a document in which every element has the namespace.
fn read(body: &[u8]) -> Element {
    let text = std::str::from_utf8(body).unwrap_or_else(|error| panic!("{error}"));
    let mut reader = NsReader::from_str(text);
    let mut open: Vec<(Element, bool)> = vec![(Element::default(), false)];
    loop {
        let (namespace, event) = reader.read_resolved_event().unwrap_or_else(|error| panic!("{error}"));
        let is_ours = namespace == ResolveResult::Bound(Namespace(NAMESPACE));
        match event {
            Event::Start(start) => {
                assert!(is_ours, "an element of another namespace");
                let name = start.local_name().as_ref().to_owned();
                let is_base64 =
                    start.attributes().flatten().any(|attribute| attribute.key.as_ref() == "base64");
                open.push((Element { name, ..Element::default() }, is_base64));
            }
            Event::End(_) => {
                let (mut element, is_base64) = open.pop().unwrap_or_default();
                if is_base64 {
                    let bytes = STANDARD.decode(&element.text).unwrap_or_else(|error| panic!("{error}"));
                    element.text = String::from_utf8(bytes).unwrap_or_else(|error| panic!("{error}"));
                }
                open.last_mut().unwrap_or_else(|| panic!("the document")).0.children.push(element);
            }
            Event::Text(text) => {
                let text = text.xml10_content();
                open.last_mut().unwrap_or_else(|| panic!("the document")).0.text.push_str(&text);
            }
            Event::GeneralRef(reference) => {
                let c = match reference.resolve_char_ref().unwrap_or_else(|error| panic!("{error}")) {
                    Some(c) => c,
                    None => match &*reference {
                        "lt" => '<',
                        "gt" => '>',
                        "amp" => '&',
                        other => panic!("an entity that no reader knows: {other}"),
                    },
                };
                open.last_mut().unwrap_or_else(|| panic!("the document")).0.text.push(c);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let (mut document, _) = open.pop().unwrap_or_default();
    document.children.remove(0)
}

/// The fields of an element as JSON has them.
fn fields(element: &Element) -> Value {
    let mut fields = Map::new();
    for child in &element.children {
        let list = || child.children.iter();
        let value = match child.name.as_str() {
            "tag" => fields_of(child),
            "parts" => list().map(fields_of).collect(),
            "flags" | "other" if child.children.is_empty() => continue,
            "flags" | "other" => list().map(|word| Value::from(word.text.clone())).collect(),
            "revision" | "weight" => {
                Value::from(child.text.parse::<i64>().unwrap_or_else(|error| panic!("{error}")))
            }
            _ => Value::from(child.text.clone()),
        };
        fields.insert(child.name.clone(), value);
    }
    Value::Object(fields)
}

fn fields_of(element: &Element) -> Value {
    fields(element)
}

#[test]
fn what_is_read_of_it_is_what_json_says() {
    for record in records() {
        let element = read(&Encoder.encode(&record));
        let root = if matches!(record, Record::Ledger(_)) { "ledgerRecord" } else { "lisRecord" };
        assert_eq!((element.name.as_str(), fields(&element)), (root, said(&record)));
    }
}

/// By another program than the gateway's libraries: `xmllint` of Debian's libxml2-utils.
#[test]
fn every_record_of_the_town_is_valid_by_the_schema() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/schemas/record.xsd");
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let write = |name: String, body: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, body).unwrap_or_else(|error| panic!("{error}"));
        path
    };
    let valid = |files: &[std::path::PathBuf]| {
        let mut xmllint = Command::new("xmllint");
        xmllint.args(["--noout", "--nonet", "--schema"]).arg(&schema).args(files);
        let output = xmllint.output().unwrap_or_else(|error| {
            panic!("{error}: xmllint is needed; on Debian: `sudo apt-get install libxml2-utils`")
        });
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let records = records();
    let files: Vec<_> = records
        .iter()
        .enumerate()
        .map(|(no, record)| write(format!("{no}.xml"), &Encoder.encode(record)))
        .collect();
    for files in files.chunks(500) {
        let (is_valid, said) = valid(files);
        let wrong: Vec<&str> = said.lines().filter(|line| !line.ends_with(" validates")).take(5).collect();
        assert!(is_valid, "{wrong:#?}");
    }
    // And the schema is not one that takes anything.
    let good = String::from_utf8_lossy(&Encoder.encode(&records[0])).into_owned();
    for (right, wrong) in [
        ("<change>tag<", "<change>tagged<"),
        ("<side>", "<kind>wage</kind><side>"),
        ("<amount>", "<amount>1,"),
        ("</parts>", ""),
        (NAMESPACE, "urn:samspor:record:2"),
    ] {
        assert!(good.contains(right), "{right} in {good}");
        assert!(!valid(&[write("wrong.xml".into(), good.replacen(right, wrong, 1).as_bytes())]).0, "{wrong}");
    }
}
