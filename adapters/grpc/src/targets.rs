//! `samspor.v1.TargetsService`: an operator lets targets wait, go on and be forgotten, and looks at and releases what is parked
//! of them.

use std::time::Duration;

use samspor_domain::Text;
use samspor_domain::audit::{Action, Subject};
use samspor_domain::store::PostingNo;
use samspor_engine::{Control, ReplayFrom, target_part};
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::question::{self, Means};
use crate::reading::Place;
use crate::v1::replay_target_request::From;
use crate::v1::targets_service_server::TargetsService;
use crate::v1::{
    ForgetTargetRequest, ForgetTargetResponse, ListParkedRequest, ListParkedResponse, ListTargetsRequest,
    ListTargetsResponse, PauseTargetRequest, PauseTargetResponse, ReleaseParkedRequest,
    ReleaseParkedResponse, ReplayTargetRequest, ReplayTargetResponse, ResumeTargetRequest,
    ResumeTargetResponse,
};
use crate::{audit, parked, reading, refusal};

/// How long one call forgets a target: far less than a call may take, and often enough to show how it goes on.
const FORGETTING: Duration = Duration::from_secs(2);
/// No target has that name.
const UNKNOWN: &str = "UNKNOWN_TARGET";

/// The service, on the way to the engine.
pub(crate) struct Targets {
    pub(crate) control: Control,
    pub(crate) means: Means,
}

impl Targets {
    /// Lets a target wait or go on. Answers whether that is new.
    async fn pause<T>(&self, request: &Request<T>, target: &str, is_paused: bool) -> Result<bool, Status> {
        let part = target_part(&name(target)?);
        let action = if is_paused { Action::Pause } else { Action::Resume };
        let control = self.control.audited(audit::told(request, action, audit::part(&part)));
        control.pause(&part, is_paused).await.map_err(|error| refusal::control(&error, UNKNOWN))
    }
}

/// The name of a target.
fn name(target: &str) -> Result<Text, Status> {
    let read = reading::request(|at| at.field("target").required(target, |at, name| at.text(name)));
    read.map_err(|faults| refusal::invalid(&faults))
}

#[tonic::async_trait]
impl TargetsService for Targets {
    async fn pause_target(
        &self,
        request: Request<PauseTargetRequest>,
    ) -> Result<Response<PauseTargetResponse>, Status> {
        let is_new = self.pause(&request, &request.get_ref().target, true).await?;
        Ok(Response::new(PauseTargetResponse { was_so: !is_new }))
    }

    async fn resume_target(
        &self,
        request: Request<ResumeTargetRequest>,
    ) -> Result<Response<ResumeTargetResponse>, Status> {
        let is_new = self.pause(&request, &request.get_ref().target, false).await?;
        Ok(Response::new(ResumeTargetResponse { was_so: !is_new }))
    }

    async fn replay_target(
        &self,
        request: Request<ReplayTargetRequest>,
    ) -> Result<Response<ReplayTargetResponse>, Status> {
        let asked = request.get_ref();
        let read = reading::request(|at: Place<'_>| {
            let target = at.field("target").required(&asked.target, Place::text);
            let from = match &asked.from {
                Some(From::Cursor(cursor)) => {
                    at.field("cursor").required(cursor, |_, cursor| Ok(ReplayFrom::Cursor(cursor.to_owned())))
                }
                Some(From::Time(time)) => {
                    at.field("time").required(time, Place::instant).map(ReplayFrom::Time)
                }
                Some(From::Beginning(_)) => Ok(ReplayFrom::Beginning),
                None => Err(at.field("from").missing()),
            };
            Ok((target?, from?))
        });
        let (target, from) = read.map_err(|faults| refusal::invalid(&faults))?;
        let subject = Subject::Part(target.clone());
        let control = self.control.audited(audit::told(&request, Action::ReplayTarget, [subject]));
        let waiting = control.replay_target(&target, from).await;
        let waiting = waiting.map_err(|why| refusal::not_replayed(&why))?;
        Ok(Response::new(ReplayTargetResponse { waiting }))
    }

    async fn forget_target(
        &self,
        request: Request<ForgetTargetRequest>,
    ) -> Result<Response<ForgetTargetResponse>, Status> {
        let target = name(&request.get_ref().target)?;
        let after = PostingNo(request.get_ref().after);
        let subject = Subject::Part(target.clone());
        let control = self.control.audited(audit::told(&request, Action::ForgetTarget, [subject]));
        let forgotten = control.forget_target(&target, after, FORGETTING).await;
        let more = forgotten.map_err(|error| refusal::control(&error, UNKNOWN))?;
        let (after, left) = (more.map(|more| more.after.0), more.map_or(0, |more| more.left));
        Ok(Response::new(ForgetTargetResponse { after, left }))
    }

    /// It tells of nobody, so it leaves no trace.
    async fn list_targets(
        &self,
        request: Request<ListTargetsRequest>,
    ) -> Result<Response<ListTargetsResponse>, Status> {
        question::answer(&self.control.handle(), &self.means, request.into_inner()).await
    }

    async fn list_parked(
        &self,
        request: Request<ListParkedRequest>,
    ) -> Result<Response<ListParkedResponse>, Status> {
        let page = parked::page(request.get_ref())?;
        let (caller, handle) = (Caller::of(&request), self.control.handle());
        let shown = question::answer(&handle, &self.means, request.into_inner()).await?;
        let records = shown.get_ref().records.iter();
        let postings = records.filter_map(|record| audit::posting(&record.source, &record.posting));
        let subjects = std::iter::once(Subject::Part(page.target)).chain(postings);
        audit::witness(&handle, audit::entry(&caller, Action::ListParked, subjects)).await?;
        Ok(shown)
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
        let released = self.control.handle().audited(entry).release_parked(target, posting).await;
        let released = released.map_err(|error| refusal::unavailable(&error))?;
        Ok(Response::new(ReleaseParkedResponse { released: i64::try_from(released).unwrap_or(i64::MAX) }))
    }
}
