//! The door: every method, every role, every kind of certificate and token.

mod certificates;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use samspor_engine::Permissions;
use samspor_grpc::client::{
    Code, FeedServiceClient, HealthCheckRequest, HealthClient, IntakeServiceClient, Key,
    OperationsServiceClient, Status, StatusExt, Way, connect_with,
};
use samspor_grpc::door::{self, Identity, Known};
use samspor_grpc::{Door, Role, Settings, tls, tokens, v1};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_prost::ProstCodec;

use crate::gateway::{Front, settings, with_door};
use certificates::{Authority, Certified, DAY, TokenIssuer, base64, now};

/// A caller for each role, and one without any.
fn callers(identity: impl Fn(&str) -> Identity) -> Vec<Known> {
    let named = |name: &str, roles: BTreeSet<Role>| Known {
        name: name.into(),
        identity: identity(name),
        roles,
        sources: BTreeSet::new(),
    };
    let each = Role::ALL.into_iter().map(|role| named(role.word(), [role].into()));
    each.chain([named("none", BTreeSet::new())]).collect()
}

fn uri(name: &str) -> Identity {
    Identity::Certificate(format!("uri:urn:samspor:{name}"))
}

fn tls_of(authority: &Authority) -> tls::Settings {
    let Certified { certificate, key } = authority.server();
    tls::Settings { certificate, key, client_ca: Some(authority.pem.clone()) }
}

fn door(settings: &door::Settings) -> Arc<Door> {
    Arc::new(Door::new(settings).unwrap_or_else(|error| panic!("{error}")))
}

fn secure(front: &Front) -> String {
    front.url.replace("http:", "https:")
}

async fn knock(
    front: &Front,
    authority: &Authority,
    client: Option<&Certified>,
    token: Option<&str>,
) -> Result<Way, Status> {
    let identity = client.map(|client| (client.certificate.clone(), client.key.clone()));
    let key = Key { ca: Some(authority.pem.clone()), identity, token: token.map(str::to_owned) };
    connect_with(&secure(front), &key).await.map_err(|error| Status::unavailable(error.to_string()))
}

/// Calls a method with an empty message. What the method makes of that is its own; here it counts whether it was let in.
async fn call(way: &Way, method: &str) -> Result<(), Status> {
    let mut client = tonic::client::Grpc::new(way.clone());
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = PathAndQuery::try_from(format!("/{method}")).expect("a path");
    let requests = futures_util::stream::iter([()]);
    client.streaming(tonic::Request::new(requests), path, ProstCodec::<(), ()>::default()).await.map(drop)
}

/// Whether a service answered, and not the door, nor TLS by ending the connection.
fn is_let_in(answer: &Result<(), Status>) -> bool {
    if answer.as_ref().is_err_and(|status| status.source().is_some()) {
        return false;
    }
    !matches!(answer, Err(status) if [Code::PermissionDenied, Code::Unauthenticated, Code::Unavailable].contains(&status.code()))
}

fn reason(status: &Status) -> Option<(String, String)> {
    let details = status.get_error_details();
    details.error_info().map(|info| (info.domain.clone(), info.reason.clone()))
}

/// The matrix as the documentation shows it, which is made of the code: by method, the roles that may.
fn matrix() -> BTreeMap<String, BTreeSet<String>> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/authorisation.md"));
    let page = page.expect("the page");
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| `")?.split('|').map(str::trim).collect();
        let (method, marks) = cells.split_first().filter(|(method, _)| method.contains('/'))?;
        let granted = Role::ALL
            .iter()
            .zip(marks)
            .filter(|(_, mark)| **mark == "yes")
            .map(|(role, _)| role.word().to_owned());
        Some((method.trim_end_matches('`').to_owned(), granted.collect()))
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_may_call_what_the_matrix_says_and_nothing_else() {
    let (authority, other) = (Authority::new("municipality"), Authority::new("somebody"));
    let known = door::Settings { tls: Some(tls_of(&authority)), tokens: None, callers: callers(uri) };
    let (_keep, doors) = watch::channel(door(&known));
    let matrix = matrix();
    assert!(matrix.len() > 20, "{matrix:?}");
    with_door(settings(), doors, async |front| {
        for name in Role::ALL.map(Role::word).into_iter().chain(["none"]) {
            let way = knock(front, &authority, Some(&authority.client(name, 1)), None)
                .await
                .expect("a good certificate");
            for (method, roles) in &matrix {
                let answer = call(&way, method).await;
                let may = roles.contains(name);
                assert_eq!(is_let_in(&answer), may, "{name} calls {method}: {answer:?}");
                if let (false, Err(status)) = (may, &answer) {
                    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
                    assert_eq!(reason(status), Some(("samspor".into(), "PERMISSION_DENIED".into())));
                }
            }
            let nowhere = call(&way, "samspor.v1.RegistryService/PutEverything").await;
            assert_eq!(nowhere.map_err(|status| status.code()), Err(Code::PermissionDenied));
        }
        // Without a certificate, with another authority's, with one that has expired, and with one of nobody's whom the
        // configuration knows, nobody gets in anywhere.
        let refused = [
            (None, "none"),
            (Some(other.client("operator", 1)), "another authority's"),
            (Some(authority.client("operator", -1)), "expired"),
        ];
        for (client, kind) in refused {
            for method in matrix.keys() {
                let answer = match knock(front, &authority, client.as_ref(), None).await {
                    Ok(way) => call(&way, method).await,
                    Err(status) => Err(status),
                };
                assert!(!is_let_in(&answer), "{kind} calls {method}");
            }
        }
        let stranger = knock(front, &authority, Some(&authority.client("stranger", 1)), None)
            .await
            .expect("TLS takes it");
        for method in matrix.keys() {
            let status = call(&stranger, method).await.expect_err("nobody knows it");
            assert_eq!(reason(&status), Some(("samspor".into(), "UNAUTHENTICATED".into())), "{method}");
        }
        // Whether it lives it may ask.
        let mut health = HealthClient::new(stranger);
        health.check(HealthCheckRequest::default()).await.expect("anyone may");
        // Of its parts it is told nothing, not even whether there are such.
        let part = HealthCheckRequest { service: "store".into() };
        let told = health.check(part.clone()).await.expect_err("not to a stranger");
        assert_eq!(told.code(), Code::NotFound);
        let mut watch = health.watch(part.clone()).await.expect("begins").into_inner();
        let told = watch.message().await.expect("an answer").expect("one");
        assert_eq!(told.status(), samspor_grpc::client::ServingStatus::ServiceUnknown);
        let known = knock(front, &authority, Some(&authority.client("lis", 1)), None).await.expect("known");
        HealthClient::new(known).check(part).await.expect("whoever is known may");
    })
    .await;
}

/// A front that takes tokens, and how its gate answers a call with one.
async fn with_tokens(issuer: &TokenIssuer, test: impl AsyncFnOnce(&Front, &Authority)) {
    let authority = Authority::new("municipality");
    let tokens = tokens::Settings {
        keys: issuer.keys(),
        issuer: "https://idp.example".into(),
        audience: "samspor".into(),
        leeway: std::time::Duration::from_secs(60),
    };
    let callers = callers(|name| Identity::Token(name.into()));
    let known = door::Settings { tls: Some(tls_of(&authority)), tokens: Some(tokens), callers };
    let (_keep, doors) = watch::channel(door(&known));
    with_door(settings(), doors, async |front| test(front, &authority).await).await;
}

const CALLED: &str = "samspor.v1.QuarantineService/ListQuarantine";

async fn with_token(front: &Front, authority: &Authority, token: &str) -> Result<(), Status> {
    call(&knock(front, authority, None, Some(token)).await?, CALLED).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_says_who_calls_and_one_that_is_not_right_says_nothing() {
    let issuer = TokenIssuer::new();
    with_tokens(&issuer, async |front, authority| {
        let good = TokenIssuer::claims("operator");
        let with = |key: &str, value: Value| {
            let mut claims = good.clone();
            claims[key] = value;
            issuer.sign(&claims)
        };
        let without = |key: &str| {
            let mut claims = good.clone();
            claims.as_object_mut().expect("an object").remove(key);
            issuer.sign(&claims)
        };
        assert!(is_let_in(&with_token(front, authority, &issuer.sign(&good)).await));
        let among = with("aud", serde_json::json!(["other", "samspor"]));
        assert!(is_let_in(&with_token(front, authority, &among).await), "it is for several");
        assert!(
            is_let_in(&with_token(front, authority, &with("exp", (now() - 30).into())).await),
            "clocks differ"
        );
        let lis = with_token(front, authority, &issuer.sign(&TokenIssuer::claims("lis"))).await;
        assert_eq!(lis.expect_err("it is no operator").code(), Code::PermissionDenied);

        let signed = issuer.sign(&good);
        let parts: Vec<&str> = signed.split('.').collect();
        let tampered = |at: usize, with: String| {
            let mut parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            parts[at] = with;
            parts.join(".")
        };
        let unsigned = base64(br#"{"alg":"none","typ":"JWT"}"#);
        let payload = base64(TokenIssuer::claims("registrar").to_string().as_bytes());
        let public = issuer.public_pem();
        let hmac = |key: &[u8]| {
            encode(&Header::new(Algorithm::HS256), &good, &EncodingKey::from_secret(key)).expect("a token")
        };
        let refused = [
            (with("aud", "other".into()), "for another audience"),
            (with("iss", "https://elsewhere.example".into()), "of another issuer"),
            (with("exp", (now() - DAY).into()), "expired"),
            (with("nbf", (now() + DAY).into()), "not valid yet"),
            (without("exp"), "for ever"),
            (without("aud"), "for nobody"),
            (without("iss"), "of nobody"),
            (without("sub"), "about nobody"),
            (TokenIssuer::new().sign(&good), "signed by somebody else"),
            (tampered(0, unsigned.clone()), "with another algorithm"),
            (format!("{unsigned}.{}.", parts[1]), "unsigned"),
            (tampered(1, payload), "tampered with"),
            (tampered(2, String::new()), "without its signature"),
            (hmac(public.as_bytes()), "signed with the public key"),
            (hmac(issuer.keys().as_bytes()), "signed with the public keys' file"),
            (
                issuer.sign(&TokenIssuer::claims("stranger")),
                "of somebody whom the configuration does not know",
            ),
            ("nonsense".into(), "none"),
        ];
        for (token, what) in refused {
            let status = with_token(front, authority, &token).await.expect_err(what);
            assert_eq!((status.code(), what), (Code::Unauthenticated, what));
            assert_eq!(reason(&status), Some(("samspor".into(), "UNAUTHENTICATED".into())), "{what}");
            assert!(!status.message().contains(parts[1]), "{what}: {}", status.message());
        }
        let nothing =
            call(&knock(front, authority, None, None).await.expect("a certificate is not needed"), CALLED)
                .await;
        assert_eq!(nothing.expect_err("nobody").code(), Code::Unauthenticated);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_door_that_is_changed_counts_from_the_next_connection_and_call() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let of = |authority: &Authority, callers| door::Settings {
        tls: Some(tls_of(authority)),
        tokens: None,
        callers,
    };
    let (change, doors) = watch::channel(door(&of(&old, callers(uri))));
    with_door(settings(), doors, async |front| {
        let way =
            knock(front, &old, Some(&old.client("operator", 1)), None).await.expect("a good certificate");
        assert!(is_let_in(&call(&way, CALLED).await));
        // Somebody who may no longer call is turned away on the connection that is open.
        change.send_replace(door(&of(&old, callers(|name| uri(&format!("new-{name}"))))));
        assert_eq!(
            call(&way, CALLED).await.expect_err("it is known no longer").code(),
            Code::Unauthenticated
        );
        let way =
            knock(front, &old, Some(&old.client("new-operator", 1)), None).await.expect("a good certificate");
        assert!(is_let_in(&call(&way, CALLED).await));
        // Where another authority counts, whoever came in by the old one is cut off.
        change.send_replace(door(&of(&new, callers(|name| uri(&format!("new-{name}"))))));
        assert!(!is_let_in(&call(&way, CALLED).await));
        // The new certificate and authority count for whoever comes.
        assert!(knock(front, &old, Some(&old.client("operator", 1)), None).await.is_err());
        let way =
            knock(front, &new, Some(&new.client("new-operator", 1)), None).await.expect("a good certificate");
        assert!(is_let_in(&call(&way, CALLED).await));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_open_end_when_the_door_is_replaced() {
    let (change, doors) = watch::channel(Arc::new(Door::open()));
    with_door(settings(), doors, async |front| {
        front.handle().intakes().set_callers([samspor_grpc::intake(source("dubu"), Permissions::default())]);
        let channel = samspor_grpc::client::connect(&front.url).await.expect("it answers");
        let start = v1::SubscribeStart { form: v1::FeedForm::Ledger.into(), ..Default::default() };
        let start = v1::SubscribeRequest { request: Some(v1::subscribe_request::Request::Start(start)) };
        let asked = stream::iter([start]).chain(stream::pending());
        let mut read =
            FeedServiceClient::new(channel.clone()).subscribe(asked).await.expect("begins").into_inner();
        read.message().await.expect("it is greeted");

        let (say, said) = tokio::sync::mpsc::channel(1);
        let message = || v1::SubmitMessagesRequest { source: "dubu".into(), message: None };
        let said = stream::unfold(said, |mut said| async move { said.recv().await.map(|one| (one, said)) });
        let submitting = async {
            say.send(message()).await.expect("it listens");
            // It is in the store before the door is replaced.
            let mut reader = front.reader();
            while reader.counts().expect("the store answers").is_empty() {
                tokio::task::yield_now().await;
            }
            change.send_replace(Arc::new(Door::open()));
            let _ = say.send(message()).await;
            std::future::pending::<()>().await;
        };
        let mut intake = IntakeServiceClient::new(channel);
        let status = tokio::select! {
            answer = intake.submit_messages(said) => answer.expect_err("it ends"),
            () = submitting => unreachable!(),
        };
        let info = status.get_error_details().error_info().cloned().expect("it says why");
        assert_eq!((info.reason.as_str(), info.metadata["committed"].as_str()), ("CALLERS_CHANGED", "1"));
        let status = loop {
            if let Err(status) = read.message().await {
                break status;
            }
        };
        assert_eq!(reason(&status), Some(("samspor".into(), "CALLERS_CHANGED".into())));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_sends_as_its_own_sources_and_as_no_other() {
    let authority = Authority::new("municipality");
    let mut known = callers(uri);
    for caller in known.iter_mut().filter(|caller| caller.roles.contains(&Role::Intake)) {
        caller.sources = [source("dubu")].into();
    }
    let known = door::Settings { tls: Some(tls_of(&authority)), tokens: None, callers: known };
    let (_keep, doors) = watch::channel(door(&known));
    with_door(settings(), doors, async |front| {
        let intake = |name| samspor_grpc::intake(source(name), Permissions::default());
        front.handle().intakes().set_callers([intake("dubu"), intake("opus")]);
        let way = knock(front, &authority, Some(&authority.client("intake", 1)), None).await.expect("let in");
        let mut client = IntakeServiceClient::new(way);
        let message = |name: &str| v1::SubmitMessageRequest { source: name.into(), message: None };
        client.submit_message(message("dubu")).await.expect("its own");
        for other in ["opus", "nobody"] {
            let status = client.submit_message(message(other)).await.expect_err("not its own");
            assert_eq!(reason(&status), Some(("samspor".into(), "NOT_ITS_SOURCE".into())), "{other}");
            let one = v1::SubmitMessagesRequest { source: other.into(), message: None };
            let status = client.submit_messages(stream::iter([one])).await.expect_err("nor in a stream");
            assert_eq!(status.code(), Code::PermissionDenied, "{other}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_could_be_two_callers_is_neither_and_a_subject_is_no_part_of_another() {
    let authority = Authority::new("municipality");
    let operator = |name: &str, certificate: &str| Known {
        name: name.into(),
        identity: Identity::Certificate(certificate.into()),
        roles: [Role::Operator].into(),
        sources: BTreeSet::new(),
    };
    let callers = vec![
        operator("by-uri", "uri:urn:samspor:both"),
        operator("by-subject", "subject:CN=both"),
        operator("escaped", "subject:CN=one\\,O=two"),
        operator("two-parts", "subject:CN=three,O=four"),
    ];
    let known = door::Settings { tls: Some(tls_of(&authority)), tokens: None, callers };
    let (_keep, doors) = watch::channel(door(&known));
    with_door(settings(), doors, async |front| {
        let of = async |name: &str| {
            let way =
                knock(front, &authority, Some(&authority.client(name, 1)), None).await.expect("TLS takes it");
            call(&way, CALLED).await
        };
        let both = of("both").await.expect_err("it is not known which");
        assert_eq!(both.code(), Code::Unauthenticated);
        assert!(both.message().contains("by-uri and by-subject"), "{}", both.message());
        assert!(is_let_in(&of("one,O=two").await));
        assert!(!is_let_in(&of("three,O=four").await), "one name that looks like two");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_has_so_many_connections_and_others_have_theirs() {
    let authority = Authority::new("municipality");
    let known = door::Settings { tls: Some(tls_of(&authority)), tokens: None, callers: callers(uri) };
    let (_keep, doors) = watch::channel(door(&known));
    with_door(Settings { max_connections_of_certificate: 1, ..settings() }, doors, async |front| {
        let (operator, auditor) = (authority.client("operator", 1), authority.client("auditor", 1));
        let first = knock(front, &authority, Some(&operator), None).await.expect("the first");
        assert!(is_let_in(&call(&first, CALLED).await));
        let second = match knock(front, &authority, Some(&operator), None).await {
            Ok(way) => call(&way, CALLED).await,
            Err(status) => Err(status),
        };
        assert!(!is_let_in(&second), "{second:?}");
        let other = knock(front, &authority, Some(&auditor), None).await.expect("another certificate");
        assert!(is_let_in(&call(&other, CALLED).await));
        assert!(is_let_in(&call(&first, CALLED).await), "the first stays");
    })
    .await;
}

fn source(name: &str) -> samspor_domain::SourceName {
    samspor_domain::SourceName::new(name).expect("a name")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_shakes_hands_holds_nobody_up() {
    let authority = Authority::new("municipality");
    let known = door::Settings { tls: Some(tls_of(&authority)), tokens: None, callers: callers(uri) };
    let (_keep, doors) = watch::channel(door(&known));
    let few = Settings { max_connections: 80, ..settings() };
    with_door(few, doors, async |front| {
        let mut silent = Vec::new();
        for _ in 0..50 {
            silent.push(tokio::net::TcpStream::connect(front.address).await.expect("connected"));
        }
        let way = knock(front, &authority, Some(&authority.client("operator", 1)), None)
            .await
            .expect("it gets through");
        OperationsServiceClient::new(way).get_status(v1::GetStatusRequest {}).await.expect("it answers");
        // They are cut off in the end.
        let mut one = silent.pop().expect("there are some");
        assert_eq!(one.read(&mut [0; 1]).await.unwrap_or(0), 0);
    })
    .await;
}

#[test]
fn what_a_door_cannot_be_made_of_is_told_without_quoting_it() {
    let authority = Authority::new("municipality");
    let good = tls_of(&authority);
    let with = |change: fn(&mut tls::Settings)| {
        let mut tls = good.clone();
        change(&mut tls);
        let known = door::Settings { tls: Some(tls), tokens: None, callers: Vec::new() };
        Door::new(&known).err().map(|error| error.to_string()).unwrap_or_default()
    };
    type Change = fn(&mut tls::Settings);
    let cases: [(Change, &str); 4] = [
        (
            |tls| tls.certificate = "hemmelig".into(),
            "grpc.tls: the certificate file holds no certificates in PEM",
        ),
        (|tls| tls.key = "hemmelig".into(), "grpc.tls: the key file holds no private key in PEM"),
        (
            |tls| tls.client_ca = Some(String::new()),
            "grpc.tls: the client CA file holds no certificates in PEM that sign others",
        ),
        (
            |tls| tls.key = Authority::new("other").server().key,
            "grpc.tls: certificate and key are not taken: ",
        ),
    ];
    for (change, expected) in cases {
        let told = with(change);
        assert!(told.starts_with(expected) && !told.contains("hemmelig"), "{told}");
    }
    let keys = |keys: &str| {
        let (issuer, audience) = (String::new(), String::new());
        let tokens =
            tokens::Settings { keys: keys.into(), issuer, audience, leeway: std::time::Duration::ZERO };
        let known = door::Settings { tls: None, tokens: Some(tokens), callers: Vec::new() };
        Door::new(&known).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(keys("{").starts_with("grpc.tokens: this is no JWK set"), "{}", keys("{"));
    assert_eq!(keys(r#"{"keys":[]}"#), "grpc.tokens: the JWK set has no key");
    // A symmetric key would let everybody who can check a token make one; an RSA key that does not say its algorithm would
    // let the token choose it.
    for key in [
        r#"{"kty":"oct","k":"aGVtbWVsaWc","alg":"HS256"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","alg":"RSA-OAEP"}"#,
        r#"{"kty":"EC","crv":"P-256","use":"enc","x":"AQAB","y":"AQAB"}"#,
    ] {
        let told = keys(&format!(r#"{{"keys":[{key}]}}"#));
        assert!(told.starts_with("grpc.tokens: key 1 of the JWK set cannot verify tokens"), "{key}: {told}");
    }
}
