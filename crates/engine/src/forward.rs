//! Forwarding: the gateway stands in the line between a source and a target. Each posting of the source passes on once, in
//! order of arrival, as it came and with the tag that it has on arrival; what changes later goes by the feed. What is to
//! pass on is appended in the transaction that takes the posting in, and leaves the log when the receiver has it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use samspor_domain::store::{PostingNo, Result, Seq, Store, StoreError};
use samspor_domain::{Parked, Passage, Posting, SourceName, SourceNo, Text, WaitingRow};
use samspor_vault::Purpose;

use crate::books::{Advance, Parking};
use crate::core::Core;
use crate::deliver::Outlet;
use crate::intake::Prepared;
use crate::kept;
use crate::log::Log;

/// The targets that forward, each with its source. A target is one of them until it is forgotten, whether it is configured
/// or not, so that one that comes back has missed nothing.
pub(crate) type Lines = BTreeMap<Text, SourceNo>;

/// Targets that are to begin to forward, each with its source.
pub(crate) type NewLines = Vec<(Text, SourceName)>;

/// The targets that forward, as the store has them.
pub(crate) fn lines(store: &mut dyn Store) -> Result<Lines> {
    let forwardings = store.forwardings()?.into_iter();
    Ok(forwardings.map(|forwarding| (forwarding.target, forwarding.source)).collect())
}

impl Core {
    /// Those of these targets to which the postings of a source pass on and did not before. Answers why that cannot be, where
    /// a target began as something else: it would have a part of each.
    pub(crate) fn new_lines(&mut self, outlets: &[Outlet]) -> Result<std::result::Result<NewLines, String>> {
        let readers: Vec<Text> = self.store.cursors()?.into_iter().map(|(name, _)| name).collect();
        let mut new = NewLines::new();
        for Outlet { name, scribe, .. } in outlets {
            let before = self.lines.get(name).map(|no| self.keyring.name(*no).cloned());
            let is_good = match (scribe.forwards(), &before) {
                (None, before) => before.is_none(),
                (Some(source), Some(before)) => before.as_ref() == Some(source),
                (Some(source), None) => {
                    new.push((name.clone(), source.clone()));
                    !readers.contains(name)
                }
            };
            if !is_good {
                return Ok(Err(format!(
                    "target {name}: what it `forwards` differs from what it began with; put that back, or give the \
                     target another name, or take it out, let `samspor targets forget {name}` forget it, and add it again"
                )));
            }
        }
        Ok(Ok(new))
    }

    /// Lets postings pass on from now on, as a part of a transaction.
    pub(crate) fn begin_lines(&mut self, new: &NewLines) -> Result<()> {
        for (target, source) in new {
            let source = self.keyring.enter(&mut *self.store, source)?;
            self.store.begin_forwarding(target, source)?;
            self.lines.insert(target.clone(), source);
        }
        Ok(())
    }

    /// Tells of solutions whose tags have no room where they are to go.
    pub(crate) fn warn_of_no_room(&self, outlets: &[Outlet]) {
        for Outlet { name, scribe, .. } in outlets {
            for solution in self.registry.solution_ids().filter(|solution| !scribe.has_room_for(solution)) {
                tracing::warn!(target = %name, %solution, "a field that is to carry the tags of this solution is too \
                    narrow for them, so postings will pass on without; name a wider field, or give the solution a \
                    shorter id");
            }
        }
    }

    /// How far the feed reaches, and how far the logs of what passes on. Where nothing does, nobody asks for those.
    pub(crate) fn ends(&mut self) -> Result<[Seq; 2]> {
        let own = if self.lines.is_empty() { Seq::default() } else { self.store.last_forward()? };
        Ok([self.store.last_seq()?, own])
    }

    /// Whether the postings of a source pass on to a target.
    pub(crate) fn passes_on(&self, source: SourceNo) -> bool {
        self.lines.values().any(|of| *of == source)
    }

    /// A posting was taken in that is new: it is to pass on with the tag that it has now.
    pub(crate) fn pass_on(&mut self, source: SourceNo, posting: &Posting, item: &Prepared) -> Result<()> {
        if !self.passes_on(source) {
            return Ok(());
        }
        let row = self.store.find_posting(source, &posting.id)?;
        let row = row.ok_or_else(|| StoreError::Damaged("a posting that just came is not there".into()))?;
        let tag = kept::newest_tag(&mut *self.store, &self.keyring.vault, row.no)?;
        let tag = tag.map(|tag| kept::seal_forward_tag(&self.keyring.vault, &tag));
        let mut whole = kept::whole(item.content_type.as_deref(), &item.bytes);
        whole.extend_from_slice(&item.line_end);
        let body = self.keyring.vault.seal(Purpose::Forward, &whole);
        let entry = self.entry(source, &row.posting);
        for (target, _) in self.lines.iter().filter(|(_, of)| **of == source) {
            self.store.forward(target, row.no, &body, tag.as_ref())?;
            self.tally.forwarded(target, entry, Passage::Arrived);
        }
        Ok(())
    }

    /// Notes what passed on to a target, and what is parked.
    pub(crate) fn note_passed(&mut self, advance: &Advance, now: Timestamp) -> Result<()> {
        let target = &advance.target;
        let mut passed = Vec::new();
        for handing in &advance.handed {
            // One that is delivered again has left the log before, and counts once.
            if !self.store.has_passed(target, handing.posting)? {
                continue;
            }
            self.tally.forwarded(target, handing.entry, Passage::Passed);
            if handing.is_short {
                self.tally.forwarded(target, handing.entry, Passage::LeftOut);
            }
            self.store.unpark(target, handing.posting)?;
            passed.push(handing.posting);
        }
        self.purge_all_again(&passed)?;
        for Parking { posting, seq, why, is_released } in &advance.parked {
            if Log::Own.newest_seq(&mut *self.store, target, *posting)? != Some(*seq) {
                continue;
            }
            let (target, why, is_released) = (target.clone(), why.clone(), *is_released);
            self.store.park(&Parked {
                target,
                posting: *posting,
                seq: *seq,
                why,
                since: now,
                is_released,
            })?;
        }
        self.store.advance(target, advance.to)
    }

    /// A consent was withdrawn that this posting may have had its tag by: where it is still to pass on with another tag than
    /// it has now, it does so without.
    pub(crate) fn blank_what_passes_on(&mut self, posting: PostingNo) -> Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let tags = self.store.forward_tags(posting)?;
        if tags.is_empty() {
            return Ok(());
        }
        let now = kept::newest_tag(&mut *self.store, &self.keyring.vault, posting)?;
        for (no, sealed) in tags {
            if Some(kept::open_forward_tag(&self.keyring.vault, &sealed)?) != now {
                self.store.blank_forward(no)?;
            }
        }
        Ok(())
    }

    /// Drops a slice of what is still to pass on to a target that is forgotten. Answers whether there was any. In between it
    /// is one for which less arrived, and its books balance, so that it may also come back.
    pub(crate) fn drop_line(&mut self, target: &Text) -> Result<bool> {
        let rows = self.store.forward_waiting(target, Seq::default(), self.slice())?;
        for WaitingRow { posting: row, .. } in &rows {
            self.store.has_passed(target, row.no)?;
            self.store.unpark(target, row.no)?;
            self.tally.not_forwarded(target, self.entry(row.source, &row.posting));
        }
        Ok(!rows.is_empty())
    }

    /// Whether a posting is still to pass on to a target, and so stays.
    pub(crate) fn is_to_pass_on(&mut self, posting: PostingNo) -> Result<bool> {
        Ok(!self.lines.is_empty() && self.store.is_to_pass_on(posting)?)
    }
}
