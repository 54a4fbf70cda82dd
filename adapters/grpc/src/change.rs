//! The change service: changes that would change many postings, and their release.

use samspor_domain::FactNo;
use samspor_domain::audit::{Action, Subject};
use samspor_engine::{Handle, Held};
use tonic::{Request, Response, Status};

use crate::balance::{kroner, year_month};
use crate::caller::Caller;
use crate::question::{self, Means, NotAnswered, Question, Store};
use crate::v1::change_service_server::ChangeService;
use crate::v1::{
    HeldChange, ListHeldChangesRequest, ListHeldChangesResponse, ReleaseHeldChangeRequest,
    ReleaseHeldChangeResponse, Shift,
};
use crate::{audit, reading, refusal};

/// The service, on the way to the engine.
pub(crate) struct Change {
    pub(crate) handle: Handle,
    pub(crate) means: Means,
}

impl Question for ListHeldChangesRequest {
    type Answer = ListHeldChangesResponse;
    const METHOD: &'static str = "/samspor.v1.ChangeService/ListHeldChanges";

    fn answer(&self, store: &mut Store<'_>) -> Result<Self::Answer, NotAnswered> {
        let held = samspor_engine::held(store.read, store.vault)?;
        Ok(ListHeldChangesResponse { changes: held.into_iter().map(change).collect() })
    }
}

#[tonic::async_trait]
impl ChangeService for Change {
    async fn list_held_changes(
        &self,
        request: Request<ListHeldChangesRequest>,
    ) -> Result<Response<ListHeldChangesResponse>, Status> {
        let entry = audit::told(&request, Action::ListHeldChanges, self.subjects(None).await?);
        question::answer(&self.handle.audited(entry), &self.means, request.into_inner()).await
    }

    async fn release_held_change(
        &self,
        request: Request<ReleaseHeldChangeRequest>,
    ) -> Result<Response<ReleaseHeldChangeResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let read = reading::request(|at| {
            let number = at.field("number").integer(request.number, 1..=i64::MAX);
            let version = at.field("version").integer(request.version, 1..=i64::MAX);
            Ok((number?, version?))
        });
        let (number, version): (i64, i64) = read.map_err(|faults| refusal::invalid(&faults))?;
        let fact = self.subjects(Some(FactNo(number))).await?;
        let subjects = [Subject::Change(number)].into_iter().chain(fact);
        let entry = audit::entry(&caller, Action::ReleaseChange, subjects);
        let released = self.handle.audited(entry).release_change(FactNo(number), version).await;
        let released = released.map_err(|error| refusal::unavailable(&error))?;
        Ok(Response::new(ReleaseHeldChangeResponse { released }))
    }
}

impl Change {
    /// The facts that are held, or the one of them: of a consent or an enrolment the preview tells of one citizen.
    async fn subjects(&self, only: Option<FactNo>) -> Result<Vec<Subject>, Status> {
        let held = self.handle.read(samspor_engine::held).await;
        let held = held.map_err(|error| refusal::unavailable(&error))?;
        let shown = held.into_iter().filter(|held| only.is_none_or(|only| held.fact == only));
        // What holds in a source is found by its number.
        let subject = |held: Held| match held.id {
            Some(id) if !held.kind.is_named_in_source() => {
                Subject::Fact { kind: held.kind, id, source: None }
            }
            _ => Subject::Change(held.fact.0),
        };
        Ok(shown.map(subject).collect())
    }
}

fn change(held: Held) -> HeldChange {
    let preview = held.preview.into_iter().map(|shift| Shift {
        month: year_month(shift.month),
        from: shift.from,
        to: shift.to,
        postings: shift.postings,
        amount: kroner(shift.ore),
    });
    HeldChange {
        number: held.fact.0,
        kind: held.kind.word().to_owned(),
        id: held.id.map(|id| id.to_string()).unwrap_or_default(),
        version: held.version,
        since: held.since.to_string(),
        weighing: !held.is_held,
        preview: preview.collect(),
    }
}
