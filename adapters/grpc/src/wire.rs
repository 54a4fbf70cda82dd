//! Connections: a bound on how many there are, TLS before anything is said over them, and a way to cut them all.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
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
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::door::Door;
use crate::origin::Origin;
use crate::progress::Progress;
use crate::shares::{Share, Shares};
use crate::tls;
use crate::turned_away::{TurnedAway, Why};

/// How long accepting rests after it failed: without free file descriptors it would fail again at once.
const REST: Duration = Duration::from_millis(200);

/// How long a peer may take to shake hands.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bounds on connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Connections at once.
    pub(crate) all: usize,
    /// Of these, those from one address.
    pub(crate) of_address: usize,
    /// Of these, those with one certificate's names.
    pub(crate) of_certificate: usize,
    /// How long a peer may take nothing of what is for it.
    pub(crate) stall: Duration,
}

/// What accepts: where it listens, who shakes hands just now.
struct Accepting {
    listener: TcpListener,
    doors: watch::Receiver<Arc<Door>>,
    bounds: Bounds,
    places: Arc<Semaphore>,
    addresses: Arc<Shares<Origin>>,
    certificates: Arc<Shares<Names>>,
    turned_away: Arc<TurnedAway>,
    handshakes: FuturesUnordered<BoxFuture<'static, Option<Wire>>>,
    cut: CancellationToken,
    /// Cuts the connections whose certificates the authority signed that counts now.
    cut_of_ca: CancellationToken,
    client_ca: Option<String>,
}

/// Accepts connections while fewer than the bound are open; others wait in the kernel's queue. One more from an address that
/// has its share is closed at once. A connection is there when its peer has shaken hands, for which none waits for another.
pub(crate) fn accept(
    listener: TcpListener,
    doors: watch::Receiver<Arc<Door>>,
    bounds: Bounds,
    turned_away: Arc<TurnedAway>,
    cut: CancellationToken,
) -> impl Stream<Item = io::Result<Wire>> + Send {
    let places = Arc::new(Semaphore::new(bounds.all));
    let (addresses, certificates) = (Shares::new(bounds.of_address), Shares::new(bounds.of_certificate));
    let handshakes = FuturesUnordered::new();
    let client_ca = doors.borrow().client_ca().map(str::to_owned);
    let cut_of_ca = cut.child_token();
    let accepting = Accepting {
        listener,
        doors,
        bounds,
        places,
        addresses,
        certificates,
        turned_away,
        handshakes,
        cut,
        cut_of_ca,
        client_ca,
    };
    stream::unfold(accepting, |mut accepting| async move {
        let wire = accepting.next().await?;
        Some((Ok(wire), accepting))
    })
}

impl Accepting {
    async fn next(&mut self) -> Option<Wire> {
        loop {
            tokio::select! {
                Ok(()) = self.doors.changed() => self.look_at_ca(),
                Some(shaken) = self.handshakes.next() => if let Some(wire) = shaken {
                    return Some(wire);
                },
                accepted = accept_one(&self.listener, &self.places) => {
                    let (stream, address, place) = accepted?;
                    let Some(of_address) = self.addresses.take(Origin::at(address)) else {
                        self.turned_away.note(Why::Connections, &address);
                        continue;
                    };
                    let arrived = Arrived {
                        address,
                        place: (place, of_address, None),
                        cut: Box::pin(self.cut_of_ca.clone().cancelled_owned()),
                        stall: self.bounds.stall,
                        turned_away: Arc::clone(&self.turned_away),
                    };
                    let Some(tls) = self.doors.borrow().tls() else {
                        return Some(Wire::new(Either::Left(stream), Names::default(), arrived));
                    };
                    let certificates = Arc::clone(&self.certificates);
                    self.handshakes.push(Box::pin(shake_hands(stream, tls, certificates, arrived)));
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
) -> Option<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    loop {
        let accepted = listener.accept().await;
        match accepted.and_then(|(stream, peer)| stream.set_nodelay(true).map(|()| (stream, peer.ip()))) {
            Ok((stream, address)) => return Some((stream, address, place)),
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
    certificates: Arc<Shares<Names>>,
    mut arrived: Arrived,
) -> Option<Wire> {
    let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(tls).accept(stream)).await;
    let turned_away = &arrived.turned_away;
    let stream = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            turned_away.note(Why::Handshake, &format_args!("{}: {error}", arrived.address));
            return None;
        }
        Err(_) => {
            turned_away.note(Why::Handshake, &format_args!("{}: none in time", arrived.address));
            return None;
        }
    };
    let (_, session) = stream.get_ref();
    let names = session.peer_certificates().and_then(|chain| chain.first()).map(tls::names);
    let names: Names = names.unwrap_or_default().into();
    if !names.is_empty() {
        let Some(share) = certificates.take(Arc::clone(&names)) else {
            turned_away.note(Why::Connections, &arrived.address);
            return None;
        };
        arrived.place.2 = Some(share);
    }
    Some(Wire::new(Either::Right(Box::new(stream)), names, arrived))
}

/// The names in a certificate.
type Names = Arc<[String]>;

/// A connection's place among all, and of the shares of its address and certificate; free again when it ends.
type Place = (OwnedSemaphorePermit, Share<Origin>, Option<Share<Names>>);

/// What is known of a connection before anything is said over it.
struct Arrived {
    address: IpAddr,
    place: Place,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    stall: Duration,
    turned_away: Arc<TurnedAway>,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    /// The names in its certificate, none where it gave none.
    pub(crate) names: Names,
    /// Whether it takes what is for it.
    pub(crate) progress: Arc<Progress>,
}

impl Default for Peer {
    fn default() -> Self {
        let address = Ipv6Addr::UNSPECIFIED.into();
        Self { address, names: Names::default(), progress: Arc::default() }
    }
}

/// A stream, in clear text or over TLS.
type Transport = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// A connection that fails once it is cut, so that whoever serves it lets go of it whatever its peer does.
pub(crate) struct Wire {
    stream: Transport,
    peer: Peer,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    stalls: Stalls,
    /// When a peer that has yet to say that it speaks HTTP/2 is let go, and how many bytes it has yet to say.
    silence: Option<(Pin<Box<Sleep>>, usize)>,
    _place: Place,
}

/// When a peer that takes nothing is cut off: its socket is full, or its windows are.
struct Stalls {
    limit: Duration,
    /// When it is looked whether there are answers that stand still.
    look: Pin<Box<Sleep>>,
    /// While the socket is full: when it is enough.
    full: Option<Pin<Box<Sleep>>>,
    turned_away: Arc<TurnedAway>,
}

impl Stalls {
    fn new(limit: Duration, turned_away: Arc<TurnedAway>) -> Self {
        Self { limit, look: Box::pin(tokio::time::sleep(limit)), full: None, turned_away }
    }

    /// Fails where an answer stood still for too long. The task that asks is woken when that is to be looked at again.
    fn look(&mut self, peer: &Peer, cx: &mut Context<'_>) -> io::Result<()> {
        while self.look.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let ends = peer.progress.since().unwrap_or(now) + self.limit;
            if ends <= now {
                return Err(self.cut(peer));
            }
            self.look.as_mut().reset(ends);
        }
        Ok(())
    }

    /// What was tried with the socket, or a failure where that was full for too long.
    fn tried<T>(
        &mut self,
        tried: Poll<io::Result<T>>,
        peer: &Peer,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if tried.is_ready() {
            self.full = None;
            return tried;
        }
        let full = self.full.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.limit)));
        match full.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(self.cut(peer))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn cut(&self, peer: &Peer) -> io::Error {
        self.turned_away.note(Why::Stalled, &peer.address);
        io::ErrorKind::TimedOut.into()
    }
}

/// How many bytes HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE: usize = 24;

impl Wire {
    fn new(stream: Transport, names: Names, arrived: Arrived) -> Self {
        let Arrived { address, place, cut, stall, turned_away } = arrived;
        let silence = Some((Box::pin(tokio::time::sleep(HANDSHAKE_TIMEOUT)), PREFACE));
        let peer = Peer { address, names, progress: Arc::default() };
        Self { stream, peer, cut, stalls: Stalls::new(stall, turned_away), silence, _place: place }
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
        let wire = &mut *self;
        wire.stalls.look(&wire.peer, cx)?;
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
        let tried = self.stream(cx)?.poll_write(cx, buf);
        let wire = &mut *self;
        wire.stalls.tried(tried, &wire.peer, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tried = self.stream(cx)?.poll_write_vectored(cx, bufs);
        let wire = &mut *self;
        wire.stalls.tried(tried, &wire.peer, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = self.stream(cx)?.poll_flush(cx);
        let wire = &mut *self;
        wire.stalls.tried(tried, &wire.peer, cx)
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
