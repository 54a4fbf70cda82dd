//! What readers of the feed ask for, read from their requests.

use std::collections::BTreeSet;

use samspor_domain::{CostKind, Fault, Phase, Side, TagFilter};
use samspor_engine::Audience;

use crate::reading::{self, Place, Read};
use crate::v1;
use crate::v1::subscribe_request;

/// Words of one list of a filter at most.
const MAX_WORDS: usize = 100;
/// Records that may be outstanding at most.
pub(super) const MAX_CREDIT: u32 = 100_000;

/// What a reader begins with.
pub(super) struct Start {
    pub(super) cursor: String,
    pub(super) filter: TagFilter,
    pub(super) audience: Audience,
}

/// Reads the first request.
pub(super) fn start(request: &v1::SubscribeRequest) -> Result<Start, Vec<Fault>> {
    reading::request(|at| {
        let at = at.field("start");
        let Some(subscribe_request::Request::Start(start)) = &request.request else {
            return Err(at.missing());
        };
        let filter = self::filter(at.field("filter"), start.filter.as_ref());
        let audience = at.field("form").required_choice(start.form, |form: v1::FeedForm| match form {
            v1::FeedForm::Unspecified => None,
            v1::FeedForm::Ledger => Some(Audience::Ledger),
            v1::FeedForm::Lis => Some(Audience::Lis),
        });
        Ok(Start { cursor: start.cursor.clone(), filter: filter?, audience: audience? })
    })
}

/// Reads a later request: how much may be sent with the credit that it gives on top of what there is.
pub(super) fn credit(request: &v1::SubscribeRequest, outstanding: u32) -> Result<u32, Vec<Fault>> {
    reading::request(|at| match &request.request {
        Some(subscribe_request::Request::Credit(credit)) => {
            let most = i64::from(MAX_CREDIT.saturating_sub(outstanding));
            let at = at.field("credit");
            let more: u32 = at.field("records").integer(credit.records, 1..=most)?;
            Ok(outstanding.saturating_add(more))
        }
        Some(subscribe_request::Request::Start(_)) => {
            Err(at.field("start").invalid("the stream has begun; later requests give credit"))
        }
        None => Err(at.field("credit").missing()),
    })
}

/// Reads which postings are asked about.
pub(super) fn expected(request: &v1::GetExpectedRequest) -> Result<TagFilter, Vec<Fault>> {
    reading::request(|at| filter(at.field("filter"), request.filter.as_ref()))
}

fn filter(at: Place<'_>, filter: Option<&v1::FeedFilter>) -> Read<TagFilter> {
    let Some(filter) = filter else { return Ok(TagFilter::default()) };
    let solutions = words(at.field("solutions"), &filter.solutions, |at, word| at.text(word));
    let areas = words(at.field("areas"), &filter.areas, |at, word| at.text(word));
    let sides = words(at.field("sides"), &filter.sides, |at, side| {
        at.required_choice(*side, |side: v1::Side| match side {
            v1::Side::Unspecified => None,
            v1::Side::Inside => Some(Side::Inside),
            v1::Side::Outside => Some(Side::Outside),
        })
    });
    let phases = words(at.field("phases"), &filter.phases, |at, phase| {
        at.required_choice(*phase, |phase: v1::TagPhase| match phase {
            v1::TagPhase::Unspecified => None,
            v1::TagPhase::During => Some(Phase::During),
            v1::TagPhase::After => Some(Phase::After),
            v1::TagPhase::Before => Some(Phase::Before),
        })
    });
    // Here the first value is a word too: of accounts of which no chart says the kind.
    let kinds = words(at.field("kinds"), &filter.kinds, |at, kind| {
        at.choice(*kind, |kind: v1::CostKind| match kind {
            v1::CostKind::Unspecified => None,
            v1::CostKind::Service => Some(CostKind::Service),
            v1::CostKind::Transfer => Some(CostKind::Transfer),
        })
    });
    Ok(TagFilter { solutions: solutions?, areas: areas?, sides: sides?, phases: phases?, kinds: kinds? })
}

/// A list of a filter; none where it is empty, which lets everything through.
fn words<M, T: Ord>(
    at: Place<'_>,
    given: &[M],
    read: impl FnMut(Place<'_>, &M) -> Read<T>,
) -> Read<Option<BTreeSet<T>>> {
    if given.len() > MAX_WORDS {
        return Err(at.invalid(format!("holds more than {MAX_WORDS} words")));
    }
    let words: BTreeSet<T> = at.list(given, read)?.into_iter().collect();
    Ok(Some(words).filter(|words| !words.is_empty()))
}
