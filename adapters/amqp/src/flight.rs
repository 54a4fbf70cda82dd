//! The messages that a publisher has handed over, until the broker has answered about them.
//!
//! The broker acknowledges messages by number, several at a time and in any order, and returns a message that no queue
//! takes before it acknowledges it. The client library gives a returned message to whichever acknowledgement it handles
//! next, which with several messages under way can be another message's (lapin 4.12, `Inner::complete_pending` and
//! `complete_pending_before` in `acknowledgement.rs`). So a returned message is told by its id here, and a message's
//! answer stands only when all messages before it have theirs and every answer that has come is looked at.

use std::collections::VecDeque;
use std::ops::Range;
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt as _;
use lapin::{Confirmation, PublisherConfirm};
use samspor_domain::Sent;

use crate::publisher::id_of;

/// Why no more answers come.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum FlightError {
    /// The channel or the connection ended.
    #[error(transparent)]
    Ended(#[from] lapin::Error),
    /// Some of a batch may be on its way, and some not.
    #[error("an earlier batch was not handed over whole")]
    Broken,
}

/// Messages by number, in the order in which they were handed over.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    entries: VecDeque<Entry>,
    /// The number of the first entry.
    first: u64,
    /// All entries before this number have their answer.
    settled: u64,
    failed: Option<FlightError>,
    /// Who waits. A confirm wakes only the one that asked for it last, and that one wakes the others.
    waiting: Vec<Waker>,
}

#[derive(Debug)]
struct Entry {
    id: String,
    state: State,
    /// Why no queue takes it, if it came back.
    returned: Option<String>,
    /// Whether someone will still ask for its answer.
    wanted: bool,
}

#[derive(Debug)]
enum State {
    /// It is being written.
    Writing,
    /// It was written.
    Written(PublisherConfirm),
    /// The broker has it, or says that it could not take it.
    Answered { taken: bool },
}

impl Flight {
    /// A number for a message that is about to be handed over.
    pub(crate) fn enter(&mut self, id: String) -> u64 {
        self.entries.push_back(Entry { id, state: State::Writing, returned: None, wanted: true });
        self.first + self.entries.len() as u64 - 1
    }

    /// A message was written, and this will confirm it.
    pub(crate) fn written(&mut self, number: u64, confirm: PublisherConfirm) {
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

    fn entry(&mut self, number: u64) -> Option<&mut Entry> {
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
            if self.settled >= end {
                // An answer that has come already can hold a message of this batch that was returned.
                if false { self.settle_rest(); }
                break Poll::Ready(Ok(()));
            }
            if !self.settle(self.settled, context) {
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
                self.failed.get_or_insert(error.into());
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
                _ => Sent::Refused("the broker could not take it".to_owned()),
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
        let done = |entry: &Entry| !entry.wanted && matches!(entry.state, State::Answered { .. });
        while self.entries.front().is_some_and(done) {
            self.entries.pop_front();
            self.first += 1;
        }
        self.settled = self.settled.max(self.first);
        // It may have been the one whom the next confirm would wake.
        self.wake();
    }
}
