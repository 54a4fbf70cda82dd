//! What callers put, read as facts: one way for each request, whether it came over a connection or is fuzzed.

use prost::Message as _;
use samspor_domain::{Fault, Kind, Message, SourceName, State};

use crate::reading::{self, Place, Read};
use crate::v1::{
    DeleteFactRequest, PutBudgetRequest, PutConsentRequest, PutControlTotalRequest, PutEnrolmentRequest,
    PutEstimateRequest, PutIdentityRequest, PutInvestmentCaseRequest, PutSolutionRequest, PutSplitRequest,
    PutTargetGoalRequest, SubmitMessageRequest, WithdrawConsentRequest,
};
use crate::{facts, message, plans, refusal};

/// A request that is a fact.
pub(crate) trait Put: prost::Message + Default {
    /// Reads it as one.
    fn read(&self, at: Place<'_>) -> Read<Message>;
}

/// The requests that hold one message each, with its field and how it is read.
macro_rules! put {
    ($($request:ident $field:ident $read:path;)*) => {$(
        impl Put for $request {
            fn read(&self, at: Place<'_>) -> Read<Message> {
                at.field(stringify!($field)).message(self.$field.as_ref(), $read)
            }
        }
    )*};
}
put! {
    PutSolutionRequest solution facts::solution;
    PutEnrolmentRequest enrolment facts::enrolment;
    PutConsentRequest consent facts::consent;
    PutIdentityRequest identity facts::identity;
    PutSplitRequest split facts::split;
    PutEstimateRequest estimate plans::estimate;
    PutBudgetRequest budget plans::budget;
    PutTargetGoalRequest target plans::target;
    PutInvestmentCaseRequest investment_case plans::investment_case;
    PutControlTotalRequest control_total plans::control_total;
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

/// The requests that bring a message: those of `samspor.v1.RegistryService` that put a fact, and
/// `IntakeService/SubmitMessage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the services' methods")]
pub enum Method {
    PutSolution,
    PutEnrolment,
    PutConsent,
    PutIdentity,
    PutSplit,
    PutEstimate,
    PutBudget,
    PutTargetGoal,
    PutInvestmentCase,
    PutControlTotal,
    DeleteFact,
    WithdrawConsent,
    SubmitMessage,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::PutSolution,
        Self::PutEnrolment,
        Self::PutConsent,
        Self::PutIdentity,
        Self::PutSplit,
        Self::PutEstimate,
        Self::PutBudget,
        Self::PutTargetGoal,
        Self::PutInvestmentCase,
        Self::PutControlTotal,
        Self::DeleteFact,
        Self::WithdrawConsent,
        Self::SubmitMessage,
    ];

    /// Reads the bytes of a request as the front does: the message, or every fault of it. `None` where the bytes are no such
    /// message.
    #[must_use]
    pub fn read(self, bytes: &[u8]) -> Option<Result<Message, Vec<Fault>>> {
        match self {
            Self::PutSolution => read::<PutSolutionRequest>(bytes),
            Self::PutEnrolment => read::<PutEnrolmentRequest>(bytes),
            Self::PutConsent => read::<PutConsentRequest>(bytes),
            Self::PutIdentity => read::<PutIdentityRequest>(bytes),
            Self::PutSplit => read::<PutSplitRequest>(bytes),
            Self::PutEstimate => read::<PutEstimateRequest>(bytes),
            Self::PutBudget => read::<PutBudgetRequest>(bytes),
            Self::PutTargetGoal => read::<PutTargetGoalRequest>(bytes),
            Self::PutInvestmentCase => read::<PutInvestmentCaseRequest>(bytes),
            Self::PutControlTotal => read::<PutControlTotalRequest>(bytes),
            Self::DeleteFact => read::<DeleteFactRequest>(bytes),
            Self::WithdrawConsent => read::<WithdrawConsentRequest>(bytes),
            Self::SubmitMessage => submitted(bytes),
        }
    }
}

fn submitted(bytes: &[u8]) -> Option<Result<Message, Vec<Fault>>> {
    let request = SubmitMessageRequest::decode(bytes).ok()?;
    // Another one than it may name: here nobody may send as any.
    let source = SourceName::new("source").ok()?;
    Some(message::read(&source, &request.message.unwrap_or_default()))
}

fn read<P: Put>(bytes: &[u8]) -> Option<Result<Message, Vec<Fault>>> {
    let request = P::decode(bytes).ok()?;
    let read = reading::request(|at| request.read(at));
    // Who sent it is told in these words.
    let _ = read.as_ref().map_err(|faults| refusal::invalid(faults));
    Some(read)
}
