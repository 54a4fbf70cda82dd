//! `samspor record`, on real queues.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use samspor_harness::books;
use samspor_harness::client::{Kind, Message};
use samspor_harness::rabbitmq;
use samspor_town::{Settings, Stage, Town, source};
use serde_json::Value;

use crate::deployment::{Deployment, LIMIT, QUEUE, Result};
use crate::samspor::{Ran, samspor};

/// Body and content type of messages, in order, by source.
type Messages = BTreeMap<String, Vec<(Vec<u8>, Option<String>)>>;

fn record(deployment: &Deployment, more: &[&str]) -> Result<Ran> {
    deployment.samspor(&["record"], more, "")
}

/// What a recording holds.
fn recorded(text: &str) -> Result<Messages> {
    let mut messages = Messages::new();
    let mut last = String::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line)?;
        let text = |field: &str| line[field].as_str().map(str::to_owned);
        let body = match (text("body"), text("body_base64")) {
            (Some(body), None) => body.into_bytes(),
            (None, Some(body)) => BASE64_STANDARD.decode(body)?,
            _ => return Err("a line has either body or body_base64".into()),
        };
        let received_at = text("received_at").ok_or("no received_at")?;
        assert!(received_at >= last, "in order of arrival");
        last = received_at;
        messages.entry(text("source").ok_or("no source")?).or_default().push((body, text("content_type")));
    }
    Ok(messages)
}

/// What the town sends.
fn sent(town: &Town) -> Messages {
    let mut messages = Messages::new();
    for message in town.messages() {
        let sent = (message.body, Some(message.content_type.to_owned()));
        messages.entry(message.source.to_owned()).or_default().push(sent);
    }
    messages
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

/// Waits until every queue has all of its messages ready again.
async fn all_there(deployment: &Deployment, messages: &Messages) -> Result<()> {
    for (source, messages) in messages {
        let count = u32::try_from(messages.len())?;
        deployment.client.wait_for_count(&format!("{QUEUE}{source}"), count, LIMIT).await?;
    }
    Ok(())
}

/// The state of every posting in a store, by a replay of nothing.
fn states(config: &Path, store: &Path, empty: &Path) -> Result<String> {
    let arguments = ["replay", "--config", path(config), "--data-dir", path(store), path(empty)];
    Ok(samspor(arguments)?.stdout)
}

/// Recording changes nothing in the queues, and a replay of the recording says what the live gateway says.
#[tokio::test(flavor = "multi_thread")]
async fn a_recording_takes_nothing_and_its_replay_is_the_live_gateways_state() -> Result<()> {
    let town = Town::new(Settings { families: 6, background_citizens: 6, ..Settings::demo(51) });
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let running = deployment.start().await?; // It makes the queues, of both types.
    assert!(running.stop().await?.success());
    for stage in [Stage::Facts, Stage::Postings] {
        books::publish(&deployment.client, &town, stage, QUEUE).await?;
    }
    let sent = sent(&town);
    all_there(&deployment, &sent).await?;

    let file = deployment.dir.path().join("town.ndjson");
    let ran = record(&deployment, &["--output", path(&file)])?.ended(0)?;
    assert!(ran.stdout.is_empty() && ran.stderr.contains("personal data in clear"), "{}", ran.stderr);
    assert_eq!(std::fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    for (source, messages) in &sent {
        assert!(ran.stderr.contains(&format!("{source}: {} recorded", messages.len())), "{}", ran.stderr);
    }
    assert!(recorded(&std::fs::read_to_string(&file)?)? == sent, "everything is recorded as it was sent");
    // A recording that is there stays.
    let ran = record(&deployment, &["--output", path(&file)])?.ended(1)?;
    assert!(ran.stderr.contains("town.ndjson"), "{}", ran.stderr);

    // To the broker nothing has happened, not once and not twice.
    all_there(&deployment, &sent).await?;
    let again = record(&deployment, &[])?.ended(0)?;
    assert!(recorded(&again.stdout)? == sent, "everything is there for another recording");
    all_there(&deployment, &sent).await?;
    for (source, messages) in &sent {
        let queue = format!("{QUEUE}{source}");
        let drained = deployment.client.drain(&queue, messages.len(), LIMIT).await?;
        let drained = drained.into_iter().map(|received| (received.body, received.content_type));
        assert!(
            drained.collect::<Vec<_>>() == *messages,
            "{source}: the queue has what it had, in its order"
        );
        assert_eq!(deployment.client.count(&queue).await?, 0);
    }

    // The live gateway gets the same messages, and ends as a replay of the recording does.
    for stage in [Stage::Facts, Stage::Postings] {
        books::publish(&deployment.client, &town, stage, QUEUE).await?;
    }
    let mut running = deployment.start().await?;
    deployment.program.wait_for_received(&mut running, books::items(&town.expected()), LIMIT, |_| ()).await?;
    assert!(running.stop().await?.success());
    let empty = deployment.dir.path().join("empty.ndjson");
    std::fs::write(&empty, "")?;
    let config = &deployment.program.config;
    let live = states(config, &deployment.store(), &empty)?;
    assert_eq!(live.lines().count(), town.expected().postings.len());
    let replayed = samspor(["replay", "--config", path(config), path(&file)])?.ended(3)?.stdout;
    assert!(replayed == live, "the replay's states are the live gateway's");
    Ok(())
}

/// One source, the first messages only, headers and all; and what is asked wrongly is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_recording_ends_at_its_limit_and_reads_the_named_sources_only() -> Result<()> {
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let queue = |source: &str| format!("{QUEUE}{source}");
    // Nothing is declared by who records: a queue that is not there is a mistake.
    let ran = record(&deployment, &["--source", source::DUBU])?.ended(1)?;
    assert!(ran.stderr.contains("source dubu"), "{}", ran.stderr);
    assert!(deployment.client.count(&queue(source::DUBU)).await.is_err());

    for (source, kind) in
        [(source::OPUS, Kind::Quorum), (source::OES, Kind::Classic), (source::DUBU, Kind::Quorum)]
    {
        deployment.client.declare(&queue(source), kind).await?;
        let body = |n: usize| Message {
            headers: BTreeMap::from([("traceparent".to_owned(), format!("00-{n}"))]),
            ..Message::new("text/plain", [format!("{source} {n} ").into_bytes(), vec![0xe6]].concat())
        };
        deployment.client.publish(&queue(source), (0..50).map(body)).await?;
    }
    // It ends by its limits, long before the queues could count as quiet.
    let wanted = ["--source", source::OPUS, "--source", source::OES, "--limit", "20", "--wait-ms", "600000"];
    let ran = record(&deployment, &wanted)?.ended(0)?;
    assert!(ran.stderr.contains("opus: 20 recorded (the limit: there may be more)"), "{}", ran.stderr);
    let messages = recorded(&ran.stdout)?;
    assert_eq!(messages.keys().collect::<Vec<_>>(), [source::OES, source::OPUS]);
    for (source, messages) in &messages {
        for (n, (body, _)) in messages.iter().enumerate() {
            assert_eq!(*body, [format!("{source} {n} ").into_bytes(), vec![0xe6]].concat());
        }
        assert_eq!(messages.len(), 20);
    }
    for (n, line) in ran.stdout.lines().filter(|line| line.contains(source::OPUS)).enumerate() {
        assert_eq!(serde_json::from_str::<Value>(line)?["headers"]["traceparent"], format!("00-{n}"));
    }
    for source in [source::OPUS, source::OES, source::DUBU] {
        deployment.client.wait_for_count(&queue(source), 50, LIMIT).await?;
        let drained = deployment.client.drain(&queue(source), 50, LIMIT).await?;
        let first = drained.iter().map(|received| received.text()).collect::<Vec<_>>();
        assert!(
            first.iter().enumerate().all(|(n, text)| text.starts_with(&format!("{source} {n} "))),
            "{first:?}"
        );
    }

    let ran = record(&deployment, &["--source", "nowhere"])?.ended(1)?;
    assert!(ran.stderr.contains("no source nowhere; it has opus"), "{}", ran.stderr);
    let charts: PathBuf = crate::commands::recordings::charts_alone(deployment.dir.path())?;
    let ran = samspor(["record", "--config", path(&charts)])?.ended(1)?;
    assert!(ran.stderr.contains("[[sources]]"), "{}", ran.stderr);
    Ok(())
}
