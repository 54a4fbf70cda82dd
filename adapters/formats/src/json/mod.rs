//! The canonical JSON of the contracts: one message a body, read and written, and the records that targets get.

mod carry;
mod encode;
mod facts;
mod fields;
mod message;
mod node;
mod plans;
mod posting;
mod receipt;
mod reference;
mod solution;
#[cfg(test)]
mod tests;

use std::cell::Cell;

use samspor_domain::{Decode, Delivery, Fault, Item, Kind, Message, Reason, SourceName};

use crate::content_type;
use fields::{Context, Object};
pub(crate) use node::{Entry, Node};

pub use carry::Carrier;
pub use encode::{Encoder, state};
pub use message::line;

/// Reads the canonical JSON: postings and all kinds of fact, one message a body.
///
/// Null and absent are the same. Fields that the contract does not know are ignored and counted; so are unknown fields
/// of the objects within a message. Of what is deleted or withdrawn only `type`, `id` and `version` are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Decoder;

impl Decode for Decoder {
    fn decode(&self, source: &SourceName, delivery: &Delivery) -> Vec<Item> {
        let ignored = Cell::new(0);
        let content = read(source, delivery, &ignored);
        vec![Item { content, excerpt: None, ignored_fields: ignored.get() }]
    }
}

fn read(source: &SourceName, delivery: &Delivery, ignored: &Cell<u32>) -> Result<Message, Fault> {
    let charset = content_type::check(delivery, &["application/json"])?;
    if charset.is_some_and(|charset| !content_type::is_utf8(charset)) {
        return Err(content_type::unsupported_charset("utf-8"));
    }
    let text = std::str::from_utf8(&delivery.body)
        .map_err(|_| Fault::new(Reason::Undecodable, "the body is not UTF-8"))?;
    let root = node::parse(text)?;
    let Node::Object(entries) = &root else {
        return Err(Fault::new(Reason::Undecodable, "the body is JSON, but not one object"));
    };
    message(source, word_of_type(entries)?, entries, ignored)
}

/// The message of that type that an object's fields make: the one place where canonical forms are checked.
pub(crate) fn message(
    source: &SourceName,
    word: &str,
    entries: &[Entry<'_>],
    ignored: &Cell<u32>,
) -> Result<Message, Fault> {
    let message = match word {
        "posting" => {
            let context = Context { system: Some(source), ignored };
            Message::Posting(posting::read(&Object::root(entries, &context, posting::FIELDS))?)
        }
        "receipt" => {
            let context = Context { system: None, ignored };
            Message::Receipt(receipt::read(&Object::root(entries, &context, receipt::FIELDS))?)
        }
        word => {
            let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| {
                Fault::at(
                    Reason::UnknownType,
                    "type",
                    "is neither 'posting' nor 'receipt' nor a kind of fact that the contract has",
                )
            })?;
            let context = Context { system: kind.is_named_in_source().then_some(source), ignored };
            let known = [facts::FIELDS, facts::fields(kind)];
            let object = Object::root(entries, &context, &known.concat());
            Message::Fact(facts::read(kind, &object)?)
        }
    };
    samspor_domain::check_names(&message)?;
    Ok(message)
}

fn word_of_type<'n>(entries: &'n [Entry<'_>]) -> Result<&'n str, Fault> {
    match entries.iter().find(|(key, _)| key == "type") {
        Some((_, Node::Text(word))) => Ok(word),
        Some(_) => Err(Fault::at(Reason::InvalidField, "type", "must be a string")),
        None => Err(Fault::at(Reason::MissingField, "type", "is required")),
    }
}
