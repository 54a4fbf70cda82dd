//! Rubbish from its queue to the ledger: it goes to quarantine, the configuration is mended, and it is released.

use std::time::Duration;

use samspor_harness::client::Message;
use samspor_harness::gateway::Running;
use samspor_harness::rabbitmq;
use samspor_town::search::Search;
use serde_json::{Value, json};

use crate::deployment::{Deployment, LIMIT, QUEUE, Result};
use crate::samspor::Ran;

/// Born in 2030: nobody has the number.
const CPR: &str = "0101305000";
const NAME: &str = "Anna Holm";
const ANY_PORT: &str = "127.0.0.1:0";

/// A gateway, and the command that works on its quarantine.
struct Operator {
    deployment: Deployment,
    search: Search,
    starts: usize,
}

impl Operator {
    /// Starts the gateway with a configuration, and puts its address there for the commands.
    async fn start(&mut self, config: &str) -> Result<Running> {
        std::fs::write(&self.deployment.program.config, config)?;
        let mut running = self.deployment.start().await?;
        self.starts += 1;
        let deadline = tokio::time::Instant::now() + LIMIT;
        let address = loop {
            let log = std::fs::read_to_string(self.deployment.log())?;
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut addresses = lines.filter_map(|line| Some(line["fields"]["address"].as_str()?.to_owned()));
            if let Some(address) = addresses.nth(self.starts - 1) {
                break address;
            }
            running.still_runs()?;
            assert!(tokio::time::Instant::now() < deadline, "the front does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        std::fs::write(&self.deployment.program.config, config.replace(ANY_PORT, &address))?;
        Ok(running)
    }

    async fn send(&self, source: &str, body: &str) -> Result<()> {
        let message = Message::new("application/json", body.to_owned());
        Ok(self.deployment.client.publish(&format!("{QUEUE}{source}"), [message]).await.map(drop)?)
    }

    fn ask(&self, verb: &str, more: &[&str], code: i32) -> Result<Ran> {
        self.deployment.samspor(&["quarantine", verb], more, "")?.ended(code)?.shows_none_of(&self.search)
    }

    fn json(&self, verb: &str, more: &[&str]) -> Result<Value> {
        let more: Vec<&str> = more.iter().copied().chain(["--json"]).collect();
        Ok(serde_json::from_str(&self.ask(verb, &more, 0)?.stdout)?)
    }

    /// What became of the items of opus, which all arrived in one month, and whether all balances.
    async fn outcomes(&self) -> Result<[i64; 4]> {
        let balance = self.deployment.program.balance().await?;
        assert_eq!(balance["balanced"], true);
        let rows = balance["items"].as_array().into_iter().flatten();
        let rows: Vec<&Value> = rows.filter(|row| row["source"] == "opus").collect();
        let sum = |word: &str| rows.iter().filter_map(|row| row["outcomes"][word].as_i64()).sum();
        Ok(["received", "postings", "quarantined", "discarded"].map(sum))
    }
}

fn posting(id: &str, amount: &str) -> String {
    json!({"type": "posting", "id": id, "date": "2026-03-14", "account": "5.28.21.1", "amount": amount,
           "citizen": {"cpr": CPR}})
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_understood_is_released_when_it_is_and_reaches_the_ledger_once() -> Result<()> {
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let search = Search::new([CPR, "010130-5000", NAME, "Holm"].map(str::to_owned))?;
    let right = std::fs::read_to_string(&deployment.program.config)?;
    // The configuration is wrong: opus may not send postings.
    let wrong = right.replacen(r#"may_send = ["posting"]"#, r#"may_send = ["case"]"#, 1);
    assert_ne!(right, wrong);
    let mut operator = Operator { deployment, search, starts: 0 };
    let mut running = operator.start(&wrong).await?;
    for fact in [
        json!({"type": "solution", "id": "sb", "version": 1, "name": "SB"}),
        json!({"type": "enrolment", "id": "E", "version": 1, "solution": "sb", "citizen": {"cpr": CPR},
               "from": "2026-01-01"}),
        json!({"type": "consent", "id": "C", "version": 1, "citizen": {"cpr": CPR}, "sources": ["opus"],
               "covers_from": "2025-01-01"}),
    ] {
        operator.send("registry", &fact.to_string()).await?;
    }
    operator.send("opus", &posting("P-1", "100.00")).await?;
    operator.send("opus", &posting("P-2", "12,50")).await?;
    operator.send("opus", &format!(r#"{{"name":"{NAME}","cpr":"010130-5000""#)).await?;
    operator.deployment.program.wait_for_received(&mut running, 6, LIMIT, |_| ()).await?;

    let listed = operator.json("list", &[])?;
    let entries = listed.as_array().ok_or("a list")?;
    let reasons: Vec<&Value> = entries.iter().map(|entry| &entry["reason"]).collect();
    assert_eq!(reasons, ["not-permitted", "invalid-amount", "undecodable"]);
    let numbers: Vec<String> = entries.iter().map(|entry| entry["number"].to_string()).collect();
    // What is wrong can be seen, and nothing of whom it is about.
    let shown = operator.ask("show", &[&numbers[1]], 0)?.stdout;
    assert!(shown.contains(r#""amount":"99,99""#) && shown.contains(r#""date":"2026-03-14""#), "{shown}");
    let shown = operator.ask("show", &[&numbers[2]], 0)?.stdout;
    assert!(shown.contains(r#"{"name":"Aaaa Aaaa","cpr":"999999-9999""#), "{shown}");
    let groups = operator.ask("groups", &["--source", "opus"], 0)?.stdout;
    assert!(groups.contains("3 entries in 3 groups"), "{groups}");
    operator.ask("show", &["99"], 1)?;

    // A set is frozen, with a preview of what is still wrong; then what was wrong is mended. The set is the same.
    let preview = operator.json("preview", &["--source", "opus"])?;
    let set = preview["set"].to_string();
    assert_eq!(
        preview["becomes"],
        json!({"quarantined not-permitted": 1, "quarantined invalid-amount": 1, "quarantined undecodable": 1})
    );
    operator.send("opus", &posting("P-3", "1.00")).await?;
    operator.deployment.program.wait_for_received(&mut running, 7, LIMIT, |_| ()).await?;
    assert!(running.stop().await?.success());
    let running = operator.start(&right).await?;
    let mended = json!({"posting": 1, "quarantined invalid-amount": 1, "quarantined undecodable": 1});
    assert_eq!(operator.json("preview", &["--set", &set])?["becomes"], mended);
    assert_eq!(operator.outcomes().await?, [4, 0, 4, 0], "a preview changes nothing");
    let table = operator.ask("release", &[&set], 0)?.stdout;
    assert!(table.contains("1  posting") && table.contains("quarantined undecodable"), "{table}");

    // The ledger has it, the books balance, and doing it again changes nothing.
    let queue = format!("{QUEUE}ledger");
    let ledger = operator.deployment.client.drain(&queue, 1, LIMIT).await?;
    let record: Value = serde_json::from_slice(&ledger[0].body)?;
    assert_eq!((&record["posting"], &record["tag"]["enrolment"]), (&json!("P-1"), &json!("E")));
    assert_eq!(operator.outcomes().await?, [4, 1, 3, 0]);
    let again = json!({"settled": 1, "quarantined invalid-amount": 1, "quarantined undecodable": 1});
    assert_eq!(operator.json("release", &[&set])?["becomes"], again);
    assert_eq!(operator.outcomes().await?, [4, 1, 3, 0]);

    // What nobody will ever understand is discarded, with a reason that does not say whom it is about.
    let refused = operator.ask("discard", &[&numbers[2], "--reason", "about 01 01 30 5000"], 1)?;
    assert!(refused.stderr.contains("personal-data-in-id"), "{}", refused.stderr);
    operator.ask("discard", &[&numbers[2], "--reason", "a test message"], 0)?;
    assert_eq!(operator.outcomes().await?, [4, 1, 2, 1]);
    let listed = operator.ask("list", &["--state", "all"], 0)?.stdout;
    assert!(listed.contains(": a test message") && listed.contains("as 1 postings"), "{listed}");
    let left = operator.json("list", &[])?;
    assert_eq!(left.as_array().map(Vec::len), Some(2), "{left}");

    // Sent again, all of it is known but for what is understood now.
    assert_eq!(operator.deployment.client.count(&queue).await?, 0, "nothing was delivered twice");
    assert!(running.stop().await?.success());
    assert!(operator.ask("release", &[&set], 1)?.stderr.contains("is it running"));
    for place in [operator.deployment.store(), operator.deployment.log()] {
        let (found, searched) = operator.search.files(&place)?;
        assert!(found.is_empty() && searched > 1_000, "{found:?}");
    }
    Ok(())
}
