//! The broker's own troubles under load: restarted, cut off, frozen for longer than the heartbeat, out of memory, out of
//! disk. The gateway must come back by itself.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use samspor_town::{Settings, Town, source};
use serde::Serialize;
use tokio::time::Instant;

use super::site::LOOK;
use super::{Chance, ERP, LIMIT, Options, QUEUE, Receivers, Sender, Site, Tell, Verdict};
use crate::gateway::Running;
use crate::rabbitmq::{self, Node};

/// What happens to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// It is stopped and started.
    Restarted,
    /// All connections are cut, three times.
    Cut,
    /// Its process stands still until the gateway has noticed by its heartbeat.
    Frozen,
    /// Its memory alarm is raised, until the gateway has noticed that nothing is confirmed.
    OutOfMemory,
    /// The same with its disk alarm.
    OutOfDisk,
}

/// All of them.
pub const TROUBLES: [Trouble; 5] =
    [Trouble::Cut, Trouble::Frozen, Trouble::OutOfMemory, Trouble::OutOfDisk, Trouble::Restarted];

/// What came of the troubles.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Troubles {
    /// Of the town and of the moments.
    pub seed: u64,
    /// What happened, and how many records the targets had before them or messages were unacknowledged then.
    pub happened: Vec<(Trouble, usize)>,
    /// The verdict and the books.
    pub verdict: Verdict,
}

/// The heartbeat that the gateway is given, in seconds.
const HEARTBEAT: i64 = 2;

/// Lets every trouble happen in each round, each under load, and asks for the zeros at the end. The gateway is never
/// restarted.
pub async fn troubles(binary: &Path, rounds: usize, seed: u64, tell: Tell<'_>) -> Result<Troubles> {
    let mut chance = Chance::new(seed);
    let mut node = Node::temporary(rabbitmq::Options::default()).await?;
    let size = u32::try_from(rounds)?.saturating_mul(2).max(6);
    // A broker that says no for a moment makes its publishers send again, by which the order can change. So nothing here
    // depends on it: no posting comes in two versions.
    let settings =
        Settings { families: size, background_citizens: size, faulty: false, ..Settings::demo(seed) };
    let town = Town::new(settings);
    let options = Options {
        heartbeat_s: HEARTBEAT,
        patience_ms: 5_000,
        confirm_timeout_ms: 4_000,
        business: Some(seed),
        ..Options::default()
    };
    let site = Site::new(binary, &node, &options).await?;
    let mut sender = Sender::new(site.feeder.url(&site.url), QUEUE, town.messages());
    let mut receivers = Receivers::of(&site);
    let mut running = site.start().await?;
    sender.send_surely(&[source::REGISTRY, source::DUBU, source::JOBCENTRE], 1, 4).await?;

    let (mut share, of) = (0, rounds * TROUBLES.len());
    let mut happened = Vec::new();
    for _ in 0..rounds {
        for trouble in TROUBLES {
            share += 1;
            let held = match trouble {
                Trouble::OutOfMemory | Trouble::OutOfDisk => {
                    alarm(trouble, &site, &node, &mut running, &mut sender, share, of).await
                }
                _ => {
                    strike(trouble, &site, &mut node, &mut running, &mut sender, share, of, &mut chance).await
                }
            };
            let held = held.with_context(|| format!("{trouble:?}, seed {seed}"))?;
            happened.push((trouble, held));
            site.wait_until_idle(&mut running)
                .await
                .with_context(|| format!("after {trouble:?}, seed {seed}"))?;
            tell(&format!("{trouble:?} with {held} on the way, and it came back"));
            if happened.len() == of / 2 {
                receivers
                    .decide(&site, &mut running, &mut sender, (3, 4))
                    .await
                    .with_context(|| format!("seed {seed}"))?;
            }
            receivers.collect().await?;
            site.wait_until_idle(&mut running).await?;
        }
    }
    sender.send_surely(&source::ALL, 1, 1).await?;
    receivers.settle(&site, &node, &mut running).await?;
    let balance = site.program.balance().await?;
    ensure!(running.stop().await?.success(), "the gateway does not end well");
    let mut verdict = Verdict::of(&site, &sender, &receivers).await?;
    verdict.audit(town.messages(), &receivers, &balance);
    Ok(Troubles { seed, happened, verdict })
}

/// Something that happens at once, at a moment of the sending that chance chooses.
#[expect(clippy::too_many_arguments, reason = "a campaign's whole state, in one place")]
async fn strike(
    trouble: Trouble,
    site: &Site,
    node: &mut Node,
    running: &mut Running,
    sender: &mut Sender,
    share: usize,
    of: usize,
    chance: &mut Chance,
) -> Result<usize> {
    let delivered = site.inlet.traffic().delivered;
    let mut held = 0;
    let striking = async {
        for _ in 0..if trouble == Trouble::Cut { 3 } else { 1 } {
            let moment = delivered + chance.from(1, (sender_share(of) / 4).max(2));
            let before = site
                .inlet
                .wait_for_traffic("the moment", LIMIT, |now| {
                    now.delivered >= moment && now.unacknowledged > 0
                })
                .await?;
            held = held.max(before.unacknowledged + site.outlet.traffic().unconfirmed);
            match trouble {
                Trouble::Cut => {
                    [&site.inlet, &site.outlet, &site.feeder].into_iter().for_each(|proxy| proxy.cut());
                }
                Trouble::Restarted => node.restart().await?,
                _ => {
                    let logged = downs(site)?;
                    node.freeze().await?;
                    let noticed = wait_for_downs(site, running, logged).await;
                    node.thaw().await?;
                    noticed?;
                }
            }
        }
        anyhow::Ok(())
    };
    let (struck, sent) = tokio::join!(striking, sender.send_surely(&source::ALL, share, of));
    struck?;
    sent?;
    Ok(held)
}

/// About how many messages one share has at least.
fn sender_share(of: usize) -> u64 {
    600 / of.max(1) as u64
}

/// An alarm: the broker takes nothing from publishers, while consumers go on.
async fn alarm(
    trouble: Trouble,
    site: &Site,
    node: &Node,
    running: &mut Running,
    sender: &mut Sender,
    share: usize,
    of: usize,
) -> Result<usize> {
    let (raise, lower): ([&str; 2], [&str; 2]) = match trouble {
        Trouble::OutOfMemory => {
            (["set_vm_memory_high_watermark", "0"], ["set_vm_memory_high_watermark", "0.4"])
        }
        _ => (["set_disk_free_limit", "1000000GB"], ["set_disk_free_limit", "64MB"]),
    };
    // What is sent waits until the alarm is up: publishers are blocked afterwards.
    site.inlet.pause_answers();
    sender.send_surely(&source::ALL, share, of).await?;
    let logged = downs(site)?;
    node.ctl(&raise).await?;
    site.inlet.resume();
    let noticed = async {
        // Everything is taken in all the same, and nothing is delivered.
        let deadline = Instant::now() + LIMIT;
        loop {
            let left = site.left_to_take_in().await?;
            if left.is_empty() && site.behind()? > 0 {
                break;
            }
            running.still_runs()?;
            ensure!(Instant::now() < deadline, "waited {LIMIT:?} for the intake: {left}");
            tokio::time::sleep(LOOK).await;
        }
        wait_for_downs(site, running, logged).await?;
        site.behind()
    };
    let noticed = noticed.await;
    node.ctl(&lower).await?;
    noticed
}

/// How often a part of the gateway that the broker concerns has said that it is down.
fn downs(site: &Site) -> Result<usize> {
    let log = site.logged()?;
    let downs = log.lines().filter(|line| line.contains("down; trying again"));
    Ok(downs.filter(|line| !line.contains(&format!("target {ERP}"))).count())
}

async fn wait_for_downs(site: &Site, running: &mut Running, before: usize) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while downs(site)? == before {
        running.still_runs()?;
        ensure!(Instant::now() < deadline, "waited {LIMIT:?}, and the gateway noticed nothing");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
