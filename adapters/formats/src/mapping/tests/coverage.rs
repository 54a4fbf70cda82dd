//! What of a mapping no message used is told, and so is what nothing reads.

use super::super::Coverage;
use super::{becomes, delivery, flaws, mapping, source};

/// What is told of a mapping after some messages: its rules by line, and the names that nothing reads.
fn told(text: &str, bodies: &[&str]) -> (Vec<String>, Vec<String>) {
    let mut coverage = Coverage::new(&mapping(text));
    for body in bodies {
        coverage.read(&source(), &delivery(body.as_bytes()));
    }
    let rules =
        coverage.unfilled().into_iter().map(|unfilled| format!("{}: {}", unfilled.line, unfilled.what));
    (rules.collect(), coverage.unread().map(str::to_owned).collect())
}

const GRANT: &str = "[reads]\nformat = \"json\"\n\n[[message]]\ntype = \"grant\"\neach = \"b\"\n  [message.fields]\n  id = \"nr\"\n  \
    version = { first = [\"v\", \"../v\"] }\n  citizen.cpr = \"cpr\"\n  to = \"slutdato\"\n  \
    deleted = { when = { path = \"slettet\", is = \"J\" } }\n";

#[test]
fn a_path_that_is_typed_wrong_is_named_and_so_is_what_it_should_have_read() {
    let whole = r#"{"v":2,"b":[{"nr":"1","cpr":"611280-1234","slutDato":"2026-03-14","navn":{"fornavn":"x"}},
                    {"nr":"2","v":3,"cpr":"611280-1234","slutDato":"2026-03-14","slettet":"J"}]}"#;
    let (rules, names) = told(GRANT, &[whole]);
    assert_eq!(rules, ["11: `to`: no value is found"]);
    assert_eq!(names, ["b/navn", "b/slutDato"]);
    // What one message does not show, another does.
    let (first, second) = (
        r#"{"b":{"nr":"1","v":1,"slutdato":"2026-03-14"}}"#,
        r#"{"v":1,"b":{"nr":"1","cpr":"1","slettet":"N"}}"#,
    );
    assert_eq!(
        told(GRANT, &[first]).0,
        [
            "9: `version`: no value is found at \"../v\", one of several",
            "10: `citizen.cpr`: no value is found",
            "12: `deleted`: no value is found",
            "12: `deleted`: nothing stands at \"slettet\", which a condition asks for",
        ]
    );
    assert_eq!(told(GRANT, &[first, second]).0, ["12: `deleted`: no value is found"]);
    let unseen = GRANT.replace("is = \"J\" } }", "is = \"J\" }, unseen = true }");
    assert_eq!(told(&unseen, &[first, second]), (Vec::new(), Vec::new()));
}

#[test]
fn a_value_that_the_mapping_says_itself_is_not_found() {
    let text = GRANT.replace("\"slutdato\"", "{ path = \"slutdato\", otherwise = \"2099-12-31\" }");
    let whole = r#"{"v":2,"b":[{"nr":"1","cpr":"611280-1234","slutDato":"2026-03-14","v":1,"slettet":"J"}]}"#;
    assert_eq!(told(&text, &[whole]).0, ["11: `to`: no value is found"]);
}

#[test]
fn a_message_that_is_never_made_is_told_once_and_a_condition_by_its_path() {
    let text = "[reads]\nformat = \"xml\"\nnamespaces = { default = \"urn:a\", o = \"urn:b\" }\n[[pass]]\neach = \"/S/L\"\n\
        when = { path = \"Parkeret\", exists = true }\n[[message]]\ntype = \"case\"\neach = \"/S/L\"\nwhen = { path = \"Slettes\", is_not = \"J\" }\n\
        [message.fields]\nid = \"@nr\"\nversion = { value = 1 }\ncitizen.id = \"o:Borger\"\n\
        [[message]]\ntype = \"progress\"\neach = \"/S/L\"\nwhen = { path = \"o:Borger\", is = \"9\" }\n\
        [message.fields]\nid = \"@nr\"\nversion = { value = 1 }\ncitizen.id = \"x\"\nscale = \"y\"\nvalue = \"z\"\non = \"w\"\n";
    let body = "<p:S xmlns:p=\"urn:a\" xmlns:q=\"urn:b\" xmlns:z=\"urn:z\"><p:L nr=\"1\" art=\"2\" q:b=\"1\"><q:Borger xmlns=\"urn:q\">7</q:Borger><Slettes>J</Slettes>\
        <z:Parkeret xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" i:nil=\"true\"/><p:Slet i:nil=\"1\" xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"/></p:L></p:S>";
    let (rules, names) = told(text, &[body]);
    assert_eq!(
        rules,
        [
            "6: nothing stands at \"Parkeret\", which a condition asks for",
            "10: nothing stands at \"Slettes\", which a condition asks for",
            "15: no progress is made by this [[message]]",
        ]
    );
    assert_eq!(
        names,
        ["S/L/@art", "S/L/@o:b", "S/L/Slet", "S/L/{urn:z}Parkeret", "S/L/{}Slettes"],
        "as a path of this mapping would be written"
    );
    let unseen = text.replace("type = \"progress\"", "type = \"progress\"\nunseen = true");
    assert_eq!(told(&unseen, &[body]).0.len(), 2);
}

#[test]
fn columns_that_nothing_reads_are_named() {
    let text = "[reads]\nformat = \"csv\"\n[[message]]\ntype = \"case\"\n[message.fields]\nid = \"Nr\"\nversion = { value = 1 }\n\
        citizen.cpr = \"Cpr\"\nto = \"Slut\"\n";
    let (rules, names) = told(text, &["Nr;Cpr;Slut;Navn;Note\n1;611280-1234;;x;y\n"]);
    assert_eq!(
        (rules, names),
        (vec!["9: `to`: no value is found".into()], vec!["Navn".into(), "Note".into()])
    );
}

#[test]
fn what_is_needed_is_a_fault_where_nothing_is_found() {
    let text = GRANT
        .replace("\"cpr\"\n", "{ path = \"cpr\", needed = true, when = { path = \"art\", is = \"02\" } }\n")
        .replace("\"slutdato\"", "{ first = [\"slut\", \"til\"], needed = true }\n  case = \"sag\"");
    let grant = |rest: &str| format!(r#"{{"type":"grant","id":"1","version":1{rest}}}"#);
    for (body, expected) in [
        (
            r#"{"b":{"nr":"1","v":1,"art":"02","til":"2026-03-14"}}"#,
            "missing-field at b/cpr: is needed, and nothing is found here (`citizen.cpr`, mapping line 10)"
                .to_owned(),
        ),
        (
            r#"{"b":{"nr":"1","v":1,"art":"02","cpr":"611280-1234","til":""}}"#,
            "missing-field at b/slut: is needed, and nothing is found here (`to`, mapping line 11)"
                .to_owned(),
        ),
        (
            r#"{"b":{"nr":"1","v":1,"art":"02","cpr":"611280-1234","til":"2026-03-14"}}"#,
            grant(r#","citizen":{"cpr":"6112801234"},"to":"2026-03-14""#),
        ),
        // Where its conditions do not hold, it is not wanted; nor is anything of what is deleted.
        (
            r#"{"b":{"nr":"1","v":1,"art":"03","sag":"S","til":"2026-03-14"}}"#,
            grant(r#","case":"S","to":"2026-03-14""#),
        ),
        (r#"{"b":{"nr":"1","v":1,"art":"02","slettet":"J"}}"#, grant(r#","deleted":true"#)),
    ] {
        becomes(&text, body, &[&expected]);
    }
    let both = GRANT.replace("\"slutdato\"", "{ path = \"s\", otherwise = \"2026-03-14\", needed = true }");
    assert_eq!(
        flaws(&both),
        [
            "11:48: `needed` and `otherwise` exclude each other: where nothing is found, it is a fault or a value"
        ]
    );
}
