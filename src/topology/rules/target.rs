//! What can happen to the records of a target.

use samspor_http::management::{Exchange, Queue, Version};

use super::permission::{DEFAULT_EXCHANGE, Right, permission};
use super::queue::{self, Role};
use super::{Bound, DeadLetters, Seen, TargetPlace, TargetSeen};
use crate::config::{Amqp, Route, Topology};
use crate::topology::keys::{Fit, Keys};
use crate::topology::report::Finding;

/// What was seen of a target, graded.
pub(crate) fn target(target: &Amqp, seen: &TargetSeen) -> Vec<Finding> {
    let declares = target.topology == Topology::Declare;
    let (name, writes_to) = match &target.route {
        Route::Queue(queue) => (queue, DEFAULT_EXCHANGE),
        Route::Exchange(exchange, _) | Route::Topic(exchange, _) => (exchange, exchange.as_str()),
    };
    let mut needs = vec![(Right::Write, writes_to)];
    if declares {
        needs.push((Right::Configure, name));
    }
    let mut findings = match &seen.place {
        TargetPlace::Queue(queue) => to_queue(target, queue, seen.version),
        TargetPlace::Exchange { exchange, bindings, alternate, queues } => {
            let mut findings = to_exchange(target, exchange, bindings, alternate.as_ref());
            findings.extend(readers(queues, seen.version));
            findings
        }
    };
    findings.push(permission(&seen.user, &seen.permissions, &needs));
    findings
}

fn missing(what: &str, declares: bool) -> Finding {
    if declares {
        let says = format!("the {what} does not exist yet; the gateway makes it at its first start");
        return Finding::notice(if what == "queue" { "queue" } else { "exchange" }, says, "look again then");
    }
    let check = if what == "queue" { "queue" } else { "exchange" };
    let advice = "make it (docs/broker.md says how), or set topology = \"declare\"";
    Finding::fault(check, format!("the {what} does not exist"), advice)
}

fn unseen(what: &str, why: &str) -> Finding {
    let says = format!("the {what} was not seen: {why}");
    Finding::fault("management", says, "see docs/broker.md for what the user needs")
}

fn to_queue(target: &Amqp, queue: &Seen<Queue>, version: Option<Version>) -> Vec<Finding> {
    let declares = target.topology == Topology::Declare;
    let queue = match queue {
        Ok(Some(queue)) => queue,
        Ok(None) => return vec![missing("queue", declares)],
        Err(why) => return vec![unseen("queue", why)],
    };
    let mut findings = queue::found(queue, Some(target.queue_type));
    if declares {
        findings.extend(queue::declaration(queue, target.queue_type));
    }
    findings.extend(leaves(Role::Target, queue, version));
    findings
}

/// What leaves a queue that somebody else reads. Its dead letters are its reader's, whether they are kept or not.
fn leaves(role: Role, queue: &Queue, version: Option<Version>) -> Vec<Finding> {
    let holds = queue.effective(version);
    let dead = match queue::dead_letters_to(&holds) {
        Some((exchange, _)) => DeadLetters::Kept(exchange.to_owned()),
        None => DeadLetters::None,
    };
    queue::leaves(role, queue, &holds, &dead)
}

fn readers(queues: &[(String, Seen<Queue>)], version: Option<Version>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, queue) in queues {
        let Ok(Some(queue)) = queue else { continue };
        let mut found = queue::found(queue, None);
        found.extend(leaves(Role::Reader, queue, version));
        found.retain(|finding| finding.advice.is_some());
        queue::soften(&mut found);
        for finding in &mut found {
            finding.says = format!("queue '{name}': {}", finding.says);
        }
        findings.extend(found);
    }
    findings
}

fn to_exchange(
    target: &Amqp,
    exchange: &Seen<Exchange>,
    bindings: &Result<Vec<Bound>, String>,
    alternate: Option<&(String, bool)>,
) -> Vec<Finding> {
    let declares = target.topology == Topology::Declare;
    let exchange = match exchange {
        Ok(Some(exchange)) => exchange,
        Ok(None) => return vec![missing("exchange", declares)],
        Err(why) => return vec![unseen("exchange", why)],
    };
    let mut findings = Vec::new();
    let anew = "make the exchange anew, durable and not auto-delete";
    if !exchange.durable {
        findings.push(Finding::fault("durable", "the exchange goes when the broker restarts", anew));
    }
    if exchange.auto_delete {
        findings.push(Finding::fault(
            "durable",
            "the exchange goes with its last binding (auto-delete)",
            anew,
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::good("exchange", format!("it is a durable {} exchange", exchange.kind)));
    }
    let differs = exchange.kind != "topic"
        || !exchange.durable
        || exchange.auto_delete
        || exchange.arguments.contains_key("alternate-exchange");
    if declares && differs {
        let says = "the gateway is to declare it (topology = \"declare\") as a durable topic exchange without arguments, \
                    and the broker will refuse that, since it is another";
        findings.push(Finding::fault("declaration", says, "set topology = \"check\""));
    }
    match bindings {
        Ok(bindings) => findings.push(binding(target, exchange, bindings, alternate)),
        Err(why) => findings.push(unseen("bindings", why)),
    }
    findings
}

/// The keys of a target that publishes to an exchange.
pub(crate) fn keys(route: &Route) -> Option<(Keys, &str)> {
    match route {
        Route::Queue(_) => None,
        Route::Exchange(_, key) => Some((Keys::fixed(key), key)),
        Route::Topic(_, template) => Some((Keys::of_template(template), template)),
    }
}

fn binding(
    target: &Amqp,
    exchange: &Exchange,
    bindings: &[Bound],
    alternate: Option<&(String, bool)>,
) -> Finding {
    const CHECK: &str = "binding";
    let Some((keys, template)) = keys(&target.route) else {
        return Finding::good(CHECK, "it needs none");
    };
    let mut best = Fit::None;
    for bound in bindings {
        let Some(fit) = keys.taken(&exchange.kind, &bound.key) else {
            let says = format!(
                "a {} exchange routes by more than the key, so what it does was not seen",
                exchange.kind
            );
            return Finding::notice(CHECK, says, "see to it that it passes every record to a queue");
        };
        // What another exchange does with it was not followed.
        best = best.max(if bound.is_queue { fit } else { fit.min(Fit::Some) });
    }
    let else_to = match alternate {
        Some((name, true)) => Some(name.as_str()),
        _ => None,
    };
    let nowhere = match alternate {
        Some((name, false)) => format!("goes to the alternate exchange '{name}', which does not exist"),
        Some((name, true)) => format!("goes to the alternate exchange '{name}'"),
        None => "goes nowhere".to_owned(),
    };
    let bind = format!("bind a durable queue to it, by '#' or by patterns that take every '{template}'");
    match (best, else_to) {
        (Fit::All, _) => Finding::good(CHECK, format!("a queue is bound that takes every '{template}'")),
        (Fit::None, Some(_)) => {
            Finding::notice(CHECK, format!("no binding takes '{template}': it {nowhere}"), bind)
        }
        (Fit::None, None) if target.allow_unrouted => {
            let says = format!(
                "no binding takes '{template}': it {nowhere}, and counts as delivered (allow_unrouted)"
            );
            Finding::notice(CHECK, says, bind)
        }
        (Fit::None, None) => {
            let says = format!(
                "no binding takes '{template}': it {nowhere}, and every record is parked as unrouted"
            );
            Finding::fault(CHECK, says, bind)
        }
        (Fit::Some, _) => {
            let says = format!(
                "its bindings take some of '{template}', and not each one of them all; what none takes {nowhere}"
            );
            let advice = if target.allow_unrouted {
                "see to it that the readers have bound what they want".to_owned()
            } else {
                format!("{bind}; or set allow_unrouted = true, if readers want only a part")
            };
            Finding::notice(CHECK, says, advice)
        }
    }
}
