//! JSON lines: each line a JSON document of its own, as if each had come in a message of its own.

use samspor_domain::{Delivery, Excerpt, Fault, Item, SourceName};

use super::coverage::Watch;
use super::load::Loaded;
use super::tree::too_many;
use super::{Read, documents, excerpt, lines};
use crate::markup::undecodable;

/// Everything in a body.
pub(super) fn decode(
    mapping: &Loaded,
    source: &SourceName,
    delivery: &Delivery,
    charset: Option<&str>,
    mut watch: Option<&mut Watch<'_>>,
) -> Result<Read, Fault> {
    let body = &delivery.body;
    let lines = (1usize..).zip(body.split(|byte| *byte == b'\n'));
    let mut lines = lines.filter(|(_, line)| !lines::bare(line).trim_ascii().is_empty()).peekable();
    let mut read = Read { items: Vec::new(), passed: 0 };
    // Of a body without any line nothing shows that it is something else.
    let mut is_as_expected = lines.peek().is_none();
    if is_as_expected && !mapping.reads.may_be_empty {
        return Err(undecodable("the body holds no line"));
    }
    let mut cut_out = 0usize;
    let mut is_first = true;
    while let Some((number, line)) = lines.next() {
        let is_alone = std::mem::take(&mut is_first) && lines.peek().is_none();
        // A mark before it stays: it says that the line is UTF-8, whatever the others are.
        let own = Delivery { body: body.slice_ref(line), ..Delivery::default() };
        let items = match documents::document(mapping, source, &own, charset, watch.as_deref_mut()) {
            Ok((found, is_bare)) if found.items.is_empty() => {
                read.passed = read.passed.saturating_add(found.passed);
                is_as_expected |= is_bare;
                let is_right = found.passed > 0 || (is_bare && mapping.reads.may_be_empty);
                match is_right {
                    true => Vec::new(),
                    false => vec![fault(super::nothing_taken(mapping, 0, false).err())],
                }
            }
            Ok((found, _)) => {
                read.passed = read.passed.saturating_add(found.passed);
                found.items
            }
            Err(why) => vec![fault(Some(why))],
        };
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        for (no, item) in (0..).zip(items) {
            let excerpt = match item.excerpt {
                Some(excerpt) => {
                    cut_out = cut_out.saturating_add(excerpt.bytes.len());
                    Some(excerpt)
                }
                None => (!is_alone).then(|| Excerpt { bytes: own.body.clone(), item: no, items: count }),
            };
            let content = item.content.map_err(|fault| {
                // As of an array of documents, so that what is kept of a line finds its place again.
                let place = match fault.path.as_deref() {
                    None | Some("the document") => format!("line {number}"),
                    Some(path) if is_alone => path.to_owned(),
                    Some(path) => format!("[{number}]/{path}"),
                };
                Fault { path: Some(place), ..fault }
            });
            read.items.push(Item { content, excerpt, ignored_fields: item.ignored_fields });
        }
        if !lines::may_hold(body.len(), read.items.len()) {
            return Err(too_many());
        }
        if !excerpt::fits(body.len(), cut_out) {
            return Err(excerpt::too_long());
        }
    }
    if read.items.is_empty() {
        return super::nothing_taken(mapping, read.passed, is_as_expected);
    }
    Ok(read)
}

fn fault(why: Option<Fault>) -> Item {
    let why = why.unwrap_or_else(|| undecodable("holds nothing"));
    Item { content: Err(why), excerpt: None, ignored_fields: 0 }
}
