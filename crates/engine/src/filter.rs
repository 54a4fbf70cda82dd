//! Targets that are given a part of the feed: what they are given is kept with what they have, and what is tagged is added
//! up by what they filter by, so that their books can be held against it.

use std::collections::BTreeMap;

use samspor_domain::store::{Month, PostingNo, Reach, Read, Result, StoreError};
use samspor_domain::{FilterKey, Pseudonym, Seq, SourceNo, Sum, TagFilter, Text};
use samspor_vault::Vault;

use crate::core::Core;
use crate::deliver::Outlet;
use crate::kept;

/// The store's value that says that what is tagged is added up; earlier gateways did not.
const ADDED_UP: &str = "tagged-added-up";

/// How the names of the store's values begin that say what targets are given.
pub(crate) const FILTERS: &str = "filter ";

/// The store's value that says what a target is given.
fn filter_of(target: &Text) -> String {
    format!("{FILTERS}{target}")
}

/// What a target is given, as far as the store knows it. Nothing is kept of one that is given everything.
pub(crate) fn filter(read: &mut (impl Read + ?Sized), vault: &Vault, target: &Text) -> Result<TagFilter> {
    match read.meta(&filter_of(target))? {
        Some(sealed) if !sealed.is_empty() => kept::open_filter(vault, sealed),
        _ => Ok(TagFilter::default()),
    }
}

/// What is tagged of what a target with that filter is given, by source and month of posting.
pub(crate) fn tagged(
    read: &mut (impl Read + ?Sized),
    vault: &Vault,
    filter: &TagFilter,
) -> Result<BTreeMap<(SourceNo, Month), Sum>> {
    let mut tagged: BTreeMap<_, Sum> = BTreeMap::new();
    if filter.is_everything() {
        for balance in read.balances()?.into_iter().filter(|balance| balance.standing == Some(None)) {
            *tagged.entry((balance.source, balance.month)).or_default() += balance.sum;
        }
        return Ok(tagged);
    }
    // There are as many rows as sources and months times keys, and only so many keys.
    let mut held: BTreeMap<Pseudonym, bool> = BTreeMap::new();
    for sum in read.tagged_sums()? {
        let holds = match held.get(&sum.key) {
            Some(holds) => *holds,
            None => {
                let holds = filter.holds(&kept::open_filter_key(vault, &sum.filter_key)?);
                held.insert(sum.key, holds);
                holds
            }
        };
        if holds {
            *tagged.entry((sum.source, sum.month)).or_default() += sum.sum;
        }
    }
    Ok(tagged)
}

/// The same of a target that the store knows.
pub fn tagged_for(
    read: &mut dyn Read,
    vault: &Vault,
    target: &Text,
) -> Result<BTreeMap<(SourceNo, Month), Sum>> {
    let filter = filter(read, vault, target)?;
    tagged(read, vault, &filter)
}

impl Core {
    /// Keeps what these targets are given. Answers why not, where one of them has something already, and was given
    /// something else: what it has would then be neither what it should have had nor what it should have.
    pub(crate) fn note_filters(&mut self, outlets: &[Outlet]) -> Result<std::result::Result<(), String>> {
        let known = self.store.cursors()?;
        let vault = std::sync::Arc::clone(&self.keyring.vault);
        let mut new = Vec::new();
        for Outlet { name, scribe, .. } in outlets {
            let before = filter(&mut *self.store, &vault, name)?;
            if before == *scribe.filter() {
                continue;
            }
            let at = known.iter().find(|(known, _)| known == name).map(|(_, at)| *at);
            if let Some(at) = at
                && self.has_something(name, at)?
            {
                return Ok(Err(format!(
                    "target {name}: its [targets.filter] differs from the one that it began with, and what it has would \
                     not be what it should have; put the old filter back, or give the target another name, or take it \
                     out, let its receiver drop what it has and every message id that it remembers, let \
                     `samspor targets forget {name}` forget what it has, and add it again"
                )));
            }
            new.push((name.clone(), scribe.filter().clone()));
        }
        if !new.is_empty() {
            self.transaction(|core| {
                new.iter().try_for_each(|(name, filter)| core.note_filter(name, filter))
            })?;
        }
        Ok(Ok(()))
    }

    /// Whether a target was ever handed anything that is not forgotten, or has something to be handed to it later. One that
    /// is being forgotten begins at the start, too.
    fn has_something(&mut self, target: &Text, at: Seq) -> Result<bool> {
        Ok(at != Seq::default()
            || !self.store.handed_in(target, None, PostingNo::default(), 1)?.is_empty()
            || self.store.count_parked(target)? != (0, 0)
            || self.store.shelves()?.iter().any(|shelf| shelf.target == *target))
    }

    fn note_filter(&mut self, target: &Text, filter: &TagFilter) -> Result<()> {
        let sealed = kept::seal_filter(&self.keyring.vault, filter);
        let sealed = if filter.is_everything() { Vec::new() } else { sealed.0 };
        self.store.set_meta(&filter_of(target), &sealed)
    }

    /// Forgets what a target was given.
    pub(crate) fn forget_filter(&mut self, target: &Text) -> Result<()> {
        match self.store.meta(&filter_of(target))? {
            Some(_) => self.note_filter(target, &TagFilter::default()),
            None => Ok(()),
        }
    }

    /// Adds up what is tagged, where an earlier gateway made the store and did not.
    pub(crate) fn add_up_tagged(&mut self) -> Result<()> {
        if self.store.meta(ADDED_UP)?.is_some() {
            return Ok(());
        }
        let mut after = PostingNo::default();
        loop {
            let rows = self.store.postings(&Reach::Tagged, after, self.slice())?;
            let Some(last) = rows.last() else { break };
            after = last.no;
            for row in rows {
                let tag = kept::newest_tag(&mut *self.store, &self.keyring.vault, row.no)?
                    .ok_or_else(|| StoreError::Damaged("a tagged posting has no tag in the feed".into()))?;
                self.tally.retagged(self.entry(row.source, &row.posting), None, Some(FilterKey::from(&tag)));
            }
        }
        self.store.set_meta(ADDED_UP, &[])
    }
}
