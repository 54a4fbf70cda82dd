//! The ports to the outside: sources, targets, decoders, encoders, the clock.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use crate::{Fault, Message, Record, SourceName, Text, TraceContext};

/// One message body as it arrived.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Its bytes.
    pub body: Bytes,
    /// Its content type, if it said one.
    pub content_type: Option<String>,
    /// Its headers that are texts.
    pub headers: BTreeMap<String, String>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Delivery({} bytes, {:?})", self.body.len(), self.content_type)
    }
}

/// One thing that a body holds: a message, or why it is none.
#[derive(Debug, Clone)]
pub struct Item {
    /// What it is.
    pub content: Result<Message, Fault>,
    /// The bytes of the body that it came from, where that is not all of them.
    pub excerpt: Option<Excerpt>,
    /// How many fields the contract does not know.
    pub ignored_fields: u32,
}

/// A part of a body that can be read again by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Its bytes.
    pub bytes: Bytes,
    /// Which item of them is meant, from 0: read by themselves, they may hold others too.
    pub item: u32,
    /// How many items they hold.
    pub items: u32,
}

impl Excerpt {
    /// Bytes that hold one item alone.
    #[must_use]
    pub const fn alone(bytes: Bytes) -> Self {
        Self { bytes, item: 0, items: 1 }
    }
}

/// Reads bodies of one format.
pub trait Decode: Send + Sync {
    /// Everything in a body, in its order; never nothing, unless [`Decode::may_be_empty`]. `source` is where ids without a
    /// system are named.
    fn decode(&self, source: &SourceName, delivery: &Delivery) -> Vec<Item>;

    /// Whether there are bodies in which nothing is, and rightly so, such as the list of a day on which nothing happened.
    fn may_be_empty(&self) -> bool {
        false
    }

    /// How many parts of bodies it has left out since it was made, because it was told to; none where it was told of no such
    /// thing.
    fn passed(&self) -> Option<u64> {
        None
    }
}

/// Writes records in one format.
pub trait Encode: Send + Sync {
    /// The content type of what it writes.
    fn content_type(&self) -> &'static str;
    /// One record as a body.
    fn encode(&self, record: &Record) -> Bytes;
}

/// What a connection, a source or a target could not do; it is tried again.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct LinkError {
    /// What it was doing, without personal data.
    pub doing: String,
    /// Why it failed.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Something to receive from.
#[async_trait]
pub trait Source: Send + Sync {
    /// Connects and subscribes, within its own time limit.
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, LinkError>;

    /// Waits until there is something other than `said` that somebody should see to, though deliveries go on, and answers
    /// what, without personal data; none where there is nothing any more. Dropping the future loses nothing.
    async fn notice(&self, _said: Option<&str>) -> Option<String> {
        std::future::pending().await
    }
}

/// A live subscription. It is dropped after an error, and another one is made.
#[async_trait]
pub trait Subscription: Send {
    /// Waits for at least one delivery, then takes what is there up to its bound. Dropping the future loses nothing.
    async fn next(&mut self) -> Result<Batch, LinkError>;
}

/// Deliveries that are acknowledged together.
pub struct Batch {
    /// In order of arrival.
    pub deliveries: Vec<Delivery>,
    /// What acknowledges them.
    pub token: Token,
}

/// The duty to say what became of a batch. Dropped, the source delivers it again.
#[must_use = "a batch that is not acknowledged is delivered again"]
pub struct Token(Box<dyn Acknowledge>);

/// How a source is told.
#[async_trait]
pub trait Acknowledge: Send {
    /// Everything that the batch caused is durable.
    async fn accept(self: Box<Self>) -> Result<(), LinkError>;
}

impl Token {
    /// Wraps a source's way of acknowledging.
    pub fn new(acknowledge: impl Acknowledge + 'static) -> Self {
        Self(Box::new(acknowledge))
    }

    /// Says that everything that the batch caused is durable.
    pub async fn accept(self) -> Result<(), LinkError> {
        self.0.accept().await
    }
}

/// A message for a target.
#[derive(Clone)]
pub struct Outgoing {
    /// Stable: the same record has the same id whenever it is sent.
    pub message_id: String,
    /// Solution and area, for targets that route by topic.
    pub topic: Option<(Text, Text)>,
    /// Its content type.
    pub content_type: Cow<'static, str>,
    /// Its bytes.
    pub body: Bytes,
    /// The span that it is published in, if somebody follows it. Whoever takes it is told.
    pub trace: Option<TraceContext>,
}

/// Something to deliver to.
#[async_trait]
pub trait Target: Send + Sync {
    /// Connects, within its own time limit.
    async fn connect(&self) -> Result<Box<dyn Publisher>, LinkError>;

    /// The same before it was handed anything, or after all was forgotten: every record comes, and what an earlier one of
    /// its name has not passed on yet is not gone on with.
    async fn connect_anew(&self) -> Result<Box<dyn Publisher>, LinkError> {
        self.connect().await
    }
}

/// A live connection to a target. It is dropped after an error, and another one is made.
#[async_trait]
pub trait Publisher: Send {
    /// Hands messages over in order. What it returns settles when the receiver has answered about all of them, so that
    /// the next messages need not wait for it.
    async fn publish(&mut self, messages: Vec<Outgoing>) -> Result<Confirms, LinkError>;

    /// Waits until the receiver blocks what is published or takes it again, or until the connection is lost, which is
    /// the error; so that it is noticed while there is nothing to publish. Dropping the future loses nothing.
    async fn changed(&mut self) -> Result<Flow, LinkError> {
        std::future::pending().await
    }
}

/// Whether a receiver takes what is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    Open,
    /// It has said that it does not for now: why, in its own words.
    Blocked(String),
}

/// Settles to one answer per message, in their order, within the target's time limit.
pub type Confirms = Pin<Box<dyn Future<Output = Result<Vec<Sent>, LinkError>> + Send>>;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The receiver confirmed it, and it was routed.
    Delivered,
    /// The same, and the receiver said more than that, such as a receipt: what, or why that could not be read.
    Answered(Result<Box<Delivery>, String>),
    /// The receiver said no to this message, or nothing takes such messages: why, without personal data.
    Refused(String),
    /// The receiver broke on this message, or of itself, which only the others can show: why, without personal data. It
    /// counts like a refusal, and says nothing of another message that ends in the same way.
    Broke(String),
    /// The receiver takes nothing for now: why, without personal data, and how long it asks to be left alone, if it does.
    /// The message is tried again, however often, unless it shows that the receiver takes others.
    Later(String, Option<Duration>),
    /// It was not sent, since a message before it did not get through: nothing is known of it.
    Unsent,
}

impl Sent {
    /// Whether the receiver has it.
    #[must_use]
    pub const fn is_delivered(&self) -> bool {
        matches!(self, Self::Delivered | Self::Answered(_))
    }
}

/// What proves to a broker for a while who the gateway is. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    secret: Bytes,
    expires: Timestamp,
}

impl Credential {
    /// A credential that holds until then.
    #[must_use]
    pub const fn new(secret: Bytes, expires: Timestamp) -> Self {
        Self { secret, expires }
    }

    /// Its bytes, for the one who is to be shown them.
    #[must_use]
    pub const fn reveal(&self) -> &Bytes {
        &self.secret
    }

    /// When it ends.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential(until {})", self.expires)
    }
}

/// Who has credentials.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// One that holds for now: kept, or fetched within its own time limit. Dropping the future loses nothing.
    async fn current(&self) -> Result<Credential, LinkError>;

    /// This one was shown, and it did not let in. Whether it is given out no more: a refusal may come of a broker that is
    /// out of order, or of a clock that goes behind the issuer's, and another one would fare no better.
    fn refused(&self, credential: &Credential, refusal: Refusal) -> bool;

    /// This one did let in.
    fn accepted(&self, credential: &Credential);
}

/// How a credential was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The other side said that it does not accept it.
    Said,
    /// The connection ended after it was shown, and nobody said why.
    Guessed,
}

/// What time it is. Only the binary reads the machine's clock.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}
