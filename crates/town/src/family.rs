//! The families of the town: who is in them, what they consented to, and what makes each of them a case to get right.

use std::sync::LazyLock;

use jiff::ToSpan;
use jiff::civil::{Date, date};

use crate::measure::Measure;
use crate::person::{Numbers, Person, Row};
use crate::plan;
use crate::seed::{Dice, Purpose};
use crate::solution::{self, Rule, Solution, rule};
use crate::source;

/// What is special about a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twist {
    /// Nothing.
    Plain,
    /// Consents that cover some of the year only; one adult gave two.
    NarrowConsent,
    /// Systems write to the finance system about them by UUID, local id, case or grant.
    Aliases,
    /// They left on 31 May 2026.
    Left,
    /// An adult got another CPR number on 1 February 2026.
    CprChange,
    /// Their consents name one source only.
    FewSources,
    /// One never consented, one withdrew, one consented anew after a deletion.
    Refusal,
    /// They are in two solutions from 1 June 2026.
    TwoSolutions,
    /// An adult's UUID is tied to a stranger's number, too.
    Conflict,
}

const TWISTS: [Twist; 10] = [
    Twist::Plain,
    Twist::NarrowConsent,
    Twist::Aliases,
    Twist::Left,
    Twist::CprChange,
    Twist::Plain,
    Twist::FewSources,
    Twist::Refusal,
    Twist::TwoSolutions,
    Twist::Conflict,
];

/// Places in the row of births that faulty messages use.
pub(crate) const FAULTS: u64 = 64;
/// Places in the row of births for each family: members, and numbers that they had or that were tied to them.
const PLACES: u64 = 8;
const EARLIER_NUMBER: u64 = 6;
const FOREIGN_NUMBER: u64 = 7;
/// The most families that a town can have.
pub(crate) const MAX_FAMILIES: u32 = 4_000_000;

/// Until this day a changed CPR number was the earlier one.
pub(crate) const CPR_CHANGE: Date = date(2026, 2, 1);

/// A family.
pub(crate) struct Family {
    pub(crate) no: u32,
    /// Its id.
    pub(crate) id: String,
    pub(crate) solution: &'static Solution,
    pub(crate) twist: Twist,
    pub(crate) members: Vec<Member>,
    pub(crate) splits: Vec<Split>,
}

/// Someone in a family.
pub(crate) struct Member {
    pub(crate) person: Person,
    /// The place in the family, from 1.
    pub(crate) place: u32,
    /// What the ids of what concerns the person end in.
    pub(crate) key: String,
    pub(crate) is_adult: bool,
    /// The number before a change.
    pub(crate) earlier_number: Option<String>,
    /// A stranger's number that is tied to the person's UUID.
    pub(crate) foreign_number: Option<String>,
    /// Whether an identity fact ties the CPR number and the UUID.
    pub(crate) uuid_known: bool,
    /// The finance system's own id, tied to the CPR number.
    pub(crate) local_id: Option<String>,
    pub(crate) consents: Vec<Consent>,
    pub(crate) enrolments: Vec<Enrolment>,
    pub(crate) measures: Vec<Measure>,
    /// The case in the job centre (adults) or in DUBU (children).
    pub(crate) case: String,
}

/// A consent.
pub(crate) struct Consent {
    pub(crate) id: String,
    pub(crate) covers: (Date, Option<Date>),
    pub(crate) sources: &'static [&'static str],
    pub(crate) fate: Fate,
}

/// What became of a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Live,
    Withdrawn,
    Deleted,
}

/// An enrolment.
pub(crate) struct Enrolment {
    pub(crate) id: String,
    pub(crate) solution: &'static Solution,
    pub(crate) from: Date,
    pub(crate) to: Option<Date>,
}

/// A split key.
#[derive(Clone)]
pub(crate) struct Split {
    pub(crate) id: String,
    pub(crate) solution: &'static str,
    pub(crate) family: Option<String>,
    /// A grant in DUBU.
    pub(crate) grant: Option<String>,
    pub(crate) when: Rule<()>,
    pub(crate) parts: Vec<(&'static str, i64)>,
}

const EVERY_SOURCE: &[&str] = &[source::OPUS, source::PRISME, source::OES, source::JOBCENTRE, source::DUBU];
const NO_JOBCENTRE: &[&str] = &[source::OPUS, source::PRISME, source::OES, source::DUBU];
const OPUS_ONLY: &[&str] = &[source::OPUS];

impl Family {
    /// The family with that number: always the same for a seed.
    pub(crate) fn new(seed: u64, numbers: Numbers, no: u32) -> Self {
        let mut dice = Dice::new(seed, Purpose::Family, no.into());
        let solution = &solution::ALL[no as usize % 3];
        let twist = TWISTS[no as usize / 3 % TWISTS.len()];
        let mut family = Self {
            no,
            id: format!("F-{:04}", no + 1),
            solution,
            twist,
            members: Vec::new(),
            splits: Vec::new(),
        };
        let two_adults = no % 3 != 1 || matches!(twist, Twist::Aliases | Twist::Refusal);
        let adults = 1 + u32::from(two_adults);
        let children = 1 + dice.below(3) as u32;
        let from = family.enrolled_from(&mut dice);
        for place in 1..=adults + children {
            let member =
                family.member(&mut dice, numbers, place, place <= adults, place == adults + children, from);
            family.members.push(member);
        }
        family.split_costs();
        family
    }

    fn enrolled_from(&self, dice: &mut Dice) -> Date {
        let month = match (self.solution.id, self.twist) {
            // Before their solution began, which counts first from then on.
            ("sb-familier", Twist::Plain) => date(2025, 8, 1),
            ("sb-familier", _) => date(2026, 1 + dice.below(3) as i8, 1),
            ("helhedsplan", _) => date(2025, 3 + dice.below(6) as i8, 1),
            _ => date(2026, 2 + dice.below(3) as i8, 1),
        };
        dice.day_of(month)
    }

    fn member(
        &self,
        dice: &mut Dice,
        numbers: Numbers,
        place: u32,
        is_adult: bool,
        is_last: bool,
        from: Date,
    ) -> Member {
        let births = FAULTS + u64::from(self.no) * PLACES;
        let number = |place: u64| numbers.cpr(Row::Birth(births + place));
        let is_first = place == 1;
        // Every fourth family's last child has no CPR number yet.
        let row = if is_last && !is_adult && self.no % 4 == 1 {
            Row::Replacement(self.no.into())
        } else {
            Row::Birth(births + u64::from(place) - 1)
        };
        let key = format!("{:04}-{place}", self.no + 1);
        let case = if is_adult { dice.uuid() } else { format!("D-{key}") };
        let measures = if is_adult {
            plan::of_adult(dice, is_first, &key, &case)
        } else {
            plan::of_child(dice, &key, &case)
        };
        Member {
            person: numbers.person(row),
            place,
            is_adult,
            earlier_number: (is_first && self.twist == Twist::CprChange).then(|| number(EARLIER_NUMBER)),
            foreign_number: (is_first && self.twist == Twist::Conflict).then(|| number(FOREIGN_NUMBER)),
            // The second person's UUID is in no identity fact: an adult's is reached through the job centre, a
            // child's not at all.
            uuid_known: place != 2,
            local_id: (self.twist == Twist::Aliases).then(|| format!("K{key}")),
            consents: self.consents(place, &key),
            enrolments: self.enrolments(place, is_adult, &key, from),
            measures,
            case,
            key,
        }
    }

    fn consents(&self, place: u32, key: &str) -> Vec<Consent> {
        let open = if self.solution.id == "helhedsplan" { date(2024, 7, 1) } else { date(2025, 1, 1) };
        let sources = match self.twist {
            Twist::FewSources => OPUS_ONLY,
            _ if self.no % 7 == 3 => NO_JOBCENTRE,
            _ => EVERY_SOURCE,
        };
        let consent = |more: &str, from, to, fate| Consent {
            id: format!("C-{key}{more}"),
            covers: (from, to),
            sources,
            fate,
        };
        match (self.twist, place) {
            (Twist::NarrowConsent, 1) => vec![
                consent("", date(2026, 3, 1), Some(date(2026, 6, 30)), Fate::Live),
                consent("-2", date(2026, 9, 1), None, Fate::Live),
            ],
            (Twist::NarrowConsent, _) => {
                vec![consent("", date(2026, 3, 1), Some(date(2026, 10, 31)), Fate::Live)]
            }
            (Twist::Refusal, 1) => {
                vec![consent("", open, None, Fate::Deleted), consent("-2", open, None, Fate::Live)]
            }
            (Twist::Refusal, 2) => vec![],
            (Twist::Refusal, 3) => vec![consent("", open, None, Fate::Withdrawn)],
            _ => vec![consent("", open, None, Fate::Live)],
        }
    }

    fn enrolments(&self, place: u32, is_adult: bool, key: &str, from: Date) -> Vec<Enrolment> {
        let enrolment =
            |more: &str, solution, from, to| Enrolment { id: format!("E-{key}{more}"), solution, from, to };
        let to = (self.twist == Twist::Left).then_some(date(2026, 5, 31));
        // A second adult comes later than the others.
        let from = if is_adult && place == 2 { from.saturating_add(45.days()) } else { from };
        let mut enrolments = vec![enrolment("", self.solution, from, to)];
        match self.twist {
            Twist::TwoSolutions => {
                let other = &solution::ALL[(self.no as usize + 1) % 3];
                enrolments.push(enrolment("-2", other, date(2026, 6, 1), None));
            }
            // Over before the coordinators began, so it never counts.
            Twist::Refusal if place == 1 => {
                enrolments.push(enrolment(
                    "-2",
                    &solution::ALL[2],
                    date(2025, 1, 1),
                    Some(date(2025, 6, 30)),
                ));
            }
            // They come again in the autumn. Until then what is after the first time goes before what is before
            // the second.
            Twist::Left if place == 1 => {
                enrolments.push(enrolment("-2", self.solution, date(2026, 10, 1), None));
            }
            _ => {}
        }
        enrolments
    }

    /// The keys that the coordination group agreed on for a family of the coordinators.
    fn split_costs(&mut self) {
        if self.solution.id != "familiekoordinator" {
            return;
        }
        let mut split =
            |id: String, grant: Option<String>, when: Rule<()>, parts: Vec<(&'static str, i64)>| {
                let family = grant.is_none().then(|| self.id.clone());
                self.splits.push(Split { id, solution: self.solution.id, family, grant, when, parts });
            };
        let mentor = |from| Rule { from: Some(from), ..rule("5.68.90", ()) };
        let name = |what: &str| format!("{what}-{:04}", self.no + 1);
        split(
            name("mentor"),
            None,
            mentor(date(2026, 1, 1)),
            vec![("employment", 60), ("vulnerable-adults", 20), ("vulnerable-children", 20)],
        );
        // Agreed anew for the autumn.
        split(
            name("mentor-efteraar"),
            None,
            mentor(date(2026, 8, 1)),
            vec![("vulnerable-children", 1), ("vulnerable-adults", 1), ("employment", 1)],
        );
        let mut granted = self.members.iter().flat_map(|m| &m.measures).filter_map(|m| m.grant.as_ref());
        if let Some(grant) = granted.rfind(|grant| grant.system == source::DUBU) {
            let parts = vec![("health", 333_333), ("vulnerable-children", 666_667)];
            split(name("indsats"), Some(grant.id.clone()), rule("", ()), parts);
        }
    }
}

/// The keys that hold for a whole solution.
pub(crate) static COMMON_SPLITS: LazyLock<[Split; 2]> = LazyLock::new(|| {
    let split = |id: &str, solution, when, parts| Split {
        id: id.to_owned(),
        solution,
        family: None,
        grant: None,
        when,
        parts,
    };
    [
        // Høje-Taastrup pays its coordinators ½, ⅓ and ⅙.
        split(
            "loen-sb",
            "sb-familier",
            Rule { centre: Some("0417"), ..rule("5.28.21", ()) },
            vec![("vulnerable-children", 3), ("employment", 2), ("vulnerable-adults", 1)],
        ),
        split(
            "loen-plan",
            "helhedsplan",
            rule("5.72.99", ()),
            vec![("employment", 1), ("vulnerable-adults", 1), ("vulnerable-children", 1)],
        ),
    ]
});
