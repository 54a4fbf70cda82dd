//! The front over real connections, to a real engine and store.

mod audited;
mod citizens;
mod door;
mod feed;
mod gateway;
mod intake;
mod limits;
mod mirror;
mod peer;
mod quarantine;
mod questions;
mod reading;
mod registry;

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use samspor_domain::store::Standing;
use samspor_domain::{Kind, SourceName};
use samspor_engine::Condition;
use samspor_grpc::client::{
    Channel, Code, HealthCheckRequest, HealthClient, OperationsServiceClient, RegistryServiceClient,
    ServingStatus, SourcesServiceClient, Status, StatusExt, connect,
};
use samspor_grpc::v1::citizen_reference::Reference;
use samspor_grpc::v1::{self, Outcome};
use samspor_grpc::{Error, Reload, Server, Settings};
use tokio::sync::mpsc;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use gateway::{Front, NEVER, settings, with_front};
use peer::Peer;

async fn registry(front: &Front) -> RegistryServiceClient<Channel> {
    RegistryServiceClient::new(connect(&front.url).await.expect("the front answers"))
}

fn citizen() -> Option<v1::CitizenReference> {
    Some(v1::CitizenReference { reference: Some(Reference::Cpr("611280-1234".into())) })
}

fn solution(version: i64) -> v1::PutSolutionRequest {
    let solution =
        v1::Solution { id: "sb".into(), version, name: "SB Familier".into(), ..Default::default() };
    v1::PutSolutionRequest { solution: Some(solution) }
}

fn consent(version: i64) -> v1::PutConsentRequest {
    let consent = v1::Consent {
        id: "C-1".into(),
        version,
        citizen: citizen(),
        sources: vec!["opus".into()],
        covers_from: "2025-01-01".into(),
        ..Default::default()
    };
    v1::PutConsentRequest { consent: Some(consent) }
}

fn enrolment(version: i64) -> v1::PutEnrolmentRequest {
    let enrolment = v1::Enrolment {
        id: "E-1".into(),
        version,
        solution: "sb".into(),
        citizen: citizen(),
        from_date: "2026-02-01".into(),
        ..Default::default()
    };
    v1::PutEnrolmentRequest { enrolment: Some(enrolment) }
}

fn identity(version: i64) -> v1::PutIdentityRequest {
    let uuid = v1::CitizenReference {
        reference: Some(Reference::Uuid("0f8fad5b-d9cb-469f-a165-70867728950e".into())),
    };
    let refs = [citizen(), Some(uuid)].into_iter().flatten().collect();
    let identity = v1::Identity { id: "I-1".into(), version, kind: v1::IdentityKind::Same.into(), refs };
    v1::PutIdentityRequest { identity: Some(identity) }
}

fn split(version: i64) -> v1::PutSplitRequest {
    let parts = vec![v1::Share { area: "employment".into(), weight: 60 }];
    let split = v1::Split { id: "S-1".into(), version, solution: "sb".into(), parts, ..Default::default() };
    v1::PutSplitRequest { split: Some(split) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_is_a_fact_then_a_duplicate_then_stale() {
    with_front(settings(), async |front| {
        let mut registry = registry(front).await;
        macro_rules! put {
            ($method:ident, $request:ident, $kind:expr) => {
                for (version, expected) in [
                    (2, Outcome::Fact),
                    (2, Outcome::Duplicate),
                    (1, Outcome::Stale),
                    (1, Outcome::Duplicate),
                ] {
                    let answer =
                        registry.$method($request(version)).await.expect(stringify!($method)).into_inner();
                    assert_eq!(answer.outcome(), expected, "{} {version}", stringify!($method));
                    // The answer comes after the commit, so a reader beside the writer sees it already.
                    let facts = front.reader().facts($kind).expect("the store answers");
                    assert_eq!(facts.iter().map(|row| row.newest.version).collect::<Vec<_>>(), [2]);
                }
            };
        }
        put!(put_solution, solution, Kind::Solution);
        put!(put_consent, consent, Kind::Consent);
        put!(put_enrolment, enrolment, Kind::Enrolment);
        put!(put_identity, identity, Kind::Identity);
        put!(put_split, split, Kind::Split);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_tags_a_posting_and_what_is_withdrawn_or_deleted_does_not() {
    with_front(settings(), async |front| {
        let mut registry = registry(front).await;
        let tagged = async || {
            front.work_is_done().await;
            let mut reader = front.reader();
            let source = reader.sources().expect("the store answers");
            let (opus, _) = source.iter().find(|(_, name)| name.as_str() == "opus").expect("opus is known");
            let id = SourceName::new("P-1").expect("an id");
            let row =
                reader.find_posting(*opus, &id).expect("the store answers").expect("the posting is there");
            matches!(row.standing, Standing::Tagged(_))
        };
        front.post("opus", "P-1", "6112801234", "2026-03-14").await;
        assert!(!tagged().await);
        registry.put_enrolment(enrolment(1)).await.expect("put");
        registry.put_consent(consent(1)).await.expect("put");
        assert!(!tagged().await);
        registry.put_solution(solution(1)).await.expect("put");
        assert!(tagged().await);

        let withdrawal = v1::WithdrawConsentRequest { id: "C-1".into(), version: 2 };
        for expected in [Outcome::Fact, Outcome::Duplicate] {
            let answer = registry.withdraw_consent(withdrawal.clone()).await.expect("withdrawn").into_inner();
            assert_eq!(answer.outcome(), expected);
            assert!(!tagged().await);
        }
        // At equal versions the withdrawal goes before the consent.
        let answer = registry.put_consent(consent(2)).await.expect("put").into_inner();
        assert_eq!(answer.outcome(), Outcome::Stale);
        registry.put_consent(consent(3)).await.expect("put");
        assert!(tagged().await);

        let kind = v1::FactKind::Enrolment.into();
        let deletion = v1::DeleteFactRequest { kind, id: "E-1".into(), version: 2 };
        let answer = registry.delete_fact(deletion).await.expect("deleted").into_inner();
        assert_eq!(answer.outcome(), Outcome::Fact);
        assert!(!tagged().await);
    })
    .await;
}

fn violations(status: &Status) -> Vec<(String, String)> {
    let details = status.get_error_details();
    let bad = details.bad_request().expect("the fields are named");
    assert!(bad.field_violations.iter().all(|violation| !violation.description.is_empty()));
    bad.field_violations.iter().map(|violation| (violation.field.clone(), violation.reason.clone())).collect()
}

fn reason(status: &Status) -> (String, String) {
    let details = status.get_error_details();
    let info = details.error_info().expect("the reason is given");
    (info.domain.clone(), info.reason.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_faulty_is_refused_with_its_fields_and_quotes_nothing() {
    with_front(settings(), async |front| {
        let mut registry = registry(front).await;

        // Thirteen is no month; the canaries are in every place that could be quoted.
        let mut request = enrolment(1);
        if let Some(enrolment) = &mut request.enrolment {
            enrolment.citizen =
                Some(v1::CitizenReference { reference: Some(Reference::Cpr("6113801234".into())) });
            enrolment.from_date = "canary".into();
            enrolment.family = Some("canary".repeat(30));
            enrolment.version = 0;
        }
        assert!(!format!("{request:?}").contains("6113801234"), "Debug shows no number");
        let status = registry.put_enrolment(request).await.expect_err("refused");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(reason(&status), ("samspor".into(), "INVALID_CPR".into()));
        assert_eq!(
            violations(&status),
            [
                ("enrolment.citizen.cpr".into(), "INVALID_CPR".into()),
                ("enrolment.family".into(), "INVALID_FIELD".into()),
                ("enrolment.from_date".into(), "INVALID_FIELD".into()),
                ("enrolment.version".into(), "INVALID_FIELD".into()),
            ]
        );
        let told = format!("{status:?} {}", String::from_utf8_lossy(status.details()));
        assert!(!told.contains("canary") && !told.contains("1138012"), "{told}");

        let status = registry.put_split(v1::PutSplitRequest { split: None }).await.expect_err("refused");
        assert_eq!(violations(&status), [("split".into(), "MISSING_FIELD".into())]);

        let kind = v1::FactKind::Case.into();
        let deletion = v1::DeleteFactRequest { kind, id: "J-77".into(), version: 1 };
        let status = registry.delete_fact(deletion).await.expect_err("refused");
        assert_eq!(violations(&status), [("kind".into(), "NOT_PERMITTED".into())]);

        let status =
            registry.withdraw_consent(v1::WithdrawConsentRequest::default()).await.expect_err("refused");
        assert_eq!(
            violations(&status),
            [("id".into(), "MISSING_FIELD".into()), ("version".into(), "INVALID_FIELD".into()),]
        );

        // Details travel in trailers, so that many faults must not make them long.
        let mut request = consent(1);
        if let Some(consent) = &mut request.consent {
            consent.sources = vec![String::new(); 10_000];
        }
        let status = registry.put_consent(request).await.expect_err("refused");
        assert_eq!((status.code(), violations(&status).len()), (Code::InvalidArgument, 16));

        for kind in Kind::ALL {
            assert!(front.reader().facts(kind).expect("the store answers").is_empty(), "nothing was stored");
        }
        assert!(
            front.reader().quarantine(1).expect("the store answers").is_empty(),
            "the caller has it, and was told"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_over_the_limit_is_refused_and_the_connection_goes_on() {
    with_front(Settings { max_message_bytes: 1024, ..settings() }, async |front| {
        let mut registry = registry(front).await;
        let mut request = solution(1);
        if let Some(solution) = &mut request.solution {
            solution.name = "x".repeat(2000);
        }
        let status = registry.put_solution(request).await.expect_err("refused");
        assert_eq!(status.code(), Code::OutOfRange);
        registry.put_solution(solution(1)).await.expect("put");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_follows_the_status_board() {
    with_front(settings(), async |front| {
        let mut health = HealthClient::new(connect(&front.url).await.expect("the front answers"));
        let of = |service: &str| HealthCheckRequest { service: service.into() };
        let board = front.status();

        let mut whole = health.watch(of("")).await.expect("watches").into_inner();
        let mut opus = health.watch(of("source opus")).await.expect("watches").into_inner();
        let mut next = async |of_opus: bool| {
            let watch = if of_opus { &mut opus } else { &mut whole };
            watch.message().await.expect("goes on").expect("goes on").status()
        };
        assert_eq!(next(false).await, ServingStatus::Serving);
        assert_eq!(next(true).await, ServingStatus::ServiceUnknown);
        assert_eq!(health.check(of("source opus")).await.expect_err("unknown").code(), Code::NotFound);

        for (condition, expected) in [
            (Condition::Starting, ServingStatus::NotServing),
            (Condition::Up, ServingStatus::Serving),
            (Condition::Down("the broker is gone".into()), ServingStatus::NotServing),
            (Condition::Up, ServingStatus::Serving),
            (Condition::Stopped, ServingStatus::NotServing),
        ] {
            board.set("source opus", condition);
            // A check never tells of an earlier state than the board.
            for part in ["", "source opus"] {
                let answer = health.check(of(part)).await.expect("answers").into_inner();
                assert_eq!(answer.status(), expected);
            }
            assert_eq!((next(true).await, next(false).await), (expected, expected));
        }
        // What somebody paused does not serve, and the gateway is ready all the same.
        board.set("source opus", Condition::Paused);
        assert_eq!(next(false).await, ServingStatus::Serving);
        let mut check =
            async |service: &str| health.check(of(service)).await.expect("answers").into_inner().status();
        assert_eq!(check("source opus").await, ServingStatus::NotServing);
        // Nor do parts that only warn make it not ready.
        for part in ["clock", "scrubbing"] {
            board.set(part, Condition::Down("somebody has something to set right".into()));
            assert_eq!(check(part).await, ServingStatus::NotServing);
        }
        assert_eq!(check("").await, ServingStatus::Serving);
        // A source that is down does not keep callers from putting facts; a store that is does.
        board.set("source opus", Condition::Down("the broker is gone".into()));
        let services = ["samspor.v1.RegistryService", "samspor.v1.OperationsService"];
        for part in ["store", "grpc", services[0], services[1]] {
            assert_eq!(check(part).await, ServingStatus::Serving, "{part}");
        }
        board.set("store", Condition::Down("the disk is full".into()));
        for part in ["store", "", services[0], services[1]] {
            assert_eq!(check(part).await, ServingStatus::NotServing, "{part}");
        }
        board.set("store", Condition::Up);
    })
    .await;
}

/// Without sources and targets there is nothing to pause; with them the engine's own tests do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_is_answered_and_told_why_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let gateway = gateway::start(directory.path());
    let (ask, mut asked) = mpsc::channel::<Reload>(1);
    let server = Server::new(settings(), gateway.control());
    let bound = server.reloaded_by(ask).bind().await.expect("a free port");
    let url = format!("http://{}", bound.local_addr());
    let stop = tokio_util::sync::CancellationToken::new();
    let told = v1::ReloadResponse { changed: vec!["source opus".into()], ..Default::default() };
    let owner = async {
        let Reload { by, reply } = asked.recv().await.expect("the first call");
        assert_eq!(&*by, "anyone");
        reply.send(Ok(told.clone())).expect("it waits");
        let problems = (1..=10).map(|n| format!("gateway.toml:{n}:1: wrong")).collect();
        asked.recv().await.expect("the second call").reply.send(Err(problems)).expect("it waits");
        drop(asked);
    };
    let operator = async {
        let channel = connect(&url).await.expect("the front answers");
        let mut operations = OperationsServiceClient::new(channel.clone());
        let status = operations.get_status(v1::GetStatusRequest {}).await.expect("it is told").into_inner();
        let parts: Vec<&str> = status.parts.iter().map(|part| part.part.as_str()).collect();
        assert_eq!((parts, status.ready), (vec!["grpc", "store"], true));
        assert!(status.parts.iter().all(|part| part.condition() == v1::PartCondition::Up));
        assert_eq!((status.parts[1].pending_work, status.parts[0].pending_work), (Some(0), None));
        assert_eq!(status.parts[0].since, "2026-03-14T14:53:20Z");
        let reason = |status: &Status| {
            let details = status.get_error_details();
            details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
        };
        let unknown = SourcesServiceClient::new(channel)
            .pause_source(v1::PauseSourceRequest { source: "store".into() })
            .await
            .expect_err("it is no source");
        assert_eq!((unknown.code(), reason(&unknown).as_str()), (Code::NotFound, "UNKNOWN_SOURCE"));
        assert_eq!(operations.reload(v1::ReloadRequest {}).await.expect("it is taken").into_inner(), told);
        let refused = operations.reload(v1::ReloadRequest {}).await.expect_err("it is not taken");
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::FailedPrecondition, "CONFIGURATION_REFUSED")
        );
        assert!(refused.message().starts_with("gateway.toml:1:1: wrong\n"), "{}", refused.message());
        assert!(refused.message().ends_with("and 2 more; the log has all"), "{}", refused.message());
        let stopping = operations.reload(v1::ReloadRequest {}).await.expect_err("nobody reads it any more");
        assert_eq!(stopping.code(), Code::Unavailable);
        stop.cancel();
    };
    let all = async { tokio::join!(bound.serve(stop.cancelled()), owner, operator) };
    tokio::time::timeout(gateway::DEADLINE, all).await.expect("all end").0.expect("the front ends well");
    gateway.stop(gateway::DEADLINE).await.expect("no handle is left, so the engine ends");
}

async fn reflect(front: &Front, asked: MessageRequest) -> ServerReflectionResponse {
    let mut client = ServerReflectionClient::new(connect(&front.url).await.expect("the front answers"));
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(asked) };
    let answers = client.server_reflection_info(stream::iter([request])).await.expect("answers").into_inner();
    answers.try_collect::<Vec<_>>().await.expect("answers").pop().expect("one answer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reflection_lists_and_describes_the_services() {
    with_front(settings(), async |front| {
        let answer = reflect(front, MessageRequest::ListServices(String::new())).await;
        let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
            panic!("a list")
        };
        let mut names: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
        names.sort_unstable();
        let reflection = "grpc.reflection.v1.ServerReflection";
        assert_eq!(
            names,
            [
                "grpc.health.v1.Health",
                reflection,
                "samspor.v1.AuditService",
                "samspor.v1.ChangeService",
                "samspor.v1.CitizenService",
                "samspor.v1.ExplainService",
                "samspor.v1.FeedService",
                "samspor.v1.IntakeService",
                "samspor.v1.KeysService",
                "samspor.v1.OperationsService",
                "samspor.v1.QuarantineService",
                "samspor.v1.ReconciliationService",
                "samspor.v1.RegistryService",
                "samspor.v1.SourcesService",
                "samspor.v1.TargetsService",
            ]
        );

        for (symbol, file) in [
            ("samspor.v1.RegistryService", "samspor/v1/registry.proto"),
            ("samspor.v1.CitizenReference", "samspor/v1/messages.proto"),
        ] {
            let answer = reflect(front, MessageRequest::FileContainingSymbol(symbol.into())).await;
            let Some(MessageResponse::FileDescriptorResponse(files)) = answer.message_response else {
                panic!("a description")
            };
            let described = files.file_descriptor_proto.concat();
            assert!(String::from_utf8_lossy(&described).contains(file), "{symbol} is described by {file}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_loopback_is_listened_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let gateway = gateway::start(directory.path());
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let settings = Settings::new(address.parse().expect("an address"));
        let bound = Server::new(settings, gateway.control()).bind().await;
        assert!(matches!(bound, Err(Error::NotLoopback(_))), "{address}");
    }
    gateway.stop(NEVER).await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_in_use_is_an_error() {
    with_front(settings(), async |front| {
        let settings = Settings::new(front.address);
        let bound = Server::new(settings, front.control()).bind().await;
        assert!(matches!(bound, Err(Error::Bind { .. })));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_are_ended_by_the_stop_without_waiting_for_the_deadline() {
    let settings = Settings { drain_deadline: NEVER, ..settings() };
    let watch = with_front(settings, async |front| {
        let mut health = HealthClient::new(connect(&front.url).await.expect("the front answers"));
        let mut watch = health.watch(HealthCheckRequest::default()).await.expect("watches").into_inner();
        watch.message().await.expect("goes on");
        watch
    })
    .await;
    let told: Vec<_> =
        watch.map(|told| told.map(|told| told.status()).map_err(|status| status.code())).collect().await;
    assert_eq!(told, [Ok(ServingStatus::NotServing), Err(Code::Unavailable)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_say_nothing_stop_reading_or_never_finish_do_not_hold_the_stop() {
    let settings = Settings { drain_deadline: Duration::from_millis(20), ..settings() };
    // They are open until the front has ended and the engine has stopped.
    let peers = with_front(settings, async |front| {
        let silent = Peer::connect(front.address).await;
        let mut deaf = Peer::connect(front.address).await;
        deaf.greet().await;
        deaf.call("/grpc.health.v1.Health/Watch", &[0; 5]).await;
        deaf.until_data().await;
        let mut unfinished = Peer::connect(front.address).await;
        unfinished.greet().await;
        unfinished.begin("/samspor.v1.RegistryService/PutSolution").await;
        unfinished.until_settings().await;
        [silent, deaf, unfinished]
    })
    .await;
    for peer in peers {
        peer.until_end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identity_conflicts_are_listed_without_references_until_they_are_settled() {
    // Births in 2030, which nobody has.
    let cpr = |number: &str| v1::CitizenReference { reference: Some(Reference::Cpr(number.into())) };
    let (old, new) = ("0101305000", "0101305001");
    let identity = |id: &str, kind: v1::IdentityKind| {
        let identity =
            v1::Identity { id: id.into(), version: 1, kind: kind.into(), refs: vec![cpr(old), cpr(new)] };
        v1::PutIdentityRequest { identity: Some(identity) }
    };
    let page = |page_size, page_token: &str| v1::ListIdentityConflictsRequest {
        page_size,
        page_token: page_token.into(),
    };
    with_front(settings(), async |front| {
        let mut registry = registry(front).await;
        for id in ["C-1", "C-2", "C-3"] {
            let mut request = consent(1);
            if let Some(consent) = &mut request.consent {
                (consent.id, consent.citizen) = (id.into(), Some(cpr(old)));
            }
            registry.put_consent(request).await.expect("put");
        }
        let none = registry.list_identity_conflicts(page(0, "")).await.expect("listed").into_inner();
        assert_eq!(none, v1::ListIdentityConflictsResponse::default());

        registry.put_identity(identity("I-1", v1::IdentityKind::Same)).await.expect("put");
        let first = registry.list_identity_conflicts(page(2, "")).await.expect("listed").into_inner();
        let second = page(2, &first.next_page_token);
        let second = registry.list_identity_conflicts(second).await.expect("listed").into_inner();
        assert!(second.next_page_token.is_empty());
        let conflict = |id: &str| v1::IdentityConflict {
            consent: id.into(),
            references: vec![v1::ReferenceCount { form: v1::ReferenceForm::Cpr.into(), count: 2 }],
            facts: vec![v1::FactName { kind: v1::FactKind::Identity.into(), system: None, id: "I-1".into() }],
            fact_count: 1,
        };
        assert_eq!(first.conflicts, [conflict("C-1"), conflict("C-2")]);
        assert_eq!(second.conflicts, [conflict("C-3")]);
        assert!(!format!("{first:?}{second:?}").contains("010130"));

        let refused = registry.list_identity_conflicts(page(101, "")).await.expect_err("too many");
        assert_eq!(refused.code(), Code::InvalidArgument);
        let details = refused.get_error_details();
        let field = details.bad_request().map(|request| request.field_violations[0].field.clone());
        assert_eq!(field.as_deref(), Some("page_size"));

        registry.put_identity(identity("I-2", v1::IdentityKind::CprChange)).await.expect("put");
        let none = registry.list_identity_conflicts(page(0, "")).await.expect("listed").into_inner();
        assert_eq!(none, v1::ListIdentityConflictsResponse::default());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_answers_no_ping_is_let_go() {
    let brief = Duration::from_millis(20);
    let settings = Settings { keep_alive_interval: brief, keep_alive_timeout: brief, ..settings() };
    with_front(settings, async |front| {
        let mut deaf = Peer::connect(front.address).await;
        deaf.greet().await;
        deaf.call("/grpc.health.v1.Health/Watch", &[0; 5]).await;
        deaf.until_end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_front_that_is_dropped_leaves_no_connection() {
    let directory = tempfile::tempdir().expect("a directory");
    let gateway = gateway::start(directory.path());
    let server = Server::new(settings(), gateway.control());
    let bound = server.bind().await.expect("a free port");
    let address = bound.local_addr();
    let peer = tokio::select! {
        _ = bound.serve(std::future::pending()) => panic!("it was not told to stop"),
        peer = async {
            let mut peer = Peer::connect(address).await;
            peer.greet().await;
            peer.until_settings().await;
            peer
        } => peer,
    };
    peer.until_end().await;
    gateway.stop(NEVER).await.expect("no handle is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_over_the_bound_are_served_when_others_end() {
    with_front(Settings { max_connections: 1, ..settings() }, async |front| {
        let mut first = Peer::connect(front.address).await;
        first.greet().await;
        first.until_settings().await;
        let mut second = Peer::connect(front.address).await;
        second.greet().await;
        drop(first);
        second.until_settings().await;
        drop(second);
        registry(front).await.put_solution(solution(1)).await.expect("put");
    })
    .await;
}
