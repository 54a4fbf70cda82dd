//! JSON.

use super::{becomes, items};

const JSON: &str = r#"
[reads]
format = "json"

[[message]]
type = "case"
each = "sager"
  [message.fields]
  id = "sagsnr"
  version = { path = "rettet", format = "%Y-%m-%d %H:%M:%S" }
  citizen.cpr = "borger/cpr"
  from = { path = "startDato", format = ["%d-%m-%Y", "%-d/%-m %Y"] }
  deleted = "slettet"

[[message]]
type = "grant"
each = "sager/bevillinger"
when = { path = "pris", exists = true }
  [message.fields]
  id = "id"
  version = { path = "../rettet", format = "%Y-%m-%d %H:%M:%S" }
  case = "../sagsnr"
  rate.amount = { path = "pris", number = true }
  rate.per = { path = "periode", table = "periode" }
  total = { path = "ialt" }

[[pass]]
each = "sager/bevillinger"
when = { path = "pris", exists = false }

[tables.periode]
uge = "week"
"md." = "month"
"#;

#[test]
fn arrays_are_repeated_elements_and_numbers_are_taken_by_their_characters() {
    let body = r#"{"afsender":{"navn":"x"},"sager":[
        {"sagsnr":17,"rettet":"2026-03-14 12:00:00","borger":{"cpr":"6112801234"},"startDato":"05-01-2026","bevillinger":[
            {"id":"B-1","pris":12450.10,"periode":"uge"},
            {"id":"B-2","pris":1e3,"periode":"uge"},
            {"id":"B-3","pris":"12","periode":"uge"},
            {"id":"B-4"},
            {"id":"B-5","pris":null},
            {"id":"B-6","pris":0.125,"periode":"uge"},
            {"id":"B-7","pris":7,"periode":"døgn"},
            {"id":"B-8","pris":7,"periode":"md.","ialt":5}]},
        {"sagsnr":"18","rettet":"2026-03-14 12:00:00","borger":{"cpr":{"x":1}},"startDato":"5/1 2026"},
        {"sagsnr":"19","rettet":"2026-03-14 12:00:00","slettet":true},
        {"sagsnr":1.5,"rettet":"2026-03-14 12:00:00","slettet":false},
        {"sagsnr":"20","rettet":"2026-03-14 12:00:00","borger":{"cpr":"6112801234"},"startDato":"5-1-2026"}]}"#;
    becomes(
        JSON,
        body,
        &[
            r#"{"type":"case","id":"17","version":1773486000000000,"citizen":{"cpr":"6112801234"},"from":"2026-01-05"}"#,
            r#"{"type":"grant","id":"B-1","version":1773486000000000,"case":"17","rate":{"amount":"12450.10","per":"week"}}"#,
            "invalid-amount at sager[1]/bevillinger[2]/pris: is not an amount: expected a JSON number with two decimals at most and no exponent (`rate.amount`, mapping line 23)",
            "invalid-amount at sager[1]/bevillinger[3]/pris: is not an amount: expected a JSON number (`rate.amount`, mapping line 23)",
            "…invalid-amount at sager[1]/bevillinger[6]/pris",
            "invalid-field at sager[1]/bevillinger[7]/periode: is not in the table `periode`, which has no `otherwise` (`rate.per`, mapping line 24)",
            "invalid-amount at sager[1]/bevillinger[8]/ialt: is a JSON number; say `number = true` if the sender writes amounts so (`total`, mapping line 25)",
            "…invalid-cpr at sager[2]/borger/cpr: is an object",
            r#"{"type":"case","id":"19","version":1773486000000000,"deleted":true}"#,
            "…invalid-field at sager[4]/sagsnr: is a JSON number that is not whole",
            "…invalid-field at sager[5]/startDato: is not as declared: expected `%d-%m-%Y` or `%-d/%-m %Y` (`from`, mapping line 12)",
        ],
    );
    let items = items(JSON, body);
    let excerpt =
        items[5].excerpt.as_ref().map(|excerpt| String::from_utf8_lossy(&excerpt.bytes).into_owned());
    let excerpt = excerpt.unwrap_or_default();
    assert_eq!(
        excerpt,
        "\u{feff}{\"afsender\":{\"navn\":\"x\"},\"sager\":[{\"sagsnr\":17,\"rettet\":\"2026-03-14 12:00:00\",\
         \"borger\":{\"cpr\":\"6112801234\"},\"startDato\":\"05-01-2026\",\"bevillinger\":[{\"id\":\"B-7\",\"pris\":7,\"periode\":\"døgn\"}]}]}"
    );
}

#[test]
fn an_array_at_the_top_is_as_many_documents() {
    let text = JSON.replace("each = \"sager\"\n", "").replace("sager/bevillinger", "/bevillinger");
    let one = |nr: usize| {
        format!(r#"{{"sagsnr":"{nr}","rettet":"2026-03-14 12:00:00","borger":{{"cpr":"6112801234"}}}}"#)
    };
    let case = |nr: usize| {
        format!(
            r#"{{"type":"case","id":"{nr}","version":1773486000000000,"citizen":{{"cpr":"6112801234"}}}}"#
        )
    };
    becomes(&text, one(1), &[&case(1)]);
    becomes(
        &text,
        format!("[{},[{}],null,{{}}]", one(1), one(2)),
        &[&case(1), &case(2), "…missing-field at [3]/sagsnr", "…missing-field at [4]/"],
    );
    becomes(&text, "[]", &["…unknown-type"]);
    becomes(&text, "null", &["…missing-field at sagsnr"]);
    becomes(&text, "7", &["…missing-field at sagsnr"]);
    becomes(&text, "{\"a\":1,\"a\":2}", &["undecodable: a key is repeated in one object"]);
    becomes(&text, "{", &["…undecodable: the body is not the JSON it should be: EOF"]);
    becomes(
        &text,
        "{\"sagsnr\":\"\\ud800\"}",
        &["…undecodable: the body is not the JSON it should be at byte 10"],
    );
}

#[test]
fn a_null_among_messages_is_one_of_which_nothing_can_be_made() {
    let case = r#"{"sagsnr":"1","rettet":"2026-03-14 12:00:00","slettet":true}"#;
    becomes(
        JSON,
        format!("{{\"sager\":[null,{case},{{\"sagsnr\":null,\"bevillinger\":null}}]}}"),
        &[
            "…missing-field at sager[1]/sagsnr",
            r#"{"type":"case","id":"1","version":1773486000000000,"deleted":true}"#,
            "…missing-field at sager[3]/sagsnr",
        ],
    );
    becomes(JSON, "{\"sager\":null}", &["…unknown-type"]);
}

/// What would take a hundred times its bytes is one fault before it does; what messages can be made of is read.
#[test]
fn a_body_of_the_shortest_nodes_is_one_fault() {
    for item in ["0,", "{},", "[{}],", "null,"] {
        let body = format!("{{\"sager\":[{}0]}}", item.repeat(200_000));
        becomes(
            JSON,
            body,
            &["…undecodable: the body has more elements than messages can stand in its bytes"],
        );
        let body = format!("{{\"sager\":[{{\"bevillinger\":[{}0]}}]}}", item.repeat(200_000));
        becomes(JSON, body, &["…undecodable: the body has more elements"]);
    }
    let body =
        format!("{{\"sager\":[{{\"borger\":[{}0]}}]}}", "{\"cpr\":[0,0,0,0,0,0,0,0,0,0]},".repeat(20_000));
    becomes(JSON, body, &["…undecodable: the body has more elements"]);
    let case = r#"{"sagsnr":"1","rettet":"2026-03-14 12:00:00","borger":{"cpr":"6112801234"}},"#;
    let body = format!("{{\"sager\":[{}]}}", case.repeat(20_000).trim_end_matches(','));
    assert_eq!(items(JSON, body).len(), 20_000);
}
