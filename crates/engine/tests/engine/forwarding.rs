//! What passes on: every posting of a source once, in order of arrival, as it came and with the tag that it had on arrival,
//! whatever goes wrong; without a tag once the consent that it rests on is withdrawn; and the books say so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use samspor_conformance::{Call, Chance, Content, Corpus, Faults, Faulty, Size};
use samspor_domain::store::{PostingNo, Reach, Read, Seq, Store, StoreError};
use samspor_domain::{
    Carried, Carry, Charts, Confirms, Delivery, Kind, LinkError, Message, Outgoing, Publisher, Sent, Tag,
    Target,
};
use samspor_engine::{Core, Gateway, Handle, LineBook, Outlet, Policy, Prepared, Scribe, books, newest_tag};
use samspor_sqlite::Sqlite;

use crate::fakes::LIMIT;
use crate::stage::{Stage, instant, prepare, text};

pub(crate) const THEN: &str = "2026-03-10T08:00:00Z";
pub(crate) const LINE: &str = "line";

pub(crate) struct Stands;

impl samspor_domain::Clock for Stands {
    fn now(&self) -> jiff::Timestamp {
        instant(THEN)
    }
}

/// Shows body and tag beside each other. The tags of a solution that begins with `x` have no room.
pub(crate) struct Shows;

impl Carry for Shows {
    fn content_type(&self) -> &'static str {
        "text/plain"
    }

    fn carry(&self, posting: &Delivery, tag: Option<&Tag>) -> Carried {
        let body = serde_json::to_vec(&(String::from_utf8_lossy(&posting.body), tag)).expect("JSON");
        Carried {
            body: body.into(),
            left_out: u32::from(tag.is_some_and(|tag| tag.solution.as_str().starts_with('x'))),
        }
    }
}

/// Message id, body and tag.
pub(crate) type Passed = (String, String, Option<Tag>);

/// A receiver that loses connections and answers as its chance says, and refuses what it is told to.
#[derive(Clone)]
pub(crate) struct Far(Arc<Mutex<Mood>>);

pub(crate) struct Mood {
    chance: Chance,
    /// How often of a hundred times something goes wrong.
    percent: u32,
    pub(crate) refuses: BTreeSet<String>,
    /// How often it was handed each message that it refused.
    pub(crate) refused: BTreeMap<String, usize>,
    pub(crate) taken: Vec<Passed>,
}

impl Far {
    pub(crate) fn new(seed: u64, percent: u32) -> Self {
        let (chance, refuses, taken) = (Chance::new(seed, 7), BTreeSet::new(), Vec::new());
        Self(Arc::new(Mutex::new(Mood { chance, percent, refuses, refused: BTreeMap::new(), taken })))
    }

    pub(crate) fn mood<T>(&self, with: impl FnOnce(&mut Mood) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What it has, each message as it came first, in that order.
    pub(crate) fn firsts(&self) -> Vec<Passed> {
        let mut seen = BTreeSet::new();
        let taken = self.mood(|mood| mood.taken.clone()).into_iter();
        taken.filter(|(id, ..)| seen.insert(id.clone())).collect()
    }

    pub(crate) fn outlet(&self, stage: &Stage, source: &str, tries: u32) -> Outlet {
        let waits = (Duration::from_millis(1), Duration::from_millis(4));
        Outlet {
            name: text(LINE),
            target: Arc::new(self.clone()),
            scribe: Scribe::forwarding(Arc::clone(&stage.vault), &text(LINE), text(source), Arc::new(Shows)),
            window: 8,
            policy: Policy { tries, waits, ..Policy::default() },
            answers: None,
        }
    }
}

fn lost() -> LinkError {
    LinkError { doing: "as the test wants it".into(), source: None }
}

#[async_trait::async_trait]
impl Target for Far {
    async fn connect(&self) -> Result<Box<dyn Publisher>, LinkError> {
        if self.mood(|mood| mood.chance.percent(mood.percent)) {
            Err(lost())
        } else {
            Ok(Box::new(Connection { far: self.clone(), is_cut: false }))
        }
    }
}

struct Connection {
    far: Far,
    is_cut: bool,
}

#[async_trait::async_trait]
impl Publisher for Connection {
    async fn publish(&mut self, messages: Vec<Outgoing>) -> Result<Confirms, LinkError> {
        if self.is_cut {
            return Err(lost()); // Nothing gets through a connection past what it lost.
        }
        let is_cut = &mut self.is_cut;
        self.far.mood(|mood| {
            let percent = mood.percent;
            let goes_wrong = mood.chance.percent(percent);
            *is_cut = goes_wrong;
            // Some, all or none of them are there all the same.
            let takes = if goes_wrong { mood.chance.count(0, messages.len()) } else { messages.len() };
            let mut sent = Vec::new();
            for message in messages.into_iter().take(takes) {
                let (body, tag) = serde_json::from_slice(&message.body).expect("as it was carried");
                if mood.refuses.contains(&message.message_id) {
                    *mood.refused.entry(message.message_id).or_default() += 1;
                    sent.push(Sent::Refused("it does not know the account".into()));
                } else {
                    mood.taken.push((message.message_id, body, tag));
                    sent.push(Sent::Delivered);
                }
            }
            match goes_wrong {
                true if mood.chance.percent(50) => Err(lost()),
                true => Ok(Box::pin(async { Err(lost()) }) as Confirms),
                false => Ok(Box::pin(async move { Ok(sent) }) as Confirms),
            }
        })
    }
}

/// A store whose commits fail, or whose answers are lost.
struct Commits(Mutex<Chance>, u32);

impl Commits {
    fn fails(&self, call: Call<'_>) -> Result<(), StoreError> {
        let mut chance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fails = call.name == "commit" && chance.percent(self.1);
        if fails { Err(StoreError::Failed("as the test wants it".into())) } else { Ok(()) }
    }
}

impl Faults for Commits {
    fn before(&self, call: Call<'_>) -> Result<(), StoreError> {
        self.fails(call)
    }

    fn after(&self, call: Call<'_>) -> Result<(), StoreError> {
        self.fails(call)
    }
}

pub(crate) async fn until(
    handle: &Handle,
    what: &str,
    holds: impl Fn(&mut dyn Read) -> samspor_domain::store::Result<bool> + Copy + Send + 'static,
) {
    let deadline = Instant::now() + LIMIT;
    while !handle.read(move |read, _| holds(read)).await.expect("it answers") {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn until_passed(handle: &Handle) {
    until(handle, "everything has passed on", |read| {
        Ok(read.pending_work()? == 0 && read.count_forward_after(&text(LINE), Seq(0))? == 0)
    })
    .await;
}

/// The books of what passes on, all of which balance.
pub(crate) async fn lines(handle: &Handle) -> Vec<LineBook> {
    let lines = handle.read(|read, vault| Ok(books(read, vault)?.lines)).await.expect("books");
    assert!(lines.iter().all(LineBook::is_balanced), "{lines:?}");
    lines
}

fn source_of(item: &samspor_conformance::Item) -> Option<&str> {
    match &item.content {
        Content::Message(message) if matches!(**message, Message::Posting(_)) => Some(item.source.as_str()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_posting_passes_on_once_in_order_with_the_tag_that_it_has_on_arrival() {
    let (mut tagged, mut others, mut blanked, mut again) = (0, 0, 0, 0);
    for seed in 0..12 {
        println!("seed {seed}");
        let mut chance = Chance::new(seed, 1);
        let corpus = Corpus::random(seed, Size::of(60));
        let mut by_source: BTreeMap<&str, usize> = BTreeMap::new();
        corpus
            .items
            .iter()
            .filter_map(source_of)
            .for_each(|source| *by_source.entry(source).or_default() += 1);
        let source = by_source.iter().max_by_key(|(_, postings)| **postings).expect("postings").0.to_string();
        let mut stage = Stage::new();
        let far = Far::new(seed, 15);
        let mut order: Vec<usize> = (0..corpus.items.len()).collect();
        chance.shuffle(&mut order);
        if seed % 3 > 0 {
            // Facts first, so that there is something to be tagged by.
            order.sort_by_key(|&i| source_of(&corpus.items[i]).is_some());
        }
        for _ in 0..order.len() / 5 {
            let twice = chance.of(&order);
            order.insert(chance.count(0, order.len()), twice);
        }
        // By posting, what it had on arrival, if that is known, and how much there had been by then that may take a tag off.
        let mut arrived: BTreeMap<String, (String, Option<Option<Tag>>, usize)> = BTreeMap::new();
        let mut withdrawn = 0;
        for round in order.chunks(order.len().div_ceil(3)) {
            drop(stage.close());
            let commits = Commits(Mutex::new(Chance::new(seed, 3)), 4);
            let store =
                Faulty::new(Box::new(Sqlite::open(stage.dir.path()).expect("a store")), Arc::new(commits));
            let mut store: Option<Box<dyn Store>> = Some(Box::new(store));
            let gateway = loop {
                let store = store
                    .take()
                    .unwrap_or_else(|| Box::new(Sqlite::open(stage.dir.path()).expect("a store")));
                let core = match Core::open(store, Arc::clone(&stage.vault), corpus.charts[0].clone(), 5) {
                    Ok(core) => core,
                    Err(error) => {
                        println!("opens again: {error}");
                        continue;
                    }
                };
                let outlets = vec![far.outlet(&stage, &source, 1_000)];
                match Gateway::start(core, Arc::new(Stands), vec![], outlets) {
                    Ok(gateway) => break gateway,
                    Err(error) => println!("starts again: {error}"),
                }
            };
            let handle = gateway.handle();
            for &i in round {
                let item = &corpus.items[i];
                let Content::Message(message) = &item.content else { continue };
                let is_settled = chance.percent(70);
                if is_settled {
                    until(&handle, "all is decided", |read| Ok(read.pending_work()? == 0)).await;
                }
                let bytes = i.to_string().into_bytes();
                let one = Prepared::from_caller(item.source.clone(), (**message).clone(), bytes.into());
                while handle.take_in(vec![one.clone()]).await.is_err() {}
                match &**message {
                    Message::Posting(posting) if item.source.as_str() == source => {
                        let (id, name) = (posting.id.clone(), item.source.clone());
                        let tag = handle.read(move |read, vault| {
                            let no = read.sources()?.into_iter().find(|(_, known)| *known == name);
                            let no = no.expect("its source is known").0;
                            let row = read.find_posting(no, &id)?.expect("it is there");
                            newest_tag(read, vault, row.no)
                        });
                        let tag = tag.await.expect("it answers");
                        let key = format!("{source}:{}", posting.id);
                        // Nothing else is decided then, so that this is what was decided on arrival.
                        let known = is_settled.then_some(tag);
                        arrived.entry(key).or_insert((i.to_string(), known, withdrawn));
                    }
                    // What may end the link between a posting and a citizen.
                    Message::Fact(fact)
                        if matches!(fact.kind, Kind::Consent | Kind::Case | Kind::Grant | Kind::Identity) =>
                    {
                        withdrawn += 1
                    }
                    _ => {}
                }
                if chance.percent(5) {
                    lines(&handle).await;
                }
            }
            if chance.percent(50) {
                until_passed(&handle).await;
            }
            drop(handle);
            gateway.stop(LIMIT).await.expect("it stops");
            stage.open(corpus.charts[0].clone(), 5, None);
        }
        far.mood(|mood| mood.percent = 0);
        let outlets = vec![far.outlet(&stage, &source, 1_000)];
        let gateway = Gateway::start(stage.close(), Arc::new(Stands), vec![], outlets).expect("it starts");
        let handle = gateway.handle();
        until_passed(&handle).await;
        let books = lines(&handle).await;
        drop(handle);
        gateway.stop(LIMIT).await.expect("it stops");
        stage.open(corpus.charts[0].clone(), 5, None);

        let store = stage.core().store();
        let no = store.sources().expect("sources").into_iter().find(|(_, name)| name.as_str() == source);
        let no = no.expect("its source is known").0;
        let rows = store.postings(&Reach::All, PostingNo(0), usize::MAX).expect("postings");
        let rows: Vec<_> = rows.into_iter().filter(|row| row.source == no).collect();
        let ids: Vec<String> = rows.iter().map(|row| format!("{source}:{}", row.posting.id)).collect();
        let firsts = far.firsts();
        assert_eq!(firsts.iter().map(|(id, ..)| id.clone()).collect::<Vec<_>>(), ids, "each once, in order");
        let count = |of: fn(&LineBook) -> i64| books.iter().map(of).sum::<i64>();
        let all = i64::try_from(ids.len()).expect("few");
        assert_eq!((count(|book| book.arrived.postings), count(|book| book.passed.postings)), (all, all));
        again += far.mood(|mood| mood.taken.len()) - firsts.len();
        for (id, body, tag) in firsts {
            let (came, known, before) = &arrived[&id];
            assert_eq!(body, *came, "{id}: the body that came first");
            let Some(known) = known else { continue };
            if tag == *known {
                if tag.is_some() { tagged += 1 } else { others += 1 }
            } else {
                assert!(tag.is_none() && withdrawn > *before, "{id}: {tag:?} instead of {known:?}");
                blanked += 1;
            }
        }
    }
    println!("{tagged} tagged, {others} not, {blanked} blanked, {again} came again");
    assert!(tagged > 25 && others > 50 && again > 0, "{tagged} tagged, {others} not, {again} came again");
}

/// A posting of somebody who consented, and one that a solution claims by its account.
fn two(stage: &mut Stage) {
    let posting = |id: &str, account: &str, citizen: &str| {
        format!(
            r#"{{"type":"posting","id":"{id}","date":"2026-01-05","account":"{account}","amount":"100.00"{citizen}}}"#
        )
    };
    let citizen = r#","citizen":{"cpr":"6112801234"}"#;
    stage.send(THEN, "opus", &posting("P-1", "5.28.21.1", citizen));
    stage.send(THEN, "opus", &posting("P-2", "5.32.10.1", ""));
}

pub(crate) fn registered(stage: &mut Stage) {
    for body in [
        r#"{"type":"solution","id":"s","version":1,"name":"S","claims":[{"account":"5.32"}]}"#,
        r#"{"type":"enrolment","id":"E-1","version":1,"solution":"s","family":"F-1","citizen":{"cpr":"6112801234"},"from":"2025-01-01"}"#,
        r#"{"type":"consent","id":"C-1","version":1,"citizen":{"cpr":"6112801234"},"sources":["opus"],"covers_from":"2025-01-01"}"#,
    ] {
        stage.send(THEN, "registry", body);
    }
}

/// Lets the target begin, and have nothing yet.
pub(crate) async fn begin(stage: &mut Stage, far: &Far, days: Option<u32>) {
    let outlets = vec![far.outlet(stage, "opus", 2)];
    let gateway = Gateway::start(stage.close(), Arc::new(Stands), vec![], outlets).expect("it starts");
    gateway.stop(LIMIT).await.expect("it stops");
    stage.open(Charts::default(), 1_000, days);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_takes_the_tag_off_what_waits() {
    for withdraws in [false, true] {
        let mut stage = Stage::new();
        let far = Far::new(0, 0);
        registered(&mut stage);
        stage.send(THEN, "opus", &crate::supervision::posting("before"));
        begin(&mut stage, &far, None).await;
        two(&mut stage);
        if withdraws {
            stage.send(THEN, "registry", r#"{"type":"consent","id":"C-1","version":2,"withdrawn":true}"#);
        } else {
            // It is no longer tagged so either, but nobody said that the tag must go.
            stage.send(THEN, "registry", r#"{"type":"enrolment","id":"E-1","version":2,"deleted":true}"#);
        }
        let tags = stage.sql("SELECT tag IS NOT NULL FROM forward ORDER BY no");
        let is_there = |there: bool| vec![rusqlite::types::Value::Integer(i64::from(there))];
        assert_eq!(tags, [is_there(!withdraws), is_there(true)]);
        let outlets = vec![far.outlet(&stage, "opus", 2)];
        let gateway = Gateway::start(stage.close(), Arc::new(Stands), vec![], outlets).expect("it starts");
        until_passed(&gateway.handle()).await;
        gateway.stop(LIMIT).await.expect("it stops");
        let firsts = far.firsts();
        let said: Vec<(&str, bool)> =
            firsts.iter().map(|(id, _, tag)| (id.as_str(), tag.is_some())).collect();
        assert_eq!(said, [("opus:P-1", !withdraws), ("opus:P-2", true)], "and nothing from before");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_not_purged_before_it_has_passed_on() {
    let mut stage = Stage::purging(0);
    let far = Far::new(0, 0);
    begin(&mut stage, &far, Some(0)).await;
    two(&mut stage);
    stage.purge(instant(THEN));
    assert_eq!(stage.ids().len(), 2, "one is about somebody and untagged, and waits");
    let outlets = vec![far.outlet(&stage, "opus", 2)];
    let gateway = Gateway::start(stage.close(), Arc::new(Stands), vec![], outlets).expect("it starts");
    let handle = gateway.handle();
    until_passed(&handle).await;
    until(&handle, "it is purged", |read| Ok(read.postings(&Reach::All, PostingNo(0), 9)?.len() == 1)).await;
    let books = lines(&handle).await;
    assert_eq!(books.iter().map(|book| book.passed.postings).sum::<i64>(), 2);
    drop(handle);
    gateway.stop(LIMIT).await.expect("it stops");
    stage.open(Charts::default(), 1_000, Some(0));
    // Sent again it is known, and does not pass on again.
    two(&mut stage);
    assert!(stage.sql("SELECT no FROM forward").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_one_is_parked_and_goes_when_it_is_released() {
    let mut stage = Stage::new();
    let far = Far::new(0, 0);
    far.mood(|mood| mood.refuses.insert("opus:P-1".into()));
    let outlets = vec![far.outlet(&stage, "opus", 2)];
    let gateway = Gateway::start(stage.close(), Arc::new(Stands), vec![], outlets).expect("it starts");
    let handle = gateway.handle();
    for id in ["P-1", "P-2", "P-3"] {
        let items = prepare("opus", &crate::supervision::posting(id));
        handle.take_in(items).await.expect("it is taken in");
        // Others that are under way with it show nothing.
        let deadline = Instant::now() + LIMIT;
        while far.mood(|mood| mood.refused.is_empty()) {
            assert!(Instant::now() < deadline, "it is refused");
            tokio::task::yield_now().await;
        }
    }
    until(&handle, "the others passed, and it is parked", |read| {
        Ok(read.count_parked(&text(LINE))? == (1, 0) && read.count_forward_after(&text(LINE), Seq(0))? == 1)
    })
    .await;
    let books = lines(&handle).await;
    let sums =
        |book: &LineBook| [book.arrived, book.passed, book.waiting, book.parked].map(|sum| sum.postings);
    assert_eq!(books.iter().map(sums).collect::<Vec<_>>(), [[3, 2, 0, 1]]);
    let again = far.mood(|mood| {
        mood.refuses.clear();
        mood.taken.len()
    });
    assert_eq!(again, 2, "what passed on is never sent again for a proof");
    assert_eq!(handle.release_parked(text(LINE), None).await.expect("it is released"), 1);
    until_passed(&handle).await;
    let books = lines(&handle).await;
    assert_eq!(books.iter().map(sums).collect::<Vec<_>>(), [[3, 3, 0, 0]]);
    drop(handle);
    gateway.stop(LIMIT).await.expect("it stops");
    assert_eq!(far.firsts().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_forwards_does_so_until_it_is_forgotten_and_its_log_with_it() {
    let mut stage = Stage::new();
    let far = Far::new(0, 0);
    begin(&mut stage, &far, None).await;
    two(&mut stage);
    // Neither another source nor the feed.
    let receiver = Arc::default();
    let feed = Outlet { name: text(LINE), ..crate::supervision::outlet(&stage, "ledger", &receiver) };
    for other in [far.outlet(&stage, "prisme", 2), feed] {
        let refused = Gateway::start(stage.close(), Arc::new(Stands), vec![], vec![other]).err();
        let why = refused.expect("it does not start").to_string();
        assert!(why.contains("target line") && why.contains("samspor targets forget line"), "{why}");
        stage.open(Charts::default(), 1, None);
    }
    // Nor does one that reads the feed begin to forward.
    stage.advance("reader", 0);
    let reader = Outlet { name: text("reader"), ..far.outlet(&stage, "opus", 2) };
    assert!(Gateway::start(stage.close(), Arc::new(Stands), vec![], vec![reader]).is_err());
    stage.open(Charts::default(), 1, None);

    // Gone, it misses nothing that arrives, until it is forgotten.
    stage.send(THEN, "opus", &crate::supervision::posting("P-3"));
    let gateway = Gateway::start(stage.close(), Arc::new(Stands), vec![], vec![]).expect("it starts");
    let control = gateway.control();
    let numbers = control.numbers().await.expect("numbers");
    assert_eq!(numbers.targets.get(&text(LINE)), Some(&(Seq(0), 3)));
    let (mut after, mut left) = (PostingNo(0), Vec::new());
    while let Some(more) =
        control.forget_target(&text(LINE), after, Duration::ZERO).await.expect("it is forgotten")
    {
        after = more.after;
        left.push(more.left);
        lines(&gateway.handle()).await;
    }
    assert_eq!(left, [2, 1, 0], "a slice each");
    drop(control);
    gateway.stop(LIMIT).await.expect("it stops");
    stage.open(Charts::default(), 1, None);
    stage.send(THEN, "opus", &crate::supervision::posting("P-4"));
    for table in ["forward", "forwarded", "forwarding"] {
        assert!(stage.sql(&format!("SELECT * FROM {table}")).is_empty(), "{table}");
    }
    assert!(stage.core().store().forwardings().expect("it answers").is_empty());
    begin(&mut stage, &far, None).await;
    assert!(far.firsts().is_empty(), "it begins with what arrives from then on");
}
