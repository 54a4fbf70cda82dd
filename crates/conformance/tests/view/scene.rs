//! A small scene: one family in one solution, what a case changes about it, and what must come of that in any order.

use jiff::civil::Date;
use samspor_conformance::{Content, Corpus, Item, Script, Size, Step};
use samspor_domain::{
    Amount, Answer, Basis, Body, Chart, ChartRule, Charts, CitizenRef, Condition, Consent, CostKind, Cpr,
    Enrolment, Fact, Identity, IdentityKind, Kind, Part, Phase, Posting, Powers, Side, Solution, Span, State,
    Tag, Text, Untagged,
};

use crate::stage::must_hold;

pub(crate) fn text(text: &str) -> Text {
    Text::new(text).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn day(date: &str) -> Date {
    date.parse().unwrap_or_else(|error| panic!("{date}: {error}"))
}

/// From one day to another; an empty text is an open end.
pub(crate) fn span(from: &str, to: &str) -> Span {
    let end = |date: &str| (!date.is_empty()).then(|| day(date));
    Span { from: end(from), to: end(to) }
}

pub(crate) fn ore(ore: i64) -> Amount {
    Amount::from_ore(ore).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn cpr(number: &str) -> CitizenRef {
    CitizenRef::Cpr(Cpr::parse(number).unwrap_or_else(|error| panic!("{error}")))
}

/// The citizen of the scene: born in 2031, as nobody is yet.
pub(crate) fn citizen() -> CitizenRef {
    cpr("0101315001")
}

/// What arrives.
#[derive(Clone)]
pub(crate) struct Scene {
    items: Vec<Item>,
}

/// A solution with nothing special: open dates, no days around, everything outside.
pub(crate) fn solution() -> Solution {
    Solution {
        name: text("SB Familier"),
        priority: 100,
        span: Span::default(),
        baseline_days: 0,
        aftercare_days: 0,
        ceiling: None,
        above_ceiling: None,
        sides: Vec::new(),
        default_side: Side::Outside,
        powers: Vec::new(),
        default_powers: Powers { grants: text("solution"), pays: text("area") },
        claims: Vec::new(),
    }
}

pub(crate) fn enrolment(from: &str, to: &str) -> Enrolment {
    Enrolment { solution: text("sb"), citizen: citizen(), family: Some(text("F-17")), span: span(from, to) }
}

/// Over opus and dubu.
pub(crate) fn consent(from: &str, to: &str) -> Consent {
    Consent {
        citizen: citizen(),
        sources: vec![text("opus"), text("dubu")],
        covers: span(from, to),
        given_on: None,
        given_by: None,
        basis: None,
        legal_reference: None,
    }
}

pub(crate) fn same(refs: Vec<CitizenRef>) -> Body {
    Body::Identity(Identity { kind: IdentityKind::Same, refs })
}

pub(crate) fn cpr_change(old: CitizenRef, new: CitizenRef) -> Body {
    Body::Identity(Identity { kind: IdentityKind::CprChange, refs: vec![old, new] })
}

impl Scene {
    /// Nothing at all.
    pub(crate) fn empty() -> Self {
        Self { items: Vec::new() }
    }

    /// A solution `sb`, a consent `C-1` and an enrolment `E-1`, all since 2020.
    pub(crate) fn family() -> Self {
        Self::empty()
            .with("sb", 1, Body::Solution(Box::new(solution())))
            .with("C-1", 1, Body::Consent(consent("2020-01-01", "")))
            .with("E-1", 1, Body::Enrolment(enrolment("2020-01-01", "")))
    }

    /// And a version of a fact, from opus.
    pub(crate) fn with(self, id: &str, version: i64, body: Body) -> Self {
        self.with_from("opus", id, version, body)
    }

    /// And a version of a fact, from some source.
    pub(crate) fn with_from(self, source: &str, id: &str, version: i64, body: Body) -> Self {
        self.state(source, body.kind(), id, version, State::Live(body))
    }

    /// And a fact's deletion.
    pub(crate) fn deleted(self, kind: Kind, id: &str, version: i64) -> Self {
        self.state("opus", kind, id, version, State::Deleted)
    }

    /// And a consent's withdrawal.
    pub(crate) fn withdrawn(self, id: &str, version: i64) -> Self {
        self.state("opus", Kind::Consent, id, version, State::Withdrawn)
    }

    fn state(mut self, source: &str, kind: Kind, id: &str, version: i64, state: State) -> Self {
        let content = Content::of_fact(Fact { kind, id: text(id), version, state });
        self.items.push(Item { source: text(source), content });
        self
    }

    /// And a posting of 1,000.00 on 5.28.21.1 on the citizen, from opus.
    pub(crate) fn posting(self, id: &str, date: &str) -> Self {
        self.posting_but(id, date, |_| {})
    }

    /// And a posting that differs from that.
    pub(crate) fn posting_but(self, id: &str, date: &str, but: impl FnOnce(&mut Posting)) -> Self {
        self.posting_from("opus", id, date, but)
    }

    /// And a posting from some source.
    pub(crate) fn posting_from(
        mut self,
        source: &str,
        id: &str,
        date: &str,
        but: impl FnOnce(&mut Posting),
    ) -> Self {
        let mut posting = Posting {
            id: text(id),
            date: day(date),
            account: "5.28.21.1".parse().unwrap_or_else(|error| panic!("{error}")),
            grouping: None,
            cost_centre: None,
            amount: ore(100_000),
            citizen: Some(citizen()),
            grant: None,
            voucher: None,
            reverses: None,
        };
        but(&mut posting);
        self.items.push(Item { source: text(source), content: Content::of_posting(posting) });
        self
    }

    /// What must come of it, posting by posting in the order of their sources and ids: as it stands, one by one up to
    /// anywhere and the rest all at once, and in a dozen other orders with repetitions.
    pub(crate) fn gives(&self, expected: &[(&str, Answer)]) {
        let line = |(id, answer): &(&str, Answer)| {
            let answer = serde_json::to_string(answer).unwrap_or_else(|error| panic!("{error}"));
            format!("{} {answer}\n", id.replace('/', " "))
        };
        let expected: String = expected.iter().map(line).collect();
        let charts = [charts(), Charts::default()];
        let corpus = Corpus { seed: 0, size: Size::of(0), items: self.items.clone(), charts };
        let all: Vec<usize> = (0..self.items.len()).collect();
        let mut scripts: Vec<Script> = (0..=all.len())
            .map(|at| {
                let (each, rest) = all.split_at(at);
                let mut steps: Vec<Step> =
                    each.iter().flat_map(|i| [Step::Take(vec![*i]), Step::Finish]).collect();
                steps.push(Step::Take(rest.to_vec()));
                Script { slice: 1, steps }
            })
            .collect();
        scripts.extend((0..12).map(|variant| Script::random(&corpus, variant)));
        for script in scripts {
            assert_eq!(must_hold(&corpus, script), expected);
        }
    }
}

/// 5.28 is the vulnerable children's, a service; nothing else is known.
fn charts() -> Charts {
    let condition = Condition { account: "5.28".parse().ok(), ..Condition::default() };
    let rule = ChartRule { condition, area: text("children"), kind: CostKind::Service, committee: None };
    Charts([(2020, Chart { rules: vec![rule] })].into())
}

pub(crate) fn untagged(reason: Untagged) -> Answer {
    Answer::Untagged(reason)
}

/// The answer of a posting of the family: tagged during, 1,000.00.
pub(crate) fn tagged() -> Answer {
    tagged_but(|_| {})
}

/// One that differs from that.
pub(crate) fn tagged_but(but: impl FnOnce(&mut Tag)) -> Answer {
    let mut tag = Tag {
        solution: text("sb"),
        family: Some(text("F-17")),
        enrolment: Some(text("E-1")),
        phase: Phase::During,
        basis: Basis::Citizen,
        area: text("children"),
        kind: Some(CostKind::Service),
        side: Side::Outside,
        grants: text("solution"),
        pays: text("area"),
        parts: parts(&[("children", 1, 100_000)]),
        split: None,
        flags: Vec::new(),
        other: Vec::new(),
    };
    but(&mut tag);
    Answer::Tagged(Box::new(tag))
}

/// Parts by area, weight and øre.
pub(crate) fn parts(parts: &[(&str, u32, i64)]) -> Vec<Part> {
    let part =
        |&(area, weight, amount): &(&str, u32, i64)| Part { area: text(area), weight, amount: ore(amount) };
    parts.iter().map(part).collect()
}
