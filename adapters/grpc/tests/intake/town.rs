//! A synthetic town sent over gRPC ends as the same town does that its systems deliver.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream;
use prost::Message as _;
use samspor_domain::store::Standing;
use samspor_domain::{Decode, Delivery, SourceName, Tag};
use samspor_engine::{Intake, Permissions, newest_tag};
use samspor_formats::{g69, json, oio};
use samspor_grpc::client::{IntakeServiceClient, connect};
use samspor_grpc::v1::{SourceMessage, SubmitMessagesRequest};
use samspor_town::{Settings, Town, source};

use super::name;
use crate::gateway::{Front, settings, vault, with_front};
use crate::mirror;

/// How the town's systems are read where they deliver.
fn intakes() -> BTreeMap<SourceName, Intake> {
    let oio = || {
        let payload = |word| match word {
            "case" => oio::Payload::Case,
            "grant" => oio::Payload::Grant,
            _ => oio::Payload::Payment,
        };
        let message_types =
            source::MESSAGE_TYPES.into_iter().map(|(id, word)| (id.to_owned(), payload(word)));
        oio::Settings { message_types: message_types.collect() }
    };
    let decoder = |source| -> Arc<dyn Decode> {
        match source {
            source::PRISME => Arc::new(g69::Decoder::new(g69::Settings { encoding: g69::Encoding::Utf8 })),
            source::OES => Arc::new(g69::Decoder::new(g69::Settings { encoding: g69::Encoding::Latin1 })),
            source::JOBCENTRE => Arc::new(oio::Decoder::new(oio())),
            _ => Arc::new(json::Decoder),
        }
    };
    let intake = |source| Intake {
        source: name(source),
        decoder: decoder(source),
        may_send: Permissions::all(),
        max_body_bytes: 1 << 20,
    };
    source::ALL.into_iter().map(|source| (name(source), intake(source))).collect()
}

/// How every posting stands in the end, and its tag.
type Ends = BTreeMap<(SourceName, String), (bool, Option<Tag>)>;

async fn ends(front: &Front) -> Ends {
    front.work_is_done().await;
    let (mut reader, vault) = (front.reader(), vault());
    let mut ends = Ends::new();
    for (no, source) in reader.sources().expect("the store answers") {
        for row in reader.postings_by_id(no, None, usize::MAX).expect("the store answers") {
            let tag = newest_tag(&mut *reader, &vault, row.no).expect("the store answers");
            let is_tagged = matches!(row.standing, Standing::Tagged(_));
            ends.insert((source.clone(), row.posting.id.to_string()), (is_tagged, tag));
        }
    }
    ends
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_town_sent_over_grpc_ends_as_one_that_is_delivered() {
    let intakes = intakes();
    let town = Town::new(Settings::demo(11));
    let deliveries: Vec<(SourceName, Delivery)> = town
        .messages()
        .map(|message| {
            let content_type = Some(message.content_type.to_owned());
            (
                name(message.source),
                Delivery { body: message.body.into(), content_type, ..Delivery::default() },
            )
        })
        .collect();

    let delivered = with_front(settings(), async |front| {
        for batch in deliveries.chunks(500) {
            let items =
                batch.iter().flat_map(|(source, delivery)| intakes[source].prepare(delivery)).collect();
            front.handle().take_in(items).await.expect("taken in");
        }
        ends(front).await
    })
    .await;

    // What the decoders understand of it, written as canonical JSON and from there as Protobuf.
    let understood = deliveries.iter().flat_map(|(source, delivery)| {
        let items = intakes[source].items(delivery).into_iter();
        items.filter_map(|item| item.content.ok()).map(|message| (source.to_string(), json::line(&message)))
    });
    let requests: Vec<SubmitMessagesRequest> = understood
        .map(|(source, line)| {
            let object = serde_json::from_str(&line).expect("an object");
            let bytes = mirror::bytes(&object).expect("Protobuf says it");
            SubmitMessagesRequest { source, message: SourceMessage::decode(&*bytes).ok() }
        })
        .collect();
    let sent = with_front(settings(), async |front| {
        let callers = intakes.keys().map(|source| samspor_grpc::intake(source.clone(), Permissions::all()));
        front.handle().intakes().set_callers(callers);
        let mut client = IntakeServiceClient::new(connect(&front.url).await.expect("the front answers"));
        let many = requests.len();
        let answer =
            client.submit_messages(stream::iter(requests.clone())).await.expect("taken in").into_inner();
        assert_eq!(answer.received, i64::try_from(many).expect("a number"));
        // All of it again changes nothing.
        let before = ends(front).await;
        client.submit_messages(stream::iter(requests)).await.expect("taken in");
        assert!(before == ends(front).await, "sent again it ends otherwise");
        before
    })
    .await;

    let tagged = sent.values().filter(|(is_tagged, _)| *is_tagged).count();
    let solutions: BTreeSet<_> =
        sent.values().filter_map(|(_, tag)| Some(tag.as_ref()?.solution.clone())).collect();
    assert!(tagged > 100 && solutions.len() == 3, "{tagged} of {} tagged, with {solutions:?}", sent.len());
    assert!(sent == delivered, "{} and {} postings", sent.len(), delivered.len());
}
