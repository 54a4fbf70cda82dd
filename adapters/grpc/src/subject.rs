//! A certificate's subject as text, by RFC 4514: the last part first, `,` between parts, and escaped, so that no subject can
//! be written to look like another.

use std::fmt::Write as _;

use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The words of the RFC (section 3); every other type is told by its number.
const TYPES: [(&str, &str); 9] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

/// A subject such as `CN=registry,O=Kommunen,C=DK`; empty where there is none.
pub(crate) fn written(name: &X509Name<'_>) -> String {
    let part = |attributes: Vec<String>| attributes.join("+");
    let parts: Vec<String> = name.iter_rdn().map(|rdn| part(rdn.iter().map(attribute).collect())).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let number = attribute.attr_type().to_id_string();
    let word = TYPES.iter().find(|(of, _)| *of == number).map(|(_, word)| *word);
    match (word, attribute.as_str()) {
        (Some(word), Ok(value)) => format!("{word}={}", escaped(value)),
        // What has no word, or is no text that this reads, is told as its bytes.
        (word, _) => {
            let mut text = format!("{}=#", word.unwrap_or(&number));
            for byte in attribute.as_slice() {
                let _ = write!(text, "{byte:02x}");
            }
            text
        }
    }
}

/// A value as it stands between `=` and the next part.
fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::new();
    for (at, char) in value.chars().enumerate() {
        match char {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.extend(['\\', char]),
            ' ' if at == 0 || at == last => text.push_str("\\ "),
            '#' if at == 0 => text.push_str("\\#"),
            char if char.is_ascii_control() => {
                let _ = write!(text, "\\{:02x}", u32::from(char));
            }
            char => text.push(char),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_part_or_begin_another_is_escaped() {
        for (value, expected) in [
            ("registry", "registry"),
            ("a,O=Kommunen", "a\\,O=Kommunen"),
            ("a+CN=b", "a\\+CN=b"),
            ("a\\,b", "a\\\\\\,b"),
            (" a b ", "\\ a b\\ "),
            ("#04", "\\#04"),
            ("a\nb\0", "a\\0ab\\00"),
            (" ", "\\ "),
            ("Økonomi", "Økonomi"),
        ] {
            assert_eq!(escaped(value), expected);
        }
    }
}
