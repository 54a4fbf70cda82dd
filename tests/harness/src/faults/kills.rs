//! kill −9 at random moments under load, each with messages unacknowledged and confirms outstanding.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use samspor_town::{Settings, Town, source};
use serde::Serialize;

use super::{Chance, LIMIT, Options, QUEUE, Receivers, Sender, Site, Tell, Verdict};
use crate::gateway::Running;
use crate::rabbitmq::Node;

/// What came of killing a gateway over and over.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Kills {
    /// By which the moments were chosen.
    pub seed: u64,
    /// How often it was killed.
    pub kills: usize,
    /// Messages unacknowledged at each kill, as the broker counted them: least, most.
    pub unacknowledged: (usize, usize),
    /// Records without a confirm at each kill, as the wire showed it: least, most.
    pub unconfirmed: (usize, usize),
    /// How often it was killed besides, while it was starting.
    pub early: usize,
    /// How often the balance was read, each time in balance.
    pub balances_read: usize,
    /// Messages whose fate was unknown to their publisher when nothing more was sent.
    pub unknown: usize,
    /// The verdict over what was attempted and confirmed by then.
    pub midway: Verdict,
    /// The verdict once everything was sent again until it was confirmed, with the books.
    pub end: Verdict,
}

/// In how many parts the town is sent for each kill. Each kill takes as many as it needs.
const PARTS: usize = 6;

/// Kills a gateway so many times while it takes in a town, and asks for the zeros.
pub async fn kills(binary: &Path, node: &Node, kills: usize, seed: u64, tell: Tell<'_>) -> Result<Kills> {
    let mut chance = Chance::new(seed);
    let size = u32::try_from(kills)?.max(6);
    let town = Town::new(Settings { families: size, background_citizens: size, ..Settings::demo(seed) });
    let site = Site::new(binary, node, &Options { business: Some(seed), ..Options::default() }).await?;
    let mut sender = Sender::new(site.feeder.url(&site.url), QUEUE, town.messages());
    let mut receivers = Receivers::of(&site);
    let mut report =
        Kills { seed, unacknowledged: (usize::MAX, 0), unconfirmed: (usize::MAX, 0), ..Kills::default() };

    let mut running = site.start().await?;
    let (mut share, of) = (0, kills * PARTS + 1);
    let a_round = (sender.total() / (kills + 1)) as u64;
    while report.kills < kills {
        let (unacknowledged, unconfirmed) =
            until_the_moment(&site, node, &mut running, &mut sender, &mut share, of, &mut chance, a_round)
                .await
                .with_context(|| format!("seed {seed}, kill {}", report.kills + 1))?;
        running.kill().await?;
        site.wait_until_gone().await?;
        report.kills += 1;
        for (range, now) in
            [(&mut report.unacknowledged, unacknowledged), (&mut report.unconfirmed, unconfirmed)]
        {
            *range = (range.0.min(now), range.1.max(now));
        }
        tell(&format!(
            "kill {} of {kills}: {unacknowledged} unacknowledged, {unconfirmed} unconfirmed",
            report.kills
        ));
        site.outlet.resume();
        site.program.balance().await.context("the books of a killed gateway")?;
        report.balances_read += 1;
        running = site.launch()?;
        if chance.once_in(4) {
            // From before it has opened its store to when it is about to deliver.
            let connections = usize::try_from(chance.from(0, 8))?;
            while site.inlet.connections() + site.outlet.connections() < connections {
                running.still_runs()?;
                tokio::task::yield_now().await;
            }
            running.kill().await?;
            site.wait_until_gone().await?;
            report.early += 1;
            running = site.launch()?;
        }
        if chance.once_in(2) {
            site.program.balance().await.context("the books of a starting gateway")?;
            report.balances_read += 1;
        }
        receivers.collect().await?;
        if report.kills == kills / 2 {
            receivers
                .decide(&site, &mut running, &mut sender, (3, 4))
                .await
                .with_context(|| format!("seed {seed}"))?;
        }
    }

    // All facts, so that it is known what must become of each posting; of the postings, what is attempted and not confirmed
    // by now stays so.
    sender.send_surely(&[source::REGISTRY, source::DUBU, source::JOBCENTRE], 1, 1).await?;
    let published = site.feeder.traffic().published;
    tokio::select! {
        _ = sender.send(&source::ALL, 1, 1) => {}
        cut = site.feeder.wait_for_traffic("more is sent", LIMIT, |now| now.published > published) => drop(cut?),
    }
    report.unknown = sender.unknown();
    receivers.settle(&site, node, &mut running).await?;
    ensure!(running.stop().await?.success(), "the gateway does not end well");
    report.midway = Verdict::of(&site, &sender, &receivers).await?;

    // And now everything.
    let mut running = site.start().await?;
    sender.send_surely(&source::ALL, 1, 1).await?;
    receivers.settle(&site, node, &mut running).await?;
    let balance = site.program.balance().await?;
    report.balances_read += 1;
    ensure!(running.stop().await?.success(), "the gateway does not end well");
    report.end = Verdict::of(&site, &sender, &receivers).await?;
    report.end.audit(town.messages(), &receivers, &balance);
    Ok(report)
}

/// Sends, and freezes the gateway at a moment that chance chooses by how far it has come: how many messages the broker then
/// holds as unacknowledged, and how many records wait for their confirm. Never none of either.
#[expect(clippy::too_many_arguments, reason = "a campaign's whole state, in one place")]
async fn until_the_moment(
    site: &Site,
    node: &Node,
    running: &mut Running,
    sender: &mut Sender,
    share: &mut usize,
    of: usize,
    chance: &mut Chance,
    a_round: u64,
) -> Result<(usize, usize)> {
    // A target that is not connected when its answers are held back never will be.
    site.wait_for_targets().await?;
    let mut at = site.inlet.traffic().delivered;
    loop {
        // From some point on, what the broker says to the targets does not arrive.
        let held_at = at + chance.from(1, a_round / 2);
        let frozen_at = held_at + chance.from(0, a_round / 2);
        let moment = async {
            site.inlet.wait_for_traffic("the hold", LIMIT, |now| now.delivered >= held_at).await?;
            site.outlet.pause_answers();
            let mut outlet = site.outlet.watch();
            loop {
                outlet.mark_unchanged();
                let ripe =
                    |now: &crate::traffic::Traffic| now.delivered >= frozen_at && now.unacknowledged > 0;
                site.inlet.wait_for_traffic("the moment", LIMIT, ripe).await?;
                if site.outlet.traffic().unconfirmed > 0 {
                    return anyhow::Ok(());
                }
                outlet.changed().await?;
            }
        };
        let sending = async {
            while *share < of - 1 {
                *share += 1;
                // Where it is cut, the next part begins with what was not confirmed.
                sender.send(&source::ALL, *share, of).await;
            }
            // Nothing more is to be sent, and so the moment must come of what there is.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            reached = moment => reached?,
            () = sending => {}
        }
        running.freeze().await?;
        let (unacknowledged, unconfirmed) =
            (node.unacknowledged(&site.url).await?, site.outlet.traffic().unconfirmed);
        if unacknowledged > 0 && unconfirmed > 0 {
            return Ok((unacknowledged, unconfirmed));
        }
        // It had just acknowledged all that it had: another moment.
        running.thaw().await?;
        site.outlet.resume();
        at = site.inlet.traffic().delivered;
    }
}
