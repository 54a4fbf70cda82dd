//! The few names, numbers and days of a corpus: so few that everything meets everything.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use samspor_domain::{
    Account, AccountPrefix, Amount, CitizenRef, Cpr, Grouping, MAX_ORE, PersonUuid, SourceName, Span, Text,
};

use crate::chance::Chance;

/// A text that is good by construction.
pub(crate) fn text(text: &str) -> Text {
    Text::new(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// An amount that is good by construction.
pub(crate) fn ore(ore: i64) -> Amount {
    Amount::from_ore(ore).unwrap_or_else(|error| panic!("{ore}: {error}"))
}

/// Everything that a corpus is made of.
pub(crate) struct World {
    /// Who sends. The last is named in consents, and sends nothing in half of the corpora.
    pub(crate) sources: Vec<SourceName>,
    /// How many of the sources send.
    pub(crate) sending: usize,
    /// The references that are one person's, person by person.
    pub(crate) people: Vec<Vec<CitizenRef>>,
    /// How often, in a hundred, a fact names someone else's reference.
    pub(crate) mess: u32,
    /// The numbers under which systems know cases, grants and persons: the same few in every system.
    pub(crate) numbers: Vec<Text>,
    /// Days on and around which everything begins and ends.
    days: Vec<Date>,
    /// Solutions' ids; facts may name the last without it ever arriving.
    pub(crate) solutions: Vec<Text>,
}

/// The numbers under which systems know cases, grants and persons first.
const NUMBERS: [&str; 4] = ["1", "2", "10", "B-1"];
pub(crate) const AREAS: [&str; 5] = ["adults", "children", "employment", "health", "unmapped"];
pub(crate) const FAMILIES: [&str; 3] = ["F-1", "F-2", "f-1"];
const ACCOUNTS: [&str; 8] =
    ["5.28.21", "5.28.21.1", "5.28.21.2", "5.28.20.1", "5.28.20", "5.57.73.2", "5.68.90.1", "4.62.85.1"];
const PREFIXES: [&str; 9] =
    ["5", "5.28", "5.28.21", "5.28.21.1", "5.28.20", "5.57", "5.57.73.2", "5.68.90", "4"];
const CENTRES: [&str; 2] = ["0417", "01005"];
const AMOUNTS: [i64; 22] = [
    0,
    1,
    -1,
    2,
    -2,
    3,
    5,
    7,
    99,
    100,
    -100,
    101,
    999_999,
    2_500_000,
    -2_500_000,
    2_500_001,
    -2_500_001,
    2_499_999,
    1_245_000,
    MAX_ORE,
    -MAX_ORE,
    333_333_333_333_333,
];

impl World {
    pub(crate) fn new(postings: usize, chance: &mut Chance) -> Self {
        let mut sources: Vec<SourceName> = ["opus", "dubu", "op", "schultz"].map(text).into();
        sources.truncate(chance.count(2, 4));
        let sending = sources.len() - usize::from(sources.len() > 2 && chance.percent(50));
        let people = chance.count(2, 6 + postings / 300);
        let mut numbers: Vec<Text> = NUMBERS.map(text).into();
        numbers.extend((NUMBERS.len()..people).map(|i| text(&format!("B-{i}"))));
        let people = (0..people).map(|i| person(i, &sources, &numbers, chance)).collect();
        let days = (0..chance.count(3, 8)).map(|_| centre(chance)).collect();
        let mut solutions: Vec<Text> = ["s-1", "s-10", "s-2", "S"].map(text).into();
        solutions.truncate(chance.count(1, 4));
        Self { sources, sending, people, numbers, mess: chance.of(&[0, 0, 0, 0, 1, 20]), days, solutions }
    }

    /// Someone who sends.
    pub(crate) fn sender(&self, chance: &mut Chance) -> SourceName {
        chance.of(&self.sources[..self.sending])
    }

    /// A reference of a person, or by mess of another.
    pub(crate) fn reference_of(&self, person: usize, chance: &mut Chance) -> CitizenRef {
        if chance.percent(self.mess) { self.reference(chance) } else { one_of(&self.people[person], chance) }
    }

    /// Anyone's reference.
    pub(crate) fn reference(&self, chance: &mut Chance) -> CitizenRef {
        one_of(&self.people[chance.count(0, self.people.len() - 1)], chance)
    }

    /// Whose the case or grant with this number is.
    pub(crate) fn owner(&self, source: &SourceName, number: &Text) -> usize {
        (sum(source) + sum(number)) % self.people.len()
    }

    /// About whom a fact with this id mostly is.
    pub(crate) fn whose(&self, id: &Text) -> usize {
        sum(id) % self.people.len()
    }

    /// A grant's reference.
    pub(crate) fn grant(&self, chance: &mut Chance) -> CitizenRef {
        CitizenRef::Grant(chance.of(&self.sources), chance.of(&self.numbers))
    }

    /// A day at a boundary or beside one; seldom one of the calendar's ends.
    pub(crate) fn day(&self, chance: &mut Chance) -> Date {
        match chance.count(0, 199) {
            0 => date(9999, 12, 31),
            1 => date(0, 1, 1),
            2..40 => self.days[0].saturating_add(chance.between(-800, 800).days()),
            _ => {
                let day = chance.of(&self.days);
                day.saturating_add(chance.of(&[0, 0, 0, 1, -1, 2, 30, -30, 365]).days())
            }
        }
    }

    /// A span that may be open, of one day, or empty.
    pub(crate) fn span(&self, open: u32, chance: &mut Chance) -> Span {
        let from = (!chance.percent(open)).then(|| self.day(chance));
        let to = (!chance.percent(open.max(40))).then(|| match from {
            Some(from) if chance.percent(70) => {
                from.saturating_add(chance.of(&[0, 0, 1, 27, 28, 31, 365, 700, -1]).days())
            }
            _ => self.day(chance),
        });
        Span { from, to }
    }

    /// A span with a start, as consents and enrolments have it.
    pub(crate) fn span_from(&self, chance: &mut Chance) -> Span {
        let span = self.span(0, chance);
        Span { from: Some(span.from.unwrap_or(self.days[0])), ..span }
    }
}

/// One of a person's references, the first more often than any other.
fn one_of(refs: &[CitizenRef], chance: &mut Chance) -> CitizenRef {
    if chance.percent(40) { refs[0].clone() } else { chance.of(refs) }
}

fn sum(text: &Text) -> usize {
    text.as_str().bytes().map(usize::from).sum()
}

/// A synthetic person: births in 2030–2057 and replacement numbers, which nobody has.
fn person(i: usize, sources: &[SourceName], numbers: &[Text], chance: &mut Chance) -> Vec<CitizenRef> {
    let cpr = |number: &str| CitizenRef::Cpr(Cpr::parse(number).unwrap_or_else(|error| panic!("{error}")));
    let mut refs = vec![
        cpr(&format!("{:02}01{:02}5001", i + 1, i + 30)),
        cpr(&format!("{:02}0148{:04}", i + 61, 5000 + i)),
        CitizenRef::Uuid(
            PersonUuid::parse(&format!("{:032x}", i + 1)).unwrap_or_else(|error| panic!("{error}")),
        ),
    ];
    for extra in 0..chance.count(0, 2) {
        refs.push(cpr(&format!("{:02}02{:02}6{:03}", i + 1, i + 30, extra)));
    }
    for (no, source) in sources.iter().enumerate() {
        // The same number is another person's in the next system.
        refs.push(CitizenRef::Local(source.clone(), numbers[(i + no) % numbers.len()].clone()));
    }
    refs
}

/// A day that calendars get wrong.
fn centre(chance: &mut Chance) -> Date {
    chance.of(&[
        date(2024, 2, 29),
        date(2024, 2, 28),
        date(2024, 3, 1),
        date(2023, 2, 28),
        date(2023, 12, 31),
        date(2024, 1, 1),
        date(2024, 12, 31),
        date(2025, 1, 1),
        date(2025, 6, 30),
        date(2026, 3, 29),
        date(2000, 2, 29),
    ])
}

pub(crate) fn account(chance: &mut Chance) -> Account {
    chance.of(&ACCOUNTS).parse().unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn prefix(chance: &mut Chance) -> AccountPrefix {
    chance.of(&PREFIXES).parse().unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn grouping(chance: &mut Chance) -> Grouping {
    chance.of(&["003", "034"]).parse().unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn centre_of_cost(chance: &mut Chance) -> Text {
    text(chance.of(&CENTRES))
}

pub(crate) fn amount(chance: &mut Chance) -> Amount {
    if chance.percent(70) { ore(chance.of(&AMOUNTS)) } else { ore(chance.between(-9_999_999, 9_999_999)) }
}

/// An amount that is not negative.
pub(crate) fn total(chance: &mut Chance) -> Amount {
    ore(chance.of(&[0, 1, 2_499_999, 2_500_000, 2_500_001, MAX_ORE]))
}
