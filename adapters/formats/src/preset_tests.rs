//! The examples beside the formats that are code, `config/presets`: what each message becomes is what stands beside it.

use std::fs;
use std::path::{Path, PathBuf};

use samspor_domain::{Decode, Delivery, Item, Text};

use crate::{g68, g69, json, oio};

/// Writes what each example becomes instead of holding it against what is expected.
const UPDATE: &str = "UPDATE_PRESETS";
/// What the name of an expectation ends in.
const EXPECTED: &str = "expected.ndjson";

/// The message types of the OIO examples.
const MESSAGE_TYPES: [(&str, oio::Payload); 3] = [
    ("0b0e7a3c-5d1f-4c7e-9a31-6d1b2f7f0a01", oio::Payload::Case),
    ("0b0e7a3c-5d1f-4c7e-9a31-6d1b2f7f0a02", oio::Payload::Grant),
    ("urn:oio:beskedtype:Effektuering", oio::Payload::Payment),
];

fn text(text: &str) -> Text {
    Text::new(text).unwrap_or_else(|e| panic!("{e}"))
}

/// The presets by folder. Each is as `config/presets/README.md` has its section.
fn presets() -> Vec<(&'static str, Box<dyn Decode>)> {
    let g69 = |encoding| -> Box<dyn Decode> { Box::new(g69::Decoder::new(g69::Settings { encoding })) };
    let payments =
        g68::Settings { encoding: g69::Encoding::Utf8, reference: 16, grant: 17, system: text("dubu") };
    let message_types = MESSAGE_TYPES.into_iter().map(|(id, payload)| (id.to_owned(), payload)).collect();
    let g68: Box<dyn Decode> = Box::new(g68::Decoder::new(payments));
    let oio: Box<dyn Decode> = Box::new(oio::Decoder::new(oio::Settings { message_types }));
    let latin1 = g69(g69::Encoding::Latin1);
    vec![("g69", g69(g69::Encoding::Utf8)), ("g69-iso-8859-1", latin1), ("g68", g68), ("oio", oio)]
}

/// The messages of a folder.
fn examples(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap_or_else(|e| panic!("{e}")).path());
    let mut paths: Vec<_> = paths.filter(|path| !path.to_string_lossy().ends_with(EXPECTED)).collect();
    paths.sort();
    paths
}

/// An item as `samspor test` writes it.
fn line(item: &Item) -> String {
    match &item.content {
        Ok(message) => json::line(message),
        Err(fault) => {
            let path = serde_json::Value::from(fault.path.as_deref().unwrap_or_default());
            format!("{{\"fault\":\"{}\",\"path\":{path}}}", fault.reason.word())
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the one who runs the test says so by a variable")]
fn every_example_becomes_what_stands_beside_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/presets");
    for (name, decoder) in presets() {
        let found = examples(&root.join(name));
        assert!(!found.is_empty(), "{name} has no examples");
        for example in found {
            let body = fs::read(&example).unwrap_or_else(|e| panic!("{}: {e}", example.display()));
            let delivery = Delivery { body: body.into(), ..Delivery::default() };
            let items = decoder.decode(&text(name), &delivery);
            let got: String = items.iter().map(|item| line(item) + "\n").collect();
            let beside = example.with_extension(EXPECTED);
            if std::env::var_os(UPDATE).is_some() {
                fs::write(&beside, &got).unwrap_or_else(|e| panic!("{}: {e}", beside.display()));
            }
            let expected = fs::read_to_string(&beside).unwrap_or_default();
            assert_eq!(got, expected, "{}: {UPDATE}=1 writes what it becomes", example.display());
        }
    }
}

/// Else an example could be added, or renamed, that no test reads.
#[test]
fn no_folder_and_no_expectation_is_left_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/presets");
    let entries = fs::read_dir(&root).unwrap_or_else(|e| panic!("{}: {e}", root.display()));
    let paths = entries.map(|entry| entry.unwrap_or_else(|e| panic!("{e}")).path());
    let folders = paths.filter(|path| path.is_dir()).map(|path| path.file_name().map(ToOwned::to_owned));
    let mut folders: Vec<_> = folders.flatten().collect();
    folders.sort();
    let mut tested: Vec<_> = presets().into_iter().map(|(name, _)| std::ffi::OsString::from(name)).collect();
    tested.sort();
    assert_eq!(folders, tested, "each folder is a preset with a decoder, and the other way round");
    for folder in folders.iter().map(|folder| root.join(folder)) {
        let beside: Vec<_> = examples(&folder).iter().map(|path| path.with_extension(EXPECTED)).collect();
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for entry in entries {
            let path = entry.unwrap_or_else(|e| panic!("{e}")).path();
            let is_example = !path.to_string_lossy().ends_with(EXPECTED);
            assert!(is_example || beside.contains(&path), "{} has no message", path.display());
        }
    }
}
