//! A script: one way in which a corpus arrives, in order, with everything else that happens in between.

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
            let (batch, later) = rest.split_at(size.min(rest.len()));
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

fn order(corpus: &Corpus, chance: &mut Chance) -> Vec<usize> {
    let mut order: Vec<usize> = (0..corpus.items.len()).collect();
    let is_posting = |i: &usize| match &corpus.items[*i].content {
        Content::Message(message) => matches!(**message, samspor_domain::Message::Posting(_)),
        Content::Broken(_) => false,
    };
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
        _ => chance.shuffle(&mut order),
    }
    order
}
