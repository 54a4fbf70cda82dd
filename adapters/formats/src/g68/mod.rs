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
//! The error return's columns are: kind, CPR number, reference, amount, date, code, words, voucher. **An assumption**: its
//! reference is the payment's id. Code and words stay in the file that came; nothing of the gateway keeps them.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use samspor_domain::{
    Amount, Body, CitizenRef, Decode, Delivery, Fact, Fault, Item, Kind, Message, Payment, Reason,
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
/// The columns of an error return, and where its reference stands.
const RETURN: usize = 8;
const RETURN_REFERENCE: usize = 2;
/// How the lines begin in which a file is wrapped.
const FRAME: [&str; 2] = ["Z300", "SLUTD"];

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
        // A payee's number is a person's, whatever kind it is said to be.
        let payee = fields.optional(11).unwrap_or_default().trim_start_matches('0');
        if payee.len() >= 8 && id.as_str().contains(payee) {
            return Err(at(self.settings.reference, Reason::PersonalDataInId, "holds the payee's number"));
        }
        let grant = name(self.settings.grant, fields.required(self.settings.grant)?)?;
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
        g69::each_line(delivery, self.settings.encoding, &types, is_frame, |line, encoding| {
            self.line(line, encoding)
        })
    }
}

/// Whether a line only says that a file begins or ends.
fn is_frame(line: &[u8]) -> bool {
    FRAME.iter().any(|begins| line.starts_with(begins.as_bytes()))
}

/// A line of the error return.
fn returned(line: &str) -> Result<(Message, u32), Fault> {
    let mut columns: Vec<&str> = line.split(';').map(str::trim).collect();
    if columns.len() == RETURN + 1 && columns.last().is_some_and(|last| last.is_empty()) {
        columns.pop();
    }
    if columns.len() != RETURN {
        return Err(Fault::new(
            Reason::Undecodable,
            "is neither G68 nor G69, nor a line of an error return, which has eight values with ';' between",
        ));
    }
    let column =
        |reason, message: &str| Fault::at(reason, format!("column {}", RETURN_REFERENCE + 1), message);
    let reference = columns[RETURN_REFERENCE];
    if reference.is_empty() {
        return Err(column(Reason::MissingField, "is required"));
    }
    let cpr: String = columns[1].chars().filter(char::is_ascii_digit).collect();
    if cpr.len() >= 8 && reference.contains(cpr.trim_start_matches('0')) {
        return Err(column(Reason::PersonalDataInId, "holds the payee's number"));
    }
    let id = Text::new(reference).map_err(|error| column(Reason::InvalidField, &error.to_string()))?;
    Ok((Message::Fact(Fact { kind: Kind::Payment, id, version: VERSION, state: State::Deleted }), 0))
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
