//! Postings in canonical JSON that pass on with their tags.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use samspor_domain::{Carried, Carry, Delivery, Tag};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::encode;

/// The member that holds the tag.
const MEMBER: &str = "tag";

/// Puts tags into messages: as their member `tag`, written as in a ledger record, and `null` for a posting without a tag.
/// No other byte changes. What a message says in a member of that name itself is replaced.
#[derive(Debug, Clone, Copy, Default)]
pub struct Carrier;

impl Carry for Carrier {
    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn carry(&self, posting: &Delivery, tag: Option<&Tag>) -> Carried {
        let body = &posting.body;
        let text = std::str::from_utf8(body).ok();
        let Some((text, object)) = text.and_then(|text| Some((text, serde_json::from_str(text).ok()?)))
        else {
            return Carried { body: body.clone(), left_out: u32::from(tag.is_some()) };
        };
        let Members { tag: known, is_empty } = object;
        let said = encode::tag(tag);
        let (before, said, after) = match known.map(|value| place(text, value.get())) {
            Some((from, to)) => (&text[..from], said, &text[to..]),
            None => {
                let end = text.rfind('}').unwrap_or(text.len());
                let comma = if is_empty { "" } else { "," };
                (&text[..end], format!("{comma}\"{MEMBER}\":{said}"), &text[end..])
            }
        };
        Carried { body: Bytes::from([before, &said, after].concat()), left_out: 0 }
    }
}

/// Where a part of a text stands in it.
fn place(text: &str, part: &str) -> (usize, usize) {
    let from = part.as_ptr().addr() - text.as_ptr().addr();
    (from, from + part.len())
}

/// What is to be known of the members of an object.
struct Members<'a> {
    tag: Option<&'a RawValue>,
    is_empty: bool,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members { tag: None, is_empty: true };
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    members.is_empty = false;
                    if key == MEMBER {
                        members.tag = Some(value);
                    }
                }
                Ok(members)
            }
        }
        from.deserialize_map(Object)
    }
}

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::g69::place_tests::tag;

    fn carried(body: &str, tag: Option<&Tag>) -> (String, u32) {
        let carried = Carrier.carry(&Delivery { body: body.to_owned().into(), ..Delivery::default() }, tag);
        (String::from_utf8(carried.body.to_vec()).expect("UTF-8"), carried.left_out)
    }

    #[test]
    fn the_tag_is_a_member_and_nothing_else_changes() {
        for (body, expected) in [
            (" { \"id\" : \"a}\" }\r\n", " { \"id\" : \"a}\" ,\"tag\":null}\r\n"),
            ("{}", "{\"tag\":null}"),
            ("{\"tag\" : {\"tag\":1}, \"id\":\"}\"}", "{\"tag\" : null, \"id\":\"}\"}"),
            ("{\"t\\u0061g\":[\"x\"],\"b\":{\"tag\":2}}", "{\"t\\u0061g\":null,\"b\":{\"tag\":2}}"),
        ] {
            assert_eq!(carried(body, None), (expected.to_owned(), 0), "{body}");
        }
        for no_object in ["", "[1]", "{", "{}{}", "\u{feff}{}"] {
            assert_eq!(carried(no_object, Some(&tag("sb", None))), (no_object.to_owned(), 1));
        }
    }

    proptest! {
        #[test]
        fn any_object_has_its_tag_and_its_other_members(
            members in proptest::collection::btree_map("[a-c\"\\\\{}t]{1,3}|tag", ".{0,5}", 0..5), pretty: bool,
        ) {
            let before = json!(members);
            let body = if pretty { format!("{before:#}\n") } else { before.to_string() };
            let (body, left_out) = carried(&body, Some(&tag("sb", None)));
            let mut after: Value = serde_json::from_str(&body).expect("JSON");
            prop_assert_eq!(left_out, 0);
            let said = after.as_object_mut().and_then(|object| object.remove(MEMBER)).expect("a tag");
            prop_assert_eq!(said["solution"].as_str(), Some("sb"));
            let mut members = members;
            members.remove(MEMBER);
            prop_assert_eq!(after, json!(members));
        }
    }
}
