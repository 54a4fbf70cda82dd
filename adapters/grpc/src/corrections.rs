//! What correction vouchers are made of, as callers ask for it and get it.

use std::collections::BTreeSet;

use jiff::civil::Date;
use samspor_domain::{SourceName, Text};
use samspor_engine::corrections;
use tonic::Status;

use crate::question::{NotAnswered, Question, Store};
use crate::reading::Place;
use crate::v1::{Correction, ListCorrectionsRequest, ListCorrectionsResponse, UnmappedAccount};
use crate::{reading, records, refusal};

/// Postings of an answer at most.
const MAX_POSTINGS: usize = 100_000;

/// What is asked.
pub(crate) struct Asked {
    pub(crate) solution: Text,
    dates: (Date, Date),
    sources: BTreeSet<SourceName>,
    machines: BTreeSet<u32>,
}

/// What a request asks.
pub(crate) fn asked(request: &ListCorrectionsRequest) -> Result<Asked, Status> {
    let read = reading::request(|at: Place<'_>| {
        let solution = at.field("solution").required(&request.solution, Place::text);
        let from = at.field("from_date").required(&request.from_date, Place::date);
        let to = at.field("to_date").required(&request.to_date, Place::date);
        let sources = at.field("sources").list(&request.sources, |at, name| at.text(name));
        let machines = request.machine_numbers.iter().copied().collect();
        Ok(Asked {
            solution: solution?,
            dates: (from?, to?),
            sources: sources?.into_iter().collect(),
            machines,
        })
    });
    read.map_err(|faults| refusal::invalid(&faults))
}

impl Question for ListCorrectionsRequest {
    type Answer = ListCorrectionsResponse;
    const METHOD: &'static str = "/samspor.v1.ReconciliationService/ListCorrections";

    fn answer(&self, store: &mut Store<'_>) -> Result<Self::Answer, NotAnswered> {
        let Asked { solution, dates, sources, machines } = asked(self)?;
        let asked =
            samspor_engine::Asked { solution: &solution, dates, sources: &sources, machines: &machines };
        let found = corrections(store.read, store.vault, asked, &store.stop)?;
        let found = found.ok_or_else(|| {
            refusal::not_there("UNKNOWN_SOLUTION", "the store knows no solution of that id")
        })?;
        if found.postings.len() > MAX_POSTINGS {
            return Err(refusal::too_many_postings(MAX_POSTINGS).into());
        }
        let unmapped = found.unmapped.into_iter();
        Ok(ListCorrectionsResponse {
            corrections: found.postings.into_iter().map(shown).collect(),
            unmapped: unmapped
                .map(|(account, postings)| UnmappedAccount {
                    account: account.to_string(),
                    postings: count(postings),
                })
                .collect(),
            own_lines: count(found.own_lines),
            pending_work: found.pending_work,
            held_changes: count(found.held),
        })
    }
}

fn count(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

fn shown(correction: samspor_engine::Correction) -> Correction {
    Correction {
        source: correction.source.to_string(),
        posting: correction.posting.to_string(),
        date: correction.date.to_string(),
        account: correction.account.to_string(),
        cost_centre: correction.cost_centre.map(|cost_centre| cost_centre.to_string()),
        grouping: correction.grouping.map(|grouping| grouping.to_string()),
        area: correction.area.to_string(),
        parts: correction.parts.iter().map(records::part).collect(),
    }
}
