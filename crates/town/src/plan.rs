//! Who gets what, and for how long.

use crate::measure::{self as m, Grant, MONTHS, Measure, Offer};
use crate::seed::Dice;
use crate::source;

/// The measures of one person, being planned.
struct Plan<'a> {
    dice: &'a mut Dice,
    /// What the ids of DUBU's grants hold.
    key: &'a str,
    /// The person's case.
    case: &'a str,
    measures: Vec<Measure>,
}

/// What an adult gets; the first of a family always gets a benefit.
pub(crate) fn of_adult(dice: &mut Dice, is_first: bool, key: &str, case: &str) -> Vec<Measure> {
    let mut plan = Plan { dice, key, case, measures: Vec::new() };
    match (is_first, plan.dice.below(4)) {
        (true, 0 | 1) => plan.add(&m::CASH_BENEFIT, 0, MONTHS),
        (true, 2) => {
            // Resource schemes end with 2025.
            plan.add(&m::RESOURCE_SCHEME, 0, 12);
            plan.add(&m::CASH_BENEFIT, 13, MONTHS);
        }
        (true, _) => plan.add(&m::UNEMPLOYMENT_BENEFIT, 0, MONTHS),
        (false, 0) => plan.add(&m::SICKNESS_BENEFIT, 2, 13),
        (false, 1) => plan.add(&m::CASH_BENEFIT, 6, MONTHS),
        (false, _) => {}
    }
    if is_first {
        plan.sometime(&m::MENTOR, 8, 16, 14);
    } else {
        plan.maybe(3, &m::MENTOR);
    }
    plan.maybe(4, &m::COURSE);
    plan.maybe(4, &m::ADULT_SUPPORT);
    plan.maybe(5, &m::ALCOHOL_TREATMENT);
    plan.maybe(4, &m::SINGLE_HELP);
    plan.maybe(8, &m::EXTRA_COSTS_ADULT);
    plan.measures
}

/// What a child gets.
pub(crate) fn of_child(dice: &mut Dice, key: &str, case: &str) -> Vec<Measure> {
    let mut plan = Plan { dice, key, case, measures: Vec::new() };
    match plan.dice.below(6) {
        0 => plan.sometime(&m::FOSTER_FAMILY, 10, 18, MONTHS),
        1 => plan.sometime(&m::PLACEMENT, 12, 20, MONTHS),
        2..=4 => plan.sometime(&m::FAMILY_TREATMENT, 0, 14, 12),
        _ => {}
    }
    plan.maybe(2, &m::CONTACT_PERSON);
    plan.maybe(4, &m::EXTRA_COSTS);
    plan.maybe(3, &m::DAY_CARE_PLACE);
    plan.maybe(6, &m::SPECIAL_SCHOOL);
    plan.maybe(4, &m::HEALTH_VISITOR);
    plan.maybe(4, &m::DENTAL_CARE);
    plan.measures
}

impl Plan<'_> {
    /// From one month of the books to another, or to their end.
    fn add(&mut self, offer: &'static Offer, first: u32, last: u32) {
        let months = (first, last.min(MONTHS - 1));
        let ore = self.dice.ore(offer.kroner.0, offer.kroner.1);
        let nth = self.measures.len() + 1;
        let grant = offer.system.map(|system| Grant {
            system,
            id: match system {
                source::DUBU => format!("B-{}-{nth}", self.key),
                _ => format!("{}:Y{nth}", self.dice.uuid()),
            },
            case: self.case.to_owned(),
            total: offer.in_all.then(|| ore * i64::from(months.1 - months.0 + 1)),
        });
        self.measures.push(Measure { offer, months, ore, grant });
    }

    /// From a month in a range on, for at most so many months, and half as many at least.
    fn sometime(&mut self, offer: &'static Offer, earliest: u32, latest: u32, longest: u32) {
        let first = self.dice.between(earliest.into(), latest.into()) as u32;
        let length = self.dice.between(i64::from(longest / 2), longest.into()) as u32;
        self.add(offer, first, first + length);
    }

    /// Once in so many times, for half a year to a year.
    fn maybe(&mut self, times: u32, offer: &'static Offer) {
        if self.dice.once_in(times) {
            self.sometime(offer, 0, 17, 12);
        }
    }
}
