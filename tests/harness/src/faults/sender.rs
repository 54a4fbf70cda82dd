//! The systems that send: each source's messages in order, with confirms, over a connection that may be cut. It knows which
//! messages were attempted and which of them the broker has confirmed; the others' fate is unknown until they are sent
//! again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm};
use samspor_town::Message;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::LIMIT;

/// Publishes what each source has to send.
pub struct Sender {
    url: String,
    outboxes: Vec<Outbox>,
}

/// One source's messages.
struct Outbox {
    source: &'static str,
    queue: String,
    messages: Vec<Message>,
    /// The broker has confirmed those before this one.
    confirmed: usize,
    /// Those before this one were published, as far as the publisher knows.
    attempted: usize,
    /// Of those before this one, no withdrawal of a consent is published once more.
    passed_over: usize,
}

/// How many messages may wait for their confirm.
const WINDOW: usize = 200;
/// How long to wait before a broker that took nothing is tried again.
const AGAIN: Duration = Duration::from_millis(100);

impl Sender {
    /// A sender at a broker's URL, with messages for the queues that are named by `prefix` and their source.
    #[must_use]
    pub fn new(url: String, prefix: &str, messages: impl IntoIterator<Item = Message>) -> Self {
        let mut by_source: BTreeMap<&'static str, Vec<Message>> = BTreeMap::new();
        for message in messages {
            by_source.entry(message.source).or_default().push(message);
        }
        let outbox = |(source, messages)| Outbox {
            source,
            queue: format!("{prefix}{source}"),
            messages,
            confirmed: 0,
            attempted: 0,
            passed_over: 0,
        };
        Self { url, outboxes: by_source.into_iter().map(outbox).collect() }
    }

    /// How many messages there are to send, sent or not.
    #[must_use]
    pub fn total(&self) -> usize {
        self.outboxes.iter().map(|outbox| outbox.messages.len()).sum()
    }

    /// Has what was sent so far sent again, as sources do when a gateway has lost what it took in.
    pub fn begin_again(&mut self) {
        for outbox in &mut self.outboxes {
            (outbox.confirmed, outbox.passed_over) = (0, outbox.attempted);
        }
    }

    /// Every message that was published, and whether it was confirmed.
    pub fn attempted(&self) -> impl Iterator<Item = (&Message, bool)> {
        self.outboxes.iter().flat_map(|outbox| {
            let attempted = outbox.messages.iter().take(outbox.attempted).enumerate();
            attempted.map(|(n, message)| (message, n < outbox.confirmed))
        })
    }

    /// How many messages were published whose fate is unknown.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.outboxes.iter().map(|outbox| outbox.attempted - outbox.confirmed).sum()
    }

    /// Publishes until each of the sources has sent that share of its messages, counted in parts of `of`, and all are
    /// confirmed: from the first that is not. Answers `false` if the connection ended before. Dropped, it ends the
    /// connection too.
    pub async fn send(&mut self, sources: &[&str], share: usize, of: usize) -> bool {
        let connecting = Connection::connect(&self.url, ConnectionProperties::default());
        let Ok(Ok(connection)) = timeout(LIMIT, connecting).await else { return false };
        let wanted = self.outboxes.iter_mut().filter(|outbox| sources.contains(&outbox.source));
        let sending = wanted.map(|outbox| {
            let until = (outbox.messages.len() * share).div_ceil(of).min(outbox.messages.len());
            outbox.send(&connection, until)
        });
        try_join_all(sending).await.is_ok()
    }

    /// The same, as often as it takes.
    pub async fn send_surely(&mut self, sources: &[&str], share: usize, of: usize) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !self.send(sources, share, of).await {
            ensure!(Instant::now() < deadline, "the broker does not take the messages");
            tokio::time::sleep(AGAIN).await;
        }
        Ok(())
    }
}

impl Outbox {
    async fn send(&mut self, connection: &Connection, until: usize) -> Result<()> {
        if self.confirmed >= until {
            return Ok(());
        }
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let mut waiting: VecDeque<Option<PublisherConfirm>> = VecDeque::new();
        for next in self.confirmed..until {
            if waiting.len() >= WINDOW {
                self.settle(&mut waiting).await?;
            }
            self.attempted = self.attempted.max(next + 1);
            let is_passed_over = next < self.passed_over && is_withdrawal(&self.messages[next]);
            let confirm = if is_passed_over { None } else { Some(self.publish(&channel, next).await?) };
            waiting.push_back(confirm);
        }
        while !waiting.is_empty() {
            self.settle(&mut waiting).await?;
        }
        Ok(())
    }

    async fn publish(&self, channel: &Channel, next: usize) -> lapin::Result<PublisherConfirm> {
        let message = &self.messages[next];
        let properties =
            BasicProperties::default().with_delivery_mode(2).with_content_type(message.content_type.into());
        let mandatory = BasicPublishOptions { mandatory: true, ..Default::default() };
        channel
            .basic_publish("".into(), self.queue.as_str().into(), mandatory, &message.body, properties)
            .await
    }

    /// Waits for the oldest confirm.
    async fn settle(&mut self, waiting: &mut VecDeque<Option<PublisherConfirm>>) -> Result<()> {
        if let Some(oldest) = waiting.pop_front().context("something waits")? {
            ensure!(timeout(LIMIT, oldest).await?? == Confirmation::Ack(None), "not taken, or not routed");
        }
        self.confirmed += 1;
        Ok(())
    }
}

/// Whether it ends a consent, which citizens do once.
pub(super) fn is_withdrawal(message: &Message) -> bool {
    let said: Option<Value> = serde_json::from_slice(&message.body).ok();
    said.is_some_and(|said| {
        said["type"] == "consent" && (said["withdrawn"] == true || said["deleted"] == true)
    })
}
