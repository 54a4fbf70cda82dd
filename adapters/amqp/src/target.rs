//! Targets: an exchange, to which messages are published persistent, mandatory and with confirms.

use std::time::Duration;

use async_trait::async_trait;
use lapin::options::ConfirmSelectOptions;
use samspor_domain as domain;
use samspor_domain::LinkError;

use crate::link::Link;
use crate::publisher::Publisher;
use crate::routing::Template;
use crate::topology::Declarations;
use crate::{Broker, ExchangeKind, QueueType, SettingsError, Topology};

/// Where messages go.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The exchange; empty for the default one, which routes to the queue that is named like the routing key.
    pub exchange: String,
    /// Its kind, where it is declared.
    pub exchange_kind: ExchangeKind,
    /// By what messages are routed.
    pub routing: Routing,
    /// With [`Routing::Fixed`]: the queue named like the routing key, of this type, is declared and bound too.
    pub queue: Option<QueueType>,
    /// Whether exchange and queue are declared.
    pub topology: Topology,
    /// Whether a message that no queue takes counts as delivered.
    pub allow_unrouted: bool,
    /// How long the broker may take to confirm a batch, from when it was handed over. A broker that blocks its
    /// publishers, because its memory or disk is full, shows as this time running out.
    pub confirm_timeout: Duration,
}

/// By what the messages of a target are routed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routing {
    /// All have this routing key.
    Fixed(String),
    /// The routing key is made from a template such as `{solution}.{area}`.
    ///
    /// Each placeholder becomes one element of at most 100 bytes: `.`, `*`, `#`, `%`, `~`, white space and control
    /// characters are written as `%` and two hexadecimal digits in upper case for each byte of their UTF-8 form, so
    /// that `Løsning 2.0` becomes `Løsning%202%2E0`. Where that is over 100 bytes, its first 83 bytes at the most are
    /// followed by `~` and the 64-bit FNV-1a digest of the original in 16 hexadecimal digits. A message without solution
    /// and area has `~` for each.
    Topic(String),
}

/// The routing key of a message.
#[derive(Debug, Clone)]
pub(crate) enum Keys {
    Fixed(String),
    Topic(Template),
}

impl Settings {
    fn check(&self) -> Result<Keys, SettingsError> {
        if !self.exchange.is_empty() {
            SettingsError::check_name("exchange", &self.exchange)?;
        }
        match &self.routing {
            Routing::Fixed(key) => {
                if self.exchange.is_empty() || self.queue.is_some() || !key.is_empty() {
                    SettingsError::check_name("routing_key", key)?;
                }
                Ok(Keys::Fixed(key.clone()))
            }
            Routing::Topic(_) if self.queue.is_some() => {
                Err(SettingsError::new("queue", "can be declared for a fixed routing key only"))
            }
            Routing::Topic(template) => Template::parse(template).map(Keys::Topic),
        }
    }
}

/// An exchange to deliver to.
#[derive(Debug)]
pub struct Target {
    broker: Broker,
    settings: Settings,
    keys: Keys,
}

impl Target {
    /// A target; it connects when it is asked to.
    pub fn new(broker: Broker, settings: Settings) -> Result<Self, SettingsError> {
        broker.check()?;
        let keys = settings.check()?;
        Ok(Self { broker, settings, keys })
    }

    /// Connects and looks whether all is there that the gateway does not declare itself; changes nothing.
    pub async fn check(&self) -> Result<(), LinkError> {
        let link = Link::open_to_send(&self.broker).await?;
        let channel = link.channel().await?;
        match self.settings.topology {
            Topology::Check => self.look(&Declarations { link: &link, channel: &channel }).await,
            Topology::Declare => Ok(()),
        }
    }

    /// The queue that the settings speak of, and its type where it is to be declared.
    fn queue(&self) -> Option<(&str, Option<QueueType>)> {
        match &self.settings.routing {
            Routing::Fixed(key) if self.settings.queue.is_some() || self.settings.exchange.is_empty() => {
                Some((key, self.settings.queue))
            }
            _ => None,
        }
    }

    async fn look(&self, declarations: &Declarations<'_>) -> Result<(), LinkError> {
        if !self.settings.exchange.is_empty() {
            declarations.check_exchange(&self.settings.exchange).await?;
        }
        match self.queue() {
            Some((queue, _)) => declarations.check_queue(queue).await,
            None => Ok(()),
        }
    }

    async fn declare(&self, declarations: &Declarations<'_>) -> Result<(), LinkError> {
        let exchange = &self.settings.exchange;
        if !exchange.is_empty() {
            declarations.declare_exchange(exchange, self.settings.exchange_kind).await?;
        }
        if let Some((queue, Some(queue_type))) = self.queue() {
            declarations.declare_queue(queue, queue_type, None).await?;
            if !exchange.is_empty() {
                declarations.bind(queue, exchange, queue).await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl domain::Target for Target {
    async fn connect(&self) -> Result<Box<dyn domain::Publisher>, LinkError> {
        let link = Link::open_to_send(&self.broker).await?;
        let channel = link.channel().await?;
        let declarations = Declarations { link: &link, channel: &channel };
        match self.settings.topology {
            Topology::Declare => self.declare(&declarations).await?,
            Topology::Check => self.look(&declarations).await?,
        }
        let confirms = channel.confirm_select(ConfirmSelectOptions::default());
        link.request(|| "asking for confirms".to_owned(), confirms).await?;
        Ok(Box::new(Publisher::new(link, channel, &self.settings, self.keys.clone())))
    }
}
