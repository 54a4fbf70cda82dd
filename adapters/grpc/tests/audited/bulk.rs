//! What goes in and out in numbers: messages, sets of the quarantine, the feed.

use futures_util::stream;
use samspor_grpc::client::connect;
use samspor_grpc::v1::{
    self, SubmitMessageRequest, SubmitMessagesRequest, discard_request, preview_release_request,
};

use super::{last, log};
use crate::gateway::Front;
use crate::{feed, intake, quarantine};

/// That each leaves an entry that names what it was about.
pub(super) async fn is_traced(front: &Front) {
    let mut client = intake::client(front).await;
    let case = intake::sent(intake::case(1, "6112801234"));
    client
        .submit_message(SubmitMessageRequest { source: "dubu".into(), message: case })
        .await
        .expect("taken in");
    let fact = r#"{"fact":{"kind":"case","id":"J-77","source":"dubu"}}"#;
    assert_eq!(last(front), format!("anyone submit-messages {fact}"));
    let postings = [7, 8].map(|id| SubmitMessagesRequest {
        source: "opus".into(),
        message: intake::sent(intake::posting(id, "100.00")),
    });
    client.submit_messages(stream::iter(postings)).await.expect("taken in");
    let names = [7, 8].map(|id| format!(r#"{{"posting":{{"source":"opus","id":"P-{id}"}}}}"#));
    let told: String = log(front)
        .iter()
        .rev()
        .take(2)
        .flat_map(|entry| entry.subjects.clone())
        .fold(String::new(), |told, subject| told + &serde_json::to_string(&subject).expect("JSON"));
    assert!(names.iter().all(|name| told.contains(name)), "{told}");

    let (_, mut client) = quarantine::filled(front, &["a", "b"]).await;
    client.preview_release(quarantine::of(v1::QuarantineFilter::default())).await.expect("previews");
    assert_eq!(last(front), r#"anyone list-quarantine {"frozen-set":1}"#);
    let of = Some(preview_release_request::Of::Set(1));
    client.preview_release(v1::PreviewReleaseRequest { of, ..Default::default() }).await.expect("previews");
    assert_eq!(last(front), r#"anyone list-quarantine {"frozen-set":1}"#);
    client.release(v1::ReleaseRequest { set: 1, after: 0 }).await.expect("releases");
    assert_eq!(last(front), r#"anyone release-quarantined {"frozen-set":1}"#);
    let one = quarantine::discard(discard_request::What::Number(1), "not needed");
    client.discard(one).await.expect("discards");
    assert_eq!(last(front), r#"anyone discard-quarantined {"quarantined":1}"#);
    let all = quarantine::discard(discard_request::What::Set(1), "not needed");
    client.discard(all).await.expect("discards");
    assert_eq!(last(front), r#"anyone discard-quarantined {"frozen-set":1}"#);

    let channel = connect(&front.url).await.expect("it answers");
    let _reader = feed::Reader::begin(&channel, feed::start("")).await;
    let told = last(front);
    assert!(told.starts_with(r#"anyone subscribe-feed {"feed":{"from":1,"#), "{told}");
}
