//! A receiver that asks to be left alone for a while gets what it was given as it was given; and a target that begins, or
//! begins anew, is told so, and no other.

use std::sync::{Arc, Mutex};

use samspor_domain::{Confirms, LinkError, Outgoing, Publisher, Sent, Target};
use samspor_engine::{Audience, Gateway, Outlet, Policy, Scribe};
use samspor_formats::json;

use crate::delivery::{LIMIT, Running, has_all, policy, with_postings};
use crate::stage::{Stage, instant, text};

const THEN: &str = "2026-03-10T08:00:00Z";

struct Stands;

impl samspor_domain::Clock for Stands {
    fn now(&self) -> jiff::Timestamp {
        instant(THEN)
    }
}

/// A receiver of batches: each request is answered whole, and nothing is posted past one that did not get through.
#[derive(Clone, Default)]
struct Batches(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    /// How many records each request had that was posted, and whether it was taken.
    requests: Vec<(usize, bool)>,
    /// So many of the next requests are put off, of those with this many records at least.
    puts_off: (usize, usize),
    /// How often it was connected to: as one that begins, and otherwise.
    connected: (usize, usize),
    /// Connecting fails.
    is_away: bool,
}

struct Line(Batches, bool);

impl Batches {
    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.0.lock().expect("nobody panicked with it")
    }

    fn line(&self) -> Result<Box<dyn Publisher>, LinkError> {
        if self.heard().is_away {
            return Err(LinkError { doing: "connecting".into(), source: None });
        }
        Ok(Box::new(Line(self.clone(), false)))
    }
}

#[async_trait::async_trait]
impl Target for Batches {
    async fn connect(&self) -> Result<Box<dyn Publisher>, LinkError> {
        self.heard().connected.1 += 1;
        self.line()
    }

    async fn connect_anew(&self) -> Result<Box<dyn Publisher>, LinkError> {
        self.heard().connected.0 += 1;
        self.line()
    }
}

#[async_trait::async_trait]
impl Publisher for Line {
    async fn publish(&mut self, messages: Vec<Outgoing>) -> Result<Confirms, LinkError> {
        let (count, mut heard) = (messages.len(), self.0.heard());
        let sent = if self.1 {
            Sent::Unsent
        } else if heard.puts_off.0 > 0 && count >= heard.puts_off.1 {
            (heard.puts_off.0, self.1) = (heard.puts_off.0 - 1, true);
            heard.requests.push((count, false));
            Sent::Later("it answers 503".into(), None)
        } else {
            heard.requests.push((count, true));
            Sent::Delivered
        };
        Ok(Box::pin(async move { Ok(vec![sent; count]) }))
    }
}

/// The gateway over a stage, with one target that takes ten records in a request.
fn run(mut stage: Stage, receiver: &Batches, policy: Policy) -> Running {
    let scribe = Scribe::new(stage.vault.clone(), &text("ledger"), Audience::Ledger, Arc::new(json::Encoder));
    let target = Arc::new(receiver.clone());
    let outlet = Outlet { name: text("ledger"), target, scribe, window: 40, policy, answers: None };
    let gateway =
        Gateway::start(stage.close(), Arc::new(Stands), Vec::new(), vec![outlet]).expect("it starts");
    let handle = gateway.handle();
    Running { stage, gateway, handle }
}

async fn requests(puts_off: (usize, usize)) -> Vec<(usize, bool)> {
    let receiver = Batches::default();
    receiver.heard().puts_off = puts_off;
    let running = run(with_postings(0..80), &receiver, policy());
    running.until("everything is delivered", has_all).await;
    running.stop().await;
    receiver.heard().requests.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_off_together_goes_again_together() {
    let requests = requests((1, 10)).await;
    assert_eq!(requests[..2], [(10, false), (10, true)]);
    assert!(requests.iter().all(|(count, _)| *count == 10), "{requests:?}");
    assert_eq!(requests.len(), 9, "nothing goes twice but what was put off");
}

/// As where a receiver takes no request that is so large: then what it was put off with goes one by one, and no more than
/// that.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_off_again_goes_one_by_one_and_nothing_else_does() {
    let requests = requests((2, 10)).await;
    assert_eq!(requests[..2], [(10, false), (10, false)]);
    let alone = requests[2..].iter().filter(|(count, _)| *count == 1).count();
    assert_eq!((alone, requests.len() - 2 - alone), (10, 7), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_has_nothing_is_told_so_and_none_that_has_something() {
    let receiver = Batches::default();
    receiver.heard().is_away = true;
    let running = run(with_postings(0..20), &receiver, policy());
    let deadline = std::time::Instant::now() + LIMIT;
    while receiver.heard().connected.0 < 3 {
        assert!(std::time::Instant::now() < deadline, "it is tried again");
        tokio::task::yield_now().await;
    }
    receiver.heard().is_away = false;
    running.until("everything is delivered", has_all).await;
    let stage = running.stop().await;
    assert_eq!(receiver.heard().connected.1, 0, "it had nothing each time");
    receiver.heard().connected = (0, 0);
    let running = run(stage, &receiver, policy());
    while receiver.heard().connected == (0, 0) {
        assert!(std::time::Instant::now() < deadline, "it is connected to");
        tokio::task::yield_now().await;
    }
    running.stop().await;
    assert_eq!(receiver.heard().connected, (0, 1));
}
