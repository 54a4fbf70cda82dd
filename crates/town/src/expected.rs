//! What must come of a town's messages, summed up.

use std::collections::BTreeMap;

use jiff::civil::Date;
use samspor_domain::{Answer, Reason, Text, Untagged};

use crate::message::{Expectation, Message, Outcome};

/// What must be there once everything has been taken in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expected {
    /// Every posting, by source and id.
    pub postings: BTreeMap<(&'static str, String), Expectation>,
    /// What became of the items of each source.
    pub counts: BTreeMap<&'static str, Counts>,
    /// How the postings stand, by source and by the first day of the month of their dates.
    pub balance: BTreeMap<(&'static str, Date), Balance>,
    /// What the solutions cost, in øre, by solution, by area of the parts, and by the first day of the month.
    pub costs: BTreeMap<(Text, Text, Date), i128>,
}

/// What became of a source's items.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Bodies that it sent.
    pub messages: u64,
    /// Items in them: the sum of all that follow.
    pub received: u64,
    /// New newest versions of facts.
    pub facts: u64,
    /// Versions that others go before.
    pub stale: u64,
    /// New postings.
    pub postings: u64,
    /// What was known already.
    pub duplicates: u64,
    /// What could not be understood, by reason.
    pub quarantined: BTreeMap<Reason, u64>,
}

/// How postings stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Balance {
    /// All of them.
    pub all: Sum,
    /// The tagged ones.
    pub tagged: Sum,
    /// The others, by reason.
    pub untagged: BTreeMap<Untagged, Sum>,
}

/// A number of postings and their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// How many.
    pub postings: u64,
    /// In øre.
    pub ore: i128,
}

impl Sum {
    fn add(&mut self, ore: i64) {
        self.postings += 1;
        self.ore += i128::from(ore);
    }
}

impl Expected {
    /// The postings that must be tagged, and so handed to every target, by source and id.
    pub fn tagged(&self) -> impl Iterator<Item = (&'static str, &Expectation)> {
        let all = self.postings.iter().map(|((source, _), expectation)| (*source, expectation));
        all.filter(|(_, expectation)| expectation.answer.tag().is_some())
    }

    /// Adds what must come of a message.
    pub fn add(&mut self, message: &Message) {
        let source = message.source;
        let counts = self.counts.entry(source).or_default();
        counts.messages += 1;
        for outcome in &message.outcomes {
            counts.received += 1;
            match outcome {
                Outcome::Fact => counts.facts += 1,
                Outcome::Stale => counts.stale += 1,
                Outcome::Duplicate => counts.duplicates += 1,
                Outcome::Quarantined(reason) => *counts.quarantined.entry(*reason).or_default() += 1,
                Outcome::Posting(expectation) => {
                    counts.postings += 1;
                    let month = expectation.date.first_of_month();
                    let balance = self.balance.entry((source, month)).or_default();
                    let ore = expectation.amount.ore();
                    balance.all.add(ore);
                    match &expectation.answer {
                        Answer::Untagged(reason) => balance.untagged.entry(*reason).or_default().add(ore),
                        Answer::Tagged(tag) => {
                            balance.tagged.add(ore);
                            for part in &tag.parts {
                                let key = (tag.solution.clone(), part.area.clone(), month);
                                *self.costs.entry(key).or_default() += i128::from(part.amount.ore());
                            }
                        }
                    }
                    self.postings.insert((source, expectation.id.clone()), (**expectation).clone());
                }
            }
        }
    }
}

impl FromIterator<Message> for Expected {
    fn from_iter<I: IntoIterator<Item = Message>>(messages: I) -> Self {
        let mut expected = Self::default();
        for message in messages {
            expected.add(&message);
        }
        expected
    }
}
