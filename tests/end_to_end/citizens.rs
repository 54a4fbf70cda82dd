//! A citizen asks what is held, withdraws, and is told when that is carried out; an auditor finds who looked.

use samspor_grpc::client::{RegistryServiceClient, connect};
use samspor_grpc::v1::{self, citizen_reference::Reference};
use samspor_harness::client::Message;
use samspor_harness::rabbitmq;
use serde_json::{Value, json};

use crate::conflicts::front;
use crate::deployment::{Deployment, LIMIT, QUEUE, Result};

const ANNA: &str = "6112801234";
const BENT: &str = "0101305001";

#[tokio::test(flavor = "multi_thread")]
async fn a_citizen_gets_what_is_held_and_proof_of_the_withdrawal_and_an_auditor_finds_who_looked()
-> Result<()> {
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let mut running = deployment.start().await?;
    let address = front(&deployment, &mut running).await?;
    let config = std::fs::read_to_string(&deployment.program.config)?;
    let config =
        config.replace("127.0.0.1:0", &address).replace("[store]\n", "[store]\nbackups_kept_days = 30\n");
    std::fs::write(&deployment.program.config, config)?;
    let mut registry = RegistryServiceClient::new(connect(&format!("http://{address}")).await?);
    let citizen = || Some(v1::CitizenReference { reference: Some(Reference::Cpr(ANNA.into())) });
    let solution = v1::Solution { id: "sb".into(), version: 1, name: "SB".into(), ..Default::default() };
    registry.put_solution(v1::PutSolutionRequest { solution: Some(solution) }).await?;
    let consent = v1::Consent {
        id: "C-1".into(),
        version: 1,
        citizen: citizen(),
        sources: vec!["opus".into()],
        covers_from: "2025-01-01".into(),
        ..Default::default()
    };
    registry.put_consent(v1::PutConsentRequest { consent: Some(consent) }).await?;
    let enrolment = v1::Enrolment {
        id: "E-1".into(),
        version: 1,
        solution: "sb".into(),
        citizen: citizen(),
        from_date: "2026-01-01".into(),
        ..Default::default()
    };
    registry.put_enrolment(v1::PutEnrolmentRequest { enrolment: Some(enrolment) }).await?;
    for (id, cpr) in [("P-1", ANNA), ("P-2", ANNA), ("P-3", BENT)] {
        let posting = json!({"type": "posting", "id": id, "date": "2026-03-14", "account": "5.28.21.1",
                             "amount": "1234.50", "citizen": {"cpr": cpr}});
        let message = Message::new("application/json", posting.to_string());
        deployment.client.publish(&format!("{QUEUE}opus"), [message]).await?;
    }
    deployment.program.wait_for_received(&mut running, 6, LIMIT, |_| ()).await?;

    // What is held, for people and for programs.
    let to = deployment.program.config.with_file_name("citizen.txt");
    let to = to.to_str().ok_or("a path in words")?;
    let export = |more: &[&str], number: &str| deployment.samspor(&["citizen", "export"], more, number);
    assert_eq!(export(&["--to", to], ANNA)?.ended(0)?.stdout, "");
    let text = std::fs::read_to_string(to)?;
    for held in
        ["CPR-nummer: 6112801234", "Samtykke C-1", "Indskrivning E-1", "P-1", "P-2", "1.234,50", "14.03.2026"]
    {
        assert!(text.contains(held), "{held}: {text}");
    }
    assert!(!text.contains("P-3") && !text.contains(BENT), "{text}");
    let again = export(&["--to", to], ANNA)?.ended(1)?;
    assert!(again.stderr.contains("is there already"), "nothing is overwritten: {}", again.stderr);
    let lines = export(&["--format", "json"], "611280-1234")?.ended(0)?.stdout;
    let postings =
        lines.lines().map(serde_json::from_str::<Value>).collect::<std::result::Result<Vec<_>, _>>()?;
    assert_eq!(postings.iter().filter(|line| line["posting"].is_object()).count(), 2);
    let odd = export(&[], "6112801234567")?.ended(1)?;
    assert!(!odd.stderr.contains("611280"), "what is wrong is not quoted: {}", odd.stderr);

    // The withdrawal, until every target knows it.
    let proof = || deployment.samspor(&["citizen", "withdrawal"], &["--consent", "C-1", "--json"], "");
    let live = proof()?.ended(1)?;
    assert!(live.stderr.contains("the consent is live"), "{}", live.stderr);
    registry.withdraw_consent(v1::WithdrawConsentRequest { id: "C-1".into(), version: 2 }).await?;
    let deadline = tokio::time::Instant::now() + LIMIT;
    let told = loop {
        let told = proof()?;
        let said: Value = serde_json::from_str(&told.stdout)?;
        assert_eq!((&said["erased"], &said["records"]), (&json!(true), &json!(2)));
        assert_eq!(told.code, if said["complete"] == true { 0 } else { 6 });
        if told.code == 0 {
            break said;
        }
        running.still_runs()?;
        assert!(tokio::time::Instant::now() < deadline, "it is never carried out: {said}");
    };
    let confirmed = |target: &Value| target["confirmed"] == true && target["waiting"] == 0;
    let targets = told["targets"].as_array().ok_or("targets")?;
    assert!(targets.len() >= 2 && targets.iter().all(confirmed), "{told}");
    assert!(told["gone"].is_string());
    let table = deployment.samspor(&["citizen", "withdrawal"], &["--consent", "C-1"], "")?.ended(0)?.stdout;
    assert!(table.contains("ledger") && !table.contains("NO"), "{table}");

    // Who looked: the number on standard input, and never in what is told.
    let looked = deployment.samspor(&["audit", "about"], &["--citizen"], ANNA)?.ended(0)?;
    assert!(looked.stdout.contains("export-citizen"), "{}", looked.stdout);
    assert!(!looked.stdout.contains(ANNA) && !looked.stderr.contains(ANNA));
    let bent = deployment.samspor(&["audit", "about"], &["--citizen"], BENT)?.ended(0)?.stdout;
    assert!(!bent.contains("export-citizen"), "{bent}");
    let listed =
        deployment.samspor(&["audit", "list"], &["--action", "read-withdrawal", "--json"], "")?.ended(0)?;
    assert!(listed.stdout.lines().count() > 0, "{}", listed.stderr);
    assert!(listed.stdout.lines().all(|line| line.contains("consent C-1")), "{}", listed.stdout);
    let odd = deployment.samspor(&["audit", "list"], &["--action", "look"], "")?.ended(1)?;
    assert!(odd.stderr.contains("no action of the audit log"), "{}", odd.stderr);
    assert!(running.stop().await?.success());
    deployment.samspor(&["audit", "verify"], &[], "")?.ended(0)?;
    Ok(())
}
