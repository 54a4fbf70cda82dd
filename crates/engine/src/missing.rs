//! The alarm for receipts that are missing, or that came and were none. It looks at the store, so it is raised whatever the
//! target does: also while that is down, paused, or has just started.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use samspor_domain::Text;

use crate::status::{Condition, Status};
use crate::writer::Handle;

/// How often missing receipts are looked for.
const LOOK: Duration = Duration::from_secs(10);

/// Targets whose last answer should have been a receipt and was none: why.
#[derive(Clone, Default)]
pub(crate) struct Misunderstood(Arc<Mutex<BTreeMap<Text, String>>>);

impl Misunderstood {
    /// It was understood after all, or nothing was to be understood.
    pub(crate) fn forget(&self, target: &Text) {
        self.lock().remove(target);
    }

    /// Says at once that an answer was none.
    pub(crate) fn tell(&self, target: &Text, why: String, status: &Status) {
        let mut all = self.lock();
        status.set(&receipts_part(target), Condition::Down(why.clone()));
        all.insert(target.clone(), why);
    }

    /// Says how receipts are doing of which none is missing.
    fn tell_again(&self, target: &Text, status: &Status) {
        let all = self.lock();
        let condition = all.get(target).cloned().map_or(Condition::Up, Condition::Down);
        status.set(&receipts_part(target), condition);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Text, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of the part that says how a target's receipts are doing.
pub(crate) fn receipts_part(name: &Text) -> String {
    format!("receipts {name}")
}

/// Looks for missing receipts of a target for ever; or takes their part off the board, where it is to give none.
pub(crate) fn look(
    target: Text,
    within: Option<Duration>,
    handle: Handle,
    status: Status,
) -> impl Future<Output = ()> {
    // At once, before the target is told anything.
    handle.misunderstood.forget(&target);
    if within.is_none() {
        status.remove(&receipts_part(&target));
    }
    async move {
        let Some(within) = within else { return std::future::pending().await };
        let within = SignedDuration::try_from(within).unwrap_or(SignedDuration::MAX);
        let mut interval = tokio::time::interval(LOOK);
        loop {
            interval.tick().await;
            let until = handle.now().saturating_sub(within).unwrap_or(Timestamp::MIN);
            let name = target.clone();
            match handle.read(move |read, _| read.awaited(&name, until)).await {
                Ok(0) => handle.misunderstood.tell_again(&target, &status),
                Ok(missing) => {
                    let why = format!(
                        "{missing} records were handed over and have had no receipt for longer than {} s",
                        within.as_secs()
                    );
                    status.set(&receipts_part(&target), Condition::Down(why));
                }
                Err(_) => {} // The store says that itself.
            }
        }
    }
}
