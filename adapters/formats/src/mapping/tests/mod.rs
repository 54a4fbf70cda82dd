//! What mappings make of messages, held against canonical JSON.

mod brackets;
mod conditions;
mod coverage;
mod empty;
mod excerpts;
mod flaws;
mod hostile;
mod json;
mod lines;
mod mapping_lines;
mod money;
mod ndjson;
mod part;
mod passed;
mod reference;
mod sides;
mod xml;

use samspor_domain::{Decode, Delivery, Excerpt, Item, Message, Text};

use super::{Decoder, Mapping};
use crate::json as canonical;

fn mapping(text: &str) -> Mapping {
    Mapping::load(text).unwrap_or_else(|flaws| panic!("{flaws:#?}\n{text}"))
}

fn delivery(body: &[u8]) -> Delivery {
    Delivery { body: body.to_vec().into(), ..Delivery::default() }
}

fn source() -> Text {
    Text::new("opus").unwrap_or_else(|error| panic!("{error}"))
}

fn items(text: &str, body: impl AsRef<[u8]>) -> Vec<Item> {
    Decoder::new(mapping(text)).decode(&source(), &delivery(body.as_ref()))
}

/// Canonical JSON as a message.
fn message(json: &str) -> Message {
    let items = canonical::Decoder.decode(&source(), &delivery(json.as_bytes()));
    let [Item { content, .. }] = &items[..] else { panic!("{items:?}") };
    content.clone().unwrap_or_else(|fault| panic!("{fault}: {json}"))
}

/// That the body becomes these: canonical JSON, or `reason at path: message`, or a part of that after `…`.
fn becomes(text: &str, body: impl AsRef<[u8]>, expected: &[&str]) {
    let items = items(text, body);
    for (index, item) in items.iter().enumerate() {
        let expected =
            expected.get(index).unwrap_or_else(|| panic!("more than expected: {:?}", item.content));
        match &item.content {
            Ok(read) if expected.starts_with('{') => assert_eq!(*read, message(expected), "item {index}"),
            Ok(read) => panic!("item {index} should be `{expected}`, and is {read:?}"),
            Err(fault) => match expected.strip_prefix('…') {
                Some(part) => assert!(fault.to_string().contains(part), "item {index}: {fault}"),
                None => assert_eq!(fault.to_string(), *expected, "item {index}"),
            },
        }
    }
    assert_eq!(items.len(), expected.len());
    for item in &items {
        if let Err(why) = again(&mapping(text), item) {
            panic!("{why}");
        }
    }
}

/// Reads an excerpt again by itself: it holds as many items as it says, the item that it says is the same, and at its place in
/// the body a fault is at the same place.
fn again(mapping: &Mapping, item: &Item) -> Result<(), String> {
    let Some(Excerpt { bytes, item: at, items }) = &item.excerpt else { return Ok(()) };
    let read = Decoder::new(mapping.clone()).decode(&source(), &delivery(bytes));
    let right = || format!("{item:?} is not item {at} of {items} in {read:?}");
    let found = read.get(*at as usize).filter(|_| read.len() == *items as usize).ok_or_else(right)?;
    let is_same = match (&found.content, &item.content) {
        (Ok(found), Ok(first)) => found == first,
        (Err(found), Err(first)) => {
            let found = found.clone().in_place_of(first.path.as_deref());
            (found.reason, &found.path) == (first.reason, &first.path)
        }
        _ => false,
    };
    if is_same { Ok(()) } else { Err(right()) }
}

/// The flaws as `line:column: message; help`.
fn flaws(text: &str) -> Vec<String> {
    let flaws = Mapping::load(text).expect_err("it has flaws");
    let place = |at: usize| {
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        format!("{line}:{}", at - before.rfind('\n').map_or(0, |end| end + 1) + 1)
    };
    let told = |flaw: &super::Flaw| {
        let help = flaw.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{}: {}{help}", place(flaw.at.start), flaw.message)
    };
    flaws.iter().map(told).collect()
}
