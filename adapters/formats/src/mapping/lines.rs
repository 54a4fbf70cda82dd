//! CSV and fixed widths: each line a message of its own, or several.
//!
//! A record is a line, also in CSV: a quoted value that does not end on its line is a fault of that line, for a quote that is
//! missing must not swallow the lines that follow. So the columns are told apart here and not by a reader of CSV at large,
//! which would.

use std::borrow::Cow;

use bytes::Bytes;
use encoding_rs::Encoding;
use samspor_domain::{Delivery, Excerpt, Fault, Item, Reason, SourceName};

use super::Read;
use super::build::{self, Found, Place};
use super::coverage::Watch;
use super::excerpt;
use super::load::Loaded;
use super::path::{DOCUMENT, Path};
use super::reads::{Format, Lines};
use super::value::Raw;
use crate::markup::undecodable;

/// Bytes that a line with a message has at least, on average.
const SHORTEST: usize = 16;
/// Lines that a body may have beyond that.
const FEW: usize = 1_000;
/// The mark before UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// Whether a body of that size may hold so many messages. Without a bound, a few million bytes of line ends or empty elements
/// would become as many items.
pub(super) fn may_hold(bytes: usize, messages: usize) -> bool {
    messages <= FEW + bytes / SHORTEST
}

/// Everything in a body.
pub(super) fn decode(
    mapping: &Loaded,
    source: &SourceName,
    delivery: &Delivery,
    charset: Option<&str>,
    mut watch: Option<&mut Watch<'_>>,
) -> Result<Read, Fault> {
    let (mark, rest) = match delivery.body.strip_prefix(MARK) {
        Some(rest) => (MARK, rest),
        None => (&[][..], &delivery.body[..]),
    };
    let label = if mark.is_empty() { charset.unwrap_or(&mapping.reads.encoding) } else { "utf-8" };
    let encoding = crate::markup::supported(label)
        .ok_or_else(|| crate::content_type::unsupported_charset("utf-8 or iso-8859-1"))?;
    let settings = &mapping.reads.lines;
    let mut lines = (1..).zip(rest.split(|byte| *byte == b'\n').map(bare)).skip(settings.skip);
    // What goes before a line that is kept by itself, so that it is read as it was here.
    let mut before = [mark, &b"\n".repeat(settings.skip)].concat();
    let columns = if mapping.reads.format == Format::Fixed {
        Columns::Fixed(fixed(mapping))
    } else if settings.header {
        let header = lines.find(|(_, line)| !is_blank(line));
        let Some((number, header)) = header else { return Err(undecodable("the body holds no line")) };
        before.extend_from_slice(header);
        before.push(b'\n');
        if let (Some(watch), Ok(header)) = (watch.as_deref_mut(), text(encoding, header)) {
            watch.unread_columns(split(settings, &header).unwrap_or_default());
        }
        let columns = text(encoding, header).and_then(|header| named(mapping, &header));
        columns.map_err(|fault| Fault { path: Some(format!("line {number}")), ..fault })?
    } else {
        let places = mapping.columns.iter().map(|no| no.parse::<usize>().unwrap_or(1) - 1);
        Columns::Numbered(places.collect(), settings.count)
    };
    let lines: Vec<_> = lines.filter(|(_, line)| !is_blank(line)).collect();
    if lines.is_empty() {
        if mapping.reads.may_be_empty {
            return super::nothing_taken(mapping, 0, true);
        }
        return Err(undecodable("the body holds no line with a message"));
    }
    if !may_hold(delivery.body.len(), lines.len()) {
        return Err(undecodable("the body has more lines than messages can stand in its bytes"));
    }
    let is_file = lines.len() > 1;
    if !excerpt::fits(delivery.body.len(), before.len().saturating_mul(lines.len())) {
        return Err(excerpt::too_long());
    }
    let keep = |line: &[u8]| match before.is_empty() {
        true => delivery.body.slice_ref(line),
        false => Bytes::from([&before, line].concat()),
    };
    let mut items = Vec::with_capacity(lines.len());
    let mut passed = 0u32;
    for (number, line) in lines {
        let text = text(encoding, line);
        if text.as_ref().is_ok_and(|text| mapping.passes_line(text)) {
            passed = passed.saturating_add(1);
            continue;
        }
        let cells = text.as_ref().map_err(Clone::clone).and_then(|text| columns.cells(settings, text));
        let contents = match cells {
            Ok(cells) => {
                let row = Row { mapping, cells, number };
                if let Some(watch) = watch.as_deref_mut() {
                    watch.place(DOCUMENT, &row);
                }
                build::messages(mapping, DOCUMENT, &row, source)
            }
            Err(fault) => vec![Err(Fault { path: Some(format!("line {number}")), ..fault })],
        };
        passed = passed.saturating_add(u32::from(contents.is_empty()));
        let kept = is_file.then(|| keep(line));
        let of = u32::try_from(contents.len()).unwrap_or(u32::MAX);
        for (item, content) in (0..).zip(contents) {
            let excerpt = kept.clone().map(|bytes| Excerpt { bytes, item, items: of });
            items.push(Item { content, excerpt, ignored_fields: columns.unused() });
        }
    }
    if items.is_empty() {
        return super::nothing_taken(mapping, passed, false);
    }
    Ok(Read { items, passed })
}

/// A line without marks before it, as files put together have them, and carriage returns after it. Of what is left nothing
/// more is taken away, so that a line which is read again by itself is the same line.
pub(super) fn bare(mut line: &[u8]) -> &[u8] {
    while let Some(rest) = line.strip_prefix(MARK) {
        line = rest;
    }
    while let Some(rest) = line.strip_suffix(b"\r") {
        line = rest;
    }
    line
}

fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

fn text<'l>(encoding: &'static Encoding, line: &'l [u8]) -> Result<Cow<'l, str>, Fault> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(line);
    text.ok_or_else(|| undecodable("is not in the encoding that the body should have"))
}

/// Where the columns that rules use are.
enum Columns {
    /// By their places, of so many.
    Named(Vec<usize>, usize),
    /// By their places, of so many.
    Numbered(Vec<usize>, usize),
    /// By their first characters and widths.
    Fixed(Vec<(usize, usize)>),
}

fn fixed(mapping: &Loaded) -> Vec<(usize, usize)> {
    let all = &mapping.reads.lines.columns;
    let place = |name: &String| all.iter().find(|column| column.name == *name);
    // Each was found when the mapping was loaded.
    mapping.columns.iter().filter_map(|name| place(name).map(|column| (column.at, column.width))).collect()
}

fn named(mapping: &Loaded, header: &str) -> Result<Columns, Fault> {
    let names = split(&mapping.reads.lines, header)?;
    let mut places = Vec::with_capacity(mapping.columns.len());
    for (wanted, line) in mapping.columns.iter().zip(&mapping.column_lines) {
        let mut found = names.iter().enumerate().filter(|(_, name)| name.trim() == wanted);
        match (found.next(), found.next()) {
            (Some((place, _)), None) => places.push(place),
            (None, _) => {
                let why = format!("the header has no column \"{wanted}\" (mapping line {line})");
                return Err(Fault::new(Reason::MissingField, why));
            }
            (Some(_), Some(_)) => {
                return Err(undecodable(&format!(
                    "the header has two columns \"{wanted}\" (mapping line {line})"
                )));
            }
        }
    }
    Ok(Columns::Named(places, names.len()))
}

/// A value of a line.
enum Cell<'l> {
    Nothing,
    Text(Cow<'l, str>),
    Cut,
}

impl Cell<'_> {
    fn of(text: Cow<'_, str>) -> Cell<'_> {
        let text = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        };
        if text.is_empty() { Cell::Nothing } else { Cell::Text(text) }
    }
}

impl Columns {
    /// How many columns no rule uses.
    fn unused(&self) -> u32 {
        match self {
            Self::Named(places, all) | Self::Numbered(places, all) => {
                u32::try_from(all.saturating_sub(places.len())).unwrap_or(u32::MAX)
            }
            Self::Fixed(_) => 0,
        }
    }

    /// The values that rules use, in the order of the mapping's columns.
    fn cells<'l>(&self, lines: &Lines, line: &'l str) -> Result<Vec<Cell<'l>>, Fault> {
        match self {
            Self::Named(places, all) | Self::Numbered(places, all) => {
                let mut values = split(lines, line)?;
                // One more, though it be blank at the end, may be a separator within a text, behind which every column is
                // another one.
                if values.len() != *all {
                    let by = if lines.header { "the header" } else { "`columns` in [reads]" };
                    let why = format!("has {} values, and by {by} there are {all} columns", values.len());
                    return Err(undecodable(&why));
                }
                let cell =
                    |place: &usize| Cell::of(values.get_mut(*place).map(std::mem::take).unwrap_or_default());
                Ok(places.iter().map(cell).collect())
            }
            Self::Fixed(columns) => {
                let characters = Characters::of(line);
                let cell = |(at, width): &(usize, usize)| match characters.get(*at, *width) {
                    (text, true) => Cell::of(Cow::Borrowed(text)),
                    (text, false) if lines.short => Cell::of(Cow::Borrowed(text)),
                    (_, false) => Cell::Cut,
                };
                Ok(columns.iter().map(cell).collect())
            }
        }
    }
}

/// A line whose characters can be counted.
struct Characters<'l> {
    line: &'l str,
    /// Where each begins, unless each is one byte.
    begins: Option<Vec<usize>>,
}

impl<'l> Characters<'l> {
    fn of(line: &'l str) -> Self {
        let begins = (!line.is_ascii()).then(|| line.char_indices().map(|(at, _)| at).collect());
        Self { line, begins }
    }

    /// So many characters, or as many as there are; and whether that was all.
    fn get(&self, at: usize, width: usize) -> (&'l str, bool) {
        let end = at + width;
        let (from, to, is_all) = match &self.begins {
            None => (at.min(self.line.len()), end.min(self.line.len()), end <= self.line.len()),
            Some(begins) => {
                let begin = |no: usize| begins.get(no).copied().unwrap_or(self.line.len());
                (begin(at), begin(end), end <= begins.len())
            }
        };
        (self.line.get(from..to).unwrap_or_default(), is_all)
    }
}

/// The values of a line of CSV.
fn split<'l>(lines: &Lines, line: &'l str) -> Result<Vec<Cow<'l, str>>, Fault> {
    let mut values = Vec::with_capacity(16);
    let mut rest = line;
    loop {
        let value = match lines.quote.and_then(|quote| Some((quote, rest.strip_prefix(quote)?))) {
            Some((quote, quoted)) => {
                let (value, after) = unquoted(quoted, quote)?;
                rest = after;
                if !rest.is_empty() && !rest.starts_with(lines.separator) {
                    return Err(undecodable("has a quoted value that goes on after its closing quote"));
                }
                value
            }
            None => {
                let end = rest.find(lines.separator).unwrap_or(rest.len());
                let (value, after) = rest.split_at(end);
                rest = after;
                Cow::Borrowed(value)
            }
        };
        values.push(value);
        match rest.strip_prefix(lines.separator) {
            Some(after) => rest = after,
            None => return Ok(values),
        }
    }
}

/// A quoted value without its quotes, of which two stand for one, and what follows it.
fn unquoted(text: &str, quote: char) -> Result<(Cow<'_, str>, &str), Fault> {
    let mut value = Cow::Borrowed("");
    let mut rest = text;
    loop {
        let end = rest
            .find(quote)
            .ok_or_else(|| undecodable("has a quoted value that does not end on its line"))?;
        let (part, after) = rest.split_at(end);
        let after = &after[quote.len_utf8()..];
        if value.is_empty() && !after.starts_with(quote) {
            return Ok((Cow::Borrowed(part), after));
        }
        value.to_mut().push_str(part);
        match after.strip_prefix(quote) {
            Some(after) => {
                value.to_mut().push(quote);
                rest = after;
            }
            None => return Ok((value, after)),
        }
    }
}

/// A line, from which messages are made.
struct Row<'m, 'l> {
    mapping: &'m Loaded,
    cells: Vec<Cell<'l>>,
    number: usize,
}

impl Place for Row<'_, '_> {
    fn find(&self, path: &Path) -> Found<'_> {
        let Path::Column(column) = path else { return Found::Nothing };
        match self.cells.get(*column) {
            Some(Cell::Text(text)) => Found::One(Raw::Text(Cow::Borrowed(text))),
            Some(Cell::Cut) => Found::Cut,
            Some(Cell::Nothing) | None => Found::Nothing,
        }
    }

    fn all(&self, path: &Path) -> Vec<Raw<'_>> {
        match self.find(path) {
            Found::One(raw) => vec![raw],
            _ => Vec::new(),
        }
    }

    fn shown(&self, path: Option<&Path>) -> String {
        let number = self.number;
        match path {
            Some(Path::Column(column)) => match self.mapping.columns.get(*column) {
                Some(name)
                    if self.mapping.reads.lines.header || self.mapping.reads.format == Format::Fixed =>
                {
                    format!("line {number}, column \"{name}\"")
                }
                Some(name) => format!("line {number}, column {name}"),
                None => format!("line {number}"),
            },
            _ => format!("line {number}"),
        }
    }
}
