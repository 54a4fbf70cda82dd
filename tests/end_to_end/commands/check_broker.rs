//! `samspor check --broker`, on a real broker with its management interface: every risk of loss, made for real, is found,
//! and a sound topology is good.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::pin::pin;

use samspor_harness::client::Client;
use samspor_harness::gateway::Program;
use samspor_harness::rabbitmq::{Node, Options};
use serde_json::{Value, json};
use tokio::sync::{OnceCell, RwLock};

use super::recordings::charts_alone;
use crate::deployment::{LIMIT, Result};
use crate::samspor::{Call, Ran};

/// A node of its own, since the others have no management interface.
async fn node() -> Result<&'static Node> {
    static NODE: OnceCell<Node> = OnceCell::const_new();
    let options = || Options {
        plugins: vec!["rabbitmq_management".into()],
        // The interface then knows sooner which policies hold for a new queue.
        configuration: vec!["collect_statistics_interval = 500".into()],
        ..Options::default()
    };
    Ok(NODE.get_or_try_init(|| Node::temporary(options())).await?)
}

/// An alarm is the whole node's: whoever raises one writes, and who needs that there is none reads.
static ALARMS: RwLock<()> = RwLock::const_new(());

/// A virtual host with queues, and a configuration that uses them.
struct Stage {
    node: &'static Node,
    dir: tempfile::TempDir,
    url: String,
    vhost: String,
}

impl Stage {
    async fn new() -> Result<Self> {
        let node = node().await?;
        let url = node.vhost().await?;
        let vhost = url.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Self { node, dir: tempfile::tempdir()?, url, vhost })
    }

    /// Makes what definitions say, in this virtual host.
    async fn import(&self, mut definitions: Value) -> Result<()> {
        for list in definitions.as_object_mut().into_iter().flat_map(|lists| lists.values_mut()) {
            for entry in list.as_array_mut().into_iter().flatten() {
                entry["vhost"] = self.vhost.as_str().into();
            }
        }
        let path = self.dir.path().join("definitions.json");
        std::fs::write(&path, definitions.to_string())?;
        self.node.ctl(&["import_definitions", &path.to_string_lossy()]).await?;
        Ok(())
    }

    fn configure(&self, text: &str) -> Result<PathBuf> {
        let charts = std::fs::read_to_string(charts_alone(self.dir.path())?)?;
        let charts = charts.replace("[charts]\ndir", "charts.dir");
        let path = self.dir.path().join("checked.toml");
        std::fs::write(&path, format!("{charts}\n{text}"))?;
        Ok(path)
    }

    fn check(&self, config: &Path, management: &str, more: &[&str]) -> Result<Ran> {
        let environment = [
            ("URL".to_owned(), self.url.clone()),
            ("LIMITED".to_owned(), self.url.replacen("samspor:", "limited:", 1)),
            ("MANAGEMENT".to_owned(), management.to_owned()),
        ];
        let config = config.to_string_lossy();
        let ran = Call { environment: &environment, input: "" }
            .run(["check", "--config", &config, "--broker"].iter().chain(more))?;
        let password = self.url.split([':', '@']).nth(2).ok_or("there is one")?;
        assert!(password.len() > 20 && !format!("{}{}", ran.stdout, ran.stderr).contains(password));
        Ok(ran)
    }

    fn json(&self, config: &Path, management: &str, code: i32) -> Result<Value> {
        let ran = self.check(config, management, &["--json"])?.ended(code)?;
        Ok(serde_json::from_str(&ran.stdout)?)
    }
}

/// What was found of a part with this grade.
fn found<'a>(report: &'a Value, name: &str, grade: &str) -> BTreeSet<&'a str> {
    let parts = report["parts"].as_array().into_iter().flatten().filter(|part| part["name"] == name);
    let findings = parts.flat_map(|part| part["findings"].as_array().into_iter().flatten());
    let of_grade = findings.filter(|finding| finding["grade"] == grade);
    of_grade
        .map(|finding| {
            assert_eq!(grade != "good", finding["advice"].is_string(), "{finding}");
            finding["check"].as_str().unwrap_or_default()
        })
        .collect()
}

/// The definitions that the documentation gives.
fn documented() -> Result<Value> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/broker.md"))?;
    let json = text.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
    Ok(serde_json::from_str(json.ok_or("docs/broker.md has definitions")?)?)
}

fn quorum(name: &str, arguments: Value) -> Value {
    let mut all = json!({ "x-queue-type": "quorum" });
    for (key, value) in arguments.as_object().into_iter().flatten() {
        all[key] = value.clone();
    }
    json!({ "name": name, "durable": true, "auto_delete": false, "arguments": all })
}

fn exchange(name: &str) -> Value {
    json!({ "name": name, "type": "topic", "durable": true, "auto_delete": false, "internal": false, "arguments": {} })
}

fn binding(source: &str, key: &str, queue: &str) -> Value {
    json!({ "source": source, "destination": queue, "destination_type": "queue", "routing_key": key, "arguments": {} })
}

/// What the documentation's policy says, as far as RabbitMQ 3.10 knows it.
fn policy(pattern: &str) -> Value {
    json!({ "name": "sources", "pattern": pattern, "apply-to": "queues", "priority": 0,
            "definition": { "dead-letter-exchange": "samspor.dead" } })
}

const SOUND: &str = r#"
brokers.bf = { url_env = "URL", management_url_env = "MANAGEMENT" }

[[sources]]
name = "opus"
format = "json"
amqp = { broker = "bf", queue = "samspor.in.opus" }

[[targets]]
name = "ledger"
audience = "ledger"
amqp = { broker = "bf", queue = "ledger" }

[[targets]]
name = "lis"
audience = "lis"
amqp = { broker = "bf", exchange = "lis" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_topology_is_good_and_what_is_not_seen_is_said() -> Result<()> {
    let stage = Stage::new().await?;
    stage.import(json!({ "policies": [policy(r"^samspor\.in\.")] })).await?;
    stage.import(documented()?).await?;
    stage
        .import(json!({
            "exchanges": [exchange("lis"), exchange("finance")],
            "queues": [quorum("ledger", json!({})), quorum("reader", json!({}))],
            "bindings": [binding("lis", "#", "reader"), binding("finance", "#", "samspor.in.opus")],
        }))
        .await?;
    let config = stage.configure(SOUND)?;
    let management = stage.node.management_url();

    let report = stage.json(&config, &management, 0)?;
    assert_eq!((&report["good"], &report["faults"]), (&true.into(), &0.into()), "{report:#}");
    let source =
        ["amqp", "binding", "consumers", "dead-letter-exchange", "durable", "limits", "permission", "type"];
    assert_eq!(found(&report, "opus", "good"), source.into(), "{report:#}");
    assert_eq!(found(&report, "ledger", "good"), ["amqp", "durable", "permission", "type"].into());
    assert_eq!(found(&report, "lis", "good"), ["amqp", "binding", "exchange", "permission"].into());
    assert_eq!(found(&report, "bf", "good"), ["alarm", "management"].into());
    // The one thing that the interface does not tell.
    assert_eq!(
        (found(&report, "bf", "notice"), &report["notices"]),
        (["node-consumer-timeout"].into(), &1.into())
    );
    let text = stage.check(&config, &management, &[])?.ended(0)?.stdout;
    assert!(text.contains("Nothing was found by which messages can be lost; 1 notice."), "{text}");

    // Without the interface it sees that everything is there, and says what it did not see.
    let blind = stage.configure(&SOUND.replace(", management_url_env = \"MANAGEMENT\"", ""))?;
    let report = stage.json(&blind, &management, 0)?;
    assert_eq!(found(&report, "bf", "notice"), ["management"].into());
    assert_eq!(found(&report, "opus", "good"), ["amqp"].into());
    stage.configure(
        &SOUND.replace(", management_url_env = \"MANAGEMENT\"", "").replace("\"ledger\" }", "\"gone\" }"),
    )?;
    assert_eq!(found(&stage.json(&blind, &management, 2)?, "ledger", "fault"), ["amqp"].into());

    // What is configured and does not work is a fault.
    let config = stage.configure(SOUND)?;
    let port = management.rsplit(':').next().ok_or("it has one")?;
    for wrong in [
        &format!("http://samspor:wrong@127.0.0.1:{port}"),
        "http://samspor:wrong@127.0.0.1:1",
        "nonsense",
        "",
    ] {
        let report = stage.json(&config, wrong, 2)?;
        assert_eq!(found(&report, "bf", "fault"), ["management"].into(), "{wrong}");
        assert!(!report.to_string().contains("wrong"), "{report}");
        assert_eq!(found(&report, "opus", "good"), ["amqp"].into(), "the rest is looked at");
    }

    let _alone = ALARMS.write().await;
    // The alarm is raised as the broker itself raises one.
    stage.node.eval("rabbit_alarm:set_alarm({{resource_limit, memory, node()}, []}).").await?;
    let report = stage.json(&config, &management, 2)?;
    assert_eq!(found(&report, "bf", "fault"), ["alarm"].into(), "{report:#}");
    stage.node.eval("rabbit_alarm:clear_alarm({resource_limit, memory, node()}).").await?;
    stage.json(&config, &management, 0)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_declares_and_its_own_consumer_are_good() -> Result<()> {
    let stage = Stage::new().await?;
    stage.import(json!({ "policies": [policy(r"^samspor\.in\.")] })).await?;
    stage.import(documented()?).await?;
    std::fs::write(stage.dir.path().join("key"), "5a".repeat(32))?;
    let declares = SOUND.replace("in.opus\"", "in.own\", topology = \"declare\"");
    let declares = declares.replace("\"ledger\" }", "\"ledger\", topology = \"declare\" }");
    let declares = declares.replace("\"lis\" }", "\"lis\", topology = \"declare\", allow_unrouted = true }");
    let parts = "store.dir = \"store\"\nvault.master_key_file = \"key\"";
    let config = stage.configure(&format!("{parts}\n{declares}"))?;
    let management = stage.node.management_url();
    let _no_alarm = ALARMS.read().await;
    // Nothing is there yet, and the gateway is about to make it.
    let report = stage.json(&config, &management, 0)?;
    assert_eq!(found(&report, "opus", "notice"), ["queue"].into());
    assert_eq!(found(&report, "lis", "notice"), ["exchange"].into());

    let program = Program {
        binary: env!("CARGO_BIN_EXE_samspor").into(),
        config: config.clone(),
        environment: vec![("URL".into(), stage.url.clone())],
    };
    let mut running = program.start(&stage.dir.path().join("gateway.log"))?;
    let client = Client::connect(&stage.url).await?;
    let deadline = tokio::time::Instant::now() + LIMIT;
    let consumers = async || stage.node.ctl(&["list_consumers", "-p", &stage.vhost]).await;
    while !consumers().await?.contains("samspor.in.own") || client.count("ledger").await.is_err() {
        running.still_runs()?;
        assert!(tokio::time::Instant::now() < deadline, "the gateway does not consume");
    }
    let report = stage.json(&config, &management, 0)?;
    assert_eq!(found(&report, "opus", "notice"), ["binding"].into(), "{report:#}");
    assert!(found(&report, "opus", "good").contains("consumers"), "{report:#}");
    assert_eq!(found(&report, "ledger", "notice"), [].into(), "{report:#}");
    running.stop().await?;
    Ok(())
}

/// A queue, what of it the configuration says besides its name, and the faults and notices that must be found.
type Risk = (&'static str, Value, &'static str, &'static [&'static str], &'static [&'static str]);

#[tokio::test(flavor = "multi_thread")]
async fn every_risk_that_is_made_is_found_and_no_other() -> Result<()> {
    let stage = Stage::new().await?;
    let classic = |durable: bool, auto_delete: bool| json!({ "durable": durable, "auto_delete": auto_delete, "arguments": {} });
    let with = |arguments: Value| quorum("", arguments);
    let sources: [Risk; 21] = [
        ("in.alone", with(json!({})), "", &[], &["binding"]),
        ("in.sound", with(json!({})), "", &[], &[]),
        ("bare", with(json!({})), "", &["dead-letter-exchange"], &[]),
        ("in.nowhere", with(json!({ "x-dead-letter-exchange": "gone" })), "", &["dead-letter-exchange"], &[]),
        (
            "in.unbound",
            with(json!({ "x-dead-letter-exchange": "unbound" })),
            "",
            &["dead-letter-exchange"],
            &[],
        ),
        ("in.limit", with(json!({ "x-delivery-limit": 20 })), "", &["delivery-limit"], &[]),
        ("in.no-limit", with(json!({ "x-delivery-limit": i32::MAX })), "", &[], &[]),
        ("in.ttl", with(json!({ "x-message-ttl": 60_000 })), "", &["message-ttl"], &[]),
        ("in.policy-ttl", with(json!({})), "", &["message-ttl"], &[]),
        ("in.expires", with(json!({ "x-expires": 3_600_000 })), "", &["expires"], &[]),
        ("in.length", with(json!({ "x-max-length": 1_000 })), "", &["max-length"], &[]),
        (
            "in.refuses",
            with(json!({ "x-max-length": 1_000, "x-overflow": "reject-publish" })),
            "",
            &[],
            &["max-length"],
        ),
        ("in.timeout", with(json!({ "x-consumer-timeout": 60_000 })), "", &["consumer-timeout"], &[]),
        ("in.slow", with(json!({})), ", prefetch = 1000, batch = 1", &[], &["consumer-timeout"]),
        ("in.classic", classic(true, false), "", &["type"], &[]),
        ("in.meant-classic", classic(true, false), ", queue_type = \"classic\"", &[], &[]),
        ("in.transient", classic(false, false), ", queue_type = \"classic\"", &["durable"], &[]),
        ("in.auto-delete", classic(true, true), ", queue_type = \"classic\"", &["durable"], &[]),
        ("in.declared", with(json!({})), ", topology = \"declare\"", &["declaration"], &[]),
        ("in.shared", with(json!({})), "", &["consumers"], &[]),
        ("in.forbidden", with(json!({})), "", &["permission"], &[]),
    ];
    let mut queues: Vec<Value> = Vec::new();
    let mut text = String::from(
        "brokers.bf = { url_env = \"URL\", management_url_env = \"MANAGEMENT\" }\n\
         brokers.limited = { url_env = \"LIMITED\", management_url_env = \"MANAGEMENT\" }\n",
    );
    let mut source = |queue: &str, more: &str| {
        let broker = if queue == "in.forbidden" { "limited" } else { "bf" };
        text += &format!(
            "[[sources]]\nname = \"{queue}\"\nformat = \"json\"\n\
             amqp = {{ broker = \"{broker}\", queue = \"{queue}\"{more} }}\n"
        );
    };
    for (name, queue, more, ..) in &sources {
        let mut queue = queue.clone();
        queue["name"] = (*name).into();
        queues.push(queue);
        source(name, more);
    }
    source("missing", "");
    source("to-come", ", topology = \"declare\"");
    let targets: [(&str, &str, &[&'static str], &[&'static str]); 8] = [
        ("out.sound", "queue = \"out.sound\"", &[], &[]),
        ("out.full", "queue = \"out.full\"", &[], &["max-length"]),
        ("out.ttl", "queue = \"out.ttl\"", &["message-ttl"], &[]),
        ("gone", "queue = \"gone\"", &["queue"], &[]),
        ("no-exchange", "exchange = \"no-exchange\"", &["exchange"], &[]),
        ("unbound", "exchange = \"unbound\"", &["binding"], &[]),
        ("unbound-allowed", "exchange = \"unbound\", allow_unrouted = true", &[], &["binding"]),
        ("partly", "exchange = \"partly\"", &[], &["binding"]),
    ];
    for (name, amqp, ..) in &targets {
        text += &format!(
            "[[targets]]\nname = \"{name}\"\naudience = \"lis\"\namqp = {{ broker = \"bf\", {amqp} }}\n"
        );
    }
    let mut bindings =
        vec![binding("samspor.dead", "#", "samspor.dead"), binding("partly", "sb.#", "out.sound")];
    let bound = sources.iter().map(|(name, ..)| *name).filter(|name| *name != "in.alone");
    bindings.extend(bound.map(|name| binding("finance", name, name)));
    queues.extend([
        quorum("samspor.dead", json!({})),
        quorum("out.sound", json!({})),
        quorum("out.full", json!({ "x-max-length": 9, "x-overflow": "reject-publish" })),
        quorum("out.ttl", json!({ "x-message-ttl": 9 })),
    ]);
    let mut shorter = policy("^in.policy-ttl$");
    shorter["name"] = "ttl".into();
    shorter["priority"] = 1.into();
    shorter["definition"]["message-ttl"] = 60_000.into();
    stage
        .import(json!({
            "policies": [policy("^in"), shorter],
            "exchanges": [exchange("samspor.dead"), exchange("unbound"), exchange("partly"), exchange("finance")],
            "queues": queues,
            "bindings": bindings,
        }))
        .await?;
    let password = stage.url.split([':', '@']).nth(2).ok_or("there is one")?;
    let vhost = &stage.vhost;
    stage
        .node
        .eval(&format!(
            "U = <<\"limited\">>, rabbit_auth_backend_internal:add_user(U, <<\"{password}\">>, <<\"test\">>), \
             rabbit_auth_backend_internal:set_permissions(U, <<\"{vhost}\">>, <<\".*\">>, <<\".*\">>, <<\"^out\">>, U)."
        ))
        .await?;

    // Somebody else consumes from a queue, and gets nothing from it meanwhile.
    let client = Client::connect(&stage.url).await?;
    let mut other = pin!(client.drain("in.shared", 1, LIMIT));
    let consumes = async {
        let deadline = tokio::time::Instant::now() + LIMIT;
        while !stage.node.ctl(&["list_consumers", "-p", vhost]).await?.contains("in.shared") {
            assert!(tokio::time::Instant::now() < deadline, "nobody consumes");
        }
        Result::Ok(())
    };
    tokio::select! {
        ended = &mut other => return Err(format!("the other consumer ended: {ended:?}").into()),
        consumes = consumes => consumes?,
    }

    let config = stage.configure(&text)?;
    let management = stage.node.management_url();
    let report = stage.json(&config, &management, 2)?;
    let mut differ = Vec::new();
    let mut expect = |name: &str, faults: &[&'static str], notices: &[&'static str]| {
        let set = |checks: &[&'static str]| checks.iter().copied().collect::<BTreeSet<_>>();
        let expected = (set(faults), set(notices));
        let found = (found(&report, name, "fault"), found(&report, name, "notice"));
        if found != expected {
            differ.push(format!("{name}: found {found:?}, expected {expected:?}"));
        }
    };
    for (name, _, _, faults, notices) in &sources {
        expect(name, faults, notices);
    }
    expect("missing", &["queue"], &[]);
    expect("to-come", &[], &["queue"]);
    for (name, _, faults, notices) in &targets {
        expect(name, faults, notices);
    }
    assert!(differ.is_empty(), "{differ:#?}");
    let people = stage.check(&config, &management, &[])?.ended(2)?.stdout;
    for what in ["FAULT", "take message-ttl out of the policy ttl", "source in.limit: queue in.limit of bf"] {
        assert!(people.contains(what), "{what}: {people}");
    }
    Ok(())
}
