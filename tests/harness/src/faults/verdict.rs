//! The four zeros: of what was attempted and what was confirmed to the publisher, nothing is lost, nothing is there that
//! nobody sent, nothing is there twice, and nothing has two contents.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use samspor_formats::json;
use samspor_town::{Expectation, Expected, Message, Outcome};
use serde::Serialize;
use serde_json::Value;

use super::{Business, Receivers, Sender, Site};
use crate::books;

/// What must all be zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Zeros {
    /// Postings of confirmed messages whose effect is missing, in the journal or at the ledger.
    pub lost: usize,
    /// Effects of what was never sent, and effects other than the right ones.
    pub unexpected: usize,
    /// Effects that are there twice after the receiver keeps the highest revision.
    pub duplicated: usize,
    /// Ids that came with different bytes.
    pub conflicting: usize,
    /// Records that came for the first time after a later one of the same posting.
    pub misordered: usize,
}

/// What came of a campaign.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Verdict {
    /// What must be zero.
    pub zeros: Zeros,
    /// Messages that were published.
    pub attempted: usize,
    /// Of those, the ones that the broker confirmed to the publisher.
    pub confirmed: usize,
    /// Postings in the journal.
    pub postings: usize,
    /// Records that the ledger got, and how many of them it had already.
    pub records: (usize, usize),
    /// What came of receipts, brake and closed month, of a site in business.
    pub business: Option<Business>,
    /// The first of what is wrong, in words.
    pub wrong: Vec<String>,
}

/// How many faults are told in words.
const TOLD: usize = 20;

impl Verdict {
    /// Looks at the store, on which no gateway may run, and at what the receivers have.
    pub async fn of(site: &Site, sender: &Sender, receivers: &Receivers) -> Result<Self> {
        let mut verdict = Self::default();
        let mut sent: BTreeMap<(&str, &str), (&Expectation, bool)> = BTreeMap::new();
        for (message, confirmed) in sender.attempted() {
            verdict.attempted += 1;
            verdict.confirmed += usize::from(confirmed);
            for outcome in &message.outcomes {
                if let Outcome::Posting(expectation) = outcome {
                    sent.insert((message.source, &expectation.id), (expectation, confirmed));
                }
            }
        }
        let states = states(site, &mut verdict).await?;
        verdict.postings = states.len();
        for ((source, id), state) in &states {
            match sent.get(&(source.as_str(), id.as_str())) {
                None => verdict.wrong(|zeros| &mut zeros.unexpected, || "a posting that nobody sent".into()),
                Some((right, _)) if json::state(source, id, &right.answer) != *state => verdict.wrong(
                    |zeros| &mut zeros.unexpected,
                    || format!("{source} {id} is {state}, and should be {:?}", right.answer),
                ),
                Some(_) => {}
            }
        }
        for ((source, id), (right, confirmed)) in &sent {
            let key = ((*source).to_owned(), (*id).to_owned());
            let there = states.contains_key(&key);
            if *confirmed && !there {
                verdict.wrong(|zeros| &mut zeros.lost, || format!("{source} {id} is not in the journal"));
            }
            for (name, ledger) in receivers.ledgers() {
                let tag = ledger.kept().0.get(&key).map(|record| &record["tag"]);
                let tagged = right.answer.tag().is_some();
                if there && tagged && tag.is_none_or(Value::is_null) {
                    verdict
                        .wrong(|zeros| &mut zeros.lost, || format!("{source} {id} did not reach the {name}"));
                }
            }
        }
        let kept = receivers
            .ledgers()
            .flat_map(|(name, ledger)| ledger.kept().0.iter().map(move |(key, record)| (name, key, record)));
        for (name, (source, id), record) in kept {
            let state = states.get(&(source.clone(), id.clone()));
            let state: Value = state.map_or(Ok(Value::Null), |state| serde_json::from_str(state))?;
            if state.is_null() || state["tag"] != record["tag"] {
                verdict.wrong(
                    |zeros| &mut zeros.unexpected,
                    || format!("the {name} has {source} {id} as {}, the journal as {state}", record["tag"]),
                );
            }
        }
        let Receivers { ledger, lis, .. } = receivers;
        verdict.records = (ledger.records, ledger.repeats);
        verdict.business.clone_from(&receivers.business);
        for (name, receiver) in receivers.ledgers().chain([("lis", lis)]) {
            let counts = [
                (receiver.conflicting, "ids with two contents"),
                (receiver.misnamed, "ids that are not made of their record"),
                (receiver.misordered, "records after a later one"),
                (receiver.said_twice(), "revisions that say the same again"),
            ];
            for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
                verdict.tell(|| format!("the {name} got {count} {what}"));
            }
            verdict.zeros.conflicting += receiver.conflicting + receiver.misnamed;
            verdict.zeros.misordered += receiver.misordered;
            verdict.zeros.duplicated += receiver.said_twice();
        }
        let kept = ledger.kept().0.values().filter(|record| !record["tag"].is_null()).count();
        let counted = lis.kept().0.values().filter(|record| !record["tag"].is_null()).count();
        if kept != counted {
            verdict.wrong(
                |zeros| if counted < kept { &mut zeros.lost } else { &mut zeros.unexpected },
                || format!("the ledger has {kept} tagged postings, and the LIS {counted}"),
            );
        }
        Ok(verdict)
    }

    /// Holds the books against the generator's, to the øre, once everything has been sent and confirmed: what came again
    /// after a fault shows as so many duplicates, and as nothing else.
    pub fn audit(
        &mut self,
        messages: impl IntoIterator<Item = Message>,
        receivers: &Receivers,
        balance: &Value,
    ) {
        self.audit_against(messages.into_iter().collect(), receivers, balance);
    }

    /// The same against what is expected.
    pub(super) fn audit_against(&mut self, mut expected: Expected, receivers: &Receivers, balance: &Value) {
        for (source, counts) in &mut expected.counts {
            let again = count(balance, source, "received").saturating_sub(counts.received);
            counts.received += again;
            counts.duplicates += again;
        }
        for (name, ledger) in receivers.ledgers() {
            for difference in books::differences(&expected, ledger.kept(), balance) {
                self.wrong(|zeros| &mut zeros.unexpected, || format!("the books ({name}): {difference}"));
            }
        }
        if receivers.business.is_some() {
            self.audit_receipts(receivers, balance);
        }
    }

    /// Holds the books of each ledger against what it has and said itself: what was delivered is accepted or rejected, and
    /// nothing is awaited, parked or on its way.
    fn audit_receipts(&mut self, receivers: &Receivers, balance: &Value) {
        for (name, ledger) in receivers.ledgers() {
            let rows = balance["targets"].as_array().into_iter().flatten();
            let rows: Vec<&Value> = rows.filter(|row| row["target"] == name).collect();
            let sum = |field: &str| rows.iter().filter_map(|row| row[field].as_i64()).sum::<i64>();
            let (accepted, rejected) = ledger.booked();
            let kept = i64::try_from(ledger.kept().0.len()).unwrap_or(i64::MAX);
            let books = ["accepted", "rejected", "awaiting", "delivered", "parked"].map(sum);
            if books != [accepted, rejected, 0, 0, 0] || accepted + rejected != kept {
                self.wrong(
                    |zeros| &mut zeros.unexpected,
                    || {
                        format!(
                            "the {name} keeps {kept} postings, of which it accepted {accepted} and rejected \
                             {rejected}, and its book says accepted, rejected, awaiting, delivered, parked: {books:?}"
                        )
                    },
                );
            }
            let is_off = |row: &&&Value| {
                let moving = ["coming", "going", "outdated"];
                row["balanced"] != true || moving.iter().any(|field| row[*field]["postings"] != 0)
            };
            let off = rows.iter().filter(is_off).count();
            if off > 0 {
                self.wrong(
                    |zeros| &mut zeros.unexpected,
                    || format!("{off} books of the {name} do not balance"),
                );
            }
            if let Some(business) = &mut self.business {
                business.booked.push((name, accepted, rejected));
            }
        }
        let rows = balance["items"].as_array().into_iter().flatten();
        let mut rows = rows.filter(|row| row["source"] == super::site::RECEIPTS);
        if rows.any(|row| row["outcomes"]["quarantined"].as_u64().unwrap_or(0) > 0) {
            self.wrong(|zeros| &mut zeros.unexpected, || "receipts are in quarantine".into());
        }
    }

    /// Counts a fault, and tells of it if it is among the first.
    fn wrong(&mut self, count: impl FnOnce(&mut Zeros) -> &mut usize, what: impl FnOnce() -> String) {
        *count(&mut self.zeros) += 1;
        self.tell(what);
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.wrong.len() < TOLD {
            self.wrong.push(what());
        }
    }

    /// An error unless all is zero, and in business everything happened that was to.
    pub fn all_zero(&self) -> Result<()> {
        anyhow::ensure!(self.zeros == Zeros::default(), "{:?}:\n{}", self.zeros, self.wrong.join("\n"));
        // Booked is what was audited at the end.
        match self.business.as_ref().filter(|business| !business.booked.is_empty()) {
            Some(business) => business.all_happened(),
            None => Ok(()),
        }
    }
}

/// The journal's postings, a line each, by source and id.
async fn states(site: &Site, verdict: &mut Verdict) -> Result<BTreeMap<(String, String), String>> {
    let mut states = BTreeMap::new();
    for line in site.states().await? {
        let state: Value = serde_json::from_str(&line)?;
        let text =
            |field: &str| state[field].as_str().map(str::to_owned).with_context(|| format!("no {field}"));
        let (source, id) = (text("source")?, text("posting")?);
        if states.insert((source.clone(), id.clone()), line).is_some() {
            verdict.wrong(|zeros| &mut zeros.duplicated, || format!("{source} {id} is there twice"));
        }
    }
    Ok(states)
}

/// How many items of a source had an outcome, in all months.
pub(super) fn count(balance: &Value, source: &str, outcome: &str) -> u64 {
    let rows = balance["items"].as_array().into_iter().flatten().filter(|row| row["source"] == source);
    rows.filter_map(|row| row["outcomes"][outcome].as_u64()).sum()
}
