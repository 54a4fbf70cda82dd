//! The delivery service: what is parked of a target, and its release.

use samspor_domain::audit::{Action, Subject};
use samspor_domain::store::PostingNo;
use samspor_domain::{Parked, Text, Why};
use samspor_engine::Handle;
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::reading::Place;
use crate::v1::delivery_service_server::DeliveryService;
use crate::v1::parked_record::Why as Shown;
use crate::v1::{
    ListParkedRequest, ListParkedResponse, ParkedRecord, RefusedRecord, ReleaseParkedRequest,
    ReleaseParkedResponse,
};
use crate::{audit, reading, refusal};

/// Records of a page whose caller does not say how many.
const USUAL_PAGE: usize = 100;
/// Records of a page at most.
const MAX_PAGE: i64 = 1_000;

/// The service, on the way to the engine.
pub(crate) struct Delivery {
    pub(crate) handle: Handle,
}

#[tonic::async_trait]
impl DeliveryService for Delivery {
    async fn list_parked(
        &self,
        request: Request<ListParkedRequest>,
    ) -> Result<Response<ListParkedResponse>, Status> {
        let handle = self.handle.audited(audit::told(
            &request,
            Action::ListParked,
            audit::part(&request.get_ref().target),
        ));
        let request = request.into_inner();
        let read = reading::request(|at| {
            let target = at.field("target").text(&request.target);
            let size = at.field("page_size").integer(request.page_size, 0..=MAX_PAGE);
            let token = Some(request.page_token.as_str()).filter(|token| !token.is_empty());
            // The number of a posting in the store, which says nothing of it.
            let after = at.field("page_token").optional(token, |at, token: &str| {
                let no: Option<i64> = token.parse().ok();
                no.ok_or_else(|| at.fault(samspor_domain::Reason::InvalidField, "is no token of a page"))
            });
            Ok((target?, size?, after?))
        });
        let (target, size, after): (Text, usize, Option<i64>) =
            read.map_err(|faults| refusal::invalid(&faults))?;
        let size = if size == 0 { USUAL_PAGE } else { size };
        let page = handle.read(move |reader, _| {
            let names: std::collections::BTreeMap<_, _> = reader.sources()?.into_iter().collect();
            let mut page = reader.parked(&target, PostingNo(after.unwrap_or(0)), size + 1)?;
            let has_more = page.len() > size;
            page.truncate(size);
            let next = page.last().filter(|_| has_more).map(|last| last.posting.0.to_string());
            let mut records = Vec::with_capacity(page.len());
            for parked in page {
                let Some(row) = reader.posting(parked.posting)? else { continue };
                let source = names.get(&row.source).map(ToString::to_string).unwrap_or_default();
                let month = row.posting.date.strftime("%Y-%m").to_string();
                records.push(record(&parked, source, row.posting.id.to_string(), month));
            }
            Ok(ListParkedResponse { records, next_page_token: next.unwrap_or_default() })
        });
        page.await.map(Response::new).map_err(|error| refusal::unavailable(&error))
    }

    async fn release_parked(
        &self,
        request: Request<ReleaseParkedRequest>,
    ) -> Result<Response<ReleaseParkedResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let read = reading::request(|at: Place<'_>| {
            let target = at.field("target").text(&request.target);
            let at = at.field("posting");
            let posting = request.posting.as_ref().map(|posting| {
                let source = at.field("source").text(&posting.source);
                let id = at.field("id").text(&posting.id);
                Ok((source?, id?))
            });
            Ok((target?, posting.transpose()?))
        });
        let (target, posting) = read.map_err(|faults| refusal::invalid(&faults))?;
        let subject = match &posting {
            Some((source, id)) => Subject::Posting { source: source.clone(), id: id.clone() },
            None => Subject::Part(target.clone()),
        };
        let entry = audit::entry(&caller, Action::ReleaseParked, [subject]);
        let released = self.handle.audited(entry).release_parked(target, posting).await;
        let released = released.map_err(|error| refusal::unavailable(&error))?;
        Ok(Response::new(ReleaseParkedResponse { released: i64::try_from(released).unwrap_or(i64::MAX) }))
    }
}

fn record(parked: &Parked, source: String, posting: String, month: String) -> ParkedRecord {
    let why = match &parked.why {
        Why::ClosedMonth => Shown::ClosedMonth(month),
        Why::Refused(tries, why) => Shown::Refused(RefusedRecord {
            tries: i32::try_from(*tries).unwrap_or(i32::MAX),
            reason: why.clone(),
        }),
    };
    ParkedRecord {
        source,
        posting,
        why: Some(why),
        since: parked.since.to_string(),
        released: parked.is_released,
    }
}
