//! What must hold of purging in a simulated run: nothing goes that is too young, that a live consent reaches or that is
//! owed to anybody; nothing goes without a trace; and what is gone stays gone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use samspor_domain::store::{PostingNo, PostingRow, Reach, Read, Scope, Standing, StoreError};
use samspor_domain::{
    Body, CitizenRef, Clock, Fact, Kind, Message, Posting, SourceName, State, Text, Untagged,
};
use samspor_vault::Vault;

use super::look::{Checked, called, failed, sources};
use super::run::Run;
use crate::stage::text;

/// A source and a posting of it.
type Id = (SourceName, Text);

/// A live consent: its version, whose it is, and the sources that it names.
type Live = (i64, CitizenRef, BTreeSet<SourceName>);

/// What was there when it was looked at last.
#[derive(Default)]
pub(crate) struct Before {
    journal: BTreeSet<Id>,
    /// The live consents, and their versions.
    consents: BTreeMap<Text, i64>,
}

/// Whether a posting was purged, and is not in the journal.
pub(crate) fn is_purged(
    read: &mut dyn Read,
    vault: &Vault,
    source: &SourceName,
    id: &Text,
) -> Result<bool, StoreError> {
    let Some((no, _)) = read.sources()?.into_iter().find(|(_, name)| name == source) else {
        return Ok(false);
    };
    let is_known = read.purged(no, &vault.source(source).text("posting", id.as_str()))?.is_some();
    Ok(is_known && read.find_posting(no, id)?.is_none())
}

/// The postings that were sent, each once, and the letters that they first came with.
fn sent(run: &Run) -> BTreeMap<Id, (usize, Posting)> {
    let mut sent = BTreeMap::new();
    for &letter in run.sent.keys() {
        if let Some(Message::Posting(posting)) = run.letters[letter].message() {
            sent.entry((run.letters[letter].source_name(), posting.id.clone())).or_insert((letter, posting));
        }
    }
    sent
}

/// The postings that are purged, and the letters that they came with.
pub(crate) fn purged(read: &mut dyn Read, run: &Run) -> Checked<BTreeMap<Id, (usize, Posting)>> {
    let mut purged = BTreeMap::new();
    if run.settings.passes {
        for (id, sent) in sent(run) {
            if is_purged(read, &run.vault, &id.0, &id.1).map_err(failed)? {
                purged.insert(id, sent);
            }
        }
    }
    Ok(purged)
}

fn journal(read: &mut dyn Read) -> Checked<BTreeMap<Id, PostingRow>> {
    let names = sources(read)?;
    let rows = read.postings(&Reach::All, PostingNo(0), usize::MAX).map_err(failed)?;
    Ok(rows.into_iter().map(|row| ((names[&row.source].clone(), row.posting.id.clone()), row)).collect())
}

/// What the store's newest version of each consent says, where that is live.
fn consents(read: &mut dyn Read, run: &Run) -> Checked<BTreeMap<Text, Live>> {
    let mut live = BTreeMap::new();
    for &letter in run.sent.keys() {
        let Some(Message::Fact(Fact { kind: Kind::Consent, id, version, state })) =
            run.letters[letter].message()
        else {
            continue;
        };
        let key = run.vault.registry().id(Kind::Consent, &id);
        let row = read.find_fact(Scope::Registry, Kind::Consent, &key).map_err(failed)?;
        if let State::Live(Body::Consent(consent)) = state
            && row.is_some_and(|row| row.newest.version == version)
        {
            live.insert(id, (version, consent.citizen.clone(), consent.sources.iter().cloned().collect()));
        }
    }
    Ok(live)
}

/// What holds at every moment.
pub(crate) fn meanwhile(read: &mut dyn Read, run: &Run) -> Checked {
    let before = std::mem::take(&mut *run.before.borrow_mut());
    let (journal, consents) = (journal(read)?, consents(read, run)?);
    let purged = purged(read, run)?;
    let now = run.world.now();
    let is_gone = |id: &&Id| !journal.contains_key(*id) && !purged.contains_key(*id);
    if let Some(id) = before.journal.iter().find(is_gone) {
        return Err(format!("{id:?} is gone without a trace"));
    }
    for (id, (letter, posting)) in &purged {
        let kept = run.settings.retention.map_or(i64::MAX, i64::from);
        if now.duration_since(run.sent[letter]) < days(kept) {
            return Err(format!("{id:?} is purged, and was not kept for {kept} days"));
        }
        // A consent that was live before and is as it was has reached it all the time.
        let reaching = consents.iter().find(|(consent, (version, citizen, named))| {
            before.consents.get(*consent) == Some(version)
                && posting.citizen.as_ref() == Some(citizen)
                && named.contains(&id.0)
        });
        if let (Some((consent, _)), true) = (reaching, before.journal.contains(id)) {
            return Err(format!("{id:?} is purged, and {consent} reaches it"));
        }
        is_owed_to_nobody(run, id)?;
    }
    let consents = consents.into_iter().map(|(id, (version, ..))| (id, version)).collect();
    *run.before.borrow_mut() = Before { journal: journal.into_keys().collect(), consents };
    Ok(())
}

/// Every receiver that ever had a posting that is purged knows that its tag is off, and has given its receipt for that.
fn is_owed_to_nobody(run: &Run, id: &Id) -> Checked {
    for receiver in &run.receivers {
        let called = called(run, receiver, &id.0, &id.1);
        let is_of = |(message, _): &(String, _)| message.starts_with(&format!("{called}:"));
        let was_tried = receiver.tries().iter().any(is_of);
        if was_tried && receiver.is_bad(&format!("{called}:")) {
            return Err(format!("{id:?} is purged, and {} never took it", receiver.name));
        }
        let Some((revision, is_tag, _)) = receiver.books().remove(&called) else { continue };
        if is_tag {
            return Err(format!("{id:?} is purged, and {} has it tagged", receiver.name));
        }
        if receiver.gives_receipts() && !receiver.has_given(&called, revision) {
            return Err(format!("{id:?} is purged, and {} has yet to give its receipt", receiver.name));
        }
    }
    Ok(())
}

/// A posting that should have been purged, of those that have been kept for long enough, when all is quiet.
pub(crate) fn left(read: &mut dyn Read, run: &Run) -> Checked<Option<String>> {
    let Some(kept) = run.settings.retention else { return Ok(None) };
    let mut parked: BTreeSet<PostingNo> = BTreeSet::new();
    for receiver in &run.receivers {
        let page = read.parked(&text(receiver.name), PostingNo(0), usize::MAX).map_err(failed)?;
        parked.extend(page.into_iter().map(|parked| parked.posting));
    }
    let limit = days(i64::from(kept));
    let is_left = |row: &PostingRow| {
        row.standing == Standing::Untagged(Untagged::NotConsented)
            && run.world.now().duration_since(row.registered) > limit
            && !parked.contains(&row.no)
    };
    Ok(journal(read)?
        .into_iter()
        .find(|(_, row)| is_left(row))
        .map(|(id, _)| format!("the purging of {id:?}")))
}

/// So many days.
fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(days.saturating_mul(24))
}
