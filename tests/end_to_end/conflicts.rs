//! An identity conflict from its first message to its end: nothing is tagged, it is listed, somebody settles it.

use std::time::Duration;

use samspor_grpc::client::{Channel, RegistryServiceClient, connect};
use samspor_grpc::v1::{self, citizen_reference::Reference};
use samspor_harness::client::Message;
use samspor_harness::gateway::Running;
use samspor_harness::rabbitmq;
use samspor_town::search::Search;
use serde_json::{Value, json};

use crate::deployment::{Deployment, LIMIT, QUEUE, Result};

/// Two people, each with an old and a new number and a UUID. Births in 2030 and UUIDs of zeros: nobody has them.
const PEOPLE: [[&str; 3]; 2] = [
    ["0101305000", "0101305001", "00000000-0000-4000-8000-000000000001"],
    ["0201305000", "0201305001", "00000000-0000-4000-8000-000000000002"],
];

fn cpr(number: &str) -> v1::CitizenReference {
    v1::CitizenReference { reference: Some(Reference::Cpr(number.into())) }
}

fn uuid(uuid: &str) -> v1::CitizenReference {
    v1::CitizenReference { reference: Some(Reference::Uuid(uuid.into())) }
}

/// Where the gateway's front listens, as its log says.
pub(crate) async fn front(deployment: &Deployment, running: &mut Running) -> Result<String> {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let log = std::fs::read_to_string(deployment.log())?;
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut addresses = lines.filter_map(|line| Some(line["fields"]["address"].as_str()?.to_owned()));
        if let Some(address) = addresses.next() {
            return Ok(address);
        }
        running.still_runs()?;
        assert!(tokio::time::Instant::now() < deadline, "the front does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Puts an identity over gRPC.
async fn tie(
    registry: &mut RegistryServiceClient<Channel>,
    id: &str,
    kind: v1::IdentityKind,
    refs: [v1::CitizenReference; 2],
) -> Result<()> {
    let identity = v1::Identity { id: id.into(), version: 1, kind: kind.into(), refs: refs.into() };
    let answer = registry.put_identity(v1::PutIdentityRequest { identity: Some(identity) }).await?;
    assert_eq!(answer.into_inner().outcome(), v1::Outcome::Fact);
    Ok(())
}

/// Two people whose cases say the one number and whose postings the other, tied by a UUID.
async fn contradict(registry: &mut RegistryServiceClient<Channel>) -> Result<()> {
    let solution = v1::Solution { id: "sb".into(), version: 1, name: "SB".into(), ..Default::default() };
    registry.put_solution(v1::PutSolutionRequest { solution: Some(solution) }).await?;
    for (n, [old, new, person]) in PEOPLE.into_iter().enumerate() {
        let consent = v1::Consent {
            id: format!("C-{n}"),
            version: 1,
            citizen: Some(cpr(old)),
            sources: vec!["opus".into(), "dubu".into()],
            covers_from: "2025-01-01".into(),
            ..Default::default()
        };
        registry.put_consent(v1::PutConsentRequest { consent: Some(consent) }).await?;
        let enrolment = v1::Enrolment {
            id: format!("E-{n}"),
            version: 1,
            solution: "sb".into(),
            citizen: Some(cpr(old)),
            from_date: "2026-01-01".into(),
            ..Default::default()
        };
        registry.put_enrolment(v1::PutEnrolmentRequest { enrolment: Some(enrolment) }).await?;
        tie(registry, &format!("I-{n}-old"), v1::IdentityKind::Same, [cpr(old), uuid(person)]).await?;
        tie(registry, &format!("I-{n}-new"), v1::IdentityKind::Same, [uuid(person), cpr(new)]).await?;
    }
    Ok(())
}

fn listed(n: usize) -> Value {
    json!({
        "consent": format!("C-{n}"),
        "references": {"cpr": 2, "uuid": 1, "case": 1},
        "facts": [
            {"kind": "case", "source": "dubu", "id": format!("D-{n}")},
            {"kind": "identity", "id": format!("I-{n}-new")},
            {"kind": "identity", "id": format!("I-{n}-old")},
        ],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_listed_and_settled_and_then_the_postings_are_tagged() -> Result<()> {
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let mut running = deployment.start().await?;
    let address = front(&deployment, &mut running).await?;
    // The commands find the front by their configuration; the gateway had been told to take any port.
    let config = std::fs::read_to_string(&deployment.program.config)?;
    std::fs::write(&deployment.program.config, config.replace("127.0.0.1:0", &address))?;
    let mut registry = RegistryServiceClient::new(connect(&format!("http://{address}")).await?);
    contradict(&mut registry).await?;

    let search = Search::new(PEOPLE.concat().into_iter().map(str::to_owned))?;
    let json = |message: Value| Message::new("application/json", message.to_string());
    for (n, [_, new, person]) in PEOPLE.into_iter().enumerate() {
        let case = json!({"type": "case", "id": format!("D-{n}"), "version": 1, "citizen": {"uuid": person}});
        deployment.client.publish(&format!("{QUEUE}dubu"), [json(case)]).await?;
        let posting = json!({"type": "posting", "id": format!("P-{n}"), "date": "2026-03-14", "account": "5.28.21.1",
                             "amount": "100.00", "citizen": {"cpr": new}});
        deployment.client.publish(&format!("{QUEUE}opus"), [json(posting)]).await?;
    }
    // A solution, and per person a consent, an enrolment, two identities, a case and a posting.
    deployment.program.wait_for_received(&mut running, 13, LIMIT, |_| ()).await?;

    let why = |n: usize| -> Result<Value> {
        let explained = deployment.samspor(&["explain"], &["opus", &format!("P-{n}")], "")?.ended(0)?;
        let first = explained.shows_none_of(&search)?.stdout.lines().next().map(str::to_owned);
        Ok(serde_json::from_str(&first.unwrap_or_default())?)
    };
    let list = || -> Result<Value> {
        let listed = deployment.samspor(&["conflicts"], &["--json"], "")?.ended(0)?;
        Ok(serde_json::from_str(&listed.shows_none_of(&search)?.stdout)?)
    };
    let settle =
        |arguments: &[&str], numbers: &str| deployment.samspor(&["conflicts", "settle"], arguments, numbers);
    assert_eq!(
        (&why(0)?["reason"], &why(1)?["reason"]),
        (&"identity-conflict".into(), &"identity-conflict".into())
    );
    assert_eq!(list()?, json!([listed(0), listed(1)]));
    let table = deployment.samspor(&["conflicts"], &[], "")?.ended(0)?.shows_none_of(&search)?.stdout;
    assert!(table.contains("C-1") && table.contains("case D-1 of dubu, identity I-1-new"), "{table}");
    let listed_over_grpc = async |registry: &mut RegistryServiceClient<Channel>| -> Result<Vec<String>> {
        let request = v1::ListIdentityConflictsRequest::default();
        let answer = registry.list_identity_conflicts(request).await?.into_inner();
        Ok(answer.conflicts.into_iter().map(|conflict| conflict.consent).collect())
    };
    assert_eq!(listed_over_grpc(&mut registry).await?, ["C-0", "C-1"]);

    // One is settled over gRPC, and its posting goes to the ledger.
    let changed = [cpr(PEOPLE[0][0]), cpr(PEOPLE[0][1])];
    tie(&mut registry, "I-0-change", v1::IdentityKind::CprChange, changed).await?;
    let ledger = deployment.client.drain(&format!("{QUEUE}ledger"), 1, LIMIT).await?;
    let record: Value = serde_json::from_slice(&ledger[0].body)?;
    assert_eq!(
        (&record["posting"], &record["change"], &record["tag"]["enrolment"]),
        (&"P-0".into(), &"tag".into(), &"E-0".into())
    );
    assert_eq!(
        (list()?, listed_over_grpc(&mut registry).await?),
        (json!([listed(1)]), vec!["C-1".to_owned()])
    );

    // The other by the command. What it is given wrongly changes nothing.
    let both = format!("{}\n{}\n", PEOPLE[1][0], PEOPLE[1][1]);
    for (arguments, numbers, told) in [
        (&["--id", "I-1-change"][..], PEOPLE[1][0], "there are 1"),
        (&["--id", "I-1-change"], "0101305000\n3102305123\n", "line 2"),
        (&["--id", "0101305000"], "0101305000\n0101305001\n", "personal-data-in-id"),
    ] {
        let ran = settle(arguments, numbers)?.ended(1)?;
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
        ran.shows_none_of(&search)?;
    }
    assert_eq!(list()?, json!([listed(1)]));
    let settled = settle(&["--id", "I-1-change"], &both)?.ended(0)?.shows_none_of(&search)?;
    assert!(settled.stdout.contains("is known"), "{}", settled.stdout);
    let ledger = deployment.client.drain(&format!("{QUEUE}ledger"), 1, LIMIT).await?;
    assert_eq!(serde_json::from_slice::<Value>(&ledger[0].body)?["posting"], "P-1");
    assert_eq!((list()?, why(1)?["decision"].take()), (json!([]), "tagged".into()));

    // Again it is known, and an older version changes nothing; the numbers may come from a file.
    assert!(settle(&["--id", "I-1-change"], &both)?.ended(0)?.stdout.contains("known already"));
    let file = deployment.dir.path().join("numbers.txt");
    std::fs::write(&file, &both)?;
    let file = file.to_string_lossy();
    let from_file =
        |version| settle(&["--id", "I-1-change", "--fact-version", version, "--numbers", &file], "");
    from_file("3")?.ended(0)?;
    assert!(from_file("2")?.ended(1)?.stderr.contains("goes before"));

    assert_eq!(deployment.client.count(&format!("{QUEUE}ledger")).await?, 0);
    assert!(running.stop().await?.success());
    // Without a gateway there is nobody to tell.
    assert!(settle(&["--id", "I-1-change"], &both)?.ended(1)?.stderr.contains("is it running"));
    for place in [deployment.store(), deployment.log()] {
        let (found, searched) = search.files(&place)?;
        assert!(found.is_empty() && searched > 1_000, "{found:?}");
    }
    Ok(())
}

/// The list needs a configuration; settling needs an id; both are told by the command line itself.
#[test]
fn what_is_missing_on_the_command_line_is_told() -> Result<()> {
    use crate::samspor::samspor;
    assert!(samspor(["conflicts"])?.ended(2)?.stderr.contains("--config"));
    assert!(samspor(["conflicts", "settle", "--config", "x.toml"])?.ended(2)?.stderr.contains("--id"));
    assert!(samspor(["conflicts", "settle", "--id", "I"])?.ended(2)?.stderr.contains("--config"));
    Ok(())
}
