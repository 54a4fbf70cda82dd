//! A bare forwarder: what moving the bytes costs, with nothing done to them. The gateway is measured beside it.

use std::collections::VecDeque;

use anyhow::{Context, Result, bail};
use futures_util::{FutureExt, StreamExt};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
};
use lapin::types::FieldTable;
use lapin::{Confirmation, Connection, ConnectionProperties, PublisherConfirm};

/// As many as the gateway's source has under way.
const PREFETCH: u16 = 1_000;
/// Acknowledgements that go together.
const ACKNOWLEDGE: usize = 100;

/// Consumes from one queue and publishes to another, persistent, mandatory and confirmed; acknowledges what is
/// confirmed. Two connections, as the gateway has. Never returns but with an error.
pub(crate) async fn run(url: &str, from: &str, to: &str) -> Result<()> {
    let incoming = Connection::connect(url, ConnectionProperties::default()).await?;
    let outgoing = Connection::connect(url, ConnectionProperties::default()).await?;
    let (consume, publish) = (incoming.create_channel().await?, outgoing.create_channel().await?);
    consume.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    publish.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut deliveries =
        consume.basic_consume(from.into(), "".into(), options, FieldTable::default()).await?;
    let mandatory = BasicPublishOptions { mandatory: true, ..Default::default() };
    let mut waiting = VecDeque::new();
    let mut unacknowledged = 0;
    loop {
        tokio::select! {
            delivery = deliveries.next() => {
                let delivery = delivery.context("the consumer was cancelled")??;
                let properties = delivery.properties.clone().with_delivery_mode(2);
                let confirm = publish.basic_publish("".into(), to.into(), mandatory, &delivery.data, properties).await?;
                waiting.push_back((delivery.delivery_tag, confirm));
            }
            confirmed = oldest(&mut waiting), if !waiting.is_empty() => {
                // What else is confirmed by now is acknowledged with it.
                let mut confirmed = Some(confirmed);
                let mut last = 0;
                while let Some(Ok(Confirmation::Ack(None))) = confirmed {
                    last = waiting.pop_front().map_or(last, |(tag, _)| tag);
                    unacknowledged += 1;
                    confirmed = waiting.front_mut().and_then(|(_, confirm)| confirm.now_or_never());
                }
                if let Some(other) = confirmed {
                    bail!("not confirmed: {other:?}");
                }
                if unacknowledged >= ACKNOWLEDGE || waiting.is_empty() {
                    consume.basic_ack(last, BasicAckOptions { multiple: true }).await?;
                    unacknowledged = 0;
                }
            }
        }
    }
}

async fn oldest(waiting: &mut VecDeque<(u64, PublisherConfirm)>) -> lapin::Result<Confirmation> {
    match waiting.front_mut() {
        Some((_, confirm)) => confirm.await,
        None => std::future::pending().await,
    }
}
