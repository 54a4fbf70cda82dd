//! The table of fields in `docs/mappings.md`, made from the schema, so that it cannot say anything else.

use std::fmt::Write;
use std::path::Path;

use crate::mapping::schema::{self, Field, Form};

const BEGIN: &str = "<!-- fields: made from adapters/formats/src/mapping/schema.rs by a test; UPDATE_DOCS=1 makes it write this -->\n";
const END: &str = "<!-- end of fields -->";

#[test]
#[expect(clippy::disallowed_methods, reason = "the one who runs the test says so by a variable")]
fn the_page_has_the_fields_of_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mappings.md");
    let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}"));
    let (before, rest) = page.split_once(BEGIN).unwrap_or_else(|| panic!("the page has no place for fields"));
    let (_, after) = rest.split_once(END).unwrap_or_else(|| panic!("the fields have no end"));
    let made = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap_or_else(|error| panic!("{error}"));
    } else {
        assert!(
            page == made,
            "docs/mappings.md has other fields than the schema: run `UPDATE_DOCS=1 cargo test -p samspor-formats \
             the_page_has_the_fields_of_the_schema` and commit it"
        );
    }
}

fn table() -> String {
    let mut table = String::from("| type | needed | may be there |\n|---|---|---|\n");
    for word in schema::types() {
        let (_, fields) = schema::of(word).unwrap_or_else(|| panic!("{word}"));
        if fields.iter().any(|field| field.required && field.form == Form::Refused) {
            let _ = writeln!(table, "| `{word}` | no mapping can make it | |");
            continue;
        }
        let list = |required| {
            let of = |field: &&&Field| field.required == required && field.form != Form::Refused;
            let shown = |field: &&Field| format!("`{}` ({})", field.name, short(field.form));
            fields.iter().filter(of).map(shown).collect::<Vec<_>>().join(", ")
        };
        let _ = writeln!(table, "| `{word}` | {} | {} |", list(true), list(false));
    }
    table
}

fn short(form: Form) -> String {
    match form {
        Form::Text | Form::Long => "text".into(),
        Form::Word(words) => words.join(", "),
        other => other.name().trim_start_matches("a ").trim_start_matches("an ").to_owned(),
    }
}
