//! Shares: of what there is a bounded number of, one may have so many at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many each has. Who has none is not kept, so that it is bounded by what is shared.
pub(crate) struct Shares<K> {
    each: usize,
    taken: Mutex<HashMap<K, usize>>,
}

/// One of somebody's share, free again when it is dropped.
pub(crate) struct Share<K: Hash + Eq> {
    of: Arc<Shares<K>>,
    key: K,
}

impl<K: Hash + Eq + Clone> Shares<K> {
    pub(crate) fn new(each: usize) -> Arc<Self> {
        Arc::new(Self { each, taken: Mutex::default() })
    }

    /// One more for somebody, if it has fewer than its share.
    pub(crate) fn take(self: &Arc<Self>, key: K) -> Option<Share<K>> {
        let mut all = self.taken();
        let taken = all.entry(key.clone()).or_default();
        if *taken >= self.each {
            return None;
        }
        *taken += 1;
        Some(Share { of: Arc::clone(self), key })
    }
}

impl<K> Shares<K> {
    fn taken(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq> Drop for Share<K> {
    fn drop(&mut self) {
        let mut all = self.of.taken();
        if let Some(taken) = all.get_mut(&self.key) {
            *taken -= 1;
            if *taken == 0 {
                all.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_its_share_and_no_more_and_nothing_is_kept_of_who_has_none() {
        let shares = Shares::new(2);
        let (first, _second) = (shares.take("a"), shares.take("a"));
        assert!(first.is_some() && shares.take("a").is_none());
        let other = shares.take("b");
        assert!(other.is_some(), "another has a share of its own");
        drop((first, other));
        assert!(shares.take("a").is_some());
        assert_eq!(shares.taken().len(), 1, "b has none, and a has one left");
    }
}
