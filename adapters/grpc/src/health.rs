//! `grpc.health.v1.Health` over the engine's status board: a part by its name, a service by its full name, and by "" the
//! whole gateway: whether it is ready.
//!
//! It is ready when everything is up: the store, this front, every source and every target. What somebody paused does not
//! count, since that is how it is wanted; nor does a part that warns only, as of a clock that is behind. A broker that is away makes the gateway not ready, though it takes what callers
//! put and delivers when the broker is back; who only wants to put facts asks for `samspor.v1.RegistryService`, which
//! serves while the store and this front are up.
//!
//! Whoever gets a connection may ask for "". What else there is, only a caller that is known is told.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, stream};
use samspor_engine::{Condition, Parts, is_ready};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::caller::Caller;
use crate::origin::Origin;
use crate::refusal;
use crate::server::PART;
use crate::shares::{Share, Shares};
use crate::turned_away::{TurnedAway, Why};
use crate::v1::{intake_service_server, operations_service_server, registry_service_server};

/// What calls need.
const NEEDED: [&str; 2] = ["store", PART];

/// The service. It reads the board itself, so that it never tells of an earlier state than the board does.
#[derive(Clone)]
pub(crate) struct Health {
    pub(crate) parts: watch::Receiver<Parts>,
    /// Once it is cancelled nothing serves any more, and watches end.
    pub(crate) stopping: CancellationToken,
    /// Watches that are open.
    pub(crate) places: Arc<Shares<Origin>>,
    pub(crate) turned_away: Arc<TurnedAway>,
}

impl Health {
    fn of(&mut self, service: &str) -> ServingStatus {
        let parts = self.parts.borrow_and_update();
        let is_up = |part: &str| parts.get(part).is_some_and(|report| report.condition == Condition::Up);
        let up = match service {
            "" => is_ready(&parts),
            registry_service_server::SERVICE_NAME
            | intake_service_server::SERVICE_NAME
            | operations_service_server::SERVICE_NAME => NEEDED.iter().all(|part| is_up(part)),
            part => match parts.get(part) {
                Some(report) => report.condition == Condition::Up,
                None => return ServingStatus::ServiceUnknown,
            },
        };
        if up && !self.stopping.is_cancelled() { ServingStatus::Serving } else { ServingStatus::NotServing }
    }

    /// The same for a caller. To one who is not known there is the whole gateway and nothing else.
    fn told(&mut self, caller: &Caller, service: &str) -> ServingStatus {
        let may = service.is_empty() || caller.is_known();
        if may { self.of(service) } else { ServingStatus::ServiceUnknown }
    }

    /// Waits until the board changes, or until it is over.
    async fn changed(&mut self) {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => {}
            changed = self.parts.changed() => if changed.is_err() {
                self.stopping.cancelled().await; // Nobody writes on the board any more.
            }
        }
    }
}

/// One caller's watch.
struct Watching {
    health: Health,
    caller: Caller,
    service: String,
    told: Option<ServingStatus>,
    over: bool,
    _place: Share<Origin>,
}

impl Watching {
    /// The next status that differs from the last; at the end an error, so that the caller tries elsewhere or again.
    async fn next(mut self) -> Option<(Result<HealthCheckResponse, Status>, Self)> {
        if self.over {
            return None;
        }
        loop {
            self.over = self.health.stopping.is_cancelled();
            let now = self.health.told(&self.caller, &self.service);
            if self.told.replace(now) != Some(now) {
                self.over = false; // The end comes after this.
                return Some((Ok(HealthCheckResponse { status: now.into() }), self));
            }
            if self.over {
                return Some((Err(Status::unavailable("the gateway is stopping")), self));
            }
            self.health.changed().await;
        }
    }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match self.clone().told(&Caller::of(&request), &request.get_ref().service) {
            ServingStatus::ServiceUnknown => Err(Status::not_found("no part of the gateway has that name")),
            status => Ok(Response::new(HealthCheckResponse { status: status.into() })),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (caller, origin) = (Caller::of(&request), Origin::of(&request));
        let Some(place) = self.places.take(origin) else {
            self.turned_away.note(Why::Streams, &caller.name);
            return Err(refusal::too_many_streams());
        };
        let service = request.into_inner().service;
        let watching =
            Watching { health: self.clone(), caller, service, told: None, over: false, _place: place };
        Ok(Response::new(Box::pin(stream::unfold(watching, Watching::next))))
    }
}
