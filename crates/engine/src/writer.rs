//! The one writer: a thread that owns the core and commits what has gathered in one transaction.

use std::sync::Arc;

use samspor_domain::store::{Read, StoreError};
use samspor_domain::{Clock, Seq, Text};
use tokio::sync::{mpsc, oneshot, watch};

use crate::core::{Became, Core};
use crate::intake::Prepared;
use crate::status::{Condition, Status};

/// Commands that may wait for the writer; those who would send more wait.
const WAITING: usize = 32;
/// Commands that one transaction takes at most.
const GROUP: usize = 16;
/// The store's name on the status board.
const PART: &str = "store";

/// The store did not take something. Nothing of it was done.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store did not take it: {why}")]
pub struct Unavailable {
    why: String,
}

impl Unavailable {
    pub(crate) fn stopping() -> Self {
        Self { why: "the gateway is stopping".into() }
    }
}

enum Command {
    TakeIn(Vec<Prepared>, oneshot::Sender<Result<Vec<Became>, Unavailable>>),
    Advance(Text, Seq),
}

/// The way to the writer.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    newest: watch::Receiver<Seq>,
}

impl Handle {
    /// Hands items over, waiting while the writer is behind. What it returns settles when they are durable.
    pub async fn hand_over(
        &self,
        items: Vec<Prepared>,
    ) -> oneshot::Receiver<Result<Vec<Became>, Unavailable>> {
        let (reply, answer) = oneshot::channel();
        // A writer that has stopped drops the command, and with it the reply.
        let _ = self.commands.send(Command::TakeIn(items, reply)).await;
        answer
    }

    /// Takes items in and waits until they are durable: what became of each, in order.
    pub async fn take_in(&self, items: Vec<Prepared>) -> Result<Vec<Became>, Unavailable> {
        self.hand_over(items).await.await.map_err(|_| Unavailable::stopping()).flatten()
    }

    /// Says that a target has everything up to a record. It becomes durable with the next transaction; if it does not,
    /// those records are delivered again.
    pub(crate) async fn advance(&self, target: Text, to: Seq) {
        let _ = self.commands.send(Command::Advance(target, to)).await;
    }

    /// The newest record's number, and every change of it.
    pub(crate) fn newest(&self) -> watch::Receiver<Seq> {
        self.newest.clone()
    }
}

/// The writer before it runs.
pub(crate) struct Writer {
    core: Core,
    clock: Arc<dyn Clock>,
    status: Status,
    commands: mpsc::Receiver<Command>,
    newest: watch::Sender<Seq>,
}

impl Writer {
    pub(crate) fn new(
        mut core: Core,
        clock: Arc<dyn Clock>,
        status: Status,
    ) -> Result<(Self, Handle), StoreError> {
        let (send, commands) = mpsc::channel(WAITING);
        let newest = watch::Sender::new(core.store().last_seq()?);
        let handle = Handle { commands: send, newest: newest.subscribe() };
        status.set(PART, Condition::Up);
        Ok((Self { core, clock, status, commands, newest }, handle))
    }

    /// A reader beside the writer.
    pub(crate) fn reader(&mut self) -> Result<Box<dyn Read>, StoreError> {
        self.core.store().reader()
    }

    /// Runs until every handle is gone and everything handed over is done.
    pub(crate) fn run(mut self) -> Result<(), StoreError> {
        let mut work_left = true;
        loop {
            let first = if work_left {
                match self.commands.try_recv() {
                    Ok(command) => Some(command),
                    Err(mpsc::error::TryRecvError::Empty) => None,
                    Err(mpsc::error::TryRecvError::Disconnected) => break,
                }
            } else {
                match self.commands.blocking_recv() {
                    Some(command) => Some(command),
                    None => break,
                }
            };
            match first {
                Some(first) => work_left = self.group(first)?,
                None => work_left = self.core.work(self.clock.now())?,
            }
            self.core.scrub()?;
            let last = self.core.store().last_seq()?;
            self.newest.send_if_modified(|newest| std::mem::replace(newest, last) != last);
        }
        self.status.set(PART, Condition::Stopped);
        Ok(())
    }

    /// Commits a command together with those that wait behind it. Answers whether the work list holds anything.
    fn group(&mut self, first: Command) -> Result<bool, StoreError> {
        let mut batches = Vec::new();
        let mut replies = Vec::new();
        let mut advances = Vec::new();
        let waiting = std::iter::from_fn(|| self.commands.try_recv().ok());
        for command in std::iter::once(first).chain(waiting.take(GROUP - 1)) {
            match command {
                Command::TakeIn(items, reply) => {
                    batches.push(items);
                    replies.push(reply);
                }
                Command::Advance(target, to) => advances.push((target, to)),
            }
        }
        match self.core.take_in_group(&batches, &advances, self.clock.now()) {
            Ok(became) => {
                self.status.set(PART, Condition::Up);
                for (reply, became) in replies.into_iter().zip(became) {
                    let _ = reply.send(Ok(became)); // Whoever asked may have gone; it is done all the same.
                }
            }
            Err(error) => {
                let unavailable = Unavailable { why: explain(&error) };
                self.status.set(PART, Condition::Down(unavailable.why.clone()));
                for reply in replies {
                    let _ = reply.send(Err(unavailable.clone()));
                }
                if let StoreError::Damaged(_) | StoreError::Unusable(_) = error {
                    return Err(error); // Going on could only make it worse.
                }
            }
        }
        Ok(self.core.store().pending_work()? > 0)
    }
}

/// An error and its causes in one line.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
