//! The rights of citizens over the front: what is held is shown to who asks for it, others' references are not, the end of a
//! consent is proven, and an auditor finds who looked.

use futures_util::TryStreamExt;
use samspor_grpc::client::{
    AuditServiceClient, CitizenServiceClient, Code, RegistryServiceClient, StatusExt, connect,
};
use samspor_grpc::v1;
use samspor_grpc::v1::citizen_reference::Reference;
use samspor_grpc::v1::export_citizen_response::Held;

use crate::gateway::{Front, settings, with_front};
use crate::{consent, enrolment, solution};

const ANNA: &str = "6112801234";
const BENT: &str = "0101305001";
const CARL: &str = "0201305001";

async fn export(front: &Front, number: &str) -> Vec<Held> {
    let mut client = CitizenServiceClient::new(connect(&front.url).await.expect("it answers"));
    let citizen = Some(v1::CitizenReference { reference: Some(Reference::Cpr(number.into())) });
    let stream = client.export_citizen(v1::ExportCitizenRequest { citizen }).await.expect("it is shown");
    let items: Vec<_> = stream.into_inner().try_collect().await.expect("all of it");
    items.into_iter().filter_map(|item| item.held).collect()
}

async fn town(front: &Front) {
    let mut registry = RegistryServiceClient::new(connect(&front.url).await.expect("it answers"));
    registry.put_solution(solution(1)).await.expect("it is put");
    registry.put_consent(consent(1)).await.expect("it is put");
    registry.put_enrolment(enrolment(1)).await.expect("it is put");
    front.post("opus", "P-A", ANNA, "2026-02-02").await;
    front.post("opus", "P-B", BENT, "2026-02-02").await;
    front.take_case("dubu", "J-A", ANNA).await;
    front.take_case("dubu", "J-B", BENT).await;
    let reference = |number: &str| v1::CitizenReference { reference: Some(Reference::Cpr(number.into())) };
    let refs = vec![reference(BENT), reference(CARL)];
    let identity = v1::Identity { id: "I-X".into(), version: 1, kind: v1::IdentityKind::Same.into(), refs };
    registry.put_identity(v1::PutIdentityRequest { identity: Some(identity) }).await.expect("it is put");
    front.work_is_done().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_is_held_on_a_citizen_is_shown_and_nothing_of_another() {
    with_front(settings(), async |front| {
        town(front).await;
        let held = export(front, ANNA).await;
        let said: Vec<String> = (held.iter())
            .map(|held| match held {
                Held::Reference(reference) => format!("{:?}", reference.reference),
                Held::Fact(fact) => fact.versions.iter().map(|version| version.id.clone()).collect(),
                Held::Posting(posting) => posting.id.clone(),
                Held::Quarantined(entry) => entry.number.to_string(),
            })
            .collect();
        let shown = said.join(" ");
        for id in ["C-1", "E-1", "J-A", "P-A"] {
            assert!(said.contains(&id.to_owned()), "{id}: {shown}");
        }
        assert!(!shown.contains("J-B") && !shown.contains("P-B"), "{shown}");
        for held in &held {
            match held {
                Held::Fact(fact) => {
                    // Her own references stand in clear, also where a list would hide them.
                    let text = format!("{:?}", prost::Message::encode_to_vec(fact));
                    let holds = |number: &str| {
                        let bytes = format!("{:?}", number.as_bytes());
                        text.contains(bytes.trim_matches(['[', ']']))
                    };
                    assert!(holds(ANNA) && !holds(BENT));
                }
                Held::Posting(posting) => {
                    let tag = posting.records.last().and_then(|record| record.tag.as_ref());
                    assert_eq!(tag.map(|tag| &*tag.solution), Some("sb"));
                }
                _ => {}
            }
        }
        // Of what ties Bent to somebody else, that one is left out.
        let of_bent = export(front, BENT).await;
        let tie = of_bent.iter().find_map(|held| match held {
            Held::Fact(fact) if fact.versions[0].id == "I-X" => fact.versions[0].content.clone(),
            _ => None,
        });
        let Some(v1::source_message::Message::Identity(tie)) = tie.and_then(|content| content.message) else {
            panic!("the identity is shown")
        };
        let shown: Vec<_> = tie.refs.into_iter().filter_map(|reference| reference.reference).collect();
        let hidden = Reference::Hidden(v1::ReferenceForm::Cpr.into());
        assert!(shown == [Reference::Cpr(BENT.into()), hidden]);
        assert!(
            export(front, "6112801235").await.len() == 1,
            "nobody is known by that number, but the number"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looked_at_a_citizen_is_told_page_by_page_and_an_odd_question_is_refused() {
    with_front(settings(), async |front| {
        town(front).await;
        export(front, ANNA).await;
        export(front, BENT).await;
        let mut registry = RegistryServiceClient::new(connect(&front.url).await.expect("it answers"));
        let kind = v1::FactKind::Consent.into();
        let get = v1::GetFactRequest { kind, id: "C-1".into(), source: None };
        registry.get_fact(get).await.expect("it is shown");
        let mut audit = AuditServiceClient::new(connect(&front.url).await.expect("it answers"));
        let about = |number: &str| {
            let reference = Some(Reference::Cpr(number.into()));
            Some(v1::list_entries_about_request::About::Citizen(v1::CitizenReference { reference }))
        };
        let mut request =
            v1::ListEntriesAboutRequest { about: about(ANNA), page_size: 2, ..Default::default() };
        let mut told = Vec::new();
        loop {
            let page = audit.list_entries_about(request.clone()).await.expect("a page").into_inner();
            assert!(page.entries.len() <= 2);
            told.extend(page.entries.into_iter().map(|entry| (entry.number, entry.action)));
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        let actions: Vec<&str> = told.iter().map(|(_, action)| action.as_str()).collect();
        assert_eq!(actions, ["who-looked", "read-fact", "export-citizen", "put-fact", "put-fact"]);
        assert!(told.is_sorted_by(|a, b| a.0 > b.0));

        let odd = v1::ListEntriesAboutRequest::default();
        let refused = audit.list_entries_about(odd).await.expect_err("it asks about nothing");
        assert_eq!(refused.code(), Code::InvalidArgument);
        let odd = v1::ListEntriesRequest { action: Some("look".into()), ..Default::default() };
        let refused = audit.list_entries(odd).await.expect_err("there is no such action");
        let fields = refused.get_details_bad_request().expect("the field is named").field_violations;
        assert_eq!(fields.iter().map(|field| &*field.field).collect::<Vec<_>>(), ["action"]);
        let odd = v1::ListEntriesAboutRequest { about: about("6112801234567"), ..Default::default() };
        let refused = audit.list_entries_about(odd).await.expect_err("that is no number");
        assert!(!format!("{refused:?}").contains("611280"), "what is wrong is not quoted");

        let reached =
            audit.get_checkpoint(v1::GetCheckpointRequest {}).await.expect("it is told").into_inner();
        let reached: samspor_engine::audit::Checkpoint =
            serde_json::from_str(&reached.checkpoint).expect("a line of a checkpoints file");
        let proof =
            samspor_engine::audit::verify(&mut *front.reader(), &crate::gateway::vault(), &[reached], || {});
        assert!(proof.expect("the store is read").is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_is_proven_when_it_is_carried_out_and_not_before() {
    let settings = samspor_grpc::Settings { backups_kept_days: Some(30), ..settings() };
    with_front(settings, async |front| {
        town(front).await;
        let mut client = CitizenServiceClient::new(connect(&front.url).await.expect("it answers"));
        let mut ask = async |consent: &str| {
            let request = v1::GetWithdrawalRequest { consent: consent.into() };
            client.get_withdrawal(request).await.map(tonic::Response::into_inner)
        };
        let live = ask("C-1").await.expect_err("nobody withdrew it");
        let info = live.get_details_error_info().expect("a reason");
        assert_eq!((live.code(), &*info.reason), (Code::FailedPrecondition, "CONSENT_LIVE"));
        assert_eq!(ask("C-9").await.expect_err("there is none").code(), Code::NotFound);

        let mut registry = RegistryServiceClient::new(connect(&front.url).await.expect("it answers"));
        let withdraw = v1::WithdrawConsentRequest { id: "C-1".into(), version: 2 };
        registry.withdraw_consent(withdraw).await.expect("it is withdrawn");
        // The files are overwritten beside other work.
        let told = loop {
            let told = ask("C-1").await.expect("it is told");
            assert!(told.erased && told.records == Some(1));
            if told.gone.is_some() {
                break told;
            }
            assert!(!told.complete && told.backups_gone.is_none());
        };
        assert!(told.complete, "there is no target to wait for");
        assert_eq!(told.gone.as_deref(), Some("2026-03-14T14:53:20Z"));
        assert_eq!(told.backups_gone.as_deref(), Some("2026-04-14"));
    })
    .await;
}
