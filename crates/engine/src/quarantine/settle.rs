//! What the writer does with entries: it freezes sets of them, takes them in, and discards them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use samspor_domain::quarantine::{Entry, Filter, State};
use samspor_domain::store::{EntryNo, Outcome, Result, Scope, SetNo};
use samspor_domain::{Fault, Text};

use super::{Discarded, Fate, Fates, Ready, Slice, Verdict};
use crate::core::{Became, Core};
use crate::halve::broke;
use crate::intake::Prepared;
use crate::kept;

impl Core {
    /// Freezes a set of entries, the oldest first, at most `limit`.
    pub fn freeze(&mut self, filter: &Filter, limit: usize, now: Timestamp) -> Result<SetNo> {
        self.transaction(|core| {
            let now = core.instant(now);
            core.store.freeze(filter, limit, now)
        })
    }

    /// Releases entries that were decoded again: one transaction takes them in and marks them. One on which that panics
    /// stays, as `failed`.
    pub fn release(&mut self, ready: Ready, now: Timestamp) -> Result<Slice> {
        let Ready { set, entries, next } = ready;
        let fates = self.halving(
            &entries,
            &|core, entries| {
                let now = core.instant(now);
                entries.iter().map(|(no, verdict)| core.release_one(*no, verdict, now)).collect()
            },
            &|core, (no, _)| core.release_one(*no, &Verdict::Faulty(broke()), now),
        )?;
        let entries = entries.into_iter().map(|(no, _)| no).zip(fates).collect();
        Ok(Slice { set, entries, next })
    }

    fn release_one(&mut self, no: EntryNo, verdict: &Verdict, now: Timestamp) -> Result<Fates> {
        // It may have been settled since it was decoded, by somebody else's release or by this one's repetition.
        let Some(entry) = self.store.entry(no)?.filter(|entry| entry.state == State::Open) else {
            return Ok(one(Fate::Settled));
        };
        if entry.erased {
            return Ok(one(Fate::Erased));
        }
        match verdict {
            Verdict::Stays(fate) => Ok(one(*fate)),
            Verdict::Faulty(fault) => self.still_faulty(&entry, fault),
            Verdict::Items(items) => match &items[..] {
                [item] => match self.decided(entry.source, item, now)? {
                    Became::Quarantined(fault) => self.still_faulty(&entry, &fault),
                    became => self.released(&entry, &[(item, became)], now),
                },
                items => {
                    let became = items.iter().map(|item| self.one_of_many(&entry, item, now));
                    let became: Vec<_> = became.collect::<Result<_>>()?;
                    self.released(&entry, &became, now)
                }
            },
        }
    }

    /// Takes in one of the items that an entry turned out to hold. One with a fault becomes an entry that arrived when
    /// this one did.
    fn one_of_many<'a>(
        &mut self,
        entry: &Entry,
        item: &'a Prepared,
        now: Timestamp,
    ) -> Result<(&'a Prepared, Became)> {
        let became = match self.decided(entry.source, item, now)? {
            Became::Quarantined(fault) => self.quarantine(entry.source, item, fault, entry.registered)?,
            became => became,
        };
        Ok((item, became))
    }

    /// An entry is still not understood, for that reason.
    fn still_faulty(&mut self, entry: &Entry, fault: &Fault) -> Result<Fates> {
        let is_new =
            entry.reason != fault.reason || entry.path != fault.path || entry.message != fault.message;
        if is_new && let Some(sealed) = self.store.sealed_entry(entry.no)? {
            let body = kept::open_body(&self.keyring.vault, &sealed)?;
            let whole = kept::whole(body.content_type.as_deref(), &body.body);
            let keys = self.keyring.scope(Scope::Source(entry.source));
            let content = kept::known_by(keys, &whole, fault, (entry.item, entry.items));
            self.store.fault_again(entry.no, fault, &content)?;
        }
        Ok(one(Fate::Quarantined(fault.reason)))
    }

    /// An entry was taken in. It leaves the quarantine of its month of arrival, and what it became is counted there;
    /// where it turned out to hold several items, as if so many had arrived.
    fn released(&mut self, entry: &Entry, items: &[(&Prepared, Became)], now: Timestamp) -> Result<Fates> {
        let mut fates = Fates::new();
        let mut became: BTreeMap<Outcome, i64> = BTreeMap::new();
        let mut ignored = 0;
        for (item, outcome) in items {
            *fates.entry(fate(outcome)).or_default() += 1;
            *became.entry(outcome.outcome()).or_default() += 1;
            if *outcome != Became::Duplicate {
                ignored += i64::from(item.ignored_fields);
            }
        }
        let more = became.values().sum::<i64>() - 1;
        let others =
            [(Outcome::Quarantined, -1), (Outcome::Received, more), (Outcome::IgnoredField, ignored)];
        let counts = became.iter().map(|(outcome, items)| (*outcome, *items)).chain(others);
        for (outcome, items) in counts.filter(|(_, items)| *items != 0) {
            self.tally.count(entry.source, entry.registered, outcome, items);
        }
        self.store.settle(entry.no, &State::Released { at: now, became })?;
        self.erased()?;
        Ok(fates)
    }

    /// Discards those of the entries that are open, for good.
    pub fn discard(&mut self, entries: &[EntryNo], why: &Text, now: Timestamp) -> Result<Discarded> {
        self.transaction(|core| {
            let at = core.instant(now);
            let mut done = Discarded::default();
            for no in entries {
                match core.store.entry(*no)?.filter(|entry| entry.state == State::Open) {
                    Some(entry) => {
                        core.tally.count(entry.source, entry.registered, Outcome::Quarantined, -1);
                        core.tally.count(entry.source, entry.registered, Outcome::Discarded, 1);
                        core.store.settle(*no, &State::Discarded { at, why: why.clone() })?;
                        if !entry.erased {
                            core.erased()?;
                        }
                        done.discarded += 1;
                    }
                    None => done.settled += 1,
                }
            }
            Ok(done)
        })
    }
}

fn one(fate: Fate) -> Fates {
    Fates::from([(fate, 1)])
}

fn fate(became: &Became) -> Fate {
    match became {
        Became::Fact => Fate::Fact,
        Became::Stale => Fate::Stale,
        Became::Posting => Fate::Posting,
        Became::Receipt => Fate::Receipt,
        Became::Duplicate => Fate::Duplicate,
        Became::Empty => Fate::Empty,
        Became::Quarantined(fault) => Fate::Quarantined(fault.reason),
    }
}
