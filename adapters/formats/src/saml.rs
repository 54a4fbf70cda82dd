//! SAML 2.0 assertions: until when one holds. Nothing else of it is read, and no signature is checked: whoever is shown the
//! assertion does that.

use jiff::Timestamp;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::{NsReader, XmlVersion};

const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";

/// The instant from which an assertion no longer holds (`Conditions/@NotOnOrAfter`, SAML 2.0 core, section 2.5.1.2), if it
/// says one in UTC or with an offset.
#[must_use]
pub fn not_on_or_after(assertion: &[u8]) -> Option<Timestamp> {
    let mut reader = NsReader::from_str(std::str::from_utf8(assertion).ok()?);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) | Event::Empty(start) if is_conditions(&reader, &start) => {
                return end_of(&start);
            }
            Event::Eof | Event::DocType(_) => return None,
            _ => {}
        }
    }
}

fn is_conditions(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> bool {
    start.local_name().as_ref() == "Conditions"
        && reader.resolver().resolve_element(start.name()).0 == ResolveResult::Bound(Namespace(ASSERTION))
}

fn end_of(conditions: &BytesStart<'_>) -> Option<Timestamp> {
    let mut attributes = conditions.attributes().flatten();
    let found = attributes.find(|attribute| attribute.key.as_ref() == "NotOnOrAfter")?;
    found.normalized_value(XmlVersion::Implicit1_0).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(inner: &str) -> Option<String> {
        let text = format!(r#"<a:Assertion xmlns:a="{ASSERTION}" ID="_1">{inner}</a:Assertion>"#);
        not_on_or_after(text.as_bytes()).map(|end| end.to_string())
    }

    #[test]
    fn the_end_is_that_of_the_conditions_and_of_nothing_else() {
        let confirmation = r#"<a:SubjectConfirmationData NotOnOrAfter="2001-01-01T00:00:00Z"/>"#;
        for (inner, end) in [
            (r#"<a:Conditions NotBefore="2026-03-01T09:00:00Z" NotOnOrAfter="2026-03-01T10:00:00Z"/>"#, true),
            (r#"<a:Conditions NotOnOrAfter="2026-03-01T11:00:00.000+01:00"></a:Conditions>"#, true),
            (
                r#"<c:Conditions xmlns:c="urn:oasis:names:tc:SAML:2.0:assertion" NotOnOrAfter="2026-03-01T10:00:00Z"/>"#,
                true,
            ),
            (r#"<Conditions NotOnOrAfter="2026-03-01T10:00:00Z"/>"#, false),
            (r#"<a:Conditions c:NotOnOrAfter="2026-03-01T10:00:00Z"/>"#, false),
            (r#"<a:Conditions NotOnOrAfter="tomorrow"/>"#, false),
            (r#"<a:Conditions NotOnOrAfter="2026-03-01T10:00:00"/>"#, false),
            ("<a:Conditions/>", false),
            ("", false),
        ] {
            let expected = end.then(|| "2026-03-01T10:00:00Z".to_owned());
            assert_eq!(of(&format!("{confirmation}{inner}")), expected, "{inner}");
        }
        assert_eq!(not_on_or_after(b"<!DOCTYPE x><x/>"), None);
        assert_eq!(not_on_or_after(b"\xff"), None);
        assert_eq!(not_on_or_after(b"no XML"), None);
    }
}
