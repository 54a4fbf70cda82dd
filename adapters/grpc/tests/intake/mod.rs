//! Messages of sources over gRPC: every outcome, streams and how they end, and a whole town.

mod town;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use samspor_domain::store::Outcome as Counted;
use samspor_domain::{Kind, SourceName};
use samspor_engine::Permissions;
use samspor_grpc::client::{
    Channel, Code, IntakeServiceClient, OperationsServiceClient, QuarantineServiceClient, Status, StatusExt,
    connect,
};
use samspor_grpc::v1::source_message::Message;
use samspor_grpc::v1::{self, Becoming, Outcome, SubmitMessageRequest, SubmitMessagesRequest};
use samspor_grpc::{Settings, intake, registrar};
use tokio::sync::mpsc;

use crate::gateway::{Front, settings, with_front};
use crate::{reason, violations};

fn name(name: &str) -> SourceName {
    SourceName::new(name).expect("a name")
}

pub(crate) fn sent(message: Message) -> Option<v1::SourceMessage> {
    Some(v1::SourceMessage { message: Some(message) })
}

pub(crate) fn posting(id: usize, amount: &str) -> Message {
    Message::Posting(v1::Posting {
        id: format!("P-{id}"),
        date: "2026-03-14".into(),
        account: "5.28.21".into(),
        amount: amount.into(),
        ..v1::Posting::default()
    })
}

pub(crate) fn case(version: i64, cpr: &str) -> Message {
    let reference = v1::citizen_reference::Reference::Cpr(cpr.into());
    Message::Case(v1::Case {
        id: "J-77".into(),
        version,
        citizen: Some(v1::CitizenReference { reference: Some(reference) }),
        ..v1::Case::default()
    })
}

fn consent() -> Message {
    let reference = v1::citizen_reference::Reference::Cpr("6112801234".into());
    Message::Consent(v1::Consent {
        id: "C-1".into(),
        version: 1,
        citizen: Some(v1::CitizenReference { reference: Some(reference) }),
        sources: vec!["dubu".into()],
        covers_from: "2025-01-01".into(),
        ..v1::Consent::default()
    })
}

/// A client of a front that takes what `dubu` and `opus` send.
pub(crate) async fn client(front: &Front) -> IntakeServiceClient<Channel> {
    let may_send = Permissions::default;
    // What registrars put is known too, and nobody sends as they do.
    let callers = [intake(name("dubu"), may_send()), intake(name("opus"), may_send()), registrar()];
    front.handle().intakes().set_callers(callers);
    IntakeServiceClient::new(connect(&front.url).await.expect("the front answers"))
}

fn one_of(source: &str, message: Message) -> SubmitMessagesRequest {
    SubmitMessagesRequest { source: source.into(), message: sent(message) }
}

/// How many of a source's items became what.
fn counts(front: &Front, source: &str) -> BTreeMap<Counted, i64> {
    let mut reader = front.reader();
    let sources = reader.sources().expect("the store answers");
    let no = sources.iter().find(|(_, known)| known.as_str() == source).map(|(no, _)| *no);
    let of = reader.counts().expect("the store answers").into_iter().filter(|count| Some(count.source) == no);
    of.map(|count| (count.outcome, count.items)).collect()
}

async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_has_its_outcome_and_counts_under_its_source() {
    with_front(settings(), async |front| {
        let mut client = client(front).await;
        let mut submit = async |source: &str, message: Option<v1::SourceMessage>| {
            let request = SubmitMessageRequest { source: source.into(), message };
            let answer = client.submit_message(request).await?.into_inner();
            let fault = answer.fault.clone().map(|fault| (fault.reason, fault.field));
            Ok::<_, Status>((answer.outcome(), fault))
        };
        let lies =
            |reason: &str, field: &str| (Outcome::Quarantined, Some((reason.to_owned(), field.to_owned())));
        for (message, expected) in [
            (sent(posting(1, "100.00")), (Outcome::Posting, None)),
            (sent(posting(1, "100")), (Outcome::Duplicate, None)),
            (sent(posting(1, "101")), lies("POSTING_CONFLICT", "id")),
            (sent(case(2, "6112801234")), (Outcome::Fact, None)),
            (sent(case(1, "6112801234")), (Outcome::Stale, None)),
            (sent(case(1, "611280-1234")), (Outcome::Duplicate, None)),
            (sent(case(3, "6113801234")), lies("INVALID_CPR", "case.citizen.cpr")),
            (sent(case(3, "6113801234")), (Outcome::Duplicate, None)),
            (sent(consent()), lies("NOT_PERMITTED", "type")),
            (None, lies("UNKNOWN_TYPE", "message")),
            (
                sent(Message::Deletion(v1::Deletion { kind: 1, id: "J-77".into(), version: 4 })),
                (Outcome::Fact, None),
            ),
        ] {
            assert_eq!(submit("dubu", message.clone()).await.expect("taken in"), expected, "{message:?}");
        }
        // The same id in another source is another posting.
        assert_eq!(submit("opus", sent(posting(1, "7"))).await.expect("taken in"), (Outcome::Posting, None));

        for unknown in ["grpc", "nobody"] {
            let status = submit(unknown, sent(posting(2, "1"))).await.expect_err("refused");
            assert_eq!(
                (status.code(), reason(&status).1.as_str()),
                (Code::PermissionDenied, "UNKNOWN_SOURCE")
            );
        }
        let status = submit("", sent(posting(2, "1"))).await.expect_err("refused");
        assert_eq!(violations(&status), [("source".into(), "MISSING_FIELD".into())]);

        let counted = counts(front, "dubu");
        let outcomes =
            [Counted::Fact, Counted::Stale, Counted::Posting, Counted::Duplicate, Counted::Quarantined];
        let sum = outcomes.map(|outcome| counted.get(&outcome).copied().unwrap_or_default());
        assert_eq!((counted[&Counted::Received], sum), (11, [2, 1, 1, 3, 4]));
        // What lies there is sealed: nothing of it is in the store's files or told.
        for entry in front.reader().quarantine(10).expect("the store answers") {
            assert!(!format!("{} {:?}", entry.message, entry.path).contains("1138012"));
            assert!(!entry.body.0.windows(10).any(|bytes| bytes == b"6113801234"));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_in_quarantine_is_released_when_its_source_may_send_it() {
    with_front(settings(), async |front| {
        let mut client = client(front).await;
        let request = SubmitMessageRequest { source: "dubu".into(), message: sent(consent()) };
        assert_eq!(
            client.submit_message(request).await.expect("taken in").into_inner().outcome(),
            Outcome::Quarantined
        );
        let mut quarantine =
            QuarantineServiceClient::new(connect(&front.url).await.expect("the front answers"));
        let mut fates = async || {
            let of = v1::preview_release_request::Of::Filter(v1::QuarantineFilter::default());
            let request = v1::PreviewReleaseRequest { of: Some(of), ..Default::default() };
            let preview = quarantine.preview_release(request).await.expect("previews").into_inner();
            let set = preview.set.expect("a set").number;
            let released = quarantine
                .release(v1::ReleaseRequest { set, after: 0 })
                .await
                .expect("releases")
                .into_inner();
            released.entries.iter().flat_map(|entry| &entry.fates).map(v1::Fate::becoming).collect::<Vec<_>>()
        };
        assert_eq!(fates().await, [Becoming::Quarantined]);
        front.handle().intakes().set_callers([intake(name("dubu"), Permissions::all())]);
        assert_eq!(fates().await, [Becoming::Fact]);
        assert_eq!(front.reader().facts(Kind::Consent).expect("the store answers").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_taken_in_in_its_order_and_answered_once() {
    with_front(settings(), async |front| {
        let mut client = client(front).await;
        // Rising versions are all facts, in this order alone; every fiftieth posting is faulty, every tenth is there twice.
        let rising = (1..=300).map(|version| one_of("dubu", case(version, "6112801234")));
        let postings = (0..1000).map(|n| match n {
            n if n % 50 == 7 => one_of("opus", posting(n, "1,00")),
            n if n % 10 == 3 => one_of("opus", posting(n - 1, "100")),
            n => one_of("opus", posting(n, "100")),
        });
        let all: Vec<_> = rising.chain(postings).collect();
        let answer = client.submit_messages(stream::iter(all)).await.expect("taken in").into_inner();
        let outcomes = |answer: &v1::SubmitMessagesResponse| {
            answer.outcomes.iter().map(|count| (count.outcome(), count.count)).collect::<BTreeMap<_, _>>()
        };
        let expected = [
            (Outcome::Fact, 300),
            (Outcome::Posting, 880),
            (Outcome::Duplicate, 100),
            (Outcome::Quarantined, 20),
        ];
        assert_eq!((answer.received, outcomes(&answer)), (1300, expected.into()));
        let told: Vec<_> =
            answer.faults.iter().map(|fault| (fault.index, fault.fault.clone().expect("why"))).collect();
        assert_eq!(
            told.iter().map(|(index, _)| *index).collect::<Vec<_>>(),
            (0..20).map(|n| 307 + 50 * n).collect::<Vec<_>>()
        );
        for (_, fault) in told {
            assert_eq!((fault.reason.as_str(), fault.field.as_str()), ("INVALID_AMOUNT", "posting.amount"));
        }
        assert_eq!(counts(front, "opus")[&Counted::Received], 1000);

        // More faults than are told, and nothing at all.
        let faulty = (0..150).map(|n| one_of("opus", posting(n, &format!("{n},5"))));
        let answer = client
            .submit_messages(stream::iter(faulty.collect::<Vec<_>>()))
            .await
            .expect("taken in")
            .into_inner();
        assert_eq!((answer.received, answer.faults.len()), (150, 100));
        let answer = client.submit_messages(stream::iter([])).await.expect("nothing").into_inner();
        assert_eq!(answer, v1::SubmitMessagesResponse::default());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_stream_breaks_what_was_committed_stays_and_again_is_safe() {
    with_front(settings(), async |front| {
        let mut client = client(front).await;
        let (send, receive) = mpsc::channel(16);
        let requests =
            stream::unfold(receive, |mut receive| async { Some((receive.recv().await?, receive)) });
        let mut other = client.clone();
        let postings = || counts(front, "opus").get(&Counted::Posting).copied().unwrap_or_default();
        {
            let call = other.submit_messages(requests.boxed());
            let sender = async {
                for n in 0..300 {
                    send.send(one_of("opus", posting(n, "100"))).await.expect("it is read");
                }
                // They are committed though the stream goes on and is not answered.
                until(|| postings() == 300).await;
            };
            futures_util::pin_mut!(call, sender);
            // The call is dropped in its middle, and with it the connection's stream is reset.
            let first = futures_util::future::select(call, sender).await;
            assert!(
                matches!(first, futures_util::future::Either::Right(_)),
                "it is not answered before its end"
            );
        }
        let again: Vec<_> = (0..500).map(|n| one_of("opus", posting(n, "100"))).collect();
        let answer = client.submit_messages(stream::iter(again)).await.expect("taken in").into_inner();
        let counted: Vec<_> = answer.outcomes.iter().map(|count| (count.outcome(), count.count)).collect();
        assert_eq!(counted, [(Outcome::Duplicate, 300), (Outcome::Posting, 200)]);
        assert_eq!(postings(), 500);
    })
    .await;
}

fn committed(status: &Status) -> (Code, String, String) {
    use samspor_grpc::client::StatusExt;
    let details = status.get_error_details();
    let info = details.error_info().expect("the reason is given");
    (status.code(), info.reason.clone(), info.metadata["committed"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_goes_wrong_says_how_much_of_it_is_committed() {
    let settings =
        Settings { max_message_bytes: 2048, call_timeout: Duration::from_millis(300), ..settings() };
    with_front(settings, async |front| {
        let mut client = client(front).await;
        let good = |from: usize, many: usize| (from..from + many).map(|n| one_of("opus", posting(n, "100")));
        let mut call = async |all: Vec<SubmitMessagesRequest>, goes_on: bool| {
            let rest = stream::pending().take(usize::from(goes_on));
            committed(&client.submit_messages(stream::iter(all).chain(rest)).await.expect_err("refused"))
        };
        let unknown = good(0, 600).chain([one_of("nobody", posting(0, "1"))]).chain(good(600, 5)).collect();
        assert_eq!(
            call(unknown, false).await,
            (Code::PermissionDenied, "UNKNOWN_SOURCE".into(), "600".into())
        );
        let mut large = posting(1, "1");
        if let Message::Posting(posting) = &mut large {
            posting.voucher = Some("x".repeat(3000));
        }
        let too_large = good(600, 3).chain([one_of("opus", large)]).collect();
        assert_eq!(call(too_large, false).await, (Code::OutOfRange, "TOO_LARGE".into(), "3".into()));
        let silent = good(603, 2).collect();
        assert_eq!(call(silent, true).await, (Code::DeadlineExceeded, "SILENT_STREAM".into(), "2".into()));
        assert_eq!(counts(front, "opus")[&Counted::Posting], 605);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_drains_takes_nothing_and_says_what_it_took_before() {
    with_front(settings(), async |front| {
        let mut client = client(front).await;
        let mut operations =
            OperationsServiceClient::new(connect(&front.url).await.expect("the front answers"));
        let (say, said) = mpsc::channel(1);
        let said = stream::unfold(said, |mut said| async move { said.recv().await.map(|one| (one, said)) });
        let mut streaming = client.clone();
        let draining = async {
            say.send(one_of("opus", posting(1, "1.00"))).await.expect("it listens");
            // It is in the store before it drains; then the stream is silent.
            while counts(front, "opus").is_empty() {
                tokio::task::yield_now().await;
            }
            operations.drain(v1::DrainRequest { cancel: false }).await.expect("it drains").into_inner()
        };
        let (streamed, drained) = tokio::join!(streaming.submit_messages(said), draining);
        let status = streamed.expect_err("it ends");
        assert_eq!((status.code(), reason(&status).1.as_str()), (Code::Unavailable, "DRAINING"));
        let details = status.get_error_details();
        assert_eq!(details.error_info().map(|info| info.metadata["committed"].as_str()), Some("1"));
        assert!(drained.draining && drained.drained, "{drained:?}");
        let one = || SubmitMessageRequest { source: "opus".into(), message: sent(posting(2, "1.00")) };
        let status = client.submit_message(one()).await.expect_err("nothing is taken in");
        assert_eq!((status.code(), reason(&status).1.as_str()), (Code::Unavailable, "DRAINING"));
        // Registrars' facts are taken all the same.
        crate::registry(front).await.put_solution(crate::solution(1)).await.expect("it is taken");
        let status = operations.get_status(v1::GetStatusRequest {}).await.expect("it is told").into_inner();
        assert!(status.draining);
        let cancelled = operations.drain(v1::DrainRequest { cancel: true }).await.expect("it is taken back");
        assert!(!cancelled.get_ref().draining && !cancelled.get_ref().drained);
        client.submit_message(one()).await.expect("it is taken in");
    })
    .await;
}
