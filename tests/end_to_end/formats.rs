//! One posting to eight targets, in each format over AMQP and over HTTP: whoever reads a body by its content type reads the
//! same record. Protobuf is read by the types made of the published schema, the rest by Python.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use samspor_grpc::v1::target_record::Record;
use samspor_grpc::v1::{RecordTag, TargetRecord};
use samspor_harness::client::Message;
use samspor_harness::gateway::Running;
use samspor_harness::rabbitmq;
use samspor_harness::receiver::{Receiver, Settings};
use serde_json::{Value, json};

use crate::deployment::{Deployment, LIMIT, QUEUE, Result};

/// The formats, and what says of a body that it is in one.
const FORMATS: [(&str, &str); 4] = [
    ("json", "application/json"),
    ("xml", "application/xml"),
    ("csv", "text/csv; charset=utf-8; header=present"),
    ("protobuf", PROTOBUF),
];
const PROTOBUF: &str = "application/x-protobuf; messageType=\"samspor.v1.TargetRecord\"";

/// Born in 2030: nobody has the number.
const CPR: &str = "0101305000";

const READER: &str = include_str!("records.py");

/// Every field of the record by its name, as the other readers have it.
fn of_protobuf(body: &[u8]) -> Result<Value> {
    let Some(Record::Ledger(record)) = TargetRecord::decode(body)?.record else {
        return Err("a ledger's record".into());
    };
    let word = |name: &str, prefix: &str| {
        name.strip_prefix(prefix).map(|word| word.to_lowercase().replace('_', "-")).unwrap_or_default()
    };
    let tag: RecordTag = record.tag.clone().unwrap_or_default();
    let parts = tag.parts.iter().map(|part| json!([part.area, part.weight.to_string(), part.amount]));
    Ok(json!({
        "source": record.source, "posting": record.posting, "revision": record.revision.to_string(),
        "change": word(record.change().as_str_name(), "RECORD_CHANGE_"), "date": record.date,
        "account": record.account, "amount": record.amount, "voucher": record.voucher.unwrap_or_default(),
        "solution": tag.solution, "family": tag.family(), "enrolment": tag.enrolment(),
        "phase": word(tag.phase().as_str_name(), "TAG_PHASE_"), "basis": word(tag.basis().as_str_name(), "TAG_BASIS_"),
        "area": tag.area, "kind": word(tag.kind().as_str_name(), "COST_KIND_"),
        "side": word(tag.side().as_str_name(), "SIDE_"), "grants": tag.grants, "pays": tag.pays, "split": tag.split(),
        "flags": tag.flags().map(|flag| word(flag.as_str_name(), "TAG_FLAG_")).collect::<Vec<_>>(),
        "other": tag.other, "parts": parts.collect::<Vec<_>>(),
    }))
}

/// What a body says, read by what it says that it is.
fn read(content_type: &str, body: &[u8]) -> Result<Value> {
    if content_type == PROTOBUF {
        return of_protobuf(body);
    }
    let mut python = Command::new("python3");
    let mut reader = python.args(["-c", READER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let given = json!({"type": content_type, "body_base64": STANDARD.encode(body)});
    writeln!(reader.stdin.take().ok_or("it reads")?, "{given}")?;
    let read = reader.wait_with_output()?;
    assert!(read.status.success(), "{content_type}: {}", String::from_utf8_lossy(body));
    Ok(serde_json::from_slice(&read.stdout)?)
}

/// A target for each format over AMQP and over HTTP.
fn configure(deployment: &Deployment, url: &str) -> Result<()> {
    let mut text = std::fs::read_to_string(&deployment.program.config)?;
    for (format, _) in FORMATS {
        text.push_str(&format!(
            "\n[[targets]]\nname = \"amqp-{format}\"\naudience = \"ledger\"\nformat = \"{format}\"\n\
             amqp = {{ broker = \"main\", queue = \"{QUEUE}{format}\", topology = \"declare\" }}\n\
             [[targets]]\nname = \"http-{format}\"\naudience = \"ledger\"\nformat = \"{format}\"\n\
             http = {{ url = \"{url}/{format}\" }}\n"
        ));
    }
    Ok(std::fs::write(&deployment.program.config, text)?)
}

/// One posting with as much in its tag as a tag has: a family, another enrolment, parts, flags, and words that formats have to
/// take care of.
async fn publish(deployment: &mut Deployment, running: &mut Running) -> Result<()> {
    let citizen = json!({"cpr": CPR});
    let area = |area: &str, weight| json!({"area": area, "weight": weight});
    let facts = [
        json!({"type": "solution", "id": "=sb", "version": 1, "name": "SB", "ceiling": "100.00"}),
        json!({"type": "solution", "id": "other", "version": 1, "name": "Other", "priority": 200}),
        json!({"type": "consent", "id": "C-1", "version": 1, "citizen": citizen, "sources": ["opus"],
               "covers_from": "2025-01-01"}),
        json!({"type": "enrolment", "id": "E-1", "version": 1, "solution": "=sb", "family": "F;\"1\" <æøå>",
               "citizen": citizen, "from": "2026-01-01"}),
        json!({"type": "enrolment", "id": "E-2", "version": 1, "solution": "other", "citizen": citizen,
               "from": "2026-01-01"}),
        json!({"type": "split", "id": "K-1", "version": 1, "solution": "=sb",
               "parts": [area("employment", 60), area("vulnerable-children", 40)]}),
    ];
    let message = |message: &Value| Message::new("application/json", message.to_string());
    deployment.client.publish(&format!("{QUEUE}registry"), facts.iter().map(message)).await?;
    deployment.program.wait_for_received(running, 6, LIMIT, |_| ()).await?;
    let posting = json!({"type": "posting", "id": "P-1", "date": "2026-03-14", "account": "5.28.21.1",
                         "amount": "-12450.01", "citizen": citizen, "voucher": "V & 1"});
    deployment.client.publish(&format!("{QUEUE}opus"), [message(&posting)]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_posting_is_the_same_record_in_every_format_on_every_way() -> Result<()> {
    let mut receiver = Receiver::start(Settings::default()).await?;
    let mut deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    configure(&deployment, &receiver.url())?;
    let mut running = deployment.start().await?;
    publish(&mut deployment, &mut running).await?;

    // By way and format: the content type and the body.
    let mut got: BTreeMap<(&str, String), (String, Vec<u8>)> = BTreeMap::new();
    for (format, _) in FORMATS {
        let mut messages = deployment.client.drain(&format!("{QUEUE}{format}"), 1, LIMIT).await?;
        let message = messages.pop().ok_or("a message")?;
        assert_eq!(message.message_id.as_deref(), Some("opus:P-1:1"), "{format}");
        got.insert(("amqp", format.into()), (message.content_type.unwrap_or_default(), message.body));
    }
    while got.len() < 2 * FORMATS.len() {
        let posted = receiver.next().await?;
        assert_eq!(posted["key"], "opus:P-1:1");
        let text = |name: &str| posted[name].as_str().unwrap_or_default().to_owned();
        let format = text("path").rsplit('/').next().unwrap_or_default().to_owned();
        got.insert(("http", format), (text("type"), STANDARD.decode(text("body_base64"))?));
    }
    assert!(running.stop().await?.success());

    let expected = json!({
        "source": "opus", "posting": "P-1", "revision": "1", "change": "tag", "date": "2026-03-14",
        "account": "5.28.21.1", "amount": "-12450.01", "voucher": "V & 1", "solution": "=sb",
        "family": "F;\"1\" <æøå>", "enrolment": "E-1", "phase": "during", "basis": "citizen",
        "area": "vulnerable-children", "kind": "service", "side": "outside", "grants": "area", "pays": "area",
        "split": "K-1", "flags": ["other-solution", "over-ceiling"], "other": ["E-2"],
        "parts": [["employment", "60", "-7470.01"], ["vulnerable-children", "40", "-4980.00"]],
    });
    for (format, content_type) in FORMATS {
        for way in ["amqp", "http"] {
            let (of, body) = &got[&(way, format.to_owned())];
            assert_eq!(of, content_type, "{way}, {format}");
            assert_eq!(read(of, body)?, expected, "{way}, {format}");
        }
    }
    Ok(())
}
