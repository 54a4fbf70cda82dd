//! Many readers at once: what those hold that give no credit, and what slow ones cost.

use std::ops::Range;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use samspor_domain::{CitizenRef, Cpr, Message, Posting, SourceName, Text};
use samspor_engine::Prepared;
use samspor_grpc::Settings;

use super::{Front, Reader, begins, channel, quiet, start, tag, with_front};
use crate::gateway::DEADLINE;

/// The memory of this process, in bytes; client and server are both in it.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux says it");
    pages.split(' ').nth(1).expect("a number").parse::<u64>().expect("a number") * 4_096
}

async fn open(front: &Front, readers: usize) -> Vec<Reader> {
    let mut all = Vec::with_capacity(readers);
    while all.len() < readers {
        let channel = channel(front).await;
        for _ in 0..100.min(readers - all.len()) {
            all.push(Reader::begin(&channel, start("")).await);
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_readers_without_credit_get_nothing_and_then_what_they_ask_for() {
    with_front(Settings { max_streams_of_caller: 1_000, ..quiet() }, async |front| {
        tag(front, 0..20).await;
        let before = resident();
        let mut readers = open(front, 1_000).await;
        println!("{} bytes a stream, at both of its ends", (resident() - before) / 1_000);
        tag(front, 20..40).await;
        for reader in &mut readers {
            assert!(reader.gets.next().now_or_never().is_none(), "it gave no credit");
        }
        for reader in &mut readers {
            reader.give(1).await;
            assert_eq!(reader.batch().await.count, 1);
            assert!(reader.gets.next().now_or_never().is_none(), "it has used up its credit");
        }
    })
    .await;
}

/// A stream is asked for more before its peer takes what it has, and is not looked at again while its peer takes nothing. What it
/// waited for then must not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_take_nothing_hold_up_no_other() {
    const RECORDS: usize = 3_000;
    with_front(quiet(), async |front| {
        tag(front, 0..1).await;
        take_in(front, 0..RECORDS).await;
        let mut stalled = Vec::new();
        for _ in 0..16 {
            // Some pages fit, and then no more does.
            let endpoint = tonic::transport::Endpoint::from_shared(front.url.clone()).expect("a URL");
            let endpoint = endpoint.initial_stream_window_size(65_535).initial_connection_window_size(65_535);
            let channel = endpoint.connect().await.expect("it answers");
            let reader = Reader::try_begin(&channel, begins(start(""))).await.expect("it begins");
            reader.give(10_000).await;
            stalled.push(reader);
        }
        let reads = async {
            let mut reader = Reader::begin(&channel(front).await, start("")).await;
            let mut got = 0;
            while got < RECORDS {
                reader.give(1_000).await;
                got += usize::try_from(reader.batch().await.count).expect("a count");
            }
        };
        tokio::time::timeout(DEADLINE, reads).await.expect("it gets everything");
        drop(stalled);
    })
    .await;
}

/// Takes in tagged postings, and answers how many there were a second.
async fn take_in(front: &Front, postings: Range<usize>) -> u128 {
    let begun = Instant::now();
    let (count, all) = (postings.len(), postings.collect::<Vec<_>>());
    for batch in all.chunks(500) {
        let items = batch.iter().map(|no| {
            let posting = Posting {
                id: Text::new(&format!("L-{no}")).expect("an id"),
                date: jiff::civil::date(2026, 3, 14),
                account: "5.28.21".parse().expect("an account"),
                grouping: None,
                cost_centre: None,
                amount: "100".parse().expect("an amount"),
                citizen: Some(CitizenRef::Cpr(Cpr::parse("6112801234").expect("a number"))),
                grant: None,
                voucher: None,
                reverses: None,
            };
            let source = SourceName::new("opus").expect("a name");
            Prepared::from_caller(source, Message::Posting(posting), vec![].into())
        });
        front.handle().take_in(items.collect()).await.expect("taken in");
    }
    count as u128 * 1_000_000 / begun.elapsed().as_micros()
}

/// On a quiet machine: `cargo test --release -p samspor-grpc --test front hundred -- --ignored --nocapture`. The clients are
/// in the same process, so what they take is counted as the readers' cost too.
#[ignore = "it measures, and proves nothing"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intake_beside_a_hundred_slow_readers_and_a_thousand_idle_ones() {
    // Long enough that what the slow ones take by the second counts, and not that all of them begin.
    const ROUND: usize = 200_000;
    with_front(Settings { max_streams_of_caller: 1_100, ..quiet() }, async |front| {
        tag(front, 0..1).await;
        take_in(front, 0..ROUND).await;
        for round in 1..6 {
            let from = 2 * round * ROUND;
            let alone = take_in(front, from..from + ROUND).await;
            let before = resident();
            let idle = open(front, 1_000).await;
            let mut readers = open(front, 100).await;
            let slow = readers.iter_mut().map(async |reader| {
                loop {
                    reader.give(10).await;
                    reader.batch().await;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            });
            let beside = tokio::select! {
                beside = take_in(front, from + ROUND..from + 2 * ROUND) => beside,
                _ = join_all(slow) => unreachable!("they read for ever"),
            };
            println!(
                "{alone} a second alone, {beside} beside {}; {} KiB more",
                100 + idle.len(),
                (resident().saturating_sub(before)) / 1_024
            );
        }
    })
    .await;
}
