//! RabbitMQ's management interface, version 3.10 and later: what a broker says of its queues, exchanges and alarms.
//! Nothing is changed by asking.

mod client;
mod queue;
mod url;

use serde::Deserialize;
use serde_json::{Map, Value};

pub use client::{Client, Error, Settings};
pub use queue::{Effective, Origin, Policy, Queue, Setting};
pub use url::{Url, UrlError};

/// The version of a broker, as far as its rules differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Such as 4.
    pub major: u32,
    /// Such as 1.
    pub minor: u32,
}

/// What a broker says of itself.
#[derive(Debug, Clone, Deserialize)]
pub struct Overview {
    /// Such as `4.1.3`.
    pub rabbitmq_version: String,
}

impl Overview {
    /// The version; none where it is written in an unknown way.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        let mut numbers = self.rabbitmq_version.split(['.', '-', '+']).map(str::parse);
        Some(Version { major: numbers.next()?.ok()?, minor: numbers.next()?.ok()? })
    }
}

/// An exchange.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Exchange {
    /// `direct`, `topic`, `fanout`, `headers` or what a plugin brings.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it outlives the broker.
    pub durable: bool,
    /// Whether it goes with its last binding.
    pub auto_delete: bool,
    /// With what it was declared.
    #[serde(default, deserialize_with = "queue::table")]
    pub arguments: Map<String, Value>,
    /// The name of the policy that holds for it.
    #[serde(default)]
    pub policy: Option<String>,
    /// The exchange for what no binding takes, by argument or policy.
    #[serde(skip)]
    pub alternate: Option<String>,
}

/// What an exchange passes on, and to where.
#[derive(Debug, Clone, Deserialize)]
pub struct Binding {
    /// The exchange.
    pub source: String,
    /// The queue or exchange.
    pub destination: String,
    /// `queue` or `exchange`.
    pub destination_type: String,
    /// The key or pattern.
    pub routing_key: String,
}

/// A resource of which a node has too little, so that the broker takes no messages from anybody.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Alarm {
    /// The node.
    #[serde(default)]
    pub node: String,
    /// `memory`, `disk`, …
    #[serde(default)]
    pub resource: String,
}

/// What a user may do in a virtual host: patterns of names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Permissions {
    /// Make and delete.
    pub configure: String,
    /// Publish to.
    pub write: String,
    /// Consume from.
    pub read: String,
}

/// One consumer of a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Consumer {
    /// Where it comes from.
    #[serde(default, deserialize_with = "queue::or_default")]
    pub channel_details: Channel,
}

/// The channel of a consumer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Channel {
    /// The broker's name of its connection: both addresses.
    #[serde(default)]
    pub connection_name: Option<String>,
    /// Who is logged in.
    #[serde(default)]
    pub user: Option<String>,
}

/// A connection of somebody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Connection {
    /// What its owner calls it.
    #[serde(default)]
    pub user_provided_name: Option<String>,
}
