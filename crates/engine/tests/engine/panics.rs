//! What breaks costs one message: a decoder that panics, and an engine that panics on an item.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use samspor_conformance::{Call, Faults, Faulty};
use samspor_domain::quarantine::Filter;
use samspor_domain::store::{Outcome, Standing, StoreError};
use samspor_domain::{Clock, Decode, Delivery, EntryNo, Item, Reason, SourceName};
use samspor_engine::quarantine::{Fate, ready};
use samspor_engine::{Became, Condition, Core, Gateway, Intake, Intakes, Permissions, Prepared};
use samspor_formats::json;
use samspor_sqlite::Sqlite;

use crate::stage::{Stage, instant, prepare, text};

const NOW: &str = "2026-01-10T08:00:00Z";
const LIMIT: Duration = Duration::from_secs(60);

fn posting(id: usize) -> String {
    format!(
        r#"{{"type":"posting","id":"P-{id}.","date":"2026-01-05","account":"5.28.21.1","amount":"1.00","citizen":{{"cpr":"6112801234"}}}}"#
    )
}

/// Reads JSON, and panics on some postings.
struct Fragile;

impl Decode for Fragile {
    fn decode(&self, source: &SourceName, delivery: &Delivery) -> Vec<Item> {
        assert!(!delivery.body.windows(3).any(|part| part == b"-7."), "the test breaks this message");
        json::Decoder.decode(source, delivery)
    }
}

/// When the store panics.
#[derive(Clone, Default)]
struct Breaks(Arc<Mutex<Points>>);

#[derive(Default)]
struct Points {
    /// Putting a posting with such an id in the journal.
    posts: Vec<String>,
    /// Changing how any posting stands.
    standing: bool,
}

impl Breaks {
    /// From now on at the postings whose id ends so.
    fn on_posting(&self, ends: &[&str]) {
        self.points().posts = ends.iter().map(|end| (*end).to_owned()).collect();
    }

    /// From now on, or no longer, where a posting comes to stand differently.
    fn on_standing(&self, breaks: bool) {
        self.points().standing = breaks;
    }

    fn points(&self) -> std::sync::MutexGuard<'_, Points> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Faults for Breaks {
    fn before(&self, call: Call<'_>) -> Result<(), StoreError> {
        assert!(call.name != "set_standing" || !self.points().standing, "the test breaks every change");
        Ok(())
    }

    fn after(&self, call: Call<'_>) -> Result<(), StoreError> {
        // Half done, so that what is not undone shows.
        let Some(id) = call.posting else { return Ok(()) };
        let breaks = self.points().posts.iter().any(|end| id.as_str().ends_with(end.as_str()));
        assert!(!breaks, "the test breaks this posting");
        Ok(())
    }
}

/// A core over a store that breaks, in a stage's place.
fn breaking(stage: &mut Stage) -> (Core, Breaks) {
    drop(stage.close());
    let breaks = Breaks::default();
    let inner = Box::new(Sqlite::open(stage.dir.path()).expect("a store"));
    let store = Box::new(Faulty::new(inner, Arc::new(breaks.clone())));
    let core = Core::open(store, Arc::clone(&stage.vault), Default::default(), 1_000).expect("a core");
    (core, breaks)
}

/// The numbers of those that failed; every other must be a new posting.
fn failed(became: &[Became]) -> BTreeSet<usize> {
    let failed = became.iter().enumerate().filter(|(_, became)| match became {
        Became::Posting => false,
        Became::Quarantined(fault) if fault.reason == Reason::Failed => true,
        other => panic!("{other:?}"),
    });
    failed.map(|(no, _)| no).collect()
}

fn count(core: &mut Core, outcome: Outcome) -> i64 {
    let counts = core.store().counts().expect("counts");
    counts.iter().filter(|count| count.outcome == outcome).map(|count| count.items).sum()
}

#[test]
fn a_decoder_that_panics_costs_one_message_of_a_batch() {
    let mut stage = Stage::new();
    let intake = Intake {
        source: text("opus"),
        decoder: Arc::new(Fragile),
        may_send: Permissions::all(),
        max_body_bytes: 10_000,
    };
    let deliveries = (0..100).map(|id| Delivery { body: posting(id).into(), ..Delivery::default() });
    let items: Vec<Prepared> = deliveries.flat_map(|delivery| intake.prepare(&delivery)).collect();
    let became = stage.core().take_in(&items, instant(NOW)).expect("it is taken in");
    assert_eq!(failed(&became), BTreeSet::from([7]));
    assert_eq!(stage.ids().len(), 99);
}

#[test]
fn an_item_on_which_the_engine_panics_costs_that_item_alone() {
    for poisonous in [&[][..], &[0], &[99], &[3, 4, 50], &[0, 1, 2, 97, 98, 99]] {
        let mut stage = Stage::new();
        let (mut core, breaks) = breaking(&mut stage);
        let ends: Vec<String> = poisonous.iter().map(|id| format!("-{id}.")).collect();
        breaks.on_posting(&ends.iter().map(String::as_str).collect::<Vec<_>>());
        let items: Vec<Prepared> = (0..100).flat_map(|id| prepare("opus", &posting(id))).collect();
        let became = core.take_in(&items, instant(NOW)).expect("it is taken in");
        let expected: BTreeSet<usize> = poisonous.iter().copied().collect();
        assert_eq!(failed(&became), expected);
        let outcomes = [Outcome::Received, Outcome::Posting, Outcome::Quarantined];
        let right = [100, 100 - poisonous.len(), poisonous.len()].map(|n| i64::try_from(n).expect("few"));
        assert_eq!(outcomes.map(|outcome| count(&mut core, outcome)), right);
        // Again, it is known whole: the good ones and the bad ones.
        let again = core.take_in(&items, instant(NOW)).expect("it is taken in");
        assert!(again.iter().all(|became| *became == Became::Duplicate), "{again:?}");
    }
}

#[test]
fn a_release_on_which_the_engine_panics_leaves_that_entry_alone() {
    let mut stage = Stage::new();
    let (mut core, breaks) = breaking(&mut stage);
    breaks.on_posting(&["."]);
    let items: Vec<Prepared> = (0..20).flat_map(|id| prepare("opus", &posting(id))).collect();
    core.take_in(&items, instant(NOW)).expect("it is taken in");
    let intakes = Intakes::default();
    intakes.set([Intake {
        source: text("opus"),
        decoder: Arc::new(json::Decoder),
        may_send: Permissions::all(),
        max_body_bytes: 10_000,
    }]);
    let set = core.freeze(&Filter::default(), 100, instant(NOW)).expect("frozen");
    let mut release = |right: [(Fate, usize); 2]| {
        let ready =
            ready(core.store(), &stage.vault, &intakes, set, EntryNo(0)).expect("reads").expect("a set");
        let slice = core.release(ready, instant(NOW)).expect("released");
        let mut sum = std::collections::BTreeMap::new();
        for fate in slice.entries.iter().flat_map(|(_, fates)| fates.keys()) {
            *sum.entry(*fate).or_insert(0) += 1;
        }
        assert_eq!(sum, right.into_iter().filter(|(_, entries)| *entries > 0).collect());
    };
    let failed = Fate::Quarantined(Reason::Failed);
    release([(failed, 20), (Fate::Posting, 0)]);
    breaks.on_posting(&["-3.", "-19."]);
    release([(failed, 2), (Fate::Posting, 18)]);
    breaks.on_posting(&[]);
    release([(Fate::Settled, 18), (Fate::Posting, 2)]);
    let outcomes = [Outcome::Received, Outcome::Posting, Outcome::Quarantined];
    assert_eq!(outcomes.map(|outcome| count(&mut core, outcome)), [20, 20, 0]);
}

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> jiff::Timestamp {
        instant(NOW)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_writer_goes_on_and_what_it_cannot_decide_again_is_told_and_done_when_it_can() {
    let mut stage = Stage::new();
    let (core, breaks) = breaking(&mut stage);
    let gateway = Gateway::start(core, Arc::new(Fixed), vec![], vec![]).expect("starts");
    let handle = gateway.handle();
    let take_in = async |body: &str| {
        let became = handle.take_in(prepare("opus", body)).await.expect("taken in");
        became.into_iter().next().expect("one item")
    };
    breaks.on_posting(&["-1."]);
    assert_eq!(take_in(&posting(0)).await, Became::Posting);
    assert!(
        matches!(take_in(&posting(1)).await, Became::Quarantined(fault) if fault.reason == Reason::Failed)
    );

    // A consent that tags what is there: the fact is taken in, though deciding again breaks.
    breaks.on_standing(true);
    for fact in [
        r#"{"type":"solution","id":"s","version":1,"name":"S"}"#,
        r#"{"type":"enrolment","id":"E","version":1,"solution":"s","citizen":{"cpr":"6112801234"},"from":"2025-01-01"}"#,
        r#"{"type":"consent","id":"C","version":1,"citizen":{"cpr":"6112801234"},"sources":["opus"],"covers_from":"2025-01-01"}"#,
    ] {
        assert_eq!(take_in(fact).await, Became::Fact);
    }
    let mut parts = gateway.status().watch();
    let down = parts.wait_for(|parts| {
        parts.get("store").is_some_and(|part| matches!(part.condition, Condition::Down(_)))
    });
    drop(tokio::time::timeout(LIMIT, down).await.expect("it is told").expect("it goes on"));
    // Others are taken in meanwhile, whether a part of what waits or not.
    assert_eq!(take_in(&posting(2)).await, Became::Posting);
    assert_eq!(take_in(&posting(3)).await, Became::Posting);
    let left = handle.read(|read, _| read.pending_work()).await.expect("answers");
    assert!(left > 0, "what could not be decided stays on the work list");

    breaks.on_standing(false);
    assert_eq!(take_in(r#"{"type":"solution","id":"s","version":2,"name":"S"}"#).await, Became::Fact);
    let up = parts.wait_for(|parts| parts.get("store").is_some_and(|part| part.condition == Condition::Up));
    drop(tokio::time::timeout(LIMIT, up).await.expect("it is told").expect("it goes on"));
    drop(handle);
    gateway.stop(LIMIT).await.expect("stops");
    stage.open(Default::default(), 1_000, None);
    stage.finish(instant(NOW));
    let standings = stage.journal().into_iter().map(|(row, _)| row.standing).collect::<Vec<_>>();
    assert_eq!(standings.len(), 3);
    assert!(standings.iter().all(|standing| matches!(standing, Standing::Tagged(_))), "{standings:?}");
}
