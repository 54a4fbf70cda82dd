//! A target gets again what it had from a point on, whatever it was doing and whatever happens meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use samspor_domain::store::Read;
use samspor_domain::{Charts, Clock, Decode, Seq, Stage as Progress, TagFilter};
use samspor_engine::{
    Audience, Became, Book, CursorError, Gateway, Intake, NotReplayed, Outlet, Permissions, Policy, Reader,
    ReplayFrom, Scribe, Subscription, books,
};
use samspor_formats::json;

use crate::delivery::{LIMIT, Reaction, Receiver, has_all, policy, posting, with_postings};
use crate::released::released;
use crate::stage::{Stage, instant, text};

/// Every look at it is later than the one before.
struct Ticks(AtomicI64);

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        let begun = instant("2026-03-20T08:00:00Z").as_millisecond();
        Timestamp::from_millisecond(begun + self.0.fetch_add(1, Ordering::SeqCst)).expect("an instant")
    }
}

static TICKS: AtomicI64 = AtomicI64::new(0);

fn start(stage: &mut Stage, receiver: &Receiver, policy: Policy) -> Gateway {
    let scribe = Scribe::new(stage.vault.clone(), &text("ledger"), Audience::Ledger, Arc::new(json::Encoder));
    let answers: Option<Arc<dyn Decode>> = Some(Arc::new(json::Decoder));
    let answers = answers.filter(|_| policy.receipt_within.is_some());
    let target = Arc::new(receiver.clone());
    let outlet = Outlet { name: text("ledger"), target, scribe, window: 16, policy, answers };
    let clock = Ticks(TICKS.fetch_add(1_000_000, Ordering::SeqCst).into());
    Gateway::start(stage.close(), Arc::new(clock), Vec::new(), vec![outlet]).expect("it starts")
}

async fn stop(gateway: Gateway, stage: &mut Stage) {
    gateway.stop(LIMIT).await.expect("it stops");
    stage.open(Charts::default(), 1_000, None);
}

async fn until(gateway: &Gateway, what: &str, ask: impl Fn(&mut dyn Read) -> bool + Send + Clone + 'static) {
    let (handle, deadline) = (gateway.handle(), Instant::now() + LIMIT);
    loop {
        let ask = ask.clone();
        if handle.read(move |read, _| Ok(ask(read))).await.expect("it answers") {
            return;
        }
        assert!(Instant::now() < deadline, "waited too long until {what}");
        tokio::task::yield_now().await;
    }
}

async fn book(gateway: &Gateway) -> Book {
    gateway.handle().read(books).await.expect("books").targets.remove(0)
}

/// The newest record of each posting after a number: its number, posting and revision.
async fn newest_after(gateway: &Gateway, after: Seq) -> Vec<(Seq, Timestamp, String, i64)> {
    let ask = move |read: &mut dyn Read| {
        let rows = read.newest_after(after, 1_000)?.into_iter();
        Ok(rows
            .map(|(row, posting)| (row.seq, row.registered, posting.posting.id.to_string(), row.revision))
            .collect())
    };
    gateway.handle().read(move |read, _| ask(read)).await.expect("it answers")
}

/// Postings at instants of their own, between which the solution ends before some of them and comes back: records of several
/// revisions, tags and untags.
fn town(dice: &mut ChaCha8Rng) -> Stage {
    let mut stage = with_postings(0..1);
    let mut version = 1;
    for i in 1..dice.random_range(20..60) {
        let now = format!("2026-03-{:02}T08:{:02}:00Z", 11 + i / 10, i % 10);
        stage.send(&now, "opus", &posting(&format!("P-{i}"), &format!("2026-03-{:02}", 1 + i % 9)));
        if dice.random_ratio(1, 6) {
            version += 1;
            let to = dice.random_range(1..10);
            let solution = format!(
                r#"{{"type":"solution","id":"s","version":{version},"name":"S","from":"2026-03-01","to":"2026-03-0{to}"}}"#
            );
            stage.send(&now, "registry", &solution);
            stage.finish(instant(&now));
        }
    }
    stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_the_receiver_has_every_record_from_there_on_again() {
    for seed in 0..30 {
        println!("seed {seed}");
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let mut stage = town(&mut dice);
        let (mut faults, mut fate) = (0, ChaCha8Rng::seed_from_u64(seed));
        let is_faulty = dice.random_ratio(1, 2);
        let receiver = Receiver::new(move |_| {
            if is_faulty && faults < 6 && fate.random_ratio(1, 8) {
                faults += 1;
                let all = [Reaction::Refuse, Reaction::Later, Reaction::Lose, Reaction::Forget];
                return all[fate.random_range(0..all.len())];
            }
            Reaction::Take
        });
        receiver.lock().slow = Duration::from_millis(dice.random_range(0..2));
        let mut gateway = start(&mut stage, &receiver, policy());
        let control = gateway.control();
        // Once it is done, or in the midst of it; and while it works, or while it is paused.
        let (is_done, is_paused) = (dice.random_ratio(1, 2), dice.random_ratio(1, 3));
        if is_done {
            until(&gateway, "it is delivered", |read| has_all(read) && released(read) == 0).await;
        }
        if is_paused {
            control.pause("target ledger", true).await.expect("it pauses");
        }
        let all = newest_after(&gateway, Seq(0)).await;
        let chosen = all[dice.random_range(0..all.len())].clone();
        let (from, after) = match dice.random_range(0..3) {
            0 => (ReplayFrom::Beginning, Seq(0)),
            1 => {
                let before = all.iter().rfind(|(_, registered, ..)| *registered < chosen.1);
                (ReplayFrom::Time(chosen.1), before.map_or(Seq(0), |record| record.0))
            }
            _ => {
                let reader =
                    Reader { name: text("reader"), audience: Audience::Ledger, filter: TagFilter::default() };
                let mut read = Subscription::begin(&gateway.handle(), reader, "").await.expect("it begins");
                read.next(dice.random_range(1..all.len())).await.expect("a page");
                (ReplayFrom::Cursor(read.cursor()), read.position())
            }
        };
        let mark = if is_done { receiver.lock().took.len() } else { 0 };
        control.replay_target(&text("ledger"), from.clone()).await.expect("it is taken");
        assert!(book(&gateway).await.is_balanced(), "{:?}", book(&gateway).await);
        // It may end before it has delivered any of it.
        if dice.random_ratio(1, 3) {
            drop(control);
            stop(gateway, &mut stage).await;
            gateway = start(&mut stage, &receiver, policy());
        } else {
            drop(control);
        }
        if is_paused {
            gateway.control().pause("target ledger", false).await.expect("it goes on");
        }
        until(&gateway, "it is delivered", |read| has_all(read) && released(read) == 0).await;
        gateway.handle().release_parked(text("ledger"), None).await.expect("released");
        until(&gateway, "nothing is parked", |read| {
            read.parked(&text("ledger"), samspor_domain::PostingNo(0), 1).expect("it reads").is_empty()
        })
        .await;
        let expected: Vec<(String, i64)> = newest_after(&gateway, after)
            .await
            .into_iter()
            .map(|(_, _, posting, revision)| (posting, revision))
            .collect();
        let took: Vec<(String, i64)> = {
            let inner = receiver.lock();
            inner.took[mark..].iter().map(|(posting, revision, _)| (posting.clone(), *revision)).collect()
        };
        let missing: Vec<_> = expected.iter().filter(|record| !took.contains(record)).collect();
        assert!(missing.is_empty(), "{from:?} after {after:?}: {missing:?}");
        // Without faults in the order of the feed, and nothing from before.
        if is_done && !is_faulty {
            assert_eq!(took, expected, "{from:?}");
        }
        let revisions: BTreeMap<&String, i64> =
            took.iter().map(|(posting, revision)| (posting, *revision)).collect();
        assert!(
            expected.iter().all(|(posting, revision)| revisions[posting] == *revision),
            "the newest comes last"
        );
        let book = book(&gateway).await;
        assert!(book.is_reconciled(), "{book:?}");
        stop(gateway, &mut stage).await;
    }
}

const ACCEPTED: &str = r#"{"type":"receipt","id":"R","source":"opus","posting":"{}","revision":1,"status":"accepted","at":"2026-03-11T08:00:00Z"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_of_what_the_receiver_lost_are_awaited_anew() {
    let mut stage = with_postings(0..20);
    let receiver = Receiver::new(|_| Reaction::Answer(ACCEPTED));
    let policy = Policy { receipt_within: Some(Duration::from_secs(60)), ..policy() };
    let gateway = start(&mut stage, &receiver, policy);
    let control = gateway.control();
    let stages = async |gateway: &Gateway| {
        until(gateway, "it is delivered", has_all).await;
        let book = book(gateway).await;
        assert!(book.is_balanced(), "{book:?}");
        let count = |stage| book.has.get(&stage).map_or(0, |sum| sum.postings);
        [Progress::Awaiting, Progress::Accepted].map(count)
    };
    assert_eq!(stages(&gateway).await, [0, 20]);
    // It lost its books, and says nothing of what it gets again.
    receiver.react(|_| Reaction::Take);
    control.replay_target(&text("ledger"), ReplayFrom::Beginning).await.expect("it is taken");
    assert_eq!(stages(&gateway).await, [20, 0]);
    // Then it says of some what it said before, to the letter.
    receiver.react(|id| if id.len() == 3 { Reaction::Answer(ACCEPTED) } else { Reaction::Take });
    control.replay_target(&text("ledger"), ReplayFrom::Beginning).await.expect("it is taken");
    assert_eq!(stages(&gateway).await, [10, 10]);
    // A receipt that is quicker than what notes that its record was handed over again is one all the same.
    control.pause("target ledger", true).await.expect("it pauses");
    receiver.react(|_| Reaction::Take);
    control.replay_target(&text("ledger"), ReplayFrom::Beginning).await.expect("it is taken");
    let intake = Intake {
        source: text("receipts"),
        decoder: Arc::new(json::Decoder),
        may_send: Permissions { receipts_of: Some(text("ledger")), ..Permissions::default() },
        max_body_bytes: 10_000,
    };
    let body = ACCEPTED.replace("{}", "P-1").into();
    let items = intake.prepare(&samspor_domain::Delivery { body, ..samspor_domain::Delivery::default() });
    assert_eq!(gateway.handle().take_in(items).await.expect("it is taken in"), [Became::Receipt]);
    control.pause("target ledger", false).await.expect("it goes on");
    assert_eq!(stages(&gateway).await, [19, 1]);
    drop(control);
    stop(gateway, &mut stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_come_again_is_told_and_nothing_changes() {
    let mut stage = with_postings(0..1);
    stage.send("2026-03-11T08:00:00Z", "opus", &posting("P-1", "2026-03-05"));
    let receiver = Receiver::new(|_| Reaction::Take);
    let gateway = start(&mut stage, &receiver, policy());
    until(&gateway, "it is delivered", has_all).await;
    let control = gateway.control();
    let ledger = text("ledger");
    let refused = control.replay_target(&text("nobody"), ReplayFrom::Beginning).await;
    assert!(matches!(&refused, Err(NotReplayed::Unknown { known }) if *known == ["ledger"]), "{refused:?}");
    let refused = control.replay_target(&ledger, ReplayFrom::Cursor("nonsense".into())).await;
    assert!(matches!(refused, Err(NotReplayed::Cursor(CursorError::Malformed))), "{refused:?}");
    // From later on than it has come nothing comes again.
    let later = instant("2026-03-21T08:00:00Z");
    assert_eq!(control.replay_target(&ledger, ReplayFrom::Time(later)).await.expect("it is taken"), 0);
    assert_eq!(receiver.lock().took.len(), 2);
    drop(control);
    stop(gateway, &mut stage).await;

    // What was purged since is a tag that the receiver may have and that nothing would take off.
    let store = stage.core().store();
    store.begin().expect("begins");
    store.set_meta("feed-purged", &2_i64.to_be_bytes()).expect("is kept");
    store.commit().expect("commits");
    let gateway = start(&mut stage, &receiver, policy());
    let control = gateway.control();
    let second = ReplayFrom::Time(instant("2026-03-11T08:00:00Z"));
    let refused = control.replay_target(&ledger, second).await;
    assert!(matches!(refused, Err(NotReplayed::Cursor(CursorError::TooOld))), "{refused:?}");
    assert_eq!(control.replay_target(&ledger, ReplayFrom::Beginning).await.expect("it is taken"), 2);
    drop(control);
    stop(gateway, &mut stage).await;
}
