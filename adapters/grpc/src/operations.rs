//! `samspor.v1.OperationsService`: an operator looks at the gateway, has its configuration read again, and
//! drains it.

use std::sync::Arc;

use samspor_domain::Text;
use samspor_domain::audit::Action;
use samspor_engine::{Condition, Control, FEED, Numbers, Parts, Report, is_ready, source_part, target_part};
use tokio::sync::{mpsc, oneshot};
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::v1::operations_service_server::OperationsService;
use crate::v1::{
    DrainRequest, DrainResponse, DrainingTarget, GetStatusRequest, GetStatusResponse, PartCondition,
    PartStatus, PauseFeedRequest, PauseFeedResponse, ReloadRequest, ReloadResponse, ResumeFeedRequest,
    ResumeFeedResponse,
};
use crate::{audit, refusal};

/// The store's part.
const STORE: &str = "store";

/// A caller who waits for the configuration to be read again.
pub struct Reload {
    /// Who it is.
    pub by: Arc<str>,
    /// How it is told what changed, or what is wrong, a line each.
    pub reply: oneshot::Sender<Result<ReloadResponse, Vec<String>>>,
}

/// The service.
pub(crate) struct Operations {
    pub(crate) control: Control,
    /// To whom the configuration belongs; none where nobody can read it again.
    pub(crate) reloads: Option<mpsc::Sender<Reload>>,
}

#[tonic::async_trait]
impl OperationsService for Operations {
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
            draining: self.control.is_draining(),
        }))
    }

    async fn pause_feed(
        &self,
        request: Request<PauseFeedRequest>,
    ) -> Result<Response<PauseFeedResponse>, Status> {
        let control = self.control.audited(audit::told(&request, Action::Pause, audit::part(FEED)));
        let is_new = control.pause_feed(true).await.map_err(|error| refusal::unavailable(&error))?;
        Ok(Response::new(PauseFeedResponse { was_so: !is_new }))
    }

    async fn resume_feed(
        &self,
        request: Request<ResumeFeedRequest>,
    ) -> Result<Response<ResumeFeedResponse>, Status> {
        let control = self.control.audited(audit::told(&request, Action::Resume, audit::part(FEED)));
        let is_new = control.pause_feed(false).await.map_err(|error| refusal::unavailable(&error))?;
        Ok(Response::new(ResumeFeedResponse { was_so: !is_new }))
    }

    async fn drain(&self, request: Request<DrainRequest>) -> Result<Response<DrainResponse>, Status> {
        let cancel = request.get_ref().cancel;
        let action = if cancel { Action::EndDrain } else { Action::Drain };
        let control = self.control.audited(audit::told(&request, action, []));
        let unavailable = |error| refusal::unavailable(&error);
        control.drain(!cancel).await.map_err(unavailable)?;
        let left = self.control.left().await.map_err(unavailable)?;
        let draining = self.control.is_draining();
        Ok(Response::new(DrainResponse {
            draining,
            drained: draining && left.is_drained(),
            sources: left.sources,
            pending_work: left.pending_work,
            targets: left.targets.iter().filter(|(_, waiting, _)| *waiting > 0).map(waiting_target).collect(),
        }))
    }

    async fn reload(&self, request: Request<ReloadRequest>) -> Result<Response<ReloadResponse>, Status> {
        let owner = self.reloads.as_ref();
        let owner = owner.ok_or_else(|| Status::unimplemented("nobody reads the configuration again"))?;
        let (reply, answer) = oneshot::channel();
        let by = Caller::of(&request).name;
        let stopping = || Status::unavailable("the gateway is stopping");
        owner.send(Reload { by, reply }).await.map_err(|_| stopping())?;
        let answer = answer.await.map_err(|_| stopping())?;
        answer.map(Response::new).map_err(|problems| refusal::configuration(&problems))
    }
}

fn waiting_target((target, waiting, condition): &(Text, i64, Condition)) -> DrainingTarget {
    DrainingTarget {
        target: target.to_string(),
        waiting: *waiting,
        condition: self::condition(condition).into(),
        why: why(condition),
    }
}

fn condition(condition: &Condition) -> PartCondition {
    match condition {
        Condition::Starting => PartCondition::Starting,
        Condition::Up => PartCondition::Up,
        Condition::Down(_) => PartCondition::Down,
        Condition::Paused => PartCondition::Paused,
        Condition::Stopped => PartCondition::Stopped,
    }
}

fn why(condition: &Condition) -> String {
    match condition {
        Condition::Down(why) => why.clone(),
        _ => String::new(),
    }
}

fn status(part: &str, report: &Report, parts: &Parts, numbers: Option<&Numbers>) -> PartStatus {
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
        condition: condition(&report.condition).into(),
        since: report.since.to_string(),
        why: why(&report.condition),
        received,
        waiting,
        pending_work: numbers.filter(|_| part == STORE).map(|numbers| numbers.pending_work),
        kept_for_receipts: Some(kept_for_receipts).filter(|postings| *postings > 0),
    }
}
