//! Targets that are given a part of the feed have that part in the end, whatever arrives in whatever order; and their
//! filter stays what it was.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use samspor_conformance::{Chance, Content, Corpus, Size};
use samspor_domain::store::{PostingNo, Reach, Read};
use samspor_domain::{
    Charts, Confirms, FilterKey, LinkError, Outgoing, Publisher, Sent, Seq, Side, TagFilter, Target,
};
use samspor_engine::{
    Audience, Gateway, NotStarted, Outlet, Plan, Policy, Prepared, Scribe, State, books, drill,
};
use samspor_formats::json;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::delivery::LIMIT;
use crate::stage::{Stage, instant, text};
use crate::supervision::settings;

const THEN: &str = "2026-03-10T08:00:00Z";

pub(crate) struct Stands;

impl samspor_domain::Clock for Stands {
    fn now(&self) -> jiff::Timestamp {
        instant(THEN)
    }
}

/// Of each posting, by message id without the revision, its revision, whether that is a tag, and the record.
type Kept = BTreeMap<String, ((i64, bool), Value)>;

/// What a receiver keeps: of each posting the record with the highest revision, and at one revision a tag before an untag.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<Kept>>);

#[async_trait::async_trait]
impl Target for Keeper {
    async fn connect(&self) -> Result<Box<dyn Publisher>, LinkError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait::async_trait]
impl Publisher for Keeper {
    async fn publish(&mut self, messages: Vec<Outgoing>) -> Result<Confirms, LinkError> {
        let mut kept = self.0.lock().expect("nobody panicked with it");
        for message in &messages {
            let record: Value = serde_json::from_slice(&message.body).expect("JSON");
            let rank = (record["revision"].as_i64().expect("a revision"), record["change"] == "tag");
            assert_eq!(rank.1, !record["tag"].is_null());
            let (posting, _) = message.message_id.rsplit_once(':').expect("an id");
            let before = kept.entry(posting.to_owned()).or_default();
            if before.0 < rank {
                *before = (rank, record);
            }
        }
        let sent = vec![Sent::Delivered; messages.len()];
        Ok(Box::pin(async move { Ok(sent) }))
    }
}

fn outlet(stage: &Stage, name: &str, audience: Audience, filter: TagFilter, keeper: &Keeper) -> Outlet {
    let scribe = Scribe::new(Arc::clone(&stage.vault), &text(name), audience, Arc::new(json::Encoder));
    Outlet {
        name: text(name),
        target: Arc::new(keeper.clone()),
        scribe: scribe.filtered(filter),
        window: 8,
        policy: Policy::default(),
        answers: None,
    }
}

/// The filter keys that the journal's tags have now.
pub(crate) fn keys(stage: &mut Stage) -> Vec<FilterKey> {
    stage.journal().iter().filter_map(|(_, tag)| tag.as_ref()).map(FilterKey::from).collect()
}

/// A filter with one list or several, of words that occur.
pub(crate) fn filter(keys: &[FilterKey], chance: &mut Chance) -> TagFilter {
    let mut words = |percent: u32| {
        let mut some: Vec<FilterKey> = Vec::new();
        if chance.percent(percent) {
            (0..chance.count(1, 2)).for_each(|_| some.push(chance.of(keys)));
        }
        (!some.is_empty()).then_some(some)
    };
    fn list<T: Ord>(
        some: Option<Vec<FilterKey>>,
        of: impl Fn(FilterKey) -> T,
    ) -> Option<std::collections::BTreeSet<T>> {
        some.map(|some| some.into_iter().map(of).collect())
    }
    TagFilter {
        solutions: list(words(40), |key| key.solution),
        areas: list(words(40), |key| key.area),
        sides: list(words(60), |key| key.side),
        phases: list(words(30), |key| key.phase),
        kinds: list(words(30), |key| key.kind),
    }
}

async fn until_delivered(gateway: &Gateway) {
    let (handle, deadline) = (gateway.handle(), Instant::now() + LIMIT);
    let is_done = |read: &mut dyn Read| {
        let last = read.last_seq()?;
        Ok(read.pending_work()? == 0 && read.cursors()?.iter().all(|(_, at)| *at == last))
    };
    while !handle.read(move |read, _| is_done(read)).await.expect("it answers") {
        assert!(Instant::now() < deadline, "waited too long until everything is delivered");
        tokio::task::yield_now().await;
    }
}

/// What a keeper has is what is tagged and matches, and nothing else; and the books say so.
fn holds(stage: &mut Stage, name: &str, audience: Audience, filter: &TagFilter, keeper: &Keeper) -> usize {
    let sources: BTreeMap<_, _> = stage.core().store().sources().expect("sources").into_iter().collect();
    let mut has = keeper.0.lock().expect("nobody panicked with it").clone();
    let mut tagged = 0;
    for (row, tag) in stage.journal() {
        let (source, id) = (&sources[&row.source], &row.posting.id);
        let pseudonym = stage.vault.target(&text(name)).text("posting", &format!("{source}\0{id}"));
        let called = match audience {
            Audience::Ledger => format!("{source}:{id}"),
            Audience::Lis => format!("{source}:{:032x}", u128::from_be_bytes(pseudonym.0)),
        };
        let right = tag.filter(|tag| filter.holds(&FilterKey::from(tag)));
        let had = has.remove(&called).filter(|((_, is_tag), _)| *is_tag).map(|(_, record)| record);
        let says = |field: &str| {
            had.as_ref().map(|record| record["tag"][field].as_str().unwrap_or("none").to_owned())
        };
        assert_eq!(says("solution"), right.as_ref().map(|tag| tag.solution.to_string()), "{name}: {called}");
        assert_eq!(says("area"), right.as_ref().map(|tag| tag.area.to_string()), "{name}: {called}");
        assert_eq!(says("phase"), right.as_ref().map(|tag| tag.phase.word().to_owned()), "{name}: {called}");
        tagged += usize::from(right.is_some());
    }
    assert!(has.is_empty(), "{name} has what is not in the journal: {has:?}");
    let vault = Arc::clone(&stage.vault);
    let store = stage.core().store();
    let target = text(name);
    let all = books(store, &vault).expect("books").targets;
    let mut sum = 0;
    for book in all.iter().filter(|book| book.target == target) {
        assert!(book.is_reconciled(), "{book:?}");
        sum += book.all().postings;
    }
    assert_eq!(usize::try_from(sum), Ok(tagged), "{name}");
    let differing =
        drill(store, &vault, &target, State::Difference, 9, &CancellationToken::new()).expect("it answers");
    assert_eq!(differing, []);
    tagged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_order_and_any_duplication_give_each_target_what_its_filter_lets_through() {
    let (mut tagged, mut others) = (0, 0);
    for seed in 1..=10 {
        println!("seed {seed}");
        let corpus = Corpus::random(seed, Size::of(60));
        let mut chance = Chance::new(seed, 7);
        // Which words there are shows where everything has arrived once.
        let mut known = Stage::new();
        known.open(corpus.charts[0].clone(), 1_000, None);
        corpus.items.iter().enumerate().for_each(|(i, item)| known.take(i, item));
        known.finish(instant(THEN));
        let keys = keys(&mut known);
        if keys.is_empty() {
            continue;
        }
        let targets: Vec<(String, Audience, TagFilter, Keeper)> = (0..5)
            .map(|no| {
                let audience = if no % 2 == 0 { Audience::Ledger } else { Audience::Lis };
                let filter = if no == 0 { TagFilter::default() } else { filter(&keys, &mut chance) };
                (format!("target-{no}"), audience, filter, Keeper::default())
            })
            .collect();
        let mut stage = Stage::new();
        stage.open(corpus.charts[0].clone(), 7, None);
        let outlets = targets
            .iter()
            .map(|(name, audience, filter, keeper)| outlet(&stage, name, *audience, filter.clone(), keeper))
            .collect();
        let gateway = Gateway::start(stage.close(), Arc::new(Stands), vec![], outlets).expect("it starts");
        let mut order: Vec<usize> = (0..corpus.items.len()).collect();
        chance.shuffle(&mut order);
        for _ in 0..order.len() / 5 {
            let again = chance.of(&order);
            order.insert(chance.count(0, order.len()), again);
        }
        let handle = gateway.handle();
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
            handle.take_in(prepared.collect()).await.expect("it is taken in");
            if chance.percent(30) {
                until_delivered(&gateway).await; // So that there is something to take back.
            }
        }
        drop(handle);
        until_delivered(&gateway).await;
        gateway.stop(LIMIT).await.expect("it stops");
        stage.open(corpus.charts[0].clone(), 7, None);
        for (name, audience, filter, keeper) in &targets {
            let has = holds(&mut stage, name, *audience, filter, keeper);
            if filter.is_everything() { tagged += has } else { others += has }
        }
    }
    // Neither is everything let through nor nothing.
    assert!(tagged > 50 && others > 20 && others < 4 * tagged, "{tagged} tagged, {others} in parts");
}

/// A store with ten postings that one solution claims, on both sides.
fn two_sides() -> Stage {
    let mut stage = Stage::new();
    let solution = r#"{"type":"solution","id":"s","version":1,"name":"S","claims":[{"account":"5"}],
        "sides":[{"account":"5.28.21","side":"inside"}]}"#;
    stage.send(THEN, "registry", solution);
    for i in 0..10 {
        let account = if i % 2 == 0 { "5.28.21.1" } else { "5.28.20.1" };
        let posting = format!(
            r#"{{"type":"posting","id":"P-{i}","date":"2026-03-05","account":"{account}","amount":"{i}.00"}}"#
        );
        stage.send(THEN, "opus", &posting);
    }
    stage
}

fn sided(side: Side) -> TagFilter {
    TagFilter { sides: Some([side].into()), ..TagFilter::default() }
}

async fn deliver(stage: &mut Stage, filter: TagFilter, keeper: &Keeper) {
    let outlets = vec![outlet(stage, "part", Audience::Ledger, filter, keeper)];
    let gateway = Gateway::start(stage.close(), Arc::new(Stands), vec![], outlets).expect("it starts");
    until_delivered(&gateway).await;
    gateway.stop(LIMIT).await.expect("it stops");
    stage.open(Charts::default(), 1_000, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_stays_what_it_was_until_the_target_is_forgotten() {
    let mut stage = two_sides();
    let keeper = Keeper::default();
    deliver(&mut stage, sided(Side::Inside), &keeper).await;
    assert_eq!(holds(&mut stage, "part", Audience::Ledger, &sided(Side::Inside), &keeper), 5);

    // Neither a start nor a reload takes another one, and none is taken away.
    for other in [sided(Side::Outside), TagFilter::default()] {
        let outlets = vec![outlet(&stage, "part", Audience::Ledger, other, &keeper)];
        let refused =
            Gateway::start(stage.close(), Arc::new(Stands), vec![], outlets).err().expect("it does not");
        let why = refused.to_string();
        assert!(why.contains("target part") && why.contains("samspor targets forget part"), "{why}");
        stage.open(Charts::default(), 1_000, None);
    }
    let same = vec![outlet(&stage, "part", Audience::Ledger, sided(Side::Inside), &keeper)];
    let gateway = Gateway::start(stage.close(), Arc::new(Stands), vec![], same).expect("it starts");
    let control = gateway.control();
    let plan = |outlets: Vec<Outlet>| Plan {
        settings: settings(Charts::default()),
        unchanged: [].into(),
        inlets: vec![],
        targets: outlets.iter().map(|outlet| outlet.name.clone()).collect(),
        outlets,
    };
    let outside = || outlet(&stage, "part", Audience::Ledger, sided(Side::Outside), &keeper);
    let refused = control.take_over(plan(vec![outside()])).await.expect_err("it is not taken").to_string();
    assert!(refused.contains("target part: its [targets.filter] differs"), "{refused}");
    until_delivered(&gateway).await;

    // Forgotten, it begins anew with another one.
    control.take_over(plan(vec![])).await.expect("it is taken");
    let deadline = Instant::now() + LIMIT;
    while control.forget_target(&text("part"), PostingNo(0), LIMIT).await.is_err() {
        assert!(Instant::now() < deadline, "it is forgotten when it has ended");
        tokio::task::yield_now().await;
    }
    control.take_over(plan(vec![outside()])).await.expect("it is taken");
    until_delivered(&gateway).await;
    drop(control);
    gateway.stop(LIMIT).await.expect("it stops");
    stage.open(Charts::default(), 1_000, None);
    let has = keeper.0.lock().expect("nobody panicked with it").len();
    assert_eq!(has, 10, "what it had before nobody has taken from it");
    let vault = Arc::clone(&stage.vault);
    let tagged = samspor_engine::tagged_for(stage.core().store(), &vault, &text("part"));
    assert_eq!(tagged.expect("it answers").into_values().map(|sum| sum.postings).sum::<i64>(), 5);
}

/// A receiver that is not up.
struct Away;

#[async_trait::async_trait]
impl Target for Away {
    async fn connect(&self) -> Result<Box<dyn Publisher>, LinkError> {
        Err(LinkError { doing: "connecting".into(), source: None })
    }
}

/// Its filter was typed wrong at the first start, and its receiver was not up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_was_never_handed_anything_may_have_another_filter() {
    let mut stage = two_sides();
    let keeper = Keeper::default();
    let mistyped = outlet(&stage, "part", Audience::Ledger, sided(Side::Outside), &keeper);
    let mistyped = Outlet { target: Arc::new(Away), ..mistyped };
    let gateway = Gateway::start(stage.close(), Arc::new(Stands), vec![], vec![mistyped]).expect("it starts");
    gateway.stop(LIMIT).await.expect("it stops");
    stage.open(Charts::default(), 1_000, None);
    deliver(&mut stage, sided(Side::Inside), &keeper).await;
    assert_eq!(holds(&mut stage, "part", Audience::Ledger, &sided(Side::Inside), &keeper), 5);

    // It is the configuration that is refused then, and not the store.
    let other = vec![outlet(&stage, "part", Audience::Ledger, sided(Side::Outside), &keeper)];
    let refused = Gateway::start(stage.close(), Arc::new(Stands), vec![], other).err();
    assert!(matches!(refused, Some(NotStarted::Filter(_))), "{refused:?}");
}

/// As a store is that a gateway made which knew no filters.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_tagged_before_there_were_filters_is_added_up_at_the_next_start() {
    let mut stage = two_sides();
    drop(stage.close());
    let file = rusqlite::Connection::open(stage.dir.path().join("samspor.sqlite")).expect("the store's file");
    file.execute_batch(
        "DELETE FROM tagged; DELETE FROM filter_key; DELETE FROM meta WHERE key = 'tagged-added-up'",
    )
    .expect("they are gone");
    drop(file);
    stage.open(Charts::default(), 3, None);
    let keeper = Keeper::default();
    deliver(&mut stage, sided(Side::Outside), &keeper).await;
    assert_eq!(holds(&mut stage, "part", Audience::Ledger, &sided(Side::Outside), &keeper), 5);
}

/// What nobody is given costs no message: the cursor passes it by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_for_nobody_is_passed_by_and_holds_nothing_up() {
    let mut stage = two_sides();
    let keeper = Keeper::default();
    let nobodys = TagFilter { solutions: Some([text("another")].into()), ..TagFilter::default() };
    deliver(&mut stage, nobodys.clone(), &keeper).await;
    assert_eq!(holds(&mut stage, "part", Audience::Ledger, &nobodys, &keeper), 0);
    assert!(keeper.0.lock().expect("nobody panicked with it").is_empty());
    let store = stage.core().store();
    assert_eq!(store.cursor(&text("part")).expect("a cursor"), Seq(10));
    assert_eq!(store.postings(&Reach::Tagged, PostingNo(0), 99).expect("postings").len(), 10);
}
