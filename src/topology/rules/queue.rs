//! What holds for every queue: what it is, and by which ways messages leave it other than through a consumer.

use std::collections::BTreeMap;

use samspor_http::management::{Effective, Origin, Queue, Setting};
use serde_json::{Value, json};

use super::DeadLetters;
use crate::config::QueueType;
use crate::topology::report::{Finding, Grade};

/// Whose queue it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The gateway consumes from it.
    Source,
    /// The gateway publishes to it by name.
    Target,
    /// A reader has bound it to the exchange that the gateway publishes to.
    Reader,
}

/// From so many deliveries on a limit is none: with waits of up to half a minute, more than a month.
const NO_LIMIT: i64 = 100_000;

/// What a queue is, against what was meant.
pub(crate) fn found(queue: &Queue, meant: Option<QueueType>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let word = match meant {
        Some(QueueType::Quorum) => "quorum",
        Some(QueueType::Classic) => "classic",
        None => queue.kind.as_str(),
    };
    let anew = "make the queue anew; its type and its arguments are for life";
    if queue.kind == "stream" && meant.is_some() {
        let says = "it is a stream, which gives nothing away and drops what is old, and not a queue";
        findings.push(Finding::fault("type", says, anew));
    } else if queue.kind == word {
        findings.push(Finding::good("type", format!("it is a {word} queue")));
    } else if word == "quorum" {
        let says =
            format!("it is a {} queue, on one node, and the configuration means a quorum queue", queue.kind);
        let advice = format!("{anew}; or set queue_type = \"classic\", if one node is enough");
        findings.push(Finding::fault("type", says, advice));
    } else {
        let says = format!("it is a {} queue, and the configuration says {word}", queue.kind);
        findings.push(Finding::notice("type", says, format!("set queue_type = \"{}\"", queue.kind)));
    }
    for (is_so, says) in [
        (!queue.durable, "it is not durable: it and its messages go when the broker restarts"),
        (queue.auto_delete, "it is auto-delete: it goes, with its messages, when its last consumer leaves"),
        (queue.exclusive, "it is exclusive: it belongs to one connection, and goes with it"),
    ] {
        if is_so {
            findings.push(Finding::fault("durable", says, "make it anew, durable and neither of the others"));
        }
    }
    if queue.durable && !queue.auto_delete && !queue.exclusive {
        findings.push(Finding::good("durable", "it is durable"));
    }
    if let Some(state @ ("down" | "stopped" | "crashed" | "minority" | "terminated")) = queue.state.as_deref()
    {
        let says = format!("its state is {state}: it takes and gives nothing");
        findings.push(Finding::fault("state", says, "see what the broker's nodes say in their logs"));
    }
    findings
}

/// Where a queue's dead letters go: exchange and key.
pub(crate) fn dead_letters_to(holds: &Effective) -> Option<(&str, Option<&str>)> {
    let exchange = holds.dead_letter_exchange.as_ref()?;
    Some((&exchange.value, holds.dead_letter_routing_key.as_ref().map(|key| key.value.as_str())))
}

/// Every way by which messages leave a queue other than through a consumer.
pub(super) fn leaves(role: Role, queue: &Queue, holds: &Effective, dead: &DeadLetters) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !queue.policy_is_known() {
        let says = "the management interface does not say which policies hold for it";
        findings.push(Finding::notice(
            "policy",
            says,
            "ask again in some seconds; a new queue is known late",
        ));
    }
    let goes = match dead {
        DeadLetters::Kept(name) => format!("goes to the dead-letter exchange '{name}' unread"),
        _ => "is lost".to_owned(),
    };
    if let Some(ttl) = &holds.message_ttl {
        let says = format!("a message that waits for {} ms {goes} ({})", ttl.value, origin(&ttl.origin));
        findings.push(Finding::fault("message-ttl", says, without(&ttl.origin)));
    }
    if let Some(expires) = &holds.expires {
        let says = format!(
            "without a consumer for {} ms the queue is deleted with all that is in it ({})",
            expires.value,
            origin(&expires.origin)
        );
        findings.push(Finding::fault("expires", says, without(&expires.origin)));
    }
    for (check, unit, limit) in [
        ("max-length", "messages", &holds.max_length),
        ("max-length-bytes", "bytes", &holds.max_length_bytes),
    ] {
        let Some(limit) = limit else { continue };
        let overflow = holds.overflow.as_ref().map_or("drop-head", |overflow| overflow.value.as_str());
        let at = format!("at {} {unit} ({})", limit.value, origin(&limit.origin));
        let (says, advice) = match (overflow, role) {
            ("drop-head", _) => {
                let advice = format!("{}, or set its overflow to reject-publish", without(&limit.origin));
                findings.push(Finding::fault(check, format!("{at} the oldest message {goes}"), advice));
                continue;
            }
            (_, Role::Source) => (
                "it refuses what is published, and only publishers that ask for confirms notice",
                "see to it that they do, or that there is room for as long as the gateway may be away",
            ),
            (_, Role::Target | Role::Reader) => (
                "it refuses what is published: all of this target waits until there is room",
                "see to it that there is room for as long as its reader may be away",
            ),
        };
        findings.push(Finding::notice(check, format!("{at} {says}"), advice));
    }
    findings.extend(delivery_limit(role, holds.delivery_limit.as_ref(), &goes));
    if role == Role::Source && queue.policy_is_known() {
        let drops = ["message-ttl", "expires", "max-length", "max-length-bytes", "delivery-limit"];
        let clean = drops.iter().filter(|check| findings.iter().all(|found| found.check != **check));
        let clean: Vec<&str> = clean.copied().collect();
        if !clean.is_empty() {
            findings.push(Finding::good("limits", format!("it has no {}", clean.join(", no "))));
        }
    }
    if role == Role::Reader {
        soften(&mut findings);
    }
    findings
}

/// What a reader's own queue does is the reader's own business, and worth knowing.
pub(super) fn soften(findings: &mut [Finding]) {
    for finding in findings {
        finding.grade = finding.grade.min(Grade::Notice);
    }
}

fn delivery_limit(role: Role, limit: Option<&Setting<i64>>, goes: &str) -> Option<Finding> {
    const CHECK: &str = "delivery-limit";
    let limit = limit.filter(|limit| (0..NO_LIMIT).contains(&limit.value))?;
    let said = format!("after {} deliveries a message {goes} ({})", limit.value, origin(&limit.origin));
    if role != Role::Source {
        let advice = "let the reader acknowledge what it has, or give the queue a dead-letter exchange";
        return Some(Finding::notice(CHECK, said, advice));
    }
    let says =
        format!("{said}; the gateway gives messages back, once or twice a minute, while its store is away");
    let advice = match &limit.origin {
        Origin::Default => {
            "set a policy with delivery-limit -1, or let a new queue have x-delivery-limit".to_owned()
        }
        origin => without(origin),
    };
    Some(Finding::fault(CHECK, says, advice))
}

/// The dead-letter exchange of a queue that the gateway consumes from.
pub(super) fn dead_letters(queue: &Queue, dead: &DeadLetters) -> Option<Finding> {
    const CHECK: &str = "dead-letter-exchange";
    let advice = "`rabbitmqctl set_policy` gives it one: docs/broker.md has the whole command";
    Some(match dead {
        DeadLetters::None if !queue.policy_is_known() => return None,
        DeadLetters::None => {
            let says =
                "it has no dead-letter exchange: what a limit drops, now or later, is gone without a trace";
            Finding::fault(CHECK, says, advice)
        }
        DeadLetters::NoExchange(name) => {
            let says = format!("its dead-letter exchange '{name}' does not exist: what it is given is gone");
            Finding::fault(CHECK, says, format!("make the exchange '{name}', and bind a queue to it"))
        }
        DeadLetters::NoQueue(name) => {
            let says = format!("no queue takes what its dead-letter exchange '{name}' is given: it is gone");
            Finding::fault(CHECK, says, format!("bind a durable queue to the exchange '{name}'"))
        }
        DeadLetters::Unseen(name, why) => {
            let says = format!("its dead-letter exchange '{name}' was not seen: {why}");
            Finding::notice(CHECK, says, "see to it that it exists and that a queue is bound to it")
        }
        DeadLetters::Kept(name) => {
            Finding::good(CHECK, format!("what a limit drops goes to '{name}', and is kept"))
        }
    })
}

/// The arguments by which a broker tells a declaration from the queue that is there.
const COMPARED: [&str; 12] = [
    "x-queue-type",
    "x-delivery-limit",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-message-ttl",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-overflow",
    "x-max-priority",
    "x-single-active-consumer",
];

/// Whether the gateway's declaration of a queue that is there goes through.
pub(super) fn declaration(queue: &Queue, meant: QueueType) -> Option<Finding> {
    let declared: BTreeMap<&str, Value> = match meant {
        QueueType::Quorum => BTreeMap::from([
            ("x-queue-type", json!("quorum")),
            ("x-delivery-limit", json!(samspor_amqp::DELIVERY_LIMIT)),
        ]),
        QueueType::Classic => BTreeMap::from([("x-queue-type", json!("classic"))]),
    };
    let has = |argument: &str| match (argument, queue.arguments.get(argument)) {
        // A queue without this argument is classic.
        ("x-queue-type", None) => Some(json!(queue.kind)),
        (_, value) => value.cloned(),
    };
    let mut differs: Vec<&str> =
        COMPARED.into_iter().filter(|argument| has(argument).as_ref() != declared.get(argument)).collect();
    if !queue.durable || queue.auto_delete || queue.exclusive {
        differs.push("durable");
    }
    if differs.is_empty() {
        return None;
    }
    let says = format!(
        "the gateway is to declare it (topology = \"declare\"), and the broker will refuse that, since it differs in {}",
        differs.join(", ")
    );
    Some(Finding::fault(
        "declaration",
        says,
        "set topology = \"check\", or delete the queue and let the gateway make it",
    ))
}

pub(super) fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Argument(argument) => format!("argument {argument}"),
        Origin::Policy(key, names) => format!("{key} of policy {}", names.0.join(" or ")),
        Origin::Default => "RabbitMQ's own default".to_owned(),
    }
}

pub(super) fn without(origin: &Origin) -> String {
    match origin {
        Origin::Argument(argument) => format!("make the queue anew without {argument}, which is for life"),
        Origin::Policy(key, names) => format!("take {key} out of the policy {}", names.0.join(" or ")),
        Origin::Default => "set it by policy".to_owned(),
    }
}
