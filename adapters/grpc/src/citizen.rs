//! `samspor.v1.CitizenService`: what is held on one citizen, and how far the end of a consent has come.

use std::pin::Pin;

use futures_util::{Stream, stream};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use samspor_domain::audit::{Action, Subject};
use samspor_domain::store::Standing;
use samspor_domain::{Change, Handed, Kind, Rank, Receipted, Text, Verdict, without_numbers};
use samspor_engine::{Handle, HeldPosting, Holdings, Keys, NotWithdrawn, Withdrawal, withdrawal, wording};
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::reading::{self, Place};
use crate::v1::citizen_service_server::CitizenService;
use crate::v1::export_citizen_response::Held;
use crate::v1::{
    ExportCitizenRequest, ExportCitizenResponse, FactStanding, GetWithdrawalRequest, GetWithdrawalResponse,
    HeldAt, HeldEntry, HeldFact, HeldReceipt, HeldRecord, RecordChange, WithdrawalAt,
};
use crate::writing::References;
use crate::{audit, facts, listing, records, refusal, v1};

/// The service.
pub(crate) struct Citizen {
    pub(crate) handle: Handle,
    /// For how many days backups are kept, if that is said.
    pub(crate) backups_kept_days: Option<u32>,
}

#[tonic::async_trait]
impl CitizenService for Citizen {
    type ExportCitizenStream = Pin<Box<dyn Stream<Item = Result<ExportCitizenResponse, Status>> + Send>>;

    async fn export_citizen(
        &self,
        request: Request<ExportCitizenRequest>,
    ) -> Result<Response<Self::ExportCitizenStream>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let reference = reading::request(|at: Place<'_>| {
            at.field("citizen").message(request.citizen.as_ref(), facts::reference)
        });
        let reference = reference.map_err(|faults| refusal::invalid(&faults))?;
        let found = self.handle.read(move |read, vault| Holdings::find(read, vault, &reference)).await;
        let held = found.map_err(|error| refusal::unavailable(&error))?;
        // Whoever asks later who looked at any of it, by any reference, finds this.
        let subjects = held.subjects(self.handle.vault());
        audit::witness(&self.handle, audit::entry(&caller, Action::ExportCitizen, subjects)).await?;
        let items =
            shown(held, self.handle.vault()).map(|held| Ok(ExportCitizenResponse { held: Some(held) }));
        Ok(Response::new(Box::pin(stream::iter(items))))
    }

    async fn get_withdrawal(
        &self,
        request: Request<GetWithdrawalRequest>,
    ) -> Result<Response<GetWithdrawalResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let consent =
            reading::request(|at: Place<'_>| at.field("consent").required(&request.consent, Place::text));
        let consent: Text = consent.map_err(|faults| refusal::invalid(&faults))?;
        let subject = Subject::Fact { kind: Kind::Consent, id: consent.clone(), source: None };
        let handle = self.handle.audited(audit::entry(&caller, Action::ReadWithdrawal, [subject]));
        let found = handle.read(move |read, vault| withdrawal(read, vault, &consent)).await;
        let found = found.map_err(|error| refusal::unavailable(&error))?.map_err(|why| match why {
            NotWithdrawn::Unknown => refusal::unknown_fact(),
            NotWithdrawn::Live => refusal::consent_live(&why),
        })?;
        Ok(Response::new(told(&found, self.backups_kept_days)))
    }
}

/// What is held, a thing each.
fn shown(held: Holdings, vault: &Keys) -> impl Iterator<Item = Held> + Send + use<> {
    let Holdings { references, facts, postings, quarantined, .. } = held;
    let own = References::Of(&references);
    let shown: Vec<Held> =
        references.iter().map(|reference| Held::Reference(own.citizen(reference))).collect();
    let facts: Vec<Held> = (facts.iter())
        .map(|versions| {
            let versions = versions.iter().map(|version| listing::shown_with(version, own)).collect();
            Held::Fact(HeldFact { versions })
        })
        .collect();
    let vault = vault.clone();
    let postings = postings.into_iter().map(move |held| Held::Posting(posting(&held, &vault)));
    let quarantined = quarantined.into_iter().map(|entry| {
        let (number, arrived) = (entry.no.0, entry.registered.to_string());
        Held::Quarantined(HeldEntry { number, source: entry.source.to_string(), arrived })
    });
    shown.into_iter().chain(facts).chain(postings).chain(quarantined)
}

/// What a target's books say, in which somebody else may be named.
fn receipt(handed: &Handed, vault: &Keys) -> Option<HeldReceipt> {
    let Receipted::Given(verdict, at, _) = &handed.receipt else { return None };
    let said = wording(vault, handed);
    let (code, text) = said.map(|said| (said.code, said.text)).unwrap_or_default();
    Some(HeldReceipt {
        accepted: *verdict == Verdict::Accepted,
        at: at.to_string(),
        code: code.map(|code| without_numbers(code.as_str()).into_owned()),
        text: text.map(|text| without_numbers(&text).into_owned()),
    })
}

fn posting(held: &HeldPosting, vault: &Keys) -> v1::HeldPosting {
    let posting = &held.row.posting;
    let records = held.records.iter().map(|record| HeldRecord {
        revision: record.revision,
        registered: record.registered.to_string(),
        change: record.said.as_ref().map_or(RecordChange::Unspecified.into(), |said| change(said.change())),
        tag: record.said.as_ref().and_then(|said| said.tag.as_ref()).map(records::whole),
    });
    let targets = held.handed.iter().map(|(target, handed)| HeldAt {
        target: target.to_string(),
        revision: handed.revision,
        change: change(handed.change),
        at: handed.at.to_string(),
        receipt: receipt(handed, vault),
    });
    let untagged = match held.row.standing {
        Standing::Tagged(_) => None,
        Standing::Untagged(reason) => Some(reason.word().to_owned()),
    };
    v1::HeldPosting {
        source: held.source.to_string(),
        id: posting.id.to_string(),
        date: posting.date.to_string(),
        account: posting.account.to_string(),
        amount: posting.amount.to_string(),
        voucher: posting.voucher.as_ref().map(ToString::to_string),
        registered: held.row.registered.to_string(),
        untagged,
        records: records.collect(),
        targets: targets.collect(),
        passes_on_to: held.passes_on_to.iter().map(ToString::to_string).collect(),
        grouping: posting.grouping.as_ref().map(ToString::to_string),
        cost_centre: posting.cost_centre.as_ref().map(ToString::to_string),
        reverses: posting.reverses.as_ref().map(ToString::to_string),
    }
}

fn change(change: Change) -> i32 {
    records::change(change)
}

fn told(found: &Withdrawal, backups_kept_days: Option<u32>) -> GetWithdrawalResponse {
    let targets: Vec<WithdrawalAt> = (found.targets.iter())
        .map(|at| WithdrawalAt {
            target: at.target.to_string(),
            waiting: at.waiting,
            parked: at.parked,
            confirmed: at.is_confirmed(),
        })
        .collect();
    let standing = if found.rank == Rank::Deleted { FactStanding::Deleted } else { FactStanding::Withdrawn };
    let gone_at = found.gone.zip(backups_kept_days).and_then(|(gone, days)| backups_gone(gone, days));
    GetWithdrawalResponse {
        version: found.version,
        standing: standing.into(),
        registered: found.registered.to_string(),
        records: found.records,
        erased: found.is_erased,
        gone: found.gone.map(|gone| gone.to_string()),
        backups_gone: gone_at.map(|date| date.to_string()),
        complete: found.is_erased && found.gone.is_some() && targets.iter().all(|at| at.confirmed),
        targets,
    }
}

/// The first day on which no backup is kept that was made before what was withdrawn was gone from the files: days of 24 hours,
/// and the day after.
fn backups_gone(gone: Timestamp, days: u32) -> Option<Date> {
    let last = gone.checked_add(SignedDuration::from_hours(24 * i64::from(days))).ok()?;
    last.to_zoned(TimeZone::UTC).date().tomorrow().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_are_gone_on_the_day_after_the_last_was_kept() {
        let gone =
            |at: &str, days| backups_gone(at.parse().expect("an instant"), days).map(|date| date.to_string());
        assert_eq!(gone("2026-01-31T23:59:59Z", 30).as_deref(), Some("2026-03-03"));
        assert_eq!(gone("2026-01-31T00:00:00Z", 1).as_deref(), Some("2026-02-02"));
    }
}
