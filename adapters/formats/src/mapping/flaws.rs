//! What is wrong with a mapping, and the reading of its TOML by which that is found at its place.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One thing that is wrong with a mapping file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Where in the file, in bytes.
    pub at: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What is allowed there.
    pub help: Option<String>,
}

/// A value with its place.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// Everything that is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Flaws(pub(super) Vec<Flaw>);

impl Flaws {
    /// Keeps one.
    pub(super) fn add(&mut self, at: Range<usize>, message: impl Into<String>) -> &mut Flaw {
        self.0.push_mut(Flaw { at, message: message.into(), help: None })
    }

    /// A text.
    pub(super) fn text(&mut self, value: &Value<'_>) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            other => self.wrong(value, other, "a text in quotes"),
        }
    }

    /// True or false.
    pub(super) fn boolean(&mut self, value: &Value<'_>) -> Option<bool> {
        match value.get_ref() {
            DeValue::Boolean(boolean) => Some(*boolean),
            other => self.wrong(value, other, "true or false"),
        }
    }

    /// A whole number in a range.
    pub(super) fn number(&mut self, value: &Value<'_>, range: Range<usize>) -> Option<usize> {
        if let DeValue::Integer(number) = value.get_ref()
            && let Ok(number) = usize::from_str_radix(number.as_str(), number.radix())
            && range.contains(&number)
        {
            return Some(number);
        }
        let wanted = format!("a whole number from {} to {}", range.start, range.end - 1);
        self.wrong(value, value.get_ref(), &wanted)
    }

    /// A text, or a list of texts; never an empty list.
    pub(super) fn texts(&mut self, value: &Value<'_>) -> Option<Vec<String>> {
        match value.get_ref() {
            DeValue::String(text) => Some(vec![text.to_string()]),
            DeValue::Array(items) if !items.is_empty() => items.iter().map(|item| self.text(item)).collect(),
            other => self.wrong(value, other, "a text in quotes, or a list of them"),
        }
    }

    /// A table.
    pub(super) fn keys<'t>(&mut self, value: &'t Value<'t>, what: &str) -> Option<Keys<'t>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Keys::new(table, value.span(), what)),
            other => self.wrong(value, other, "a table"),
        }
    }

    pub(super) fn wrong<T>(&mut self, value: &Value<'_>, is: &DeValue<'_>, wanted: &str) -> Option<T> {
        let is = match is {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.add(value.span(), format!("this is {is}: expected {wanted}"));
        None
    }
}

/// A table, of which each key is taken once; what is left at the end is wrong.
pub(super) struct Keys<'t> {
    left: Vec<(&'t str, Range<usize>, &'t Value<'t>)>,
    known: Vec<&'static str>,
    /// Where it stands.
    pub(super) at: Range<usize>,
    what: String,
}

impl<'t> Keys<'t> {
    /// A table's keys in the order of the file.
    pub(super) fn new(table: &'t DeTable<'t>, at: Range<usize>, what: &str) -> Self {
        let key = |(key, value): (&'t Spanned<std::borrow::Cow<'t, str>>, &'t Value<'t>)| {
            (AsRef::<str>::as_ref(key.get_ref()), key.span(), value)
        };
        let mut left: Vec<_> = table.iter().map(key).collect();
        left.sort_by_key(|(_, at, _)| at.start);
        Self { left, known: Vec::new(), at, what: what.to_owned() }
    }

    /// The value of a key, if it is there.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'t Value<'t>> {
        self.take_at(key).map(|(_, value)| value)
    }

    /// The place of a key and its value, if it is there.
    pub(super) fn take_at(&mut self, key: &'static str) -> Option<(Range<usize>, &'t Value<'t>)> {
        self.known.push(key);
        let at = self.left.iter().position(|(name, ..)| *name == key)?;
        let (_, at, value) = self.left.remove(at);
        Some((at, value))
    }

    /// The value of a key that must be there.
    pub(super) fn need(&mut self, key: &'static str, flaws: &mut Flaws) -> Option<&'t Value<'t>> {
        let found = self.take(key);
        if found.is_none() {
            flaws.add(self.at.clone(), format!("{} needs the key `{key}`", self.what));
        }
        found
    }

    /// Whatever is left: keys of the mapping's own choosing.
    pub(super) fn rest(&mut self) -> Vec<(&'t str, Range<usize>, &'t Value<'t>)> {
        std::mem::take(&mut self.left)
    }

    /// That nothing is left.
    pub(super) fn end(self, flaws: &mut Flaws) {
        for (key, at, _) in self.left {
            let known = self.known.join(", ");
            flaws.add(at, format!("{} has no key `{}`", self.what, shown(key))).help =
                Some(format!("there are {known}"));
        }
    }
}

/// A key or word as a message quotes it: not without end.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(40).map(|c| if c.is_control() { '·' } else { c }).collect();
    if text.chars().count() > 40 {
        shown.push('…');
    }
    shown
}
