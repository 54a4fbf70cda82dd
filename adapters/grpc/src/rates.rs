//! How fast one may call. A call that comes too fast is refused, and told when to come again; a stream of messages is slowed,
//! by not asking it for more, which its sender feels in its window.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use crate::origin::Origin;

/// After how many questions those are forgotten who have not asked for a while.
const FORGET_EVERY: u32 = 1_024;

/// A rate, and by how much it may be exceeded in a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In the long run, a second.
    pub per_second: NonZeroU32,
    /// At once, after a time of quiet.
    pub burst: NonZeroU32,
}

impl Rate {
    fn limiter(self) -> Limiter {
        let quota = Quota::per_second(self.per_second).allow_burst(self.burst);
        Limiter {
            limiter: DefaultKeyedRateLimiter::hashmap(quota),
            clock: DefaultClock::default(),
            asked: AtomicU32::new(0),
        }
    }
}

/// One rate for each.
struct Limiter {
    limiter: DefaultKeyedRateLimiter<Origin>,
    clock: DefaultClock,
    asked: AtomicU32,
}

impl Limiter {
    /// Counts one; where it comes too fast: how long until it would not.
    fn take(&self, origin: &Origin) -> Result<(), Duration> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(origin).map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

/// The rates of everybody.
pub(crate) struct Rates {
    calls: Limiter,
    messages: Limiter,
}

impl Rates {
    pub(crate) fn new(calls: Rate, messages: Rate) -> Arc<Self> {
        Arc::new(Self { calls: calls.limiter(), messages: messages.limiter() })
    }

    /// Counts a call; where it comes too fast: after how long it may come again.
    pub(crate) fn call(&self, origin: &Origin) -> Result<(), Duration> {
        self.calls.take(origin)
    }

    /// The pace of a stream of messages.
    pub(crate) fn pace(self: &Arc<Self>, origin: Origin) -> Pace {
        Pace { rates: Arc::clone(self), origin, may_ask: false }
    }
}

/// The pace of one stream. All streams of one share its rate.
pub(crate) struct Pace {
    rates: Arc<Rates>,
    origin: Origin,
    may_ask: bool,
}

impl Pace {
    /// Whether the stream may be asked for a message now.
    pub(crate) fn is_due(&mut self) -> bool {
        self.may_ask = self.may_ask || self.rates.messages.take(&self.origin).is_ok();
        self.may_ask
    }

    /// Waits until it may.
    pub(crate) async fn due(&mut self) {
        while !self.may_ask {
            match self.rates.messages.take(&self.origin) {
                Ok(()) => self.may_ask = true,
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// Notes that a message came.
    pub(crate) fn came(&mut self) {
        self.may_ask = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).expect("more than none")
    }

    fn origin(name: &str) -> Origin {
        Origin::Caller(Arc::from(name))
    }

    /// So slow that none is given back while a test runs.
    fn slow(burst: u32) -> Rate {
        Rate { per_second: number(1), burst: number(burst) }
    }

    #[test]
    fn each_has_a_burst_of_its_own_and_is_told_when_to_come_again() {
        let rates = Rates::new(slow(2), slow(1));
        assert_eq!(rates.call(&origin("a")), Ok(()));
        assert_eq!(rates.call(&origin("a")), Ok(()));
        let wait = rates.call(&origin("a")).expect_err("the third at once");
        assert!(wait <= Duration::from_secs(1) && !wait.is_zero(), "{wait:?}");
        assert_eq!(rates.call(&origin("b")), Ok(()), "another's is another");
    }

    #[test]
    fn a_stream_that_was_let_ask_and_got_nothing_may_ask_on() {
        let rates = Rates::new(slow(1), slow(1));
        let mut pace = rates.pace(origin("a"));
        assert!(pace.is_due() && pace.is_due());
        pace.came();
        assert!(!pace.is_due(), "the burst was one");
        assert!(!rates.pace(origin("a")).is_due(), "nor by another stream of the same caller");
        assert!(rates.pace(origin("b")).is_due());
    }
}
