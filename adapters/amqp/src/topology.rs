//! Queues and exchanges: declared, or only looked for.

use lapin::Channel;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use samspor_domain::LinkError;

use crate::link::Link;

/// Who sees to it that queues and exchanges exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// The gateway declares them, durable. It needs the right to, and an existing one must be of the same kind.
    Declare,
    /// Someone else does; the gateway only makes sure that they are there.
    Check,
}

/// The type of a queue that the gateway declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueType {
    /// Replicated and on disk; it never gives up a message for having been delivered too often.
    Quorum,
    /// On one node.
    Classic,
}

/// By what an exchange that the gateway declares routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeKind {
    /// By the routing key as it is.
    Direct,
    /// By patterns of the routing key's elements.
    Topic,
    /// To every queue that is bound to it.
    Fanout,
}

impl From<ExchangeKind> for lapin::ExchangeKind {
    fn from(kind: ExchangeKind) -> Self {
        match kind {
            ExchangeKind::Direct => Self::Direct,
            ExchangeKind::Topic => Self::Topic,
            ExchangeKind::Fanout => Self::Fanout,
        }
    }
}

/// The delivery limit of the quorum queues that are declared.
///
/// RabbitMQ 4 drops a message of a quorum queue after 20 deliveries, or moves it to the dead-letter exchange, and a
/// store that is out of order for long must not cost messages. `-1` would lift the limit, but 3.x takes no negative
/// one; all versions take this one, which nothing reaches.
pub const DELIVERY_LIMIT: i32 = i32::MAX;

/// What a declaration of a queue says.
fn arguments(queue_type: QueueType, dead_letter_exchange: Option<&str>) -> FieldTable {
    let text = |text: &str| AMQPValue::LongString(LongString::from(text));
    let mut arguments = FieldTable::default();
    match queue_type {
        QueueType::Quorum => {
            arguments.insert("x-queue-type".into(), text("quorum"));
            arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
        }
        QueueType::Classic => {
            arguments.insert("x-queue-type".into(), text("classic"));
        }
    }
    if let Some(exchange) = dead_letter_exchange {
        arguments.insert("x-dead-letter-exchange".into(), text(exchange));
    }
    arguments
}

/// A channel on which queues and exchanges are declared or looked for.
pub(crate) struct Declarations<'a> {
    pub(crate) link: &'a Link,
    pub(crate) channel: &'a Channel,
}

impl Declarations<'_> {
    /// Declares a durable queue.
    pub(crate) async fn declare_queue(
        &self,
        queue: &str,
        queue_type: QueueType,
        dead_letter_exchange: Option<&str>,
    ) -> Result<(), LinkError> {
        let arguments = arguments(queue_type, dead_letter_exchange);
        let declared = self.channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments);
        self.link.request(|| format!("declaring the queue '{queue}'"), declared).await?;
        Ok(())
    }

    /// Makes sure that a queue exists, whatever its type.
    pub(crate) async fn check_queue(&self, queue: &str) -> Result<(), LinkError> {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let checked = self.channel.queue_declare(queue.into(), options, FieldTable::default());
        self.link.request(|| format!("looking for the queue '{queue}'"), checked).await?;
        Ok(())
    }

    /// Binds a queue to an exchange, which must exist.
    pub(crate) async fn bind(&self, queue: &str, exchange: &str, key: &str) -> Result<(), LinkError> {
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        let bound = self.channel.queue_bind(queue.into(), exchange.into(), key.into(), options, arguments);
        let doing = || format!("binding the queue '{queue}' to the exchange '{exchange}' by '{key}'");
        self.link.request(doing, bound).await
    }

    /// Declares a durable exchange.
    pub(crate) async fn declare_exchange(&self, exchange: &str, kind: ExchangeKind) -> Result<(), LinkError> {
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let declared =
            self.channel.exchange_declare(exchange.into(), kind.into(), options, FieldTable::default());
        self.link.request(|| format!("declaring the exchange '{exchange}'"), declared).await
    }

    /// Makes sure that an exchange exists, whatever its kind.
    pub(crate) async fn check_exchange(&self, exchange: &str) -> Result<(), LinkError> {
        let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
        let kind = lapin::ExchangeKind::default();
        let checked = self.channel.exchange_declare(exchange.into(), kind, options, FieldTable::default());
        self.link.request(|| format!("looking for the exchange '{exchange}'"), checked).await
    }
}
