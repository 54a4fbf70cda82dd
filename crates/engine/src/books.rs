//! The books of the targets: what each has of a posting, in the transaction that moves its cursor.

use jiff::Timestamp;
use samspor_domain::store::{PostingNo, PostingRow, Result, Scope, Seq};
use samspor_domain::{
    Change, Handed, Parked, Posting, Pseudonym, Receipt, Receipted, SourceName, SourceNo, Sum, Text, Why,
};

use crate::core::Core;
use crate::tally::Entry;

/// A target has come further.
#[derive(Debug, Clone)]
pub(crate) struct Advance {
    pub(crate) target: Text,
    /// How often the target had been told to get records again when this delivery began.
    pub(crate) turn: u64,
    /// It has every record up to this one, but for what is parked.
    pub(crate) to: Seq,
    /// What the receiver confirmed.
    pub(crate) handed: Vec<Handing>,
    /// What it does not get for now.
    pub(crate) parked: Vec<Parking>,
    /// Whether it gives receipts.
    pub(crate) gives_receipts: bool,
}

/// A record that a receiver confirmed.
#[derive(Debug, Clone)]
pub(crate) struct Handing {
    pub(crate) posting: PostingNo,
    pub(crate) revision: i64,
    pub(crate) change: Change,
    pub(crate) entry: Entry,
    /// Whether a part of its tag was left out, for which there was no room.
    pub(crate) is_short: bool,
    /// The receipt that it answered with, of this very record.
    pub(crate) receipt: Option<Box<Receipt>>,
}

/// A record that is parked.
#[derive(Debug, Clone)]
pub(crate) struct Parking {
    pub(crate) posting: PostingNo,
    pub(crate) seq: Seq,
    pub(crate) why: Why,
    /// Whether it goes on being tried.
    pub(crate) is_released: bool,
}

impl Core {
    /// Notes how far a target has come.
    pub(crate) fn advance(&mut self, advance: &Advance, now: Timestamp) -> Result<()> {
        let target = &advance.target;
        if self.lines.contains_key(target) {
            return self.note_passed(advance, now);
        }
        // Every target is made known before it gets anything, so one that is not was forgotten. One that gets records again
        // has lost what a delivery tells of that began before.
        if !self.knows_target(target)? || advance.turn != self.turns.of(target) {
            return Ok(());
        }
        // Read once: most targets have nothing parked, and the others little.
        let has_parked = !self.store.parked(target, PostingNo::default(), 1)?.is_empty();
        for handing in &advance.handed {
            let is_news = self.note_handing(advance, handing, now)?;
            if is_news && has_parked && self.store.unpark(target, handing.posting)? {
                self.purge_anew_all()?;
            }
        }
        for Parking { posting, seq, why, is_released } in &advance.parked {
            // A newer record has come since, and is tried in its turn, or has gone already.
            if self.store.newest_record(*posting)?.is_none_or(|newest| newest.seq != *seq) {
                self.store.unpark(target, *posting)?;
                continue;
            }
            let (target, why, is_released) = (target.clone(), why.clone(), *is_released);
            let parked = Parked { target, posting: *posting, seq: *seq, why, since: now, is_released };
            self.store.park(&parked)?;
        }
        self.store.advance(target, advance.to)
    }

    /// Notes that a target has a record. Answers whether it had no newer one, and the posting is there.
    fn note_handing(&mut self, advance: &Advance, handing: &Handing, now: Timestamp) -> Result<bool> {
        let target = &advance.target;
        // What was handed over before its settings changed may be noted after that.
        let is_asked = advance.gives_receipts && !self.silent.holds(target);
        let receipt = if is_asked { Receipted::Awaited } else { Receipted::NotAsked };
        let &Handing { posting, revision, change, entry, .. } = handing;
        let first = Handed { revision, change, at: now, receipt };
        if self.store.set_first_handed(target, posting, &first)? {
            self.tally.handed(target, entry, None, Some((change, first.receipt.stage())));
        } else {
            // If there was none before, the posting was purged, and what the target had of it is off the books.
            let Some(before) = self.store.handed(target, posting)? else { return Ok(false) };
            // A receipt may be quicker than the confirm; and a record may be delivered again.
            let is_lost = self.was_lost(target, &before);
            let receipt = match &before {
                had if had.revision > revision => return Ok(false),
                had if !is_lost && had.revision == revision && had.receipt != Receipted::NotAsked => {
                    had.receipt.clone()
                }
                _ => first.receipt,
            };
            self.hand(target, posting, entry, Some(&before), &Handed { receipt, ..first })?;
        }
        if let Some(receipt) = &handing.receipt {
            // No source brought it, so it is an item of none, and not counted as one.
            self.receipt(target, receipt, now)?;
        }
        Ok(true)
    }

    pub(crate) fn knows_target(&mut self, target: &Text) -> Result<bool> {
        Ok(self.store.cursors()?.iter().any(|(name, _)| name == target))
    }

    /// Forgets a slice of what a target has, after a posting. Answers where to go on; none when the target itself is
    /// forgotten, and purging no longer waits for it. In between, it is one that has less than it had and begins at the
    /// beginning, and its books balance, so that it may also come back.
    pub(crate) fn forget_target(&mut self, target: &Text, after: PostingNo) -> Result<Option<PostingNo>> {
        self.transaction(|core| {
            let mut handed = core.store.handed_in(target, None, after, core.slice())?;
            // Whoever says where to go on may be wrong: while the books have anything, it begins at the beginning again.
            if handed.is_empty() && core.has_any(target)? {
                handed = core.store.handed_in(target, None, PostingNo::default(), core.slice())?;
            }
            for (no, handed) in &handed {
                let Some(row) = core.store.posting(*no)? else { continue };
                let (entry, had) =
                    (core.entry(row.source, &row.posting), (handed.change, handed.receipt.stage()));
                core.tally.handed(target, entry, Some(had), None);
            }
            let postings: Vec<PostingNo> = handed.into_iter().map(|(no, _)| no).collect();
            core.store.take_back(target, &postings)?;
            core.erased()?; // What its receipts said.
            if let Some(last) = postings.last() {
                return Ok(Some(*last));
            }
            if core.drop_line(target)? || !core.store.forget_target(target, core.slice())? {
                return Ok(Some(after));
            }
            core.lines.remove(target);
            core.forget_filter(target)?;
            core.forget_replay(target)?;
            core.purge_anew_all()?;
            Ok(None)
        })
    }

    /// Whether a target has anything, by its books.
    fn has_any(&mut self, target: &Text) -> Result<bool> {
        let shelves = self.store.shelves()?;
        Ok(shelves.iter().any(|shelf| shelf.target == *target && shelf.sum.postings > 0))
    }

    /// Releases what is parked of a target, all or that of one posting, so that it is tried again. Answers how much.
    pub(crate) fn release_parked(
        &mut self,
        target: &Text,
        posting: Option<&(SourceName, Text)>,
    ) -> Result<usize> {
        let no = match posting {
            None => None,
            Some((source, id)) => match self.keyring.no(source) {
                Some(source) => match self.store.find_posting(source, id)? {
                    Some(row) => Some(row.no),
                    None => return Ok(0),
                },
                None => return Ok(0),
            },
        };
        self.transaction(|core| core.release_postings(target, no))
    }

    fn release_postings(&mut self, target: &Text, posting: Option<PostingNo>) -> Result<usize> {
        // What a closed month holds goes when the configuration opens the month.
        let (mut after, mut released) = (PostingNo::default(), 0);
        if let Some(no) = posting {
            after = PostingNo(no.0 - 1);
        }
        let most = if posting.is_some() { 1 } else { self.slice() };
        loop {
            let mut page = self.store.parked_refused(target, after, most)?;
            page.retain(|parked| posting.is_none_or(|no| no == parked.posting));
            let Some(last) = page.last() else { return Ok(released) };
            after = last.posting;
            released += page.len();
            for parked in page {
                self.store.park(&Parked { is_released: true, ..parked })?;
            }
        }
    }

    pub(crate) fn hand(
        &mut self,
        target: &Text,
        posting: PostingNo,
        entry: Entry,
        before: Option<&Handed>,
        now: &Handed,
    ) -> Result<()> {
        let shelf = |handed: &Handed| (handed.change, handed.receipt.stage());
        self.tally.handed(target, entry, before.map(shelf), Some(shelf(now)));
        self.store.set_handed(target, posting, now)
    }

    /// A posting is purged, and what targets have of it with it.
    pub(crate) fn unhand(&mut self, row: &PostingRow) -> Result<()> {
        let entry = self.entry(row.source, &row.posting);
        for (target, handed) in self.store.handed_of(row.no)? {
            self.tally.handed(&target, entry, Some((handed.change, handed.receipt.stage())), None);
        }
        Ok(())
    }

    /// A posting as the books hold it.
    pub(crate) fn entry<R>(&self, source: SourceNo, posting: &Posting<R>) -> Entry {
        let id: Pseudonym = self.keyring.scope(Scope::Source(source)).text("posting", posting.id.as_str());
        Entry::new(source, posting.date, Sum::of(posting.amount, &id))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use samspor_domain::store::Reach;
    use samspor_domain::{Amount, Charts, Delivery, Text};
    use samspor_sqlite::Sqlite;
    use samspor_vault::{Master, Vault};

    use super::*;
    use crate::intake::{Intake, Permissions};
    use crate::reconcile::{Book, books};

    fn core(dir: &std::path::Path) -> Core {
        let store = Box::new(Sqlite::open(dir).expect("a store"));
        let vault = Arc::new(Vault::new(&Master::from_hex(&"5a".repeat(32)).expect("64 digits")));
        Core::open(store, vault, Charts::default(), 10).expect("a core")
    }

    fn take_in(core: &mut Core, body: &str) {
        let intake = Intake {
            source: text("opus"),
            decoder: Arc::new(samspor_formats::json::Decoder),
            may_send: Permissions::all(),
            max_body_bytes: 1_000,
        };
        let items = intake.prepare(&Delivery { body: body.to_owned().into(), ..Delivery::default() });
        core.take_in(&items, Timestamp::UNIX_EPOCH).expect("it is taken in");
    }

    fn text(text: &str) -> Text {
        Text::new(text).expect("a text")
    }

    /// A target has got so far, and has these.
    fn advance(target: &Text, to: Seq, handed: Vec<Handing>) -> Advance {
        Advance { target: target.clone(), turn: 0, to, handed, parked: Vec::new(), gives_receipts: false }
    }

    /// As when the gateway ends in the middle of it, and the target comes back.
    #[test]
    fn the_books_of_a_target_balance_while_it_is_forgotten_bit_by_bit() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut core = core(dir.path());
        take_in(
            &mut core,
            r#"{"type":"solution","id":"s","version":1,"name":"S","claims":[{"account":"5.28.21"}]}"#,
        );
        for i in 0..25 {
            let posting = format!(
                r#"{{"type":"posting","id":"P-{i}","date":"2026-01-05","account":"5.28.21.1","amount":"{i}.00"}}"#
            );
            take_in(&mut core, &posting);
        }
        let target = text("ledger");
        let mut advance = advance(&target, Seq(25), Vec::new());
        for row in core.store.postings(&Reach::All, PostingNo(0), 99).expect("postings") {
            let entry = core.entry(row.source, &row.posting);
            let (revision, change, receipt) = (1, Change::Tag, None);
            advance.handed.push(Handing {
                posting: row.no,
                revision,
                change,
                entry,
                is_short: false,
                receipt,
            });
        }
        core.know_targets(&[&target]).expect("it is known");
        let hand = |core: &mut Core| {
            let done = core.transaction(|core| core.advance(&advance, Timestamp::UNIX_EPOCH));
            done.expect("it is handed");
        };
        let vault = Arc::clone(&core.keyring.vault);
        let has = |core: &mut Core| {
            let books = books(&mut *core.store, &vault).expect("books").targets;
            assert!(books.iter().all(Book::is_balanced), "{books:?}");
            books.iter().map(|book| book.all().postings).sum::<i64>()
        };
        for times in 0..3 {
            hand(&mut core);
            assert_eq!(has(&mut core), 25);
            let mut after = PostingNo(0);
            for left in [15, 5, 0].into_iter().take(times) {
                after = core.forget_target(&target, after).expect("it is forgotten").expect("there is more");
                assert_eq!(has(&mut core), left);
            }
        }
        hand(&mut core);
        let mut after = Some(PostingNo(0));
        while let Some(next) = after {
            has(&mut core);
            after = core.forget_target(&target, next).expect("it is forgotten");
        }
        assert!(!core.knows_target(&target).expect("it answers"));
    }

    /// As when a target was told to give receipts no longer while records were under way.
    #[test]
    fn what_is_noted_late_of_a_target_that_gives_no_receipts_any_more_awaits_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut core = core(dir.path());
        take_in(
            &mut core,
            r#"{"type":"posting","id":"P-1","date":"2026-01-05","account":"5.28.21.1","amount":"1.00"}"#,
        );
        let target = text("ledger");
        let row = core.store.posting(PostingNo(1)).expect("it answers").expect("a posting");
        let entry = core.entry(row.source, &row.posting);
        let handing = Handing {
            posting: row.no,
            revision: 1,
            change: Change::Tag,
            entry,
            is_short: false,
            receipt: None,
        };
        let advance = Advance { gives_receipts: true, ..advance(&target, Seq(1), vec![handing]) };
        core.know_targets(&[&target]).expect("it is known");
        core.expect_receipts(vec![(target.clone(), false)]);
        core.transaction(|core| core.advance(&advance, Timestamp::UNIX_EPOCH)).expect("it advances");
        let handed = core.store.handed(&target, row.no).expect("it answers").expect("it has it");
        assert_eq!(handed.receipt, Receipted::NotAsked);
    }

    /// As when a target confirms again what it had before the posting was purged.
    #[test]
    fn a_confirm_of_a_posting_that_is_gone_moves_the_cursor_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut core = core(dir.path());
        let target = text("ledger");
        let date = jiff::civil::date(2026, 1, 5);
        let sum = Sum::of(Amount::from_ore(100).expect("an amount"), &Pseudonym([1; 16]));
        let handing = Handing {
            posting: PostingNo(7),
            revision: 1,
            change: Change::Tag,
            entry: Entry::new(SourceNo(1), date, sum),
            is_short: false,
            receipt: None,
        };
        let to = Seq(9);
        let advance = advance(&target, to, vec![handing]);
        core.transaction(|core| {
            core.store.advance(&target, Seq(0))?;
            core.advance(&advance, Timestamp::UNIX_EPOCH)
        })
        .expect("it advances");
        assert_eq!(core.store.cursor(&target).expect("a cursor"), to);
        assert_eq!(core.store.handed(&target, PostingNo(7)).expect("it answers"), None);
        assert_eq!(core.store.shelves().expect("shelves"), []);
    }
}
