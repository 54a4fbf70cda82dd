//! Draining: the gateway takes nothing more in, goes on deciding and delivering, and says what is left. As before a machine is
//! changed, or a store moved. A restart ends it.

use samspor_domain::Text;

use crate::control::Control;
use crate::status::{Condition, target_part};
use crate::writer::Unavailable;

/// How the names of sources' parts begin.
const SOURCE: &str = "source ";

/// What a gateway that takes nothing more in has yet to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Sources that have yet to finish what they have begun.
    pub sources: Vec<String>,
    /// Facts whose postings are still to be decided again.
    pub pending_work: i64,
    /// Each target, how many records it is to get, and how it is doing.
    pub targets: Vec<(Text, i64, Condition)>,
}

impl Left {
    /// Whether nothing is left but what targets wait for that are paused, down or gone.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        let is_at_work = |condition: &Condition| matches!(condition, Condition::Up | Condition::Starting);
        self.sources.is_empty()
            && self.pending_work == 0
            && self.targets.iter().all(|(_, records, condition)| *records == 0 || !is_at_work(condition))
    }
}

impl Control {
    /// Whether the gateway takes nothing more in.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.handle.draining.borrow()
    }

    /// Takes nothing more in from now on, or takes in again. Where that is so already nothing is done, and the audit log tells
    /// nothing.
    pub async fn drain(&self, is_draining: bool) -> Result<(), Unavailable> {
        if self.is_draining() == is_draining {
            return Ok(());
        }
        let (units, draining) = (self.units.clone(), self.handle.draining.clone());
        let done = self.handle.run(move |_, _| {
            units.lock().drain(is_draining);
            draining.send_replace(is_draining);
            Ok(())
        });
        done.await
    }

    /// What is left to do.
    pub async fn left(&self) -> Result<Left, Unavailable> {
        // Before the numbers: what was finished by then counts in them.
        let parts = self.parts();
        let is_busy = |name: &&String| {
            let report = parts.get(*name);
            report.is_none_or(|report| !matches!(report.condition, Condition::Paused | Condition::Stopped))
        };
        let sources = {
            let units = self.units.lock();
            units.names().filter(|name| name.starts_with(SOURCE)).filter(is_busy).cloned().collect()
        };
        let numbers = Self { handle: self.handle.unaudited(), ..self.clone() }.numbers().await?;
        let targets = numbers.targets.into_iter().map(|(name, (_, records))| {
            let report = parts.get(&target_part(&name));
            let condition = report.map_or(Condition::Stopped, |report| report.condition.clone());
            (name, records, condition)
        });
        Ok(Left { sources, pending_work: numbers.pending_work, targets: targets.collect() })
    }
}
