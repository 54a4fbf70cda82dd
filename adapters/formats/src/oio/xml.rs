//! XML documents as trees of elements with their namespaces resolved, within bounds.

use std::borrow::Cow;
use std::ops::Range;

use samspor_domain::{Fault, Reason};

use crate::markup::{self, Sink, undecodable};

/// The largest document, in bytes.
const MAX_BYTES: usize = 16 << 20;
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

/// Reads a document. `charset` is what the transport says of its encoding, `hint` what to take without any word of it.
pub(super) fn parse(bytes: &[u8], charset: Option<&str>, hint: Option<&str>) -> Result<Element, Fault> {
    if bytes.len() > MAX_BYTES {
        return Err(Fault::new(Reason::TooLarge, format!("the document has more than {MAX_BYTES} bytes")));
    }
    let text = markup::decode(bytes, charset, hint)?;
    let mut tree = Tree::default();
    markup::read(&text, &mut tree)?;
    tree.finish()
}

#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Sink for Tree {
    fn open(&mut self, space: Option<&str>, name: &str, _: Range<usize>) -> Result<(), Fault> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(undecodable("has too many elements"));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(undecodable("has more than one root element"));
        }
        self.open.push(Element {
            space: space.map_or(Space::Other, Space::from_uri),
            name: name.to_owned(),
            text: String::new(),
            attributes: Vec::new(),
            children: Vec::new(),
        });
        Ok(())
    }

    fn attribute(&mut self, _: Option<&str>, name: &str, value: Cow<'_, str>) -> Result<(), Fault> {
        if let Some(element) = self.open.last_mut().filter(|element| element.space == Space::Base64) {
            element.attributes.push((name.to_owned(), value.into_owned()));
        }
        Ok(())
    }

    fn close(&mut self, _: Range<usize>) {
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
}

impl Tree {
    fn finish(self) -> Result<Element, Fault> {
        if !self.open.is_empty() {
            return Err(undecodable("ends within an element"));
        }
        self.root.ok_or_else(|| undecodable("has no element"))
    }
}
