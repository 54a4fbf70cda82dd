//! The configuration file as it is written. These doc comments are the text of `docs/configuration.md`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::at::{At, Day, Number};

/// A file in TOML. Paths in it are relative to the file itself. Only `[charts]` must be there: that is enough
/// for `samspor replay`. `samspor serve` also needs `[store]`, `[vault]`, a source and a target.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a configuration")]
pub(super) struct File {
    /// The charts of accounts.
    pub(super) charts: Charts,
    /// Where the gateway keeps what it knows.
    pub(super) store: Option<Store>,
    /// Where the master key is.
    pub(super) vault: Option<At<Vault>>,
    /// The gRPC front.
    pub(super) grpc: Option<Grpc>,
    /// How commands reach the running gateway.
    pub(super) client: Option<Client>,
    /// The metrics.
    pub(super) metrics: Option<Metrics>,
    /// The traces.
    pub(super) traces: Option<At<Traces>>,
    /// How the gateway works inside.
    #[serde(default)]
    pub(super) engine: Engine,
    /// How long things are kept.
    #[serde(default)]
    pub(super) journal: Journal,
    /// The audit log.
    #[serde(default)]
    pub(super) audit: Audit,
    /// The brokers by name.
    #[serde(default)]
    pub(super) brokers: BTreeMap<At<String>, Broker>,
    /// The systems that messages come from.
    #[serde(default)]
    pub(super) sources: Vec<Source>,
    /// The systems that tagged postings go to.
    #[serde(default)]
    pub(super) targets: Vec<Target>,
    /// How correction vouchers are written.
    #[serde(default)]
    pub(super) vouchers: Vec<super::vouchers::Vouchers>,
}

/// The charts of accounts.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [charts]")]
pub(super) struct Charts {
    /// The folder with one chart a year, `2026.toml` and so on. A posting's year without a chart takes the
    /// latest earlier one, else the earliest.
    pub(super) dir: At<PathBuf>,
}

/// Where the gateway keeps what it knows.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [store]")]
pub(super) struct Store {
    /// The folder of the embedded database. It is made if it is missing, and one process at a time uses it.
    pub(super) dir: At<PathBuf>,
    /// A file in which every withdrawal and deletion of a consent is written down before it is stored, so that restoring a
    /// backup revives none (`docs/backup.md`). It belongs where the backups are, not on the store's disk. A withdrawal that
    /// cannot be written down is not taken, and waits with all that comes after it. Without it none is written down.
    pub(super) withdrawals_file: Option<At<PathBuf>>,
    /// For how many days backups are kept. The gateway deletes none: with this it can say, of a consent that was withdrawn,
    /// when the last backup that holds it is gone (`samspor citizen withdrawal`).
    pub(super) backups_kept_days: Option<Number<0, 1, 36_525>>,
}

/// Where the master key is, under which the keys of every pseudonym and every sealed byte in the store are. One of the
/// two keys says it; the master key itself, 64 hexadecimal digits, never stands here. Without it the store
/// cannot be read.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [vault]")]
pub(super) struct Vault {
    /// A file that holds the key and nothing else. `openssl rand -hex 32` makes one. As for every secret, a path that begins
    /// with `$CREDENTIALS_DIRECTORY/` names a credential of the service manager (`docs/deployment.md`).
    pub(super) master_key_file: Option<At<String>>,
    /// The environment variable that holds the key.
    pub(super) master_key_env: Option<At<String>>,
    /// A file with the master key before this one, while this one takes its place (`docs/keys.md`): the next start puts the
    /// store under this one, and then it is to be taken out.
    pub(super) previous_master_key_file: Option<At<String>>,
    /// The environment variable that holds it.
    pub(super) previous_master_key_env: Option<At<String>>,
}

/// The gRPC front, by which callers put solutions, enrolments and consents, systems send their messages, and operators look after
/// the gateway. `docs/api.md` says how, `docs/authorisation.md` who may. Without this section there is none.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [grpc]")]
pub(super) struct Grpc {
    /// The address and port to listen on, such as `127.0.0.1:50461`. Without `[grpc.tls]` only this machine's own addresses are
    /// allowed. Without `[grpc.tls]` and `[grpc.tokens]` it is not checked who calls, and anyone on this machine may do
    /// anything.
    pub(super) listen: At<String>,
    /// TLS, with certificates of callers.
    pub(super) tls: Option<At<GrpcTls>>,
    /// Tokens of callers.
    pub(super) tokens: Option<At<GrpcTokens>>,
    /// What one caller or address may take of what is for all.
    #[serde(default)]
    pub(super) limits: GrpcLimits,
    /// Who may call, and what. Nobody else may.
    #[serde(default)]
    pub(super) callers: Vec<At<GrpcCaller>>,
    /// The systems that send their messages over gRPC.
    #[serde(default)]
    pub(super) sources: Vec<GrpcSource>,
}

/// The systems that send their messages over gRPC (`IntakeService`), one section each. Each message names the source that
/// sends it.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [[grpc.sources]]")]
pub(super) struct GrpcSource {
    /// Its name, 1 to 120 bytes, which no section of `[[sources]]` has. Postings, cases and grants are named in it, and its
    /// pseudonyms are made with it: another name makes another source. A system that goes over from a queue to gRPC
    /// keeps its name, and its section moves here.
    pub(super) name: At<String>,
    /// The message types that it may send; any other goes to quarantine as `not-permitted`. Without it:
    /// `posting`, `case`, `grant`, `payment` and `progress`. A `receipt` needs `receipts_of`.
    pub(super) may_send: Option<At<Vec<At<String>>>>,
    /// The target whose receipts come from here. Without `may_send` such a source sends receipts and nothing else.
    pub(super) receipts_of: Option<At<String>>,
}

/// TLS at the front. All of it is read again at a reload, so that a renewed certificate needs no restart.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [grpc.tls]")]
pub(super) struct GrpcTls {
    /// A file with the front's certificate, then those between it and its authority, in PEM.
    pub(super) certificate_file: At<PathBuf>,
    /// A file with its private key, in PEM.
    pub(super) key_file: Option<At<String>>,
    /// The environment variable that holds its private key.
    pub(super) key_env: Option<At<String>>,
    /// A file with the certificates, in PEM, of those who sign callers' certificates (mTLS). With `[grpc.tokens]` a caller
    /// may come without a certificate; otherwise it may not.
    pub(super) client_ca_file: Option<At<PathBuf>>,
}

/// Bearer tokens (JWT) of callers. All of it is read again at a reload.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [grpc.tokens]")]
pub(super) struct GrpcTokens {
    /// A file with the issuer's public keys, a JWK set (RFC 7517).
    pub(super) keys_file: At<PathBuf>,
    /// Who issues them: what their `iss` must say.
    pub(super) issuer: At<String>,
    /// For whom they are: what must be among their `aud`.
    pub(super) audience: At<String>,
    /// By how many seconds the issuer's clock may differ.
    #[serde(default)]
    pub(super) leeway_s: Number<60, 0, 600>,
}

/// What one caller or address may take of what is for all; another value takes a restart. A caller that is known is counted by
/// its name, anyone else by the address, where an IPv6 network (/64) is one.
#[derive(Debug, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [grpc.limits]")]
pub(super) struct GrpcLimits {
    /// Connections at once. More wait to be accepted.
    #[serde(default)]
    pub(super) connections: Number<256, 1, 65_535>,
    /// Of these, those from one address. One more is closed. Behind a proxy all callers have one address.
    #[serde(default)]
    pub(super) connections_per_address: Number<64, 1, 65_535>,
    /// Of these, those with one certificate's names. One more is closed.
    #[serde(default)]
    pub(super) connections_per_certificate: Number<32, 1, 65_535>,
    /// Streams of the feed that one caller may have open, and as many watches of health.
    #[serde(default)]
    pub(super) streams_per_caller: Number<100, 1, 2_000>,
    /// Calls that one caller may make in a second, in the long run. What comes faster is refused as `RATE_LIMITED`.
    #[serde(default)]
    pub(super) calls_per_second: Number<1_000, 1, 1_000_000>,
    /// Calls that one caller may make at once after a time of quiet.
    #[serde(default)]
    pub(super) calls_burst: Number<2_000, 1, 1_000_000>,
    /// Messages in a second that are taken from one caller's streams, in the long run. A stream that is faster is slowed.
    #[serde(default)]
    pub(super) messages_per_second: Number<20_000, 1, 1_000_000>,
    /// Messages that are taken from one caller's streams at once after a time of quiet.
    #[serde(default)]
    pub(super) messages_burst: Number<20_000, 1, 1_000_000>,
    /// How long a peer may take nothing of what is for it, in milliseconds. Then its connection is cut.
    #[serde(default)]
    pub(super) stall_timeout_ms: Number<60_000, 1_000, 3_600_000>,
}

/// A caller: by what it is known, and what it may do.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [[grpc.callers]]")]
pub(super) struct GrpcCaller {
    /// What it is called: in the audit, and as the reader of a feed.
    pub(super) name: At<String>,
    /// A name in its certificate: `uri:` or `dns:` and one of its alternative names, or `subject:` and its subject by RFC 4514, such
    /// as `subject:CN=registry` or `subject:CN=registry,O=Kommunen,C=DK`. It is compared to the letter, but a `dns:` name in lower
    /// case. A certificate that could be several callers' is none's.
    pub(super) certificate: Option<At<String>>,
    /// The `sub` of its token.
    pub(super) token: Option<At<String>>,
    /// What it may do.
    pub(super) roles: At<Vec<Role>>,
    /// As which of `[[grpc.sources]]` it may send. The role `intake` needs it.
    #[serde(default)]
    pub(super) sources: Vec<At<String>>,
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    /// Hand in messages.
    Intake,
    /// Put and read what is named across the municipality.
    Registrar,
    /// Read the feed as the ledger does.
    Ledger,
    /// Read the feed as leadership information.
    Lis,
    /// Look after the gateway.
    Operator,
    /// Look at what others do.
    Auditor,
}

/// How commands such as `samspor status` reach the running gateway. Without this section they take `grpc.listen`, in clear
/// text and without an identity.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [client]")]
pub(super) struct Client {
    /// The gateway's URL, such as `https://samspor.example:50461`. Without it: `grpc.listen`, with `https:` where there is
    /// `[grpc.tls]`.
    pub(super) url: Option<At<String>>,
    /// A file with the certificates, in PEM, of those who sign the gateway's. Without it: those that the machine trusts.
    pub(super) ca_file: Option<At<PathBuf>>,
    /// A file with the certificate to show, in PEM.
    pub(super) client_cert_file: Option<At<PathBuf>>,
    /// A file with its private key.
    pub(super) client_key_file: Option<At<String>>,
    /// The environment variable that holds its private key.
    pub(super) client_key_env: Option<At<String>>,
    /// A file with a bearer token.
    pub(super) token_file: Option<At<String>>,
    /// The environment variable that holds a bearer token.
    pub(super) token_env: Option<At<String>>,
}

/// The metrics, which Prometheus reads by HTTP at `/metrics`; `docs/observability.md` lists them. Without this section
/// there are none.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [metrics]")]
pub(super) struct Metrics {
    /// The address and port to listen on, such as `127.0.0.1:9464`. Only this machine's own addresses are allowed,
    /// since it is not checked who asks.
    pub(super) listen: At<String>,
}

/// The traces, which a tracing system gets by OTLP over HTTP; `docs/observability.md` says what they tell, and what whoever
/// sends trace ids must see to. Without this section there are none, and no message carries a `traceparent`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [traces]")]
pub(super) struct Traces {
    /// Where the tracing system or its collector listens, `http://` or `https://`, such as `http://127.0.0.1:4318`. The
    /// path `/v1/traces` is put behind it.
    pub(super) endpoint: At<String>,
    /// A file with the certificates, in PEM, of those who sign the endpoint's. Without it: those that the machine trusts.
    pub(super) ca_file: Option<At<PathBuf>>,
    /// A file with headers for each request, one `name: value` a line, such as `authorization: Bearer …`.
    pub(super) headers_file: Option<At<String>>,
    /// The environment variable that holds such headers.
    pub(super) headers_env: Option<At<String>>,
    /// The name under which the tracing system shows the gateway. Without it: `samspor`.
    pub(super) service_name: Option<At<String>>,
    /// How many of a million messages that come without a sampled `traceparent` get a trace of their own.
    #[serde(default)]
    pub(super) new_per_million: Number<0, 0, 1_000_000>,
    /// How many spans may wait to be sent. With more, they are dropped.
    #[serde(default)]
    pub(super) queue_spans: Number<4_096, 64, 1_000_000>,
    /// How long the tracing system may take to accept spans, in milliseconds. What it has not accepted by then is
    /// dropped.
    #[serde(default)]
    pub(super) timeout_ms: Number<5_000, 100, 60_000>,
}

/// The audit log, which says who looked at or changed what; `docs/audit.md` describes it.
#[derive(Debug, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [audit]")]
pub(super) struct Audit {
    /// A file to which a line is appended that says how far the log reaches, at each start and each clean stop. It belongs
    /// on another machine's disk or on storage that is written once. Without it no checkpoint is published.
    pub(super) checkpoints_file: Option<At<PathBuf>>,
    /// For how many days entries are kept; five years unless another number is given. Then they are deleted, oldest first,
    /// and an entry says so.
    #[serde(default)]
    pub(super) kept_days: Number<1_826, 30, 36_525>,
}

/// How the gateway works inside.
#[derive(Debug, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [engine]")]
pub(super) struct Engine {
    /// How many postings are decided again in one transaction when a fact changes.
    #[serde(default)]
    pub(super) slice_postings: Number<2_000, 1, 100_000>,
    /// How many postings a change of a fact may change. One that would change more is held, with a preview of what it
    /// would change, until someone releases it (`samspor held`); postings that arrive are decided by it meanwhile. A
    /// withdrawal of a consent is never held. Without it nothing is held.
    pub(super) brake_postings: Option<Number<0, 1, 1_000_000_000>>,
    /// How long a shutdown may take, in milliseconds. What is not finished by then is redone after the next
    /// start.
    #[serde(default)]
    pub(super) shutdown_deadline_ms: Number<20_000, 1_000, 600_000>,
}

/// How long things are kept. What no live consent reaches is purged: postings with a reference, cases, grants,
/// payments, progress and identities; and so is what lies in quarantine, and what deleted or withdrawn
/// enrolments, consents and splits said. Postings without a reference are nobody's and stay, unless they reverse
/// one that is purged. Keyed hashes stay, by which all of it is known when it comes again; sums and counts stay.
#[derive(Debug, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [journal]")]
pub(super) struct Journal {
    /// For how many days of 24 hours after its registration something is kept that no live consent reaches; a
    /// posting that was tagged once also until every target known to the store has its last record. With 0 it is
    /// purged as it arrives, and a consent that comes later reaches nothing of it. Without it nothing is purged.
    pub(super) retention_days: Option<Number<0, 0, 36_525>>,
}

/// The AMQP 0-9-1 brokers, each under a name that sources and targets use. One of `url_env` and `url_file`
/// says where the URL is; the URL holds a password and never stands here.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [brokers.NAME]")]
pub(super) struct Broker {
    /// The environment variable that holds the URL, `amqp://` or `amqps://`.
    pub(super) url_env: Option<At<String>>,
    /// A file that holds the URL and nothing else.
    pub(super) url_file: Option<At<String>>,
    /// The environment variable that holds the URL of RabbitMQ's management interface, `http://` or `https://`, with
    /// user and password. Only `samspor check --broker` asks there; without it, it sees less. `docs/broker.md` says more.
    pub(super) management_url_env: Option<At<String>>,
    /// A file that holds that URL and nothing else.
    pub(super) management_url_file: Option<At<String>>,
    /// How long an attempt to connect may take, in milliseconds.
    #[serde(default)]
    pub(super) connect_timeout_ms: Number<10_000, 100, 300_000>,
    /// How long any other answer of the broker may take, in milliseconds.
    #[serde(default)]
    pub(super) request_timeout_ms: Number<10_000, 100, 300_000>,
    /// How often the broker and the gateway show each other that they live, in seconds.
    #[serde(default)]
    pub(super) heartbeat_s: Number<20, 1, 3_600>,
    /// A file with the certificates, in PEM, of the authorities that are trusted instead of the machine's; with `amqps:`
    /// only, as the two below.
    pub(super) ca_file: Option<At<PathBuf>>,
    /// A file with the gateway's own certificate, in PEM, for a broker that wants one.
    pub(super) client_cert_file: Option<At<PathBuf>>,
    /// A file that holds the key of that certificate, in PEM, without a password.
    pub(super) client_key_file: Option<At<String>>,
    /// The environment variable that holds that key.
    pub(super) client_key_env: Option<At<String>>,
    /// Where tokens are had, for a broker that is logged in to by one.
    pub(super) token: Option<At<Token>>,
}

/// The service for which tokens are asked unless something else is said: receiving from the message distributor.
pub(super) const RECEIVING: &str = "http://entityid.kombit.dk/service/bfo_modtag/2";
/// The service for which a sender asks tokens.
pub(super) const SENDING: &str = "http://entityid.kombit.dk/service/bfo_afsend/2";

/// Where tokens are had, for a broker that is logged in to by SASL EXTERNAL with a SAML assertion in place of user and
/// password: the common public message distributor (*Beskedfordeler*). `docs/distributor.md` says how it is connected to.
/// The broker's URL begins with `amqps:` then.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [brokers.NAME.token]")]
pub(super) struct Token {
    /// Where the token service issues tokens, `https://host/runtime/api/rest/wstrust/v1/issue`.
    pub(super) url: At<String>,
    /// The CVR number of the municipality that the gateway acts for, eight digits in quotes.
    pub(super) cvr: At<String>,
    /// The service that the token is for. Without it: `http://entityid.kombit.dk/service/bfo_modtag/2`, to receive. To
    /// send: `http://entityid.kombit.dk/service/bfo_afsend/2`.
    pub(super) entity_id: Option<At<String>>,
    /// A file with the certificates, in PEM, of the authorities that are trusted instead of the machine's.
    pub(super) ca_file: Option<At<PathBuf>>,
    /// A file with the certificate, in PEM, that the token service knows the system by. Without it: the broker's.
    pub(super) client_cert_file: Option<At<PathBuf>>,
    /// A file that holds the key of that certificate, in PEM, without a password.
    pub(super) client_key_file: Option<At<String>>,
    /// The environment variable that holds that key.
    pub(super) client_key_env: Option<At<String>>,
}

/// The systems that messages come from, one section each.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [[sources]]")]
pub(super) struct Source {
    /// Its name, 1 to 120 bytes. Postings, cases and grants are named in it, and its pseudonyms are made with
    /// it: another name makes another source.
    pub(super) name: At<String>,
    /// What its messages are written in.
    pub(super) format: At<Format>,
    /// The message types that it may send; any other goes to quarantine as `not-permitted`. Without it:
    /// `posting`, `case`, `grant`, `payment` and `progress`. A `receipt` needs `receipts_of`.
    pub(super) may_send: Option<At<Vec<At<String>>>>,
    /// The target whose receipts come from here, in JSON as `docs/records.md` says. Without `may_send` such a source
    /// sends receipts and nothing else.
    pub(super) receipts_of: Option<At<String>>,
    /// The largest body, in bytes. A larger one goes to quarantine as `too-large`.
    #[serde(default)]
    pub(super) max_body_bytes: Number<1_048_576, 1_024, 134_217_728>,
    /// The content types that its messages bear, such as `text/plain`, where that is not what their format bears; they are
    /// taken instead of the format's own. `*/*` is any. Without a content type a message is taken as it comes.
    pub(super) content_types: Option<At<Vec<At<String>>>>,
    /// The queue that its messages come from. A source has this or `folder`.
    pub(super) amqp: Option<SourceAmqp>,
    /// The folder that its files are left in. A source has this or `amqp`.
    pub(super) folder: Option<At<SourceFolder>>,
    /// How its envelopes are read.
    pub(super) oio: Option<At<Oio>>,
    /// How its lines are read.
    pub(super) g69: Option<At<G69>>,
    /// How its lines of payments are read.
    pub(super) g68: Option<At<super::g68::G68>>,
    /// Where the mapping is that says how its messages are read.
    pub(super) mapping: Option<At<Mapping>>,
}

/// What a source's messages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// The gateway's own JSON.
    Json,
    /// The OIO `Haendelsesbesked` of the common public message distributor (*Beskedfordeler*).
    Oio,
    /// Lines of the finance format G69, one or a whole file a message.
    G69,
    /// Payments in G68, also with their postings in G69 between them, and the error return of what was not paid.
    G68,
    /// Whatever a mapping describes: any XML, JSON, CSV or lines of fixed width.
    Mapping,
}

/// How many messages are committed together, where the prefetch is not less.
pub(super) const DEFAULT_BATCH: u16 = 500;

/// The queue to consume from. No two sources have the same one, since each would get a part of its messages.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [sources.amqp]")]
pub(super) struct SourceAmqp {
    /// The name of a broker, as in `[brokers.NAME]`.
    pub(super) broker: At<String>,
    /// The queue's name.
    pub(super) queue: At<String>,
    /// What kind of queue is declared.
    #[serde(default)]
    pub(super) queue_type: QueueType,
    /// Whether the gateway makes the queue.
    #[serde(default)]
    pub(super) topology: Topology,
    /// How many messages the broker hands over before it waits for acknowledgements. This is what bounds
    /// memory.
    #[serde(default)]
    pub(super) prefetch: Number<1_000, 1, 65_535>,
    /// How many messages are committed together at most; not more than `prefetch`. Without it: 500, or
    /// `prefetch` where that is less. With a megabyte of them no more are taken either.
    pub(super) batch: Option<Number<0, 1, 65_535>>,
}

/// The folder that its files are left in, as an SFTP server does. A file is one message, and of two files the one with the
/// lesser name goes first. It counts as whole with `marker` when its marker is there, or when nothing in it has changed for
/// `settle_s`; and never while its name begins with `.` or ends with `.part`, `.tmp` or `.filepart`. When all that
/// came of it is stored, it is moved away. `docs/files.md` says more. A folder belongs to one source, or to one target.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [sources.folder]")]
pub(super) struct SourceFolder {
    /// The folder. It must be there; folders inside it are left alone.
    pub(super) dir: At<PathBuf>,
    /// The names of the files, such as `*.xml` or `postings-*.{g69,txt}`; upper and lower case differ. Without it: `*`.
    pub(super) pattern: Option<At<String>>,
    /// For how long nothing in a file may have changed, in seconds, for it to be whole: longer than its sender ever pauses
    /// while it writes, since of a file that goes on after that only a part was there. One of this and `marker` is needed.
    pub(super) settle_s: Option<Number<0, 1, 86_400>>,
    /// What is put behind a file's name in that of its marker: with `.done`, `a.xml` is taken when `a.xml.done` is there
    /// beside it, which is not older. Nothing needs to settle then.
    pub(super) marker: Option<At<String>>,
    /// How often the folder is looked into, in seconds.
    #[serde(default)]
    pub(super) poll_s: Number<5, 1, 3_600>,
    /// After how long somebody is told of files that are there and are not taken, in seconds. A file that cannot be read for
    /// so long goes to `failed`.
    #[serde(default)]
    pub(super) warn_after_s: Number<3_600, 1, 604_800>,
    /// Where files are moved that were taken, on the same file system. It is made if it is missing. Without it: `done` in
    /// `dir`; better where its senders cannot write.
    pub(super) done: Option<At<PathBuf>>,
    /// The same for files that cannot be read, or are too large. Without it: `failed` in `dir`.
    pub(super) failed: Option<At<PathBuf>>,
}

/// What kind of queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(crate) enum QueueType {
    /// Replicated, and durable.
    #[default]
    Quorum,
    /// On one node, and durable.
    Classic,
}

/// Whether the gateway makes queues and exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Topology {
    /// It only looks whether they are there.
    #[default]
    Check,
    /// It declares them, durable.
    Declare,
}

/// How messages of the message distributor are told apart. Needed with `format = "oio"`, and only there.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [sources.oio]")]
pub(super) struct Oio {
    /// What each message type holds, by its UUID or URN (*Beskedtype*). They are not public; the agreement
    /// with the distributor names them. A type that is not listed goes to quarantine as `unknown-type`.
    pub(super) message_types: At<BTreeMap<At<String>, Payload>>,
}

/// What a message type holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Payload {
    /// A case (*SagBesked*).
    Case,
    /// A grant (*BevillingIndeks*).
    Grant,
    /// A payment (*OekonomiskEffektueringIndeks*).
    Payment,
}

/// How G69 lines are written. With `format = "g69"` only.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [sources.g69]")]
pub(super) struct G69 {
    /// The encoding of the characters.
    #[serde(default)]
    pub(super) encoding: Encoding,
}

/// Where the declared mapping is; `docs/mappings.md` describes the language. Needed with `format = "mapping"`, and only there.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [sources.mapping]")]
pub(super) struct Mapping {
    /// The mapping's file. `samspor test` runs the examples beside it.
    pub(super) file: At<PathBuf>,
}

/// The encoding of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
pub(crate) enum Encoding {
    /// UTF-8.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// ISO-8859-1 (Latin 1).
    #[serde(rename = "iso-8859-1")]
    Latin1,
}

/// The systems that tagged postings go to, one section each.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [[targets]]")]
pub(super) struct Target {
    /// Its name, 1 to 120 bytes. What it has already got is remembered under it, and an `lis` target's
    /// pseudonyms are made with it: another name starts from the beginning.
    pub(super) name: At<String>,
    /// Who reads it, and so what it is told.
    pub(super) audience: Audience,
    /// What records are written in.
    #[serde(default)]
    pub(super) format: TargetFormat,
    /// The queue or exchange that it reads from. A target has one of this, `http`, `folder` and `distributor`.
    pub(super) amqp: Option<At<TargetAmqp>>,
    /// The URL at which it takes records.
    pub(super) http: Option<At<TargetHttp>>,
    /// The folder in which it finds files of records.
    pub(super) folder: Option<At<TargetFolder>>,
    /// The message distributor, which hands records on to its subscribers.
    pub(super) distributor: Option<At<TargetDistributor>>,
    /// Which tags it is given; without it, all.
    pub(super) filter: Option<At<Filter>>,
    /// The months whose books are closed, `YYYY-MM`. A change of a posting of such a month is parked, listed by
    /// `samspor parked list`, and delivered when a start finds the month open again.
    #[serde(default)]
    pub(super) closed_months: Vec<At<String>>,
    /// What is done about records that it does not take.
    #[serde(default)]
    pub(super) delivery: Delivery,
    /// That its books give receipts.
    pub(super) receipts: Option<At<Receipts>>,
    /// The source whose postings pass on to this target as they came: each once, in order of arrival, with the tag that it
    /// has on arrival or without one, from the start that first finds this here. The target then gets no records of tags;
    /// another target can. The source's `format` is `g69` or `json`; the target has `amqp` or `http`, and neither `filter`,
    /// `receipts` nor a `format`. `docs/forward.md` describes it.
    pub(super) forwards: Option<At<String>>,
    /// Where the tag goes in the lines of a G69 source that it `forwards`.
    pub(super) g69: Option<At<TargetG69>>,
}

/// Which tags a target is given. Of each list that is there, one word must be the tag's. A posting whose tag is not, or is
/// no longer, one of these goes to the target as an `untag` if an earlier one was, and not at all if none ever was. What a
/// target is given is kept with what it has, so it does not change later: a target with another filter needs another
/// name, or `samspor targets forget` first.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [targets.filter]")]
pub(super) struct Filter {
    /// The solutions' ids.
    pub(super) solutions: Option<At<Vec<At<String>>>>,
    /// The sector areas, as the posting's own account has them, and not of a split's parts; each is one of the charts, or
    /// `unmapped`, which is that of accounts which no chart knows.
    pub(super) areas: Option<At<Vec<At<String>>>>,
    /// `inside` and `outside`. A closed finance solution takes `inside` only.
    pub(super) sides: Option<At<Vec<At<String>>>>,
    /// `before`, `during` and `after` an enrolment.
    pub(super) phases: Option<At<Vec<At<String>>>>,
    /// `service`, `transfer`, and `unmapped` for accounts of which no chart says the kind.
    pub(super) kinds: Option<At<Vec<At<String>>>>,
}

/// What is done about records that a target does not take. A record that fails is tried again, and those behind it
/// wait. When it has failed `tries` times, those behind it are tried, and where nothing else is left to try, something that
/// the target has already is sent again under the same message id; when that gets through, the bad one is tried once
/// more, and parked if that fails too; `samspor parked list` lists it, and the rest goes on. One that was put off then, or
/// ended the connection, may have failed by chance: it goes on being tried in turns with the rest, and is given up only
/// when it has failed four times as often. One that is refused in the very words in which another was that is parked has
/// no more tries before those behind it. When more than `failing` records in a row fail, and the target does not take what
/// it has already either, it is the target that is out of order: nothing is parked, and it is tried again with growing
/// waits.
#[derive(Debug, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [targets.delivery]")]
pub(super) struct Delivery {
    /// How often a record is tried before it may be parked.
    #[serde(default)]
    pub(super) tries: Number<5, 1, 1_000>,
    /// How many records may fail one after the other.
    #[serde(default)]
    pub(super) failing: Number<10, 1, 1_000>,
    /// The first wait between tries, in milliseconds. The waits grow, and vary by chance.
    #[serde(default)]
    pub(super) retry_from_ms: Number<200, 10, 60_000>,
    /// The longest wait between tries, in milliseconds; not less than `retry_from_ms`.
    #[serde(default)]
    pub(super) retry_to_ms: Number<30_000, 10, 3_600_000>,
}

/// That a target's books say of each record whether they accept it. A source with `receipts_of` brings the receipts; over
/// HTTP the answer to a record may be its receipt.
#[derive(Debug, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [targets.receipts]")]
pub(super) struct Receipts {
    /// How long a receipt may take, in seconds. While one takes longer, the status of the receipts is down.
    #[serde(default)]
    pub(super) within_s: Number<86_400, 1, 31_536_000>,
    /// How those are written that stand in answers over HTTP. Without it: in the canonical JSON.
    pub(super) mapping: Option<At<ReceiptMapping>>,
}

/// Where the declared mapping of receipts in answers is; `docs/mappings.md` describes the language. It makes a `receipt`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [targets.receipts.mapping]")]
pub(super) struct ReceiptMapping {
    /// The mapping's file. `samspor test` runs the examples beside it.
    pub(super) file: At<PathBuf>,
}

/// Where the tag goes in the lines of a G69 source that a target `forwards`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [targets.g69]")]
pub(super) struct TargetG69 {
    /// By its number what each field says: 180, 181, 182 (10 characters at most), 250 (20) and 300 to 306. In the text
    /// `{solution}`, `{family}`, `{phase}`, `{area}`, `{side}` and `{kind}` stand for the tag's. What does not fit in a line is left
    /// out of it, and a field in which the line has something keeps that.
    pub(super) fields: At<BTreeMap<At<String>, At<String>>>,
    /// How many characters a field takes: needed for 300 to 306, whose widths differ from system to system.
    #[serde(default)]
    pub(super) widths: BTreeMap<At<String>, Number<20, 1, 120>>,
}

/// Who reads a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Audience {
    /// The finance system: with the posting's id, date and voucher.
    Ledger,
    /// A leadership-information system: pseudonyms in place of posting, family and citizen, the month instead
    /// of the date.
    Lis,
}

/// What records are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(crate) enum TargetFormat {
    /// The gateway's own JSON.
    #[default]
    Json,
    /// XML by the schema `config/schemas/record.xsd`.
    Xml,
    /// The message `TargetRecord` of `proto/samspor/v1/records.proto`.
    Protobuf,
    /// CSV in the Danish way: `;` between fields and a decimal comma, one line for each part.
    Csv,
}

impl TargetFormat {
    /// As it is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Xml => "XML",
            Self::Protobuf => "protobuf",
            Self::Csv => "CSV",
        }
    }
}

/// Where to publish: either to a `queue`, or to an `exchange` with or without a `routing_key`. Records are
/// persistent, must be routed and are confirmed by the broker.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [targets.amqp]")]
pub(super) struct TargetAmqp {
    /// The name of a broker, as in `[brokers.NAME]`.
    pub(super) broker: At<String>,
    /// The queue to publish to.
    pub(super) queue: Option<At<String>>,
    /// The exchange to publish to; declared, it is a topic exchange.
    pub(super) exchange: Option<At<String>>,
    /// The routing key for the exchange, in which `{solution}` and `{area}` stand for the record's. Without it:
    /// `{solution}.{area}`.
    pub(super) routing_key: Option<At<String>>,
    /// What kind of queue is declared.
    #[serde(default)]
    pub(super) queue_type: QueueType,
    /// Whether the gateway makes the queue or exchange.
    #[serde(default)]
    pub(super) topology: Topology,
    /// Whether a record that the exchange routes nowhere counts as delivered; with `exchange` only. Otherwise
    /// it is a failure, and is tried again.
    #[serde(default)]
    pub(super) allow_unrouted: At<bool>,
    /// How long the broker may take to confirm, in milliseconds.
    #[serde(default)]
    pub(super) confirm_timeout_ms: Number<30_000, 100, 600_000>,
    /// How many records may be on their way without a confirm.
    #[serde(default)]
    pub(super) window: Number<1_000, 1, 65_535>,
}

/// Where to post: each record is one request, or some are with `batch`, one after the other, and the answer says what
/// becomes of it, as `docs/http.md` has it.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [targets.http]")]
pub(super) struct TargetHttp {
    /// The URL to post to, `https://host:port/path`; `http:` goes to this machine only. No redirection is followed, and
    /// no proxy of the environment is used.
    pub(super) url: At<String>,
    /// A file with the certificates, in PEM, of the authorities that are trusted instead of the machine's.
    pub(super) ca_file: Option<At<PathBuf>>,
    /// A file with the gateway's own certificate, in PEM, for a receiver that wants one (mTLS).
    pub(super) client_cert_file: Option<At<PathBuf>>,
    /// A file that holds the key of that certificate, in PEM, without a password.
    pub(super) client_key_file: Option<At<String>>,
    /// The environment variable that holds that key.
    pub(super) client_key_env: Option<At<String>>,
    /// A file that holds the token for `Authorization: Bearer` and nothing else. It is read again at each connect, as the
    /// certificates are, so others may renew it at any time.
    pub(super) bearer_file: Option<At<String>>,
    /// The environment variable that holds that token.
    pub(super) bearer_env: Option<At<String>>,
    /// How long connecting may take, in milliseconds.
    #[serde(default)]
    pub(super) connect_timeout_ms: Number<10_000, 100, 300_000>,
    /// How long a request may take, from its beginning to the last byte of its answer, in milliseconds.
    #[serde(default)]
    pub(super) answer_timeout_ms: Number<30_000, 100, 600_000>,
    /// The longest answer that is read, in bytes. A receipt that is longer stays awaited.
    #[serde(default)]
    pub(super) max_answer_bytes: Number<65_536, 1_024, 1_048_576>,
    /// How many records one request has at most. With more than 1 they are lines of JSON (`application/x-ndjson`), and the
    /// answer is one for all; of a request that fails, each record goes alone. Only with `format = "json"`, and without
    /// `[targets.receipts]`.
    #[serde(default)]
    pub(super) batch: Number<1, 1, 1_000>,
    /// How many bytes the records of one request have together at most. One record that has more goes alone.
    #[serde(default)]
    pub(super) batch_bytes: Number<1_000_000, 10_000, 67_108_864>,
}

/// Where files of records are put. Records are collected in an open file, whose name begins with `.`; a record is delivered
/// when it is safe in there. The file is closed when it is full or old enough, and handed over with a manifest, as
/// `docs/files.md` has it.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [targets.folder]")]
pub(super) struct TargetFolder {
    /// The folder. It must be there, and no other target has the same one.
    pub(super) dir: At<PathBuf>,
    /// What the files are written in.
    #[serde(default)]
    pub(super) format: FileFormat,
    /// How the files' names begin: letters, digits, `-`, `_` and `.`. Without it: `records`.
    pub(super) prefix: Option<At<String>>,
    /// With how many records a file is full.
    #[serde(default)]
    pub(super) max_records: Number<10_000, 1, 200_000>,
    /// With how many bytes a file is full, before it is written in its format.
    #[serde(default)]
    pub(super) max_bytes: Number<268_435_456, 65_536, 4_294_967_296>,
    /// For how long a file is open after its first record, in seconds.
    #[serde(default)]
    pub(super) max_age_s: Number<3_600, 1, 604_800>,
}

/// What files of records are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(crate) enum FileFormat {
    /// The gateway's own JSON, a record a line.
    #[default]
    Ndjson,
    /// A row for each part of a record, as a Danish spreadsheet opens it: `;` and decimal commas.
    Csv,
    /// The same rows with types, in Apache Parquet.
    Parquet,
}

/// Where the distributor takes messages unless something else is said.
pub(super) const EXCHANGE: &str = "AFSEND_BESKED_EXCHANGE";

/// The common public message distributor (*Beskedfordeler*): each record is one message in its envelope, one after the
/// other, and the distributor's answer says what becomes of it, as `docs/distributor.md` has it.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [targets.distributor]")]
pub(super) struct TargetDistributor {
    /// The name of a broker with a section `token`, as in `[brokers.NAME.token]`.
    pub(super) broker: At<String>,
    /// The type of the messages (*Beskedtype*), a UUID or a URN, that the sender's agreement names.
    pub(super) message_type: At<String>,
    /// The system that sends (*Kildesystem*), a UUID or a URN. Without it the envelope does not say.
    pub(super) source_system: Option<At<String>>,
    /// The authority that answers for the messages (*BeskedAnsvarligAktoer*), a UUID or a URN, for subscribers that filter
    /// by it. Without it the envelope does not say.
    pub(super) responsible: Option<At<String>>,
    /// Who alone may get the messages (*TilladtModtager*), UUIDs or URNs. Without it: every subscriber of their type.
    pub(super) allowed_recipients: Option<At<Vec<At<String>>>>,
    /// The exchange. Without it: `AFSEND_BESKED_EXCHANGE`.
    pub(super) exchange: Option<At<String>>,
    /// How long the answer to a message may take, in milliseconds. Without one by then it is sent again.
    #[serde(default)]
    pub(super) answer_timeout_ms: Number<30_000, 100, 600_000>,
}

/// One year's chart, `YYYY.toml`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a chart")]
pub(super) struct Chart {
    /// The rules.
    #[serde(rename = "rule")]
    pub(super) rules: Vec<ChartRule>,
}

/// To which area and kind accounts belong. Of the rules that hold for a posting the best decides: the one
/// with more account elements; then with a grouping over without; then with a cost centre over without; then
/// the later `from`; then the later in the file. A posting for which none holds gets the area `unmapped`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [[rule]]")]
pub(super) struct ChartRule {
    /// How the account begins, in one to four elements: `5`, `5.28`, `5.28.21` or `5.28.21.1`.
    pub(super) account: At<String>,
    /// The sector area, 1 to 120 bytes.
    pub(super) area: At<String>,
    /// The kind of cost.
    pub(super) kind: Kind,
    /// Holds for this grouping (*gruppering*) only: three digits.
    pub(super) grouping: Option<At<String>>,
    /// Holds for this cost centre (*omkostningssted*) only.
    pub(super) cost_centre: Option<At<String>>,
    /// The political committee (*udvalg*) whose money it is.
    pub(super) committee: Option<At<String>>,
    /// Holds from this posting date on.
    pub(super) from: Option<Day>,
    /// Holds up to and including this posting date.
    pub(super) to: Option<Day>,
}

/// The kind of cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// What the municipality runs or buys (*serviceudgift*).
    Service,
    /// What it pays to citizens (*overførsel*).
    Transfer,
}
