//! What mappings make of messages, held against canonical JSON.

mod conditions;
mod flaws;
mod hostile;
mod json;
mod lines;
mod money;
mod reference;
mod xml;

use samspor_domain::{Decode, Delivery, Item, Message, Text};

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
    // Each excerpt is read again by itself, to what it was and what came along with it.
    for item in &items {
        let Some(excerpt) = &item.excerpt else { continue };
        let again = Decoder::new(mapping(text)).decode(&source(), &delivery(excerpt));
        let reason = |item: &Item| item.content.as_ref().map_err(|fault| fault.reason).cloned();
        assert!(again.iter().any(|again| reason(again) == reason(item)), "{:?} of {item:?}", again);
    }
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
