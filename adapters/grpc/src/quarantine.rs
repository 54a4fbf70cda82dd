//! `samspor.v1.QuarantineService`: what was not understood, for operators.

use std::collections::BTreeMap;

use jiff::Timestamp;
use samspor_domain::audit::{Action, Subject};
use samspor_domain::quarantine::{self, Filter, Order, Standing, State};
use samspor_domain::store::{EntryNo, SetNo};
use samspor_domain::{Reason, Text, may_identify};
use samspor_engine::Handle;
use samspor_engine::quarantine::{Discard, Fate, Fates, Slice, detail};
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::question::{self, Means, NotAnswered, Question, Store};
use crate::reading::{self, Place, Read};
use crate::v1::quarantine_service_server::QuarantineService;
use crate::v1::{
    Becoming, DiscardRequest, DiscardResponse, EntryFate, FrozenSet, GetQuarantinedRequest,
    GetQuarantinedResponse, GroupQuarantineRequest, GroupQuarantineResponse, ListQuarantineRequest,
    ListQuarantineResponse, MaskedBody, PreviewReleaseRequest, PreviewReleaseResponse, QuarantineEntry,
    QuarantineFilter, QuarantineGroup, QuarantineState, ReleaseRequest, ReleaseResponse, discard_request,
    preview_release_request,
};
use crate::{audit, refusal};

/// Entries of a page whose caller does not say how many.
const USUAL_PAGE: usize = 100;
/// Entries of a page at most.
const MAX_PAGE: i64 = 1_000;
/// Groups of one answer at most.
const MAX_GROUPS: usize = 1_000;
/// Entries of a set whose caller does not say how many.
const USUAL_SET: usize = 1_000;
/// Entries of a set at most.
const MAX_SET: i64 = 100_000;
/// A path that is asked for is this long at most, in bytes.
const MAX_PATH: usize = 1_000;

/// The service.
pub(crate) struct Quarantine {
    pub(crate) handle: Handle,
    pub(crate) means: Means,
}

fn read<T>(read: impl FnOnce(Place<'_>) -> Read<T>) -> Result<T, Status> {
    reading::request(read).map_err(|faults| refusal::invalid(&faults))
}

fn not_found(what: &str, number: i64) -> Status {
    refusal::not_found(&format!("the quarantine has no {what} {number}"))
}

impl Question for ListQuarantineRequest {
    type Answer = ListQuarantineResponse;
    const METHOD: &'static str = "/samspor.v1.QuarantineService/ListQuarantine";

    fn answer(&self, store: &mut Store<'_>) -> Result<Self::Answer, NotAnswered> {
        let (filter, size, after) = read(|at| {
            let filter = self::filter(at.field("filter"), self.filter.as_ref());
            let size = at.field("page_size").integer(self.page_size, 0..=MAX_PAGE);
            let token = Some(self.page_token.as_str()).filter(|token| !token.is_empty());
            let after = at.field("page_token").optional(token, |at, token| {
                token.parse().map(EntryNo).map_err(|_| at.invalid("is no token that this gateway gave"))
            });
            let size: usize = size?;
            Ok((filter?, if size == 0 { USUAL_PAGE } else { size }, after?))
        })?;
        let order = if self.newest_first { Order::NewestFirst } else { Order::OldestFirst };
        let found = store.read.entries(&filter, order, after, size + 1)?;
        let names: BTreeMap<_, _> = store.read.sources()?.into_iter().collect();
        let name = |no| names.get(&no).map(ToString::to_string);
        let entries: Vec<QuarantineEntry> =
            found.iter().take(size).map(|entry| self::entry(entry, name(entry.source))).collect();
        let next = entries.last().filter(|_| found.len() > size).map(|entry| entry.number.to_string());
        Ok(ListQuarantineResponse { entries, next_page_token: next.unwrap_or_default() })
    }
}

impl Question for GetQuarantinedRequest {
    type Answer = GetQuarantinedResponse;
    const METHOD: &'static str = "/samspor.v1.QuarantineService/GetQuarantined";

    fn answer(&self, store: &mut Store<'_>) -> Result<Self::Answer, NotAnswered> {
        let found = detail(store.read, store.vault, &*store.means.show, EntryNo(self.number))?;
        let detail = found.ok_or_else(|| not_found("entry", self.number))?;
        let body = detail.shown.map(|shown| MaskedBody {
            content_type: shown.content_type,
            format: shown.format.to_owned(),
            byte_count: i64::try_from(shown.bytes).unwrap_or(i64::MAX),
            text: shown.text,
            cut: shown.cut,
        });
        let entry = self::entry(&detail.entry, Some(detail.source.to_string()));
        Ok(GetQuarantinedResponse { entry: Some(entry), body })
    }
}

impl Question for GroupQuarantineRequest {
    type Answer = GroupQuarantineResponse;
    const METHOD: &'static str = "/samspor.v1.QuarantineService/GroupQuarantine";

    fn answer(&self, store: &mut Store<'_>) -> Result<Self::Answer, NotAnswered> {
        let filter = read(|at| self::filter(at.field("filter"), self.filter.as_ref()))?;
        let groups = store.read.groups(&filter)?;
        let names: BTreeMap<_, _> = store.read.sources()?.into_iter().collect();
        let group = |group: quarantine::Group| QuarantineGroup {
            source: names.get(&group.source).map(ToString::to_string).unwrap_or_default(),
            reason: group.reason.word().to_owned(),
            path: group.path,
            count: group.entries,
            first_arrived: group.first.to_string(),
            last_arrived: group.last.to_string(),
        };
        Ok(GroupQuarantineResponse { groups: groups.into_iter().take(MAX_GROUPS).map(group).collect() })
    }
}

#[tonic::async_trait]
impl QuarantineService for Quarantine {
    async fn list_quarantine(
        &self,
        request: Request<ListQuarantineRequest>,
    ) -> Result<Response<ListQuarantineResponse>, Status> {
        let caller = Caller::of(&request);
        let shown = question::answer(&self.handle, &self.means, request.into_inner()).await?;
        let entries = shown.get_ref().entries.iter();
        let subjects = entries.map(|entry| Subject::Quarantined(entry.number));
        audit::witness(&self.handle, audit::entry(&caller, Action::ListQuarantine, subjects)).await?;
        Ok(shown)
    }

    async fn get_quarantined(
        &self,
        request: Request<GetQuarantinedRequest>,
    ) -> Result<Response<GetQuarantinedResponse>, Status> {
        let subject = Subject::Quarantined(request.get_ref().number);
        let handle = self.handle.audited(audit::told(&request, Action::ShowQuarantined, [subject]));
        question::answer(&handle, &self.means, request.into_inner()).await
    }

    async fn group_quarantine(
        &self,
        request: Request<GroupQuarantineRequest>,
    ) -> Result<Response<GroupQuarantineResponse>, Status> {
        let handle = self.handle.audited(audit::told(&request, Action::ListQuarantine, []));
        question::answer(&handle, &self.means, request.into_inner()).await
    }

    async fn preview_release(
        &self,
        request: Request<PreviewReleaseRequest>,
    ) -> Result<Response<PreviewReleaseResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        enum Of {
            Filter(Filter, usize),
            Set(SetNo),
        }
        let of = read(|at| {
            let limit = at.field("limit").integer(request.limit, 0..=MAX_SET);
            match &request.of {
                Some(preview_release_request::Of::Filter(given)) => {
                    let filter = self::filter(at.field("filter"), Some(given));
                    let limit: usize = limit?;
                    Ok(Of::Filter(filter?, if limit == 0 { USUAL_SET } else { limit }))
                }
                Some(preview_release_request::Of::Set(set)) => Ok(Of::Set(SetNo(*set))),
                None => Err(at.field("filter").missing()),
            }
        })?;
        let set = match of {
            Of::Filter(filter, limit) => {
                self.handle.freeze(filter, limit).await.map_err(|error| refusal::unavailable(&error))?
            }
            Of::Set(set) => set,
        };
        let subject = Subject::FrozenSet(set.0);
        audit::witness(&self.handle, audit::entry(&caller, Action::ListQuarantine, [subject])).await?;
        let slice = self.handle.preview_release(set, EntryNo(request.after)).await;
        let slice = slice.map_err(|error| refusal::unavailable(&error))?;
        let (set, entries, next_after) = told(slice.ok_or_else(|| not_found("set", set.0))?);
        Ok(Response::new(PreviewReleaseResponse { set, entries, next_after }))
    }

    async fn release(&self, request: Request<ReleaseRequest>) -> Result<Response<ReleaseResponse>, Status> {
        let subject = Subject::FrozenSet(request.get_ref().set);
        let handle = self.handle.audited(audit::told(&request, Action::ReleaseQuarantined, [subject]));
        let request = request.into_inner();
        let slice = handle.release(SetNo(request.set), EntryNo(request.after)).await;
        let slice = slice.map_err(|error| refusal::unavailable(&error))?;
        let (set, entries, next_after) = told(slice.ok_or_else(|| not_found("set", request.set))?);
        Ok(Response::new(ReleaseResponse { set, entries, next_after }))
    }

    async fn discard(&self, request: Request<DiscardRequest>) -> Result<Response<DiscardResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let (what, why) = read(|at| {
            let what = match request.what {
                Some(discard_request::What::Number(number)) => Ok(Discard::Entry(EntryNo(number))),
                Some(discard_request::What::Set(set)) => Ok(Discard::Set(SetNo(set))),
                None => Err(at.field("number").missing()),
            };
            let why = at.field("reason").required(&request.reason, self::why);
            Ok((what?, why?))
        })?;
        let subject = match what {
            Discard::Entry(no) => Subject::Quarantined(no.0),
            Discard::Set(set) => Subject::FrozenSet(set.0),
        };
        let entry = audit::entry(&caller, Action::DiscardQuarantined, [subject]);
        let done = self
            .handle
            .audited(entry)
            .discard(what, why)
            .await
            .map_err(|error| refusal::unavailable(&error))?;
        let done = done.ok_or_else(|| match what {
            Discard::Entry(no) => not_found("entry", no.0),
            Discard::Set(set) => not_found("set", set.0),
        })?;
        let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
        Ok(Response::new(DiscardResponse {
            discarded: number(done.discarded),
            settled: number(done.settled),
        }))
    }
}

/// A reason that is kept in clear, so it must not tell whom it is about.
fn why(at: Place<'_>, text: &str) -> Read<Text> {
    if may_identify(text) {
        let message = "holds what looks like a CPR number or a UUID; it is kept in clear, so say it without";
        return Err(at.fault(Reason::PersonalDataInId, message));
    }
    if text.chars().any(char::is_control) {
        return Err(at.invalid("must be one line of text"));
    }
    at.text(text)
}

fn filter(at: Place<'_>, filter: Option<&QuarantineFilter>) -> Read<Filter> {
    let Some(given) = filter else { return Ok(Filter::default()) };
    let source = at.field("source").optional(given.source.as_deref(), Place::text);
    let reason = at.field("reason").optional(given.reason.as_deref(), |at, word| {
        Reason::from_word(word).ok_or_else(|| at.invalid("is no reason of the quarantine"))
    });
    let path = at.field("path").optional(given.path.as_deref(), |at, path| {
        if path.len() <= MAX_PATH { Ok(path.to_owned()) } else { Err(at.invalid("is too long")) }
    });
    let instant = |at: Place<'_>, text: &str| {
        text.parse::<Timestamp>()
            .map_err(|_| at.invalid("is not an instant: expected RFC 3339, such as '2026-03-15T06:00:00Z'"))
    };
    let from = at.field("from").optional(given.from.as_deref(), instant);
    let before = at.field("before").optional(given.before.as_deref(), instant);
    let standing = at.field("state").choice(given.state, |state: QuarantineState| match state {
        QuarantineState::Unspecified => None,
        QuarantineState::Open => Some(Standing::Open),
        QuarantineState::Released => Some(Standing::Released),
        QuarantineState::Discarded => Some(Standing::Discarded),
    });
    Ok(Filter {
        source: source?,
        reason: reason?,
        path: path?,
        from: from?,
        before: before?,
        standing: standing?,
    })
}

fn entry(entry: &quarantine::Entry, source: Option<String>) -> QuarantineEntry {
    let mut shown = QuarantineEntry {
        number: entry.no.0,
        arrived: entry.registered.to_string(),
        source: source.unwrap_or_default(),
        reason: entry.reason.word().to_owned(),
        path: entry.path.clone(),
        message: entry.message.clone(),
        state: match entry.state.standing() {
            Standing::Open => QuarantineState::Open,
            Standing::Released => QuarantineState::Released,
            Standing::Discarded => QuarantineState::Discarded,
        }
        .into(),
        erased: entry.erased,
        item: i64::from(entry.item) + 1,
        items: i64::from(entry.items),
        ..Default::default()
    };
    match &entry.state {
        State::Open => {}
        State::Released { at, became } => {
            shown.settled = Some(at.to_string());
            shown.became =
                became.iter().map(|(outcome, items)| (outcome.word().to_owned(), *items)).collect();
        }
        State::Discarded { at, why } => {
            shown.settled = Some(at.to_string());
            shown.discarded_because = Some(why.to_string());
        }
    }
    shown
}

fn told(slice: Slice) -> (Option<FrozenSet>, Vec<EntryFate>, i64) {
    let set =
        FrozenSet { number: slice.set.no.0, made: slice.set.made.to_string(), count: slice.set.entries };
    let entries =
        slice.entries.iter().map(|(no, fates)| EntryFate { number: no.0, fates: self::fates(fates) });
    (Some(set), entries.collect(), slice.next.map_or(0, |next| next.0))
}

fn fates(fates: &Fates) -> Vec<crate::v1::Fate> {
    let fate = |(fate, count): (&Fate, &u64)| {
        let (becoming, reason) = match fate {
            Fate::Fact => (Becoming::Fact, None),
            Fate::Stale => (Becoming::Stale, None),
            Fate::Posting => (Becoming::Posting, None),
            Fate::Receipt => (Becoming::Receipt, None),
            Fate::Duplicate => (Becoming::Duplicate, None),
            Fate::Empty => (Becoming::Empty, None),
            Fate::Quarantined(reason) => (Becoming::Quarantined, Some(reason.word().to_owned())),
            Fate::Settled => (Becoming::Settled, None),
            Fate::Erased => (Becoming::Erased, None),
            Fate::NoDecoder => (Becoming::NoDecoder, None),
        };
        crate::v1::Fate {
            becoming: becoming.into(),
            reason,
            count: i64::try_from(*count).unwrap_or(i64::MAX),
        }
    };
    fates.iter().map(fate).collect()
}
