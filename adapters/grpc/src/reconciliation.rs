//! `samspor.v1.ReconciliationService`: the balance, and the postings behind its figures.

use samspor_domain::audit::{Action, Entry, Subject};
use samspor_domain::{Kind, Stage, Text, Why, without_numbers};
use samspor_engine::{Handle, Keys, Line, State, control_lines, drill, wording};
use tonic::{Request, Response, Status};

use crate::question::{self, Means, NotAnswered, Question, Store};
use crate::reading::{Place, Read};
use crate::v1::difference_line::Parked;
use crate::v1::reconciliation_service_server::ReconciliationService;
use crate::v1::{
    ControlDay, ControlLine, DifferenceLine, GetBalanceRequest, GetBalanceResponse, ListControlLinesRequest,
    ListControlLinesResponse, ListCorrectionsRequest, ListCorrectionsResponse, ListDifferencesRequest,
    ListDifferencesResponse, RecordChange, RefusedRecord, TargetState,
};
use crate::{audit, balance, corrections, reading, records, refusal};

/// Postings of an answer whose caller does not say how many.
const USUAL_LINES: usize = 100;
/// Postings that one entry of the audit log names.
const SUBJECTS: usize = 1_000;
/// Postings of an answer at most.
const MAX_LINES: i64 = 10_000;

/// The service, on the way to the engine.
pub(crate) struct Reconciliation {
    pub(crate) handle: Handle,
    pub(crate) means: Means,
}

impl Question for GetBalanceRequest {
    type Answer = GetBalanceResponse;
    const METHOD: &'static str = "/samspor.v1.ReconciliationService/GetBalance";

    fn answer(&self, store: &mut Store<'_>) -> Result<Self::Answer, NotAnswered> {
        Ok(balance::shown(&samspor_engine::balance(store.read, store.vault, &store.stop)?))
    }
}

fn limit(at: Place<'_>, limit: i32) -> Read<usize> {
    let limit = at.field("limit").integer(limit, 0..=MAX_LINES)?;
    Ok(if limit == 0 { USUAL_LINES } else { limit })
}

fn differences(request: &ListDifferencesRequest) -> Result<(Text, State, usize), Status> {
    let state = |state| match state {
        TargetState::Waiting => Some(State::Waiting),
        TargetState::Parked => Some(State::Parked),
        TargetState::Delivered => Some(State::Stage(Stage::Delivered)),
        TargetState::Awaiting => Some(State::Stage(Stage::Awaiting)),
        TargetState::Accepted => Some(State::Stage(Stage::Accepted)),
        TargetState::Rejected => Some(State::Stage(Stage::Rejected)),
        TargetState::Difference => Some(State::Difference),
        TargetState::Unspecified => None,
    };
    let read = reading::request(|at: Place<'_>| {
        let target = at.field("target").required(&request.target, Place::text);
        let state = at.field("state").required_choice(request.state, state);
        let limit = limit(at, request.limit);
        Ok((target?, state?, limit?))
    });
    read.map_err(|faults| refusal::invalid(&faults))
}

impl Question for ListDifferencesRequest {
    type Answer = ListDifferencesResponse;
    const METHOD: &'static str = "/samspor.v1.ReconciliationService/ListDifferences";

    fn answer(&self, store: &mut Store<'_>) -> Result<Self::Answer, NotAnswered> {
        let (target, state, limit) = differences(self)?;
        if !store.read.cursors()?.iter().any(|(name, _)| *name == target) {
            let message = "the store knows no target of that name that gets records of tags; the books of one that forwards are \
                           in the balance, and what is parked of it is listed as such";
            return Err(refusal::not_there("UNKNOWN_TARGET", message).into());
        }
        let lines = drill(store.read, store.vault, &target, state, limit, &store.stop)?;
        Ok(ListDifferencesResponse { lines: lines.iter().map(|line| shown(line, store.vault)).collect() })
    }
}

fn shown(line: &Line, vault: &Keys) -> DifferenceLine {
    let said = line.handed.as_ref().and_then(|handed| wording(vault, handed));
    let (code, text) = said.map(|said| (said.code, said.text)).unwrap_or_default();
    let state = match line.stage() {
        None => TargetState::Unspecified,
        Some(Stage::Delivered) => TargetState::Delivered,
        Some(Stage::Awaiting) => TargetState::Awaiting,
        Some(Stage::Accepted) => TargetState::Accepted,
        Some(Stage::Rejected) => TargetState::Rejected,
    };
    let parked = line.parked.as_ref().map(|why| match why {
        Why::ClosedMonth => Parked::ClosedMonth(balance::year_month(line.date)),
        Why::Refused(tries, why) => Parked::Refused(RefusedRecord {
            tries: i32::try_from(*tries).unwrap_or(i32::MAX),
            reason: why.clone(),
        }),
    });
    DifferenceLine {
        source: line.source.to_string(),
        posting: line.posting.to_string(),
        date: line.date.to_string(),
        amount: line.amount.to_string(),
        tagged: line.is_tagged,
        revision: line.handed.as_ref().map(|handed| handed.revision),
        change: line
            .handed
            .as_ref()
            .map_or(RecordChange::Unspecified.into(), |had| records::change(had.change)),
        state: state.into(),
        receipt_at: line.receipt_given().map(|at| at.to_string()),
        code: code.map(|code| without_numbers(code.as_str()).into_owned()),
        text: text.map(|text| without_numbers(&text).into_owned()),
        parked,
    }
}

fn of_control(request: &ListControlLinesRequest) -> Result<(Text, usize), Status> {
    let read = reading::request(|at: Place<'_>| {
        let id = at.field("id").required(&request.id, Place::text);
        let limit = limit(at, request.limit);
        Ok((id?, limit?))
    });
    read.map_err(|faults| refusal::invalid(&faults))
}

impl Question for ListControlLinesRequest {
    type Answer = ListControlLinesResponse;
    const METHOD: &'static str = "/samspor.v1.ReconciliationService/ListControlLines";

    fn answer(&self, store: &mut Store<'_>) -> Result<Self::Answer, NotAnswered> {
        let (id, limit) = of_control(self)?;
        let found = control_lines(store.read, store.vault, &id, limit, &store.stop)?;
        // Refusals quote nothing: what stands where an id should may be somebody's number.
        let unknown =
            || refusal::not_there("UNKNOWN_CONTROL_TOTAL", "the store knows no control total of that id");
        let found = found.ok_or_else(unknown)?;
        let days = found.days.iter();
        let days =
            days.map(|day| ControlDay { date: day.date.to_string(), ours: Some(balance::sum(day.sum)) });
        let lines = found.lines.iter().map(|line| ControlLine {
            posting: line.posting.to_string(),
            date: line.date.to_string(),
            amount: line.amount.to_string(),
            tagged: line.is_tagged,
        });
        Ok(ListControlLinesResponse {
            control_total: Some(balance::control(&found.total)),
            days: days.collect(),
            lines: lines.collect(),
        })
    }
}

#[tonic::async_trait]
impl ReconciliationService for Reconciliation {
    /// Sums by month are about nobody, so they leave no trace.
    async fn get_balance(
        &self,
        request: Request<GetBalanceRequest>,
    ) -> Result<Response<GetBalanceResponse>, Status> {
        question::answer(&self.handle, &self.means, request.into_inner()).await
    }

    async fn list_differences(
        &self,
        request: Request<ListDifferencesRequest>,
    ) -> Result<Response<ListDifferencesResponse>, Status> {
        let (target, ..) = differences(request.get_ref())?;
        let of = audit::told(&request, Action::ListDifferences, [Subject::Part(target)]);
        self.traced(of, request, |answer| {
            answer.lines.iter().map(|line| (line.source.as_str(), line.posting.as_str())).collect()
        })
        .await
    }

    async fn list_control_lines(
        &self,
        request: Request<ListControlLinesRequest>,
    ) -> Result<Response<ListControlLinesResponse>, Status> {
        let (id, _) = of_control(request.get_ref())?;
        let subject = Subject::Fact { kind: Kind::ControlTotal, id, source: None };
        let of = audit::told(&request, Action::ListControlLines, [subject]);
        self.traced(of, request, |answer| {
            let source = answer.control_total.as_ref().map_or("", |total| total.source.as_str());
            answer.lines.iter().map(|line| (source, line.posting.as_str())).collect()
        })
        .await
    }

    async fn list_corrections(
        &self,
        request: Request<ListCorrectionsRequest>,
    ) -> Result<Response<ListCorrectionsResponse>, Status> {
        let id = corrections::asked(request.get_ref())?.solution;
        let subject = Subject::Fact { kind: Kind::Solution, id, source: None };
        let of = audit::told(&request, Action::ListCorrections, [subject]);
        self.traced(of, request, |answer| {
            answer.corrections.iter().map(|one| (one.source.as_str(), one.posting.as_str())).collect()
        })
        .await
    }
}

impl Reconciliation {
    /// Answers, and before that writes what was asked and each posting that is shown, by its source and id, in as many entries as
    /// it takes.
    async fn traced<Q: Question>(
        &self,
        of: Entry,
        request: Request<Q>,
        shown: impl FnOnce(&Q::Answer) -> Vec<(&str, &str)>,
    ) -> Result<Response<Q::Answer>, Status> {
        let answer = question::answer(&self.handle, &self.means, request.into_inner()).await;
        let postings: Vec<Subject> = match &answer {
            Ok(answer) => {
                let name = |(source, id)| Some((Text::new(source).ok()?, Text::new(id).ok()?));
                let names = shown(answer.get_ref()).into_iter().filter_map(name);
                names.map(|(source, id)| Subject::Posting { source, id }).collect()
            }
            Err(_) => Vec::new(),
        };
        let mut left = postings.as_slice();
        loop {
            let (some, rest) = left.split_at(left.len().min(SUBJECTS));
            let subjects = of.subjects.iter().chain(some).cloned().collect();
            audit::witness(&self.handle, Entry { subjects, ..of.clone() }).await?;
            left = rest;
            if left.is_empty() {
                return answer;
            }
        }
    }
}
