//! The harness keeps its promises: nodes come back as themselves, and leave nothing behind.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use samspor_harness::client::{Client, Kind, Message};
use samspor_harness::proxy::Proxy;
use samspor_harness::rabbitmq::{self, Node, Options};

const LIMIT: Duration = Duration::from_secs(60);

/// The processes whose environment names a directory.
fn processes_in(home: &Path) -> Vec<PathBuf> {
    let of_node = |process: &PathBuf| {
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&*home.to_string_lossy())
    };
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    all.map(|entry| entry.path()).filter(of_node).collect()
}

#[tokio::test]
async fn a_node_comes_back_with_its_messages_and_leaves_nothing() -> anyhow::Result<()> {
    let options = Options {
        plugins: vec!["rabbitmq_shovel".into(), "rabbitmq_consistent_hash_exchange".into()],
        ..Options::default()
    };
    // Two at a time: neither may meet the other's ports, names or port mapper.
    let (first, second) = tokio::join!(Node::temporary(options), Node::temporary(Options::default()));
    let (mut node, other) = (first?, second?);
    let plugins = node.ctl(&["eval", "[P || {P, _, _} <- application:which_applications()]."]).await?;
    assert!(plugins.contains("rabbitmq_shovel") && plugins.contains("consistent_hash"), "{plugins}");

    let (url, vhost) = (node.url(), node.vhost().await?);
    assert_ne!(vhost, node.vhost().await?);
    for url in [&url, &vhost] {
        let client = Client::connect(url).await?;
        client.declare("kept", Kind::Quorum).await?;
        client.publish("kept", ["a", "b", "c"].map(Message::from)).await?;
    }
    node.kill().await?;
    assert!(Client::connect(&url).await.is_err());
    node.restart().await?;
    assert_eq!(url, node.url());
    for url in [&url, &vhost] {
        let client = Client::connect(url).await?;
        let kept = client.drain("kept", 3, LIMIT).await?;
        assert_eq!(kept.iter().map(|m| m.text()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(kept.iter().all(|m| m.persistent));
        client.wait_for_count("kept", 0, LIMIT).await?;
    }

    let homes = [node.home().to_owned(), other.home().to_owned()];
    for home in &homes {
        assert!(!processes_in(home).is_empty() && home.exists());
    }
    drop((node, other));
    for home in &homes {
        wait_until_gone(home).await;
    }
    Ok(())
}

/// Waits until no process of a node is left. Its helpers end by themselves when it is gone.
async fn wait_until_gone(home: &Path) {
    let deadline = Instant::now() + LIMIT;
    while let [process, ..] = &processes_in(home)[..] {
        assert!(Instant::now() < deadline, "still there: {}", process.display());
        tokio::task::yield_now().await;
    }
    while home.exists() {
        assert!(Instant::now() < deadline, "still there: {}", home.display());
        tokio::task::yield_now().await;
    }
}

/// Tells this test, run once more by itself, that it is the process that ends badly.
const DOOMED: &str = "SAMSPOR_HARNESS_DOOMED";

#[tokio::test]
async fn a_node_does_not_outlive_a_process_that_ends_badly() -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "this is no setting")]
    if std::env::var_os(DOOMED).is_some() {
        let node = rabbitmq::shared().await?;
        println!("home:{}", node.home().display());
        std::process::abort();
    }
    let mut doomed = Command::new(std::env::current_exe()?);
    doomed.args(["--exact", "a_node_does_not_outlive_a_process_that_ends_badly", "--nocapture"]);
    let doomed = doomed.env(DOOMED, "").output()?;
    assert!(!doomed.status.success());
    let said = String::from_utf8_lossy(&doomed.stdout);
    let home = said.lines().find_map(|line| line.strip_prefix("home:")).context("it said no home")?;
    wait_until_gone(Path::new(home)).await;
    Ok(())
}

#[tokio::test]
async fn a_proxy_holds_cuts_and_counts() -> anyhow::Result<()> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    let server = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = Proxy::start(server.local_addr()?).await?;
    assert_eq!(proxy.url("amqp://a:b@127.0.0.1:1/v"), format!("amqp://a:b@{}/v", proxy.address()));

    let mut client = TcpStream::connect(proxy.address()).await?;
    let (mut peer, _) = server.accept().await?;
    proxy.wait_for_connections(1, LIMIT).await?;
    let mut word = [0; 4];
    proxy.pause_answers();
    peer.write_all(b"down").await?;
    client.write_all(b"up  ").await?;
    peer.read_exact(&mut word).await?;
    assert_eq!(&word, b"up  ");
    proxy.resume();
    client.read_exact(&mut word).await?;
    assert_eq!(&word, b"down");

    proxy.pause();
    client.write_all(b"lost").await?;
    peer.write_all(b"lost").await?;
    proxy.cut();
    let mut rest = Vec::new();
    for side in [&mut client, &mut peer] {
        // A reset is an end too.
        let _ = side.read_to_end(&mut rest).await;
    }
    assert!(rest.is_empty(), "what was held got through");
    proxy.wait_for_connections(0, LIMIT).await?;
    Ok(())
}
