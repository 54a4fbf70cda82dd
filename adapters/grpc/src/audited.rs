//! `samspor.v1.AuditService`: the audit log for auditors.

use prost::Message as _;
use samspor_domain::audit::{Action, AuditNo, Entry, Subject};
use samspor_domain::{Pseudonym, Text, may_hold_cpr};
use samspor_engine::audit::{
    About, ITSELF, Page, Said, Wanted, about, checkpoint, citizen, list, subject as hash_of,
};
use samspor_engine::{Handle, Keys};
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::reading::{self, Place, Read};
use crate::v1::audit_service_server::AuditService;
use crate::v1::audit_subject::Subject as Shown;
use crate::v1::list_entries_about_request::About as Asked;
use crate::v1::{
    AuditEntry, AuditSubject, FactName, FeedRange, GetCheckpointRequest, GetCheckpointResponse,
    ListEntriesAboutRequest, ListEntriesAboutResponse, ListEntriesRequest, ListEntriesResponse, PostingName,
};
use crate::{audit, facts, listing, refusal, writing};

/// Entries of a page whose caller does not say how many.
const USUAL_PAGE: usize = 100;
/// Entries of a page at most.
const MAX_PAGE: i64 = 1_000;

/// The service.
pub(crate) struct Audited {
    pub(crate) handle: Handle,
}

impl Audited {
    /// The entries of a page, as many as an answer holds.
    fn shown(&self, page: &Page) -> (Vec<AuditEntry>, String) {
        let (mut entries, mut bytes, mut next) = (Vec::new(), 0, page.next);
        for said in &page.entries {
            if bytes >= listing::PAGE_BYTES {
                break;
            }
            let entry = entry(self.handle.vault(), said);
            bytes += entry.encoded_len();
            entries.push(entry);
            next = if entries.len() < page.entries.len() { Some(said.no) } else { page.next };
        }
        (entries, next.map(|next| listing::token("audit", next.0)).unwrap_or_default())
    }
}

#[tonic::async_trait]
impl AuditService for Audited {
    async fn list_entries(
        &self,
        request: Request<ListEntriesRequest>,
    ) -> Result<Response<ListEntriesResponse>, Status> {
        let handle = self.handle.audited(audit::told(&request, Action::ReadAudit, []));
        let request = request.into_inner();
        let read = reading::request(|at: Place<'_>| {
            let caller = at.field("caller").optional(request.caller.as_deref(), Place::text);
            let action = at.field("action").optional(request.action.as_deref(), self::action);
            let from = at.field("from").optional(request.from.as_deref(), Place::instant);
            let until = at.field("before").optional(request.before.as_deref(), Place::instant);
            let page = page(at, request.page_size, &request.page_token);
            let (caller, action, from, until) = (caller?, action?, from?, until?);
            Ok((Wanted { caller, action, from, until }, page?))
        });
        let (wanted, (size, before)) = read.map_err(|faults| refusal::invalid(&faults))?;
        let found = handle.read(move |read, vault| list(read, vault, &wanted, before, size)).await;
        let (entries, next_page_token) = self.shown(&found.map_err(|error| refusal::unavailable(&error))?);
        Ok(Response::new(ListEntriesResponse { entries, next_page_token }))
    }

    async fn list_entries_about(
        &self,
        request: Request<ListEntriesAboutRequest>,
    ) -> Result<Response<ListEntriesAboutResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let read = reading::request(|at: Place<'_>| {
            let about = asked(at, request.about.as_ref());
            let page = page(at, request.page_size, &request.page_token);
            Ok((about?, page?))
        });
        let (asked, (size, before)) = read.map_err(|faults| refusal::invalid(&faults))?;
        let subject = match &asked {
            About::Named(subject) => subject.clone(),
            About::Citizen(reference) => citizen(self.handle.vault(), reference),
        };
        let handle = self.handle.audited(audit::entry(&caller, Action::WhoLooked, [subject]));
        let found = handle.read(move |read, vault| about(read, vault, &asked, before, size)).await;
        let (entries, next_page_token) = self.shown(&found.map_err(|error| refusal::unavailable(&error))?);
        Ok(Response::new(ListEntriesAboutResponse { entries, next_page_token }))
    }

    async fn get_checkpoint(
        &self,
        _: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        let now = self.handle.now();
        let reached = self.handle.read(move |read, _| checkpoint(read, now)).await;
        let reached = reached.map_err(|error| refusal::unavailable(&error))?;
        let checkpoint = serde_json::to_string(&reached)
            .map_err(|_| Status::internal("the checkpoint cannot be written; please report it"))?;
        Ok(Response::new(GetCheckpointResponse { checkpoint }))
    }
}

fn action(at: Place<'_>, word: &str) -> Read<Action> {
    Action::of_word(word).ok_or_else(|| at.invalid("is no action of the audit log; docs/audit.md has them"))
}

/// How large a page is, and before which entry it begins.
fn page(at: Place<'_>, size: i32, token: &str) -> Read<(usize, AuditNo)> {
    let size = at.field("page_size").integer(size, 0..=MAX_PAGE);
    let before = match token {
        "" => Ok(i64::MAX),
        token => listing::page_token(at, token, "audit"),
    };
    let size: usize = size?;
    Ok((if size == 0 { USUAL_PAGE } else { size }, AuditNo(before?)))
}

fn asked(at: Place<'_>, about: Option<&Asked>) -> Read<About> {
    let named = match about {
        None => return Err(at.field("about").missing()),
        Some(Asked::Citizen(reference)) => {
            return facts::reference(at.field("citizen"), reference).map(About::Citizen);
        }
        Some(Asked::Posting(PostingName { source, id })) => {
            let at = at.field("posting");
            let source = at.field("source").required(source, Place::text);
            let id = at.field("id").required(id, Place::text);
            Subject::Posting { source: source?, id: id? }
        }
        Some(Asked::Fact(FactName { kind, id, system })) => {
            audit::fact(&listing::named_by(at.field("fact"), (*kind, id), ("system", system.as_deref()))?)
        }
    };
    Ok(About::Named(named))
}

fn entry(vault: &Keys, said: &Said) -> AuditEntry {
    let number_and_time = AuditEntry { number: said.no.0, at: said.at.to_string(), ..AuditEntry::default() };
    let Some(entry) = &said.entry else { return number_and_time };
    AuditEntry {
        caller: entry.caller.to_string(),
        action: entry.action.word().to_owned(),
        outcome: entry.outcome.word().to_owned(),
        subjects: entry.subjects.iter().map(|subject| self::subject(vault, entry, subject)).collect(),
        ..number_and_time
    }
}

/// What an entry is about, as it is shown. An id that looks like a CPR number may be one that somebody typed in the wrong place: a keyed
/// hash stands for it, the same for the same thing, and the entry is found by the id all the same. Nobody typed what the gateway
/// calls its parts.
fn subject(vault: &Keys, entry: &Entry, subject: &Subject) -> AuditSubject {
    let is_own = entry.caller.as_str() == ITSELF || entry.action == Action::Reload;
    let id = |id: &Text| match hash_of(vault, subject).filter(|_| !is_own && may_hold_cpr(id.as_str())) {
        Some(Pseudonym(hash)) => {
            format!("(looks like a CPR number; {:08x})", u128::from_be_bytes(hash) >> 96)
        }
        None => id.to_string(),
    };
    let shown = match subject {
        Subject::Posting { source, id: posting } => {
            Shown::Posting(PostingName { source: id(source), id: id(posting) })
        }
        Subject::Fact { kind, id: fact, source } => Shown::Fact(FactName {
            kind: writing::kind(*kind).into(),
            id: id(fact),
            system: source.as_ref().map(id),
        }),
        Subject::Change(no) => Shown::Change(*no),
        Subject::Quarantined(no) => Shown::Quarantined(*no),
        Subject::FrozenSet(no) => Shown::FrozenSet(*no),
        Subject::Part(part) => Shown::Part(id(part)),
        Subject::Feed { from, to } => Shown::Feed(FeedRange { from: *from, to: *to }),
        Subject::AuditUpTo(no) => Shown::AuditUpTo(no.0),
        Subject::Citizen(hash) => Shown::Citizen(format!("{:032x}", u128::from_be_bytes(hash.0))),
    };
    AuditSubject { subject: Some(shown) }
}
