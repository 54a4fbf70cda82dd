//! The registry beyond putting: what it shows, its pages and versions, and ending what is newest.

use samspor_grpc::client::{Channel, Code, RegistryServiceClient, Status, StatusExt};
use samspor_grpc::v1::citizen_reference::Reference;
use samspor_grpc::v1::source_message::Message;
use samspor_grpc::v1::{self, FactKind, FactStanding, Outcome};

use crate::gateway::{settings, with_front};
use crate::{consent, enrolment, reason, registry, violations};

fn get(kind: FactKind, id: &str) -> v1::GetFactRequest {
    v1::GetFactRequest { kind: kind.into(), id: id.into(), source: None }
}

fn list(kind: FactKind) -> v1::ListFactsRequest {
    v1::ListFactsRequest { kind: kind.into(), ..Default::default() }
}

/// How the reference of a consent or an enrolment is shown.
fn reference(fact: &v1::StoredFact) -> Reference {
    let citizen = match fact.content.clone().and_then(|content| content.message) {
        Some(Message::Consent(consent)) => consent.citizen,
        Some(Message::Enrolment(enrolment)) => enrolment.citizen,
        other => panic!("{other:?}"),
    };
    citizen.and_then(|citizen| citizen.reference).expect("a reference or its form")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_solutions_are_planned_and_checked_against_is_put_and_shown_as_it_was() {
    with_front(settings(), async |front| {
        let mut registry = registry(front).await;
        macro_rules! put {
            ($method:ident, $request:ident { $field:ident: $message:ident { $($name:ident: $value:expr),* } }, $kind:ident, $sent:ident) => {{
let mut message = v1::$message::default();
                (message.id, message.version) = ("X-1".into(), 1);
                $(message.$name = $value;)*
                for expected in [Outcome::Fact, Outcome::Duplicate] {
                    let request = v1::$request { $field: Some(message.clone()) };
                    assert_eq!(registry.$method(request).await.expect("put").into_inner().outcome(), expected);
                }
                let shown = registry.get_fact(get(FactKind::$kind, "X-1")).await.expect("shown").into_inner().fact;
                let content = shown.and_then(|fact| fact.content).and_then(|content| content.message);
                assert_eq!(content, Some(Message::$sent(message)));
                let status = registry.$method(v1::$request::default()).await.expect_err("refused");
                assert_eq!(violations(&status), [(stringify!($field).into(), "MISSING_FIELD".into())]);
            }};
        }
        put!(put_estimate, PutEstimateRequest { estimate: Estimate { solution: "sb".into(), account: "5.28.21".into(), amount: "1.00".into(),
            per: 1, from_date: "2026-01-01".into() } }, Estimate, Estimate);
        put!(put_budget, PutBudgetRequest { budget: Budget { solution: "sb".into(), year: Some(2026), amount: "1.00".into() } }, Budget, Budget);
        put!(put_target_goal, PutTargetGoalRequest { target: TargetGoal { solution: "sb".into(), year: Some(2026), amount: "1.00".into() } },
            Target, Target);
        put!(put_investment_case, PutInvestmentCaseRequest { investment_case: InvestmentCase { solution: "sb".into(),
            from_date: "2026-01-01".into(), to_date: "2029-12-31".into() } }, InvestmentCase, InvestmentCase);
        put!(put_control_total, PutControlTotalRequest { control_total: ControlTotal { source: "opus".into(), from_date: "2026-01-01".into(),
            to_date: "2026-01-31".into(), count: Some(0), sum: "0.00".into() } }, ControlTotal, ControlTotal);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fact_is_shown_with_its_reference_and_a_list_without_unless_it_is_asked_for() {
    with_front(settings(), async |front| {
        let mut registry = registry(front).await;
        registry.put_consent(consent(1)).await.expect("put");
        let cpr = Reference::Cpr("6112801234".into());

        let fact = registry
            .get_fact(get(FactKind::Consent, "C-1"))
            .await
            .expect("shown")
            .into_inner()
            .fact
            .expect("it is there");
        assert_eq!(
            (fact.version, fact.standing(), &fact.source, reference(&fact)),
            (1, FactStanding::Live, &None, cpr.clone())
        );
        let facts = registry.list_facts(list(FactKind::Consent)).await.expect("listed").into_inner().facts;
        assert_eq!(reference(&facts[0]), Reference::Hidden(v1::ReferenceForm::Cpr.into()));
        let asked = v1::ListFactsRequest { show_references: true, ..list(FactKind::Consent) };
        assert_eq!(reference(&registry.list_facts(asked).await.expect("listed").into_inner().facts[0]), cpr);
        let versions = v1::ListFactVersionsRequest {
            kind: FactKind::Consent.into(),
            id: "C-1".into(),
            ..Default::default()
        };
        let shown =
            registry.list_fact_versions(versions.clone()).await.expect("listed").into_inner().versions;
        assert_eq!(reference(&shown[0]), Reference::Hidden(v1::ReferenceForm::Cpr.into()));

        // A fact that is named in a source is asked for with it.
        front.take_case("dubu", "J-1", "6112801234").await;
        let of = |source: Option<&str>| v1::GetFactRequest {
            source: source.map(Into::into),
            ..get(FactKind::Case, "J-1")
        };
        let case =
            registry.get_fact(of(Some("dubu"))).await.expect("shown").into_inner().fact.expect("it is there");
        assert_eq!((case.source.as_deref(), case.id.as_str()), (Some("dubu"), "J-1"));
        for (request, code) in
            [(of(Some("opus")), Code::NotFound), (get(FactKind::Consent, "C-2"), Code::NotFound)]
        {
            let status = registry.get_fact(request).await.expect_err("refused");
            assert_eq!((status.code(), reason(&status).1.as_str()), (code, "UNKNOWN_FACT"));
        }
        let status = registry.get_fact(of(None)).await.expect_err("refused");
        assert_eq!(violations(&status), [("source".into(), "MISSING_FIELD".into())]);
        let wide = v1::GetFactRequest { source: Some("dubu".into()), ..get(FactKind::Consent, "C-1") };
        assert_eq!(
            violations(&registry.get_fact(wide).await.expect_err("refused")),
            [("source".into(), "INVALID_FIELD".into())]
        );
        let status = registry.list_facts(list(FactKind::Case)).await.expect_err("refused");
        assert_eq!(violations(&status), [("kind".into(), "NOT_PERMITTED".into())]);

        // A withdrawal erases what the consent said; that there were versions is still told.
        registry
            .withdraw_consent(v1::WithdrawConsentRequest { id: "C-1".into(), version: 2 })
            .await
            .expect("withdrawn");
        let asked = v1::ListFactVersionsRequest { show_references: true, ..versions };
        let told = registry.list_fact_versions(asked).await.expect("listed").into_inner().versions;
        let told: Vec<_> =
            told.iter().map(|fact| (fact.version, fact.standing(), fact.content.is_some())).collect();
        assert_eq!(told, [(1, FactStanding::Live, false), (2, FactStanding::Withdrawn, true)]);
        assert!(
            registry.list_facts(list(FactKind::Consent)).await.expect("listed").into_inner().facts.is_empty()
        );
        let ended =
            v1::ListFactsRequest { include_ended: true, show_references: true, ..list(FactKind::Consent) };
        let ended = registry.list_facts(ended).await.expect("listed").into_inner().facts;
        assert_eq!((ended.len(), ended[0].standing()), (1, FactStanding::Withdrawn));
        assert!(!format!("{ended:?}").contains("6112801234"));
    })
    .await;
}

async fn put_enrolment(registry: &mut RegistryServiceClient<Channel>, n: usize, solution: &str) {
    let mut request = enrolment(1);
    if let Some(enrolment) = &mut request.enrolment {
        (enrolment.id, enrolment.solution) = (format!("E-{n}"), solution.into());
    }
    registry.put_enrolment(request).await.expect("put");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_hold_every_fact_once_whatever_their_size_and_filter() {
    with_front(settings(), async |front| {
        let mut registry = registry(front).await;
        // More than are looked through at a time.
        for n in 0..430 {
            put_enrolment(&mut registry, n, if n % 7 == 3 { "few" } else { "sb" }).await;
        }
        let deletion =
            v1::DeleteFactRequest { kind: FactKind::Enrolment.into(), id: "E-3".into(), version: 2 };
        registry.delete_fact(deletion).await.expect("deleted");
        let all = |which: fn(usize) -> bool| {
            (0..430).filter(|n| which(*n)).map(|n| format!("E-{n}")).collect::<Vec<_>>()
        };
        for (solution, include_ended, expected) in [
            (None, false, all(|n| n != 3)),
            (None, true, all(|_| true)),
            (Some("few"), false, all(|n| n != 3 && n % 7 == 3)),
            (Some("none"), false, vec![]),
        ] {
            for page_size in [0, 7, 61, 199, 429, 430, 500] {
                let (mut seen, mut page_token) = (Vec::new(), String::new());
                loop {
                    let request = v1::ListFactsRequest {
                        solution: solution.map(Into::into),
                        include_ended,
                        page_size,
                        page_token,
                        ..list(FactKind::Enrolment)
                    };
                    let page = registry.list_facts(request).await.expect("listed").into_inner();
                    assert!(page.facts.len() <= if page_size == 0 { 100 } else { page_size as usize });
                    seen.extend(page.facts.into_iter().map(|fact| fact.id));
                    page_token = page.next_page_token;
                    if page_token.is_empty() {
                        break;
                    }
                }
                assert_eq!(seen, expected, "{solution:?} {include_ended} {page_size}");
            }
        }
        // A token belongs to its list.
        let request = v1::ListFactsRequest { page_size: 1, ..list(FactKind::Enrolment) };
        let page_token =
            registry.list_facts(request.clone()).await.expect("listed").into_inner().next_page_token;
        for (page_token, include_ended, page_size) in
            [(page_token, true, 1), ("x".into(), false, 1), ("0".into(), false, 1)]
        {
            let request = v1::ListFactsRequest { page_token, include_ended, page_size, ..request.clone() };
            let status = registry.list_facts(request).await.expect_err("refused");
            assert_eq!(violations(&status), [("page_token".into(), "INVALID_FIELD".into())]);
        }
        let status = registry
            .list_facts(v1::ListFactsRequest { page_size: 501, ..request })
            .await
            .expect_err("refused");
        assert_eq!(violations(&status), [("page_size".into(), "INVALID_FIELD".into())]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_come_in_the_order_of_their_registration_by_pages() {
    with_front(settings(), async |front| {
        let mut registry = registry(front).await;
        for version in [3, 1, 5, 4, 9] {
            registry.put_enrolment(enrolment(version)).await.expect("put");
        }
        let (mut seen, mut page_token) = (Vec::new(), String::new());
        loop {
            let kind = FactKind::Enrolment.into();
            let request = v1::ListFactVersionsRequest {
                kind,
                id: "E-1".into(),
                page_size: 2,
                page_token,
                ..Default::default()
            };
            let page = registry.list_fact_versions(request).await.expect("listed").into_inner();
            seen.extend(page.versions.iter().map(|version| version.version));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, [3, 5, 9], "the others were never the newest");
    })
    .await;
}

fn newest(status: &Status) -> Option<String> {
    status.get_error_details().error_info()?.metadata.get("newest_version").cloned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_newest_is_ended_and_nothing_comes_between() {
    with_front(settings(), async |front| {
        let mut registry = registry(front).await;
        let end = |version: i64, day: &str| v1::EndEnrolmentRequest {
            id: "E-1".into(),
            version,
            to_date: day.into(),
        };
        let status = registry.end_enrolment(end(1, "2026-06-30")).await.expect_err("there is none");
        assert_eq!((status.code(), reason(&status).1.as_str()), (Code::NotFound, "UNKNOWN_FACT"));

        registry.put_enrolment(enrolment(1)).await.expect("put");
        for expected in [Outcome::Fact, Outcome::Duplicate] {
            let answer = registry.end_enrolment(end(1, "2026-06-30")).await.expect("ended").into_inner();
            assert_eq!((answer.outcome(), answer.version), (expected, 2));
        }
        let fact = registry
            .get_fact(get(FactKind::Enrolment, "E-1"))
            .await
            .expect("shown")
            .into_inner()
            .fact
            .expect("it is there");
        let Some(Message::Enrolment(ended)) = fact.content.and_then(|content| content.message) else {
            panic!("an enrolment")
        };
        let expected = enrolment(2).enrolment.map(|before| v1::Enrolment {
            to_date: Some("2026-06-30".into()),
            // The number is shown in its one writing.
            citizen: ended.citizen.clone(),
            ..before
        });
        assert_eq!(Some(ended), expected, "all else is as it was");

        // Another day, from a version that is no longer the newest.
        for (version, day) in [(1, "2026-07-31"), (3, "2026-06-30")] {
            let status =
                registry.end_enrolment(end(version, day)).await.expect_err("another version is newest");
            assert_eq!(
                (status.code(), reason(&status).1.as_str(), newest(&status).as_deref()),
                (Code::Aborted, "VERSION_CHANGED", Some("2"))
            );
        }
        // Of many at once from one version one alone is done, and the others are told.
        let days: Vec<String> = (1..=20).map(|day| format!("2026-08-{day:02}")).collect();
        let calls = days.iter().map(|day| {
            let mut registry = registry.clone();
            async move { registry.end_enrolment(end(2, day)).await }
        });
        let answers = futures_util::future::join_all(calls).await;
        let (done, not): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!((done.len(), not.len()), (1, 19));
        assert!(
            not.into_iter().filter_map(Result::err).all(|status| newest(&status).as_deref() == Some("3"))
        );

        // Nor is anything done from one that is older still.
        let status =
            registry.end_enrolment(end(1, "2026-06-30")).await.expect_err("another version is newest");
        assert_eq!((status.code(), newest(&status).as_deref()), (Code::Aborted, Some("3")));

        let deletion =
            v1::DeleteFactRequest { kind: FactKind::Enrolment.into(), id: "E-1".into(), version: 4 };
        registry.delete_fact(deletion).await.expect("deleted");
        let status = registry.end_enrolment(end(4, "2026-06-30")).await.expect_err("it is deleted");
        assert_eq!((status.code(), reason(&status).1.as_str()), (Code::FailedPrecondition, "FACT_NOT_LIVE"));

        registry.put_consent(consent(1)).await.expect("put");
        let request = v1::EndConsentRequest { id: "C-1".into(), version: 1, covers_to: "2026-06-30".into() };
        let answer = registry.end_consent(request).await.expect("ended").into_inner();
        assert_eq!((answer.outcome(), answer.version), (Outcome::Fact, 2));
        let fact = registry
            .get_fact(get(FactKind::Consent, "C-1"))
            .await
            .expect("shown")
            .into_inner()
            .fact
            .expect("it is there");
        let Some(Message::Consent(ended)) = fact.content.and_then(|content| content.message) else {
            panic!("a consent")
        };
        assert_eq!(
            (ended.covers_from.as_str(), ended.covers_to.as_deref()),
            ("2025-01-01", Some("2026-06-30"))
        );
        let status = registry.end_consent(v1::EndConsentRequest::default()).await.expect_err("refused");
        let fields: Vec<_> = violations(&status).into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["covers_to", "id", "version"]);
    })
    .await;
}
