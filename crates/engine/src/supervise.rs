//! Supervision: every task has an owner, restarts with back-off, and has its place in the shutdown.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use samspor_domain::Clock;
use samspor_domain::store::StoreError;
use tokio_util::sync::CancellationToken;

use crate::adopt::FEED;
use crate::blocking;
use crate::control::{Control, Shared};
use crate::core::Core;
use crate::deliver::Outlet;
use crate::receive::Inlet;
use crate::silent::receipts_of;
use crate::status::{Condition, Status};
use crate::unit::Work;
use crate::writer::{Handle, Writer};

/// Growing, jittered waits between tries; from a fifth of a second to half a minute where nothing else is said.
pub(crate) struct Backoff {
    shape: ExponentialBuilder,
    delays: ExponentialBackoff,
    shortest: Duration,
    longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::between((Duration::from_millis(200), Duration::from_secs(30)))
    }
}

impl Backoff {
    /// Waits that grow from the first to the second.
    pub(crate) fn between(waits: (Duration, Duration)) -> Self {
        let shape = ExponentialBuilder::default()
            .with_min_delay(waits.0)
            .with_max_delay(waits.1)
            .with_jitter()
            .without_max_times();
        Self { shape, delays: shape.build(), shortest: waits.0, longest: waits.1 }
    }

    pub(crate) fn reset(&mut self) {
        self.delays = self.shape.build();
    }

    /// Waits the next delay, or until told to stop.
    pub(crate) async fn wait(&mut self, stop: &CancellationToken) {
        self.wait_as_asked(None, stop).await;
    }

    /// Waits as long as it was asked to, within its shortest and its longest wait; the next delay if nobody asked.
    pub(crate) async fn wait_as_asked(&mut self, asked: Option<Duration>, stop: &CancellationToken) {
        let delay = self.next_as_asked(asked);
        tokio::select! {
            biased;
            () = tokio::time::sleep(delay) => {}
            () = stop.cancelled() => {}
        }
    }

    /// How long such a wait is.
    pub(crate) fn next_as_asked(&mut self, asked: Option<Duration>) -> Duration {
        match asked {
            Some(asked) => asked.max(self.shortest).min(self.longest),
            None => self.delays.next().unwrap_or(self.longest),
        }
    }
}

/// The running gateway: the writer, its sources and its targets.
pub struct Gateway {
    control: Control,
    writer: tokio::task::JoinHandle<Result<(), StoreError>>,
}

/// How a gateway ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// Not everything that was begun was finished in time. Nothing is lost: what was not acknowledged comes again, and
    /// what was not confirmed is delivered again.
    #[error("not everything was finished within {0:?}; nothing is lost, the rest is done at the next start")]
    Late(Duration),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The writer broke.
    #[error("the writer broke; please report it")]
    Broken,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// Its configuration does not fit what its targets have: which, and what to do.
    #[error("{0}")]
    Filter(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Gateway {
    /// Starts everything but what is paused. Must be called in a runtime, which outside of tests is a multi-threaded one:
    /// the store blocks threads.
    pub fn start(
        mut core: Core,
        clock: Arc<dyn Clock>,
        inlets: Vec<Inlet>,
        outlets: Vec<Outlet>,
    ) -> Result<Self, NotStarted> {
        let status = Status::new(Arc::clone(&clock));
        core.note_filters(&outlets)?.map_err(NotStarted::Filter)?;
        let lines = core.new_lines(&outlets)?.map_err(StoreError::Unusable)?;
        if !lines.is_empty() {
            core.transaction(|core| core.begin_lines(&lines))?;
        }
        core.warn_of_no_room(&outlets);
        core.know_targets(&outlets.iter().map(|outlet| &outlet.name).collect::<Vec<_>>())?;
        core.expect_receipts(receipts_of(&outlets));
        let paused = core.paused()?;
        if paused.contains(FEED) {
            status.set(FEED, Condition::Paused);
        }
        let (mut writer, handle) = Writer::new(core, clock, status.clone())?;
        handle.intakes.set(inlets.iter().map(|inlet| inlet.intake.clone()));
        let mut work: Vec<Work> = inlets.into_iter().map(Work::Receive).collect();
        for outlet in outlets {
            work.push(Work::Deliver(Box::new(outlet), writer.reader()?));
        }
        let units = Shared::default();
        for work in work {
            let is_paused = paused.contains(&work.part());
            units.lock().start(work, is_paused, &handle, &status);
        }
        let writer = blocking::start(writer.run());
        Ok(Self { control: Control { handle, status, units }, writer })
    }

    /// The way in for callers.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.control.handle.clone()
    }

    /// How the parts are doing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.control.status.clone()
    }

    /// The way in for those who operate it.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Waits until the writer ends by itself, which it does only when it cannot go on.
    pub async fn failed(&mut self) -> Ended {
        match (&mut self.writer).await {
            Ok(Err(error)) => Ended::Store(error),
            Ok(Ok(())) | Err(_) => Ended::Broken,
        }
    }

    /// Stops intake, finishes what is begun, delivers what was published, closes the store; within the deadline.
    pub async fn stop(self, deadline: Duration) -> Result<(), Ended> {
        let Self { control, writer } = self;
        let finish = async {
            for targets in [false, true] {
                let ending = control.units.lock().stop(targets);
                ending.wait().await;
            }
            drop(control); // With the last handle gone the writer finishes what it was handed, and ends.
            writer.await.map_err(|_| Ended::Broken)?.map_err(Ended::Store)
        };
        tokio::time::timeout(deadline, finish).await.unwrap_or(Err(Ended::Late(deadline)))
    }
}
