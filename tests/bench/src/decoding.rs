//! Reading bytes, and writing them: each decoder on messages of the sample town, and the ledger's records.

use std::hint::black_box;

use anyhow::{Result, ensure};
use samspor_domain::{Decode, Delivery, Text};
use samspor_formats::{g69, json, oio};
use samspor_town::{Settings, Town, source};

use crate::{Listed, Work};

pub(crate) const STAGES: [Listed; 4] = [
    ("decode-json-postings", || decoding(source::OPUS, &json::Decoder)),
    ("decode-json-facts", || decoding(source::REGISTRY, &json::Decoder)),
    ("decode-oio", || {
        let kinds = [oio::Payload::Case, oio::Payload::Grant, oio::Payload::Payment];
        let types = source::MESSAGE_TYPES.into_iter().zip(kinds);
        let message_types = types.map(|((message_type, _), kind)| (message_type.to_owned(), kind)).collect();
        decoding(source::JOBCENTRE, &oio::Decoder::new(oio::Settings { message_types }))
    }),
    ("decode-g69", || {
        decoding(source::OES, &g69::Decoder::new(g69::Settings { encoding: g69::Encoding::Latin1 }))
    }),
];

/// How many messages one round decodes.
const MESSAGES: usize = 200;

fn decoding(source: &'static str, decoder: &(impl Decode + Clone + 'static)) -> Result<Work> {
    let (name, decoder) = (Text::new(source)?, decoder.clone());
    let town =
        Town::new(Settings { families: 50, background_citizens: 50, faulty: false, ..Settings::demo(5_001) });
    let sent = town.messages().filter(|message| message.source == source);
    let deliveries: Vec<Delivery> = sent
        .take(MESSAGES)
        .map(|message| Delivery {
            content_type: Some(message.content_type.to_owned()),
            body: message.body.into(),
            ..Delivery::default()
        })
        .collect();
    let (mut items, mut bytes) = (0, 0);
    for delivery in &deliveries {
        let decoded = decoder.decode(&name, delivery);
        ensure!(
            decoded.iter().all(|item| item.content.is_ok()),
            "the town sends something that {source} cannot read"
        );
        items += decoded.len();
        bytes += delivery.body.len();
    }
    Ok(Work::new(items, Some(bytes), move || {
        for delivery in &deliveries {
            black_box(decoder.decode(&name, black_box(delivery)));
        }
        Ok(())
    }))
}
