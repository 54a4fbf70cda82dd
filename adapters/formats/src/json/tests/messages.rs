//! Every type of message: what it needs, what it may leave out, and what it becomes.

use samspor_domain::{
    Body, Condition, Kind, Message, Period, PowerRule, Powers, Rank, Rate, Reason, Share, Side, SideRule,
    Span, Text,
};
use serde_json::{Value, json};

use super::*;

fn text(text: &str) -> Text {
    Text::new(text).unwrap_or_else(|e| panic!("{e}"))
}

fn day(text: &str) -> Option<jiff::civil::Date> {
    Some(text.parse().unwrap_or_else(|e| panic!("{e}")))
}

#[test]
fn there_is_a_sample_of_every_type() {
    let mut types: Vec<String> =
        samples().iter().map(|(value, _)| value["type"].to_string().replace('"', "")).collect();
    let mut kinds: Vec<String> = Kind::ALL.iter().map(|kind| kind.word().to_owned()).collect();
    kinds.push("posting".into());
    types.sort();
    kinds.sort();
    assert_eq!(types, kinds);
}

#[test]
fn every_sample_decodes_and_ignores_nothing() {
    for (value, _) in samples() {
        let item = decode(&value);
        assert!(item.content.is_ok(), "{value}: {:?}", item.content);
        assert_eq!(item.ignored_fields, 0, "{value}");
        if value["type"] != "posting" {
            let fact = fact(&value);
            assert_eq!(fact.kind.word(), value["type"]);
            assert_eq!(body(&value).kind(), fact.kind);
            assert_eq!(fact.id.as_str(), value["id"]);
            assert_eq!(fact.version, value["version"]);
        }
    }
}

#[test]
fn required_fields_are_missed_and_all_others_may_be_left_out() {
    for (value, required) in samples() {
        let of_all: &[&str] =
            if value["type"] == "posting" { &["type", "id"] } else { &["type", "id", "version"] };
        for name in value.as_object().into_iter().flat_map(|entries| entries.keys()) {
            let pointer = format!("/{name}");
            for spoiled in [without(&value, &pointer), with(&value, &pointer, Value::Null)] {
                if required.contains(&name.as_str()) || of_all.contains(&name.as_str()) {
                    assert_fault(&spoiled, Reason::MissingField, name);
                } else {
                    let item = decode(&spoiled);
                    assert!(item.content.is_ok(), "{spoiled}: {:?}", item.content);
                    assert_eq!(item.ignored_fields, 0, "null is absent: {spoiled}");
                }
            }
        }
    }
}

#[test]
fn a_field_of_another_json_type_is_malformed_and_named() {
    for (value, _) in samples() {
        for name in value.as_object().into_iter().flat_map(|entries| entries.keys()) {
            if name == "text" {
                continue;
            }
            let reason = match name.as_str() {
                "account" => Reason::InvalidAccount,
                "amount" | "sum" | "total" | "ceiling" => Reason::InvalidAmount,
                _ => Reason::InvalidField,
            };
            // Nothing in the contract is an array in an array, or a fraction.
            for wrong in [json!([[]]), json!(1.5)] {
                let spoiled = with(&value, &format!("/{name}"), wrong.clone());
                let fault = fault(&spoiled);
                let path = fault.path.as_deref().unwrap_or_default();
                assert!(path == name || path == format!("{name}[0]"), "{path}: {spoiled}");
                assert_eq!(fault.reason, reason, "{spoiled}");
            }
        }
    }
}

#[test]
fn unknown_fields_are_ignored_and_counted_wherever_they_stand() {
    for (value, _) in samples() {
        let mut extended = with(&value, "/colour", json!({"citizen": {"cpr": "0"}, "colour": 1}));
        let mut extra = 1;
        for pointer in [
            "/rate/x",
            "/sides/0/x",
            "/powers/0/x",
            "/default_powers/x",
            "/claims/0/x",
            "/parts/0/x",
            "/share/1/x",
            "/expected/0/x",
        ] {
            let parent = pointer.rsplit_once('/').map(|(parent, _)| parent).unwrap_or_default();
            if value.pointer(parent).is_some() {
                extended = with(&extended, pointer, json!([1]));
                extra += 1;
            }
        }
        let item = decode(&extended);
        assert_eq!(item.content.ok(), Some(message(&value)), "{extended}");
        assert_eq!(item.ignored_fields, extra, "{extended}");
        assert_eq!(decode(&with(&value, "/colour", Value::Null)).ignored_fields, 0, "null is absent");
    }
}

#[test]
fn of_what_is_deleted_nothing_more_is_read() {
    for (value, _) in samples().into_iter().filter(|(value, _)| value["type"] != "posting") {
        let bare = json!({"type": value["type"], "id": "X", "version": i64::MAX, "deleted": true});
        assert_eq!((fact(&bare).state.rank(), fact(&bare).version), (Rank::Deleted, i64::MAX));
        let mut spoiled = with(&value, "/deleted", json!(true));
        for name in value.as_object().into_iter().flat_map(|entries| entries.keys()) {
            if !["type", "id", "version"].contains(&name.as_str()) {
                spoiled = with(&spoiled, &format!("/{name}"), json!(0.5));
            }
        }
        assert_eq!(fact(&spoiled).state.rank(), Rank::Deleted, "{spoiled}");
        assert_eq!(decode(&spoiled).ignored_fields, 0, "{spoiled}");
        assert_fault(&without(&bare, "/version"), Reason::MissingField, "version");
        assert_fault(&without(&bare, "/id"), Reason::MissingField, "id");
        assert_fault(&with(&bare, "/deleted", json!("true")), Reason::InvalidField, "deleted");
        assert_eq!(fact(&with(&value, "/deleted", json!(false))).state.rank(), Rank::Live);
    }
}

#[test]
fn a_withdrawn_consent_needs_nothing_more_either_and_a_deletion_goes_first() {
    let mut value =
        json!({"type": "consent", "id": "C-1", "version": 3, "withdrawn": true, "citizen": 0, "sources": []});
    assert_eq!(fact(&value).state.rank(), Rank::Withdrawn);
    assert_fault(&with(&value, "/withdrawn", json!(1)), Reason::InvalidField, "withdrawn");
    value = with(&value, "/deleted", json!(true));
    assert_eq!(fact(&value).state.rank(), Rank::Deleted);
    // Only a consent can be withdrawn.
    let case = with(&sample("case"), "/withdrawn", json!(true));
    assert_eq!((fact(&case).state.rank(), decode(&case).ignored_fields), (Rank::Live, 1));
}

#[test]
fn a_posting_has_no_version_and_is_not_deleted() {
    let value = sample("posting");
    let item = decode(&with(&with(&value, "/version", json!("x")), "/deleted", json!(true)));
    assert_eq!((item.content.ok(), item.ignored_fields), (Some(message(&value)), 2));
}

#[test]
fn unknown_and_missing_types() {
    assert_fault(&json!({"id": "1"}), Reason::MissingField, "type");
    assert_fault(&json!({"type": null}), Reason::MissingField, "type");
    assert_fault(&json!({"type": 1}), Reason::InvalidField, "type");
    for word in ["", "Posting", "postings", "investment_case", "controltotal"] {
        assert_fault(&json!({"type": word}), Reason::UnknownType, "type");
    }
}

#[test]
fn a_posting_field_by_field() {
    let posting = posting(&sample("posting"));
    assert_eq!(posting.id, text("2026-000123-1"));
    assert_eq!(Some(posting.date), day("2026-03-14"));
    assert_eq!(posting.account.to_string(), "5.28.21.1");
    assert_eq!(posting.amount.ore(), 1_245_000);
    assert_eq!(posting.citizen.as_ref().map(samspor_domain::CitizenRef::form), Some("cpr"));
    assert_eq!(posting.grant, Some(samspor_domain::CitizenRef::Grant(text("dubu"), text("B-12"))));
    assert_eq!(posting.cost_centre, Some(text("0417")));
    assert_eq!(posting.grouping.map(|g| g.to_string()).as_deref(), Some("003"));
    assert_eq!((posting.voucher, posting.reverses), (Some(text("2026-000123")), Some(text("2026-000122-1"))));
}

#[test]
fn the_text_of_a_posting_changes_nothing() {
    let value = sample("posting");
    for other in [json!("Betalt til"), json!(17), json!({"cpr": CPR})] {
        assert_eq!(message(&with(&value, "/text", other)), message(&value));
    }
}

#[test]
fn what_the_account_holds_gives_way_to_explicit_fields() {
    let bare = json!({"type": "posting", "id": "1", "date": "2026-03-14", "amount": "1", "account": "5282110417003499"});
    let held = |value: &Value| {
        let posting = posting(value);
        (
            posting.account.to_string(),
            posting.cost_centre.map(|c| c.to_string()),
            posting.grouping.map(|g| g.number()),
        )
    };
    assert_eq!(held(&bare), ("5.28.21.1".into(), Some("4170".into()), Some(34)));
    let prisme = with(&bare, "/account", json!("01005-528211003-015031-529CPR---"));
    assert_eq!(held(&prisme), ("5.28.21.1".into(), Some("01005".into()), Some(3)));
    let normal = with(&bare, "/account", json!("5.28.21"));
    assert_eq!(held(&normal), ("5.28.21".into(), None, None));
    for account in [&bare, &prisme, &normal] {
        let explicit = with(&with(account, "/cost_centre", json!("77")), "/grouping", json!("999"));
        let (_, cost_centre, grouping) = held(&explicit);
        assert_eq!((cost_centre.as_deref(), grouping), (Some("77"), Some(999)));
        assert_eq!(held(&with(&explicit, "/grouping", Value::Null)).2, held(account).2);
    }
}

#[test]
fn a_grant_needs_a_citizen_or_a_case() {
    let value = sample("grant");
    for one in [without(&value, "/case"), without(&value, "/citizen")] {
        assert!(decode(&one).content.is_ok(), "{one}");
    }
    assert_fault(&without(&without(&value, "/case"), "/citizen"), Reason::MissingField, "citizen");
    let Body::Grant(grant) = body(&value) else { panic!("{value}") };
    assert_eq!(grant.case, Some(text("D-4")));
    assert_eq!(grant.rate.map(|Rate { amount, per }| (amount.ore(), per)), Some((1_245_000, Period::Month)));
    assert_eq!(grant.total.map(|total| total.ore()), Some(2_490_000));
    assert_eq!(grant.span, Span { from: day("2026-01-05"), to: day("2026-12-31") });
}

#[test]
fn a_solution_without_rules_has_the_defaults() {
    let Body::Solution(solution) = body(&json!({"type": "solution", "id": "s", "version": 1, "name": "S"}))
    else {
        panic!("no solution")
    };
    let area = Powers { grants: text("area"), pays: text("area") };
    assert_eq!((solution.priority, solution.baseline_days, solution.aftercare_days), (100, 0, 0));
    assert_eq!((solution.default_side, &solution.default_powers), (Side::Outside, &area));
    assert_eq!((solution.ceiling, solution.above_ceiling, solution.span), (None, None, Span::default()));
    assert!(solution.sides.is_empty() && solution.powers.is_empty() && solution.claims.is_empty());
}

#[test]
fn a_solution_field_by_field() {
    let Body::Solution(solution) = body(&sample("solution")) else { panic!("no solution") };
    assert_eq!((solution.priority, solution.baseline_days, solution.aftercare_days), (10, 730, 180));
    assert_eq!(solution.ceiling.map(|ceiling| ceiling.ore()), Some(2_500_000));
    assert_eq!(solution.default_side, Side::Inside);
    let full = Condition {
        account: "5.28.21".parse().ok(),
        grouping: "003".parse().ok(),
        cost_centre: Some(text("0417")),
        span: Span { from: day("2026-01-01"), to: day("2026-12-31") },
    };
    assert_eq!(solution.sides, [SideRule { condition: full, side: Side::Inside }]);
    let both = Powers { grants: text("solution"), pays: text("solution") };
    let any = Condition { account: "5".parse().ok(), ..Condition::default() };
    assert_eq!(solution.powers, [PowerRule { condition: any, powers: both }]);
    assert_eq!(solution.default_powers, Powers { grants: text("solution"), pays: text("area") });
    assert_eq!(solution.claims.len(), 1);
}

#[test]
fn plans_field_by_field() {
    let Body::Estimate(estimate) = body(&sample("estimate")) else { panic!("no estimate") };
    assert!(estimate.per_family);
    let Body::Target(target) = body(&sample("target")) else { panic!("no target") };
    assert_eq!(target.share[1], Share { area: text("health"), weight: 2 });
    let Body::InvestmentCase(case) = body(&sample("investment-case")) else { panic!("no investment case") };
    assert_eq!((case.expected[0].year, case.expected[0].amount.ore()), (2026, -150));
    let Body::ControlTotal(total) = body(&sample("control-total")) else { panic!("no control total") };
    assert_eq!((total.count, total.sum.ore()), (17, -1230));
    let Body::Consent(consent) = body(&sample("consent")) else { panic!("no consent") };
    assert_eq!((consent.sources.len(), consent.basis), (2, Some(text("law"))));
    assert_eq!(consent.covers, Span { from: day("2025-01-01"), to: day("2027-01-01") });
    let Body::Payment(payment) = body(&sample("payment")) else { panic!("no payment") };
    assert_eq!(payment.grant, samspor_domain::CitizenRef::Grant(source(), text("B-12")));
}

#[test]
fn a_message_does_not_hold_its_citizens_number_in_a_name() {
    for (kind, pointer) in [
        ("posting", "/id"),
        ("posting", "/voucher"),
        ("posting", "/reverses"),
        ("case", "/id"),
        ("consent", "/id"),
        ("identity", "/id"),
        ("enrolment", "/id"),
        ("enrolment", "/family"),
    ] {
        let value = with(&sample(kind), pointer, json!("F 611280-1234"));
        assert_fault(&value, Reason::PersonalDataInId, &pointer[1..]);
        let other = with(&sample(kind), pointer, json!("F 700590-2345"));
        assert!(decode(&other).content.is_ok(), "another's number cannot be known: {other}");
    }
    let both = json!({"type": "identity", "id": OTHER_CPR, "version": 1, "kind": "cpr-change",
        "refs": [{"cpr": CPR}, {"cpr": OTHER_CPR}]});
    assert_fault(&both, Reason::PersonalDataInId, "id");
}

#[test]
fn receipts_are_read_to_the_letter() {
    let value = json!({"type": "receipt", "id": "R-1", "source": "opus", "posting": "2026-1", "revision": 2,
        "status": "rejected", "at": "2026-03-16T05:10:00+01:00", "code": "K07", "text": "Kontoen er lukket"});
    let Ok(Message::Receipt(receipt)) = decode(&value).content else { panic!("a receipt") };
    assert_eq!((receipt.revision, receipt.verdict), (2, samspor_domain::Verdict::Rejected));
    assert_eq!(receipt.at.to_string(), "2026-03-16T04:10:00Z");
    assert_eq!(receipt.text.as_deref(), Some("Kontoen er lukket"));
    for field in ["id", "source", "posting", "revision", "status", "at"] {
        assert_fault(&with(&value, &format!("/{field}"), json!(null)), Reason::MissingField, field);
    }
    for (field, wrong) in [
        ("status", json!("maybe")),
        ("revision", json!(0)),
        ("at", json!("yesterday")),
        ("code", json!("x".repeat(121))),
        ("text", json!("x".repeat(2_001))),
    ] {
        assert_fault(&with(&value, &format!("/{field}"), wrong), Reason::InvalidField, field);
    }
}

#[test]
fn the_contracts_own_examples() {
    for example in [
        r#"{"type":"posting","id":"2026-000123-1","date":"2026-03-14","account":"5.28.21.1","amount":"12450.00",
            "citizen":{"cpr":"6112801234"},"grant":{"system":"dubu","grant":"B-12"},"voucher":"2026-000123","reverses":null}"#,
        r#"{"type":"grant","id":"B-12","version":1,"case":"D-4","account":"5.28.21.1","offer":"Familiebehandling",
            "law":"BL § 32","from":"2026-01-05","to":null,"rate":{"amount":"12450.00","per":"month"},"total":"24900.00"}"#,
        r#"{"type":"identity","id":"I-2","version":1,"kind":"cpr-change","refs":[{"cpr":"6112801234"},{"cpr":"0111305432"}]}"#,
        r#"{"type":"consent","id":"C-1","version":1,"citizen":{"cpr":"6112801234"},"sources":["opus","dubu"],
            "given_on":"2026-01-20","covers_from":"2025-01-01","covers_to":null}"#,
        r#"{"type":"split","id":"mentor-F-17","version":2,"solution":"sb-familier","family":"F-17","account":"5.68.90",
            "from":"2026-01-01","parts":[{"area":"employment","weight":60},{"area":"vulnerable-adults","weight":20},
            {"area":"vulnerable-children","weight":20}]}"#,
        r#"{"type":"progress","id":"P-9","version":1,"citizen":{"cpr":"6112801234"},"scale":"driftstrappe","value":"2","on":"2026-04-01"}"#,
    ] {
        let item = decode_text(example);
        assert!(matches!(item.content, Ok(Message::Posting(_) | Message::Fact(_))), "{:?}", item.content);
        assert_eq!(item.ignored_fields, 0);
    }
}
