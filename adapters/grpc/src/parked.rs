//! The targets that the store knows, and what is parked of each, a page at a time.

use std::collections::BTreeMap;

use samspor_domain::store::PostingNo;
use samspor_domain::{Parked, Text, Why};
use tonic::Status;

use crate::balance::year_month;
use crate::question::{NotAnswered, Question, Store};
use crate::reading::Place;
use crate::v1::parked_record::Why as Shown;
use crate::v1::{
    ListParkedRequest, ListParkedResponse, ListTargetsRequest, ListTargetsResponse, ParkedRecord,
    RefusedRecord, TargetPlace,
};
use crate::{reading, refusal};

/// Records of a page whose caller does not say how many.
const USUAL_PAGE: usize = 100;
/// Records of a page at most.
const MAX_PAGE: i64 = 1_000;

impl Question for ListTargetsRequest {
    type Answer = ListTargetsResponse;
    const METHOD: &'static str = "/samspor.v1.TargetsService/ListTargets";

    fn answer(&self, store: &mut Store<'_>) -> Result<Self::Answer, NotAnswered> {
        let mut targets = Vec::new();
        for (target, at) in store.read.cursors()? {
            targets.push((target, false, store.read.count_newest_after(at)?));
        }
        for line in store.read.forwardings()? {
            let waiting = store.read.count_forward_after(&line.target, line.cursor)?;
            targets.push((line.target, true, waiting));
        }
        targets.sort();
        let mut places = Vec::with_capacity(targets.len());
        for (target, forwards, waiting) in targets {
            let (refused, closed) = store.read.count_parked(&target)?;
            places.push(TargetPlace {
                target: target.to_string(),
                forwards,
                waiting,
                parked: refused + closed,
            });
        }
        Ok(ListTargetsResponse { targets: places })
    }
}

/// Which records are asked for.
pub(crate) struct Page {
    pub(crate) target: Text,
    size: usize,
    after: PostingNo,
}

/// Reads a request.
pub(crate) fn page(request: &ListParkedRequest) -> Result<Page, Status> {
    let read = reading::request(|at: Place<'_>| {
        let target = at.field("target").text(&request.target);
        let size = at.field("page_size").integer(request.page_size, 0..=MAX_PAGE);
        let token = Some(request.page_token.as_str()).filter(|token| !token.is_empty());
        // The number of a posting in the store, which says nothing of it.
        let after = at.field("page_token").optional(token, |at, token: &str| {
            token.parse().map(PostingNo).map_err(|_| at.invalid("is no token of a page"))
        });
        let size: usize = size?;
        let size = if size == 0 { USUAL_PAGE } else { size };
        Ok(Page { target: target?, size, after: after?.unwrap_or_default() })
    });
    read.map_err(|faults| refusal::invalid(&faults))
}

impl Question for ListParkedRequest {
    type Answer = ListParkedResponse;
    const METHOD: &'static str = "/samspor.v1.TargetsService/ListParked";

    fn answer(&self, store: &mut Store<'_>) -> Result<Self::Answer, NotAnswered> {
        let Page { target, size, after } = page(self)?;
        let names: BTreeMap<_, _> = store.read.sources()?.into_iter().collect();
        let mut page = store.read.parked(&target, after, size + 1)?;
        let has_more = page.len() > size;
        page.truncate(size);
        let next = page.last().filter(|_| has_more).map(|last| last.posting.0.to_string());
        let mut records = Vec::with_capacity(page.len());
        for parked in page {
            let Some(row) = store.read.posting(parked.posting)? else { continue };
            records.push(ParkedRecord {
                source: names.get(&row.source).map(ToString::to_string).unwrap_or_default(),
                posting: row.posting.id.to_string(),
                date: row.posting.date.to_string(),
                ..record(&parked, year_month(row.posting.date))
            });
        }
        Ok(ListParkedResponse { records, next_page_token: next.unwrap_or_default() })
    }
}

fn record(parked: &Parked, month: String) -> ParkedRecord {
    let why = match &parked.why {
        Why::ClosedMonth => Shown::ClosedMonth(month),
        Why::Refused(tries, why) => Shown::Refused(RefusedRecord {
            tries: i32::try_from(*tries).unwrap_or(i32::MAX),
            reason: why.clone(),
        }),
    };
    ParkedRecord {
        why: Some(why),
        since: parked.since.to_string(),
        released: parked.is_released,
        ..ParkedRecord::default()
    }
}
