//! Decoding again, beside the writer: what the entries of a set are now, and what would become of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use samspor_domain::quarantine::{Entry, Set, State};
use samspor_domain::store::{EntryNo, Read, Result, SetNo, StoreError};
use samspor_domain::{Fault, Message, Posting, Reason, Receipt, Scope, SourceName};
use samspor_vault::{Pseudonyms, Vault};

use super::{Fate, Fates, SLICE, SLICE_BYTES, Slice};
use crate::core::same;
use crate::intake::{Intakes, Prepared};
use crate::kept;
use crate::keyring::Keyring;
use crate::retention::written;

/// The next entries of a set, decoded again.
pub struct Ready {
    pub(super) set: Set,
    pub(super) entries: Vec<(EntryNo, Verdict)>,
    pub(super) next: Option<EntryNo>,
}

/// What an entry is now.
pub(super) enum Verdict {
    /// Nothing can be done with it: why.
    Stays(Fate),
    /// Still not understood: why.
    Faulty(Fault),
    /// These items are its own, and are taken in.
    Items(Vec<Prepared>),
}

pub(super) fn no_source() -> StoreError {
    StoreError::Damaged("an entry's source is not in the store".into())
}

/// Decodes the next entries of a set after one of them. None: there is no such set.
pub fn ready(
    read: &mut dyn Read,
    vault: &Arc<Vault>,
    intakes: &Intakes,
    set: SetNo,
    after: EntryNo,
) -> Result<Option<Ready>> {
    let Some(set) = read.frozen(set)? else { return Ok(None) };
    let names: BTreeMap<_, SourceName> = read.sources()?.into_iter().collect();
    let mut entries = Vec::new();
    let mut bytes = 0;
    // One more shows whether any is left.
    let numbers = read.frozen_entries(set.no, after, SLICE + 1)?;
    for no in numbers.iter().copied().take(SLICE) {
        let Some(entry) = read.entry(no)? else { continue };
        let name = names.get(&entry.source).ok_or_else(no_source)?;
        entries.push((no, verdict(read, vault, intakes, &entry, name, &mut bytes)?));
        if bytes >= SLICE_BYTES {
            break;
        }
    }
    let last = entries.last().map(|(no, _)| *no);
    let next = last.filter(|last| numbers.last().is_some_and(|no| no > last));
    Ok(Some(Ready { set, entries, next }))
}

fn verdict(
    read: &mut dyn Read,
    vault: &Vault,
    intakes: &Intakes,
    entry: &Entry,
    name: &SourceName,
    bytes: &mut usize,
) -> Result<Verdict> {
    if entry.state != State::Open {
        return Ok(Verdict::Stays(Fate::Settled));
    }
    let Some(sealed) = read.sealed_entry(entry.no)? else { return Ok(Verdict::Stays(Fate::Erased)) };
    let Some(intake) = intakes.of(name) else { return Ok(Verdict::Stays(Fate::NoDecoder)) };
    *bytes += sealed.0.len();
    let (delivery, line_end) = kept::open_line(vault, &sealed)?;
    let mut items = own(entry, intake.prepare(&delivery));
    // The bytes may be a part of a body, in which the operator was told the place, and by which the entry is known.
    for item in &mut items {
        if let Err(fault) = &mut item.content {
            *fault = fault.clone().in_place_of(entry.path.as_deref());
        }
    }
    if let [line] = &mut items[..] {
        line.line_end = line_end; // By itself it has none.
    }
    let keys = vault.source(name);
    let whole = kept::whole(delivery.content_type.as_deref(), &delivery.body);
    Ok(match still_faulty(entry, &items, &keys, &whole) {
        Some(fault) => Verdict::Faulty(fault),
        None => Verdict::Items(items),
    })
}

/// The items of the bytes that are the entry's own.
fn own(entry: &Entry, mut items: Vec<Prepared>) -> Vec<Prepared> {
    let at = usize::try_from(entry.item).unwrap_or(usize::MAX);
    if u32::try_from(items.len()) == Ok(entry.items) && at < items.len() {
        return vec![items.swap_remove(at)];
    }
    // Where the bytes were one fault they are all its own. Where they hold another number of items than they did, nobody
    // can tell which was meant; those that other entries stand for, or that were taken in, are known.
    items
}

/// The fault for which an entry stays as it is: of its one item, or of all, or the one that it stands for.
fn still_faulty(entry: &Entry, items: &[Prepared], keys: &Pseudonyms, whole: &[u8]) -> Option<Fault> {
    let faulty = items.iter().filter(|item| !item.is_empty);
    let faults = || faulty.clone().filter_map(|item| Some((item, item.content.as_ref().err()?)));
    let own = faults().find(|(item, fault)| {
        // As one of several, or, as entries were known once, by its place alone.
        let forms = [(item.item, item.items), (0, 1)];
        forms.iter().any(|form| kept::known_by(keys, whole, fault, *form) == entry.content)
    });
    let first = || faults().next().filter(|_| items.iter().all(|item| item.content.is_err()));
    own.or_else(first).map(|(_, fault)| fault.clone())
}

/// What would become of the next entries of a set after one of them, if they were released now. None: there is no such
/// set.
pub fn preview(
    read: &mut dyn Read,
    vault: &Arc<Vault>,
    intakes: &Intakes,
    set: SetNo,
    after: EntryNo,
) -> Result<Option<Slice>> {
    let Some(Ready { set, entries, next }) = ready(read, vault, intakes, set, after)? else {
        return Ok(None);
    };
    let keyring = Keyring::load(Arc::clone(vault), read)?;
    let mut told = Vec::with_capacity(entries.len());
    for (no, verdict) in entries {
        let mut fates = Fates::new();
        match verdict {
            Verdict::Stays(fate) => *fates.entry(fate).or_default() += 1,
            Verdict::Faulty(fault) => *fates.entry(Fate::Quarantined(fault.reason)).or_default() += 1,
            Verdict::Items(items) => {
                for item in &items {
                    *fates.entry(would_be(read, &keyring, item)?).or_default() += 1;
                }
            }
        }
        told.push((no, fates));
    }
    Ok(Some(Slice { set, entries: told, next }))
}

fn would_be(read: &mut dyn Read, keyring: &Keyring, item: &Prepared) -> Result<Fate> {
    match &item.content {
        _ if item.is_empty => Ok(Fate::Empty),
        Ok(Message::Fact(_)) => Ok(Fate::Fact),
        Ok(Message::Receipt(receipt)) => receipted(read, keyring, receipt),
        Ok(Message::Posting(posting)) => posted(read, keyring, &item.source, posting),
        Err(fault) => Ok(Fate::Quarantined(fault.reason)),
    }
}

/// What a receipt would be: it needs the record that it is about.
fn receipted(read: &mut dyn Read, keyring: &Keyring, receipt: &Receipt) -> Result<Fate> {
    let Some(source) = keyring.no(&receipt.source) else {
        return Ok(Fate::Quarantined(Reason::InvalidField));
    };
    let row = read.find_posting(source, &receipt.posting)?;
    let records = row.map_or(Ok(Vec::new()), |row| read.records_of(row.no))?;
    let is_known = records.iter().any(|record| record.revision == receipt.revision);
    Ok(if is_known { Fate::Receipt } else { Fate::Quarantined(Reason::InvalidField) })
}

/// What a posting would be beside those that are known.
fn posted(read: &mut dyn Read, keyring: &Keyring, source: &SourceName, posting: &Posting) -> Result<Fate> {
    let Some(no) = keyring.no(source) else { return Ok(Fate::Posting) };
    let kept = posting.map(|reference| keyring.pseudonym(Scope::Source(no), reference));
    let known = match read.find_posting(no, &posting.id)? {
        Some(known) => Some(same(&known.posting, &kept)),
        None => {
            let keys = keyring.scope(Scope::Source(no));
            let purged = read.purged(no, &keys.text("posting", posting.id.as_str()))?;
            purged.map(|content| content == keys.content(&written(&kept)))
        }
    };
    Ok(match known {
        None => Fate::Posting,
        Some(true) => Fate::Duplicate,
        Some(false) => Fate::Quarantined(Reason::PostingConflict),
    })
}
