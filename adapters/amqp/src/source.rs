//! Sources: a queue, from which deliveries come in batches that are acknowledged as such.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Acker, Channel, Consumer};
use samspor_domain as domain;
use samspor_domain::{Acknowledge, Batch, Delivery, LinkError, Token};

use crate::link::{Link, Said, failed};
use crate::topology::Declarations;
use crate::{Broker, Login, QueueType, SettingsError, Topology};

/// What is consumed, and how much of it at a time.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The queue.
    pub queue: String,
    /// Its type, where it is declared.
    pub queue_type: QueueType,
    /// Whether it is declared.
    pub topology: Topology,
    /// How many deliveries may be under way without an acknowledgement, 1–65,535. With the size of their bodies it
    /// bounds the memory that a source takes.
    pub prefetch: u16,
    /// How many of them make one batch at the most, 1 to `prefetch`.
    pub batch: usize,
    /// Exchanges and keys by which the queue is bound, where it is declared. The exchanges must exist.
    pub bind: Vec<(String, String)>,
    /// Where the broker puts what expires or does not fit in, where the queue is declared. The gateway itself rejects
    /// nothing.
    pub dead_letter_exchange: Option<String>,
}

impl Settings {
    fn check(&self) -> Result<(), SettingsError> {
        SettingsError::check_name("queue", &self.queue)?;
        if self.prefetch == 0 {
            return Err(SettingsError::new("prefetch", "must be at least 1"));
        }
        if self.batch == 0 || self.batch > usize::from(self.prefetch) {
            let message = format!("must be 1 to prefetch, which is {}", self.prefetch);
            return Err(SettingsError::new("batch", message));
        }
        for (exchange, key) in &self.bind {
            SettingsError::check_name("bind.exchange", exchange)?;
            if !key.is_empty() {
                SettingsError::check_name("bind.routing_key", key)?;
            }
        }
        match &self.dead_letter_exchange {
            Some(exchange) => SettingsError::check_name("dead_letter_exchange", exchange),
            None => Ok(()),
        }
    }
}

/// A queue to receive from.
#[derive(Debug)]
pub struct Source {
    broker: Broker,
    settings: Settings,
}

impl Source {
    /// A source; it connects when it is subscribed to.
    pub fn new(broker: Broker, settings: Settings) -> Result<Self, SettingsError> {
        broker.check()?;
        settings.check()?;
        Ok(Self { broker, settings })
    }

    /// Connects and looks whether all is there that the gateway does not declare itself; changes and consumes nothing.
    pub async fn check(&self) -> Result<(), LinkError> {
        let link = Link::open(&self.broker).await?;
        let channel = link.channel().await?;
        let declarations = Declarations { link: &link, channel: &channel };
        match self.settings.topology {
            Topology::Check => declarations.check_queue(&self.settings.queue).await,
            Topology::Declare => {
                for (exchange, _) in &self.settings.bind {
                    declarations.check_exchange(exchange).await?;
                }
                Ok(())
            }
        }
    }
}

#[async_trait]
impl domain::Source for Source {
    async fn subscribe(&self) -> Result<Box<dyn domain::Subscription>, LinkError> {
        let Settings { queue, queue_type, topology, prefetch, batch, bind, dead_letter_exchange } =
            &self.settings;
        let link = Link::open(&self.broker).await?;
        let channel = link.channel().await?;
        let declarations = Declarations { link: &link, channel: &channel };
        match topology {
            Topology::Declare => {
                declarations.declare_queue(queue, *queue_type, dead_letter_exchange.as_deref()).await?;
                for (exchange, key) in bind {
                    declarations.bind(queue, exchange, key).await?;
                }
            }
            Topology::Check => declarations.check_queue(queue).await?,
        }
        // Before the consumer exists, since the library keeps whatever the broker sends.
        let limited = channel.basic_qos(*prefetch, BasicQosOptions::default());
        link.request(|| format!("limiting the prefetch to {prefetch}"), limited).await?;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consumer = channel.basic_consume(queue.as_str().into(), "".into(), options, arguments);
        let consumer = link.request(|| format!("consuming from the queue '{queue}'"), consumer).await?;
        let line = Arc::new(Line { link, _channel: channel, accepted: AtomicU64::new(0) });
        let by_token = matches!(self.broker.login, Login::Token(_));
        Ok(Box::new(Subscription { consumer, line, batch: *batch, queue: queue.clone(), by_token }))
    }
}

/// The channel that deliveries come on. It lives until the last of their batches is done with, so that what a dropped
/// subscription began can still be acknowledged.
struct Line {
    // Dropped in this order: the channel before its connection.
    _channel: Channel,
    link: Link,
    /// The last delivery that was acknowledged, with all before it.
    accepted: AtomicU64,
}

struct Subscription {
    // Dropped first, so that the broker sends no more.
    consumer: Consumer,
    line: Arc<Line>,
    batch: usize,
    queue: String,
    /// Whether senders may show tokens as the gateway does: in a header, which may come through to here.
    by_token: bool,
}

/// With so many bytes a batch is full, whatever number of messages that is.
const MAX_BATCH_BYTES: usize = 1 << 20;

impl Subscription {
    /// A delivery, or why there are no more.
    fn take(&self, next: Option<lapin::Result<lapin::message::Delivery>>) -> Result<Taken, LinkError> {
        let doing = || format!("receiving from the queue '{}'", self.queue);
        match next {
            Some(Ok(delivery)) => {
                let mut taken = Taken::from(delivery);
                if self.by_token {
                    // Another system's, with which somebody may act for it; headers are recorded.
                    taken.delivery.headers.retain(|name, _| !name.eq_ignore_ascii_case("token"));
                }
                Ok(taken)
            }
            Some(Err(error)) => Err(failed(doing(), Said::from(error))),
            None => Err(failed(doing(), "the broker cancelled the consumer: was the queue deleted?")),
        }
    }
}

#[async_trait]
impl domain::Subscription for Subscription {
    async fn next(&mut self) -> Result<Batch, LinkError> {
        // The only wait: a delivery leaves the stream with what is returned here, or not at all.
        let next = self.consumer.next().await;
        let first = self.take(next)?;
        let (first_tag, mut last_tag, mut acker) = (first.tag, first.tag, first.acker);
        let mut bytes = first.delivery.body.len();
        let mut deliveries = vec![first.delivery];
        // What is decoded takes many times the room of its bytes, so files do not go together by the hundred.
        while deliveries.len() < self.batch
            && bytes < MAX_BATCH_BYTES
            && let Some(next) = self.consumer.next().now_or_never()
        {
            // With an error, what was taken is lost to this connection, and the broker delivers it again.
            let taken = self.take(next)?;
            (last_tag, acker) = (taken.tag, taken.acker);
            bytes += taken.delivery.body.len();
            deliveries.push(taken.delivery);
        }
        let token = Token::new(Accept { line: self.line.clone(), acker, first_tag, last_tag });
        Ok(Batch { deliveries, token })
    }
}

/// A delivery as the domain knows it, with what acknowledges it.
struct Taken {
    delivery: Delivery,
    tag: u64,
    acker: Acker,
}

impl From<lapin::message::Delivery> for Taken {
    fn from(taken: lapin::message::Delivery) -> Self {
        let properties = &taken.properties;
        let headers = properties.headers().iter().flat_map(FieldTable::inner);
        let headers = headers.filter_map(|(name, value)| Some((name.to_string(), text(value)?)));
        // What it says of its encoding goes with the headers, as it does in HTTP, so that a recording keeps it too.
        let encoding = properties.content_encoding().as_ref();
        let encoding = encoding.map(|encoding| ("content-encoding".to_owned(), encoding.to_string()));
        let delivery = Delivery {
            content_type: properties.content_type().as_ref().map(ToString::to_string),
            headers: headers.chain(encoding).collect::<BTreeMap<_, _>>(),
            body: Bytes::from(taken.data),
        };
        Self { delivery, tag: taken.delivery_tag, acker: taken.acker }
    }
}

/// A header's value, if it is a text.
fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok().map(str::to_owned),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// The duty to acknowledge deliveries `first_tag` to `last_tag` of a channel.
struct Accept {
    line: Arc<Line>,
    acker: Acker,
    first_tag: u64,
    last_tag: u64,
}

#[async_trait]
impl Acknowledge for Accept {
    async fn accept(self: Box<Self>) -> Result<(), LinkError> {
        let doing = || "acknowledging a batch".to_owned();
        // One acknowledgement takes in all deliveries before its own. Were an earlier batch not accepted, because it
        // failed, this would lose it.
        let (before, accepted) = (self.first_tag - 1, &self.line.accepted);
        if accepted.compare_exchange(before, self.last_tag, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return Err(failed(doing(), "an earlier batch was not accepted"));
        }
        let acknowledged = self.acker.ack(BasicAckOptions { multiple: true });
        if self.line.link.request(doing, acknowledged).await? {
            Ok(())
        } else {
            Err(failed(doing(), "the channel is closed, and the broker delivers the batch again"))
        }
    }
}

#[cfg(test)]
mod tests {
    use lapin::BasicProperties;

    use super::*;

    #[test]
    fn what_a_message_says_of_its_encoding_comes_along() {
        let take = |properties: BasicProperties| {
            let mut given = lapin::message::Delivery::mock(1, "x".into(), "k".into(), false, b"{}".to_vec());
            given.properties = properties;
            Taken::from(given).delivery
        };
        assert!(take(BasicProperties::default()).headers.is_empty());
        let mut headers = FieldTable::default();
        headers.insert("content-encoding".into(), AMQPValue::LongString("identity".into()));
        headers.insert("traceparent".into(), AMQPValue::LongString("00-1".into()));
        let properties =
            BasicProperties::default().with_headers(headers).with_content_encoding("gzip".into());
        let expected = [("content-encoding", "gzip"), ("traceparent", "00-1")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            take(properties).headers,
            expected.into(),
            "the property goes before a header of its name"
        );
    }
}
