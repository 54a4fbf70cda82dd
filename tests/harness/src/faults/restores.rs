//! A store that is lost with all that it took in since a backup, which was made under load: the backup takes its place,
//! everybody sends again, and it ends as if nothing had been lost.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use samspor_town::{Expected, Message, Settings, Town, source};
use serde::Serialize;
use serde_json::Value;

use super::sender::is_withdrawal;
use super::verdict::count;
use super::{Chance, LIMIT, Options, QUEUE, Receivers, Sender, Site, Tell, Verdict};
use crate::rabbitmq::Node;

/// What came of losing a store over and over.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Restores {
    /// By which the moments were chosen.
    pub seed: u64,
    /// How often a backup took the store's place.
    pub restores: usize,
    /// Items in each backup.
    pub kept: Vec<u64>,
    /// Items in the store when it was lost, each time.
    pub lost: Vec<u64>,
    /// Consents that were withdrawn again, which nobody did but the log of withdrawals.
    pub withdrawn: u64,
    /// The verdict at the end, with the books.
    pub end: Verdict,
}

/// Loses a store so many times while a town is sent to it.
pub async fn restores(
    binary: &Path,
    node: &Node,
    restores: usize,
    seed: u64,
    tell: Tell<'_>,
) -> Result<Restores> {
    let mut chance = Chance::new(seed);
    // Of the families from the 22nd to the 24th, consents end.
    let size = 24;
    let town = Town::new(Settings { families: size, background_citizens: size, ..Settings::demo(seed) });
    let site = Site::new(binary, node, &Options { front: true, ..Options::default() }).await?;
    let of = restores * 2 + 1;
    let mut sender = Sender::new(site.feeder.url(&site.url), QUEUE, late_withdrawals(&town, restores, of));
    let mut receivers = Receivers::of(&site);
    let mut report = Restores { seed, ..Restores::default() };

    let mut running = site.start().await?;
    let (mut floor, mut backup) = (0, std::path::PathBuf::new());
    for round in 0..restores {
        // The backup is made while messages come in and records go out.
        let before = site.inlet.traffic().delivered;
        let (at, share) = (before + chance.from(1, 200), round * 2 + 1);
        let made = site.beside(&format!("backup-{round}"));
        let copying = async {
            let moment = |now: &crate::traffic::Traffic| now.delivered >= at;
            site.inlet.wait_for_traffic("the backup", LIMIT, moment).await?;
            site.program.run(&["backup"], &["--to", &made.to_string_lossy()], &[0]).await
        };
        let (sent, copied) = tokio::join!(sender.send_surely(&source::ALL, share, of), copying);
        sent.and(copied.map(drop)).with_context(|| format!("seed {seed}, backup {round}"))?;
        // The last one is not to be had: that before it takes the store's place once more.
        if round == 0 || round + 1 < restores {
            backup = made;
        }

        // More comes, and some of it reaches the receivers, before the store is lost.
        sender.send_surely(&source::ALL, share + 1, of).await?;
        if chance.once_in(2) {
            site.wait_until_idle(&mut running).await?;
        }
        receivers.collect().await?;
        running.kill().await?;
        site.wait_until_gone().await?;
        report.lost.push(site.received().await?);
        std::fs::remove_dir_all(site.store())?;

        let said = site.program.run(&["restore"], &["--from", &backup.to_string_lossy()], &[0]).await?;
        report.kept.push(site.received().await?);
        let number = |before: &str| -> Result<i64> {
            let from = said.find(before).with_context(|| format!("`restore` says nothing of {before}"))?;
            let digits = said[from + before.len()..].trim_start().chars().take_while(char::is_ascii_digit);
            Ok(digits.collect::<String>().parse()?)
        };
        floor = number("with revision")?;
        report.withdrawn += u64::try_from(number("Z;")?)?;
        tell(&format!(
            "restore {} of {restores}: {} items of {}",
            round + 1,
            report.kept[round],
            report.lost[round]
        ));

        // The targets wait until everything is in again.
        sender.begin_again();
        running = site.launch()?;
        sender.send_surely(&source::ALL, share + 1, of).await?;
        let delivered = site.outlet.traffic().published;
        let left = async {
            while !site.left_to_take_in().await?.is_empty() {
                running.still_runs()?;
                tokio::time::sleep(super::site::LOOK).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(LIMIT, left).await.context("it does not take in what is sent again")??;
        ensure!(
            site.outlet.traffic().published == delivered,
            "a restored gateway delivered before it was let"
        );
        for target in ["ledger", "lis"] {
            site.program.run(&["resume", "target", target], &[], &[0]).await?;
        }
        report.restores += 1;
    }
    sender.send_surely(&source::ALL, 1, 1).await?;
    receivers.settle(&site, node, &mut running).await?;
    let balance = site.program.balance().await?;
    ensure!(running.stop().await?.success(), "the gateway does not end well");
    receivers.ledger.take_off_up_to(floor);
    receivers.lis.take_off_up_to(floor);
    report.end = Verdict::of(&site, &sender, &receivers).await?;
    // Nobody ended a consent twice, and an older version that came again may have been overtaken by its end.
    let mut expected: Expected = town.messages().collect();
    if let Some(registry) = expected.counts.get_mut(source::REGISTRY) {
        let [facts, stale] = ["facts", "stale"].map(|outcome| count(&balance, source::REGISTRY, outcome));
        ensure!(facts + report.withdrawn >= registry.facts, "facts are missing");
        registry.received = registry.received + facts + stale - registry.facts - registry.stale;
        (registry.facts, registry.stale) = (facts, stale);
    }
    report.end.audit_against(expected, &receivers, &balance);
    Ok(report)
}

/// A town's messages, where consents that end are given first of all, and end between a backup and the loss of the store.
fn late_withdrawals(town: &Town, restores: usize, of: usize) -> Vec<Message> {
    let (registry, mut messages): (Vec<Message>, Vec<Message>) =
        town.messages().partition(|message| message.source == source::REGISTRY);
    let id = |message: &Message| -> Option<String> {
        let said: Value = serde_json::from_slice(&message.body).ok()?;
        (said["type"] == "consent").then(|| said["id"].as_str().map(str::to_owned))?
    };
    let (ends, mut others): (Vec<Message>, Vec<Message>) = registry.into_iter().partition(is_withdrawal);
    let ended: BTreeSet<String> = ends.iter().filter_map(id).collect();
    others.sort_by_key(|message| id(message).is_none_or(|id| !ended.contains(&id)));
    // The backup is made while an odd share is sent, and the store is lost after an even one.
    let count = others.len();
    for (round, end) in (0..restores).cycle().zip(ends) {
        others.insert(count * (2 * round + 1) / of + 1 + ended.len(), end);
    }
    messages.extend(others);
    messages
}
