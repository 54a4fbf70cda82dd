//! The endpoint: binds first, then answers until it is told to stop, within bounds in number, size and time.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use samspor_engine::{Condition, Handle, Status};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::family::{self, Family};
use crate::{figures, measures, parts, process};

/// The endpoint's name on the status board.
const PART: &str = "metrics";
/// Where the metrics are.
const PATH: &str = "/metrics";
/// The longest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// How long accepting rests after it failed: without free file descriptors it would fail again at once.
const REST: Duration = Duration::from_millis(200);

/// Where the endpoint listens, its bounds, and what it tells of that the engine does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// A loopback address. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections at once; more wait. Each serves one request.
    pub max_connections: usize,
    /// How long a connection may last.
    pub timeout: Duration,
    /// How long the store may take to answer. Where it takes longer, the rest is told without it.
    pub store_timeout: Duration,
    /// For how long it tells the same of what takes longer the more there is: control totals, and what is kept for
    /// receipts.
    pub slow_every: Duration,
    /// When the process started.
    pub started: Timestamp,
    /// The store's folder.
    pub store_dir: PathBuf,
    /// The store's files, with a word for what each holds.
    pub store_files: Vec<(&'static str, PathBuf)>,
}

impl Settings {
    /// The usual bounds at an address.
    #[must_use]
    pub fn new(listen: SocketAddr, started: Timestamp) -> Self {
        Self {
            listen,
            max_connections: 8,
            timeout: Duration::from_secs(15),
            store_timeout: Duration::from_secs(8),
            slow_every: Duration::from_secs(30),
            started,
            store_dir: PathBuf::new(),
            store_files: Vec::new(),
        }
    }

    /// The same for a store in a folder.
    #[must_use]
    pub fn with_store(self, store_dir: PathBuf, store_files: Vec<(&'static str, PathBuf)>) -> Self {
        Self { store_dir, store_files, ..self }
    }
}

/// Why the endpoint cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can be reached from other machines.
    #[error(
        "metrics may not be had on {0}: it is not checked who asks, so they take a loopback address only, such as \
         127.0.0.1:9464"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error("metrics cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What took longer to find out, and when it was.
type Slow = (Instant, Vec<Family>);

/// How many there were, by a word.
type Count = Arc<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>;

/// The endpoint before it is bound.
pub struct Server {
    settings: Settings,
    handle: Handle,
    status: Status,
    slow: Arc<Mutex<Option<Slow>>>,
    turned_away: Option<Count>,
}

impl Server {
    /// An endpoint that tells of the engine behind the handle, and of the parts on the status board.
    #[must_use]
    pub fn new(settings: Settings, handle: Handle, status: Status) -> Self {
        Self { settings, handle, status, slow: Arc::default(), turned_away: None }
    }

    /// Tells too how often the gRPC front turned somebody away, by a word for why.
    #[must_use]
    pub fn turning_away(self, counts: impl Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static) -> Self {
        Self { turned_away: Some(Arc::new(counts)), ..self }
    }

    /// Takes the address. From then on callers can connect; they are answered when it serves.
    ///
    /// # Errors
    /// [`Error::NotLoopback`], and [`Error::Bind`] where the address cannot be had.
    pub async fn bind(self) -> Result<Bound, Error> {
        let address = self.settings.listen;
        if !address.ip().to_canonical().is_loopback() {
            return Err(Error::NotLoopback(address));
        }
        let failed = |source| Error::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Bound { server: Arc::new(self), listener, address })
    }

    /// All that there is to tell now. What the store says is missing where it does not answer in time.
    async fn families(&self) -> Vec<Family> {
        let parts = self.status.watch().borrow().clone();
        let targets = parts::targets(&parts);
        let mut build = Family::info("samspor_build", "The gateway's version.");
        build.add([("version", env!("CARGO_PKG_VERSION"))], true);
        let mut families = vec![build];
        families.extend(parts::families(&parts));
        let until = self.handle.purges_until();
        let (last, slow_every) = (Arc::clone(&self.slow), self.settings.slow_every);
        let read = self.handle.read(move |read, vault| {
            let mut families = figures::read(read, &targets, &|read, target| {
                samspor_engine::tagged_for(read, vault, target)
            })?;
            let known = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let slow = match known.filter(|(at, _)| at.elapsed() < slow_every) {
                Some((_, known)) => known,
                None => {
                    let totals = samspor_engine::controls(read, vault)?;
                    let slow = figures::slow(read, &totals, until)?;
                    // Also where it took longer than anybody waited for it.
                    *last.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some((Instant::now(), slow.clone()));
                    slow
                }
            };
            families.extend(slow);
            Ok(families)
        });
        let figures = match timeout(self.settings.store_timeout, read).await {
            Ok(Ok(figures)) => Some(figures),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the metrics of the store are missing");
                None
            }
            Err(_) => {
                let waited_s = self.settings.store_timeout.as_secs();
                tracing::warn!(waited_s, "the store did not answer in time; its metrics are missing");
                None
            }
        };
        let answers =
            Family::gauge("samspor_store_answers", "1 where the store answered this question, else 0.");
        families.push(answers.of(figures.is_some()));
        families.extend(figures.into_iter().flatten());
        families.extend(measures::families(self.handle.measures(), self.handle.intakes().passed()));
        families.extend(self.turned_away.as_ref().map(|counts| {
            let mut family = Family::counter(
                "samspor_grpc_turned_away",
                "Connections, streams and calls that the gRPC front turned away or cut, by reason.",
            );
            for (reason, count) in counts() {
                family.add([("reason", reason)], count);
            }
            family
        }));
        families.extend(process::store(&self.settings.store_dir, &self.settings.store_files));
        families.extend(process::process(self.settings.started));
        families
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() != PATH {
            return plain(StatusCode::NOT_FOUND, "the metrics are at /metrics\n");
        }
        if request.method() != Method::GET {
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "the metrics can only be read\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            return refused;
        }
        match family::written(self.families().await) {
            Ok(text) => answer(StatusCode::OK, family::CONTENT_TYPE, text.into()),
            Err(_) => {
                plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written; please report it\n")
            }
        }
    }

    /// Answers one request, within the time that a connection has.
    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let limit = self.settings.timeout;
        let service = service_fn(move |request| {
            let server = Arc::clone(&self);
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        let mut http = http1::Builder::new();
        http.keep_alive(false).max_buf_size(MAX_HEAD_BYTES).header_read_timeout(None);
        // Whoever asked may have gone, and asks again.
        let _ = timeout(limit, http.serve_connection(TokioIo::new(stream), service)).await;
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// The endpoint at its address.
pub struct Bound {
    server: Arc<Server>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// The address, with its actual port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` comes. Then, or when it is dropped, every connection is cut: who asks for metrics asks again.
    /// Its handle to the engine is dropped with it.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) {
        let Self { server, listener, .. } = self;
        server.status.set(PART, Condition::Up);
        let mut connections = FuturesUnordered::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let has_room = connections.len() < server.settings.max_connections;
            let ended =
                async { if connections.is_empty() { pending().await } else { connections.next().await } };
            tokio::select! {
                () = &mut stop => break,
                accepted = listener.accept(), if has_room => match accepted {
                    Ok((stream, _)) => connections.push(Arc::clone(&server).serve(stream)),
                    Err(error) => {
                        tracing::warn!(%error, "could not accept a connection for metrics; trying again");
                        tokio::time::sleep(REST).await;
                    }
                },
                _ = ended => {}
            }
        }
        server.status.set(PART, Condition::Stopped);
    }
}
