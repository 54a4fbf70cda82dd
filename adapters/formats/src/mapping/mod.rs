//! Declared mappings: a TOML file says how any XML, JSON, CSV or fixed-width message becomes canonical messages.
//!
//! `docs/mappings.md` describes the language. A mapping is typed when it is loaded: every path, field, format and table is held
//! against what there is, and each [`Flaw`] has its place in the file. A message is read into what the mapping can see of it, and
//! of each element or line that is found the tree of a canonical JSON message is built and handed to the reader of the canonical
//! JSON. So there is one place where canonical forms are checked, and a mapping can make nothing that a caller could not send.
//!
//! What a [`Decoder`] makes of a body:
//!
//! - Each element of `each`, or each line, is one message for each `[[message]]` whose conditions hold. One for which none holds
//!   is a fault, unless a `[[pass]]` says that it is passed over; and so is a body of which nothing is taken, unless it
//!   `may_be_empty`. Nothing vanishes.
//! - A fault names the place in the message (`Udtraek/Bilag[3]/Linje[2]/Beloeb`, `line 17, column "Beløb"`) and the line of the
//!   mapping, and quotes nothing.
//! - A body with several elements or lines gives each an excerpt that can be read again by itself.

mod build;
mod coverage;
mod documents;
mod excerpt;
mod fields;
mod flaws;
mod lines;
mod load;
mod ndjson;
mod path;
mod reads;
mod rule;
mod schema;
mod sides;
#[cfg(test)]
mod tests;
mod tree;
mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use samspor_domain::{Decode, Delivery, Fault, Item, Reason, SourceName};

use crate::content_type;
use reads::Format;

pub use coverage::{Coverage, Unfilled};
pub use flaws::Flaw;

/// A mapping that was loaded, and can be used.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The file's text, by which two are told apart.
    text: Arc<str>,
    loaded: Arc<load::Loaded>,
}

impl PartialEq for Mapping {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Mapping {}

impl Mapping {
    /// Reads a mapping file's text.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the file.
    pub fn load(text: &str) -> Result<Self, Vec<Flaw>> {
        load::load(text).map(|loaded| Self { text: text.into(), loaded: Arc::new(loaded) })
    }

    /// What it reads: `xml`, `json`, `ndjson`, `csv` or `fixed`.
    #[must_use]
    pub fn format(&self) -> &'static str {
        self.loaded.reads.format.word()
    }

    /// The content type of what it reads.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        self.loaded.reads.format.content_types()[0]
    }

    /// The types of message that it makes, in the order of the file.
    pub fn makes(&self) -> impl Iterator<Item = &'static str> {
        self.loaded.makings.iter().map(|making| making.word)
    }
}

/// Reads whatever a mapping describes.
#[derive(Debug, Clone)]
pub struct Decoder {
    mapping: Mapping,
    /// How many elements or lines were passed over by now.
    passed: Arc<AtomicU64>,
}

impl Decoder {
    /// A decoder for a source that writes so.
    #[must_use]
    pub fn new(mapping: Mapping) -> Self {
        Self { mapping, passed: Arc::default() }
    }
}

/// What a body holds.
#[derive(Debug)]
pub struct Read {
    /// Its messages and faults; none only where the mapping says that a body may be empty.
    pub items: Vec<Item>,
    /// How many elements or lines a `[[pass]]` passed over.
    pub passed: u32,
}

impl Decoder {
    /// Everything in a body, and how much the mapping passes over.
    #[must_use]
    pub fn read(&self, source: &SourceName, delivery: &Delivery) -> Read {
        self.watched(source, delivery, None)
    }

    /// The same, and what of the mapping was used, where somebody watches.
    fn watched(
        &self,
        source: &SourceName,
        delivery: &Delivery,
        watch: Option<&mut coverage::Watch<'_>>,
    ) -> Read {
        let mapping = &self.mapping.loaded;
        let accepted = mapping.reads.format.content_types();
        let read = content_type::check(delivery, accepted).and_then(|charset| {
            let decode = match mapping.reads.format {
                Format::Csv | Format::Fixed => lines::decode,
                Format::Xml | Format::Json => documents::decode,
                Format::Ndjson => ndjson::decode,
            };
            decode(mapping, source, delivery, charset, watch)
        });
        read.unwrap_or_else(|fault| {
            let item = Item { content: Err(fault), excerpt: None, ignored_fields: 0 };
            Read { items: vec![item], passed: 0 }
        })
    }
}

impl Decode for Decoder {
    fn decode(&self, source: &SourceName, delivery: &Delivery) -> Vec<Item> {
        let read = self.read(source, delivery);
        if read.passed > 0 {
            self.passed.fetch_add(read.passed.into(), Ordering::Relaxed);
        }
        read.items
    }

    fn passed(&self) -> Option<u64> {
        let passes = &self.mapping.loaded.passes;
        (!passes.is_empty()).then(|| self.passed.load(Ordering::Relaxed))
    }

    fn may_be_empty(&self) -> bool {
        self.mapping.loaded.reads.may_be_empty
    }
}

/// A body of which no message is made, since so much is passed over, or since nothing stands where messages would. That it is
/// otherwise what it should be shows in one of both.
fn nothing_taken(mapping: &load::Loaded, passed: u32, is_as_expected: bool) -> Result<Read, Fault> {
    if mapping.reads.may_be_empty && (passed > 0 || is_as_expected) {
        return Ok(Read { items: Vec::new(), passed });
    }
    let why = "the mapping makes no message of this: no element is where `each` says, or all are passed over";
    Err(Fault::new(Reason::UnknownType, why))
}
