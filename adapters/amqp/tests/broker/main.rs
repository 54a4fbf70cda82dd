//! Sources and targets against a real broker, whole, held, cut and killed.

mod distributor;
mod external;
mod quiet;
mod source;
mod target;
mod trouble;

use std::time::Duration;

use bytes::Bytes;
use samspor_amqp::{
    Broker, ExchangeKind, Login, QueueType, Source, Target, Tls, Topology, source as sources,
    target as targets,
};
use samspor_domain::{Batch, LinkError, Outgoing, Subscription, Text};

/// How long to wait for what must happen. Nothing depends on it but how soon a failure shows.
const LIMIT: Duration = Duration::from_secs(60);

/// A broker that may take its time.
fn broker(url: &str) -> anyhow::Result<Broker> {
    Ok(Broker {
        name: "test".to_owned(),
        url: url.parse()?,
        login: Login::Url,
        tls: Tls::default(),
        connect_timeout: LIMIT,
        request_timeout: LIMIT,
        heartbeat: Duration::from_secs(60),
    })
}

/// A source of the queue `in`, which it declares.
fn source_settings() -> sources::Settings {
    sources::Settings {
        queue: "in".to_owned(),
        queue_type: QueueType::Quorum,
        topology: Topology::Declare,
        prefetch: 100,
        batch: 100,
        bind: Vec::new(),
        dead_letter_exchange: None,
    }
}

fn new_source(url: &str, settings: sources::Settings) -> anyhow::Result<Source> {
    Ok(Source::new(broker(url)?, settings)?)
}

/// A target of the queue `out`, which it declares.
fn target_settings() -> targets::Settings {
    targets::Settings {
        exchange: String::new(),
        exchange_kind: ExchangeKind::Topic,
        routing: targets::Routing::Fixed("out".to_owned()),
        queue: Some(QueueType::Quorum),
        topology: Topology::Declare,
        allow_unrouted: false,
        confirm_timeout: LIMIT,
    }
}

fn new_target(url: &str, settings: targets::Settings) -> anyhow::Result<Target> {
    Ok(Target::new(broker(url)?, settings)?)
}

fn outgoing(id: &str) -> Outgoing {
    Outgoing {
        message_id: id.to_owned(),
        topic: None,
        content_type: "application/json".into(),
        body: Bytes::from(format!("body of {id}")),
        trace: None,
    }
}

fn topic(solution: &str, area: &str) -> anyhow::Result<Option<(Text, Text)>> {
    Ok(Some((solution.parse()?, area.parse()?)))
}

/// The next batch, or a failure of the test.
async fn next(subscription: &mut Box<dyn Subscription>) -> anyhow::Result<Batch> {
    Ok(tokio::time::timeout(LIMIT, subscription.next()).await??)
}

/// The error that must come, with its causes.
async fn error<T>(failing: impl Future<Output = Result<T, LinkError>>) -> anyhow::Result<String> {
    match tokio::time::timeout(LIMIT, failing).await? {
        Ok(_) => anyhow::bail!("it did not fail"),
        Err(error) => Ok(format!("{:#}", anyhow::Error::from(error))),
    }
}

fn bodies(batch: &Batch) -> Vec<String> {
    batch.deliveries.iter().map(|d| String::from_utf8_lossy(&d.body).into_owned()).collect()
}
