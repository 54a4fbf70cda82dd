//! What sources and targets do when the broker or the way to it fails.

use std::task::Poll;
use std::time::Duration;

use anyhow::Context as _;
use samspor_amqp::{Broker, Source, Target, target};
use samspor_domain::{Flow, LinkError, Sent, Source as _, Target as _};
use samspor_harness::client::{Client, Message};
use samspor_harness::proxy::Proxy;
use samspor_harness::rabbitmq::{self, Node, Options};

use crate::{
    LIMIT, bodies, broker, error, new_source, new_target, next, outgoing, source_settings, target_settings,
};

/// A wait that is meant to run out.
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_deleted_queue_ends_the_subscription() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let client = Client::connect(&url).await?;
    let source = new_source(&url, source_settings())?;
    let mut subscription = source.subscribe().await?;
    client.delete("in").await?;
    let said = error(subscription.next()).await?;
    assert!(said.contains("receiving from the queue 'in'") && said.contains("cancelled"), "{said}");
    let mut subscription = source.subscribe().await?;
    client.publish("in", [Message::from("m")]).await?;
    assert_eq!(bodies(&next(&mut subscription).await?), ["m"]);
    Ok(())
}

#[tokio::test]
async fn a_cut_connection_fails_everything_on_it_and_a_new_one_works() -> anyhow::Result<()> {
    let node = rabbitmq::shared().await?;
    let url = node.vhost().await?;
    let client = Client::connect(&url).await?;
    let proxy = Proxy::start(node.address()).await?;
    let (source, target) =
        (new_source(&proxy.url(&url), source_settings())?, new_target(&proxy.url(&url), target_settings())?);
    let (mut subscription, mut publisher) = (source.subscribe().await?, target.connect().await?);
    client.publish("in", [Message::from("m")]).await?;
    let batch = next(&mut subscription).await?;
    // The broker takes the message, and its confirm never comes: the outcome is unknown.
    proxy.pause_answers();
    let confirms = publisher.publish(vec![outgoing("unknown")]).await?;
    client.wait_for_count("out", 1, LIMIT).await?;
    proxy.cut();
    let said = error(confirms).await?;
    assert!(said.contains("waiting for confirms, publishing to the exchange ''"), "{said}");
    assert!(error(subscription.next()).await?.contains("receiving from the queue 'in'"));
    assert!(error(batch.token.accept()).await?.contains("acknowledging a batch"));
    error(async { publisher.publish(vec![outgoing("lost")]).await?.await }).await?;
    drop((subscription, publisher));
    proxy.wait_for_connections(0, LIMIT).await?;

    proxy.resume();
    let (mut subscription, mut publisher) = (source.subscribe().await?, target.connect().await?);
    let batch = next(&mut subscription).await?;
    assert_eq!(bodies(&batch), ["m"]);
    batch.token.accept().await?;
    assert_eq!(publisher.publish(vec![outgoing("again")]).await?.await?, [Sent::Delivered]);
    let received = client.drain("out", 2, LIMIT).await?;
    assert_eq!(
        received.iter().filter_map(|m| m.message_id.as_deref()).collect::<Vec<_>>(),
        ["unknown", "again"]
    );
    Ok(())
}

#[tokio::test]
async fn a_broker_that_hangs_is_given_up_in_time_and_its_connections_with_it() -> anyhow::Result<()> {
    let node = rabbitmq::shared().await?;
    let url = node.vhost().await?;
    let proxy = Proxy::start(node.address()).await?;
    // Hasty only where the wait is meant to run out: connecting may take its time on a busy machine.
    let patient = broker(&proxy.url(&url))?;
    let attentive = Broker { heartbeat: Duration::from_secs(1), ..patient.clone() };
    let hasty = Broker { connect_timeout: SHORT, ..patient.clone() };
    let confirming = target::Settings { confirm_timeout: SHORT, ..target_settings() };

    let mut subscription = Source::new(attentive, source_settings())?.subscribe().await?;
    let mut publisher = Target::new(patient.clone(), confirming)?.connect().await?;
    proxy.wait_for_connections(2, LIMIT).await?;
    proxy.pause();
    let said = error(async { publisher.publish(vec![outgoing("m")]).await?.await }).await?;
    assert!(said.contains("no answer within 300 ms"), "{said}");
    drop(publisher);
    proxy.wait_for_connections(1, LIMIT).await?;
    // The heartbeat finds out about the subscription.
    assert!(error(subscription.next()).await?.contains("receiving from the queue 'in'"));
    drop(subscription);
    proxy.wait_for_connections(0, LIMIT).await?;

    for _ in 0..3 {
        let said = error(Source::new(hasty.clone(), source_settings())?.subscribe()).await?;
        assert!(
            said.contains("connecting to amqp://127.0.0.1:") && said.contains("no answer within"),
            "{said}"
        );
        assert!(!said.contains("samspor:"), "{said}");
    }
    // A caller may give up sooner than the source itself.
    let patient = Source::new(patient, source_settings())?;
    assert!(tokio::time::timeout(SHORT, patient.subscribe()).await.is_err());
    proxy.wait_for_connections(0, LIMIT).await
}

#[tokio::test]
async fn nobody_there_and_nobody_known_are_said() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    // A port of our own on which nothing listens.
    let unused = tokio::net::TcpSocket::new_v4()?;
    unused.bind("127.0.0.1:0".parse()?)?;
    let nobody = format!("amqp://who:secret@{}/v", unused.local_addr()?);
    let said = error(new_source(&nobody, source_settings())?.subscribe()).await?;
    assert!(said.contains("connecting to amqp://127.0.0.1:") && said.contains("refused"), "{said}");
    let (start, address) = url.rsplit_once('@').unwrap_or_default();
    let stranger = format!("{start}wrong@{address}");
    let said = error(new_source(&stranger, source_settings())?.subscribe()).await?;
    assert!(said.contains("ACCESS_REFUSED") && !said.contains("wrong"), "{said}");
    let said = error(new_source(&format!("{url}x"), source_settings())?.subscribe()).await?;
    assert!(said.contains("vhost"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_killed_broker_fails_the_link_and_a_new_one_works_when_it_is_back() -> anyhow::Result<()> {
    let mut node = Node::temporary(Options::default()).await?;
    let url = node.url();
    let (source, target) = (new_source(&url, source_settings())?, new_target(&url, target_settings())?);
    let (mut subscription, mut publisher) = (source.subscribe().await?, target.connect().await?);
    Client::connect(&url).await?.publish("in", [Message::from("m")]).await?;
    let batch = next(&mut subscription).await?;
    assert_eq!(publisher.publish(vec![outgoing("before")]).await?.await?, [Sent::Delivered]);
    node.kill().await?;
    error(async { publisher.publish(vec![outgoing("meanwhile")]).await?.await }).await?;
    error(batch.token.accept()).await?;
    error(subscription.next()).await?;
    error(source.subscribe()).await?;
    error(target.connect()).await?;

    node.restart().await?;
    let (mut subscription, mut publisher) = (source.subscribe().await?, target.connect().await?);
    assert_eq!(bodies(&next(&mut subscription).await?), ["m"]);
    assert_eq!(publisher.publish(vec![outgoing("after")]).await?.await?, [Sent::Delivered]);
    let received = Client::connect(&url).await?.drain("out", 2, LIMIT).await?;
    assert_eq!(
        received.iter().filter_map(|m| m.message_id.as_deref()).collect::<Vec<_>>(),
        ["before", "after"]
    );

    Ok(())
}

#[tokio::test]
async fn a_broker_that_blocks_its_publishers_is_given_up_in_time() -> anyhow::Result<()> {
    let node = Node::temporary(Options::default()).await?;
    let (url, proxy) = (node.url(), Proxy::start(node.address()).await?);
    let client = Client::connect(&url).await?;
    let source = new_source(&url, source_settings())?;
    let mut subscription = source.subscribe().await?;
    client.publish("in", [Message::from("m")]).await?;
    node.ctl(&["set_vm_memory_high_watermark", "0"]).await?;

    let hasty = target::Settings { confirm_timeout: SHORT, ..target_settings() };
    let target = Target::new(broker(&proxy.url(&url))?, hasty)?;
    for _ in 0..3 {
        let mut publisher = target.connect().await?;
        // The first is blocked at the broker, and the second is not even written.
        for _ in 0..2 {
            let said = error(async { publisher.publish(vec![outgoing("blocked")]).await?.await }).await?;
            assert!(said.contains("no answer within 300 ms"), "{said}");
        }
    }
    // The client library would keep all three until the broker unblocks them.
    proxy.wait_for_connections(0, LIMIT).await?;
    // Who only receives is not blocked, and can acknowledge.
    let batch = next(&mut subscription).await?;
    assert_eq!(bodies(&batch), ["m"]);
    batch.token.accept().await?;
    client.wait_for_count("in", 0, LIMIT).await?;

    node.ctl(&["set_vm_memory_high_watermark", "0.4"]).await?;
    let mut publisher = new_target(&url, target_settings())?.connect().await?;
    assert_eq!(publisher.publish(vec![outgoing("free")]).await?.await?, [Sent::Delivered]);
    Ok(())
}

/// Waits until a future has made no progress so often, and drops it then. Answers whether it was ready before that.
async fn give_up_after<T>(waits: usize, future: impl Future<Output = Result<T, LinkError>>) -> bool {
    let mut future = std::pin::pin!(future);
    let mut left = waits;
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending if left == 0 => Poll::Ready(false),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Whoever pauses a source or reloads its configuration may do so while it subscribes.
#[tokio::test]
async fn what_is_given_up_at_any_moment_leaves_no_connection_and_no_consumer() -> anyhow::Result<()> {
    let node = rabbitmq::shared().await?;
    let url = node.vhost().await?;
    let client = Client::connect(&url).await?;
    let proxy = Proxy::start(node.address()).await?;
    let (source, target) =
        (new_source(&proxy.url(&url), source_settings())?, new_target(&proxy.url(&url), target_settings())?);
    drop(source.subscribe().await?);
    proxy.wait_for_connections(0, LIMIT).await?;
    client.publish("in", [Message::from("m")]).await?;
    for waits in 0.. {
        let subscribed = give_up_after(waits, source.subscribe()).await;
        let connected = give_up_after(waits, target.connect()).await;
        proxy.wait_for_connections(0, LIMIT).await.with_context(|| format!("after {waits} waits"))?;
        client.wait_for_count("in", 1, LIMIT).await.with_context(|| format!("after {waits} waits"))?;
        if subscribed && connected {
            println!("both were there after {waits} waits");
            break;
        }
    }
    Ok(())
}

/// A publisher that has nothing to publish notices what becomes of its connection all the same.
#[tokio::test]
async fn an_idle_publisher_notices_that_its_connection_is_gone() -> anyhow::Result<()> {
    let node = Node::temporary(Options::default()).await?;
    let (url, proxy) = (node.url(), Proxy::start(node.address()).await?);
    let patient = broker(&proxy.url(&url))?;
    let attentive = Broker { heartbeat: Duration::from_secs(1), ..patient.clone() };
    let lost = "holding the connection for the exchange ''";

    // The network ends it.
    let mut publisher = Target::new(patient.clone(), target_settings())?.connect().await?;
    proxy.cut();
    let said = error(publisher.changed()).await?;
    assert!(said.contains(lost), "{said}");
    // Asked again, it says so again.
    assert!(error(publisher.changed()).await?.contains(lost));
    drop(publisher);

    // The broker ends it.
    let mut publisher = Target::new(patient.clone(), target_settings())?.connect().await?;
    node.ctl(&["close_all_connections", "the operator wants it"]).await?;
    let said = error(publisher.changed()).await?;
    assert!(said.contains(lost) && said.contains("the operator wants it"), "{said}");
    drop(publisher);

    // It hangs for longer than the heartbeat, and nothing is under way that would run out of time.
    let mut publisher = Target::new(attentive, target_settings())?.connect().await?;
    proxy.pause();
    assert!(error(publisher.changed()).await?.contains(lost));
    proxy.resume();
    drop(publisher);

    // A broker that is short of memory says so to who publishes, and when it is over.
    let mut publisher = Target::new(patient, target_settings())?.connect().await?;
    node.ctl(&["set_vm_memory_high_watermark", "0"]).await?;
    let confirms = publisher.publish(vec![outgoing("m")]).await?;
    let flow = tokio::time::timeout(LIMIT, publisher.changed()).await??;
    assert!(matches!(&flow, Flow::Blocked(why) if why.contains("memory")), "{flow:?}");
    node.ctl(&["set_vm_memory_high_watermark", "0.4"]).await?;
    assert_eq!(tokio::time::timeout(LIMIT, publisher.changed()).await??, Flow::Open);
    assert_eq!(confirms.await?, [Sent::Delivered]);
    Ok(())
}

#[tokio::test]
async fn an_idle_publisher_notices_that_its_channel_is_closed() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let settings = target::Settings {
        exchange: "gone".to_owned(),
        routing: target::Routing::Fixed("key".to_owned()),
        queue: None,
        ..target_settings()
    };
    let client = Client::connect(&url).await?;
    let mut publisher = new_target(&url, settings)?.connect().await?;
    client.delete_exchange("gone").await?;
    // The broker closes the channel of who publishes to an exchange that is not there.
    error(async { publisher.publish(vec![outgoing("m")]).await?.await }).await?;
    let said = error(publisher.changed()).await?;
    assert!(said.contains("holding the connection for the exchange 'gone'"), "{said}");
    Ok(())
}
