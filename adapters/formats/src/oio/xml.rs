//! XML documents as trees of elements with their namespaces resolved, within bounds.

use std::borrow::Cow;

use encoding_rs::Encoding;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::{NsReader, Reader, XmlVersion};
use samspor_domain::{Fault, Reason};

/// The largest document, in bytes.
const MAX_BYTES: usize = 16 << 20;
/// How deep elements may stand in each other.
const MAX_DEPTH: usize = 64;
/// How many elements a document may have. A registration has some hundred at most.
const MAX_ELEMENTS: usize = 20_000;

/// The namespaces that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    Envelope,
    Base64,
    Push,
    Sagdok,
    General,
    Case,
    Grant,
    Payment,
    /// Any other, or none.
    Other,
}

impl Space {
    fn from_uri(uri: &str) -> Self {
        match uri {
            "urn:oio:besked:kuvert:1.0" => Self::Envelope,
            "urn:besked:kuvert:1.0" => Self::Base64,
            "urn:oio:sts:1.0.0" => Self::Push,
            "urn:oio:sagdok:3.0.0" => Self::Sagdok,
            "urn:oio:sts:generelledefinitioner:6" => Self::General,
            "urn:oio:sts:sagdok:sag:6" => Self::Case,
            "urn:oio:sts:ydelse:bevillingindeks:6" => Self::Grant,
            "urn:oio:sts:ydelse:oekonomiskeffektueringindeks:6" => Self::Payment,
            _ => Self::Other,
        }
    }
}

/// One element.
#[derive(Debug)]
pub(super) struct Element {
    /// Its namespace.
    pub(super) space: Space,
    /// Its local name.
    pub(super) name: String,
    /// Its own text, without that of its children.
    text: String,
    /// Its attributes, where it is a [`Space::Base64`] element.
    attributes: Vec<(String, String)>,
    /// The elements in it.
    pub(super) children: Vec<Element>,
}

impl Element {
    /// Whether it is that element.
    pub(super) fn is(&self, space: Space, name: &str) -> bool {
        self.space == space && self.name == name
    }

    /// The elements in it with that name, in any of the namespaces that are read.
    pub(super) fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.space != Space::Other && child.name == name)
    }

    /// The first element in it with that name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.space != Space::Other && child.name == name)
    }

    /// The text of the first element in it with that name; a blank one is none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.child(name).and_then(Self::own_text)
    }

    /// Its own text without the white space around it; a blank one is none.
    pub(super) fn own_text(&self) -> Option<&str> {
        Some(self.text.trim_ascii()).filter(|text| !text.is_empty())
    }

    /// An attribute's value.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// How many extensions stand in it, those within another not counted.
    pub(super) fn extensions(&self) -> u32 {
        let count = |child: &Self| if child.space == Space::Other { 1 } else { child.extensions() };
        self.children.iter().map(count).sum()
    }
}

fn undecodable(message: &str) -> Fault {
    Fault::new(Reason::Undecodable, message)
}

/// Reads a document. `charset` is what the transport says of its encoding, `hint` what to take without any word of it.
pub(super) fn parse(bytes: &[u8], charset: Option<&str>, hint: Option<&str>) -> Result<Element, Fault> {
    if bytes.len() > MAX_BYTES {
        return Err(Fault::new(Reason::TooLarge, format!("the document has more than {MAX_BYTES} bytes")));
    }
    let text = decode(bytes, charset, hint)?;
    // The parser's own messages may quote names of the document, so only the place is told.
    let mut reader = NsReader::from_str(&text);
    reader.config_mut().expand_empty_elements = true;
    let malformed = |position: u64| undecodable(&format!("is not well-formed XML at byte {position}"));
    let mut tree = Tree::default();
    loop {
        let event = reader.read_event().map_err(|_| malformed(reader.error_position()))?;
        match event {
            Event::Start(start) => {
                let space = match reader.resolver().resolve_element(start.name()).0 {
                    ResolveResult::Bound(Namespace(uri)) => Space::from_uri(uri),
                    ResolveResult::Unbound => Space::Other,
                    ResolveResult::Unknown(_) => {
                        return Err(undecodable("uses a prefix without a namespace"));
                    }
                };
                let kept = attributes(&start, space == Space::Base64);
                let attributes = kept.ok_or_else(|| malformed(reader.buffer_position()))?;
                tree.open(space, start.local_name().as_ref(), attributes)?;
            }
            Event::End(_) => tree.close(),
            Event::Text(text) => tree.text(&text.xml10_content())?,
            Event::CData(text) => tree.text(&text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let character =
                    reference.resolve_char_ref().map_err(|_| malformed(reader.buffer_position()))?;
                match character {
                    Some(character) => tree.text(character.encode_utf8(&mut [0; 4]))?,
                    None => tree
                        .text(resolve_xml_entity(&reference).ok_or_else(|| {
                            undecodable("refers to an entity that XML does not predefine")
                        })?)?,
                }
            }
            Event::DocType(_) => return Err(undecodable("has a DOCTYPE, which is refused")),
            Event::Eof => break,
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    tree.finish()
}

/// The attributes of an element, or no list if one is malformed; all are looked at, and kept where they are wanted.
fn attributes(start: &BytesStart<'_>, wanted: bool) -> Option<Vec<(String, String)>> {
    let mut kept = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
        if wanted {
            kept.push((attribute.key.local_name().as_ref().to_owned(), value.into_owned()));
        }
    }
    Some(kept)
}

#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Tree {
    fn open(&mut self, space: Space, name: &str, attributes: Vec<(String, String)>) -> Result<(), Fault> {
        self.elements += 1;
        if self.open.len() == MAX_DEPTH || self.elements > MAX_ELEMENTS {
            return Err(undecodable("has too many elements, or too many in each other"));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(undecodable("has more than one root element"));
        }
        self.open.push(Element {
            space,
            name: name.to_owned(),
            text: String::new(),
            attributes,
            children: Vec::new(),
        });
        Ok(())
    }

    fn close(&mut self) {
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Fault> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim_ascii().is_empty() => {}
            None => return Err(undecodable("has text outside its root element")),
        }
        Ok(())
    }

    fn finish(self) -> Result<Element, Fault> {
        if !self.open.is_empty() {
            return Err(undecodable("ends within an element"));
        }
        self.root.ok_or_else(|| undecodable("has no element"))
    }
}

/// The text of a document: by its byte order mark, the transport's charset, its declaration, the hint, or UTF-8.
fn decode<'b>(bytes: &'b [u8], charset: Option<&str>, hint: Option<&str>) -> Result<Cow<'b, str>, Fault> {
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
fn supported(label: &str) -> Option<&'static Encoding> {
    let encoding = Encoding::for_label(label.as_bytes())?;
    [encoding_rs::UTF_8, encoding_rs::WINDOWS_1252, encoding_rs::ISO_8859_15]
        .into_iter()
        .find(|e| *e == encoding)
}

/// The encoding that the declaration names, if there is one; the declaration itself is ASCII.
fn declared(bytes: &[u8]) -> Option<String> {
    let start = encoding_rs::mem::decode_latin1(&bytes[..bytes.len().min(256)]);
    match Reader::from_str(&start).read_event() {
        Ok(Event::Decl(declaration)) => declaration.encoding()?.ok().map(Cow::into_owned),
        _ => None,
    }
}
