//! From a TOML file to a mapping in which everything is typed: each path, field, format and table held against what there is.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::flaws::{Flaw, Flaws, Keys, Value, shown};
use super::path::{DOCUMENT, Path, Slots};
use super::reads::{Format, Reads};
use super::rule::{By, Condition, Made, Making, Pass, Table, Test};
use super::schema::{self, Field, Form};

/// The messages that a mapping may make of one element.
const MAX_MAKINGS: usize = 64;

/// What a mapping file says.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) reads: Reads,
    pub(super) slots: Slots,
    /// The columns that rules use, by name or number.
    pub(super) columns: Vec<String>,
    /// Of each, the line that uses it first.
    pub(super) column_lines: Vec<usize>,
    pub(super) makings: Vec<Making>,
    /// What is passed over.
    pub(super) passes: Vec<Pass>,
}

impl Loaded {
    /// Whether a whole line is passed over, whatever its columns are.
    pub(super) fn passes_line(&self, line: &str) -> bool {
        let mut starts = self.passes.iter().flat_map(|pass| &pass.starts);
        starts.any(|start| line.starts_with(start.as_str()))
    }
}

/// Reads a mapping. All flaws are told, in the order of the file.
pub(super) fn load(text: &str) -> Result<Loaded, Vec<Flaw>> {
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().unwrap_or(text.len()..text.len());
        vec![Flaw { at, message: error.message().to_owned(), help: None }]
    })?;
    let mut flaws = Flaws::default();
    let mut keys = Keys::new(document.get_ref(), text.len()..text.len(), "a mapping");
    let reads = keys.need("reads", &mut flaws).and_then(|value| {
        let mut keys = flaws.keys(value, "[reads]")?;
        let reads = Reads::load(&mut keys, &mut flaws);
        if reads.is_some() {
            keys.end(&mut flaws);
        }
        reads
    });
    let tables = keys.take("tables").map(|value| tables(value, &mut flaws)).unwrap_or_default();
    let messages = keys.need("message", &mut flaws);
    let passes = keys.take("pass");
    keys.end(&mut flaws);
    let loaded = match (reads, messages) {
        (Some(reads), Some(messages)) => {
            let mut loader = Loader {
                text,
                flaws,
                reads,
                tables,
                slots: Slots::new(),
                columns: Vec::new(),
                column_lines: Vec::new(),
            };
            let makings = loader.messages(messages);
            let passes = passes.map(|passes| loader.passes(passes, &makings)).unwrap_or_default();
            flaws = loader.flaws;
            Some(Loaded {
                reads: loader.reads,
                slots: loader.slots,
                columns: loader.columns,
                column_lines: loader.column_lines,
                makings,
                passes,
            })
        }
        _ => None,
    };
    flaws.0.sort_by_key(|flaw| flaw.at.start);
    match loaded {
        Some(loaded) if flaws.0.is_empty() => Ok(loaded),
        _ => Err(flaws.0),
    }
}

fn tables(value: &Value<'_>, flaws: &mut Flaws) -> BTreeMap<String, Arc<Table>> {
    let mut tables = BTreeMap::new();
    let Some(mut keys) = flaws.keys(value, "[tables]") else { return tables };
    for (name, _, value) in keys.rest() {
        let Some(mut keys) = flaws.keys(value, "a table") else { continue };
        let mut table = Table { name: name.to_owned(), entries: BTreeMap::new(), otherwise: None };
        for (from, at, value) in keys.rest() {
            let Some(to) = flaws.text(value) else { continue };
            match from {
                "otherwise" => table.otherwise = Some(to),
                _ if from.trim() != from || from.is_empty() => {
                    flaws.add(
                        at,
                        "this can never be found: values are taken without the white space around them",
                    );
                }
                _ => drop(table.entries.insert(from.to_owned(), to)),
            }
        }
        tables.insert(name.to_owned(), Arc::new(table));
    }
    tables
}

/// What is known while messages are read.
pub(super) struct Loader<'t> {
    text: &'t str,
    pub(super) flaws: Flaws,
    pub(super) reads: Reads,
    pub(super) tables: BTreeMap<String, Arc<Table>>,
    slots: Slots,
    columns: Vec<String>,
    column_lines: Vec<usize>,
}

impl Loader<'_> {
    /// The line of a place, from 1.
    pub(super) fn line(&self, at: &Range<usize>) -> usize {
        self.text.get(..at.start).unwrap_or(self.text).matches('\n').count() + 1
    }

    fn messages(&mut self, value: &Value<'_>) -> Vec<Making> {
        let mut makings = Vec::new();
        let DeValue::Array(items) = value.get_ref() else {
            self.flaws.add(value.span(), "messages are a list: write [[message]] with two brackets");
            return makings;
        };
        // Where the elements are must be known before any path is read that leads to them.
        let mut read = Vec::new();
        for item in items.iter() {
            let Some(mut keys) = self.flaws.keys(item, "[[message]]") else { continue };
            let word = keys.need("type", &mut self.flaws).and_then(|value| self.word(value));
            let each = keys.take_at("each").map(|(at, value)| self.each(&at, value));
            if each.is_none() {
                self.slots.0[usize::from(DOCUMENT)].is_each = true;
            }
            read.push((keys, word, each.unwrap_or(Some(DOCUMENT))));
        }
        if items.is_empty() || items.len() > MAX_MAKINGS {
            let why = format!("there are {} messages: expected 1 to {MAX_MAKINGS}", items.len());
            self.flaws.add(value.span(), why);
            return makings;
        }
        for (mut keys, word, each) in read {
            let each = each.unwrap_or(DOCUMENT);
            let when = keys.take("when").map(|value| self.conditions(value, each)).unwrap_or_default();
            let fields = keys.need("fields", &mut self.flaws);
            let is_unseen = keys.take("unseen").and_then(|value| self.flaws.boolean(value)).unwrap_or(false);
            let at = keys.at.clone();
            let line = self.line(&at);
            keys.end(&mut self.flaws);
            let (Some((word, known)), Some(fields)) = (word, fields) else { continue };
            let fields = self.fields(&at, word, &known, fields, each);
            makings.push(Making { word, each, when, fields, line, is_unseen });
        }
        makings
    }

    fn passes(&mut self, value: &Value<'_>, makings: &[Making]) -> Vec<Pass> {
        let mut passes = Vec::new();
        let DeValue::Array(items) = value.get_ref() else {
            self.flaws.add(value.span(), "what is passed over is a list: write [[pass]] with two brackets");
            return passes;
        };
        if items.len() > MAX_MAKINGS {
            self.flaws.add(value.span(), format!("there are more than {MAX_MAKINGS} [[pass]]"));
            return passes;
        }
        for item in items.iter() {
            let Some(mut keys) = self.flaws.keys(item, "[[pass]]") else { continue };
            let each = keys.take_at("each").map(|(at, value)| (at.clone(), self.each(&at, value)));
            let (at, each) = each.unwrap_or((keys.at.clone(), Some(DOCUMENT)));
            let from = each.unwrap_or(DOCUMENT);
            let starts = keys.take_at("starts").map(|(at, value)| self.starts(&at, value));
            let when = match &starts {
                Some(_) => Some(Vec::new()),
                None => keys.need("when", &mut self.flaws).map(|value| self.conditions(value, from)),
            };
            keys.end(&mut self.flaws);
            if each.is_some_and(|each| !makings.iter().any(|making| making.each == each)) {
                self.flaws.add(at, "no [[message]] has this `each`, so there is nothing to pass over").help =
                    Some("elements that the mapping does not name are passed over anyway".into());
            }
            let starts = starts.unwrap_or_default();
            passes.extend(when.map(|when| Pass { each: from, when, starts }));
        }
        passes
    }

    /// What whole lines begin with.
    fn starts(&mut self, at: &Range<usize>, value: &Value<'_>) -> Vec<String> {
        if !self.reads.format.is_lines() {
            self.flaws.add(at.clone(), "`starts` is for csv and fixed: say `when` instead");
        }
        let starts = self.flaws.texts(value).unwrap_or_default();
        if starts.iter().any(|start| start.trim().is_empty()) {
            self.flaws.add(value.span(), "lines begin with nothing: say a text that only these begin with");
        }
        starts
    }

    fn word(&mut self, value: &Value<'_>) -> Option<(&'static str, Vec<&'static Field>)> {
        let word = self.flaws.text(value)?;
        let known = schema::of(&word);
        if known.is_none() {
            let help = format!("there are {}", schema::types().collect::<Vec<_>>().join(", "));
            self.flaws.add(value.span(), format!("there is no message type `{}`", shown(&word))).help =
                Some(help);
        }
        known
    }

    fn each(&mut self, at: &Range<usize>, value: &Value<'_>) -> Option<u16> {
        let text = self.flaws.text(value)?;
        if self.reads.format.is_lines() {
            self.flaws.add(at.clone(), "each line is a message of its own: `each` is for xml and json");
            return None;
        }
        let each = self.slots.each(&text, &self.reads);
        self.told(value, each)
    }

    /// The path, or why it is none.
    fn told<T>(&mut self, value: &Value<'_>, path: Result<T, String>) -> Option<T> {
        match path {
            Ok(path) => Some(path),
            Err(why) => {
                self.flaws.add(value.span(), format!("this path {why}"));
                None
            }
        }
    }

    /// A path from an element.
    pub(super) fn path(&mut self, value: &Value<'_>, from: u16) -> Option<Path> {
        let text = self.flaws.text(value)?;
        if self.reads.format.is_lines() {
            return self.column(value, text);
        }
        let path = self.slots.path(&text, from, &self.reads);
        self.told(value, path)
    }

    fn column(&mut self, value: &Value<'_>, name: String) -> Option<Path> {
        let lines = &self.reads.lines;
        let flaw = match self.reads.format {
            Format::Fixed if !lines.columns.iter().any(|column| column.name == name) => {
                let known: Vec<_> = lines.columns.iter().map(|column| column.name.as_str()).collect();
                Some((
                    format!("there is no column `{}`", shown(&name)),
                    format!("there are {}", known.join(", ")),
                ))
            }
            Format::Csv if !lines.header => {
                let is_number = name.parse().is_ok_and(|no: usize| (1..=lines.count).contains(&no));
                let why = format!(
                    "without a header, a column is a number in quotes, from \"1\" to \"{}\"",
                    lines.count
                );
                (!is_number).then(|| (why, "or say `header = true` in [reads]".into()))
            }
            _ if name.trim() != name || name.is_empty() => Some((
                "no column has this name: names are taken without the white space around them".into(),
                "leave it out".into(),
            )),
            _ => None,
        };
        if let Some((why, help)) = flaw {
            self.flaws.add(value.span(), why).help = Some(help);
            return None;
        }
        let known = self.columns.iter().position(|column| *column == name);
        let line = self.line(&value.span());
        Some(Path::Column(known.unwrap_or_else(|| {
            self.columns.push(name);
            self.column_lines.push(line);
            self.columns.len() - 1
        })))
    }

    /// A condition, or a list of them that all must hold.
    pub(super) fn conditions(&mut self, value: &Value<'_>, from: u16) -> Vec<Condition> {
        match value.get_ref() {
            DeValue::Array(items) if items.is_empty() => {
                // All of none hold, so everything would be passed over, or taken.
                self.flaws
                    .add(value.span(), "this list of conditions is empty, and would always hold")
                    .help = Some(
                    "write a condition such as { path = \"Status\", is = \"P\" }, or leave the key out"
                        .into(),
                );
                Vec::new()
            }
            DeValue::Array(items) => items.iter().filter_map(|item| self.condition(item, from)).collect(),
            _ => self.condition(value, from).into_iter().collect(),
        }
    }

    fn condition(&mut self, value: &Value<'_>, from: u16) -> Option<Condition> {
        let mut keys = self.flaws.keys(value, "a condition")?;
        let line = self.line(&keys.at);
        if let Some(any) = keys.take("any") {
            let lists = match any.get_ref() {
                DeValue::Array(items) if !items.is_empty() => {
                    items.iter().map(|item| self.conditions(item, from)).collect()
                }
                other => self.flaws.wrong(any, other, "a list of conditions, of which one must hold")?,
            };
            keys.end(&mut self.flaws);
            return Some(Condition::Any(lists));
        }
        let path = keys.need("path", &mut self.flaws).and_then(|value| self.path(value, from));
        let is = keys.take("is").map(|value| self.flaws.texts(value).map(Test::Is));
        let is_not = keys.take("is_not").map(|value| self.flaws.texts(value).map(Test::IsNot));
        let exists = keys.take("exists").map(|value| self.flaws.boolean(value).map(Test::Exists));
        let at = keys.at.clone();
        keys.end(&mut self.flaws);
        let mut tests = [is, is_not, exists].into_iter().flatten();
        match (tests.next(), tests.next()) {
            (Some(test), None) => Some(Condition::Of { line, path: path?, test: test? }),
            _ => {
                self.flaws.add(at, "a condition needs exactly one of `is`, `is_not` and `exists`");
                None
            }
        }
    }

    fn fields(
        &mut self,
        at: &Range<usize>,
        word: &'static str,
        known: &[&'static Field],
        value: &Value<'_>,
        from: u16,
    ) -> Vec<Made> {
        let mut made = Vec::new();
        let Some(mut keys) = self.flaws.keys(value, &format!("a {word}")) else { return made };
        let mut missing = Vec::new();
        for field in known {
            match keys.take_at(field.name) {
                Some((at, value)) => {
                    let by = self.by(&at, value, field, from);
                    made.extend(by.map(|by| Made { name: field.name, by }));
                }
                None if field.required => missing.push(field),
                None => {}
            }
        }
        for (key, at, _) in keys.rest() {
            let names: Vec<_> = known.iter().map(|field| field.name).collect();
            let help = match key.split_once('.') {
                Some((first, _)) if names.contains(&first) => format!("write {} without quotes", shown(key)),
                _ => format!("there are {}", names.join(", ")),
            };
            self.flaws.add(at, format!("a {word} has no field `{}`", shown(key))).help = Some(help);
        }
        // Of what is always deleted or withdrawn nothing else is read.
        let is_gone = |made: &Made| {
            matches!(made.name, "deleted" | "withdrawn")
                && matches!(&made.by, By::Rule(rule) if rule.is_always_true())
        };
        if made.iter().any(is_gone) {
            missing.retain(|field| matches!(field.name, "id" | "version"));
        } else if word == "grant" && !made.iter().any(|made| matches!(made.name, "citizen" | "case")) {
            self.flaws.add(at.clone(), "a grant needs the field `citizen` or `case`");
        }
        for field in missing {
            let (name, form) = (field.name, field.form);
            let flaw =
                self.flaws.add(at.clone(), format!("a {word} needs the field `{name}`, {}", form.name()));
            flaw.help = Some(match form {
                Form::Refused => {
                    format!("no mapping can make it: send a {word} as canonical JSON or over gRPC")
                }
                Form::Version => {
                    "it orders what is said of one thing: an instant with `format`, or a number".into()
                }
                _ => match form.fields().and_then(|fields| fields.first()) {
                    Some(first) => {
                        format!("write {name}.{} = \"…\" and so on in its [message.fields]", first.name)
                    }
                    None => format!("write {name} = \"…\" in its [message.fields]"),
                },
            });
        }
        made
    }
}
