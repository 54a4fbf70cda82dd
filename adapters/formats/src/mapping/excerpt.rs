//! One element of a document as a document by itself, for the quarantine.
//!
//! It holds the element whole, and its ancestors with what stands beside the messages: everything, or, where a body's excerpts
//! would together be more than eight times the body and 16 MiB, only what the mapping reads. Where even that is too much, since
//! thousands of messages share a long beginning, the body is one fault instead of a thousand copies of itself.

use std::collections::HashMap;
use std::ops::Range;

use samspor_domain::{Fault, Reason};

use super::path::DOCUMENT;
use super::tree::{Light, Shell, Tree};

/// Bytes of excerpts that any body may have.
const FEW_BYTES: usize = 16 << 20;
/// How many times its own bytes a body's excerpts may have beyond that.
const TIMES: usize = 8;

/// Whether a body of that size may have so many bytes of excerpts.
pub(super) fn fits(body: usize, excerpts: usize) -> bool {
    excerpts <= body.saturating_mul(TIMES).saturating_add(FEW_BYTES)
}

/// The fault of a body whose excerpts would be too long.
pub(super) fn too_long() -> Fault {
    let why = "what its messages share is too long for so many: send fewer messages in one body";
    Fault::new(Reason::TooLarge, why)
}

/// How many messages are made of each element, by which each is known among those that its excerpt holds.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// The elements in the order of the document, and how many messages there are before each.
    before: Vec<(u32, u32)>,
    all: u32,
    /// How many there are of the elements that stand beside messages and go with them: by what they stand in, and their slot.
    beside: HashMap<(u32, u16), u32>,
}

impl Counts {
    /// The next element, of which so many messages are made.
    pub(super) fn add(&mut self, tree: &Tree<'_>, node: u32, messages: usize) {
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        self.before.push((node, self.all));
        self.all = self.all.saturating_add(messages);
        let own = &tree.nodes[node as usize];
        if tree.slots.slot(own.slot).is_light() {
            *self.beside.entry((own.parent, own.slot)).or_default() += messages;
        }
    }

    /// How many there are before some place in the order of elements.
    fn until(&self, place: usize) -> u32 {
        self.before.get(place).map_or(self.all, |(_, before)| *before)
    }

    /// Of the excerpt of an element: how many messages come before its own, and how many there are.
    ///
    /// It holds the messages of its ancestors and of what stands beside them, then its own, then those of the elements in it.
    pub(super) fn within(&self, tree: &Tree<'_>, node: u32) -> (u32, u32) {
        let place = |node: u32| self.before.partition_point(|(other, _)| *other < node);
        let of = |node: u32| match self.before.get(place(node)) {
            Some((other, before)) if *other == node => self.until(place(node) + 1) - before,
            _ => 0,
        };
        let own = &tree.nodes[node as usize];
        let end = self.before.partition_point(|(other, _)| tree.nodes[*other as usize].span.0 < own.span.1);
        let with_those_in_it = self.until(end.max(place(node))) - self.until(place(node));
        let mut before = 0u32;
        let mut at = own.parent;
        while let Some(ancestor) = tree.nodes.get(at as usize) {
            before = before.saturating_add(of(at));
            if tree.has_shell(at) {
                let beside = tree.slots.slot(ancestor.slot).children.iter();
                let beside: u32 = beside.filter_map(|slot| self.beside.get(&(at, *slot))).sum();
                before = before.saturating_add(beside);
            }
            at = ancestor.parent;
        }
        if tree.slots.slot(own.slot).is_light() && tree.has_shell(own.parent) {
            // It is not beside itself; and in JSON a key stands once, so nor are others of its array.
            let like = self.beside.get(&(own.parent, own.slot)).copied().unwrap_or_default();
            before = before.saturating_sub(if tree.is_json { like } else { of(node) });
        }
        (before, before.saturating_add(with_those_in_it))
    }
}

/// How a document's elements are cut out of it.
pub(super) struct Excerpts<'t, 'm> {
    tree: &'t Tree<'m>,
    text: &'t str,
    is_json: bool,
    /// Whether what the mapping does not name goes with them.
    is_full: bool,
}

impl<'t, 'm> Excerpts<'t, 'm> {
    /// None where the body is one element's alone.
    pub(super) fn of(
        tree: &'t Tree<'m>,
        text: &'t str,
        body: usize,
        elements: &[u32],
        is_json: bool,
    ) -> Result<Option<Self>, Fault> {
        if elements.windows(2).all(|two| two[0] == two[1]) {
            return Ok(None);
        }
        // Of each ancestor: what it and those above it add, in full and as far as it is named.
        let mut sizes: HashMap<u32, (usize, usize)> = HashMap::new();
        let (mut full, mut named) = (0usize, 0usize);
        for element in elements {
            let parent = tree.nodes[*element as usize].parent;
            let size = size(tree, &mut sizes, parent);
            let (start, end) = tree.nodes[*element as usize].span;
            let own = (end - start) as usize;
            (full, named) = (full.saturating_add(size.0 + own), named.saturating_add(size.1 + own));
        }
        if !fits(body, named) {
            return Err(too_long());
        }
        Ok(Some(Self { tree, text, is_json, is_full: fits(body, full) }))
    }

    /// The element as a document; none where it is all of it.
    pub(super) fn of_node(&self, node: u32) -> Option<Vec<u8>> {
        let own = &self.tree.nodes[node as usize];
        if own.slot == DOCUMENT && !self.is_json {
            return None;
        }
        let (start, end) = own.span;
        let mut text = self.text.get(start as usize..end as usize)?.to_owned();
        let own_span = start as usize..end as usize;
        let (mut slot, mut at) = (own.slot, own.parent);
        while let Some(ancestor) = self.tree.nodes.get(at as usize) {
            if self.tree.has_shell(at) {
                let none = Shell::default();
                let shell = self.tree.shells.get(&at).unwrap_or(&none);
                text = if self.is_json {
                    self.object(shell, slot, &text)
                } else {
                    self.element(shell, &own_span, at, &text)
                };
            }
            (slot, at) = (ancestor.slot, ancestor.parent);
        }
        // The mark goes before any charset, so it is read as UTF-8 whatever the body was.
        Some(["\u{feff}", &text].concat().into_bytes())
    }

    /// What stands beside an element and goes with it.
    fn pieces<'s>(&'s self, shell: &'s Shell) -> impl Iterator<Item = (&'s Light, &'s str)> {
        let light = shell.light.iter().filter(|light| self.is_full || light.is_named);
        light.filter_map(|light| Some((light, self.text.get(light.span.clone())?)))
    }

    fn element(&self, shell: &Shell, own: &Range<usize>, node: u32, inner: &str) -> String {
        let tag = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        let mut text = tag(&shell.tags.0).to_owned();
        text.push_str(&quick_xml::escape::escape(self.tree.text_of(node)));
        for (_, piece) in self.pieces(shell).filter(|(light, _)| light.span != *own) {
            text.push_str(piece);
        }
        text.push_str(inner);
        text.push_str(tag(&shell.tags.1));
        text
    }

    fn object(&self, shell: &Shell, slot: u16, inner: &str) -> String {
        let key = |key: &str| serde_json::to_string(key).unwrap_or_default();
        let own = &self.tree.slots.slot(slot).name.local;
        let mut text = String::from("{");
        for (light, piece) in self.pieces(shell) {
            let beside = light.key.as_deref().unwrap_or_default();
            // It may be an array of elements like its own.
            if beside != own {
                text.push_str(&format!("{}:{piece},", key(beside)));
            }
        }
        text.push_str(&format!("{}:[{inner}]}}", key(own)));
        text
    }
}

fn size(tree: &Tree<'_>, sizes: &mut HashMap<u32, (usize, usize)>, node: u32) -> (usize, usize) {
    let Some(ancestor) = tree.nodes.get(node as usize) else { return (0, 0) };
    if let Some(known) = sizes.get(&node) {
        return *known;
    }
    let above = size(tree, sizes, ancestor.parent);
    let shell = tree.shells.get(&node).map_or((0, 0), |shell| {
        let tags = shell.tags.0.len() + shell.tags.1.len() + tree.text_of(node).len();
        let of = |is_full: bool| -> usize {
            let light = shell.light.iter().filter(|light| is_full || light.is_named);
            light.map(|light| light.span.len() + light.key.as_ref().map_or(0, String::len) + 4).sum()
        };
        (tags + of(true), tags + of(false))
    });
    let size = (above.0 + shell.0, above.1 + shell.1);
    sizes.insert(node, size);
    size
}
