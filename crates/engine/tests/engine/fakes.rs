//! A queue and a receiver that do what a test tells them: give, take, break, hang.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use samspor_domain::{
    Acknowledge, Batch, Confirms, Delivery, Flow, LinkError, Outgoing, Publisher, Sent, Source, Subscription,
    Target, Token,
};
use tokio::sync::{Notify, watch};

/// Within this everything that is waited for happens, or a test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until something holds, looking again whenever the queue or receiver changes.
async fn until(changed: &Notify, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        loop {
            let next = changed.notified();
            let mut next = std::pin::pin!(next);
            next.as_mut().enable();
            if holds() {
                return;
            }
            next.await;
        }
    };
    tokio::time::timeout(LIMIT, waiting).await.expect("it happens");
}

/// A queue. What is not acknowledged comes back.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<VecDeque<String>>,
    accepted: Mutex<Vec<String>>,
    changed: Notify,
    /// How often it was subscribed to, and how many subscriptions there are.
    pub(crate) subscribed: AtomicUsize,
    pub(crate) subscriptions: AtomicUsize,
    /// How many deliveries it made, of the same message again among them.
    pub(crate) delivered: AtomicUsize,
    /// So many of the next deliveries panic.
    pub(crate) breaks: AtomicUsize,
    /// Acknowledgements wait.
    pub(crate) hangs: AtomicBool,
}

impl Queue {
    pub(crate) fn put(&self, body: &str) {
        lock(&self.waiting).push_back(body.to_owned());
        self.changed.notify_waiters();
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.waiting).len()
    }

    /// Waits until so many messages were acknowledged, each of them once.
    pub(crate) async fn until_accepted(&self, count: usize) {
        until(&self.changed, || lock(&self.accepted).len() >= count).await;
        assert_eq!(lock(&self.accepted).len(), count);
    }

    /// Waits until so many subscriptions are there.
    pub(crate) async fn until_subscriptions(&self, count: usize) {
        until(&self.changed, || self.subscriptions.load(Ordering::SeqCst) == count).await;
    }

    /// Lets acknowledgements through again.
    pub(crate) fn release(&self) {
        self.hangs.store(false, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Waits until a message was taken and hangs at its acknowledgement.
    pub(crate) async fn until_empty(&self) {
        until(&self.changed, || self.len() == 0).await;
    }
}

pub(crate) struct QueueSource(pub(crate) Arc<Queue>);

struct QueueSubscription(Arc<Queue>);

impl Drop for QueueSubscription {
    fn drop(&mut self) {
        self.0.subscriptions.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

#[async_trait]
impl Source for QueueSource {
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, LinkError> {
        self.0.subscribed.fetch_add(1, Ordering::SeqCst);
        self.0.subscriptions.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
        Ok(Box::new(QueueSubscription(Arc::clone(&self.0))))
    }
}

#[async_trait]
impl Subscription for QueueSubscription {
    async fn next(&mut self) -> Result<Batch, LinkError> {
        let queue = &self.0;
        loop {
            let changed = queue.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            let body = lock(&queue.waiting).pop_front();
            let Some(body) = body else {
                changed.await;
                continue;
            };
            queue.changed.notify_waiters();
            let token = Token::new(Take { queue: Arc::clone(queue), body: Some(body.clone()) });
            let left = |breaks: usize| breaks.checked_sub(1);
            if queue.breaks.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok() {
                panic!("it breaks, as the test wants it");
            }
            queue.delivered.fetch_add(1, Ordering::SeqCst);
            let delivery = Delivery { body: body.into(), ..Delivery::default() };
            return Ok(Batch { deliveries: vec![delivery], token });
        }
    }
}

struct Take {
    queue: Arc<Queue>,
    body: Option<String>,
}

impl Drop for Take {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            lock(&self.queue.waiting).push_front(body);
            self.queue.changed.notify_waiters();
        }
    }
}

#[async_trait]
impl Acknowledge for Take {
    async fn accept(mut self: Box<Self>) -> Result<(), LinkError> {
        let queue = Arc::clone(&self.queue);
        until(&queue.changed, || !queue.hangs.load(Ordering::SeqCst)).await;
        lock(&queue.accepted).extend(self.body.take());
        queue.changed.notify_waiters();
        Ok(())
    }
}

/// Somebody who takes what is published.
pub(crate) struct Receiver {
    taken: Mutex<Vec<String>>,
    changed: Notify,
    pub(crate) connected: AtomicUsize,
    /// So many of the next publications panic.
    pub(crate) breaks: AtomicUsize,
    /// What its connection says; none is its end.
    pub(crate) flow: watch::Sender<Option<Flow>>,
}

impl Default for Receiver {
    fn default() -> Self {
        Self {
            taken: Mutex::default(),
            changed: Notify::new(),
            connected: AtomicUsize::new(0),
            breaks: AtomicUsize::new(0),
            flow: watch::Sender::new(Some(Flow::Open)),
        }
    }
}

impl Receiver {
    /// Waits until it has so many messages, and gives their ids in order.
    pub(crate) async fn until_taken(&self, count: usize) -> Vec<String> {
        until(&self.changed, || lock(&self.taken).len() >= count).await;
        lock(&self.taken).clone()
    }

    /// Waits until it was connected to so often.
    pub(crate) async fn until_connected(&self, count: usize) {
        until(&self.changed, || self.connected.load(Ordering::SeqCst) >= count).await;
    }
}

pub(crate) struct ReceiverTarget(pub(crate) Arc<Receiver>);

struct ReceiverPublisher(Arc<Receiver>, watch::Receiver<Option<Flow>>);

#[async_trait]
impl Target for ReceiverTarget {
    async fn connect(&self) -> Result<Box<dyn Publisher>, LinkError> {
        self.0.connected.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
        Ok(Box::new(ReceiverPublisher(Arc::clone(&self.0), self.0.flow.subscribe())))
    }
}

#[async_trait]
impl Publisher for ReceiverPublisher {
    async fn publish(&mut self, messages: Vec<Outgoing>) -> Result<Confirms, LinkError> {
        let left = |breaks: usize| breaks.checked_sub(1);
        if self.0.breaks.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok() {
            panic!("it breaks, as the test wants it");
        }
        let sent = vec![Sent::Delivered; messages.len()];
        lock(&self.0.taken).extend(messages.into_iter().map(|message| message.message_id));
        self.0.changed.notify_waiters();
        Ok(Box::pin(async { Ok(sent) }))
    }

    async fn changed(&mut self) -> Result<Flow, LinkError> {
        let gone = || LinkError { doing: "holding the connection".into(), source: None };
        self.1.changed().await.map_err(|_| gone())?;
        self.1.borrow_and_update().clone().ok_or_else(gone)
    }
}
