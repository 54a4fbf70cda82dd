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
use super::{LIMIT, Options, QUEUE, Receivers, Sender, Site, Tell, Verdict};
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

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.mount.path()
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

/// What the gateway is about when the disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// Messages come.
    TakingIn,
    /// A fact's postings are still to be decided again, and nothing comes.
    DecidingAgain,
    /// Confirms come, and nothing else.
    Advancing,
    /// Messages come, and it is killed before there is room.
    Killed,
}

/// All of them.
pub const ABOUT: [About; 4] = [About::TakingIn, About::DecidingAgain, About::Advancing, About::Killed];

/// The finance systems.
const POSTINGS: [&str; 3] = [source::OPUS, source::PRISME, source::OES];

/// What came of full disks.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FullDisks {
    /// Of the town.
    pub seed: u64,
    /// What the gateway was about each time, and how many messages the broker kept or records were left to do.
    pub times: Vec<(About, usize)>,
    /// The verdict and the books.
    pub verdict: Verdict,
}

/// Fills the disk in each of so many rounds at everything that the gateway can be about, and asks for the zeros. The same
/// gateway goes on when there is room. `None` where no file system can be mounted.
pub async fn full_disks(
    binary: &Path,
    node: &Node,
    rounds: usize,
    seed: u64,
    tell: Tell<'_>,
) -> Result<Option<FullDisks>> {
    let Some(disk) = SmallDisk::mount(64)? else { return Ok(None) };
    let size = u32::try_from(rounds)?.saturating_mul(2).max(6);
    let town = Town::new(Settings { families: size, background_citizens: 6, ..Settings::demo(seed) });
    let options = Options {
        store: Some(disk.mount.path().join("store")),
        slice_postings: Some(1),
        business: Some(seed),
        ..Options::default()
    };
    let site = Site::new(binary, node, &options).await?;
    let mut sender = Sender::new(site.feeder.url(&site.url), QUEUE, town.messages());
    let mut receivers = Receivers::of(&site);
    let mut running = site.start().await?;
    sender.send_surely(&[source::DUBU, source::JOBCENTRE], 1, 1).await?;
    // The registry's part by part, each of which reaches postings that came before.
    let (mut facts, facts_of) = (1, rounds + 2);
    sender.send_surely(&[source::REGISTRY], facts, facts_of).await?;
    let mut report = FullDisks { seed, ..FullDisks::default() };
    let (mut share, of) = (0, rounds * ABOUT.len());
    for about in (0..rounds).flat_map(|_| ABOUT) {
        site.wait_until_idle(&mut running).await?;
        share += 1;
        let context = || format!("{about:?}, seed {seed}");
        // The log has no room in it either, and as somebody reads for long, it cannot begin anew.
        site.truncate_log().await?;
        let reading = site.look_into_store()?;
        reading.execute_batch("BEGIN")?;
        reading.query_row("SELECT count(*) FROM posting", [], |row| row.get::<_, i64>(0))?;
        match about {
            About::TakingIn | About::Killed => {
                disk.fill()?;
                sender.send_surely(&POSTINGS, share, of).await?;
            }
            About::DecidingAgain => {
                let lock = site.lock_store()?;
                facts += 1;
                sender.send_surely(&POSTINGS, share, of).await?;
                sender.send_surely(&[source::REGISTRY], facts, facts_of).await?;
                lock.execute_batch("ROLLBACK")?;
                let deadline = Instant::now() + LIMIT;
                loop {
                    running.freeze().await?;
                    if site.work_left()? > 0 && site.left_in_queues().await? == 0 {
                        break;
                    }
                    running.thaw().await?;
                    ensure!(Instant::now() < deadline, "no fact left work");
                    tokio::task::yield_now().await;
                }
                disk.fill()?;
                running.thaw().await?;
            }
            About::Advancing => {
                site.outlet.pause_answers();
                sender.send_surely(&POSTINGS, share, of).await?;
                let deadline = Instant::now() + LIMIT;
                while !site.left_to_take_in().await?.is_empty() || site.outlet.traffic().unconfirmed == 0 {
                    running.still_runs()?;
                    ensure!(Instant::now() < deadline, "the share is not taken in");
                    tokio::time::sleep(LOOK).await;
                }
                disk.fill()?;
                site.outlet.resume();
            }
        }
        notices(&site, &mut running).await.with_context(context)?;
        let left = match about {
            About::TakingIn | About::Killed => kept(&site, node, &sender).await.with_context(context)?,
            About::DecidingAgain => site.work_left()?,
            About::Advancing => site.behind()?,
        };
        tell(&format!("{about:?} on a full disk, with {left} left"));
        report.times.push((about, left));
        drop(reading);
        if about == About::Killed {
            running.kill().await?;
            site.wait_until_gone().await?;
            disk.free()?;
            running = site.launch()?;
        } else {
            disk.free()?;
        }
        // Everything that was held up is done now, with nothing more coming to push it.
        site.wait_until_idle(&mut running).await.with_context(context)?;
        ensure!(serves(&site, "store").await?, "there is room after {about:?}, and the store does not serve");
        if report.times.len() == of / 2 {
            facts += 1;
            receivers
                .decide(&site, &mut running, &mut sender, (facts, facts_of))
                .await
                .with_context(context)?;
        }
    }
    sender.send_surely(&source::ALL, 1, 1).await?;
    receivers.settle(&site, node, &mut running).await?;
    let balance = site.program.balance().await?;
    ensure!(running.stop().await?.success(), "the gateway does not end well");
    report.verdict = Verdict::of(&site, &sender, &receivers).await?;
    report.verdict.audit(town.messages(), &receivers, &balance);
    Ok(Some(report))
}

/// Waits until the gateway says, in its log and its health, that the store takes nothing.
async fn notices(site: &Site, running: &mut Running) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while serves(site, "store").await? {
        running.still_runs()?;
        ensure!(Instant::now() < deadline, "waited {LIMIT:?}, and the store still serves");
        tokio::time::sleep(LOOK).await;
    }
    let log = site.logged()?;
    let words = "the disk is full";
    let last = log.lines().rfind(|line| line.contains("down; trying again") && line.contains("\"store\""));
    ensure!(last.is_some_and(|line| line.contains(words)), "it does not say '{words}': {last:?}");
    running.still_runs()
}

/// How many messages the broker keeps. What it does not keep is in the store, whose books can be read all the same.
async fn kept(site: &Site, node: &Node, sender: &Sender) -> Result<usize> {
    let kept = node.unacknowledged(&site.url).await? + site.left_in_queues().await?;
    let stored = site.received().await?;
    let (mut sent, mut most) = (0, 0);
    for (message, _) in sender.attempted() {
        sent += message.outcomes.len() as u64;
        most = most.max(message.outcomes.len() as u64);
    }
    ensure!(kept > 0 && stored < sent, "{stored} of {sent} items were stored, and {kept} messages are kept");
    ensure!(
        sent - stored <= kept as u64 * most,
        "{} items are nowhere, with {kept} messages kept",
        sent - stored
    );
    Ok(kept)
}

/// Whether the gateway's health says that a part serves.
pub(super) async fn serves(site: &Site, part: &str) -> Result<bool> {
    let log = site.logged()?;
    let told = log.lines().rfind(|line| line.contains("the gRPC front listens")).context("it has a front")?;
    let at = told.find("127.0.0.1:").context("it tells its address")?;
    let address: String = told[at..].chars().take_while(|c| !matches!(c, '"' | ' ')).collect();
    let front = tonic::transport::Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let answer =
        HealthClient::new(front).check(HealthCheckRequest { service: part.to_owned() }).await?.into_inner();
    Ok(answer.status() == ServingStatus::Serving)
}
