//! What was parked and is tried again: whatever comes of it, the others get through, and it is parked again only when it
//! is shown that the receiver takes others.

use std::collections::BTreeMap;
use std::time::Instant;

use samspor_domain::Why;
use samspor_domain::store::{PostingNo, Read};
use samspor_engine::Policy;

use crate::delivery::{
    LIMIT, Reaction, Receiver, Running, THEN, has_all, parked, policy, posting, run, with_postings,
};
use crate::stage::{prepare, text};

impl Running {
    pub(crate) async fn send(&self, id: usize) {
        let items = prepare("opus", &posting(&format!("P-{id}"), "2026-03-05"));
        self.handle.take_in(items).await.unwrap_or_else(|error| panic!("{error}"));
    }

    async fn release(&self) -> usize {
        self.handle.release_parked(text("ledger"), None).await.expect("released")
    }

    /// Waits until the receiver was handed enough.
    async fn until_tried(&self, receiver: &Receiver, enough: impl Fn(&BTreeMap<String, usize>) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !enough(&receiver.lock().tries) {
            assert!(Instant::now() < deadline, "it goes on trying");
            tokio::task::yield_now().await;
        }
    }

    async fn parked(&self) -> Vec<(String, Why)> {
        self.handle.read(|read, _| Ok(parked(read))).await.expect("it answers")
    }
}

/// How much that is parked is still tried.
pub(crate) fn released(read: &mut dyn Read) -> usize {
    let parked = read.parked(&text("ledger"), PostingNo(0), 1_000).expect("what is parked");
    parked.iter().filter(|parked| parked.is_released).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_released_record_does_it_holds_up_no_other() {
    for again in [Reaction::Lose, Reaction::Later, Reaction::LaterIn(10_000), Reaction::Refuse] {
        println!("{again:?}");
        let receiver = Receiver::new(|id| if id == "P-7" { Reaction::Refuse } else { Reaction::Take });
        let running = run(with_postings(0..20), &receiver, policy());
        running.until("everything is delivered or parked", has_all).await;
        receiver.react(move |id| if id == "P-7" { again } else { Reaction::Take });
        let before = receiver.lock().tries["P-7"];
        assert_eq!(running.release().await, 1);
        for id in 20..30 {
            running.send(id).await;
            running.until("what comes later is delivered", has_all).await;
        }
        running.until_tried(&receiver, |tries| tries["P-7"] > before).await;
        running.until("it is parked again", |read| released(read) == 0).await;
        assert!(matches!(&running.parked().await[..], [(_, Why::Refused(5.., _))]));
        // Nor does it hold up anything after a restart.
        running.release().await;
        let running = run(running.stop().await, &receiver, policy());
        running.send(30).await;
        running.until("what comes later is delivered", has_all).await;
        receiver.react(|_| Reaction::Take);
        running.release().await;
        running.until("nothing is parked", |read| parked(read).is_empty()).await;
        let book = &running.books().await.targets[0];
        assert!(book.is_reconciled() && book.all().postings == 31, "{book:?}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn released_records_that_fail_hold_up_no_other_released_one() {
    let is_odd = |id: &str| id["P-".len()..].parse::<usize>().expect("a number") % 2 == 1;
    let receiver = Receiver::new(move |id| if is_odd(id) { Reaction::Take } else { Reaction::Refuse });
    let running = run(with_postings(0..40), &receiver, policy());
    running.until("everything is delivered or parked", has_all).await;
    assert_eq!(running.parked().await.len(), 20);
    receiver.react(|id| match id {
        "P-0" | "P-2" | "P-4" | "P-6" => Reaction::Refuse,
        "P-8" | "P-10" => Reaction::Later,
        "P-12" => Reaction::Lose,
        _ => Reaction::Take,
    });
    assert_eq!(running.release().await, 20);
    let bad = ["P-0", "P-2", "P-4", "P-6", "P-8", "P-10", "P-12"];
    running.until("the good ones are delivered", move |read| parked(read).len() == bad.len()).await;
    assert!(running.parked().await.iter().all(|(id, _)| bad.contains(&id.as_str())));
    running.until("the bad ones are parked again", |read| released(read) == 0).await;
    receiver.react(|_| Reaction::Take);
    running.release().await;
    running.until("nothing is parked", |read| parked(read).is_empty()).await;
    assert!(running.books().await.targets[0].is_reconciled());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_released_is_parked_again_while_the_receiver_takes_nothing() {
    for broken in [Reaction::Refuse, Reaction::Later, Reaction::Lose] {
        println!("{broken:?}");
        let receiver = Receiver::new(|id| if id == "P-7" { Reaction::Refuse } else { Reaction::Take });
        let running = run(with_postings(0..10), &receiver, policy());
        running.until("everything is delivered or parked", has_all).await;
        receiver.react(move |_| broken);
        let before = receiver.lock().tries["P-7"];
        running.release().await;
        running.until_tried(&receiver, |tries| tries["P-7"] > before + 20).await;
        assert_eq!(running.handle.read(|read, _| Ok(released(read))).await.expect("it answers"), 1);
        receiver.react(|_| Reaction::Take);
        running.until("nothing is parked", |read| parked(read).is_empty()).await;
        running.stop().await;
    }
}

fn with_february() -> crate::stage::Stage {
    let mut stage = with_postings(0..5);
    for i in 5..10 {
        stage.send(THEN, "opus", &posting(&format!("P-{i}"), "2026-02-05"));
    }
    stage
}

fn february_is_closed() -> Policy {
    Policy { closed_months: ["2026-02-01".parse().expect("a date")].into(), ..policy() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_is_opened_is_tried_as_carefully_as_everything_else() {
    let receiver = Receiver::new(|_| Reaction::Take);
    let running = run(with_february(), &receiver, february_is_closed());
    running.until("everything is delivered or parked", has_all).await;
    let stage = running.stop().await;
    receiver.react(|_| Reaction::Refuse);
    let running = run(stage, &receiver, policy());
    let is_tried = |tries: &BTreeMap<_, _>| (5..10).all(|id| tries.get(&format!("P-{id}")) > Some(&5));
    running.until_tried(&receiver, is_tried).await;
    let is_parked = running.parked().await;
    assert!(
        is_parked.len() == 5 && is_parked.iter().all(|(_, why)| *why == Why::ClosedMonth),
        "{is_parked:?}"
    );
    receiver.react(|id| if id == "P-6" { Reaction::Refuse } else { Reaction::Take });
    running
        .until(
            "only the bad one is parked",
            |read| matches!(&parked(read)[..], [(id, Why::Refused(4.., _))] if id == "P-6"),
        )
        .await;
    running.stop().await;
}

/// However many records of closed months come after one that fails, they are not kept in memory until it is known
/// whether that is bad.
#[tokio::test(flavor = "multi_thread")]
async fn closed_months_do_not_wait_for_a_record_that_fails() {
    let mut stage = with_postings(0..1);
    for i in 1..200 {
        stage.send(THEN, "opus", &posting(&format!("P-{i}"), "2026-02-05"));
    }
    let receiver = Receiver::new(|id| if id == "P-0" { Reaction::Refuse } else { Reaction::Take });
    let running = run(stage, &receiver, february_is_closed());
    running.until("they are parked", |read| parked(read).len() == 199).await;
    let at = running.handle.read(|read, _| read.cursor(&text("ledger"))).await.expect("it answers");
    assert_eq!(at.0, 0, "what fails is not passed");
    let books = running.books().await;
    assert!(books.targets.iter().all(|book| book.is_balanced()), "{books:?}");
    running.send(200).await;
    running.until("everything is delivered or parked", has_all).await;
    assert_eq!(running.parked().await.len(), 200);
    let books = running.books().await;
    assert!(books.targets.iter().all(|book| book.is_balanced()), "{books:?}");
    running.stop().await;
}

/// Once with the others, three times alone, and once more after another got through: if that ends with the connection,
/// it is no answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_not_parked_because_the_connection_ended_when_it_was_tried_once_more() {
    let mut tries = 0;
    let receiver = Receiver::new(move |id| {
        tries += usize::from(id == "P-3");
        match (id, tries) {
            ("P-3", 1..=4) => Reaction::Refuse,
            ("P-3", 5) => Reaction::Lose,
            _ => Reaction::Take,
        }
    });
    let running = run(with_postings(0..10), &receiver, policy());
    running.until("everything is delivered", |read| has_all(read) && parked(read).is_empty()).await;
    assert_eq!(receiver.lock().tries["P-3"], 6);
    running.stop().await;
}
