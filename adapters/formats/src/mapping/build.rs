//! From an element or a line to the canonical message that a mapping makes of it, or to a fault with its place.

use std::borrow::Cow;
use std::cell::Cell;

use samspor_domain::{Fault, Message, Reason, SourceName};

use super::load::Loaded;
use super::path::Path;
use super::rule::{By, Condition, From, Making, Money, Rule, Test, Writing};
use super::schema::Form;
use super::sides;
use super::value::{self, Raw, Wrong};
use crate::json::{self, Entry, Node};

/// An element or a line, where a message is made.
pub(super) trait Place {
    /// What stands at a path.
    fn find(&self, path: &Path) -> Found<'_>;
    /// All that stands at a path.
    fn all(&self, path: &Path) -> Vec<Raw<'_>>;
    /// How a path is shown that leads from here.
    fn shown(&self, path: Option<&Path>) -> String;
}

/// What stands at a path.
pub(super) enum Found<'a> {
    /// Nothing.
    Nothing,
    /// It is there, and empty: no value.
    Blank,
    /// It is there, and holds other elements: no value of its own.
    Elements,
    /// One value.
    One(Raw<'a>),
    /// Several, where one can be told apart from none only.
    Several,
    /// The line ends before or within it.
    Cut,
}

/// What does not hold, and where.
pub(super) struct Failure<'m> {
    pub(super) line: usize,
    pub(super) path: Option<&'m Path>,
    pub(super) wrong: Wrong,
}

/// All that is made there: nothing where the mapping says that it is passed over, and a fault where it does not say what it is.
pub(super) fn messages(
    mapping: &Loaded,
    each: u16,
    place: &impl Place,
    source: &SourceName,
) -> Vec<Result<Message, Fault>> {
    for pass in mapping.passes.iter().filter(|pass| pass.each == each && pass.starts.is_empty()) {
        match all_hold(&pass.when, place) {
            Ok(true) => return Vec::new(),
            Ok(false) => {}
            Err(failure) => return vec![Err(told(place, &failure, None))],
        }
    }
    let makings = mapping.makings.iter().filter(|making| making.each == each);
    let made: Vec<_> = makings.filter_map(|making| message(making, place, source)).collect();
    if made.is_empty() {
        let makings = mapping.makings.iter().filter(|making| making.each == each);
        let lines: Vec<_> = makings.map(|making| making.line.to_string()).collect();
        let (lines, s) = (lines.join(" and "), if lines.len() == 1 { "" } else { "s" });
        let why = format!(
            "is what no [[message]] takes, since `when` holds of none, and no [[pass]] passes over (mapping line{s} {lines})"
        );
        return vec![Err(Fault::at(Reason::UnknownType, place.shown(None), why))];
    }
    made
}

/// The message that is made there; none where its conditions do not hold.
fn message(making: &Making, place: &impl Place, source: &SourceName) -> Option<Result<Message, Fault>> {
    match all_hold(&making.when, place) {
        Ok(false) => return None,
        Ok(true) => {}
        Err(failure) => return Some(Err(told(place, &failure, None))),
    }
    Some(entries(making, place).and_then(|entries| {
        let ignored = Cell::new(0);
        json::message(source, making.word, &entries, &ignored).map_err(|fault| located(making, place, fault))
    }))
}

/// By what a fact says that it is no longer in force.
const GOES: [&str; 2] = ["deleted", "withdrawn"];
/// What is read of a fact that says so.
const STAYS: [&str; 4] = ["id", "version", "deleted", "withdrawn"];

fn entries<'a>(making: &'a Making, place: &'a impl Place) -> Result<Vec<Entry<'a>>, Fault> {
    let mut entries: Vec<Entry<'a>> = Vec::with_capacity(making.fields.len() + 1);
    entries.push((Cow::Borrowed("type"), Node::Text(Cow::Borrowed(making.word))));
    let is_gone = is_gone(making, place)?;
    for made in &making.fields {
        if is_gone && !STAYS.contains(&made.name) {
            continue;
        }
        let node = match &made.by {
            By::Rule(rule) => node(rule, place).map_err(|failure| told(place, &failure, Some(made.name)))?,
            By::Object(rules) => object(rules, place, made.name)?,
            By::Objects(objects) => {
                let mut nodes = Vec::with_capacity(objects.len());
                for rules in objects {
                    nodes.extend(object(rules, place, made.name)?);
                }
                Some(Node::List(nodes))
            }
        };
        entries.extend(node.map(|node| (Cow::Borrowed(made.name), node)));
    }
    Ok(entries)
}

/// Whether it is a fact that is deleted or withdrawn. Of such a one the other fields are not read, so that what is wrong in one
/// of them keeps nothing in force.
fn is_gone(making: &Making, place: &impl Place) -> Result<bool, Fault> {
    for made in making.fields.iter().filter(|made| GOES.contains(&made.name)) {
        if let By::Rule(rule) = &made.by {
            let flag = node(rule, place).map_err(|failure| told(place, &failure, Some(made.name)))?;
            if matches!(flag, Some(Node::Boolean(true))) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// An object. One of which the message brings nothing is not there, unless all of it is the mapping's own.
fn object<'a>(
    rules: &'a [(&'static str, Rule)],
    place: &'a impl Place,
    field: &str,
) -> Result<Option<Node<'a>>, Fault> {
    let mut entries: Vec<Entry<'a>> = Vec::with_capacity(rules.len());
    let mut is_brought = rules.iter().all(|(_, rule)| rule.is_constant());
    for (name, rule) in rules {
        let node =
            node(rule, place).map_err(|failure| told(place, &failure, Some(&format!("{field}.{name}"))))?;
        if let Some(node) = node {
            is_brought |= !rule.is_constant();
            entries.push((Cow::Borrowed(*name), node));
        }
    }
    Ok((is_brought && !entries.is_empty()).then_some(Node::Object(entries)))
}

fn node<'a>(rule: &'a Rule, place: &'a impl Place) -> Result<Option<Node<'a>>, Failure<'a>> {
    let holds = all_hold(&rule.when, place)?;
    let at = |path| move |wrong| Failure { line: rule.line, path, wrong };
    if matches!(rule.from, From::Conditions) {
        return Ok(Some(Node::Boolean(holds)));
    }
    if !holds {
        return Ok(None);
    }
    if rule.form == Form::Names {
        return names(rule, place);
    }
    let (raw, path) = match &rule.from {
        From::Path(path) => (one(rule, place, path)?, Some(path)),
        From::First(paths) => {
            let mut found = (None, paths.first());
            for path in paths {
                if let Some(raw) = one(rule, place, path)? {
                    found = (Some(raw), Some(path));
                    break;
                }
            }
            found
        }
        From::Sides(debit, credit) => return sides::amount(rule, place, debit, credit).map(Some),
        From::Join(paths, with) => (joined(rule, place, paths, with)?, paths.first()),
        From::Constant(values) => {
            let text = values.first().map(String::as_str).unwrap_or_default();
            return value::plain(rule.form, Cow::Borrowed(text)).map(Some).map_err(at(None));
        }
        From::Conditions => (None, None),
    };
    match (raw, &rule.otherwise) {
        (Some(raw), _) => {
            let negated = match &rule.writing {
                Writing::Money(money) => is_negated(rule.line, money, place)?,
                _ => false,
            };
            value::canonical(rule, raw, negated).map(Some).map_err(at(path))
        }
        (None, Some(otherwise)) => {
            value::plain(rule.form, Cow::Borrowed(otherwise)).map(Some).map_err(at(path))
        }
        (None, None) => nothing(rule, path),
    }
}

/// What a rule makes where nothing is found: no field, or a fault where the mapping says that it is needed.
fn nothing<'a>(rule: &'a Rule, path: Option<&'a Path>) -> Result<Option<Node<'a>>, Failure<'a>> {
    let why = "is needed, and nothing is found here";
    let wrong = (Reason::MissingField, why.into());
    if rule.is_needed { Err(Failure { line: rule.line, path, wrong }) } else { Ok(None) }
}

/// Whether an amount's sign is turned round.
fn is_negated<'a>(line: usize, money: &'a Money, place: &'a impl Place) -> Result<bool, Failure<'a>> {
    let is_negative = !money.negative.is_empty() && all_hold(&money.negative, place)?;
    if !money.positive.is_empty() && all_hold(&money.positive, place)? == is_negative {
        let why = match is_negative {
            true => "says both `negative` and `positive` of the amount, and exactly one is wanted",
            false => "says neither `negative` nor `positive` of the amount, and exactly one is wanted",
        };
        let path = money.positive.iter().find_map(Condition::path);
        return Err(Failure { line, path, wrong: (Reason::InvalidAmount, why.into()) });
    }
    Ok(is_negative)
}

/// A list of names: all that stand at a path.
fn names<'a>(rule: &'a Rule, place: &'a impl Place) -> Result<Option<Node<'a>>, Failure<'a>> {
    let mut nodes = Vec::new();
    match &rule.from {
        From::Constant(values) => {
            nodes.extend(values.iter().map(|value| Node::Text(Cow::Borrowed(value.as_str()))));
        }
        From::Path(path) => {
            for raw in place.all(path) {
                let node = value::canonical(rule, raw, false);
                nodes.push(node.map_err(|wrong| Failure { line: rule.line, path: Some(path), wrong })?);
            }
        }
        From::First(paths) | From::Join(paths, _) => {
            for path in paths {
                if let Some(raw) = one(rule, place, path)? {
                    let node = value::canonical(rule, raw, false);
                    nodes.push(node.map_err(|wrong| Failure { line: rule.line, path: Some(path), wrong })?);
                }
            }
        }
        From::Conditions | From::Sides(..) => {}
    }
    if nodes.is_empty() {
        let path = match &rule.from {
            From::Path(path) => Some(path),
            From::First(paths) | From::Join(paths, _) => paths.first(),
            From::Constant(_) | From::Conditions | From::Sides(..) => None,
        };
        return nothing(rule, path);
    }
    Ok(Some(Node::List(nodes)))
}

/// The one value at a path, if there is one.
pub(super) fn one<'a>(
    rule: &Rule,
    place: &'a impl Place,
    path: &'a Path,
) -> Result<Option<Raw<'a>>, Failure<'a>> {
    single(rule.line, place, path)
}

fn single<'a>(line: usize, place: &'a impl Place, path: &'a Path) -> Result<Option<Raw<'a>>, Failure<'a>> {
    let wrong =
        |why: &'static str| Failure { line, path: Some(path), wrong: (Reason::InvalidField, why.into()) };
    match place.find(path) {
        Found::Nothing | Found::Blank | Found::Elements => Ok(None),
        Found::One(raw) => Ok(Some(raw)),
        Found::Several => Err(wrong("stands there several times, and one is wanted")),
        Found::Cut => Err(wrong("is cut off: the line ends before this column does")),
    }
}

/// All of them as one text. Where one is missing there is none.
fn joined<'a>(
    rule: &Rule,
    place: &'a impl Place,
    paths: &'a [Path],
    with: &str,
) -> Result<Option<Raw<'a>>, Failure<'a>> {
    let mut text = String::new();
    for (index, path) in paths.iter().enumerate() {
        let Some(raw) = one(rule, place, path)? else { return Ok(None) };
        if index > 0 {
            text.push_str(with);
        }
        match raw {
            Raw::Text(part) => text.push_str(&part),
            Raw::Number(part) => text.push_str(part),
            Raw::Boolean(_) | Raw::Composite => {
                let wrong = (Reason::InvalidField, "is no text, and cannot be joined".into());
                return Err(Failure { line: rule.line, path: Some(path), wrong });
            }
        }
    }
    Ok(Some(Raw::Text(Cow::Owned(text))))
}

pub(super) fn all_hold<'a>(conditions: &'a [Condition], place: &'a impl Place) -> Result<bool, Failure<'a>> {
    for condition in conditions {
        if !holds(condition, place)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds<'a>(condition: &'a Condition, place: &'a impl Place) -> Result<bool, Failure<'a>> {
    let (line, path, test) = match condition {
        Condition::Of { line, path, test } => (*line, path, test),
        Condition::Any(lists) => {
            for conditions in lists {
                if all_hold(conditions, place)? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
    };
    Ok(match test {
        Test::Exists(wanted) => {
            let is_there = match place.find(path) {
                Found::Several | Found::Elements => true,
                // A value that was cut off is neither there nor not.
                Found::Nothing | Found::Blank | Found::One(_) | Found::Cut => {
                    single(line, place, path)?.is_some()
                }
            };
            is_there == *wanted
        }
        Test::Is(texts) => is_one_of(single(line, place, path)?, texts),
        Test::IsNot(texts) => !is_one_of(single(line, place, path)?, texts),
    })
}

fn is_one_of(raw: Option<Raw<'_>>, texts: &[String]) -> bool {
    let text = match raw {
        Some(Raw::Text(text)) => text,
        Some(Raw::Number(literal)) => Cow::Borrowed(literal),
        Some(Raw::Boolean(boolean)) => Cow::Borrowed(if boolean { "true" } else { "false" }),
        Some(Raw::Composite) | None => return false,
    };
    texts.iter().any(|wanted| *wanted == text)
}

/// A fault of a rule.
fn told(place: &impl Place, failure: &Failure<'_>, field: Option<&str>) -> Fault {
    let Failure { line, path, wrong: (reason, why) } = failure;
    let of = field.map(|field| format!("`{field}`, ")).unwrap_or_default();
    Fault::at(*reason, place.shown(*path), format!("{why} ({of}mapping line {line})"))
}

/// A fault of the canonical reader, which names a field of the message, told of what that field was made from.
fn located(making: &Making, place: &impl Place, fault: Fault) -> Fault {
    let Some(field) = fault.path.as_deref() else {
        return Fault { path: Some(place.shown(None)), ..fault };
    };
    let rules = rules_of(making, field);
    let path = rules.iter().find_map(|rule| match &rule.from {
        From::Path(path) => Some(path),
        From::First(paths) | From::Join(paths, _) => paths.first(),
        From::Sides(debit, _) => Some(debit),
        From::Constant(_) | From::Conditions => None,
    });
    let why = match fault.reason {
        Reason::MissingField => "is required, and nothing is found here".into(),
        _ => fault.message,
    };
    let lines = match rules.first() {
        Some(rule) => format!(", mapping line {}", rule.line),
        None => format!(", which the mapping makes of nothing in a {}", making.word),
    };
    Fault::at(fault.reason, place.shown(path), format!("{why} (`{field}`{lines})"))
}

/// The rules that make a field, by its path in the canonical message.
fn rules_of<'m>(making: &'m Making, field: &str) -> Vec<&'m Rule> {
    let end = field.find(['.', '[']).unwrap_or(field.len());
    let (name, rest) = field.split_at(end);
    let Some(made) = making.fields.iter().find(|made| made.name == name) else { return Vec::new() };
    let within = |rules: &'m [(&'static str, Rule)], rest: &str| -> Vec<&'m Rule> {
        let inner = rest.trim_start_matches('.');
        let named: Vec<_> = rules.iter().filter(|(name, _)| *name == inner).map(|(_, rule)| rule).collect();
        let brought = rules.iter().map(|(_, rule)| rule).filter(|rule| !rule.is_constant());
        if named.is_empty() { brought.collect() } else { named }
    };
    match &made.by {
        By::Rule(rule) => vec![rule.as_ref()],
        By::Object(rules) => within(rules, rest),
        By::Objects(objects) => {
            let (index, rest) = rest.trim_start_matches('[').split_once(']').unwrap_or((rest, ""));
            // Where some of the list were not there, the index is no object's; then any may be meant.
            match index.parse::<usize>().ok().and_then(|index| objects.get(index)) {
                Some(rules) if objects.len() == 1 || !rest.is_empty() => within(rules, rest),
                _ => objects.iter().flatten().map(|(_, rule)| rule).collect(),
            }
        }
    }
}
