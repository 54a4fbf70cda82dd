//! Canaries: numbers, UUIDs and a name go through every input, valid and faulty, and are found in nothing that comes out.
//!
//! What goes in and comes out is not listed here but asked of the code: every method of the API of its descriptors, every command of
//! `--help`, every way and format of sources and targets of the configuration's own words. One that is new is called, or fails
//! the test until somebody says how it is called.

mod calls;
mod commands;
mod ways;

use std::collections::BTreeMap;

use samspor_harness::books;
use samspor_harness::client::Message;
use samspor_harness::collector::{Collector, Mood};
use samspor_harness::responder::PERSON;
use samspor_harness::{exposition, rabbitmq};
use samspor_town::search::Search;
use samspor_town::{Settings, Stage, Town, source};
use serde_json::Value;

use crate::conflicts::front;
use crate::deployment::{Deployment, LIMIT, QUEUE, Result};
use ways::Ways;

/// Nobody has these: a replacement number, a UUID, a name that stands nowhere else.
pub(crate) const CPR: &str = "6112801234";
pub(crate) const UUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
pub(crate) const NAME: &str = "Kanariea Fuglsang";

/// What is searched for: the canaries in every writing, and the numbers and UUIDs of a town.
fn search(town: &Town) -> Result<Search> {
    let canaries = [
        CPR,
        "611280-1234",
        "611280 1234",
        UUID,
        &UUID.to_uppercase(),
        &UUID.replace('-', ""),
        NAME,
        "Fuglsang",
        // Whom the distributor's answers quote.
        PERSON,
    ];
    Ok(Search::new(canaries.map(str::to_owned).into_iter().chain(town.personal_data()))?)
}

/// Bodies that nobody can read, each with the canaries, of one that somebody could; each as each content type.
fn spoilt(whole: &[u8], types: &[&str]) -> Vec<Message> {
    let canaries = format!("{NAME} 611280-1234 {UUID}");
    let half = [&whole[..whole.len() / 2], canaries.as_bytes()].concat();
    let before = [canaries.as_bytes(), whole].concat();
    let text = String::from_utf8_lossy(whole);
    let named = text.replacen('{', &format!("{{\"navn\":\"{NAME}\","), 1).replacen(
        '>',
        &format!("><navn>{NAME}</navn>"),
        1,
    );
    let bodies = [half, before, named.into_bytes(), canaries.into_bytes()];
    let product =
        bodies.iter().flat_map(|body| types.iter().map(|of_type| Message::new(of_type, body.clone())));
    product.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_in_of_a_person_comes_out_nowhere() -> Result<()> {
    let town = Town::new(Settings { families: 4, background_citizens: 4, ..Settings::demo(23) });
    let search = search(&town)?;
    let node = rabbitmq::shared().await?.vhost().await?;
    let mut deployment = Deployment::on(&node).await?;
    let collector = Collector::start(Mood::Takes).await?;
    let mut ways = Ways::open(&mut deployment, &node).await?;
    let mut config = std::fs::read_to_string(&deployment.program.config)?;
    config += "\n[metrics]\nlisten = \"127.0.0.1:0\"\n";
    config += &format!("\n[traces]\nendpoint = \"{}\"\nnew_per_million = 1000000\n", collector.endpoint());
    config = config.replace("[grpc]\n", "[[grpc.sources]]\nname = \"portal\"\n\n[grpc]\n");
    std::fs::write(&deployment.program.config, config)?;
    let mut running = deployment.start().await?;
    let address = front(&deployment, &mut running).await?;
    let config = std::fs::read_to_string(&deployment.program.config)?;
    std::fs::write(
        &deployment.program.config,
        config.replace("127.0.0.1:50461", &address).replacen("127.0.0.1:0", &address, 1),
    )?;

    // In by queues: the town in every format, and each of its sources' messages spoilt.
    let mut items = 0;
    for stage in [Stage::Facts, Stage::Postings] {
        items += books::publish(&deployment.client, &town, stage, QUEUE).await?.1;
    }
    deployment.wait_for_at_least(&mut running, items).await?;
    let mut first: BTreeMap<&str, Vec<samspor_town::Message>> = BTreeMap::new();
    for message in town.messages() {
        let of_source = first.entry(message.source).or_default();
        if of_source.len() < 3 {
            of_source.push(message);
        }
    }
    for source in source::ALL {
        let spoilt = |message: &samspor_town::Message| {
            let types = [message.content_type, "application/json", "application/xml", NAME];
            spoilt(&message.body, &types)
        };
        let spoilt: Vec<Message> = first.values().flatten().flat_map(spoilt).collect();
        deployment.client.publish(&format!("{QUEUE}{source}"), spoilt).await?;
    }
    for source in source::ALL {
        deployment.client.wait_for_count(&format!("{QUEUE}{source}"), 0, LIMIT).await?;
    }

    // In by every other way, in every format.
    ways.fill(&deployment, &mut running, &town).await?;

    // In by every method of the API, and out: what it answers and what it refuses with.
    let known = calls::Known::of(&town)?;
    let told = calls::all(&format!("http://{address}"), &known).await?;
    assert!(told.len() > 40, "{} methods were called", told.len());
    let mut shown = Vec::new();
    for (method, told) in &told {
        let named = Search::new([calls::NAMED.to_owned()])?;
        for refusal in &told.refusals {
            let quoted = search.find(refusal).or(named.find(refusal));
            assert!(quoted.is_none(), "{method} quotes {quoted:?}: {}", String::from_utf8_lossy(refusal));
        }
        assert!(
            !told.answers.is_empty() || !calls::is_look(method),
            "{method} shows something that can be searched"
        );
        match told.answers.iter().find_map(|answer| search.find(answer)) {
            Some(_) if calls::SHOW.contains(&&**method) => shown.push(&**method),
            Some(found) => return Err(format!("{method} shows {found}").into()),
            None => {}
        }
    }
    assert_eq!(
        shown,
        calls::SHOW,
        "these show whom they are about to those who may see it, and no other does"
    );

    // Out by every command.
    let ran = commands::all(&deployment, &known)?;
    for (command, output) in &ran {
        let may_show = commands::SHOW.iter().any(|shows| command.starts_with(shows));
        let output = if command == commands::WORDS {
            assert!(output.contains(NAME), "{command} shows the ledger's words: {output}");
            output.replace(NAME, "")
        } else {
            output.clone()
        };
        match search.find(output.as_bytes()) {
            Some(found) if !may_show => return Err(format!("`samspor {command}` shows {found}").into()),
            found => assert!(found.is_some() || !may_show, "`samspor {command}` shows nobody any more"),
        }
    }

    // A citizen is told what the books of those who have the postings say of them, and no number of anybody else.
    let exported = ran.iter().find(|(command, _)| command.starts_with("citizen export"));
    let (_, exported) = exported.ok_or("it is exported")?;
    let answers: Vec<&str> = exported.lines().filter(|line| line.contains(" hos desk, ")).collect();
    assert!(answers.iter().any(|line| line.contains(": afvist")), "{exported}");
    assert!(
        answers.iter().all(|line| search.find(line.replace(NAME, "").as_bytes()).is_none()),
        "{answers:?}"
    );

    // Out to the LIS by every way, in every format, and to the metrics.
    for queue in &ways.lis_queues {
        let count = deployment.client.count(queue).await?;
        assert!(count > 0, "{queue} got something");
        for record in deployment.client.drain(queue, count as usize, LIMIT).await? {
            let headers = format!("{:?}", record.headers);
            assert!(
                search.find(&record.body).is_none() && search.find(headers.as_bytes()).is_none(),
                "{queue}"
            );
        }
    }
    ways.nobody_is_sent(&search).await?;
    let log = std::fs::read_to_string(deployment.log())?;
    let metrics = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut metrics = metrics.filter_map(|line| {
        let url = line["fields"]["url"].as_str().or(line["fields"]["address"].as_str())?;
        line["fields"]["message"].as_str()?.contains("metrics").then(|| url.to_owned())
    });
    let metrics = metrics.next_back().ok_or("the log says where the metrics are")?;
    let metrics = metrics.trim_start_matches("http://").trim_end_matches("/metrics").parse()?;
    for path in ["/metrics", "/", &format!("/{CPR}")] {
        let answer = exposition::ask(metrics, "GET", path).await?;
        assert!(search.find(format!("{answer:?}").as_bytes()).is_none(), "{path}");
    }

    // Out to the disk: the log at its finest, the spans, and every file of the store and its backup.
    assert!(running.stop().await?.success());
    assert!(
        collector.requests() > 0 && search.find(&collector.bytes()).is_none(),
        "a span tells of somebody"
    );
    let (found, searched) = search.files(&deployment.log())?;
    assert!(searched > 100_000 && log.contains("\"TRACE\""), "the log is at its finest");
    assert_eq!(found, Vec::<std::path::PathBuf>::new());
    let backup = deployment.dir.path().join("backup");
    for place in [deployment.store(), backup].iter().chain(&ways.files) {
        let (found, searched) = search.files(place)?;
        assert!(searched > 1_000, "{} holds something", place.display());
        assert_eq!(found, Vec::<std::path::PathBuf>::new());
    }
    Ok(())
}
