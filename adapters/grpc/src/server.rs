//! The server: binds first, then serves until it is told to stop, within bounds in number, size and time.

use std::future::{Future, pending};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use samspor_domain::quarantine::{Show, Shown};
use samspor_engine::{Control, Handle, Status};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic_health::pb::health_server::HealthServer;

use crate::admin::{Admin, Reload};
use crate::change::Change;
use crate::deadline::Deadline;
use crate::delivery::Delivery;
use crate::door::{Door, Guard};
use crate::feed::Feed;
use crate::health::Health;
use crate::intake::Intake;
use crate::keys::Keys;
use crate::message::MAX_MESSAGE_BYTES;
use crate::quarantine::Quarantine;
use crate::registry::{Registry, registrar};
use crate::v1::admin_service_server::AdminServiceServer;
use crate::v1::change_service_server::ChangeServiceServer;
use crate::v1::delivery_service_server::DeliveryServiceServer;
use crate::v1::feed_service_server::FeedServiceServer;
use crate::v1::intake_service_server::IntakeServiceServer;
use crate::v1::keys_service_server::KeysServiceServer;
use crate::v1::quarantine_service_server::QuarantineServiceServer;
use crate::v1::registry_service_server::RegistryServiceServer;
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
            drain_deadline: Duration::from_secs(5),
        }
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
    handle: Handle,
    status: Status,
    show: Arc<dyn Show>,
    admin: Option<Admin>,
    doors: watch::Receiver<Arc<Door>>,
}

/// Shows how many bytes there are, and nothing of them.
struct Closed;

impl Show for Closed {
    fn show(&self, _: Option<&str>, body: &[u8]) -> Shown {
        Shown { format: "bytes", bytes: body.len(), cut: !body.is_empty(), ..Shown::default() }
    }
}

impl Server {
    /// A front to the engine behind the handle, that tells how the parts on the status board are doing.
    #[must_use]
    pub fn new(settings: Settings, handle: Handle, status: Status) -> Self {
        let (_, doors) = watch::channel(Arc::new(Door::open()));
        Self { settings, handle, status, show: Arc::new(Closed), admin: None, doors }
    }

    /// Shows quarantined bodies so. Without it they are not shown.
    #[must_use]
    pub fn showing(self, show: Arc<dyn Show>) -> Self {
        Self { show, ..self }
    }

    /// Puts a door before it, which may be changed while it serves: the next connection and the next call pass the new one.
    #[must_use]
    pub fn behind(self, doors: watch::Receiver<Arc<Door>>) -> Self {
        Self { doors, ..self }
    }

    /// Lets callers look after the gateway too. Whoever owns the configuration takes the reloads from the channel, one
    /// after the other.
    #[must_use]
    pub fn administered(mut self, control: Control, reloads: mpsc::Sender<Reload>) -> Self {
        self.admin = Some(Admin { control, reloads });
        self
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

    /// Serves until `stop` comes. Then it accepts nothing more, ends watches, and gives callers the drain deadline to
    /// finish; whoever has not by then is cut off. When this returns, or is dropped, no connection is left, and its
    /// handle to the engine is dropped.
    ///
    /// # Errors
    /// [`Error::Serve`] and [`Error::Descriptors`], neither of which is expected.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let Server { settings, handle, status, show, admin, doors } = self.server;
        let stopping = CancellationToken::new();
        let cut = CancellationToken::new();
        let _cut_when_dropped = cut.clone().drop_guard();

        let registrar = registrar();
        let change = Change { handle: handle.clone() };
        let delivery = Delivery { handle: handle.clone() };
        let keys = Keys { handle: handle.clone() };
        let feed = Feed::new(handle.clone(), &settings, stopping.clone());
        let quarantine = Quarantine { handle: handle.clone(), show };
        let intake = Intake { handle: handle.clone(), silence: settings.call_timeout };
        let registry = Registry { handle, registrar };
        let health = Health { parts: status.watch(), stopping: stopping.clone() };
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
            .layer(Guard(doors.clone()))
            .layer(Deadline { limit: settings.call_timeout })
            .add_service(bounded!(RegistryServiceServer::new(registry)))
            .add_service(bounded!(IntakeServiceServer::new(intake)))
            .add_service(bounded!(FeedServiceServer::new(feed)))
            .add_service(bounded!(ChangeServiceServer::new(change)))
            .add_service(bounded!(DeliveryServiceServer::new(delivery)))
            .add_service(bounded!(KeysServiceServer::new(keys)))
            .add_service(bounded!(QuarantineServiceServer::new(quarantine)))
            .add_optional_service(admin.map(|admin| bounded!(AdminServiceServer::new(admin))))
            // Whoever gets a connection may ask, and a watch keeps what it asked for.
            .add_service(HealthServer::new(health).max_decoding_message_size(MAX_HEALTH_BYTES))
            .add_service(bounded!(reflection));

        let told = async {
            stop.await;
            stopping.cancel();
        };
        let wires = wire::accept(self.listener, doors, settings.max_connections, cut.clone());
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
