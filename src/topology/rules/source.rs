//! What can happen to the messages of a source.

use super::permission::{Right, permission};
use super::queue::{self, Role};
use super::{Consumer, DEFAULT_TIMEOUT, SourceSeen, acknowledges_within};
use crate::config::{Queue, Topology};
use crate::topology::report::Finding;

/// What was seen of a source, graded.
pub(crate) fn source(source: &Queue, seen: &SourceSeen, own_name: &str) -> Vec<Finding> {
    let declares = source.topology == Topology::Declare;
    let mut needs = vec![(Right::Read, source.queue.as_str())];
    if declares {
        needs.push((Right::Configure, &source.queue));
    }
    let permission = permission(&seen.user, &seen.permissions, &needs);
    let queue = match &seen.queue {
        Ok(Some(queue)) => queue,
        Ok(None) if declares => {
            let says = "the queue does not exist yet; the gateway makes it at its first start";
            let advice = "look again then: policies that match it hold from then on";
            return vec![Finding::notice("queue", says, advice), permission];
        }
        Ok(None) => {
            let advice = "make it (docs/broker.md says how), or set topology = \"declare\"";
            return vec![Finding::fault("queue", "the queue does not exist", advice), permission];
        }
        Err(why) => {
            let says = format!("the queue was not seen: {why}");
            return vec![Finding::fault("management", says, "see docs/broker.md for what the user needs")];
        }
    };
    let holds = queue.effective(seen.version);
    let mut findings = queue::found(queue, Some(source.queue_type));
    if declares {
        findings.extend(queue::declaration(queue, source.queue_type));
    }
    findings.push(binding(&seen.bindings));
    findings.extend(queue::leaves(Role::Source, queue, &holds, &seen.dead_letters));
    findings.extend(queue::dead_letters(queue, &seen.dead_letters));
    findings.extend(timeout(source, holds.consumer_timeout.as_ref()));
    findings.push(consumers(&seen.consumers, own_name));
    findings.push(permission);
    findings
}

/// Whether an exchange leads to it. Publishers may name the queue itself, so that none need not be wrong.
fn binding(bindings: &Result<usize, String>) -> Finding {
    const CHECK: &str = "binding";
    match bindings {
        Ok(0) => Finding::notice(
            CHECK,
            "no exchange is bound to it: only what is published to the queue by its name arrives",
            "bind it to the exchange that the source system publishes to, if it publishes to one",
        ),
        Ok(1) => Finding::good(CHECK, "one binding of an exchange leads to it"),
        Ok(many) => Finding::good(CHECK, format!("{many} bindings of exchanges lead to it")),
        Err(why) => {
            let says = format!("whether an exchange is bound to it was not seen: {why}");
            Finding::notice(CHECK, says, "see docs/broker.md for what the user needs")
        }
    }
}

/// The acknowledgement timeout against what the gateway may need.
fn timeout(source: &Queue, timeout: Option<&samspor_http::management::Setting<i64>>) -> Option<Finding> {
    const CHECK: &str = "consumer-timeout";
    let needed = acknowledges_within(source);
    let needs = format!(
        "with prefetch {} and batch {} the gateway may need {} ms",
        source.prefetch,
        source.batch,
        needed.as_millis()
    );
    let Some(timeout) = timeout else {
        return (needed > DEFAULT_TIMEOUT).then(|| {
            let says =
                format!("{needs}, which is longer than the {} ms of most nodes", DEFAULT_TIMEOUT.as_millis());
            Finding::notice(
                CHECK,
                says,
                "lower prefetch, raise batch, or raise consumer_timeout of the nodes",
            )
        });
    };
    let (value, origin) = (timeout.value, queue::origin(&timeout.origin));
    if i128::from(value) < i128::try_from(needed.as_millis()).unwrap_or(i128::MAX) {
        let says =
            format!("it takes back what is not acknowledged within {value} ms ({origin}), and {needs}");
        let advice = format!("{}, raise it, or lower prefetch", queue::without(&timeout.origin));
        return Some(Finding::fault(CHECK, says, advice));
    }
    Some(Finding::good(CHECK, format!("{value} ms to acknowledge are enough ({origin})")))
}

/// Whoever else consumes gets messages that the gateway never sees.
fn consumers(consumers: &[Consumer], own_name: &str) -> Finding {
    const CHECK: &str = "consumers";
    let is_own = |consumer: &&Consumer| matches!(&consumer.name, Ok(Some(name)) if name == own_name);
    let own = consumers.iter().filter(is_own).count();
    let others: Vec<&Consumer> = consumers.iter().filter(|consumer| !is_own(consumer)).collect();
    let stop = "stop it, or give it a queue of its own";
    match (&others[..], own) {
        ([], 0) => Finding::good(CHECK, "nobody consumes from it now"),
        ([], 1) => Finding::good(CHECK, "the gateway alone consumes from it"),
        ([], more) => {
            let says = format!("{more} gateways consume from it, and each gets a part of the messages");
            Finding::fault(CHECK, says, "stop all but one")
        }
        ([Consumer { name: Err(why), from }], 0) => {
            let says = format!(
                "somebody consumes from it ({from}), and whether it is the gateway was not seen: {why}"
            );
            Finding::notice(CHECK, says, "to see it, let the management user have the tag monitoring")
        }
        (others, _) => {
            let name = |consumer: &&Consumer| match &consumer.name {
                Ok(Some(name)) => format!("'{name}' from {}", consumer.from),
                _ => consumer.from.clone(),
            };
            let names: Vec<String> = others.iter().map(name).collect();
            let says =
                format!("somebody else consumes from it, and takes messages away: {}", names.join("; "));
            Finding::fault(CHECK, says, stop)
        }
    }
}
