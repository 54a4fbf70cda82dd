//! What `samspor reconcile` shows of targets that forward.

use comfy_table::Table;
use samspor_grpc::v1;
use serde::Serialize;

use crate::reconcile::{self, Sum, kroner, verdict};

/// What became of a month's postings that arrived for a target since it began to forward.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    target: String,
    source: String,
    month: String,
    arrived: Sum,
    forwarded: Sum,
    tag_left_out: Sum,
    waiting: Sum,
    parked: Sum,
    pub(crate) balanced: bool,
}

impl From<v1::ForwardingBalance> for Line {
    fn from(book: v1::ForwardingBalance) -> Self {
        Self {
            target: book.target,
            source: book.source,
            month: book.month,
            arrived: book.arrived.into(),
            forwarded: book.forwarded.into(),
            tag_left_out: book.tag_left_out.into(),
            waiting: book.waiting.into(),
            parked: book.parked.into(),
            balanced: book.balanced,
        }
    }
}

/// The table of targets that forward; none without any.
pub(crate) fn table(rows: &[Line]) -> Option<Table> {
    let head = ["forwarding to", "source", "posted", "arrived", "kr.", "forwarded", "kr.", "waiting", "kr."];
    let mut shown = reconcile::table(head.into_iter().chain(["parked", "kr.", "tag left out", ""]), 3);
    for row in rows {
        let sums = [row.arrived, row.forwarded, row.waiting, row.parked].into_iter();
        let sums = sums.flat_map(|sum| [sum.postings.to_string(), kroner(sum.ore)]);
        let cells = [row.target.clone(), row.source.clone(), row.month.clone()].into_iter();
        let left_out = row.tag_left_out.postings.to_string();
        shown.add_row(cells.chain(sums).chain([left_out, verdict(row.balanced).to_owned()]));
    }
    (!rows.is_empty()).then_some(shown)
}
