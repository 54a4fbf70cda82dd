//! JSON, whole or broken: keys, and the forms of values.

use samspor_domain::Kind;

use super::{form, mask, name, plain};
use crate::calendar;

/// A version with more digits may be something else.
const MAX_VERSION_DIGITS: usize = 4;

/// What is shown of a text that begins as JSON does.
pub(super) fn masked(text: &str) -> String {
    let mut reader = Reader { rest: text, shown: String::with_capacity(text.len()), ..Reader::default() };
    while reader.step() {}
    reader.shown
}

#[derive(Default)]
struct Reader<'t> {
    rest: &'t str,
    shown: String,
    /// The objects and arrays that are open: whether each is an object.
    open: Vec<bool>,
    /// A string that stands here may be a key.
    key_may_come: bool,
    /// The key of the value that stands here. It has one value: what follows that, in a broken text, is nobody's.
    field: &'t str,
}

impl<'t> Reader<'t> {
    /// Takes so many bytes.
    fn take(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn step(&mut self) -> bool {
        let Some(character) = self.rest.chars().next() else { return false };
        match character {
            '"' => self.string(),
            '{' | '[' | '}' | ']' | ',' | ':' => {
                self.take(1);
                self.shown.push(character);
                self.mark(character);
            }
            _ if character.is_whitespace() => {
                self.take(character.len_utf8());
                self.shown.push(form(character));
            }
            _ => self.bare(),
        }
        true
    }

    fn mark(&mut self, mark: char) {
        match mark {
            '{' | '[' => self.open.push(mark == '{'),
            '}' | ']' => drop(self.open.pop()),
            _ => {}
        }
        let in_object = self.open.last() == Some(&true);
        self.key_may_come = in_object && matches!(mark, '{' | ',');
        if self.key_may_come || matches!(mark, '}' | ']' | '{') {
            self.field = "";
        }
    }

    fn string(&mut self) {
        self.take(1);
        let mut escaped = false;
        let end = self.rest.char_indices().find(|(_, character)| {
            let ends = *character == '"' && !escaped;
            escaped = *character == '\\' && !escaped;
            ends
        });
        let Some((end, _)) = end else {
            self.shown.push('"');
            let rest = self.take(self.rest.len());
            self.shown.push_str(&mask(rest));
            return;
        };
        let string = self.take(end);
        self.take(1);
        let is_key = self.key_may_come && self.rest.trim_ascii_start().starts_with(':');
        let field = std::mem::take(&mut self.field);
        let shown = if is_key {
            self.field = string;
            name(string)
        } else if tells_of_nobody(field, string) {
            plain(string)
        } else {
            mask(string)
        };
        self.key_may_come = false;
        self.shown.push('"');
        self.shown.push_str(&shown);
        self.shown.push('"');
    }

    /// A number, a literal, or what should be neither.
    fn bare(&mut self) {
        let ends = |character: char| character.is_whitespace() || "{}[],:\"".contains(character);
        let token = self.take(self.rest.find(ends).unwrap_or(self.rest.len()));
        let is_version = std::mem::take(&mut self.field) == "version"
            && token.len() <= MAX_VERSION_DIGITS
            && token.bytes().all(|byte| byte.is_ascii_digit());
        if is_version || matches!(token, "true" | "false" | "null") {
            self.shown.push_str(token);
        } else {
            self.shown.push_str(&mask(token));
        }
    }
}

/// Whether what a field says is a word of the contract, or a date that is nobody's birth.
fn tells_of_nobody(field: &str, text: &str) -> bool {
    match field {
        "type" => text == "posting" || Kind::ALL.iter().any(|kind| kind.word() == text),
        "kind" => matches!(text, "same" | "cpr-change" | "service" | "transfer"),
        "per" => matches!(text, "day" | "week" | "month" | "once" | "family" | "citizen"),
        "side" | "default_side" => matches!(text, "inside" | "outside"),
        "basis" => matches!(text, "consent" | "law"),
        "grants" | "pays" | "above_ceiling" => matches!(text, "solution" | "shared" | "area"),
        "date" | "from" | "to" | "on" | "covers_from" | "covers_to" | "given_on" | "period_from"
        | "period_to" => calendar::date(text).is_some(),
        _ => false,
    }
}
