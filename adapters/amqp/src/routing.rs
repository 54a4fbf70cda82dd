//! Routing keys from a template, with elements that a topic exchange can tell apart.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::{MAX_NAME_BYTES, SettingsError};

/// The longest element that a placeholder becomes, in bytes. Two of them, and what stands around them, fit in a key.
const MAX_ELEMENT_BYTES: usize = 100;

/// What a placeholder becomes for a message that has no topic. No [`element`] is written so.
const NO_TOPIC: &str = "~";

/// A template such as `tags.{solution}.{area}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Solution,
    Area,
}

impl Template {
    /// Reads a template: `{solution}` and `{area}` stand for those, everything else for itself.
    pub(crate) fn parse(text: &str) -> Result<Self, SettingsError> {
        let wrong = |message: String| SettingsError::new("routing_key", message);
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let placeholder = after.split_once('}');
            let piece = match placeholder {
                Some(("solution", _)) => Piece::Solution,
                Some(("area", _)) => Piece::Area,
                _ => return Err(wrong("may hold '{solution}' and '{area}', and no other '{'".to_owned())),
            };
            pieces.extend([Piece::Text(before.to_owned()), piece]);
            rest = placeholder.map_or("", |(_, rest)| rest);
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        let longest: usize = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.len(),
                _ => MAX_ELEMENT_BYTES,
            })
            .sum();
        if longest > MAX_NAME_BYTES {
            return Err(wrong(format!(
                "can become {longest} bytes long, with {MAX_ELEMENT_BYTES} for each placeholder, and at most \
                 {MAX_NAME_BYTES} are allowed"
            )));
        }
        Ok(Self(pieces))
    }

    /// The key for a solution and an area.
    pub(crate) fn key(&self, topic: Option<(&str, &str)>) -> String {
        let mut key = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => key.push_str(text),
                Piece::Solution => {
                    key.push_str(&topic.map_or(NO_TOPIC.into(), |(solution, _)| element(solution)))
                }
                Piece::Area => key.push_str(&topic.map_or(NO_TOPIC.into(), |(_, area)| element(area))),
            }
        }
        key
    }
}

/// One element of a routing key. See [`crate::target::Routing::Topic`] for what readers may rely on.
fn element(text: &str) -> Cow<'_, str> {
    let safe = |c: char| !c.is_whitespace() && !c.is_control() && !['.', '*', '#', '%', '~'].contains(&c);
    if text.len() <= MAX_ELEMENT_BYTES && text.chars().all(safe) {
        return text.into();
    }
    let mut escaped = String::new();
    // The digest of a text that is too long takes 17 bytes of the element.
    let mut head = 0;
    for c in text.chars() {
        if safe(c) {
            escaped.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
        if escaped.len() <= MAX_ELEMENT_BYTES - 17 {
            head = escaped.len();
        }
    }
    if escaped.len() > MAX_ELEMENT_BYTES {
        escaped.truncate(head);
        let _ = write!(escaped, "~{:016x}", fnv_1a(text.as_bytes()));
    }
    escaped.into()
}

/// The 64-bit FNV-1a digest: short, and the same in every version of everything.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn key(template: &str, topic: Option<(&str, &str)>) -> String {
        Template::parse(template).unwrap_or_else(|e| panic!("{template}: {e}")).key(topic)
    }

    #[test]
    fn templates_hold_both_placeholders_anywhere() {
        let topic = Some(("sb-familier", "vulnerable-children"));
        assert_eq!(key("{solution}.{area}", topic), "sb-familier.vulnerable-children");
        assert_eq!(key("tags.{area}", topic), "tags.vulnerable-children");
        assert_eq!(key("all", topic), "all");
        assert_eq!(key("", topic), "");
        assert_eq!(key("x.{solution}.y.{area}.z", None), "x.~.y.~.z");
    }

    #[test]
    fn templates_that_cannot_be_keys_are_refused() {
        let long = "x".repeat(56) + "{solution}{area}";
        for text in
            ["{", "{family}", "{solution", "{{solution}}", "{solution}{area}{area}", &long, &"x".repeat(256)]
        {
            assert!(Template::parse(text).is_err(), "{text}");
        }
        assert_eq!(key(&long[1..], Some((&"s".repeat(120), &"a".repeat(120)))).len(), 255);
    }

    #[test]
    fn elements_stay_apart_and_hold_nothing_that_routing_minds() {
        let long = "æ".repeat(60);
        let texts = [
            "a",
            "a.b",
            "a%2Eb",
            "a b",
            "a*b",
            "a#b",
            "~",
            "%",
            "*",
            "#",
            ".",
            "løsning",
            "a\u{a0}b",
            "a\nb",
            &long,
            &long[2..],
            &".".repeat(120),
            &".".repeat(119),
            &"a".repeat(120),
            &"a".repeat(100),
            &"a".repeat(101),
        ];
        let mut seen = BTreeMap::new();
        for text in texts {
            let element = element(text);
            assert!(element.len() <= MAX_ELEMENT_BYTES, "{element}");
            assert!(!element.contains(['.', '*', '#', ' ', '\n', '\u{a0}']), "{element}");
            assert_ne!(element, NO_TOPIC);
            assert_eq!(seen.insert(element.into_owned(), text), None, "{text}");
        }
    }

    #[test]
    fn elements_are_written_as_documented() {
        assert_eq!(element("sb-familier"), "sb-familier");
        assert_eq!(element("Løsning 2.0"), "Løsning%202%2E0");
        assert_eq!(element("~"), "%7E");
        assert_eq!(element(&"a".repeat(120)), format!("{}~{:016x}", "a".repeat(83), fnv_1a(&[b'a'; 120])));
        // The published test value of FNV-1a.
        assert_eq!(fnv_1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
