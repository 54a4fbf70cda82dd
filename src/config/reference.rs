//! `docs/configuration.md`, made from the types of the file, so that it cannot say anything else than they
//! do.

use std::fmt::Write;
use std::path::Path;

use schemars::JsonSchema;
use serde_json::Value;

use super::{file, tests};

/// Writes the file again instead of holding the types against it.
const UPDATE: &str = "UPDATE_DOCS";

#[test]
#[expect(clippy::disallowed_methods, reason = "the one who runs the test says so by a variable")]
fn the_reference_says_what_the_types_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let reference = reference();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &reference).expect("written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(reference.lines()).position(|(old, new)| old != new);
    assert!(
        written == reference,
        "docs/configuration.md is not what src/config/file.rs says, first at line {}: run \
         `{UPDATE}=1 cargo test -p samspor --bin samspor the_reference_says_what_the_types_say` and commit it",
        differs.map_or(0, |line| line + 1),
    );
}

fn reference() -> String {
    let mut text = String::from("# Configuration\n\n");
    let configuration = Reference::of::<file::File>();
    paragraph(&mut text, &configuration.schema);
    text.push_str(
        "`samspor check --config FILE` says what a file means, or what is wrong with it and where.\n\n",
    );
    let _ = write!(text, "An example with most of it:\n\n```toml\n{}```\n\n", tests::GOOD);
    text.push_str("Keys that are not listed here are refused. A key without a default may be left out.\n\n");
    for (key, schema) in configuration.keys(&configuration.schema) {
        configuration.section(&mut text, 2, key, schema);
    }
    text.push_str("## A chart, `YYYY.toml`\n\n");
    let chart = Reference::of::<file::Chart>();
    for (key, schema) in chart.keys(&chart.schema) {
        chart.section(&mut text, 3, key, schema);
    }
    let _ = writeln!(
        text,
        "<!-- Made from src/config/file.rs by a test; {UPDATE}=1 makes it write this file. -->"
    );
    text
}

/// The schema of one kind of file.
struct Reference {
    schema: Value,
}

impl Reference {
    fn of<T: JsonSchema>() -> Self {
        Self { schema: schemars::schema_for!(T).into() }
    }

    /// The keys of a table in the order in which its type has them; the schema has them by name.
    fn keys<'a>(&self, table: &'a Value) -> Vec<(&'a str, &'a Value)> {
        const TYPES: &str =
            concat!(include_str!("file.rs"), include_str!("g68.rs"), include_str!("vouchers.rs"));
        let documented = |schema: &Value| {
            schema["description"].as_str().and_then(|text| text.lines().next()).map(str::to_owned)
        };
        let of_type = documented(table).and_then(|line| TYPES.split_once(&format!("\n/// {line}\n")));
        let (_, fields) = of_type.expect("every table is a type of file.rs, g68.rs or vouchers.rs");
        let mut keys: Vec<_> = table["properties"].as_object().expect("a table").iter().collect();
        keys.sort_by_key(|(_, schema)| {
            documented(schema).and_then(|line| fields.find(&format!("    /// {line}\n")))
        });
        keys.into_iter().map(|(key, schema)| (key.as_str(), schema)).collect()
    }

    /// What a schema refers to, without the choice of leaving it out.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
            return self.resolved(&self.schema["$defs"][name]);
        }
        schema["anyOf"].get(0).map_or(schema, |first| self.resolved(first))
    }

    /// A table of the file with its keys, then the tables in it.
    fn section(&self, text: &mut String, level: usize, path: &str, schema: &Value) {
        let target = self.resolved(schema);
        let (heading, table) = if let Some(items) = target.get("items") {
            (format!("[[{path}]]"), self.resolved(items))
        } else if let Some(values) = target.get("additionalProperties").filter(|values| values.is_object()) {
            (format!("[{path}.NAME]"), self.resolved(values))
        } else {
            (format!("[{path}]"), target)
        };
        let _ = write!(text, "{} `{heading}`\n\n", "#".repeat(level));
        paragraph(text, table);
        let (tables, keys): (Vec<_>, Vec<_>) =
            self.keys(table).into_iter().partition(|(_, schema)| self.is_section(schema));
        text.push_str("| key | what | default | meaning |\n|---|---|---|---|\n");
        for (key, schema) in keys {
            let required =
                table["required"].as_array().is_some_and(|keys| keys.iter().any(|required| required == key));
            let default = match schema.get("default") {
                Some(default) => format!("`{default}`"),
                None if required => "needed".to_owned(),
                None => String::new(),
            };
            let meaning = schema["description"].as_str().expect("a doc comment").replace('\n', " ");
            let choices: String =
                self.choices(schema).map(|(word, meaning)| format!("<br>`{word}`: {meaning}")).collect();
            let _ = writeln!(text, "| `{key}` | {} | {default} | {meaning}{choices} |", self.what(schema));
        }
        text.push('\n');
        for (key, schema) in tables {
            self.section(text, level + 1, &format!("{path}.{key}"), schema);
        }
    }

    /// Whether it is a table, or a list of tables.
    fn is_section(&self, schema: &Value) -> bool {
        let schema = self.resolved(schema);
        let items = schema.get("items").map_or(schema, |items| self.resolved(items));
        items.get("properties").is_some()
    }

    /// The kind of value.
    fn what(&self, schema: &Value) -> String {
        let schema = self.resolved(schema);
        let is = |name| schema["type"] == name || schema["type"].get(0).is_some_and(|first| first == name);
        if schema.get("oneOf").is_some() {
            "one of the words".to_owned()
        } else if is("integer") {
            format!("{} to {}", schema["minimum"], schema["maximum"])
        } else if is("boolean") {
            "true or false".to_owned()
        } else if is("array") {
            "a list of texts".to_owned()
        } else if is("object") {
            let values = self.resolved(&schema["additionalProperties"]);
            let of = if values.get("oneOf").is_some() { "words" } else { "texts or numbers" };
            format!("a table of {of}")
        } else if schema["format"] == "date" {
            "a date".to_owned()
        } else {
            assert!(is("string"), "the reference has no word for {schema}");
            "text".to_owned()
        }
    }

    /// The words of an enum, with what each means.
    fn choices<'a>(&'a self, schema: &'a Value) -> impl Iterator<Item = (&'a str, &'a str)> {
        let resolved = self.resolved(schema);
        let of = resolved.get("additionalProperties").map_or(resolved, |values| self.resolved(values));
        let words = of["oneOf"].as_array().into_iter().flatten();
        words.filter_map(|word| Some((word["const"].as_str()?, word["description"].as_str()?)))
    }
}

fn paragraph(text: &mut String, schema: &Value) {
    let _ = write!(text, "{}\n\n", schema["description"].as_str().expect("a doc comment"));
}
