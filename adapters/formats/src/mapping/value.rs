//! Values: from how a message writes them to how canonical JSON does. Money never passes through a float.

use std::borrow::Cow;

use jiff::civil::{Date, date};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::{Timestamp, civil::DateTime};
use samspor_domain::Reason;

use super::rule::{Moment, Money, Part, Resolution, Rule, Writing};
use super::schema::Form;
use crate::calendar;
use crate::json::Node;

/// What stands at a place in a message. Texts have no white space around them, and are not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw<'a> {
    Text(Cow<'a, str>),
    /// A JSON number, by its own characters.
    Number(&'a str),
    Boolean(bool),
    /// A JSON object or array, which is no value.
    Composite,
}

/// Why it is no value of its form.
pub(super) type Wrong = (Reason, Cow<'static, str>);

/// The value as canonical JSON has it.
pub(super) fn canonical<'a>(rule: &'a Rule, raw: Raw<'a>, negated: bool) -> Result<Node<'a>, Wrong> {
    let reason = reason(rule.form);
    let wrong = |why: &'static str| (reason, Cow::Borrowed(why));
    let raw =
        stripped(&rule.strip, raw).ok_or_else(|| wrong("does not begin with what `strip` takes away"))?;
    let raw = match rule.part {
        Some(part) => cut(part, raw)
            .ok_or_else(|| wrong("is no text in which all of the characters stand that `part` takes"))?,
        None => raw,
    };
    match &rule.writing {
        Writing::Money(money) => {
            let amount = match (raw, money.is_number) {
                (Raw::Number(literal), true) => number(money, literal, negated).ok_or_else(|| {
                    wrong(
                        "is not an amount: expected a JSON number with two decimals at most and no exponent",
                    )
                })?,
                (Raw::Number(_), false) => {
                    return Err(wrong(
                        "is a JSON number; say `number = true` if the sender writes amounts so",
                    ));
                }
                (Raw::Text(text), false) => amount(money, &text, negated)
                    .ok_or_else(|| (reason, Cow::Owned(format!("is not an amount as declared: {money}"))))?,
                _ => return Err(wrong("is not an amount: expected a JSON number")),
            };
            return Ok(Node::Text(Cow::Owned(amount)));
        }
        Writing::Moment(moments, resolution) => {
            let text = text(rule.form, raw)?;
            let expected =
                || (reason, Cow::Owned(format!("is not as declared: expected {}", shown(moments))));
            if rule.form == Form::Date {
                let day = moments.iter().find_map(|moment| day(moment, &text)).ok_or_else(expected)?;
                return Ok(Node::Text(Cow::Owned(day.to_string())));
            }
            let instant = moments.iter().find_map(|moment| instant(moment, &text)).ok_or_else(expected)?;
            if rule.form == Form::Version
                && *resolution == Resolution::Time
                && calendar::date(&text).is_some()
            {
                let why = "is a day without a time, which does not order versions; say resolution = \"day\" if it does";
                return Err(wrong(why));
            }
            return Ok(match rule.form {
                Form::Version => Node::Integer(instant.as_microsecond()),
                _ => Node::Text(Cow::Owned(instant.to_string())),
            });
        }
        Writing::Canonical => {}
    }
    if rule.form == Form::Flag
        && let Raw::Boolean(boolean) = raw
    {
        return Ok(Node::Boolean(boolean));
    }
    let mut text = text(rule.form, raw)?;
    if text.len() < rule.pad {
        text = Cow::Owned(format!("{text:0>width$}", width = rule.pad));
    }
    if let Some(table) = &rule.table {
        let found = table.entries.get(text.as_ref()).or(table.otherwise.as_ref());
        let found = found.ok_or_else(|| {
            (reason, Cow::Owned(format!("is not in the table `{}`, which has no `otherwise`", table.name)))
        })?;
        text = Cow::Borrowed(found);
    }
    plain(rule.form, text)
}

/// What is left without the text that it must begin with; none if it does not.
fn stripped<'a>(strip: &str, raw: Raw<'a>) -> Option<Raw<'a>> {
    Some(match raw {
        raw if strip.is_empty() => raw,
        Raw::Text(Cow::Borrowed(text)) => Raw::Text(Cow::Borrowed(text.strip_prefix(strip)?.trim_start())),
        Raw::Text(Cow::Owned(text)) => {
            Raw::Text(Cow::Owned(text.strip_prefix(strip)?.trim_start().to_owned()))
        }
        Raw::Number(_) | Raw::Boolean(_) | Raw::Composite => return None,
    })
}

/// The part of a text that is meant, without white space around it; none where the text ends before it does, or nothing is left.
fn cut<'a>(part: Part, raw: Raw<'a>) -> Option<Raw<'a>> {
    let Raw::Text(text) = raw else { return None };
    let of = |text: &str| -> Option<std::ops::Range<usize>> {
        let ends = |characters: usize| {
            let all = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            all.into_iter().nth(characters)
        };
        let from = ends(part.at)?;
        let to = match part.length {
            Some(length) => ends(part.at + length)?,
            None => text.len(),
        };
        let found = text.get(from..to)?;
        let start = from + (found.len() - found.trim_start().len());
        (!found.trim().is_empty()).then(|| start..start + found.trim().len())
    };
    let range = of(&text)?;
    Some(Raw::Text(match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[range]),
        Cow::Owned(text) => Cow::Owned(text[range].to_owned()),
    }))
}

/// A canonical text as the node that its form has.
pub(super) fn plain(form: Form, text: Cow<'_, str>) -> Result<Node<'_>, Wrong> {
    match form {
        Form::Version | Form::Integer => text
            .parse()
            .map(Node::Integer)
            .map_err(|_| (Reason::InvalidField, "is not a whole number in range".into())),
        Form::Flag => match text.as_ref() {
            "true" => Ok(Node::Boolean(true)),
            "false" => Ok(Node::Boolean(false)),
            _ => Err((
                Reason::InvalidField,
                "is neither `true` nor `false`; a condition can say what is".into(),
            )),
        },
        _ => Ok(Node::Text(text)),
    }
}

fn reason(form: Form) -> Reason {
    match form {
        Form::Amount => Reason::InvalidAmount,
        Form::Account => Reason::InvalidAccount,
        Form::Cpr => Reason::InvalidCpr,
        _ => Reason::InvalidField,
    }
}

/// The characters of a value. Those of a number are its own, which only a whole one has just one way of writing.
fn text(form: Form, raw: Raw<'_>) -> Result<Cow<'_, str>, Wrong> {
    let wrong = |why: &'static str| (reason(form), Cow::Borrowed(why));
    match raw {
        Raw::Text(text) => Ok(text),
        Raw::Number(literal) if literal.bytes().all(|b| b.is_ascii_digit() || b == b'-') => {
            Ok(Cow::Borrowed(literal))
        }
        Raw::Number(_) => Err(wrong("is a JSON number that is not whole")),
        Raw::Boolean(_) => Err(wrong("is true or false, and no text")),
        Raw::Composite => Err(wrong("is an object or an array, and no value")),
    }
}

/// An amount in the contract's form, if the text is written as declared.
fn amount(money: &Money, text: &str, negated: bool) -> Option<String> {
    let (is_negative, digits) = if money.is_trailing {
        match (text.strip_suffix('-'), text.strip_suffix('+')) {
            (Some(digits), _) => (true, digits),
            (None, digits) => (false, digits.unwrap_or(text)),
        }
    } else {
        match (text.strip_prefix('-'), text.strip_prefix('+')) {
            (Some(digits), _) => (true, digits),
            (None, digits) => (false, digits.unwrap_or(text)),
        }
    };
    let sign = if is_negative == negated { "" } else { "-" };
    if money.is_oere {
        let digits = bare(digits)?;
        let digits = format!("{digits:0>3}");
        let (kroner, oere) = digits.split_at(digits.len() - 2);
        return Some(format!("{sign}{kroner}.{oere}"));
    }
    let (whole, part) = match digits.split_once(money.decimal) {
        Some((whole, part)) if (1..=2).contains(&part.len()) && is_digits(part) => (whole, Some(part)),
        Some(_) => return None,
        None => (digits, None),
    };
    let whole = match money.thousands {
        Some(thousands) if whole.contains(thousands) => Cow::Owned(ungrouped(whole, thousands)?),
        _ => Cow::Borrowed(whole),
    };
    let whole = bare(&whole)?;
    Some(match part {
        Some(part) => format!("{sign}{whole}.{part}"),
        None => format!("{sign}{whole}"),
    })
}

/// An amount from the characters of a JSON number.
fn number(money: &Money, literal: &str, negated: bool) -> Option<String> {
    let plain = Money {
        decimal: '.',
        thousands: None,
        is_trailing: false,
        is_number: true,
        is_oere: money.is_oere,
        negative: Vec::new(),
        positive: Vec::new(),
    };
    // JSON lets no number begin with '+', so nothing else is let through than an amount may be.
    amount(&plain, literal, negated)
}

/// Digits without the zeros that fill them up.
fn bare(digits: &str) -> Option<&str> {
    let bare = digits.trim_start_matches('0');
    is_digits(digits).then_some(if bare.is_empty() { "0" } else { bare })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Digits without what stands between each three of them, if it stands there and nowhere else.
fn ungrouped(text: &str, thousands: char) -> Option<String> {
    let mut groups = text.split(thousands);
    let first = groups.next().filter(|first| (1..=3).contains(&first.len()))?;
    let mut digits = first.to_owned();
    for group in groups {
        digits.push_str(Some(group).filter(|group| group.len() == 3)?);
    }
    Some(digits)
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if self.is_trailing { "after" } else { "before" };
        if self.is_oere {
            return write!(f, "whole øre, with any '-' {place} the digits");
        }
        write!(f, "digits, at most two after '{}'", self.decimal)?;
        if let Some(thousands) = self.thousands {
            write!(f, ", '{thousands}' between each three before it or nowhere")?;
        }
        write!(f, ", and any '-' {place} them")
    }
}

fn shown(moments: &[Moment]) -> String {
    let shown = moments.iter().map(|moment| match moment {
        Moment::Iso => "xsd:date or xsd:dateTime".to_owned(),
        Moment::Format(format) => format!("`{}`", super::flaws::shown(format)),
    });
    shown.collect::<Vec<_>>().join(" or ")
}

/// The day of a text, in Europe/Copenhagen where it names an offset.
fn day(moment: &Moment, text: &str) -> Option<Date> {
    match moment {
        Moment::Iso => calendar::day(text),
        Moment::Format(format) => {
            let read = parsed(format, text)?;
            match exact(&read) {
                Some(instant) => Some(calendar::day_of(instant)),
                None => read.to_date().ok(),
            }
        }
    }
}

/// The instant of a text; without an offset it is Europe/Copenhagen's, and without a time its first.
fn instant(moment: &Moment, text: &str) -> Option<Timestamp> {
    match moment {
        Moment::Iso => match calendar::date(text) {
            Some(day) => calendar::instant_of(DateTime::from(day)),
            None => calendar::Moment::parse(text).and_then(calendar::Moment::instant),
        },
        Moment::Format(format) => {
            let read = parsed(format, text)?;
            match exact(&read) {
                Some(instant) => Some(instant),
                None => calendar::instant_of(read.to_datetime().ok()?),
            }
        }
    }
}

/// The instant, where the text says which.
fn exact(read: &BrokenDownTime) -> Option<Timestamp> {
    let is_exact = read.offset().is_some() || read.timestamp().is_some();
    is_exact.then(|| read.to_timestamp().ok())?
}

/// The text as the format reads it, if the format writes it so too: strptime takes `1-1-2026` for `%d-%m-%Y` and, without
/// hyphens, cannot tell November from 1 January.
fn parsed(format: &str, text: &str) -> Option<BrokenDownTime> {
    let read = BrokenDownTime::parse(format, text).ok()?;
    let is_same = has_decimals(format) || read.to_string(format).is_ok_and(|written| written == text);
    is_same.then_some(read)
}

/// Whether a format has decimals of a second (`%f`, `%N`, `%.f`, `%3f`), which have many writings.
fn has_decimals(format: &str) -> bool {
    let mut rest = format;
    while let Some((_, after)) = rest.split_once('%') {
        let directive = after.trim_start_matches(|c: char| "-_^#.:".contains(c) || c.is_ascii_digit());
        if directive.starts_with(['f', 'N']) {
            return true;
        }
        // The sign after it is its own, also where that is another '%'.
        rest = directive.get(directive.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default();
    }
    false
}

/// Whether values of that form can be read so: tried with one. An instant must come back with its hour and minute.
pub(super) fn is_readable(moment: &Moment, form: Form, resolution: Resolution) -> bool {
    let Moment::Format(format) = moment else { return true };
    let sample = calendar::in_copenhagen(date(2026, 11, 23).at(14, 35, 46, 0));
    let Ok(written) = strtime::format(format, &sample) else { return false };
    // A format without year, month and day gives no date.
    if day(moment, &written) != Some(sample.date()) {
        return false;
    }
    let Some(read) = instant(moment, &written) else { return false };
    if form == Form::Date || resolution == Resolution::Day {
        return true;
    }
    let minute = |instant: Timestamp| instant.as_second().div_euclid(60);
    minute(read) == minute(sample.timestamp())
}
