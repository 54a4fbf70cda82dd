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
    /// Whether the tags of a solution have room, as far as its id decides that.
    fn has_room_for(&self, _solution: &Text) -> bool {
        true
    }
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

/// A posting that is to pass on, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingRow {
    /// Its number in the log.
    pub no: Seq,
    /// The posting.
    pub posting: PostingRow,
    /// Whether the target does not get it for now.
    pub is_parked: bool,
}

/// How far postings that pass on have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Passage {
    /// They arrived since the target began to forward: all of them.
    Arrived,
    /// The receiver has them.
    Passed,
    /// The receiver has them without a part of their tag, or without all of it, for which there was no room. These are among
    /// those that passed.
    LeftOut,
}

/// Postings that pass on, added up by month of posting. They stay when the log is emptied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardSum {
    /// The target.
    pub target: Text,
    /// The month of the postings' dates.
    pub month: Month,
    /// How far they have come.
    pub passage: Passage,
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
    /// Its number in the target's log; none once it has passed on.
    fn forward_no(&mut self, target: &Text, posting: PostingNo) -> Result<Option<Seq>>;
    /// What is to pass on to a target after a place in its log, in order, at most `limit`, without its bodies.
    fn forward_waiting(&mut self, target: &Text, after: Seq, limit: usize) -> Result<Vec<WaitingRow>>;
    /// Whether a posting is to pass on to any target.
    fn is_to_pass_on(&mut self, posting: PostingNo) -> Result<bool>;
    /// The tags with which a posting is to pass on, each with its number in the logs.
    fn forward_tags(&mut self, posting: PostingNo) -> Result<Vec<(Seq, Sealed)>>;
    /// How many postings are to pass on to a target after a place in its log.
    fn count_forward_after(&mut self, target: &Text, after: Seq) -> Result<i64>;
    /// The last number that was given in these logs.
    fn last_forward(&mut self) -> Result<Seq>;
    /// What arrived for each target and what became of it, added up.
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
    /// Adds to what arrived, passed on, and did so without a part of its tag.
    fn add_forwarded(&mut self, sums: &[ForwardSum]) -> Result<()>;
}
