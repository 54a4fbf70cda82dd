//! What one caller or address may have: connections, streams, calls; and who takes nothing is cut.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::stream;
use samspor_engine::Permissions;
use samspor_grpc::client::{
    Channel, Code, HealthCheckRequest, HealthClient, IntakeServiceClient, Status, StatusExt, connect,
};
use samspor_grpc::{Rate, Settings, v1};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::gateway::{Front, settings, with_front};
use crate::peer::Peer;

fn rate(per_second: u32, burst: u32) -> Rate {
    let number = |number| NonZeroU32::new(number).expect("more than none");
    Rate { per_second: number(per_second), burst: number(burst) }
}

fn reason(status: &Status) -> Option<String> {
    status.get_error_details().error_info().map(|info| info.reason.clone())
}

/// Takes one connection and passes it on to the front from another address of this machine.
async fn from_elsewhere(front: SocketAddr, test: impl AsyncFnOnce(SocketAddr)) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let passing = async {
        let (mut from, _) = listener.accept().await.expect("somebody comes");
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).expect("another address");
        let mut to = socket.connect(front).await.expect("connects");
        let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = test(address) => {}
        () = passing => {}
    }
}

async fn is_alive(channel: Channel) -> Result<(), Status> {
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_takes_its_share_of_the_connections_and_leaves_the_others() {
    let few = Settings { max_connections: 256, ..settings() };
    with_front(few, async |front: &Front| {
        let mut silent = Vec::new();
        for _ in 0..256 {
            silent.push(TcpStream::connect(front.address).await.expect("the kernel takes it"));
        }
        // Those above the share are closed, while the others are there.
        for one in silent.iter_mut().skip(Settings::new(front.address).max_connections_of_address) {
            assert_eq!(one.read(&mut [0; 1]).await.unwrap_or(0), 0);
        }
        from_elsewhere(front.address, async |address| {
            let channel = connect(&format!("http://{address}")).await.expect("there is a place");
            is_alive(channel).await.expect("it is answered");
        })
        .await;
        // A place is free again when one of them goes.
        silent.truncate(1);
        while is_alive_now(&front.url).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn is_alive_now(url: &str) -> Result<(), Status> {
    let channel = connect(url).await.map_err(|error| Status::unavailable(error.to_string()))?;
    is_alive(channel).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_come_too_fast_are_refused_and_told_when_to_come_again() {
    let slow = Settings { calls: rate(1, 5), ..settings() };
    with_front(slow, async |front: &Front| {
        let mut client = HealthClient::new(connect(&front.url).await.expect("it answers"));
        let status = loop {
            if let Err(status) = client.check(HealthCheckRequest::default()).await {
                break status;
            }
        };
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(reason(&status).as_deref(), Some("RATE_LIMITED"));
        let wait = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
        let wait = wait.expect("it is told when");
        assert!(!wait.is_zero() && wait <= Duration::from_secs(1), "{wait:?}");
        from_elsewhere(front.address, async |address| {
            is_alive(connect(&format!("http://{address}")).await.expect("connects"))
                .await
                .expect("not its calls");
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_sends_too_fast_is_slowed_and_loses_nothing() {
    let slow = Settings { messages: rate(50, 1), ..settings() };
    with_front(slow, async |front: &Front| {
        let dubu = samspor_domain::SourceName::new("dubu").expect("a name");
        front.handle().intakes().set_callers([samspor_grpc::intake(dubu, Permissions::default())]);
        let mut client = IntakeServiceClient::new(connect(&front.url).await.expect("it answers"));
        let message = || v1::SubmitMessagesRequest { source: "dubu".into(), message: None };
        let answer = client.submit_messages(stream::iter((0..20).map(move |_| message()))).await;
        assert_eq!(answer.expect("none is refused").into_inner().received, 20);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_has_so_many_watches_and_another_when_one_ends() {
    let few = Settings { max_streams_of_caller: 2, ..settings() };
    with_front(few, async |front: &Front| {
        let mut client = HealthClient::new(connect(&front.url).await.expect("it answers"));
        let first = client.watch(HealthCheckRequest::default()).await.expect("the first");
        let _second = client.watch(HealthCheckRequest::default()).await.expect("the second");
        let status = client.watch(HealthCheckRequest::default()).await.expect_err("the third");
        assert_eq!(reason(&status).as_deref(), Some("TOO_MANY_STREAMS"));
        drop(first);
        while client.watch(HealthCheckRequest::default()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Cut soon, and by nothing but that it takes nothing.
fn impatient() -> Settings {
    Settings {
        stall_timeout: Duration::from_millis(200),
        feed_keep_alive: Duration::from_millis(1),
        ..settings()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_whose_window_stays_shut_is_cut() {
    with_front(impatient(), async |front: &Front| {
        let mut peer = Peer::connect(front.address).await;
        // It reads the socket and gives no room in its window, so it is HTTP/2 alone that stands still.
        peer.greet_shut().await;
        peer.call("/grpc.health.v1.Health/Watch", &[0; 5]).await;
        peer.until_end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_reads_nothing_from_its_socket_is_cut() {
    with_front(impatient(), async |front: &Front| {
        let mut peer = Peer::connect_narrow(front.address).await;
        peer.greet().await;
        // Every ping is answered, so the answers fill the socket.
        peer.ping_until_cut().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_what_there_is_stays() {
    with_front(impatient(), async |front: &Front| {
        let client = HealthClient::new(connect(&front.url).await.expect("it answers"));
        let mut watch =
            client.clone().watch(HealthCheckRequest::default()).await.expect("begins").into_inner();
        watch.message().await.expect("a first answer");
        // Nothing is there to be told for longer than a peer may stand still.
        let quiet = tokio::time::timeout(impatient().stall_timeout * 5, watch.message()).await;
        assert!(quiet.is_err(), "{quiet:?}");
    })
    .await;
}
