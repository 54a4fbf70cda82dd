//! Following single messages through the gateway: from the delivery that somebody samples, over its posting, to the
//! records that are published of it.
//!
//! What ties a posting to its trace lives here in memory, for a while, and nowhere else: a trace id that the messages of
//! two systems share would link them at rest. A record that is published later, or after a restart, starts no span.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use samspor_domain::store::Outcome;
use samspor_domain::{
    Delivery, Fault, Outgoing, PostingNo, Processing, Publishing, Reason, Sent, SourceName, Text,
    TraceContext, Traces,
};

use crate::core::{Became, Core};
use crate::intake::Prepared;

/// How many postings are followed at once; with more, the oldest are followed no further.
const POSTINGS: usize = 10_000;
/// For how long a posting is followed. Tracing systems put together what comes within minutes.
const FOR: Duration = Duration::from_mins(15);

impl Core {
    /// Tells somebody of the messages that are sampled.
    #[must_use]
    pub fn traced_by(mut self, traces: Arc<dyn Traces>) -> Self {
        let shared = Shared { traces, trail: Mutex::default() };
        self.tracing = Noting { tracing: Tracing(Some(Arc::new(shared))), begun: Vec::new() };
        self
    }
}

/// What those who receive and those who deliver use. It is empty where nothing is traced.
#[derive(Clone, Default)]
pub(crate) struct Tracing(Option<Arc<Shared>>);

struct Shared {
    traces: Arc<dyn Traces>,
    trail: Mutex<Trail>,
}

impl Shared {
    fn trail(&self) -> MutexGuard<'_, Trail> {
        self.trail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tracing {
    /// Begins the spans of those deliveries that are sampled.
    pub(crate) fn follow(&self, source: &SourceName, deliveries: &[Delivery]) -> Followed {
        let Some(Shared { traces, .. }) = self.0.as_deref() else { return Followed::default() };
        let spans = deliveries.iter().enumerate().filter_map(|(delivery, content)| {
            let span = traces.processing(source, content)?;
            Some(FollowedOne { delivery, items: 0..0, span })
        });
        Followed { spans: spans.collect(), prepared: 0, next: 0 }
    }

    /// Begins the span of a record that is published, if its posting is followed, and tells of it in its messages where
    /// the reader may know which posting it is: by the trace, a pseudonym could be joined to the posting.
    pub(crate) fn publish(
        &self,
        target: &Text,
        posting: PostingNo,
        messages: &mut [Outgoing],
        is_told: bool,
    ) -> Option<Box<dyn Publishing>> {
        let shared = self.0.as_deref()?;
        let parent = shared.trail().of(posting, Instant::now())?;
        if messages.is_empty() {
            return None;
        }
        let span = shared.traces.publishing(target, parent);
        for message in messages.iter_mut().filter(|_| is_told) {
            message.trace = Some(span.context());
        }
        Some(span)
    }
}

/// Ends a record's span with what the receiver answered about its messages.
pub(crate) fn tell(span: Option<Box<dyn Publishing>>, sent: &[Sent]) {
    let Some(span) = span else { return };
    let first_failed = sent.iter().find(|sent| !sent.is_delivered());
    if let Some(sent) = first_failed.or(sent.first()) {
        span.answered(sent);
    }
}

/// The deliveries of a batch that are followed, in their order.
#[derive(Default)]
pub(crate) struct Followed {
    spans: Vec<FollowedOne>,
    /// How many items the deliveries so far gave.
    prepared: usize,
    /// The first span whose delivery is not prepared yet.
    next: usize,
}

struct FollowedOne {
    /// Which one of the batch's deliveries it is.
    delivery: usize,
    /// Which ones of the batch's items are its.
    items: Range<usize>,
    span: Box<dyn Processing>,
}

impl Followed {
    /// The items of the batch's next delivery, with its place in the trace where it is followed.
    pub(crate) fn mark(&mut self, delivery: usize, mut items: Vec<Prepared>) -> Vec<Prepared> {
        if let Some(one) = self.spans.get_mut(self.next).filter(|one| one.delivery == delivery) {
            let context = one.span.context();
            items.iter_mut().for_each(|item| item.trace = Some(context));
            one.items = self.prepared..self.prepared + items.len();
            self.next += 1;
        }
        self.prepared += items.len();
        items
    }

    /// Ends the spans: the batch is acknowledged, and this is what became of its items.
    pub(crate) fn acknowledged(self, became: &[Became]) {
        let outcome = |became: &Became| (became.outcome(), reason(became));
        for FollowedOne { items, span, .. } in self.spans {
            let outcomes: Vec<(Outcome, Option<Reason>)> =
                became.get(items).into_iter().flatten().map(outcome).collect();
            span.acknowledged(&outcomes);
        }
    }
}

fn reason(became: &Became) -> Option<Reason> {
    match became {
        Became::Quarantined(Fault { reason, .. }) => Some(*reason),
        _ => None,
    }
}

/// How the writer notes which postings are followed. It says so before it commits, and takes it back where that fails.
#[derive(Default)]
pub(crate) struct Noting {
    tracing: Tracing,
    /// Those of this transaction.
    begun: Vec<(PostingNo, TraceContext)>,
}

impl Noting {
    /// What the others use.
    pub(crate) fn tracing(&self) -> Tracing {
        self.tracing.clone()
    }

    /// A new posting came, with something that is followed or not.
    pub(crate) fn note(&mut self, posting: PostingNo, trace: Option<TraceContext>) {
        self.begun.extend(trace.map(|trace| (posting, trace)));
    }

    /// The transaction is about to be committed.
    pub(crate) fn keep(&self) {
        if let (Some(shared), [_, ..]) = (&self.tracing.0, &*self.begun) {
            let (mut trail, now) = (shared.trail(), Instant::now());
            self.begun.iter().for_each(|(posting, trace)| trail.add(*posting, *trace, now));
        }
    }

    /// The transaction is committed.
    pub(crate) fn kept(&mut self) {
        self.begun.clear();
    }

    /// The transaction was undone. The numbers of its postings will be those of others.
    pub(crate) fn undo(&mut self) {
        if let (Some(shared), [_, ..]) = (&self.tracing.0, &*self.begun) {
            let mut trail = shared.trail();
            self.begun.drain(..).for_each(|(posting, _)| trail.forget(posting));
        }
    }
}

/// The spans by which the newest postings came.
#[derive(Default)]
struct Trail {
    contexts: HashMap<PostingNo, (TraceContext, Instant)>,
    /// The same postings, the oldest first, and some that were forgotten since.
    order: VecDeque<PostingNo>,
}

impl Trail {
    fn add(&mut self, posting: PostingNo, trace: TraceContext, now: Instant) {
        while let Some(oldest) = self.order.front() {
            let is_over = |(_, since): &(TraceContext, Instant)| now.duration_since(*since) > FOR;
            if self.order.len() < POSTINGS && !self.contexts.get(oldest).is_none_or(is_over) {
                break;
            }
            self.contexts.remove(oldest);
            self.order.pop_front();
        }
        self.contexts.insert(posting, (trace, now));
        self.order.push_back(posting);
    }

    fn forget(&mut self, posting: PostingNo) {
        self.contexts.remove(&posting);
        // They were added last.
        while self.order.back().is_some_and(|last| !self.contexts.contains_key(last)) {
            self.order.pop_back();
        }
    }

    fn of(&self, posting: PostingNo, now: Instant) -> Option<TraceContext> {
        let (trace, since) = self.contexts.get(&posting)?;
        (now.duration_since(*since) <= FOR).then_some(*trace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(no: u64) -> TraceContext {
        TraceContext { trace: 7, span: no + 1 }
    }

    #[test]
    fn the_newest_are_followed_for_a_while_and_no_more_than_so_many() {
        let (mut trail, begun) = (Trail::default(), Instant::now());
        let all = POSTINGS as i64 + 3;
        for no in 0..all {
            trail.add(PostingNo(no), trace(no.cast_unsigned()), begun);
        }
        assert_eq!((trail.contexts.len(), trail.order.len()), (POSTINGS, POSTINGS));
        assert_eq!(trail.of(PostingNo(2), begun), None, "the oldest made room");
        assert_eq!(trail.of(PostingNo(3), begun), Some(trace(3)));
        assert_eq!(trail.of(PostingNo(3), begun + FOR), Some(trace(3)));
        let late = begun + FOR + Duration::from_secs(1);
        assert_eq!(trail.of(PostingNo(3), late), None, "it came long ago");
        trail.add(PostingNo(all), trace(1), late);
        assert_eq!((trail.contexts.len(), trail.order.len()), (1, 1), "what is over is not kept");
    }

    #[test]
    fn what_is_undone_is_forgotten_and_its_number_is_another_posting_s() {
        struct Nobody;
        impl Traces for Nobody {
            fn processing(&self, _: &SourceName, _: &Delivery) -> Option<Box<dyn Processing>> {
                None
            }
            fn publishing(&self, _: &Text, _: TraceContext) -> Box<dyn Publishing> {
                unreachable!("nothing is published")
            }
        }
        let shared = Arc::new(Shared { traces: Arc::new(Nobody), trail: Mutex::default() });
        let mut noting = Noting { tracing: Tracing(Some(Arc::clone(&shared))), begun: Vec::new() };
        let now = Instant::now();
        noting.note(PostingNo(1), Some(trace(1)));
        noting.keep();
        noting.kept();
        noting.note(PostingNo(2), Some(trace(2)));
        noting.note(PostingNo(3), Some(trace(3)));
        noting.keep();
        assert_eq!(shared.trail().of(PostingNo(2), now), Some(trace(2)));
        noting.undo();
        noting.note(PostingNo(2), None);
        noting.keep();
        noting.kept();
        let trail = shared.trail();
        assert_eq!([1, 2, 3].map(|no| trail.of(PostingNo(no), now)), [Some(trace(1)), None, None]);
        assert_eq!(trail.order.len(), 1);
    }
}
