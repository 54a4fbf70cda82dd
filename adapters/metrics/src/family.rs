//! Families of metrics with their values, and how they are written.

#![expect(clippy::disallowed_types, reason = "what a metric says is no money")]

use std::fmt::Error;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use samspor_engine::Reading;

/// What the endpoint answers with.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Labels with their values. None is personal: they are words of the contract, and names that the configuration gives.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// A metric with all its series. One without any is written too, so that all that there is can be seen.
#[derive(Debug, Clone)]
pub(crate) struct Family {
    /// Its name; a counter's and an information's without their endings.
    name: &'static str,
    help: &'static str,
    kind: Kind,
    series: Vec<(Labels, Value)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

/// A series' value.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Number(i64),
    Seconds(Duration),
    /// In microseconds, shown in seconds.
    Durations(Reading),
    Sizes(Reading),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::from(number as u64)
    }
}

impl From<bool> for Value {
    fn from(is_so: bool) -> Self {
        Self::Number(i64::from(is_so))
    }
}

impl From<Duration> for Value {
    fn from(duration: Duration) -> Self {
        Self::Seconds(duration)
    }
}

impl Family {
    /// What only grows while the process lives; its series end in `_total`.
    pub(crate) fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: Kind::Counter, series: Vec::new() }
    }

    pub(crate) fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: Kind::Gauge, series: Vec::new() }
    }

    pub(crate) fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: Kind::Histogram, series: Vec::new() }
    }

    /// What its labels say; its one series ends in `_info`.
    pub(crate) fn info(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: Kind::Info, series: Vec::new() }
    }

    /// Adds a series.
    pub(crate) fn add<const N: usize>(&mut self, labels: [(&'static str, &str); N], value: impl Into<Value>) {
        let labels = labels.map(|(label, value)| (label, value.to_owned())).to_vec();
        self.series.push((labels, value.into()));
    }

    /// The same with a value that has no labels.
    pub(crate) fn of(mut self, value: impl Into<Value>) -> Self {
        self.add([], value);
        self
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let kind = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
            Kind::Info => MetricType::Info,
        };
        let mut metric = encoder.encode_descriptor(self.name, self.help, None, kind)?;
        for (labels, value) in &self.series {
            if self.kind == Kind::Info {
                metric.encode_info(labels)?;
            } else if labels.is_empty() {
                self.encode_value(&mut metric, value)?;
            } else {
                self.encode_value(&mut metric.encode_family(labels)?, value)?;
            }
        }
        Ok(())
    }

    fn encode_value(&self, metric: &mut MetricEncoder<'_>, value: &Value) -> Result<(), Error> {
        match value {
            Value::Number(number) if self.kind == Kind::Counter => {
                let number = u64::try_from(*number).unwrap_or_default();
                metric.encode_counter::<NoLabelSet, _, f64>(&number, None)
            }
            Value::Number(number) => metric.encode_gauge(number),
            Value::Seconds(seconds) if self.kind == Kind::Counter => {
                metric.encode_counter::<NoLabelSet, _, f64>(&seconds.as_secs_f64(), None)
            }
            Value::Seconds(seconds) => metric.encode_gauge(&seconds.as_secs_f64()),
            Value::Durations(reading) => {
                encode_histogram(metric, reading, |micros| Duration::from_micros(micros).as_secs_f64())
            }
            Value::Sizes(reading) => encode_histogram(metric, reading, |size| size as f64),
        }
    }
}

fn encode_histogram(
    metric: &mut MetricEncoder<'_>,
    reading: &Reading,
    shown: impl Fn(u64) -> f64,
) -> Result<(), Error> {
    let bucket = |(bound, values): &(Option<u64>, u64)| (bound.map_or(f64::INFINITY, &shown), *values);
    let buckets: Vec<_> = reading.buckets.iter().map(bucket).collect();
    metric.encode_histogram::<NoLabelSet>(shown(reading.sum), reading.count(), &buckets, None)
}

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        self.0.iter().try_for_each(|family| family.encode(&mut encoder))
    }
}

/// The families as text.
pub(crate) fn written(families: Vec<Family>) -> Result<String, Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(families)));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_written_as_the_format_has_it() {
        let mut items = Family::counter("items", "Items.");
        items.add([("source", "a \"b\"\n\\c")], 7_i64);
        let reading = Reading { buckets: vec![(Some(500), 2), (Some(1_000), 0), (None, 1)], sum: 2_500_000 };
        let mut took = Family::histogram("took_seconds", "Took.");
        took.add([("target", "t")], Value::Durations(reading.clone()));
        let mut size = Family::histogram("size", "Size.");
        size.add([], Value::Sizes(reading));
        let mut build = Family::info("build", "Build.");
        build.add([("version", "1")], true);
        let families = vec![
            items,
            took,
            size,
            build,
            Family::gauge("since_seconds", "Since.").of(Duration::from_millis(1_500)),
            Family::gauge("none", "None."),
        ];
        let expected = r#"# HELP items Items.
# TYPE items counter
items_total{source="a \"b\"\n\\c"} 7
# HELP took_seconds Took.
# TYPE took_seconds histogram
took_seconds_sum{target="t"} 2.5
took_seconds_count{target="t"} 3
took_seconds_bucket{le="0.0005",target="t"} 2
took_seconds_bucket{le="0.001",target="t"} 2
took_seconds_bucket{le="+Inf",target="t"} 3
# HELP size Size.
# TYPE size histogram
size_sum 2500000.0
size_count 3
size_bucket{le="500.0"} 2
size_bucket{le="1000.0"} 2
size_bucket{le="+Inf"} 3
# HELP build Build.
# TYPE build info
build_info{version="1"} 1
# HELP since_seconds Since.
# TYPE since_seconds gauge
since_seconds 1.5
# HELP none None.
# TYPE none gauge
# EOF
"#;
        assert_eq!(written(families).expect("written"), expected);
    }
}
