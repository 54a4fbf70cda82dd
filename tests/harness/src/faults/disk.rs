//! A disk that fills up while the gateway commits: a real one, small, in memory.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use samspor_town::{Settings, Town, source};
use serde::Serialize;
use tokio::time::Instant;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::site::LOOK;
use super::{LEDGER, LIMIT, LIS, Options, QUEUE, Receiver, Sender, Site, Tell, Verdict};
use crate::gateway::Running;
use crate::rabbitmq::Node;

/// A small file system. It goes when this is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    mount: tempfile::TempDir,
}

impl SmallDisk {
    /// Makes one of so many MiB. `None` where this process may not mount file systems.
    pub fn mount(mebibytes: u32) -> Result<Option<Self>> {
        let mount = tempfile::tempdir()?;
        let size = format!("size={mebibytes}m");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &size, "samspor-test"]).arg(mount.path());
        let done = command.stdin(Stdio::null()).stderr(Stdio::null()).status();
        Ok(done.is_ok_and(|status| status.success()).then_some(Self { mount }))
    }

    fn filler(&self) -> PathBuf {
        self.mount.path().join("filler")
    }

    /// Takes all the room that is left.
    pub fn fill(&self) -> Result<u64> {
        let mut filler = File::options().create(true).append(true).open(self.filler())?;
        let mut taken = 0;
        for size in [1 << 16, 1 << 12, 1] {
            while filler.write_all(&vec![0xa5; size]).is_ok() {
                taken += size as u64;
            }
        }
        Ok(taken)
    }

    /// Gives the room back.
    pub fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, since a program that is being killed may still hold files.
        let _ = Command::new("umount").arg("-l").arg(self.mount.path()).status();
    }
}

/// What came of full disks.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FullDisks {
    /// Of the town.
    pub seed: u64,
    /// How often the disk was full.
    pub times: usize,
    /// How many messages the broker kept each time: least, most.
    pub kept: (usize, usize),
    /// The verdict and the books.
    pub verdict: Verdict,
}

/// Fills the disk so many times while a town is taken in, and asks for the zeros. Every time but the last the same gateway
/// goes on when there is room; the last time it is killed while the disk is full. `None` where no file system can be
/// mounted.
pub async fn full_disks(
    binary: &Path,
    node: &Node,
    times: usize,
    seed: u64,
    tell: Tell<'_>,
) -> Result<Option<FullDisks>> {
    let Some(disk) = SmallDisk::mount(64)? else { return Ok(None) };
    let town = Town::new(Settings { families: 6, background_citizens: 6, ..Settings::demo(seed) });
    let options = Options { store: Some(disk.mount.path().join("store")), ..Options::default() };
    let site = Site::new(binary, node, &options).await?;
    let mut sender = Sender::new(site.feeder.url(&site.url), QUEUE, town.messages());
    let (mut ledger, mut lis) = (Receiver::new(&site.url, LEDGER), Receiver::new(&site.url, LIS));
    let mut running = site.start().await?;
    sender.send_surely(&[source::REGISTRY, source::DUBU], 1, 1).await?;
    site.wait_until_idle(&mut running).await?;
    let mut report = FullDisks { seed, kept: (usize::MAX, 0), ..FullDisks::default() };
    for time in 1..=times {
        disk.fill()?;
        sender.send_surely(&source::ALL, time, times).await?;
        let kept = notices(&site, node, &mut running, &sender).await.with_context(|| format!("time {time}"))?;
        report.kept = (report.kept.0.min(kept), report.kept.1.max(kept));
        report.times += 1;
        tell(&format!("full for the time {time} of {times}: the broker keeps {kept} messages"));
        if time == times {
            running.kill().await?;
            disk.free()?;
            running = site.launch()?;
        } else {
            disk.free()?;
        }
        site.wait_until_idle(&mut running).await.with_context(|| format!("after time {time}"))?;
        ensure!(serves(&site, "store").await?, "there is room, and the store does not serve");
    }
    site.wait_until_done(node, &mut running).await?;
    (ledger.collect().await?, lis.collect().await?);
    let balance = site.program.balance().await?;
    ensure!(running.stop().await?.success(), "the gateway does not end well");
    report.verdict = Verdict::of(&site, &sender, &ledger, &lis).await?;
    report.verdict.audit(town.messages(), &ledger, &balance);
    Ok(Some(report))
}

/// Waits until the gateway says, in its log and its health, that the store takes nothing: how many messages the broker
/// keeps. No message that was acknowledged is missing in the store.
async fn notices(site: &Site, node: &Node, running: &mut Running, sender: &Sender) -> Result<usize> {
    let deadline = Instant::now() + LIMIT;
    while serves(site, "store").await? {
        running.still_runs()?;
        ensure!(Instant::now() < deadline, "waited {LIMIT:?}, and the store still serves");
        tokio::time::sleep(LOOK).await;
    }
    let log = site.logged()?;
    let words = "the disk is full";
    let last = log.lines().rfind(|line| line.contains("down; trying again") && line.contains("store"));
    ensure!(last.is_some_and(|line| line.contains(words)), "it does not say '{words}': {last:?}");
    // The books can be read, and are in balance.
    let stored = site.program.received().await?;
    let client = crate::client::Client::connect(&site.url).await?;
    let mut kept = node.unacknowledged(&site.url).await?;
    for source in source::ALL {
        kept += client.count(&format!("{QUEUE}{source}")).await? as usize;
    }
    let sent: u64 = sender.attempted().map(|(message, _)| message.outcomes.len() as u64).sum();
    ensure!(kept > 0 && stored < sent, "{stored} of {sent} items were stored, and {kept} messages are kept");
    running.still_runs()?;
    Ok(kept)
}

/// Whether the gateway's health says that a part serves.
pub(super) async fn serves(site: &Site, part: &str) -> Result<bool> {
    let log = site.logged()?;
    let told = log.lines().rfind(|line| line.contains("the gRPC front listens")).context("it has a front")?;
    let at = told.find("127.0.0.1:").context("it tells its address")?;
    let address: String = told[at..].chars().take_while(|c| !matches!(c, '"' | ' ')).collect();
    let front = tonic::transport::Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let answer = HealthClient::new(front).check(HealthCheckRequest { service: part.to_owned() }).await?.into_inner();
    Ok(answer.status() == ServingStatus::Serving)
}
