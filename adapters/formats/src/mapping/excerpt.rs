//! One element of a document as a document by itself, for the quarantine.
//!
//! It holds the element whole, and its ancestors with what stands beside the messages: everything, or, where a body's excerpts
//! would together be more than eight times the body and 16 MiB, only what the mapping reads. Where even that is too much, since
//! thousands of messages share a long beginning, the body is one fault instead of a thousand copies of itself.

use std::collections::HashMap;
use std::ops::Range;

use samspor_domain::{Fault, Reason};

use super::path::DOCUMENT;
use super::tree::{Shell, Tree};

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
            if let Some(shell) = self.tree.shells.get(&at)
                && (self.is_json || ancestor.slot != DOCUMENT)
            {
                text = if self.is_json {
                    self.object(shell, &own_span, slot, &text)
                } else {
                    self.element(shell, &own_span, at, &text)
                };
            }
            (slot, at) = (ancestor.slot, ancestor.parent);
        }
        // The mark goes before any charset, so it is read as UTF-8 whatever the body was.
        Some(["\u{feff}", &text].concat().into_bytes())
    }

    /// What stands beside the element and goes with it.
    fn pieces<'s>(
        &'s self,
        shell: &'s Shell,
        own: &Range<usize>,
    ) -> impl Iterator<Item = (Option<&'s str>, &'s str)> + use<'s, 't, 'm> {
        let own = own.clone();
        let light = shell.light.iter().filter(|light| self.is_full || light.is_named);
        let light = light.filter(move |light| light.span != own);
        light.filter_map(|light| Some((light.key.as_deref(), self.text.get(light.span.clone())?)))
    }

    fn element(&self, shell: &Shell, own: &Range<usize>, node: u32, inner: &str) -> String {
        let tag = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        let mut text = tag(&shell.tags.0).to_owned();
        text.push_str(&quick_xml::escape::escape(self.tree.text_of(node)));
        for (_, piece) in self.pieces(shell, own) {
            text.push_str(piece);
        }
        text.push_str(inner);
        text.push_str(tag(&shell.tags.1));
        text
    }

    fn object(&self, shell: &Shell, own: &Range<usize>, slot: u16, inner: &str) -> String {
        let key = |key: &str| serde_json::to_string(key).unwrap_or_default();
        let mut text = String::from("{");
        for (beside, piece) in self.pieces(shell, own) {
            text.push_str(&format!("{}:{piece},", key(beside.unwrap_or_default())));
        }
        let name = key(&self.tree.slots.slot(slot).name.local);
        text.push_str(&format!("{name}:[{inner}]}}"));
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
