//! What no system should send, between what they do send: each piece lies in quarantine with its reason, and everything else
//! arrives.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use samspor_domain::Reason;
use samspor_town::rubbish::{crafted, one};
use samspor_town::{Message, Outcome, Settings, Town, source};
use serde::Serialize;
use serde_json::Value;

use super::backlog::peak;
use super::{Chance, Options, QUEUE, Receivers, Sender, Site, Tell, Verdict};
use crate::rabbitmq::Node;

/// What came of rubbish.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Rubbish {
    /// Of the town and of what is random.
    pub seed: u64,
    /// Bodies of rubbish.
    pub bodies: usize,
    /// What lies in quarantine, by reason, the town's own included.
    pub quarantined: BTreeMap<String, usize>,
    /// The most memory that the gateway ever had, in MiB.
    pub peak_mib: u64,
    /// The verdict and the books, in which rubbish is part of what was sent.
    pub verdict: Verdict,
}

/// Mixes so many pieces of random rubbish, and every crafted one, into a town, and asks for the zeros.
pub async fn rubbish(
    binary: &Path,
    node: &Node,
    random: usize,
    seed: u64,
    tell: Tell<'_>,
) -> Result<Rubbish> {
    let mut chance = Chance::new(seed);
    let town = Town::new(Settings { families: 6, background_citizens: 6, ..Settings::demo(seed) });
    let mut bad: Vec<Message> = crafted();
    bad.extend((0..random).map(|n| noise(&mut chance, n)));
    for at in (1..bad.len()).rev() {
        bad.swap(at, usize::try_from(chance.from(0, at as u64))?);
    }
    let mut report = Rubbish { seed, bodies: bad.len(), ..Rubbish::default() };
    let mut messages = Vec::new();
    let (town_size, mut bad) = (town.messages().count(), bad.into_iter());
    let every = (town_size / report.bodies).max(1);
    for (n, message) in town.messages().enumerate() {
        if n % every == 0 {
            messages.extend(bad.next());
        }
        messages.push(message);
    }
    messages.extend(bad);

    let site = Site::new(binary, node, &Options::default()).await?;
    let mut sender = Sender::new(site.feeder.url(&site.url), QUEUE, messages.clone());
    let mut receivers = Receivers::of(&site);
    let mut running = site.start().await?;
    sender.send_surely(&source::ALL, 1, 1).await?;
    tell(&format!("{} pieces of rubbish sent between {town_size} messages", report.bodies));
    receivers.settle(&site, node, &mut running).await?;
    report.peak_mib = peak(&running)?;
    let down = site.logged()?.lines().find(|line| line.contains("down; trying again")).map(str::to_owned);
    ensure!(down.is_none(), "rubbish brought something down: {}", down.unwrap_or_default());
    let balance = site.program.balance().await?;
    let listed = site.program.run(&["quarantine", "list"], &["--json", "--limit", "1000000"], &[0]).await?;
    for entry in serde_json::from_str::<Value>(&listed)?.as_array().context("a list")? {
        let reason = entry["reason"].as_str().context("each has a reason")?;
        *report.quarantined.entry(reason.to_owned()).or_default() += 1;
    }
    ensure!(running.stop().await?.success(), "the gateway does not end well");
    report.verdict = Verdict::of(&site, &sender, &receivers).await?;
    report.verdict.audit(messages.clone(), &receivers, &balance);
    report.verdict.all_zero()?;
    // The books hold the number of each source; here also each reason must be right.
    let mut right: BTreeMap<String, usize> = BTreeMap::new();
    for outcome in messages.iter().flat_map(|message| &message.outcomes) {
        if let Outcome::Quarantined(reason) = outcome {
            *right.entry(reason.word().to_owned()).or_default() += 1;
        }
    }
    ensure!(
        right == report.quarantined,
        "in quarantine is {:?}, and should be {right:?}",
        report.quarantined
    );
    Ok(report)
}

/// Bytes as they fall, each unlike every other, for a source whose format makes one item of each.
fn noise(chance: &mut Chance, number: usize) -> Message {
    let length = usize::try_from(chance.from(0, 600)).unwrap_or_default();
    let mut body = format!("{number} ").into_bytes();
    body.extend((0..length).map(|_| chance.from(0, 255) as u8));
    let sources = [source::OPUS, source::DUBU, source::REGISTRY, source::JOBCENTRE];
    let source = sources[number % sources.len()];
    let content_type = if source == source::JOBCENTRE { "application/xml" } else { "application/json" };
    one(source, content_type, body, Reason::Undecodable)
}
