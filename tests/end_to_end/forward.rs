//! The gateway in the line: files of G69 in, one message a line out, byte for byte but for the fields that are named, while
//! the gateway is killed; each posting once by its message id, in the order of the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rusqlite::Connection;
use samspor_harness::books;
use samspor_harness::client::Received;
use samspor_harness::rabbitmq;
use samspor_town::search::Search;
use samspor_town::{Settings, Stage, Town, source};
use serde_json::Value;

use crate::deployment::{Deployment, LIMIT, QUEUE, Result};

/// UTF-8, and files in ISO-8859-1.
const SOURCES: [&str; 2] = [source::PRISME, source::OES];

/// The fields that the configuration names; no line of the town has any of them.
const FIELDS: [&[u8]; 2] = [b"180", b"250"];

fn queue(source: &str) -> String {
    format!("{QUEUE}line-{source}")
}

fn configure(deployment: &Deployment) -> Result<()> {
    let mut text = std::fs::read_to_string(&deployment.program.config)?;
    for source in SOURCES {
        text.push_str(&format!(
            "\n[[targets]]\nname = \"line-{source}\"\naudience = \"ledger\"\nforwards = \"{source}\"\n\
             [targets.g69]\nfields = {{ 250 = \"{{solution}}\", 180 = \"{{phase}}\" }}\n\
             [targets.amqp]\nbroker = \"main\"\nqueue = \"{}\"\ntopology = \"declare\"\n",
            queue(source)
        ));
    }
    Ok(std::fs::write(&deployment.program.config, text)?)
}

/// Every line of a body with its end.
fn lines(body: &[u8]) -> Vec<Vec<u8>> {
    body.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// A line without the fields of the tag, and what those say.
fn taken_apart(line: &[u8]) -> (Vec<u8>, Vec<String>) {
    let end = line.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
    let (text, line_end) = line.split_at(end);
    let (mut without, mut says) = (Vec::new(), Vec::new());
    for (at, part) in text.split(|byte| *byte == b'&').enumerate() {
        match FIELDS.iter().find(|field| at > 0 && part.starts_with(field)) {
            Some(_) => says.push(String::from_utf8_lossy(part).into_owned()),
            None => {
                if at > 0 {
                    without.push(b'&');
                }
                without.extend_from_slice(part);
            }
        }
    }
    without.extend_from_slice(line_end);
    (without, says)
}

/// The row of a target's books over all months, if everything that arrived for it has passed on.
fn passed(balance: &Value, target: &str) -> Option<i64> {
    let rows = balance["lines"].as_array()?.iter().filter(|row| row["target"] == target);
    let rows: Vec<[i64; 4]> = rows
        .map(|row| {
            assert_eq!(row["balanced"], true, "{row}");
            ["arrived", "forwarded", "waiting", "parked"].map(|of| row[of]["postings"].as_i64().unwrap_or(-1))
        })
        .collect();
    let sum = |at: usize| rows.iter().map(|row| row[at]).sum::<i64>();
    (sum(2) == 0 && sum(3) == 0).then(|| {
        assert_eq!(sum(0), sum(1));
        sum(1)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_pass_on_byte_for_byte_with_their_tags_and_once_however_often_it_is_killed() -> Result<()> {
    let seed = 11;
    println!("seed {seed}");
    let town = Town::new(Settings { families: 12, background_citizens: 10, ..Settings::demo(seed) });
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    configure(&deployment)?;
    let checked = deployment.samspor(&["check"], &[], "")?.ended(0)?.stdout;
    assert!(checked.contains("as they came, with the tag in fields 180, 250"), "{checked}");

    let mut running = deployment.start().await?;
    let (_, facts) = books::publish(&deployment.client, &town, Stage::Facts, QUEUE).await?;
    deployment.program.wait_for_received(&mut running, facts, LIMIT, |_| ()).await?;
    let (_, postings) = books::publish(&deployment.client, &town, Stage::Postings, QUEUE).await?;
    for atleast in [1, 200] {
        let deadline = tokio::time::Instant::now() + LIMIT;
        while deployment.client.count(&queue(source::PRISME)).await? < atleast {
            running.still_runs()?;
            assert!(tokio::time::Instant::now() < deadline, "nothing passed on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        running.kill().await?;
        let there = deployment.client.count(&queue(source::PRISME)).await?;
        println!("killed with {there} lines there");
        running = deployment.program.start(&deployment.log())?;
    }
    deployment.wait_for_at_least(&mut running, facts + postings).await?;
    let deadline = tokio::time::Instant::now() + LIMIT;
    let balance = loop {
        let balance = deployment.program.balance().await?;
        if SOURCES.iter().all(|source| passed(&balance, &format!("line-{source}")).is_some()) {
            break balance;
        }
        running.still_runs()?;
        assert!(tokio::time::Instant::now() < deadline, "not everything passed on: {}", balance["lines"]);
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(balance["balanced"], true);
    assert!(running.stop().await?.success());

    let store = Connection::open(deployment.store().join("samspor.sqlite"))?;
    let left: i64 = store.query_row("SELECT count(*) FROM forward", [], |row| row.get(0))?;
    assert_eq!(left, 0, "the log is empty");
    for source in SOURCES {
        let mut journal = store.prepare(
            "SELECT p.id, p.standing FROM posting p JOIN source s ON s.no = p.source WHERE s.name = ? ORDER BY p.no",
        )?;
        let journal: Vec<(String, bool)> = journal
            .query_map([source], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? == 0)))?
            .collect::<rusqlite::Result<_>>()?;
        assert_eq!(passed(&balance, &format!("line-{source}")), Some(i64::try_from(journal.len())?));
        let count = usize::try_from(deployment.client.count(&queue(source)).await?)?;
        let received = deployment.client.drain(&queue(source), count, LIMIT).await?;
        let mut seen = BTreeSet::new();
        let firsts: Vec<&Received> =
            received.iter().filter(|message| seen.insert(message.message_id.clone())).collect();
        let ids: Vec<String> = firsts.iter().filter_map(|message| message.message_id.clone()).collect();
        let expected: Vec<String> = journal.iter().map(|(id, _)| format!("{source}:{id}")).collect();
        assert_eq!(ids, expected, "each once, in order");

        let mut sent: BTreeMap<Vec<u8>, &str> = BTreeMap::new();
        for message in town.messages().filter(|message| message.source == source) {
            sent.extend(lines(&message.body).into_iter().map(|line| (line, message.content_type)));
        }
        let mut with = 0;
        for (message, (id, is_tagged)) in firsts.iter().zip(&journal) {
            let (line, says) = taken_apart(&message.body);
            let content_type = sent.get(&line).copied();
            assert!(content_type.is_some(), "{source}:{id} is no line that was sent");
            assert_eq!(message.content_type.as_deref(), content_type, "{source}:{id}");
            // The facts came first, so that nothing changed later.
            assert_eq!(says.len(), if *is_tagged { 2 } else { 0 }, "{source}:{id}: {says:?}");
            with += usize::from(*is_tagged);
            if let [phase, solution] = &says[..] {
                assert!(
                    phase.starts_with("180") && solution.starts_with("250") && solution.len() > 3,
                    "{says:?}"
                );
            }
        }
        println!(
            "{source}: {} lines, {with} with a tag, {} again",
            firsts.len(),
            received.len() - firsts.len()
        );
        assert!(with > 0 && with < firsts.len());
    }
    let (found, searched) = Search::new(town.personal_data())?.files(&deployment.store())?;
    assert!(found.is_empty() && searched > 100_000, "the store tells of nobody: {found:?}");
    Ok(())
}
