//! The common forms at their edges.

use samspor_domain::{Body, CitizenRef, Reason};
use serde_json::{Value, json};

use super::*;

fn good(kind: &str, pointer: &str, values: impl IntoIterator<Item = Value>) {
    for value in values {
        let value = with(&sample(kind), pointer, value);
        let item = decode(&value);
        assert!(item.content.is_ok(), "{value}: {:?}", item.content);
    }
}

fn bad(kind: &str, pointer: &str, reason: Reason, values: impl IntoIterator<Item = Value>) {
    let path = pointer[1..].split('/').fold(String::new(), |path, step| match step.parse::<usize>() {
        Ok(index) => format!("{path}[{index}]"),
        Err(_) if path.is_empty() => step.to_owned(),
        Err(_) => format!("{path}.{step}"),
    });
    for value in values {
        assert_fault(&with(&sample(kind), pointer, value), reason, &path);
    }
}

#[test]
fn texts_have_1_to_120_bytes() {
    let full = "æ".repeat(60);
    for (kind, pointer) in [
        ("posting", "/id"),
        ("posting", "/voucher"),
        ("posting", "/cost_centre"),
        ("enrolment", "/family"),
        ("solution", "/name"),
        ("consent", "/sources/1"),
        ("split", "/parts/0/area"),
    ] {
        good(kind, pointer, [json!(full), json!("x"), json!(" "), json!("\u{0}\"\\\n")]);
        bad(
            kind,
            pointer,
            Reason::InvalidField,
            [json!(""), json!(format!("{full}x")), json!(1), json!(true)],
        );
    }
}

#[test]
fn dates_exist_and_have_one_writing() {
    for (kind, pointer) in [
        ("posting", "/date"),
        ("case", "/from"),
        ("case", "/to"),
        ("payment", "/period_to"),
        ("consent", "/covers_to"),
        ("consent", "/given_on"),
        ("enrolment", "/from"),
        ("solution", "/sides/0/from"),
        ("control-total", "/to"),
    ] {
        good(kind, pointer, ["2024-02-29", "0001-01-01", "9999-12-31", "1900-12-31"].map(|d| json!(d)));
        let wrong =
            ["2026-02-29", "2026-3-1", "2026-03-01T00:00:00Z", "20260301", "", "01-03-2026", " 2026-03-01"];
        bad(kind, pointer, Reason::InvalidField, wrong.map(|d| json!(d)));
        bad(kind, pointer, Reason::InvalidField, [json!(20_260_301), json!({})]);
    }
}

#[test]
fn an_end_before_its_start_is_an_empty_interval() {
    good("case", "/to", [json!("1999-01-01")]);
    good("enrolment", "/to", [json!("1999-01-01")]);
    good("consent", "/covers_to", [json!("1999-01-01")]);
}

#[test]
fn amounts_are_strings() {
    for (kind, pointer) in [
        ("posting", "/amount"),
        ("payment", "/amount"),
        ("grant", "/rate/amount"),
        ("budget", "/amount"),
        ("investment-case", "/expected/0/amount"),
        ("control-total", "/sum"),
    ] {
        good(
            kind,
            pointer,
            ["0", "-0", "1.5", "-12450.00", "9999999999999.99", "0000000000001"].map(|a| json!(a)),
        );
        let wrong =
            ["", "-", "+1", "1.", ".5", "1.005", "1,00", "1e3", "10000000000000", " 1", "1 ", "kr. 1", "٣"];
        bad(kind, pointer, Reason::InvalidAmount, wrong.map(|a| json!(a)));
        bad(
            kind,
            pointer,
            Reason::InvalidAmount,
            [json!(12450), json!(0.1), json!(-1), json!(true), json!(u64::MAX)],
        );
    }
}

#[test]
fn ceilings_and_totals_are_not_negative() {
    for (kind, pointer) in [("solution", "/ceiling"), ("grant", "/total")] {
        good(kind, pointer, ["0", "-0.00", "9999999999999.99"].map(|a| json!(a)));
        bad(kind, pointer, Reason::InvalidAmount, ["-0.01", "-1"].map(|a| json!(a)));
    }
}

#[test]
fn accounts_in_three_writings_and_prefixes_in_rules() {
    let accounts =
        ["5.28.21", "5.28.21.1", "5282110417003499", "01005-528211003-015031-529CPR---", "1-528211003-"];
    let prefixes = ["5", "5.28"];
    for (kind, pointer) in [("posting", "/account"), ("grant", "/account"), ("estimate", "/account")] {
        good(kind, pointer, accounts.map(|a| json!(a)));
        bad(kind, pointer, Reason::InvalidAccount, prefixes.map(|a| json!(a)));
        bad(
            kind,
            pointer,
            Reason::InvalidAccount,
            ["", "5.2.21", "5.28.21.1.1", "528211041700349"].map(|a| json!(a)),
        );
        bad(kind, pointer, Reason::InvalidAccount, [json!(5_282_110_417_003_499_i64), json!([])]);
    }
    for (kind, pointer) in [
        ("solution", "/sides/0/account"),
        ("solution", "/powers/0/account"),
        ("solution", "/claims/0/account"),
        ("split", "/account"),
    ] {
        good(kind, pointer, ["5", "5.28", "5.28.21", "5.28.21.1"].map(|a| json!(a)));
        bad(
            kind,
            pointer,
            Reason::InvalidAccount,
            ["", "5.", "5.2", "52821", accounts[2], accounts[3]].map(|a| json!(a)),
        );
        bad(kind, pointer, Reason::InvalidAccount, [json!(5)]);
    }
    let long = format!("{}-528211003-", "1".repeat(121));
    bad("posting", "/account", Reason::InvalidAccount, [json!(long)]);
}

#[test]
fn a_grouping_is_three_digits_and_a_cost_centre_a_text() {
    for (kind, pointer) in
        [("posting", "/grouping"), ("solution", "/sides/0/grouping"), ("split", "/grouping")]
    {
        good(kind, pointer, ["000", "003", "999"].map(|g| json!(g)));
        bad(kind, pointer, Reason::InvalidField, ["", "3", "0003", "00x", "００３"].map(|g| json!(g)));
        bad(kind, pointer, Reason::InvalidField, [json!(3), json!(100)]);
    }
    good("posting", "/cost_centre", [json!("Familiehuset 4")]);
    bad("posting", "/cost_centre", Reason::InvalidField, [json!(417)]);
}

#[test]
fn integers_have_bounds() {
    for (kind, pointer, low, high) in [
        ("case", "/version", 1, i64::MAX),
        ("solution", "/priority", -1_000_000, 1_000_000),
        ("solution", "/baseline_days", 0, 36_525),
        ("solution", "/aftercare_days", 0, 36_525),
        ("split", "/parts/1/weight", 1, 1_000_000),
        ("target", "/share/1/weight", 1, 1_000_000),
        ("budget", "/year", 0, 9999),
        ("control-total", "/count", 0, i64::MAX),
    ] {
        good(kind, pointer, [json!(low), json!(high)]);
        let beyond = u64::try_from(high).unwrap_or_default() + 1;
        bad(
            kind,
            pointer,
            Reason::InvalidField,
            [json!(low - 1), json!(beyond), json!(1.5), json!("1"), json!(1e30)],
        );
    }
}

#[test]
fn words_are_the_contracts() {
    for (kind, pointer, words) in [
        ("grant", "/rate/per", &["day", "week", "month", "once"][..]),
        ("consent", "/basis", &["consent", "law"]),
        ("solution", "/default_side", &["inside", "outside"]),
        ("solution", "/sides/0/side", &["inside", "outside"]),
        ("estimate", "/per", &["family", "citizen"]),
        ("budget", "/kind", &["service", "transfer"]),
        ("target", "/side", &["inside", "outside"]),
    ] {
        good(kind, pointer, words.iter().map(|word| json!(word)));
        bad(
            kind,
            pointer,
            Reason::InvalidField,
            ["", "Month", "INSIDE", "other", "inside "].map(|word| json!(word)),
        );
    }
    bad("identity", "/kind", Reason::InvalidField, [json!("cpr_change"), json!("Same")]);
}

#[test]
fn references_have_exactly_one_form() {
    let Body::Case(case) = body(&sample("case")) else { panic!("no case") };
    let same = |reference: Value| {
        let Body::Case(case) = body(&with(&sample("case"), "/citizen", reference)) else { panic!("no case") };
        case.citizen
    };
    for cpr in ["6112801234", "611280-1234", "611280 1234"] {
        assert!(same(json!({"cpr": cpr})) == case.citizen, "{cpr}");
        // Null is absent, here as elsewhere.
        assert!(same(json!({"cpr": cpr, "uuid": null, "system": null})) == case.citizen, "{cpr}");
    }
    let uuid = same(json!({"uuid": "0f8fad5b-d9cb-469f-a165-70867728950e"}));
    assert!(same(json!({"uuid": "0F8FAD5BD9CB469FA16570867728950E"})) == uuid);
    for form in ["case", "grant", "id"] {
        let named = same(json!({"system": "opus", form: "17"}));
        assert_eq!(named.form(), form);
        assert!(same(json!({form: "17"})) == named, "the message's source is meant where no system is named");
        assert!(same(json!({"system": "dubu", form: "17"})) != named);
    }
    let malformed = [
        json!({}),
        json!({"system": "opus"}),
        json!({"cpr": CPR, "uuid": "0f8fad5bd9cb469fa16570867728950e"}),
        json!({"cpr": CPR, "system": "opus"}),
        json!({"uuid": "0f8fad5bd9cb469fa16570867728950e", "system": "opus"}),
        json!({"cpr": CPR, "name": "x"}),
        json!({"system": "opus", "case": "1", "grant": "2"}),
        json!({"person": "1"}),
        json!({"id": "1", "colour": 2}),
        json!(CPR),
        json!([{"cpr": CPR}]),
    ];
    bad("case", "/citizen", Reason::InvalidField, malformed.clone());
    bad("posting", "/citizen", Reason::InvalidField, malformed);
    for value in [json!("0f8fad5b-d9cb469fa16570867728950e"), json!(1), json!("")] {
        assert_fault(
            &with(&sample("case"), "/citizen", json!({"uuid": value})),
            Reason::InvalidField,
            "citizen.uuid",
        );
    }
    for form in ["case", "grant", "id"] {
        let path = format!("citizen.{form}");
        assert_fault(&with(&sample("case"), "/citizen", json!({form: ""})), Reason::InvalidField, &path);
        assert_fault(
            &with(&sample("case"), "/citizen", json!({form: "1", "system": 2})),
            Reason::InvalidField,
            "citizen.system",
        );
    }
}

#[test]
fn a_number_that_is_no_cpr_number_is_named_so() {
    for (kind, pointer) in
        [("posting", "/citizen/cpr"), ("consent", "/citizen/cpr"), ("identity", "/refs/0/cpr")]
    {
        let wrong =
            ["", "611280--1234", "61128012345", "611280123", "611280_1234", "6013801234", "2902374000"];
        bad(kind, pointer, Reason::InvalidCpr, wrong.map(|c| json!(c)));
        bad(kind, pointer, Reason::InvalidCpr, [json!(6_112_801_234_i64), json!({})]);
        // Modulus 11 is not required, and a birth may lie in the future.
        good(kind, pointer, ["611280 1235", "0111305432", "3112575000"].map(|c| json!(c)));
    }
}

#[test]
fn a_system_may_be_left_out_only_where_the_message_is_named_in_its_source() {
    for (kind, pointer, in_source) in [
        ("posting", "/citizen", true),
        ("case", "/citizen", true),
        ("grant", "/citizen", true),
        ("progress", "/citizen", true),
        ("consent", "/citizen", false),
        ("enrolment", "/citizen", false),
        ("identity", "/refs/1", false),
    ] {
        for form in ["case", "grant", "id"] {
            let value = with(&sample(kind), pointer, json!({form: "17"}));
            if in_source {
                assert!(decode(&value).content.is_ok(), "{value}");
            } else {
                let path = if kind == "identity" { "refs[1].system" } else { "citizen.system" };
                assert_fault(&value, Reason::MissingField, path);
            }
        }
    }
    for (kind, in_source) in [("posting", true), ("payment", true), ("split", false)] {
        let value = with(&sample(kind), "/grant", json!({"grant": "17"}));
        if in_source {
            assert!(decode(&value).content.is_ok(), "{value}");
        } else {
            assert_fault(&value, Reason::MissingField, "grant.system");
        }
    }
}

#[test]
fn a_field_called_grant_takes_the_grant_form_only() {
    let others = [
        json!({"cpr": CPR}),
        json!({"system": "dubu", "case": "1"}),
        json!({"system": "dubu", "id": "1"}),
        json!({"uuid": "0f8fad5bd9cb469fa16570867728950e"}),
        json!({"cpr": "not one"}),
        json!({}),
        json!({"system": "dubu", "grant": "1", "case": "2"}),
        json!("B-12"),
    ];
    for kind in ["posting", "payment", "split"] {
        bad(kind, "/grant", Reason::InvalidField, others.clone());
    }
    // As a citizen's reference a grant is one form among the others.
    let Body::Case(case) = body(&with(&sample("case"), "/citizen", json!({"grant": "1"}))) else {
        panic!("no case")
    };
    assert!(matches!(case.citizen, CitizenRef::Grant(..)));
}
