//! A light tree of one JSON text that borrows what it can, with repeated keys refused and nulls left out.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use samspor_domain::{Fault, Reason};
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

/// How deep arrays and objects may stand in each other.
const MAX_DEPTH: usize = 32;

/// A JSON value.
#[derive(Debug)]
pub(crate) enum Node<'a> {
    Null,
    Boolean(bool),
    /// A number that is whole and in range.
    Integer(i64),
    /// Any other number; nothing in the contract takes one.
    Number,
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Vec<Entry<'a>>),
}

/// A key with a value that is not null.
pub(crate) type Entry<'a> = (Cow<'a, str>, Node<'a>);

/// Reads exactly one JSON value.
pub(super) fn parse(text: &str) -> Result<Node<'_>, Fault> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let parsed = Value { depth: 0 }.deserialize(&mut reader).and_then(|node| reader.end().map(|()| node));
    // The parser's message gives line and column, and quotes nothing, since every value is taken.
    parsed.map_err(|error| {
        Fault::new(Reason::Undecodable, format!("the body is not the JSON it should be: {error}"))
    })
}

struct Value {
    depth: usize,
}

impl Value {
    fn inner<E: de::Error>(&self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!(
                "more than {MAX_DEPTH} arrays and objects stand in each other"
            )));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Value {
    type Value = Node<'de>;
    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<Node<'de>, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(i64::try_from(value).map_or(Node::Number, Node::Integer))
    }

    #[expect(clippy::disallowed_types, reason = "it is seen that it is a number, and not looked at")]
    fn visit_f64<E>(self, _: f64) -> Result<Node<'de>, E> {
        Ok(Node::Number)
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut reader: A) -> Result<Node<'de>, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = reader.next_element_seed(self.inner()?)? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut reader: A) -> Result<Node<'de>, A::Error> {
        // A posting has about a dozen fields, a reference one or two.
        let mut entries: Vec<Entry<'de>> = Vec::with_capacity(if self.depth == 0 { 12 } else { 2 });
        let mut nulls = false;
        while let Some(key) = reader.next_key_seed(Key)? {
            let node = reader.next_value_seed(self.inner()?)?;
            nulls |= matches!(node, Node::Null);
            entries.push((key, node));
        }
        if has_repeated_key(&entries) {
            return Err(de::Error::custom("a key is repeated in one object"));
        }
        if nulls {
            entries.retain(|(_, node)| !matches!(node, Node::Null));
        }
        Ok(Node::Object(entries))
    }
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;
    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<Cow<'de, str>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}

fn has_repeated_key(entries: &[Entry<'_>]) -> bool {
    // Comparing each with each is quickest for the objects of the contract, and a trap in larger ones.
    if entries.len() <= 24 {
        return entries
            .iter()
            .enumerate()
            .any(|(i, (key, _))| entries[..i].iter().any(|(other, _)| other == key));
    }
    let mut seen = HashSet::with_capacity(entries.len());
    entries.iter().any(|(key, _)| !seen.insert(key.as_ref()))
}
