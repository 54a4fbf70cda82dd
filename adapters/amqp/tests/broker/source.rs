//! What a source promises while the broker is well.

use futures_util::FutureExt as _;
use lapin::ExchangeKind;
use samspor_amqp::{QueueType, Source, Topology, source};
use samspor_domain::{Source as _, Subscription};
use samspor_harness::client::{Client, Kind, Message};
use samspor_harness::rabbitmq;

use crate::{LIMIT, bodies, broker, error, new_source, next, source_settings};

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n}")).collect()
}

async fn publish(client: &Client, texts: &[String]) -> anyhow::Result<()> {
    client.publish("in", texts.iter().map(|text| Message::from(text.as_str()))).await
}

/// Receives and accepts until `count` deliveries came.
async fn receive(subscription: &mut Box<dyn Subscription>, count: usize) -> anyhow::Result<Vec<String>> {
    let mut received = Vec::new();
    while received.len() < count {
        let batch = next(subscription).await?;
        received.extend(bodies(&batch));
        batch.token.accept().await?;
    }
    Ok(received)
}

#[tokio::test]
async fn batches_and_prefetch_are_bounded_and_in_order() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let client = Client::connect(&url).await?;
    let settings = source::Settings { prefetch: 20, batch: 7, ..source_settings() };
    let mut subscription = new_source(&url, settings)?.subscribe().await?;
    let sent = numbers(50);
    publish(&client, &sent).await?;
    let (mut received, mut tokens) = (Vec::new(), Vec::new());
    while received.len() < 20 {
        let batch = next(&mut subscription).await?;
        assert!((1..=7).contains(&batch.deliveries.len()), "{}", batch.deliveries.len());
        received.extend(bodies(&batch));
        tokens.push(batch.token);
    }
    // Nothing was accepted yet, so the broker holds all others back.
    assert_eq!(client.count("in").await?, 30);
    assert!(subscription.next().now_or_never().is_none());
    for token in tokens {
        token.accept().await?;
    }
    received.extend(receive(&mut subscription, 30).await?);
    assert_eq!(received, sent);
    Ok(())
}

#[tokio::test]
async fn a_batch_of_large_messages_is_bounded_by_their_bytes() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let client = Client::connect(&url).await?;
    let mut subscription = new_source(&url, source_settings())?.subscribe().await?;
    let large = (0..10).map(|n| format!("{n}{}", "x".repeat(600_000))).collect::<Vec<_>>();
    publish(&client, &large).await?;
    // The broker has handed over all of them.
    client.wait_for_count("in", 0, LIMIT).await?;
    let mut received = Vec::new();
    while received.len() < large.len() {
        let batch = next(&mut subscription).await?;
        assert!(batch.deliveries.len() <= 2, "{} of 600,000 bytes each", batch.deliveries.len());
        received.extend(bodies(&batch));
        batch.token.accept().await?;
    }
    assert!(received == large, "they are the same, in their order");
    Ok(())
}

#[tokio::test]
async fn what_was_not_accepted_comes_again() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let client = Client::connect(&url).await?;
    for queue_type in [QueueType::Quorum, QueueType::Classic] {
        let settings = source::Settings { queue_type, batch: 2, ..source_settings() };
        let source = new_source(&url, settings)?;
        let mut subscription = source.subscribe().await?;
        let sent = numbers(5);
        publish(&client, &sent).await?;
        let first = next(&mut subscription).await?;
        let accepted = first.deliveries.len();
        first.token.accept().await?;
        let second = next(&mut subscription).await?;
        drop(second);
        drop(subscription);
        let mut subscription = source.subscribe().await?;
        assert_eq!(receive(&mut subscription, sent.len() - accepted).await?, sent[accepted..]);
        drop(subscription);
        client.delete("in").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_later_batch_cannot_take_an_unaccepted_one_along() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let client = Client::connect(&url).await?;
    let source = new_source(&url, source::Settings { batch: 1, ..source_settings() })?;
    let mut subscription = source.subscribe().await?;
    publish(&client, &numbers(2)).await?;
    let (first, second) = (next(&mut subscription).await?, next(&mut subscription).await?);
    drop(first);
    assert!(error(second.token.accept()).await?.contains("an earlier batch was not accepted"));
    drop(subscription);
    assert_eq!(receive(&mut source.subscribe().await?, 2).await?, numbers(2));
    Ok(())
}

#[tokio::test]
async fn what_a_dropped_subscription_began_can_be_accepted() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let client = Client::connect(&url).await?;
    let source = new_source(&url, source::Settings { batch: 1, ..source_settings() })?;
    let mut subscription = source.subscribe().await?;
    publish(&client, &numbers(3)).await?;
    let first = next(&mut subscription).await?;
    drop(subscription);
    first.token.accept().await?;
    assert_eq!(receive(&mut source.subscribe().await?, 2).await?, numbers(3)[1..]);
    Ok(())
}

#[tokio::test]
async fn giving_up_a_wait_loses_nothing() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let client = Client::connect(&url).await?;
    let mut subscription =
        new_source(&url, source::Settings { batch: 3, ..source_settings() })?.subscribe().await?;
    let sent = numbers(200);
    let (mut received, mut given_up) = (Vec::new(), 0);
    let publishing = publish(&client, &sent);
    let receiving = async {
        while received.len() < sent.len() {
            match subscription.next().now_or_never() {
                Some(batch) => {
                    let batch = batch?;
                    received.extend(bodies(&batch));
                    batch.token.accept().await?;
                }
                None => {
                    given_up += 1;
                    tokio::task::yield_now().await;
                }
            }
        }
        anyhow::Ok(())
    };
    let (published, received_all) =
        tokio::time::timeout(LIMIT, futures_util::future::join(publishing, receiving)).await?;
    published?;
    received_all?;
    assert_eq!(received, sent);
    assert!(given_up > 0);
    Ok(())
}

#[tokio::test]
async fn no_number_of_deliveries_costs_a_message() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let client = Client::connect(&url).await?;
    let source = new_source(&url, source_settings())?;
    drop(source.subscribe().await?);
    publish(&client, &numbers(1)).await?;
    // RabbitMQ 4 drops after 20 unless told otherwise.
    for _ in 0..25 {
        assert_eq!(bodies(&next(&mut source.subscribe().await?).await?), ["0"]);
    }
    assert_eq!(receive(&mut source.subscribe().await?, 1).await?, ["0"]);
    client.wait_for_count("in", 0, LIMIT).await
}

#[tokio::test]
async fn bodies_content_types_and_headers_arrive_whole() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let client = Client::connect(&url).await?;
    let mut subscription = new_source(&url, source_settings())?.subscribe().await?;
    let large: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    let mut with_headers = Message::new("application/xml; charset=iso-8859-1", vec![0xE6, 0x00, 0xFF]);
    with_headers.headers =
        [("type".to_owned(), "bevilling ø".to_owned()), ("empty".to_owned(), String::new())].into();
    // All headers of a message come in one frame, and frames may be that large.
    with_headers.headers.insert("long".to_owned(), "x".repeat(100_000));
    let sent =
        [Message::from(""), Message { body: large.clone(), ..Message::default() }, with_headers.clone()];
    client.publish("in", sent).await?;
    let mut received = Vec::new();
    while received.len() < 3 {
        received.extend(next(&mut subscription).await?.deliveries);
    }
    assert!(
        received[0].body.is_empty() && received[0].content_type.is_none() && received[0].headers.is_empty()
    );
    assert!(received[1].body == large);
    assert_eq!(received[2].body, with_headers.body);
    assert_eq!(received[2].content_type, with_headers.content_type);
    assert_eq!(received[2].headers, with_headers.headers);
    Ok(())
}

#[tokio::test]
async fn a_declared_queue_is_durable_bound_and_declared_again_at_will() -> anyhow::Result<()> {
    let node = rabbitmq::shared().await?;
    let url = node.vhost().await?;
    let client = Client::connect(&url).await?;
    let settings = source::Settings {
        bind: vec![("events".to_owned(), "case.#".to_owned()), ("events".to_owned(), "grant.#".to_owned())],
        dead_letter_exchange: Some("dead".to_owned()),
        ..source_settings()
    };
    let source = new_source(&url, settings.clone())?;
    let missing = error(source.subscribe()).await?;
    assert!(missing.contains("binding the queue 'in' to the exchange 'events'"), "{missing}");
    assert!(missing.contains("no exchange 'events'"), "{missing}");
    assert!(error(source.check()).await?.contains("looking for the exchange 'events'"));

    client.declare_exchange("events", ExchangeKind::Topic).await?;
    source.check().await?;
    drop(source.subscribe().await?);
    let mut subscription = source.subscribe().await?;
    client.publish_to("events", "case.opened", [Message::from("case")]).await?;
    client.publish_to("events", "grant.made", [Message::from("grant")]).await?;
    assert_eq!(receive(&mut subscription, 2).await?, ["case", "grant"]);
    let vhost = url.rsplit('/').next().unwrap_or_default();
    let listed = node.ctl(&["list_queues", "--vhost", vhost, "name", "type", "durable", "arguments"]).await?;
    for part in ["quorum", "true", "\"x-delivery-limit\",2147483647", "\"x-dead-letter-exchange\",\"dead\""] {
        assert!(listed.contains(part), "{part} in {listed}");
    }

    let other = Source::new(broker(&url)?, source::Settings { queue_type: QueueType::Classic, ..settings })?;
    let other = error(other.subscribe()).await?;
    assert!(
        other.contains("declaring the queue 'in'") && other.contains("inequivalent arg 'x-queue-type'"),
        "{other}"
    );
    Ok(())
}

#[tokio::test]
async fn a_queue_of_someone_elses_is_taken_as_it_is_and_missed_when_missing() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let client = Client::connect(&url).await?;
    let source = new_source(&url, source::Settings { topology: Topology::Check, ..source_settings() })?;
    for missing in [error(source.subscribe()).await?, error(source.check()).await?] {
        assert!(
            missing.contains("looking for the queue 'in'") && missing.contains("no queue 'in'"),
            "{missing}"
        );
    }
    client.declare("in", Kind::Classic).await?;
    source.check().await?;
    let mut subscription = source.subscribe().await?;
    publish(&client, &numbers(1)).await?;
    assert_eq!(receive(&mut subscription, 1).await?, ["0"]);
    Ok(())
}

#[test]
fn settings_that_cannot_work_are_refused() -> anyhow::Result<()> {
    let good = source_settings();
    let wrong = [
        ("queue", source::Settings { queue: String::new(), ..good.clone() }),
        ("queue", source::Settings { queue: "q".repeat(256), ..good.clone() }),
        ("prefetch", source::Settings { prefetch: 0, ..good.clone() }),
        ("batch", source::Settings { batch: 0, ..good.clone() }),
        ("batch", source::Settings { batch: 101, ..good.clone() }),
        ("bind.exchange", source::Settings { bind: vec![(String::new(), "k".to_owned())], ..good.clone() }),
        (
            "bind.routing_key",
            source::Settings { bind: vec![("e".to_owned(), "k".repeat(256))], ..good.clone() },
        ),
        (
            "dead_letter_exchange",
            source::Settings { dead_letter_exchange: Some(String::new()), ..good.clone() },
        ),
    ];
    for (field, settings) in wrong {
        match Source::new(broker("amqp://broker")?, settings) {
            Err(error) => assert_eq!(error.field, field),
            Ok(source) => panic!("{source:?}"),
        }
    }
    Ok(())
}
