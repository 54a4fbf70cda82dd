//! Crash points on purpose: the gateway is held from outside exactly between two steps of a message's way, looked at, and
//! killed there.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rusqlite::Connection;
use samspor_town::{Settings, Town, source};
use serde::Serialize;
use tokio::time::Instant;

use super::site::LOOK;
use super::{Chance, LIMIT, Options, QUEUE, Receivers, Sender, Site, Tell, Verdict};
use crate::gateway::Running;
use crate::rabbitmq::Node;

/// How long the gateway goes on between two looks at what is left: much shorter than a fact's work takes.
const STEP: Duration = Duration::from_millis(2);

/// A place between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Point {
    /// Messages are received, and the store cannot commit them.
    ReceivedNotCommitted,
    /// They are committed, and the acknowledgement does not reach the broker.
    CommittedNotAcknowledged,
    /// They are acknowledged, and what is published does not reach the broker.
    AcknowledgedNotPublished,
    /// The broker has the records, and its confirms do not reach the gateway.
    PublishedNotConfirmed,
    /// The gateway has the confirms, and the store cannot commit the cursor.
    ConfirmedNotAdvanced,
    /// Everything is done.
    Advanced,
    /// A fact is committed, and not everything that it reaches is decided again.
    FactNotWorkedOff,
}

/// All of them, in the order of a message's way.
pub const POINTS: [Point; 7] = [
    Point::ReceivedNotCommitted,
    Point::CommittedNotAcknowledged,
    Point::AcknowledgedNotPublished,
    Point::PublishedNotConfirmed,
    Point::ConfirmedNotAdvanced,
    Point::Advanced,
    Point::FactNotWorkedOff,
];

/// What came of crashes at the points.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Points {
    /// Of the town, and of the order of points after the first round.
    pub seed: u64,
    /// At which points it was killed, in order, and how many messages or records were between the two steps.
    pub crashes: Vec<(Point, usize)>,
    /// The verdict and the books.
    pub verdict: Verdict,
}

/// Crashes at every point in each round, and asks for the zeros at the end.
pub async fn points(binary: &Path, node: &Node, rounds: usize, seed: u64, tell: Tell<'_>) -> Result<Points> {
    let mut chance = Chance::new(seed);
    let size = u32::try_from(rounds)?.saturating_mul(2).max(8);
    let town = Town::new(Settings { families: size, background_citizens: 4, ..Settings::demo(seed) });
    // So small a slice that a fact's work is never done at once.
    let options = Options { slice_postings: Some(4), business: Some(seed), ..Options::default() };
    let site = Site::new(binary, node, &options).await?;
    let mut stage = Stage {
        sender: Sender::new(site.feeder.url(&site.url), QUEUE, town.messages()),
        share: 0,
        of: rounds * POINTS.len(),
        facts: 0,
        facts_of: rounds + 2,
        site,
    };
    let mut receivers = Receivers::of(&stage.site);
    let mut running = stage.site.start().await?;
    // A part of what is known of people first, so that there is something to deliver from the beginning.
    stage.sender.send_surely(&[source::DUBU, source::JOBCENTRE], 1, 1).await?;
    stage.send_facts().await?;
    let mut crashes = Vec::new();
    for round in 0..rounds {
        let mut order = POINTS.to_vec();
        if round > 0 {
            for at in (1..order.len()).rev() {
                order.swap(at, usize::try_from(chance.from(0, at as u64))?);
            }
        }
        for point in order {
            stage.site.wait_until_idle(&mut running).await?;
            stage.share += 1;
            let held =
                stage.crash(point, running).await.with_context(|| format!("{point:?}, seed {seed}"))?;
            ensure!(held > 0 || point == Point::Advanced, "nothing was at {point:?}, seed {seed}");
            tell(&format!("killed at {point:?} with {held} there"));
            crashes.push((point, held));
            stage.site.program.balance().await.context("the books of a killed gateway")?;
            running = stage.site.launch()?;
            if crashes.len() == stage.of / 2 + 1 {
                stage.facts += 1;
                let Stage { site, sender, facts, facts_of, .. } = &mut stage;
                let decided = receivers.decide(site, &mut running, sender, (*facts, *facts_of)).await;
                decided.with_context(|| format!("seed {seed}"))?;
            }
        }
    }
    let Stage { mut sender, site, .. } = stage;
    sender.send_surely(&source::ALL, 1, 1).await?;
    receivers.settle(&site, node, &mut running).await?;
    let balance = site.program.balance().await?;
    ensure!(running.stop().await?.success(), "the gateway does not end well");
    let mut verdict = Verdict::of(&site, &sender, &receivers).await?;
    verdict.audit(town.messages(), &receivers, &balance);
    Ok(Points { seed, crashes, verdict })
}

struct Stage {
    site: Site,
    sender: Sender,
    /// Shares of the finance systems' messages that are sent, and how many there are.
    share: usize,
    of: usize,
    /// The same of the registry's.
    facts: usize,
    facts_of: usize,
}

impl Stage {
    /// Sends a share, holds the gateway at the point, and kills it there: how many messages or records were there.
    async fn crash(&mut self, point: Point, mut running: Running) -> Result<usize> {
        let held = match point {
            Point::ReceivedNotCommitted => {
                let lock = self.site.lock_store()?;
                let before = self.site.received().await?;
                let sent = self.send().await?;
                self.all_received(sent).await?;
                ensure!(self.site.received().await? == before, "something was committed under a lock");
                running.kill().await?;
                unlock(&lock)?;
                sent
            }
            Point::CommittedNotAcknowledged => {
                self.site.inlet.pause_requests();
                let (before, items) = (self.site.received().await?, self.items());
                let sent = self.send().await?;
                let all = before + self.items() - items;
                while self.site.received().await? < all {
                    running.still_runs()?;
                    tokio::time::sleep(LOOK).await;
                }
                let held = self.site.inlet.traffic().unacknowledged;
                ensure!(held >= sent, "{held} of {sent} are unacknowledged, and all should be");
                running.kill().await?;
                held
            }
            Point::AcknowledgedNotPublished => {
                let published = self.site.outlet.traffic().published;
                self.site.outlet.pause_requests();
                self.send_and_settle(&mut running).await?;
                let behind = self.site.behind()?;
                ensure!(self.site.outlet.traffic().published == published, "published through a closed way");
                running.kill().await?;
                behind
            }
            Point::PublishedNotConfirmed => {
                self.publish(&mut running).await?;
                let held = self.site.outlet.traffic().unconfirmed;
                running.kill().await?;
                held
            }
            Point::ConfirmedNotAdvanced => {
                let behind = self.publish(&mut running).await?;
                let lock = self.site.lock_store()?;
                let outlet = &self.site.outlet;
                let all = outlet.traffic().confirmed + outlet.traffic().unconfirmed as u64;
                outlet.resume();
                outlet.wait_for_traffic("the confirms are there", LIMIT, |now| now.confirmed >= all).await?;
                running.kill().await?;
                ensure!(self.site.behind()? == behind, "a cursor went on under a lock");
                unlock(&lock)?;
                behind
            }
            Point::Advanced => {
                self.send().await?;
                self.site.wait_until_idle(&mut running).await?;
                running.kill().await?;
                0
            }
            Point::FactNotWorkedOff => {
                // Many facts in few transactions, so that there is much to work off afterwards.
                let lock = self.site.lock_store()?;
                let sent = self.send().await? + self.send_facts().await?;
                self.all_received(sent).await?;
                unlock(&lock)?;
                let deadline = Instant::now() + LIMIT;
                loop {
                    running.freeze().await?;
                    let left = self.site.work_left()?;
                    if left > 0 {
                        running.kill().await?;
                        break left;
                    }
                    running.thaw().await?;
                    ensure!(Instant::now() < deadline, "no fact left work");
                    // Frozen again at once, it would hardly get to commit them on a busy machine.
                    tokio::time::sleep(STEP).await;
                }
            }
        };
        self.site.wait_until_gone().await?;
        self.site.inlet.resume();
        self.site.outlet.resume();
        Ok(held)
    }

    /// Sends a share of the postings, and says how many messages that are.
    async fn send(&mut self) -> Result<usize> {
        let before = self.sender.attempted().count();
        self.sender.send_surely(&[source::OPUS, source::PRISME, source::OES], self.share, self.of).await?;
        Ok(self.sender.attempted().count() - before)
    }

    /// The same with who has consented and is enrolled, which reaches postings that came before.
    async fn send_facts(&mut self) -> Result<usize> {
        let before = self.sender.attempted().count();
        self.facts += 1;
        self.sender.send_surely(&[source::REGISTRY], self.facts, self.facts_of).await?;
        Ok(self.sender.attempted().count() - before)
    }

    /// How many items were sent in all.
    fn items(&self) -> u64 {
        self.sender.attempted().map(|(message, _)| message.outcomes.len() as u64).sum()
    }

    /// Waits until so many messages are with the gateway, unacknowledged.
    async fn all_received(&self, sent: usize) -> Result<()> {
        let all = self
            .site
            .inlet
            .wait_for_traffic("all is with the gateway", LIMIT, |now| now.unacknowledged >= sent);
        all.await.map(drop)
    }

    /// Sends a share, and waits until all of it is taken in and acknowledged, and nothing is left to decide.
    async fn send_and_settle(&mut self, running: &mut Running) -> Result<()> {
        let (before, items) = (self.site.received().await?, self.items());
        self.send().await?;
        let all = before + self.items() - items;
        let deadline = Instant::now() + LIMIT;
        loop {
            let left = self.site.left_to_take_in().await?;
            if left.is_empty() && self.site.received().await? >= all {
                return Ok(());
            }
            running.still_runs()?;
            ensure!(Instant::now() < deadline, "waited {LIMIT:?}: {left}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sends a share, takes it in, and waits until records are published, while no confirm gets through: how many records
    /// the targets have before them.
    async fn publish(&mut self, running: &mut Running) -> Result<usize> {
        self.site.outlet.pause_answers();
        self.send_and_settle(running).await?;
        let outlet = &self.site.outlet;
        outlet.wait_for_traffic("records are published", LIMIT, |now| now.unconfirmed > 0).await?;
        self.site.behind()
    }
}

fn unlock(lock: &Connection) -> Result<()> {
    Ok(lock.execute_batch("ROLLBACK")?)
}
