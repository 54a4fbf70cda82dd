//! What a target promises while the broker is well.

use futures_util::future::join_all;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties};
use samspor_amqp::target::Routing;
use samspor_amqp::{ExchangeKind, QueueType, Target, Topology, target};
use samspor_domain::{Outgoing, Publisher, Sent, Target as _};
use samspor_harness::client::{Client, Kind};
use samspor_harness::proxy::Proxy;
use samspor_harness::rabbitmq;

use crate::{LIMIT, broker, error, new_target, outgoing, target_settings, topic};

async fn send(publisher: &mut Box<dyn Publisher>, messages: Vec<Outgoing>) -> anyhow::Result<Vec<Sent>> {
    let confirms = publisher.publish(messages).await?;
    Ok(tokio::time::timeout(LIMIT, confirms).await??)
}

#[tokio::test]
async fn messages_arrive_persistent_in_order_and_with_their_ids() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let client = Client::connect(&url).await?;
    let mut publisher = new_target(&url, target_settings())?.connect().await?;
    let long = "p".repeat(256);
    let ids: Vec<String> = (0..2_000).map(|n| format!("opus:p-{n}:1")).chain([long.clone()]).collect();
    let mut confirms = Vec::new();
    for batch in ids.chunks(300) {
        confirms.push(publisher.publish(batch.iter().map(|id| outgoing(id)).collect()).await?);
    }
    for sent in join_all(confirms).await {
        assert!(sent?.iter().all(|sent| *sent == Sent::Delivered));
    }
    assert_eq!(send(&mut publisher, Vec::new()).await?, []);
    let received = client.drain("out", ids.len(), LIMIT).await?;
    for (received, id) in received.iter().zip(&ids) {
        assert_eq!(received.text(), format!("body of {id}"));
        assert!(received.persistent);
        assert_eq!(received.content_type.as_deref(), Some("application/json"));
        let header = received.headers.get("message-id");
        assert_eq!(received.message_id.as_ref().or(header), Some(id));
        assert_eq!(header.is_some(), *id == long);
    }
    Ok(())
}

#[tokio::test]
async fn a_message_that_is_followed_says_in_which_span_it_goes_out() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let client = Client::connect(&url).await?;
    let mut publisher = new_target(&url, target_settings())?.connect().await?;
    let trace = Some(samspor_domain::TraceContext { trace: 0xab, span: 1 });
    let long = "p".repeat(256);
    let messages = [("m", trace), (long.as_str(), trace), ("n", None)];
    let messages = messages.map(|(id, trace)| Outgoing { trace, ..outgoing(id) });
    send(&mut publisher, messages.into()).await?;
    let received = client.drain("out", 3, LIMIT).await?;
    let header = "00-000000000000000000000000000000ab-0000000000000001-01";
    let of = |n: usize, name: &str| received[n].headers.get(name).map(String::as_str);
    assert_eq!([0, 1, 2].map(|n| of(n, "traceparent")), [Some(header), Some(header), None]);
    assert_eq!([0, 1, 2].map(|n| of(n, "message-id")), [None, Some(long.as_str()), None]);
    Ok(())
}

/// A sequence that looks random and is the same for the same seed.
fn sequence(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    }
}

/// Whatever is under way at the same time, every message gets its own answer: it was routed, or it was not. Queues of
/// both types confirm at different times, so the broker's answers come in no order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_gets_its_own_answer() -> anyhow::Result<()> {
    const SEED: u64 = 20_260_314;
    println!("seed {SEED}");
    let mut random = sequence(SEED);
    let node = rabbitmq::shared().await?;
    let url = node.vhost().await?;
    let client = Client::connect(&url).await?;
    let proxy = Proxy::start(node.address()).await?;
    let settings = target::Settings {
        exchange: "lis".to_owned(),
        routing: Routing::Topic("tags.{solution}.{area}".to_owned()),
        queue: None,
        ..target_settings()
    };
    let mut publisher = new_target(&proxy.url(&url), settings)?.connect().await?;
    for (queue, kind) in [("quorum", Kind::Quorum), ("classic", Kind::Classic)] {
        client.declare(queue, kind).await?;
        client.bind(queue, "lis", &format!("tags.{queue}.#")).await?;
    }
    let mut expected = Vec::new();
    let mut arrived = [Vec::new(), Vec::new()];
    for round in 0..40 {
        let mut confirms = Vec::new();
        if round % 4 < 2 {
            // The broker gets all batches at once.
            proxy.pause();
        }
        // Where nothing is routed, one acknowledgement takes in many messages that came back, of several batches.
        let solutions = &["nobody", "quorum", "classic"][..1 + round % 3];
        for batch in 0..6 {
            let (mut messages, mut answers) = (Vec::new(), Vec::new());
            for number in 0..1 + random() % 40 {
                let id = format!("{round}:{batch}:{number}");
                let solution = solutions[random() as usize % solutions.len()];
                answers.push(solution != "nobody");
                if let Some(queue) = ["quorum", "classic"].iter().position(|queue| *queue == solution) {
                    arrived[queue].push(id.clone());
                }
                messages.push(Outgoing { topic: topic(solution, "health")?, ..outgoing(&id) });
            }
            expected.push(answers);
            confirms.push(publisher.publish(messages).await?);
        }
        proxy.resume();
        if round % 2 == 0 {
            confirms.reverse();
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "one task each, as confirms may be waited for anywhere"
        )]
        let mut answers: Vec<_> = confirms.into_iter().map(tokio::spawn).collect();
        if round % 2 == 0 {
            answers.reverse();
        }
        let expected = expected.drain(..);
        for (answers, expected) in join_all(answers).await.into_iter().zip(expected) {
            let answers = answers??;
            let delivered: Vec<bool> = answers.iter().map(|sent| *sent == Sent::Delivered).collect();
            assert_eq!(delivered, expected, "round {round}");
            let why = "no queue takes the routing key 'tags.nobody.health' of the exchange 'lis'";
            assert!(answers.iter().all(|s| *s == Sent::Delivered || *s == Sent::Refused(why.to_owned())));
        }
    }
    for (queue, ids) in ["quorum", "classic"].iter().zip(arrived) {
        let received = client.drain(queue, ids.len(), LIMIT).await?;
        assert_eq!(received.into_iter().filter_map(|m| m.message_id).collect::<Vec<_>>(), ids);
        assert_eq!(client.count(queue).await?, 0);
    }
    Ok(())
}

#[tokio::test]
async fn answers_that_nobody_waits_for_hold_up_no_others() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let mut publisher = new_target(&url, target_settings())?.connect().await?;
    for n in 0..50 {
        let given_up =
            publisher.publish(vec![outgoing(&format!("{n}a")), outgoing(&format!("{n}b"))]).await?;
        let wanted = publisher.publish(vec![outgoing(&format!("{n}c"))]).await?;
        if n % 2 == 0 {
            drop(given_up);
        } else {
            tokio::select! { biased; _ = given_up => {}, () = std::future::ready(()) => {} }
        }
        assert_eq!(tokio::time::timeout(LIMIT, wanted).await??, [Sent::Delivered]);
    }
    let last = publisher.publish(vec![outgoing("last")]).await?;
    drop(publisher);
    assert_eq!(tokio::time::timeout(LIMIT, last).await??, [Sent::Delivered]);
    Ok(())
}

#[tokio::test]
async fn topics_are_escaped_and_unrouted_ones_may_be_allowed() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let client = Client::connect(&url).await?;
    let settings = target::Settings {
        exchange: "lis".to_owned(),
        routing: Routing::Topic("{solution}.{area}".to_owned()),
        queue: None,
        allow_unrouted: true,
        ..target_settings()
    };
    let mut publisher = new_target(&url, settings)?.connect().await?;
    let message = |topic| Outgoing { topic, ..outgoing("m") };
    assert_eq!(send(&mut publisher, vec![message(None)]).await?, [Sent::Delivered]);
    client.declare("two-elements", Kind::Classic).await?;
    client.bind("two-elements", "lis", "*.*").await?;
    let topics =
        [topic("sb.familier 2", "vulnerable-children")?, topic(&"æ.".repeat(40), &"#".repeat(120))?, None];
    let sent = send(&mut publisher, topics.map(message).into()).await?;
    assert_eq!(sent, [Sent::Delivered, Sent::Delivered, Sent::Delivered]);
    let keys: Vec<_> =
        client.drain("two-elements", 3, LIMIT).await?.into_iter().map(|m| m.routing_key).collect();
    assert_eq!(keys[0], "sb%2Efamilier%202.vulnerable-children");
    assert!(keys[1].len() <= 201, "{}", keys[1]);
    assert_eq!(keys[2], "~.~");
    Ok(())
}

#[tokio::test]
async fn a_full_queue_refuses() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    channel.queue_declare("out".into(), QueueDeclareOptions::durable(), arguments).await?;
    let settings = target::Settings { topology: Topology::Check, ..target_settings() };
    let mut publisher = new_target(&url, settings)?.connect().await?;
    assert_eq!(send(&mut publisher, vec![outgoing("fits")]).await?, [Sent::Delivered]);
    let refused = Sent::Later("the broker could not take it".to_owned(), None);
    assert_eq!(send(&mut publisher, vec![outgoing("over")]).await?, [refused]);
    Ok(())
}

#[tokio::test]
async fn what_is_declared_is_there_and_what_is_missing_is_said() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let client = Client::connect(&url).await?;
    let exchange = target::Settings { exchange: "ledger".to_owned(), ..target_settings() };
    let check = |settings: &target::Settings| {
        new_target(&url, target::Settings { topology: Topology::Check, ..settings.clone() })
    };
    for (settings, missing) in [(target_settings(), "queue 'out'"), (exchange.clone(), "exchange 'ledger'")] {
        for said in [error(check(&settings)?.connect()).await?, error(check(&settings)?.check()).await?] {
            assert!(said.contains(&format!("looking for the {missing}: ")), "{said}");
            assert!(said.contains(&format!("no {missing}")), "{said}");
        }
    }
    for settings in [target_settings(), exchange] {
        let declaring = new_target(&url, settings.clone())?;
        declaring.check().await?;
        drop(declaring.connect().await?);
        assert_eq!(send(&mut declaring.connect().await?, vec![outgoing("m")]).await?, [Sent::Delivered]);
        check(&settings)?.check().await?;
        assert_eq!(
            send(&mut check(&settings)?.connect().await?, vec![outgoing("m")]).await?,
            [Sent::Delivered]
        );
    }
    assert_eq!(client.drain("out", 4, LIMIT).await?.len(), 4);

    let other = target::Settings {
        exchange: "ledger".to_owned(),
        exchange_kind: ExchangeKind::Fanout,
        ..target_settings()
    };
    assert!(error(new_target(&url, other)?.connect()).await?.contains("inequivalent arg 'type'"));
    Ok(())
}

#[tokio::test]
async fn an_exchange_that_goes_away_fails_the_link() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let settings = target::Settings { exchange: "ledger".to_owned(), ..target_settings() };
    let target = new_target(&url, settings)?;
    let mut publisher = target.connect().await?;
    assert_eq!(send(&mut publisher, vec![outgoing("m")]).await?, [Sent::Delivered]);
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    connection.create_channel().await?.exchange_delete("ledger".into(), Default::default()).await?;
    let said = error(async { publisher.publish(vec![outgoing("m")]).await?.await }).await?;
    assert!(said.contains("no exchange 'ledger'"), "{said}");
    // Whatever comes next fails as well, and at once.
    error(async { publisher.publish(vec![outgoing("m")]).await?.await }).await?;
    assert_eq!(send(&mut target.connect().await?, vec![outgoing("m")]).await?, [Sent::Delivered]);
    Ok(())
}

#[test]
fn settings_that_cannot_work_are_refused() -> anyhow::Result<()> {
    let good = target_settings();
    let fixed = |key: &str| Routing::Fixed(key.to_owned());
    let by_topic = Routing::Topic("{solution}".to_owned());
    let wrong = [
        ("exchange", target::Settings { exchange: "e".repeat(256), ..good.clone() }),
        ("routing_key", target::Settings { routing: fixed(""), ..good.clone() }),
        ("routing_key", target::Settings { routing: fixed(&"k".repeat(256)), ..good.clone() }),
        (
            "routing_key",
            target::Settings { routing: Routing::Topic("{x}".to_owned()), queue: None, ..good.clone() },
        ),
        ("queue", target::Settings { routing: by_topic, queue: Some(QueueType::Quorum), ..good.clone() }),
    ];
    for (field, settings) in wrong {
        match Target::new(broker("amqp://broker")?, settings) {
            Err(error) => assert_eq!(error.field, field),
            Ok(target) => panic!("{target:?}"),
        }
    }
    Ok(())
}
