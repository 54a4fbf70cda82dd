//! XML and JSON documents: their elements read into a tree, and the messages that are made of them.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;
use samspor_domain::{Delivery, Excerpt, Fault, Item, Reason, SourceName};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::coverage::{Unread, Watch};
use super::load::Loaded;
use super::path::DOCUMENT;
use super::tree::{At, Holds, Tree, too_many};
use super::{Read, build, excerpt, lines};
use crate::markup::{self, Sink, undecodable};

/// How deep JSON arrays and objects may stand in each other, as far as the mapping goes.
const MAX_DEPTH: usize = 64;

/// Everything in a body.
pub(super) fn decode(
    mapping: &Loaded,
    source: &SourceName,
    delivery: &Delivery,
    charset: Option<&str>,
    watch: Option<&mut Watch<'_>>,
) -> Result<Read, Fault> {
    match document(mapping, source, delivery, charset, watch)? {
        (read, _) if !read.items.is_empty() => Ok(read),
        (Read { passed, .. }, is_as_expected) => super::nothing_taken(mapping, passed, is_as_expected),
    }
}

/// Everything in a document, which may be nothing; and whether it shows what it is all the same.
pub(super) fn document(
    mapping: &Loaded,
    source: &SourceName,
    delivery: &Delivery,
    charset: Option<&str>,
    mut watch: Option<&mut Watch<'_>>,
) -> Result<(Read, bool), Fault> {
    let text = markup::decode(&delivery.body, charset, Some(&mapping.reads.encoding))?;
    if u32::try_from(text.len()).is_err() {
        return Err(Fault::new(Reason::TooLarge, "the document has more than 4 GiB"));
    }
    let is_json = mapping.reads.format.is_json();
    let mut tree = Tree::new(&mapping.slots, is_json, delivery.body.len());
    tree.unread = watch.is_some().then(Unread::default);
    if is_json {
        json(&text, &mut tree)?
    } else {
        Elements::read(&text, &mut tree)?
    }
    if let (Some(watch), Some(unread)) = (watch.as_deref_mut(), tree.unread.take()) {
        watch.unread(unread);
    }
    let mut made = Vec::new();
    let mut counts = excerpt::Counts::default();
    let mut passed = 0u32;
    for (index, node) in (0u32..).zip(&tree.nodes) {
        if !mapping.slots.slot(node.slot).is_each {
            continue;
        }
        let at = At { tree: &tree, node: index };
        if let Some(watch) = watch.as_deref_mut() {
            watch.place(node.slot, &at);
        }
        let contents = build::messages(mapping, node.slot, &at, source);
        passed = passed.saturating_add(u32::from(contents.is_empty()));
        counts.add(&tree, index, contents.len());
        made.extend((0u32..).zip(contents).map(|(item, content)| (index, item, content)));
        if !lines::may_hold(delivery.body.len(), made.len()) {
            return Err(too_many());
        }
    }
    let elements: Vec<u32> = made.iter().map(|(node, ..)| *node).collect();
    let excerpts = excerpt::Excerpts::of(&tree, &text, delivery.body.len(), &elements, is_json)?;
    let mut ignored = Some(tree.ignored);
    let item = |(node, item, content)| Item {
        content,
        excerpt: excerpts.as_ref().and_then(|excerpts| excerpts.of_node(node)).map(|bytes| {
            let (before, items) = counts.within(&tree, node);
            Excerpt { bytes: Bytes::from(bytes), item: before.saturating_add(item), items }
        }),
        // What no rule names belongs to the body, so it is counted once, with its first item.
        ignored_fields: ignored.take().unwrap_or_default(),
    };
    Ok((Read { items: made.into_iter().map(item).collect(), passed }, tree.is_bare))
}

/// The elements of an XML document, of which those are kept that the mapping names.
struct Elements<'t, 'm> {
    tree: &'t mut Tree<'m>,
    /// How many elements are open that are not kept, and where the first of them began.
    skipped: usize,
    skipped_from: usize,
    has_root: bool,
}

impl<'t, 'm> Elements<'t, 'm> {
    fn read(text: &str, tree: &'t mut Tree<'m>) -> Result<(), Fault> {
        tree.begin(DOCUMENT, 0..0)?;
        let mut elements = Self { tree, skipped: 0, skipped_from: 0, has_root: false };
        markup::read(text, &mut elements)?;
        let Self { tree, skipped, has_root, .. } = elements;
        if !has_root {
            return Err(undecodable("has no element"));
        }
        tree.end(text.len()..text.len(), Holds::Text);
        if skipped > 0 || !tree.is_done() {
            return Err(undecodable("ends within an element"));
        }
        Ok(())
    }
}

impl Sink for Elements<'_, '_> {
    fn open(&mut self, space: Option<&str>, name: &str, tag: Range<usize>) -> Result<(), Fault> {
        let within = self.tree.slot().unwrap_or(DOCUMENT);
        if within == DOCUMENT && self.skipped == 0 && std::mem::replace(&mut self.has_root, true) {
            return Err(undecodable("has more than one root element"));
        }
        if self.skipped == 0 {
            if let Some(slot) = self.tree.slots.child(within, space, name, false) {
                self.tree.is_bare |= within == DOCUMENT && self.tree.slots.slot(slot).is_way;
                return self.tree.begin(slot, tag);
            }
            self.tree.ignored = self.tree.ignored.saturating_add(1);
            self.tree.not_read(space, name, false);
            self.tree.holds_element();
            self.skipped_from = tag.start;
        }
        self.skipped += 1;
        Ok(())
    }

    fn attribute(&mut self, space: Option<&str>, name: &str, value: Cow<'_, str>) -> Result<(), Fault> {
        if self.skipped == 0
            && let Some(within) = self.tree.slot()
        {
            match self.tree.slots.child(within, space, name, true) {
                Some(slot) => self.tree.attribute(slot, &value)?,
                None => self.tree.not_read(space, name, true),
            }
        }
        Ok(())
    }

    fn close(&mut self, tag: Range<usize>) {
        if self.skipped == 0 {
            self.tree.end(tag, Holds::Text);
            return;
        }
        self.skipped -= 1;
        if self.skipped == 0 && self.tree.is_way() {
            self.tree.beside(None, self.skipped_from..tag.end, false);
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Fault> {
        if self.skipped == 0 {
            if self.tree.slot() == Some(DOCUMENT) && !text.trim().is_empty() {
                return Err(undecodable("has text outside its root element"));
            }
            self.tree.text(text);
        }
        Ok(())
    }
}

/// Reads a JSON text, or each item of an array at its top.
fn json(text: &str, tree: &mut Tree<'_>) -> Result<(), Fault> {
    // The parser's message gives line and column, and quotes nothing, since every value is taken.
    let whole: &RawValue = serde_json::from_str(text)
        .map_err(|error| undecodable(&format!("the body is not the JSON it should be: {error}")))?;
    let reader = Json { text };
    reader.item(whole, DOCUMENT, tree, 0)
}

struct Json<'t> {
    text: &'t str,
}

/// The fields of an object as they stand, nulls included.
struct Fields<'t>(Vec<(Cow<'t, str>, &'t RawValue)>);

impl<'de> serde::Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut reader: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some(field) = reader.next_entry::<String, &'de RawValue>()? {
                    fields.push((Cow::Owned(field.0), field.1));
                }
                Ok(Fields(fields))
            }
        }
        reader.deserialize_map(Read)
    }
}

/// Reads the items of an array into a slot, one after the other, so that none is held but what is made of it.
struct Items<'r, 't, 'm> {
    reader: &'r Json<'t>,
    slot: u16,
    tree: &'r mut Tree<'m>,
    depth: usize,
}

impl<'t> Visitor<'t> for Items<'_, 't, '_> {
    type Value = Result<(), Fault>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let Self { reader, slot, tree, depth } = self;
        let mut read = Ok(());
        let place = tree.slots.slot(slot);
        let mut is_bare = place.is_each || place.is_way;
        while let Some(item) = items.next_element::<&'t RawValue>()? {
            is_bare = false;
            if read.is_ok() {
                read = reader.item(item, slot, tree, depth);
            }
        }
        tree.is_bare |= is_bare;
        Ok(read)
    }
}

impl<'t> Json<'t> {
    /// Reads an item of an array. A null among messages is one of which nothing can be made, and not nothing.
    fn item(&self, raw: &'t RawValue, slot: u16, tree: &mut Tree<'_>, depth: usize) -> Result<(), Fault> {
        if raw.get() == "null" && tree.slots.slot(slot).is_each {
            tree.begin(slot, self.span(raw))?;
            tree.end(self.span(raw), Holds::Nodes);
            return Ok(());
        }
        self.value(raw, slot, tree, depth)
    }

    fn span(&self, raw: &'t RawValue) -> Range<usize> {
        // What stands in a text begins so many bytes after it does.
        let start = raw.get().as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        start..start + raw.get().len()
    }

    fn malformed(&self, raw: &'t RawValue) -> Fault {
        undecodable(&format!("the body is not the JSON it should be at byte {}", self.span(raw).start))
    }

    /// Reads a value into a slot; arrays, each of their items.
    fn value(&self, raw: &'t RawValue, slot: u16, tree: &mut Tree<'_>, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(undecodable("has too many arrays and objects in each other"));
        }
        let span = self.span(raw);
        let scalar = |tree: &mut Tree<'_>, text: &str, holds| {
            tree.begin(slot, span.clone())?;
            tree.text(text);
            tree.end(span.clone(), holds);
            Ok(())
        };
        match raw.get().bytes().next() {
            Some(b'n') => Ok(()),
            Some(b't') => scalar(tree, "", Holds::True),
            Some(b'f') => scalar(tree, "", Holds::False),
            Some(b'"') => {
                let text: String = serde_json::from_str(raw.get()).map_err(|_| self.malformed(raw))?;
                scalar(tree, &text, Holds::Text)
            }
            Some(b'[') => {
                let mut items = serde_json::Deserializer::from_str(raw.get());
                let read = items.deserialize_seq(Items { reader: self, slot, tree, depth: depth + 1 });
                read.map_err(|_| self.malformed(raw))?
            }
            Some(b'{') if tree.slots.slot(slot).children.is_empty() => scalar(tree, "", Holds::Nodes),
            Some(b'{') => {
                let Fields(fields) = serde_json::from_str(raw.get()).map_err(|_| self.malformed(raw))?;
                let mut seen = HashSet::with_capacity(fields.len());
                if !fields.iter().all(|(key, _)| seen.insert(key.as_ref())) {
                    return Err(undecodable("a key is repeated in one object"));
                }
                tree.begin(slot, span.start..span.start)?;
                for (key, field) in &fields {
                    let child = tree.slots.child(slot, None, key, false);
                    if child.is_none() {
                        tree.ignored = tree.ignored.saturating_add(1);
                        tree.not_read(None, key, false);
                    }
                    let is_beside = child.is_none_or(|child| tree.slots.slot(child).is_light());
                    if is_beside && tree.is_way() {
                        tree.beside(Some(key.to_string()), self.span(field), child.is_some());
                    }
                    if let Some(child) = child {
                        self.value(field, child, tree, depth + 1)?;
                    }
                }
                tree.end(span.end..span.end, Holds::Nodes);
                Ok(())
            }
            _ => scalar(tree, raw.get(), Holds::Number),
        }
    }
}
