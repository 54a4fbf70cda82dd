//! From a queue to a ledger over HTTP, which answers with receipts: mTLS, a bearer token, a ledger that is busy and one
//! that hangs up, a record that it refuses, breaks on or puts off, and the balance afterwards.

use std::collections::BTreeMap;

use samspor_harness::client::{Kind, Message};
use samspor_harness::gateway::Running;
use samspor_harness::rabbitmq;
use samspor_harness::receiver::{Certificates, Receiver, Settings};
use samspor_town::search::Search;
use serde_json::{Value, json};

use crate::conflicts::front;
use crate::deployment::{Deployment, LIMIT, QUEUE, Result};

const TOKEN: &str = "a-token-of-the-ledger";
/// Born in 2030: nobody has the number.
const CPR: &str = "0101305000";

/// Lets the demo's ledger take records over HTTP.
fn configure(deployment: &Deployment, url: &str, certificates: Option<&Certificates>) -> Result<()> {
    let text = std::fs::read_to_string(&deployment.program.config)?;
    let (before, rest) = text.split_once("[[targets]]").ok_or("the demo has targets")?;
    let (_, lis) = rest.split_once("[[targets]]").ok_or("the demo has two targets")?;
    let mut ledger = json!({"url": url, "bearer_file": deployment.dir.path().join("token")});
    if let Some(certificates) = certificates {
        let file = |name: &str| certificates.path(name).display().to_string();
        ledger = json!({"ca_file": file("ca.pem"), "client_cert_file": file("client.pem"),
                        "client_key_file": file("client.key"), "bearer_env": "SAMSPOR_LEDGER_TOKEN", "url": url});
    }
    let keys = ledger.as_object().into_iter().flatten();
    let keys: String = keys.map(|(key, value)| format!("{key} = {value}\n")).collect();
    // The LIS is left as it is; it comes last, with what the demo says of it.
    let text = format!(
        "{before}[[targets]]\nname = \"ledger\"\naudience = \"ledger\"\n[targets.http]\n{keys}\
         [targets.delivery]\ntries = 2\nretry_from_ms = 10\nretry_to_ms = 100\n[targets.receipts]\n\n[[targets]]{lis}"
    );
    Ok(std::fs::write(&deployment.program.config, text)?)
}

/// Six postings of a solution.
async fn publish(deployment: &mut Deployment, running: &mut Running) -> Result<()> {
    let json = |message: Value| Message::new("application/json", message.to_string());
    let solution = json!({"type": "solution", "id": "sb", "version": 1, "name": "SB", "claims": [{"account": "5.28.21"}]});
    deployment.client.publish(&format!("{QUEUE}registry"), [json(solution)]).await?;
    deployment.program.wait_for_received(running, 1, LIMIT, |_| ()).await?;
    let posting = |n| {
        json(json!({"type": "posting", "id": format!("P-{n}"), "date": "2026-03-14", "account": "5.28.21.1",
                    "amount": "100.00"}))
    };
    deployment.client.publish(&format!("{QUEUE}opus"), (1..=6).map(posting)).await?;
    deployment.program.wait_for_received(running, 7, LIMIT, |_| ()).await?;
    Ok(())
}

/// The ledger's book, once so many records are parked and it has so many.
pub(crate) async fn book(
    deployment: &mut Deployment,
    running: &mut Running,
    parked: i64,
    has: i64,
) -> Result<Value> {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let balance = deployment.program.balance().await?;
        let mut books = balance["targets"].as_array().into_iter().flatten();
        let book = books.find(|book| book["target"] == "ledger").cloned().unwrap_or_default();
        if book["parked"] == parked && book["has"]["postings"] == has {
            return Ok(book);
        }
        running.still_runs()?;
        assert!(tokio::time::Instant::now() < deadline, "the ledger's book stays {book}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_over_http_gets_each_record_once_and_answers_with_its_receipt() -> Result<()> {
    let certificates = Certificates::make().await?;
    let tls = Settings { tls: Some(&certificates), wants_clients: true, token: Some(TOKEN) };
    let mut ledger = Receiver::start(tls).await?;
    ledger
        .tell(json!({
            // It is busy, then it takes the first record and hangs up.
            "script": [{"status": 503, "headers": {"Retry-After": "3600"}}, {"cut": true}],
            "default": {"receipt": "accepted"},
            "by_posting": {
                "P-2": {"receipt": "rejected", "fields": {"code": "K07", "text": format!("Kontoen er lukket for {CPR}")}},
                "P-3": {"status": 422, "body": format!("{CPR} is not known")},
                "P-4": {"status": 202},
                "P-5": {"body": format!("taken, {CPR}"), "headers": {"Content-Type": "application/json"}},
            },
        }))
        .await?;
    let mut deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    deployment.program.environment.push(("SAMSPOR_LEDGER_TOKEN".into(), TOKEN.into()));
    deployment.client.declare(&format!("{QUEUE}ledger"), Kind::Quorum).await?; // Nobody else makes it now.
    configure(&deployment, &ledger.url(), Some(&certificates))?;

    let checked = deployment.samspor(&["check"], &[], "")?.ended(0)?.stdout;
    assert!(
        checked.contains("JSON to https://127.0.0.1:") && !checked.contains("not there now"),
        "{checked}"
    );
    let looked: Value =
        serde_json::from_str(&deployment.samspor(&["check"], &["--broker", "--json"], "")?.stdout)?;
    let parts = looked["parts"].as_array().into_iter().flatten();
    let part: Vec<&Value> =
        parts.filter(|part| part["kind"] == "target" && part["name"] == "ledger").collect();
    assert!(part.len() == 1 && part[0]["findings"][0]["grade"] == "good", "{part:?}");

    let mut running = deployment.start().await?;
    publish(&mut deployment, &mut running).await?;

    // The balance says it all once the bad record is parked and the others are there.
    let book = book(&mut deployment, &mut running, 1, 5).await?;
    let stages = ["delivered", "awaiting", "accepted", "rejected"].map(|stage| book[stage].as_i64());
    assert_eq!(stages, [0, 2, 2, 1].map(Some), "{book}");
    let of = |state| deployment.samspor(&["reconcile"], &["--target", "ledger", "--state", state], "");
    let rejected = of("rejected")?.stdout;
    assert!(rejected.contains("P-2") && rejected.contains("K07"), "{rejected}");
    let awaiting = of("awaiting")?.stdout;
    assert!(awaiting.contains("P-4") && awaiting.contains("P-5"), "{awaiting}");
    let parked = deployment.samspor(&["parked", "list"], &[], "")?.ended(0)?.stdout;
    assert!(parked.contains("P-3") && parked.contains("422 Unprocessable Entity"), "{parked}");

    // Each record came under one key, whatever went wrong, and the ledger knew what it had already.
    assert!(running.stop().await?.success());
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for request in ledger.all().await? {
        if request["method"] != "POST" {
            continue;
        }
        let id = request["record"]["posting"].as_str().unwrap_or_default();
        assert_eq!(request["key"], format!("opus:{id}:1"));
        *taken.entry(id.to_owned()).or_default() += 1;
    }
    for id in ["P-2", "P-4", "P-5", "P-6"] {
        assert_eq!(taken.get(id), Some(&1), "{taken:?}");
    }
    // Busy, cut, and taken again.
    assert_eq!(taken.get("P-1"), Some(&3), "{taken:?}");

    let search = Search::new([CPR, TOKEN, "Kontoen er lukket"].map(str::to_owned))?;
    for place in [deployment.store(), deployment.log()] {
        let (found, searched) = search.files(&place)?;
        assert!(found.is_empty() && searched > 1_000, "{found:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_ledger_breaks_on_or_puts_off_is_parked_and_arrives_when_that_is_mended()
-> Result<()> {
    let mut ledger = Receiver::start(Settings { token: Some(TOKEN), ..Settings::default() }).await?;
    let busy = json!({"status": 503, "headers": {"Retry-After": "1"}});
    ledger
        .tell(json!({
            "default": {"status": 202},
            "by_posting": {"P-2": {"status": 500}, "P-3": {"status": 403}, "P-4": busy},
        }))
        .await?;
    let mut deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    deployment.client.declare(&format!("{QUEUE}ledger"), Kind::Quorum).await?;
    configure(&deployment, &ledger.url(), None)?;
    std::fs::write(deployment.dir.path().join("token"), TOKEN)?;
    let mut running = deployment.start().await?;
    publish(&mut deployment, &mut running).await?;
    book(&mut deployment, &mut running, 3, 3).await?;
    // What was put off may be chance, and is tried for longer.
    let deadline = tokio::time::Instant::now() + LIMIT;
    let parked = loop {
        let parked = deployment.samspor(&["parked", "list"], &[], "")?.ended(0)?.stdout;
        if !parked.contains("is tried again") {
            break parked;
        }
        assert!(tokio::time::Instant::now() < deadline, "they are given up: {parked}");
    };
    for status in ["500 Internal Server Error", "403 Forbidden", "503 Service Unavailable"] {
        assert!(parked.contains(status), "{parked}");
    }

    ledger.tell(json!({"default": {"status": 202}, "by_posting": {}})).await?;
    // The command finds the front by its configuration; the gateway had been told to take any port.
    let address = front(&deployment, &mut running).await?;
    let config = std::fs::read_to_string(&deployment.program.config)?;
    std::fs::write(&deployment.program.config, config.replace("127.0.0.1:0", &address))?;
    let released = deployment.samspor(&["parked", "release"], &["--target", "ledger"], "")?.ended(0)?.stdout;
    assert!(released.starts_with("3 released"), "{released}");
    book(&mut deployment, &mut running, 0, 6).await?;
    assert!(running.stop().await?.success());
    Ok(())
}

/// How a ledger writes its receipts that knows XML and its own words.
const ANSWERS: &str = r#"
[reads]
format = "xml"
namespaces = { default = "urn:ledger:kvittering:1" }

[[message]]
type = "receipt"
each = "/Kvittering"
  [message.fields]
  id = "KvitteringId"
  source = "Bilag/@kilde"
  posting = "Bilag/@postering"
  revision = "Bilag/@revision"
  status = { path = "Svar", table = "svar" }
  code = { path = "Fejl/Kode", when = { path = "Fejl", exists = true } }
  at = { path = "Tidspunkt", format = "iso" }

[tables.svar]
"Bogført" = "accepted"
"Afvist" = "rejected"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_speaks_xml_answers_with_receipts_of_its_own_form_once_its_token_was_renewed()
-> Result<()> {
    let mut ledger = Receiver::start(Settings { token: Some(TOKEN), ..Settings::default() }).await?;
    let answer = |n: u8| {
        let (status, fault) =
            if n == 2 { ("Afvist", "<k:Fejl><k:Kode>K07</k:Kode></k:Fejl>") } else { ("Bogført", "") };
        let body = format!(
            "<?xml version='1.0'?><k:Kvittering xmlns:k='urn:ledger:kvittering:1'><k:KvitteringId>R-{n}</k:KvitteringId>\
             <k:Bilag kilde='opus' postering='P-{n}' revision='1'/><k:Svar>{status}</k:Svar>{fault}\
             <k:Tidspunkt>2026-03-16T05:10:00</k:Tidspunkt></k:Kvittering>"
        );
        (
            format!("P-{n}"),
            json!({"body": body, "headers": {"Content-Type": "application/xml; charset=utf-8"}}),
        )
    };
    ledger.tell(json!({"by_posting": Value::Object((1..=6).map(answer).collect())})).await?;
    let mut deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    deployment.client.declare(&format!("{QUEUE}ledger"), Kind::Quorum).await?;
    configure(&deployment, &ledger.url(), None)?;
    // The token has ended; who issues it writes a new one when the ledger has said so, and nobody reloads anything.
    let token = deployment.dir.path().join("token");
    std::fs::write(&token, "one-that-has-ended")?;
    std::fs::write(deployment.dir.path().join("answers.toml"), ANSWERS)?;
    let config = std::fs::read_to_string(&deployment.program.config)?
        .replace("[targets.http]", "format = \"xml\"\n[targets.http]")
        .replace("[targets.receipts]", "[targets.receipts]\nmapping = { file = \"answers.toml\" }");
    std::fs::write(&deployment.program.config, config)?;
    let checked = deployment.samspor(&["check"], &[], "")?.ended(0)?.stdout;
    assert!(checked.contains("receipts in answers are read by the xml mapping"), "{checked}");

    let mut running = deployment.start().await?;
    publish(&mut deployment, &mut running).await?;
    let posted = ledger.next().await?;
    assert_eq!(posted["status"], 401);
    std::fs::write(&token, TOKEN)?;
    let book = book(&mut deployment, &mut running, 0, 6).await?;
    let stages = ["delivered", "awaiting", "accepted", "rejected"].map(|stage| book[stage].as_i64());
    assert_eq!(stages, [0, 0, 5, 1].map(Some), "{book}");
    let rejected =
        deployment.samspor(&["reconcile"], &["--target", "ledger", "--state", "rejected"], "")?.stdout;
    assert!(rejected.contains("P-2") && rejected.contains("K07"), "{rejected}");
    assert_eq!(
        (&posted["accepts"], &posted["type"]),
        (&json!("application/xml, text/xml;q=0.9"), &json!("application/xml"))
    );
    assert!(running.stop().await?.success());
    Ok(())
}
