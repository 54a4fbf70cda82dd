//! What the core takes over from a configuration that is read again, and which parts are paused.

use std::collections::BTreeSet;

use samspor_domain::store::{Read, Result, StoreError};
use samspor_domain::{Charts, Text};

use crate::core::Core;
use crate::forward::NewLines;

/// The store's value that lists the parts that are paused, so that a restart does not let them go on.
const PAUSED: &str = "paused";

/// The part that readers of the feed are. It is paused like a target; each read asks the store whether it is.
pub const FEED: &str = "feed";

fn listed(paused: Option<Vec<u8>>) -> Result<BTreeSet<String>> {
    let Some(bytes) = paused else { return Ok(BTreeSet::new()) };
    serde_json::from_slice(&bytes)
        .map_err(|_| StoreError::Damaged("the list of what is paused cannot be read".into()))
}

/// Whether readers of the feed wait.
pub(crate) fn is_feed_paused(read: &mut dyn Read) -> Result<bool> {
    Ok(listed(read.meta(PAUSED)?)?.contains(FEED))
}

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
    /// For how many days the audit log is kept; none: for ever.
    pub audit_days: Option<u32>,
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

    fn swap(&mut self, settings: Settings) -> Settings {
        let Settings { charts, slice, retention_days, brake_postings, audit_days } = settings;
        self.registry.use_charts(charts.clone());
        Settings {
            charts: std::mem::replace(&mut self.charts, charts),
            slice: std::mem::replace(&mut self.slice, slice),
            retention_days: std::mem::replace(&mut self.retention.days, retention_days),
            brake_postings: std::mem::replace(&mut self.brake, brake_postings),
            audit_days: std::mem::replace(&mut self.audit_days, audit_days),
        }
    }

    /// The parts that are paused.
    pub(crate) fn paused(&mut self) -> Result<BTreeSet<String>> {
        listed(self.store.meta(PAUSED)?)
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
