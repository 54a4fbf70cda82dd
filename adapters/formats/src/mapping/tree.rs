//! What a mapping can see of one XML or JSON document, as a tree; and each of its elements as a document by itself.
//!
//! Only what stands at a name of the mapping is kept, in 48 bytes and its text, so that a file of 100,000 postings takes
//! little more than its own size. A child is found by its name at once, however many there are.

use std::collections::HashMap;
use std::ops::Range;

use samspor_domain::Fault;

use super::build::{Found, Place};
use super::coverage::Unread;
use super::lines;
use super::path::{DOCUMENT, Only, Path, Slots, Step};
use super::value::Raw;
use crate::markup::undecodable;

/// No node.
const NONE: u32 = u32::MAX;
/// So many elements are looked at for one value. Where there are more, there are several.
const MAX_LOOKS: usize = 1_000;

/// What a node holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Text,
    Number,
    True,
    False,
    /// Nothing but other nodes, in JSON.
    Nodes,
    /// Nothing but other elements, in XML.
    Elements,
}

/// An element, an attribute, or a JSON value.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) slot: u16,
    holds: Holds,
    pub(super) parent: u32,
    /// The next one beside it in the same slot.
    next: u32,
    /// Where the first of each slot below it stands in [`Tree::heads`].
    heads: u32,
    /// Which one of its slot it is beside each other, from 1.
    number: u32,
    text: (u32, u32),
    /// Where it stands in the document.
    pub(super) span: (u32, u32),
}

/// What an element that holds messages has besides them.
#[derive(Debug, Default)]
pub(super) struct Shell {
    /// Its start tag and its end tag.
    pub(super) tags: (Range<usize>, Range<usize>),
    pub(super) light: Vec<Light>,
}

/// Something beside messages.
#[derive(Debug)]
pub(super) struct Light {
    /// In JSON, its key.
    pub(super) key: Option<String>,
    pub(super) span: Range<usize>,
    /// Whether the mapping names it.
    pub(super) is_named: bool,
}

/// A document.
#[derive(Debug)]
pub(super) struct Tree<'m> {
    pub(super) slots: &'m Slots,
    pub(super) nodes: Vec<Node>,
    heads: Vec<u32>,
    texts: String,
    pub(super) shells: HashMap<u32, Shell>,
    /// How many elements the mapping does not name, those within another not counted.
    pub(super) ignored: u32,
    /// What these are, where somebody watches.
    pub(super) unread: Option<Unread>,
    open: Vec<Open>,
    /// How many documents there are.
    documents: u32,
    pub(super) is_json: bool,
    /// Whether what it is shows though no message be in it: in XML the element that messages stand in, in JSON an array of
    /// them, or of what they stand in, that is empty.
    pub(super) is_bare: bool,
    /// How many bytes the body has, which bound how many nodes there may be.
    body: usize,
    /// How many of the nodes are messages or hold some.
    holders: usize,
}

/// Bytes that a node has at least, on average.
const SHORTEST: usize = 4;
/// Nodes that a body may have beyond that.
const FEW: usize = 1_000;

/// A node that has not ended.
#[derive(Debug)]
struct Open {
    node: u32,
    /// The last of each slot below it.
    tails: Vec<u32>,
    text: String,
    shell: Option<Shell>,
    /// Whether other elements stand in it, named by the mapping or not.
    has_elements: bool,
}

/// The fault of a body with too many elements.
pub(super) fn too_many() -> Fault {
    undecodable("the body has more elements than messages can stand in its bytes")
}

fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(NONE)
}

impl<'m> Tree<'m> {
    /// That of a body of so many bytes.
    pub(super) fn new(slots: &'m Slots, is_json: bool, body: usize) -> Self {
        Self {
            slots,
            nodes: Vec::new(),
            heads: Vec::new(),
            texts: String::new(),
            shells: HashMap::new(),
            ignored: 0,
            unread: None,
            open: Vec::new(),
            documents: 0,
            is_json,
            is_bare: false,
            body,
            holders: 0,
        }
    }

    /// The slot of the node that began last.
    pub(super) fn slot(&self) -> Option<u16> {
        self.open.last().and_then(|open| self.nodes.get(open.node as usize)).map(|node| node.slot)
    }

    /// Another element stands in the node that began last.
    pub(super) fn holds_element(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.has_elements = true;
        }
    }

    /// An element or attribute in the node that began last is not named by the mapping.
    pub(super) fn not_read(&mut self, space: Option<&str>, local: &str, is_attribute: bool) {
        if self.unread.is_some() {
            let within = self.slot().unwrap_or(DOCUMENT);
            self.unread.iter_mut().for_each(|unread| unread.add(within, space, local, is_attribute));
        }
    }

    /// A node begins.
    pub(super) fn begin(&mut self, slot: u16, tag: Range<usize>) -> Result<(), Fault> {
        self.holds_element();
        let node = self.add(slot, tag.start)?;
        let known = self.slots.slot(slot);
        let shell = known.is_way.then(|| Shell { tags: (tag, 0..0), light: Vec::new() });
        let tails = vec![NONE; known.children.len()];
        self.open.push(Open { node, tails, text: String::new(), shell, has_elements: false });
        Ok(())
    }

    fn add(&mut self, slot: u16, start: usize) -> Result<u32, Fault> {
        let new = u32::try_from(self.nodes.len()).ok().filter(|new| *new != NONE);
        let new = new.ok_or_else(|| undecodable("has too many elements"))?;
        let known = self.slots.slot(slot);
        // Looked at before anything is kept: of a body of nothing but the shortest nodes, each would take a hundred times its bytes.
        self.holders += usize::from(known.is_each || known.is_way);
        if self.nodes.len() > FEW + self.body / SHORTEST || !lines::may_hold(self.body, self.holders) {
            return Err(too_many());
        }
        let heads = if known.children.is_empty() {
            NONE
        } else {
            let heads = short(self.heads.len());
            self.heads.resize(self.heads.len() + known.children.len(), NONE);
            heads
        };
        let (mut parent, mut number) = (NONE, 1);
        if let Some(open) = self.open.last_mut() {
            parent = open.node;
            if let Some(tail) = open.tails.get_mut(usize::from(known.ordinal)) {
                match self.nodes.get_mut(*tail as usize) {
                    Some(before) => {
                        before.next = new;
                        number = before.number + 1;
                    }
                    None => {
                        let at = self.nodes[parent as usize].heads as usize + usize::from(known.ordinal);
                        self.heads[at] = new;
                    }
                }
                *tail = new;
            }
        } else {
            self.documents += 1;
            number = self.documents;
        }
        let span = (short(start), short(start));
        self.nodes.push(Node {
            slot,
            holds: Holds::Text,
            parent,
            next: NONE,
            heads,
            number,
            text: (0, 0),
            span,
        });
        Ok(new)
    }

    /// An attribute of the node that began last.
    pub(super) fn attribute(&mut self, slot: u16, text: &str) -> Result<(), Fault> {
        let node = self.add(slot, 0)?;
        self.put(node, text, Holds::Text);
        Ok(())
    }

    /// Text of the node that began last.
    pub(super) fn text(&mut self, text: &str) {
        if let Some(open) = self.open.last_mut() {
            open.text.push_str(text);
        }
    }

    fn put(&mut self, node: u32, text: &str, holds: Holds) {
        let start = short(self.texts.len());
        self.texts.push_str(text.trim());
        let node = &mut self.nodes[node as usize];
        (node.text, node.holds) = ((start, short(self.texts.len())), holds);
    }

    /// The node that began last ends.
    pub(super) fn end(&mut self, tag: Range<usize>, holds: Holds) {
        let Some(open) = self.open.pop() else { return };
        let is_blank = !self.is_json && open.text.trim().is_empty();
        let holds = if is_blank && open.has_elements { Holds::Elements } else { holds };
        self.put(open.node, &open.text, holds);
        let node = &mut self.nodes[open.node as usize];
        node.span.1 = short(tag.end);
        let (slot, span) = (node.slot, node.span.0 as usize..tag.end);
        if let Some(mut shell) = open.shell {
            shell.tags.1 = tag;
            // In JSON there are no tags to keep, and often nothing stands beside messages.
            if !self.is_json || !shell.light.is_empty() {
                self.shells.insert(open.node, shell);
            }
        }
        // What stands beside messages in JSON is known by its key, which the reader has.
        if !self.is_json && self.slots.slot(slot).is_light() {
            self.beside(None, span, true);
        }
    }

    /// Something ended beside the messages of the node that began last, if there are any.
    pub(super) fn beside(&mut self, key: Option<String>, span: Range<usize>, is_named: bool) {
        if let Some(shell) = self.open.last_mut().and_then(|open| open.shell.as_mut()) {
            shell.light.push(Light { key, span, is_named });
        }
    }

    /// Whether the node that began last holds messages.
    pub(super) fn is_way(&self) -> bool {
        self.open.last().is_some_and(|open| open.shell.is_some())
    }

    /// Whether an element that is kept by itself stands within this one, so that it is written around it. The document of XML
    /// is no element.
    pub(super) fn has_shell(&self, node: u32) -> bool {
        let slot = self.nodes.get(node as usize).map(|node| node.slot);
        slot.is_some_and(|slot| self.slots.slot(slot).is_way && (self.is_json || slot != DOCUMENT))
    }

    /// Whether nothing has begun that has not ended.
    pub(super) fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// A node's text.
    pub(super) fn text_of(&self, node: u32) -> &str {
        let (start, end) = self.nodes[node as usize].text;
        self.texts.get(start as usize..end as usize).unwrap_or_default()
    }

    fn head(&self, node: u32, ordinal: u16) -> u32 {
        match self.nodes[node as usize].heads {
            NONE => NONE,
            heads => self.heads.get(heads as usize + usize::from(ordinal)).copied().unwrap_or(NONE),
        }
    }

    /// Shows each node at the end of some steps, until it is enough. Answers whether all were shown.
    fn descend(
        &self,
        node: u32,
        down: &[Step],
        looks: &mut usize,
        show: &mut dyn FnMut(u32) -> bool,
    ) -> bool {
        *looks += 1;
        let Some((step, rest)) = down.split_first() else { return show(node) };
        let mut child = self.head(node, step.ordinal);
        while child != NONE {
            if *looks > MAX_LOOKS {
                return false;
            }
            let is_meant = step.only.as_ref().is_none_or(|only| self.is_meant(child, only, looks));
            if is_meant && !self.descend(child, rest, looks, show) {
                return false;
            }
            child = self.nodes[child as usize].next;
        }
        true
    }

    /// Whether an element is one of those that are asked for in brackets.
    fn is_meant(&self, node: u32, only: &Only, looks: &mut usize) -> bool {
        let mut child = self.head(node, only.ordinal);
        while child != NONE && *looks <= MAX_LOOKS {
            *looks += 1;
            let is_it = match self.raw(child) {
                Some(Raw::Text(text)) => text == only.is,
                Some(Raw::Number(literal)) => literal == only.is,
                Some(Raw::Boolean(boolean)) => only.is == if boolean { "true" } else { "false" },
                Some(Raw::Composite) | None => false,
            };
            if is_it {
                return true;
            }
            child = self.nodes[child as usize].next;
        }
        false
    }

    /// The first element at a step.
    fn first(&self, node: u32, step: &Step) -> u32 {
        let mut child = self.head(node, step.ordinal);
        if let Some(only) = &step.only {
            let mut looks = 0;
            while child != NONE && !self.is_meant(child, only, &mut looks) {
                child = self.nodes[child as usize].next;
            }
        }
        child
    }

    fn above(&self, node: u32, levels: usize) -> u32 {
        (0..levels).fold(node, |node, _| self.nodes.get(node as usize).map_or(NONE, |node| node.parent))
    }

    fn raw(&self, node: u32) -> Option<Raw<'_>> {
        let text = self.text_of(node);
        match self.nodes[node as usize].holds {
            Holds::Text if text.is_empty() => None,
            Holds::Text => Some(Raw::Text(text.into())),
            Holds::Number => Some(Raw::Number(text)),
            Holds::True => Some(Raw::Boolean(true)),
            Holds::False => Some(Raw::Boolean(false)),
            Holds::Nodes => Some(Raw::Composite),
            Holds::Elements => None,
        }
    }

    /// The names from the document to a node.
    fn names(&self, node: u32) -> Vec<String> {
        let mut names = Vec::new();
        let mut at = node;
        while let Some(node) = self.nodes.get(at as usize) {
            let is_repeated = node.number > 1 || node.next != NONE;
            let number = if is_repeated { format!("[{}]", node.number) } else { String::new() };
            names.push(format!("{}{number}", self.slots.slot(node.slot).name.shown()));
            at = node.parent;
        }
        names.reverse();
        names
    }
}

/// An element of which messages are made.
pub(super) struct At<'t, 'm> {
    pub(super) tree: &'t Tree<'m>,
    pub(super) node: u32,
}

impl At<'_, '_> {
    fn steps<'p>(&self, path: &'p Path) -> Option<(u32, &'p [Step])> {
        let Path::Steps { up, down } = path else { return None };
        let base = self.tree.above(self.node, *up);
        (base != NONE).then_some((base, down))
    }
}

impl Place for At<'_, '_> {
    fn find(&self, path: &Path) -> Found<'_> {
        let Some((base, down)) = self.steps(path) else { return Found::Nothing };
        let (mut first, mut several) = (NONE, false);
        let all = self.tree.descend(base, down, &mut 0, &mut |node| {
            several = first != NONE;
            first = if several { first } else { node };
            !several
        });
        match first {
            _ if several || !all => Found::Several,
            NONE => Found::Nothing,
            node if self.tree.nodes[node as usize].holds == Holds::Elements => Found::Elements,
            node => self.tree.raw(node).map_or(Found::Blank, Found::One),
        }
    }

    fn all(&self, path: &Path) -> Vec<Raw<'_>> {
        let mut found = Vec::new();
        if let Some((base, down)) = self.steps(path) {
            let all = self.tree.descend(base, down, &mut 0, &mut |node| {
                found.extend(self.tree.raw(node));
                true
            });
            if !all {
                // Too many to be looked at: no list, rather than one that lacks some.
                found.push(Raw::Composite);
            }
        }
        found
    }

    fn shown(&self, path: Option<&Path>) -> String {
        let mut names = match path.and_then(|path| self.steps(path)) {
            None => self.tree.names(self.node),
            Some((mut node, down)) => {
                // As far as there are nodes, and from there by the names of the mapping.
                let mut slot = self.tree.nodes[node as usize].slot;
                let mut missing = Vec::new();
                for step in down {
                    slot = self
                        .tree
                        .slots
                        .slot(slot)
                        .children
                        .get(usize::from(step.ordinal))
                        .copied()
                        .unwrap_or(slot);
                    let child = if missing.is_empty() { self.tree.first(node, step) } else { NONE };
                    if child == NONE {
                        let asked = step.only.as_ref().map_or("", |only| &only.shown);
                        missing.push(format!("{}{asked}", self.tree.slots.slot(slot).name.shown()));
                    } else {
                        node = child;
                    }
                }
                let mut names = self.tree.names(node);
                names.extend(missing);
                names
            }
        };
        names.retain(|name| !name.is_empty());
        if names.is_empty() { "the document".to_owned() } else { names.join("/") }
    }
}
