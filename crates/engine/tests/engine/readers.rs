//! Whoever reads the feed itself has in the end what is tagged of what its filter lets through, however it reads; and is
//! told where it cannot read on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use samspor_conformance::{Chance, Content, Corpus, Item, Size};
use samspor_domain::store::Read;
use samspor_domain::{Change, Charts, Fact, FilterKey, Kind, Message, Record, Side, State, TagFilter, Text};
use samspor_engine::{
    Audience, CursorError, Gateway, Handle, NotRead, Page, Prepared, Reader, Subscription, begin_epoch,
    expected,
};
use sha2::{Digest, Sha256};

use crate::filters::{Stands, filter, keys};
use crate::stage::{Stage, instant, prepare, text};

const THEN: &str = "2026-03-10T08:00:00Z";
const LIMIT: Duration = Duration::from_secs(120);

fn reader(name: &str, audience: Audience, filter: TagFilter) -> Reader {
    Reader { name: text(name), audience, filter }
}

fn start(stage: &mut Stage) -> Gateway {
    Gateway::start(stage.close(), Arc::new(Stands), vec![], vec![]).expect("it starts")
}

async fn take_in(handle: &Handle, bodies: &[&str]) {
    for body in bodies {
        handle.take_in(prepare("opus", body)).await.expect("it is taken in");
    }
    until_decided(handle).await;
}

async fn until_decided(handle: &Handle) {
    let deadline = Instant::now() + LIMIT;
    while handle.read(|read, _| read.pending_work()).await.expect("it answers") > 0 {
        assert!(Instant::now() < deadline, "waited too long until everything is decided");
        tokio::task::yield_now().await;
    }
}

/// Why it was refused.
fn why<T>(refused: Result<T, NotRead>) -> CursorError {
    match refused {
        Err(NotRead::Cursor(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it is refused"),
    }
}

/// What a reader keeps of a posting: the revision, the tag's solution, area and phase, and the amount in øre.
type Kept = BTreeMap<String, (i64, Option<[String; 3]>, i64)>;

/// What a reader keeps in one transaction.
#[derive(Debug, Clone, Default)]
struct Saved {
    cursor: String,
    chain: [u8; 32],
    kept: Kept,
}

impl Saved {
    /// Keeps a page, as a reader does: the highest revision of each posting.
    fn keep(&mut self, page: &Page, subscription: &Subscription) {
        let mut ore = 0;
        for taken in &page.records {
            self.chain =
                Sha256::new().chain_update(self.chain).chain_update(&taken.message_id).finalize().into();
            let (posting, _) = taken.message_id.rsplit_once(':').expect("an id");
            let (revision, change, amount, tag) = match &taken.record {
                Record::Ledger(record) => (record.revision, record.change, record.amount, &record.tag),
                Record::Lis(record) => (record.revision, record.change, record.amount, &record.tag),
            };
            assert_eq!(change == Change::Tag, tag.is_some());
            ore += i128::from(amount.ore());
            let words = tag
                .as_ref()
                .map(|tag| [tag.solution.to_string(), tag.area.to_string(), tag.phase.word().into()]);
            let before = self.kept.entry(posting.to_owned()).or_default();
            if before.0 <= revision {
                *before = (revision, words, amount.ore());
            }
        }
        assert_eq!(
            (ore, self.chain),
            (page.ore, subscription.chain()),
            "sum and hash are as anybody computes them"
        );
        self.cursor = subscription.cursor();
    }

    /// How many postings have a tag, and their sum.
    fn tagged(&self) -> (i64, i128) {
        let tagged = self.kept.values().filter(|(_, tag, _)| tag.is_some());
        tagged.fold((0, 0), |(count, sum), (.., ore)| (count + 1, sum + i128::from(*ore)))
    }
}

/// A reader that is cut off now and then, and sometimes before it has kept what it got.
struct Moody {
    reader: Reader,
    saved: Saved,
    open: Option<Subscription>,
    began_anew: usize,
    resumed: usize,
}

impl Moody {
    fn new(reader: Reader) -> Self {
        Self { reader, saved: Saved::default(), open: None, began_anew: 0, resumed: 0 }
    }

    /// Reads a page of at most so many. Answers whether there is more.
    async fn read(&mut self, handle: &Handle, most: usize, keeps: bool) -> bool {
        let read = self.try_to(handle, most, keeps).await;
        if let Err(error) = read {
            assert_eq!(why::<()>(Err(error)), CursorError::TooOld);
            self.began_anew += 1;
            assert!(self.began_anew < 100, "whoever begins anew gets on");
            (self.saved, self.open) = (Saved::default(), None);
            return true;
        }
        self.open.as_ref().is_none_or(|open| !open.is_at_end())
    }

    async fn try_to(&mut self, handle: &Handle, most: usize, keeps: bool) -> Result<(), NotRead> {
        let mut subscription = match self.open.take() {
            Some(open) => open,
            None => {
                self.resumed += usize::from(!self.saved.cursor.is_empty());
                Subscription::begin(handle, self.reader.clone(), &self.saved.cursor).await?
            }
        };
        let page = subscription.next(most).await?;
        assert!(page.records.len() <= most, "it gets what it asks for, and no more");
        if keeps {
            self.saved.keep(&page, &subscription);
            self.open = Some(subscription);
        }
        Ok(())
    }

    /// What it has is what is tagged and matches, and nothing else.
    fn holds(&self, stage: &mut Stage) -> usize {
        let sources: BTreeMap<_, _> = stage.core().store().sources().expect("sources").into_iter().collect();
        let pseudonyms = stage.vault.target(&self.reader.name);
        let mut has = self.saved.kept.clone();
        let mut count = 0;
        for (row, tag) in stage.journal() {
            let (source, id) = (&sources[&row.source], &row.posting.id);
            let called = match self.reader.audience {
                Audience::Ledger => format!("{source}:{id}"),
                Audience::Lis => {
                    let pseudonym = pseudonyms.text("posting", &format!("{source}\0{id}"));
                    format!("{source}:{:032x}", u128::from_be_bytes(pseudonym.0))
                }
            };
            let right = tag.filter(|tag| self.reader.filter.holds(&FilterKey::from(tag)));
            let right =
                right.map(|tag| [tag.solution.to_string(), tag.area.to_string(), tag.phase.word().into()]);
            count += usize::from(right.is_some());
            let had = has.remove(&called).and_then(|(_, tag, _)| tag);
            assert_eq!(had, right, "{} has of {called}", self.reader.name);
        }
        has.retain(|_, (_, tag, _)| tag.is_some());
        assert!(has.is_empty(), "{} has what is not in the journal: {has:?}", self.reader.name);
        count
    }
}

/// Whether it is a fact that says something.
fn gives(item: &Item) -> bool {
    let Content::Message(message) = &item.content else { return false };
    matches!(&**message, Message::Fact(fact) if matches!(fact.state, State::Live(_)))
}

/// The end of most consents.
fn withdrawals(corpus: &Corpus, chance: &mut Chance) -> Vec<Item> {
    let mut ended: BTreeMap<Text, Item> = BTreeMap::new();
    for Item { source, content } in &corpus.items {
        let Content::Message(message) = content else { continue };
        let Message::Fact(fact) = &**message else { continue };
        if fact.kind == Kind::Consent {
            let (id, source) = (fact.id.clone(), source.clone());
            let fact = Fact { version: i64::MAX, state: State::Withdrawn, ..fact.clone() };
            ended.insert(id, Item { source, content: Content::of_fact(fact) });
        }
    }
    ended.into_values().filter(|_| chance.percent(70)).collect()
}

/// Facts and postings in any order and more than once, readers that are cut off anywhere, a gateway that starts again, and
/// in every second run purging as soon as nothing reaches a posting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_it_is_cut_off_and_whatever_is_purged_a_reader_has_what_is_tagged() {
    let (mut tagged, mut in_parts, mut anew, mut resumed) = (0, 0, 0, 0);
    for seed in 1..=12 {
        println!("seed {seed}");
        let days = (seed % 2 == 0).then_some(0);
        let mut corpus = Corpus::random(seed, Size::of(60));
        let mut chance = Chance::new(seed, 11);
        let mut known = Stage::new();
        known.open(corpus.charts[0].clone(), 1_000, None);
        corpus.items.iter().enumerate().for_each(|(i, item)| known.take(i, item));
        known.finish(instant(THEN));
        let keys = keys(&mut known);
        if keys.is_empty() {
            continue;
        }
        let mut readers: Vec<Moody> = (0..5)
            .map(|no| {
                let audience = if no % 2 == 0 { Audience::Ledger } else { Audience::Lis };
                let filter = if no == 0 { TagFilter::default() } else { filter(&keys, &mut chance) };
                Moody::new(reader(&format!("reader-{no}"), audience, filter))
            })
            .collect();
        if days.is_some() {
            let lost = withdrawals(&corpus, &mut chance);
            corpus.items.extend(lost);
        }
        let mut stage = Stage::new();
        // Purging takes a slice at a time too.
        let slice = if days.is_some() { 1_000 } else { 7 };
        let open = |stage: &mut Stage| stage.open(corpus.charts[0].clone(), slice, days);
        open(&mut stage);
        let mut gateway = start(&mut stage);
        let mut order: Vec<usize> = (0..corpus.items.len()).collect();
        chance.shuffle(&mut order);
        if days.is_some() {
            // What nobody consents to is purged as it comes: so first what lets postings have tags, to be lost later.
            order.sort_by_key(|&i| !gives(&corpus.items[i]));
        }
        for _ in 0..order.len() / 5 {
            let again = chance.of(&order);
            order.insert(chance.count(0, order.len()), again);
        }
        let mut rest = &order[..];
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(chance.count(1, 12).min(rest.len()));
            rest = later;
            let prepared = batch.iter().filter_map(|&i| {
                let item = &corpus.items[i];
                let Content::Message(message) = &item.content else { return None };
                let bytes = i.to_string().into_bytes().into();
                Some(Prepared::from_caller(item.source.clone(), (**message).clone(), bytes))
            });
            let handle = gateway.handle();
            handle.take_in(prepared.collect()).await.expect("it is taken in");
            // When this is answered, all is purged that may be since then.
            handle.take_in(Vec::new()).await.expect("it is taken in");
            for reader in &mut readers {
                for _ in 0..chance.count(0, 3) {
                    let (most, keeps) = (chance.count(1, 6), chance.percent(85));
                    reader.read(&handle, most, keeps).await;
                    if chance.percent(20) {
                        reader.open = None;
                    }
                }
            }
            if chance.percent(8) {
                readers.iter_mut().for_each(|reader| reader.open = None);
                drop(handle);
                gateway.stop(LIMIT).await.expect("it stops");
                open(&mut stage);
                gateway = start(&mut stage);
            }
        }
        let handle = gateway.handle();
        until_decided(&handle).await;
        for reader in &mut readers {
            while reader.read(&handle, chance.count(1, 9), true).await {}
            let told = expected(&handle, reader.reader.filter.clone()).await.expect("it answers");
            let sum: samspor_domain::Sum = told.sums.iter().map(|(.., sum)| *sum).sum();
            assert_eq!(
                (sum.postings, sum.ore()),
                reader.saved.tagged(),
                "{} and the books",
                reader.reader.name
            );
            assert_eq!(reader.open.as_ref().map(Subscription::position), Some(told.position));
            reader.open = None;
        }
        drop(handle);
        gateway.stop(LIMIT).await.expect("it stops");
        open(&mut stage);
        for reader in &readers {
            let has = reader.holds(&mut stage);
            if reader.reader.filter.is_everything() {
                tagged += has
            } else {
                in_parts += has
            }
            (anew, resumed) = (anew + reader.began_anew, resumed + reader.resumed);
        }
    }
    println!("{tagged} tagged, {in_parts} in parts, {anew} times begun anew, {resumed} times resumed");
    assert!(tagged > 50 && in_parts > 20 && anew > 0 && resumed > 100);
}

const SOLUTION: &str = r#"{"type":"solution","id":"s","version":1,"name":"S"}"#;
const ENROLMENT: &str = r#"{"type":"enrolment","id":"E-1","version":1,"solution":"s","family":"F-1",
    "citizen":{"cpr":"6112801234"},"from":"2026-01-01"}"#;
const CONSENT: &str = r#"{"type":"consent","id":"C-1","version":1,"citizen":{"cpr":"6112801234"},"sources":["opus"],
    "covers_from":"2025-01-01"}"#;
const WITHDRAWN: &str = r#"{"type":"consent","id":"C-1","version":2,"withdrawn":true}"#;

fn posting(id: usize) -> String {
    format!(
        r#"{{"type":"posting","id":"P-{id}","date":"2026-03-05","account":"5.28.21.1","amount":"{id}.50",
            "citizen":{{"cpr":"6112801234"}}}}"#
    )
}

/// A store with so many tagged postings of one citizen.
fn tagged(postings: usize, days: Option<u32>) -> Stage {
    let mut stage = Stage::new();
    stage.open(Charts::default(), 1_000, days);
    for body in [SOLUTION, ENROLMENT, CONSENT] {
        stage.send(THEN, "opus", body);
    }
    (1..=postings).for_each(|id| drop(stage.send(THEN, "opus", &posting(id))));
    stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_that_is_withdrawn_leaves_readers_an_untag_and_nothing_of_the_tag() {
    for audience in [Audience::Ledger, Audience::Lis] {
        let mut stage = tagged(2, None);
        let gateway = start(&mut stage);
        let handle = gateway.handle();
        let whole = reader("bi", audience, TagFilter::default());
        let mut subscription = Subscription::begin(&handle, whole.clone(), "").await.expect("it begins");
        let page = subscription.next(9).await.expect("it reads");
        assert_eq!((page.records.len(), page.ore, page.is_end), (2, 400, true));
        take_in(&handle, &[WITHDRAWN]).await;
        subscription.more().await.expect("there is more");
        let page = subscription.next(9).await.expect("it reads");
        assert_eq!(page.records.len(), 2);
        // Somebody who comes later is told no more than that.
        let mut late = Subscription::begin(&handle, whole, "").await.expect("it begins");
        assert_eq!(late.next(9).await.expect("it reads").records, page.records);
        for taken in &page.records {
            assert!(taken.message_id.ends_with(":2"));
            match &taken.record {
                Record::Ledger(record) => assert_eq!((record.change, &record.tag), (Change::Untag, &None)),
                Record::Lis(record) => {
                    assert_eq!(
                        (record.change, &record.tag, record.family, record.citizen),
                        (Change::Untag, &None, None, None)
                    );
                }
            }
        }
        drop((handle, subscription, late));
        gateway.stop(LIMIT).await.expect("it stops");
    }
}

/// Every way in which a cursor can be no good has its own word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_that_cannot_be_read_on_from_is_refused_and_says_why() {
    let mut stage = tagged(3, None);
    let sided = TagFilter { sides: Some([Side::Outside].into()), ..TagFilter::default() };
    let mine = || reader("bi", Audience::Lis, sided.clone());
    let gateway = start(&mut stage);
    let handle = gateway.handle();
    let mut subscription = Subscription::begin(&handle, mine(), "").await.expect("it begins");
    assert_eq!(subscription.next(2).await.expect("it reads").records.len(), 2);
    let cursor = subscription.cursor();
    let mut again = Subscription::begin(&handle, mine(), &cursor).await.expect("it is good");
    assert_eq!(again.next(9).await.expect("it reads").records.len(), 1);
    let refused =
        async |reader: Reader, cursor: &str| why(Subscription::begin(&handle, reader, cursor).await);
    assert_eq!(refused(mine(), &cursor[1..]).await, CursorError::Malformed);
    assert_eq!(refused(mine(), "anything").await, CursorError::Malformed);
    let other = reader("another", Audience::Lis, sided.clone());
    assert_eq!(refused(other, &cursor).await, CursorError::OfAnotherReader);
    let other = reader("bi", Audience::Ledger, sided.clone());
    assert_eq!(refused(other, &cursor).await, CursorError::OfAnotherFilter);
    let other = reader("bi", Audience::Lis, TagFilter::default());
    assert_eq!(refused(other, &cursor).await, CursorError::OfAnotherFilter);
    drop((subscription, again, handle));
    gateway.stop(LIMIT).await.expect("it stops");

    // The store's file is put back to where it was before the reader read it.
    let file = rusqlite::Connection::open(stage.dir.path().join("samspor.sqlite")).expect("the store's file");
    file.execute_batch(
        "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'feed'; DELETE FROM feed WHERE seq > 1",
    )
    .expect("it is put back");
    drop(file);
    let refused = async |stage: &mut Stage, reader: Reader| {
        stage.open(Charts::default(), 1_000, None);
        let gateway = start(stage);
        let refused = why(Subscription::begin(&gateway.handle(), reader.clone(), &cursor).await);
        let begun = Subscription::begin(&gateway.handle(), reader, "").await.map(drop);
        begun.expect("whoever begins anew is told nothing of cursors");
        gateway.stop(LIMIT).await.expect("it stops");
        refused
    };
    assert_eq!(refused(&mut stage, mine()).await, CursorError::Ahead);
    stage.open(Charts::default(), 1_000, None);
    let store = stage.core().store();
    store.begin().expect("begins");
    begin_epoch(store).expect("a new epoch");
    store.commit().expect("commits");
    assert_eq!(refused(&mut stage, mine()).await, CursorError::OfAnotherEpoch);
}

/// Postings are purged with the records that took their tags off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_misses_what_was_purged_is_told_and_others_are_not() {
    let mut stage = tagged(3, Some(0));
    let gateway = start(&mut stage);
    let handle = gateway.handle();
    let whole = || reader("ledger", Audience::Ledger, TagFilter::default());
    let mut behind = Subscription::begin(&handle, whole(), "").await.expect("it begins");
    behind.next(2).await.expect("it reads");
    let mut not_begun = Subscription::begin(&handle, whole(), "").await.expect("it begins");
    take_in(&handle, &[WITHDRAWN, &posting(9)]).await;
    let deadline = Instant::now() + LIMIT;
    let left = |read: &mut dyn Read| read.postings(&samspor_domain::store::Reach::All, Default::default(), 9);
    while !handle.read(move |read, _| left(read)).await.expect("it answers").is_empty() {
        assert!(Instant::now() < deadline, "waited too long until the postings are purged");
        tokio::task::yield_now().await;
    }
    let cursor = behind.cursor();
    assert_eq!(why(behind.next(2).await), CursorError::TooOld, "in the middle of reading");
    assert_eq!(behind.cursor(), cursor, "it stays where it is");
    assert_eq!(why(Subscription::begin(&handle, whole(), &cursor).await), CursorError::TooOld);
    // It has read nothing, but what it reads next may be older than what was purged: so it begins again.
    assert_eq!(why(not_begun.next(2).await), CursorError::TooOld);
    let mut late = Subscription::begin(&handle, whole(), "").await.expect("it begins");
    let page = late.next(9).await.expect("it reads");
    assert_eq!((page.records.len(), page.is_end), (0, true));
    let cursor = late.cursor();
    drop((behind, not_begun, late, handle));
    gateway.stop(LIMIT).await.expect("it stops");
    stage.open(Charts::default(), 1_000, Some(0));
    let gateway = start(&mut stage);
    Subscription::begin(&gateway.handle(), whole(), &cursor).await.map(drop).expect("it had all of it");
    gateway.stop(LIMIT).await.expect("it stops");
}

/// What was erased is overwritten though a reader has read half of the feed, and holds on to its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_between_two_pages_holds_up_nothing() {
    let mut stage = tagged(9, None);
    let gateway = start(&mut stage);
    let handle = gateway.handle();
    let mut slow = Vec::new();
    for no in 0..50 {
        let whole = reader(&format!("reader-{no}"), Audience::Ledger, TagFilter::default());
        let mut subscription = Subscription::begin(&handle, whole, "").await.expect("it begins");
        assert_eq!(subscription.next(4).await.expect("it reads").records.len(), 4);
        slow.push(subscription);
    }
    take_in(&handle, &[WITHDRAWN]).await;
    let owed = "SELECT length(value) FROM meta WHERE key = 'scrub-owed'";
    let overwritten = async {
        while stage.sql(owed) != [[0.into()]] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, overwritten).await.expect("it is overwritten");
    for mut subscription in slow {
        assert_eq!(subscription.next(99).await.expect("it reads on").records.len(), 9, "an untag of each");
    }
    drop(handle);
    gateway.stop(LIMIT).await.expect("it stops");
}
