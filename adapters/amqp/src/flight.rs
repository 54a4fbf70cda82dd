//! The messages that a publisher has handed over, until the broker has answered about them.
//!
//! The broker acknowledges messages by number, several at a time and in any order, and returns a message that no queue
//! takes before it acknowledges it. The client library gives a returned message to whichever acknowledgement it handles
//! next, which with several messages under way can be another message's (lapin 4.12, `Inner::complete_pending` and
//! `complete_pending_before` in `acknowledgement.rs`). So a returned message is told by its id here, and a message's
//! answer stands only when all messages before it have theirs and every answer that has come is looked at.

use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt as _;
use lapin::{Confirmation, PublisherConfirm};
use samspor_domain::Sent;

use crate::link::Said;
use crate::publisher::id_of;

/// Why no more answers come.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum FlightError {
    /// The channel or the connection ended.
    #[error(transparent)]
    Ended(#[from] Said),
    /// Some of a batch may be on its way, and some not.
    #[error("an earlier batch was not handed over whole")]
    Broken,
}

/// Messages by number, in the order in which they were handed over. `C` confirms one.
#[derive(Debug)]
pub(crate) struct Flight<C = PublisherConfirm> {
    entries: VecDeque<Entry<C>>,
    /// The number of the first entry.
    first: u64,
    /// All entries before this number have their answer.
    settled: u64,
    failed: Option<FlightError>,
    /// Who waits. A confirm wakes only the one that asked for it last, and that one wakes the others.
    waiting: Vec<Waker>,
}

#[derive(Debug)]
struct Entry<C> {
    id: String,
    state: State<C>,
    /// Why no queue takes it, if it came back.
    returned: Option<String>,
    /// Whether someone will still ask for its answer.
    wanted: bool,
}

#[derive(Debug)]
enum State<C> {
    /// It is being written.
    Writing,
    /// It was written.
    Written(C),
    /// The broker has it, or says that it could not take it.
    Answered { taken: bool },
}

impl<C> Default for Flight<C> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), first: 0, settled: 0, failed: None, waiting: Vec::new() }
    }
}

impl<C: Future<Output = lapin::Result<Confirmation>> + Unpin> Flight<C> {
    /// A number for a message that is about to be handed over.
    pub(crate) fn enter(&mut self, id: String) -> u64 {
        self.entries.push_back(Entry { id, state: State::Writing, returned: None, wanted: true });
        self.first + self.entries.len() as u64 - 1
    }

    /// A message was written, and this will confirm it.
    pub(crate) fn written(&mut self, number: u64, confirm: C) {
        if let Some(entry) = self.entry(number) {
            entry.state = State::Written(confirm);
        }
        self.wake();
    }

    /// A batch was not handed over whole: which of its messages the broker gets is unknown.
    pub(crate) fn break_off(&mut self) {
        self.failed.get_or_insert(FlightError::Broken);
        self.wake();
    }

    fn entry(&mut self, number: u64) -> Option<&mut Entry<C>> {
        self.entries.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    /// Waits until all messages before `end` have their answers.
    pub(crate) fn poll_settled(
        &mut self,
        end: u64,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), FlightError>> {
        let before = self.settled;
        let poll = loop {
            let all_in = self.settled >= end;
            // An answer that has come already can hold a message of this batch that came back. So can that of a message
            // whose writer has yet to hand in its confirm.
            if all_in && !self.entries.iter().any(|entry| matches!(entry.state, State::Writing)) {
                self.settle_rest();
                break Poll::Ready(Ok(()));
            }
            if all_in || !self.settle(self.settled, context) {
                break self.failed.clone().map_or(Poll::Pending, |failed| Poll::Ready(Err(failed)));
            }
            self.settled += 1;
        };
        if self.settled != before || poll.is_ready() {
            self.wake();
        }
        if poll.is_pending() && !self.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            self.waiting.push(context.waker().clone());
        }
        poll
    }

    /// Takes all answers that have come. Whoever waits for one must be woken then, to wait anew.
    fn settle_rest(&mut self) {
        for number in self.settled..self.first + self.entries.len() as u64 {
            self.settle(number, &mut Context::from_waker(Waker::noop()));
        }
    }

    /// Takes a message's answer if it has come.
    fn settle(&mut self, number: u64, context: &mut Context<'_>) -> bool {
        let Some(entry) = self.entry(number) else { return false };
        let confirm = match &mut entry.state {
            State::Writing => return false,
            State::Answered { .. } => return true,
            State::Written(confirm) => confirm,
        };
        let (taken, returned) = match confirm.poll_unpin(context) {
            Poll::Pending => return false,
            Poll::Ready(Ok(Confirmation::Ack(returned))) => (true, returned),
            Poll::Ready(Ok(Confirmation::Nack(returned))) => (false, returned),
            Poll::Ready(Ok(Confirmation::NotRequested)) => (false, None),
            Poll::Ready(Err(error)) => {
                self.failed.get_or_insert(FlightError::Ended(error.into()));
                return false;
            }
        };
        entry.state = State::Answered { taken };
        if let Some(returned) = returned {
            let id = id_of(&returned.properties);
            let owner = self.entries.iter_mut().find(|entry| entry.returned.is_none() && entry.id == id);
            if let Some(owner) = owner {
                let (key, exchange) = (&returned.routing_key, &returned.exchange);
                let why = format!("no queue takes the routing key '{key}' of the exchange '{exchange}'");
                owner.returned = Some(why);
            }
        }
        true
    }

    /// The answers about settled messages.
    pub(crate) fn answers(&mut self, numbers: Range<u64>) -> Vec<Sent> {
        let answer = |number| {
            let entry = self.entry(number)?;
            Some(match (&entry.state, entry.returned.take()) {
                (_, Some(why)) => Sent::Refused(why),
                (State::Answered { taken: true }, None) => Sent::Delivered,
                _ => Sent::Later("the broker could not take it".to_owned(), None),
            })
        };
        numbers.filter_map(answer).collect()
    }

    /// Nobody asks for these answers any more.
    pub(crate) fn forget(&mut self, numbers: Range<u64>) {
        for number in numbers {
            if let Some(entry) = self.entry(number) {
                entry.wanted = false;
            }
        }
        let done = |entry: &Entry<C>| !entry.wanted && matches!(entry.state, State::Answered { .. });
        while self.entries.front().is_some_and(done) {
            self.entries.pop_front();
            self.first += 1;
        }
        self.settled = self.settled.max(self.first);
        // It may have been the one whom the next confirm would wake.
        self.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};
    use std::task::Wake;

    use lapin::BasicProperties;
    use lapin::message::{BasicReturnMessage, Delivery};

    use super::*;

    /// A confirm that wakes whoever asked last, as the client library's does.
    #[derive(Clone, Default)]
    struct Confirm(Arc<Mutex<(Option<Confirmation>, Option<Waker>)>>);

    impl Confirm {
        fn resolve(&self, confirmation: Confirmation) {
            let mut inner = self.0.lock().expect("no panic");
            inner.0 = Some(confirmation);
            inner.1.take().into_iter().for_each(Waker::wake);
        }
    }

    impl Future for Confirm {
        type Output = lapin::Result<Confirmation>;
        fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
            let mut inner = self.0.lock().expect("no panic");
            inner.1 = Some(context.waker().clone());
            inner.0.take().map_or(Poll::Pending, |confirmation| Poll::Ready(Ok(confirmation)))
        }
    }

    /// A task that waits for a batch, and runs only when it was woken.
    struct Task {
        numbers: Range<u64>,
        woken: Arc<Woken>,
    }

    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn came_back(number: u64) -> BasicReturnMessage {
        let mut delivery = Delivery::mock(0, "lis".into(), "key".into(), false, Vec::new());
        delivery.properties = BasicProperties::default().with_message_id(number.to_string().into());
        BasicReturnMessage { delivery, reply_code: 312, reply_text: "NO_ROUTE".into() }
    }

    /// The broker and the client library as they are: what is not routed comes back before it is acknowledged;
    /// acknowledgements come in any order, alone or for all messages up to one; of several the library takes any first,
    /// and each takes along the oldest message that has come back.
    #[test]
    fn each_message_gets_its_own_answer_in_every_order_of_events() {
        for seed in 0..3_000u64 {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut random = |below: usize| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as usize % below
            };
            let mut flight = Flight::default();
            let (mut routed, mut confirms, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..1 + random(5) {
                let numbers = routed.len() as u64..(routed.len() + 1 + random(4)) as u64;
                for number in numbers.clone() {
                    assert_eq!(flight.enter(number.to_string()), number);
                    routed.push(random(3) > 0);
                    confirms.push(Confirm::default());
                }
                tasks.push(Task { numbers, woken: Arc::new(Woken(AtomicBool::new(true))) });
            }
            let total = routed.len();
            let (mut written, mut processed) = (0, 0);
            let mut unacknowledged = BTreeSet::new();
            let mut back = VecDeque::new();
            // What one acknowledgement still has to resolve.
            let mut resolving: Vec<usize> = Vec::new();
            loop {
                match random(4) {
                    0 if written < total => {
                        flight.written(written as u64, confirms[written].clone());
                        written += 1;
                    }
                    // The broker can be done with a message before its writer knows that it is written.
                    1 if processed < total.min(written + 1) => {
                        if !routed[processed] {
                            back.push_back(came_back(processed as u64));
                        }
                        unacknowledged.insert(processed);
                        processed += 1;
                    }
                    2 if !resolving.is_empty() => {
                        let number = resolving.swap_remove(random(resolving.len()));
                        confirms[number].resolve(Confirmation::Ack(back.pop_front()));
                    }
                    2 if !unacknowledged.is_empty() => {
                        let numbers: Vec<usize> = unacknowledged.iter().copied().collect();
                        let at = random(numbers.len());
                        resolving = if random(2) == 0 { vec![numbers[at]] } else { numbers[..=at].to_vec() };
                        unacknowledged.retain(|number| !resolving.contains(number));
                    }
                    3 if random(40) == 0 && !tasks.is_empty() => {
                        flight.forget(tasks.swap_remove(random(tasks.len())).numbers);
                    }
                    _ => {}
                }
                tasks.retain(|task| {
                    if !task.woken.0.swap(false, Ordering::Relaxed) {
                        return true;
                    }
                    let waker = Waker::from(task.woken.clone());
                    match flight.poll_settled(task.numbers.end, &mut Context::from_waker(&waker)) {
                        Poll::Pending => true,
                        Poll::Ready(settled) => {
                            settled.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                            let answers = flight.answers(task.numbers.clone());
                            let delivered: Vec<bool> =
                                answers.iter().map(|s| *s == Sent::Delivered).collect();
                            let expected = &routed[task.numbers.start as usize..task.numbers.end as usize];
                            assert_eq!(delivered, expected, "seed {seed}");
                            flight.forget(task.numbers.clone());
                            false
                        }
                    }
                });
                if processed == total && unacknowledged.is_empty() && resolving.is_empty() && written == total
                {
                    let awake = tasks.iter().any(|task| task.woken.0.load(Ordering::Relaxed));
                    assert!(awake || tasks.is_empty(), "seed {seed}: nobody wakes");
                    if tasks.is_empty() {
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn a_batch_that_was_not_handed_over_whole_fails_the_others() {
        let mut flight = Flight::<Confirm>::default();
        let waiting = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(waiting.clone());
        let mut context = Context::from_waker(&waker);
        flight.enter("written".to_owned());
        let confirm = Confirm::default();
        flight.written(0, confirm.clone());
        flight.enter("half".to_owned());
        flight.enter("after".to_owned());
        assert!(flight.poll_settled(3, &mut context).is_pending());
        flight.break_off();
        assert!(waiting.0.load(Ordering::Relaxed));
        confirm.resolve(Confirmation::Ack(None));
        // The message that came back, if one did, may be with a message of the batch that broke.
        assert!(matches!(flight.poll_settled(1, &mut context), Poll::Ready(Err(FlightError::Broken))));
        assert!(matches!(flight.poll_settled(3, &mut context), Poll::Ready(Err(FlightError::Broken))));
    }
}
