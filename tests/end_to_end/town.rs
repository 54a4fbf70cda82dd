//! The sample town through the gateway, broker to broker, in every format.

use rusqlite::Connection;
use samspor_harness::books::{self, Ledger, differences, tagged};
use samspor_harness::rabbitmq::{self, Node, Options};
use samspor_town::search::Search;
use samspor_town::{Expected, Settings, Stage, Town, source};

use crate::deployment::{Deployment, LIMIT, QUEUE, Result};

/// A town with faults, small enough to be sent several times.
fn town() -> Town {
    Town::new(Settings { families: 12, background_citizens: 10, ..Settings::demo(7) })
}

fn nothing_differs(expected: &Expected, ledger: &Ledger, balance: &serde_json::Value) {
    let differences = differences(expected, ledger, balance);
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences[..differences.len().min(20)].join("\n")
    );
}

/// Every format from queue to ledger and LIS; a second publication of everything changes nothing but the count of
/// duplicates; and no file and no log tells of a person.
#[tokio::test(flavor = "multi_thread")]
async fn every_message_of_the_town_ends_as_it_should_and_twice_is_once() -> Result<()> {
    let (town, expected) = (town(), town().expected());
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let mut running = deployment.start().await?;
    let mut items = 0;
    for stage in [Stage::Facts, Stage::Postings] {
        items += books::publish(&deployment.client, &town, stage, QUEUE).await?.1;
        deployment.program.wait_for_received(&mut running, items, LIMIT, |_| ()).await?;
    }
    let ledger = deployment.ledger(&expected).await?;
    let lis = deployment.client.drain(&format!("{QUEUE}lis"), tagged(&expected), LIMIT).await?;
    let before = deployment.program.balance().await?;
    nothing_differs(&expected, &ledger, &before);
    let search = Search::new(town.personal_data())?;
    assert!(lis.iter().all(|record| search.find(&record.body).is_none()), "the LIS learns of no person");
    assert!(lis.iter().all(|record| record.persistent), "records are kept by the broker");

    // Everything again, in the other order.
    for stage in [Stage::Postings, Stage::Facts] {
        items += books::publish(&deployment.client, &town, stage, QUEUE).await?.1;
    }
    deployment.program.wait_for_received(&mut running, items, LIMIT, |_| ()).await?;
    let after = deployment.program.balance().await?;
    assert_eq!(before["postings"], after["postings"]);
    for source in source::ALL {
        let of = |balance: &serde_json::Value, word: &str| -> i64 {
            let rows =
                balance["items"].as_array().into_iter().flatten().filter(|row| row["source"] == source);
            rows.filter_map(|row| row["outcomes"][word].as_i64()).sum()
        };
        for word in ["facts", "stale", "postings", "quarantined"] {
            assert_eq!(of(&before, word), of(&after, word), "{source} {word}");
        }
        assert_eq!(of(&after, "received"), 2 * of(&before, "received"), "{source}");
        // What is counted before it is decoded is what the publisher counts.
        let published = i64::try_from(town.messages().filter(|message| message.source == source).count())?;
        assert_eq!((of(&before, "messages"), of(&after, "messages")), (published, 2 * published), "{source}");
    }

    let status = running.stop().await?;
    assert!(status.success(), "{status}");
    assert_eq!(deployment.client.count(&format!("{QUEUE}ledger")).await?, 0, "nothing was delivered again");
    assert_eq!(deployment.personal_data(&town)?, Vec::<std::path::PathBuf>::new());
    Ok(())
}

/// While the store cannot commit, nothing is acknowledged: killed in that moment, the gateway leaves every message in
/// its queue, and the next one takes them all in.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_before_it_is_committed() -> Result<()> {
    let town = Town::new(Settings { families: 4, background_citizens: 4, ..Settings::demo(11) });
    let expected = town.expected();
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let mut running = deployment.start().await?;
    let (_, facts) = books::publish(&deployment.client, &town, Stage::Facts, QUEUE).await?;
    deployment.program.wait_for_received(&mut running, facts, LIMIT, |_| ()).await?;

    // Somebody holds the store's write lock, as a full disk or a hanging file system would hold the writer up.
    let lock = Connection::open(deployment.store().join("samspor.sqlite"))?;
    lock.busy_timeout(LIMIT)?;
    lock.execute_batch("BEGIN IMMEDIATE")?;
    let (messages, _) = books::publish(&deployment.client, &town, Stage::Postings, QUEUE).await?;
    // The gateway takes messages, as many as its prefetch allows, and cannot store one of them.
    let queued = async || -> Result<u32> {
        let mut queued = 0;
        for source in source::ALL {
            queued += deployment.client.count(&format!("{QUEUE}{source}")).await?;
        }
        Ok(queued)
    };
    while queued().await? as usize >= messages {
        running.still_runs()?;
        tokio::task::yield_now().await;
    }
    assert_eq!(deployment.program.received().await?, facts, "what is not committed is not counted");
    running.kill().await?;
    let deadline = tokio::time::Instant::now() + LIMIT;
    while queued().await? as usize != messages {
        assert!(tokio::time::Instant::now() < deadline, "{} of {messages} came back", queued().await?);
        tokio::task::yield_now().await;
    }
    lock.execute_batch("ROLLBACK")?;
    drop(lock);

    let mut running = deployment.start().await?;
    deployment.program.wait_for_received(&mut running, books::items(&expected), LIMIT, |_| ()).await?;
    let ledger = deployment.ledger(&expected).await?;
    nothing_differs(&expected, &ledger, &deployment.program.balance().await?);
    assert!(running.stop().await?.success());
    Ok(())
}

/// A broker that is not there yet, and one that goes away in the middle: the gateway comes back by itself, and
/// everything is as it should be.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_comes_late_and_goes_away_costs_nothing() -> Result<()> {
    let town = Town::new(Settings { families: 6, background_citizens: 6, ..Settings::demo(13) });
    let expected = town.expected();
    let mut node = Node::temporary(Options::default()).await?;
    let deployment = Deployment::on(&node.url()).await?;
    node.stop().await?;
    let mut running = deployment.program.start(&deployment.log())?;
    running.still_runs()?;
    node.restart().await?;
    let deployment =
        Deployment { client: samspor_harness::client::Client::connect(&node.url()).await?, ..deployment };
    deployment.wait_for_queues(&mut running).await?;

    let (_, facts) = books::publish(&deployment.client, &town, Stage::Facts, QUEUE).await?;
    deployment.program.wait_for_received(&mut running, facts, LIMIT, |_| ()).await?;
    books::publish(&deployment.client, &town, Stage::Postings, QUEUE).await?;
    // Whatever is under way now is cut off.
    node.kill().await?;
    node.restart().await?;
    let deployment =
        Deployment { client: samspor_harness::client::Client::connect(&node.url()).await?, ..deployment };
    deployment.wait_for_at_least(&mut running, books::items(&expected)).await?;
    let ledger = deployment.ledger_with_repeats(&expected).await?;
    // What was committed but not yet acknowledged came again: duplicates, and nothing else, may be more.
    let balance = deployment.program.balance().await?;
    assert_eq!(balance["balanced"], true);
    let wrong: Vec<String> = differences(&expected, &ledger, &balance)
        .into_iter()
        .filter(|difference| !difference.contains(" duplicates,") && !difference.contains(" received,"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(running.stop().await?.success());
    Ok(())
}
