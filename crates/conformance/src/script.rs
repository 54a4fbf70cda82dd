//! A script: one way in which a corpus arrives, in order, with everything else that happens in between.

use std::collections::BTreeMap;

use samspor_domain::{Fact, Kind, Message, State};

use crate::chance::Chance;
use crate::{Content, Corpus};

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// These items of the corpus arrive together, and are taken in by one transaction.
    Take(Vec<usize>),
    /// So many slices of the work list are done.
    Work(usize),
    /// The work list is done to its end.
    Finish,
    /// The gateway starts again, with the first or the second charts.
    Open(usize),
    /// A reader of the feed reads, so many records at most.
    Read(usize, usize),
    /// So many seconds pass; the clock may be set back.
    Wait(i64),
}

/// One way in which a corpus arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// How many postings one transaction decides again at most.
    pub slice: usize,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// How many readers there are.
pub(crate) const READERS: usize = 6;

impl Script {
    /// One way, by chance: `variant` gives others for the same corpus.
    #[must_use]
    pub fn random(corpus: &Corpus, variant: u64) -> Self {
        let chance = &mut Chance::new(corpus.seed, variant + 1);
        let mut order = order(corpus, chance);
        // Some arrive twice or more, near each other or far apart.
        for _ in 0..order.len() * chance.of(&[0, 10, 30]) / 100 {
            let again = chance.of(&order);
            order.insert(chance.count(0, order.len()), again);
        }
        let slice = chance.of(&[1, 2, 7, 30, 1000]);
        let small = [1, 1, 2, 5];
        let largest = chance.of(&[2, 10, 40, 120]).max(order.len() / 60);
        let mut steps = Vec::new();
        let mut rest = &order[..];
        while !rest.is_empty() {
            let size = if chance.percent(30) { chance.of(&small) } else { chance.count(1, largest) };
            let mut size = size.min(rest.len());
            // Often a consent ends alone and with nothing left to do, so that what it must erase is known.
            let ends = rest[..size].iter().position(|&i| ends_consent(corpus, i));
            if let Some(before) = ends.filter(|_| chance.percent(50)) {
                size = before.max(1);
                if before == 0 {
                    steps.push(Step::Finish);
                }
            }
            let (batch, later) = rest.split_at(size);
            rest = later;
            steps.push(Step::Take(batch.to_vec()));
            match chance.count(0, 9) {
                0..3 => steps.push(Step::Work(chance.count(1, 4))),
                3..7 => steps.push(Step::Finish),
                _ => {}
            }
            if chance.percent(25) {
                steps.push(Step::Read(chance.count(0, READERS - 1), chance.of(&[1, 3, 1000])));
            }
            if chance.percent(20) {
                steps.push(Step::Wait(chance.of(&[1, 3600, 86_400 * 20, -86_400])));
            }
            if chance.percent(2) {
                steps.push(Step::Open(chance.count(0, 1)));
            }
        }
        Self { slice, steps }
    }

    /// How many items arrive.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        self.steps.iter().map(|step| if let Step::Take(items) = step { items.len() } else { 0 }).sum()
    }
}

fn fact(corpus: &Corpus, i: usize) -> Option<&Fact> {
    match &corpus.items[i].content {
        Content::Message(message) => match &**message {
            Message::Fact(fact) => Some(fact),
            Message::Posting(_) | Message::Receipt(_) => None,
        },
        Content::Broken(_) => None,
    }
}

fn ends_consent(corpus: &Corpus, i: usize) -> bool {
    fact(corpus, i).is_some_and(|fact| fact.kind == Kind::Consent && !matches!(fact.state, State::Live(_)))
}

fn order(corpus: &Corpus, chance: &mut Chance) -> Vec<usize> {
    let mut order: Vec<usize> = (0..corpus.items.len()).collect();
    let is_posting = |i: &usize| fact(corpus, *i).is_none();
    match chance.count(0, 9) {
        0 => {} // Facts by their versions, then postings.
        1 => order.reverse(),
        2 => {
            chance.shuffle(&mut order);
            order.sort_by_key(|i| is_posting(i));
        }
        3 => {
            chance.shuffle(&mut order);
            order.sort_by_key(|i| !is_posting(i));
        }
        4..6 => chance.shuffle(&mut order),
        _ => {
            // Anywhere, but the versions of each fact in their order, so that each of them once holds.
            chance.shuffle(&mut order);
            let mut places: BTreeMap<_, Vec<usize>> = BTreeMap::new();
            for (place, &i) in order.iter().enumerate() {
                if let Some(fact) = fact(corpus, i) {
                    let source = fact.kind.is_named_in_source().then(|| &corpus.items[i].source);
                    places.entry((fact.kind, &fact.id, source)).or_default().push(place);
                }
            }
            for places in places.into_values() {
                let mut items: Vec<usize> = places.iter().map(|&place| order[place]).collect();
                items.sort_by_key(|&i| fact(corpus, i).map(|fact| fact.version));
                for (place, i) in places.into_iter().zip(items) {
                    order[place] = i;
                }
            }
        }
    }
    order
}
