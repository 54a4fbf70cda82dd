//! `samspor.v1.AdminService`: an operator looks at the gateway, pauses and resumes parts of it, and has its configuration
//! read again.

use std::sync::Arc;
use std::time::Duration;

use samspor_domain::audit::Action;
use samspor_domain::{PostingNo, Text};
use samspor_engine::{
    Condition, Control, ControlError, Numbers, Parts, Report, is_ready, source_part, target_part,
};
use tokio::sync::{mpsc, oneshot};
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::v1::admin_service_server::AdminService;
use crate::v1::{
    ForgetTargetRequest, ForgetTargetResponse, GetStatusRequest, GetStatusResponse, PartCondition,
    PartStatus, PauseRequest, PauseResponse, ReloadRequest, ReloadResponse, ResumeRequest, ResumeResponse,
};
use crate::{audit, refusal};

/// The store's part.
const STORE: &str = "store";

/// How long one call forgets a target: far less than a call may take, and often enough to show how it goes on.
const FORGETTING: Duration = Duration::from_secs(2);

/// A caller who waits for the configuration to be read again.
pub struct Reload {
    /// Who it is.
    pub by: Arc<str>,
    /// How it is told what changed, or what is wrong, a line each.
    pub reply: oneshot::Sender<Result<ReloadResponse, Vec<String>>>,
}

/// The service.
pub(crate) struct Admin {
    pub(crate) control: Control,
    /// To whom the configuration belongs.
    pub(crate) reloads: mpsc::Sender<Reload>,
}

impl Admin {
    async fn pause<T>(&self, request: &Request<T>, part: &str, is_paused: bool) -> Result<bool, Status> {
        let action = if is_paused { Action::Pause } else { Action::Resume };
        let control = self.control.audited(audit::told(request, action, audit::part(part)));
        control.pause(part, is_paused).await.map_err(|error| refused(&error))
    }
}

fn refused(error: &ControlError) -> Status {
    match error {
        ControlError::Unknown { .. } => refusal::unknown_part(&error.to_string()),
        ControlError::UnknownTarget { .. } => refusal::unknown_target(&error.to_string()),
        ControlError::InUse => refusal::target_in_use(&error.to_string()),
        ControlError::Unavailable(error) => refusal::unavailable(error),
    }
}

#[tonic::async_trait]
impl AdminService for Admin {
    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<GetStatusResponse>, Status> {
        let (numbers, missing) = match self.control.numbers().await {
            Ok(numbers) => (Some(numbers), String::new()),
            Err(error) => (None, error.to_string()),
        };
        let parts = self.control.parts();
        Ok(Response::new(GetStatusResponse {
            ready: is_ready(&parts),
            parts: parts
                .iter()
                .map(|(part, report)| status(part, report, &parts, numbers.as_ref()))
                .collect(),
            numbers_missing: missing,
        }))
    }

    async fn pause(&self, request: Request<PauseRequest>) -> Result<Response<PauseResponse>, Status> {
        let is_new = self.pause(&request, &request.get_ref().part, true).await?;
        Ok(Response::new(PauseResponse { was_so: !is_new }))
    }

    async fn resume(&self, request: Request<ResumeRequest>) -> Result<Response<ResumeResponse>, Status> {
        let is_new = self.pause(&request, &request.get_ref().part, false).await?;
        Ok(Response::new(ResumeResponse { was_so: !is_new }))
    }

    async fn forget_target(
        &self,
        request: Request<ForgetTargetRequest>,
    ) -> Result<Response<ForgetTargetResponse>, Status> {
        let name = &request.get_ref().target;
        let unknown = || refusal::unknown_target("the store knows no target of that name");
        let target = Text::new(name).map_err(|_| unknown())?;
        let after = PostingNo(request.get_ref().after);
        let control = self.control.audited(audit::told(&request, Action::ForgetTarget, audit::part(name)));
        let forgotten = control.forget_target(&target, after, FORGETTING).await;
        let more = forgotten.map_err(|error| refused(&error))?;
        let (after, left) = (more.map(|more| more.after.0), more.map_or(0, |more| more.left));
        Ok(Response::new(ForgetTargetResponse { after, left }))
    }

    async fn reload(&self, request: Request<ReloadRequest>) -> Result<Response<ReloadResponse>, Status> {
        let (reply, answer) = oneshot::channel();
        let by = Caller::of(&request).name;
        let stopping = || Status::unavailable("the gateway is stopping");
        self.reloads.send(Reload { by, reply }).await.map_err(|_| stopping())?;
        let answer = answer.await.map_err(|_| stopping())?;
        answer.map(Response::new).map_err(|problems| refusal::configuration(&problems))
    }
}

fn status(part: &str, report: &Report, parts: &Parts, numbers: Option<&Numbers>) -> PartStatus {
    let condition = match &report.condition {
        Condition::Starting => PartCondition::Starting,
        Condition::Up => PartCondition::Up,
        Condition::Down(_) => PartCondition::Down,
        Condition::Paused => PartCondition::Paused,
        Condition::Stopped => PartCondition::Stopped,
    };
    let why = match &report.condition {
        Condition::Down(why) => why.clone(),
        _ => String::new(),
    };
    let named = |name: &Text, of: fn(&Text) -> String| of(name) == part;
    // What never sent anything, or was never sent anything, has none in the store.
    let received = numbers.filter(|_| part.starts_with("source ")).map(|numbers| {
        numbers.received.iter().find(|(name, _)| named(name, source_part)).map_or(0, |(_, items)| *items)
    });
    let waiting = numbers.filter(|_| part.starts_with("target ")).map(|numbers| {
        numbers
            .targets
            .iter()
            .find(|(name, _)| named(name, target_part))
            .map_or(0, |(_, (_, waiting))| *waiting)
    });
    let kept = |is_meant: &dyn Fn(&Text) -> bool| -> i64 {
        let kept = numbers.into_iter().flat_map(|numbers| &numbers.kept_for_receipts);
        kept.filter(|(name, _)| is_meant(name)).map(|(_, postings)| *postings).sum()
    };
    let kept_for_receipts = if part == STORE {
        kept(&|name| !parts.contains_key(&target_part(name)))
    } else {
        kept(&|name| named(name, target_part))
    };
    PartStatus {
        part: part.to_owned(),
        condition: condition.into(),
        since: report.since.to_string(),
        why,
        received,
        waiting,
        pending_work: numbers.filter(|_| part == STORE).map(|numbers| numbers.pending_work),
        kept_for_receipts: Some(kept_for_receipts).filter(|postings| *postings > 0),
    }
}
