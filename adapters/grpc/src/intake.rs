//! `samspor.v1.IntakeService`: messages of sources from callers, one or a stream of them, answered when they are committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use prost::Message as _;
use samspor_domain::audit::Action;
use samspor_domain::{Fault, SourceName};
use samspor_engine::{Became, Handle, Prepared};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::caller::Caller;
use crate::door::Entered;
use crate::origin::Origin;
use crate::rates::{Pace, Rates};
use crate::reading::{self, Place};
use crate::v1::intake_service_server::IntakeService;
use crate::v1::{
    IndexedFault, MessageFault, Outcome, OutcomeCount, SourceMessage, SubmitMessageRequest,
    SubmitMessageResponse, SubmitMessagesRequest, SubmitMessagesResponse,
};
use crate::{SOURCE, audit, message, refusal};

/// Messages of a stream that are committed together at most. The definition says so too.
const BATCH_MESSAGES: usize = 256;
/// Bytes of a stream, as Protobuf, that are committed together; the message that reaches this is the last. The definition
/// says so too.
const BATCH_BYTES: usize = 256 * 1024;
/// Faults of a stream that are told. With the longest words they stay below the four megabytes that clients take.
const MAX_FAULTS: usize = 100;

/// The service.
pub(crate) struct Intake {
    pub(crate) handle: Handle,
    /// How long a stream may be silent.
    pub(crate) silence: Duration,
    pub(crate) rates: Arc<Rates>,
}

impl Intake {
    /// Decodes a message as one that its source delivers; what cannot be understood will lie in quarantine.
    fn prepare(
        &self,
        caller: &Caller,
        source: &str,
        message: Option<SourceMessage>,
    ) -> Result<Vec<Prepared>, Status> {
        let name: SourceName = reading::request(|at| at.field("source").required(source, Place::text))
            .map_err(|faults| refusal::invalid(&faults))?;
        if !caller.may_send_as(&name) {
            return Err(refusal::not_its_source());
        }
        if *self.handle.draining().borrow() {
            return Err(refusal::draining());
        }
        // What the registry takes is counted under a name of its own, and by nobody else's.
        let intake = Some(name).filter(|name| name.as_str() != SOURCE);
        let intake = intake.and_then(|name| self.handle.intakes().of_caller(&name));
        let intake = intake.ok_or_else(refusal::unknown_source)?;
        Ok(intake.prepare(&message::delivery(&message.unwrap_or_default())))
    }

    /// Reads what is committed together: at least one message, then what has come, up to the bounds. Also whether the
    /// stream ended with it, and how. The stream is asked for a message only when its pace allows.
    async fn batch(
        &self,
        caller: &Caller,
        entered: Option<&Entered>,
        (stream, pace): (&mut Streaming<SubmitMessagesRequest>, &mut Pace),
    ) -> (Vec<Prepared>, Option<Result<(), Status>>) {
        let (mut items, mut bytes) = (Vec::new(), 0);
        pace.due().await;
        let mut draining = self.handle.draining();
        let next = tokio::select! {
            biased;
            _ = draining.wait_for(|is_draining| *is_draining) => return (items, Some(Err(refusal::draining()))),
            next = tokio::time::timeout(self.silence, stream.message()) => next,
        };
        let Ok(mut next) = next else { return (items, Some(Err(refusal::silent()))) };
        loop {
            let request = match next {
                Ok(Some(request)) => request,
                Ok(None) => return (items, Some(Ok(()))),
                Err(status) => return (items, Some(Err(refusal::broken(&status)))),
            };
            pace.came();
            if entered.is_some_and(Entered::is_replaced) {
                return (items, Some(Err(refusal::door_replaced())));
            }
            bytes += request.encoded_len();
            match self.prepare(caller, &request.source, request.message) {
                Ok(prepared) => items.extend(prepared),
                Err(status) => return (items, Some(Err(status))),
            }
            if items.len() >= BATCH_MESSAGES || bytes >= BATCH_BYTES || !pace.is_due() {
                return (items, None);
            }
            // Asking a stream and leaving it again loses nothing of it.
            match stream.message().now_or_never() {
                Some(come) => next = come,
                None => return (items, None),
            }
        }
    }
}

/// What became of the messages of a stream so far.
#[derive(Default)]
struct Tally {
    received: i64,
    outcomes: BTreeMap<Outcome, i64>,
    faults: Vec<IndexedFault>,
}

impl Tally {
    fn note(&mut self, became: &Became) -> Result<(), Status> {
        let (outcome, fault) = told(became)?;
        *self.outcomes.entry(outcome).or_default() += 1;
        if let Some(fault) = fault.filter(|_| self.faults.len() < MAX_FAULTS) {
            self.faults.push(IndexedFault { index: self.received, fault: Some(fault) });
        }
        self.received += 1;
        Ok(())
    }

    fn response(self) -> SubmitMessagesResponse {
        let count = |(outcome, count): (Outcome, i64)| OutcomeCount { outcome: outcome.into(), count };
        SubmitMessagesResponse {
            received: self.received,
            outcomes: self.outcomes.into_iter().map(count).collect(),
            faults: self.faults,
        }
    }
}

#[tonic::async_trait]
impl IntakeService for Intake {
    async fn submit_message(
        &self,
        request: Request<SubmitMessageRequest>,
    ) -> Result<Response<SubmitMessageResponse>, Status> {
        let caller = Caller::of(&request);
        let SubmitMessageRequest { source, message } = request.into_inner();
        let items = self.prepare(&caller, &source, message)?;
        let entry = audit::entry(&caller, Action::SubmitMessages, audit::subjects(&items));
        let became =
            self.handle.audited(entry).take_in(items).await.map_err(|error| refusal::unavailable(&error))?;
        let (outcome, fault) = told(became.first().unwrap_or(&Became::Empty))?;
        Ok(Response::new(SubmitMessageResponse { outcome: outcome.into(), fault }))
    }

    async fn submit_messages(
        &self,
        request: Request<Streaming<SubmitMessagesRequest>>,
    ) -> Result<Response<SubmitMessagesResponse>, Status> {
        let caller = Caller::of(&request);
        let entered = Entered::of(&request);
        let mut pace = self.rates.pace(Origin::of(&request));
        let mut stream = request.into_inner();
        let mut tally = Tally::default();
        loop {
            let (items, end) = self.batch(&caller, entered.as_ref(), (&mut stream, &mut pace)).await;
            if !items.is_empty() {
                let entry = audit::entry(&caller, Action::SubmitMessages, audit::subjects(&items));
                let became = self.handle.audited(entry).take_in(items).await;
                let became =
                    became.map_err(|error| refusal::after(&refusal::unavailable(&error), tally.received))?;
                became.iter().try_for_each(|became| tally.note(became))?;
            }
            match end {
                None => {}
                Some(Ok(())) => return Ok(Response::new(tally.response())),
                Some(Err(status)) => return Err(refusal::after(&status, tally.received)),
            }
        }
    }
}

/// What a caller is told of a message.
fn told(became: &Became) -> Result<(Outcome, Option<MessageFault>), Status> {
    Ok(match became {
        Became::Fact => (Outcome::Fact, None),
        Became::Stale => (Outcome::Stale, None),
        Became::Posting => (Outcome::Posting, None),
        Became::Receipt => (Outcome::Receipt, None),
        Became::Duplicate => (Outcome::Duplicate, None),
        Became::Quarantined(why) => (Outcome::Quarantined, Some(fault(why))),
        Became::Empty => {
            return Err(Status::new(Code::Internal, "a message became nothing; please report it"));
        }
    })
}

fn fault(fault: &Fault) -> MessageFault {
    MessageFault {
        field: fault.path.clone().unwrap_or_default(),
        description: fault.message.clone(),
        reason: refusal::code(fault.reason),
    }
}
