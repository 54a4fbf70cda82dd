//! What a caller is told when a call does nothing: `google.rpc.Status` with details that stay the same.

use std::time::Duration;

use samspor_domain::{Fault, Reason};
use samspor_engine::{
    ControlError, CursorError, NotRead, NotReplayed, NotRotated, NotWithdrawn, Unavailable,
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::caller::Role;

/// Whose reasons these are, in `google.rpc.ErrorInfo`.
const DOMAIN: &str = "samspor";

/// A request with faults.
pub(crate) fn invalid(faults: &[Fault]) -> Status {
    let Some((first, others)) = faults.split_first() else {
        return Status::internal("the request was refused without a reason; please report it");
    };
    let message = match others.len() {
        0 => first.to_string(),
        n => format!("{first} (and {n} more)"),
    };
    let violation = |fault: &Fault| FieldViolation {
        reason: code(fault.reason),
        ..FieldViolation::new(fault.path.clone().unwrap_or_default(), &fault.message)
    };
    let mut details = info(code(first.reason));
    details.set_bad_request(faults.iter().map(violation).collect::<Vec<_>>());
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// A fact that was understood and lies in quarantine.
pub(crate) fn quarantined(fault: &Fault) -> Status {
    Status::with_error_details(Code::FailedPrecondition, fault.to_string(), info(code(fault.reason)))
}

/// A store that did not take it, or did not answer.
pub(crate) fn unavailable(error: &Unavailable) -> Status {
    Status::with_error_details(Code::Unavailable, error.to_string(), info("STORE_UNAVAILABLE"))
}

/// A cursor that the feed cannot be read on from.
pub(crate) fn cursor(error: CursorError) -> Status {
    let (code, reason) = match error {
        CursorError::Malformed => (Code::InvalidArgument, "CURSOR_MALFORMED"),
        CursorError::OfAnotherReader => (Code::InvalidArgument, "CURSOR_OF_ANOTHER_READER"),
        CursorError::OfAnotherFilter => (Code::InvalidArgument, "CURSOR_OF_ANOTHER_FILTER"),
        CursorError::OfAnotherEpoch => (Code::FailedPrecondition, "CURSOR_OF_ANOTHER_EPOCH"),
        CursorError::Ahead => (Code::OutOfRange, "CURSOR_AHEAD"),
        CursorError::TooOld => (Code::OutOfRange, "CURSOR_TOO_OLD"),
    };
    Status::with_error_details(code, error.to_string(), info(reason))
}

/// A feed whose readers wait.
pub(crate) fn feed_paused(why: &NotRead) -> Status {
    Status::with_error_details(Code::Unavailable, why.to_string(), info("FEED_PAUSED"))
}

/// A caller whose roles do not allow it.
pub(crate) fn not_allowed(message: &str) -> Status {
    Status::with_error_details(Code::PermissionDenied, message, info("ROLE_MISSING"))
}

/// More readers of the feed than there may be.
pub(crate) fn too_many_readers() -> Status {
    let message = "as many readers of the feed as there may be are there already; try again later";
    Status::with_error_details(Code::ResourceExhausted, message, info("TOO_MANY_READERS"))
}

/// More streams than one caller may have.
pub(crate) fn too_many_streams() -> Status {
    let message = "this caller has as many streams open as one may have";
    Status::with_error_details(Code::ResourceExhausted, message, info("TOO_MANY_STREAMS"))
}

/// A call that came too fast after others of the same caller.
pub(crate) fn rate_limited(wait: Duration) -> Status {
    let mut details = info("RATE_LIMITED");
    details.set_retry_info(Some(wait));
    let message = "calls come faster than one caller's may; wait as long as the details say";
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// A stream whose first request did not come.
pub(crate) fn no_request() -> Status {
    let message = "the first request, which says what to read, did not come in time";
    Status::with_error_details(Code::DeadlineExceeded, message, info("NO_REQUEST"))
}

/// A stream that ends because the gateway does.
pub(crate) fn stopping() -> Status {
    let message = "the gateway is stopping; subscribe again with the last cursor";
    Status::with_error_details(Code::Unavailable, message, info("STOPPING"))
}

/// A stream that ends because who may call what has changed.
pub(crate) fn door_replaced() -> Status {
    let message = "who may call what was read again; call again, and go on with what was not answered";
    Status::with_error_details(Code::Unavailable, message, info("CALLERS_CHANGED"))
}

/// A caller that sends as a source that is not its own.
pub(crate) fn not_its_source() -> Status {
    let message =
        "this caller may not send as that source; `sources` of its [[grpc.callers]] says as which it may";
    Status::with_error_details(Code::PermissionDenied, message, info("NOT_ITS_SOURCE"))
}

/// A stream that was open for as long as one may be.
pub(crate) fn aged() -> Status {
    let message = "the stream was open for as long as one may be; subscribe again with the last cursor";
    Status::with_error_details(Code::Unavailable, message, info("STREAM_AGED"))
}

/// Nobody may send as that source.
pub(crate) fn unknown_source() -> Status {
    let message = "the configuration names no such source under [[grpc.sources]]";
    Status::with_error_details(Code::PermissionDenied, message, info("UNKNOWN_SOURCE"))
}

/// A stream whose sender is silent for too long.
pub(crate) fn silent() -> Status {
    let message = "the stream was silent for longer than a call may take";
    Status::with_error_details(Code::DeadlineExceeded, message, info("SILENT_STREAM"))
}

/// A call that takes longer than any may.
pub(crate) fn too_long() -> Status {
    let message = "the call took longer than the gateway allows; it may have been done all the same";
    Status::with_error_details(Code::DeadlineExceeded, message, info("CALL_TOO_LONG"))
}

/// A stream whose next message cannot be had: it is too large, or is none.
pub(crate) fn broken(status: &Status) -> Status {
    let reason = match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => Reason::TooLarge,
        _ => Reason::Undecodable,
    };
    Status::with_error_details(status.code(), "the next message cannot be read", info(code(reason)))
}

/// The same of a stream of which so many messages were committed before.
pub(crate) fn after(status: &Status, committed: i64) -> Status {
    let mut details = status.get_error_details();
    if let Some(told) = details.error_info().cloned() {
        let mut metadata = told.metadata;
        metadata.insert("committed".into(), committed.to_string());
        details.set_error_info(told.reason, told.domain, metadata);
    }
    let message = format!("{}; {committed} messages were committed before", status.message());
    Status::with_error_details(status.code(), message, details)
}

/// There is no such fact.
pub(crate) fn unknown_fact() -> Status {
    Status::with_error_details(Code::NotFound, "there is no such fact", info("UNKNOWN_FACT"))
}

/// A fact that cannot be ended, since it holds no more.
pub(crate) fn not_live() -> Status {
    let message = "the fact is deleted or withdrawn, or what it says was erased";
    Status::with_error_details(Code::FailedPrecondition, message, info("FACT_NOT_LIVE"))
}

/// A consent that did not end.
pub(crate) fn consent_live(why: &NotWithdrawn) -> Status {
    Status::with_error_details(Code::FailedPrecondition, why.to_string(), info("CONSENT_LIVE"))
}

/// A fact whose newest version is another one.
pub(crate) fn version_changed(newest: i64) -> Status {
    let metadata = [("newest_version".to_owned(), newest.to_string())];
    let details = ErrorDetails::with_error_info("VERSION_CHANGED", DOMAIN, metadata);
    let message = format!("the fact's newest version is {newest}");
    Status::with_error_details(Code::Aborted, message, details)
}

/// What a question names is not there.
pub(crate) fn not_there(reason: &str, message: &str) -> Status {
    Status::with_error_details(Code::NotFound, message, info(reason))
}

/// What is asked about is not there.
pub(crate) fn not_found(message: &str) -> Status {
    Status::with_error_details(Code::NotFound, message, info("NOT_FOUND"))
}

/// What an operator asked for and is not done; the reason where there is nothing of that name is given.
pub(crate) fn control(error: &ControlError, unknown: &str) -> Status {
    let (code, reason) = match error {
        ControlError::Unknown { .. } | ControlError::UnknownTarget { .. } => (Code::NotFound, unknown),
        ControlError::InUse => (Code::FailedPrecondition, "TARGET_IN_USE"),
        ControlError::Unavailable(error) => return unavailable(error),
    };
    Status::with_error_details(code, error.to_string(), info(reason))
}

/// A target that does not get records again.
pub(crate) fn not_replayed(why: &NotReplayed) -> Status {
    let (code, reason) = match why {
        NotReplayed::Unknown { .. } => (Code::NotFound, "UNKNOWN_TARGET"),
        NotReplayed::Forwards => (Code::FailedPrecondition, "TARGET_FORWARDS"),
        NotReplayed::Cursor(error) => return cursor(*error),
        NotReplayed::Unavailable(error) => return unavailable(error),
    };
    Status::with_error_details(code, why.to_string(), info(reason))
}

/// More than one answer holds.
pub(crate) fn too_many_postings(most: usize) -> Status {
    let message =
        format!("there are more than {most} postings; ask for fewer days, or for one source at a time");
    Status::with_error_details(Code::FailedPrecondition, message, info("TOO_MANY_POSTINGS"))
}

/// A gateway that takes nothing more in.
pub(crate) fn draining() -> Status {
    let message = "the gateway is drained and takes nothing more in; send it again when it does";
    Status::with_error_details(Code::Unavailable, message, info("DRAINING"))
}

/// Keys that are not replaced now.
pub(crate) fn not_rotated(why: &NotRotated) -> Status {
    let reason = match why {
        NotRotated::Already { .. } => "KEYS_BEING_REPLACED",
        NotRotated::NoMore(_) => "NO_MORE_KEYS",
    };
    Status::with_error_details(Code::FailedPrecondition, why.to_string(), info(reason))
}

/// A caller of whom it is not known who it is.
pub(crate) fn unauthenticated(why: &str) -> Status {
    Status::with_error_details(Code::Unauthenticated, why, info("UNAUTHENTICATED"))
}

/// A caller that may not do this; the roles that may, if any.
pub(crate) fn denied(caller: &str, roles: &[Role]) -> Status {
    let words = roles.iter().map(|role| role.word()).collect::<Vec<_>>().join(", ");
    let message = if roles.is_empty() {
        "nobody may call this method, or there is none".to_owned()
    } else {
        format!("caller {caller} may not call this method; it takes one of these roles: {words}")
    };
    let details = ErrorDetails::with_error_info("PERMISSION_DENIED", DOMAIN, [("roles".to_owned(), words)]);
    Status::with_error_details(Code::PermissionDenied, message, details)
}

/// Problems of a configuration that are told; the log has all of them.
const MAX_PROBLEMS: usize = 8;

/// A configuration that is not taken: what is wrong with it, a line each. A status travels in a header, so they are
/// bounded.
pub(crate) fn configuration(problems: &[String]) -> Status {
    let mut lines: Vec<&str> = problems.iter().take(MAX_PROBLEMS).map(String::as_str).collect();
    let more = format!("and {} more; the log has all", problems.len().saturating_sub(MAX_PROBLEMS));
    if problems.len() > MAX_PROBLEMS {
        lines.push(&more);
    }
    Status::with_error_details(Code::FailedPrecondition, lines.join("\n"), info("CONFIGURATION_REFUSED"))
}

fn info(reason: impl Into<String>) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, DOMAIN, [])
}

/// The contract's word as such codes are written: `invalid-cpr` is `INVALID_CPR`.
pub(crate) fn code(reason: Reason) -> String {
    reason.word().replace('-', "_").to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_code_and_a_fault_without_a_path_is_told_too() {
        for reason in Reason::ALL {
            let code = code(reason);
            assert!(code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{code}");
            assert_eq!(Reason::from_word(&code.to_lowercase().replace('_', "-")), Some(reason));

            let fault = Fault::new(reason, "why");
            for (status, expected) in
                [(quarantined(&fault), Code::FailedPrecondition), (invalid(&[fault]), Code::InvalidArgument)]
            {
                let details = status.get_error_details();
                let info = details.error_info().map(|info| (info.domain.as_str(), info.reason.as_str()));
                assert_eq!((status.code(), info), (expected, Some((DOMAIN, code.as_str()))));
                assert_eq!(status.message(), format!("{}: why", reason.word()));
            }
        }
    }
}
