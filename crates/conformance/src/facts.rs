//! What facts of every kind may say, with everything that could go wrong between them.

use jiff::civil::date;
use samspor_domain::{
    Body, Budget, Case, Chart, ChartRule, Charts, CitizenRef, Condition, Consent, ControlTotal, CostKind,
    Enrolment, Estimate, Expected, Grant, Identity, IdentityKind, InvestmentCase, Kind, Payment, Period,
    PowerRule, Powers, Progress, Rate, Share, Side, SideRule, Solution, SourceName, Span, Split, TargetGoal,
    Text,
};

use crate::chance::Chance;
use crate::world::{
    AREAS, FAMILIES, World, account, amount, centre_of_cost, grouping, ore, prefix, text, total,
};

impl World {
    /// One thing that a fact of the kind could say.
    pub(crate) fn body(&self, kind: Kind, source: &SourceName, id: &Text, chance: &mut Chance) -> Body {
        // Corrections of a fact are mostly about the same person.
        let anyone = chance.count(0, self.people.len() - 1);
        let person = if chance.percent(85) { self.whose(id) } else { anyone };
        match kind {
            Kind::Case => Body::Case(Case {
                citizen: self.reference_of(self.owner(source, id), chance),
                area: chance.maybe(30, &AREAS).map(text),
                kle: None,
                status: None,
                span: self.span(50, chance),
            }),
            Kind::Grant => Body::Grant(self.grant_body(source, id, chance)),
            Kind::Payment => Body::Payment(Payment {
                grant: self.grant(chance),
                amount: amount(chance),
                on: self.day(chance),
                period: self.span(50, chance),
            }),
            Kind::Progress => Body::Progress(Progress {
                citizen: self.reference(chance),
                scale: text("driftstrappe"),
                value: text("2"),
                on: self.day(chance),
            }),
            Kind::Identity => Body::Identity(self.identity(person, chance)),
            Kind::Consent => Body::Consent(self.consent(person, chance)),
            Kind::Enrolment => Body::Enrolment(Enrolment {
                solution: chance.of(&self.solutions),
                citizen: self.reference_of(person, chance),
                family: chance.maybe(70, &FAMILIES).map(text),
                span: if chance.percent(40) { self.long(chance) } else { self.span_from(chance) },
            }),
            Kind::Solution => Body::Solution(Box::new(self.solution(chance))),
            Kind::Split => Body::Split(self.split(chance)),
            Kind::Estimate => Body::Estimate(Estimate {
                solution: chance.of(&self.solutions),
                account: account(chance),
                amount: amount(chance),
                per_family: chance.percent(50),
                area: None,
                span: self.span_from(chance),
            }),
            Kind::Budget => Body::Budget(Budget {
                solution: chance.of(&self.solutions),
                year: 2024,
                amount: amount(chance),
                area: None,
                kind: None,
                side: None,
                funding: None,
            }),
            Kind::Target => Body::Target(TargetGoal {
                solution: chance.of(&self.solutions),
                year: 2024,
                amount: amount(chance),
                area: None,
                kind: None,
                side: None,
                share: self.parts(chance),
            }),
            Kind::InvestmentCase => Body::InvestmentCase(InvestmentCase {
                solution: chance.of(&self.solutions),
                span: Span { from: Some(self.day(chance)), to: Some(self.day(chance)) },
                expected: vec![Expected { year: 2024, area: text("health"), amount: amount(chance) }],
                activity: None,
                effect: None,
                uncertainty: None,
            }),
            Kind::ControlTotal => Body::ControlTotal(ControlTotal {
                source: chance.of(&self.sources),
                span: Span { from: Some(self.day(chance)), to: Some(self.day(chance)) },
                count: chance.between(0, 400),
                sum: amount(chance),
            }),
        }
    }

    fn grant_body(&self, source: &SourceName, id: &Text, chance: &mut Chance) -> Grant {
        // Mostly a case of the same person, so that not everything is one conflict.
        let owner = self.owner(source, id);
        let mut cases = self.numbers.clone();
        if !chance.percent(self.mess) {
            cases.retain(|case| self.owner(source, case) == owner);
        }
        let case = if cases.is_empty() { None } else { chance.maybe(60, &cases) };
        let citizen = (case.is_none() || chance.percent(40)).then(|| {
            let elsewhere = CitizenRef::Case(chance.of(&self.sources), chance.of(&self.numbers));
            if chance.percent(self.mess) { elsewhere } else { self.reference_of(owner, chance) }
        });
        Grant {
            citizen,
            case,
            account: chance.percent(20).then(|| account(chance)),
            offer: None,
            law: None,
            span: self.span(50, chance),
            rate: chance.percent(20).then(|| Rate { amount: amount(chance), per: Period::Month }),
            total: chance.percent(60).then(|| total(chance)),
        }
    }

    fn identity(&self, person: usize, chance: &mut Chance) -> Identity {
        let numbers = |refs: &[CitizenRef]| -> Vec<CitizenRef> {
            refs.iter().filter(|reference| reference.cpr().is_some()).cloned().collect()
        };
        if chance.percent(45) {
            let whose =
                if chance.percent(self.mess) { chance.count(0, self.people.len() - 1) } else { person };
            let refs =
                vec![chance.of(&numbers(&self.people[person])), chance.of(&numbers(&self.people[whose]))];
            return Identity { kind: IdentityKind::CprChange, refs };
        }
        let mut refs = vec![self.people[person][0].clone()];
        for reference in &self.people[person][1..] {
            match chance.count(0, 9) {
                0..5 => refs.push(reference.clone()),
                5 => refs.push(self.reference_of(person, chance)),
                _ => {}
            }
        }
        if refs.len() < 2 {
            refs.push(self.reference_of(person, chance));
        }
        // Two numbers with nothing to connect them are a conflict, which should be the exception.
        let (mut one_number, strict) = (false, !chance.percent(self.mess));
        let refs = refs.into_iter().filter(|reference| {
            let is_real = reference.cpr().is_some_and(|cpr| !cpr.is_replacement());
            let keep = !(strict && is_real && one_number);
            one_number |= is_real;
            keep
        });
        Identity { kind: IdentityKind::Same, refs: refs.collect() }
    }

    /// An identity that alone brings a person's references near or above the most that there may be.
    pub(crate) fn crowd(&self, chance: &mut Chance) -> Body {
        let mut refs = vec![chance.of(&self.people[0])];
        let start = chance.count(0, 30);
        refs.extend(
            (start..start + chance.count(28, 62))
                .map(|i| CitizenRef::Local(self.sources[0].clone(), text(&format!("crowd-{i}")))),
        );
        Body::Identity(Identity { kind: IdentityKind::Same, refs })
    }

    fn consent(&self, person: usize, chance: &mut Chance) -> Consent {
        Consent {
            citizen: self.reference_of(person, chance),
            sources: if chance.percent(50) {
                self.sources.clone()
            } else {
                (0..chance.count(1, 4)).map(|_| chance.of(&self.sources)).collect()
            },
            covers: self.long(chance),
            given_on: chance.percent(50).then(|| self.day(chance)),
            given_by: None,
            basis: None,
            legal_reference: None,
        }
    }

    fn solution(&self, chance: &mut Chance) -> Solution {
        let most = chance.of(&[0, 1, 3]);
        let days = [0, 1, 2, 28, 29, 30, 365, 366, 730, 730, 36_525];
        Solution {
            name: text("solution"),
            priority: chance.of(&[10, 10, 11, 100, -1_000_000, 1_000_000]),
            span: if chance.percent(60) { Span::default() } else { self.span(60, chance) },
            baseline_days: chance.of(&days),
            aftercare_days: chance.of(&days),
            ceiling: chance.percent(60).then(|| chance.of(&[ore(0), ore(1), ore(2_500_000), ore(2_500_000)])),
            above_ceiling: chance.maybe(60, &["shared", "area", "health"]).map(text),
            sides: (0..chance.count(0, most))
                .map(|_| SideRule {
                    condition: self.rule(chance),
                    side: chance.of(&[Side::Inside, Side::Outside]),
                })
                .collect(),
            default_side: chance.of(&[Side::Inside, Side::Outside]),
            powers: (0..chance.count(0, most))
                .map(|_| PowerRule { condition: self.rule(chance), powers: powers(chance) })
                .collect(),
            default_powers: powers(chance),
            claims: (0..chance.count(0, most)).map(|_| self.rule(chance)).collect(),
        }
    }

    /// A span with a start that mostly holds most days, or little would ever be tagged.
    fn long(&self, chance: &mut Chance) -> Span {
        match self.span_from(chance) {
            Span { to, .. } if chance.percent(40) => {
                Span { from: Some(date(1999, 12, 31)), to: to.filter(|_| chance.percent(30)) }
            }
            Span { from, .. } if chance.percent(50) => Span { from, to: None },
            span => span,
        }
    }

    /// A condition that names an account.
    fn rule(&self, chance: &mut Chance) -> Condition {
        Condition {
            account: Some(prefix(chance)),
            grouping: chance.percent(15).then(|| grouping(chance)),
            cost_centre: chance.percent(15).then(|| centre_of_cost(chance)),
            span: self.span(75, chance),
        }
    }

    fn split(&self, chance: &mut Chance) -> Split {
        let condition = self.rule(chance);
        Split {
            solution: chance.of(&self.solutions),
            family: chance.maybe(35, &FAMILIES).map(text),
            grant: chance.percent(25).then(|| self.grant(chance)),
            condition: Condition { account: condition.account.filter(|_| chance.percent(40)), ..condition },
            parts: self.parts(chance),
        }
    }

    fn parts(&self, chance: &mut Chance) -> Vec<Share> {
        let many = chance.percent(5);
        let names: Vec<String> = if many {
            (0..16).map(|i| format!("area-{i}")).collect()
        } else {
            AREAS.map(str::to_owned).into()
        };
        let mut names: Vec<Text> = names.iter().map(|name| text(name)).collect();
        chance.shuffle(&mut names);
        names.truncate(if many { 16 } else { chance.count(1, 4) });
        let weights = chance.of(&[&[1][..], &[1, 2], &[60, 20], &[1, 1_000_000], &[1_000_000], &[3, 7, 11]]);
        names.into_iter().map(|area| Share { area, weight: chance.of(weights) }).collect()
    }

    /// A set of charts of accounts.
    pub(crate) fn charts(&self, chance: &mut Chance) -> Charts {
        let mut charts = Charts::default();
        for year in [2000, 2023, 2024, 2026] {
            if chance.percent(50) {
                let rules = (0..chance.count(0, 10)).map(|_| ChartRule {
                    condition: self.rule(chance),
                    area: text(chance.of(&AREAS)),
                    kind: chance.of(&[CostKind::Service, CostKind::Transfer]),
                    committee: None,
                });
                charts.0.insert(year, Chart { rules: rules.collect() });
            }
        }
        charts
    }
}

fn powers(chance: &mut Chance) -> Powers {
    let who = ["solution", "shared", "area", "health"];
    Powers { grants: text(chance.of(&who)), pays: text(chance.of(&who)) }
}

/// What a fact said, with one thing as in `fresh`.
pub(crate) fn corrected(old: &Body, fresh: Body, chance: &mut Chance) -> Body {
    let mut body = old.clone();
    match (&mut body, fresh) {
        (Body::Consent(old), Body::Consent(new)) => match chance.count(0, 3) {
            0 => old.citizen = new.citizen,
            1 => old.sources = new.sources,
            2 => old.covers.to = new.covers.to,
            _ => old.covers = new.covers,
        },
        (Body::Enrolment(old), Body::Enrolment(new)) => match chance.count(0, 4) {
            0 => old.solution = new.solution,
            1 => old.citizen = new.citizen,
            2 => old.family = new.family,
            3 => old.span.from = new.span.from,
            _ => old.span.to = new.span.to,
        },
        (Body::Grant(old), Body::Grant(new)) => match chance.count(0, 2) {
            0 => old.total = new.total,
            1 => old.case = new.case.or(old.case.take()),
            _ => old.citizen = new.citizen.or(old.citizen.take()),
        },
        (Body::Solution(old), Body::Solution(new)) => match chance.count(0, 14) {
            0 | 12..=14 => old.priority = new.priority,
            1 => old.span.from = new.span.from,
            2 => old.span.to = new.span.to,
            3 => old.baseline_days = new.baseline_days,
            4 => old.aftercare_days = new.aftercare_days,
            5 => old.ceiling = new.ceiling,
            6 => old.above_ceiling = new.above_ceiling,
            7 => old.sides = new.sides,
            8 => old.default_side = new.default_side,
            9 => old.powers = new.powers,
            10 => old.default_powers = new.default_powers,
            _ => old.claims = new.claims,
        },
        (Body::Split(old), Body::Split(new)) => match chance.count(0, 4) {
            0 => old.solution = new.solution,
            1 => old.family = new.family,
            2 => old.grant = new.grant,
            3 => old.condition = new.condition,
            _ => old.parts = new.parts,
        },
        (body, fresh) => *body = fresh,
    }
    body
}
