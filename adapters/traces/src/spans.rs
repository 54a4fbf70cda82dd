//! The spans, named and described by OpenTelemetry's semantic conventions for messaging, version 1.37.

use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags,
};
use opentelemetry::trace::{TraceId, TraceState, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use samspor_domain::store::Outcome;
use samspor_domain::{
    Delivery, Processing, Publishing, Reason, Sent, SourceName, Text, TraceContext, Traces,
};

use crate::parent;

/// What makes the spans.
pub struct Spans {
    tracer: SdkTracer,
    /// Whether some messages that are not sampled get traces of their own.
    begins: bool,
}

impl Spans {
    pub(crate) fn new(tracer: SdkTracer, begins: bool) -> Self {
        Self { tracer, begins }
    }

    /// A span; the sampler decides whether it is one.
    fn start(&self, kind: SpanKind, words: [&'static str; 2], place: &str, parent: &Context) -> Span {
        let [operation, operation_type] = words;
        self.tracer
            .span_builder(format!("{operation} {place}"))
            .with_kind(kind)
            .with_attributes([
                KeyValue::new("messaging.operation.name", operation),
                KeyValue::new("messaging.operation.type", operation_type),
                KeyValue::new("messaging.destination.name", place.to_owned()),
            ])
            .start_with_context(&self.tracer, parent)
    }
}

impl Traces for Spans {
    fn processing(&self, source: &SourceName, delivery: &Delivery) -> Option<Box<dyn Processing>> {
        let parent = match parent::sampled(delivery) {
            Some(parent) => parent,
            // A trace of its own, and not one more span of a trace whose others nobody sees.
            None if self.begins => Context::new(),
            None => return None,
        };
        let mut span = self.start(SpanKind::Consumer, ["process", "process"], source.as_str(), &parent);
        // Where a record goes may be another system than a broker.
        span.set_attribute(KeyValue::new("messaging.system", "rabbitmq"));
        span.span_context().is_sampled().then(|| Box::new(Open::new(span)) as Box<dyn Processing>)
    }

    fn publishing(&self, target: &Text, parent: TraceContext) -> Box<dyn Publishing> {
        let (trace, span) = (TraceId::from(parent.trace), SpanId::from(parent.span));
        let parent = SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE);
        let parent = Context::new().with_remote_span_context(parent);
        Box::new(Open::new(self.start(SpanKind::Producer, ["publish", "send"], target.as_str(), &parent)))
    }
}

/// A span that has not ended, with what it says where it is dropped.
struct Open {
    span: Span,
    context: TraceContext,
    is_done: bool,
}

impl Open {
    fn new(span: Span) -> Self {
        let context = span.span_context();
        let trace = u128::from_be_bytes(context.trace_id().to_bytes());
        let context = TraceContext { trace, span: u64::from_be_bytes(context.span_id().to_bytes()) };
        Self { span, context, is_done: false }
    }

    fn say(&mut self, key: &'static str, value: impl Into<opentelemetry::Value>) {
        self.span.set_attribute(KeyValue::new(key, value));
    }

    /// What went wrong, in the words of the conventions and of the gateway.
    fn fail(&mut self, word: &'static str) {
        self.say("error.type", word);
        self.span.set_status(Status::error(word));
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.is_done {
            self.fail("unanswered");
        }
        self.span.end();
    }
}

impl Processing for Open {
    fn context(&self) -> TraceContext {
        self.context
    }

    fn acknowledged(mut self: Box<Self>, items: &[(Outcome, Option<Reason>)]) {
        self.is_done = true;
        if let Some((first, _)) = items.first() {
            let alike = items.iter().all(|(outcome, _)| outcome == first);
            self.say("samspor.outcome", if alike { word(*first) } else { "mixed" });
        }
        if let Some(reason) = items.iter().find_map(|(_, reason)| *reason) {
            self.say("samspor.quarantine.reason", reason.word());
        }
        if items.len() != 1 {
            self.say("samspor.items", i64::try_from(items.len()).unwrap_or(i64::MAX));
        }
    }
}

impl Publishing for Open {
    fn context(&self) -> TraceContext {
        self.context
    }

    fn answered(mut self: Box<Self>, sent: &Sent) {
        self.is_done = true;
        match sent {
            // Why is the receiver's to say, in words that may hold anything.
            Sent::Refused(_) => self.fail("refused"),
            Sent::Broke(_) => self.fail("broke"),
            Sent::Later(..) => self.fail("later"),
            Sent::Unsent => self.fail("unsent"),
            Sent::Delivered | Sent::Answered(_) => {}
        }
    }
}

/// What became of an item, in one word.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Fact => "fact",
        Outcome::Posting => "posting",
        Outcome::Receipt => "receipt",
        Outcome::Duplicate => "duplicate",
        other => other.word(),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData};

    use super::*;
    use crate::queue::{self, Waiting};

    const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn spans(new_per_million: u32, room: usize) -> (Spans, Waiting) {
        let (queue, waiting) = queue::bounded(room);
        let ratio = Sampler::TraceIdRatioBased(crate::ratio(new_per_million));
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(ratio)))
            .with_span_processor(queue)
            .build();
        (Spans::new(provider.tracer("test"), new_per_million > 0), waiting)
    }

    fn delivery(traceparent: Option<&str>) -> Delivery {
        let headers = traceparent.map(|text| ("traceparent".to_owned(), text.to_owned()));
        Delivery { headers: headers.into_iter().collect(), ..Delivery::default() }
    }

    fn source() -> SourceName {
        "opus".parse().expect("a name")
    }

    fn next(waiting: &mut Waiting) -> SpanData {
        waiting.receive.try_recv().expect("a span has ended")
    }

    fn says(span: &SpanData, key: &str) -> Option<String> {
        let said = span.attributes.iter().find(|said| said.key.as_str() == key)?;
        Some(said.value.to_string())
    }

    #[test]
    fn a_record_s_span_is_the_child_of_its_message_s_which_is_the_sender_s() {
        let (spans, mut waiting) = spans(0, 8);
        let processing = spans.processing(&source(), &delivery(Some(SAMPLED))).expect("it is sampled");
        let publishing = spans.publishing(&"ledger".parse().expect("a name"), processing.context());
        let published_in = publishing.context();
        publishing.answered(&Sent::Delivered);
        processing.acknowledged(&[(Outcome::Posting, None)]);
        let (publishing, processing) = (next(&mut waiting), next(&mut waiting));
        assert_eq!(processing.parent_span_id.to_string(), "00f067aa0ba902b7");
        assert_eq!(publishing.parent_span_id, processing.span_context.span_id());
        for span in [&publishing, &processing] {
            assert_eq!(span.span_context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
            assert_eq!(span.status, Status::Unset);
        }
        assert_eq!((processing.name.as_ref(), publishing.name.as_ref()), ("process opus", "publish ledger"));
        assert_eq!(says(&processing, "messaging.system").as_deref(), Some("rabbitmq"));
        assert_eq!(processing.span_kind, SpanKind::Consumer);
        assert_eq!(publishing.span_kind, SpanKind::Producer);
        assert_eq!(says(&processing, "samspor.outcome").as_deref(), Some("posting"));
        let header = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", publishing.span_context.span_id());
        assert_eq!(published_in.to_string(), header);
    }

    #[test]
    fn what_is_not_sampled_gets_a_trace_by_the_ratio_and_none_without_one() {
        let unsampled = SAMPLED.replace("-01", "-00");
        for (per_million, expected) in [(0, 0..=0), (1_000_000, 2_000..=2_000), (500_000, 800..=1_200)] {
            let (spans, mut waiting) = spans(per_million, 4_000);
            for delivery in [delivery(None), delivery(Some(&unsampled))] {
                for _ in 0..1_000 {
                    spans.processing(&source(), &delivery);
                }
            }
            let ended: Vec<SpanData> = std::iter::from_fn(|| waiting.receive.try_recv().ok()).collect();
            assert!(expected.contains(&ended.len()), "{per_million} of a million: {}", ended.len());
            let of_sender = "4bf92f3577b34da6a3ce929d0e0e4736";
            assert!(ended.iter().all(|span| span.span_context.trace_id().to_string() != of_sender));
            assert!(ended.iter().all(|span| span.parent_span_id == SpanId::INVALID));
        }
    }

    #[test]
    fn what_goes_wrong_is_said_in_the_gateway_s_own_words() {
        let (spans, mut waiting) = spans(0, 8);
        let parent = TraceContext { trace: 1, span: 2 };
        let publishing = || spans.publishing(&"ledger".parse().expect("a name"), parent);
        publishing().answered(&Sent::Refused("610160-1234".into()));
        publishing().answered(&Sent::Later("610160-1234".into(), None));
        drop(publishing());
        for word in ["refused", "later", "unanswered"] {
            let span = next(&mut waiting);
            assert_eq!((&span.status, says(&span, "error.type")), (&Status::error(word), Some(word.into())));
            assert!(!format!("{span:?}").contains("610160"));
        }
        let processing = spans.processing(&source(), &delivery(Some(SAMPLED))).expect("it is sampled");
        let items = [(Outcome::Fact, None), (Outcome::Quarantined, Some(Reason::MissingField))];
        processing.acknowledged(&items);
        let span = next(&mut waiting);
        let keys = ["samspor.outcome", "samspor.quarantine.reason", "samspor.items"];
        let said = keys.map(|key| says(&span, key).expect("it is said"));
        assert_eq!(said, ["mixed", "missing-field", "2"]);
        assert_eq!(span.status, Status::Unset, "quarantine is an outcome, and no failure");
    }

    #[test]
    fn a_full_queue_drops_spans_and_counts_them() {
        let (spans, mut waiting) = spans(0, 3);
        for _ in 0..10 {
            spans.processing(&source(), &delivery(Some(SAMPLED)));
        }
        assert_eq!(waiting.take_dropped(), 7);
        assert_eq!(std::iter::from_fn(|| waiting.receive.try_recv().ok()).count(), 3);
        assert_eq!(waiting.take_dropped(), 0);
    }
}
