//! `cargo xtask demo`: the whole way of a message, on a sample town.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use samspor_harness::books::{self, Ledger, differences, tagged};
use samspor_harness::client::{Client, Kind, Received};
use samspor_harness::gateway::{Program, Running};
use samspor_town::search::Search;
use samspor_town::{Expected, Settings, Stage, Town, source};
use serde_json::Value;

use crate::broker::{self, Broker};
use crate::{build, show};

/// How the demo runs.
#[derive(Args)]
pub(crate) struct Options {
    /// Install what is missing without asking.
    #[arg(long)]
    yes: bool,
    /// Leave everything running afterwards, and say what to try next.
    #[arg(long)]
    keep: bool,
    /// The seed of the town; the same seed gives the same town.
    #[arg(long, default_value_t = 2026)]
    seed: u64,
}

/// Queues of the demo's configuration.
const QUEUE: &str = "samspor.demo.";
/// How long any one wait may last.
const LIMIT: Duration = Duration::from_secs(300);

pub(crate) async fn run(options: Options) -> Result<()> {
    let root = build::root();
    let dir = root.join("target/demo");
    println!("Building the gateway …");
    let binary = build::gateway()?;
    let broker = Broker::open(&dir.join("broker"), options.yes, |what| println!("Broker: {what} …")).await?;
    let demo = Demo::prepare(&root, dir, binary, &broker).await?;
    let town = Town::new(Settings::demo(options.seed));

    let running = demo.program.start(&demo.log)?;
    let mut running = demo.wait_for_queues(running).await?;
    let expected: Expected = town.messages().collect();
    demo.send(&mut running, &town, &expected).await?;
    let (ledger, lis) = demo.receive(&mut running, tagged(&expected)).await?;
    let ledger = Ledger::of(&ledger)?;
    let balance = demo.program.balance().await?;
    let quarantine = demo.quarantine().await?;
    print_all(&ledger, &balance, &quarantine, &expected);

    let mut wrong = differences(&expected, &ledger, &balance);
    wrong.extend(costs_differ(&expected, &ledger));
    wrong.extend(quarantine_differs(&expected, &quarantine));
    wrong.extend(demo.personal_data(&town, &lis)?);
    if options.keep {
        let gateway = running.leave_running();
        demo.say_what_to_try(broker, gateway, &ledger, &town);
    } else {
        let status = running.stop().await?;
        if !status.success() {
            wrong.push(format!("the gateway ended with {status}"));
        }
    }
    report(&wrong, expected.postings.len())
}

struct Demo {
    program: Program,
    client: Client,
    dir: PathBuf,
    log: PathBuf,
}

impl Demo {
    /// An empty store, a new key, empty queues.
    async fn prepare(root: &Path, dir: PathBuf, binary: PathBuf, broker: &Broker) -> Result<Self> {
        let store = dir.join("store");
        if store.exists() {
            std::fs::remove_dir_all(&store).with_context(|| format!("cannot empty {}", store.display()))?;
        }
        std::fs::create_dir_all(&dir)?;
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        std::fs::write(dir.join("master.key"), hex::encode(key))?;
        let log = dir.join("gateway.log");
        std::fs::write(&log, "")?;

        let client = Client::connect(&broker.url()).await.context("cannot connect to the broker")?;
        for name in source::ALL.into_iter().chain(["ledger", "lis"]) {
            client.delete(&format!("{QUEUE}{name}")).await?;
        }
        // What a leadership-information system does: a queue of its own, bound to the topics that it may see.
        client.declare(&format!("{QUEUE}lis"), Kind::Quorum).await?;
        let environment = vec![(broker::URL.to_owned(), broker.url())];
        let program = Program { binary, config: root.join("config/demo.toml"), environment };
        Ok(Self { program, client, dir, log })
    }

    /// Waits until the gateway has declared what its configuration says.
    async fn wait_for_queues(&self, mut running: Running) -> Result<Running> {
        let spinner = bar(0, "starting the gateway");
        let deadline = tokio::time::Instant::now() + LIMIT;
        let names = source::ALL.into_iter().chain(["ledger"]).map(|name| format!("{QUEUE}{name}"));
        for queue in names {
            while self.client.count(&queue).await.is_err() {
                running.still_runs()?;
                ensure!(tokio::time::Instant::now() < deadline, "the gateway did not declare {queue}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while self.client.bind(&format!("{QUEUE}lis"), &format!("{QUEUE}lis"), "#").await.is_err() {
            running.still_runs()?;
            ensure!(
                tokio::time::Instant::now() < deadline,
                "the gateway did not declare the exchange {QUEUE}lis"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        spinner.finish_and_clear();
        println!("The gateway runs; its log is {}", self.log.display());
        Ok(running)
    }

    /// Publishes the town's messages to the queues: facts, and when they are in, postings.
    async fn send(&self, running: &mut Running, town: &Town, expected: &Expected) -> Result<()> {
        let all = books::items(expected);
        let mut items = 0;
        for (stage, what) in [(Stage::Facts, "facts"), (Stage::Postings, "postings")] {
            let progress = bar(all, what);
            let (messages, sent) = books::publish(&self.client, town, stage, QUEUE).await?;
            items += sent;
            self.program.wait_for_received(running, items, LIMIT, |now| progress.set_position(now)).await?;
            progress.finish_and_clear();
            println!("Sent and taken in: {messages} messages with {what}");
        }
        Ok(())
    }

    /// What arrives at the ledger and at the leadership-information system.
    async fn receive(&self, running: &mut Running, tagged: usize) -> Result<(Vec<Received>, Vec<Received>)> {
        let progress = bar(0, "waiting for the ledger and the LIS");
        let received = async {
            let ledger = self.client.drain(&format!("{QUEUE}ledger"), tagged, LIMIT).await?;
            let lis = self.client.drain(&format!("{QUEUE}lis"), tagged, LIMIT).await?;
            anyhow::Ok((ledger, lis))
        };
        let received = received.await;
        progress.finish_and_clear();
        running.still_runs()?;
        let (ledger, lis) = received?;
        println!("Arrived: {} records at the ledger, {} at the LIS", ledger.len(), lis.len());
        Ok((ledger, lis))
    }

    /// What lies in quarantine, by source and reason.
    async fn quarantine(&self) -> Result<BTreeMap<(String, String), u64>> {
        let listed =
            self.program.run(&["quarantine", "list"], &["--json", "--limit", "100000"], &[0]).await?;
        let listed: Value = serde_json::from_str(&listed)?;
        let mut counts = BTreeMap::new();
        for entry in listed.as_array().into_iter().flatten() {
            let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
            *counts.entry((text("source"), text("reason"))).or_default() += 1;
        }
        Ok(counts)
    }

    /// Where a number or UUID of the town's people stands in clear text: in the store, the log, or what the LIS got.
    fn personal_data(&self, town: &Town, lis: &[Received]) -> Result<Vec<String>> {
        let search = Search::new(town.personal_data())?;
        let mut wrong = Vec::new();
        for place in [self.dir.join("store"), self.log.clone()] {
            let (found, searched) = search.files(&place)?;
            println!("Searched {} ({searched} bytes) for every person's number and UUID", place.display());
            wrong.extend(
                found.into_iter().map(|file| format!("{} holds a person's number or UUID", file.display())),
            );
        }
        if lis.iter().any(|record| search.find(&record.body).is_some()) {
            wrong.push("the LIS got a person's number or UUID".into());
        }
        Ok(wrong)
    }

    fn say_what_to_try(&self, broker: Broker, gateway: Option<u32>, ledger: &Ledger, town: &Town) {
        let config = "config/demo.toml";
        println!("\nEverything still runs. To try next, with {}={}:", broker::URL, broker.url());
        let tagged = ledger.0.values().find(|record| !record["tag"].is_null());
        if let Some((source, posting)) =
            tagged.and_then(|record| record["source"].as_str().zip(record["posting"].as_str()))
        {
            println!("  target/debug/samspor explain --config {config} {source} {posting}");
        }
        if let Some(number) = a_number(town) {
            println!("  echo {number} | target/debug/samspor citizen export --config {config}");
        }
        println!("  target/debug/samspor audit list --config {config}");
        println!("  target/debug/samspor reconcile --config {config}");
        println!("  target/debug/samspor quarantine list --config {config}");
        println!("  grpcurl -plaintext 127.0.0.1:50461 list");
        if let Some(id) = gateway {
            println!("To stop the gateway: kill {id}");
        }
        if let Broker::Private(node) = broker {
            println!("To stop the broker:  {}", node.leave_running());
        }
    }
}

/// The number of somebody in the town who consented; nobody has it.
fn a_number(town: &Town) -> Option<String> {
    town.facts().find_map(|message| {
        let said: Value = serde_json::from_slice(&message.body).ok()?;
        let is_consent = said["type"] == "consent";
        said["citizen"]["cpr"].as_str().filter(|_| is_consent).map(str::to_owned)
    })
}

fn print_all(
    ledger: &Ledger,
    balance: &Value,
    quarantine: &BTreeMap<(String, String), u64>,
    expected: &Expected,
) {
    println!("\nSome tagged postings, as the ledger got them\n{}", show::some_postings(ledger));
    println!("\nWhat each solution costs, in kroner, by area and month\n{}", show::costs(ledger).0);
    println!("\nWhat stayed untagged\n{}", show::untagged(balance));
    println!("\nWhat could not be understood\n{}", show::quarantine(quarantine));
    println!(
        "\nThe balance: received = facts + stale + postings + duplicates + quarantined\n{}",
        show::balance(balance, expected)
    );
}

fn costs_differ(expected: &Expected, ledger: &Ledger) -> Vec<String> {
    let (_, found) = show::costs(ledger);
    let right: BTreeMap<(String, String, String), i128> = expected
        .costs
        .iter()
        .map(|((solution, area, month), ore)| {
            ((solution.to_string(), area.to_string(), month.strftime("%Y-%m").to_string()), *ore)
        })
        .collect();
    let keys: std::collections::BTreeSet<_> = found.keys().chain(right.keys()).collect();
    let differs = keys.into_iter().filter(|key| found.get(key).unwrap_or(&0) != right.get(key).unwrap_or(&0));
    differs
        .map(|key| format!("the cost of {key:?} is {:?}, and should be {:?}", found.get(key), right.get(key)))
        .collect()
}

fn quarantine_differs(expected: &Expected, found: &BTreeMap<(String, String), u64>) -> Vec<String> {
    let mut right = BTreeMap::new();
    for (source, counts) in &expected.counts {
        for (reason, items) in &counts.quarantined {
            right.insert(((*source).to_owned(), reason.word().to_owned()), *items);
        }
    }
    if right == *found {
        Vec::new()
    } else {
        vec![format!("in quarantine is {found:?}, and should be {right:?}")]
    }
}

fn report(wrong: &[String], postings: usize) -> Result<()> {
    if wrong.is_empty() {
        println!("\nAll {postings} postings are as the town's generator knows them to be right, to the øre.");
        return Ok(());
    }
    for difference in wrong.iter().take(20) {
        eprintln!("WRONG: {difference}");
    }
    bail!("{} things are not as they should be", wrong.len());
}

fn bar(length: u64, what: &str) -> ProgressBar {
    let (template, bar) = if length == 0 {
        ("{spinner} {msg} {elapsed}", ProgressBar::new_spinner())
    } else {
        ("{spinner} {msg} [{bar:30}] {human_pos}/{human_len} items {elapsed}", ProgressBar::new(length))
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = bar.with_style(style).with_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
