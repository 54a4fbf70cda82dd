//! G68: payments of a finance system, with their postings in G69 between them, and the error return of what was not paid.
//!
//! | line | becomes |
//! |---|---|
//! | `G68` after its first three characters, then fields `&NNvalue` with ascending numbers | a payment |
//! | `G69` there | a posting, as [`crate::g69`] reads it |
//! | eight values with `;` between, and no more than a `;` after the last: the error return | a payment that did not happen: it is deleted |
//! | `Z300…` and `SLUTD…`, which begin and end a file | nothing; they are passed over |
//!
//! The fields of a payment:
//!
//! | of the payment | from |
//! |---|---|
//! | id | the field that the settings name: 16, which equals G69's 117, unless they say otherwise |
//! | version | 1: a payment is made once, and at equal versions a deletion goes first |
//! | grant | the field that the settings name. G68 itself knows no grant, so the payer must write its id somewhere |
//! | amount | 08, at most eleven digits of øre, and its sign 09, `+` or `-` |
//! | on | 12, `YYYYMMDD` |
//!
//! Neither the payee (10 and 11) nor any text is kept. Field numbers and widths are those of two writers in use, after KMD's
//! GF200001Q. They disagree on the header, so it is not read.
//!
//! The error return's columns are: kind, CPR number, reference, amount, date, code, words, voucher. Quotes around a value are
//! taken away, and a line is a return only where its amount and date are such. **An assumption**: its reference is the
//! payment's id. Code and words stay in the file that came; nothing of the gateway keeps them.
//!
//! **Another**: a reference names one payment. A second payment of a body with the same reference is a fault.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeSet;

use bytes::Bytes;
use samspor_domain::{
    Amount, Body, CitizenRef, Cpr, Decode, Delivery, Fact, Fault, Item, Kind, Message, Payment, Reason,
    SourceName, Span, State, Text,
};

use crate::{calendar, g69};

/// How one source writes G68.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The encoding of its lines, where the content type names none.
    pub encoding: g69::Encoding,
    /// The field that holds the payment's id, 1 to 99.
    pub reference: u8,
    /// The field that holds the grant's id, 1 to 99.
    pub grant: u8,
    /// The source in which grants have these ids.
    pub system: SourceName,
}

/// Reads G68.
#[derive(Debug, Clone)]
pub struct Decoder {
    settings: Settings,
}

/// The version of every payment, and of its deletion.
const VERSION: i64 = 1;
/// How many columns an error return has.
const RETURN: usize = 8;

impl Decoder {
    /// A decoder for a source that writes so.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn line(&self, line: &Bytes, encoding: g69::Encoding) -> Result<(Message, u32), Fault> {
        let text = g69::text(line, encoding)?;
        match text.get(3..6) {
            Some("G69") => g69::decode(line, encoding),
            Some("G68") => self.payment(&text),
            _ => returned(&text),
        }
    }

    fn payment(&self, line: &str) -> Result<(Message, u32), Fault> {
        let fields = Fields::read(line)?;
        let id = name(self.settings.reference, fields.required(self.settings.reference)?)?;
        let grant = name(self.settings.grant, fields.required(self.settings.grant)?)?;
        for (number, name) in [(self.settings.reference, &id), (self.settings.grant, &grant)] {
            if names_payee(name.as_str(), fields.optional(11).unwrap_or_default()) {
                return Err(at(number, Reason::PersonalDataInId, "holds the payee's number"));
            }
        }
        let on = calendar::compact_date(fields.required(12)?).ok_or_else(|| {
            at(12, Reason::InvalidField, "is not a date: expected a day that exists as 'YYYYMMDD'")
        })?;
        let payment = Payment {
            grant: CitizenRef::Grant(self.settings.system.clone(), grant),
            amount: fields.amount()?,
            on,
            period: Span::default(),
        };
        let state = State::Live(Body::Payment(payment));
        Ok((Message::Fact(Fact { kind: Kind::Payment, id, version: VERSION, state }), 0))
    }
}

impl Decode for Decoder {
    fn decode(&self, _: &SourceName, delivery: &Delivery) -> Vec<Item> {
        let types = ["text/plain", "text/csv", "application/octet-stream"];
        let paid = RefCell::new(BTreeSet::new());
        g69::each_line(delivery, self.settings.encoding, &types, g69::is_frame, |line, encoding| {
            let decoded = self.line(line, encoding)?;
            if let (Message::Fact(Fact { id, state: State::Live(_), .. }), _) = &decoded
                && !paid.borrow_mut().insert(id.clone())
            {
                // Both have version 1, so one of them would be gone without a word.
                let message = "names a payment that stands in this body already";
                return Err(at(self.settings.reference, Reason::InvalidField, message));
            }
            Ok(decoded)
        })
    }
}

/// Whether a name holds the number of a payee, which is a person's, whatever kind it is said to be.
fn names_payee(name: &str, payee: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let number = digits(payee);
    // Zeros that fill it up, or stand for nobody.
    let number = number.trim_start_matches('0');
    (number.len() >= 8 && digits(name).contains(number))
        || Cpr::parse(payee).is_ok_and(|cpr| samspor_domain::holds_cpr(name, cpr))
}

/// A line of the error return.
fn returned(line: &str) -> Result<(Message, u32), Fault> {
    let mut columns: Vec<&str> = line.split(';').collect();
    if columns.len() == RETURN + 1 && columns.last().is_some_and(|last| last.trim().is_empty()) {
        columns.pop();
    }
    let [_, cpr, reference, amount, date, _, _, _] = columns[..] else {
        return Err(Fault::new(
            Reason::Undecodable,
            "is neither G68 nor G69, nor a line of an error return, which has eight values with ';' between",
        ));
    };
    let (cpr, reference) = (bare(cpr), bare(reference));
    // Another table of eight columns, or this one's head, would delete payments that nobody gave back.
    if !is_kroner(bare(amount)) || !is_day(bare(date)) {
        return Err(Fault::new(
            Reason::Undecodable,
            "has eight values, but is no error return: the fourth is an amount of digits there, and the fifth a date as \
             'YYYY/MM/DD'",
        ));
    }
    let column = |reason, message: &str| Fault::at(reason, "column 3", message);
    if reference.is_empty() {
        return Err(column(Reason::MissingField, "is required"));
    }
    if reference.contains('"') {
        return Err(column(Reason::InvalidField, "holds a quote"));
    }
    if names_payee(reference, cpr) {
        return Err(column(Reason::PersonalDataInId, "holds the payee's number"));
    }
    let id = Text::new(reference).map_err(|error| column(Reason::InvalidField, &error.to_string()))?;
    Ok((Message::Fact(Fact { kind: Kind::Payment, id, version: VERSION, state: State::Deleted }), 0))
}

/// A value without the spaces and the quotes around it.
fn bare(value: &str) -> &str {
    let value = value.trim();
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value).trim()
}

/// An amount in kroner, with a sign or decimals where it has them.
fn is_kroner(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, ore) = text.split_once([',', '.']).map_or((text, None), |(whole, ore)| (whole, Some(ore)));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_digits(whole) && ore.is_none_or(|ore| ore.len() <= 2 && is_digits(ore))
}

fn is_day(text: &str) -> bool {
    text.bytes().filter(|b| *b == b'/').count() == 2 && calendar::date(&text.replace('/', "-")).is_some()
}

/// The fields of a line, by ascending numbers.
struct Fields<'l>(Vec<(u8, &'l str)>);

impl<'l> Fields<'l> {
    fn read(line: &'l str) -> Result<Self, Fault> {
        let malformed = |message| Fault::new(Reason::Undecodable, message);
        let (_, rest) = line.split_once('&').ok_or_else(|| malformed("has a header and no field"))?;
        let mut fields: Vec<(u8, &str)> = Vec::with_capacity(12);
        for field in rest.split('&') {
            let number = field.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
            let number = number.and_then(|digits| digits.parse::<u8>().ok());
            let number = number.ok_or_else(|| malformed("has a '&' that two digits do not follow"))?;
            if fields.last().is_some_and(|(last, _)| number <= *last) {
                return Err(malformed("has field numbers that repeat or do not ascend"));
            }
            fields.push((number, field[2..].trim_ascii()));
        }
        Ok(Self(fields))
    }

    fn optional(&self, number: u8) -> Option<&'l str> {
        let at = self.0.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.0.get(at).map(|(_, value)| *value).filter(|value| !value.is_empty())
    }

    fn required(&self, number: u8) -> Result<&'l str, Fault> {
        self.optional(number).ok_or_else(|| at(number, Reason::MissingField, "is required"))
    }

    fn amount(&self) -> Result<Amount, Fault> {
        let expected = || at(8, Reason::InvalidAmount, "must be at most eleven digits of øre");
        let digits = self.required(8)?;
        if digits.len() > 11 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(expected());
        }
        let ore = digits.parse().map_err(|_| expected())?;
        let amount = Amount::from_ore(ore).map_err(|_| expected())?;
        match self.required(9)? {
            "+" => Ok(amount),
            "-" => Ok(-amount),
            _ => Err(at(9, Reason::InvalidField, "must be '+' or '-'")),
        }
    }
}

fn name(number: u8, value: &str) -> Result<Text, Fault> {
    Text::new(value).map_err(|error| at(number, Reason::InvalidField, error.to_string()))
}

fn at(number: u8, reason: Reason, message: impl Into<String>) -> Fault {
    Fault::at(reason, format!("field {number:02}"), message)
}
