//! Every field arrives where it belongs, defaults are the contract's, and faults stand at their paths.

use samspor_domain::{Amount, Fault};

use super::*;
use crate::reading;

fn text(value: &str) -> Text {
    Text::new(value).unwrap_or_else(|e| panic!("{value}: {e}"))
}

fn date(value: &str) -> jiff::civil::Date {
    value.parse().unwrap_or_else(|e| panic!("{value}: {e}"))
}

fn some(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn read<M>(message: &M, read: fn(Place<'_>, &M) -> Read<Message>) -> Result<Message, Vec<Fault>> {
    reading::request(|at| read(at, message))
}

fn body<M>(message: &M, how: fn(Place<'_>, &M) -> Read<Message>) -> Body {
    match read(message, how).unwrap_or_else(|faults| panic!("{faults:?}")) {
        Message::Fact(Fact { state: State::Live(body), id, version: 7, kind })
            if id == text("X-1") && kind == body.kind() =>
        {
            body
        }
        other => panic!("{other:?}"),
    }
}

fn faults<M>(message: &M, how: fn(Place<'_>, &M) -> Read<Message>) -> Vec<String> {
    let faults = read(message, how).err().unwrap_or_default();
    faults
        .iter()
        .map(|fault| format!("{} {}", fault.reason, fault.path.as_deref().unwrap_or_default()))
        .collect()
}

fn citizen(reference: Reference) -> Option<v1::CitizenReference> {
    Some(v1::CitizenReference { reference: Some(reference) })
}

fn cpr() -> Option<v1::CitizenReference> {
    citizen(Reference::Cpr("611280-1234".into()))
}

fn system_id(system: &str, id: &str) -> v1::SystemId {
    v1::SystemId { system: system.into(), id: id.into() }
}

fn full_condition() -> Condition {
    Condition {
        account: "5.28".parse().ok(),
        grouping: "003".parse().ok(),
        cost_centre: Some(text("0417")),
        span: Span { from: Some(date("2026-01-01")), to: Some(date("2026-12-31")) },
    }
}

#[test]
fn a_full_solution() {
    let solution = v1::Solution {
        id: "X-1".into(),
        version: 7,
        name: "SB Familier".into(),
        priority: Some(-10),
        from_date: some("2025-10-01"),
        to_date: some("2027-09-30"),
        baseline_days: 730,
        aftercare_days: 36_525,
        ceiling: some("25000"),
        above_ceiling: some("shared"),
        sides: vec![v1::SideRule {
            account: "5.28".into(),
            grouping: some("003"),
            cost_centre: some("0417"),
            from_date: some("2026-01-01"),
            to_date: some("2026-12-31"),
            side: v1::Side::Inside.into(),
        }],
        default_side: v1::Side::Inside.into(),
        powers: vec![v1::PowerRule {
            account: "5.28".into(),
            grouping: some("003"),
            cost_centre: some("0417"),
            from_date: some("2026-01-01"),
            to_date: some("2026-12-31"),
            grants: "solution".into(),
            pays: "health".into(),
        }],
        default_powers: Some(v1::Powers { grants: "shared".into(), pays: "area".into() }),
        claims: vec![v1::Claim {
            account: "5.28".into(),
            grouping: some("003"),
            cost_centre: some("0417"),
            from_date: some("2026-01-01"),
            to_date: some("2026-12-31"),
        }],
    };
    let expected = Solution {
        name: text("SB Familier"),
        priority: -10,
        span: Span { from: Some(date("2025-10-01")), to: Some(date("2027-09-30")) },
        baseline_days: 730,
        aftercare_days: 36_525,
        ceiling: Amount::from_ore(2_500_000).ok(),
        above_ceiling: Some(text("shared")),
        sides: vec![SideRule { condition: full_condition(), side: Side::Inside }],
        default_side: Side::Inside,
        powers: vec![PowerRule {
            condition: full_condition(),
            powers: Powers { grants: text("solution"), pays: text("health") },
        }],
        default_powers: Powers { grants: text("shared"), pays: text("area") },
        claims: vec![full_condition()],
    };
    assert_eq!(body(&solution, super::solution), Body::Solution(Box::new(expected)));
}

#[test]
fn a_bare_solution_has_the_contracts_defaults() {
    let solution = v1::Solution { id: "X-1".into(), version: 7, name: "N".into(), ..Default::default() };
    let expected = Solution {
        name: text("N"),
        priority: 100,
        span: Span::default(),
        baseline_days: 0,
        aftercare_days: 0,
        ceiling: None,
        above_ceiling: None,
        sides: vec![],
        default_side: Side::Outside,
        powers: vec![],
        default_powers: Powers { grants: text("area"), pays: text("area") },
        claims: vec![],
    };
    assert_eq!(body(&solution, super::solution), Body::Solution(Box::new(expected)));
}

#[test]
fn all_faults_of_a_solution_at_their_paths() {
    let solution = v1::Solution {
        version: -1,
        priority: Some(1_000_001),
        to_date: some("2026-02-30"),
        baseline_days: 36_526,
        aftercare_days: -1,
        ceiling: some("-1.00"),
        above_ceiling: some(""),
        sides: vec![
            v1::SideRule { account: "5".into(), side: 1, ..Default::default() },
            v1::SideRule { account: "52".into(), grouping: some("1"), side: 9, ..Default::default() },
        ],
        default_side: 3,
        powers: vec![v1::PowerRule::default()],
        default_powers: Some(v1::Powers { grants: "x".repeat(121), pays: "area".into() }),
        ..Default::default()
    };
    assert_eq!(
        faults(&solution, super::solution),
        [
            "missing-field name",
            "invalid-field priority",
            "invalid-field to_date",
            "invalid-field baseline_days",
            "invalid-field aftercare_days",
            "invalid-amount ceiling",
            "invalid-field above_ceiling",
            "invalid-account sides[1].account",
            "invalid-field sides[1].grouping",
            "invalid-field sides[1].side",
            "invalid-field default_side",
            "missing-field powers[0].account",
            "missing-field powers[0].grants",
            "missing-field powers[0].pays",
            "invalid-field default_powers.grants",
            // The seventeenth and later are not noted: id, version.
            "missing-field id",
        ]
    );
}

#[test]
fn enrolments_and_every_form_of_reference() {
    let forms = [
        (Reference::Cpr("611280 1234".into()), Cpr::parse("6112801234").map(CitizenRef::Cpr).ok()),
        (
            Reference::Uuid("0F8FAD5B-D9CB-469F-A165-70867728950E".into()),
            PersonUuid::parse("0f8fad5bd9cb469fa16570867728950e").map(CitizenRef::Uuid).ok(),
        ),
        (Reference::CaseId(system_id("dubu", "D-4")), Some(CitizenRef::Case(text("dubu"), text("D-4")))),
        (Reference::GrantId(system_id("dubu", "B-12")), Some(CitizenRef::Grant(text("dubu"), text("B-12")))),
        (Reference::PersonId(system_id("dubu", "77")), Some(CitizenRef::Local(text("dubu"), text("77")))),
    ];
    for (reference, expected) in forms {
        let enrolment = v1::Enrolment {
            id: "X-1".into(),
            version: 7,
            solution: "sb".into(),
            citizen: citizen(reference),
            family: some("F-17"),
            from_date: "2026-02-01".into(),
            to_date: some("2026-12-31"),
        };
        let expected = Enrolment {
            solution: text("sb"),
            citizen: expected.unwrap_or_else(|| panic!("a good reference")),
            family: Some(text("F-17")),
            span: Span { from: Some(date("2026-02-01")), to: Some(date("2026-12-31")) },
        };
        assert_eq!(body(&enrolment, super::enrolment), Body::Enrolment(expected));
    }
    for (reference, fault) in [
        (None, "missing-field citizen"),
        (Some(v1::CitizenReference { reference: None }), "missing-field citizen"),
        (citizen(Reference::Cpr(String::new())), "invalid-cpr citizen.cpr"),
        (citizen(Reference::Cpr("6113801234".into())), "invalid-cpr citizen.cpr"),
        (citizen(Reference::Uuid("1".into())), "invalid-field citizen.uuid"),
        (citizen(Reference::CaseId(system_id("", "D-4"))), "missing-field citizen.case_id.system"),
        (citizen(Reference::GrantId(system_id("dubu", ""))), "missing-field citizen.grant_id.id"),
        (
            citizen(Reference::PersonId(system_id("dubu", &"7".repeat(121)))),
            "invalid-field citizen.person_id.id",
        ),
    ] {
        let enrolment = v1::Enrolment {
            id: "X-1".into(),
            version: 7,
            solution: "sb".into(),
            citizen: reference,
            from_date: "2026-02-01".into(),
            ..Default::default()
        };
        assert_eq!(faults(&enrolment, super::enrolment), [fault]);
    }
    assert_eq!(
        faults(&v1::Enrolment::default(), super::enrolment),
        [
            "missing-field solution",
            "missing-field citizen",
            "missing-field from_date",
            "missing-field id",
            "invalid-field version",
        ]
    );
}

#[test]
fn consents() {
    let consent = v1::Consent {
        id: "X-1".into(),
        version: 7,
        citizen: cpr(),
        sources: vec!["opus".into(), "dubu".into()],
        covers_from: "2025-01-01".into(),
        covers_to: some("2026-12-31"),
        given_on: some("2026-01-20"),
        given_by: some("unit 4"),
        basis: v1::ConsentBasis::Law.into(),
        legal_reference: some("SEL § 11"),
    };
    let expected = Consent {
        citizen: CitizenRef::Cpr(Cpr::parse("6112801234").unwrap_or_else(|e| panic!("{e}"))),
        sources: vec![text("opus"), text("dubu")],
        covers: Span { from: Some(date("2025-01-01")), to: Some(date("2026-12-31")) },
        given_on: Some(date("2026-01-20")),
        given_by: Some(text("unit 4")),
        basis: Some(text("law")),
        legal_reference: Some(text("SEL § 11")),
    };
    assert_eq!(body(&consent, super::consent), Body::Consent(expected));
    let other = v1::Consent { basis: v1::ConsentBasis::Consent.into(), ..consent.clone() };
    assert!(matches!(body(&other, super::consent), Body::Consent(c) if c.basis == Some(text("consent"))));
    let other = v1::Consent { basis: 0, covers_to: None, given_on: None, ..consent.clone() };
    assert!(
        matches!(body(&other, super::consent), Body::Consent(c) if c.basis.is_none() && c.covers.to.is_none())
    );

    let faulty = v1::Consent { sources: vec!["opus".into(), String::new()], basis: 3, ..consent };
    assert_eq!(faults(&faulty, super::consent), ["invalid-field sources[1]", "invalid-field basis"]);
    assert_eq!(
        faults(&v1::Consent::default(), super::consent),
        [
            "missing-field citizen",
            "missing-field sources",
            "missing-field covers_from",
            "missing-field id",
            "invalid-field version",
        ]
    );
}

#[test]
fn identities() {
    let uuid = || citizen(Reference::Uuid("0f8fad5bd9cb469fa16570867728950e".into()));
    let identity = |kind: i32, refs: [Option<v1::CitizenReference>; 3]| v1::Identity {
        id: "X-1".into(),
        version: 7,
        kind,
        refs: refs.into_iter().flatten().collect(),
    };
    let same = v1::IdentityKind::Same.into();
    let change = v1::IdentityKind::CprChange.into();
    for (kind, expected, refs) in [
        (same, IdentityKind::Same, [cpr(), uuid(), cpr()]),
        (change, IdentityKind::CprChange, [cpr(), cpr(), None]),
    ] {
        let number = refs.iter().flatten().count();
        let Body::Identity(read) = body(&identity(kind, refs), super::identity) else {
            panic!("an identity")
        };
        assert_eq!((read.kind, read.refs.len()), (expected, number));
    }
    for (kind, refs, fault) in [
        (0, [cpr(), cpr(), None], "missing-field kind"),
        (3, [cpr(), cpr(), None], "invalid-field kind"),
        (same, [None, None, None], "missing-field refs"),
        (same, [cpr(), None, None], "invalid-field refs"),
        (change, [cpr(), None, None], "invalid-field refs"),
        (change, [cpr(), cpr(), cpr()], "invalid-field refs"),
        (change, [cpr(), uuid(), None], "invalid-field refs[1]"),
        (same, [cpr(), Some(v1::CitizenReference::default()), None], "missing-field refs[1]"),
    ] {
        assert_eq!(faults(&identity(kind, refs), super::identity), [fault]);
    }
}

#[test]
fn splits() {
    let share = |area: &str, weight| v1::Share { area: area.into(), weight };
    let split = v1::Split {
        id: "X-1".into(),
        version: 7,
        solution: "sb".into(),
        parts: vec![share("employment", 1), share("health", 1_000_000)],
        family: some("F-17"),
        grant: Some(system_id("dubu", "B-12")),
        account: some("5.28"),
        grouping: some("003"),
        cost_centre: some("0417"),
        from_date: some("2026-01-01"),
        to_date: some("2026-12-31"),
    };
    let expected = Split {
        solution: text("sb"),
        family: Some(text("F-17")),
        grant: Some(CitizenRef::Grant(text("dubu"), text("B-12"))),
        condition: full_condition(),
        parts: vec![
            Share { area: text("employment"), weight: 1 },
            Share { area: text("health"), weight: 1_000_000 },
        ],
    };
    assert_eq!(body(&split, super::split), Body::Split(expected));

    let bare = v1::Split { parts: vec![share("a", 1)], solution: "sb".into(), ..Default::default() };
    let bare = v1::Split { id: "X-1".into(), version: 7, ..bare };
    assert!(matches!(body(&bare, super::split), Body::Split(s) if s.condition == Condition::default()));

    let many: Vec<_> = (0..17).map(|i| share(&format!("area-{i}"), 1)).collect();
    for (parts, expected) in [
        (vec![], vec!["missing-field parts"]),
        (many, vec!["invalid-field parts"]),
        (
            vec![share("a", 0), share("a", 1_000_001)],
            vec![
                "invalid-field parts[0].weight",
                "invalid-field parts[1].weight",
                "invalid-field parts[1].area",
            ],
        ),
        (vec![share("", 1)], vec!["missing-field parts[0].area"]),
    ] {
        assert_eq!(faults(&v1::Split { parts, ..split.clone() }, super::split), expected);
    }
    let faulty =
        v1::Split { grant: Some(system_id("", "B-12")), account: some(""), grouping: some("3"), ..split };
    assert_eq!(
        faults(&faulty, super::split),
        ["missing-field grant.system", "invalid-account account", "invalid-field grouping",]
    );
}

#[test]
fn names_that_hold_the_citizens_number_are_refused_at_their_place() {
    let enrolment = |id: &str, family: &str| v1::Enrolment {
        id: id.into(),
        version: 7,
        solution: "sb".into(),
        citizen: cpr(),
        family: some(family),
        from_date: "2026-02-01".into(),
        to_date: None,
    };
    let faults = |enrolment: v1::Enrolment| {
        let read = reading::request(|at| super::enrolment(at.field("enrolment"), &enrolment));
        let paths = read.err().unwrap_or_default().into_iter().map(|fault| (fault.reason, fault.path));
        paths.collect::<Vec<_>>()
    };
    let found = |path: &str| vec![(Reason::PersonalDataInId, some(path))];
    assert_eq!(faults(enrolment("E-611280-1234", "F-17")), found("enrolment.id"));
    assert_eq!(faults(enrolment("E-1", "F 61.12.1980/1234")), found("enrolment.family"));
    assert_eq!(faults(enrolment("E-1", "F-17")), []);
}

#[test]
fn deletions_are_of_kinds_that_are_named_across_the_municipality() {
    for kind in Kind::ALL {
        let word = format!("FACT_KIND_{}", kind.word().replace('-', "_").to_uppercase());
        let number =
            v1::FactKind::from_str_name(&word).unwrap_or_else(|| panic!("{word} is in the definitions"));
        let read = reading::request(|at| super::kind(at.field("kind"), number.into()));
        match read {
            Ok(read) => assert!(read == kind && !kind.is_named_in_source()),
            Err(faults) => {
                assert!(kind.is_named_in_source());
                assert_eq!(faults.first().map(|fault| fault.reason), Some(Reason::NotPermitted));
            }
        }
    }
}
