//! The keys to which a receiver owes an answer: what was posted under them may still be worked on.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// So many keys are remembered. Few requests in a row get no answer before nothing else is posted.
const MOST: usize = 1_000;

/// The keys of requests that were sent and have no answer, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Owed(Mutex<VecDeque<String>>);

impl Owed {
    /// Notes that a request goes under a key; whether an earlier one did that has no answer yet.
    pub(super) fn begin(&self, key: &str) -> bool {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.iter().any(|owed| owed == key) {
            return true;
        }
        if keys.len() == MOST {
            keys.pop_front();
        }
        keys.push_back(key.to_owned());
        false
    }

    /// Notes that the answer came.
    pub(super) fn end(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|owed| owed != key);
    }
}
