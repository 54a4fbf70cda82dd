//! A target that is away: what it is to get waits on disk, not in memory, and reaches it in order when it is back.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use samspor_town::source;
use serde::Serialize;
use serde_json::Value;

use super::site::LOOK;
use super::{LEDGER, LIS, Options, QUEUE, Site, Tell};
use crate::client::{Client, Message};
use crate::gateway::Running;
use crate::rabbitmq::Node;

/// What came of a backlog.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Backlog {
    /// Records that waited for each of the two targets.
    pub records: usize,
    /// The most memory that the gateway ever had, in MiB, while they gathered.
    pub gathering_mib: u64,
    /// The same when all of them had been delivered.
    pub drained_mib: u64,
    /// Seconds from the first posting sent until all were in the store.
    pub gathering_s: u64,
    /// Seconds from the target's return until it had all of them.
    pub draining_s: u64,
    /// Records that came out of order, twice, or not as they should.
    pub wrong: usize,
}

/// Lines of one file.
const LINES: usize = 1_000;
/// Citizens whom the postings are about.
const CITIZENS: usize = 500;
/// How long it may take until another thousand records have come on, at most.
const STEP: Duration = Duration::from_secs(300);

/// Lets so many records queue up for targets that are away, then lets them come back, and holds every record against the
/// order in which the postings were sent.
pub async fn backlog(binary: &Path, node: &Node, records: usize, tell: Tell<'_>) -> Result<Backlog> {
    let options = Options { patience_ms: 3_000, log: "warn", ..Options::default() };
    let site = Site::new(binary, node, &options).await?;
    let client = Client::connect(&site.url).await?;
    let mut running = site.start().await?;
    client.publish(&format!("{QUEUE}registry"), facts()).await?;
    site.wait_until_idle(&mut running).await?;

    // The way to the targets is gone: connections break, and new ones hang.
    site.outlet.pause();
    site.outlet.cut();
    let begun = Instant::now();
    let files = records.div_ceil(LINES);
    client
        .publish(&format!("{QUEUE}{}", source::PRISME), (0..files).map(|file| lines(file, records)))
        .await?;
    let mut progress = Progress::new("in the feed");
    while progress.came(site.behind()? / 2, tell)? < records {
        running.still_runs()?;
        tokio::time::sleep(LOOK).await;
    }
    site.program.balance().await?;
    let mut report = Backlog { records, gathering_s: begun.elapsed().as_secs(), ..Backlog::default() };
    report.gathering_mib = peak(&running)?;

    site.outlet.resume();
    site.outlet.cut();
    let begun = Instant::now();
    let mut progress = Progress::new("at the ledger");
    let mut came = 0;
    while progress.came(came, tell)? < records {
        running.still_runs()?;
        let waiting = client.count(LEDGER).await? as usize;
        for received in client.drain(LEDGER, waiting.min(10 * LINES), STEP).await? {
            let record: Value = serde_json::from_slice(&received.body)?;
            report.wrong += usize::from(record["posting"] != id(came) || record["revision"] != 1);
            came += 1;
        }
        // The LIS keeps pace; what it gets is not looked at one by one.
        let waiting = client.count(LIS).await? as usize;
        client.drain(LIS, waiting.min(10 * LINES), STEP).await?;
    }
    report.draining_s = begun.elapsed().as_secs();
    report.drained_mib = peak(&running)?;
    site.wait_until_idle(&mut running).await?;
    ensure!(client.count(LEDGER).await? == 0, "the ledger got more than there is");
    site.program.balance().await?;
    ensure!(running.stop().await?.success(), "the gateway does not end well");
    Ok(report)
}

/// Tells how something comes on, and fails when it stands still.
struct Progress {
    what: &'static str,
    last: usize,
    at: Instant,
    told: Instant,
}

impl Progress {
    fn new(what: &'static str) -> Self {
        Self { what, last: 0, at: Instant::now(), told: Instant::now() }
    }

    fn came(&mut self, now: usize, tell: Tell<'_>) -> Result<usize> {
        if now > self.last {
            (self.last, self.at) = (now, Instant::now());
        }
        ensure!(self.at.elapsed() < STEP, "{} records are {}, and no more come", self.last, self.what);
        if self.told.elapsed() > Duration::from_secs(5) {
            self.told = Instant::now();
            tell(&format!("{now} records are {}", self.what));
        }
        Ok(now)
    }
}

/// The most memory that a gateway ever had, in MiB.
pub(super) fn peak(running: &Running) -> Result<u64> {
    let id = running.id().context("it runs")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("Linux tells VmHWM")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes / 1024)
}

/// A replacement number, which nobody has.
fn cpr(citizen: usize) -> String {
    format!("{:02}{:02}{:02}{:04}", 61 + citizen % 28, 1 + citizen % 12, 80, 1000 + citizen)
}

fn facts() -> impl Iterator<Item = Message> {
    let solution = r#"{"type":"solution","id":"s","version":1,"name":"S"}"#.to_owned();
    let people = (0..CITIZENS).flat_map(|n| {
        let cpr = cpr(n);
        [
            format!(
                r#"{{"type":"consent","id":"C-{n}","version":1,"citizen":{{"cpr":"{cpr}"}},"sources":["prisme"],"covers_from":"2020-01-01"}}"#
            ),
            format!(
                r#"{{"type":"enrolment","id":"E-{n}","version":1,"solution":"s","family":"F-{n}","citizen":{{"cpr":"{cpr}"}},"from":"2025-01-01"}}"#
            ),
        ]
    });
    std::iter::once(solution).chain(people).map(|body| Message::new("application/json", body))
}

/// The id of the posting with that number.
fn id(number: usize) -> String {
    format!("{:05}-{:07}-20260314", number / 1_000_000, number % 1_000_000)
}

/// A file of postings, a line each.
fn lines(file: usize, records: usize) -> Message {
    let mut text = String::with_capacity(LINES * 130);
    for number in file * LINES..((file + 1) * LINES).min(records) {
        let (machine, serial, ore) = (number / 1_000_000, number % 1_000_000, 100 + number % 90_000);
        let line = writeln!(
            text,
            "012G6900001003401NORFLYD&103{machine:05}&104{serial:07}&11020260314&1115282110417003499&112{ore:012} &113D&13202&133{}",
            cpr(number % CITIZENS)
        );
        line.unwrap_or_else(|_| unreachable!("a string takes everything"));
    }
    Message::new("text/plain; charset=utf-8", text)
}
