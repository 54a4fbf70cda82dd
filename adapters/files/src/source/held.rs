//! The folders of a source, held open for as long as anything is done in them, and what is remembered of what was taken
//! there: it lives as long as the source, and longer than any subscription.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use samspor_domain::LinkError;

use super::put_away;
use super::take::File;
use super::watch::Watch;
use super::{Settings, Shared};
use crate::failed;
use crate::folder::Folder;

/// The folders. Nobody else takes files from the first one meanwhile.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) dir: Folder,
    pub(super) done: Folder,
    pub(super) failed: Folder,
}

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Kept {
    held: Option<Arc<Held>>,
    /// What is stored already and could not be moved: it is not taken again, only moved.
    pub(super) unmoved: Vec<File>,
    /// What was moved and may grow yet.
    pub(super) watch: Watch,
}

impl Held {
    fn open(settings: &Settings) -> Result<Self, LinkError> {
        let opening = |path: &Path| {
            let doing = format!("opening the folder {} (may the gateway's user do that?)", path.display());
            move |error: io::Error| failed(doing, error)
        };
        let dir = Folder::open(&settings.dir).map_err(opening(&settings.dir))?;
        dir.lock()?;
        let made = |path: &Path| dir.make(path).map_err(opening(path));
        let (done, failed) = (made(&settings.done)?, made(&settings.failed)?);
        for (to, name) in [(&done, "done"), (&failed, "failed")] {
            if to.is(&dir) {
                let shown = to.path().display();
                let doing = format!("using the folder {shown} as `{name}`: files are taken from it");
                return Err(LinkError { doing, source: None });
            }
        }
        let held = Self { dir, done, failed };
        held.probe()?;
        Ok(held)
    }

    fn probe(&self) -> Result<(), LinkError> {
        [&self.dir, &self.done, &self.failed].into_iter().try_for_each(|to| self.dir.probe(to))
    }

    /// Whether each still lies where it did.
    pub(super) fn is_in_place(&self) -> bool {
        [&self.dir, &self.done, &self.failed].into_iter().all(Folder::is_in_place)
    }

    /// What tells that it is not so.
    pub(super) fn misplaced(&self) -> LinkError {
        let dir = self.dir.path().display();
        let doing = format!(
            "working in the folder {dir}: it, or where its files are moved, is another folder than it was; nothing is \
             moved to where somebody else says"
        );
        LinkError { doing, source: None }
    }
}

impl Shared {
    pub(super) fn kept<T>(&self, with: impl FnOnce(&mut Kept) -> T) -> T {
        with(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens the folders, makes those that are missing, sees whether they can be used, and moves what is yet to be moved.
    pub(super) fn prepare(&self) -> Result<Arc<Held>, LinkError> {
        if let Some(fault) = self.settings.faults().into_iter().next() {
            return Err(LinkError { doing: fault, source: None });
        }
        let before = self.kept(|kept| kept.held.take());
        let held = match before.filter(|held| held.is_in_place()) {
            Some(held) => {
                held.probe()?;
                held
            }
            None => Arc::new(Held::open(&self.settings)?),
        };
        self.kept(|kept| kept.held = Some(Arc::clone(&held)));
        let unmoved = self.kept(|kept| std::mem::take(&mut kept.unmoved));
        put_away::all(self, &held, unmoved, true)?;
        Ok(held)
    }
}

/// Of so many files at most something is remembered.
pub(super) fn bounded<T>(files: &mut VecDeque<T>, most: usize) {
    while files.len() > most {
        files.pop_front();
    }
}
