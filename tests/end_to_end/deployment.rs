//! A deployment of its own for each test: a folder, a key, a virtual host, and the demo's configuration on them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use samspor_harness::books::{Ledger, tagged};
use samspor_harness::client::{Client, Kind};
use samspor_harness::gateway::{Program, Running};
use samspor_town::search::Search;
use samspor_town::{Expected, Town, source};

use crate::samspor::{Call, Ran};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Queues of the demo's configuration.
pub(crate) const QUEUE: &str = "samspor.demo.";
/// How long any one wait may last, on a machine that builds and tests other things meanwhile.
pub(crate) const LIMIT: Duration = Duration::from_secs(240);

pub(crate) struct Deployment {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) client: Client,
    pub(crate) program: Program,
    pub(crate) url: String,
}

/// Makes the demo's configuration in a folder, with a key beside it and its store to come there.
pub(crate) fn demo_config(dir: &Path) -> Result<PathBuf> {
    std::fs::write(dir.join("master.key"), "5a".repeat(32))?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = std::fs::read_to_string(root.join("config/demo.toml"))?
        .replace("../target/demo/store", "store")
        .replace("../target/demo/master.key", "master.key")
        .replace("dir = \"charts\"", &format!("dir = {:?}", root.join("config/charts")))
        // The tests run side by side, so each gateway takes a free port.
        .replace("127.0.0.1:50461", "127.0.0.1:0");
    let path = dir.join("gateway.toml");
    std::fs::write(&path, config)?;
    Ok(path)
}

impl Deployment {
    /// On a virtual host, with nothing in it yet.
    pub(crate) async fn on(url: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let path = demo_config(dir.path())?;
        let environment =
            vec![("SAMSPOR_AMQP_URL".into(), url.into()), ("SAMSPOR_LOG".into(), "trace".into())];
        let program = Program { binary: env!("CARGO_BIN_EXE_samspor").into(), config: path, environment };
        let client = Client::connect(url).await?;
        client.declare(&format!("{QUEUE}lis"), Kind::Quorum).await?;
        Ok(Self { dir, client, program, url: url.to_owned() })
    }

    /// Runs a command with this configuration to its end, with something on its standard input.
    pub(crate) fn samspor(&self, verb: &[&str], more: &[&str], input: &str) -> Result<Ran> {
        let config = self.program.config.to_string_lossy();
        let configured = ["--config", &config];
        let arguments = verb.iter().chain(&configured).chain(more);
        Call { environment: &self.program.environment, input }.run(arguments)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.path().join("gateway.log")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// Starts the gateway and waits until its queues are there.
    pub(crate) async fn start(&self) -> Result<Running> {
        let mut running = self.program.start(&self.log())?;
        self.wait_for_queues(&mut running).await?;
        Ok(running)
    }

    /// Waits until the gateway has declared its queues and the exchange, to which the LIS queue is bound then.
    pub(crate) async fn wait_for_queues(&self, running: &mut Running) -> Result<()> {
        let deadline = tokio::time::Instant::now() + LIMIT;
        // The client library may end a connection on which a channel was closed for asking in vain.
        let mut client = Client::connect(&self.url).await?;
        for queue in source::ALL.into_iter().chain(["ledger"]).map(|name| format!("{QUEUE}{name}")) {
            while client.count(&queue).await.is_err() {
                running.still_runs()?;
                assert!(tokio::time::Instant::now() < deadline, "the gateway did not declare {queue}");
                tokio::time::sleep(Duration::from_millis(20)).await;
                client = Client::connect(&self.url).await?;
            }
        }
        while client.bind(&format!("{QUEUE}lis"), &format!("{QUEUE}lis"), "#").await.is_err() {
            running.still_runs()?;
            assert!(tokio::time::Instant::now() < deadline, "the gateway did not declare the exchange");
            tokio::time::sleep(Duration::from_millis(20)).await;
            client = Client::connect(&self.url).await?;
        }
        Ok(())
    }

    /// Waits until at least so many items have come in: after a fault some come twice.
    pub(crate) async fn wait_for_at_least(&self, running: &mut Running, items: u64) -> Result<()> {
        let deadline = tokio::time::Instant::now() + LIMIT;
        while self.program.received().await? < items {
            running.still_runs()?;
            assert!(tokio::time::Instant::now() < deadline, "not everything came in");
        }
        Ok(())
    }

    /// What the ledger has, where some records may have come more than once.
    pub(crate) async fn ledger_with_repeats(&self, expected: &Expected) -> Result<Ledger> {
        let (queue, mut received) = (format!("{QUEUE}ledger"), Vec::new());
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let waiting = self.client.count(&queue).await? as usize;
            received.extend(self.client.drain(&queue, waiting, LIMIT).await?);
            let ledger = Ledger::of(&received)?;
            if ledger.0.len() >= tagged(expected) {
                return Ok(ledger);
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "{} of {} came",
                ledger.0.len(),
                tagged(expected)
            );
        }
    }

    /// What the ledger has once every posting that must be tagged has come.
    pub(crate) async fn ledger(&self, expected: &Expected) -> Result<Ledger> {
        Ok(Ledger::of(&self.client.drain(&format!("{QUEUE}ledger"), tagged(expected), LIMIT).await?)?)
    }

    /// The files of the store and the log that hold a number or UUID of the town's people, in any writing.
    pub(crate) fn personal_data(&self, town: &Town) -> Result<Vec<PathBuf>> {
        let search = Search::new(town.personal_data())?;
        let (mut found, searched) = search.files(&self.store())?;
        let (in_log, logged) = search.files(&self.log())?;
        assert!(
            searched > 100_000 && logged > 1_000,
            "there is something to search: {searched} and {logged} bytes"
        );
        found.extend(in_log);
        Ok(found)
    }
}
