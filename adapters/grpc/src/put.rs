//! What callers put, read as facts: one way for each request, whether it came over a connection or is fuzzed.

use samspor_domain::{Fault, Kind, Message, State};

use crate::reading::{self, Place, Read};
use crate::v1::{
    DeleteFactRequest, PutConsentRequest, PutEnrolmentRequest, PutIdentityRequest, PutSolutionRequest,
    PutSplitRequest, WithdrawConsentRequest,
};
use crate::{facts, refusal};

/// A request that is a fact.
pub(crate) trait Put: prost::Message + Default {
    /// Reads it as one.
    fn read(&self, at: Place<'_>) -> Read<Message>;
}

impl Put for PutSolutionRequest {
    fn read(&self, at: Place<'_>) -> Read<Message> {
        at.field("solution").message(self.solution.as_ref(), facts::solution)
    }
}

impl Put for PutEnrolmentRequest {
    fn read(&self, at: Place<'_>) -> Read<Message> {
        at.field("enrolment").message(self.enrolment.as_ref(), facts::enrolment)
    }
}

impl Put for PutConsentRequest {
    fn read(&self, at: Place<'_>) -> Read<Message> {
        at.field("consent").message(self.consent.as_ref(), facts::consent)
    }
}

impl Put for PutIdentityRequest {
    fn read(&self, at: Place<'_>) -> Read<Message> {
        at.field("identity").message(self.identity.as_ref(), facts::identity)
    }
}

impl Put for PutSplitRequest {
    fn read(&self, at: Place<'_>) -> Read<Message> {
        at.field("split").message(self.split.as_ref(), facts::split)
    }
}

impl Put for DeleteFactRequest {
    fn read(&self, at: Place<'_>) -> Read<Message> {
        let kind = facts::kind(at.field("kind"), self.kind);
        facts::ended(at, kind, &self.id, self.version, State::Deleted)
    }
}

impl Put for WithdrawConsentRequest {
    fn read(&self, at: Place<'_>) -> Read<Message> {
        facts::ended(at, Ok(Kind::Consent), &self.id, self.version, State::Withdrawn)
    }
}

/// The requests of `samspor.v1.RegistryService` that put a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the service's methods")]
pub enum Method {
    PutSolution,
    PutEnrolment,
    PutConsent,
    PutIdentity,
    PutSplit,
    DeleteFact,
    WithdrawConsent,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::PutSolution,
        Self::PutEnrolment,
        Self::PutConsent,
        Self::PutIdentity,
        Self::PutSplit,
        Self::DeleteFact,
        Self::WithdrawConsent,
    ];

    /// Reads the bytes of a request as the front does: the fact, or every fault of it. `None` where the bytes are no such
    /// message.
    #[must_use]
    pub fn read(self, bytes: &[u8]) -> Option<Result<Message, Vec<Fault>>> {
        match self {
            Self::PutSolution => read::<PutSolutionRequest>(bytes),
            Self::PutEnrolment => read::<PutEnrolmentRequest>(bytes),
            Self::PutConsent => read::<PutConsentRequest>(bytes),
            Self::PutIdentity => read::<PutIdentityRequest>(bytes),
            Self::PutSplit => read::<PutSplitRequest>(bytes),
            Self::DeleteFact => read::<DeleteFactRequest>(bytes),
            Self::WithdrawConsent => read::<WithdrawConsentRequest>(bytes),
        }
    }
}

fn read<P: Put>(bytes: &[u8]) -> Option<Result<Message, Vec<Fault>>> {
    let request = P::decode(bytes).ok()?;
    let read = reading::request(|at| request.read(at));
    // Who sent it is told in these words.
    let _ = read.as_ref().map_err(|faults| refusal::invalid(faults));
    Some(read)
}
