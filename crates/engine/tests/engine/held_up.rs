//! Nothing holds up what has nothing to do with it: not a record that is put off, not one that fails at the feed's end, not
//! one that was released, not what lies parked. Time stands still here while anything is left to do, so it can be told how
//! long something waited.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use samspor_conformance::{Call, Chance, Faults, Faulty};
use samspor_domain::store::{PostingNo, StoreError};
use samspor_domain::{Parked, Seq, Why};
use samspor_engine::{Condition, Core, Ended, Policy};
use samspor_sqlite::Sqlite;
use tokio::time::{Instant, sleep};

use crate::delivery::{
    Reaction, Receiver, Running, THEN, has_all, parked, posting, run, run_core, with_postings,
};
use crate::released::released;
use crate::stage::{Stage, instant, prepare, text};

/// What was tried, and when.
type Log = Arc<Mutex<Vec<(Instant, String)>>>;

fn logged(react: impl Fn(&str) -> Reaction + Send + 'static) -> (Receiver, Log) {
    let receiver = Receiver::new(|_| Reaction::Take);
    let log = log_of(&receiver, react);
    (receiver, log)
}

/// The same for a receiver that there is.
fn log_of(receiver: &Receiver, mut react: impl FnMut(&str) -> Reaction + Send + 'static) -> Log {
    let log = Log::default();
    let kept = Arc::clone(&log);
    receiver.react(move |id| {
        kept.lock().expect("nobody panicked with it").push((Instant::now(), id.to_owned()));
        react(id)
    });
    log
}

fn of(log: &Log) -> Vec<(Instant, String)> {
    log.lock().expect("nobody panicked with it").clone()
}

/// Waits until something holds, for a day at most.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_hours(24);
    while !holds() {
        assert!(Instant::now() < until, "waited too long until {what}");
        sleep(Duration::from_millis(200)).await;
    }
}

impl Running {
    /// Waits until nothing is parked but so many records, and everything is delivered or parked.
    async fn settles(&self, left: usize) {
        let until = Instant::now() + Duration::from_hours(24);
        let is_settled =
            move |read: &mut dyn samspor_domain::store::Read| has_all(read) && parked(read).len() == left;
        while !self.handle.read(move |read, _| Ok(is_settled(read))).await.expect("it answers") {
            assert!(Instant::now() < until, "waited too long until {left} are parked");
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// The usual waits.
fn policy() -> Policy {
    Policy { tries: 3, failing: 4, ..Policy::default() }
}

/// Says that these are parked, by the numbers of their postings; and that the target has got so far.
fn park(stage: &mut Stage, ids: impl IntoIterator<Item = i64>, is_released: bool, to: i64) {
    let store = stage.core().store();
    store.begin().expect("begins");
    let (target, why, since) = (text("ledger"), Why::Refused(4, "it was closed".into()), instant(THEN));
    store.advance(&target, Seq(to)).expect("advances");
    for id in ids {
        let (target, why) = (target.clone(), why.clone());
        let parked = Parked { target, posting: PostingNo(id + 1), seq: Seq(id + 1), why, since, is_released };
        store.park(&parked).expect("is parked");
    }
    store.commit().expect("commits");
}

fn number(id: &str) -> usize {
    id["P-".len()..].parse().expect("a number")
}

const ASKED: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn a_receiver_is_left_alone_for_as_long_as_it_asks_and_parks_one_record_in_bounded_time() {
    let (receiver, log) = logged(|id| if id == "P-5" { Reaction::LaterIn(20) } else { Reaction::Take });
    let running = run(with_postings(0..40), &receiver, policy());
    running.settles(1).await;
    let until = Instant::now() + Duration::from_hours(24);
    let mut more = 40..;
    // It gives way to the others, and when it is parked for good it begins anew.
    for times in 0..2 {
        if times > 0 {
            running.handle.release_parked(text("ledger"), None).await.expect("released");
        }
        while running.handle.read(|read, _| Ok(released(read))).await.expect("it answers") > 0 {
            assert!(Instant::now() < until, "it is parked for good");
            running.send(more.next().expect("another one")).await;
            sleep(Duration::from_secs(5)).await;
        }
        running.settles(1).await;
    }
    let log = of(&log);
    let put_off = log.iter().filter(|(_, id)| id == "P-5").map(|(at, _)| *at).collect::<Vec<_>>();
    assert_eq!(put_off.len(), 14 + 13);
    are_kept(&log, &put_off);
    assert!(put_off[put_off.len() - 1] - put_off[0] < ASKED * 60);
    running.stop().await;
}

/// Nothing went to the receiver within the time for which it had asked to be left alone.
fn are_kept(log: &[(Instant, String)], asked: &[Instant]) {
    for at in asked {
        let mut after = log.iter().map(|(at, _)| *at).filter(|other| other > at);
        assert!(after.all(|other| other >= *at + ASKED), "it is not left alone: {log:?}");
    }
}

/// Neither a record of the feed nor another one goes before that, also where what it put off was sent again only to see
/// whether it takes anything.
#[tokio::test(start_paused = true)]
async fn a_receiver_is_left_alone_also_by_what_it_is_sent_again() {
    let receiver = Receiver::new(|id| if number(id) < 2 { Reaction::Refuse } else { Reaction::Take });
    let running = run(with_postings(0..10), &receiver, policy());
    running.settles(2).await;
    let asked: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let kept = Arc::clone(&asked);
    let log = log_of(&receiver, move |id| match number(id) {
        0 | 1 => Reaction::Refuse,
        2..10 => {
            kept.lock().expect("nobody panicked with it").push(Instant::now());
            Reaction::LaterIn(20)
        }
        _ => Reaction::Take,
    });
    running.handle.release_parked(text("ledger"), None).await.expect("released");
    eventually("something was sent again", || !asked.lock().expect("nobody panicked with it").is_empty())
        .await;
    for id in 10..60 {
        running.send(id).await;
        sleep(Duration::from_secs(1)).await;
    }
    are_kept(&of(&log), &asked.lock().expect("nobody panicked with it"));
    running.stop().await;
}

/// A good record is never given up because a receiver puts off what it likes.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_puts_off_half_of_all_requests_gets_everything() {
    for (seed, put_off) in [(1, Reaction::Later), (2, Reaction::LaterIn(1)), (3, Reaction::Lose)] {
        let mut chance = Chance::new(seed, 0);
        let receiver = Receiver::new(move |_| if chance.percent(50) { put_off } else { Reaction::Take });
        let running = run(with_postings(0..200), &receiver, Policy { tries: 5, ..policy() });
        running.settles(0).await;
        assert!(running.books().await.targets[0].is_reconciled());
        running.stop().await;
    }
}

/// What was put off is not tried right behind what shows that the receiver takes anything.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_takes_one_record_now_and_then_gets_what_was_released() {
    let mut stage = with_postings(0..2);
    park(&mut stage, [0], true, 1);
    let mut free = Instant::now();
    let receiver = Receiver::new(move |_| {
        let now = Instant::now();
        if now < free {
            return Reaction::Later;
        }
        free = now + Duration::from_secs(20);
        Reaction::Take
    });
    let running = run(stage, &receiver, policy());
    eventually("it is delivered", || receiver.lock().took.iter().any(|(id, ..)| id == "P-0")).await;
    running.settles(0).await;
    running.stop().await;
}

/// However many records in a row are bad, and wherever they are: what the receiver has already shows that it works.
#[tokio::test(start_paused = true)]
async fn bad_records_are_parked_also_at_the_end_and_many_in_a_row() {
    for bad in [Reaction::Refuse, Reaction::Break, Reaction::Later, Reaction::LaterIn(1), Reaction::Lose] {
        let receiver = Receiver::new(move |id| match number(id) {
            20..40 | 59 => bad,
            _ => Reaction::Take,
        });
        let running = run(with_postings(0..60), &receiver, policy());
        running.settles(21).await;
        let parts = running.gateway.status().watch();
        let is_up = || parts.borrow()["target ledger"].condition == Condition::Up;
        eventually("the target is up", is_up).await;
        let until = Instant::now() + Duration::from_hours(24);
        while running.handle.read(|read, _| Ok(released(read))).await.expect("it answers") > 0 {
            assert!(Instant::now() < until, "they are parked for good ({bad:?})");
            sleep(Duration::from_millis(200)).await;
        }
        running.settles(21).await;
        eventually("the target is up", is_up).await;
        running.stop().await;
    }
}

/// What it has already it does not take either.
#[tokio::test(start_paused = true)]
async fn nothing_is_parked_when_a_receiver_takes_nothing_any_more() {
    for broken in BAD {
        let (receiver, log) = logged(|_| Reaction::Take);
        let running = run(with_postings(0..10), &receiver, policy());
        running.settles(0).await;
        drop(log);
        let log = log_of(&receiver, move |_| broken);
        for id in 10..30 {
            running.send(id).await;
        }
        eventually("it goes on trying", || of(&log).len() > 100).await;
        assert!(running.handle.read(|read, _| Ok(parked(read))).await.expect("it answers").is_empty());
        let tried: BTreeSet<usize> = of(&log).iter().map(|(_, id)| number(id)).collect();
        assert!(tried.iter().any(|id| *id < 10) && tried.iter().any(|id| *id >= 10), "{tried:?}");
        receiver.react(|_| Reaction::Take);
        running.settles(0).await;
        running.stop().await;
    }
}

/// Nor is it stuck when what it has already is the very thing that it does not take.
#[tokio::test(start_paused = true)]
async fn what_is_sent_again_in_vain_stops_nothing() {
    for bad in BAD {
        let receiver = Receiver::new(|_| Reaction::Take);
        let running = run(with_postings(0..10), &receiver, policy());
        running.settles(0).await;
        let mut fails = 6;
        receiver.react(move |id| match number(id) {
            0..10 => bad,
            _ if fails > 0 => {
                fails -= 1;
                bad
            }
            _ => Reaction::Take,
        });
        running.send(10).await;
        running.settles(0).await;
        running.stop().await;
    }
}

/// What is released while there is no connection is tried in the next one, also where trying again had come past it.
#[tokio::test(start_paused = true)]
async fn what_is_released_between_two_connections_is_tried_in_the_next() {
    let mut stage = with_postings(0..100);
    park(&mut stage, 0..50, false, 100);
    park(&mut stage, 50..100, true, 100);
    let receiver = Receiver::new(|_| Reaction::Take);
    let mut is_cut = false;
    receiver.react(move |id| {
        let is_it = id == "P-70" && !std::mem::replace(&mut is_cut, true);
        if is_it { Reaction::Lose } else { Reaction::Take }
    });
    receiver.lock().slow = Duration::from_millis(50);
    let running = run(stage, &receiver, policy());
    let until = Instant::now() + Duration::from_hours(24);
    while !receiver.lock().tries.contains_key("P-70") {
        assert!(Instant::now() < until, "it is tried");
        sleep(Duration::from_millis(10)).await;
    }
    // It hears of the cut after 50 ms, and connects again 200 ms later at the earliest.
    sleep(Duration::from_millis(100)).await;
    assert_eq!(running.handle.release_parked(text("ledger"), None).await.expect("released"), 50);
    assert_eq!(receiver.lock().tries.len(), 21, "there is no connection yet");
    eventually("all are tried", || receiver.lock().tries.len() == 100).await;
    running.settles(0).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_puts_off_everything_is_not_hammered_and_nothing_is_parked() {
    let (receiver, log) = logged(|_| Reaction::LaterIn(20));
    let running = run(with_postings(0..40), &receiver, policy());
    eventually("it goes on trying", || of(&log).len() > 150).await;
    let tried = of(&log);
    // Those that were under way together at first, and together once more.
    assert!(tried[16].0 - tried[15].0 >= ASKED);
    for pair in tried[32..].windows(2) {
        assert!(pair[1].0 - pair[0].0 >= ASKED, "{pair:?}");
    }
    let ids: BTreeSet<&String> = tried[32..].iter().map(|(_, id)| id).collect();
    assert_eq!(ids.len(), 5, "as many are tried as may fail, and one more");
    assert!(running.handle.read(|read, _| Ok(parked(read))).await.expect("it answers").is_empty());
    receiver.react(|_| Reaction::Take);
    running.settles(0).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn released_records_do_not_wait_for_the_last_of_the_feed() {
    for last in [Reaction::Refuse, Reaction::Break, Reaction::Later, Reaction::LaterIn(30)] {
        let mut stage = with_postings(0..201);
        park(&mut stage, 0..200, true, 200);
        let receiver = Receiver::new(move |id| if id == "P-200" { last } else { Reaction::Take });
        receiver.lock().slow = Duration::from_millis(50);
        let running = run(stage, &receiver, policy());
        let took = || receiver.lock().took.iter().map(|(id, ..)| id.clone()).collect::<BTreeSet<_>>().len();
        eventually("they are delivered", || took() == 200).await;
        let tries = receiver.lock().tries["P-200"];
        assert!(tries <= 6, "the last one was tried {tries} times meanwhile ({last:?})");
        running.stop().await;
    }
}

const BAD: [Reaction; 5] =
    [Reaction::Refuse, Reaction::Break, Reaction::Later, Reaction::LaterIn(5), Reaction::Lose];

#[tokio::test(start_paused = true)]
async fn what_is_released_goes_before_what_failed_after_its_release() {
    for bad in BAD {
        let mut stage = with_postings(0..101);
        park(&mut stage, 0..100, true, 101);
        park(&mut stage, [100], false, 101);
        let (receiver, log) = logged(move |id| if id == "P-100" { Reaction::Take } else { bad });
        let running = run(stage, &receiver, policy());
        eventually("all were tried", || receiver.lock().tries.len() == 100).await;
        sleep(Duration::from_mins(10)).await;
        assert_eq!(running.handle.release_parked(text("ledger"), None).await.expect("released"), 1);
        let before = of(&log).len();
        eventually("it is delivered", || receiver.lock().took.len() == 1).await;
        let log = of(&log);
        let place = log.iter().position(|(_, id)| id == "P-100").expect("it was tried");
        assert!(place <= before + 1, "{} went before it ({bad:?})", place - before);
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_released_record_that_fails_does_not_hold_up_one_behind_it() {
    for bad in BAD {
        let mut stage = with_postings(0..102);
        park(&mut stage, 0..101, true, 101);
        let (receiver, log) = logged(move |id| if number(id) >= 100 { Reaction::Take } else { bad });
        let begun = Instant::now();
        let running = run(stage, &receiver, policy());
        eventually("it is delivered", || receiver.lock().took.iter().any(|(id, ..)| id == "P-100")).await;
        // What it asks for is kept.
        let asked = if let Reaction::LaterIn(seconds) = bad { seconds * 100 } else { 0 };
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(90 + asked), "it waited for {waited:?} ({bad:?})");
        let once: BTreeSet<String> = of(&log).into_iter().map(|(_, id)| id).collect();
        assert_eq!(once.len(), 102, "each has its try");
        // And each of the bad ones is parked again in the end.
        running.settles(100).await;
        let until = Instant::now() + Duration::from_hours(24);
        while running.handle.read(move |read, _| Ok(released(read))).await.expect("it answers") > 0 {
            assert!(Instant::now() < until, "they are parked again ({bad:?})");
            sleep(Duration::from_millis(200)).await;
        }
        running.stop().await;
    }
}

/// Counts what readers ask, and damages the store for the writer.
#[derive(Default)]
struct Asked(AtomicUsize, AtomicBool);

impl Faults for Asked {
    fn before(&self, call: Call<'_>) -> Result<(), StoreError> {
        self.0.fetch_add(usize::from(call.by > 0), Ordering::Relaxed);
        let is_damaged = call.by == 0 && self.1.load(Ordering::Relaxed);
        if is_damaged { Err(StoreError::Damaged("for a test".into())) } else { Ok(()) }
    }
}

fn counting(mut stage: Stage, receiver: &Receiver, policy: Policy) -> (Running, Arc<Asked>) {
    drop(stage.close());
    let asked = Arc::new(Asked::default());
    let inner = Box::new(Sqlite::open(stage.dir.path()).expect("a store"));
    let store = Box::new(Faulty::new(inner, Arc::clone(&asked) as Arc<dyn Faults>));
    let core = Core::open(store, Arc::clone(&stage.vault), Default::default(), 1_000).expect("a core");
    (run_core(core, stage, receiver, policy), asked)
}

/// A record that fails, and behind it many of a month whose books are closed.
fn before_a_closed_month() -> (Stage, Policy) {
    let mut stage = with_postings(0..1);
    for i in 1..=300 {
        stage.send(THEN, "opus", &posting(&format!("P-{i}"), "2026-02-05"));
    }
    let closed_months = ["2026-02-01".parse().expect("a date")].into();
    (stage, Policy { closed_months, ..policy() })
}

async fn twenty_tries_read_little(asked: &Asked, tries: impl Fn() -> usize) {
    let (before, made) = (asked.0.load(Ordering::Relaxed), tries());
    eventually("it goes on", || tries() >= made + 20).await;
    let asked = asked.0.load(Ordering::Relaxed) - before;
    assert!(asked <= 20 * 15, "{asked} reads for 20 tries");
}

#[tokio::test(start_paused = true)]
async fn what_is_parked_for_a_closed_month_is_not_read_again_in_a_careful_pass() {
    let (stage, policy) = before_a_closed_month();
    let receiver = Receiver::new(|_| Reaction::Later);
    let (running, asked) = counting(stage, &receiver, policy);
    let tries = || receiver.lock().tries.get("P-0").copied().unwrap_or_default();
    eventually("the others are passed", || tries() >= 20).await;
    assert_eq!(running.handle.read(|read, _| Ok(parked(read).len())).await.expect("it answers"), 300);
    twenty_tries_read_little(&asked, tries).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_parked_for_a_closed_month_is_not_read_again_when_others_are_tried_again() {
    let (stage, policy) = before_a_closed_month();
    let receiver = Receiver::new(|_| Reaction::Take);
    let running = run(stage, &receiver, policy.clone());
    running.settles(300).await;
    let mut stage = running.stop().await;
    park(&mut stage, [0], true, 301);
    let receiver = Receiver::new(|_| Reaction::Later);
    let (running, asked) = counting(stage, &receiver, policy);
    let tries = || receiver.lock().tries.get("P-0").copied().unwrap_or_default();
    eventually("it is tried", || tries() >= 20).await;
    twenty_tries_read_little(&asked, tries).await;
    running.stop().await;
}

/// A careful pass that waits for something new ends with the writer, from which nothing new will come.
#[tokio::test(start_paused = true)]
async fn a_target_does_not_spin_when_the_writer_is_gone() {
    let receiver = Receiver::new(|_| Reaction::Refuse);
    let (mut running, asked) = counting(with_postings(0..1), &receiver, policy());
    let tries = || receiver.lock().tries.get("P-0").copied().unwrap_or_default();
    eventually("it waits at the end", || tries() >= 6).await;
    asked.1.store(true, Ordering::Relaxed);
    let items = prepare("opus", &posting("P-1", "2026-03-05"));
    assert!(running.handle.take_in(items).await.is_err());
    assert!(matches!(running.gateway.failed().await, Ended::Store(StoreError::Damaged(_))));
    let before = asked.0.load(Ordering::Relaxed);
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let asked = asked.0.load(Ordering::Relaxed) - before;
    assert!(asked < 20, "{asked} reads, and no time has passed");
}
