//! What arrives is counted before it is looked at, so that the books show what is lost on the way.

use std::sync::Arc;

use samspor_domain::store::Outcome;
use samspor_domain::{Decode, Delivery, Fault, Item, Reason, SourceName};
use samspor_engine::{Became, Intake, Permissions};

use crate::stage::{Stage, instant, text};

const NOW: &str = "2026-03-10T08:00:00Z";

/// A decoder that finds as many items as a delivery has bytes.
struct Bytes;

impl Decode for Bytes {
    fn decode(&self, _: &SourceName, delivery: &Delivery) -> Vec<Item> {
        let fault = |byte: &u8| Fault::at(Reason::InvalidField, byte.to_string(), "is wrong");
        let item = |byte| Item { content: Err(fault(byte)), excerpt: None, ignored_fields: 0 };
        delivery.body.iter().map(item).collect()
    }
}

fn intake() -> Intake {
    let decoder = Arc::new(Bytes);
    Intake { source: text("opus"), decoder, may_send: Permissions::all(), max_body_bytes: 1_000 }
}

fn delivery(body: &'static str) -> Delivery {
    Delivery { body: body.into(), ..Delivery::default() }
}

/// Items received, and what they became.
fn counted(stage: &mut Stage) -> (i64, i64) {
    let mut counts = stage.core().store().counts().expect("counts");
    counts.retain(|count| count.outcome != Outcome::Message);
    let sum = |is_received: bool| {
        let of = counts.iter().filter(|count| (count.outcome == Outcome::Received) == is_received);
        of.map(|count| count.items).sum()
    };
    (sum(true), sum(false))
}

#[test]
fn an_item_that_is_lost_after_decoding_is_missing_in_the_books() {
    let mut stage = Stage::new();
    let mut items = intake().prepare(&delivery("abc"));
    items.extend(intake().prepare(&delivery("d")));
    stage.core().take_in(&items, instant(NOW)).expect("it is taken in");
    assert_eq!(counted(&mut stage), (4, 4));
    for lost in 0..3 {
        let mut items = intake().prepare(&delivery("efg"));
        items.remove(lost);
        stage.core().take_in(&items, instant(NOW)).expect("it is taken in");
        let (received, became) = counted(&mut stage);
        assert_ne!(received, became, "the books show that item {lost} is lost");
        // So that the next one is seen by itself.
        stage = Stage::new();
    }
}

#[test]
fn a_decoder_that_finds_nothing_sends_the_message_to_quarantine() {
    let mut stage = Stage::new();
    let items = intake().prepare(&delivery(""));
    let became = stage.core().take_in(&items, instant(NOW)).expect("it is taken in");
    assert!(
        matches!(became.as_slice(), [Became::Quarantined(fault)] if fault.reason == Reason::Failed),
        "{became:?}"
    );
    assert_eq!(counted(&mut stage), (1, 1));
}

/// The same decoder, of a source whose messages may hold nothing.
struct Sparse;

impl Decode for Sparse {
    fn decode(&self, source: &SourceName, delivery: &Delivery) -> Vec<Item> {
        Bytes.decode(source, delivery)
    }

    fn may_be_empty(&self) -> bool {
        true
    }
}

#[test]
fn a_message_with_nothing_in_it_is_counted_as_that_where_it_may_be() {
    let sparse = Intake { decoder: Arc::new(Sparse), ..intake() };
    let mut stage = Stage::new();
    let items: Vec<_> = ["", "ab", ""].iter().flat_map(|body| sparse.prepare(&delivery(body))).collect();
    let became = stage.core().take_in(&items, instant(NOW)).expect("it is taken in");
    assert_eq!((&became[0], &became[3], became.len()), (&Became::Empty, &Became::Empty, 4));
    assert_eq!(counted(&mut stage), (4, 4));
    let counts = stage.core().store().counts().expect("counts");
    let of = |outcome| counts.iter().find(|count| count.outcome == outcome).map_or(0, |count| count.items);
    assert_eq!((of(Outcome::Message), of(Outcome::Empty), of(Outcome::Quarantined)), (3, 2, 2));
    // What is too large is no less so.
    let small = Intake { max_body_bytes: 1, ..sparse };
    let items = small.prepare(&delivery("ab"));
    let became = stage.core().take_in(&items, instant(NOW)).expect("it is taken in");
    assert!(
        matches!(&became[..], [Became::Quarantined(fault)] if fault.reason == Reason::TooLarge),
        "{became:?}"
    );
}
