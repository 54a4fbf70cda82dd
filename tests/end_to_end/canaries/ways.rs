//! Every way in and every way out that the configuration knows, beside those of the demo: each with each format, as the program's
//! own words name them. What answers the gateway on the way out quotes the canaries as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use samspor_harness::client::Message;
use samspor_harness::distributor::{CVR, Distributor, SENDING};
use samspor_harness::gateway::Running;
use samspor_harness::receiver::{Receiver, Settings};
use samspor_harness::responder::{Reply, Responder};
use samspor_town::search::Search;
use samspor_town::{Town, source};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::calls::Known;
use super::{CPR, NAME, UUID, spoilt};
use crate::deployment::{Deployment, LIMIT, QUEUE, Result};

/// What else than its way a source's section says, and a target's. A new word that is a way, or none, is to be put to its own.
const OF_SOURCE: [&str; 10] = [
    "name",
    "format",
    "may_send",
    "receipts_of",
    "max_body_bytes",
    "content_types",
    "oio",
    "g69",
    "g68",
    "mapping",
];
const OF_TARGET: [&str; 9] =
    ["name", "audience", "format", "filter", "closed_months", "delivery", "receipts", "forwards", "g69"];

/// A message of G68: a payment, its posting, and the return of what was not paid.
const G68: &str = "000G680000101150&020151&0300&0700000000000000000&0800000970000&09+&1002&116112801234&1220260601&1620260601004820000001&17B-12&40Til Kanariea Fuglsang\n\
                   §15;6112801234;20260601004820000001;9700;2026/06/01;RJ00;Kanariea Fuglsang;§15-000000059;\n";

/// The environment variable that holds the URL of the distributor's broker.
const URL: &str = "SAMSPOR_BFO_URL";

/// What the program says that it takes where something else stands.
fn expected(deployment: &Deployment, config: &str, section: &str) -> Result<Vec<String>> {
    let path = deployment.dir.path().join("words.toml");
    fs::write(&path, format!("{config}\n{section}\n"))?;
    let told = crate::samspor::samspor(["check", "--config", &path.to_string_lossy()])?.ended(2)?.stderr;
    let (_, expected) =
        told.split_once("expected").ok_or_else(|| format!("it says what it expects: {told}"))?;
    let (expected, _) = expected.split_once("╭─").ok_or("it says where")?;
    Ok(expected.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

/// The words of a section that are ways.
fn ways(deployment: &Deployment, config: &str, section: &str, others: &[&str]) -> Result<Vec<String>> {
    let words = expected(deployment, config, &format!("[[{section}]]\nno_such_word = 1"))?;
    Ok(words.into_iter().filter(|word| !others.contains(&&**word)).collect())
}

/// The ways, and who is at their other ends.
pub(crate) struct Ways {
    /// The queues and the folders that were added for the gateway to read.
    sources: Vec<String>,
    queues: Vec<String>,
    folders: Vec<PathBuf>,
    /// The folders that files for an LIS come to, and the queues.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) lis_queues: Vec<String>,
    receiver: Receiver,
    responder: Responder,
    _distributor: Distributor,
}

impl Ways {
    /// Adds a source for each way and format, and a target for each, to the configuration.
    pub(crate) async fn open(deployment: &mut Deployment, node: &str) -> Result<Self> {
        let distributor = Distributor::start(node).await?;
        let responder = Responder::start(node, distributor.control()).await?;
        let mut receiver = Receiver::start(Settings::default()).await?;
        receiver.tell(answers()).await?;
        use Reply::{Garbage, Late, Status, Twice, Uncorrelated};
        // Several targets send, so each answer comes often enough for one of them to give up on a record.
        let replies = [Status(20), Status(40), Garbage, Twice, Status(53), Late, Uncorrelated, Status(99)];
        responder.next(replies.into_iter().flat_map(|reply| [reply; 12]));
        deployment.program.environment.push((URL.into(), distributor.broker_url()));
        let mut ways = Self {
            sources: Vec::new(),
            queues: Vec::new(),
            folders: Vec::new(),
            files: Vec::new(),
            lis_queues: vec![format!("{QUEUE}lis")],
            receiver,
            responder,
            _distributor: distributor,
        };
        let path = deployment.program.config.clone();
        let mut config = fs::read_to_string(&path)?;
        let broker = ways.broker();
        config += &broker;
        config += &ways.sources(deployment, &config)?;
        config += &ways.targets(deployment, &config)?;
        fs::write(path, config)?;
        Ok(ways)
    }

    /// The distributor's broker, to receive from and to send to.
    fn broker(&self) -> String {
        let distributor = &self._distributor;
        let file = |name: &str| distributor.certificates().path(name).display().to_string();
        let (ca, certificate, key) = (file("ca.pem"), file("client.pem"), file("client.key"));
        [("modtag", String::new()), ("afsend", format!("entity_id = {SENDING:?}\n"))]
            .map(|(name, entity_id)| {
                format!(
                    "\n[brokers.{name}]\nurl_env = {URL:?}\nca_file = {ca:?}\nclient_cert_file = {certificate:?}\n\
                     client_key_file = {key:?}\n[brokers.{name}.token]\nurl = {:?}\ncvr = {CVR:?}\nca_file = {ca:?}\n\
                     {entity_id}",
                    distributor.token_url()
                )
            })
            .concat()
    }

    fn sources(&mut self, deployment: &Deployment, config: &str) -> Result<String> {
        let dir = deployment.dir.path();
        let formats = expected(deployment, config, "[[sources]]\nname = \"w\"\nformat = \"no-such-word\"")?;
        assert!(formats.iter().any(|format| format == "g68"), "{formats:?}");
        let mut sections = Vec::new();
        for format in &formats {
            match format.as_str() {
                "json" => sections.push((format.clone(), format, String::new())),
                "g69" => sections.push((format.clone(), format, "[sources.g69]\n".into())),
                "g68" => sections.push((
                    format.clone(),
                    format,
                    "[sources.g68]\ngrant_field = 17\ngrant_system = \"dubu\"\n".into(),
                )),
                "oio" => sections.push((
                    format.clone(),
                    format,
                    "[sources.oio.message_types]\n\"6b1f0a52-3c7e-4d18-9a40-5e2d7c1b8f02\" = \"grant\"\n"
                        .into(),
                )),
                "mapping" => {
                    for (name, file) in mappings()? {
                        let mapping: toml::Table = fs::read_to_string(&file)?.parse()?;
                        let messages = mapping["message"].as_array().into_iter().flatten();
                        let types: BTreeSet<&str> = messages.filter_map(|one| one["type"].as_str()).collect();
                        let types: Vec<&str> = types.into_iter().collect();
                        let settings = format!("may_send = {types:?}\n[sources.mapping]\nfile = {file:?}\n");
                        sections.push((name, format, settings));
                    }
                }
                other => return Err(format!("the format {other} has no canaries yet").into()),
            }
        }
        let mut text = String::new();
        for way in ways(deployment, config, "sources", &OF_SOURCE)? {
            for (name, format, settings) in &sections {
                let name = format!("{way}-{name}");
                self.sources.push(name.clone());
                let place = match way.as_str() {
                    "amqp" => {
                        // What comes by the distributor is a queue behind a token.
                        let broker = if *format == "oio" { "modtag" } else { "main" };
                        self.queues.push(format!("{QUEUE}{name}"));
                        format!("broker = \"{broker}\"\nqueue = \"{QUEUE}{name}\"\ntopology = \"declare\"\n")
                    }
                    "folder" => {
                        let folder = dir.join("in").join(&name);
                        fs::create_dir_all(&folder)?;
                        self.folders.push(folder.clone());
                        format!("dir = {folder:?}\npoll_s = 1\nmarker = \".done\"\n")
                    }
                    other => return Err(format!("the way {other} has no canaries yet").into()),
                };
                text += &format!(
                    "\n[[sources]]\nname = \"{name}\"\nformat = \"{format}\"\n{settings}[sources.{way}]\n{place}"
                );
            }
        }
        // What a ledger says comes over a queue as well.
        self.queues.push(format!("{QUEUE}receipts"));
        self.sources.push("receipts".into());
        text += &format!(
            "\n[[sources]]\nname = \"receipts\"\nformat = \"json\"\nreceipts_of = \"desk\"\n[sources.amqp]\n\
             broker = \"main\"\nqueue = \"{QUEUE}receipts\"\ntopology = \"declare\"\n"
        );
        Ok(text)
    }

    fn targets(&mut self, deployment: &Deployment, config: &str) -> Result<String> {
        let (dir, url) = (deployment.dir.path(), self.receiver.url());
        let target = "[[targets]]\nname = \"w\"\naudience = \"lis\"\n";
        let words =
            |keys: &str| expected(deployment, config, &format!("{target}{keys}format = \"no-such-word\""));
        let (formats, of_files) = (words("")?, words("[targets.folder]\ndir = \"out\"\n")?);
        assert!(formats.len() >= 4 && of_files.len() >= 3, "{formats:?} {of_files:?}");
        let delivery = "[targets.delivery]\ntries = 2\nretry_from_ms = 10\nretry_to_ms = 50\n";
        let mut text = format!(
            "\n[[targets]]\nname = \"desk\"\naudience = \"ledger\"\n[targets.http]\nurl = \"{url}/desk\"\n{delivery}\
             [targets.receipts]\n"
        );
        for way in ways(deployment, config, "targets", &OF_TARGET)? {
            for format in if way == "folder" { &of_files } else { &formats } {
                let name = format!("lis-{way}-{format}");
                let outer = if way == "folder" { String::new() } else { format!("format = \"{format}\"\n") };
                let place = match way.as_str() {
                    "amqp" => {
                        self.lis_queues.push(format!("{QUEUE}{name}"));
                        format!("broker = \"main\"\nqueue = \"{QUEUE}{name}\"\ntopology = \"declare\"\n")
                    }
                    "http" => format!("url = \"{url}/{format}\"\n{delivery}"),
                    "folder" => {
                        let folder = dir.join("out").join(&name);
                        fs::create_dir_all(&folder)?;
                        self.files.push(folder.clone());
                        format!("dir = {folder:?}\nformat = \"{format}\"\nmax_age_s = 1\n")
                    }
                    "distributor" => format!(
                        "broker = \"afsend\"\nmessage_type = \"urn:oio:Example:Figures\"\nanswer_timeout_ms = 2000\n{delivery}"
                    ),
                    other => return Err(format!("the way {other} has no canaries yet").into()),
                };
                text += &format!(
                    "\n[[targets]]\nname = \"{name}\"\naudience = \"lis\"\n{outer}[targets.{way}]\n{place}"
                );
            }
        }
        Ok(text)
    }

    /// Sends each source what is whole, for it or for another, and what is spoilt; and waits until all of it was taken.
    pub(crate) async fn fill(
        &self,
        deployment: &Deployment,
        running: &mut Running,
        town: &Town,
    ) -> Result<()> {
        let bodies = bodies(town)?;
        for queue in &self.queues {
            let messages = bodies.iter().map(|(_, message)| message.clone());
            deployment.client.publish(queue, messages.collect::<Vec<_>>()).await?;
        }
        for (folder, ordinal) in self.folders.iter().zip(1..) {
            // What is no file is left alone, and not told of by its name either.
            std::os::unix::fs::symlink("nowhere", folder.join(format!("{CPR} {NAME}.json")))?;
            fs::create_dir(folder.join(format!("{UUID} {NAME}")))?;
            for (no, (kind, message)) in bodies.iter().enumerate() {
                // Not even a file's name is told.
                let name = format!("{ordinal}-{no:03} {NAME} {CPR} {UUID}.{kind}");
                fs::write(folder.join(&name), &message.body)?;
                fs::write(folder.join(format!("{name}.done")), "")?;
            }
        }
        for queue in &self.queues {
            deployment.client.wait_for_count(queue, 0, LIMIT).await?;
        }
        let deadline = Instant::now() + LIMIT;
        for folder in &self.folders {
            let is_file =
                |entry: std::io::Result<fs::DirEntry>| entry.is_ok_and(|entry| entry.path().is_file());
            while fs::read_dir(folder)?.any(is_file) {
                running.still_runs()?;
                assert!(Instant::now() < deadline, "{} is emptied", folder.display());
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
        // Something of it was taken from each, and something was not.
        let balance: Value =
            serde_json::from_str(&deployment.samspor(&["reconcile"], &["--json"], "")?.stdout)?;
        let rows: Vec<&Value> = balance["items"].as_array().into_iter().flatten().collect();
        for source in &self.sources {
            let of = |outcomes: &[&str]| -> i64 {
                let of_source = rows.iter().filter(|row| row["source"] == **source);
                of_source
                    .flat_map(|row| {
                        outcomes.iter().map(|word| row["outcomes"][word].as_i64().unwrap_or_default())
                    })
                    .sum()
            };
            let taken = of(&["facts", "postings", "receipts", "stale", "duplicates"]);
            assert!(taken > 0 && of(&["quarantined"]) > 0, "{source}: {taken} of {balance}");
        }
        Ok(())
    }

    /// What LIS got over HTTP and by the distributor has nobody in it, and both got something.
    pub(crate) async fn nobody_is_sent(&mut self, search: &Search) -> Result<()> {
        let mut formats: BTreeMap<String, usize> = BTreeMap::new();
        for request in self.receiver.all().await? {
            let Some(format) = request["path"].as_str().and_then(|path| path.rsplit('/').next()) else {
                continue;
            };
            if format == "desk" {
                continue;
            }
            *formats.entry(format.to_owned()).or_default() += 1;
            let body = BASE64_STANDARD.decode(request["body_base64"].as_str().unwrap_or_default())?;
            let key = request["key"].to_string();
            assert!(search.find(&body).is_none() && search.find(key.as_bytes()).is_none(), "{format}: {key}");
        }
        assert!(formats.len() >= 4, "{formats:?}");
        let sent = self.responder.taken();
        assert!(!sent.is_empty(), "the distributor took something");
        for message in sent {
            let record = message.record.to_string();
            assert!(
                search.find(message.body.as_bytes()).is_none() && search.find(record.as_bytes()).is_none()
            );
        }
        Ok(())
    }
}

/// How the ledger and the LIS at the other end answer: whole receipts and others, and every answer quotes somebody.
fn answers() -> Value {
    let canaries = format!("{NAME} 611280-1234 {UUID}");
    let rejected = |fields: Value| json!({"receipt": "rejected", "fields": fields});
    let script = [
        json!({"status": 422, "body": canaries}),
        json!({"status": 500, "body": canaries, "headers": {"X-Reason": CPR, "Content-Type": NAME}}),
        json!({"status": 302, "headers": {"Location": format!("http://127.0.0.1:1/{CPR}")}}),
        json!({"body": canaries, "headers": {"Content-Type": "application/json"}}),
        rejected(json!({"status": NAME})),
        rejected(json!({"at": CPR})),
        rejected(json!({"posting": CPR, "source": NAME})),
        rejected(json!({"revision": UUID})),
        rejected(json!({(NAME): 1})),
        json!({"cut": true}),
    ];
    let repeated: Vec<&Value> = std::iter::repeat_n(&script, 8).flatten().collect();
    json!({"script": repeated, "default": rejected(json!({"text": canaries, "code": CPR}))})
}

/// The mappings that the project ships, by name.
fn mappings() -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/mappings"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "toml") {
            let name = path.file_stem().ok_or("a name")?.to_string_lossy().into_owned();
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found)
}

/// What is sent to each source: something whole of each format, and each of that spoilt; with the end of a file's name.
fn bodies(town: &Town) -> Result<Vec<(&'static str, Message)>> {
    let mut whole: Vec<(&str, Message)> = Vec::new();
    for source in source::ALL {
        let of_source = town.messages().filter(|message| message.source == source).take(3);
        whole.extend(of_source.map(|message| ("town", Message::new(message.content_type, message.body))));
    }
    whole.push(("g68", Message::new("text/plain", G68)));
    let receipt = json!({"type": "receipt", "id": "R-1", "source": "opus", "posting": Known::of(town)?.posting, "revision": 1,
                         "status": "rejected", "at": "2026-03-16T04:10:00Z", "text": format!("{NAME} 611280-1234")});
    whole.push(("json", Message::new("application/json", receipt.to_string())));
    for (name, _) in mappings()? {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/mappings").join(name);
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let (end, content_type) = match path.extension().and_then(|end| end.to_str()) {
                Some("json") => ("json", "application/json"),
                Some("xml") => ("xml", "application/xml"),
                Some("csv") => ("csv", "text/csv"),
                Some("txt") => ("txt", "text/plain"),
                _ => continue,
            };
            whole.push((end, Message::new(content_type, fs::read(path)?)));
        }
    }
    let spoilt: Vec<_> = whole
        .iter()
        .flat_map(|(end, message)| {
            let content_type = message.content_type.clone().unwrap_or_default();
            spoilt(&message.body, &[&content_type]).into_iter().map(|spoilt| (*end, spoilt))
        })
        .collect();
    whole.extend(spoilt);
    Ok(whole)
}
