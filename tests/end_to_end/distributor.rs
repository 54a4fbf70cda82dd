//! The message distributor, by its offline stand-in: everything is received and sent although tokens last for seconds, the
//! token service is away, logins are refused and answers go wrong; and nothing tells of a token.

use std::collections::{BTreeMap, BTreeSet};

use samspor_harness::books::{self, differences};
use samspor_harness::client::{Kind, Message};
use samspor_harness::distributor::{CVR, Control, Distributor, SENDING, writings};
use samspor_harness::rabbitmq;
use samspor_harness::responder::{PERSON, Reply, Responder, Taken};
use samspor_town::search::Search;
use samspor_town::{Settings, Stage, Town};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::conflicts::front;
use crate::deployment::{Deployment, LIMIT, QUEUE, Result};
use crate::http::book;

const MESSAGE_TYPE: &str = "6b1f0a52-3c7e-4d18-9a40-5e2d7c1b8fff";
const FIGURES_TYPE: &str = "urn:oio:Example:Figures";
/// The environment variable that holds the URL of the stand-in's broker.
const URL: &str = "SAMSPOR_BFO_URL";

/// A broker that is logged in to by a token.
fn broker(name: &str, distributor: &Distributor, entity_id: Option<&str>) -> String {
    let file = |name: &str| distributor.certificates().path(name).display().to_string();
    let (ca, certificate, key) = (file("ca.pem"), file("client.pem"), file("client.key"));
    let entity_id = entity_id.map(|id| format!("entity_id = {id:?}\n")).unwrap_or_default();
    format!(
        "[brokers.{name}]\nurl_env = {URL:?}\nca_file = {ca:?}\nclient_cert_file = {certificate:?}\n\
         client_key_file = {key:?}\n[brokers.{name}.token]\nurl = {:?}\ncvr = {CVR:?}\nca_file = {ca:?}\n{entity_id}",
        distributor.token_url()
    )
}

/// Waits until something has happened so often.
async fn wait_for(control: Control, what: &str, count: u64) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while control.count(what).await? < count {
        assert!(Instant::now() < deadline, "{what} is {} of {count}", control.count(what).await?);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Ok(())
}

/// No log, which tells all it can, and no store holds any token, the key or whom an answer quoted, however written.
async fn tells_of_nothing(deployment: &Deployment, distributor: &Distributor) -> Result<()> {
    let key = distributor.certificates().read("client.key")?;
    let mut secrets = vec![PERSON.to_owned(), key.lines().nth(1).ok_or("the key has lines")?.to_owned()];
    for token in distributor.control().issued().await? {
        let (_, rest) = token.split_once(" ID=\"").ok_or("it has an id")?;
        secrets.push(rest[..33].to_owned());
    }
    assert!(secrets.len() > 2);
    let search = Search::new(secrets.iter().flat_map(|secret| writings(secret)))?;
    assert!(std::fs::read_to_string(deployment.log())?.contains("\"TRACE\""));
    for place in [deployment.store(), deployment.log()] {
        let (found, searched) = search.files(&place)?;
        assert!(found.is_empty() && searched > 1_000, "{found:?}");
    }
    Ok(())
}

/// The grades and findings of a part, as `samspor check --broker` sees it.
fn seen(deployment: &Deployment, kind: &str, name: &str) -> Result<Value> {
    let report: Value =
        serde_json::from_str(&deployment.samspor(&["check"], &["--broker", "--json"], "")?.stdout)?;
    let mut parts = report["parts"].as_array().into_iter().flatten();
    let part = parts.find(|part| part["kind"] == kind && part["name"] == name);
    Ok(part.ok_or("there is such a part")?["findings"][0].clone())
}

/// Six sources and two targets, each with a connection that ends with its token.
#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_although_tokens_end_every_few_seconds() -> Result<()> {
    let town = Town::new(Settings { families: 6, background_citizens: 6, ..Settings::demo(31) });
    let expected = town.expected();
    let node = rabbitmq::shared().await?.vhost().await?;
    let distributor = Distributor::start(&node).await?;
    let control = distributor.control();
    let mut deployment = Deployment::on(&node).await?;
    deployment.program.environment.push((URL.into(), distributor.broker_url()));
    let config = std::fs::read_to_string(&deployment.program.config)?;
    let config = config
        .replace("[brokers.main]\nurl_env = \"SAMSPOR_AMQP_URL\"\n", &broker("main", &distributor, None));
    std::fs::write(&deployment.program.config, config)?;
    let checked = deployment.samspor(&["check"], &[], "")?.ended(0)?.stdout;
    assert!(
        checked.contains("logs in by a token for http://entityid.kombit.dk/service/bfo_modtag/2"),
        "{checked}"
    );

    // A token that is shown at once is too early.
    control.set(json!({"life_ms": 3_000, "early_ms": 200, "cut": true, "refuse_logins": 3})).await?;
    let mut running = deployment.start().await?;
    let (_, facts) = books::publish(&deployment.client, &town, Stage::Facts, QUEUE).await?;
    deployment.wait_for_at_least(&mut running, facts).await?;

    // The token service goes away until every connection has ended with its token.
    control.set(json!({"sts_down": true, "early_ms": 0})).await?;
    wait_for(control, "asked", control.count("asked").await? + 8).await?;
    let deadline = Instant::now() + LIMIT;
    while control.count("open").await? > 0 {
        assert!(Instant::now() < deadline, "connections end with their tokens");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let logins = control.count("logins").await?;
    books::publish(&deployment.client, &town, Stage::Postings, QUEUE).await?;
    control
        .set(json!({"sts_down": false, "refuse_logins": 2, "sts": ["garbage", "error", "ended", "audience"]}))
        .await?;
    deployment.wait_for_at_least(&mut running, books::items(&expected)).await?;

    let ledger = deployment.ledger_with_repeats(&expected).await?;
    let balance = deployment.program.balance().await?;
    assert_eq!(balance["balanced"], true);
    // What was committed but not yet acknowledged came again: duplicates, and nothing else, may be more.
    let wrong: Vec<String> = differences(&expected, &ledger, &balance)
        .into_iter()
        .filter(|difference| !difference.contains(" duplicates,") && !difference.contains(" received,"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    wait_for(control, "logins", logins + 8).await?;
    assert!(control.count("refused").await? >= 5 && control.count("cut").await? >= 8);

    // A broker that is started again: a connection that ends during the login is no reason to ask for another token.
    let issued = control.set_and_count_issued(json!({"life_ms": 3_600_000})).await?;
    wait_for(control, "issued", issued + 8).await?;
    wait_for(control, "open", 8).await?;
    let (logins, asked) = (control.count("logins").await?, control.count("asked").await?);
    control.set(json!({"hang_up": 1})).await?;
    control.drop_all().await?;
    wait_for(control, "logins", logins + 8).await?;
    assert_eq!((control.count("hung_up").await?, control.count("asked").await?), (1, asked));
    assert!(seen(&deployment, "source", "opus")?["grade"] == "good");
    assert!(running.stop().await?.success());
    assert_eq!(deployment.personal_data(&town)?, Vec::<std::path::PathBuf>::new());
    tells_of_nothing(&deployment, &distributor).await
}

/// Lets the demo's ledger be a subscriber of the distributor, and another LIS beside that of the demo.
fn configure(deployment: &Deployment, distributor: &Distributor, broker_name: &str) -> Result<()> {
    let text = std::fs::read_to_string(&deployment.program.config)?;
    let (before, rest) = text.split_once("[[targets]]").ok_or("the demo has targets")?;
    let (_, lis) = rest.split_once("[[targets]]").ok_or("the demo has two targets")?;
    let delivery =
        "answer_timeout_ms = 4000\n[targets.delivery]\ntries = 5\nretry_from_ms = 10\nretry_to_ms = 100\n\n";
    let text = format!(
        "{before}{}\n[[targets]]\nname = \"ledger\"\naudience = \"ledger\"\n[targets.distributor]\n\
         broker = {broker_name:?}\nmessage_type = {MESSAGE_TYPE:?}\nsource_system = \"urn:oio:cvr-nr:{CVR}\"\n\
         {delivery}[[targets]]\nname = \"figures\"\naudience = \"lis\"\n[targets.distributor]\nbroker = \"afsend\"\n\
         message_type = {FIGURES_TYPE:?}\nallowed_recipients = [\"urn:oio:cvr-nr:{CVR}\"]\n{delivery}[[targets]]{lis}",
        broker("afsend", distributor, Some(SENDING))
    );
    Ok(std::fs::write(&deployment.program.config, text)?)
}

const POSTINGS: usize = 30;

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_taken_by_its_id_once_whatever_the_distributor_answers() -> Result<()> {
    let node = rabbitmq::shared().await?.vhost().await?;
    let distributor = Distributor::start(&node).await?;
    let control = distributor.control();
    let responder = Responder::start(&node, control).await?;
    let mut deployment = Deployment::on(&node).await?;
    deployment.program.environment.push((URL.into(), distributor.broker_url()));
    deployment.client.declare(&format!("{QUEUE}ledger"), Kind::Quorum).await?; // Nobody else makes it now.
    configure(&deployment, &distributor, "main")?;
    let refused = deployment.samspor(&["check"], &[], "")?.ended(2)?.stderr;
    assert!(
        refused.contains("each message carries the sender's token, and this broker has none"),
        "{refused}"
    );
    let config = std::fs::read_to_string(&deployment.program.config)?;
    std::fs::write(
        &deployment.program.config,
        config.replace(
            "[targets.distributor]\nbroker = \"main\"",
            "[targets.distributor]\nbroker = \"afsend\"",
        ),
    )?;
    let checked = deployment.samspor(&["check"], &[], "")?.ended(0)?.stdout;
    assert!(
        checked.contains("the message distributor, exchange AFSEND_BESKED_EXCHANGE of afsend"),
        "{checked}"
    );
    let finding = seen(&deployment, "target", "ledger")?;
    assert_eq!(finding["grade"], "good", "{finding}");

    control.set(json!({"life_ms": 5_000, "cut": true})).await?;
    use Reply::{ExpiredTwice, Garbage, Late, Lost, Status, Twice, Uncorrelated};
    responder.next([
        Status(20),
        Twice,
        Status(20),
        Status(41),
        Status(53),
        ExpiredTwice,
        Twice,
        Lost,
        Status(41),
        Status(41),
        Status(20),
        Late,
        Garbage,
        Status(51),
        Status(55),
        Status(53),
        Status(53),
        Status(20),
        Uncorrelated,
        Status(99),
        Twice,
        Twice,
    ]);
    responder.always("P-7", Some(Status(40)));
    let mut running = deployment.start().await?;
    let json = |message: Value| Message::new("application/json", message.to_string());
    let solution = json!({"type": "solution", "id": "sb", "version": 1, "name": "SB", "claims": [{"account": "5.28.21"}]});
    deployment.client.publish(&format!("{QUEUE}registry"), [json(solution)]).await?;
    deployment.program.wait_for_received(&mut running, 1, LIMIT, |_| ()).await?;
    let posting = |n| {
        json(json!({"type": "posting", "id": format!("P-{n}"), "date": "2026-03-14", "account": "5.28.21.1",
                    "amount": "100.00"}))
    };
    deployment.client.publish(&format!("{QUEUE}opus"), (1..=POSTINGS).map(posting)).await?;

    let of = |taken: &[Taken], message_type: &str| {
        taken.iter().filter(|one| one.body.contains(message_type)).cloned().collect::<Vec<_>>()
    };
    let ids = |taken: &[Taken]| {
        let to_ledger = of(taken, MESSAGE_TYPE);
        to_ledger.iter().map(|one| one.id.clone()).collect::<BTreeSet<_>>().len()
    };
    responder.wait_for(LIMIT, |taken| ids(taken) == POSTINGS - 1).await?;
    book(&mut deployment, &mut running, 1, POSTINGS as i64 - 1).await?;
    let parked = deployment.samspor(&["parked", "list"], &[], "")?.ended(0)?.stdout;
    assert!(parked.contains("P-7") && parked.contains("(status 40)"), "{parked}");
    assert!(!parked.contains(PERSON), "{parked}");

    // The next record goes by another connection and another token than those before it.
    let before = of(&responder.taken(), MESSAGE_TYPE).pop().ok_or("it has taken some")?;
    let deadline = Instant::now() + LIMIT;
    while control.check(&before.token, SENDING).await? != "expired" {
        assert!(Instant::now() < deadline, "its token ends");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    wait_for(control, "cut", 1).await?;
    responder.always("P-7", None);
    let address = front(&deployment, &mut running).await?;
    let config = std::fs::read_to_string(&deployment.program.config)?;
    std::fs::write(&deployment.program.config, config.replace("127.0.0.1:0", &address))?;
    deployment.samspor(&["parked", "release"], &["--target", "ledger"], "")?.ended(0)?;
    book(&mut deployment, &mut running, 0, POSTINGS as i64).await?;
    assert!(running.stop().await?.success());

    // Under one id there is one record, and it is the same whenever it comes.
    let taken = responder.wait_for(LIMIT, |taken| ids(taken) == POSTINGS).await?;
    let figures = of(&taken, FIGURES_TYPE);
    let taken = of(&taken, MESSAGE_TYPE);
    let told: BTreeSet<&str> = figures.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(told.len(), POSTINGS, "an LIS has what no ledger refuses");
    assert!(taken.iter().all(|one| !told.contains(one.id.as_str())), "no two messages share an id");
    for one in &figures {
        assert!(
            !one.body.contains("Dannelsestidspunkt") && one.body.contains("TilladtModtager"),
            "{}",
            one.body
        );
        assert!(!one.record.to_string().contains("P-"), "{}", one.record);
    }
    let mut bodies: BTreeMap<&str, &str> = BTreeMap::new();
    let mut order = Vec::new();
    for one in &taken {
        let number =
            one.record["posting"].as_str().and_then(|id| id.strip_prefix("P-")?.parse::<usize>().ok());
        match bodies.insert(&one.id, &one.body) {
            None => order.push(number.ok_or("a posting")?),
            Some(before) => assert_eq!(before, one.body),
        }
    }
    assert_eq!(order.last(), Some(&7), "what was parked came last");
    assert!(taken.last().is_some_and(|last| last.token != before.token), "by a token of its own");
    order.sort_unstable();
    assert_eq!(order, (1..=POSTINGS).collect::<Vec<_>>());
    let statuses = responder.statuses();
    for status in [20, 40, 41, 51, 53, 55, 99, 0] {
        assert!(statuses.contains_key(&status), "{statuses:?}");
    }
    tells_of_nothing(&deployment, &distributor).await
}
