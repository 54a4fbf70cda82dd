//! Wiring: from the configuration to adapters. Only here concrete adapters are named.

mod login;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use samspor_amqp as amqp;
use samspor_domain::{Carry, Decode, Encode, Text};
use samspor_engine::{IN_FLIGHT, Inlet, Intake, Outlet, Permissions, Scribe, source_part, target_part};
use samspor_files as files;
use samspor_formats::{csv, g68, g69, json, mapping, oio, relabelled, xml};
use samspor_grpc::Door;
use samspor_http::{management, target as http};
use samspor_vault::Vault;
use secrecy::ExposeSecret;

use crate::config::{
    Amqp, Audience, Broker, Carries, Config, Distributor, Encoding, Format, Forward, Http, MaySend, Payload,
    Queue, QueueType, Route, Sender, Source, SourceWay, Target, TargetFormat, Topology, Way,
};
use crate::open::MachineClock;

/// The largest body of a source that no configuration names, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 16 << 20;

/// How many records a folder is handed at a time, at most; never more than fit in one file.
const FOLDER_WINDOW: usize = 10_000;

/// What the brokers' own listings call the connections of somebody who only looks.
const PROBE: &str = "samspor check";

/// The front's door, made of what its certificates and keys hold now.
pub(crate) fn door(config: &Config) -> Result<Door> {
    let Some(door) = config.grpc.as_ref().and_then(|grpc| grpc.door.as_ref()) else {
        return Ok(Door::open());
    };
    let tls = match &door.tls {
        Some(((certificate, key), client_ca)) => Some(samspor_grpc::tls::Settings {
            certificate: read(certificate)?,
            key: key.read()?.expose_secret().to_owned(),
            client_ca: client_ca.as_deref().map(read).transpose()?,
        }),
        None => None,
    };
    let tokens = match &door.tokens {
        Some(tokens) => Some(samspor_grpc::tokens::Settings {
            keys: read(&tokens.keys_file)?,
            issuer: tokens.issuer.clone(),
            audience: tokens.audience.clone(),
            leeway: tokens.leeway,
        }),
        None => None,
    };
    Ok(Door::new(&samspor_grpc::door::Settings { tls, tokens, callers: door.callers.clone() })?)
}

/// What reads messages in a format.
pub(crate) fn decoder(format: &Format) -> Arc<dyn Decode> {
    match format {
        Format::Json => Arc::new(json::Decoder),
        Format::G69 { encoding } => Arc::new(g69::Decoder::new(g69_settings(*encoding))),
        Format::G68(settings) => Arc::new(g68::Decoder::new(settings.clone())),
        Format::Mapping { mapping, .. } => Arc::new(mapping::Decoder::new(mapping.clone())),
        Format::Oio { message_types } => {
            let payload = |payload: &Payload| match payload {
                Payload::Case => oio::Payload::Case,
                Payload::Grant => oio::Payload::Grant,
                Payload::Payment => oio::Payload::Payment,
            };
            let message_types =
                message_types.iter().map(|(id, holds)| (id.clone(), payload(holds))).collect();
            Arc::new(oio::Decoder::new(oio::Settings { message_types }))
        }
    }
}

/// How a source's deliveries are read.
pub(crate) fn intake(source: &Source) -> Intake {
    let own = match &source.format {
        Format::Json => "application/json",
        Format::G69 { .. } | Format::G68(_) => "text/plain",
        Format::Mapping { mapping, .. } => mapping.content_type(),
        Format::Oio { .. } => "application/xml",
    };
    let decoder = decoder(&source.format);
    let decoder = match &source.content_types[..] {
        [] => decoder,
        types => Arc::new(relabelled::Decoder::new(decoder, own, types.to_vec())),
    };
    Intake {
        source: source.name.clone(),
        decoder,
        may_send: permissions(&source.may_send),
        max_body_bytes: source.max_body_bytes,
    }
}

/// How a caller's messages are read.
pub(crate) fn senders(config: &Config) -> Vec<Intake> {
    let senders = config.grpc.iter().flat_map(|grpc| &grpc.senders);
    let intake = |sender: &Sender| samspor_grpc::intake(sender.name.clone(), permissions(&sender.may_send));
    // What registrars put is decoded again too, should it ever lie in quarantine.
    senders.map(intake).chain([samspor_grpc::registrar()]).collect()
}

fn permissions(may_send: &MaySend) -> Permissions {
    Permissions {
        postings: may_send.postings,
        facts: may_send.facts.clone(),
        receipts_of: may_send.receipts_of.clone(),
    }
}

fn g69_settings(encoding: Encoding) -> g69::Settings {
    let encoding = match encoding {
        Encoding::Utf8 => g69::Encoding::Utf8,
        Encoding::Latin1 => g69::Encoding::Latin1,
    };
    g69::Settings { encoding }
}

/// A source as it runs.
pub(crate) fn inlet(config: &Config, source: &Source) -> Result<Inlet> {
    let way: Arc<dyn samspor_domain::Source> = match &source.way {
        SourceWay::Amqp(consumed) => {
            let settings = queue_settings(consumed);
            Arc::new(queue(config, source, consumed, &source_connection(source), settings)?)
        }
        SourceWay::Folder(settings) => Arc::new(inbox(settings)),
    };
    Ok(Inlet { intake: intake(source), source: way })
}

/// A folder that a source's files are left in.
pub(crate) fn inbox(settings: &files::source::Settings) -> files::source::Source {
    files::source::Source::new(settings.clone(), Arc::new(MachineClock))
}

/// A folder that a target's files are put into.
pub(crate) fn outbox(settings: &files::target::Settings) -> files::target::Target {
    files::target::Target::new(settings.clone(), Arc::new(MachineClock))
}

/// A source's queue for somebody who reads up to `limit` of its messages and acknowledges none. Nothing is declared.
pub(crate) fn tap(config: &Config, source: &Source, consumed: &Queue, limit: u16) -> Result<amqp::Source> {
    let settings = amqp::source::Settings {
        topology: amqp::Topology::Check,
        prefetch: limit,
        batch: consumed.batch.min(usize::from(limit)),
        ..queue_settings(consumed)
    };
    queue(config, source, consumed, &format!("samspor record {}", source.name), settings)
}

fn queue_settings(source: &Queue) -> amqp::source::Settings {
    amqp::source::Settings {
        queue: source.queue.clone(),
        queue_type: queue_type(source.queue_type),
        topology: topology(source.topology),
        prefetch: source.prefetch,
        batch: source.batch,
        bind: Vec::new(),
        dead_letter_exchange: None,
    }
}

fn queue(
    config: &Config,
    source: &Source,
    consumed: &Queue,
    name: &str,
    settings: amqp::source::Settings,
) -> Result<amqp::Source> {
    let broker = broker(config.broker(&consumed.broker), name)?;
    amqp::Source::new(broker, settings).with_context(|| format!("source {}", source.name))
}

/// What the brokers' own listings call the connection of a source.
pub(crate) fn source_connection(source: &Source) -> String {
    format!("samspor source {}", source.name)
}

/// A source's queue for somebody who looks whether it is there, where the gateway does not declare it.
pub(crate) fn source_probe(config: &Config, source: &Source, consumed: &Queue) -> Result<amqp::Source> {
    queue(config, source, consumed, PROBE, queue_settings(consumed))
}

/// A target's queue or exchange for somebody who looks whether it is there, where the gateway does not declare it.
pub(crate) fn target_probe(config: &Config, name: &Text, target: &Amqp) -> Result<amqp::Target> {
    let broker = broker(config.broker(&target.broker), PROBE)?;
    amqp::Target::new(broker, target_settings(target)).with_context(|| format!("target {name}"))
}

/// A broker, for somebody who looks at it.
pub(crate) fn broker_probe(settings: &Broker) -> Result<amqp::Broker> {
    broker(settings, PROBE)
}

/// A broker's management interface, if the configuration says where it is.
pub(crate) fn management(broker: &Broker) -> Result<Option<management::Client>> {
    let Some(secret) = &broker.management_url else { return Ok(None) };
    let url = secret.read()?;
    let url = url.expose_secret().parse().with_context(|| format!("the URL in {secret}"))?;
    let (connect_timeout, request_timeout) = (broker.connect_timeout, broker.request_timeout);
    Ok(Some(management::Client::new(management::Settings { url, connect_timeout, request_timeout })?))
}

/// A target as it runs.
pub(crate) fn outlet(config: &Config, vault: &Arc<Vault>, target: &Target) -> Result<Outlet> {
    let (way, window): (Arc<dyn samspor_domain::Target>, usize) = match &target.way {
        Way::Amqp(amqp) => {
            let broker = broker(config.broker(&amqp.broker), &format!("samspor target {}", target.name))?;
            let exchange = amqp::Target::new(broker, target_settings(amqp))
                .with_context(|| format!("target {}", target.name))?;
            (Arc::new(exchange), amqp.window)
        }
        // One request at a time: of each it is known what became of it before the next one goes.
        Way::Http(http) => {
            let window = http.batch.max(1) * IN_FLIGHT;
            (Arc::new(poster(target, http)?), window)
        }
        Way::Folder(settings) => (Arc::new(outbox(settings)), settings.max_records.min(FOLDER_WINDOW)),
        Way::Distributor(to) => (
            Arc::new(sender(config, &target.name, to, &format!("samspor target {}", target.name))?),
            IN_FLIGHT,
        ),
    };
    let answers: Option<Arc<dyn Decode>> = match &target.way {
        Way::Http(_) if target.policy.receipt_within.is_some() => Some(match &target.answers {
            Some(declared) => Arc::new(mapping::Decoder::new(declared.mapping.clone())),
            None => Arc::new(json::Decoder),
        }),
        _ => None,
    };
    let audience = match target.audience {
        Audience::Ledger => samspor_engine::Audience::Ledger,
        Audience::Lis => samspor_engine::Audience::Lis,
    };
    let encoder: Arc<dyn Encode> = match (&target.way, target.format) {
        // Files are made from JSON records, whatever they are written in.
        (Way::Folder(_), _) | (_, TargetFormat::Json) => Arc::new(json::Encoder),
        (_, TargetFormat::Xml) => Arc::new(xml::Encoder),
        (_, TargetFormat::Protobuf) => Arc::new(samspor_grpc::Encoder),
        (_, TargetFormat::Csv) => Arc::new(csv::Encoder),
    };
    let encoder: Arc<dyn Encode> = match &target.way {
        Way::Distributor(to) => {
            let sender = oio::Sender {
                scope: scope(config, &target.name, to),
                message_type: to.message_type.clone(),
                system: to.system.clone(),
                responsible: to.responsible.clone(),
                recipients: to.recipients.clone(),
            };
            Arc::new(oio::Encoder::new(encoder, sender))
        }
        Way::Amqp(_) | Way::Http(_) | Way::Folder(_) => encoder,
    };
    let scribe = match &target.forwards {
        None => {
            Scribe::new(Arc::clone(vault), &target.name, audience, encoder).filtered(target.filter.clone())
        }
        Some(Forward { source, carries }) => {
            let carrier: Arc<dyn Carry> = match carries {
                Carries::G69 { encoding, places, .. } => {
                    Arc::new(g69::Carrier::new(g69_settings(*encoding), places.clone()))
                }
                Carries::Json => Arc::new(json::Carrier),
            };
            Scribe::forwarding(Arc::clone(vault), &target.name, source.clone(), carrier)
        }
    };
    Ok(Outlet {
        name: target.name.clone(),
        target: way,
        scribe,
        window,
        policy: target.policy.clone(),
        answers,
    })
}

/// A target over HTTP.
pub(crate) fn poster(target: &Target, http: &Http) -> Result<http::Target> {
    let context = || format!("target {}", target.name);
    let settings = http_settings(target, http).with_context(context)?;
    let (target, http) = (target.clone(), http.clone());
    let renewed = move || Ok(http_settings(&target, &http)?);
    Ok(http::Target::new(settings).with_context(context)?.renewed(renewed))
}

/// Within what a record's `BeskedId` is its own: the distributor serves other authorities too, and several targets.
fn scope(config: &Config, target: &Text, to: &Distributor) -> String {
    let cvr = config.broker(&to.broker).token.as_ref().map_or("", |token| token.cvr.as_str());
    format!("{cvr}:{target}")
}

/// The message distributor as a target.
fn sender(config: &Config, target: &Text, to: &Distributor, name: &str) -> Result<amqp::distributor::Target> {
    let settings = amqp::distributor::Settings {
        exchange: to.exchange.clone(),
        answer_timeout: to.answer_timeout,
        scope: scope(config, target, to),
        message_id: oio::message_id,
        status: oio::status,
    };
    let broker = broker(config.broker(&to.broker), name)?;
    amqp::distributor::Target::new(broker, settings).with_context(|| format!("target {target}"))
}

/// The message distributor for somebody who looks whether it lets the gateway in.
pub(crate) fn sender_probe(
    config: &Config,
    name: &Text,
    to: &Distributor,
) -> Result<amqp::distributor::Target> {
    sender(config, name, to, PROBE)
}

fn http_settings(target: &Target, http: &Http) -> Result<http::Settings> {
    let identity = match &http.client {
        Some((certificate, key)) => {
            let pem = format!("{}\n{}\n", read(certificate)?, key.read()?.expose_secret());
            Some(http::Private(pem.into()))
        }
        None => None,
    };
    let accept = match target.answers.as_ref().map(|declared| declared.mapping.format()) {
        None | Some("json") => "application/json",
        Some("xml") => "application/xml, text/xml;q=0.9",
        Some("csv") => "text/csv",
        Some(_) => "text/plain",
    };
    Ok(http::Settings {
        url: http.url.clone(),
        accept,
        ca: http.ca_file.as_deref().map(read).transpose()?,
        identity,
        bearer: http.bearer.as_ref().map(|secret| secret.read()).transpose()?.map(http::Private),
        connect_timeout: http.connect_timeout,
        answer_timeout: http.answer_timeout,
        max_answer_bytes: http.max_answer_bytes,
        batch: http.batch,
        batch_bytes: http.batch_bytes,
    })
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read the file {}", file.display()))
}

/// All that a source or target is made of, by which it is known whether it changed: its section of the configuration, and
/// its broker with the URL itself, or its certificates and token, wherever those stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Made {
    Source(Box<Source>, login::Reached),
    Target(Box<Target>, login::Reached),
    Http(Box<Target>, http::Settings),
    /// A folder has no secret, nor anything else that does not stand in the configuration.
    Inbox(Box<Source>),
    Outbox(Box<Target>),
}

/// Every source and target of a configuration, by the name of its part.
pub(crate) fn made(config: &Config) -> Result<BTreeMap<String, Made>> {
    let url = |name| login::reached(config.broker(name), "samspor");
    let mut made = BTreeMap::new();
    for source in &config.sources {
        let way = match &source.way {
            SourceWay::Amqp(queue) => Made::Source(Box::new(source.clone()), url(&queue.broker)?),
            SourceWay::Folder(_) => Made::Inbox(Box::new(source.clone())),
        };
        made.insert(source_part(&source.name), way);
    }
    for target in &config.targets {
        let its = || Box::new(target.clone());
        let way = match &target.way {
            Way::Amqp(amqp) => Made::Target(its(), url(&amqp.broker)?),
            Way::Http(http) => Made::Http(its(), http_settings(target, http)?),
            Way::Folder(_) => Made::Outbox(its()),
            Way::Distributor(to) => Made::Target(its(), url(&to.broker)?),
        };
        made.insert(target_part(&target.name), way);
    }
    Ok(made)
}

fn target_settings(target: &Amqp) -> amqp::target::Settings {
    let (exchange, routing, queue) = match &target.route {
        Route::Queue(queue) => {
            (String::new(), amqp::target::Routing::Fixed(queue.clone()), Some(queue_type(target.queue_type)))
        }
        Route::Exchange(exchange, key) => (exchange.clone(), amqp::target::Routing::Fixed(key.clone()), None),
        Route::Topic(exchange, template) => {
            (exchange.clone(), amqp::target::Routing::Topic(template.clone()), None)
        }
    };
    amqp::target::Settings {
        exchange,
        exchange_kind: amqp::ExchangeKind::Topic,
        routing,
        queue,
        topology: topology(target.topology),
        allow_unrouted: target.allow_unrouted,
        confirm_timeout: target.confirm_timeout,
    }
}

fn broker(broker: &Broker, name: &str) -> Result<amqp::Broker> {
    login::reached(broker, name)?.broker()
}

fn queue_type(queue_type: QueueType) -> amqp::QueueType {
    match queue_type {
        QueueType::Quorum => amqp::QueueType::Quorum,
        QueueType::Classic => amqp::QueueType::Classic,
    }
}

fn topology(topology: Topology) -> amqp::Topology {
    match topology {
        Topology::Declare => amqp::Topology::Declare,
        Topology::Check => amqp::Topology::Check,
    }
}
