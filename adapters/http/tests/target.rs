//! Posting to a real server over real TLS: who is let in, what each answer means, and what happens where none comes.

use std::time::Duration;

use samspor_domain::{Confirms, Delivery, LinkError, Outgoing, Publisher, Sent, Target as _};
use samspor_harness::receiver::{Certificates, Receiver, Settings};
use samspor_http::target::{self, Private, SettingsError, Target};
use serde_json::{Value, json};

type Result<T = ()> = anyhow::Result<T>;

/// Ample for an answer that comes.
const LONG: Duration = Duration::from_secs(30);
/// For one that never comes.
const SHORT: Duration = Duration::from_millis(300);
const MAX_ANSWER_BYTES: usize = 4_096;

fn settings(receiver: &Receiver, certificates: &Certificates) -> Result<target::Settings> {
    Ok(target::Settings {
        url: receiver.url().parse()?,
        accept: "application/json",
        ca: Some(certificates.read("ca.pem")?),
        identity: None,
        bearer: None,
        connect_timeout: LONG,
        answer_timeout: LONG,
        max_answer_bytes: MAX_ANSWER_BYTES,
        batch: 1,
        batch_bytes: 100_000,
    })
}

fn private(text: impl Into<String>) -> Option<Private> {
    Some(Private(text.into().into()))
}

fn record(posting: &str) -> Outgoing {
    let body = json!({"source": "opus", "posting": posting, "revision": 1}).to_string();
    Outgoing {
        message_id: format!("opus:{posting}:1"),
        topic: None,
        content_type: "application/json".into(),
        body: body.into(),
        trace: None,
    }
}

/// A receiver with certificates, and what is posted to it.
async fn pair(answer_timeout: Duration) -> Result<(Receiver, Box<dyn Publisher>)> {
    let certificates = Certificates::make().await?;
    let receiver = Receiver::start(Settings { tls: Some(&certificates), ..Settings::default() }).await?;
    let settings = target::Settings { answer_timeout, ..settings(&receiver, &certificates)? };
    let publisher = Target::new(settings)?.connect().await?;
    Ok((receiver, publisher))
}

async fn send(
    publisher: &mut Box<dyn Publisher>,
    postings: &[&str],
) -> std::result::Result<Vec<Sent>, LinkError> {
    publisher.publish(postings.iter().map(|posting| record(posting)).collect()).await?.await
}

async fn posted(receiver: &mut Receiver) -> Result<String> {
    Ok(receiver.next().await?["record"]["posting"].as_str().unwrap_or_default().to_owned())
}

fn text(error: &LinkError) -> String {
    format!("{:#}", anyhow::anyhow!("{}: {:?}", error.doing, error.source))
}

#[tokio::test]
async fn records_are_posted_in_order_on_one_connection_under_keys_that_stay() -> Result {
    let (mut receiver, mut publisher) = pair(LONG).await?;
    assert_eq!(send(&mut publisher, &["P-1", "P-2"]).await?, [Sent::Delivered, Sent::Delivered]);
    assert_eq!(send(&mut publisher, &["P-2", "Pø %\"3"]).await?, [Sent::Delivered, Sent::Delivered]);
    let mut requests: Vec<Value> = Vec::new();
    for _ in 0..4 {
        requests.push(receiver.next().await?);
    }
    let keys: Vec<&str> = requests.iter().filter_map(|request| request["key"].as_str()).collect();
    assert_eq!(keys, ["opus:P-1:1", "opus:P-2:1", "opus:P-2:1", "opus:P%C3%B8%20%25\"3:1"]);
    assert_eq!(
        requests.iter().map(|request| &request["known"]).collect::<Vec<_>>(),
        [false, false, true, false]
    );
    for request in &requests {
        assert_eq!((&request["type"], &request["path"]), (&json!("application/json"), &json!("/postings")));
        assert_eq!(request["port"], requests[0]["port"], "all on one connection");
    }
    assert_eq!(requests[3]["record"]["posting"], "Pø %\"3");
    Ok(())
}

#[tokio::test]
async fn of_a_record_under_several_topics_only_the_last_is_posted() -> Result {
    let (mut receiver, mut publisher) = pair(LONG).await?;
    receiver.tell(json!({"script": [{"status": 200, "body": "first"}]})).await?;
    let under = |topic: &str| Outgoing {
        body: json!({"posting": "P-1", "topic": topic}).to_string().into(),
        topic: Some(["sb", topic].map(|text| text.parse().expect("a text")).into()),
        ..record("P-1")
    };
    let sent = publisher.publish(vec![under("a"), under("b"), record("P-2")]).await?.await?;
    assert!(sent.len() == 3 && sent[0] == sent[1] && sent[2] == Sent::Delivered, "{sent:?}");
    assert_eq!(receiver.next().await?["record"]["topic"], "b");
    assert_eq!(posted(&mut receiver).await?, "P-2");
    Ok(())
}

#[tokio::test]
async fn what_is_not_signed_by_whom_it_trusts_gets_nothing() -> Result {
    let (ours, others) = (Certificates::make().await?, Certificates::make().await?);
    let receiver = Receiver::start(Settings { tls: Some(&ours), ..Settings::default() }).await?;
    let good = settings(&receiver, &ours)?;
    for ca in [Some(others.read("ca.pem")?), None] {
        let wrong = Target::new(target::Settings { ca, ..good.clone() })?;
        let error = wrong.connect().await.err().expect("it is not trusted");
        assert!(error.doing.contains("is not trusted (`ca_file`"), "{}", text(&error));
    }
    Target::new(good.clone())?.connect().await?;
    // Nobody is let in under another name either.
    let elsewhere =
        target::Settings { url: receiver.url().replace("127.0.0.1", "127.0.0.2").parse()?, ..good };
    assert!(Target::new(elsewhere)?.connect().await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_wants_a_certificate_gets_one_or_nothing() -> Result {
    let certificates = Certificates::make().await?;
    let tls = Settings { tls: Some(&certificates), wants_clients: true, token: None };
    let mut receiver = Receiver::start(tls).await?;
    let bare = settings(&receiver, &certificates)?;
    let error = Target::new(bare.clone())?.connect().await.err().expect("it is not let in");
    assert!(error.doing.contains("wants a certificate of the gateway's own"), "{}", text(&error));
    let identity = private(certificates.read("client.pem")? + &certificates.read("client.key")?);
    let mut publisher = Target::new(target::Settings { identity, ..bare.clone() })?.connect().await?;
    assert_eq!(send(&mut publisher, &["P-1"]).await?, [Sent::Delivered]);
    assert_eq!(posted(&mut receiver).await?, "P-1");

    // One signed by somebody else.
    let others = Certificates::make().await?;
    let identity = private(others.read("client.pem")? + &others.read("client.key")?);
    let stranger = Target::new(target::Settings { identity, ..bare.clone() })?;
    assert!(stranger.connect().await.is_err());
    // And what is none at all is said before anybody is asked.
    for (identity, ca) in [
        (private(certificates.read("client.pem")?), bare.ca.clone()),
        (private(certificates.read("client.pem")? + &certificates.read("server.key")?), bare.ca.clone()),
        (None, Some("none".to_owned())),
    ] {
        let is_none = identity.is_none();
        let error = Target::new(target::Settings { identity, ca, ..bare.clone() }).expect_err("it is none");
        assert_eq!(matches!(error, SettingsError::Ca), is_none, "{error}");
        assert_eq!(matches!(error, SettingsError::Identity), !is_none, "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_bearer_token_is_sent_and_shows_nowhere() -> Result {
    let certificates = Certificates::make().await?;
    let tls = Settings { tls: Some(&certificates), wants_clients: false, token: Some("hemmelig") };
    let receiver = Receiver::start(tls).await?;
    let bare = settings(&receiver, &certificates)?;
    for (token, expected) in
        [(None, None), (private("forkert"), None), (private("hemmelig"), Some(Sent::Delivered))]
    {
        let settings = target::Settings { bearer: token, ..bare.clone() };
        let target = Target::new(settings.clone())?;
        assert!(!format!("{settings:?} {target:?}").contains("hemmelig"));
        let sent = send(&mut target.connect().await?, &["P-1"]).await?;
        match (expected, &sent[..]) {
            (Some(expected), [sent]) => assert_eq!(*sent, expected),
            (None, [Sent::Later(why, None)]) => assert!(why.contains("401") && why.contains("`bearer_file`")),
            _ => panic!("{sent:?}"),
        }
    }
    Ok(())
}

/// A token's issuer writes a new one into its file before the old one ends; so do those who renew certificates.
#[tokio::test]
async fn what_was_renewed_in_its_file_is_taken_at_the_next_connect() -> Result {
    let certificates = Certificates::make().await?;
    let tls = Settings { tls: Some(&certificates), wants_clients: true, token: Some("new") };
    let receiver = Receiver::start(tls).await?;
    let (token, client) = (certificates.path("token"), certificates.path("own.pem"));
    let good = certificates.read("client.pem")? + &certificates.read("client.key")?;
    let others = Certificates::make().await?;
    std::fs::write(&token, "old")?;
    std::fs::write(&client, others.read("client.pem")? + &others.read("client.key")?)?;
    let bare = settings(&receiver, &certificates)?;
    let read = move || {
        let read = |path| std::fs::read_to_string(path).map(private);
        Ok(target::Settings { bearer: read(&token)?, identity: read(&client)?, ..bare.clone() })
    };
    let target = Target::new(read().map_err(|error: target::Cause| anyhow::anyhow!(error))?)?.renewed(read);
    assert!(target.connect().await.is_err(), "the certificate is somebody else's");
    std::fs::write(certificates.path("own.pem"), good)?;
    let mut old = target.connect().await?;
    let sent = send(&mut old, &["P-1"]).await?;
    assert!(matches!(&sent[..], [Sent::Later(why, None)] if why.contains("401")), "{sent:?}");
    // For a moment it is not there.
    std::fs::remove_file(certificates.path("token"))?;
    let error = target.connect().await.err().expect("there is no token");
    assert!(error.doing.contains("again") && text(&error).contains("No such file"), "{}", text(&error));
    std::fs::write(certificates.path("token"), "new")?;
    assert_eq!(send(&mut target.connect().await?, &["P-1"]).await?, [Sent::Delivered]);
    assert_eq!(send(&mut old, &["P-2"]).await?, sent, "who is connected goes on as it was");
    Ok(())
}

#[tokio::test]
async fn nothing_is_posted_past_a_record_that_does_not_get_through() -> Result {
    let (mut receiver, mut publisher) = pair(LONG).await?;
    let later = json!({"status": 503, "headers": {"Retry-After": "7"}});
    receiver.tell(json!({"script": [{"status": 200}, later]})).await?;
    let (first, second): (Confirms, Confirms) = (
        publisher.publish(vec![record("P-1"), record("P-2"), record("P-3")]).await?,
        publisher.publish(vec![record("P-4")]).await?,
    );
    let not_posted = Sent::Unsent;
    let unavailable = Sent::Later("it answers 503 Service Unavailable".into(), Some(Duration::from_secs(7)));
    assert_eq!(first.await?, [Sent::Delivered, unavailable, not_posted.clone()]);
    assert_eq!(second.await?, [not_posted]);
    // What is handed over after that goes; a refusal quotes nothing of what it says.
    let refusal = json!({"status": 422, "body": "0101305000 is unknown"});
    receiver.tell(json!({"by_posting": {"P-5": refusal}})).await?;
    let refused = Sent::Refused("it answers 422 Unprocessable Entity".into());
    assert_eq!(send(&mut publisher, &["P-5"]).await?, [refused]);
    // Redirections are not followed.
    let moved = json!({"status": 307, "headers": {"Location": "/elsewhere"}});
    receiver.tell(json!({"by_posting": {"P-6": moved}})).await?;
    let sent = send(&mut publisher, &["P-6"]).await?;
    assert!(matches!(&sent[..], [Sent::Later(why, None)] if why.contains("307")), "{sent:?}");
    for posting in ["P-1", "P-2", "P-5", "P-6"] {
        assert_eq!(posted(&mut receiver).await?, posting);
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_is_handed_on_up_to_its_bound() -> Result {
    let (mut receiver, mut publisher) = pair(LONG).await?;
    let most = "x".repeat(MAX_ANSWER_BYTES);
    let json = json!({"Content-Type": "application/json; charset=utf-8"});
    let script =
        json!([{"body": most, "headers": json}, {"body": format!("{most}x")}, {"status": 202, "body": "x"}]);
    receiver.tell(json!({"script": script})).await?;
    let sent = send(&mut publisher, &["P-1", "P-2", "P-3", "P-4"]).await?;
    let whole = Delivery {
        body: most.into(),
        content_type: Some("application/json; charset=utf-8".into()),
        ..Delivery::default()
    };
    assert_eq!(sent[0], Sent::Answered(Ok(Box::new(whole))));
    let too_long = format!("it is longer than {MAX_ANSWER_BYTES} bytes (`max_answer_bytes`)");
    assert_eq!(sent[1], Sent::Answered(Err(too_long)));
    assert_eq!(sent[2..], [Sent::Delivered, Sent::Delivered]);
    Ok(())
}

#[tokio::test]
async fn where_no_answer_comes_the_outcome_is_unknown() -> Result {
    let (mut receiver, mut publisher) = pair(SHORT).await?;
    for how in [json!({"hang": true}), json!({"cut": true})] {
        receiver.tell(json!({"script": [how]})).await?;
        let error = send(&mut publisher, &["P-1"]).await.expect_err("no answer comes");
        assert!(error.doing.contains("whether it has the record is not known"), "{}", text(&error));
    }
    // Nothing was posted twice without the engine's knowing.
    assert_eq!((posted(&mut receiver).await?, posted(&mut receiver).await?), ("P-1".into(), "P-1".into()));
    assert_eq!(send(&mut publisher, &["P-1"]).await?, [Sent::Delivered]);
    assert_eq!(receiver.next().await?["known"], true);
    Ok(())
}

/// A conflict with the record itself is a refusal; with a request of ours that it still works on, it is not.
#[tokio::test]
async fn a_conflict_puts_off_what_is_owed_an_answer_and_refuses_anything_else() -> Result {
    let (mut receiver, mut publisher) = pair(LONG).await?;
    let conflict = json!({"status": 409, "headers": {"Retry-After": "3"}});
    let script = json!([conflict, conflict, {"cut": true}, conflict, conflict, {"status": 202}, conflict]);
    receiver.tell(json!({"script": script})).await?;
    let refused = [Sent::Refused("it answers 409 Conflict".into())];
    let why = "it answers 409 Conflict, and owes the answer to the same key";
    let later = [Sent::Later(why.into(), Some(Duration::from_secs(3)))];
    assert_eq!(send(&mut publisher, &["P-1"]).await?, refused);
    // That it conflicted before was an answer.
    assert_eq!(send(&mut publisher, &["P-1"]).await?, refused);
    assert!(send(&mut publisher, &["P-2"]).await.is_err(), "no answer comes");
    assert_eq!(send(&mut publisher, &["P-2"]).await?, later);
    assert_eq!(send(&mut publisher, &["P-2"]).await?, later);
    assert_eq!(send(&mut publisher, &["P-2"]).await?, [Sent::Delivered]);
    assert_eq!(send(&mut publisher, &["P-2"]).await?, refused);
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_an_error_before_anything_is_posted() -> Result {
    let certificates = Certificates::make().await?;
    let receiver = Receiver::start(Settings { tls: Some(&certificates), ..Settings::default() }).await?;
    let settings = settings(&receiver, &certificates)?;
    drop(receiver);
    let unused = tokio::net::TcpSocket::new_v4()?;
    unused.bind("127.0.0.1:0".parse()?)?;
    let url = format!("https://{}/postings", unused.local_addr()?).parse()?;
    let error =
        Target::new(target::Settings { url, ..settings })?.connect().await.err().expect("nobody is there");
    assert!(error.doing.starts_with("connecting to https://127.0.0.1:"), "{}", text(&error));
    Ok(())
}

#[tokio::test]
async fn several_records_go_in_one_request_and_share_its_answer() -> Result {
    let certificates = Certificates::make().await?;
    let mut receiver = Receiver::start(Settings { tls: Some(&certificates), ..Settings::default() }).await?;
    let settings = target::Settings { batch: 2, ..settings(&receiver, &certificates)? };
    let mut publisher = Target::new(settings)?.connect().await?;
    receiver.tell(json!({"by_posting": {"P-4": {"status": 422}}})).await?;
    let sent = send(&mut publisher, &["P-1", "P-2", "P-3", "P-4", "P-5"]).await?;
    let kinds: Vec<bool> = sent.iter().map(Sent::is_delivered).collect();
    assert_eq!(kinds, [true, true, false, false, false], "{sent:?}");
    assert_eq!(sent[4], Sent::Unsent, "nothing is posted past what was refused");
    // One by one the bad one is found.
    for (posting, is_taken) in [("P-3", true), ("P-4", false), ("P-5", true)] {
        assert_eq!(send(&mut publisher, &[posting]).await?[0].is_delivered(), is_taken, "{posting}");
    }
    let requests = receiver.all().await?;
    let posts = requests.iter().filter(|request| request["method"] == "POST");
    let posted: Vec<Vec<&str>> = posts
        .clone()
        .map(|request| request["records"].as_array().into_iter().flatten())
        .map(|records| records.filter_map(|record| record["posting"].as_str()).collect())
        .collect();
    assert_eq!(posted, [vec!["P-1", "P-2"], vec!["P-3", "P-4"], vec!["P-3"], vec!["P-4"], vec!["P-5"]]);
    assert!(posts.clone().all(|request| request["type"] == "application/x-ndjson"));
    let keys: Vec<&str> = posts.filter_map(|request| request["key"].as_str()).collect();
    assert!(keys[0].starts_with("batch:2:") && keys[1].starts_with("batch:2:") && keys[0] != keys[1]);
    assert_eq!(keys[2..], ["opus:P-3:1", "opus:P-4:1", "opus:P-5:1"]);
    Ok(())
}
