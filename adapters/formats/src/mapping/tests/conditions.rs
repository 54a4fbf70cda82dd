//! Conditions, constants, lists and what is there or not.

use super::{becomes, message};
use crate::mapping::schema;

const LINES: &str = "[reads]\nformat = \"csv\"\nheader = false\ncolumns = 4\n[[message]]\n";

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
            "…unknown-type at line 3: is what no [[message]] takes",
            "…unknown-type at line 4",
            r#"{"type":"consent","id":"e","version":5,"citizen":{"system":"kss","id":"nobody"},"sources":["opus","dubu"],"covers_from":"2026-01-01"}"#,
            "invalid-field at line 6, column 2: must be an integer from 1 to 9223372036854775807 (`version`, mapping line 10)",
            "invalid-field at line 7, column 2: is not a whole number in range (`version`, mapping line 10)",
        ],
    );
}

#[test]
fn what_is_wrong_in_a_fact_that_is_gone_keeps_nothing_in_force() {
    let lines = LINES.replace('4', "5");
    let text = format!(
        "{lines}type = \"enrolment\"\n[message.fields]\nid = \"1\"\nversion = \"2\"\nsolution = {{ value = \"sb\" }}\n\
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
            "invalid-field at line 3, column 2: must hold two references or more (`refs`, mapping line 11)",
            "…invalid-field at line 4, column 3: is not a UUID",
            "personal-data-in-id at line 5, column 1: holds the CPR number of the message's citizen; names must not (`id`, mapping line 8)",
        ],
    );
}

#[test]
fn of_several_conditions_one_may_be_enough() {
    let text = "[reads]\nformat = \"json\"\n[[message]]\ntype = \"case\"\n\
                when = { any = [{ path = \"a\", is = \"1\" }, [{ path = \"b\", exists = true }, { path = \"c\", is_not = \"x\" }]] }\n\
                [message.fields]\nid = \"id\"\nversion = { value = 1 }\ncitizen.id = { value = \"7\" }\n";
    for (body, is_taken) in [
        (r#"{"id":"k","a":1}"#, true),
        (r#"{"id":"k","a":"2","b":"y"}"#, true),
        (r#"{"id":"k","b":{}}"#, true),
        (r#"{"id":"k","b":"y","c":"x"}"#, false),
        (r#"{"id":"k","b":"","a":2}"#, false),
        (r#"{"id":"k","b":null}"#, false),
        (r#"{"id":"k"}"#, false),
    ] {
        let taken = r#"{"type":"case","id":"k","version":1,"citizen":{"id":"7"}}"#;
        becomes(text, body, &[if is_taken { taken } else { "…unknown-type" }]);
    }
    let none = text.replace("{ any = [", "{ any = [], path = \"a\", is = [");
    assert!(
        super::flaws(&none)[0].starts_with("5:16: this is a list: expected a list of conditions"),
        "{:?}",
        super::flaws(&none)
    );
}

/// There is a value or there is none, in the same way whatever the message is written in.
#[test]
fn an_empty_value_is_none_and_one_that_was_cut_off_is_a_fault() {
    let of = |reads: &str| {
        format!(
            "[reads]\n{reads}\n[[message]]\ntype = \"case\"\n{}[message.fields]\nid = \"id\"\nversion = {{ value = 1 }}\n\
             citizen.cpr = {{ path = \"cpr\", when = {{ path = \"cpr\", exists = true }} }}\n\
             citizen.id = {{ path = \"nr\", when = {{ path = \"cpr\", exists = false }} }}\n",
            if reads.contains("xml") { "each = \"c\"\n" } else { "" }
        )
    };
    let by_id = r#"{"type":"case","id":"k","version":1,"citizen":{"id":"7"}}"#;
    let xml = of("format = \"xml\"");
    for cpr in ["", "<cpr/>", "<cpr> </cpr>", "<cpr nil=\"true\"></cpr>"] {
        becomes(&xml, format!("<c><id>k</id>{cpr}<nr>7</nr></c>"), &[by_id]);
    }
    becomes(&of("format = \"json\""), r#"{"id":"k","cpr":"","nr":7}"#, &[by_id]);
    becomes(&of("format = \"csv\""), "id;cpr;nr\nk;;7\n", &[by_id]);
    let columns = "format = \"fixed\"\ncolumns = [{name=\"id\",at=1,width=1},{name=\"nr\",at=2,width=1},{name=\"cpr\",at=3,width=10}]";
    becomes(
        &of(columns),
        "k7          \nk7",
        &[by_id, "…invalid-field at line 2, column \"cpr\": is cut off"],
    );
    // What holds elements is there.
    let holds = xml
        .replace("path = \"cpr\", exists", "path = \"nr\", exists")
        .replace("exists = true", "exists = false");
    let holds = holds.replacen("each = \"c\"\n", "each = \"c\"\nwhen = { path = \"x\", exists = true }\n", 1);
    for (x, is_there) in
        [("<x><y/></x>", true), ("<x>1</x>", true), ("<x/>", false), ("<x y=\"1\"/>", false), ("", false)]
    {
        let items = super::items(&holds, format!("<c>{x}<id>k</id></c>"));
        let reason = items[0].content.as_ref().expect_err("no citizen").reason.word();
        assert_eq!(reason, if is_there { "missing-field" } else { "unknown-type" }, "{x}");
    }
}

#[test]
fn what_stands_before_a_value_is_taken_away_and_must_be_there() {
    let text = format!(
        "{LINES}type = \"case\"\n[message.fields]\nid = {{ path = \"1\", strip = \"Sag\" }}\nversion = {{ path = \"2\", strip = \"v\" }}\n\
         citizen.cpr = {{ path = \"3\", strip = \"urn:oio:cpr-nr:\", pad = 10 }}\n"
    );
    becomes(
        &text,
        "Sag 7;v3;urn:oio:cpr-nr:6112801234;\nSag 8;v3;6112801234;\nSag;v3;urn:oio:cpr-nr:6112801234;\nsag 9;v3;;\nSag 10;v3;urn:oio:cpr-nr:611405123;",
        &[
            r#"{"type":"case","id":"7","version":3,"citizen":{"cpr":"6112801234"}}"#,
            "invalid-cpr at line 2, column 3: does not begin with what `strip` takes away (`citizen.cpr`, mapping line 10)",
            "…invalid-field at line 3, column 1",
            "…invalid-field at line 4, column 1: does not begin with",
            r#"{"type":"case","id":"10","version":3,"citizen":{"cpr":"0611405123"}}"#,
        ],
    );
}

#[test]
fn a_version_must_be_able_to_order() {
    let of = |rule: &str| {
        format!(
            "{LINES}type = \"case\"\n[message.fields]\nid = \"1\"\nversion = {{ path = \"2\", {rule} }}\ncitizen.id = \"3\"\n"
        )
    };
    for rule in ["format = \"%d-%m-%Y\"", "format = \"%Y%m%d %I:%M\"", "format = [\"iso\", \"%d-%m-%Y %H\"]"]
    {
        let flaws = super::flaws(&of(rule));
        assert!(
            flaws.len() == 1 && flaws[0].contains("does not tell two times of one day apart; of two changes"),
            "{flaws:?}"
        );
    }
    for rule in [
        "format = \"%Y%m%d %I:%M %p\"",
        "format = \"%d-%m-%Y %H:%M\"",
        "format = \"%s\"",
        "format = \"%d-%m-%Y\", resolution = \"day\"",
    ] {
        super::mapping(&of(rule));
    }
    for (rule, place) in [
        ("resolution = \"day\"", "9:11: `resolution` says"),
        ("format = \"iso\", resolution = \"week\"", "9:54: this is not `day`"),
    ] {
        let flaws = super::flaws(&of(rule));
        assert!(flaws[0].starts_with(place), "{flaws:?}");
    }
    let case =
        |version: &str| format!(r#"{{"type":"case","id":"k","version":{version},"citizen":{{"id":"7"}}}}"#);
    becomes(
        &of("format = \"iso\""),
        "k;2026-03-14T12:00:00Z;7;\nk;2026-03-14;7;",
        &[&case("1773489600000000"), "…invalid-field at line 2, column 2: is a day without a time"],
    );
    becomes(&of("format = \"iso\", resolution = \"day\""), "k;2026-03-14;7;", &[&case("1773442800000000")]);
}

/// A value must be written as its format writes it, but for decimals of a second.
#[test]
fn only_decimals_of_a_second_may_be_written_in_other_ways() {
    let of = |format: &str| {
        format!(
            "{LINES}type = \"case\"\n[message.fields]\nid = \"1\"\nversion = {{ value = 1 }}\ncitizen.id = \"2\"\nfrom = {{ path = \"3\", format = \"{format}\" }}\n"
        )
    };
    let day = |items: &[samspor_domain::Item]| items[0].content.is_ok();
    assert!(day(&super::items(&of("fra %d-%m-%Y"), "k;7;fra 05-01-2026;")));
    assert!(
        !day(&super::items(&of("fra %d-%m-%Y"), "k;7;fra 5-1-2026;")),
        "a letter of the text is no directive"
    );
    assert!(!day(&super::items(&of("%%f%d-%m-%Y"), "k;7;%f5-1-2026;")));
    for written in ["05-01-2026 10:00:00.5", "05-01-2026 10:00:00.500"] {
        assert!(day(&super::items(&of("%d-%m-%Y %H:%M:%S%.f"), format!("k;7;{written};"))), "{written}");
    }
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
