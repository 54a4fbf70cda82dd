//! The spans, named and described by OpenTelemetry's semantic conventions for messaging, version 1.37.

use opentelemetry::trace::{Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags};
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
                KeyValue::new("messaging.system", "rabbitmq"),
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
        let span = self.start(SpanKind::Consumer, ["process", "process"], source.as_str(), &parent);
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
            Sent::Later(_) => self.fail("later"),
            Sent::Delivered => {}
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
