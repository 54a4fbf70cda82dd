//! One connection to a broker, every wait on which has an end.

use std::future::Future;
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{FutureExt as _, Stream, StreamExt as _};
use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ConnectionProperties, Event};
use samspor_domain::{Flow, LinkError};
use tokio::time::{Instant, timeout_at};

use crate::login::Attempt;
use crate::{Broker, Login};

/// The broker did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} ms", .0.as_millis())]
pub(crate) struct NoAnswer(pub(crate) Duration);

/// What the client library says. It says what its own source says as well, which is therefore left out.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Said(lapin::Error);

impl From<lapin::Error> for Said {
    fn from(error: lapin::Error) -> Self {
        Self(error)
    }
}

/// What could not be done, and why.
pub(crate) fn failed(
    doing: impl Into<String>,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> LinkError {
    LinkError { doing: doing.into(), source: Some(why.into()) }
}

/// A second hold on the connection's socket, to end it with. The client library closes a connection by asking the
/// broker, and waits for as long as that takes: for ever where the broker has blocked the connection or hangs.
#[derive(Debug, Clone, Default)]
struct Socket(Arc<Mutex<Hold>>);

#[derive(Debug, Default)]
enum Hold {
    #[default]
    NotYet,
    Open(TcpStream),
    Cut,
}

impl Socket {
    fn hold(&self, socket: TcpStream) -> std::io::Result<()> {
        let mut hold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*hold, Hold::Cut) {
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        *hold = Hold::Open(socket);
        Ok(())
    }

    fn cut(&self) {
        let mut hold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Hold::Open(socket) = std::mem::replace(&mut *hold, Hold::Cut) {
            // It fails where the other side has ended the connection, and then it is ended.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// Cuts the socket of a connection that is given up before it stands.
struct Connecting(Option<Socket>);

impl Drop for Connecting {
    fn drop(&mut self) {
        if let Some(socket) = self.0.take() {
            socket.cut();
        }
    }
}

/// A connection. Dropped, it is closed: in order, or at once where the broker no longer answers.
#[derive(Debug)]
pub(crate) struct Link {
    connection: Connection,
    socket: Socket,
    request_timeout: Duration,
    /// Whether the broker has answered every request so far that somebody waited for to the end.
    answers: AtomicBool,
}

impl Link {
    /// Connects and logs in, to send and to receive anything.
    pub(crate) async fn open(broker: &Broker) -> Result<Self, LinkError> {
        Self::with_frames(broker, None).await
    }

    /// Connects and logs in, to send messages whose headers are small. The client library keeps room for 64 frames on each
    /// connection: 2 MiB here, and 8 MiB with frames of the size that brokers propose. To receive, frames cannot be that
    /// small: all headers of a message come in one, however large.
    pub(crate) async fn open_to_send(broker: &Broker) -> Result<Self, LinkError> {
        Self::with_frames(broker, Some(32 * 1024)).await
    }

    async fn with_frames(broker: &Broker, bytes: Option<u32>) -> Result<Self, LinkError> {
        let doing = || format!("connecting to {}", broker.url);
        let deadline = Instant::now() + broker.connect_timeout;
        let late = || failed(doing(), NoAnswer(broker.connect_timeout));
        let attempt = match &broker.login {
            Login::Url => None,
            Login::Token(credentials) => {
                let credential = timeout_at(deadline, credentials.current()).await.map_err(|_| late())??;
                Some((Attempt::new(credential), credentials))
            }
        };
        let connector = broker.tls.connector().map_err(|error| failed(doing(), error))?;
        let socket = Socket::default();
        let mut connecting = Connecting(Some(socket.clone()));
        let connection = async {
            let runtime = lapin::runtime::default_runtime()?;
            let held = socket.clone();
            let mut properties =
                ConnectionProperties::default().with_connection_name(broker.name.as_str().into());
            if let Some((attempt, _)) = &attempt {
                properties = properties.with_auth_provider(attempt.clone());
            }
            let mut uri = broker.url.uri(broker.heartbeat);
            uri.query.frame_max = uri.query.frame_max.or(bytes);
            // The library's thread runs this, and would outlive the caller's patience.
            Connection::connector(
                uri,
                runtime,
                async move |uri: AMQPUri, runtime| {
                    keep_client_library_quiet();
                    let stream = async {
                        let addresses =
                            tokio::net::lookup_host((uri.authority.host.as_str(), uri.authority.port))
                                .await?;
                        let addresses: Vec<_> = addresses.collect();
                        let stream = AsyncTcpStream::connect(&runtime, addresses).await?;
                        if let AsyncTcpStream::Plain(plain) = &stream {
                            plain.get_ref().set_nodelay(true)?;
                            held.hold(duplicate(plain.get_ref())?)?;
                        }
                        match uri.scheme {
                            AMQPScheme::AMQP => Ok(stream),
                            AMQPScheme::AMQPS => match &connector {
                                Some(connector) => stream.into_rustls(connector, &uri.authority.host).await,
                                None => {
                                    let usual = OwnedTLSConfig::default();
                                    stream.into_tls(&uri.authority.host, usual.as_ref()).await
                                }
                            },
                        }
                    };
                    let stream = timeout_at(deadline, stream).await;
                    Ok(stream.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))?)
                },
                properties,
            )
            .await
        };
        let connection = match timeout_at(deadline, connection).await {
            Ok(connection) => connection.map_err(|error| {
                let shown = attempt.as_ref();
                let doing = match shown.and_then(|(shown, from)| shown.failed(&***from, &error)) {
                    Some(true) => {
                        format!("logging in to {} by a token; the next attempt fetches another", broker.url)
                    }
                    Some(false) => format!("logging in to {} by a token, which is tried again", broker.url),
                    None => doing(),
                };
                failed(doing, Said(error))
            })?,
            Err(_) => return Err(late()),
        };
        connecting.0 = None;
        if let Some((attempt, credentials)) = &attempt {
            attempt.succeeded(&***credentials);
        }
        let answers = AtomicBool::new(true);
        Ok(Self { connection, socket, request_timeout: broker.request_timeout, answers })
    }

    /// A new channel.
    pub(crate) async fn channel(&self) -> Result<Channel, LinkError> {
        self.request(|| "opening a channel".to_owned(), self.connection.create_channel()).await
    }

    /// Waits for the answer to a request within the broker's time limit.
    pub(crate) async fn request<T>(
        &self,
        doing: impl FnOnce() -> String,
        answer: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, LinkError> {
        let (limit, deadline) = (self.request_timeout, Instant::now() + self.request_timeout);
        let mut asking = Asking { answers: &self.answers, is_answered: false };
        let answer = async { answer.await.map_err(Said) };
        let answer = self.until(deadline, limit, answer).await.map_err(|why| failed(doing(), why));
        asking.is_answered = true;
        answer
    }

    /// Waits for an answer until a deadline, that was `limit` away when the request was made.
    pub(crate) async fn until<T, E: std::error::Error + Send + Sync + 'static>(
        &self,
        deadline: Instant,
        limit: Duration,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
        match timeout_at(deadline, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                self.answers.store(false, Ordering::Relaxed);
                Err(NoAnswer(limit).into())
            }
        }
    }
}

/// Sees what happens to a connection while nobody asks anything of it.
pub(crate) struct Watch(Pin<Box<dyn Stream<Item = Event> + Send + Sync>>);

impl Watch {
    /// From now on.
    pub(crate) fn new(link: &Link) -> Self {
        Self(Box::pin(link.connection.events_listener()))
    }

    /// Waits until the broker blocks the connection or takes messages again, or until the connection or its channel ends,
    /// which is the error. Dropping the future loses nothing.
    pub(crate) async fn changed(
        &mut self,
        link: &Link,
        channel: &Channel,
        doing: impl Fn() -> String,
    ) -> Result<Flow, LinkError> {
        loop {
            // The library tells of an end once, and of a channel that is closed without an error not at all.
            if !link.connection.status().connected() || !channel.status().connected() {
                // Why it ended, if that was told.
                let told = self.0.next().now_or_never().flatten();
                return Err(match told {
                    Some(Event::Error(error)) => failed(doing(), Said::from(error)),
                    _ => failed(doing(), "the broker or the network ended it"),
                });
            }
            match self.0.next().await {
                Some(Event::ConnectionBlocked(why)) => return Ok(Flow::Blocked(why)),
                Some(Event::ConnectionUnblocked) => return Ok(Flow::Open),
                Some(Event::Error(error)) => return Err(failed(doing(), Said::from(error))),
                Some(_) => {}
                None => return Err(failed(doing(), "the client library ended it")),
            }
        }
    }
}

/// A request that may be given up before it is answered. The client library then keeps what the answer makes, a consumer
/// with all that the broker sends it, say, and with it the connection for ever; so that connection is cut.
struct Asking<'a> {
    answers: &'a AtomicBool,
    is_answered: bool,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.answers.store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let status = self.connection.status();
        if !self.answers.load(Ordering::Relaxed) || status.blocked() || !status.connected() {
            self.socket.cut();
        }
    }
}

fn duplicate(socket: &tokio::net::TcpStream) -> std::io::Result<TcpStream> {
    use std::os::fd::AsFd as _;
    Ok(socket.as_fd().try_clone_to_owned()?.into())
}

/// Switches off the log of the calling thread, which is the one that the client library makes for a connection: it logs
/// messages that come back with their bodies, and every frame where the log level lets it. What fails is said by the
/// errors.
fn keep_client_library_quiet() {
    let quiet = tracing::subscriber::set_default(tracing::subscriber::NoSubscriber::new());
    // For as long as the thread lives.
    std::mem::forget(quiet);
}
