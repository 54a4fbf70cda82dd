//! Lines of G69, whole or broken: numbers of fields, and the forms of values.

use super::{mask, plain};
use crate::{calendar, g69};

/// How many lines are looked at.
const LINES: usize = 100;

/// Whether any of the first lines begins as one of G69 does.
pub(super) fn is_it(text: &str) -> bool {
    text.lines().take(LINES).any(|line| line.get(3..6) == Some("G69"))
}

/// What is shown of a text with such lines.
pub(super) fn masked(text: &str) -> String {
    text.split_inclusive('\n').map(line).collect()
}

fn line(line: &str) -> String {
    let (header, fields) = line.split_once('&').map_or((line, None), |(header, rest)| (header, Some(rest)));
    // Its fields have two digits: three of `&116112801234` would be a number of G69 and a digit of a person's.
    if header.get(3..6) == Some("G68") {
        return mask(line);
    }
    let mut shown = match (header.get(..3), header.get(3..6), header.get(6..)) {
        (Some(place), Some("G69"), Some(rest)) => format!("{}G69{}", mask(place), mask(rest)),
        _ => mask(header),
    };
    for field in fields.into_iter().flat_map(|fields| fields.split('&')) {
        shown.push('&');
        let number = field.get(..3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        match number.and_then(|digits| Some((digits, digits.parse().ok()?))) {
            Some((digits, number)) if g69::is_known(number) => {
                shown.push_str(digits);
                shown.push_str(&value(number, &field[3..]));
            }
            _ => shown.push_str(&mask(field)),
        }
    }
    shown
}

fn value(number: u16, value: &str) -> String {
    let text = value.trim_ascii();
    let tells_of_nobody = match number {
        110 => calendar::compact_date(text).is_some_and(|date| (1970..2100).contains(&date.year())),
        113 => matches!(text, "D" | "K"),
        132 => matches!(text, "02" | "03"),
        _ => false,
    };
    if tells_of_nobody { plain(&value.replace('\r', "")) } else { mask(value) }
}
