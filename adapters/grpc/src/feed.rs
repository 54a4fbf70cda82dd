//! `samspor.v1.FeedService`: the feed for whoever reads it by asking.

mod stream;
mod wanted;

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use samspor_domain::Text;
use samspor_domain::audit::{Action, Subject};
use samspor_engine::{Audience, Expected, Handle, NotRead, Reader, Subscription};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::balance::kroner;
use crate::caller::{Caller, Role};
use crate::door::Entered;
use crate::feed::stream::Bounds;
use crate::origin::Origin;
use crate::server::Settings;
use crate::shares::Shares;
use crate::turned_away::{TurnedAway, Why};
use crate::v1::feed_service_server::FeedService;
use crate::v1::{ExpectedSum, GetExpectedRequest, GetExpectedResponse, SubscribeRequest, SubscribeResponse};
use crate::{audit, refusal};

/// The service.
pub(crate) struct Feed {
    handle: Handle,
    bounds: Bounds,
    /// A place for each stream that may be open.
    places: Arc<Semaphore>,
    /// Of these, those of each caller.
    shares: Arc<Shares<Origin>>,
    turned_away: Arc<TurnedAway>,
    /// Once it is cancelled, streams end.
    stopping: CancellationToken,
}

impl Feed {
    pub(crate) fn new(
        handle: Handle,
        settings: &Settings,
        stopping: CancellationToken,
        turned_away: Arc<TurnedAway>,
    ) -> Self {
        let bounds = Bounds {
            keep_alive: settings.feed_keep_alive,
            first_request: settings.first_request_timeout,
            age: settings.max_feed_age,
        };
        let places = Arc::new(Semaphore::new(settings.max_feed_readers));
        let shares = Shares::new(settings.max_streams_of_caller);
        Self { handle, bounds, places, shares, turned_away, stopping }
    }
}

/// Why a reader gets nothing, as it is told.
fn refused(error: &NotRead) -> Status {
    match error {
        NotRead::Cursor(error) => refusal::cursor(*error),
        NotRead::Paused => refusal::feed_paused(error),
        NotRead::Unavailable(error) => refusal::unavailable(error),
    }
}

/// Lets a caller go on that has the role for what it asks.
fn allow(caller: &Caller, audience: Option<Audience>) -> Result<(), Status> {
    let has = |role| caller.roles.contains(&role);
    let (is_allowed, why) = match audience {
        Some(Audience::Ledger) => (has(Role::Ledger), "reading the ledger's form takes the role ledger"),
        Some(Audience::Lis) => (has(Role::Lis), "reading the form for an LIS takes the role lis"),
        None => (has(Role::Ledger) || has(Role::Lis), "reading the feed takes the role ledger or lis"),
    };
    if is_allowed { Ok(()) } else { Err(refusal::not_allowed(why)) }
}

#[tonic::async_trait]
impl FeedService for Feed {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send>>;

    async fn subscribe(
        &self,
        request: Request<Streaming<SubscribeRequest>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let caller = Caller::of(&request);
        allow(&caller, None)?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| refusal::too_many_readers())?;
        let Some(share) = self.shares.take(Origin::of(&request)) else {
            self.turned_away.note(Why::Streams, &caller.name);
            return Err(refusal::too_many_streams());
        };
        let entered = Entered::of(&request);
        let mut requests = request.into_inner();
        let first = tokio::select! {
            biased;
            () = self.stopping.cancelled() => return Err(refusal::stopping()),
            first = timeout(self.bounds.first_request, requests.message()) => {
                first.map_err(|_| refusal::no_request())??
            }
        };
        let start = wanted::start(&first.unwrap_or_default()).map_err(|faults| refusal::invalid(&faults))?;
        allow(&caller, Some(start.audience))?;
        let name = Text::new(&caller.name).map_err(|_| Status::internal("a caller without a name"))?;
        let reader = Reader { name, audience: start.audience, filter: start.filter };
        let begun = Subscription::begin(&self.handle, reader, &start.cursor).await;
        let subscription = begun.map_err(|error| refused(&error))?;
        // From there on it may be handed everything; where it ends is its own.
        let range = Subject::Feed { from: subscription.position().0 + 1, to: i64::MAX };
        audit::witness(&self.handle, audit::entry(&caller, Action::SubscribeFeed, [range])).await?;
        let answers = stream::answers(
            subscription,
            requests,
            self.bounds,
            (self.stopping.clone(), entered),
            (place, share),
        );
        Ok(Response::new(Box::pin(answers)))
    }

    async fn get_expected(
        &self,
        request: Request<GetExpectedRequest>,
    ) -> Result<Response<GetExpectedResponse>, Status> {
        allow(&Caller::of(&request), None)?;
        let filter = wanted::expected(request.get_ref()).map_err(|faults| refusal::invalid(&faults))?;
        let expected = samspor_engine::expected(&self.handle, filter).await;
        Ok(Response::new(told(&expected.map_err(|error| refusal::unavailable(&error))?)))
    }
}

fn told(expected: &Expected) -> GetExpectedResponse {
    let sums = expected.sums.iter().map(|(source, month, sum)| ExpectedSum {
        source: source.to_string(),
        month: format!("{:04}-{:02}", month.year(), month.month()),
        count: sum.postings,
        sum: kroner(sum.ore()),
    });
    let all: samspor_domain::Sum = expected.sums.iter().map(|(_, _, sum)| *sum).sum();
    GetExpectedResponse {
        position: expected.position.0,
        count: all.postings,
        sum: kroner(all.ore()),
        sums: sums.collect(),
    }
}
