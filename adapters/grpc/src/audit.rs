//! What the audit log is told of a call: who made it, what it does, and to what.

use samspor_domain::audit::{Action, Entry, Outcome, Subject};
use samspor_domain::{MAX_TEXT_BYTES, Text};
use samspor_engine::{Handle, Prepared};
use tonic::{Request, Status};

use crate::caller::Caller;
use crate::listing::Named;
use crate::refusal;

/// An entry that tells of a call.
pub(crate) fn entry(caller: &Caller, action: Action, subjects: impl IntoIterator<Item = Subject>) -> Entry {
    let name = Text::new(&caller.name).unwrap_or_else(|_| unreachable!("the configuration bounds names"));
    Entry { caller: name, action, subjects: subjects.into_iter().collect(), outcome: Outcome::Done }
}

/// The same of a request.
pub(crate) fn told<T>(
    request: &Request<T>,
    action: Action,
    subjects: impl IntoIterator<Item = Subject>,
) -> Entry {
    entry(&Caller::of(request), action, subjects)
}

/// A part of the gateway; of a name that is longer than any can be, its beginning. None of one that is no name.
pub(crate) fn part(name: &str) -> Option<Subject> {
    Text::new(&name[..name.floor_char_boundary(MAX_TEXT_BYTES)]).ok().map(Subject::Part)
}

/// A posting, if those are names that one can have.
pub(crate) fn posting(source: &str, id: &str) -> Option<Subject> {
    let (source, id) = (Text::new(source).ok()?, Text::new(id).ok()?);
    Some(Subject::Posting { source, id })
}

/// The fact of that name.
pub(crate) fn fact(named: &Named) -> Subject {
    Subject::Fact { kind: named.kind, id: named.id.clone(), source: named.source.clone() }
}

/// What items are about; those that were not understood are about nothing that can be named.
pub(crate) fn subjects(items: &[Prepared]) -> Vec<Subject> {
    items.iter().filter_map(Prepared::subject).collect()
}

/// Writes an entry that no change of the store goes with, before the answer is given.
pub(crate) async fn witness(handle: &Handle, entry: Entry) -> Result<(), Status> {
    handle.audited(entry).read(|_, _| Ok(())).await.map_err(|error| refusal::unavailable(&error))
}
