//! `samspor.v1.RegistryService`: facts from callers, answered when they are committed, and facts shown to them.

use prost::Message as _;
use samspor_domain::audit::{Action, Subject};
use samspor_domain::{Fact, Kind, Message, SourceName, State, Text};
use samspor_engine::{Amended, Became, Handle, Intake, Permissions, Prepared};
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::ending::{End, Ending};
use crate::put::Put;
use crate::question::{self, Means};
use crate::reading::{self, Place};
use crate::v1::registry_service_server::RegistryService;
use crate::v1::{
    DeleteFactRequest, DeleteFactResponse, EndConsentRequest, EndConsentResponse, EndEnrolmentRequest,
    EndEnrolmentResponse, GetFactRequest, GetFactResponse, ListFactVersionsRequest, ListFactVersionsResponse,
    ListFactsRequest, ListFactsResponse, ListIdentityConflictsRequest, ListIdentityConflictsResponse,
    Outcome, PutBudgetRequest, PutBudgetResponse, PutConsentRequest, PutConsentResponse,
    PutControlTotalRequest, PutControlTotalResponse, PutEnrolmentRequest, PutEnrolmentResponse,
    PutEstimateRequest, PutEstimateResponse, PutIdentityRequest, PutIdentityResponse,
    PutInvestmentCaseRequest, PutInvestmentCaseResponse, PutSolutionRequest, PutSolutionResponse,
    PutSplitRequest, PutSplitResponse, PutTargetGoalRequest, PutTargetGoalResponse, WithdrawConsentRequest,
    WithdrawConsentResponse,
};
use crate::writing::{self, References};
use crate::{SOURCE, audit, listing, message, refusal};

/// Facts that are looked through at a time for a page; between two of these a call that was dropped ends.
const SLICE: usize = 200;

/// How what callers put is read should it ever lie in quarantine, and the name under which it is counted.
#[must_use]
pub fn registrar() -> Intake {
    let facts = Kind::ALL.into_iter().filter(|kind| !kind.is_named_in_source()).collect();
    let may_send = Permissions { postings: false, facts, receipts_of: None };
    message::intake(SourceName::new(SOURCE).expect("a name of four bytes"), may_send)
}

/// An item of what a caller puts: as a source's message, so that there is one way for both.
fn item(registrar: &Intake, message: &Message) -> Vec<Prepared> {
    registrar.prepare(&message::delivery(&writing::message(message, References::Shown)))
}

/// The service.
pub(crate) struct Registry {
    pub(crate) handle: Handle,
    /// How what callers put is counted.
    pub(crate) registrar: Intake,
    pub(crate) means: Means,
}

impl Registry {
    /// Reads a request as a fact, and waits until that is committed.
    async fn put<R: Put>(&self, request: Request<R>) -> Result<i32, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let message = reading::request(|at| request.read(at)).map_err(|faults| refusal::invalid(&faults))?;
        let items = item(&self.registrar, &message);
        let action = match &message {
            Message::Fact(Fact { state: State::Withdrawn, .. }) => Action::WithdrawConsent,
            Message::Fact(Fact { state: State::Deleted, .. }) => Action::DeleteFact,
            _ => Action::PutFact,
        };
        let handle = self.handle.audited(audit::entry(&caller, action, audit::subjects(&items)));
        let became = handle.take_in(items).await.map_err(|error| refusal::unavailable(&error))?;
        outcome(became.first())
    }

    /// Reads a request as an end of a fact, and waits until the version that says so is committed.
    async fn end<R: End>(&self, request: Request<R>) -> Result<(i32, i64), Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let Ending { kind, id, version, last } =
            reading::request(|at| request.read(at)).map_err(|faults| refusal::invalid(&faults))?;
        let registrar = self.registrar.clone();
        let change = move |body: &mut _| Ending::apply(last, body);
        let prepare = move |fact| item(&registrar, &Message::Fact(fact));
        let subject = Subject::Fact { kind, id: id.clone(), source: None };
        let handle = self.handle.audited(audit::entry(&caller, Action::PutFact, [subject]));
        let amended = handle.amend(kind, id, version, change, prepare).await;
        match amended.map_err(|error| refusal::unavailable(&error))? {
            Amended::Done(became, version) => Ok((outcome(Some(&became))?, version)),
            Amended::Unknown => Err(refusal::unknown_fact()),
            Amended::NotLive => Err(refusal::not_live()),
            Amended::Changed(newest) => Err(refusal::version_changed(newest)),
        }
    }
}

fn outcome(became: Option<&Became>) -> Result<i32, Status> {
    let outcome = match became {
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

    async fn put_estimate(
        &self,
        request: Request<PutEstimateRequest>,
    ) -> Result<Response<PutEstimateResponse>, Status> {
        Ok(Response::new(PutEstimateResponse { outcome: self.put(request).await? }))
    }

    async fn put_budget(
        &self,
        request: Request<PutBudgetRequest>,
    ) -> Result<Response<PutBudgetResponse>, Status> {
        Ok(Response::new(PutBudgetResponse { outcome: self.put(request).await? }))
    }

    async fn put_target_goal(
        &self,
        request: Request<PutTargetGoalRequest>,
    ) -> Result<Response<PutTargetGoalResponse>, Status> {
        Ok(Response::new(PutTargetGoalResponse { outcome: self.put(request).await? }))
    }

    async fn put_investment_case(
        &self,
        request: Request<PutInvestmentCaseRequest>,
    ) -> Result<Response<PutInvestmentCaseResponse>, Status> {
        Ok(Response::new(PutInvestmentCaseResponse { outcome: self.put(request).await? }))
    }

    async fn put_control_total(
        &self,
        request: Request<PutControlTotalRequest>,
    ) -> Result<Response<PutControlTotalResponse>, Status> {
        Ok(Response::new(PutControlTotalResponse { outcome: self.put(request).await? }))
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

    async fn end_enrolment(
        &self,
        request: Request<EndEnrolmentRequest>,
    ) -> Result<Response<EndEnrolmentResponse>, Status> {
        let (outcome, version) = self.end(request).await?;
        Ok(Response::new(EndEnrolmentResponse { outcome, version }))
    }

    async fn end_consent(
        &self,
        request: Request<EndConsentRequest>,
    ) -> Result<Response<EndConsentResponse>, Status> {
        let (outcome, version) = self.end(request).await?;
        Ok(Response::new(EndConsentResponse { outcome, version }))
    }

    async fn get_fact(&self, request: Request<GetFactRequest>) -> Result<Response<GetFactResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let named =
            reading::request(|at| listing::named(at, request.kind, &request.id, request.source.as_deref()));
        let named = named.map_err(|faults| refusal::invalid(&faults))?;
        let handle = self.handle.audited(audit::entry(&caller, Action::ReadFact, [audit::fact(&named)]));
        let found = handle.read(move |reader, vault| {
            samspor_engine::fact(reader, vault, named.kind, named.source.as_ref(), &named.id)
        });
        let found = found.await.map_err(|error| refusal::unavailable(&error))?;
        let fact = found.ok_or_else(refusal::unknown_fact)?;
        Ok(Response::new(GetFactResponse { fact: Some(listing::shown(&fact, References::Shown)) }))
    }

    async fn list_facts(
        &self,
        request: Request<ListFactsRequest>,
    ) -> Result<Response<ListFactsResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let read = reading::request(|at| {
            let filter = listing::filter(at, &request);
            let size = listing::page_size(at, request.page_size);
            let filter = filter?;
            let after = listing::page_token(at, &request.page_token, &filter.list());
            Ok((filter, size?, after?))
        });
        let (filter, size, mut after) = read.map_err(|faults| refusal::invalid(&faults))?;
        let references = listing::references(request.show_references);
        let mut response = ListFactsResponse::default();
        let mut named = Vec::new();
        // A page of few costs few; where the filter lets few through, more are looked through at a time.
        let (mut bytes, mut slice) = (0, SLICE.min(size + 1));
        'page: loop {
            let (kind, from) = (filter.kind, listing::after(after));
            let found = self
                .handle
                .read(move |reader, vault| samspor_engine::facts_after(reader, vault, kind, from, slice));
            let found = found.await.map_err(|error| refusal::unavailable(&error))?;
            for fact in &found {
                if response.facts.len() >= size || bytes >= listing::PAGE_BYTES {
                    response.next_page_token = listing::token(&filter.list(), after);
                    break 'page;
                }
                after = fact.no.0;
                if filter.lets_through(fact) {
                    named.extend(listing::subject(fact));
                    let shown = listing::shown(fact, references);
                    bytes += shown.encoded_len();
                    response.facts.push(shown);
                }
            }
            if found.len() < slice {
                break;
            }
            slice = SLICE;
        }
        // Whose references are shown is traced one by one; of others only that there was a list.
        let shown = if request.show_references { named } else { Vec::new() };
        audit::witness(&self.handle, audit::entry(&caller, Action::ListFacts, shown)).await?;
        Ok(Response::new(response))
    }

    async fn list_fact_versions(
        &self,
        request: Request<ListFactVersionsRequest>,
    ) -> Result<Response<ListFactVersionsResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let read = reading::request(|at: Place<'_>| {
            let named = listing::named(at, request.kind, &request.id, request.source.as_deref());
            let size = listing::page_size(at, request.page_size);
            let after = listing::page_token(at, &request.page_token, "versions");
            Ok((named?, size?, after?))
        });
        let (named, size, after) = read.map_err(|faults| refusal::invalid(&faults))?;
        let references = listing::references(request.show_references);
        let handle = self.handle.audited(audit::entry(&caller, Action::ReadFact, [audit::fact(&named)]));
        let found = handle.read(move |reader, vault| {
            samspor_engine::versions(reader, vault, named.kind, named.source.as_ref(), &named.id)
        });
        let found = found.await.map_err(|error| refusal::unavailable(&error))?;
        let found = found.ok_or_else(refusal::unknown_fact)?;
        // They are only ever appended, so a number is a place among them.
        let (mut next, mut bytes) = (usize::try_from(after).unwrap_or(usize::MAX), 0);
        let mut response = ListFactVersionsResponse::default();
        for version in found.iter().skip(next) {
            if response.versions.len() >= size || bytes >= listing::PAGE_BYTES {
                response.next_page_token =
                    listing::token("versions", i64::try_from(next).unwrap_or(i64::MAX));
                break;
            }
            let shown = listing::shown(version, references);
            bytes += shown.encoded_len();
            response.versions.push(shown);
            next += 1;
        }
        Ok(Response::new(response))
    }

    async fn list_identity_conflicts(
        &self,
        request: Request<ListIdentityConflictsRequest>,
    ) -> Result<Response<ListIdentityConflictsResponse>, Status> {
        let caller = Caller::of(&request);
        let shown = question::answer(&self.handle, &self.means, request.into_inner()).await?;
        let consents =
            shown.get_ref().conflicts.iter().filter_map(|conflict| Text::new(&conflict.consent).ok());
        let subjects = consents.map(|id| Subject::Fact { kind: Kind::Consent, id, source: None });
        audit::witness(&self.handle, audit::entry(&caller, Action::ListIdentityConflicts, subjects)).await?;
        Ok(shown)
    }
}
