//! Forwarding: the log of what passes on to a target as it came, and the ports to it.

use bytes::Bytes;

use crate::store::{Month, PostingNo, PostingRow, Result, Sealed, Seq, SourceNo};
use crate::{Delivery, Sum, Tag, Text};

/// Puts tags into bodies of one format.
pub trait Carry: Send + Sync {
    /// The content type of a body that came without one.
    fn content_type(&self) -> &'static str;
    /// A posting's body as it came, and in it the tag if there is one. What the format has no room for is left out: a
    /// posting always passes on.
    fn carry(&self, posting: &Delivery, tag: Option<&Tag>) -> Carried;
}

/// A body as it passes on.
#[derive(Clone, PartialEq, Eq)]
pub struct Carried {
    /// Its bytes.
    pub body: Bytes,
    /// How many places the tag was left out of.
    pub left_out: u32,
}

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Carried({} bytes, {} places left out)", self.body.len(), self.left_out)
    }
}

/// A target to which a source's postings pass on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarding {
    /// The target.
    pub target: Text,
    /// The source.
    pub source: SourceNo,
    /// Up to where in its own log the target has everything, but for what is parked.
    pub cursor: Seq,
}

/// A posting that is to pass on. It is in the log until the receiver has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardRow {
    /// Its number in the log, in order of arrival. None is given twice.
    pub no: Seq,
    /// Which posting.
    pub posting: PostingNo,
    /// Its content type and bytes as they came, sealed.
    pub body: Sealed,
    /// The [`Tag`] that it had on arrival, sealed; none if it had none, or the consent that it rested on was withdrawn.
    pub tag: Option<Sealed>,
}

/// Postings that passed on or are to, added up by month of posting. They stay when the log is emptied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardSum {
    /// The target.
    pub target: Text,
    /// The month of the postings' dates.
    pub month: Month,
    /// Whether the receiver has them; otherwise these are all that arrived since the target began.
    pub has_passed: bool,
    /// What they add up to.
    pub sum: Sum,
}

/// What readers ask of the logs of targets that forward.
pub trait ReadForward {
    /// The targets that forward, by name.
    fn forwardings(&mut self) -> Result<Vec<Forwarding>>;
    /// What is to pass on to a target after a place in its log, in order, at most `limit`, with the postings.
    fn forward_after(
        &mut self,
        target: &Text,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<(ForwardRow, PostingRow)>>;
    /// A posting that is to pass on to a target; none once it has.
    fn forward_of(&mut self, target: &Text, posting: PostingNo) -> Result<Option<ForwardRow>>;
    /// Whether a posting is to pass on to any target, and how: each row of it.
    fn forwards_of(&mut self, posting: PostingNo) -> Result<Vec<ForwardRow>>;
    /// How many postings are to pass on to a target after a place in its log.
    fn count_forward_after(&mut self, target: &Text, after: Seq) -> Result<i64>;
    /// The last number that was given in these logs.
    fn last_forward(&mut self) -> Result<Seq>;
    /// What has arrived for and passed on to each target, added up.
    fn forward_sums(&mut self) -> Result<Vec<ForwardSum>>;
}

/// What the one writer does with them.
pub trait WriteForward {
    /// Makes a target known to which a source's postings pass on from now on.
    fn begin_forwarding(&mut self, target: &Text, source: SourceNo) -> Result<()>;
    /// Appends to a target's log.
    fn forward(
        &mut self,
        target: &Text,
        posting: PostingNo,
        body: &Sealed,
        tag: Option<&Sealed>,
    ) -> Result<Seq>;
    /// The receiver has a posting, which leaves the log. Answers whether it was there.
    fn has_passed(&mut self, target: &Text, posting: PostingNo) -> Result<bool>;
    /// A posting that is still to pass on does so without a tag.
    fn blank_forward(&mut self, no: Seq) -> Result<()>;
    /// Adds to what arrived and passed on.
    fn add_forwarded(&mut self, sums: &[ForwardSum]) -> Result<()>;
}
