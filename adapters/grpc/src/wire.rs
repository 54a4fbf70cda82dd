//! Connections: a bound on how many there are, TLS before anything is said over them, and a way to cut them all.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt as _, stream};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::door::Door;
use crate::tls;

/// How long accepting rests after it failed: without free file descriptors it would fail again at once.
const REST: Duration = Duration::from_millis(200);

/// How long a peer may take to shake hands.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How many peers may shake hands at once; more wait in the kernel's queue.
const HANDSHAKES: usize = 64;

/// What accepts: where it listens, who shakes hands just now.
struct Accepting {
    listener: TcpListener,
    doors: watch::Receiver<Arc<Door>>,
    places: Arc<Semaphore>,
    handshakes: FuturesUnordered<BoxFuture<'static, Option<Wire>>>,
    cut: CancellationToken,
    /// Cuts the connections whose certificates the authority signed that counts now.
    cut_of_ca: CancellationToken,
    client_ca: Option<String>,
}

/// Accepts connections while fewer than `limit` are open; others wait in the kernel's queue. A connection is there when its
/// peer has shaken hands, for which none waits for another.
pub(crate) fn accept(
    listener: TcpListener,
    doors: watch::Receiver<Arc<Door>>,
    limit: usize,
    cut: CancellationToken,
) -> impl Stream<Item = io::Result<Wire>> + Send {
    let places = Arc::new(Semaphore::new(limit));
    let handshakes = FuturesUnordered::new();
    let client_ca = doors.borrow().client_ca().map(str::to_owned);
    let cut_of_ca = cut.child_token();
    let accepting = Accepting { listener, doors, places, handshakes, cut, cut_of_ca, client_ca };
    stream::unfold(accepting, |mut accepting| async move {
        let wire = accepting.next().await?;
        Some((Ok(wire), accepting))
    })
}

impl Accepting {
    async fn next(&mut self) -> Option<Wire> {
        loop {
            let more = self.handshakes.len() < HANDSHAKES;
            tokio::select! {
                Ok(()) = self.doors.changed() => self.look_at_ca(),
                Some(shaken) = self.handshakes.next() => if let Some(wire) = shaken {
                    return Some(wire);
                },
                accepted = accept_one(&self.listener, &self.places), if more => {
                    let (stream, place) = accepted?;
                    let cut = Box::pin(self.cut_of_ca.clone().cancelled_owned());
                    let Some(tls) = self.doors.borrow().tls() else {
                        return Some(Wire::new(Either::Left(stream), Peer::default(), cut, place));
                    };
                    self.handshakes.push(Box::pin(shake_hands(stream, tls, cut, place)));
                }
            }
        }
    }
}

impl Accepting {
    /// Cuts whoever got in by a certificate of an authority that no longer counts.
    fn look_at_ca(&mut self) {
        let now = self.doors.borrow().client_ca().map(str::to_owned);
        if now != self.client_ca {
            std::mem::replace(&mut self.cut_of_ca, self.cut.child_token()).cancel();
            self.client_ca = now;
        }
    }
}

async fn accept_one(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await.and_then(|(stream, _)| stream.set_nodelay(true).map(|()| stream)) {
            Ok(stream) => return Some((stream, place)),
            Err(error) => {
                tracing::warn!(%error, "could not accept a gRPC connection; trying again");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Shakes hands. A peer that does not, or not in time, or whose certificate is not taken, is gone; it is told why as far as
/// TLS tells it.
async fn shake_hands(
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    place: OwnedSemaphorePermit,
) -> Option<Wire> {
    let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(tls).accept(stream)).await;
    let stream = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::info!(%error, "a gRPC caller did not get through TLS");
            return None;
        }
        Err(_) => {
            tracing::info!("a gRPC caller did not shake hands in time");
            return None;
        }
    };
    let (_, session) = stream.get_ref();
    let names = session.peer_certificates().and_then(|chain| chain.first()).map(tls::names);
    let peer = Peer { names: names.unwrap_or_default().into() };
    Some(Wire::new(Either::Right(Box::new(stream)), peer, cut, place))
}

/// Who is at the other end of a connection: the names in its certificate, none where it gave none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer {
    pub(crate) names: Arc<[String]>,
}

/// A stream, in clear text or over TLS.
type Transport = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// A connection that fails once it is cut, so that whoever serves it lets go of it whatever its peer does.
pub(crate) struct Wire {
    stream: Transport,
    peer: Peer,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// When a peer that has yet to say that it speaks HTTP/2 is let go, and how many bytes it has yet to say.
    silence: Option<(Pin<Box<Sleep>>, usize)>,
    /// Its place among the connections, free again when it ends.
    _place: OwnedSemaphorePermit,
}

/// How many bytes HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE: usize = 24;

impl Wire {
    fn new(
        stream: Transport,
        peer: Peer,
        cut: Pin<Box<WaitForCancellationFutureOwned>>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let silence = Some((Box::pin(tokio::time::sleep(HANDSHAKE_TIMEOUT)), PREFACE));
        Self { stream, peer, cut, silence, _place: place }
    }

    /// The stream, while it is not cut. The task that asks is woken by the cut.
    fn stream(&mut self, cx: &mut Context<'_>) -> io::Result<Pin<&mut Transport>> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(Pin::new(&mut self.stream)),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = self.stream(cx)?.poll_read(cx, buf);
        let Some((sleep, left)) = &mut self.silence else { return read };
        *left = left.saturating_sub(buf.filled().len() - before);
        if *left == 0 {
            self.silence = None;
        } else if sleep.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stream(cx)?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream(cx)?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_shutdown(cx)
    }
}

impl Connected for Wire {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}
