//! What the gateway tells Prometheus: the same as its balance says, and nothing of anybody.

#![expect(clippy::disallowed_types, reason = "what a metric says is no money")]

use std::net::SocketAddr;
use std::time::Duration;

use samspor_harness::books::{self, tagged};
use samspor_harness::exposition::Exposition;
use samspor_harness::gateway::Running;
use samspor_harness::rabbitmq;
use samspor_town::search::Search;
use samspor_town::{Settings, Stage, Town};
use serde_json::Value;

use crate::deployment::{Deployment, LIMIT, QUEUE, Result};

/// Where the metrics are, as the log says.
async fn endpoint(deployment: &Deployment, running: &mut Running) -> Result<SocketAddr> {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let log = std::fs::read_to_string(deployment.log())?;
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut fields = lines.map(|line| line["fields"].clone());
        let is_ours =
            |fields: &Value| fields["message"].as_str().is_some_and(|text| text.contains("/metrics"));
        if let Some(fields) = fields.find(is_ours) {
            return Ok(fields["address"].as_str().ok_or("an address")?.parse()?);
        }
        running.still_runs()?;
        assert!(tokio::time::Instant::now() < deadline, "nothing tells where the metrics are");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The sum of a metric's series with these labels, whatever others they have.
fn sum(told: &Exposition, name: &str, labels: &[(&str, &str)]) -> f64 {
    let series = told.series.iter().filter(|((of, has), _)| {
        of == name && labels.iter().all(|(label, value)| has.get(*label).is_some_and(|has| has == value))
    });
    series.map(|(_, value)| *value).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_say_what_the_balance_says_and_nothing_of_anybody() -> Result<()> {
    let town = Town::new(Settings { families: 6, background_citizens: 6, ..Settings::demo(23) });
    let expected = town.expected();
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let config = std::fs::read_to_string(&deployment.program.config)?;
    std::fs::write(&deployment.program.config, format!("{config}\n[metrics]\nlisten = \"127.0.0.1:0\"\n"))?;
    let mut running = deployment.start().await?;
    let address = endpoint(&deployment, &mut running).await?;
    let mut items = 0;
    for stage in [Stage::Facts, Stage::Postings] {
        items += books::publish(&deployment.client, &town, stage, QUEUE).await?.1;
        deployment.program.wait_for_received(&mut running, items, LIMIT, |_| ()).await?;
    }
    deployment.ledger(&expected).await?;
    deployment.client.drain(&format!("{QUEUE}lis"), tagged(&expected), LIMIT).await?;

    // What the targets have confirmed is noted soon after they have it.
    let deadline = tokio::time::Instant::now() + LIMIT;
    let (told, text) = loop {
        let (told, text) = Exposition::of(address).await?;
        if sum(&told, "samspor_target_waiting_records", &[]) == 0.0
            && sum(&told, "samspor_pending_work", &[]) == 0.0
        {
            break (told, text);
        }
        running.still_runs()?;
        assert!(tokio::time::Instant::now() < deadline, "something waits still:\n{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let of_targets = |name: &str, target: &str| sum(&told, name, &[("target", target)]);
    for target in ["ledger", "lis"] {
        let has = sum(&told, "samspor_target_postings", &[("target", target), ("change", "tag")]);
        assert_eq!(has, tagged(&expected) as f64, "{target} in\n{text}");
        assert_eq!(told.value("samspor_target_unbalanced_books", &[("target", target)]), Some(0.0), "{text}");
        assert!(of_targets("samspor_target_confirm_duration_seconds_count", target) > 0.0, "{text}");
    }
    assert_eq!(sum(&told, "samspor_postings", &[("standing", "tagged")]), tagged(&expected) as f64);
    assert_eq!(sum(&told, "samspor_items_received_total", &[]), items as f64);
    assert_eq!(sum(&told, "samspor_commit_items_sum", &[]), items as f64);
    for name in ["samspor_items_unaccounted", "samspor_postings_unaccounted"] {
        let mut values = told.series.iter().filter(|((of, _), _)| of == name).map(|(_, value)| *value);
        assert!(values.all(|value| value == 0.0), "{name} in\n{text}");
    }
    let balance = deployment.program.balance().await?;
    let rows = balance["items"].as_array().ok_or("the balance has items")?;
    for word in ["facts", "stale", "postings", "duplicates", "quarantined", "discarded"] {
        let of_balance: i64 = rows.iter().filter_map(|row| row["outcomes"][word].as_i64()).sum();
        assert_eq!(sum(&told, "samspor_items", &[("outcome", word)]), of_balance as f64, "{word}");
    }
    assert_eq!(
        sum(&told, "samspor_quarantine_entries", &[]),
        sum(&told, "samspor_items", &[("outcome", "quarantined")])
    );
    assert_eq!(told.value("samspor_ready", &[]), Some(1.0), "{text}");
    assert_eq!(Search::new(town.personal_data())?.find(text.as_bytes()), None);

    assert!(running.stop().await?.success(), "who asks for metrics keeps nobody from ending");
    Ok(())
}
