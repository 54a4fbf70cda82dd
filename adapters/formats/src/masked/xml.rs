//! XML, whole or broken: names of elements and attributes, and the forms of values.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use encoding_rs::Encoding;

use super::{mask, name, plain, text};
use crate::calendar;

/// Namespaces that are shown as they are.
const NAMESPACES: [&str; 8] = [
    "urn:oio:besked:kuvert:1.0",
    "urn:besked:kuvert:1.0",
    "urn:oio:sts:1.0.0",
    "urn:oio:sagdok:3.0.0",
    "urn:oio:sts:generelledefinitioner:6",
    "urn:oio:sts:sagdok:sag:6",
    "urn:oio:sts:ydelse:bevillingindeks:6",
    "urn:oio:sts:ydelse:oekonomiskeffektueringindeks:6",
];
/// Elements whose dates are nobody's birth.
const DATES: [&str; 7] = [
    "Dispositionsdato",
    "BevilgetYdelseStartdato",
    "BevilgetYdelseSlutdato",
    "YdelsesperiodeStartdato",
    "YdelsesperiodeSlutdato",
    "Startdato",
    "Slutdato",
];
/// The words of `LivscyklusKode`.
const LIFECYCLE: [&str; 6] = ["Opstaaet", "Importeret", "Passiveret", "Slettet", "Rettet", "Flyttet"];
/// Documents in each other that are shown at most.
const MAX_DEPTH: usize = 2;

/// What is shown of a text that begins as XML does.
pub(super) fn masked(text: &str) -> String {
    document(text, 0)
}

fn document(text: &str, depth: usize) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut element = "";
    let mut rest = text;
    while !rest.is_empty() {
        let Some(start) = rest.find('<') else {
            shown.push_str(&mask(rest));
            break;
        };
        let (content, from) = rest.split_at(start);
        shown.push_str(&value(element, content, depth));
        let (opening, closing) = if from.starts_with("<!--") {
            ("<!--", "-->")
        } else if from.starts_with("<![CDATA[") {
            ("<![CDATA[", "]]>")
        } else if from.starts_with("<!") {
            ("<!", ">")
        } else {
            let Some(end) = end_of_tag(from) else {
                shown.push_str(&mask(from));
                break;
            };
            let (tag, after) = from.split_at(end);
            let (written, named) = self::tag(tag);
            shown.push_str(&written);
            (element, rest) = (named, after);
            continue;
        };
        let inner = &from[opening.len()..];
        shown.push_str(opening);
        let end = inner.find(closing);
        shown.push_str(&mask(&inner[..end.unwrap_or(inner.len())]));
        if end.is_some() {
            shown.push_str(closing);
        }
        rest = end.map_or("", |end| &inner[end + closing.len()..]);
    }
    shown
}

/// Where a tag ends, quotes heeded.
fn end_of_tag(from: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in from.bytes().enumerate() {
        match (byte, quote) {
            (b'"' | b'\'', None) => quote = Some(byte),
            (_, Some(open)) if byte == open => quote = None,
            (b'>', None) => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// What is shown of a tag, and the local name of an element that it opens.
fn tag(tag: &str) -> (String, &str) {
    let mut shown = String::with_capacity(tag.len());
    let begin = if tag.starts_with("</") || tag.starts_with("<?") { 2 } else { 1 };
    shown.push_str(&tag[..begin]);
    let is_name_end = |character: char| character.is_whitespace() || "=/>?\"'".contains(character);
    let mut rest = &tag[begin..];
    let first = &rest[..rest.find(is_name_end).unwrap_or(rest.len())];
    shown.push_str(&name(first));
    rest = &rest[first.len()..];
    let mut attribute = "";
    while let Some(character) = rest.chars().next() {
        match character {
            '"' | '\'' => {
                let inner = &rest[1..];
                let end = inner.find(character);
                let quoted = &inner[..end.unwrap_or(inner.len())];
                shown.push(character);
                shown.push_str(&if is_plain(attribute, quoted) { plain(quoted) } else { mask(quoted) });
                if end.is_some() {
                    shown.push(character);
                }
                rest = end.map_or("", |end| &inner[end + 1..]);
            }
            _ if is_name_end(character) => {
                shown.push_str(&mask(&rest[..character.len_utf8()]));
                rest = &rest[character.len_utf8()..];
            }
            _ => {
                attribute = &rest[..rest.find(is_name_end).unwrap_or(rest.len())];
                rest = &rest[attribute.len()..];
                // Without a value it is no attribute, and one in capitals is no attribute of these formats: nobody knows
                // what it is, and names of people begin so.
                let is_attribute = rest.starts_with(['=', ' ']) && rest.trim_ascii_start().starts_with('=');
                let is_attribute = is_attribute && attribute.starts_with(|c: char| c.is_ascii_lowercase());
                shown.push_str(&if is_attribute { name(attribute) } else { mask(attribute) });
            }
        }
    }
    let opens = begin == 1 && tag.ends_with('>') && !tag.ends_with("/>");
    (shown, if opens { first.rsplit(':').next().unwrap_or(first) } else { "" })
}

/// Whether an attribute's value is one that tells of nobody.
fn is_plain(attribute: &str, value: &str) -> bool {
    match attribute {
        "version" => matches!(value, "1.0" | "1.1"),
        "encoding" => Encoding::for_label(value.as_bytes()).is_some(),
        _ => (attribute == "xmlns" || attribute.starts_with("xmlns:")) && NAMESPACES.contains(&value),
    }
}

/// What is shown of an element's text.
fn value(element: &str, content: &str, depth: usize) -> String {
    let trimmed = content.trim_ascii();
    let tells_of_nobody = (DATES.contains(&element) && calendar::date(trimmed).is_some())
        || (element == "LivscyklusKode" && LIFECYCLE.contains(&trimmed));
    if tells_of_nobody {
        return plain(content);
    }
    if element == "Base64" && depth < MAX_DEPTH {
        let bytes: Vec<u8> = content.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        if let Ok(inner) = BASE64_STANDARD.decode(bytes) {
            let inner = text(&inner);
            if inner.trim_ascii_start().starts_with('<') {
                return format!("\n{}\n", document(&inner, depth + 1));
            }
        }
    }
    mask(content)
}
