//! Conditions, constants, lists and what is there or not.

use super::{becomes, message};
use crate::mapping::schema;

const LINES: &str = "[reads]\nformat = \"csv\"\nheader = false\n[[message]]\n";

#[test]
fn conditions_say_what_is_true_and_what_is_there() {
    let text = format!(
        "{LINES}type = \"consent\"\nwhen = [{{ path = \"4\", exists = true }}, {{ path = \"4\", is_not = [\"x\", \"y\"] }}]\n\
         [message.fields]\nid = \"1\"\nversion = \"2\"\ncitizen.id = {{ path = \"3\", otherwise = \"nobody\" }}\ncitizen.system = {{ value = \"kss\" }}\n\
         sources = {{ value = [\"opus\", \"dubu\"] }}\ncovers_from = {{ value = \"2026-01-01\" }}\n\
         withdrawn = {{ when = {{ path = \"4\", is = \"T\" }} }}\n"
    );
    becomes(
        &text,
        "a;1;7;J\nb;2;;T\nc;3;;\nd;4;;x\ne;5;;J\nf;0;1;J\ng;z;1;J",
        &[
            r#"{"type":"consent","id":"a","version":1,"citizen":{"system":"kss","id":"7"},"sources":["opus","dubu"],"covers_from":"2026-01-01"}"#,
            r#"{"type":"consent","id":"b","version":2,"withdrawn":true}"#,
            r#"{"type":"consent","id":"e","version":5,"citizen":{"system":"kss","id":"nobody"},"sources":["opus","dubu"],"covers_from":"2026-01-01"}"#,
            "invalid-field at line 6, column 2: must be an integer from 1 to 9223372036854775807 (`version`, mapping line 9)",
            "invalid-field at line 7, column 2: is not a whole number in range (`version`, mapping line 9)",
        ],
    );
}

#[test]
fn what_is_wrong_in_a_fact_that_is_gone_keeps_nothing_in_force() {
    let text = format!(
        "{LINES}type = \"enrolment\"\n[message.fields]\nid = \"1\"\nversion = \"2\"\nsolution = {{ value = \"sb\" }}\n\
         citizen.cpr = \"3\"\nfrom = \"4\"\ndeleted = {{ when = {{ path = \"5\", is = \"slettet\" }} }}\n"
    );
    becomes(
        &text,
        "a;1;0;00-00-0000;slettet\nb;1;6112801234;00-00-0000;",
        &[
            r#"{"type":"enrolment","id":"a","version":1,"deleted":true}"#,
            "…invalid-field at line 2, column 4: is not a date",
        ],
    );
}

#[test]
fn references_are_made_of_what_is_there() {
    let text = format!(
        "{LINES}type = \"identity\"\n[message.fields]\nid = \"1\"\nversion = {{ value = 1 }}\nkind = {{ value = \"same\" }}\n\
         refs = [{{ cpr = \"2\" }}, {{ uuid = \"3\" }}, {{ id = \"4\", system = {{ value = \"kss\" }} }}]\n"
    );
    becomes(
        &text,
        "a;6112801234;0f8fad5b-d9cb-469f-a165-70867728950e;7\nb;6112801234;;7\nc;;;7\nd;6112801234;x;7\n6112801234;6112801234;;7",
        &[
            r#"{"type":"identity","id":"a","version":1,"kind":"same","refs":[{"cpr":"6112801234"},{"uuid":"0f8fad5b-d9cb-469f-a165-70867728950e"},{"system":"kss","id":"7"}]}"#,
            r#"{"type":"identity","id":"b","version":1,"kind":"same","refs":[{"cpr":"6112801234"},{"system":"kss","id":"7"}]}"#,
            "invalid-field at line 3, column 2: must hold two references or more (`refs`, mapping line 10)",
            "…invalid-field at line 4, column 3: is not a UUID",
            "personal-data-in-id at line 5, column 1: holds the CPR number of the message's citizen; names must not (`id`, mapping line 7)",
        ],
    );
}

/// A value that fits a form.
fn sample(form: schema::Form) -> String {
    use schema::Form;
    match form {
        Form::Text | Form::Long => "\"x\"".into(),
        Form::Date => "\"2026-03-14\"".into(),
        Form::Instant => "\"2026-03-14T12:00:00Z\"".into(),
        Form::Version | Form::Integer => "7".into(),
        Form::Amount => "\"12.50\"".into(),
        Form::Account => "\"5.28.21\"".into(),
        Form::Grouping => "\"003\"".into(),
        Form::Flag => "false".into(),
        Form::Word(words) => format!("\"{}\"", words[0]),
        Form::Cpr => "\"6112801234\"".into(),
        Form::Uuid => "\"0f8fad5b-d9cb-469f-a165-70867728950e\"".into(),
        Form::Names => "[\"x\"]".into(),
        Form::Reference => "{\"cpr\":\"6112801234\"}".into(),
        Form::Grant => "{\"system\":\"s\",\"grant\":\"x\"}".into(),
        Form::Rate => "{\"amount\":\"12.50\",\"per\":\"day\"}".into(),
        Form::References => "[{\"cpr\":\"6112801234\"},{\"system\":\"s\",\"id\":\"x\"}]".into(),
        Form::Refused => "[]".into(),
    }
}

/// The schema says what the reader of the canonical JSON does: which fields there are, which are needed, and their forms.
#[test]
fn the_schema_is_the_readers() {
    for word in schema::types() {
        let (_, fields) = schema::of(word).unwrap_or_else(|| panic!("{word}"));
        let is_makeable = !fields.iter().any(|field| field.required && field.form == schema::Form::Refused);
        let whole = |left_out: &str| {
            let fields =
                fields.iter().filter(|field| field.name != left_out && field.form != schema::Form::Refused);
            let fields: Vec<_> =
                fields.map(|field| format!("\"{}\":{}", field.name, sample(field.form))).collect();
            format!("{{\"type\":\"{word}\",{}}}", fields.join(","))
        };
        if !is_makeable {
            continue;
        }
        let items = super::canonical::Decoder;
        use samspor_domain::Decode as _;
        let read = |json: &str| items.decode(&super::source(), &super::delivery(json.as_bytes())).remove(0);
        let all = read(&whole(""));
        assert_eq!(all.ignored_fields, 0, "{word} has a field that the reader does not know");
        message(&whole(""));
        for field in &fields {
            let without = read(&whole(field.name));
            assert_eq!(without.content.is_err(), field.required, "{word} without {}", field.name);
        }
    }
}
