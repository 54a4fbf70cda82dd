//! Sources and targets: what each is told, and what they must not be to each other.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use samspor_domain::{Kind, Text};

use super::at::At;
use super::reading::Reading;
use super::resolve::Resolver;
use super::{Amqp, Format, MaySend, Payload, Queue, Route, Source, SourceWay, Target, Topology, Way, file};

/// By what an exchange routes unless the target says otherwise.
const DEFAULT_ROUTING_KEY: &str = "{solution}.{area}";

/// The longest queue, exchange or key that AMQP 0-9-1 carries, in bytes.
const MAX_AMQP_NAME_BYTES: usize = 255;

impl Resolver {
    pub(super) fn source(&mut self, source: &file::Source) -> Option<Source> {
        let name = self.source_name(&source.name);
        let format = self.format(source);
        let may_send = self.may_send(source.receipts_of.as_ref(), source.may_send.as_ref());
        if let (Some(format), Some(may_send)) = (&format, &may_send) {
            self.permitted(source, format, may_send);
        }
        let max_body_bytes = self.reading.number(&source.max_body_bytes);
        let way = self.source_way(source, max_body_bytes);
        let content_types = self.reading.content_types(source);
        let (may_send, way) = (may_send?, way?);
        Some(Source { name: name?, format: format?, may_send, content_types, max_body_bytes, way })
    }

    pub(super) fn source_name(&mut self, name: &At<String>) -> Option<Text> {
        if name.contains(':') {
            self.reading
                .fault(name.span(), "a source's name holds no `:`, since one ends it in the ids of messages")
                .help("take another character, such as `-`");
        }
        self.reading.text(name)
    }

    fn source_way(&mut self, source: &file::Source, max_body_bytes: usize) -> Option<SourceWay> {
        match (&source.amqp, &source.folder) {
            (Some(amqp), None) => self.queue(amqp).map(SourceWay::Amqp),
            (None, Some(folder)) => self.inbox(folder, max_body_bytes).map(SourceWay::Folder),
            (Some(_), Some(folder)) => {
                self.reading
                    .fault(folder.span(), "`amqp` and `folder` exclude each other")
                    .help("make two sources of it, each with a name of its own");
                None
            }
            (None, None) => {
                self.reading
                    .fault(
                        source.name.span(),
                        "this source comes from nowhere: one of `amqp` and `folder` is missing",
                    )
                    .help("add [sources.amqp] with a broker and a queue, or [sources.folder] with a dir");
                None
            }
        }
    }

    fn queue(&mut self, amqp: &file::SourceAmqp) -> Option<Queue> {
        let broker = self.broker_named(&amqp.broker);
        self.receives_by(&amqp.broker);
        let queue = self.amqp_name(&amqp.queue, amqp.topology);
        let prefetch: u16 = self.reading.number(&amqp.prefetch);
        let batch = match &amqp.batch {
            Some(batch) => self.reading.number(batch),
            None => usize::from(prefetch.min(file::DEFAULT_BATCH)),
        };
        if let Some(written) = &amqp.batch
            && batch > usize::from(prefetch)
            && amqp.prefetch.get().is_ok()
        {
            let message =
                format!("{batch} is more than `prefetch`, {prefetch}: the broker never hands over so many");
            self.reading.fault(written.span(), message);
        }
        Some(Queue {
            broker: broker?,
            queue: queue?,
            queue_type: amqp.queue_type,
            topology: amqp.topology,
            prefetch,
            batch,
        })
    }

    pub(super) fn format(&mut self, source: &file::Source) -> Option<Format> {
        let format = *source.format;
        let tables = [
            (file::Format::Oio, "oio", source.oio.as_ref().map(At::span)),
            (file::Format::G69, "g69", source.g69.as_ref().map(At::span)),
            (file::Format::G68, "g68", source.g68.as_ref().map(At::span)),
            (file::Format::Mapping, "mapping", source.mapping.as_ref().map(At::span)),
        ];
        for (belongs_to, table, at) in tables {
            if let Some(at) = at.filter(|_| format != belongs_to) {
                self.reading
                    .fault(at, format!("[sources.{table}] goes with format = \"{table}\" only"))
                    .also(source.format.span(), "the format is this");
            }
        }
        match (format, &source.oio) {
            (file::Format::Json, _) => Some(Format::Json),
            (file::Format::Mapping, _) => self.mapping(source),
            (file::Format::G68, _) => self.reading.g68(source),
            (file::Format::G69, _) => Some(Format::G69 {
                encoding: source.g69.as_ref().map(|g69| g69.encoding).unwrap_or_default(),
            }),
            (file::Format::Oio, Some(oio)) => {
                Some(Format::Oio { message_types: self.message_types(&oio.message_types) })
            }
            (file::Format::Oio, None) => {
                let message = "format = \"oio\" needs the message types of the distributor";
                let example = "\"<uuid>\" = \"case\", \"grant\" or \"payment\"";
                self.reading
                    .fault(source.format.span(), message)
                    .help(format!("add [sources.oio.message_types] with lines such as {example}"));
                None
            }
        }
    }

    fn message_types(&mut self, written: &At<BTreeMap<At<String>, Payload>>) -> BTreeMap<String, Payload> {
        if written.is_empty() {
            self.reading.fault(
                written.span(),
                "this names no message type; without any, every message goes to quarantine",
            );
        }
        let mut types = BTreeMap::new();
        let mut first: BTreeMap<String, Range<usize>> = BTreeMap::new();
        for (written, payload) in &**written {
            let Some(id) = message_type(written) else {
                let message = "this is not a message type: expected a UUID or a URN (`urn:…`)";
                self.reading.fault(written.span(), message);
                continue;
            };
            if let Some(at) = first.insert(id.clone(), written.span()) {
                self.reading
                    .fault(written.span(), "this is the same message type twice")
                    .also(at, "and here");
            }
            types.insert(id, *payload);
        }
        types
    }

    /// What a source may send, by its `receipts_of` and its `may_send`.
    pub(super) fn may_send(
        &mut self,
        receipts_of: Option<&At<String>>,
        written: Option<&At<Vec<At<String>>>>,
    ) -> Option<MaySend> {
        let receipts_of = match receipts_of {
            Some(target) => Some(self.reading.text(target)?),
            None => None,
        };
        let Some(written) = written else {
            let facts = Kind::ALL.into_iter().filter(|kind| kind.is_named_in_source()).collect();
            return Some(match receipts_of {
                None => MaySend { postings: true, facts, receipts_of },
                Some(_) => MaySend { postings: false, facts: BTreeSet::new(), receipts_of },
            });
        };
        if written.is_empty() {
            self.reading.fault(
                written.span(),
                "this names no message type; without any, every message goes to quarantine",
            );
        }
        let mut may_send = MaySend { postings: false, facts: BTreeSet::new(), receipts_of: None };
        let mut is_good = true;
        for word in &**written {
            if word.as_str() == "posting" {
                may_send.postings = true;
            } else if word.as_str() == "receipt" {
                if receipts_of.is_none() {
                    is_good = false;
                    self.reading.fault(
                        word.span(),
                        "`receipt` needs `receipts_of`, which says of which target they are",
                    );
                }
                may_send.receipts_of.clone_from(&receipts_of);
            } else if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.word() == word.as_str()) {
                may_send.facts.insert(kind);
            } else {
                is_good = false;
                let known: Vec<&str> = Kind::ALL.map(Kind::word).into();
                self.reading
                    .fault(word.span(), "this is not a message type")
                    .help(format!("there are posting, receipt, {}", known.join(", ")));
            }
        }
        is_good.then_some(may_send)
    }

    pub(super) fn target(&mut self, target: &file::Target, sources: &[file::Source]) -> Option<Target> {
        let name = self.reading.text(&target.name);
        let mut way = self.way(target);
        let policy = self.policy(target);
        let answers = self.answers(target);
        let filter = self.filter(target.filter.as_ref());
        if let (Some(Way::Folder(outbox)), Some(filter)) = (&mut way, &filter) {
            outbox.filter.clone_from(filter);
        }
        let forwards = self.forwards(target, sources);
        Some(Target {
            name: name?,
            audience: target.audience,
            format: target.format,
            way: way?,
            filter: filter?,
            answers: answers?,
            policy: policy?,
            forwards: forwards?,
        })
    }

    fn way(&mut self, target: &file::Target) -> Option<Way> {
        self.batches(target);
        let ways = [
            ("amqp", target.amqp.as_ref().map(At::span)),
            ("http", target.http.as_ref().map(At::span)),
            ("folder", target.folder.as_ref().map(At::span)),
            ("distributor", target.distributor.as_ref().map(At::span)),
        ];
        let mut written = ways.iter().filter_map(|(name, span)| Some((name, span.clone()?)));
        let Some(first) = written.next() else {
            self.reading
                .fault(
                    target.name.span(),
                    "this target says nowhere to go: one of `amqp`, `http`, `folder` and `distributor` is missing",
                )
                .help(
                    "add [targets.amqp] with a broker and a queue or exchange, [targets.http] with a url, or \
                     [targets.folder] with a dir",
                );
            return None;
        };
        if let Some(second) = written.next() {
            self.reading
                .fault(second.1, format!("`{}` and `{}` exclude each other", first.0, second.0))
                .also(first.1, "and here")
                .help("make two targets of it, if both are to have the records");
            return None;
        }
        match (&target.amqp, &target.http, &target.folder, &target.distributor) {
            (Some(amqp), ..) => self.amqp(amqp).map(Way::Amqp),
            (_, Some(http), ..) => self.http(http).map(Way::Http),
            (.., Some(folder), _) => {
                if target.format != file::TargetFormat::Json {
                    self.reading
                        .fault(folder.span(), "a folder says itself what its files are written in")
                        .help("take `format` out of the target; [targets.folder] has a `format` of its own");
                }
                self.outbox(folder, target).map(Way::Folder)
            }
            (.., distributor) => self.distributor(distributor.as_ref()?).map(Way::Distributor),
        }
    }

    fn amqp(&mut self, amqp: &At<file::TargetAmqp>) -> Option<Amqp> {
        let broker = self.broker_named(&amqp.broker);
        let route = self.route(amqp);
        let confirm_timeout = self.milliseconds(&amqp.confirm_timeout_ms);
        Some(Amqp {
            broker: broker?,
            route: route?,
            queue_type: amqp.queue_type,
            topology: amqp.topology,
            allow_unrouted: *amqp.allow_unrouted,
            confirm_timeout,
            window: self.reading.number(&amqp.window),
        })
    }

    fn policy(&mut self, target: &file::Target) -> Option<samspor_engine::Policy> {
        let written = &target.delivery;
        let waits = (self.milliseconds(&written.retry_from_ms), self.milliseconds(&written.retry_to_ms));
        if waits.1 < waits.0 && written.retry_to_ms.get().is_ok() {
            let message = format!("this is less than `retry_from_ms`, {}", waits.0.as_millis());
            self.reading.fault(written.retry_to_ms.span(), message);
        }
        let mut closed_months = BTreeSet::new();
        for month in &target.closed_months {
            let day = format!("{}-01", **month);
            match day.parse::<jiff::civil::Date>() {
                Ok(day) if month.len() == 7 => {
                    closed_months.insert(day);
                }
                _ => {
                    let message = "this is not a month: expected `YYYY-MM`, such as 2026-01";
                    self.reading.fault(month.span(), message);
                }
            }
        }
        let within = target.receipts.as_ref().map(|receipts| self.reading.number(&receipts.within_s));
        Some(samspor_engine::Policy {
            tries: self.reading.number(&written.tries),
            failing: self.reading.number(&written.failing),
            waits,
            closed_months,
            receipt_within: within.map(std::time::Duration::from_secs),
        })
    }

    fn route(&mut self, amqp: &At<file::TargetAmqp>) -> Option<Route> {
        match (&amqp.queue, &amqp.exchange) {
            (Some(queue), Some(exchange)) => {
                self.reading
                    .fault(exchange.span(), "`queue` and `exchange` exclude each other")
                    .also(queue.span(), "and here")
                    .help("a target publishes to one of them");
                None
            }
            (None, None) => {
                self.reading.fault(amqp.span(), "missing key: one of `queue` and `exchange`");
                None
            }
            (Some(queue), None) => {
                if let Some(key) = &amqp.routing_key {
                    self.reading.fault(key.span(), "`routing_key` goes with `exchange` only");
                }
                if *amqp.allow_unrouted {
                    self.reading
                        .fault(amqp.allow_unrouted.span(), "`allow_unrouted` goes with `exchange` only")
                        .help("with a queue that is missing it would lose every record");
                }
                self.amqp_name(queue, amqp.topology).map(Route::Queue)
            }
            (None, Some(exchange)) => {
                let name = self.amqp_name(exchange, amqp.topology);
                let key = match &amqp.routing_key {
                    None => Some(DEFAULT_ROUTING_KEY.to_owned()),
                    Some(key) => self.routing_key(key),
                };
                let (name, key) = (name?, key?);
                Some(if key.contains('{') { Route::Topic(name, key) } else { Route::Exchange(name, key) })
            }
        }
    }

    fn routing_key(&mut self, key: &At<String>) -> Option<String> {
        if key.replace("{solution}", "").replace("{area}", "").contains('{') {
            self.reading
                .fault(key.span(), "this has a placeholder that there is not")
                .help("there are {solution} and {area}");
            return None;
        }
        // A key names nothing that is declared, so no prefix is the broker's own.
        self.amqp_name(key, Topology::Check)
    }

    pub(super) fn broker_named(&mut self, name: &At<String>) -> Option<Text> {
        if !self.brokers.contains(name.as_str()) {
            let known: Vec<&str> = self.brokers.iter().map(String::as_str).collect();
            self.reading.fault(name.span(), format!("there is no broker `{}`", **name)).help(
                if known.is_empty() {
                    "add a section [brokers.NAME]".to_owned()
                } else {
                    format!("the file has {}", known.join(", "))
                },
            );
            return None;
        }
        // A faulty name is reported where the broker is.
        Text::new(name).ok()
    }

    pub(super) fn amqp_name(&mut self, name: &At<String>, topology: Topology) -> Option<String> {
        if !(1..=MAX_AMQP_NAME_BYTES).contains(&name.len()) {
            let message =
                format!("this must be 1 to {MAX_AMQP_NAME_BYTES} bytes long, and has {}", name.len());
            self.reading.fault(name.span(), message);
            return None;
        }
        if topology == Topology::Declare && name.starts_with("amq.") {
            self.reading.fault(
                name.span(),
                "this begins with `amq.`: the broker makes such names itself and lets nobody declare them",
            );
            return None;
        }
        Some((**name).clone())
    }
}

/// A message type in one writing: lower case, and a UUID with its hyphens.
pub(super) fn message_type(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("urn:") && lower.len() <= samspor_domain::MAX_TEXT_BYTES {
        return Some(lower);
    }
    // The same writings as a person's UUID: 32 digits, with all four hyphens or none.
    let digits = samspor_domain::PersonUuid::parse(text).ok()?.reveal();
    Some([&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-"))
}

/// Names that are there twice, and queues that sources and targets share.
pub(super) fn check(
    base: &Path,
    (sources, callers): (&[file::Source], &[file::GrpcSource]),
    targets: &[file::Target],
    reading: &mut Reading,
) {
    let names = || sources.iter().map(|source| &source.name).chain(callers.iter().map(|caller| &caller.name));
    unique("source", names(), reading);
    for name in names().filter(|name| name.as_str() == samspor_grpc::SOURCE) {
        reading.fault(name.span(), "the gateway counts what registrars put over gRPC under this name");
    }
    unique("target", targets.iter().map(|target| &target.name), reading);
    let mut consumed: BTreeMap<(&str, &str), Range<usize>> = BTreeMap::new();
    for source in sources {
        let Some(amqp) = &source.amqp else { continue };
        if let Some(first) = consumed.insert((amqp.broker.as_str(), amqp.queue.as_str()), amqp.queue.span()) {
            reading
                .fault(
                    amqp.queue.span(),
                    "two sources consume from one queue: each would get a part of its messages",
                )
                .also(first, "and here");
        }
    }
    receipts((sources, callers), targets, reading);
    super::folder::check(base, sources, targets, reading);
    super::forward::check(targets, reading);
    for target in targets {
        let Some(amqp) = &target.amqp else { continue };
        let Some(queue) = &amqp.queue else { continue };
        if let Some(at) = consumed.get(&(amqp.broker.as_str(), queue.as_str())) {
            reading
                .fault(queue.span(), "a target publishes to a queue that a source consumes from")
                .also(at.clone(), "the source");
        }
    }
}

/// Receipts that nobody brings, and those of a target that gives none.
fn receipts(
    (sources, callers): (&[file::Source], &[file::GrpcSource]),
    targets: &[file::Target],
    reading: &mut Reading,
) {
    let of_sources = sources.iter().filter_map(|source| source.receipts_of.as_ref());
    let all: Vec<_> =
        of_sources.chain(callers.iter().filter_map(|caller| caller.receipts_of.as_ref())).collect();
    for &of in &all {
        match targets.iter().find(|target| *target.name == **of) {
            None => {
                reading.fault(of.span(), format!("there is no target `{}`", **of));
            }
            Some(target) if target.receipts.is_none() => {
                reading
                    .fault(of.span(), format!("the target `{}` gives no receipts", **of))
                    .help("add [targets.receipts] to it");
            }
            Some(_) => {}
        }
    }
    for source in sources.iter().filter(|source| source.receipts_of.is_some()) {
        if !matches!(*source.format, file::Format::Json | file::Format::Mapping) {
            reading.fault(source.format.span(), "receipts come in JSON, or by a mapping");
        }
    }
    for target in targets {
        let Some(receipts) = &target.receipts else { continue };
        if matches!(target.audience, file::Audience::Lis) {
            reading
                .fault(
                    receipts.span(),
                    "an LIS knows postings by pseudonyms only, and can give no receipts of them",
                )
                .help("take [targets.receipts] away, or let the audience be `ledger`".to_owned());
        }
        // Over HTTP the receiver's answers may bring them.
        if target.http.is_none() && !all.iter().any(|of| ***of == *target.name) {
            reading
                .fault(receipts.span(), "no source brings these receipts, so all would be missing")
                .help(format!("add `receipts_of = \"{}\"` to the source that does", *target.name));
        }
    }
}

pub(super) fn unique<'a>(what: &str, names: impl Iterator<Item = &'a At<String>>, reading: &mut Reading) {
    let mut seen: BTreeMap<&str, Range<usize>> = BTreeMap::new();
    for name in names {
        if let Some(first) = seen.get(name.as_str()) {
            reading
                .fault(name.span(), format!("there are two {what}s of this name"))
                .also(first.clone(), "the first");
        } else {
            seen.insert(name.as_str(), name.span());
        }
    }
}
