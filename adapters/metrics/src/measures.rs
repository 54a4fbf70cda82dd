//! What is measured of the hot path.

use std::collections::BTreeMap;

use samspor_domain::SourceName;
use samspor_engine::Measures;

use crate::family::{Family, Value};

pub(crate) fn families(measures: &Measures, passed: BTreeMap<SourceName, u64>) -> Vec<Family> {
    let mut left_out = Family::counter(
        "samspor_source_passed",
        "Elements and lines that the mapping passed over by its [[pass]] rules, by source.",
    );
    for (source, passed) in passed {
        left_out.add([("source", source.as_str())], passed);
    }
    let mut commits = Family::histogram(
        "samspor_commit_duration_seconds",
        "How long a transaction of arrivals took until it was durable, deciding included.",
    );
    commits.add([], Value::Durations(measures.commit_micros()));
    let mut items = Family::histogram(
        "samspor_commit_items",
        "How many items such a transaction took in; 0 where it only noted what targets have.",
    );
    items.add([], Value::Sizes(measures.commit_items()));
    let mut confirms = Family::histogram(
        "samspor_target_confirm_duration_seconds",
        "How long the target took from being handed a batch of records to having confirmed all of it.",
    );
    for (target, reading) in measures.confirm_micros() {
        confirms.add([("target", target.as_str())], Value::Durations(reading));
    }
    vec![commits, items, confirms, left_out]
}
