//! How long a message takes from queue to queue, at a rate that all contenders can keep.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::StreamExt as _;
use hdrhistogram::Histogram;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde::{Deserialize, Serialize};

use super::load::{Load, Share, number};
use super::{IN, OUT};

/// Messages before the measurement, so that starting does not count.
const WARM_UP: usize = 1_000;
/// How long the last message may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Percentiles in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Latency {
    pub(super) p50: u64,
    pub(super) p90: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
    pub(super) most: u64,
}

/// Publishes so many messages a second, and times each from when it was due, whether or not it was late, until it arrives.
pub(super) async fn measure(
    url: &str,
    load: &Load,
    round: &str,
    rate: usize,
    seconds: usize,
) -> Result<Latency> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let (publish, consume) = (connection.create_channel().await?, connection.create_channel().await?);
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let mut arrived = consume.basic_consume(OUT.into(), "".into(), options, FieldTable::default()).await?;
    let count = WARM_UP + rate * seconds;
    let every = Duration::from_secs(1) / u32::try_from(rate)?;
    let begun = Instant::now();
    let due = |i: usize| begun + every * u32::try_from(i).unwrap_or(u32::MAX);
    let send = async {
        let properties =
            BasicProperties::default().with_delivery_mode(2).with_content_type("application/json".into());
        for i in 0..count {
            tokio::time::sleep_until(due(i).into()).await;
            let body = load.posting(round, Share::All, i).body;
            publish
                .basic_publish(
                    "".into(),
                    IN.into(),
                    BasicPublishOptions::default(),
                    &body,
                    properties.clone(),
                )
                .await?;
        }
        anyhow::Ok(())
    };
    let receive = async {
        let mut histogram: Histogram<u64> = Histogram::new_with_bounds(1, 60_000_000, 3)?;
        for n in 0..count {
            let delivery = tokio::time::timeout_at((due(count) + LIMIT).into(), arrived.next()).await;
            let delivery = delivery
                .with_context(|| format!("{n} of {count} arrived"))?
                .context("the queue is gone")??;
            let i = number(round, &delivery.data).context("a message has the number of its posting")?;
            if i >= WARM_UP {
                let took = Instant::now().saturating_duration_since(due(i));
                histogram.saturating_record(u64::try_from(took.as_micros())?.max(1));
            }
        }
        anyhow::Ok(histogram)
    };
    let ((), histogram) = futures_util::future::try_join(send, receive).await?;
    ensure!(histogram.len() == (count - WARM_UP) as u64, "each message arrives once");
    connection.close(0, "".into()).await?;
    let at = |quantile| histogram.value_at_quantile(quantile);
    Ok(Latency { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), most: histogram.max() })
}
