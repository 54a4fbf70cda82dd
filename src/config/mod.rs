//! The configuration: what the gateway is told to do, read from a TOML file into plain types.
//!
//! [`load`] reads the file and the charts, checks everything that can be checked without a broker or a
//! secret, and reports every problem at its place. What remains are types in which nothing is unresolved.

mod at;
mod charts;
mod content_types;
mod distributor;
mod door;
mod file;
mod filter;
mod folder;
mod formats;
mod forward;
mod g68;
mod http;
mod links;
mod mappings;
mod problem;
mod reading;
#[cfg(test)]
mod reference;
mod resolve;
mod secret;
mod senders;
#[cfg(test)]
mod tests;
mod vouchers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use samspor_domain::{Charts, Kind, SourceName, TagFilter, Text};
use sha2::{Digest as _, Sha256};

pub(crate) use file::{Audience, Encoding, Payload, QueueType, TargetFormat, Topology};
pub(crate) use formats::load as load_format;
pub(crate) use forward::{Carries, Forward};
pub(crate) use problem::{Problem, Problems};
pub(crate) use secret::Secret;
pub(crate) use senders::Sender;
pub(crate) use vouchers::Voucher;

/// A configuration in which everything is resolved.
#[derive(Debug)]
pub(crate) struct Config {
    /// The file that it was read from.
    pub(crate) path: PathBuf,
    /// The folder of the charts.
    pub(crate) charts_dir: PathBuf,
    /// The charts of accounts.
    pub(crate) charts: Charts,
    /// Where the gateway keeps what it knows.
    pub(crate) store: Option<Store>,
    /// Where the master key is.
    pub(crate) vault: Option<Vault>,
    /// The gRPC front, if there is one.
    pub(crate) grpc: Option<Grpc>,
    /// How commands reach the running gateway.
    pub(crate) client: Client,
    /// Where the metrics are had, if they are.
    pub(crate) metrics: Option<Metrics>,
    /// Where traces go, if there are any.
    pub(crate) traces: Option<Traces>,
    /// How the gateway works inside.
    pub(crate) engine: Engine,
    /// How long postings are kept.
    pub(crate) journal: Journal,
    /// Where checkpoints of the audit log are published, if they are.
    pub(crate) checkpoints_file: Option<PathBuf>,
    /// For how many days the audit log is kept.
    pub(crate) audit_days: u32,
    /// The brokers by name.
    pub(crate) brokers: BTreeMap<Text, Broker>,
    /// The sources, in the order of the file.
    pub(crate) sources: Vec<Source>,
    /// The targets, in the order of the file.
    pub(crate) targets: Vec<Target>,
    /// How correction vouchers are written, each solution's.
    pub(crate) vouchers: Vec<Voucher>,
}

/// Where the gateway keeps what it knows.
#[derive(Debug)]
pub(crate) struct Store {
    /// The folder, which need not exist yet.
    pub(crate) dir: PathBuf,
    /// Where withdrawals are written down, if they are.
    pub(crate) withdrawals: Option<PathBuf>,
    /// For how many days backups are kept, if that is said.
    pub(crate) backups_kept_days: Option<u32>,
}

/// Where the master key is.
#[derive(Debug)]
pub(crate) struct Vault {
    /// 64 hexadecimal digits.
    pub(crate) master_key: Secret,
    /// The same of the key whose place it takes.
    pub(crate) previous_master_key: Option<Secret>,
}

/// The gRPC front.
#[derive(Debug)]
pub(crate) struct Grpc {
    /// Where it listens; a loopback address unless there is TLS.
    pub(crate) listen: SocketAddr,
    /// Its bounds there.
    pub(crate) bounds: samspor_grpc::Settings,
    /// Who is let in; none where anyone is.
    pub(crate) door: Option<Door>,
    /// The systems that send over it.
    pub(crate) senders: Vec<Sender>,
}

/// Who is let in at the front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Door {
    /// The front's certificate and where its key is, and who signs callers' certificates.
    pub(crate) tls: Option<(Certified, Option<PathBuf>)>,
    /// Which tokens are taken.
    pub(crate) tokens: Option<Tokens>,
    /// Who may call.
    pub(crate) callers: Vec<samspor_grpc::door::Known>,
}

/// Which tokens the front takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// The JWK set.
    pub(crate) keys_file: PathBuf,
    /// Their issuer.
    pub(crate) issuer: String,
    /// For whom they are.
    pub(crate) audience: String,
    /// By how much clocks may differ.
    pub(crate) leeway: Duration,
}

/// How commands reach the running gateway.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// Its URL, if it is not that of the front on this machine.
    pub(crate) url: Option<String>,
    /// Who signs its certificate, where the machine does not know.
    pub(crate) ca_file: Option<PathBuf>,
    /// What is shown.
    pub(crate) certificate: Option<Certified>,
    /// A bearer token.
    pub(crate) token: Option<Secret>,
}

/// The metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// A loopback address.
    pub(crate) listen: SocketAddr,
}

/// The traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Traces {
    /// Where the tracing system listens.
    pub(crate) endpoint: samspor_traces::Endpoint,
    /// Who signs its certificate, where the machine does not know.
    pub(crate) ca_file: Option<PathBuf>,
    /// Headers for each request, one a line.
    pub(crate) headers: Option<Secret>,
    /// What the gateway is called there.
    pub(crate) service_name: String,
    /// How many of a million messages that are not sampled get a trace of their own.
    pub(crate) new_per_million: u32,
    /// How many spans may wait.
    pub(crate) queue_spans: usize,
    /// How long sending some may take.
    pub(crate) timeout: Duration,
}

/// How the gateway works inside.
#[derive(Debug)]
pub(crate) struct Engine {
    /// How many postings are decided again in one transaction.
    pub(crate) slice_postings: usize,
    /// How many postings a fact may change without someone's consent; none is any number.
    pub(crate) brake_postings: Option<usize>,
    /// How long a shutdown may take.
    pub(crate) shutdown_deadline: Duration,
}

/// How long things are kept.
#[derive(Debug)]
pub(crate) struct Journal {
    /// Days after registration for which what no live consent reaches is kept; none is for ever.
    pub(crate) retention_days: Option<u32>,
}

impl Journal {
    /// What that means, for people.
    pub(crate) fn meaning(&self) -> String {
        match self.retention_days {
            None => "nothing is purged".to_owned(),
            Some(0) => "what no live consent reaches is purged as it arrives; a consent that comes later reaches nothing \
                        of it"
                .to_owned(),
            Some(days) => format!("what no live consent reaches is purged {days} days after it was registered"),
        }
    }
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broker {
    /// Its URL, with user and password.
    pub(crate) url: Secret,
    /// The URL of its management interface, with user and password.
    pub(crate) management_url: Option<Secret>,
    /// How long an attempt to connect may take.
    pub(crate) connect_timeout: Duration,
    /// How long any other answer may take.
    pub(crate) request_timeout: Duration,
    /// How often both sides show that they live; whole seconds.
    pub(crate) heartbeat: Duration,
    /// The certificates of those who are trusted.
    pub(crate) ca_file: Option<PathBuf>,
    /// The gateway's own certificate.
    pub(crate) client: Option<Certified>,
    /// Where tokens are had, if the gateway logs in by one.
    pub(crate) token: Option<Token>,
}

/// A certificate of the gateway's own, and where its key is.
pub(crate) type Certified = (PathBuf, Secret);

/// Where tokens are had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// The URL, `https:`.
    pub(crate) url: samspor_http::target::Url,
    /// Eight digits.
    pub(crate) cvr: String,
    /// The service that they are for.
    pub(crate) entity_id: String,
    /// The certificates of those who are trusted.
    pub(crate) ca_file: Option<PathBuf>,
    /// The certificate that is shown.
    pub(crate) client: Certified,
}

/// A system that messages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// Its name, of which there is one.
    pub(crate) name: SourceName,
    /// What its messages are written in.
    pub(crate) format: Format,
    /// What it may send.
    pub(crate) may_send: MaySend,
    /// The content types that are taken instead of the format's own, if there are any.
    pub(crate) content_types: Vec<String>,
    /// The largest body in bytes.
    pub(crate) max_body_bytes: usize,
    /// Where they come from.
    pub(crate) way: SourceWay,
}

/// Where a source's messages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceWay {
    /// From a broker.
    Amqp(Queue),
    /// From a folder.
    Folder(samspor_files::source::Settings),
}

/// A queue to consume from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queue {
    /// The name of its broker, which there is.
    pub(crate) broker: Text,
    /// Its name.
    pub(crate) queue: String,
    /// What kind of queue is declared.
    pub(crate) queue_type: QueueType,
    /// Whether the gateway makes the queue.
    pub(crate) topology: Topology,
    /// How many messages the broker hands over before it waits for acknowledgements.
    pub(crate) prefetch: u16,
    /// How many messages are committed together at most; not above `prefetch`.
    pub(crate) batch: usize,
}

/// What a source's messages are written in, with what that format needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    /// The gateway's own JSON.
    Json,
    /// The message distributor's envelope.
    Oio {
        /// What each message type holds, in lower case; a UUID has its hyphens.
        message_types: BTreeMap<String, Payload>,
    },
    /// Lines of the finance format G69.
    G69 {
        /// The encoding of the characters.
        encoding: Encoding,
    },
    /// Payments, postings and the error return.
    G68(samspor_formats::g68::Settings),
    /// Whatever a mapping describes.
    Mapping {
        /// Its file.
        file: PathBuf,
        /// What it says.
        mapping: samspor_formats::mapping::Mapping,
    },
}

impl Format {
    /// What messages in it are called that have a file each.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Oio { .. } => "xml",
            Self::G69 { .. } => "g69",
            Self::G68(_) => "g68",
            Self::Mapping { mapping, .. } => mapping.format(),
        }
    }

    /// The mapping, where it is one.
    pub(crate) fn mapping(&self) -> Option<&samspor_formats::mapping::Mapping> {
        match self {
            Self::Mapping { mapping, .. } => Some(mapping),
            _ => None,
        }
    }
}

/// The message types that a source may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MaySend {
    /// Whether it may send postings.
    pub(crate) postings: bool,
    /// Which facts it may send.
    pub(crate) facts: BTreeSet<Kind>,
    /// Of which target it may send receipts, which gives some.
    pub(crate) receipts_of: Option<Text>,
}

/// A system that tagged postings go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its name, of which there is one.
    pub(crate) name: Text,
    /// Who reads it.
    pub(crate) audience: Audience,
    /// What records are written in.
    pub(crate) format: TargetFormat,
    /// How it gets them.
    pub(crate) way: Way,
    /// Which of them.
    pub(crate) filter: TagFilter,
    /// How receipts in its answers are read; without it, as canonical JSON.
    pub(crate) answers: Option<mappings::Declared>,
    /// What is done about records that it does not take, and its closed months.
    pub(crate) policy: samspor_engine::Policy,
    /// Whose postings pass on to it as they came, if that is what it gets.
    pub(crate) forwards: Option<Forward>,
}

/// How a target gets its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// From a broker.
    Amqp(Amqp),
    /// By requests.
    Http(Http),
    /// In files.
    Folder(samspor_files::target::Settings),
    /// From the message distributor.
    Distributor(Distributor),
}

/// How to send to the message distributor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Distributor {
    /// The name of the broker, which there is and which has tokens.
    pub(crate) broker: Text,
    /// A UUID in lower case, or a URN as it was written.
    pub(crate) message_type: String,
    /// The system that sends: likewise a UUID or a URN.
    pub(crate) system: Option<String>,
    /// The authority that answers for the messages, likewise.
    pub(crate) responsible: Option<String>,
    /// Who alone may get them, likewise; nobody here: every subscriber of their type.
    pub(crate) recipients: Vec<String>,
    /// The exchange.
    pub(crate) exchange: String,
    /// How long an answer may take.
    pub(crate) answer_timeout: Duration,
}

/// Where to publish on a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Amqp {
    /// The name of the broker, which there is.
    pub(crate) broker: Text,
    /// Where to publish.
    pub(crate) route: Route,
    /// What kind of queue is declared.
    pub(crate) queue_type: QueueType,
    /// Whether the gateway makes the queue or exchange.
    pub(crate) topology: Topology,
    /// Whether a record that is routed nowhere counts as delivered.
    pub(crate) allow_unrouted: bool,
    /// How long the broker may take to confirm.
    pub(crate) confirm_timeout: Duration,
    /// How many records may be on their way without a confirm.
    pub(crate) window: usize,
}

/// Where to post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Http {
    /// The URL, without secrets.
    pub(crate) url: samspor_http::target::Url,
    /// The certificates of those who are trusted.
    pub(crate) ca_file: Option<PathBuf>,
    /// The gateway's own certificate, and where its key is.
    pub(crate) client: Option<(PathBuf, Secret)>,
    /// Where the bearer token is.
    pub(crate) bearer: Option<Secret>,
    /// How long connecting may take.
    pub(crate) connect_timeout: Duration,
    /// How long a request with its answer may take.
    pub(crate) answer_timeout: Duration,
    /// The longest answer that is read.
    pub(crate) max_answer_bytes: usize,
    /// How many records a request has at most.
    pub(crate) batch: usize,
    /// How many bytes those have together at most.
    pub(crate) batch_bytes: usize,
}

/// Where to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// To one queue.
    Queue(String),
    /// To an exchange, under a fixed key.
    Exchange(String, String),
    /// To an exchange, under a key in which `{solution}` and `{area}` stand for each record's.
    Topic(String, String),
}

/// Reads a configuration and its charts, and checks them.
pub(crate) fn load(path: &Path) -> Result<Config, Problems> {
    resolve::load(path)
}

impl Config {
    /// The sections that `serve` needs and that are missing, as the file would write them.
    pub(crate) fn missing_to_serve(&self) -> Vec<&'static str> {
        let needed = [
            ("[store]", self.store.is_some()),
            ("[vault]", self.vault.is_some()),
            ("[[sources]]", !self.sources.is_empty()),
            ("[[targets]]", !self.targets.is_empty()),
        ];
        needed.into_iter().filter(|(_, there)| !there).map(|(section, _)| section).collect()
    }

    /// The broker of that name, which sources and targets were checked to name rightly.
    pub(crate) fn broker(&self, name: &Text) -> &Broker {
        &self.brokers[name]
    }

    /// What `serve` needs besides the rest, or which sections are missing.
    pub(crate) fn to_serve(&self) -> Result<(&Store, &Vault), Problems> {
        match (&self.store, &self.vault) {
            (Some(store), Some(vault)) if self.missing_to_serve().is_empty() => Ok((store, vault)),
            _ => {
                let missing = self.missing_to_serve().join(", ");
                Err(Problems(vec![Problem::of(&self.path, format!("`samspor serve` also needs {missing}"))]))
            }
        }
    }
}

/// By what the audit log tells one configuration from another: the first digits of the file's SHA-256. The files that it names
/// are not in it.
pub(crate) fn digest(config: &Config) -> anyhow::Result<Text> {
    let written = std::fs::read(&config.path)?;
    let digits = hex::encode(&Sha256::digest(written)[..8]);
    Ok(Text::new(&format!("configuration {digits}"))?)
}
