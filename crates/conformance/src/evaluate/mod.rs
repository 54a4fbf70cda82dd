//! The rules once more, written from their text alone, as plainly as can be: everything is derived anew by looking at
//! every fact for each posting. Nothing here shares code with what the engine decides by; only the words are the same.

mod person;
mod tag;

use std::collections::{BTreeMap, BTreeSet};

use samspor_domain::{
    Answer, Body, Charts, CitizenRef, Enrolment, Fact, Kind, Message, Posting, SourceName, State, Text,
    Untagged,
};

use person::Person;

/// Which posting: its source and its id.
pub type Id = (SourceName, Text);

/// Everything that has arrived.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    facts: Vec<(SourceName, Fact)>,
    postings: BTreeMap<Id, Posting>,
}

/// What a message was to what had arrived before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Novelty {
    /// A fact's newest version.
    Fact,
    /// A fact's version that another goes before.
    Stale,
    /// A new posting.
    Posting,
    /// Known already.
    Duplicate,
    /// A posting whose id is known with other content.
    Conflict,
}

impl Knowledge {
    /// Takes in a message.
    pub fn learn(&mut self, source: &SourceName, message: &Message) -> Novelty {
        match message {
            Message::Posting(posting) => {
                let id = (source.clone(), posting.id.clone());
                match self.postings.get(&id) {
                    Some(known) if known == posting => Novelty::Duplicate,
                    Some(_) => Novelty::Conflict,
                    None => {
                        self.postings.insert(id, posting.clone());
                        Novelty::Posting
                    }
                }
            }
            Message::Fact(fact) => self.learn_fact(source, fact),
            Message::Receipt(_) => unreachable!("no corpus holds receipts"),
        }
    }

    fn learn_fact(&mut self, source: &SourceName, fact: &Fact) -> Novelty {
        let name = name(source, fact);
        let mut novelty = Novelty::Fact;
        for (other_source, other) in &self.facts {
            if self::name(other_source, other) == name {
                if other == fact {
                    return Novelty::Duplicate;
                }
                if precedence(other) > precedence(fact) {
                    novelty = Novelty::Stale;
                }
            }
        }
        self.facts.push((source.clone(), fact.clone()));
        novelty
    }

    /// The postings.
    #[must_use]
    pub fn postings(&self) -> &BTreeMap<Id, Posting> {
        &self.postings
    }

    /// What all live facts say now.
    fn live(&self) -> Vec<(SourceName, Text, Body)> {
        let mut newest: BTreeMap<_, &(SourceName, Fact)> = BTreeMap::new();
        for entry in &self.facts {
            let best = newest.entry(name(&entry.0, &entry.1)).or_insert(entry);
            if precedence(&entry.1) > precedence(&best.1) {
                *best = entry;
            }
        }
        let live = newest.into_values().filter_map(|(source, fact)| match &fact.state {
            State::Live(body) => Some((source.clone(), fact.id.clone(), body.clone())),
            State::Withdrawn | State::Deleted => None,
        });
        live.collect()
    }
}

/// By what a fact is known: those of four kinds are named in their source, all others across the municipality.
fn name<'a>(source: &'a SourceName, fact: &'a Fact) -> (Option<&'a str>, Kind, &'a str) {
    let in_source = matches!(fact.kind, Kind::Case | Kind::Grant | Kind::Payment | Kind::Progress);
    (in_source.then_some(source.as_str()), fact.kind, fact.id.as_str())
}

/// The highest version wins; at equal versions a deletion, then a withdrawal.
fn precedence(fact: &Fact) -> (i64, u8) {
    let strength = match fact.state {
        State::Live(_) => 0,
        State::Withdrawn => 1,
        State::Deleted => 2,
    };
    (fact.version, strength)
}

/// The live facts in one place, and whom each consent is about.
pub struct Evaluation<'a> {
    knowledge: &'a Knowledge,
    charts: &'a Charts,
    live: Vec<(SourceName, Text, Body)>,
    people: Vec<Person>,
}

impl<'a> Evaluation<'a> {
    /// Of everything that has arrived.
    #[must_use]
    pub fn new(knowledge: &'a Knowledge, charts: &'a Charts) -> Self {
        let live = knowledge.live();
        let people = live
            .iter()
            .filter_map(|(_, id, body)| match body {
                Body::Consent(consent) => Some(Person::of(id, consent, &live)),
                _ => None,
            })
            .collect();
        Self { knowledge, charts, live, people }
    }

    /// The answer of every posting.
    #[must_use]
    pub fn answers(&self) -> BTreeMap<Id, Answer> {
        self.knowledge.postings.keys().map(|id| (id.clone(), self.answer(id))).collect()
    }

    /// Whose enrolment a tag rests on.
    #[must_use]
    pub fn enrolled(&self, enrolment: &Text) -> Option<&CitizenRef> {
        self.live.iter().find_map(|(_, id, body)| match body {
            Body::Enrolment(found) if id == enrolment => Some(&found.citizen),
            _ => None,
        })
    }

    /// The live consents.
    #[must_use]
    pub fn consents(&self) -> BTreeSet<Text> {
        self.people.iter().map(|person| person.consent.clone()).collect()
    }

    /// The postings that belong to a live consent, and those that follow them.
    #[must_use]
    pub fn belonging(&self, consent: &Text) -> BTreeSet<Id> {
        let person = self.people.iter().find(|person| person.consent == *consent);
        let belongs = |id: &Id| {
            let posting = &self.knowledge.postings[id];
            let reference = posting.citizen.as_ref().or(posting.grant.as_ref());
            reference.is_some_and(|reference| person.is_some_and(|person| person.holds(&id.0, reference)))
        };
        let all = self.knowledge.postings.keys();
        all.filter(|id| belongs(id) || belongs(&self.end(id).0)).cloned().collect()
    }

    fn answer(&self, id: &Id) -> Answer {
        let (end, steps) = self.end(id);
        let mut answer = self.decide(&end.0, &self.knowledge.postings[&end]);
        if let (Answer::Tagged(tag), 1) = (&mut answer, steps % 2) {
            for part in &mut tag.parts {
                part.amount = -part.amount;
            }
        }
        answer
    }

    /// Where following ends, and after how many steps: at a posting that follows none, or at the first of a ring.
    fn end(&self, id: &Id) -> (Id, usize) {
        if self.returns(id) {
            return (id.clone(), 0);
        }
        match self.followed(id) {
            None => (id.clone(), 0),
            Some(next) => {
                let (end, steps) = self.end(&next);
                (end, steps + 1)
            }
        }
    }

    /// Whether following from a posting comes back to it.
    fn returns(&self, id: &Id) -> bool {
        let mut at = id.clone();
        let mut been = BTreeSet::new();
        while let Some(next) = self.followed(&at) {
            if next == *id {
                return true;
            }
            if !been.insert(next.clone()) {
                return false; // In a ring further on.
            }
            at = next;
        }
        false
    }

    /// The posting that one follows: known, of the same source, with exactly the opposite amount and the same account,
    /// and the reversal has no reference or the same.
    fn followed(&self, id: &Id) -> Option<Id> {
        let posting = &self.knowledge.postings[id];
        let next = (id.0.clone(), posting.reverses.clone()?);
        let reversed = self.knowledge.postings.get(&next)?;
        let reference = |posting: &Posting| posting.citizen.clone().or(posting.grant.clone());
        let follows = posting.amount.ore() + reversed.amount.ore() == 0
            && posting.account.to_string() == reversed.account.to_string()
            && (reference(posting).is_none() || reference(posting) == reference(reversed));
        follows.then_some(next)
    }

    fn decide(&self, source: &SourceName, posting: &Posting) -> Answer {
        let Some(reference) = posting.citizen.as_ref().or(posting.grant.as_ref()) else {
            return self.by_account(posting);
        };
        let whose: Vec<&Person> =
            self.people.iter().filter(|person| person.holds(source, reference)).collect();
        if whose.is_empty() {
            return Answer::Untagged(Untagged::NotConsented);
        }
        let sure: Vec<&Person> = whose.into_iter().filter(|person| !person.in_conflict).collect();
        if sure.is_empty() {
            return Answer::Untagged(Untagged::IdentityConflict);
        }
        let covering: Vec<&Person> = sure.into_iter().filter(|person| person.covers(posting.date)).collect();
        if covering.is_empty() {
            return Answer::Untagged(Untagged::ConsentNotCovering);
        }
        self.by_citizen(posting, &covering).unwrap_or(Answer::Untagged(Untagged::NotEnrolled))
    }

    fn enrolments(&self) -> impl Iterator<Item = (&Text, &Enrolment)> {
        self.live.iter().filter_map(|(_, id, body)| match body {
            Body::Enrolment(enrolment) => Some((id, enrolment)),
            _ => None,
        })
    }
}
