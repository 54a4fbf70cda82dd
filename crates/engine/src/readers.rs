//! Readers beside the writer, a few of them, so that a long question does not hold up a short one.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use samspor_domain::store::{Read, Result, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many questions the store is asked at once; more wait. A listing and a page of the quarantine leave one for whoever asks
/// for a single fact. Each is a connection with a cache of its own, and reading takes a processor from the writer, so there
/// are not more.
pub const READERS: usize = 3;

/// The readers.
pub(crate) struct Readers {
    free: Mutex<Vec<Box<dyn Read>>>,
    /// As many permits as readers; whoever has one finds a free one.
    places: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(store: &mut dyn Store) -> Result<Self> {
        let free = (0..READERS).map(|_| store.reader()).collect::<Result<_>>()?;
        Ok(Self { free: Mutex::new(free), places: Arc::new(Semaphore::new(READERS)) })
    }

    /// Waits for a free reader. None is not expected: the places are never closed.
    pub(crate) async fn take(self: &Arc<Self>) -> Option<Taken> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let reader = self.free().pop()?;
        Some(Taken { reader: Some(reader), readers: Arc::clone(self), _place: place })
    }

    fn free(&self) -> MutexGuard<'_, Vec<Box<dyn Read>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader that is free again when this is dropped, also where the question broke.
pub(crate) struct Taken {
    /// Always there, until it is given back.
    reader: Option<Box<dyn Read>>,
    readers: Arc<Readers>,
    /// Free after the reader.
    _place: OwnedSemaphorePermit,
}

impl Deref for Taken {
    type Target = Box<dyn Read>;

    fn deref(&self) -> &Self::Target {
        self.reader.as_ref().unwrap_or_else(|| unreachable!("it is given back when this is dropped"))
    }
}

impl DerefMut for Taken {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.reader.as_mut().unwrap_or_else(|| unreachable!("it is given back when this is dropped"))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.readers.free().extend(self.reader.take());
    }
}
