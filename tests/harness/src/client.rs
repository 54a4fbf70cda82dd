//! A plain AMQP client, by which tests act as the systems around the gateway. Every wait has a deadline.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};

/// How long a broker may take to answer one request.
const LIMIT: Duration = Duration::from_secs(60);

/// The two types of queue that the gateway knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Replicated, on disk.
    Quorum,
    /// On one node.
    Classic,
}

/// A message to publish.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// Its bytes.
    pub body: Vec<u8>,
    /// Its content type, if it says one.
    pub content_type: Option<String>,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
}

impl From<&str> for Message {
    fn from(body: &str) -> Self {
        Self { body: body.as_bytes().to_vec(), ..Self::default() }
    }
}

impl Message {
    /// A body with its content type.
    #[must_use]
    pub fn new(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), content_type: Some(content_type.to_owned()), headers: BTreeMap::new() }
    }

    fn properties(&self) -> BasicProperties {
        let mut properties = BasicProperties::default().with_delivery_mode(2);
        if let Some(content_type) = &self.content_type {
            properties = properties.with_content_type(content_type.as_str().into());
        }
        if !self.headers.is_empty() {
            let mut table = FieldTable::default();
            for (name, value) in &self.headers {
                table.insert(name.as_str().into(), AMQPValue::LongString(LongString::from(value.as_str())));
            }
            properties = properties.with_headers(table);
        }
        properties
    }
}

/// A message that was received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// Its bytes.
    pub body: Vec<u8>,
    /// The key that it was published with.
    pub routing_key: String,
    /// Its id, if it has one.
    pub message_id: Option<String>,
    /// Its content type, if it says one.
    pub content_type: Option<String>,
    /// Whether the broker keeps it on disk.
    pub persistent: bool,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// Its headers that are texts.
    pub headers: BTreeMap<String, String>,
}

impl Received {
    /// Its body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl From<Delivery> for Received {
    fn from(delivery: Delivery) -> Self {
        let properties = &delivery.properties;
        let text = |value: &AMQPValue| value.as_long_string().map(ToString::to_string);
        let headers = properties.headers().iter().flat_map(FieldTable::inner);
        Self {
            routing_key: delivery.routing_key.to_string(),
            message_id: properties.message_id().as_ref().map(ToString::to_string),
            content_type: properties.content_type().as_ref().map(ToString::to_string),
            persistent: *properties.delivery_mode() == Some(2),
            redelivered: delivery.redelivered,
            headers: headers.filter_map(|(name, value)| Some((name.to_string(), text(value)?))).collect(),
            body: delivery.data,
        }
    }
}

/// A connection to a broker.
#[derive(Debug)]
pub struct Client(Connection);

/// Waits for the broker, but not for ever.
async fn within<T>(answer: impl Future<Output = lapin::Result<T>>) -> anyhow::Result<T> {
    match tokio::time::timeout(LIMIT, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => bail!("the broker did not answer within {} s", LIMIT.as_secs()),
    }
}

impl Client {
    /// Connects to the broker and virtual host that the URL names.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        Ok(Self(within(Connection::connect(url, ConnectionProperties::default())).await?))
    }

    /// A channel for one task: the broker closes it at the first error.
    async fn channel(&self) -> anyhow::Result<Channel> {
        within(self.0.create_channel()).await
    }

    /// Declares a durable queue.
    pub async fn declare(&self, queue: &str, kind: Kind) -> anyhow::Result<()> {
        let mut arguments = FieldTable::default();
        let kind = if kind == Kind::Quorum { "quorum" } else { "classic" };
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
        let channel = self.channel().await?;
        within(channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments)).await?;
        Ok(())
    }

    /// Declares a durable exchange.
    pub async fn declare_exchange(&self, exchange: &str, kind: ExchangeKind) -> anyhow::Result<()> {
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let channel = self.channel().await?;
        within(channel.exchange_declare(exchange.into(), kind, options, FieldTable::default())).await
    }

    /// Binds a queue to an exchange.
    pub async fn bind(&self, queue: &str, exchange: &str, key: &str) -> anyhow::Result<()> {
        let channel = self.channel().await?;
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        within(channel.queue_bind(queue.into(), exchange.into(), key.into(), options, arguments)).await
    }

    /// Deletes a queue with all that is in it.
    pub async fn delete(&self, queue: &str) -> anyhow::Result<()> {
        let channel = self.channel().await?;
        within(channel.queue_delete(queue.into(), QueueDeleteOptions::default())).await?;
        Ok(())
    }

    /// Deletes an exchange.
    pub async fn delete_exchange(&self, exchange: &str) -> anyhow::Result<()> {
        let channel = self.channel().await?;
        within(channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default())).await
    }

    /// How many messages of a queue wait for a consumer; those that a consumer holds are not among them.
    pub async fn count(&self, queue: &str) -> anyhow::Result<u32> {
        let channel = self.channel().await?;
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let queue = within(channel.queue_declare(queue.into(), options, FieldTable::default())).await?;
        Ok(queue.message_count())
    }

    /// Waits until exactly `count` messages of a queue wait for a consumer.
    pub async fn wait_for_count(&self, queue: &str, count: u32, limit: Duration) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let now = self.count(queue).await?;
            if now == count {
                return Ok(());
            }
            ensure!(
                tokio::time::Instant::now() < deadline,
                "waited {limit:?} for {count} messages in '{queue}', and there are {now}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Publishes messages to a queue, persistent and in order, and returns when the broker has confirmed all of them.
    pub async fn publish(
        &self,
        queue: &str,
        messages: impl IntoIterator<Item = Message>,
    ) -> anyhow::Result<()> {
        self.publish_to("", queue, messages).await
    }

    /// Publishes messages to an exchange; each must reach a queue.
    pub async fn publish_to(
        &self,
        exchange: &str,
        key: &str,
        messages: impl IntoIterator<Item = Message>,
    ) -> anyhow::Result<()> {
        /// How many messages wait for their confirm at a time.
        const WINDOW: usize = 1_000;
        let channel = self.channel().await?;
        within(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let publish = |message: Message| {
            let channel = &channel;
            async move {
                let place = || format!("a message to exchange '{exchange}' with key '{key}'");
                let deadline = tokio::time::Instant::now() + LIMIT;
                loop {
                    let properties = message.properties();
                    let sent = channel.basic_publish(
                        exchange.into(),
                        key.into(),
                        options,
                        &message.body,
                        properties,
                    );
                    match within(async { sent.await?.await }).await? {
                        Confirmation::Ack(None) => return Ok(()),
                        // A quorum queue that is choosing its leader says no for a moment. Every publisher must then
                        // publish again, or its message is lost.
                        Confirmation::Nack(_) => {
                            ensure!(
                                tokio::time::Instant::now() < deadline,
                                "the broker does not take {}",
                                place()
                            );
                        }
                        _ => bail!("{} reached no queue", place()),
                    }
                }
            }
        };
        let mut publishing = futures_util::stream::iter(messages).map(publish).buffered(WINDOW);
        while let Some(published) = publishing.next().await {
            published?;
        }
        Ok(())
    }

    /// Takes `count` messages from a queue and acknowledges them.
    pub async fn drain(&self, queue: &str, count: usize, limit: Duration) -> anyhow::Result<Vec<Received>> {
        /// How many messages are under way at a time.
        const PREFETCH: u16 = 1_000;
        let channel = self.channel().await?;
        within(channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let mut consumer = within(channel.basic_consume(queue.into(), "".into(), options, arguments)).await?;
        let mut received = Vec::new();
        let deadline = tokio::time::Instant::now() + limit;
        while received.len() < count {
            let Ok(next) = tokio::time::timeout_at(deadline, consumer.next()).await else {
                bail!("waited {limit:?} for {count} messages from '{queue}', and {} came", received.len());
            };
            let delivery = next.with_context(|| format!("the consumer of '{queue}' was cancelled"))??;
            let last = received.len() + 1 == count;
            if last || received.len() % 100 == 99 {
                ensure!(
                    within(delivery.ack(BasicAckOptions { multiple: true })).await?,
                    "the channel was closed"
                );
            }
            received.push(delivery.into());
        }
        within(channel.close(200, "done".into())).await?;
        Ok(received)
    }
}
