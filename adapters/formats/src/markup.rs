//! XML documents read within bounds: their characters by their encoding, and their events by namespace.
//!
//! A `DOCTYPE`, and entities beyond the five of XML, are refused. What is made of the elements is a [`Sink`]'s own.

use std::borrow::Cow;
use std::ops::Range;

use encoding_rs::Encoding;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::{NsReader, Reader, XmlVersion};
use samspor_domain::{Fault, Reason};

/// How deep elements may stand in each other.
pub(crate) const MAX_DEPTH: usize = 64;

/// What takes the elements of a document, in their order.
pub(crate) trait Sink {
    /// An element begins: its namespace by URI, its local name, and where its start tag stands.
    fn open(&mut self, space: Option<&str>, name: &str, tag: Range<usize>) -> Result<(), Fault>;
    /// An attribute of the element that began last.
    fn attribute(&mut self, space: Option<&str>, name: &str, value: Cow<'_, str>) -> Result<(), Fault>;
    /// The element ends: where its end tag stands. It is empty where that is its start tag too.
    fn close(&mut self, tag: Range<usize>);
    /// Text within the element that began last and has not ended.
    fn text(&mut self, text: &str) -> Result<(), Fault>;
}

pub(crate) fn undecodable(message: &str) -> Fault {
    Fault::new(Reason::Undecodable, message)
}

/// Reads a document's elements. That there is one root, and how many there may be, is left to the sink.
pub(crate) fn read(text: &str, sink: &mut impl Sink) -> Result<(), Fault> {
    // The parser's own messages may quote names of the document, so only the place is told.
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let malformed = |position: u64| undecodable(&format!("is not well-formed XML at byte {position}"));
    let place = |reader: &NsReader<&[u8]>| usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
    let mut tag = 0..0;
    let mut depth = 0;
    loop {
        let before = place(&reader);
        let event = reader.read_event().map_err(|_| malformed(reader.error_position()))?;
        let after = place(&reader);
        match event {
            Event::Start(start) => {
                if depth == MAX_DEPTH {
                    return Err(undecodable("has too many elements in each other"));
                }
                depth += 1;
                tag = before..after;
                let space = match reader.resolver().resolve_element(start.name()).0 {
                    ResolveResult::Bound(Namespace(uri)) => Some(uri),
                    ResolveResult::Unbound => None,
                    ResolveResult::Unknown(_) => {
                        return Err(undecodable("uses a prefix without a namespace"));
                    }
                };
                sink.open(space, start.local_name().as_ref(), tag.clone())?;
                attributes(&reader, &start, sink)?.ok_or_else(|| malformed(reader.buffer_position()))?;
            }
            Event::End(_) => {
                depth -= 1;
                // The end of an element without one is read from its start tag.
                sink.close(if before == after { tag.clone() } else { before..after });
            }
            Event::Text(text) => sink.text(&text.xml10_content())?,
            Event::CData(text) => sink.text(&text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let character =
                    reference.resolve_char_ref().map_err(|_| malformed(reader.buffer_position()))?;
                match character {
                    Some(character) => sink.text(character.encode_utf8(&mut [0; 4]))?,
                    None => sink
                        .text(resolve_xml_entity(&reference).ok_or_else(|| {
                            undecodable("refers to an entity that XML does not predefine")
                        })?)?,
                }
            }
            Event::DocType(_) => return Err(undecodable("has a DOCTYPE, which is refused")),
            Event::Eof => return Ok(()),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

/// Hands over an element's attributes; none where one is malformed.
fn attributes(
    reader: &NsReader<&[u8]>,
    start: &BytesStart<'_>,
    sink: &mut impl Sink,
) -> Result<Option<()>, Fault> {
    for attribute in start.attributes() {
        let Ok(attribute) = attribute else { return Ok(None) };
        let Ok(value) = attribute.normalized_value(XmlVersion::Implicit1_0) else { return Ok(None) };
        let space = match reader.resolver().resolve_attribute(attribute.key).0 {
            ResolveResult::Bound(Namespace(uri)) => Some(uri),
            ResolveResult::Unbound => None,
            ResolveResult::Unknown(_) => return Err(undecodable("uses a prefix without a namespace")),
        };
        sink.attribute(space, attribute.key.local_name().as_ref(), value)?;
    }
    Ok(Some(()))
}

/// The text of a document: by its byte order mark, the transport's charset, its declaration, the hint, or UTF-8.
pub(crate) fn decode<'b>(
    bytes: &'b [u8],
    charset: Option<&str>,
    hint: Option<&str>,
) -> Result<Cow<'b, str>, Fault> {
    let (marked, bytes) = match bytes.strip_prefix(b"\xEF\xBB\xBF") {
        Some(rest) => (true, rest),
        None => (false, bytes),
    };
    let encoding = if marked {
        encoding_rs::UTF_8
    } else if let Some(charset) = charset {
        supported(charset).ok_or_else(|| crate::content_type::unsupported_charset("utf-8 or iso-8859-1"))?
    } else if let Some(declared) = declared(bytes) {
        supported(&declared).ok_or_else(|| undecodable("declares an encoding that is not read"))?
    } else {
        hint.and_then(supported).unwrap_or(encoding_rs::UTF_8)
    };
    encoding.decode_without_bom_handling_and_without_replacement(bytes).ok_or_else(|| {
        undecodable("is not in the encoding that it names, or not in UTF-8 where it names none")
    })
}

/// UTF-8 or one of the ISO-8859-1 family.
pub(crate) fn supported(label: &str) -> Option<&'static Encoding> {
    let encoding = Encoding::for_label(label.as_bytes())?;
    [encoding_rs::UTF_8, encoding_rs::WINDOWS_1252, encoding_rs::ISO_8859_15]
        .into_iter()
        .find(|e| *e == encoding)
}

/// The encoding that the declaration names, if there is one; the declaration itself is ASCII.
pub(crate) fn declared(bytes: &[u8]) -> Option<String> {
    let start = encoding_rs::mem::decode_latin1(&bytes[..bytes.len().min(256)]);
    match Reader::from_str(&start).read_event() {
        Ok(Event::Decl(declaration)) => declaration.encoding()?.ok().map(Cow::into_owned),
        _ => None,
    }
}
