//! A TCP proxy in front of a broker, by which a test cuts, holds and resumes its connections.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::traffic::{Meter, Traffic};

/// Forwards connections until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    open: watch::Receiver<usize>,
    traffic: watch::Receiver<Traffic>,
    accepting: JoinHandle<()>,
}

/// What all connections are told.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// Connections of an earlier generation end.
    generation: u64,
    /// Nothing reaches the server.
    up_held: bool,
    /// Nothing reaches the clients.
    down_held: bool,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

impl State {
    fn holds(&self, way: Way) -> bool {
        if way == Way::Up { self.up_held } else { self.down_held }
    }
}

impl Proxy {
    /// Listens on a free port of the loopback interface in front of `server`.
    pub async fn start(server: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listening for the proxy")?;
        let address = listener.local_addr()?;
        let state = watch::Sender::new(State::default());
        let (count, open) = watch::channel(0);
        let (metered, traffic) = watch::channel(Traffic::default());
        #[expect(clippy::disallowed_methods, reason = "the proxy ends with the test that owns it")]
        let accepting = tokio::spawn(accept(listener, server, state.clone(), count, Arc::new(metered)));
        Ok(Self { address, state, open, traffic, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of the server with the proxy's address in place of the server's.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let (before, rest) = url.rsplit_once('@').map_or(("", url), |(before, rest)| (before, rest));
        let path = rest.find('/').map_or("", |at| &rest[at..]);
        format!("{before}@{}{path}", self.address)
    }

    /// Closes all connections there are; new ones are welcome.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.generation += 1);
    }

    /// Holds all bytes, those of connections yet to come as well: the server seems to hang.
    pub fn pause(&self) {
        self.state.send_modify(|state| (state.up_held, state.down_held) = (true, true));
    }

    /// Holds what the server says, while it still hears its clients.
    pub fn pause_answers(&self) {
        self.state.send_modify(|state| state.down_held = true);
    }

    /// Holds what the clients say, while they still hear the server.
    pub fn pause_requests(&self) {
        self.state.send_modify(|state| state.up_held = true);
    }

    /// Lets everything flow again, what was held first.
    pub fn resume(&self) {
        self.state.send_modify(|state| (state.up_held, state.down_held) = (false, false));
    }

    /// How many clients are connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.open.borrow()
    }

    /// What has passed.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        *self.traffic.borrow()
    }

    /// Every change of what has passed.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Traffic> {
        self.traffic.clone()
    }

    /// Waits until what has passed is as it should be.
    pub async fn wait_for_traffic(
        &self,
        what: &str,
        limit: Duration,
        mut is_so: impl FnMut(&Traffic) -> bool,
    ) -> anyhow::Result<Traffic> {
        let mut traffic = self.traffic.clone();
        // What `wait_for` returns holds a lock, which must not be taken twice, so the value is copied at once.
        let waited = async { traffic.wait_for(|now| is_so(now)).await.map(|met| *met) };
        let waited = tokio::time::timeout(limit, waited).await;
        let now = self.traffic();
        Ok(waited.with_context(|| format!("waited {limit:?} until {what}, and there is {now:?}"))??)
    }

    /// Waits until so many clients are connected.
    pub async fn wait_for_connections(&self, count: usize, limit: Duration) -> anyhow::Result<()> {
        let mut open = self.open.clone();
        let waited = async { open.wait_for(|now| *now == count).await.map(|met| *met) };
        let waited = tokio::time::timeout(limit, waited).await;
        let now = self.connections();
        waited
            .with_context(|| format!("waited {limit:?} for {count} connections, and there are {now}"))??;
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    state: watch::Sender<State>,
    count: watch::Sender<usize>,
    metered: Arc<watch::Sender<Traffic>>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let (state, count, meter) = (state.subscribe(), count.clone(), Meter::new(Arc::clone(&metered)));
        #[expect(clippy::disallowed_methods, reason = "a connection ends with the proxy's state")]
        tokio::spawn(async move {
            count.send_modify(|open| *open += 1);
            // However it ends, both sides see it end.
            let _ = forward(client, server, state, meter).await;
            count.send_modify(|open| *open -= 1);
        });
    }
}

async fn forward(
    client: TcpStream,
    server: SocketAddr,
    state: watch::Receiver<State>,
    meter: Meter,
) -> std::io::Result<()> {
    let meter = Mutex::new(meter);
    let generation = state.borrow().generation;
    let mut cut = state.clone();
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((client_read, client_write), (server_read, server_write)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        _ = cut.wait_for(|state| state.generation != generation) => Ok(()),
        ended = copy(client_read, server_write, Way::Up, state.clone(), &meter) => ended,
        ended = copy(server_read, client_write, Way::Down, state, &meter) => ended,
    }
}

/// Waits until bytes may go this way; `false` when the proxy is gone.
async fn flows(state: &mut watch::Receiver<State>, way: Way) -> bool {
    state.wait_for(|state| !state.holds(way)).await.is_ok()
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Way,
    mut state: watch::Receiver<State>,
    meter: &Mutex<Meter>,
) -> std::io::Result<()> {
    /// How much is taken in while it is held, so that the end of the connection still shows.
    const HELD: usize = 1 << 20;
    let mut held = BytesMut::new();
    // Counted before they are written, so that nobody sees an effect of what is not counted yet.
    let passes = |bytes: &[u8]| {
        let mut meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
        if way == Way::Up { meter.up(bytes) } else { meter.down(bytes) }
    };
    loop {
        tokio::select! {
            count = from.read_buf(&mut held), if held.len() < HELD => {
                if count? == 0 {
                    if !state.borrow().holds(way) {
                        passes(&held);
                        to.write_all_buf(&mut held).await?;
                    }
                    return Ok(());
                }
            }
            open = flows(&mut state, way), if !held.is_empty() => {
                if !open {
                    return Ok(());
                }
                passes(&held);
                to.write_all_buf(&mut held).await?;
            }
        }
    }
}
