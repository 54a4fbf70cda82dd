//! The server: binds first, then serves until it is told to stop, within bounds in number, size and time.

use std::future::{Future, pending};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use samspor_domain::quarantine::{Show, Shown};
use samspor_engine::Control;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic_health::pb::health_server::HealthServer;

use crate::audited::Audited;
use crate::change::Change;
use crate::citizen::Citizen;
use crate::deadline::Deadline;
use crate::door::{Door, Guard};
use crate::explain::Explain;
use crate::feed::Feed;
use crate::health::Health;
use crate::intake::Intake;
use crate::keys::Keys;
use crate::message::MAX_MESSAGE_BYTES;
use crate::operations::{Operations, Reload};
use crate::progress::Watch;
use crate::quarantine::Quarantine;
use crate::question::{Means, WriteState};
use crate::rates::{Rate, Rates};
use crate::reconciliation::Reconciliation;
use crate::registry::{Registry, registrar};
use crate::shares::Shares;
use crate::sources::Sources;
use crate::targets::Targets;
use crate::turned_away::TurnedAway;
use crate::v1::audit_service_server::AuditServiceServer;
use crate::v1::change_service_server::ChangeServiceServer;
use crate::v1::citizen_service_server::CitizenServiceServer;
use crate::v1::explain_service_server::ExplainServiceServer;
use crate::v1::feed_service_server::FeedServiceServer;
use crate::v1::intake_service_server::IntakeServiceServer;
use crate::v1::keys_service_server::KeysServiceServer;
use crate::v1::operations_service_server::OperationsServiceServer;
use crate::v1::quarantine_service_server::QuarantineServiceServer;
use crate::v1::reconciliation_service_server::ReconciliationServiceServer;
use crate::v1::registry_service_server::RegistryServiceServer;
use crate::v1::sources_service_server::SourcesServiceServer;
use crate::v1::targets_service_server::TargetsServiceServer;
use crate::{DESCRIPTORS, wire};

/// The name under which the engine counts what callers send. No source of the configuration may have it.
pub const SOURCE: &str = "grpc";
/// The front's name on the status board. That of a source is `source …`, so they do not meet.
pub(crate) const PART: &str = "grpc";
/// The longest question about health, in bytes: the name of a service or part.
const MAX_HEALTH_BYTES: usize = 256;
/// The longest metadata of one call, in bytes.
const MAX_METADATA_BYTES: u32 = 16 * 1024;

/// Where the front listens, and its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The address; a loopback one where the door has no TLS. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections at once; more wait.
    pub max_connections: usize,
    /// Of these, those from one address; one more is closed.
    pub max_connections_of_address: usize,
    /// Of these, those with one certificate's names; one more is closed.
    pub max_connections_of_certificate: usize,
    /// Streams of the feed at once that one caller may have, and as many watches of health.
    pub max_streams_of_caller: usize,
    /// How fast one may call.
    pub calls: Rate,
    /// How fast the messages of one's streams are taken.
    pub messages: Rate,
    /// How long a peer may take nothing of what is for it. Then its connection is cut.
    pub stall_timeout: Duration,
    /// Calls at once on one connection.
    pub max_calls: u32,
    /// The largest message, in bytes.
    pub max_message_bytes: usize,
    /// How long a call may take, if its caller allows no less. Streams may go on for longer.
    pub call_timeout: Duration,
    /// How often a silent peer is asked whether it lives.
    pub keep_alive_interval: Duration,
    /// How long it may take to answer that.
    pub keep_alive_timeout: Duration,
    /// After this a connection takes no further calls; clients then make another one.
    pub max_connection_age: Duration,
    /// Readers of the feed at once, over all connections.
    pub max_feed_readers: usize,
    /// How long a reader's stream may be open; then it subscribes again, on another connection where there is a newer one.
    pub max_feed_age: Duration,
    /// How often a reader of the feed that gets nothing is told so.
    pub feed_keep_alive: Duration,
    /// How long a caller that opens a stream may take to say what it wants.
    pub first_request_timeout: Duration,
    /// For how many days backups of the store are kept, if that is said: callers are told by when the last one is gone.
    pub backups_kept_days: Option<u32>,
    /// How long callers may take to finish when the front stops. Then their connections are cut.
    pub drain_deadline: Duration,
}

impl Settings {
    /// The usual bounds at an address.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            max_connections: 256,
            max_connections_of_address: 64,
            max_connections_of_certificate: 32,
            max_streams_of_caller: 100,
            calls: rate(1_000, 2_000),
            messages: rate(20_000, 20_000),
            stall_timeout: Duration::from_secs(60),
            max_calls: 128,
            max_message_bytes: MAX_MESSAGE_BYTES,
            call_timeout: Duration::from_secs(30),
            keep_alive_interval: Duration::from_secs(30),
            keep_alive_timeout: Duration::from_secs(10),
            max_connection_age: Duration::from_secs(60 * 60),
            max_feed_readers: 2_000,
            max_feed_age: Duration::from_secs(60 * 60),
            feed_keep_alive: Duration::from_secs(15),
            first_request_timeout: Duration::from_secs(10),
            backups_kept_days: None,
            drain_deadline: Duration::from_secs(5),
        }
    }
}

const fn rate(per_second: u32, burst: u32) -> Rate {
    match (NonZeroU32::new(per_second), NonZeroU32::new(burst)) {
        (Some(per_second), Some(burst)) => Rate { per_second, burst },
        _ => Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN },
    }
}

/// Why the front does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can be reached from other machines.
    #[error(
        "gRPC may not listen on {0} without TLS: it takes a loopback address only, such as 127.0.0.1:50461, unless there is \
         [grpc.tls]"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error("gRPC cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What is compiled in is not as it should be.
    #[error("the gRPC services cannot be described; please report it")]
    Descriptors(#[from] tonic_reflection::server::Error),
    /// Serving failed.
    #[error("gRPC failed")]
    Serve(#[from] tonic::transport::Error),
}

/// The front before it is bound.
pub struct Server {
    settings: Settings,
    control: Control,
    means: Means,
    reloads: Option<mpsc::Sender<Reload>>,
    doors: watch::Receiver<Arc<Door>>,
    turned_away: Arc<TurnedAway>,
}

/// Shows how many bytes there are, and nothing of them.
struct Closed;

impl Show for Closed {
    fn show(&self, _: Option<&str>, body: &[u8]) -> Shown {
        Shown { format: "bytes", bytes: body.len(), cut: !body.is_empty(), ..Shown::default() }
    }
}

impl Server {
    /// A front to the gateway.
    #[must_use]
    pub fn new(settings: Settings, control: Control) -> Self {
        let (_, doors) = watch::channel(Arc::new(Door::open()));
        Self {
            settings,
            control,
            means: Means { write_state: |_, _, _| String::new(), show: Arc::new(Closed) },
            reloads: None,
            doors,
            turned_away: Arc::default(),
        }
    }

    /// Shows quarantined bodies so. Without it they are not shown.
    #[must_use]
    pub fn showing(self, show: Arc<dyn Show>) -> Self {
        Self { means: Means { show, ..self.means }, ..self }
    }

    /// Writes states of postings so. Without it they are not shown.
    #[must_use]
    pub fn writing_states(self, write_state: WriteState) -> Self {
        Self { means: Means { write_state, ..self.means }, ..self }
    }

    /// Puts a door before it, which may be changed while it serves: the next connection and the next call pass the new one.
    #[must_use]
    pub fn behind(self, doors: watch::Receiver<Arc<Door>>) -> Self {
        Self { doors, ..self }
    }

    /// Lets callers have the configuration read again. Whoever owns it takes the reloads from the channel, one after the
    /// other.
    #[must_use]
    pub fn reloaded_by(self, reloads: mpsc::Sender<Reload>) -> Self {
        Self { reloads: Some(reloads), ..self }
    }

    /// Takes the address. From then on callers can connect; they are answered when it serves.
    ///
    /// # Errors
    /// [`Error::NotLoopback`], and [`Error::Bind`] where the address cannot be had.
    pub async fn bind(self) -> Result<Bound, Error> {
        let address = self.settings.listen;
        if !address.ip().to_canonical().is_loopback() && self.doors.borrow().tls().is_none() {
            return Err(Error::NotLoopback(address));
        }
        let failed = |source| Error::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Bound { server: self, listener, address })
    }
}

/// The front at its address.
pub struct Bound {
    server: Server,
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// The address, with its actual port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// How many callers it turned away.
    #[must_use]
    pub fn turned_away(&self) -> Arc<TurnedAway> {
        Arc::clone(&self.server.turned_away)
    }

    /// Serves until `stop` comes. Then it accepts nothing more, ends watches, and gives callers the drain deadline to
    /// finish; whoever has not by then is cut off. When this returns, or is dropped, no connection is left, and its
    /// handle to the engine is dropped.
    ///
    /// # Errors
    /// [`Error::Serve`] and [`Error::Descriptors`], neither of which is expected.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let Server { settings, control, means, reloads, doors, turned_away } = self.server;
        let (handle, status) = (control.handle(), control.status());
        let rates = Rates::new(settings.calls, settings.messages);
        let stopping = CancellationToken::new();
        let cut = CancellationToken::new();
        let _cut_when_dropped = cut.clone().drop_guard();

        let registrar = registrar();
        let audit = Audited { handle: handle.clone() };
        let citizen = Citizen { handle: handle.clone(), backups_kept_days: settings.backups_kept_days };
        let change = Change { handle: handle.clone(), means: means.clone() };
        let explain = Explain { handle: handle.clone(), means: means.clone() };
        let reconciliation = Reconciliation { handle: handle.clone(), means: means.clone() };
        let keys = Keys { handle: handle.clone() };
        let feed = Feed::new(handle.clone(), &settings, stopping.clone(), Arc::clone(&turned_away));
        let quarantine = Quarantine { handle: handle.clone(), means: means.clone() };
        let intake =
            Intake { handle: handle.clone(), silence: settings.call_timeout, rates: Arc::clone(&rates) };
        let registry = Registry { handle, registrar, means: means.clone() };
        let sources = Sources { control: control.clone() };
        let targets = Targets { control: control.clone(), means };
        let operations = Operations { control, reloads };
        let health = Health {
            parts: status.watch(),
            stopping: stopping.clone(),
            places: Shares::new(settings.max_streams_of_caller),
            turned_away: Arc::clone(&turned_away),
        };
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()?;
        // The bound on a message holds before and after it is decompressed.
        macro_rules! bounded {
            ($service:expr) => {
                $service
                    .max_decoding_message_size(settings.max_message_bytes)
                    .accept_compressed(CompressionEncoding::Gzip)
                    .send_compressed(CompressionEncoding::Gzip)
            };
        }
        let router = tonic::transport::Server::builder()
            .max_concurrent_streams(settings.max_calls)
            .http2_max_header_list_size(MAX_METADATA_BYTES)
            .http2_keepalive_interval(Some(settings.keep_alive_interval))
            .http2_keepalive_timeout(Some(settings.keep_alive_timeout))
            .max_connection_age(settings.max_connection_age)
            // Streams that are open then, and no longer: nor does a peer stay that never spoke HTTP/2.
            .max_connection_age_grace(settings.max_feed_age)
            .layer(Watch)
            .layer(Guard { doors: doors.clone(), rates, turned_away: Arc::clone(&turned_away) })
            .layer(Deadline { limit: settings.call_timeout })
            .add_service(bounded!(RegistryServiceServer::new(registry)))
            .add_service(bounded!(IntakeServiceServer::new(intake)))
            .add_service(bounded!(FeedServiceServer::new(feed)))
            .add_service(bounded!(AuditServiceServer::new(audit)))
            .add_service(bounded!(ChangeServiceServer::new(change)))
            .add_service(bounded!(CitizenServiceServer::new(citizen)))
            .add_service(bounded!(ExplainServiceServer::new(explain)))
            .add_service(bounded!(ReconciliationServiceServer::new(reconciliation)))
            .add_service(bounded!(KeysServiceServer::new(keys)))
            .add_service(bounded!(QuarantineServiceServer::new(quarantine)))
            .add_service(bounded!(SourcesServiceServer::new(sources)))
            .add_service(bounded!(TargetsServiceServer::new(targets)))
            .add_service(bounded!(OperationsServiceServer::new(operations)))
            // Whoever gets a connection may ask, and a watch keeps what it asked for.
            .add_service(HealthServer::new(health).max_decoding_message_size(MAX_HEALTH_BYTES))
            .add_service(bounded!(reflection));

        let told = async {
            stop.await;
            stopping.cancel();
        };
        let bounds = wire::Bounds {
            all: settings.max_connections,
            of_address: settings.max_connections_of_address,
            of_certificate: settings.max_connections_of_certificate,
            stall: settings.stall_timeout,
        };
        let wires = wire::accept(self.listener, doors, bounds, turned_away, cut.clone());
        let serve = router.serve_with_incoming_shutdown(wires, told);
        let hurry = async {
            stopping.cancelled().await;
            tokio::time::sleep(settings.drain_deadline).await;
            tracing::info!("cutting off the gRPC callers that have not finished");
            cut.cancel();
            pending().await
        };
        status.set(PART, samspor_engine::Condition::Up);
        let served = tokio::select! {
            served = serve => served,
            never = hurry => never,
        };
        status.set(PART, samspor_engine::Condition::Stopped);
        Ok(served?)
    }
}
