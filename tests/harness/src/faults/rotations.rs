//! Keys that are replaced under load, the master key among them, with kills in the midst of it.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use samspor_town::{Settings, Town, source};
use serde::Serialize;

use super::{Chance, LIMIT, Options, QUEUE, Receivers, Sender, Site, Tell, Verdict};
use crate::rabbitmq::Node;

/// What came of replacing keys over and over.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Rotations {
    /// By which the moments were chosen.
    pub seed: u64,
    /// How often the keys were replaced.
    pub rotations: usize,
    /// How often it was killed while they were.
    pub midway: usize,
    /// How often another master key took the place of the one before.
    pub masters: usize,
    /// Rows at the end that are not under the newest keys.
    pub left_behind: usize,
    /// The verdict at the end, with the books.
    pub end: Verdict,
}

/// Rows that a transaction decides again or puts under other keys: few, so that replacing the keys takes many.
const SLICE: i64 = 20;

/// Replaces the keys so many times while a town is sent.
pub async fn rotations(
    binary: &Path,
    node: &Node,
    rotations: usize,
    seed: u64,
    tell: Tell<'_>,
) -> Result<Rotations> {
    let mut chance = Chance::new(seed);
    let town = Town::new(Settings { families: 6, background_citizens: 6, ..Settings::demo(seed) });
    let options = Options { front: true, slice_postings: Some(SLICE), ..Options::default() };
    let site = Site::new(binary, node, &options).await?;
    let mut sender = Sender::new(site.feeder.url(&site.url), QUEUE, town.messages());
    let mut receivers = Receivers::of(&site);
    let mut report = Rotations { seed, ..Rotations::default() };

    let mut running = site.start().await?;
    let of = rotations + 1;
    for round in 1..=rotations {
        let at = site.inlet.traffic().delivered + chance.from(1, 100);
        let rotating = async {
            let moment = |now: &crate::traffic::Traffic| now.delivered >= at;
            site.inlet.wait_for_traffic("replacing the keys", LIMIT, moment).await?;
            site.program.run(&["keys", "rotate"], &["--no-wait"], &[0]).await
        };
        let (sent, begun) = tokio::join!(sender.send_surely(&source::ALL, round, of), rotating);
        sent.and(begun.map(drop)).with_context(|| format!("seed {seed}, rotation {round}"))?;
        report.rotations += 1;
        report.midway += usize::from(site.is_rekeying()?);
        running.kill().await?;
        site.wait_until_gone().await?;
        if chance.once_in(2) || round == rotations {
            site.change_master_key(round)?;
            report.masters += 1;
        }
        running = site.start().await?;
        receivers.collect().await?;
        let done = async {
            while site.is_rekeying()? {
                running.still_runs()?;
                tokio::time::sleep(super::site::LOOK).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(LIMIT, done).await.context("the keys are not replaced in time")??;
        tell(&format!("rotation {round} of {rotations}: {} of them had it killed midway", report.midway));
    }
    sender.send_surely(&source::ALL, 1, 1).await?;
    receivers.settle(&site, node, &mut running).await?;
    let balance = site.program.balance().await?;
    ensure!(running.stop().await?.success(), "the gateway does not end well");
    report.left_behind = site.under_older_keys(1 + rotations)?;
    report.end = Verdict::of(&site, &sender, &receivers).await?;
    report.end.audit(town.messages(), &receivers, &balance);
    Ok(report)
}
