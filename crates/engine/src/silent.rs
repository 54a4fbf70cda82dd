//! Targets that give no receipts. Of what such a target was handed while it was still to give some, nothing is awaited
//! any more: neither in its books, nor before a posting is purged.

use std::collections::BTreeMap;

use jiff::Timestamp;
use samspor_domain::store::Result;
use samspor_domain::{Handed, PostingNo, Receipted, Stage, Text};

use crate::core::Core;
use crate::deliver::Outlet;

/// The targets that the gateway delivers to and that give no receipts.
#[derive(Debug, Default)]
pub(crate) struct Silent {
    /// Each with the posting after which giving up goes on; none when nothing is awaited of it.
    targets: BTreeMap<Text, Option<PostingNo>>,
}

impl Silent {
    /// Whether a target gives no receipts.
    pub(crate) fn holds(&self, target: &Text) -> bool {
        self.targets.contains_key(target)
    }

    fn next(&self) -> Option<(Text, PostingNo)> {
        self.targets.iter().find_map(|(target, after)| Some((target.clone(), (*after)?)))
    }
}

/// Whether each of these targets gives receipts.
pub(crate) fn receipts_of(outlets: &[Outlet]) -> Vec<(Text, bool)> {
    let gives = |outlet: &Outlet| (outlet.name.clone(), outlet.policy.receipt_within.is_some());
    outlets.iter().map(gives).collect()
}

impl Core {
    /// From now on these targets give receipts, or give none. What is awaited of the latter is given up bit by bit.
    pub(crate) fn expect_receipts(&mut self, targets: Vec<(Text, bool)>) {
        for (target, gives) in targets {
            if gives {
                self.silent.targets.remove(&target);
            } else {
                self.silent.targets.insert(target, Some(PostingNo::default()));
            }
        }
    }

    /// Forgets what is known of the receipts of targets that are not delivered to any more: they may come back.
    pub(crate) fn expect_only(&mut self, targets: &[Text]) {
        self.silent.targets.retain(|target, _| targets.contains(target));
    }

    /// Whether receipts are still to be given up.
    pub(crate) fn gives_up(&self) -> bool {
        self.silent.next().is_some()
    }

    /// Gives up a slice of the receipts that will not come. Answers whether any are left.
    pub(crate) fn give_up_receipts(&mut self) -> Result<bool> {
        let Some((target, after)) = self.silent.next() else { return Ok(false) };
        let is_first = after == PostingNo::default();
        let awaited = if is_first { self.store.awaited(&target, Timestamp::MAX)? } else { 0 };
        if awaited > 0 {
            tracing::info!(%target, awaited, "it gives no receipts any more; those that were awaited are given up");
        }
        let is_done = is_first && awaited == 0;
        let next = if is_done { None } else { self.transaction(|core| core.give_up_slice(&target, after))? };
        self.silent.targets.insert(target, next);
        Ok(self.gives_up())
    }

    fn give_up_slice(&mut self, target: &Text, after: PostingNo) -> Result<Option<PostingNo>> {
        let awaiting = self.store.handed_in(target, Some(Stage::Awaiting), after, self.slice())?;
        let last = awaiting.last().map(|(no, _)| *no).filter(|_| awaiting.len() == self.slice());
        let is_any = !awaiting.is_empty();
        for (no, before) in awaiting {
            let Some(row) = self.store.posting(no)? else { continue };
            let (entry, now) = (
                self.entry(row.source, &row.posting),
                Handed { receipt: Receipted::NotAsked, ..before.clone() },
            );
            self.hand(target, no, entry, Some(&before), &now)?;
        }
        if is_any {
            self.purge_anew_all()?;
        }
        Ok(last)
    }
}
