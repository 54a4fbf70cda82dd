//! The audit log of calls: each that reads or changes something about a citizen leaves an entry, in its order, with who made it.

mod bulk;

use std::collections::BTreeSet;
use std::sync::Arc;

use samspor_domain::audit::{Action, AuditNo, Entry, Outcome};
use samspor_engine::audit::open_entry;
use samspor_grpc::client::{
    AuditServiceClient, ChangeServiceClient, CitizenServiceClient, ExplainServiceClient,
    OperationsServiceClient, QuarantineServiceClient, ReconciliationServiceClient, RegistryServiceClient,
    TargetsServiceClient, connect,
};
use samspor_grpc::v1;
use samspor_vault::{Master, Vault};

use crate::gateway::{self, Front, settings, with_front};
use crate::{consent, enrolment, solution};

fn log(front: &Front) -> Vec<Entry> {
    let vault = Arc::new(Vault::new(&Master::from_hex(&"42".repeat(32)).expect("a key")));
    let rows = front.reader().audit_entries(AuditNo(0), 1_000).expect("the log");
    rows.iter().map(|row| open_entry(&vault, row).expect("it opens").1).collect()
}

/// What the last entry says, in words.
pub(crate) fn last(front: &Front) -> String {
    let log = log(front);
    let Some(entry) = log.last() else { return String::new() };
    let subjects: Vec<String> =
        entry.subjects.iter().map(|subject| serde_json::to_string(subject).expect("JSON")).collect();
    format!("{} {} {}", entry.caller, entry.action.word(), subjects.join(" "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_touch_somebody_are_traced_before_they_are_answered() {
    with_front(settings(), async |front| {
        let channel = connect(&front.url).await.expect("it answers");
        let mut registry = RegistryServiceClient::new(channel.clone());
        let mut quarantine = QuarantineServiceClient::new(channel.clone());
        let mut citizens = CitizenServiceClient::new(channel.clone());
        let mut audit = AuditServiceClient::new(channel.clone());
        let mut targets = TargetsServiceClient::new(channel.clone());
        let mut operations = OperationsServiceClient::new(channel.clone());
        let mut explain = ExplainServiceClient::new(channel.clone());
        let mut reconciliation = ReconciliationServiceClient::new(channel.clone());
        let mut change = ChangeServiceClient::new(channel);
        macro_rules! called {
            ($call:expr, $expected:expr) => {
                let before = log(front).len();
                let _ = $call.await;
                assert_eq!(last(front), format!("anyone {}", $expected));
                assert_eq!(log(front).len(), before + 1, "{}", $expected);
            };
        }
        const CONSENT: &str = r#"{"fact":{"kind":"consent","id":"C-1","source":null}}"#;
        let kind = v1::FactKind::Consent.into();
        called!(
            registry.put_solution(solution(1)),
            r#"put-fact {"fact":{"kind":"solution","id":"sb","source":null}}"#
        );
        called!(registry.put_consent(consent(1)), format!("put-fact {CONSENT}"));
        called!(
            registry.put_enrolment(enrolment(1)),
            r#"put-fact {"fact":{"kind":"enrolment","id":"E-1","source":null}}"#
        );
        let named = v1::GetFactRequest { kind, id: "C-1".into(), source: None };
        called!(registry.get_fact(named), format!("read-fact {CONSENT}"));
        let versions = v1::ListFactVersionsRequest { kind, id: "C-1".into(), ..Default::default() };
        called!(registry.list_fact_versions(versions), format!("read-fact {CONSENT}"));
        let list = v1::ListFactsRequest { kind, ..Default::default() };
        called!(registry.list_facts(list.clone()), "list-facts ");
        let shown = v1::ListFactsRequest { show_references: true, ..list };
        called!(registry.list_facts(shown), format!("list-facts {CONSENT}"));
        called!(
            registry.list_identity_conflicts(v1::ListIdentityConflictsRequest::default()),
            "list-identity-conflicts "
        );
        let end = v1::EndConsentRequest { id: "C-1".into(), version: 1, covers_to: "2026-12-31".into() };
        called!(registry.end_consent(end), format!("put-fact {CONSENT}"));
        let withdraw = v1::WithdrawConsentRequest { id: "C-1".into(), version: 3 };
        called!(registry.withdraw_consent(withdraw), format!("withdraw-consent {CONSENT}"));
        let delete = v1::DeleteFactRequest { kind, id: "C-1".into(), version: 4 };
        called!(registry.delete_fact(delete), format!("delete-fact {CONSENT}"));

        called!(quarantine.list_quarantine(v1::ListQuarantineRequest::default()), "list-quarantine ");
        called!(
            quarantine.get_quarantined(v1::GetQuarantinedRequest { number: 7 }),
            r#"show-quarantined {"quarantined":7}"#
        );
        called!(quarantine.group_quarantine(v1::GroupQuarantineRequest::default()), "list-quarantine ");
        let parked = v1::ListParkedRequest { target: "ledger".into(), ..Default::default() };
        called!(targets.list_parked(parked), r#"list-parked {"part":"ledger"}"#);
        let release = v1::ReleaseParkedRequest {
            target: "ledger".into(),
            posting: Some(v1::PostingName { source: "opus".into(), id: "P-1".into() }),
        };
        called!(
            targets.release_parked(release),
            r#"release-parked {"posting":{"source":"opus","id":"P-1"}}"#
        );

        let posting = v1::ExplainPostingRequest { source: "opus".into(), posting: "P-1".into(), as_of: None };
        called!(explain.explain_posting(posting), r#"explain {"posting":{"source":"opus","id":"P-1"}}"#);
        let differing = v1::ListDifferencesRequest {
            target: "ledger".into(),
            state: v1::TargetState::Difference.into(),
            limit: 0,
        };
        called!(reconciliation.list_differences(differing), r#"list-differences {"part":"ledger"}"#);
        let control = v1::ListControlLinesRequest { id: "K-1".into(), limit: 0 };
        called!(
            reconciliation.list_control_lines(control),
            r#"list-control-lines {"fact":{"kind":"control-total","id":"K-1","source":null}}"#
        );

        let corrections = v1::ListCorrectionsRequest {
            solution: "sb".into(),
            from_date: "2026-01-01".into(),
            to_date: "2026-12-31".into(),
            ..Default::default()
        };
        called!(
            reconciliation.list_corrections(corrections),
            r#"list-corrections {"fact":{"kind":"solution","id":"sb","source":null}}"#
        );

        let from = Some(v1::replay_target_request::From::Beginning(v1::FeedBeginning {}));
        let replay = v1::ReplayTargetRequest { target: "ledger".into(), from };
        called!(targets.replay_target(replay), r#"replay-target {"part":"ledger"}"#);
        called!(operations.drain(v1::DrainRequest { cancel: false }), "drain ");
        called!(operations.drain(v1::DrainRequest { cancel: true }), "end-drain ");

        let number = || Some(v1::citizen_reference::Reference::Cpr("6112801234".into()));
        let citizen = || Some(v1::CitizenReference { reference: number() });
        let hash = serde_json::to_string(&samspor_engine::audit::citizen(
            &gateway::vault(),
            &samspor_domain::CitizenRef::Cpr(samspor_domain::Cpr::parse("6112801234").expect("a number")),
        ));
        let hash = hash.expect("JSON");
        let export = v1::ExportCitizenRequest { citizen: citizen() };
        let _ = citizens.export_citizen(export).await;
        assert!(last(front).starts_with(&format!("anyone export-citizen {hash}")), "{}", last(front));
        let proof = v1::GetWithdrawalRequest { consent: "C-1".into() };
        called!(citizens.get_withdrawal(proof), format!("read-withdrawal {CONSENT}"));
        let about = Some(v1::list_entries_about_request::About::Citizen(citizen().expect("one")));
        let about = v1::ListEntriesAboutRequest { about, ..Default::default() };
        called!(audit.list_entries_about(about), format!("who-looked {hash}"));
        called!(audit.list_entries(v1::ListEntriesRequest::default()), "read-audit ");

        // What the gateway did not do is told as that.
        let release = v1::ReleaseHeldChangeRequest { number: 7, version: 1 };
        called!(change.release_held_change(release), r#"release-change {"change":7}"#);
        assert_eq!(log(front).last().map(|entry| entry.outcome), Some(Outcome::Refused));

        called!(change.list_held_changes(v1::ListHeldChangesRequest {}), "list-held-changes ");

        // What changes nothing and shows nobody leaves nothing.
        let before = log(front).len();
        let _ = operations.drain(v1::DrainRequest { cancel: true }).await; // It does not drain.
        let _ = targets.list_targets(v1::ListTargetsRequest {}).await;
        let _ = reconciliation.get_balance(v1::GetBalanceRequest {}).await;
        let _ =
            explain.explain_posting(v1::ExplainPostingRequest::default()).await.expect_err("it names none");
        let _ = registry.put_consent(v1::PutConsentRequest::default()).await.expect_err("it says nothing");
        assert_eq!(log(front).len(), before);

        bulk::is_traced(front).await;
        pauses_are_traced(front).await;

        // Every action is seen here, but for those that are no call, and those that this front has nobody to do for.
        let seen: BTreeSet<&str> = log(front).iter().map(|entry| entry.action.word()).collect();
        let elsewhere = [
            Action::OpenKeys, // The engine's tests, and the end-to-end tests of keys.
            Action::RotateKeys,
            Action::RetireKeys,
            Action::PruneAudit, // The engine's tests.
            Action::Restore,    // The end-to-end tests, as is `Reload`.
            Action::Reload,
        ];
        let all = Action::ALL.into_iter().filter(|action| !elsewhere.contains(action));
        assert_eq!(seen, all.map(Action::word).collect());
    })
    .await;
}

async fn pauses_are_traced(front: &Front) {
    let channel = connect(&front.url).await.expect("it answers");
    let (mut operations, mut targets) =
        (OperationsServiceClient::new(channel.clone()), TargetsServiceClient::new(channel));
    operations.pause_feed(v1::PauseFeedRequest {}).await.expect("pauses");
    assert_eq!(last(front), r#"anyone pause {"part":"feed"}"#);
    operations.resume_feed(v1::ResumeFeedRequest {}).await.expect("resumes");
    assert_eq!(last(front), r#"anyone resume {"part":"feed"}"#);
    // Nobody has that name; that somebody tried is told all the same.
    let _ =
        targets.forget_target(v1::ForgetTargetRequest { target: "gone".into(), ..Default::default() }).await;
    assert_eq!(last(front), r#"anyone forget-target {"part":"gone"}"#);
}
