//! Where tests play: an embedded store in a directory of its own, a core over it, and a look into its files.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::types::Value;
use samspor_conformance::{Content, Item};
use samspor_domain::store::{PostingRow, Reach};
use samspor_domain::{Charts, Decode, Delivery, FactNo, PostingNo, Tag, Text};
use samspor_engine::{Became, Core, Intake, Permissions, Prepared, WithdrawalLog, newest_tag};
use samspor_formats::json;
use samspor_sqlite::Sqlite;
use samspor_vault::{Master, Vault};
use tempfile::TempDir;

pub(crate) fn instant(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(crate) fn text(text: &str) -> Text {
    Text::new(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// An empty directory, in memory where there is such a place.
pub(crate) fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    dir.expect("a directory")
}

/// A store, and the core over it unless it is closed.
pub(crate) struct Stage {
    pub(crate) dir: TempDir,
    pub(crate) vault: Arc<Vault>,
    core: Option<Core>,
}

impl Stage {
    /// An empty store, in memory where there is such a place, since every transaction is made durable.
    pub(crate) fn new() -> Self {
        Self::of(directory())
    }

    /// What store a directory holds, or an empty one.
    pub(crate) fn of(dir: TempDir) -> Self {
        let master = Master::from_hex(&"5a".repeat(32)).expect("64 digits");
        let mut stage = Self { dir, vault: Arc::new(Vault::new(&master)), core: None };
        stage.open(Charts::default(), 1_000, None);
        stage
    }

    /// One that purges after so many days.
    pub(crate) fn purging(days: u32) -> Self {
        let mut stage = Self::new();
        stage.open(Charts::default(), 1_000, Some(days));
        stage
    }

    /// Opens the store again.
    pub(crate) fn open(&mut self, charts: Charts, slice: usize, days: Option<u32>) {
        self.core = None; // The store lets one in at a time.
        let store = Box::new(Sqlite::open(self.dir.path()).expect("a store"));
        let core = Core::open(store, Arc::clone(&self.vault), charts, slice).expect("a core");
        self.core = Some(match days {
            Some(days) => core.purging_after(days),
            None => core,
        });
    }

    pub(crate) fn core(&mut self) -> &mut Core {
        self.core.as_mut().expect("the store is open")
    }

    /// Gives the core away.
    pub(crate) fn close(&mut self) -> Core {
        self.core.take().expect("the store is open")
    }

    /// Takes in a message in canonical JSON, and finishes the work that it makes.
    pub(crate) fn send(&mut self, now: &str, source: &str, body: &str) -> Became {
        let items = prepare(source, body);
        let mut became = self.core().take_in(&items, instant(now)).expect("it is taken in");
        self.finish(instant(now));
        assert_eq!(became.len(), 1);
        became.remove(0)
    }

    pub(crate) fn finish(&mut self, now: Timestamp) {
        while self.core().work(now).expect("work goes on") {}
    }

    /// Holds what would change more than so many postings.
    pub(crate) fn brake(&mut self, postings: usize) {
        self.core = Some(self.close().braking_above(postings));
    }

    /// Writes withdrawals down there.
    pub(crate) fn writing_down(&mut self, log: Box<dyn WithdrawalLog>) {
        self.core = Some(self.close().writing_down_withdrawals(log));
    }

    /// Lets a held change happen. Answers whether it was held.
    pub(crate) fn release(&mut self, fact: FactNo, version: i64) -> bool {
        self.core().release_change(fact, version).expect("it answers")
    }

    /// Takes in a message of a corpus.
    pub(crate) fn take(&mut self, i: usize, item: &Item) {
        let Content::Message(message) = &item.content else { return };
        let item = Prepared::from_caller(
            item.source.clone(),
            (**message).clone(),
            i.to_string().into_bytes().into(),
        );
        self.core().take_in(&[item], instant("2026-03-10T08:00:00Z")).expect("it is taken in");
    }

    /// Purges all that is due, and scrubs the files. Answers in how many transactions.
    pub(crate) fn purge(&mut self, now: Timestamp) -> usize {
        let mut transactions = 1;
        while self.core().purge(now).expect("purging goes on") {
            transactions += 1;
            assert!(transactions < 100_000, "purging comes to an end");
        }
        while !self.core().scrub(jiff::Timestamp::UNIX_EPOCH).expect("the files are scrubbed") {}
        transactions
    }

    /// The journal, each posting with its tag.
    pub(crate) fn journal(&mut self) -> Vec<(PostingRow, Option<Tag>)> {
        let vault = Arc::clone(&self.vault);
        let store = self.core().store();
        let rows = store.postings(&Reach::All, PostingNo(0), usize::MAX).expect("postings");
        let tagged = |row: PostingRow| {
            let tag = newest_tag(&mut *store, &vault, row.no).expect("a record");
            (row, tag)
        };
        rows.into_iter().map(tagged).collect()
    }

    /// The ids of the postings in the journal.
    pub(crate) fn ids(&mut self) -> BTreeSet<String> {
        self.journal().into_iter().map(|(row, _)| row.posting.id.to_string()).collect()
    }

    /// Says that a target has everything up to a record.
    pub(crate) fn advance(&mut self, target: &str, to: i64) {
        let store = self.core().store();
        store.begin().expect("begins");
        store.advance(&text(target), samspor_domain::Seq(to)).expect("advances");
        store.commit().expect("commits");
    }

    /// Asks the store's file.
    pub(crate) fn sql(&self, question: &str) -> Vec<Vec<Value>> {
        let file = Connection::open(self.dir.path().join("samspor.sqlite")).expect("the store's file");
        let mut statement = file.prepare(question).unwrap_or_else(|error| panic!("{question}: {error}"));
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|at| row.get::<_, Value>(at)).collect());
        rows.and_then(Iterator::collect).unwrap_or_else(|error| panic!("{question}: {error}"))
    }

    /// Fails if any file of the store holds one of these.
    pub(crate) fn holds_none_of(&self, needles: &[Vec<u8>]) {
        if needles.is_empty() {
            return;
        }
        let search = AhoCorasick::new(needles).expect("needles");
        for file in std::fs::read_dir(self.dir.path()).expect("a directory") {
            let path = file.expect("a file").path();
            let bytes = std::fs::read(&path).expect("its bytes");
            if let Some(found) = search.find(&bytes) {
                let needle = &needles[found.pattern().as_usize()];
                panic!("{} holds {needle:?} at {}", path.display(), found.start());
            }
        }
    }
}

/// A message in canonical JSON as it comes from a source that may send anything.
pub(crate) fn prepare(source: &str, body: &str) -> Vec<Prepared> {
    let decoder: Arc<dyn Decode> = Arc::new(json::Decoder);
    let intake =
        Intake { source: text(source), decoder, may_send: Permissions::all(), max_body_bytes: 10_000 };
    intake.prepare(&Delivery { body: body.to_owned().into(), ..Delivery::default() })
}
