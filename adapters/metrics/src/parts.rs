//! What the status board says: how the parts are doing, and since when.

use std::time::Duration;

use samspor_domain::Text;
use samspor_engine::{Condition, Parts, is_ready};

use crate::family::Family;

/// Every condition.
const CONDITIONS: [Condition; 5] = [
    Condition::Starting,
    Condition::Up,
    Condition::Down(String::new()),
    Condition::Paused,
    Condition::Stopped,
];

pub(crate) fn families(parts: &Parts) -> Vec<Family> {
    let ready = Family::gauge(
        "samspor_ready",
        "1 where every part works, was paused or warns only (`clock`, `scrubbing`), else 0.",
    )
    .of(is_ready(parts));
    let mut conditions = Family::gauge(
        "samspor_part_condition",
        "1 for the condition that the part is in, 0 for the others: starting, up, down, paused, stopped.",
    );
    let mut since = Family::gauge(
        "samspor_part_since_timestamp_seconds",
        "Since when the part is in its condition, in seconds since 1970.",
    );
    for (part, report) in parts {
        for condition in CONDITIONS {
            let word = condition.word();
            conditions.add([("part", part), ("condition", word)], word == report.condition.word());
        }
        let millis = u64::try_from(report.since.as_millisecond()).unwrap_or_default();
        since.add([("part", part)], Duration::from_millis(millis));
    }
    vec![ready, conditions, since]
}

/// The targets that there are.
pub(crate) fn targets(parts: &Parts) -> Vec<Text> {
    parts.keys().filter_map(|part| Text::new(part.strip_prefix("target ")?).ok()).collect()
}
