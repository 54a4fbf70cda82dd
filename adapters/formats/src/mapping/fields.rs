//! Loading the rules of fields.

use std::ops::Range;
use std::sync::Arc;

use toml::de::DeValue;

use super::flaws::{Keys, Value, shown};
use super::load::Loader;
use super::rule::{By, Condition, From, Moment, Money, Part, Resolution, Rule, Table, Writing};
use super::schema::{Field, Form};
use super::sides;
use super::value;

/// The last character that a part may begin at, and its greatest length.
const MAX_PART: usize = 10_000;

impl Rule {
    /// Whether it says true of every message.
    pub(super) fn is_always_true(&self) -> bool {
        self.when.is_empty() && matches!(&self.from, From::Constant(values) if *values == ["true"])
    }

    /// Whether the mapping itself says the value.
    pub(super) fn is_constant(&self) -> bool {
        matches!(self.from, From::Constant(_))
    }
}

impl Loader<'_> {
    /// What makes a field.
    pub(super) fn by(
        &mut self,
        at: &Range<usize>,
        value: &Value<'_>,
        field: &Field,
        from: u16,
    ) -> Option<By> {
        let Some(known) = field.form.fields() else {
            return self.rule(at, value, field, from).map(|rule| By::Rule(Box::new(rule)));
        };
        if field.form == Form::References {
            let DeValue::Array(items) = value.get_ref() else {
                let wanted = "a list of references: [ { cpr = \"…\" }, { uuid = \"…\" } ]";
                return self.flaws.wrong(value, value.get_ref(), wanted);
            };
            let objects: Vec<_> = items.iter().map(|item| self.object(item, field, known, from)).collect();
            return objects.into_iter().collect::<Option<_>>().map(By::Objects);
        }
        self.object(value, field, known, from).map(By::Object)
    }

    fn object(
        &mut self,
        value: &Value<'_>,
        field: &Field,
        known: &'static [Field],
        from: u16,
    ) -> Option<Vec<(&'static str, Rule)>> {
        let name = field.name;
        let names: Vec<_> = known.iter().map(|inner| format!("{name}.{}", inner.name)).collect();
        let DeValue::Table(table) = value.get_ref() else {
            let wanted = format!("its parts, each with a rule of its own: {}", names.join(", "));
            return self.flaws.wrong(value, value.get_ref(), &wanted);
        };
        let mut keys = Keys::new(table, value.span(), &format!("`{name}`"));
        let mut rules = Vec::new();
        let mut is_good = true;
        for inner in known {
            if let Some((at, value)) = keys.take_at(inner.name) {
                let rule = self.rule(&at, value, inner, from);
                is_good &= rule.is_some();
                rules.extend(rule.map(|rule| (inner.name, rule)));
            } else if inner.required {
                self.flaws.add(keys.at.clone(), format!("`{name}` needs `{name}.{}`", inner.name));
                is_good = false;
            }
        }
        if is_good && rules.iter().all(|(name, _)| *name == "system") {
            let why = format!("`{name}` needs one of {}", names.join(", "));
            self.flaws.add(keys.at.clone(), why);
            is_good = false;
        }
        keys.end(&mut self.flaws);
        is_good.then_some(rules)
    }

    fn rule(&mut self, at: &Range<usize>, value: &Value<'_>, field: &Field, from: u16) -> Option<Rule> {
        let line = self.line(at);
        let form = field.form;
        if form == Form::Refused {
            let why = format!("`{}` is a list of objects, which no mapping can make", field.name);
            self.flaws.add(at.clone(), why).help = Some("send it as canonical JSON or over gRPC".into());
            return None;
        }
        let plain = |from| Rule {
            line,
            form,
            from,
            strip: String::new(),
            part: None,
            pad: 0,
            table: None,
            otherwise: None,
            when: Vec::new(),
            writing: Writing::Canonical,
            is_needed: false,
            is_unseen: false,
        };
        if let DeValue::String(_) = value.get_ref() {
            return self.path(value, from).map(|path| plain(From::Path(path)));
        }
        let DeValue::Table(table) = value.get_ref() else {
            return self.flaws.wrong(
                value,
                value.get_ref(),
                "a path in quotes, or a table such as { path = \"…\" }",
            );
        };
        let mut keys =
            Keys::new(table, value.span(), &format!("the rule of `{}`, {},", field.name, form.name()));
        let before = self.flaws.0.len();
        let first = table.iter().find(|(key, _)| key.get_ref() == "first").map(|(_, value)| value);
        let source = self.source(&mut keys, form, from);
        let mut rule = plain(From::Conditions);
        rule.when = keys.take("when").map(|value| self.conditions(value, from)).unwrap_or_default();
        rule.is_unseen = keys.take("unseen").and_then(|value| self.flaws.boolean(value)).unwrap_or(false);
        let is_constant = matches!(source, Some(Some(From::Constant(_))));
        if !is_constant {
            self.reading(&mut keys, &mut rule, from);
        }
        if let (Some(Some(source)), Writing::Money(money)) = (&source, &rule.writing) {
            let signs = [&money.negative[..], &money.positive];
            sides::refuse(&mut self.flaws, first, source, signs);
            if matches!(source, From::Sides(..))
                && (signs.iter().any(|sign| !sign.is_empty()) || rule.otherwise.is_some())
            {
                let why = "`debit` and `credit` say the sign themselves, and exactly one is there: `negative`, `positive` and \
                           `otherwise` do not go with them";
                self.flaws.add(keys.at.clone(), why);
            }
        }
        match source {
            Some(Some(source)) => rule.from = source,
            Some(None) if form == Form::Flag && !rule.when.is_empty() => {}
            Some(None) => {
                let why = "a rule needs one of `path`, `first`, `join` and `value`";
                self.flaws.add(keys.at.clone(), why);
            }
            None => {}
        }
        keys.end(&mut self.flaws);
        (self.flaws.0.len() == before).then_some(rule)
    }

    /// Where the value comes from. None where that is wrong, which is told.
    fn source(&mut self, keys: &mut Keys<'_>, form: Form, from: u16) -> Option<Option<From>> {
        let mut found = Vec::new();
        if let Some(value) = keys.take("path") {
            found.push(From::Path(self.path(value, from)?));
        }
        if let Some(value) = keys.take("first") {
            found.push(From::First(self.paths(value, from)?));
        }
        if let Some(value) = keys.take("join") {
            let paths = self.paths(value, from)?;
            let with = keys.take("with").map(|value| self.flaws.text(value));
            found.push(From::Join(paths, with.unwrap_or_else(|| Some(String::new()))?));
        }
        if let Some(value) = keys.take("value") {
            found.push(From::Constant(self.constant(value, form)?));
        }
        if form == Form::Amount {
            let sides = [keys.take_at("debit"), keys.take_at("credit")];
            match sides {
                [None, None] => {}
                [Some((_, debit)), Some((_, credit))] => {
                    found.push(From::Sides(self.path(debit, from)?, self.path(credit, from)?));
                }
                [Some((at, _)), None] | [None, Some((at, _))] => {
                    self.flaws.add(at, "`debit` and `credit` go together: exactly one of both is not zero");
                    return None;
                }
            }
        }
        if found.len() > 1 {
            let why = match form {
                Form::Amount => {
                    "`path`, `first`, `join`, `value` and `debit` with `credit` exclude each other"
                }
                _ => "`path`, `first`, `join` and `value` exclude each other",
            };
            self.flaws.add(keys.at.clone(), why);
            return None;
        }
        Some(found.pop())
    }

    fn paths(&mut self, value: &Value<'_>, from: u16) -> Option<Vec<super::path::Path>> {
        match value.get_ref() {
            DeValue::Array(items) if !items.is_empty() => {
                let paths: Vec<_> = items.iter().map(|item| self.path(item, from)).collect();
                paths.into_iter().collect()
            }
            other => self.flaws.wrong(value, other, "a list of paths"),
        }
    }

    /// Canonical values that the mapping says itself.
    fn constant(&mut self, value: &Value<'_>, form: Form) -> Option<Vec<String>> {
        let texts = match value.get_ref() {
            DeValue::Integer(number) => vec![number.to_string()],
            DeValue::Boolean(boolean) => vec![boolean.to_string()],
            DeValue::Array(_) if form == Form::Names => self.flaws.texts(value)?,
            _ => vec![self.flaws.text(value)?],
        };
        texts.into_iter().map(|text| self.canonical(value, text, form)).collect()
    }

    /// A text that the mapping says, if it is canonical.
    fn canonical(&mut self, at: &Value<'_>, text: String, form: Form) -> Option<String> {
        match form.check(&text) {
            Ok(()) => Some(text),
            Err(why) => {
                let help =
                    "what a mapping says itself is written as canonical JSON has it: 2026-03-14, 12450.00";
                self.flaws.add(at.span(), format!("`{}` {why}", shown(&text))).help = Some(help.into());
                None
            }
        }
    }

    /// How what is found is read.
    fn reading(&mut self, keys: &mut Keys<'_>, rule: &mut Rule, from: u16) {
        let form = rule.form;
        if let Some(value) = keys.take("otherwise") {
            rule.otherwise = self.constant(value, form).and_then(|mut values| values.pop());
        }
        if let Some((at, value)) = keys.take_at("needed") {
            rule.is_needed = self.flaws.boolean(value).unwrap_or_default();
            if rule.is_needed && rule.otherwise.is_some() {
                self.flaws.add(at, "`needed` and `otherwise` exclude each other: where nothing is found, it is a fault or a value");
            }
        }
        if let Some(value) = keys.take("strip") {
            rule.strip = self.flaws.text(value).unwrap_or_default();
        }
        rule.part = keys.take("part").and_then(|value| self.part(value));
        if matches!(form, Form::Text | Form::Names | Form::Long | Form::Cpr | Form::Grouping | Form::Account)
            && let Some(value) = keys.take("pad")
        {
            rule.pad = self.flaws.number(value, 1..121).unwrap_or_default();
        }
        match form {
            Form::Text
            | Form::Names
            | Form::Long
            | Form::Grouping
            | Form::Account
            | Form::Integer
            | Form::Word(_) => rule.table = keys.take("table").and_then(|value| self.table(value, form)),
            Form::Date | Form::Instant | Form::Version => {
                let is_daily = form == Form::Version
                    && keys.take("resolution").is_some_and(|value| {
                        let day = self.flaws.text(value).is_some_and(|text| text == "day");
                        if !day {
                            self.flaws
                                .add(value.span(), "this is not `day`, the only resolution that is said");
                        }
                        day
                    });
                let resolution = if is_daily { Resolution::Day } else { Resolution::Time };
                if let Some(value) = keys.take("format") {
                    rule.writing = Writing::Moment(self.moments(value, form, resolution), resolution);
                } else if is_daily {
                    self.flaws.add(
                        keys.at.clone(),
                        "`resolution` says what a `format` tells apart: without one there is no instant",
                    );
                }
            }
            Form::Amount => rule.writing = self.money(keys, from),
            _ => {}
        }
    }

    /// Some of a value's characters: where they begin, from 1, and how many they are.
    fn part(&mut self, value: &Value<'_>) -> Option<Part> {
        let (at, length) = match value.get_ref() {
            DeValue::Array(items) => match &items[..] {
                [at] => (at, None),
                [at, length] => (at, Some(length)),
                _ => return self.no_part(value),
            },
            _ => return self.no_part(value),
        };
        let at = self.flaws.number(at, 1..MAX_PART + 1)?;
        let length = match length {
            Some(length) => Some(self.flaws.number(length, 1..MAX_PART + 1)?),
            None => None,
        };
        Some(Part { at: at - 1, length })
    }

    fn no_part(&mut self, value: &Value<'_>) -> Option<Part> {
        let wanted = "the first character, from 1, and how many: [1, 10]; or [11] for all from there";
        self.flaws.wrong(value, value.get_ref(), wanted)
    }

    fn table(&mut self, value: &Value<'_>, form: Form) -> Option<Arc<Table>> {
        let name = self.flaws.text(value)?;
        let Some(table) = self.tables.get(&name).cloned() else {
            let known: Vec<_> = self.tables.keys().map(String::as_str).collect();
            let help = if known.is_empty() {
                format!("add [tables.{}] with lines such as \"BU\" = \"vulnerable-children\"", shown(&name))
            } else {
                format!("there are {}", known.join(", "))
            };
            self.flaws.add(value.span(), format!("there is no table `{}`", shown(&name))).help = Some(help);
            return None;
        };
        for to in table.entries.values().chain(&table.otherwise) {
            if let Err(why) = form.check(to) {
                let why = format!("the table `{}` has `{}`, which {why}", shown(&name), shown(to));
                self.flaws.add(value.span(), why);
                return None;
            }
        }
        Some(table)
    }

    fn moments(&mut self, value: &Value<'_>, form: Form, resolution: Resolution) -> Vec<Moment> {
        let Some(texts) = self.flaws.texts(value) else { return Vec::new() };
        let mut moments = Vec::new();
        for text in texts {
            let moment = if text == "iso" { Moment::Iso } else { Moment::Format(text.clone()) };
            if value::is_readable(&moment, form, resolution) {
                moments.push(moment);
            } else if value::is_readable(&moment, Form::Date, resolution) {
                let why = format!("`{}` does not tell two times of one day apart", shown(&text));
                self.flaws.add(value.span(), why).help = Some(match form {
                    Form::Version => {
                        "of two changes on one day the older might stay: take what says the hour and the minute, or say resolution = \"day\" if nothing changes twice a day"
                    }
                    _ => "say the hour (`%H`, or `%I` with `%p`) and the minute (`%M`)",
                }.into());
            } else {
                let help = "such as \"%d-%m-%Y\", \"%Y%m%d\", \"%Y-%m-%dT%H:%M:%S\", or \"iso\" for xsd:date and xsd:dateTime";
                let why = format!("`{}` is no format from which a date can be read", shown(&text));
                self.flaws.add(value.span(), why).help = Some(help.into());
            }
        }
        moments
    }

    fn money(&mut self, keys: &mut Keys<'_>, from: u16) -> Writing {
        let at = keys.at.clone();
        let decimal = keys.take("decimal").and_then(|value| self.sign(value, ".,"));
        let thousands = keys.take("thousands").and_then(|value| self.sign(value, ".,' \u{a0}"));
        let trailing = keys.take("sign").and_then(|value| self.choice(value, ["leading", "trailing"]));
        let oere = keys.take("unit").and_then(|value| self.choice(value, ["kroner", "oere"]));
        let number = keys.take("number").and_then(|value| Some((self.flaws.boolean(value)?, value.span())));
        let negative = keys.take("negative").map(|value| (self.conditions(value, from), value.span()));
        let positive = keys.take("positive").map(|value| (self.conditions(value, from), value.span()));
        match (&negative, &positive) {
            (Some((conditions, at)), None) if conditions.iter().any(Condition::asks_for_a_word) => {
                let why = "`negative` asks for a word, so it needs `positive` beside it: what is neither is a fault";
                self.flaws.add(at.clone(), why).help =
                    Some("such as positive = { path = \"DK\", is = \"D\" }".into());
            }
            (None, Some((_, at))) => {
                self.flaws.add(at.clone(), "`positive` goes with `negative`, and says what is left then");
            }
            _ => {}
        }
        let conditions = |given: Option<(Vec<Condition>, _)>| given.map(|given| given.0).unwrap_or_default();
        let (negative, positive) = (conditions(negative), conditions(positive));
        if let Some((true, at)) = &number {
            if !self.reads.format.is_json() {
                self.flaws.add(at.clone(), "`number` is for json, which alone has numbers");
            }
            if decimal.is_some() || thousands.is_some() || trailing.is_some() {
                let why = "a JSON number is written in one way: `decimal`, `thousands` and `sign` do not go with `number`";
                self.flaws.add(at.clone(), why);
            }
        }
        let money = Money {
            decimal: decimal.unwrap_or('.'),
            thousands,
            is_trailing: trailing == Some(1),
            is_oere: oere == Some(1),
            is_number: number.is_some_and(|(is_number, _)| is_number),
            negative,
            positive,
        };
        if money.thousands == Some(money.decimal) {
            let why = format!("`decimal` and `thousands` are both '{}'", money.decimal);
            self.flaws.add(at.clone(), why).help =
                Some("Danish amounts have decimal = \",\" and thousands = \".\"".into());
        }
        if money.is_oere && (decimal.is_some() || thousands.is_some()) {
            self.flaws.add(at, "whole øre have neither `decimal` nor `thousands`");
        }
        Writing::Money(money)
    }

    fn sign(&mut self, value: &Value<'_>, signs: &str) -> Option<char> {
        let text = self.flaws.text(value)?;
        let sign = signs.chars().find(|sign| text == sign.to_string());
        if sign.is_none() {
            let signs: Vec<_> = signs.chars().map(|sign| format!("'{sign}'")).collect();
            self.flaws.add(value.span(), format!("this is none of {}", signs.join(", ")));
        }
        sign
    }

    fn choice(&mut self, value: &Value<'_>, words: [&str; 2]) -> Option<usize> {
        let text = self.flaws.text(value)?;
        let choice = words.iter().position(|word| *word == text);
        if choice.is_none() {
            let [first, second] = words;
            self.flaws.add(value.span(), format!("this is neither `{first}` nor `{second}`"));
        }
        choice
    }
}
