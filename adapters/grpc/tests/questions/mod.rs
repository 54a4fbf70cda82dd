//! Questions: the running gateway answers what the store's files answer, and both refuse alike.

use std::sync::Arc;

use samspor_domain::Charts;
use samspor_formats::json;
use samspor_grpc::client::{Key, StatusExt, ask, connect_with};
use samspor_grpc::{NotAnswered, Question, Store, v1};
use tokio_util::sync::CancellationToken;

use crate::gateway::{Front, settings, vault, with_stating};
use crate::{consent, enrolment, solution};

/// What the files answer, or with which reason they refuse.
fn of_files<Q: Question>(front: &Front, question: &Q) -> Result<Q::Answer, Option<String>> {
    let (mut reader, vault) = (front.reader(), vault());
    let charts = Arc::new(Charts::default());
    let (write_state, stop) = (json::state, CancellationToken::new());
    let mut store = Store { read: &mut *reader, vault: &vault, charts, means: means(write_state), stop };
    question.answer(&mut store).map_err(|error| match error {
        NotAnswered::Refused(status) => {
            status.get_error_details().error_info().map(|info| info.reason.clone())
        }
        NotAnswered::Store(error) => panic!("{error}"),
    })
}

/// Asks both, and gives their answer.
async fn both<Q: Question + Clone>(front: &Front, question: Q) -> Result<Q::Answer, Option<String>>
where
    Q::Answer: PartialEq + std::fmt::Debug,
{
    let way = connect_with(&front.url, &Key::default()).await.expect("it answers");
    let said = ask(way, question.clone()).await;
    let said = said.map_err(|status| status.get_error_details().error_info().map(|info| info.reason.clone()));
    assert_eq!(said, of_files(front, &question), "{}", Q::METHOD);
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_answers_what_the_files_say() {
    with_stating(settings(), json::state, async |front| {
        let mut registry = crate::registry(front).await;
        registry.put_solution(solution(1)).await.expect("it is taken");
        registry.put_consent(consent(1)).await.expect("it is taken");
        registry.put_enrolment(enrolment(1)).await.expect("it is taken");
        front.post("opus", "P-1", "6112801234", "2026-03-05").await;
        front.post("opus", "P-2", "6112801234", "2020-03-05").await;
        let total = v1::ControlTotal {
            id: "K-1".into(),
            version: 1,
            source: "opus".into(),
            from_date: "2026-03-01".into(),
            to_date: "2026-03-31".into(),
            count: Some(2),
            sum: "200.00".into(),
        };
        registry
            .put_control_total(v1::PutControlTotalRequest { control_total: Some(total) })
            .await
            .expect("it is taken");
        front.work_is_done().await;

        let posting = |posting: &str| v1::ExplainPostingRequest {
            source: "opus".into(),
            posting: posting.into(),
            as_of: None,
        };
        let explained = both(front, posting("P-1")).await.expect("it is known");
        assert!(explained.state.starts_with(r#"{"source":"opus","posting":"P-1","decision":"tagged""#));
        assert!(explained.steps.iter().any(|step| step.heading == "Whose it is"), "{explained:?}");
        let past = v1::ExplainPostingRequest { as_of: Some("2020-01-01T00:00:00Z".into()), ..posting("P-1") };
        for unknown in [posting("P-9"), past] {
            assert_eq!(both(front, unknown).await, Err(Some("UNKNOWN_POSTING".into())));
        }
        let faulty = v1::ExplainPostingRequest { as_of: Some("yesterday".into()), ..posting("P-1") };
        assert_eq!(both(front, faulty).await, Err(Some("INVALID_FIELD".into())));

        let balance = both(front, v1::GetBalanceRequest {}).await.expect("a balance");
        assert!(!balance.balanced, "the control total differs");
        assert!(
            balance.items.iter().all(|row| row.balanced) && balance.postings.iter().all(|row| row.balanced)
        );
        let tagged: i64 =
            balance.postings.iter().filter_map(|row| row.tagged.as_ref()).map(|sum| sum.postings).sum();
        assert_eq!((tagged, balance.postings.len()), (1, 2));
        let control = v1::ListControlLinesRequest { id: "K-1".into(), limit: 0 };
        let lines = both(front, control.clone()).await.expect("it is known");
        assert_eq!((lines.days.len(), lines.lines.len()), (1, 1));
        let traced = crate::audited::last(front);
        assert!(traced.contains("list-control-lines") && traced.contains(r#""id":"P-1""#), "{traced}");
        let ours = lines.control_total.and_then(|total| total.ours).map(|sum| (sum.postings, sum.amount));
        assert_eq!(ours, Some((1, "100.00".into())));
        let unknown = v1::ListControlLinesRequest { id: "K-9".into(), ..control.clone() };
        assert_eq!(both(front, unknown).await, Err(Some("UNKNOWN_CONTROL_TOTAL".into())));
        let much = v1::ListControlLinesRequest { limit: 10_001, ..control };
        assert_eq!(both(front, much).await, Err(Some("INVALID_FIELD".into())));
        let state = v1::TargetState::Waiting.into();
        let target = v1::ListDifferencesRequest { target: "ledger".into(), state, limit: 0 };
        assert_eq!(both(front, target).await, Err(Some("UNKNOWN_TARGET".into())));

        let corrections = v1::ListCorrectionsRequest {
            solution: "sb".into(),
            from_date: "2026-01-01".into(),
            to_date: "2026-12-31".into(),
            ..Default::default()
        };
        let found = both(front, corrections.clone()).await.expect("it is known");
        assert_eq!((found.corrections.len(), found.own_lines), (0, 0), "nothing is split");
        let unknown = v1::ListCorrectionsRequest { solution: "other".into(), ..corrections.clone() };
        assert_eq!(both(front, unknown).await, Err(Some("UNKNOWN_SOLUTION".into())));
        let never = v1::ListCorrectionsRequest { to_date: "2026-13-01".into(), ..corrections };
        assert_eq!(both(front, never).await, Err(Some("INVALID_FIELD".into())));

        // Where nobody waits any more, it is not looked up further.
        let (mut reader, vault, stop) = (front.reader(), vault(), CancellationToken::new());
        stop.cancel();
        let charts = Arc::new(Charts::default());
        let mut store = Store { read: &mut *reader, vault: &vault, charts, means: means(json::state), stop };
        let stopped = v1::GetBalanceRequest {}.answer(&mut store);
        assert!(matches!(stopped, Err(NotAnswered::Store(_))), "{stopped:?}");

        assert_eq!(both(front, v1::ListTargetsRequest {}).await.expect("none").targets, []);
        let parked = v1::ListParkedRequest { target: "ledger".into(), ..Default::default() };
        assert_eq!(both(front, parked).await.expect("none").records, []);
        assert_eq!(both(front, v1::ListHeldChangesRequest {}).await.expect("none").changes, []);
        let conflicts = v1::ListIdentityConflictsRequest::default();
        assert_eq!(both(front, conflicts).await.expect("none").conflicts, []);
    })
    .await;
}

fn means(write_state: samspor_grpc::WriteState) -> samspor_grpc::Means {
    samspor_grpc::Means { write_state, show: std::sync::Arc::new(samspor_formats::Masked) }
}
