//! The Python client of the documentation reads the feed of a real gateway, is killed again and again, and has each effect
//! once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use samspor_grpc::client::{Channel, RegistryServiceClient, connect};
use samspor_grpc::v1;
use samspor_harness::gateway::Running;
use samspor_harness::rabbitmq;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::deployment::{Deployment, LIMIT, Result};
use crate::operations::{reach, send};

/// Postings, of which each is tagged twice.
const POSTINGS: usize = 150;
const SEED: u64 = 20_260_323;
/// Debian's own, for which its packages are.
const PYTHON: &str = "/usr/bin/python3";
const NEEDED: &str = "python3-grpcio, python3-protobuf and protobuf-compiler are needed; on Debian: `sudo apt-get install \
                      python3-grpcio python3-protobuf protobuf-compiler`";

/// The client, with the messages of the contract made for it.
struct Client {
    dir: tempfile::TempDir,
    address: String,
}

impl Client {
    async fn new(address: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
        let mut protoc = Command::new("protoc");
        protoc.arg("--proto_path").arg(&proto).arg("--python_out").arg(dir.path());
        protoc
            .args(["messages", "records", "feed"].map(|name| proto.join(format!("samspor/v1/{name}.proto"))));
        let made = protoc.status().await.map_err(|error| format!("{error}: {NEEDED}"))?;
        assert!(made.success(), "the contract is one that Debian's protoc reads");
        let loads = Command::new(PYTHON).args(["-c", "import grpc, google.protobuf"]).status().await?;
        assert!(loads.success(), "{NEEDED}");
        Ok(Self { dir, address: address.to_owned() })
    }

    fn database(&self) -> PathBuf {
        self.dir.path().join("feed.sqlite")
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(PYTHON);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients/python/feed.py"));
        command.arg(&self.address).arg(self.database()).args(more).env("PYTHONPATH", self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs it until it has told of so many messages, and kills it then, whatever it is doing. Answers how many records
    /// those held.
    async fn run_and_kill(&self, messages: usize) -> Result<usize> {
        let mut child = self.command(&["--credit", "7"]).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("it tells")?).lines();
        let mut records = 0;
        for _ in 0..messages {
            let line = tokio::time::timeout(LIMIT, lines.next_line()).await??.ok_or("it goes on")?;
            records += line.split(' ').nth(1).ok_or("a number")?.parse::<usize>()?;
        }
        child.kill().await?;
        Ok(records)
    }

    /// Runs it until it has everything, and that is what the gateway's books say.
    async fn run_once(&self) -> Result<()> {
        let ran = tokio::time::timeout(LIMIT, self.command(&["--once"]).output()).await??;
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        Ok(())
    }

    /// What it has: the revision of each posting, and whether that is a tag.
    fn has(&self) -> Result<BTreeMap<String, (i64, bool)>> {
        let database = rusqlite::Connection::open(self.database())?;
        let mut all = database.prepare("SELECT id, revision, is_tagged FROM posting")?;
        let rows = all.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

async fn put(channel: &Channel, version: i64, ends: Option<&str>) -> Result<()> {
    let solution = v1::Solution {
        id: "sb".into(),
        version,
        name: "SB".into(),
        to_date: ends.map(str::to_owned),
        claims: vec![v1::Claim { account: "5.28.21".into(), ..Default::default() }],
        default_side: if version == 2 { v1::Side::Inside.into() } else { v1::Side::Outside.into() },
        ..Default::default()
    };
    let mut registry = RegistryServiceClient::new(channel.clone());
    registry.put_solution(v1::PutSolutionRequest { solution: Some(solution) }).await?;
    Ok(())
}

fn all(revision: i64, is_tagged: bool) -> BTreeMap<String, (i64, bool)> {
    (0..POSTINGS).map(|no| (format!("opus:P-{no}"), (revision, is_tagged))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_in_python_that_is_killed_again_and_again_has_each_effect_once() -> Result<()> {
    println!("seed {SEED}");
    let mut chance = ChaCha8Rng::seed_from_u64(SEED);
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let mut running: Running = deployment.start().await?;
    let mut channel = reach(&deployment, &mut running).await?;
    let address = crate::conflicts::front(&deployment, &mut running).await?;
    let client = Client::new(&address).await?;
    send(&deployment, POSTINGS).await?;
    let items = u64::try_from(POSTINGS)? + 1;
    deployment.program.wait_for_received(&mut running, items, LIMIT, |_| ()).await?;
    // At the first tag of each posting, at the second, and when it is taken off.
    for (version, ends, is_tagged) in [(1, None, true), (2, None, true), (3, Some("2026-01-01"), false)] {
        if version > 1 {
            put(&channel, version, ends).await?;
        }
        let mut kills = 0;
        while client.has().unwrap_or_default() != all(version, is_tagged) {
            client.run_and_kill(chance.random_range(1..9)).await?;
            kills += 1;
            if kills == 2 {
                assert!(running.stop().await?.success());
                running = deployment.start().await?;
                channel = reach_again(&address, &mut running).await?;
            }
            assert!(kills < 5_000, "it comes to an end");
        }
        assert!(kills > 2, "it is killed in the middle");
        client.run_once().await?;
        assert_eq!(client.has()?, all(version, is_tagged));
    }
    // Killed as it was, nothing came to it that it had stored: what it reads once more is nothing.
    let database = rusqlite::Connection::open(client.database())?;
    database.execute("UPDATE place SET cursor = cursor || 'A'", [])?;
    drop(database);
    let ran = client.command(&["--once"]).output().await?;
    let told = String::from_utf8(ran.stderr)?;
    assert!(!ran.status.success() && told.contains("the cursor is none that this gateway gave"), "{told}");
    let ran = client.command(&["--once", "--anew"]).output().await?;
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(client.has()?, all(3, false));
    assert!(running.stop().await?.success());
    Ok(())
}

/// Waits until it listens again.
async fn reach_again(address: &str, running: &mut Running) -> Result<Channel> {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        if let Ok(channel) = connect(&format!("http://{address}")).await {
            return Ok(channel);
        }
        running.still_runs()?;
        assert!(tokio::time::Instant::now() < deadline, "the front does not listen");
    }
}
