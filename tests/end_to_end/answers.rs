//! Commands ask the gateway that runs, read the files where none does, and take a refusal for what it is; a target gets its
//! records again; the gateway is drained.

use samspor_harness::client::Message;
use samspor_harness::rabbitmq;
use serde_json::{Value, json};

use crate::deployment::{Deployment, LIMIT, QUEUE, Result};
use crate::operations::{reach, send};

/// How vouchers of the solution are written, on no account where anything lies.
const VOUCHERS: &str = r#"
[[vouchers]]
solution = "sb"
machine_number = 977
text = "Ompostering"
booked = "01005-{function}{dranst}003-1"
accounts = { employment = "01005-568901003-1" }

[[vouchers]]
solution = "other"
machine_number = 978
text = "Ompostering"
booked = "01005-{function}{dranst}003-1"
accounts = { employment = "01005-568901003-1" }
"#;

const FALLBACK: &str = "so the store's files are read";

#[tokio::test(flavor = "multi_thread")]
async fn commands_say_the_same_by_the_gateway_and_by_the_files() -> Result<()> {
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let config = std::fs::read_to_string(&deployment.program.config)?;
    std::fs::write(&deployment.program.config, config + VOUCHERS)?;
    let mut running = deployment.start().await?;
    reach(&deployment, &mut running).await?;
    let split = json!({"type": "split", "id": "K", "version": 1, "solution": "sb", "parts": [
        {"area": "vulnerable-children", "weight": 60}, {"area": "employment", "weight": 40}]});
    let split = Message::new("application/json", split.to_string());
    deployment.client.publish(&format!("{QUEUE}registry"), [split]).await?;
    deployment.program.wait_for_received(&mut running, 1, LIMIT, |_| ()).await?;
    send(&deployment, 3).await?;
    deployment.program.wait_for_received(&mut running, 5, LIMIT, |_| ()).await?;
    deployment.client.drain(&format!("{QUEUE}ledger"), 3, LIMIT).await?;
    let questions: [(&[&str], &[&str], i32); 12] = [
        (&["explain"], &["opus", "P-1"], 0),
        (&["explain"], &["opus", "P-9"], 4),
        (&["reconcile"], &[], 0),
        (&["reconcile"], &["--json"], 0),
        (&["reconcile"], &["--target", "ledger", "--state", "delivered"], 0),
        (&["reconcile"], &["--target", "nobody", "--state", "delivered"], 1),
        (&["held", "list"], &["--json"], 0),
        (&["parked", "list"], &[], 0),
        (&["conflicts"], &[], 0),
        (&["vouchers"], &["--solution", "sb", "--month", "2026-03", "--format", "csv"], 0),
        (&["vouchers"], &["--solution", "sb", "--year", "2025", "--format", "csv"], 0),
        (&["vouchers"], &["--solution", "other", "--year", "2025", "--format", "csv"], 4),
    ];
    let ask = |by_files: bool| -> Result<Vec<(i32, String, String)>> {
        let mut answers = Vec::new();
        for (verb, more, code) in questions {
            let ran = deployment.samspor(verb, more, "")?.ended(code)?;
            assert_eq!(ran.stderr.contains(FALLBACK), by_files, "{verb:?}: {}", ran.stderr);
            let told = ran.stderr.lines().filter(|line| !line.contains(FALLBACK)).collect();
            answers.push((ran.code, ran.stdout, told));
        }
        Ok(answers)
    };
    // What is delivered is noted when its confirm has come.
    let balance = async || -> Result<Value> { Ok(deployment.program.balance().await?) };
    let deadline = tokio::time::Instant::now() + LIMIT;
    while balance().await?["targets"]
        .as_array()
        .is_none_or(|books| books.len() < 2 || books.iter().any(|book| book["reconciled"] != true))
    {
        assert!(tokio::time::Instant::now() < deadline, "it is not delivered");
    }
    let of_gateway = ask(false)?;
    let (_, proposed, _) = &of_gateway[9];
    assert_eq!(proposed.lines().filter(|line| line.contains("40,00")).count(), 6, "{proposed}");
    assert!(running.stop().await?.success());
    assert_eq!(ask(true)?, of_gateway);
    // Without a gateway in the configuration as well.
    let path = &deployment.program.config;
    let text = std::fs::read_to_string(path)?;
    let start = text.find("[grpc]").ok_or("the demo has [grpc]")?;
    let end = text[start..].find("\n\n").map_or(text.len(), |end| start + end);
    std::fs::write(path, format!("{}{}", &text[..start], &text[end..]))?;
    assert_eq!(ask(true)?, of_gateway);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_gets_its_records_again_and_the_gateway_is_drained() -> Result<()> {
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let mut running = deployment.start().await?;
    reach(&deployment, &mut running).await?;
    send(&deployment, 5).await?;
    let queue = format!("{QUEUE}ledger");
    let ids = async |count| -> Result<Vec<String>> {
        let received = deployment.client.drain(&queue, count, LIMIT).await?;
        Ok(received.into_iter().filter_map(|record| record.message_id).collect())
    };
    let first = ids(5).await?;
    // The queue was lost with what was in it.
    let again = deployment.samspor(&["targets", "replay", "ledger"], &["--from-beginning"], "")?.ended(0)?;
    assert!(again.stdout.contains("is to get 5 records"), "{}", again.stdout);
    assert_eq!(ids(5).await?, first);
    let at = ["--from-time", "2020-01-01T00:00:00"];
    deployment.samspor(&["targets", "replay", "ledger"], &at, "")?.ended(0)?;
    assert_eq!(ids(5).await?, first);
    let nobody = deployment.samspor(&["targets", "replay", "nobody"], &["--from-beginning"], "")?.ended(1)?;
    assert!(nobody.stderr.contains("it knows: ledger, lis"), "{}", nobody.stderr);
    let cursor =
        deployment.samspor(&["targets", "replay", "ledger"], &["--from-cursor", "x"], "")?.ended(1)?;
    assert!(cursor.stderr.contains("cursor"), "{}", cursor.stderr);
    deployment.samspor(&["targets", "replay", "ledger"], &[], "")?.ended(2)?;

    let drained = deployment.samspor(&["drain"], &[], "")?.ended(0)?;
    assert!(drained.stdout.contains("nothing is left to do"), "{}", drained.stdout);
    assert!(deployment.samspor(&["status"], &[], "")?.ended(0)?.stdout.contains("it drains"));
    send(&deployment, 7).await?;
    assert_eq!(deployment.client.count(&format!("{QUEUE}opus")).await?, 7, "what comes waits in its queue");
    deployment.samspor(&["drain"], &["--cancel"], "")?.ended(0)?;
    assert_eq!(ids(2).await?.len(), 2, "the five are known");
    // A target that is paused keeps it from being done, and is told.
    deployment.samspor(&["pause", "target", "ledger"], &[], "")?.ended(0)?;
    deployment.samspor(&["targets", "replay", "ledger"], &["--from-beginning"], "")?.ended(0)?;
    let left = deployment.samspor(&["drain"], &[], "")?.ended(6)?;
    assert!(left.stdout.contains("target ledger is paused, and is to get 7 records"), "{}", left.stdout);
    assert!(running.stop().await?.success());
    let gone = deployment.samspor(&["drain"], &[], "")?.ended(6)?;
    assert!(gone.stderr.contains("is it running"), "{}", gone.stderr);
    // A restart ends it, and the target is still paused.
    let mut running = deployment.program.start(&deployment.log())?;
    let deadline = tokio::time::Instant::now() + LIMIT;
    let status = loop {
        let ran = deployment.samspor(&["status"], &["--json"], "")?;
        if ran.code == 0 {
            break serde_json::from_str::<Value>(&ran.stdout)?;
        }
        running.still_runs()?;
        assert!(tokio::time::Instant::now() < deadline, "it does not come up");
    };
    let parts = status["parts"].as_array().into_iter().flatten();
    let paused: Vec<_> =
        parts.filter(|part| part["condition"] == "paused").map(|part| &part["part"]).collect();
    assert_eq!((&status["draining"], paused), (&false.into(), vec![&Value::from("target ledger")]));
    assert_eq!(deployment.client.count(&queue).await?, 0);
    assert!(running.stop().await?.success());
    Ok(())
}
