//! The books of targets that forward: all that arrived for one has passed on, waits or is parked.

use std::collections::BTreeMap;

use samspor_domain::store::{Month, PostingRow, Read, Result, Seq};
use samspor_domain::{Passage, SourceName, SourceNo, Sum, Text, WaitingRow};
use tokio_util::sync::CancellationToken;

/// Rows that are read at a time.
const PAGE: usize = 1_000;

/// What became of one month's postings that arrived for a target since it began to forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineBook {
    /// The target.
    pub target: Text,
    /// The source whose postings pass on.
    pub source: SourceName,
    /// The month of the postings' dates.
    pub month: Month,
    /// All that arrived.
    pub arrived: Sum,
    /// What the receiver has.
    pub passed: Sum,
    /// Of that, what has it without a part of its tag, for which there was no room.
    pub left_out: Sum,
    /// What it is still to be given.
    pub waiting: Sum,
    /// What it does not get for now.
    pub parked: Sum,
}

impl LineBook {
    /// Whether nothing vanished, and nothing was made up.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        [self.passed, self.waiting, self.parked].into_iter().sum::<Sum>() == self.arrived
    }
}

/// Reads these books, of one moment if the reader holds one. What has passed and what arrived are counters; what waits and
/// what is parked is counted here, so that each is held against the others. Told to stop, it answers less than there is.
pub(crate) fn read(
    read: &mut dyn Read,
    names: BTreeMap<SourceNo, &SourceName>,
    stop: &CancellationToken,
    sum: impl Fn(&PostingRow) -> Sum,
) -> Result<Vec<LineBook>> {
    let sums = read.forward_sums()?;
    let mut books = Vec::new();
    for line in read.forwardings()? {
        let Some(source) = names.get(&line.source) else { continue };
        let mut of: BTreeMap<Month, LineBook> = BTreeMap::new();
        let empty = |month| LineBook {
            target: line.target.clone(),
            source: (*source).clone(),
            month,
            arrived: Sum::default(),
            passed: Sum::default(),
            left_out: Sum::default(),
            waiting: Sum::default(),
            parked: Sum::default(),
        };
        for added in sums.iter().filter(|added| added.target == line.target) {
            let book = of.entry(added.month).or_insert_with(|| empty(added.month));
            *(match added.passage {
                Passage::Arrived => &mut book.arrived,
                Passage::Passed => &mut book.passed,
                Passage::LeftOut => &mut book.left_out,
            }) += added.sum;
        }
        let mut after = Seq::default();
        while !stop.is_cancelled() {
            let page = read.forward_waiting(&line.target, after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.no;
            for WaitingRow { posting: row, is_parked, .. } in page {
                let month = row.posting.date.first_of_month();
                let book = of.entry(month).or_insert_with(|| empty(month));
                *(if is_parked { &mut book.parked } else { &mut book.waiting }) += sum(&row);
            }
        }
        books.extend(of.into_values());
    }
    Ok(books)
}
