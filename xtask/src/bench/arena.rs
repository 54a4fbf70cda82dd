//! Where contenders meet: the broker, the gateway's store as it is before each round, and the queues.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use samspor_harness::client::{Client, Kind};
use samspor_harness::gateway::Program;
use samspor_harness::rabbitmq::{Node, Options as NodeOptions};
use serde::{Deserialize, Serialize};

use super::IN;
use super::contender::{Contender, Stage};
use super::latency::{self, Latency};
use super::load::{LATE, Load, late_enrolment};
use super::usage::Usage;
use crate::{broker, build};

/// How long one round may last.
const LIMIT: Duration = Duration::from_secs(600);

/// What one contender did with one queue of messages.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Moved {
    pub(super) per_second: f64,
    /// Seconds of its processor time, and of the broker's, for 100,000 messages.
    pub(super) cpu_s: f64,
    pub(super) broker_cpu_s: f64,
    /// The most memory that it had.
    pub(super) peak_mib: f64,
    /// Bytes that it had written to disk, for a message.
    pub(super) written: f64,
}

/// A store that was filled before.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Filled {
    /// How long `samspor replay` took for all of it, as a whole process, in seconds.
    pub(super) replay_s: f64,
    /// The most memory that it had.
    pub(super) peak_mib: f64,
    /// Bytes on disk.
    pub(super) bytes: u64,
}

/// The broker and the stores.
pub(super) struct Arena {
    pub(super) stage: Stage,
    client: Client,
    load: Load,
    /// A folder to make each round's store from.
    before: PathBuf,
}

impl Arena {
    pub(super) async fn open(dir: &Path, programs: PathBuf) -> Result<Self> {
        std::fs::write(dir.join("master.key"), "5a".repeat(32))?;
        let home = dir.join("broker");
        if home.exists() {
            std::fs::remove_dir_all(&home)?;
        }
        let plugins = vec!["rabbitmq_shovel".to_owned()];
        let node = Node::start(&home, NodeOptions { plugins, ..NodeOptions::default() }).await?;
        let client = Client::connect(&node.url()).await?;
        client.declare(&format!("{IN}.facts"), Kind::Classic).await?;
        let environment = vec![(broker::URL.to_owned(), node.url())];
        let gateway =
            Program { binary: programs.join("samspor"), config: dir.join("gateway.toml"), environment };
        let stage = Stage { dir: dir.to_owned(), programs, node, gateway };
        Ok(Self { stage, client, load: Load::default(), before: dir.join("before") })
    }

    /// Fills the store that rounds begin with.
    pub(super) async fn fill(&mut self, load: Load) -> Result<Filled> {
        self.load = load;
        let Stage { dir, gateway, .. } = &self.stage;
        let charts = build::root().join("config/charts");
        // What was before came a posting a message, whatever comes now.
        std::fs::write(&gateway.config, Load { lines: 1, ..load }.config(&charts))?;
        let numbers: Vec<String> = load.numbers().collect();
        std::fs::write(dir.join("enrolled.json"), serde_json::to_string(&numbers)?)?;
        if self.before.exists() {
            std::fs::remove_dir_all(&self.before)?;
        }
        let recording = dir.join("before.ndjson");
        let mut file = BufWriter::new(std::fs::File::create(&recording)?);
        for line in load.recording() {
            writeln!(file, "{line}")?;
        }
        file.flush()?;
        let begun = Instant::now();
        let mut replay = tokio::process::Command::new(&gateway.binary);
        replay
            .args(["replay", "--config"])
            .arg(&gateway.config)
            .arg("--data-dir")
            .arg(&self.before)
            .arg(&recording);
        let log = dir.join("replay.log");
        let mut replaying = replay.stdout(Stdio::null()).stderr(std::fs::File::create(&log)?).spawn()?;
        let mut peak = 0;
        let status = loop {
            if let Some(status) = replaying.try_wait()? {
                break status;
            }
            let usage = replaying.id().and_then(|id| Usage::of(id).ok());
            peak = usage.map_or(peak, |usage| peak.max(usage.peak_kib));
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let replay_s = begun.elapsed().as_secs_f64();
        ensure!(status.success(), "the replay ended with {status}: {}", std::fs::read_to_string(&log)?);
        std::fs::remove_file(&recording)?;
        std::fs::write(&gateway.config, load.config(&charts))?;
        let mut bytes = 0;
        for file in std::fs::read_dir(&self.before)? {
            bytes += file?.metadata()?.len();
        }
        Ok(Filled { replay_s, peak_mib: mebi(peak), bytes })
    }

    /// Empty queues, and the store as it was before.
    async fn clear(&self, contender: Contender) -> Result<()> {
        for queue in self.load.incoming().iter().chain(&self.load.outgoing()) {
            self.client.delete(queue).await?;
            self.client.declare(queue, Kind::Quorum).await?;
        }
        if contender.is_gateway() {
            let store = self.stage.dir.join("store");
            if store.exists() {
                std::fs::remove_dir_all(&store)?;
            }
            std::fs::create_dir(&store)?;
            for file in std::fs::read_dir(&self.before)? {
                let file = file?;
                std::fs::copy(file.path(), store.join(file.file_name()))?;
                // What was copied is on disk before anything is measured.
                std::fs::File::open(store.join(file.file_name()))?.sync_all()?;
            }
        }
        Ok(())
    }

    /// A contender empties full queues: from the first tenth that arrives to the last message, so that starting does not
    /// count.
    #[expect(clippy::float_arithmetic, reason = "rates are measurements, not money")]
    pub(super) async fn round(&self, contender: Contender, tag: &str, postings: usize) -> Result<Moved> {
        self.clear(contender).await?;
        let (load, share) = (&self.load, contender.share());
        let incoming = load.incoming();
        for (no, queue) in incoming.iter().enumerate() {
            self.client.publish(queue, load.messages(tag, share, postings, no)).await?;
        }
        // Those who tell apart pass on only what is tagged; the others all of it.
        let expected = share.of(postings);
        let broker: u32 = self.stage.node.eval("list_to_integer(os:getpid()).").await?.trim().parse()?;
        let running = self.stage.start(contender).await?;
        let look = || -> Result<(Instant, Usage, Usage)> {
            let own = running.process().map_or(Ok(Usage::default()), Usage::of)?;
            Ok((Instant::now(), own, Usage::of(broker)?))
        };
        let (first, (begun, own, brokers)) = self.until(expected / 10, look).await?;
        let (last, (ended, own_then, brokers_then)) = self.until(expected, look).await?;
        running.stop(&self.stage.node).await?;
        let moved = postings as f64 * (last - first) as f64 / expected as f64;
        let (own, brokers) = (own_then.since(own), brokers_then.since(brokers));
        Ok(Moved {
            per_second: moved / (ended - begun).as_secs_f64(),
            cpu_s: own.cpu_s * 100_000.0 / moved,
            broker_cpu_s: brokers.cpu_s * 100_000.0 / moved,
            peak_mib: mebi(own.peak_kib),
            written: own.written as f64 / moved,
        })
    }

    /// Waits until so many messages have arrived in every queue, and looks at that moment.
    async fn until<T>(&self, count: usize, look: impl Fn() -> Result<T>) -> Result<(usize, T)> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let mut arrived = usize::MAX;
            for queue in self.load.outgoing() {
                arrived = arrived.min(self.client.count(&queue).await? as usize);
            }
            if arrived >= count {
                return Ok((arrived, look()?));
            }
            ensure!(Instant::now() < deadline, "{arrived} of {count} arrived in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts the gateway, waits until all its parts are up, and enrols a citizen of whom the journal has 2,000 postings.
    /// How long the start took, and how long it took until all their records were at the targets, in seconds.
    pub(super) async fn late_enrolment(&self) -> Result<(f64, f64)> {
        self.clear(Contender::Tagged).await?;
        let log = self.stage.dir.join("start.log");
        std::fs::write(&log, "")?;
        let begun = Instant::now();
        let running = self.stage.gateway.start(&log)?;
        let mut parts: Vec<String> = self.load.parts();
        while !parts.is_empty() {
            ensure!(begun.elapsed() < LIMIT, "{} did not come up", parts.join(", "));
            tokio::time::sleep(Duration::from_millis(5)).await;
            let told = std::fs::read_to_string(&log)?;
            let is_up = |part: &String| {
                let part = format!("\"part\":\"{part}\"");
                told.lines().any(|line| line.contains("\"message\":\"up\"") && line.contains(&part))
            };
            parts.retain(|part| !is_up(part));
        }
        let ready_s = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        self.client.publish(&format!("{IN}.facts"), [late_enrolment()]).await?;
        let (_, ended) = self.until(LATE.min(self.load.before), || Ok(Instant::now())).await?;
        ensure!(running.stop().await?.success(), "the gateway did not end well");
        Ok((ready_s, (ended - begun).as_secs_f64()))
    }

    pub(super) async fn latency(
        &self,
        contender: Contender,
        tag: &str,
        rate: usize,
        seconds: usize,
    ) -> Result<Latency> {
        self.clear(contender).await?;
        let running = self.stage.start(contender).await?;
        let latency = latency::measure(&self.stage.node.url(), &self.load, tag, rate, seconds).await?;
        running.stop(&self.stage.node).await?;
        Ok(latency)
    }
}

#[expect(clippy::float_arithmetic, reason = "a measurement, not money")]
fn mebi(kibi: u64) -> f64 {
    kibi as f64 / 1024.0
}
