//! `[reads]`: what messages are written in.

use std::collections::BTreeMap;

use super::flaws::{Flaws, Keys, shown};

/// How a message is read before anything is made of it.
#[derive(Debug)]
pub(super) struct Reads {
    pub(super) format: Format,
    /// What to take where nothing in or around a message says it; a label that [`crate::markup::supported`] knows.
    pub(super) encoding: String,
    /// URIs by prefix; `default` is that of elements without one.
    pub(super) namespaces: BTreeMap<String, String>,
    /// Whether a body in which nothing stands, or nothing but what is passed over, is right.
    pub(super) may_be_empty: bool,
    /// How lines are read, where it is lines.
    pub(super) lines: Lines,
}

/// What messages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Xml,
    Json,
    /// A JSON document a line.
    Ndjson,
    Csv,
    Fixed,
}

impl Format {
    /// Whether each line is read by itself.
    pub(super) fn is_lines(self) -> bool {
        matches!(self, Self::Csv | Self::Fixed)
    }

    /// Whether it is JSON.
    pub(super) fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::Ndjson)
    }

    /// The content types that are taken, its own first.
    pub(super) fn content_types(self) -> &'static [&'static str] {
        match self {
            Self::Xml => &["application/xml", "text/xml", "application/octet-stream"],
            Self::Json => &["application/json", "text/json", "application/octet-stream"],
            Self::Ndjson => &[
                "application/x-ndjson",
                "application/ndjson",
                "application/jsonl",
                "application/json",
                "text/plain",
                "application/octet-stream",
            ],
            Self::Csv => &["text/csv", "text/plain", "application/octet-stream"],
            Self::Fixed => &["text/plain", "application/octet-stream"],
        }
    }

    /// The word, and what is said of such a file.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Xml => "xml",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Fixed => "fixed",
        }
    }
}

/// How lines are read.
#[derive(Debug)]
pub(super) struct Lines {
    /// Title lines at the top that are passed over.
    pub(super) skip: usize,
    /// CSV: what stands between values.
    pub(super) separator: char,
    /// CSV: what stands around a value that holds a separator, if anything does.
    pub(super) quote: Option<char>,
    /// CSV: whether the first line names the columns.
    pub(super) header: bool,
    /// CSV without a header: how many columns there are.
    pub(super) count: usize,
    /// Fixed: the columns.
    pub(super) columns: Vec<Column>,
    /// Fixed: whether a line may end before a column does, and so have none there.
    pub(super) short: bool,
}

/// A column of fixed width.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// Its first character, from 0.
    pub(super) at: usize,
    pub(super) width: usize,
}

/// The last column of a CSV file without a header.
const MAX_COLUMN: usize = 1_000;
/// The most title lines that may be passed over.
const MAX_SKIP: usize = 100;
/// The last character that a column may begin at, and its greatest width.
const MAX_WIDTH: usize = 10_000;

impl Reads {
    /// Reads the table. What is wrong goes to the flaws; what comes out is good enough to find what else is.
    pub(super) fn load(keys: &mut Keys<'_>, flaws: &mut Flaws) -> Option<Self> {
        let format = keys.need("format", flaws);
        let format = format.and_then(|value| {
            let word = flaws.text(value)?;
            let all = [Format::Xml, Format::Json, Format::Ndjson, Format::Csv, Format::Fixed];
            let found = all.into_iter().find(|format| format.word() == word);
            if found.is_none() {
                flaws.add(value.span(), format!("there is no format `{}`", shown(&word))).help =
                    Some("there are xml, json, ndjson, csv and fixed".into());
            }
            found
        });
        let encoding = keys.take("encoding").and_then(|value| {
            let label = flaws.text(value)?;
            if crate::markup::supported(&label).is_none() {
                flaws.add(value.span(), format!("the encoding `{}` is not read", shown(&label))).help =
                    Some("there are utf-8, iso-8859-1, iso-8859-15 and windows-1252".into());
            }
            Some(label)
        });
        let format = format?;
        let mut reads = Self {
            format,
            encoding: encoding.unwrap_or_else(|| "utf-8".into()),
            namespaces: BTreeMap::new(),
            may_be_empty: false,
            lines: Lines {
                skip: 0,
                separator: ';',
                quote: Some('"'),
                header: true,
                count: MAX_COLUMN,
                columns: Vec::new(),
                short: false,
            },
        };
        match format {
            Format::Xml => reads.namespaces(keys, flaws),
            Format::Json | Format::Ndjson => {}
            Format::Csv => {
                reads.skip(keys, flaws);
                reads.csv(keys, flaws);
            }
            Format::Fixed => {
                reads.skip(keys, flaws);
                reads.fixed(keys, flaws);
            }
        }
        if let Some(value) = keys.take("may_be_empty") {
            reads.may_be_empty = flaws.boolean(value).unwrap_or_default();
        }
        Some(reads)
    }

    fn namespaces(&mut self, keys: &mut Keys<'_>, flaws: &mut Flaws) {
        let Some(value) = keys.take("namespaces") else { return };
        let Some(mut table) = flaws.keys(value, "[reads] namespaces") else { return };
        for (prefix, at, value) in table.rest() {
            if let Some(uri) = flaws.text(value) {
                if uri.is_empty() {
                    flaws.add(at, "this namespace is empty; a step without a prefix is in none");
                }
                self.namespaces.insert(prefix.to_owned(), uri);
            }
        }
    }

    fn skip(&mut self, keys: &mut Keys<'_>, flaws: &mut Flaws) {
        if let Some(value) = keys.take("skip_lines") {
            self.lines.skip = flaws.number(value, 0..MAX_SKIP + 1).unwrap_or_default();
        }
    }

    fn csv(&mut self, keys: &mut Keys<'_>, flaws: &mut Flaws) {
        let mut sign = |key, flaws: &mut Flaws| {
            let value = keys.take(key)?;
            let text = flaws.text(value)?;
            let mut characters = text.chars();
            match (characters.next(), characters.next()) {
                (None, _) => Some(None),
                (Some(sign), None)
                    if sign.is_ascii() && !sign.is_ascii_alphanumeric() && !"\r\n".contains(sign) =>
                {
                    Some(Some(sign))
                }
                _ => {
                    flaws.add(value.span(), "this is not one sign of ASCII, such as ';' or a tab (\"\\t\")");
                    None
                }
            }
        };
        if let Some(separator) = sign("separator", flaws) {
            self.lines.separator = separator.unwrap_or(';');
        }
        if let Some(quote) = sign("quote", flaws) {
            self.lines.quote = quote;
        }
        if let Some(value) = keys.take("header") {
            self.lines.header = flaws.boolean(value).unwrap_or(true);
        }
        if !self.lines.header {
            match keys.take("columns") {
                Some(value) => {
                    self.lines.count = flaws.number(value, 1..MAX_COLUMN + 1).unwrap_or(MAX_COLUMN);
                }
                None => {
                    let why =
                        "without a header, [reads] needs the key `columns`: how many values each line has";
                    flaws.add(keys.at.clone(), why).help =
                        Some("a line with more or fewer is then a fault, and no other column is read".into());
                }
            }
        }
        if Some(self.lines.separator) == self.lines.quote {
            flaws.add(keys.at.clone(), "the separator and the quote are the same sign");
        }
    }

    fn fixed(&mut self, keys: &mut Keys<'_>, flaws: &mut Flaws) {
        if let Some(value) = keys.take("short_lines") {
            self.lines.short = flaws.boolean(value).unwrap_or_default();
        }
        let Some(value) = keys.need("columns", flaws) else { return };
        let toml::de::DeValue::Array(items) = value.get_ref() else {
            flaws.wrong::<()>(
                value,
                value.get_ref(),
                "a list of columns: { name = \"dato\", at = 1, width = 8 }",
            );
            return;
        };
        for item in items.iter() {
            let Some(mut keys) = flaws.keys(item, "a column") else { continue };
            let name = keys.need("name", flaws).and_then(|value| Some((flaws.text(value)?, value.span())));
            let at = keys.need("at", flaws).and_then(|value| flaws.number(value, 1..MAX_WIDTH + 1));
            let width = keys.need("width", flaws).and_then(|value| flaws.number(value, 1..MAX_WIDTH + 1));
            keys.end(flaws);
            let (Some((name, span)), Some(at), Some(width)) = (name, at, width) else { continue };
            if self.lines.columns.iter().any(|column| column.name == name) {
                flaws.add(span, format!("there are two columns `{}`", shown(&name)));
            }
            self.lines.columns.push(Column { name, at: at - 1, width });
        }
    }
}
