//! `cargo xtask distributor`: the offline stand-in of the message distributor, for whoever tries a configuration against it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use samspor_harness::client::{Client, Kind, Message};
use samspor_harness::distributor::{CVR, Distributor, SENDING};
use samspor_harness::responder::Responder;
use serde_json::json;

use crate::broker::Broker;
use crate::build;

/// How the stand-in runs.
#[derive(Args)]
pub(crate) struct Options {
    /// Install what is missing without asking.
    #[arg(long)]
    yes: bool,
    /// For how long tokens hold, in seconds. Connections end with their tokens.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    token_life: u64,
}

/// The name of the queue, as if it were that of a dueslag.
const QUEUE: &str = "0b1c2d3e-4f50-4a61-8b72-9c8d0e1f2a3b";
/// What is sent has this message type.
const SENT_TYPE: &str = "6b1f0a52-3c7e-4d18-9a40-5e2d7c1b8fff";
/// How often is looked what came.
const INTERVAL: Duration = Duration::from_millis(200);

/// Starts it, says how it is reached, and tells what it takes until it is interrupted.
pub(crate) async fn run(options: Options) -> Result<()> {
    let root = build::root();
    let dir = root.join("target/distributor");
    let broker = Broker::open(&dir.join("broker"), options.yes, |what| println!("Broker: {what} …")).await?;
    let node = broker.url();
    let distributor = Distributor::start(&node).await?;
    let life_ms = options.token_life * 1_000;
    distributor.control().set(json!({"life_ms": life_ms, "cut": true})).await?;
    let client = Client::connect(&node).await.context("cannot connect to the broker")?;
    client.declare(QUEUE, Kind::Quorum).await?;
    let waiting = client.count(QUEUE).await?;
    if waiting == 0 {
        let examples = ["case", "grant", "payment"].map(|name| example(&root, name));
        client.publish(QUEUE, examples.into_iter().collect::<Result<Vec<_>>>()?).await?;
    }
    let responder = Responder::start(&node, distributor.control()).await?;

    let config = dir.join("gateway.toml");
    std::fs::write(&config, configuration(&root, &distributor)?)?;
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    std::fs::write(dir.join("master.key"), hex::encode(key))?;
    std::fs::write(dir.join("url"), distributor.broker_url())?;
    let (shown, queue) = (std::fs::read_to_string(&config)?, QUEUE);
    println!(
        "\nThe stand-in runs: a token service, and a broker that is logged in to by its tokens. In the queue {queue} lie \
         the examples of config/presets/oio. This configuration is in {config}, and ends with the stand-in:\n\n{shown}\n\
         samspor check --config {config} --broker\n\
         samspor record --config {config} --source jobcentre --limit 3\n\
         samspor serve --config {config}\n\n\
         Every record that is sent gets the answer 20. Press Ctrl-C to end the stand-in.\n",
        config = config.display(),
    );
    tell(&responder).await
}

/// One of the presets' messages.
fn example(root: &Path, name: &str) -> Result<Message> {
    let path = root.join("config/presets/oio").join(name).with_extension("xml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Message::new("application/xml", text))
}

/// Tells what comes until somebody interrupts.
async fn tell(responder: &Responder) -> Result<()> {
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let mut told: BTreeSet<String> = BTreeSet::new();
    let mut seen = 0;
    loop {
        tokio::select! {
            interrupted = &mut interrupted => {
                interrupted?;
                println!("{} messages were taken.", told.len());
                return Ok(());
            }
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let taken = responder.taken();
        for one in taken.iter().skip(seen) {
            let again = if told.insert(one.id.clone()) { "" } else { " again" };
            println!("took the message {}{again}", one.id);
        }
        seen = taken.len();
    }
}

/// A whole configuration that receives from it and sends to it.
fn configuration(root: &Path, distributor: &Distributor) -> Result<String> {
    let file = |name: &str| format!("{:?}", distributor.certificates().path(name).display().to_string());
    let (ca, certificate, key) = (file("ca.pem"), file("client.pem"), file("client.key"));
    let charts = format!("{:?}", root.join("config/charts").display().to_string());
    let presets = std::fs::read_to_string(root.join("config/presets/oio.toml"))?;
    let (_, types) = presets.split_once("[oio.message_types]\n").context("the preset has message types")?;
    let broker = |name: &str, more: &str| {
        format!(
            "[brokers.{name}]\nurl_file = \"url\"\nca_file = {ca}\nclient_cert_file = {certificate}\n\
             client_key_file = {key}\n[brokers.{name}.token]\nurl = {:?}\ncvr = {CVR:?}\nca_file = {ca}\n{more}\n",
            distributor.token_url()
        )
    };
    Ok(format!(
        "charts.dir = {charts}\nstore.dir = \"store\"\nvault.master_key_file = \"master.key\"\n\n{}{}\
         [[sources]]\nname = \"jobcentre\"\nformat = \"oio\"\nmay_send = [\"case\", \"grant\", \"payment\"]\n\
         amqp = {{ broker = \"bfo\", queue = {QUEUE:?}, topology = \"check\" }}\n[sources.oio.message_types]\n{types}\n\
         [[targets]]\nname = \"ledger\"\naudience = \"ledger\"\n[targets.distributor]\nbroker = \"bfo-send\"\n\
         message_type = {SENT_TYPE:?}\n",
        broker("bfo", ""),
        broker("bfo-send", &format!("entity_id = {SENDING:?}\n")),
    ))
}
