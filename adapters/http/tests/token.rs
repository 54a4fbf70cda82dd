//! Tokens, from the stand-in's token service.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use samspor_domain::{Clock, Credentials as _, Refusal};
use samspor_harness::distributor::{CVR, Control, Distributor, RECEIVING};
use samspor_http::target::Private;
use samspor_http::token::{Client, Settings};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The machine's clock, and what the test adds to it.
#[derive(Default)]
struct Ahead(Mutex<SignedDuration>);

impl Clock for Ahead {
    #[expect(clippy::disallowed_methods, reason = "the token service goes by the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now() + *self.0.lock().expect("no panic")
    }
}

struct Scene {
    distributor: Distributor,
    control: Control,
    clock: Arc<Ahead>,
}

impl Scene {
    async fn new() -> Result<Self> {
        // Nobody logs in to the node.
        let distributor = Distributor::start("amqp://nobody:nothing@127.0.0.1:1/none").await?;
        let control = distributor.control();
        Ok(Self { distributor, control, clock: Arc::default() })
    }

    fn settings(&self) -> Result<Settings> {
        let certificates = self.distributor.certificates();
        Ok(Settings {
            url: self.distributor.token_url().parse()?,
            cvr: CVR.into(),
            entity_id: RECEIVING.into(),
            ca: Some(certificates.read("ca.pem")?),
            certificate: certificates.read("client.pem")?,
            key: Private(certificates.read("client.key")?.into()),
            connect_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(30),
        })
    }

    fn client(&self, settings: Settings) -> Result<Client> {
        Ok(Client::new(settings, self.clock.clone(), not_on_or_after)?)
    }

    /// Moves the clock to so many parts of a thousand of the life of an hour from now.
    fn pass(&self, thousandths: i64) {
        *self.clock.0.lock().expect("no panic") = SignedDuration::from_millis(3_600 * thousandths);
    }
}

/// What stands last in the assertion under that name, which is enough here.
fn not_on_or_after(assertion: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(assertion).ok()?;
    let (_, rest) = text.rsplit_once("NotOnOrAfter=\"")?;
    rest.split('"').next()?.parse().ok()
}

fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn a_token_is_kept_until_little_is_left_of_it_and_fetched_once_however_many_ask() -> Result<()> {
    let scene = Scene::new().await?;
    let client = scene.client(scene.settings()?)?;
    let (one, two, three) = tokio::join!(client.current(), client.current(), client.current());
    let first = one?;
    assert!(first == two? && first == three?);
    assert_eq!(scene.control.count("asked").await?, 1);
    let shown = std::str::from_utf8(first.reveal())?;
    assert_eq!(scene.control.check(shown, RECEIVING).await?, "good");
    assert!(format!("{first:?} {client:?}").len() < 200, "nothing of it is shown");

    scene.pass(790);
    assert_eq!(client.current().await?, first);
    scene.pass(810);
    let second = client.current().await?;
    assert!(second != first && scene.control.count("asked").await? == 2);

    // Who comes late with an older one changes nothing.
    assert!(client.refused(&first, Refusal::Said) && client.refused(&first, Refusal::Said));
    assert_eq!(client.current().await?, second);
    assert_eq!(scene.control.count("issued").await?, 2);
    Ok(())
}

#[tokio::test]
async fn a_token_that_did_not_let_in_is_thrown_away_only_when_another_one_may_do_better() -> Result<()> {
    let scene = Scene::new().await?;
    let client = scene.client(scene.settings()?)?;
    for refusal in [Refusal::Said, Refusal::Guessed] {
        let early = client.current().await?;
        // It may be too early, or the broker out of order; what lets in between is no failure in a row.
        assert!(!client.refused(&early, refusal));
        assert_eq!(client.current().await?, early);
        client.accepted(&early);
        assert!(!client.refused(&early, refusal));
        assert_eq!(client.current().await?, early);
        assert!(client.refused(&early, refusal), "the second time in a row");
        assert!(client.current().await? != early);
    }
    // Nobody said of an old one that it is refused; then somebody does.
    let old = client.current().await?;
    scene.pass(20);
    assert!(!client.refused(&old, Refusal::Guessed));
    client.accepted(&old);
    assert!(client.refused(&old, Refusal::Said), "72 seconds are no difference of clocks");
    assert!(client.current().await? != old);
    assert_eq!(scene.control.count("issued").await?, 4);
    Ok(())
}

#[tokio::test]
async fn a_service_that_hangs_does_not_keep_a_good_token_from_whoever_connects() -> Result<()> {
    let scene = Scene::new().await?;
    let mut settings = scene.settings()?;
    let limit = Duration::from_secs(8);
    (settings.connect_timeout, settings.answer_timeout) = (limit, limit);
    let client = scene.client(settings)?;
    let first = client.current().await?;
    scene.pass(900);
    scene.control.set(json!({"sts": ["hang"]})).await?;
    // As a connection does it, within its own limit.
    assert_eq!(tokio::time::timeout(limit, client.current()).await??, first);
    assert_eq!(client.current().await?, first);
    assert_eq!(scene.control.count("asked").await?, 2, "it is left alone for a while");
    Ok(())
}

#[tokio::test]
async fn while_the_service_is_away_the_token_is_used_to_its_end() -> Result<()> {
    let scene = Scene::new().await?;
    let client = scene.client(scene.settings()?)?;
    let first = client.current().await?;
    scene.control.set(json!({"sts_down": true})).await?;
    scene.pass(900);
    for _ in 0..3 {
        assert_eq!(client.current().await?, first);
    }
    // It was asked once, and is left alone for a while.
    assert_eq!(scene.control.count("asked").await?, 2);
    scene.pass(950);
    assert_eq!(client.current().await?, first);
    assert_eq!(scene.control.count("asked").await?, 3);
    scene.pass(1_001);
    let error = client.current().await.expect_err("it has ended");
    assert!(told(&error).contains("asking for a token at https://127.0.0.1"), "{}", told(&error));
    scene.pass(0);
    scene.control.set(json!({"sts_down": false})).await?;
    assert!(client.current().await? == first, "it is still kept");
    scene.pass(1_001);
    scene.control.set(json!({"life_ms": 7_200_000})).await?;
    assert!(client.current().await? != first);
    Ok(())
}

#[tokio::test]
async fn whatever_the_service_answers_the_error_says_what_to_do_and_quotes_nothing() -> Result<()> {
    let scene = Scene::new().await?;
    let mut settings = scene.settings()?;
    settings.answer_timeout = Duration::from_secs(5);
    let client = scene.client(settings)?;
    for (fault, says) in [
        ("forbidden", "403 Forbidden: look whether `cvr` and `entity_id`"),
        ("error", "500 Internal Server Error"),
        ("garbage", "is not JSON with RequestedSecurityToken.Assertion"),
        ("big", "longer than 262144 bytes"),
        ("ended", "does this machine's clock go right?"),
        ("no-end", "says how long the token holds"),
        ("down", "no answer"),
        ("hang", "timed out"),
    ] {
        scene.control.set(json!({"sts": [fault]})).await?;
        let said = told(&client.current().await.expect_err(fault));
        assert!(said.contains(says), "{fault}: {said}");
        assert!(
            !said.contains("maintenance") && !said.contains("Assertion ID") && said.len() < 400,
            "{said}"
        );
    }
    // The end is the assertion's own where the answer says none.
    scene.control.set(json!({"lifetime": false})).await?;
    let credential = client.current().await?;
    let left = credential.expires().duration_since(scene.clock.now());
    assert!(left > SignedDuration::from_mins(50) && left <= SignedDuration::from_mins(60), "{left:?}");
    Ok(())
}

#[tokio::test]
async fn nobody_gets_a_token_without_the_right_certificate_and_number() -> Result<()> {
    let scene = Scene::new().await?;
    let mut settings = scene.settings()?;
    settings.cvr = "00000027".into();
    let said = told(&scene.client(settings)?.current().await.expect_err("another authority"));
    assert!(said.contains("403"), "{said}");
    // Of an authority that the service does not know, and one that the gateway does not.
    let others = samspor_harness::receiver::Certificates::make().await?;
    let mut settings = scene.settings()?;
    settings.certificate = others.read("client.pem")?;
    settings.key = Private(others.read("client.key")?.into());
    scene.client(settings)?.current().await.expect_err("a stranger");
    let mut settings = scene.settings()?;
    settings.ca = Some(others.read("ca.pem")?);
    let said = told(&scene.client(settings)?.current().await.expect_err("an impostor"));
    assert!(said.contains("certificate"), "{said}");
    let mut settings = scene.settings()?;
    settings.certificate = "no certificate".into();
    scene.client(settings).map(drop).expect_err("it is none");
    assert_eq!(scene.control.count("issued").await?, 0);
    Ok(())
}
