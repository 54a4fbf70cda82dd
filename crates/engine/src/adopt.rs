//! What the core takes over from a configuration that is read again, and which parts are paused.

use std::collections::BTreeSet;

use samspor_domain::store::{Result, StoreError};
use samspor_domain::{Charts, Text};

use crate::core::Core;
use crate::forward::NewLines;

/// The store's value that lists the parts that are paused, so that a restart does not let them go on.
const PAUSED: &str = "paused";

/// What can change in a core that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The charts of accounts.
    pub charts: Charts,
    /// How many postings one transaction decides again at most.
    pub slice: usize,
    /// For how many days what no live consent reaches is kept; none: for ever.
    pub retention_days: Option<u32>,
    /// How many postings a fact may change before it is held; none: any number.
    pub brake_postings: Option<usize>,
}

impl Core {
    /// Works by other settings from now on, and for these targets, some of which begin to forward: all of it, or after an
    /// error nothing. What other charts decided goes on the work list.
    pub(crate) fn adopt(&mut self, settings: Settings, targets: &[&Text], lines: &NewLines) -> Result<()> {
        let before = self.swap(settings);
        let adopted = self.transaction(|core| {
            core.note_charts_and_rules()?;
            core.begin_lines(lines)?;
            core.note_targets(targets)
        });
        if adopted.is_err() {
            self.swap(before);
            // It may be durable all the same, where only the store's answer was lost.
            self.charts_in_doubt = true;
            return adopted;
        }
        if let Err(error) = self.warn_of_unknown(targets) {
            tracing::warn!(%error, "the targets that the store knows cannot be read");
        }
        Ok(())
    }

    fn swap(&mut self, Settings { charts, slice, retention_days, brake_postings }: Settings) -> Settings {
        self.registry.use_charts(charts.clone());
        Settings {
            charts: std::mem::replace(&mut self.charts, charts),
            slice: std::mem::replace(&mut self.slice, slice),
            retention_days: std::mem::replace(&mut self.retention.days, retention_days),
            brake_postings: std::mem::replace(&mut self.brake, brake_postings),
        }
    }

    /// The parts that are paused.
    pub(crate) fn paused(&mut self) -> Result<BTreeSet<String>> {
        let Some(bytes) = self.store.meta(PAUSED)? else { return Ok(BTreeSet::new()) };
        serde_json::from_slice(&bytes)
            .map_err(|_| StoreError::Damaged("the list of what is paused cannot be read".into()))
    }

    /// Notes that a part is paused, or is no longer. Answers whether that is new.
    pub(crate) fn note_paused(&mut self, part: &str, is_paused: bool) -> Result<bool> {
        let mut paused = self.paused()?;
        let is_new = if is_paused { paused.insert(part.to_owned()) } else { paused.remove(part) };
        if is_new {
            let bytes = serde_json::to_vec(&paused).map_err(|error| StoreError::Failed(Box::new(error)))?;
            self.transaction(|core| core.store.set_meta(PAUSED, &bytes))?;
        }
        Ok(is_new)
    }
}
