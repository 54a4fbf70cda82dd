//! The records that targets get, in XML: namespace `urn:samspor:record:1`, by the schema `config/schemas/record.xsd`.

mod text;

use std::fmt::Display;

use bytes::Bytes;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use samspor_domain::{Encode, LedgerRecord, LisRecord, Record, Tag};

use crate::shown::{decision, hex, month};

/// The namespace of every element.
pub const NAMESPACE: &str = "urn:samspor:record:1";

/// Writes ledger and LIS records as XML documents in UTF-8, with the fields of the JSON records in their order. What there
/// is none of is left out.
///
/// A text that holds a character which XML cannot carry stands in Base64, and its element says so: `base64="true"`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Encoder;

impl Encode for Encoder {
    fn content_type(&self) -> &'static str {
        "application/xml"
    }

    fn encode(&self, record: &Record) -> Bytes {
        let mut out = Out(Writer::new(Vec::with_capacity(1_024)));
        out.event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        match record {
            Record::Ledger(record) => out.ledger(record),
            Record::Lis(record) => out.lis(record),
        }
        Bytes::from(out.0.into_inner())
    }
}

struct Out(Writer<Vec<u8>>);

impl Out {
    fn event(&mut self, event: Event<'_>) {
        // Into memory: there is nothing that could fail.
        let _ = self.0.write_event(event);
    }

    fn root(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.event(Event::Start(BytesStart::new(name).with_attributes([("xmlns", NAMESPACE)])));
        inside(self);
        self.event(Event::End(BytesEnd::new(name)));
    }

    fn element(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.event(Event::Start(BytesStart::new(name)));
        inside(self);
        self.event(Event::End(BytesEnd::new(name)));
    }

    /// An element with a text of which only the gateway decides what is in it.
    fn word(&mut self, name: &str, word: impl Display) {
        self.element(name, |out| out.event(Event::Text(BytesText::new(&word.to_string()))));
    }

    /// An element with a text that somebody else gave.
    fn text(&mut self, name: &str, given: &str) {
        let mut start = BytesStart::new(name);
        let (escaped, is_base64) = text::carried(given);
        if is_base64 {
            start.push_attribute(("base64", "true"));
        }
        self.event(Event::Start(start));
        self.event(Event::Text(BytesText::from_escaped(escaped)));
        self.event(Event::End(BytesEnd::new(name)));
    }

    fn text_if(&mut self, name: &str, given: Option<&str>) {
        if let Some(given) = given {
            self.text(name, given);
        }
    }

    fn ledger(&mut self, record: &LedgerRecord) {
        self.root("ledgerRecord", |out| {
            out.text("source", record.source.as_str());
            out.text("posting", record.posting.as_str());
            out.word("revision", record.revision);
            out.word("change", record.change.word());
            out.word("decision", decision(record.change));
            out.word("date", record.date);
            out.word("account", record.account);
            out.word("amount", record.amount);
            out.text_if("voucher", record.voucher.as_ref().map(|voucher| voucher.as_str()));
            if let Some(tag) = &record.tag {
                out.tag(tag, true);
            }
        });
    }

    fn lis(&mut self, record: &LisRecord) {
        self.root("lisRecord", |out| {
            out.text("source", record.source.as_str());
            out.word("posting", hex(record.posting));
            out.word("revision", record.revision);
            out.word("change", record.change.word());
            out.word("decision", decision(record.change));
            out.word("month", month(record));
            out.word("account", record.account);
            out.word("amount", record.amount);
            for (name, pseudonym) in [("family", record.family), ("citizen", record.citizen)] {
                if let Some(pseudonym) = pseudonym {
                    out.word(name, hex(pseudonym));
                }
            }
            if let Some(tag) = &record.tag {
                out.tag(tag, false);
            }
        });
    }

    /// A tag, with what tells of persons or without.
    fn tag(&mut self, tag: &Tag, is_whole: bool) {
        self.element("tag", |out| {
            out.text("solution", tag.solution.as_str());
            if is_whole {
                out.text_if("family", tag.family.as_ref().map(|family| family.as_str()));
                out.text_if("enrolment", tag.enrolment.as_ref().map(|enrolment| enrolment.as_str()));
            }
            out.word("phase", tag.phase.word());
            out.word("basis", tag.basis.word());
            out.text("area", tag.area.as_str());
            if let Some(kind) = tag.kind {
                out.word("kind", kind.word());
            }
            out.word("side", tag.side.word());
            out.text("grants", tag.grants.as_str());
            out.text("pays", tag.pays.as_str());
            out.element("parts", |out| {
                for part in &tag.parts {
                    out.element("part", |out| {
                        out.text("area", part.area.as_str());
                        out.word("weight", part.weight);
                        out.word("amount", part.amount);
                    });
                }
            });
            out.text_if("split", tag.split.as_ref().map(|split| split.as_str()));
            out.element("flags", |out| tag.flags.iter().for_each(|flag| out.word("flag", flag.word())));
            if is_whole {
                out.element("other", |out| {
                    tag.other.iter().for_each(|other| out.text("enrolment", other.as_str()));
                });
            }
        });
    }
}

#[cfg(test)]
mod tests;
