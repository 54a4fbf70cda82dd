//! The distributor's own end of what senders send: it takes messages from the exchange, looks at their tokens and answers
//! each with a `StandardRetur`, as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::distributor::{Control, SENDING};

/// Where messages are sent to.
pub const EXCHANGE: &str = "AFSEND_BESKED_EXCHANGE";
const QUEUE: &str = "distributor";

/// How a message is answered whose token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// With this status; with 20 the message is taken.
    Status(u16),
    /// It is taken, and the answer is lost.
    Lost,
    /// It is taken, and the answer comes twice.
    Twice,
    /// As if its token had expired, and that answer comes twice.
    ExpiredTwice,
    /// It is taken, and an answer comes only when the next message is there: 40, so that whoever takes it for the answer to
    /// that one shows it.
    Late,
    /// It is taken, and the answer has no correlation id.
    Uncorrelated,
    /// With something else than a `StandardRetur`.
    Garbage,
}

/// A message that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The header `messageId`.
    pub id: String,
    /// The whole body.
    pub body: String,
    /// The record in it.
    pub record: Value,
    /// The header `token`.
    pub token: String,
}

#[derive(Debug, Default)]
struct Told {
    next: VecDeque<Reply>,
    by_posting: BTreeMap<String, Reply>,
    taken: Vec<Taken>,
    /// Where an answer goes that comes late, and its correlation id.
    late: Option<(ShortString, String)>,
    /// The statuses of all answers, lost ones included.
    statuses: BTreeMap<u16, usize>,
    wrong: Vec<String>,
}

/// Answers until it is dropped.
#[derive(Debug)]
pub struct Responder {
    told: Arc<Mutex<Told>>,
    answering: JoinHandle<()>,
    _connection: Connection,
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Responder {
    /// Starts one on a virtual host of the node itself. It takes everything until it is told otherwise.
    pub async fn start(node: &str, control: Control) -> anyhow::Result<Self> {
        let connection = Connection::connect(node, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let none = FieldTable::default;
        channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Direct, durable, none()).await?;
        channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), none()).await?;
        channel
            .queue_bind(QUEUE.into(), EXCHANGE.into(), "".into(), QueueBindOptions::default(), none())
            .await?;
        let options = BasicConsumeOptions::default();
        let messages = channel.basic_consume(QUEUE.into(), "".into(), options, none()).await?;
        let told = Arc::<Mutex<Told>>::default();
        #[expect(clippy::disallowed_methods, reason = "it ends with the test that owns it")]
        let answering = tokio::spawn(answer_all(channel, messages, control, Arc::clone(&told)));
        Ok(Self { told, answering, _connection: connection })
    }

    /// How the next messages are answered, one after the other.
    pub fn next(&self, replies: impl IntoIterator<Item = Reply>) {
        lock(&self.told).next.extend(replies);
    }

    /// How the records of a posting are always answered; without a reply as all others.
    pub fn always(&self, posting: &str, reply: Option<Reply>) {
        let mut told = lock(&self.told);
        match reply {
            Some(reply) => told.by_posting.insert(posting.to_owned(), reply),
            None => told.by_posting.remove(posting),
        };
    }

    /// Everything that was taken, in order.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        lock(&self.told).taken.clone()
    }

    /// How often it gave each status.
    #[must_use]
    pub fn statuses(&self) -> BTreeMap<u16, usize> {
        lock(&self.told).statuses.clone()
    }

    /// Waits until what was taken is as it must be.
    pub async fn wait_for(
        &self,
        limit: Duration,
        is_so: impl Fn(&[Taken]) -> bool,
    ) -> anyhow::Result<Vec<Taken>> {
        let deadline = Instant::now() + limit;
        loop {
            let (taken, wrong) = {
                let told = lock(&self.told);
                (told.taken.clone(), told.wrong.clone())
            };
            ensure!(wrong.is_empty(), "what was sent is wrong: {wrong:?}");
            if is_so(&taken) {
                return Ok(taken);
            }
            ensure!(
                Instant::now() < deadline,
                "it has taken {} messages: {:?}",
                taken.len(),
                self.statuses()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn answer_all(channel: Channel, mut messages: Consumer, control: Control, told: Arc<Mutex<Told>>) {
    while let Some(Ok(message)) = messages.next().await {
        if let Err(error) = answer(&channel, &message, control, &told).await {
            lock(&told).wrong.push(format!("{error:#}"));
        }
        let _ = message.ack(BasicAckOptions::default()).await;
    }
}

/// A header that is a text.
fn header<'m>(message: &'m Delivery, name: &str) -> anyhow::Result<&'m str> {
    let headers = message.properties.headers().as_ref().context("headers")?;
    match headers.inner().get(name) {
        Some(AMQPValue::LongString(text)) => Ok(std::str::from_utf8(text.as_bytes())?),
        _ => anyhow::bail!("there is no header {name}"),
    }
}

/// What stands between two texts.
fn between<'t>(text: &'t str, from: &str, to: &str) -> anyhow::Result<&'t str> {
    let (_, rest) = text.split_once(from).with_context(|| format!("there is no {from}"))?;
    Ok(rest.split_once(to).with_context(|| format!("there is no {to}"))?.0)
}

fn taken(message: &Delivery) -> anyhow::Result<Taken> {
    let id = header(message, "messageId")?.to_owned();
    let body = String::from_utf8(message.data.clone())?;
    let in_body = between(between(&body, "<BeskedId>", "</BeskedId>")?, ">", "<")?;
    ensure!(in_body == id, "the message is {in_body} in its envelope and {id} in its header");
    let (_, content) =
        between(&body, "<Base64", "</Base64>")?.split_once('>').context("its attributes end")?;
    let record = serde_json::from_slice(&BASE64_STANDARD.decode(content)?)?;
    Ok(Taken { id, body, record, token: header(message, "token")?.to_owned() })
}

async fn answer(
    channel: &Channel,
    message: &Delivery,
    control: Control,
    told: &Mutex<Told>,
) -> anyhow::Result<()> {
    let correlation = header(message, "correlationId")?;
    let properties = &message.properties;
    ensure!(header(message, "replyTo")? == "amq.rabbitmq.reply-to", "replyTo is another one");
    ensure!(
        properties.correlation_id().as_ref().is_some_and(|id| id.as_str() == correlation),
        "two correlations"
    );
    ensure!(*properties.delivery_mode() == Some(2), "it is not persistent");
    let reply_to = properties.reply_to().clone().context("the property reply_to")?;
    let verdict = control.check(header(message, "token")?, SENDING).await?;
    let taken = taken(message)?;
    let reply = {
        let mut told = lock(told);
        let posting = taken.record["posting"].as_str().unwrap_or_default();
        let reply = match verdict.as_str() {
            "good" => match told.by_posting.get(posting).copied() {
                Some(reply) => reply,
                None => told.next.pop_front().unwrap_or(Reply::Status(20)),
            },
            "early" | "expired" => Reply::Status(41),
            _ => {
                told.wrong.push(format!("a token is {verdict}"));
                Reply::Status(40)
            }
        };
        let status = match reply {
            Reply::Status(status) => status,
            Reply::Lost | Reply::Twice | Reply::Late | Reply::Uncorrelated => 20,
            Reply::ExpiredTwice => 41,
            Reply::Garbage => 0,
        };
        *told.statuses.entry(status).or_default() += 1;
        if status == 20 {
            told.taken.push(taken);
        }
        (reply, status)
    };
    let (reply, status) = reply;
    let late = lock(told).late.take();
    if let Some((to, correlation)) = late {
        // Nobody may be there any more.
        publish(channel, to, Some(&correlation), &retur(40)).await?;
    }
    let body = match reply {
        Reply::Garbage => "<html>maintenance</html>".to_owned(),
        _ => retur(status),
    };
    let times = match reply {
        Reply::Late => {
            lock(told).late = Some((reply_to.clone(), correlation.to_owned()));
            0
        }
        Reply::Lost => 0,
        Reply::Twice | Reply::ExpiredTwice => 2,
        Reply::Status(_) | Reply::Garbage | Reply::Uncorrelated => 1,
    };
    for _ in 0..times {
        let correlation = (reply != Reply::Uncorrelated).then_some(correlation);
        publish(channel, reply_to.clone(), correlation, &body).await?;
    }
    Ok(())
}

/// An answer. Its text quotes a person, as such texts may.
fn retur(status: u16) -> String {
    format!(
        "<StandardRetur xmlns=\"urn:oio:sts:1.0.0\"><StatusKode>{status}</StatusKode>\
         <FejlbeskedTekst>{PERSON} is not known</FejlbeskedTekst></StandardRetur>"
    )
}

async fn publish(
    channel: &Channel,
    to: ShortString,
    correlation: Option<&str>,
    body: &str,
) -> anyhow::Result<()> {
    let properties = BasicProperties::default();
    let properties = match correlation {
        Some(correlation) => properties.with_correlation_id(correlation.into()),
        None => properties,
    };
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), to, options, body.as_bytes(), properties).await?.await?;
    Ok(())
}

/// Whom the text of every answer quotes: born in 2030, so nobody has the number.
pub const PERSON: &str = "0101305000";
