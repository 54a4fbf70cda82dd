//! `cargo xtask bench`: the gateway beside a bare forwarder, on the same queues of the same broker in the same run.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use samspor_harness::client::{Client, Kind, Message};
use samspor_harness::gateway::Program;
use samspor_harness::rabbitmq::{Node, Options as NodeOptions};
use tokio::process::{Child, Command};

use crate::{broker, build};

/// How the benchmark runs.
#[derive(Args)]
pub(crate) struct Options {
    /// Install what is missing without asking.
    #[arg(long)]
    yes: bool,
    /// Postings in each round.
    #[arg(long, default_value_t = 60_000)]
    postings: usize,
    /// Rounds of each contender, in turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// The size of a body, in bytes.
const BODY: usize = 900;
/// How many citizens the postings are about.
const CITIZENS: usize = 1_000;
/// How long one round may last.
const LIMIT: Duration = Duration::from_secs(300);
const IN: &str = "bench.in";
const OUT: &str = "bench.out";

/// The contenders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contender {
    Forwarder,
    Gateway,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    broker::ensure_installed(options.yes)?;
    println!("Building the gateway and the forwarder, optimised …");
    let built =
        build::cargo().args(["build", "--release", "--package", "samspor", "--package", "xtask"]).status()?;
    ensure!(built.success(), "they do not build");
    let dir = build::root().join("target/bench");
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    let node = Node::start(&dir.join("broker"), NodeOptions::default()).await?;
    let bench = Bench::new(dir, node.url()).await?;

    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..options.rounds {
        for (contender, rates) in [Contender::Forwarder, Contender::Gateway].into_iter().zip(&mut rates) {
            let rate = bench.round(contender, round, options.postings).await?;
            println!("round {}: {contender:?} {rate:.0} messages/s", round + 1);
            rates.push(rate);
        }
    }
    let [forwarder, gateway] = rates.map(median);
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header([
        "contender",
        "messages/s (median)",
        "of the forwarder",
    ]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.add_row(["bare lapin forwarder".to_owned(), format!("{forwarder:.0}"), "1.00".to_owned()]);
    let ratio = ratio(gateway, forwarder);
    table.add_row([
        "gateway, every posting tagged".to_owned(),
        format!("{gateway:.0}"),
        format!("{ratio:.2}"),
    ]);
    println!("{table}");
    Ok(())
}

#[expect(clippy::float_arithmetic, reason = "rates are measurements, not money")]
fn ratio(a: f64, b: f64) -> f64 {
    a / b
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
}

struct Bench {
    dir: PathBuf,
    url: String,
    client: Client,
}

impl Bench {
    async fn new(dir: PathBuf, url: String) -> Result<Self> {
        let client = Client::connect(&url).await?;
        Ok(Self { dir, url, client })
    }

    /// One contender moves so many messages from one queue to another: how many a second, from the first tenth to the
    /// last, so that starting does not count.
    async fn round(&self, contender: Contender, round: usize, postings: usize) -> Result<f64> {
        for queue in [IN, OUT] {
            self.client.delete(queue).await?;
            self.client.delete(&format!("{queue}.facts")).await?;
        }
        self.client.declare(OUT, Kind::Quorum).await?;
        let store = self.dir.join("store");
        if store.exists() {
            std::fs::remove_dir_all(&store)?;
        }
        self.client.declare(IN, Kind::Quorum).await?;
        let gateway =
            if contender == Contender::Gateway { Some(self.prepare_gateway().await?) } else { None };
        self.client.publish(IN, (0..postings).map(|i| posting(round, i))).await?;
        let running: Option<Child> = match &gateway {
            None => Some(self.start_forwarder()?),
            Some(_) => None,
        };
        let gateway = gateway.map(|program| program.start(&self.dir.join("gateway.log"))).transpose()?;
        let rate = self.measure(postings).await;
        drop(running);
        if let Some(gateway) = gateway {
            ensure!(gateway.stop().await?.success(), "the gateway did not end well");
        }
        rate
    }

    /// A store that knows the citizens: each consented and enrolled.
    async fn prepare_gateway(&self) -> Result<Program> {
        std::fs::write(self.dir.join("master.key"), "5a".repeat(32))?;
        std::fs::write(self.dir.join("gateway.toml"), config(&build::root().join("config/charts")))?;
        let binary = build::root().join("target/release/samspor");
        let environment = vec![(broker::URL.to_owned(), self.url.clone())];
        let program = Program { binary, config: self.dir.join("gateway.toml"), environment };
        self.client.declare("bench.in.facts", Kind::Classic).await?;
        let mut running = program.start(&self.dir.join("gateway.log"))?;
        let facts: Vec<Message> = facts().collect();
        let count = facts.len() as u64;
        self.client.publish("bench.in.facts", facts).await?;
        program.wait_for_received(&mut running, count, LIMIT, |_| ()).await?;
        ensure!(running.stop().await?.success(), "the gateway did not end well");
        Ok(program)
    }

    fn start_forwarder(&self) -> Result<Child> {
        let mut forwarder = Command::new(build::root().join("target/release/xtask"));
        forwarder.args(["forward", IN, OUT]).env(broker::URL, &self.url);
        Ok(forwarder.stdin(Stdio::null()).kill_on_drop(true).spawn()?)
    }

    #[expect(clippy::float_arithmetic, reason = "a rate is a measurement, not money")]
    async fn measure(&self, postings: usize) -> Result<f64> {
        let deadline = Instant::now() + LIMIT;
        let mut began: Option<(Instant, u32)> = None;
        loop {
            let arrived = self.client.count(OUT).await?;
            let now = Instant::now();
            if began.is_none() && arrived as usize >= postings / 10 {
                began = Some((now, arrived));
            }
            if arrived as usize >= postings {
                let (since, first) = began.context("the first tenth came before the last")?;
                return Ok(f64::from(arrived - first) / (now - since).as_secs_f64());
            }
            ensure!(now < deadline, "{arrived} of {postings} arrived in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A replacement number, which nobody has.
fn cpr(citizen: usize) -> String {
    format!("{:02}{:02}{:02}{:04}", 61 + citizen % 28, 1 + citizen % 12, 80, citizen)
}

fn facts() -> impl Iterator<Item = Message> {
    let solution =
        r#"{"type":"solution","id":"bench","version":1,"name":"Bench","ceiling":"25000.00"}"#.to_owned();
    let people = (0..CITIZENS).flat_map(|i| {
        let cpr = cpr(i);
        [
            format!(
                r#"{{"type":"consent","id":"C-{i}","version":1,"citizen":{{"cpr":"{cpr}"}},"sources":["opus"],"covers_from":"2020-01-01"}}"#
            ),
            format!(
                r#"{{"type":"enrolment","id":"E-{i}","version":1,"solution":"bench","family":"F-{i}","citizen":{{"cpr":"{cpr}"}},"from":"2025-01-01"}}"#
            ),
        ]
    });
    std::iter::once(solution).chain(people).map(|body| Message::new("application/json", body))
}

fn posting(round: usize, i: usize) -> Message {
    let cpr = cpr(i % CITIZENS);
    let day = 1 + i % 28;
    let start = format!(
        r#"{{"type":"posting","id":"2026-{round}-{i:07}","date":"2026-03-{day:02}","account":"01005-528211003-015031-529CPR---","amount":"{}.50","citizen":{{"cpr":"{cpr}"}},"voucher":"2026-{i:07}","text":""#,
        100 + i % 9000
    );
    let fill = BODY.saturating_sub(start.len() + 2);
    Message::new("application/json", format!("{start}{}\"}}", "x".repeat(fill)))
}

fn config(charts: &Path) -> String {
    format!(
        r#"
[store]
dir = "store"
[vault]
master_key_file = "master.key"
[charts]
dir = {charts:?}
[brokers.main]
url_env = "SAMSPOR_AMQP_URL"
[[sources]]
name = "opus"
format = "json"
[sources.amqp]
broker = "main"
queue = "{IN}"
topology = "check"
[[sources]]
name = "registry"
format = "json"
may_send = ["solution", "consent", "enrolment"]
[sources.amqp]
broker = "main"
queue = "{IN}.facts"
topology = "check"
[[targets]]
name = "ledger"
audience = "ledger"
format = "json"
[targets.amqp]
broker = "main"
queue = "{OUT}"
topology = "check"
"#
    )
}
