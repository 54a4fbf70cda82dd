//! The town: everything it sends, in order, made when it is asked for.

use crate::family::{Family, MAX_FAMILIES};
use crate::measure::{self, MONTHS, Measure, Offer};
use crate::message::Message;
use crate::person::{Numbers, Person, Row};
use crate::seed::{Dice, Purpose};
use crate::{Expected, books, facts, faults};

/// How a town is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The same seed gives the same town, to the byte.
    pub seed: u64,
    /// Families in the three solutions, of two to five people each; at most 4,000,000.
    pub families: u32,
    /// Citizens outside every solution, who consented to nothing; at most 80,000,000.
    pub background_citizens: u32,
    /// Whether systems also send what cannot be understood, and send some messages twice.
    pub faulty: bool,
}

/// A synthetic municipality. It holds nothing but its settings: messages are made one by one, so that a town of
/// millions of postings takes no more memory than a small one.
#[derive(Debug, Clone, Copy)]
pub struct Town {
    settings: Settings,
    pub(crate) numbers: Numbers,
}

/// Where in the row of replacement numbers citizens outside begin.
const FIRST_OUTSIDE: u64 = 5_000_000;

impl Settings {
    /// The demo's town: 30 families, in which every twist comes up in every solution, and what goes wrong besides.
    #[must_use]
    pub const fn demo(seed: u64) -> Self {
        Self { seed, families: 30, background_citizens: 40, faulty: true }
    }

    /// A town without faults of at least so many postings, mostly of citizens outside the solutions.
    #[must_use]
    pub fn of_postings(seed: u64, postings: u64) -> Self {
        // A family and ten citizens make some 440 postings in the books' 25 months; a test holds that 400 is safe.
        let groups = u32::try_from(postings.div_ceil(400)).unwrap_or(u32::MAX);
        Self {
            seed,
            families: groups.max(30),
            background_citizens: groups.saturating_mul(10).max(40),
            faulty: false,
        }
    }
}

impl Town {
    /// The town of these settings.
    ///
    /// # Panics
    /// If it has more families or citizens than there are numbers that nobody has.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        assert!(settings.families <= MAX_FAMILIES, "at most {MAX_FAMILIES} families");
        assert!(settings.background_citizens <= 80_000_000, "at most 80,000,000 background citizens");
        Self { settings, numbers: Numbers::new(settings.seed) }
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Everything that its systems send: first the facts, then the postings, month by month. Each source's messages
    /// must reach its queue in this order; how those of different sources mix within a stage does not matter.
    pub fn messages(&self) -> impl Iterator<Item = Message> + use<> {
        self.facts().chain(self.postings())
    }

    /// The messages of [`crate::Stage::Facts`].
    pub fn facts(&self) -> impl Iterator<Item = Message> + use<> {
        let town = *self;
        let families =
            (0..town.settings.families).flat_map(move |no| facts::of_family(&town, &town.family(no)));
        let outside =
            (0..town.settings.background_citizens).flat_map(move |no| facts::of_stranger(&town, no));
        let faulty = town.settings.faulty.then(move || faults::facts(&town));
        facts::of_town(&town).into_iter().chain(families).chain(outside).chain(faulty.into_iter().flatten())
    }

    /// The messages of [`crate::Stage::Postings`].
    pub fn postings(&self) -> impl Iterator<Item = Message> + use<> {
        let town = *self;
        let months = (0..MONTHS).flat_map(move |month| books::of_month(town, month));
        let faulty = town.settings.faulty.then(move || faults::postings(&town));
        months.chain(faulty.into_iter().flatten())
    }

    /// What must come of it all. It holds every answer, so it takes memory for each posting of the town; to check a
    /// large one, look at the outcomes of each message as it is sent.
    #[must_use]
    pub fn expected(&self) -> Expected {
        self.messages().collect()
    }

    /// A family.
    pub(crate) fn family(&self, no: u32) -> Family {
        Family::new(self.settings.seed, self.numbers, no)
    }

    /// A citizen outside every solution.
    pub(crate) fn outsider(&self, no: u32) -> Outsider {
        let mut dice = Dice::new(self.settings.seed, Purpose::Background, no.into());
        let person = self.numbers.person(Row::Replacement(FIRST_OUTSIDE + u64::from(no)));
        const OFFERS: [&Offer; 9] = [
            &measure::HOME_CARE,
            &measure::HOUSING_BENEFIT,
            &measure::CASH_BENEFIT,
            &measure::INTEGRATION,
            &measure::DENTAL_CARE,
            &measure::FAMILY_TREATMENT,
            &measure::MENTOR,
            &measure::DAY_CARE_PLACE,
            &measure::UNIT_BILL,
        ];
        let measures = (0..1 + dice.below(2)).map(|_| {
            let offer = dice.one_of(&OFFERS);
            Measure {
                offer,
                months: (0, MONTHS - 1),
                ore: dice.ore(offer.kroner.0, offer.kroner.1),
                grant: None,
            }
        });
        Outsider { measures: measures.collect(), person }
    }
}

/// A citizen outside every solution.
pub(crate) struct Outsider {
    pub(crate) person: Person,
    pub(crate) measures: Vec<Measure>,
}
