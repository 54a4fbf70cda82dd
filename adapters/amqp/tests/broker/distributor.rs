//! The message distributor, by its stand-in: a token is shown to nobody else, and what a login or an answer says is
//! understood as it is meant.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use samspor_amqp::distributor::{Settings, Target};
use samspor_amqp::{Broker, Login, Source, Tls};
use samspor_domain::{Credential, Credentials, LinkError, Outgoing, Refusal, Sent, Source as _, Target as _};
use samspor_harness::distributor::{Distributor, RECEIVING, SENDING};
use samspor_harness::rabbitmq;
use samspor_harness::receiver::Certificates;
use samspor_harness::responder::{self, Reply, Responder};
use serde_json::json;

use crate::{LIMIT, broker, error, new_source, next, source_settings, sources};

/// One token, and what was said of it.
pub(crate) struct Shown {
    token: String,
    said: Mutex<Vec<Option<Refusal>>>,
}

impl Shown {
    pub(crate) fn new(token: String) -> Arc<Self> {
        Arc::new(Self { token, said: Mutex::default() })
    }

    /// What was said of it since this was asked last: how it was refused, or nothing where it was accepted.
    pub(crate) fn said(&self) -> Vec<Option<Refusal>> {
        std::mem::take(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn say(&self, what: Option<Refusal>) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

#[async_trait]
impl Credentials for Shown {
    async fn current(&self) -> Result<Credential, LinkError> {
        Ok(Credential::new(self.token.clone().into(), Timestamp::MAX))
    }

    fn refused(&self, _: &Credential, refusal: Refusal) -> bool {
        self.say(Some(refusal));
        false
    }

    fn accepted(&self, _: &Credential) {
        self.say(None);
    }
}

pub(crate) fn tls(ca: Option<&Certificates>, client: &Certificates) -> anyhow::Result<Tls> {
    let ca = ca.map(|ca| ca.read("ca.pem")).transpose()?;
    Ok(Tls::new(ca, Some((client.read("client.pem")?, client.read("client.key")?.into())))?)
}

/// A source that logs in by a token.
pub(crate) fn source(url: &str, tls: Tls, shown: &Arc<Shown>) -> anyhow::Result<Source> {
    let broker = Broker { tls, login: Login::Token(shown.clone()), ..broker(url)? };
    Ok(Source::new(broker, source_settings())?)
}

fn target(distributor: &Distributor, shown: &Arc<Shown>, answer_timeout: Duration) -> anyhow::Result<Target> {
    let own = distributor.certificates();
    let login = Login::Token(shown.clone());
    let broker = Broker { tls: tls(Some(own), own)?, login, ..broker(&distributor.broker_url())? };
    let status = |answer: &[u8]| {
        let (_, rest) = std::str::from_utf8(answer).ok()?.split_once("<StatusKode>")?;
        rest.split('<').next()?.parse().ok()
    };
    let settings = Settings {
        exchange: responder::EXCHANGE.to_owned(),
        answer_timeout,
        scope: "test:".to_owned(),
        message_id: |scope, id| format!("{scope}{id}"),
        status,
    };
    Ok(Target::new(broker, settings)?)
}

/// As much of an envelope as the stand-in reads, with a record `{}`.
fn message(id: &str) -> Outgoing {
    let body = format!("<BeskedId><UUID>test:{id}</UUID></BeskedId><Base64 a=\"b\">e30=</Base64>");
    Outgoing {
        message_id: id.to_owned(),
        topic: None,
        content_type: "application/xml".into(),
        body: body.into(),
        trace: None,
    }
}

/// What becomes of a message on a connection of its own.
async fn send(target: &Target, id: &str) -> Result<Sent, LinkError> {
    let mut publisher = target.connect().await?;
    Ok(publisher.publish(vec![message(id)]).await?.await?.remove(0))
}

#[tokio::test]
async fn a_token_is_shown_to_nobody_but_the_distributor() -> anyhow::Result<()> {
    let node = rabbitmq::shared().await?.vhost().await?;
    let distributor = Distributor::start(&node).await?;
    let (control, own) = (distributor.control(), distributor.certificates());
    let others = Certificates::make().await?;
    let shown = Shown::new(control.issue(RECEIVING).await?);
    let url = distributor.broker_url();
    // An authority that the gateway does not know; one that the machine does not; and a server of the right authority that
    // is another one.
    for (case, ca, name, client, says) in [
        ("another authority", Some(&others), "server", own, "certificate"),
        ("the machine's authorities", None, "server", own, "certificate"),
        ("another server", Some(own), "elsewhere", own, "certificate"),
        // The server does not know the gateway, and ends the connection.
        ("a stranger", Some(own), "server", &others, ""),
    ] {
        distributor.show(name).await?;
        let said = error(source(&url, tls(ca, client)?, &shown)?.check()).await?;
        assert!(said.contains("connecting to amqps://") && said.contains(says), "{case}: {said}");
        assert!(!said.contains("by a token"), "{case}: {said}");
        assert_eq!(shown.said(), [], "{case}: the token is none the worse");
        for count in ["logins", "refused", "hung_up"] {
            assert_eq!(control.count(count).await?, 0, "{case}: {count}");
        }
    }
    // The positive control: by the right ones it is shown, and accepted.
    distributor.show("server").await?;
    source(&url, tls(Some(own), own)?, &shown)?.check().await?;
    assert_eq!((shown.said(), control.count("logins").await?), (vec![None], 1));
    let made_up = Shown::new("<Assertion/>".into());
    error(source(&url, tls(Some(own), own)?, &made_up)?.check()).await?;
    assert_eq!((made_up.said(), control.count("refused").await?), (vec![Some(Refusal::Said)], 1));
    Ok(())
}

#[tokio::test]
async fn a_login_that_is_refused_is_told_from_one_that_ends_without_a_word() -> anyhow::Result<()> {
    let node = rabbitmq::shared().await?.vhost().await?;
    let distributor = Distributor::start(&node).await?;
    let (control, own) = (distributor.control(), distributor.certificates());
    let shown = Shown::new(control.issue(RECEIVING).await?);
    let good = source(&distributor.broker_url(), tls(Some(own), own)?, &shown)?;
    for (fault, refusal) in [("hang_up", Refusal::Guessed), ("refuse_logins", Refusal::Said)] {
        control.set(json!({fault: 1})).await?;
        let said = error(good.check()).await?;
        assert!(said.contains("by a token, which is tried again"), "{fault}: {said}");
        assert_eq!(shown.said(), [Some(refusal)], "{fault}");
    }
    control.set(json!({"early_ms": 600_000})).await?;
    let early = Shown::new(control.issue(RECEIVING).await?);
    error(source(&distributor.broker_url(), tls(Some(own), own)?, &early)?.check()).await?;
    assert_eq!(early.said(), [Some(Refusal::Said)]);
    good.check().await?;
    assert_eq!(shown.said(), [None]);
    Ok(())
}

#[tokio::test]
async fn an_answer_means_what_the_distributor_says_and_only_for_its_own_message() -> anyhow::Result<()> {
    let node = rabbitmq::shared().await?.vhost().await?;
    let distributor = Distributor::start(&node).await?;
    let control = distributor.control();
    let responder = Responder::start(&node, control).await?;
    let shown = Shown::new(control.issue(SENDING).await?);
    let patient = target(&distributor, &shown, LIMIT)?;
    for (reply, expected) in [
        (Reply::Status(20), "Delivered"),
        (Reply::Status(40), "Refused(\"it cannot receive"),
        (Reply::Status(51), "Refused(\"it has no such service"),
        (Reply::Status(55), "Refused(\"it does not support"),
        (Reply::Status(53), "Later(\"it is not available"),
        (Reply::Status(99), "Broke(\"it answered with a status"),
        (Reply::Garbage, "Broke(\"its answer is no StandardRetur"),
    ] {
        responder.next([reply]);
        let sent = format!("{:?}", send(&patient, "status").await?);
        assert!(sent.starts_with(expected), "{reply:?}: {sent}");
    }
    // A new token that does not count yet is kept for a later try, and is not shown twice at once.
    control.set(json!({"early_ms": 600_000})).await?;
    let early = Shown::new(control.issue(SENDING).await?);
    control.set(json!({"early_ms": 0})).await?;
    error(target(&distributor, &early, LIMIT)?.connect()).await?;
    shown.said();

    // One comes when nobody waits for it any longer, and one says not to what it is an answer.
    let hasty = target(&distributor, &shown, Duration::from_secs(3))?;
    for (reply, says) in
        [(Reply::Late, ""), (Reply::Uncorrelated, "(answers came, 1 of them, but with other correlation ids")]
    {
        responder.next([reply]);
        let said = error(send(&hasty, "once")).await?;
        assert!(
            said.contains("goes again under the same message id") && said.contains(says),
            "{reply:?}: {said}"
        );
        // After `Late` it is this one that the answer to the one before comes just before the answer to.
        assert_eq!(send(&patient, "once").await?, Sent::Delivered, "{reply:?}");
    }
    let taken = responder.taken();
    assert_eq!(taken.iter().filter(|one| one.id == "test:once").count(), 4, "twice each");
    assert_eq!(shown.said().iter().flatten().count(), 0, "the token has nothing to do with it");
    Ok(())
}

#[tokio::test]
async fn what_a_sender_logged_in_by_does_not_come_in_with_its_message() -> anyhow::Result<()> {
    let node = rabbitmq::shared().await?.vhost().await?;
    let distributor = Distributor::start(&node).await?;
    let control = distributor.control();
    let _responder = Responder::start(&node, control).await?;
    let settings = sources::Settings {
        bind: vec![(responder::EXCHANGE.to_owned(), String::new())],
        ..source_settings()
    };
    let (own, shown) = (distributor.certificates(), Shown::new(control.issue(RECEIVING).await?));
    let login = Login::Token(shown.clone());
    let by_token = Broker { tls: tls(Some(own), own)?, login, ..broker(&distributor.broker_url())? };
    let source = Source::new(by_token, settings.clone())?;
    let mut subscription = source.subscribe().await?;
    let sender = target(&distributor, &Shown::new(control.issue(SENDING).await?), LIMIT)?;
    assert_eq!(send(&sender, "one").await?, Sent::Delivered);
    let headers = next(&mut subscription).await?.deliveries.remove(0).headers;
    assert_eq!(headers.keys().collect::<Vec<_>>(), ["correlationId", "messageId", "replyTo"]);
    drop(subscription);
    // It was not acknowledged. Where nobody logs in by tokens, a header of that name is one like others.
    let mut subscription = new_source(&node, settings)?.subscribe().await?;
    assert!(next(&mut subscription).await?.deliveries[0].headers.contains_key("token"));
    Ok(())
}

#[tokio::test]
async fn the_longest_token_logs_in_and_is_sent() -> anyhow::Result<()> {
    let node = rabbitmq::shared().await?.vhost().await?;
    let distributor = Distributor::start(&node).await?;
    let control = distributor.control();
    let _responder = Responder::start(&node, control).await?;
    control.set(json!({"filler": 23_500})).await?;
    let token = control.issue(SENDING).await?;
    assert!((23 << 10..=24 << 10).contains(&token.len()), "{}", token.len());
    let shown = Shown::new(token);
    assert_eq!(send(&target(&distributor, &shown, LIMIT)?, "long").await?, Sent::Delivered);
    let own = distributor.certificates();
    source(&distributor.broker_url(), tls(Some(own), own)?, &shown)?.check().await?;
    assert_eq!(shown.said(), [None, None]);
    Ok(())
}
