//! `samspor.v1.RegistryService`: facts from callers, answered when they are committed.

use samspor_domain::SourceName;
use samspor_engine::{Became, Handle, Prepared};
use tonic::{Request, Response, Status};

use crate::put::Put;
use crate::reading;
use crate::v1::registry_service_server::RegistryService;
use crate::v1::{
    DeleteFactRequest, DeleteFactResponse, ListIdentityConflictsRequest, ListIdentityConflictsResponse,
    Outcome, PutConsentRequest, PutConsentResponse, PutEnrolmentRequest, PutEnrolmentResponse,
    PutIdentityRequest, PutIdentityResponse, PutSolutionRequest, PutSolutionResponse, PutSplitRequest,
    PutSplitResponse, WithdrawConsentRequest, WithdrawConsentResponse,
};
use crate::{conflicts, refusal};

/// The service.
pub(crate) struct Registry {
    pub(crate) handle: Handle,
    /// The name under which what callers send is counted.
    pub(crate) source: SourceName,
}

impl Registry {
    /// Reads a request as a fact, and waits until that is committed.
    async fn put<R: Put>(&self, request: Request<R>) -> Result<i32, Status> {
        let request = request.into_inner();
        let message = reading::request(|at| request.read(at)).map_err(|faults| refusal::invalid(&faults))?;
        let bytes = request.encode_to_vec().into();
        let item = Prepared::from_caller(self.source.clone(), message, bytes);
        let became = self.handle.take_in(vec![item]).await.map_err(|error| refusal::unavailable(&error))?;
        let outcome = match became.first() {
            Some(Became::Fact) => Outcome::Fact,
            Some(Became::Stale) => Outcome::Stale,
            Some(Became::Duplicate) => Outcome::Duplicate,
            Some(Became::Quarantined(fault)) => return Err(refusal::quarantined(fault)),
            Some(Became::Posting | Became::Receipt | Became::Empty) | None => {
                return Err(Status::internal("a fact became something else; please report it"));
            }
        };
        Ok(outcome.into())
    }
}

#[tonic::async_trait]
impl RegistryService for Registry {
    async fn put_solution(
        &self,
        request: Request<PutSolutionRequest>,
    ) -> Result<Response<PutSolutionResponse>, Status> {
        Ok(Response::new(PutSolutionResponse { outcome: self.put(request).await? }))
    }

    async fn put_enrolment(
        &self,
        request: Request<PutEnrolmentRequest>,
    ) -> Result<Response<PutEnrolmentResponse>, Status> {
        Ok(Response::new(PutEnrolmentResponse { outcome: self.put(request).await? }))
    }

    async fn put_consent(
        &self,
        request: Request<PutConsentRequest>,
    ) -> Result<Response<PutConsentResponse>, Status> {
        Ok(Response::new(PutConsentResponse { outcome: self.put(request).await? }))
    }

    async fn put_identity(
        &self,
        request: Request<PutIdentityRequest>,
    ) -> Result<Response<PutIdentityResponse>, Status> {
        Ok(Response::new(PutIdentityResponse { outcome: self.put(request).await? }))
    }

    async fn put_split(
        &self,
        request: Request<PutSplitRequest>,
    ) -> Result<Response<PutSplitResponse>, Status> {
        Ok(Response::new(PutSplitResponse { outcome: self.put(request).await? }))
    }

    async fn delete_fact(
        &self,
        request: Request<DeleteFactRequest>,
    ) -> Result<Response<DeleteFactResponse>, Status> {
        Ok(Response::new(DeleteFactResponse { outcome: self.put(request).await? }))
    }

    async fn withdraw_consent(
        &self,
        request: Request<WithdrawConsentRequest>,
    ) -> Result<Response<WithdrawConsentResponse>, Status> {
        Ok(Response::new(WithdrawConsentResponse { outcome: self.put(request).await? }))
    }

    async fn list_identity_conflicts(
        &self,
        request: Request<ListIdentityConflictsRequest>,
    ) -> Result<Response<ListIdentityConflictsResponse>, Status> {
        let request = request.into_inner();
        let page = reading::request(|at| conflicts::page(at, &request))
            .map_err(|faults| refusal::invalid(&faults))?;
        let found = self.handle.read(|reader, vault| samspor_engine::conflicts(reader, vault)).await;
        let found = found.map_err(|error| refusal::unavailable(&error))?;
        Ok(Response::new(conflicts::response(&found, &page)))
    }
}
