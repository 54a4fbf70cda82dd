//! Every risk that is named, caused on a sound topology, one at a time.

use samspor_http::management::{Exchange, Permissions, Queue, Version};
use serde_json::{Value, json};

use super::*;
use crate::config::{self, Config};
use crate::topology::report::{Finding, Grade};

const OWN: &str = "samspor source opus";
const FOUR: Option<Version> = Some(Version { major: 4, minor: 1 });

const CONFIGURATION: &str = r#"
charts.dir = "charts"
brokers.bf.url_env = "A"

[[sources]]
name = "opus"
format = "json"
amqp = { broker = "bf", queue = "postings" }

[[targets]]
name = "ledger"
audience = "ledger"
amqp = { broker = "bf", queue = "tagged" }

[[targets]]
name = "lis"
audience = "lis"
amqp = { broker = "bf", exchange = "lis" }
"#;

fn amqp(target: &config::Target) -> &config::Amqp {
    match &target.way {
        config::Way::Amqp(amqp) => amqp,
        config::Way::Http(_) | config::Way::Folder(_) | config::Way::Distributor(_) => {
            panic!("it goes to a broker")
        }
    }
}

fn of_queue(source: &config::Source) -> &config::Queue {
    match &source.way {
        config::SourceWay::Amqp(queue) => queue,
        config::SourceWay::Folder(_) => panic!("it comes from a broker"),
    }
}

fn configuration(old: &str, new: &str) -> Config {
    assert!(CONFIGURATION.contains(old), "{old}");
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
    std::fs::create_dir(dir.path().join("charts")).expect("made");
    write("charts/2026.toml", "[[rule]]\naccount = \"5\"\narea = \"a\"\nkind = \"service\"\n");
    write("gateway.toml", &CONFIGURATION.replacen(old, new, 1));
    config::load(&dir.path().join("gateway.toml")).unwrap_or_else(|e| panic!("{e}"))
}

/// A sound queue with something else put in.
fn queue(with: Value) -> Queue {
    let mut queue = json!({
        "type": "quorum", "durable": true, "auto_delete": false, "exclusive": false, "state": "running",
        "arguments": {"x-queue-type": "quorum"}, "policy": "safe", "consumer_details": [],
        "effective_policy_definition": {"dead-letter-exchange": "dead", "delivery-limit": -1}
    });
    for (key, value) in with.as_object().expect("an object") {
        match (key.as_str(), value) {
            ("arguments" | "effective_policy_definition", Value::Object(more)) => {
                queue[key].as_object_mut().expect("an object").extend(more.clone());
            }
            _ => queue[key] = value.clone(),
        }
    }
    serde_json::from_value(queue).unwrap_or_else(|e| panic!("{e}"))
}

fn all() -> Seen<Permissions> {
    let all = || ".*".to_owned();
    Ok(Some(Permissions { configure: all(), write: all(), read: all() }))
}

fn sound() -> SourceSeen {
    SourceSeen {
        version: FOUR,
        user: "gateway".into(),
        queue: Ok(Some(queue(json!({})))),
        dead_letters: DeadLetters::Kept("dead".into()),
        bindings: Ok(1),
        consumers: Vec::new(),
        permissions: all(),
    }
}

/// What is not good, as `check` and grade.
fn not_good(findings: &[Finding]) -> Vec<(&'static str, Grade)> {
    let bad = findings.iter().filter(|finding| finding.grade != Grade::Good);
    bad.inspect(|finding| assert!(finding.advice.is_some(), "{}", finding.says))
        .map(|finding| (finding.check, finding.grade))
        .collect()
}

fn of_source(change: (&str, &str), seen: &SourceSeen) -> Vec<(&'static str, Grade)> {
    not_good(&source(of_queue(&configuration(change.0, change.1).sources[0]), seen, OWN))
}

const AS_IT_IS: (&str, &str) = ("", "");

#[test]
fn a_sound_source_is_good() {
    assert_eq!(of_source(AS_IT_IS, &sound()), []);
    let config = configuration("", "");
    assert!(source(of_queue(&config.sources[0]), &sound(), OWN).len() >= 5, "what is good is said");
}

#[test]
fn each_risk_of_a_source_is_named_and_nothing_else() {
    use Grade::{Fault, Notice};
    for (with, expected) in [
        (json!({"arguments": {"x-delivery-limit": 5}}), vec![("delivery-limit", Fault)]),
        (json!({"effective_policy_definition": {"delivery-limit": 20}}), vec![("delivery-limit", Fault)]),
        (json!({"effective_policy_definition": {"delivery-limit": null}}), vec![("delivery-limit", Fault)]),
        (json!({"arguments": {"x-delivery-limit": i32::MAX}}), vec![]),
        (json!({"arguments": {"x-message-ttl": 60_000}}), vec![("message-ttl", Fault)]),
        (json!({"effective_policy_definition": {"message-ttl": 0}}), vec![("message-ttl", Fault)]),
        (json!({"arguments": {"x-expires": 60_000}}), vec![("expires", Fault)]),
        (json!({"arguments": {"x-max-length": 10}}), vec![("max-length", Fault)]),
        (
            json!({"effective_policy_definition": {"max-length-bytes": 10, "overflow": "drop-head"}}),
            vec![("max-length-bytes", Fault)],
        ),
        (
            json!({"arguments": {"x-max-length": 10, "x-overflow": "reject-publish"}}),
            vec![("max-length", Notice)],
        ),
        (json!({"arguments": {"x-consumer-timeout": 60_000}}), vec![("consumer-timeout", Fault)]),
        (
            json!({"effective_policy_definition": {"consumer-timeout": 299_999}}),
            vec![("consumer-timeout", Fault)],
        ),
        (json!({"effective_policy_definition": {"consumer-timeout": 300_000}}), vec![]),
        (json!({"type": "classic", "arguments": {"x-queue-type": "classic"}}), vec![("type", Fault)]),
        (json!({"type": "stream"}), vec![("type", Fault)]),
        (json!({"durable": false}), vec![("durable", Fault)]),
        (json!({"auto_delete": true}), vec![("durable", Fault)]),
        (json!({"exclusive": true}), vec![("durable", Fault)]),
        (json!({"state": "minority"}), vec![("state", Fault)]),
        (json!({"effective_policy_definition": ""}), vec![("policy", Notice), ("delivery-limit", Fault)]),
    ] {
        let seen = SourceSeen { queue: Ok(Some(queue(with.clone()))), ..sound() };
        assert_eq!(of_source(AS_IT_IS, &seen), expected, "{with}");
    }
    // Before 4 a queue had no limit of its own.
    let old = SourceSeen {
        version: Some(Version { major: 3, minor: 10 }),
        queue: Ok(Some(queue(json!({"effective_policy_definition": {"delivery-limit": null}})))),
        ..sound()
    };
    assert_eq!(of_source(AS_IT_IS, &old), []);
}

#[test]
fn a_queue_to_which_no_exchange_leads_gets_only_what_names_it() {
    for (bindings, expected) in
        [(Ok(0), Some(Grade::Notice)), (Ok(1), None), (Err("not allowed".to_owned()), Some(Grade::Notice))]
    {
        let seen = SourceSeen { bindings, ..sound() };
        assert_eq!(
            of_source(AS_IT_IS, &seen),
            expected.map(|grade| ("binding", grade)).into_iter().collect::<Vec<_>>()
        );
    }
}

#[test]
fn what_a_limit_drops_must_be_kept() {
    let named = || "dead".to_owned();
    for (dead_letters, expected) in [
        (DeadLetters::None, Grade::Fault),
        (DeadLetters::NoExchange(named()), Grade::Fault),
        (DeadLetters::NoQueue(named()), Grade::Fault),
        (DeadLetters::Unseen(named(), "away".into()), Grade::Notice),
    ] {
        let seen = SourceSeen { dead_letters, ..sound() };
        assert_eq!(of_source(AS_IT_IS, &seen), [("dead-letter-exchange", expected)]);
    }
}

#[test]
fn what_is_missing_is_a_fault_unless_the_gateway_makes_it() {
    let missing = SourceSeen { queue: Ok(None), ..sound() };
    let declares = ("queue = \"postings\"", "queue = \"postings\", topology = \"declare\"");
    assert_eq!(of_source(AS_IT_IS, &missing), [("queue", Grade::Fault)]);
    assert_eq!(of_source(declares, &missing), [("queue", Grade::Notice)]);
    let unseen = SourceSeen { queue: Err("it broke".into()), ..sound() };
    assert_eq!(of_source(AS_IT_IS, &unseen), [("management", Grade::Fault)]);
    // Another queue of that name is there already.
    assert_eq!(of_source(declares, &sound()), [("declaration", Grade::Fault)]);
    let own = queue(json!({"arguments": {"x-delivery-limit": i32::MAX}}));
    assert_eq!(of_source(declares, &SourceSeen { queue: Ok(Some(own)), ..sound() }), []);
}

#[test]
fn an_acknowledgement_timeout_is_held_against_the_prefetch() {
    let many = ("queue = \"postings\"", "queue = \"postings\", prefetch = 1000, batch = 1");
    assert_eq!(of_source(many, &sound()), [("consumer-timeout", Grade::Notice)]);
    let short = queue(json!({"effective_policy_definition": {"consumer-timeout": 9_999_999}}));
    let seen = SourceSeen { queue: Ok(Some(short)), ..sound() };
    assert_eq!(of_source(many, &seen), [("consumer-timeout", Grade::Fault)]);
    let long = queue(json!({"effective_policy_definition": {"consumer-timeout": 10_000_000}}));
    assert_eq!(of_source(many, &SourceSeen { queue: Ok(Some(long)), ..sound() }), []);
}

#[test]
fn nobody_else_consumes() {
    let consumer = |name: Seen<String>| Consumer { from: "a -> b".into(), name };
    let named = |name: &str| consumer(Ok(Some(name.to_owned())));
    let hidden = || consumer(Err("Not monitor user".into()));
    for (consumers, expected) in [
        (vec![named(OWN)], None),
        (vec![named(OWN), named(OWN)], Some(Grade::Fault)),
        (vec![named("other")], Some(Grade::Fault)),
        (vec![named(OWN), named("other")], Some(Grade::Fault)),
        (vec![consumer(Ok(None))], Some(Grade::Fault)),
        (vec![hidden()], Some(Grade::Notice)),
        (vec![hidden(), hidden()], Some(Grade::Fault)),
    ] {
        let seen = SourceSeen { consumers: consumers.clone(), ..sound() };
        let expected: Vec<_> = expected.map(|grade| ("consumers", grade)).into_iter().collect();
        assert_eq!(of_source(AS_IT_IS, &seen), expected, "{consumers:?}");
    }
}

#[test]
fn permissions_are_held_against_what_is_done() {
    let only = |configure: &str, write: &str, read: &str| {
        let (configure, write, read) = (configure.to_owned(), write.to_owned(), read.to_owned());
        Ok(Some(Permissions { configure, write, read }))
    };
    for (permissions, expected) in [
        (only("", "", "^postings$"), None),
        (only(".*", ".*", "^other$"), Some(Grade::Fault)),
        (only(".*", ".*", ""), Some(Grade::Fault)),
        (only("", "", "(?=p)"), Some(Grade::Notice)),
        (Ok(None), Some(Grade::Notice)),
        (Err("Not administrator user".into()), Some(Grade::Notice)),
    ] {
        let seen = SourceSeen { permissions, ..sound() };
        let expected: Vec<_> = expected.map(|grade| ("permission", grade)).into_iter().collect();
        assert_eq!(of_source(AS_IT_IS, &seen), expected, "{:?}", seen.permissions);
    }
    let config = configuration("", "");
    let place = || TargetPlace::Queue(Ok(Some(queue(json!({})))));
    for (permissions, expected) in [(only("", "^amq\\.default$", ""), 0), (only(".*", "^tagged$", ".*"), 1)] {
        let seen = TargetSeen { version: FOUR, user: "gateway".into(), place: place(), permissions };
        assert_eq!(not_good(&target(amqp(&config.targets[0]), &seen)).len(), expected);
    }
}

#[test]
fn each_risk_of_a_target_s_queue_is_named() {
    use Grade::{Fault, Notice};
    let config = configuration("", "");
    let found = |queue| {
        let place = TargetPlace::Queue(queue);
        let seen = TargetSeen { version: FOUR, user: "gateway".into(), place, permissions: all() };
        not_good(&target(amqp(&config.targets[0]), &seen))
    };
    assert_eq!(found(Ok(None)), [("queue", Fault)]);
    for (with, expected) in [
        (json!({}), vec![]),
        (json!({"effective_policy_definition": {"dead-letter-exchange": null}}), vec![]),
        (json!({"type": "classic"}), vec![("type", Fault)]),
        (json!({"arguments": {"x-message-ttl": 1}}), vec![("message-ttl", Fault)]),
        (json!({"arguments": {"x-max-length": 1}}), vec![("max-length", Fault)]),
        (
            json!({"arguments": {"x-max-length": 1, "x-overflow": "reject-publish"}}),
            vec![("max-length", Notice)],
        ),
        (json!({"effective_policy_definition": {"delivery-limit": 9}}), vec![("delivery-limit", Notice)]),
    ] {
        assert_eq!(found(Ok(Some(queue(with.clone())))), expected, "{with}");
    }
}

#[test]
fn every_key_of_an_exchange_is_taken_or_it_is_told() {
    use Grade::{Fault, Notice};
    let topic = || Exchange { kind: "topic".into(), durable: true, ..Exchange::default() };
    let bound = |key: &str, is_queue| Bound { key: key.into(), destination: "lis".into(), is_queue };
    let unrouted = ("exchange = \"lis\"", "exchange = \"lis\", allow_unrouted = true");
    let there = Some(("ae".to_owned(), true));
    let gone = Some(("ae".to_owned(), false));
    for (change, bindings, alternate, expected) in [
        (AS_IT_IS, vec![bound("#", true)], None, None),
        (AS_IT_IS, vec![bound("a.#", true), bound("*.*", true)], None, None),
        (AS_IT_IS, vec![], None, Some(Fault)),
        (AS_IT_IS, vec![bound("*", true)], None, Some(Fault)),
        (AS_IT_IS, vec![bound("sb.*", true)], None, Some(Notice)),
        (AS_IT_IS, vec![bound("#", false)], None, Some(Notice)),
        (unrouted, vec![], None, Some(Notice)),
        (AS_IT_IS, vec![], there, Some(Notice)),
        (AS_IT_IS, vec![], gone, Some(Fault)),
    ] {
        let config = configuration(change.0, change.1);
        let place = TargetPlace::Exchange {
            exchange: Ok(Some(topic())),
            bindings: Ok(bindings.clone()),
            alternate,
            queues: vec![("lis".into(), Ok(Some(queue(json!({})))))],
        };
        let seen = TargetSeen { version: FOUR, user: "gateway".into(), place, permissions: all() };
        let expected: Vec<_> = expected.map(|grade| ("binding", grade)).into_iter().collect();
        assert_eq!(not_good(&target(amqp(&config.targets[1]), &seen)), expected, "{bindings:?}");
    }
}

#[test]
fn exchanges_that_go_are_told_and_readers_queues_are_their_readers() {
    let config = configuration("", "");
    let found = |durable, queues| {
        let exchange = Exchange { kind: "topic".into(), durable, ..Exchange::default() };
        let place = TargetPlace::Exchange {
            exchange: Ok(Some(exchange)),
            bindings: Ok(vec![Bound { key: "#".into(), destination: "lis".into(), is_queue: true }]),
            alternate: None,
            queues,
        };
        let seen = TargetSeen { version: FOUR, user: "gateway".into(), place, permissions: all() };
        not_good(&target(amqp(&config.targets[1]), &seen))
    };
    assert_eq!(found(false, vec![]), [("durable", Grade::Fault)]);
    let classic = queue(json!({"type": "classic", "durable": false, "arguments": {"x-message-ttl": 1}}));
    let readers = vec![("lis".to_owned(), Ok(Some(classic)))];
    assert_eq!(found(true, readers), [("durable", Grade::Notice), ("message-ttl", Grade::Notice)]);
}
