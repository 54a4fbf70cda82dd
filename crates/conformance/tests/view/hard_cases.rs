//! The hard cases, each by its name and with its exact answer.

use samspor_domain::{
    Body, Case, CitizenRef, Condition, Enrolment, Flag, Grant, Kind, PersonUuid, Phase, Share, Solution,
    Span, Split, Untagged,
};

use crate::scene::{
    Scene, citizen, consent, cpr, cpr_change, enrolment, ore, parts, same, solution, span, tagged,
    tagged_but, text, untagged,
};

const NOT_CONSENTED: Untagged = Untagged::NotConsented;
const CONFLICT: Untagged = Untagged::IdentityConflict;
const NOT_COVERING: Untagged = Untagged::ConsentNotCovering;
const NOT_ENROLLED: Untagged = Untagged::NotEnrolled;
const NO_CITIZEN: Untagged = Untagged::NoCitizen;

fn as_solution(solution: Solution) -> Body {
    Body::Solution(Box::new(solution))
}

fn phase(phase: Phase) -> samspor_domain::Answer {
    tagged_but(|tag| tag.phase = phase)
}

fn case(citizen: CitizenRef) -> Body {
    Body::Case(Case { citizen, area: None, kle: None, status: None, span: Span::default() })
}

fn grant(citizen: Option<CitizenRef>, case: Option<&str>, total: Option<i64>) -> Body {
    Body::Grant(Grant {
        citizen,
        case: case.map(text),
        account: None,
        offer: None,
        law: None,
        span: Span::default(),
        rate: None,
        total: total.map(ore),
    })
}

#[test]
fn leap_days() {
    // 366 days before 29 February 2024 is 28 February 2023; 365 days after it is 28 February 2025.
    let solution = Solution { baseline_days: 366, aftercare_days: 365, ..solution() };
    Scene::family()
        .with("sb", 2, as_solution(solution))
        .with("E-1", 2, Body::Enrolment(enrolment("2024-02-29", "2024-02-29")))
        .posting("P-1", "2023-02-27")
        .posting("P-2", "2023-02-28")
        .posting("P-3", "2024-02-28")
        .posting("P-4", "2024-02-29")
        .posting("P-5", "2024-03-01")
        .posting("P-6", "2025-02-28")
        .posting("P-7", "2025-03-01")
        .gives(&[
            ("opus/P-1", untagged(NOT_ENROLLED)),
            ("opus/P-2", phase(Phase::Before)),
            ("opus/P-3", phase(Phase::Before)),
            ("opus/P-4", phase(Phase::During)),
            ("opus/P-5", phase(Phase::After)),
            ("opus/P-6", phase(Phase::After)),
            ("opus/P-7", untagged(NOT_ENROLLED)),
        ]);
}

#[test]
fn an_enrolment_of_one_day() {
    Scene::family()
        .with("E-1", 2, Body::Enrolment(enrolment("2026-03-14", "2026-03-14")))
        .posting("P-1", "2026-03-13")
        .posting("P-2", "2026-03-14")
        .posting("P-3", "2026-03-15")
        .gives(&[
            ("opus/P-1", untagged(NOT_ENROLLED)),
            ("opus/P-2", tagged()),
            ("opus/P-3", untagged(NOT_ENROLLED)),
        ]);
}

#[test]
fn an_enrolment_that_ends_before_it_begins_is_none() {
    Scene::family()
        .with("sb", 2, as_solution(Solution { baseline_days: 9, aftercare_days: 9, ..solution() }))
        .with("E-1", 2, Body::Enrolment(enrolment("2026-03-15", "2026-03-14")))
        .posting("P-1", "2026-03-14")
        .posting("P-2", "2026-03-15")
        .gives(&[("opus/P-1", untagged(NOT_ENROLLED)), ("opus/P-2", untagged(NOT_ENROLLED))]);
}

#[test]
fn an_enrolment_longer_than_its_solution() {
    let solution = Solution {
        span: span("2026-01-01", "2026-06-30"),
        baseline_days: 1,
        aftercare_days: 30,
        ..solution()
    };
    Scene::family()
        .with("sb", 2, as_solution(solution))
        .posting("P-1", "2025-12-30")
        .posting("P-2", "2025-12-31")
        .posting("P-3", "2026-01-01")
        .posting("P-4", "2026-06-30")
        .posting("P-5", "2026-07-01")
        .posting("P-6", "2026-07-30")
        .posting("P-7", "2026-07-31")
        .gives(&[
            ("opus/P-1", untagged(NOT_ENROLLED)),
            ("opus/P-2", phase(Phase::Before)),
            ("opus/P-3", phase(Phase::During)),
            ("opus/P-4", phase(Phase::During)),
            ("opus/P-5", phase(Phase::After)),
            ("opus/P-6", phase(Phase::After)),
            ("opus/P-7", untagged(NOT_ENROLLED)),
        ]);
}

#[test]
fn two_solutions_on_the_same_day() {
    let second = |enrolment: Enrolment| {
        Body::Enrolment(Enrolment { solution: text("ung"), family: None, ..enrolment })
    };
    let with_priority = |priority| as_solution(Solution { priority, ..solution() });
    let other = |chosen: &str, family: Option<&str>, solution: &str, other: &str| {
        tagged_but(|tag| {
            tag.solution = text(solution);
            tag.family = family.map(text);
            tag.enrolment = Some(text(chosen));
            tag.flags = vec![Flag::OtherSolution];
            tag.other = vec![text(other)];
        })
    };
    let scene = Scene::family().posting("P-1", "2026-03-14");
    let both = scene.with("E-0", 1, second(enrolment("2021-01-01", "")));

    // The lower priority wins, whatever else.
    let chosen = [("opus/P-1", other("E-0", None, "ung", "E-1"))];
    both.clone().with("ung", 1, with_priority(99)).gives(&chosen);
    both.clone().with("ung", 1, with_priority(101)).with("ung", 2, with_priority(99)).gives(&chosen);
    both.clone().with("ung", 1, with_priority(100)).with("sb", 2, with_priority(101)).gives(&chosen);
    // At equal priorities the earlier start.
    both.clone()
        .with("ung", 1, with_priority(100))
        .gives(&[("opus/P-1", other("E-1", Some("F-17"), "sb", "E-0"))]);
    // At equal starts the lower id.
    both.clone()
        .with("ung", 1, with_priority(100))
        .with("E-0", 2, second(enrolment("2020-01-01", "")))
        .gives(&[("opus/P-1", other("E-0", None, "ung", "E-1"))]);
    // A phase goes before a priority.
    both.with("ung", 1, as_solution(Solution { priority: -1, aftercare_days: 9, ..solution() }))
        .with("E-0", 2, second(enrolment("2020-01-01", "2026-03-13")))
        .gives(&[("opus/P-1", other("E-1", Some("F-17"), "sb", "E-0"))]);
}

#[test]
fn a_consent_ending_the_day_before() {
    Scene::family()
        .with("C-1", 2, Body::Consent(consent("2020-01-01", "2026-03-13")))
        .posting("P-1", "2026-03-13")
        .posting("P-2", "2026-03-14")
        .gives(&[("opus/P-1", tagged()), ("opus/P-2", untagged(NOT_COVERING))]);
}

#[test]
fn a_withdrawal_and_a_new_consent() {
    let scene = Scene::family().posting("P-1", "2026-03-14").withdrawn("C-1", 2);
    scene.gives(&[("opus/P-1", untagged(NOT_CONSENTED))]);
    scene
        .clone()
        .with("C-1", 3, Body::Consent(consent("2026-01-01", "")))
        .posting("P-2", "2025-12-31")
        .gives(&[("opus/P-1", tagged()), ("opus/P-2", untagged(NOT_COVERING))]);
    // At the same version the withdrawal wins, and over it a deletion.
    scene
        .with("C-1", 2, Body::Consent(consent("2020-01-01", "")))
        .deleted(Kind::Consent, "C-1", 2)
        .gives(&[("opus/P-1", untagged(NOT_CONSENTED))]);
}

#[test]
fn a_case_and_a_grant_with_the_same_number_in_two_systems() {
    let (dubu, opus) = (text("dubu"), text("opus"));
    let stranger = cpr("0202325002");
    Scene::family()
        .with_from("dubu", "7", 1, case(citizen()))
        .with_from("opus", "7", 1, case(stranger.clone()))
        .with_from("dubu", "8", 1, grant(None, Some("7"), None))
        .with_from("opus", "8", 1, grant(Some(stranger), Some("7"), None))
        .posting_but("P-1", "2026-03-14", |p| p.citizen = Some(CitizenRef::Case(dubu.clone(), text("7"))))
        .posting_but("P-2", "2026-03-14", |p| p.citizen = Some(CitizenRef::Case(opus.clone(), text("7"))))
        .posting_but("P-3", "2026-03-14", |p| {
            (p.citizen, p.grant) = (None, Some(CitizenRef::Grant(dubu.clone(), text("8"))));
        })
        .posting_but("P-4", "2026-03-14", |p| {
            (p.citizen, p.grant) = (None, Some(CitizenRef::Grant(opus.clone(), text("8"))));
        })
        .posting_but("P-5", "2026-03-14", |p| p.citizen = Some(CitizenRef::Case(dubu.clone(), text("8"))))
        .posting_but("P-6", "2026-03-14", |p| p.citizen = Some(CitizenRef::Local(dubu.clone(), text("7"))))
        .gives(&[
            ("opus/P-1", tagged()),
            ("opus/P-2", untagged(NOT_CONSENTED)),
            ("opus/P-3", tagged()),
            ("opus/P-4", untagged(NOT_CONSENTED)),
            ("opus/P-5", untagged(NOT_CONSENTED)),
            ("opus/P-6", untagged(NOT_CONSENTED)),
        ]);
}

#[test]
fn a_replacement_number_then_the_real_number() {
    let replacement = cpr("6101315001");
    let on_replacement =
        Scene::family().posting_but("P-1", "2026-03-14", |p| p.citizen = Some(replacement.clone()));
    on_replacement.gives(&[("opus/P-1", untagged(NOT_CONSENTED))]);
    let change = cpr_change(replacement.clone(), citizen());
    on_replacement.clone().with("I-1", 1, change).gives(&[("opus/P-1", tagged())]);
    // A replacement number is no second CPR number, so that `same` will do.
    on_replacement.with("I-1", 1, same(vec![citizen(), replacement])).gives(&[("opus/P-1", tagged())]);
}

#[test]
fn a_chain_of_two_cpr_changes() {
    let (first, second) = (cpr("0303335003"), cpr("0404345004"));
    let through_replacement = cpr("6505355005");
    let scene = Scene::family().posting_but("P-1", "2026-03-14", |p| p.citizen = Some(first.clone()));
    let half = scene.with("I-1", 1, cpr_change(first.clone(), second.clone()));
    half.gives(&[("opus/P-1", untagged(NOT_CONSENTED))]);
    half.clone().with("I-2", 1, cpr_change(second.clone(), citizen())).gives(&[("opus/P-1", tagged())]);
    // A `same` that closes the gap says who it is, but not why there are two numbers.
    half.clone()
        .with("I-2", 1, same(vec![second.clone(), citizen()]))
        .gives(&[("opus/P-1", untagged(CONFLICT))]);
    // A replacement number may be a link of the chain.
    half.with("I-2", 1, cpr_change(second, through_replacement.clone()))
        .with("I-3", 1, cpr_change(citizen(), through_replacement))
        .gives(&[("opus/P-1", tagged())]);
}

#[test]
fn uuids_in_other_writing() {
    let uuid =
        |text: &str| CitizenRef::Uuid(PersonUuid::parse(text).unwrap_or_else(|error| panic!("{error}")));
    Scene::family()
        .with("I-1", 1, same(vec![citizen(), uuid("0F8FAD5B-D9CB-469F-A165-70867728950E")]))
        .posting_but("P-1", "2026-03-14", |p| p.citizen = Some(uuid("0f8fad5bd9cb469fa16570867728950e")))
        .posting_but("P-2", "2026-03-14", |p| p.citizen = Some(uuid("0f8fad5b-d9cb-469f-a165-70867728950f")))
        .gives(&[("opus/P-1", tagged()), ("opus/P-2", untagged(NOT_CONSENTED))]);
}

#[test]
fn one_ore_in_three_parts() {
    let share = |area: &str| Share { area: text(area), weight: 1 };
    let split = Split {
        solution: text("sb"),
        family: None,
        grant: None,
        condition: Condition::default(),
        parts: vec![share("c"), share("a"), share("b")],
    };
    let answer = |a, b, c| {
        tagged_but(|tag| {
            tag.parts = parts(&[("a", 1, a), ("b", 1, b), ("c", 1, c)]);
            tag.split = Some(text("D-1"));
        })
    };
    Scene::family()
        .with("D-1", 1, Body::Split(split))
        .posting_but("P-1", "2026-03-14", |p| p.amount = ore(1))
        .posting_but("P-2", "2026-03-14", |p| p.amount = ore(-1))
        .posting_but("P-3", "2026-03-14", |p| p.amount = ore(0))
        .posting_but("P-4", "2026-03-14", |p| p.amount = ore(999_999_999_999_998))
        .gives(&[
            ("opus/P-1", answer(1, 0, 0)),
            ("opus/P-2", answer(-1, 0, 0)),
            ("opus/P-3", answer(0, 0, 0)),
            ("opus/P-4", answer(333_333_333_333_333, 333_333_333_333_333, 333_333_333_333_332)),
        ]);
}

#[test]
fn a_reversal_of_a_reversal() {
    let negated = || tagged_but(|tag| tag.parts = parts(&[("children", 1, -100_000)]));
    // Dates on which nobody is enrolled, other groupings and cost centres, and no reference: all that does not matter.
    let scene = Scene::family()
        .with("E-1", 2, Body::Enrolment(enrolment("2026-03-14", "2026-03-14")))
        .posting("P-1", "2026-03-14")
        .posting_but("P-2", "2026-04-01", |p| {
            (p.amount, p.citizen, p.reverses) = (ore(-100_000), None, Some(text("P-1")));
            p.grouping = "003".parse().ok();
        })
        .posting_but("P-3", "2019-01-01", |p| {
            (p.citizen, p.reverses, p.cost_centre) = (None, Some(text("P-2")), Some(text("0417")));
        })
        .posting_from("dubu", "P-4", "2026-03-14", |p| {
            (p.amount, p.citizen, p.reverses) = (ore(-100_000), None, Some(text("P-1")));
        })
        .posting_but("P-5", "2026-04-01", |p| {
            (p.amount, p.reverses) = (ore(-99_999), Some(text("P-1")));
        });
    scene.gives(&[
        ("dubu/P-4", untagged(NO_CITIZEN)), // Another source's posting.
        ("opus/P-1", tagged()),
        ("opus/P-2", negated()),
        ("opus/P-3", tagged()),
        ("opus/P-5", untagged(NOT_ENROLLED)), // Not exactly the opposite amount.
    ]);
    // And they change with the first.
    scene.deleted(Kind::Enrolment, "E-1", 3).gives(&[
        ("dubu/P-4", untagged(NO_CITIZEN)),
        ("opus/P-1", untagged(NOT_ENROLLED)),
        ("opus/P-2", untagged(NOT_ENROLLED)),
        ("opus/P-3", untagged(NOT_ENROLLED)),
        ("opus/P-5", untagged(NOT_ENROLLED)),
    ]);
}

#[test]
fn a_ring() {
    // Each follows the other, so each is decided on its own day; the third follows the second.
    Scene::family()
        .with("E-1", 2, Body::Enrolment(enrolment("2026-03-14", "2026-03-14")))
        .posting_but("P-1", "2026-03-14", |p| p.reverses = Some(text("P-2")))
        .posting_but("P-2", "2026-03-15", |p| (p.amount, p.reverses) = (ore(-100_000), Some(text("P-1"))))
        .posting_but("P-3", "2026-03-14", |p| p.reverses = Some(text("P-2")))
        .posting_but("P-4", "2026-03-15", |p| (p.amount, p.reverses) = (ore(-100_000), Some(text("P-1"))))
        .posting_but("P-5", "2026-03-14", |p| (p.amount, p.reverses) = (ore(0), Some(text("P-5"))))
        .gives(&[
            ("opus/P-1", tagged()),
            ("opus/P-2", untagged(NOT_ENROLLED)),
            ("opus/P-3", untagged(NOT_ENROLLED)),
            ("opus/P-4", tagged_but(|tag| tag.parts = parts(&[("children", 1, -100_000)]))),
            ("opus/P-5", tagged_but(|tag| tag.parts = parts(&[("children", 1, 0)]))),
        ]);
}

#[test]
fn a_deleted_solution() {
    let claim = Condition { account: "5.28".parse().ok(), ..Condition::default() };
    let claiming = || as_solution(Solution { claims: vec![claim.clone()], ..solution() });
    let claimed = tagged_but(|tag| {
        (tag.family, tag.enrolment, tag.basis) = (None, None, samspor_domain::Basis::Account);
    });
    let scene = Scene::family().with("sb", 2, claiming()).posting("P-1", "2026-03-14").posting_but(
        "P-2",
        "2026-03-14",
        |p| p.citizen = None,
    );
    scene.gives(&[("opus/P-1", tagged()), ("opus/P-2", claimed.clone())]);
    let deleted = scene.deleted(Kind::Solution, "sb", 3);
    deleted.gives(&[("opus/P-1", untagged(NOT_ENROLLED)), ("opus/P-2", untagged(NO_CITIZEN))]);
    deleted.with("sb", 4, claiming()).gives(&[("opus/P-1", tagged()), ("opus/P-2", claimed)]);
}

#[test]
fn a_consent_that_names_a_new_source() {
    let with_schultz = || {
        let mut consent = consent("2020-01-01", "");
        consent.sources.push(text("schultz"));
        Body::Consent(consent)
    };
    let scene = Scene::family()
        .with_from("schultz", "7", 1, grant(Some(citizen()), None, Some(2_500_001)))
        .with("sb", 2, as_solution(Solution { ceiling: Some(ore(2_500_000)), ..solution() }))
        .posting_but("P-1", "2026-03-14", |p| p.grant = Some(CitizenRef::Grant(text("schultz"), text("7"))))
        .posting_from("schultz", "P-2", "2026-03-14", |_| {});
    scene.gives(&[("opus/P-1", tagged()), ("schultz/P-2", untagged(NOT_CONSENTED))]);
    // The new source's postings, its links and its grants' totals count from then on.
    let over = || tagged_but(|tag| tag.flags = vec![Flag::OverCeiling]);
    let named = scene.with("C-1", 2, with_schultz());
    named.gives(&[("opus/P-1", over()), ("schultz/P-2", tagged())]);
    // And no more when it is named no more.
    named
        .with("C-1", 3, Body::Consent(consent("2020-01-01", "")))
        .gives(&[("opus/P-1", tagged()), ("schultz/P-2", untagged(NOT_CONSENTED))]);
}

#[test]
fn a_closure_of_65_references() {
    let local = |i: i32| CitizenRef::Local(text("opus"), text(&format!("{i}")));
    let crowd = |count: i32| same(std::iter::once(citizen()).chain((1..count).map(local)).collect());
    let scene = Scene::family().posting_but("P-1", "2026-03-14", |p| p.citizen = Some(local(63)));
    scene.clone().with("I-1", 1, crowd(64)).gives(&[("opus/P-1", tagged())]);
    let too_many = scene.with("I-1", 1, crowd(65));
    too_many.gives(&[("opus/P-1", untagged(CONFLICT))]);
    too_many.with("I-1", 2, crowd(64)).gives(&[("opus/P-1", tagged())]);
}

#[test]
fn a_consent_corrected_and_withdrawn_before_anything_was_decided_again() {
    let stranger = cpr("0202325002");
    let of_stranger = || {
        let mut consent = consent("2020-01-01", "");
        consent.citizen = stranger.clone();
        Body::Consent(consent)
    };
    let scene = Scene::family()
        .posting("P-1", "2026-03-14")
        .posting_but("P-2", "2026-03-15", |p| {
            (p.amount, p.citizen, p.reverses) = (ore(-100_000), None, Some(text("P-1")));
        })
        .with("C-1", 2, of_stranger())
        .withdrawn("C-1", 3);
    scene.gives(&[("opus/P-1", untagged(NOT_CONSENTED)), ("opus/P-2", untagged(NOT_CONSENTED))]);
}

#[test]
fn a_reversal_that_arrives_while_an_enrolment_is_away() {
    Scene::family()
        .posting("P-1", "2026-03-14")
        .deleted(Kind::Enrolment, "E-1", 2)
        .posting_but("P-2", "2026-03-15", |p| {
            (p.amount, p.citizen, p.reverses) = (ore(-100_000), None, Some(text("P-1")));
        })
        .with("E-1", 3, Body::Enrolment(enrolment("2020-01-01", "")))
        .gives(&[
            ("opus/P-1", tagged()),
            ("opus/P-2", tagged_but(|tag| tag.parts = parts(&[("children", 1, -100_000)]))),
        ]);
}
