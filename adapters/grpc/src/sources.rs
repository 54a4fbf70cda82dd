//! `samspor.v1.SourcesService`: an operator lets sources wait, and go on.

use samspor_domain::audit::Action;
use samspor_engine::{Control, source_part};
use tonic::{Request, Response, Status};

use crate::v1::sources_service_server::SourcesService;
use crate::v1::{PauseSourceRequest, PauseSourceResponse, ResumeSourceRequest, ResumeSourceResponse};
use crate::{audit, reading, refusal};

/// The service.
pub(crate) struct Sources {
    pub(crate) control: Control,
}

impl Sources {
    /// Lets a source wait or go on. Answers whether that is new.
    async fn pause<T>(&self, request: &Request<T>, source: &str, is_paused: bool) -> Result<bool, Status> {
        let read = reading::request(|at| at.field("source").required(source, |at, name| at.text(name)));
        let part = source_part(&read.map_err(|faults| refusal::invalid(&faults))?);
        let action = if is_paused { Action::Pause } else { Action::Resume };
        let control = self.control.audited(audit::told(request, action, audit::part(&part)));
        let done = control.pause(&part, is_paused).await;
        done.map_err(|error| refusal::control(&error, "UNKNOWN_SOURCE"))
    }
}

#[tonic::async_trait]
impl SourcesService for Sources {
    async fn pause_source(
        &self,
        request: Request<PauseSourceRequest>,
    ) -> Result<Response<PauseSourceResponse>, Status> {
        let is_new = self.pause(&request, &request.get_ref().source, true).await?;
        Ok(Response::new(PauseSourceResponse { was_so: !is_new }))
    }

    async fn resume_source(
        &self,
        request: Request<ResumeSourceRequest>,
    ) -> Result<Response<ResumeSourceResponse>, Status> {
        let is_new = self.pause(&request, &request.get_ref().source, false).await?;
        Ok(Response::new(ResumeSourceResponse { was_so: !is_new }))
    }
}
