//! Whether a delivery's content type is one that a decoder reads, and the charset that it names.

use samspor_domain::{Delivery, Fault, Reason};

/// The header in which a source hands over what a message says of its `content_encoding`.
const ENCODING: &str = "content-encoding";

/// The charset that the content type names, if any; a delivery without a content type is taken as it comes.
pub(crate) fn check<'d>(delivery: &'d Delivery, accepted: &[&str]) -> Result<Option<&'d str>, Fault> {
    encoding(delivery)?;
    let given = delivery.content_type.as_deref().map(str::trim).filter(|given| !given.is_empty());
    let Some(given) = given else { return Ok(None) };
    let (media, parameters) = given.split_once(';').unwrap_or((given, ""));
    if !accepted.iter().any(|known| known.eq_ignore_ascii_case(media.trim())) {
        let message = format!(
            "the content type is none that this source's format reads: {}; `content_types` of the source takes others",
            accepted.join(", ")
        );
        return Err(Fault::new(Reason::UnsupportedContentType, message));
    }
    let mut charset = None;
    for parameter in parameters.split(';') {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        if name.trim().eq_ignore_ascii_case("charset")
            && charset.replace(value.trim().trim_matches('"')).is_some()
        {
            return Err(Fault::new(
                Reason::UnsupportedContentType,
                "the content type names more than one charset",
            ));
        }
    }
    Ok(charset)
}

/// Whether the body is written as it stands. Many clients write a charset where an encoding such as gzip belongs; it says
/// nothing that the content type or the format does not, and is passed over.
fn encoding(delivery: &Delivery) -> Result<(), Fault> {
    let given = delivery.headers.get(ENCODING).map_or("", |given| given.trim());
    let plain = ["", "identity", "binary", "8bit", "7bit"];
    let is_plain = plain.iter().any(|plain| plain.eq_ignore_ascii_case(given));
    if is_plain || encoding_rs::Encoding::for_label(given.as_bytes()).is_some() {
        return Ok(());
    }
    let known = ["gzip", "x-gzip", "deflate", "zlib", "br", "zstd", "lz4", "snappy", "compress", "base64"];
    let named = known.iter().find(|known| known.eq_ignore_ascii_case(given));
    let said = named.map_or("one that is not known".to_owned(), |named| format!("`{named}`"));
    let message =
        format!("the message has a content_encoding, {said}, which is not undone: send bodies as they are");
    Err(Fault::at(Reason::UnsupportedContentType, "content_encoding", message))
}

/// Whether the label names UTF-8.
pub(crate) fn is_utf8(label: &str) -> bool {
    label.eq_ignore_ascii_case("utf-8") || label.eq_ignore_ascii_case("utf8")
}

/// The fault of a charset that the format does not read.
pub(crate) fn unsupported_charset(expected: &str) -> Fault {
    Fault::new(
        Reason::UnsupportedContentType,
        format!("the content type names another charset than {expected}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charset(content_type: Option<&str>) -> Result<Option<String>, Reason> {
        let delivery = Delivery { content_type: content_type.map(str::to_owned), ..Delivery::default() };
        check(&delivery, &["application/json"]).map(|c| c.map(str::to_owned)).map_err(|fault| fault.reason)
    }

    #[test]
    fn a_body_that_is_packed_is_told_as_such_and_not_as_one_that_is_broken() {
        let of = |encoding: &str| {
            let headers = [("content-encoding".to_owned(), encoding.to_owned())].into();
            let delivery = Delivery { headers, body: "{}".into(), ..Delivery::default() };
            check(&delivery, &["application/json"]).map(|_| ()).map_err(|fault| fault.to_string())
        };
        for plain in ["", "identity", "Binary", "utf-8", "UTF-8", "iso-8859-1", " 8bit "] {
            assert_eq!(of(plain), Ok(()), "{plain}");
        }
        for (packed, named) in
            [("gzip", "`gzip`"), ("GZip", "`gzip`"), ("6112801234", "one that is not known")]
        {
            let said = of(packed).expect_err(packed);
            assert!(said.starts_with("unsupported-content-type at content_encoding"), "{said}");
            assert!(said.contains(named) && !said.contains("6112801234"), "{said}");
        }
    }

    #[test]
    fn parameters_are_allowed_and_case_does_not_matter() {
        for plain in
            [None, Some(""), Some(" "), Some("application/json"), Some("Application/JSON ; version=1;")]
        {
            assert_eq!(charset(plain), Ok(None), "{plain:?}");
        }
        for named in ["application/json;charset=utf-8", "application/json; Charset=\"utf-8\"; q=1"] {
            assert_eq!(charset(Some(named)), Ok(Some("utf-8".into())), "{named}");
        }
        for other in
            ["text/json", "application/jsonx", "application", ";", "application/json;charset=a;charset=a"]
        {
            assert_eq!(charset(Some(other)), Err(Reason::UnsupportedContentType), "{other}");
        }
    }
}
