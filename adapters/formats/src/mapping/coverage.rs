//! What of a mapping its messages use, and what of the messages no rule reads.
//!
//! A path that is typed wrong finds nothing, and where a field may be left out that is no fault. So those who write a mapping
//! are told which of its rules found no value in any of their messages, and which elements nothing of it reads: beside each
//! other these show the mistake. It is watched where somebody asks for it, and not in the gateway.

use std::collections::BTreeSet;

use samspor_domain::{Delivery, SourceName};

use super::build::{Found, Place, all_hold};
use super::flaws::shown;
use super::load::Loaded;
use super::path::{DOCUMENT, Name, Path, Slots, Step};
use super::reads::Reads;
use super::rule::{By, Condition, From, Making, Rule, Writing};
use super::schema::Form;
use super::{Decoder, Mapping, Read};

/// The names of elements that are kept. More are not told of.
const MAX_NAMES: usize = 1_000;
/// Attributes in these namespaces are XML's own.
const OWN: [&str; 3] = [
    "http://www.w3.org/2000/xmlns/",
    "http://www.w3.org/2001/XMLSchema-instance",
    "http://www.w3.org/XML/1998/namespace",
];

/// What of a mapping was used by the messages that were read through it.
#[derive(Debug)]
pub struct Coverage {
    decoder: Decoder,
    /// Of each of [`uses`], whether it was.
    seen: Vec<bool>,
    unread: BTreeSet<String>,
}

/// Something in a mapping that no message has used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfilled {
    /// Its line in the mapping.
    pub line: usize,
    /// What it is.
    pub what: String,
}

impl Coverage {
    /// That of no message yet.
    #[must_use]
    pub fn new(mapping: &Mapping) -> Self {
        let seen = vec![false; uses(&mapping.loaded).len()];
        Self { decoder: Decoder::new(mapping.clone()), seen, unread: BTreeSet::new() }
    }

    /// Reads a message as [`Decoder::read`] does, and keeps what of the mapping it used.
    pub fn read(&mut self, source: &SourceName, delivery: &Delivery) -> Read {
        let mapping = &self.decoder.mapping.loaded;
        let mut watch =
            Watch { mapping, uses: uses(mapping), seen: &mut self.seen, unread: &mut self.unread };
        self.decoder.watched(source, delivery, Some(&mut watch))
    }

    /// What no message has used, in the order of the lines; but for what the mapping says is `unseen`.
    #[must_use]
    pub fn unfilled(&self) -> Vec<Unfilled> {
        let mapping = &self.decoder.mapping.loaded;
        let uses = uses(mapping);
        // Of a message that was never made no rule found anything, which one line says.
        let is_made = |making: Option<usize>| {
            let of_it = |(this, seen): (&Use<'_>, &bool)| {
                *seen && this.making == making && matches!(this.what, What::Made(_))
            };
            making.is_none() || uses.iter().zip(&self.seen).any(of_it)
        };
        let missing = uses.iter().zip(&self.seen).filter(|(this, seen)| {
            let is_told = matches!(this.what, What::Made(_)) || is_made(this.making);
            !**seen && !this.is_unseen && is_told
        });
        let mut told: Vec<_> = missing.map(|(this, _)| this.told(mapping)).collect();
        told.sort_by_key(|unfilled| unfilled.line);
        told
    }

    /// The paths of elements, attributes and columns that no rule reads, in order.
    pub fn unread(&self) -> impl ExactSizeIterator<Item = &str> {
        self.unread.iter().map(String::as_str)
    }
}

/// Something in a mapping that messages use.
struct Use<'m> {
    /// The slot of the elements that it is asked of.
    each: u16,
    /// Which of the `[[message]]` it belongs to; none for a `[[pass]]`.
    making: Option<usize>,
    line: usize,
    /// The mapping says that no example need use it.
    is_unseen: bool,
    /// Where it belongs to a field, which.
    field: String,
    what: What<'m>,
}

enum What<'m> {
    /// The message itself.
    Made(&'m Making),
    /// A rule, which finds a value.
    Rule(&'m Rule),
    /// One path of several, at which there is a value.
    First(&'m Path),
    /// A condition's path, at which something stands.
    Condition(&'m Path),
}

impl Use<'_> {
    fn told(&self, mapping: &Loaded) -> Unfilled {
        let at = |path: &Path| written(mapping, self.each, path);
        let of = if self.field.is_empty() { String::new() } else { format!("`{}`: ", self.field) };
        let what = match &self.what {
            What::Made(making) => format!("no {} is made by this [[message]]", making.word),
            What::Rule(_) => format!("{of}no value is found"),
            What::First(path) => format!("{of}no value is found at \"{}\", one of several", at(path)),
            What::Condition(path) => {
                format!("{of}nothing stands at \"{}\", which a condition asks for", at(path))
            }
        };
        Unfilled { line: self.line, what }
    }
}

/// Everything in a mapping that messages use, always in the same order.
fn uses(mapping: &Loaded) -> Vec<Use<'_>> {
    let mut uses = Vec::new();
    // A column that is not there is a fault, so a condition on lines asks for none that is typed wrong.
    let has_conditions = !mapping.reads.format.is_lines();
    for pass in mapping.passes.iter().filter(|_| has_conditions) {
        asked(&mut uses, &pass.when, &|line, what| Use {
            each: pass.each,
            making: None,
            line,
            is_unseen: false,
            field: String::new(),
            what,
        });
    }
    for (index, making) in mapping.makings.iter().enumerate() {
        let new = |line, is_unseen, field: &str, what| Use {
            each: making.each,
            making: Some(index),
            line,
            is_unseen: is_unseen || making.is_unseen,
            field: field.to_owned(),
            what,
        };
        uses.push(new(making.line, false, "", What::Made(making)));
        if has_conditions {
            asked(&mut uses, &making.when, &|line, what| new(line, false, "", what));
        }
        for (field, rule) in rules(making) {
            uses.push(new(rule.line, rule.is_unseen, &field, What::Rule(rule)));
            let several = match &rule.from {
                From::First(paths) => paths.iter().collect(),
                From::Sides(debit, credit) => vec![debit, credit],
                _ => Vec::new(),
            };
            uses.extend(
                several.into_iter().map(|path| new(rule.line, rule.is_unseen, &field, What::First(path))),
            );
            if !has_conditions {
                continue;
            }
            let signs = match &rule.writing {
                Writing::Money(money) => [&money.negative[..], &money.positive],
                _ => [&[][..], &[]],
            };
            for conditions in [&rule.when[..], signs[0], signs[1]] {
                asked(&mut uses, conditions, &|line, what| new(line, rule.is_unseen, &field, what));
            }
        }
    }
    uses
}

/// The paths that conditions ask for.
fn asked<'m>(uses: &mut Vec<Use<'m>>, conditions: &'m [Condition], new: &dyn Fn(usize, What<'m>) -> Use<'m>) {
    for condition in conditions {
        match condition {
            Condition::Of { line, path, .. } => uses.push(new(*line, What::Condition(path))),
            Condition::Any(lists) => lists.iter().for_each(|list| asked(uses, list, new)),
        }
    }
}

/// The rules of a message, each with its field.
fn rules(making: &Making) -> Vec<(String, &Rule)> {
    let mut rules = Vec::new();
    for made in &making.fields {
        let within = |(name, rule)| (format!("{}.{name}", made.name), rule);
        match &made.by {
            By::Rule(rule) => rules.push((made.name.to_owned(), rule.as_ref())),
            By::Object(parts) => rules.extend(parts.iter().map(|(name, rule)| within((*name, rule)))),
            By::Objects(objects) => {
                rules.extend(objects.iter().flatten().map(|(name, rule)| within((*name, rule))));
            }
        }
    }
    rules
}

/// Watches how messages are read.
pub(super) struct Watch<'w> {
    mapping: &'w Loaded,
    uses: Vec<Use<'w>>,
    seen: &'w mut Vec<bool>,
    unread: &'w mut BTreeSet<String>,
}

impl Watch<'_> {
    /// An element or a line of which messages are made.
    pub(super) fn place(&mut self, each: u16, place: &impl Place) {
        let holds = |when: &[Condition]| all_hold(when, place).is_ok_and(|holds| holds);
        let is_passed = self
            .mapping
            .passes
            .iter()
            .any(|pass| pass.each == each && pass.starts.is_empty() && holds(&pass.when));
        let is_made = |making: &Making| !is_passed && making.each == each && holds(&making.when);
        let made: Vec<bool> = self.mapping.makings.iter().map(is_made).collect();
        for (this, seen) in self.uses.iter().zip(self.seen.iter_mut()) {
            if *seen || this.each != each {
                continue;
            }
            let is_made = this.making.is_some_and(|making| made.get(making).is_some_and(|made| *made));
            *seen = match &this.what {
                What::Made(_) => is_made,
                What::Rule(rule) => is_made && holds(&rule.when) && is_filled(rule, place),
                What::First(path) => is_made && finds(place, path),
                What::Condition(path) => !matches!(place.find(path), Found::Nothing),
            };
        }
    }

    /// The elements of a document that the mapping does not name.
    pub(super) fn unread(&mut self, unread: Unread) {
        let Loaded { slots, reads, .. } = self.mapping;
        for (within, space, local, is_attribute) in unread.0 {
            let mut names = above(slots, reads, within);
            names.push(step(reads, space.as_deref(), &local, is_attribute));
            self.keep(names.join("/"));
        }
    }

    /// The columns of a header, of which rules read some.
    pub(super) fn unread_columns<'c>(&mut self, header: impl IntoIterator<Item = std::borrow::Cow<'c, str>>) {
        for name in header {
            let name = name.trim();
            if !name.is_empty() && !self.mapping.columns.iter().any(|column| column == name) {
                self.keep(shown(name));
            }
        }
    }

    fn keep(&mut self, name: String) {
        if self.unread.len() < MAX_NAMES {
            self.unread.insert(name);
        }
    }
}

/// Whether a rule whose conditions hold finds a value. What it says itself where it finds none is none.
fn is_filled(rule: &Rule, place: &impl Place) -> bool {
    let finds = |path: &Path| match rule.form {
        Form::Names => !place.all(path).is_empty(),
        _ => finds(place, path),
    };
    match &rule.from {
        From::Path(path) => finds(path),
        From::First(paths) => paths.iter().any(finds),
        From::Join(paths, _) if rule.form != Form::Names => paths.iter().all(finds),
        From::Join(paths, _) => paths.iter().any(finds),
        From::Sides(debit, credit) => finds(debit) || finds(credit),
        From::Constant(_) | From::Conditions => true,
    }
}

fn finds(place: &impl Place, path: &Path) -> bool {
    matches!(place.find(path), Found::One(_) | Found::Several)
}

/// What the mapping does not name: the slot in which it stands, its namespace and name, and whether it is an attribute.
#[derive(Debug, Default)]
pub(super) struct Unread(BTreeSet<(u16, Option<String>, String, bool)>);

impl Unread {
    /// One more.
    pub(super) fn add(&mut self, within: u16, space: Option<&str>, local: &str, is_attribute: bool) {
        let is_own = is_attribute && space.map_or(local == "xmlns", |space| OWN.contains(&space));
        if self.0.len() < MAX_NAMES && !is_own {
            self.0.insert((within, space.map(str::to_owned), local.to_owned(), is_attribute));
        }
    }
}

/// A path as the mapping may have written it.
fn written(mapping: &Loaded, each: u16, path: &Path) -> String {
    let (up, down) = match path {
        Path::Column(column) => return shown(mapping.columns.get(*column).map_or("", String::as_str)),
        Path::Steps { up, down } => (*up, down),
    };
    let mut slot = (0..up).fold(each, |slot, _| mapping.slots.slot(slot).parent);
    let mut steps = vec!["..".to_owned(); up];
    for Step { ordinal, only } in down {
        slot = mapping.slots.slot(slot).children.get(usize::from(*ordinal)).copied().unwrap_or(slot);
        let name = &mapping.slots.slot(slot).name;
        let only = only.as_ref().map_or("", |only| only.shown.as_str());
        steps.push(step(&mapping.reads, name.space.as_deref(), &name.local, name.is_attribute) + only);
    }
    if steps.is_empty() { ".".to_owned() } else { steps.join("/") }
}

/// The names from the document to a slot.
fn above(slots: &Slots, reads: &Reads, mut slot: u16) -> Vec<String> {
    let mut names = Vec::new();
    while slot != DOCUMENT {
        let Name { space, local, is_attribute } = &slots.slot(slot).name;
        names.push(step(reads, space.as_deref(), local, *is_attribute));
        slot = slots.slot(slot).parent;
    }
    names.reverse();
    names
}

/// A name as a step of a path of this mapping; with its namespace in braces where `[reads]` has no prefix for it.
fn step(reads: &Reads, space: Option<&str>, local: &str, is_attribute: bool) -> String {
    let prefix = |uri: &str| {
        let mut known = reads.namespaces.iter().filter(|(_, known)| *known == uri).map(|(prefix, _)| prefix);
        known.find(|prefix| !is_attribute || *prefix != "default")
    };
    let before = match space.map(|uri| (uri, prefix(uri))) {
        Some((_, Some(prefix))) if prefix == "default" => String::new(),
        Some((_, Some(prefix))) => format!("{prefix}:"),
        Some((uri, None)) => format!("{{{}}}", shown(uri)),
        None if !is_attribute && reads.namespaces.contains_key("default") => "{}".to_owned(),
        None => String::new(),
    };
    format!("{}{before}{}", if is_attribute { "@" } else { "" }, shown(local))
}
