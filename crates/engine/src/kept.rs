//! Facts, revisions and quarantined bytes as the store keeps them: serialised, then sealed.

use bytes::Bytes;
use jiff::Timestamp;
use samspor_domain::store::{FactRow, FactVersion, FeedRow, Read, Result, Sealed, StoreError};
use samspor_domain::{
    Body, CitizenRef, Delivery, Fault, FilterKey, Pseudonym, Rank, Revision, SourceName, State, Tag,
    TagFilter, Text,
};
use samspor_vault::{Pseudonyms, Purpose, Vault};
use serde::{Deserialize, Serialize};

/// A live fact with its id, which the store knows by its pseudonym only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) id: Text,
    /// None: deleted or withdrawn. The id stays readable, for whoever asks what a tag's cause was.
    pub(crate) body: Option<Body>,
}

impl Kept {
    /// One writing per content, so that equal facts have equal bytes.
    pub(crate) fn of(id: &Text, state: &State) -> Vec<u8> {
        let body = if let State::Live(body) = state { Some(body.clone()) } else { None };
        encode(&Self { id: id.clone(), body })
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    // The derived types hold no map with keys that are not texts, the only thing that JSON refuses.
    serde_json::to_vec(value).unwrap_or_else(|error| unreachable!("{error}"))
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("a sealed {what} does not open or is not one"))
}

/// What a version of a fact says; none where it was erased.
pub(crate) fn open_version(vault: &Vault, version: &FactVersion) -> Result<Option<Kept>> {
    let Some(sealed) = &version.body else { return Ok(None) };
    let plain = vault.open(Purpose::Fact, sealed).map_err(|_| damaged("fact"))?;
    serde_json::from_slice(&plain).map(Some).map_err(|_| damaged("fact"))
}

/// What the newest version of a fact says, if it is live.
pub(crate) fn open_live(vault: &Vault, row: &FactRow) -> Result<Option<(Text, Body)>> {
    open_if_live(vault, &row.newest)
}

/// What a version of a fact says, if it is live and not erased.
pub(crate) fn open_if_live(vault: &Vault, version: &FactVersion) -> Result<Option<(Text, Body)>> {
    if version.rank != Rank::Live {
        return Ok(None);
    }
    let kept = open_version(vault, version)?;
    Ok(kept.and_then(|kept| Some((kept.id, kept.body?))))
}

/// What a fact said as it was known at an instant, or says now if none is given, if that is live.
pub(crate) fn open_as_of(
    vault: &Vault,
    read: &mut (impl Read + ?Sized),
    row: &FactRow,
    as_of: Option<Timestamp>,
) -> Result<Option<(Text, Body)>> {
    let Some(instant) = as_of else { return open_live(vault, row) };
    let known = read.versions(row.no)?.into_iter().rfind(|version| version.registered <= instant);
    known.map_or(Ok(None), |version| open_if_live(vault, &version))
}

pub(crate) fn seal_revision(vault: &Vault, revision: &Revision) -> Sealed {
    vault.seal(Purpose::Revision, &encode(revision))
}

/// What a feed record says; none where it was erased.
pub(crate) fn open_revision(vault: &Vault, row: &FeedRow) -> Result<Option<Revision>> {
    let Some(sealed) = &row.payload else { return Ok(None) };
    let plain = vault.open(Purpose::Revision, sealed).map_err(|_| damaged("feed record"))?;
    serde_json::from_slice(&plain).map(Some).map_err(|_| damaged("feed record"))
}

/// By what readers filter: a keyed hash of it, and itself, sealed. What is written must never change: sums of the store are
/// known by its hash.
pub(crate) fn seal_filter_key(vault: &Vault, key: &FilterKey) -> (Pseudonym, Sealed) {
    let plain = encode(key);
    (vault.registry().content(&plain), vault.seal(Purpose::FilterKey, &plain))
}

pub(crate) fn open_filter_key(vault: &Vault, sealed: &Sealed) -> Result<FilterKey> {
    let plain = vault.open(Purpose::FilterKey, sealed).map_err(|_| damaged("filter key"))?;
    serde_json::from_slice(&plain).map_err(|_| damaged("filter key"))
}

/// What a target is given, of which the store keeps it, so that its books can be held against that.
pub(crate) fn seal_filter(vault: &Vault, filter: &TagFilter) -> Sealed {
    vault.seal(Purpose::FilterKey, &encode(filter))
}

pub(crate) fn open_filter(vault: &Vault, sealed: Vec<u8>) -> Result<TagFilter> {
    let plain = vault.open(Purpose::FilterKey, &Sealed(sealed)).map_err(|_| damaged("filter"))?;
    serde_json::from_slice(&plain).map_err(|_| damaged("filter"))
}

/// The references that a fact holds, its own among them: by these it is found again.
pub(crate) fn references(source: &SourceName, id: &Text, body: &Body) -> Vec<CitizenRef> {
    let mut refs = match body {
        Body::Case(case) => vec![CitizenRef::Case(source.clone(), id.clone()), case.citizen.clone()],
        Body::Grant(grant) => {
            let case = grant.case.clone().map(|case| CitizenRef::Case(source.clone(), case));
            let own = CitizenRef::Grant(source.clone(), id.clone());
            [Some(own), grant.citizen.clone(), case].into_iter().flatten().collect()
        }
        Body::Payment(payment) => vec![payment.grant.clone()],
        Body::Progress(progress) => vec![progress.citizen.clone()],
        Body::Identity(identity) => identity.refs.clone(),
        Body::Consent(consent) => vec![consent.citizen.clone()],
        Body::Enrolment(enrolment) => vec![enrolment.citizen.clone()],
        Body::Solution(_)
        | Body::Split(_)
        | Body::Estimate(_)
        | Body::Budget(_)
        | Body::Target(_)
        | Body::InvestmentCase(_)
        | Body::ControlTotal(_) => Vec::new(),
    };
    refs.sort();
    refs.dedup();
    refs
}

/// The tag that the newest feed record of a posting puts on it; none where it has none.
pub fn newest_tag(
    read: &mut (impl Read + ?Sized),
    vault: &Vault,
    posting: samspor_domain::PostingNo,
) -> Result<Option<samspor_domain::Tag>> {
    let Some(record) = read.newest_record(posting)? else { return Ok(None) };
    Ok(open_revision(vault, &record)?.and_then(|revision| revision.tag))
}

/// What quarantine keeps of a body: the content type decides how bytes are read, so it belongs to them.
pub(crate) fn whole(content_type: Option<&str>, bytes: &[u8]) -> Vec<u8> {
    // None that is one holds the byte that ends it here, or a line end behind which it might be taken for that of the bytes.
    let content_type = content_type.filter(|given| !given.contains('\0') && !given.ends_with(['\r', '\n']));
    let mut whole = content_type.unwrap_or_default().as_bytes().to_vec();
    whole.push(0);
    whole.extend_from_slice(bytes);
    whole
}

/// The same, with the end of the line that the bytes are, so that it can pass on as it came when it is released. The end
/// stands behind the content type, which holds no line end: it is no part of what the bytes are known by.
pub(crate) fn whole_line(content_type: Option<&str>, bytes: &[u8], line_end: &[u8]) -> Vec<u8> {
    let whole = whole(content_type, bytes);
    let at = whole.iter().position(|byte| *byte == 0).unwrap_or_default();
    [&whole[..at], line_end, &whole[at..]].concat()
}

/// By what it is known when it comes again. One body may hold several faults: which one of its items it is, of how many, tells
/// them apart, also where they are at the same place or their bytes stand at another one of another body.
pub(crate) fn known_by(
    keys: &Pseudonyms,
    whole: &[u8],
    fault: &Fault,
    (item, items): (u32, u32),
) -> Pseudonym {
    let mut known_by = whole.to_vec();
    known_by.extend_from_slice(fault.reason.word().as_bytes());
    if items > 1 {
        known_by.push(0);
        known_by.extend_from_slice(&item.to_be_bytes());
        known_by.extend_from_slice(&items.to_be_bytes());
    } else {
        known_by.extend_from_slice(fault.path.as_deref().unwrap_or_default().as_bytes());
    }
    keys.content(&known_by)
}

/// The tag with which a posting is to pass on.
pub(crate) fn seal_forward_tag(vault: &Vault, tag: &Tag) -> Sealed {
    vault.seal(Purpose::ForwardTag, &encode(tag))
}

pub(crate) fn open_forward_tag(vault: &Vault, sealed: &Sealed) -> Result<Tag> {
    let plain = vault.open(Purpose::ForwardTag, sealed).map_err(|_| damaged("tag"))?;
    serde_json::from_slice(&plain).map_err(|_| damaged("tag"))
}

/// A quarantined body, as it was delivered.
pub(crate) fn open_body(vault: &Vault, sealed: &Sealed) -> Result<Delivery> {
    Ok(open_line(vault, sealed)?.0)
}

/// A quarantined body, and the end of the line that it is, as [`whole_line`] put them together.
pub(crate) fn open_line(vault: &Vault, sealed: &Sealed) -> Result<(Delivery, Bytes)> {
    let delivery = open_whole(vault, Purpose::Quarantine, sealed)?;
    let Some(given) = delivery.content_type else { return Ok((delivery, Bytes::new())) };
    let content_type = given.trim_end_matches(['\r', '\n']);
    let line_end = Bytes::copy_from_slice(&given.as_bytes()[content_type.len()..]);
    let content_type = Some(content_type.to_owned()).filter(|given| !given.is_empty());
    Ok((Delivery { content_type, ..delivery }, line_end))
}

/// Content type and bytes as [`whole`] put them together.
pub(crate) fn open_whole(vault: &Vault, purpose: Purpose, sealed: &Sealed) -> Result<Delivery> {
    let plain = vault.open(purpose, sealed).map_err(|_| damaged("body"))?;
    let end = plain.iter().position(|byte| *byte == 0).ok_or_else(|| damaged("body"))?;
    let content_type = std::str::from_utf8(&plain[..end]).map_err(|_| damaged("body"))?;
    let content_type = Some(content_type.to_owned()).filter(|given| !given.is_empty());
    Ok(Delivery { body: plain[end + 1..].to_vec().into(), content_type, ..Delivery::default() })
}

#[cfg(test)]
mod tests {
    use samspor_domain::{CostKind, Phase, Side};

    use super::*;

    #[test]
    fn a_filter_key_is_written_as_it_always_was() {
        let text = |text: &str| Text::new(text).unwrap_or_else(|error| panic!("{error}"));
        let key = FilterKey {
            solution: text("sb"),
            area: text("health"),
            side: Side::Inside,
            phase: Phase::During,
            kind: Some(CostKind::Service),
        };
        let written =
            r#"{"solution":"sb","area":"health","side":"inside","phase":"during","kind":"service"}"#;
        assert_eq!(encode(&key), written.as_bytes());
        let written = r#"{"solution":"sb","area":"health","side":"inside","phase":"during","kind":null}"#;
        assert_eq!(encode(&FilterKey { kind: None, ..key }), written.as_bytes());
    }
}
