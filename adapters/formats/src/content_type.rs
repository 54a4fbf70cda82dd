//! Whether a delivery's content type is one that a decoder reads, and the charset that it names.

use samspor_domain::{Delivery, Fault, Reason};

/// The charset that the content type names, if any; a delivery without a content type is taken as it comes.
pub(crate) fn check<'d>(delivery: &'d Delivery, accepted: &[&str]) -> Result<Option<&'d str>, Fault> {
    let given = delivery.content_type.as_deref().map(str::trim).filter(|given| !given.is_empty());
    let Some(given) = given else { return Ok(None) };
    let (media, parameters) = given.split_once(';').unwrap_or((given, ""));
    if !accepted.iter().any(|known| known.eq_ignore_ascii_case(media.trim())) {
        let message =
            format!("the content type is none that this source's format reads: {}", accepted.join(", "));
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
