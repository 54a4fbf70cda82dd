//! Bodies shown without showing whom they are about: structure, names of fields and the form of each value.
//!
//! Every digit is shown as `9`, every letter as `a` or `A`, with length and punctuation kept, so that `12,50` is seen to
//! have a comma and a date to be the wrong way round. Only what tells of nobody stands as it is: names of fields, words of
//! the contract, dates that exist in fields that hold no one's birth, small versions. Bodies are read by their characters
//! alone, not by the decoders, so that what is broken is shown too; what is not recognised is masked.

mod g69;
mod json;
#[cfg(test)]
mod tests;
mod xml;

use std::borrow::Cow;

use encoding_rs::Encoding;
use samspor_domain::quarantine::{Show, Shown};

/// Bytes of a body that are shown at most.
const MAX_BYTES: usize = 32 << 10;
/// Media types that are shown as they are.
const MEDIA: [&str; 10] = [
    "application/json",
    "text/json",
    "application/xml",
    "text/xml",
    "text/plain",
    "text/csv",
    "text/html",
    "application/octet-stream",
    "application/pdf",
    "application/zip",
];

/// Shows bodies of any format, masked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Masked;

impl Show for Masked {
    fn show(&self, content_type: Option<&str>, body: &[u8]) -> Shown {
        let cut = body.len() > MAX_BYTES;
        let text = text(&body[..body.len().min(MAX_BYTES)]);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let (format, text) = read(text);
        Shown { content_type: content_type.map(shown_type), format, bytes: body.len(), text, cut }
    }
}

/// The bytes as UTF-8, or else as ISO-8859-1, which any bytes are.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        // Cut within a character.
        Err(error) if error.error_len().is_none() => {
            Cow::Borrowed(std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default())
        }
        Err(_) => encoding_rs::mem::decode_latin1(bytes),
    }
}

/// As what a text is read, and what is shown of it.
fn read(text: &str) -> (&'static str, String) {
    match text.trim_ascii_start().bytes().next() {
        Some(b'{' | b'[') => ("JSON", json::masked(text)),
        Some(b'<') => ("XML", xml::masked(text)),
        _ if g69::is_it(text) => ("G69", g69::masked(text)),
        _ => ("bytes", mask(text)),
    }
}

/// The form of a text.
fn mask(text: &str) -> String {
    text.chars().map(form).collect()
}

/// A text that tells of nobody, as it stands; what a terminal would obey is shown by its form here too, since what is read
/// as a date or a word may have control characters around it.
fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { form(character) } else { character }).collect()
}

/// What stands for a character. No more than this is ever shown of one that is not known to tell of nobody, and nothing
/// that a terminal would obey.
fn form(character: char) -> char {
    match character {
        '\n' | '\t' | ' ' => character,
        _ if character.is_numeric() => '9',
        _ if character.is_ascii_punctuation() => character,
        _ if character.is_uppercase() => 'A',
        _ if character.is_alphabetic() => 'a',
        _ => '·',
    }
}

/// A name of a field as it stands, if it can be one: short, of ASCII, with few digits. Else its form.
fn name(text: &str) -> String {
    let is_ascii = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:@$".contains(&byte);
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || b"_@$".contains(&byte));
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let is_name = begins
        && digits <= 3
        && text.len() <= 64
        && text.bytes().all(is_ascii)
        && !(is_hexadecimal && text.len() > 8);
    if is_name { text.to_owned() } else { mask(text) }
}

fn shown_type(content_type: &str) -> String {
    let (media, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let is_known = MEDIA.contains(&media.trim().to_ascii_lowercase().as_str());
    let charset = |parameter: &str| {
        let (name, value) = parameter.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        Some(is_charset && Encoding::for_label(value.trim().trim_matches('"').as_bytes()).is_some())
    };
    let parameters_are = parameters
        .split(';')
        .filter(|parameter| !parameter.trim().is_empty())
        .all(|parameter| charset(parameter) == Some(true));
    if is_known && parameters_are { plain(content_type) } else { mask(content_type) }
}
