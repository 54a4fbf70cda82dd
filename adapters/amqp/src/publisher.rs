//! A live connection to a target.

use std::future::poll_fn;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{BasicProperties, Channel};
use samspor_domain as domain;
use samspor_domain::{Confirms, Flow, LinkError, Outgoing, Sent};
use tokio::time::Instant;

use crate::flight::{Flight, FlightError};
use crate::link::{Link, Said, Watch, failed};
use crate::target::{Keys, Settings};

/// Kept by the broker on disk.
pub(crate) const PERSISTENT: u8 = 2;

/// The header that holds a message's id where that is too long for the property, which carries 255 bytes.
const ID_HEADER: &str = "message-id";

/// The header that says in which span a message is published, after W3C Trace Context for AMQP.
const TRACE_HEADER: &str = "traceparent";

/// The channel that messages go on. It lives until the last of them is answered for, so that what a dropped publisher
/// began can still be confirmed.
struct Line {
    flight: Mutex<Flight>,
    // Dropped in this order: the channel before its connection.
    channel: Channel,
    link: Link,
}

impl Line {
    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Publisher {
    line: Arc<Line>,
    /// What happens to the connection and its channel.
    watch: Watch,
    exchange: ShortString,
    keys: Keys,
    options: BasicPublishOptions,
    limit: Duration,
}

impl Publisher {
    /// A publisher on a channel that confirms.
    pub(crate) fn new(link: Link, channel: Channel, settings: &Settings, keys: Keys) -> Self {
        // Listened to before the state is looked at, so that no end falls between the two.
        let watch = Watch::new(&link);
        Self {
            watch,
            line: Arc::new(Line { flight: Mutex::default(), channel, link }),
            exchange: settings.exchange.as_str().into(),
            keys,
            // An optional message need not come back: nothing would be done with it.
            options: BasicPublishOptions { mandatory: !settings.allow_unrouted, immediate: false },
            limit: settings.confirm_timeout,
        }
    }

    fn key(&self, message: &Outgoing) -> ShortString {
        match &self.keys {
            Keys::Fixed(key) => key.as_str().into(),
            Keys::Topic(template) => {
                let topic = message.topic.as_ref().map(|(solution, area)| (solution.as_str(), area.as_str()));
                template.key(topic).into()
            }
        }
    }
}

fn properties(message: &Outgoing) -> BasicProperties {
    let mut properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type(message.content_type.as_ref().into());
    let mut headers = FieldTable::default();
    match ShortString::try_new(message.message_id.as_str()) {
        Ok(id) => properties = properties.with_message_id(id),
        Err(_) => {
            let id = LongString::from(message.message_id.as_str());
            headers.insert(ID_HEADER.into(), AMQPValue::LongString(id));
        }
    }
    if let Some(trace) = message.trace {
        headers.insert(TRACE_HEADER.into(), AMQPValue::LongString(trace.to_string().into()));
    }
    if headers.inner().is_empty() { properties } else { properties.with_headers(headers) }
}

/// The id that a message was published with.
pub(crate) fn id_of(properties: &BasicProperties) -> String {
    let header =
        || properties.headers().as_ref()?.inner().get(ID_HEADER)?.as_long_string().map(ToString::to_string);
    properties.message_id().as_ref().map(ToString::to_string).or_else(header).unwrap_or_default()
}

/// Some messages of a flight, whose answers somebody wants until this is dropped.
struct Wanted {
    line: Arc<Line>,
    numbers: Range<u64>,
    handed_over: bool,
}

impl Drop for Wanted {
    fn drop(&mut self) {
        let mut flight = self.line.flight();
        if !self.handed_over {
            flight.break_off();
        }
        flight.forget(self.numbers.clone());
    }
}

#[async_trait]
impl domain::Publisher for Publisher {
    async fn changed(&mut self) -> Result<Flow, LinkError> {
        let doing = || format!("holding the connection for the exchange '{}'", self.exchange);
        self.watch.changed(&self.line.link, &self.line.channel, doing).await
    }

    async fn publish(&mut self, messages: Vec<Outgoing>) -> Result<Confirms, LinkError> {
        let (limit, deadline) = (self.limit, Instant::now() + self.limit);
        let doing = format!("publishing to the exchange '{}'", self.exchange);
        let line = self.line.clone();
        // All get their numbers before the first can be answered.
        let first = messages.iter().fold(None, |first, message| {
            let number = line.flight().enter(message.message_id.clone());
            first.or(Some(number))
        });
        let Some(first) = first else { return Ok(Box::pin(async { Ok(Vec::new()) })) };
        let numbers = first..first + messages.len() as u64;
        let mut wanted = Wanted { line: line.clone(), numbers: numbers.clone(), handed_over: false };
        let handing_over = async {
            let mut writing = Vec::with_capacity(messages.len());
            for (number, message) in numbers.clone().zip(&messages) {
                let (exchange, key) = (self.exchange.clone(), self.key(message));
                let publish = line.channel.basic_publish(
                    exchange,
                    key,
                    self.options,
                    &message.body,
                    properties(message),
                );
                let mut publish = Box::pin(publish);
                // The first poll queues the message and does not wait until it is written: one batch, one wait.
                match poll_fn(|context| Poll::Ready(publish.as_mut().poll(context))).await {
                    Poll::Ready(confirm) => line.flight().written(number, confirm.map_err(Said::from)?),
                    Poll::Pending => writing.push((number, publish)),
                }
            }
            for (number, publish) in writing {
                let confirm = publish.await.map_err(Said::from)?;
                line.flight().written(number, confirm);
            }
            Ok::<_, Said>(())
        };
        line.link.until(deadline, limit, handing_over).await.map_err(|why| failed(doing.clone(), why))?;
        wanted.handed_over = true;
        Ok(Box::pin(async move {
            let line = &wanted.line;
            let settled = poll_fn(|context| line.flight().poll_settled(wanted.numbers.end, context));
            let settled = line.link.until::<(), FlightError>(deadline, limit, settled).await;
            settled.map_err(|why| failed(format!("waiting for confirms, {doing}"), why))?;
            let answers: Vec<Sent> = line.flight().answers(wanted.numbers.clone());
            Ok(answers)
        }))
    }
}
