//! A decoder of a source whose sender labels its messages otherwise than their format is labelled.

use std::sync::Arc;

use samspor_domain::{Decode, Delivery, Fault, Item, Reason, SourceName};

/// Stands for any content type.
const ANY: &str = "*/*";

/// Reads what bears one of the content types that a source's configuration lists, as if it bore the format's own.
///
/// The list is taken instead of the format's: what it does not name is a fault. A message without a content type is taken as
/// it comes, as everywhere, and parameters such as `charset` hold as they would beside the format's own type.
#[derive(Clone)]
pub struct Decoder {
    inner: Arc<dyn Decode>,
    own: &'static str,
    content_types: Vec<String>,
}

impl Decoder {
    /// A decoder that reads what bears one of `content_types` (media types without parameters, or `*/*` for any) as what
    /// bears `own`, which `inner` takes.
    #[must_use]
    pub fn new(inner: Arc<dyn Decode>, own: &'static str, content_types: Vec<String>) -> Self {
        Self { inner, own, content_types }
    }

    /// The content type by which the format knows the delivery; none where it names none.
    fn relabelled(&self, delivery: &Delivery) -> Result<Option<String>, Fault> {
        let given = delivery.content_type.as_deref().map(str::trim).filter(|given| !given.is_empty());
        let Some(given) = given else { return Ok(None) };
        let (media, parameters) = given.split_once(';').unwrap_or((given, ""));
        let is_taken = |known: &String| known == ANY || known.eq_ignore_ascii_case(media.trim());
        if !self.content_types.iter().any(is_taken) {
            let message = format!(
                "the content type is none of this source's `content_types`: {}",
                self.content_types.join(", ")
            );
            return Err(Fault::new(Reason::UnsupportedContentType, message));
        }
        Ok(Some(format!("{};{parameters}", self.own)))
    }
}

impl Decode for Decoder {
    fn decode(&self, source: &SourceName, delivery: &Delivery) -> Vec<Item> {
        match self.relabelled(delivery) {
            Ok(content_type) => self.inner.decode(source, &Delivery { content_type, ..delivery.clone() }),
            Err(fault) => vec![Item { content: Err(fault), excerpt: None, ignored_fields: 0 }],
        }
    }

    fn may_be_empty(&self) -> bool {
        self.inner.may_be_empty()
    }

    fn passed(&self) -> Option<u64> {
        self.inner.passed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{g69, json};

    const CASE: &str = r#"{"type":"case","id":"J-1","version":1,"citizen":{"id":"B-1"}}"#;

    fn reason(decoder: &dyn Decode, content_type: Option<&str>) -> Option<Reason> {
        let content_type = content_type.map(str::to_owned);
        let delivery = Delivery { body: CASE.into(), content_type, ..Delivery::default() };
        let source = SourceName::new("jobcentre").expect("a name");
        let mut items = decoder.decode(&source, &delivery);
        assert_eq!(items.len(), 1);
        items.remove(0).content.err().map(|fault| fault.reason)
    }

    #[test]
    fn the_list_stands_in_place_of_the_formats_own_and_parameters_hold() {
        let types = vec!["text/plain".to_owned(), "application/vnd.kmd+json".to_owned()];
        let decoder = Decoder::new(Arc::new(json::Decoder), "application/json", types);
        for taken in [
            None,
            Some(""),
            Some("text/plain"),
            Some("Text/Plain; charset=utf-8"),
            Some("application/vnd.kmd+json ;charset=\"UTF-8\""),
        ] {
            assert_eq!(reason(&decoder, taken), None, "{taken:?}");
        }
        for not in [
            "application/json",
            "text/csv",
            "text/plain;charset=iso-8859-1",
            "text/plain;charset=a;charset=a",
        ] {
            assert_eq!(reason(&decoder, Some(not)), Some(Reason::UnsupportedContentType), "{not}");
        }
        assert_eq!(reason(&json::Decoder, Some("text/plain")), Some(Reason::UnsupportedContentType));
    }

    #[test]
    fn any_is_any() {
        let decoder = Decoder::new(Arc::new(json::Decoder), "application/json", vec!["*/*".into()]);
        assert_eq!(reason(&decoder, Some("application/vnd.ms-excel")), None);
    }

    #[test]
    fn a_part_of_the_body_is_still_a_part_of_it() {
        let lines = g69::Decoder::new(g69::Settings { encoding: g69::Encoding::Utf8 });
        let decoder = Decoder::new(Arc::new(lines), "text/plain", vec!["*/*".into()]);
        let delivery = Delivery {
            body: "one\ntwo\n".into(),
            content_type: Some("application/csv".into()),
            ..Delivery::default()
        };
        let items = decoder.decode(&SourceName::new("opus").expect("a name"), &delivery);
        let own: Vec<_> =
            items.iter().map(|item| item.excerpt.as_ref().map(|excerpt| &excerpt.bytes[..])).collect();
        assert_eq!(own, [Some(&b"one"[..]), Some(&b"two"[..])]);
    }
}
