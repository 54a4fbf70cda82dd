//! Readers of the feed over real connections: credit, proof, keep-alives, and every way in which a stream ends.

mod load;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use samspor_grpc::Settings;
use samspor_grpc::client::{Channel, Code, FeedServiceClient, RegistryServiceClient, Status, connect};
use samspor_grpc::v1::subscribe_request::Request as Asked;
use samspor_grpc::v1::subscribe_response::Response as Got;
use samspor_grpc::v1::target_record::Record;
use samspor_grpc::v1::{
    self, FeedBatch, FeedForm, FeedKeepAlive, RecordChange, SubscribeCredit, SubscribeRequest, SubscribeStart,
};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tonic::Streaming;

use crate::gateway::{Front, NEVER, settings, with_front};
use crate::{consent, enrolment, reason, registry, solution, violations};

/// The usual settings, but for keep-alives, which come when a test says so.
fn quiet() -> Settings {
    Settings { feed_keep_alive: NEVER, ..settings() }
}

pub(crate) fn start(cursor: &str) -> SubscribeStart {
    SubscribeStart { cursor: cursor.into(), filter: None, form: FeedForm::Ledger.into() }
}

fn begins(start: SubscribeStart) -> SubscribeRequest {
    SubscribeRequest { request: Some(Asked::Start(start)) }
}

fn credit(records: i32) -> SubscribeRequest {
    SubscribeRequest { request: Some(Asked::Credit(SubscribeCredit { records })) }
}

/// A reader: what it says, and what it gets.
pub(crate) struct Reader {
    says: mpsc::Sender<SubscribeRequest>,
    gets: Streaming<v1::SubscribeResponse>,
    /// The hash as it computes it.
    chain: [u8; 32],
}

fn requests(says: mpsc::Receiver<SubscribeRequest>) -> impl Stream<Item = SubscribeRequest> + Send + 'static {
    stream::unfold(says, |mut says| async move { says.recv().await.map(|said| (said, says)) })
}

impl Reader {
    async fn try_begin(channel: &Channel, first: SubscribeRequest) -> Result<Self, Status> {
        let (says, said) = mpsc::channel(8);
        says.send(first).await.expect("there is room");
        let mut client = FeedServiceClient::new(channel.clone());
        let gets = client.subscribe(requests(said)).await?.into_inner();
        Ok(Self { says, gets, chain: [0; 32] })
    }

    pub(crate) async fn begin(channel: &Channel, start: SubscribeStart) -> Self {
        let mut reader = Self::try_begin(channel, begins(start)).await.expect("it begins");
        reader.alive().await; // It is greeted.
        reader
    }

    async fn give(&self, records: i32) {
        let _ = self.says.send(credit(records)).await; // Whether the stream has ended shows in what it gets.
    }

    async fn next(&mut self) -> Result<Got, Status> {
        let next = self.gets.next().await.expect("the stream goes on")?;
        Ok(next.response.expect("always one"))
    }

    /// The next batch, proved.
    async fn batch(&mut self) -> FeedBatch {
        loop {
            let batch = match self.next().await.expect("a batch") {
                Got::Batch(batch) => batch,
                Got::KeepAlive(_) => continue,
            };
            let mut ore = 0;
            for record in &batch.records {
                let id = record.message_id.as_bytes();
                self.chain = Sha256::new().chain_update(self.chain).chain_update(id).finalize().into();
                ore += amount(record).replace('.', "").parse::<i64>().expect("an amount");
            }
            assert_eq!(batch.sha256, self.chain);
            assert_eq!(usize::try_from(batch.count), Ok(batch.records.len()));
            assert_eq!(batch.sum.replace('.', "").parse(), Ok(ore));
            return batch;
        }
    }

    async fn alive(&mut self) -> FeedKeepAlive {
        match self.next().await.expect("a keep-alive") {
            Got::KeepAlive(alive) => alive,
            Got::Batch(batch) => panic!("{batch:?}"),
        }
    }

    /// What the stream ends with.
    async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.next().await {
                return status;
            }
        }
    }
}

fn amount(record: &v1::FeedRecord) -> &str {
    match record.record.as_ref().and_then(|record| record.record.as_ref()) {
        Some(Record::Ledger(record)) => &record.amount,
        Some(Record::Lis(record)) => &record.amount,
        None => panic!("always one"),
    }
}

fn ids(batch: &FeedBatch) -> Vec<&str> {
    batch.records.iter().map(|record| record.message_id.as_str()).collect()
}

/// Consent, enrolment and solution, and so many postings that they tag.
async fn tag(front: &Front, postings: std::ops::Range<usize>) {
    let mut registry: RegistryServiceClient<Channel> = registry(front).await;
    registry.put_solution(solution(1)).await.expect("put");
    registry.put_enrolment(enrolment(1)).await.expect("put");
    registry.put_consent(consent(1)).await.expect("put");
    for no in postings {
        front.post("opus", &format!("P-{no}"), "6112801234", "2026-03-14").await;
    }
    front.work_is_done().await;
}

async fn channel(front: &Front) -> Channel {
    connect(&front.url).await.expect("the front answers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_gets_as_much_as_it_gives_credit_for_and_proves_that_it_has_all() {
    with_front(quiet(), async |front| {
        tag(front, 0..300).await;
        let channel = channel(front).await;
        let mut reader = Reader::begin(&channel, start("")).await;
        let mut has = Vec::new();
        for (given, expected) in [(1, vec![1]), (7, vec![7]), (200, vec![128, 72])] {
            reader.give(given).await;
            for count in expected {
                let batch = reader.batch().await;
                assert_eq!(batch.count, count);
                has.extend(ids(&batch).into_iter().map(str::to_owned));
            }
        }
        // That credit is used up; the next record comes for the next one, and it is the very next.
        reader.give(1).await;
        let batch = reader.batch().await;
        assert_eq!(ids(&batch), ["opus:P-208:1"]);
        has.push("opus:P-208:1".into());
        reader.give(1_000).await;
        let batch = reader.batch().await;
        has.extend(ids(&batch).into_iter().map(str::to_owned));
        assert_eq!((batch.count, batch.caught_up), (91, true));
        assert_eq!(has, (0..300).map(|no| format!("opus:P-{no}:1")).collect::<Vec<_>>());

        let asked = v1::GetExpectedRequest::default();
        let mut client = FeedServiceClient::new(channel.clone());
        let expected = client.get_expected(asked).await.expect("it answers").into_inner();
        assert_eq!((expected.position, expected.count), (batch.position, 300));
        assert_eq!(expected.sum, "30000.00");
        assert_eq!(expected.sums.len(), 1);
        assert_eq!((expected.sums[0].source.as_str(), expected.sums[0].month.as_str()), ("opus", "2026-03"));

        // What comes later comes by itself, and a reader that resumes goes on from its hash.
        front.post("opus", "P-300", "6112801234", "2026-03-14").await;
        assert_eq!(ids(&reader.batch().await), ["opus:P-300:1"]);
        let mut resumed = Reader::begin(&channel, start(&batch.cursor)).await;
        resumed.chain = batch.sha256.as_slice().try_into().expect("32 bytes");
        resumed.give(9).await;
        assert_eq!(ids(&resumed.batch().await), ["opus:P-300:1"]);
    })
    .await;
}

/// The worked example of the contract.
#[test]
fn the_hash_is_that_of_the_contract() {
    let mut chain = [0_u8; 32];
    let hashes = ["opus:P-1:1", "opus:P-2:1", "opus:P-1:2"].map(|id| {
        chain = Sha256::new().chain_update(chain).chain_update(id).finalize().into();
        chain.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    });
    let contract = include_str!("../../../../proto/samspor/v1/feed.proto");
    let docs = include_str!("../../../../docs/feed.md");
    for hash in hashes {
        assert!(contract.contains(&hash) && docs.contains(&hash), "{hash}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_credit_there_is_nothing_and_a_caller_that_closes_its_side_gets_an_end() {
    with_front(quiet(), async |front| {
        tag(front, 0..5).await;
        let channel = channel(front).await;
        let mut client = FeedServiceClient::new(channel.clone());
        // Its side is closed, so all that it gets is all that there is.
        let mut all = async |asked: Vec<SubscribeRequest>| {
            let gets = client.subscribe(stream::iter(asked)).await.expect("it begins").into_inner();
            let got: Vec<_> = gets.map(|got| got.expect("no error").response).collect().await;
            let records = got.iter().flatten().filter_map(|got| match got {
                Got::Batch(batch) => Some(batch.records.len()),
                Got::KeepAlive(_) => None,
            });
            records.sum::<usize>()
        };
        assert_eq!(all(vec![begins(start(""))]).await, 0);
        assert_eq!(all(vec![begins(start("")), credit(3)]).await, 3);
        assert_eq!(all(vec![begins(start("")), credit(3), credit(1)]).await, 4);
        assert_eq!(all(vec![begins(start("")), credit(100_000)]).await, 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_lis_reads_pseudonyms_and_a_filter_lets_an_untag_through() {
    with_front(quiet(), async |front| {
        tag(front, 0..2).await;
        let channel = channel(front).await;
        let filter = v1::FeedFilter { sides: vec![v1::Side::Outside.into()], ..Default::default() };
        let asked = || SubscribeStart {
            cursor: String::new(),
            filter: Some(filter.clone()),
            form: FeedForm::Lis.into(),
        };
        let mut reader = Reader::begin(&channel, asked()).await;
        reader.give(9).await;
        let batch = reader.batch().await;
        let told = format!("{batch:?}");
        assert_eq!(batch.count, 2);
        assert!(
            !told.contains("P-0") && !told.contains("6112801234") && !told.contains("2026-03-14"),
            "{told}"
        );
        let changes = |batch: &FeedBatch| -> BTreeMap<String, (i64, RecordChange)> {
            let record =
                |record: &v1::FeedRecord| match record.record.clone().and_then(|record| record.record) {
                    Some(Record::Lis(record)) => (record.posting.clone(), (record.revision, record.change())),
                    other => panic!("{other:?}"),
                };
            batch.records.iter().map(record).collect()
        };
        assert!(changes(&batch).values().all(|said| *said == (1, RecordChange::Tag)));
        // The account is on the inside now, so the tags go where the filter does not look.
        let mut inside = solution(2);
        if let Some(solution) = &mut inside.solution {
            solution.default_side = v1::Side::Inside.into();
        }
        registry(front).await.put_solution(inside).await.expect("put");
        let batch = reader.batch().await;
        assert!(changes(&batch).values().all(|said| *said == (2, RecordChange::Untag)), "{batch:?}");
        let mut late = Reader::begin(&channel, asked()).await;
        late.give(9).await;
        assert_eq!(late.batch().await.records, batch.records);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filtered_reader_is_told_that_the_feed_went_past_it() {
    with_front(quiet(), async |front| {
        let channel = channel(front).await;
        let filter = Some(v1::FeedFilter { solutions: vec!["another".into()], ..Default::default() });
        let mut reader = Reader::begin(&channel, SubscribeStart { filter, ..start("") }).await;
        reader.give(1).await;
        tag(front, 0..40).await;
        let last = front.reader().last_seq().expect("it answers").0;
        let alive = loop {
            let alive = reader.alive().await;
            if alive.position == last {
                break alive;
            }
        };
        assert!(alive.caught_up);
    })
    .await;
    with_front(Settings { feed_keep_alive: Duration::from_millis(10), ..settings() }, async |front| {
        tag(front, 0..2).await;
        let channel = channel(front).await;
        // Without credit nothing is read, so the cursor stays.
        let mut idle = Reader::begin(&channel, start("")).await;
        for _ in 0..3 {
            let alive = idle.alive().await;
            assert_eq!((alive.position, alive.caught_up), (0, false));
        }
    })
    .await;
}

fn refusal(begun: Result<Reader, Status>) -> (Code, String) {
    let status = begun.err().expect("it is refused");
    assert!(!status.message().is_empty());
    (status.code(), reason(&status).1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_wrongly_is_refused_with_its_reason() {
    with_front(quiet(), async |front| {
        tag(front, 0..2).await;
        let channel = channel(front).await;
        let mut reader = Reader::begin(&channel, start("")).await;
        reader.give(1).await;
        let cursor = reader.batch().await.cursor;
        let asked = async |start: SubscribeStart| refusal(Reader::try_begin(&channel, begins(start)).await);
        let malformed = (Code::InvalidArgument, "CURSOR_MALFORMED".to_owned());
        assert_eq!(asked(start("rubbish")).await, malformed);
        assert_eq!(asked(start(&cursor[..cursor.len() - 1])).await, malformed);
        let another = (Code::InvalidArgument, "CURSOR_OF_ANOTHER_FILTER".to_owned());
        assert_eq!(asked(SubscribeStart { form: FeedForm::Lis.into(), ..start(&cursor) }).await, another);
        let filter = v1::FeedFilter { areas: vec!["health".into()], ..Default::default() };
        assert_eq!(asked(SubscribeStart { filter: Some(filter), ..start(&cursor) }).await, another);

        let fields = async |first: SubscribeRequest| {
            violations(&Reader::try_begin(&channel, first).await.err().expect("it is refused"))
        };
        let faults = |fields: &[(&str, &str)]| -> Vec<(String, String)> {
            fields.iter().map(|(field, reason)| ((*field).into(), (*reason).into())).collect()
        };
        assert_eq!(fields(credit(1)).await, faults(&[("start", "MISSING_FIELD")]));
        assert_eq!(fields(SubscribeRequest { request: None }).await, faults(&[("start", "MISSING_FIELD")]));
        let bad = SubscribeStart {
            cursor: String::new(),
            form: 0,
            filter: Some(v1::FeedFilter {
                solutions: vec![String::new()],
                areas: vec!["a".into(); 101],
                sides: vec![0],
                phases: vec![7],
                kinds: vec![0, 9],
            }),
        };
        let invalid = "INVALID_FIELD";
        assert_eq!(
            fields(begins(bad)).await,
            faults(&[
                ("start.filter.solutions[0]", invalid),
                ("start.filter.areas", invalid),
                ("start.filter.sides[0]", "MISSING_FIELD"),
                ("start.filter.phases[0]", invalid),
                ("start.filter.kinds[1]", invalid),
                ("start.form", "MISSING_FIELD"),
            ])
        );
        for (later, field) in [
            (credit(0), "credit.records"),
            (credit(-1), "credit.records"),
            (credit(100_001), "credit.records"),
            (begins(start("")), "start"),
        ] {
            let mut reader = Reader::begin(&channel, start("")).await;
            reader.says.send(later).await.expect("it is open");
            assert_eq!(violations(&reader.end().await), faults(&[(field, invalid)]));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_when_it_stops_and_when_they_are_old_and_the_cursor_stays_valid() {
    let age = Duration::from_millis(50);
    with_front(Settings { max_feed_age: age, ..quiet() }, async |front| {
        tag(front, 0..9).await;
        let channel = channel(front).await;
        // However little of it comes before a stream ends: one after the other, they get to the end of the feed.
        let (mut cursor, mut has) = (String::new(), Vec::new());
        while has.len() < 9 {
            let mut reader = Reader::try_begin(&channel, begins(start(&cursor))).await.expect("it begins");
            reader.give(1).await;
            let status = loop {
                match reader.next().await {
                    Ok(Got::KeepAlive(alive)) => cursor = alive.cursor,
                    Ok(Got::Batch(batch)) => {
                        has.extend(ids(&batch).into_iter().map(str::to_owned));
                        cursor = batch.cursor;
                    }
                    Err(status) => break status,
                }
            };
            assert_eq!((status.code(), reason(&status).1.as_str()), (Code::Unavailable, "STREAM_AGED"));
        }
        assert_eq!(has, (0..9).map(|no| format!("opus:P-{no}:1")).collect::<Vec<_>>());
    })
    .await;
    let (mut idle, mut reading) = with_front(quiet(), async |front| {
        tag(front, 0..2).await;
        let channel = channel(front).await;
        let reading = Reader::begin(&channel, start("")).await;
        reading.give(99).await;
        (Reader::begin(&channel, start("")).await, reading)
    })
    .await;
    for reader in [&mut idle, &mut reading] {
        let status = reader.end().await;
        assert_eq!((status.code(), reason(&status).1.as_str()), (Code::Unavailable, "STOPPING"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_only_so_many_readers_and_each_says_what_it_wants() {
    let soon = Duration::from_millis(20);
    with_front(Settings { max_feed_readers: 1, first_request_timeout: soon, ..quiet() }, async |front| {
        let channel = channel(front).await;
        let mut client = FeedServiceClient::new(channel.clone());
        let silent = client.subscribe(stream::pending()).await.expect_err("it is refused");
        assert_eq!((silent.code(), reason(&silent).1.as_str()), (Code::DeadlineExceeded, "NO_REQUEST"));
        let reader = Reader::begin(&channel, start("")).await;
        let refused = refusal(Reader::try_begin(&channel, begins(start(""))).await);
        assert_eq!(refused, (Code::ResourceExhausted, "TOO_MANY_READERS".to_owned()));
        drop(reader);
        // Its place is free when the front has heard of its end.
        while let Err(status) = Reader::try_begin(&channel, begins(start(""))).await {
            assert_eq!(status.code(), Code::ResourceExhausted);
        }
    })
    .await;
}
