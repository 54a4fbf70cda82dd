//! A corpus: everything that could arrive, each thing once.

use std::collections::BTreeSet;

use samspor_domain::{Charts, Fact, Kind, Message, Posting, SourceName, State, Text};

use crate::chance::Chance;
use crate::facts::corrected;
use crate::world::{World, text};

/// Something that a source sends.
#[derive(Debug, Clone)]
pub struct Item {
    /// Who sends it.
    pub source: SourceName,
    /// What it is.
    pub content: Content,
}

/// What an item is.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A message.
    Message(Box<Message>),
    /// Bytes that are none, which go to quarantine.
    Broken(Vec<u8>),
}

impl Content {
    /// A posting.
    #[must_use]
    pub fn of_posting(posting: Posting) -> Self {
        Self::Message(Box::new(Message::Posting(posting)))
    }

    /// A fact.
    #[must_use]
    pub fn of_fact(fact: Fact) -> Self {
        Self::Message(Box::new(Message::Fact(fact)))
    }
}

/// How large a corpus is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// How many postings at least.
    pub postings: usize,
    /// Whether one posting's id comes with several contents: the one place where the order of arrival shows.
    pub posting_conflicts: bool,
    /// Whether one version of a fact comes with several contents, of which always the same must win.
    pub version_conflicts: bool,
}

impl Size {
    /// So many postings, and nothing whose outcome the rules leave open.
    #[must_use]
    pub fn of(postings: usize) -> Self {
        Self { postings, posting_conflicts: false, version_conflicts: false }
    }
}

/// Everything that could arrive, each thing once, and two sets of charts.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// From which it was made.
    pub seed: u64,
    /// How large, and of what sort.
    pub size: Size,
    /// What could arrive, facts first, in an order that is easy to read.
    pub items: Vec<Item>,
    /// The charts to begin with, and others.
    pub charts: [Charts; 2],
}

impl Corpus {
    /// The corpus of a seed.
    #[must_use]
    pub fn random(seed: u64, size: Size) -> Self {
        let mut chance = Chance::new(seed, 0);
        let chance = &mut chance;
        let world = World::new(size.postings, chance);
        let mut items = Vec::new();
        for kind in Kind::ALL {
            for id in ids(kind, &world, chance) {
                let senders = if kind.is_named_in_source() {
                    world.sources[..world.sending].iter().filter(|_| chance.percent(90)).cloned().collect()
                } else {
                    vec![world.sender(chance)]
                };
                for source in senders {
                    versions(kind, &source, &id, &world, size, chance, &mut items);
                }
            }
        }
        let postings = world.postings(size.postings, chance);
        if size.posting_conflicts {
            let other = world.postings(size.postings / 4, chance);
            items.extend(
                other.into_iter().filter(|item| !postings.iter().any(|known| same_content(known, item))),
            );
        }
        items.extend(postings);
        for i in 0..chance.count(0, 4) {
            let content = Content::Broken(format!("broken {i}").into_bytes());
            items.push(Item { source: world.sender(chance), content });
        }
        let charts = [world.charts(chance), world.charts(chance)];
        Self { seed, size, items, charts }
    }

    /// The ids of the solutions in it.
    pub(crate) fn solutions(&self) -> Vec<Text> {
        let solutions = self.items.iter().filter_map(|item| match &item.content {
            Content::Message(message) => match &**message {
                Message::Fact(fact) if fact.kind == Kind::Solution => Some(fact.id.clone()),
                _ => None,
            },
            Content::Broken(_) => None,
        });
        solutions.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

fn same_content(a: &Item, b: &Item) -> bool {
    a.source == b.source && a.content == b.content
}

fn ids(kind: Kind, world: &World, chance: &mut Chance) -> Vec<Text> {
    let people = world.people.len();
    let some = |letter: &str, count: usize| (1..=count).map(|i| text(&format!("{letter}-{i}"))).collect();
    match kind {
        Kind::Case | Kind::Grant => world.numbers.clone(),
        Kind::Payment | Kind::Progress => vec![chance.of(&world.numbers)],
        Kind::Identity => some("I", chance.count(2 * people, 4 * people)),
        Kind::Consent => some("C", chance.count(people, 3 * people)),
        Kind::Enrolment => some("E", chance.count(2 * people, 4 * people)),
        // Some solution may stay unknown.
        Kind::Solution => world.solutions.iter().filter(|_| chance.percent(90)).cloned().collect(),
        Kind::Split => some("D", chance.count(0, 10)),
        _ => some("X", 1),
    }
}

/// Puts one to four versions of a fact among the items, each number with one content unless conflicts are wanted.
fn versions(
    kind: Kind,
    source: &SourceName,
    id: &Text,
    world: &World,
    size: Size,
    chance: &mut Chance,
    items: &mut Vec<Item>,
) {
    let count = chance.of(&[1, 1, 2, 2, 3, 5]);
    let numbers: BTreeSet<i64> = (0..count).map(|_| chance.of(&[1, 2, 3, 4, 9, i64::MAX])).collect();
    let mut earlier: Option<State> = None;
    for version in numbers {
        let mut states = vec![match chance.count(0, 99) {
            0..6 => State::Deleted,
            6..16 if kind == Kind::Consent => State::Withdrawn,
            // Corrected, and corrected back.
            22..40 if earlier.is_some() => earlier.clone().unwrap_or(State::Deleted),
            _ => {
                let fresh = body(kind, source, id, world, chance);
                match &earlier {
                    // Mostly one thing is corrected.
                    Some(State::Live(old)) if chance.percent(60) => {
                        State::Live(corrected(old, fresh, chance))
                    }
                    _ => State::Live(fresh),
                }
            }
        }];
        if matches!(states[0], State::Live(_)) {
            earlier = Some(states[0].clone());
        }
        if chance.percent(4) {
            states.push(if kind == Kind::Consent && chance.percent(50) {
                State::Withdrawn
            } else {
                State::Deleted
            });
        }
        if size.version_conflicts && chance.percent(30) {
            states.push(State::Live(body(kind, source, id, world, chance)));
        }
        states.dedup();
        for state in states {
            // What is named across the municipality may come from anyone.
            let source = if kind.is_named_in_source() { source.clone() } else { world.sender(chance) };
            let fact = Fact { kind, id: id.clone(), version, state };
            items.push(Item { source, content: Content::of_fact(fact) });
        }
    }
}

fn body(
    kind: Kind,
    source: &SourceName,
    id: &Text,
    world: &World,
    chance: &mut Chance,
) -> samspor_domain::Body {
    if kind == Kind::Identity && chance.percent(2) {
        world.crowd(chance)
    } else {
        world.body(kind, source, id, chance)
    }
}
