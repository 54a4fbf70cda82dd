//! The log that a target reads: the feed, or one of its own when it forwards. Delivery is the same for both.

use samspor_domain::store::{FeedRow, PostingNo, PostingRow, Read, Result, Seq};
use samspor_domain::{ForwardRow, Text};

/// Which log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    /// Of each posting the newest record is delivered, and the receiver may get it again.
    Feed,
    /// Each posting is in it once, until the receiver has it.
    Own,
}

/// An entry of a log.
pub(crate) struct Logged {
    pub(crate) seq: Seq,
    pub(crate) posting: PostingRow,
    pub(crate) says: Says,
}

/// What an entry says.
pub(crate) enum Says {
    Record(FeedRow),
    Body(ForwardRow),
}

impl Log {
    /// What a target is still to be given after a place in its log, in order, at most `limit`.
    pub(crate) fn after(
        self,
        read: &mut dyn Read,
        target: &Text,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Logged>> {
        Ok(match self {
            Self::Feed => read.newest_after(after, limit)?.into_iter().map(Logged::record).collect(),
            Self::Own => read.forward_after(target, after, limit)?.into_iter().map(Logged::body).collect(),
        })
    }

    /// The newest entry of a posting.
    pub(crate) fn newest(
        self,
        read: &mut dyn Read,
        target: &Text,
        posting: PostingNo,
    ) -> Result<Option<Logged>> {
        let row = read.posting(posting)?;
        Ok(match self {
            Self::Feed => read.newest_record(posting)?.zip(row).map(Logged::record),
            Self::Own => read.forward_of(target, posting)?.zip(row).map(Logged::body),
        })
    }

    /// The number of that entry.
    pub(crate) fn newest_seq(
        self,
        read: &mut (impl Read + ?Sized),
        target: &Text,
        posting: PostingNo,
    ) -> Result<Option<Seq>> {
        Ok(match self {
            Self::Feed => read.newest_record(posting)?.map(|record| record.seq),
            Self::Own => read.forward_no(target, posting)?,
        })
    }
}

impl Logged {
    /// The record's revision; a posting that passes on has one only.
    pub(crate) fn revision(&self) -> i64 {
        match &self.says {
            Says::Record(record) => record.revision,
            Says::Body(_) => 1,
        }
    }

    fn record((record, posting): (FeedRow, PostingRow)) -> Self {
        Self { seq: record.seq, posting, says: Says::Record(record) }
    }

    fn body((row, posting): (ForwardRow, PostingRow)) -> Self {
        Self { seq: row.no, posting, says: Says::Body(row) }
    }
}
