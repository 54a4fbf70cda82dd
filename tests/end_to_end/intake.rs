//! A source that sends over gRPC: taken over from the configuration while the gateway runs, and counted as any other.

use samspor_grpc::client::{Code, IntakeServiceClient, OperationsServiceClient, connect};
use samspor_grpc::v1::{self, Outcome, source_message::Message};
use samspor_harness::rabbitmq;

use crate::conflicts::front;
use crate::deployment::{Deployment, Result};

fn submit(message: Message) -> v1::SubmitMessageRequest {
    let message = Some(v1::SourceMessage { message: Some(message) });
    v1::SubmitMessageRequest { source: "kmd".into(), message }
}

fn posting() -> Message {
    Message::Posting(v1::Posting {
        id: "P-1".into(),
        date: "2026-03-14".into(),
        account: "5.28.21.1".into(),
        amount: "100.00".into(),
        ..v1::Posting::default()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_may_send_over_grpc_as_soon_as_the_configuration_says_so() -> Result<()> {
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let mut running = deployment.start().await?;
    let channel = connect(&format!("http://{}", front(&deployment, &mut running).await?)).await?;
    let mut intake = IntakeServiceClient::new(channel.clone());
    let refused = intake.submit_message(submit(posting())).await.map_err(|status| status.code());
    assert_eq!(refused.map(drop), Err(Code::PermissionDenied));

    let mut config = std::fs::read_to_string(&deployment.program.config)?;
    config.push_str("\n[[grpc.sources]]\nname = \"kmd\"\nmay_send = [\"posting\"]\n");
    std::fs::write(&deployment.program.config, config)?;
    let reloaded = OperationsServiceClient::new(channel).reload(v1::ReloadRequest {}).await?.into_inner();
    let expected = v1::ReloadResponse { settings: vec!["grpc.sources".into()], ..Default::default() };
    assert_eq!(reloaded, expected, "nothing else begins anew");

    for expected in [Outcome::Posting, Outcome::Duplicate] {
        assert_eq!(intake.submit_message(submit(posting())).await?.into_inner().outcome(), expected);
    }
    let case = Message::Case(v1::Case { id: "J-1".into(), version: 1, ..v1::Case::default() });
    assert_eq!(intake.submit_message(submit(case)).await?.into_inner().outcome(), Outcome::Quarantined);
    drop(intake);
    assert!(running.stop().await?.success());

    let books = deployment.samspor(&["reconcile"], &["--json"], "")?.ended(0)?.stdout;
    assert!(books.contains("\"kmd\""), "{books}");
    Ok(())
}
