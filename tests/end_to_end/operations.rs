//! What operators do with a running gateway: look at it, pause and resume parts of it, reload its configuration, stop it
//! while its peers hang.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use samspor_grpc::client::{
    Channel, Code, HealthCheckRequest, HealthClient, OperationsServiceClient, RegistryServiceClient,
    ServingStatus, TargetsServiceClient, connect,
};
use samspor_grpc::v1;
use samspor_harness::books::{self, Ledger, differences, tagged};
use samspor_harness::client::Message;
use samspor_harness::gateway::Running;
use samspor_harness::proxy::Proxy;
use samspor_harness::rabbitmq;
use samspor_town::{Settings, Stage, Town};
use serde_json::{Value, json};

use crate::conflicts::front;
use crate::deployment::{Deployment, LIMIT, QUEUE, Result};

/// Changes the configuration's text.
fn edit(deployment: &Deployment, from: &str, to: &str) -> Result<()> {
    let path = &deployment.program.config;
    let text = std::fs::read_to_string(path)?;
    assert!(text.contains(from), "the configuration has {from:?}");
    Ok(std::fs::write(path, text.replacen(from, to, 1))?)
}

/// Waits until the front listens, and lets the commands find it by the configuration.
pub(crate) async fn reach(deployment: &Deployment, running: &mut Running) -> Result<Channel> {
    let address = front(deployment, running).await?;
    edit(deployment, "127.0.0.1:0", &address)?;
    Ok(connect(&format!("http://{address}")).await?)
}

/// A solution that takes every posting of an account, and postings of it.
pub(crate) async fn send(deployment: &Deployment, postings: usize) -> Result<()> {
    let json = |message: Value| Message::new("application/json", message.to_string());
    let solution = json!({"type": "solution", "id": "sb", "version": 1, "name": "SB", "claims": [{"account": "5.28.21"}]});
    deployment.client.publish(&format!("{QUEUE}registry"), [json(solution)]).await?;
    let posting = |n| {
        json(json!({"type": "posting", "id": format!("P-{n}"), "date": "2026-03-14", "account": "5.28.21.1",
                    "amount": "100.00"}))
    };
    Ok(deployment.client.publish(&format!("{QUEUE}opus"), (0..postings).map(posting)).await?)
}

/// What `samspor status` says: its exit code, and each part by its name.
fn status(deployment: &Deployment) -> Result<(i32, serde_json::Map<String, Value>)> {
    let ran = deployment.samspor(&["status"], &["--json"], "")?;
    let answer: Value = serde_json::from_str(&ran.stdout)?;
    let parts = answer["parts"].as_array().into_iter().flatten();
    Ok((
        ran.code,
        parts.map(|part| (part["part"].as_str().unwrap_or_default().to_owned(), part.clone())).collect(),
    ))
}

/// Waits until the status is as it is to be.
async fn until_status(
    deployment: &Deployment,
    running: &mut Running,
    is_so: impl Fn(&serde_json::Map<String, Value>) -> bool,
) -> Result<()> {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let (_, parts) = status(deployment)?;
        if is_so(&parts) {
            return Ok(());
        }
        running.still_runs()?;
        assert!(tokio::time::Instant::now() < deadline, "the status stays {parts:?}");
    }
}

async fn health(channel: &Channel, service: &str) -> Result<ServingStatus> {
    let request = HealthCheckRequest { service: service.into() };
    Ok(HealthClient::new(channel.clone()).check(request).await?.into_inner().status())
}

/// Waits for a line of the log.
async fn until_logged(deployment: &Deployment, running: &mut Running, needle: &str) -> Result<()> {
    let deadline = tokio::time::Instant::now() + LIMIT;
    while !std::fs::read_to_string(deployment.log())?.contains(needle) {
        running.still_runs()?;
        assert!(tokio::time::Instant::now() < deadline, "the log does not say {needle:?}");
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// A broker that is not there: the gateway starts, takes what callers put, and says what it waits for. When the broker's
/// URL is put right, a reload is enough.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_its_broker_says_so_and_takes_another_one_at_a_reload() -> Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let deployment = Deployment::on(&url).await?;
    // A port of our own on which nothing listens.
    let unused = tokio::net::TcpSocket::new_v4()?;
    unused.bind("127.0.0.1:0".parse()?)?;
    let place = deployment.dir.path().join("url");
    std::fs::write(&place, format!("amqp://who:secret@{}/v", unused.local_addr()?))?;
    edit(&deployment, "url_env = \"SAMSPOR_AMQP_URL\"", "url_file = \"url\"")?;

    let mut running = deployment.program.start(&deployment.log())?;
    let channel = reach(&deployment, &mut running).await?;
    let request = HealthCheckRequest::default();
    let mut ready = HealthClient::new(channel.clone()).watch(request).await?.into_inner();
    let mut next = async || -> Result<ServingStatus> {
        let told = tokio::time::timeout(LIMIT, ready.message()).await??;
        Ok(told.ok_or("the watch ended")?.status())
    };
    assert_eq!(next().await?, ServingStatus::NotServing);
    for (service, expected) in [
        ("", ServingStatus::NotServing),
        ("source opus", ServingStatus::NotServing),
        ("target ledger", ServingStatus::NotServing),
        ("store", ServingStatus::Serving),
        ("grpc", ServingStatus::Serving),
        ("samspor.v1.RegistryService", ServingStatus::Serving),
    ] {
        assert_eq!(health(&channel, service).await?, expected, "{service}");
    }
    let solution = v1::Solution { id: "sb".into(), version: 1, name: "SB".into(), ..Default::default() };
    let request = v1::PutSolutionRequest { solution: Some(solution) };
    RegistryServiceClient::new(channel.clone()).put_solution(request).await?;
    until_status(&deployment, &mut running, |parts| {
        parts["source opus"]["why"]
            .as_str()
            .is_some_and(|why| why.contains("refused") && !why.contains("secret"))
    })
    .await?;
    assert_eq!(status(&deployment)?.0, 6);

    std::fs::write(&place, &url)?;
    running.hang_up().await?;
    assert_eq!(next().await?, ServingStatus::Serving);
    let (code, parts) = status(&deployment)?;
    assert_eq!((code, &parts["source opus"]["condition"]), (0, &"up".into()));
    assert!(running.stop().await?.success());
    Ok(())
}

/// Sources and targets change, go and come, time and again, while the town's postings pour in; faulty configurations come
/// between. Nothing is lost, and nothing is taken in or delivered twice.
#[tokio::test(flavor = "multi_thread")]
async fn reloads_under_load_lose_nothing_and_faulty_ones_change_nothing() -> Result<()> {
    // A broker gives back what was out to a source that changed in an order of its own, and of two postings that contradict
    // each other the one stays that comes first: so there are none.
    let settings = Settings { families: 12, background_citizens: 10, faulty: false, ..Settings::demo(17) };
    let town = Town::new(settings);
    let expected = town.expected();
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let mut running = deployment.start().await?;
    let channel = reach(&deployment, &mut running).await?;
    let mut operations = OperationsServiceClient::new(channel.clone());
    let (_, facts) = books::publish(&deployment.client, &town, Stage::Facts, QUEUE).await?;
    deployment.program.wait_for_received(&mut running, facts, LIMIT, |_| ()).await?;

    let config = &deployment.program.config;
    let whole = std::fs::read_to_string(config)?;
    let section = |name: &str| -> String {
        let start = whole.find(&format!("[[sources]]\nname = \"{name}\"")).expect("it is there");
        let end = whole[start + 1..].find("\n[[").map_or(whole.len(), |end| start + 1 + end);
        whole[start..end].to_owned()
    };
    // Another prefetch for one, another one gone, and a second ledger.
    let second = "\n[[targets]]\nname = \"second\"\naudience = \"ledger\"\n  [targets.amqp]\n  broker = \"main\"\n  \
                  queue = \"samspor.demo.second\"\n  topology = \"declare\"\n";
    let other = whole.replace("prefetch = 1000", "prefetch = 7").replace(&section("prisme"), "") + second;
    let faulty = other.replace("queue = \"samspor.demo.oes\"", "queue = \"\"");
    let moved = other.replace("dir = \"store\"", "dir = \"elsewhere\"");

    let published = AtomicBool::new(false);
    let publish = async {
        let sent = books::publish(&deployment.client, &town, Stage::Postings, QUEUE).await;
        published.store(true, Ordering::Relaxed);
        sent
    };
    let reload = async {
        let mut reloads = 0;
        while !published.load(Ordering::Relaxed) || reloads < 3 {
            for (bad, why) in [(&faulty, ["gateway.toml:", "255 bytes"]), (&moved, ["store.dir", "restart"])]
            {
                std::fs::write(config, bad)?;
                let refused = operations.reload(v1::ReloadRequest {}).await.expect_err("it is not taken");
                assert_eq!(refused.code(), Code::FailedPrecondition);
                assert!(why.iter().all(|why| refused.message().contains(why)), "{}", refused.message());
            }
            std::fs::write(config, &other)?;
            let changes = operations.reload(v1::ReloadRequest {}).await?.into_inner();
            assert_eq!(changes.changed, ["source opus"]);
            assert_eq!(changes.removed, ["source prisme"]);
            assert_eq!(changes.added, ["target second"]);
            assert!(
                operations.reload(v1::ReloadRequest {}).await?.into_inner() == v1::ReloadResponse::default()
            );
            std::fs::write(config, &whole)?;
            let changes = operations.reload(v1::ReloadRequest {}).await?.into_inner();
            assert_eq!(
                (changes.added, changes.removed),
                (vec!["source prisme".into()], vec!["target second".into()])
            );
            reloads += 1;
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(reloads)
    };
    let (sent, reloads) = tokio::join!(publish, reload);
    let (items, reloads) = (sent?.1, reloads?);
    println!("{reloads} times there and back");
    // The same by the signal and by the command.
    std::fs::write(config, &faulty)?;
    running.hang_up().await?;
    until_logged(&deployment, &mut running, "the gateway goes on with the configuration that it has").await?;
    let line = faulty[..faulty.find("queue = \"\"").expect("it is there")].lines().count();
    let log = std::fs::read_to_string(deployment.log())?;
    assert!(log.contains(&format!("gateway.toml:{line}:")), "the log names line {line}");
    assert!(deployment.samspor(&["reload"], &[], "")?.ended(2)?.stderr.contains("255 bytes"));
    std::fs::write(config, &moved)?;
    assert!(deployment.samspor(&["reload"], &[], "")?.ended(2)?.stderr.contains("restart it"));
    std::fs::write(config, &other)?;
    let told = deployment.samspor(&["reload"], &[], "")?.ended(0)?.stdout;
    assert_eq!(told, "new: target second; changed: source opus; removed: source prisme\n");
    std::fs::write(config, whole.clone() + second)?;
    let told = deployment.samspor(&["reload"], &[], "")?.ended(0)?.stdout;
    assert_eq!(told, "new: source prisme; changed: source opus\n");

    deployment.program.wait_for_received(&mut running, facts + items, LIMIT, |_| ()).await?;
    let balance = deployment.program.balance().await?;
    // The second one begins at the beginning, and gets each posting's newest record.
    for name in ["ledger", "second"] {
        let queue = format!("{QUEUE}{name}");
        let mut received = deployment.client.drain(&queue, tagged(&expected), LIMIT).await?;
        // Where a posting came after the one that reverses it, that one has a record more.
        let deadline = tokio::time::Instant::now() + LIMIT;
        while !differences(&expected, &Ledger::of(&received)?, &balance).is_empty() {
            assert!(tokio::time::Instant::now() < deadline, "{name} does not come to have what it should");
            let more = usize::try_from(deployment.client.count(&queue).await?)?;
            received.extend(deployment.client.drain(&queue, more, LIMIT).await?);
            tokio::task::yield_now().await;
        }
        let mut ids = BTreeSet::new();
        let twice: Vec<_> = received.iter().filter(|record| !ids.insert(&record.message_id)).collect();
        assert!(twice.is_empty(), "{name} got {} records twice", twice.len());
        let wrong = differences(&expected, &Ledger::of(&received)?, &balance);
        assert!(wrong.is_empty(), "{name}: {}", wrong.join("\n"));
    }
    // The second ledger does not come back, and is forgotten.
    std::fs::write(config, &whole)?;
    assert_eq!(deployment.samspor(&["reload"], &[], "")?.ended(0)?.stdout, "removed: target second\n");
    until_status(&deployment, &mut running, |parts| !parts.contains_key("target second")).await?;
    let forget = |name: &str| deployment.samspor(&["targets", "forget", name], &[], "");
    assert!(forget("ledger")?.ended(1)?.stderr.contains("still has target ledger"));
    assert!(forget("nobody")?.ended(1)?.stderr.contains("it knows: ledger, lis, second"));
    let request = v1::ForgetTargetRequest { target: "lis".into(), after: 0 };
    let refused =
        TargetsServiceClient::new(channel.clone()).forget_target(request).await.expect_err("it is in use");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(forget("second")?.ended(0)?.stdout.contains("is forgotten"));
    assert!(forget("second")?.ended(1)?.stderr.contains("it knows: ledger, lis"));
    assert!(running.stop().await?.success());
    assert_eq!(deployment.client.count(&format!("{QUEUE}ledger")).await?, 0, "nothing was delivered twice");
    assert_eq!(deployment.personal_data(&town)?, Vec::<std::path::PathBuf>::new());
    Ok(())
}

/// What is paused waits, also over a restart, and is told everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn parts_are_paused_and_resumed_by_commands_and_stay_so_over_a_restart() -> Result<()> {
    const POSTINGS: u32 = 3;
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let mut running = deployment.start().await?;
    let channel = reach(&deployment, &mut running).await?;
    until_status(&deployment, &mut running, |parts| parts.values().all(|part| part["condition"] == "up"))
        .await?;
    let (code, parts) = status(&deployment)?;
    assert_eq!(code, 0, "{parts:?}");
    assert_eq!(parts.len(), 10, "six sources, two targets, store and front");
    assert_eq!((&parts["source opus"]["received"], &parts["store"]["pending_work"]), (&0.into(), &0.into()));
    let command = |verb: &str, kind: &str, name: &str| deployment.samspor(&[verb, kind, name], &[], "");

    assert!(command("pause", "source", "opus")?.ended(0)?.stdout.contains("is paused, also after a restart"));
    assert!(command("pause", "source", "opus")?.ended(0)?.stdout.contains("paused already"));
    command("pause", "target", "ledger")?.ended(0)?;
    until_status(&deployment, &mut running, |parts| parts["source opus"]["condition"] == "paused").await?;
    send(&deployment, POSTINGS as usize).await?;
    until_status(&deployment, &mut running, |parts| parts["source registry"]["received"] == 1).await?;
    let (code, parts) = status(&deployment)?;
    assert_eq!(
        (code, &parts["source opus"]["received"]),
        (0, &0.into()),
        "what is paused is as it is wanted"
    );
    assert_eq!(deployment.client.count(&format!("{QUEUE}opus")).await?, POSTINGS);
    assert_eq!(health(&channel, "source opus").await?, ServingStatus::NotServing);
    assert_eq!(health(&channel, "").await?, ServingStatus::Serving);
    let nobody = command("pause", "source", "nobody")?.ended(1)?.stderr;
    assert!(nobody.contains("there is no source or target of that name") && nobody.contains("source prisme"));
    assert!(
        command("pause", "store", "x")?.ended(2)?.stderr.contains("source"),
        "the command line says what there is"
    );

    assert!(command("resume", "source", "opus")?.ended(0)?.stdout.contains("goes on"));
    let all = json!(POSTINGS);
    let waits = |parts: &serde_json::Map<String, Value>| parts["target ledger"]["waiting"] == all;
    until_status(&deployment, &mut running, waits).await?;
    assert!(running.stop().await?.success());
    let gone = deployment.samspor(&["status"], &[], "")?.ended(6)?.stderr;
    assert!(gone.contains("is it running"), "{gone}");
    command("resume", "target", "ledger")?.ended(1)?;

    let mut running = deployment.program.start(&deployment.log())?;
    let deadline = tokio::time::Instant::now() + LIMIT;
    while deployment.samspor(&["status"], &[], "")?.code != 0 {
        running.still_runs()?;
        assert!(tokio::time::Instant::now() < deadline, "it does not come up");
    }
    let (_, parts) = status(&deployment)?;
    assert_eq!(
        (&parts["target ledger"]["condition"], &parts["target ledger"]["waiting"]),
        (&"paused".into(), &all)
    );
    assert_eq!(deployment.client.count(&format!("{QUEUE}ledger")).await?, 0);
    let table = deployment.samspor(&["status"], &[], "")?.ended(0)?.stdout;
    let row = table.lines().find(|line| line.trim_start().starts_with("target ledger")).unwrap_or_default();
    assert!(row.contains("paused") && row.contains("3 waiting"), "{table}");
    command("resume", "target", "ledger")?.ended(0)?;
    deployment.client.drain(&format!("{QUEUE}ledger"), POSTINGS as usize, LIMIT).await?;
    until_status(&deployment, &mut running, |parts| parts["target ledger"]["waiting"] == 0).await?;
    assert!(running.stop().await?.success());
    Ok(())
}

/// Brokers that hang hold up a stop for as long as its deadline and no longer; the next start makes up for it.
#[tokio::test(flavor = "multi_thread")]
async fn peers_that_hang_hold_up_a_stop_until_its_deadline_and_nothing_is_lost() -> Result<()> {
    const POSTINGS: usize = 20;
    let node = rabbitmq::shared().await?;
    let url = node.vhost().await?;
    let (sources, ledger) = (Proxy::start(node.address()).await?, Proxy::start(node.address()).await?);
    let mut deployment = Deployment::on(&url).await?;
    deployment.program.environment.push(("SAMSPOR_AMQP_URL".into(), sources.url(&url)));
    deployment.program.environment.push(("SAMSPOR_LEDGER_URL".into(), ledger.url(&url)));
    // Nothing but the stop's own deadline ends any wait.
    let patient = "heartbeat_s = 3600\nrequest_timeout_ms = 300000\n";
    edit(
        &deployment,
        "[brokers.main]\n",
        &format!(
            "[engine]\nshutdown_deadline_ms = 1000\n\n[brokers.ledger]\nurl_env = \"SAMSPOR_LEDGER_URL\"\n\
                  {patient}\n[brokers.main]\n{patient}"
        ),
    )?;
    edit(
        &deployment,
        "broker = \"main\"\n  # A queue, through",
        "broker = \"ledger\"\n  confirm_timeout_ms = 600000\n  # A queue, through",
    )?;
    let mut running = deployment.start().await?;
    // Its queue is there before it is connected, and before that there is nothing to hold back.
    let deadline = tokio::time::Instant::now() + LIMIT;
    while !std::fs::read_to_string(deployment.log())?.contains(r#""message":"up","part":"target ledger""#) {
        running.still_runs()?;
        assert!(tokio::time::Instant::now() < deadline, "the target is not connected");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // The broker takes what is published and says so, and nobody hears it.
    ledger.pause_answers();
    send(&deployment, POSTINGS).await?;
    deployment.program.wait_for_received(&mut running, POSTINGS as u64 + 1, LIMIT, |_| ()).await?;
    deployment.client.wait_for_count(&format!("{QUEUE}ledger"), POSTINGS as u32, LIMIT).await?;
    sources.pause();
    let status = running.stop().await?;
    assert_eq!(status.code(), Some(1), "{status}");
    let log = std::fs::read_to_string(deployment.log())?;
    let told = "not everything was finished within 1s; nothing is lost, the rest is done at the next start";
    assert!(log.contains(told), "the log says so");

    sources.resume();
    ledger.resume();
    let mut running = deployment.start().await?;
    // What was not confirmed comes again, with the same ids, and what was committed but not acknowledged is a duplicate.
    deployment.client.wait_for_count(&format!("{QUEUE}ledger"), 2 * POSTINGS as u32, LIMIT).await?;
    let received = deployment.client.drain(&format!("{QUEUE}ledger"), 2 * POSTINGS, LIMIT).await?;
    assert_eq!(Ledger::of(&received)?.0.len(), POSTINGS);
    assert!(received.iter().all(|record| record.message_id.as_deref().is_some_and(|id| id.ends_with(":1"))));
    running.still_runs()?;
    assert_eq!(deployment.program.balance().await?["balanced"], true);
    assert!(running.stop().await?.success());
    Ok(())
}
