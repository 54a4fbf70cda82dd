//! Who was turned away: counted by kind, and told in the log once a minute and kind, so that nobody fills a disk by asking.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often one kind is told.
const EVERY: Duration = Duration::from_secs(60);

/// Why somebody was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Why {
    /// TLS failed, or was not there in time.
    Handshake,
    /// More connections than one address or certificate may have.
    Connections,
    /// More streams than one may have.
    Streams,
    /// It is not known who calls.
    Unauthenticated,
    /// Who calls may not.
    Denied,
    /// Calls came faster than one's may.
    Rate,
    /// A peer took nothing of what was for it.
    Stalled,
}

impl Why {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Handshake, "handshake"),
        (Self::Connections, "connections"),
        (Self::Streams, "streams"),
        (Self::Unauthenticated, "unauthenticated"),
        (Self::Denied, "denied"),
        (Self::Rate, "rate"),
        (Self::Stalled, "stalled"),
    ];
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    all: u64,
    /// Of these, those that a line in the log told of.
    told: u64,
    told_at: Option<Instant>,
}

/// How often anybody was, by kind.
#[derive(Debug, Default)]
pub struct TurnedAway(Mutex<[Count; Why::ALL.len()]>);

impl TurnedAway {
    /// How often, by a word for why: for metrics.
    #[must_use]
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Why::ALL.iter().map(|(why, word)| (*word, counts[*why as usize].all)).collect()
    }

    /// Counts one, and tells of it where none of its kind was told of for a minute, with what is known of this one.
    pub(crate) fn note(&self, why: Why, what: &dyn std::fmt::Display) {
        if let Some(count) = self.due(why) {
            let (_, word) = Why::ALL[why as usize];
            tracing::warn!(
                why = word,
                count,
                last = %what,
                "gRPC callers were turned away; of others for the same reason the log is silent for a minute"
            );
        }
    }

    /// Counts one. How many are to be told, if any are now.
    fn due(&self, why: Why) -> Option<u64> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = &mut counts[why as usize];
        count.all += 1;
        let now = Instant::now();
        if count.told_at.is_some_and(|at| now - at < EVERY) {
            return None;
        }
        count.told_at = Some(now);
        let untold = count.all - count.told;
        count.told = count.all;
        Some(untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_kind_is_told_once_a_minute_with_how_many_there_were() {
        let turned_away = TurnedAway::default();
        assert_eq!(turned_away.due(Why::Denied), Some(1));
        for _ in 0..1_000 {
            assert_eq!(turned_away.due(Why::Denied), None);
        }
        assert_eq!(turned_away.due(Why::Rate), Some(1), "another kind has a line of its own");
        tokio::time::advance(EVERY).await;
        assert_eq!(turned_away.due(Why::Denied), Some(1_001));
        assert!(turned_away.counts().contains(&("denied", 1_002)), "{:?}", turned_away.counts());
    }

    #[test]
    fn each_kind_has_a_place_and_a_word() {
        for (place, (why, _)) in Why::ALL.iter().enumerate() {
            assert_eq!(*why as usize, place);
        }
    }
}
