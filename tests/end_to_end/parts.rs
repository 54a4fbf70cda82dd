//! Targets that are given a part of the feed, and one that takes several records in a request.

use samspor_domain::Side;
use samspor_harness::books::{self, Ledger};
use samspor_harness::client::{Kind, Message};
use samspor_harness::gateway::Running;
use samspor_harness::rabbitmq;
use samspor_harness::receiver::{Receiver, Settings};
use samspor_town::{Settings as Size, Stage, Town};
use serde_json::{Value, json};

use crate::deployment::{Deployment, LIMIT, QUEUE, Result};

/// Adds to the configuration.
fn configure(deployment: &Deployment, more: &str) -> Result<()> {
    let text = std::fs::read_to_string(&deployment.program.config)?;
    Ok(std::fs::write(&deployment.program.config, format!("{text}\n{more}"))?)
}

/// Waits until a target has so many postings tagged, so many parked, and nothing is on its way.
async fn settled(
    deployment: &Deployment,
    running: &mut Running,
    target: &str,
    has: i64,
    parked: i64,
) -> Result<()> {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let balance = deployment.program.balance().await?;
        let books =
            balance["targets"].as_array().into_iter().flatten().filter(|book| book["target"] == target);
        let sum =
            |field: fn(&Value) -> &Value| books.clone().filter_map(|book| field(book).as_i64()).sum::<i64>();
        let sums = [
            sum(|book| &book["has"]["postings"]),
            sum(|book| &book["parked"]),
            sum(|book| &book["going"]["postings"]),
            sum(|book| &book["outdated"]["postings"]),
        ];
        if sums == [has, parked, 0, 0] && balance["balanced"] == true {
            return Ok(());
        }
        running.still_runs()?;
        assert!(
            tokio::time::Instant::now() < deadline,
            "{target} has {sums:?}, and should have {has} and {parked} parked"
        );
    }
}

/// The postings come before the facts, so every tag is decided and changed while it is delivered.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_finance_solution_has_what_is_inside_and_nothing_else() -> Result<()> {
    let town = Town::new(Size { families: 8, background_citizens: 4, ..Size::demo(5) });
    let expected = town.expected();
    let inside: Vec<_> = expected
        .tagged()
        .filter(|(_, posting)| posting.answer.tag().is_some_and(|tag| tag.side == Side::Inside))
        .collect();
    let all = books::tagged(&expected);
    assert!(inside.len() > 20 && inside.len() < all - 20, "{} of {all} are inside", inside.len());
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let queue = format!("{QUEUE}closed");
    deployment.client.declare(&queue, Kind::Quorum).await?;
    configure(
        &deployment,
        &format!(
            "[[targets]]\nname = \"closed\"\naudience = \"ledger\"\n[targets.filter]\nsides = [\"inside\"]\n\
             [targets.amqp]\nbroker = \"main\"\nqueue = \"{queue}\"\n"
        ),
    )?;
    let checked = deployment.samspor(&["check"], &[], "")?.ended(0)?.stdout;
    assert!(checked.contains("only side inside"), "{checked}");
    let mut running = deployment.start().await?;
    let mut items = 0;
    for stage in [Stage::Postings, Stage::Facts] {
        items += books::publish(&deployment.client, &town, stage, QUEUE).await?.1;
        deployment.program.wait_for_received(&mut running, items, LIMIT, |_| ()).await?;
    }
    settled(&deployment, &mut running, "closed", i64::try_from(inside.len())?, 0).await?;
    settled(&deployment, &mut running, "ledger", i64::try_from(all)?, 0).await?;
    assert!(running.stop().await?.success());

    let waiting = deployment.client.count(&queue).await? as usize;
    let received = deployment.client.drain(&queue, waiting, LIMIT).await?;
    let kept = Ledger::of(&received)?.0;
    let tagged: Vec<&(String, String)> =
        kept.iter().filter(|(_, record)| record["change"] == "tag").map(|(key, _)| key).collect();
    let mut right: Vec<(String, String)> =
        inside.iter().map(|(source, posting)| ((*source).to_owned(), posting.id.clone())).collect();
    right.sort();
    assert!(tagged.into_iter().eq(&right), "what it has tagged is what is inside");
    for message in &received {
        let record: Value = serde_json::from_slice(&message.body)?;
        assert!(
            record["change"] == "untag" || record["tag"]["side"] == "inside",
            "it is told what is not its own"
        );
        assert_eq!(record["change"] == "untag", record["tag"].is_null());
    }

    // Another filter is refused, and says what to do.
    let text = std::fs::read_to_string(&deployment.program.config)?;
    std::fs::write(
        &deployment.program.config,
        text.replace("sides = [\"inside\"]", "sides = [\"outside\"]"),
    )?;
    let mut refused = deployment.program.start(&deployment.log())?;
    let deadline = tokio::time::Instant::now() + LIMIT;
    while refused.still_runs().is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "it starts with another filter");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let log = std::fs::read_to_string(deployment.log())?;
    assert!(log.contains("samspor targets forget closed"), "{}", &log[log.len().saturating_sub(2_000)..]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_request_that_fails_exactly_the_bad_record_is_parked() -> Result<()> {
    let mut lis = Receiver::start(Settings::default()).await?;
    lis.tell(json!({"default": {"status": 204}, "by_posting": {"P-3": {"status": 422}}})).await?;
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    configure(
        &deployment,
        &format!(
            "[[targets]]\nname = \"batched\"\naudience = \"ledger\"\n[targets.http]\nurl = \"{}\"\nbatch = 4\n\
             [targets.delivery]\ntries = 2\nretry_from_ms = 10\nretry_to_ms = 100\n",
            lis.url()
        ),
    )?;
    let mut running = deployment.start().await?;
    let json = |message: Value| Message::new("application/json", message.to_string());
    let solution = json!({"type": "solution", "id": "sb", "version": 1, "name": "SB", "claims": [{"account": "5.28.21"}]});
    deployment.client.publish(&format!("{QUEUE}registry"), [json(solution)]).await?;
    deployment.program.wait_for_received(&mut running, 1, LIMIT, |_| ()).await?;
    let posting = |n| {
        json(json!({"type": "posting", "id": format!("P-{n}"), "date": "2026-03-14", "account": "5.28.21.1",
                    "amount": "100.00"}))
    };
    deployment.client.publish(&format!("{QUEUE}opus"), (1..=40).map(posting)).await?;
    deployment.program.wait_for_received(&mut running, 41, LIMIT, |_| ()).await?;
    settled(&deployment, &mut running, "batched", 39, 1).await?;
    let parked = deployment.samspor(&["parked", "list"], &[], "")?.ended(0)?.stdout;
    assert!(parked.contains("P-3") && parked.contains("422 Unprocessable Entity"), "{parked}");
    assert!(running.stop().await?.success());
    let requests = lis.all().await?;
    let posted = requests.iter().filter(|request| request["method"] == "POST");
    let ids = posted.flat_map(|request| request["records"].as_array().into_iter().flatten());
    let ids: std::collections::BTreeSet<&str> = ids.filter_map(|record| record["posting"].as_str()).collect();
    assert_eq!(ids.len(), 40);
    Ok(())
}
