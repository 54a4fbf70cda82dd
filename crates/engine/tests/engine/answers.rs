//! Receivers that answer a record with its receipt, or with something else, and that ask for a wait.

use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use samspor_domain::store::{PostingNo, Read};
use samspor_domain::{Stage as Progress, Verdict};
use samspor_engine::{Condition, Policy};

use crate::delivery::{LIMIT, Reaction, Receiver, has_all, policy, run, with_postings};
use crate::stage::text;

const ACCEPTED: &str = r#"{"type":"receipt","id":"R","source":"opus","posting":"{}","revision":1,"status":"accepted","at":"2026-03-11T08:00:00Z"}"#;
const REJECTED: &str = r#"{"type":"receipt","id":"R","source":"opus","posting":"{}","revision":1,"status":"rejected","at":"2026-03-11T08:00:00Z","code":"K7","text":"Kontoen er lukket"}"#;

fn with_receipts() -> Policy {
    Policy { receipt_within: Some(Duration::from_secs(60)), ..policy() }
}

/// The ids of the postings of a stage, in order.
fn ids(read: &mut dyn Read, stage: Progress) -> Vec<String> {
    let handed = read.handed_in(&text("ledger"), Some(stage), PostingNo(0), 1_000).expect("what it has");
    let mut id = |no| read.posting(no).expect("it reads").expect("a posting").posting.id.to_string();
    handed.into_iter().map(|(no, _)| id(no)).collect()
}

/// One in three is accepted at once, one rejected, and of one the receipt comes later.
fn of(id: &str) -> Reaction {
    match id["P-".len()..].parse::<usize>().expect("a number") % 3 {
        0 => Reaction::Answer(ACCEPTED),
        1 => Reaction::Answer(REJECTED),
        _ => Reaction::Take,
    }
}

/// A receipt is in the books with its record at every read, or a crash between the two would lose it; whatever happens
/// to what goes before and after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_is_the_answer_is_booked_with_its_record() {
    for seed in 0..12 {
        println!("seed {seed}");
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let mut faults = dice.random_range(0..20);
        let receiver = Receiver::new(move |id| {
            if faults > 0 && dice.random_ratio(1, 5) {
                faults -= 1;
                let faults = [Reaction::Refuse, Reaction::Later, Reaction::Lose, Reaction::Forget];
                return faults[dice.random_range(0..faults.len())];
            }
            of(id)
        });
        let running = run(with_postings(0..60), &receiver, with_receipts());
        running
            .until("everything is delivered or parked", |read| {
                for awaited in ids(read, Progress::Awaiting) {
                    assert_eq!(
                        of(&awaited),
                        Reaction::Take,
                        "the receipt of {awaited} came with its confirm"
                    );
                }
                has_all(read)
            })
            .await;
        running.handle.release_parked(text("ledger"), None).await.expect("released");
        running
            .until("nothing is parked", |read| {
                read.parked(&text("ledger"), PostingNo(0), 1).expect("what is parked").is_empty()
            })
            .await;
        let book = running.books().await.targets.remove(0);
        let count = |stage| book.has.get(&stage).map_or(0, |sum| sum.postings);
        let counts = [Progress::Accepted, Progress::Rejected, Progress::Awaiting].map(count);
        assert_eq!((counts, book.is_balanced()), ([20, 20, 20], true), "{book:?}");
        // No source brought them.
        let items = running.handle.read(|read, _| read.counts()).await.expect("it answers");
        assert!(items.iter().all(|count| count.outcome != samspor_domain::store::Outcome::Receipt));
        running.stage.holds_none_of(&[b"Kontoen er lukket".to_vec()]);
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_no_receipt_of_the_record_leaves_it_delivered_and_awaited_and_is_told() {
    let other = ACCEPTED.replace("{}", "P-0");
    let other: &'static str = Box::leak(other.into_boxed_str());
    let later: &'static str =
        Box::leak(ACCEPTED.replace("\"revision\":1", "\"revision\":2").into_boxed_str());
    for (answer, expected) in [
        (other, "it is of another posting or revision"),
        (later, "it is of another posting or revision"),
        ("0101305000 er ukendt", "undecodable"),
        (r#"{"type":"receipt"}"#, "missing-field"),
        (
            r#"{"type":"posting","id":"Anna Holm","date":"2026-03-05","account":"5.28.21.1","amount":"1.00"}"#,
            "it is a message of another type",
        ),
    ] {
        println!("{answer}");
        let receiver =
            Receiver::new(
                move |id| if id == "P-0" { Reaction::Answer(ACCEPTED) } else { Reaction::Answer(answer) },
            );
        let running = run(with_postings(0..2), &receiver, with_receipts());
        running.until("everything is delivered", has_all).await;
        let stages = running
            .handle
            .read(|read, _| Ok((ids(read, Progress::Accepted), ids(read, Progress::Awaiting))))
            .await
            .expect("it answers");
        assert_eq!(stages, (vec!["P-0".to_owned()], vec!["P-1".to_owned()]));
        assert_eq!(receiver.lock().took.len(), 2, "each was sent once");
        let parts = running.gateway.status().watch();
        let condition = parts.borrow().get("receipts ledger").map(|report| report.condition.clone());
        let Some(Condition::Down(why)) = condition else { panic!("{condition:?}") };
        assert!(why.contains(expected) && why.contains("docs/http.md"), "{why}");
        assert!(!["0101305000", "Anna", "P-0", "P-1"].iter().any(|quoted| why.contains(quoted)), "{why}");
        running.stop().await;
    }
}

/// A target without `[targets.receipts]` is not listened to.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_asked_for_is_not_read() {
    let receiver = Receiver::new(|_| Reaction::Answer(REJECTED));
    let running = run(with_postings(0..2), &receiver, policy());
    running.until("everything is delivered", has_all).await;
    let delivered =
        running.handle.read(|read, _| Ok(ids(read, Progress::Delivered))).await.expect("it answers");
    assert_eq!(delivered.len(), 2);
    assert!(running.books().await.targets[0].is_reconciled());
    running.stop().await;
}

/// A later word over a queue still counts, and an earlier one does not.
#[test]
fn of_an_answer_and_a_receipt_on_a_queue_the_later_counts() {
    let mut stage = with_postings(0..1);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let receiver = Receiver::new(|_| Reaction::Answer(REJECTED));
    let intake = samspor_engine::Intake {
        source: text("receipts"),
        decoder: std::sync::Arc::new(samspor_formats::json::Decoder),
        may_send: samspor_engine::Permissions {
            receipts_of: Some(text("ledger")),
            ..samspor_engine::Permissions::default()
        },
        max_body_bytes: 10_000,
    };
    for (at, expected) in
        [("2026-03-10T08:00:00Z", Verdict::Rejected), ("2026-03-12T08:00:00Z", Verdict::Accepted)]
    {
        let body = ACCEPTED.replace("{}", "P-0").replace("2026-03-11T08:00:00Z", at).into();
        let items = intake.prepare(&samspor_domain::Delivery { body, ..samspor_domain::Delivery::default() });
        stage = runtime.block_on(async {
            let running = run(stage, &receiver, with_receipts());
            running.until("everything is delivered", has_all).await;
            running.handle.take_in(items).await.expect("it is taken in");
            let reached = if expected == Verdict::Accepted { Progress::Accepted } else { Progress::Rejected };
            let reached =
                running.handle.read(move |read, _| Ok(ids(read, reached))).await.expect("it answers");
            assert_eq!(reached, ["P-0"], "{at}");
            running.stop().await
        });
    }
}

/// Waits that would last for hours if they were not as the receiver asks, or not within the longest that is allowed.
#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_asked_for_is_kept_up_to_the_longest() {
    let hours = Duration::from_secs(10_000);
    for (asked, waits) in [
        (0, (Duration::from_millis(1), hours)),
        (hours.as_secs(), (Duration::from_millis(1), Duration::from_millis(5))),
    ] {
        let mut left = 40;
        let receiver = Receiver::new(move |_| {
            left -= 1;
            if left > 0 {
                Reaction::LaterIn(asked)
            } else {
                left = 0;
                Reaction::Take
            }
        });
        let begun = Instant::now();
        let running = run(with_postings(0..3), &receiver, Policy { waits, ..policy() });
        running.until("everything is delivered", has_all).await;
        assert!(begun.elapsed() < LIMIT);
        running.stop().await;
    }
}
