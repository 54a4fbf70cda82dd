//! The span that a message says it was sent in.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use samspor_domain::Delivery;

const HEADER: &str = "traceparent";
/// A header of version 00 has 55 bytes. Later versions may be longer, and begin with the same.
const BYTES: std::ops::RangeInclusive<usize> = 55..=256;

/// Shows the library this header and no other, so that `tracestate` and `baggage` stay outside.
struct Header<'a>(&'a str);

impl Extractor for Header<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == HEADER).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![HEADER]
    }
}

/// The context that a delivery came with, if it says one rightly and that is sampled.
pub(crate) fn sampled(delivery: &Delivery) -> Option<Context> {
    let header = delivery.headers.get(HEADER).filter(|header| BYTES.contains(&header.len()))?;
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Header(header));
    context.span().span_context().is_sampled().then_some(context)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn with(headers: &[(&str, &str)]) -> Delivery {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Delivery { headers: headers.collect::<BTreeMap<_, _>>(), ..Delivery::default() }
    }

    #[test]
    fn a_sampled_header_is_taken_and_nothing_beside_it() {
        let delivery = with(&[(HEADER, SAMPLED), ("tracestate", "cpr=x"), ("baggage", "who=y")]);
        let context = sampled(&delivery).expect("it is sampled");
        let span = context.span().span_context().clone();
        assert_eq!(span.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(span.span_id().to_string(), "00f067aa0ba902b7");
        assert_eq!(span.trace_state().header(), "");
        // A version to come: longer, and with flags that are not known yet.
        let newer = format!("cc-{}ff-and-more", &SAMPLED[3..53]);
        assert!(sampled(&with(&[(HEADER, &newer)])).is_some());
    }

    #[test]
    fn what_is_not_sampled_or_no_such_header_is_nothing() {
        assert!(sampled(&Delivery::default()).is_none());
        assert!(sampled(&with(&[("Traceparent", SAMPLED)])).is_none(), "names of AMQP headers have a case");
        let oversized = format!("cc{}-{}", &SAMPLED[2..], "0".repeat(10_000));
        let (no_flags, upper) = (SAMPLED.replace("-01", "-zz"), SAMPLED.to_uppercase());
        for text in [
            "",
            "00-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", // not sampled
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01", // no trace
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", // no span
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", // forbidden version
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", // version 00 ends there
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-001",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "æøåæøåæøåæøåæøåæøåæøåæøåæøåæøåæøåæøåæøå",
            &oversized,
            &no_flags,
            &upper,
        ] {
            assert!(sampled(&with(&[(HEADER, text)])).is_none(), "{text}");
        }
    }
}
