//! The message distributor as a target: each message carries the sender's token, and is answered by a status of its own,
//! through direct reply-to.
//!
//! One message is on its way at a time: what became of it is known before the next one goes, so that nothing goes past a
//! record that did not get through.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Consumer};
use samspor_domain as domain;
use samspor_domain::{Confirms, Credential, Credentials, Flow, LinkError, Outgoing, Refusal, Sent};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::link::{Link, Said, Watch, failed};
use crate::publisher::PERSISTENT;
use crate::topology::Declarations;
use crate::{Broker, Login, SettingsError};

/// The pseudo-queue of RabbitMQ through which a channel gets answers to what it publishes.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// So many answers to something else are passed over while one is waited for. They come unasked, and nothing bounds them.
const MAX_STRAYS: u32 = 100;

/// Where messages go, and how their answers are read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The exchange.
    pub exchange: String,
    /// How long the answer to a message may take, from when it is handed over.
    pub answer_timeout: Duration,
    /// Within what a message's id is its own: the authority that it is sent for, and the target.
    pub scope: String,
    /// A UUID for a text in a scope, always the same: under it a message is known to the distributor.
    pub message_id: fn(&str, &str) -> String,
    /// The status code of an answer (`StandardRetur/StatusKode`), if it can be read.
    pub status: fn(&[u8]) -> Option<u16>,
}

/// The distributor to deliver to.
pub struct Target {
    broker: Broker,
    settings: Settings,
    credentials: Arc<dyn Credentials>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("broker", &self.broker).field("settings", &self.settings).finish()
    }
}

impl Target {
    /// A target; it connects when it is asked to. The broker must be one that is logged in to by a token, since each
    /// message carries it too.
    pub fn new(broker: Broker, settings: Settings) -> Result<Self, SettingsError> {
        broker.check()?;
        SettingsError::check_name("exchange", &settings.exchange)?;
        let Login::Token(credentials) = &broker.login else {
            let message = "must have a section [brokers.NAME.token]: each message carries the sender's token";
            return Err(SettingsError::new("broker", message));
        };
        let credentials = Arc::clone(credentials);
        Ok(Self { broker, settings, credentials })
    }

    /// Connects and looks whether the exchange is there; changes nothing.
    pub async fn check(&self) -> Result<(), LinkError> {
        let link = Link::open_to_send(&self.broker).await?;
        let channel = link.channel().await?;
        Declarations { link: &link, channel: &channel }.check_exchange(&self.settings.exchange).await
    }
}

#[async_trait]
impl domain::Target for Target {
    async fn connect(&self) -> Result<Box<dyn domain::Publisher>, LinkError> {
        let link = Link::open_to_send(&self.broker).await?;
        let channel = link.channel().await?;
        let confirms = channel.confirm_select(ConfirmSelectOptions::default());
        link.request(|| "asking for confirms".to_owned(), confirms).await?;
        // Before anything is published, on the same channel and without acknowledgements: the broker's own conditions.
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let answers = channel.basic_consume(REPLY_TO.into(), "".into(), options, FieldTable::default());
        let answers = link.request(|| "asking for the answers to what is sent".to_owned(), answers).await?;
        let watch = Watch::new(&link);
        let line = Line {
            answers: Mutex::new(answers),
            sent: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            credentials: Arc::clone(&self.credentials),
            settings: self.settings.clone(),
            channel,
            link,
        };
        Ok(Box::new(Publisher { line: Arc::new(line), watch }))
    }
}

struct Line {
    // Dropped in this order: consumer and channel before their connection.
    answers: Mutex<Consumer>,
    /// How many messages were published, the same one again included.
    sent: AtomicU64,
    /// How many messages did not get through.
    failures: AtomicU64,
    credentials: Arc<dyn Credentials>,
    settings: Settings,
    channel: Channel,
    link: Link,
}

/// Sends messages. What it was handed goes when its confirms are asked for, in that order.
struct Publisher {
    line: Arc<Line>,
    watch: Watch,
}

#[async_trait]
impl domain::Publisher for Publisher {
    async fn publish(&mut self, messages: Vec<Outgoing>) -> Result<Confirms, LinkError> {
        let line = Arc::clone(&self.line);
        let failures = line.failures.load(Ordering::Relaxed);
        Ok(Box::pin(async move {
            let mut sent = Vec::with_capacity(messages.len());
            let mut messages = messages.into_iter().peekable();
            let mut same = 1;
            while let Some(message) = messages.next() {
                // One record under several topics, of which there is none here: the last one is what holds.
                if messages.peek().is_some_and(|next| next.message_id == message.message_id) {
                    same += 1;
                    continue;
                }
                // What was handed over behind a message that did not get through is not sent past it.
                let answer = if line.failures.load(Ordering::Relaxed) == failures {
                    let answer = line.send(&message).await?;
                    if !answer.is_delivered() {
                        line.failures.fetch_add(1, Ordering::Relaxed);
                    }
                    answer
                } else {
                    Sent::Later("a record before it did not get through".into(), None)
                };
                sent.extend(std::iter::repeat_n(answer, same));
                same = 1;
            }
            Ok(sent)
        }))
    }

    async fn changed(&mut self) -> Result<Flow, LinkError> {
        let doing = || format!("holding the connection for the exchange '{}'", self.line.settings.exchange);
        self.watch.changed(&self.line.link, &self.line.channel, doing).await
    }
}

/// What an attempt came to.
enum Answer {
    Sent(Sent),
    /// The token that it carried has expired.
    Expired,
}

impl Line {
    /// Sends a message, and once more with a new token where the first one has expired. One that was had just now is kept
    /// for a second try, after a while.
    async fn send(&self, message: &Outgoing) -> Result<Sent, LinkError> {
        for _ in 0..2 {
            // Nothing was sent yet, and nothing is wrong with the connection.
            let credential = match self.credentials.current().await {
                Ok(credential) => credential,
                Err(error) => return Ok(Sent::Later(format!("there is no token: {}", told(&error)), None)),
            };
            match self.attempt(message, &credential).await? {
                Answer::Sent(sent) => return Ok(sent),
                Answer::Expired if self.credentials.refused(&credential, Refusal::Said) => {}
                // Where the issuer's clock goes before the distributor's, time helps and another token does not.
                Answer::Expired => break,
            }
        }
        Ok(Sent::Later("it says of a new token as well that it has expired (status 41)".into(), None))
    }

    async fn attempt(&self, message: &Outgoing, credential: &Credential) -> Result<Answer, LinkError> {
        let Settings { exchange, answer_timeout: limit, message_id, scope, .. } = &self.settings;
        let deadline = Instant::now() + *limit;
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        // Answers go to this channel alone, on which no two attempts share one: a late answer is nobody else's.
        let correlation = message_id(scope, &format!("{} {number}", message.message_id));
        let id = message_id(scope, &message.message_id);
        let properties = properties(message, &id, &correlation, credential);
        let mut strays = 0;
        let answered = async {
            let mut answers = self.answers.lock().await;
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let (to, key) = (exchange.as_str().into(), "".into());
            let published = self.channel.basic_publish(to, key, options, &message.body, properties);
            match published.await?.await? {
                Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {
                    let why = format!("no queue takes what is sent to the exchange '{exchange}'");
                    return Ok(Answer::Sent(Sent::Refused(why)));
                }
                Confirmation::Nack(None) => {
                    let why = "the broker could not take it".to_owned();
                    return Ok(Answer::Sent(Sent::Later(why, None)));
                }
                Confirmation::Ack(None) | Confirmation::NotRequested => {}
            }
            while let Some(answer) = answers.next().await {
                let answer = answer?;
                let is_its = answer.properties.correlation_id().as_ref().map(ShortString::as_str)
                    == Some(correlation.as_str());
                if is_its {
                    return Ok(self.read(&answer.data));
                }
                strays += 1;
                if strays > MAX_STRAYS {
                    return Err(SendError::Strays);
                }
            }
            Err(SendError::Ended)
        };
        let answered = self.link.until(deadline, *limit, answered).await;
        let others = match strays {
            0 => String::new(),
            _ => format!(" (answers came, {strays} of them, but with other correlation ids or none)"),
        };
        let doing = || {
            format!(
                "whether it has the record is not known, so that goes again under the same message id: waiting for \
                 the answer to what was sent to the exchange '{exchange}'{others}"
            )
        };
        answered.map_err(|why| failed(doing(), why))
    }

    /// What a status means. Its text is not read: it may quote the message.
    fn read(&self, answer: &[u8]) -> Answer {
        if answer.len() > MAX_ANSWER_BYTES {
            let why = format!("its answer is longer than {MAX_ANSWER_BYTES} bytes");
            return Answer::Sent(Sent::Broke(why));
        }
        let status = (self.settings.status)(answer);
        let why = |what: &str| format!("{what} (status {})", status.unwrap_or_default());
        Answer::Sent(match status {
            Some(20) => Sent::Delivered,
            Some(41) => return Answer::Expired,
            Some(40) => Sent::Refused(why("it cannot receive the message")),
            Some(51) => Sent::Refused(why("it has no such service for this sender or message type")),
            Some(53) => Sent::Later(why("it is not available"), None),
            Some(55) => Sent::Refused(why("it does not support this version")),
            Some(_) => Sent::Broke(why("it answered with a status that has no agreed meaning here")),
            None => Sent::Broke("its answer is no StandardRetur with a StatusKode".into()),
        })
    }
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Why no answer comes.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Said(#[from] Said),
    #[error("the broker ended the way by which answers come")]
    Ended,
    #[error("too many answers to something else")]
    Strays,
}

impl From<lapin::Error> for SendError {
    fn from(error: lapin::Error) -> Self {
        Self::Said(error.into())
    }
}

fn properties(message: &Outgoing, id: &str, correlation: &str, credential: &Credential) -> BasicProperties {
    let text = |text: &[u8]| AMQPValue::LongString(LongString::from(text));
    let mut headers = FieldTable::default();
    headers.insert("token".into(), text(credential.reveal()));
    headers.insert("messageId".into(), text(id.as_bytes()));
    headers.insert("correlationId".into(), text(correlation.as_bytes()));
    headers.insert("replyTo".into(), text(REPLY_TO.as_bytes()));
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type(message.content_type.as_ref().into())
        .with_message_id(id.into())
        .with_correlation_id(correlation.into())
        .with_reply_to(REPLY_TO.into())
        .with_headers(headers)
}
