//! One line: its fields, and the posting that they make.

use samspor_domain::{AccountString, Amount, CitizenRef, Cpr, Fault, Posting, Reason, Text};

use crate::calendar;

/// The numbers that the format defines, as far as they are known.
pub(crate) fn is_known(number: u16) -> bool {
    matches!(number, 101..=104 | 110..=114 | 116..=118 | 130..=136 | 150..=153 | 170 | 171 | 180..=182 | 185)
        || matches!(number, 200..=203 | 210 | 211 | 250 | 251 | 300..=306)
}

/// How the lines begin that begin and end a file of G68.
const FRAME: [&[u8]; 2] = [b"Z300", b"SLUTD"];

/// Whether a line only says that a file begins or ends.
pub(crate) fn is_frame(line: &[u8]) -> bool {
    FRAME.iter().any(|begins| line.starts_with(begins))
}

/// What keeps a line from being one of G69.
fn no_posting(line: &str) -> Fault {
    let message = if line.get(3..6) == Some("G68") {
        "is a line of G68, a payment: give its source `format = \"g68\"`, which reads both"
    } else if is_frame(line.as_bytes()) {
        "begins or ends a file of G68: give its source `format = \"g68\"`, which passes it over"
    } else {
        "is no line of G69: 'G69' does not follow its first three bytes"
    };
    Fault::new(Reason::Undecodable, message)
}

/// The kind of beneficiary whose number is a CPR number.
const KIND_CPR: &str = "02";

/// The fields of one line, by ascending numbers.
pub(super) struct Fields<'l>(Vec<(u16, &'l str)>);

impl<'l> Fields<'l> {
    /// Reads header and fields.
    pub(super) fn read(line: &'l str) -> Result<Self, Fault> {
        let malformed = |message| Fault::new(Reason::Undecodable, message);
        let after = line.get(3..).and_then(|rest| rest.strip_prefix("G69"));
        let after = after.ok_or_else(|| no_posting(line))?;
        let (_, rest) = after.split_once('&').ok_or_else(|| malformed("has a header and no field"))?;
        let mut fields = Vec::with_capacity(16);
        let mut last = 0;
        for field in rest.split('&') {
            let number = field.get(..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
            let number = number.and_then(|digits| digits.parse::<u16>().ok());
            let number = number.ok_or_else(|| malformed("has a '&' that three digits do not follow"))?;
            if number <= last {
                return Err(malformed("has field numbers that repeat or do not ascend"));
            }
            last = number;
            fields.push((number, field[3..].trim_ascii()));
        }
        Ok(Self(fields))
    }

    /// How many fields the format is not known to define.
    pub(super) fn ignored(&self) -> u32 {
        self.0.iter().map(|(number, _)| u32::from(!is_known(*number))).sum()
    }

    fn optional(&self, number: u16) -> Option<&'l str> {
        let at = self.0.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.0.get(at).map(|(_, value)| *value).filter(|value| !value.is_empty())
    }

    fn required(&self, number: u16) -> Result<&'l str, Fault> {
        self.optional(number).ok_or_else(|| at(number, Reason::MissingField, "is required"))
    }

    /// A number of at most so many digits, filled up with zeros.
    fn padded(&self, number: u16, width: usize) -> Result<String, Fault> {
        let value = self.required(number)?;
        if value.len() > width || !value.bytes().all(|b| b.is_ascii_digit()) {
            return Err(at(number, Reason::InvalidField, format!("must be at most {width} digits")));
        }
        Ok(format!("{value:0>width$}"))
    }

    /// The posting that the fields make.
    pub(super) fn posting(&self) -> Result<Posting, Fault> {
        let (machine, serial) = (self.padded(103, 5)?, self.padded(104, 7)?);
        let day = self.required(110)?;
        let date = calendar::compact_date(day).ok_or_else(|| {
            at(110, Reason::InvalidField, "is not a date: expected a day that exists as 'YYYYMMDD'")
        })?;
        let string: AccountString =
            (self.required(111)?.parse()).map_err(|error: samspor_domain::AccountError| {
                at(111, Reason::InvalidAccount, error.to_string())
            })?;
        Ok(Posting {
            id: text(110, &format!("{machine}-{serial}-{day}"))?,
            date,
            account: string.account,
            grouping: string.grouping,
            cost_centre: string.cost_centre.map(|centre| text(111, &centre)).transpose()?,
            amount: self.amount()?,
            citizen: self.citizen()?,
            grant: None,
            voucher: self.optional(116).map(|voucher| text(116, voucher)).transpose()?,
            reverses: None,
        })
    }

    /// Øre with their sign, and debit or credit.
    fn amount(&self) -> Result<Amount, Fault> {
        let expected =
            || at(112, Reason::InvalidAmount, "must be twelve digits of øre and then a space or '-'");
        let (digits, sign) = self.required(112)?.split_at_checked(12).ok_or_else(expected)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(expected());
        }
        let ore = digits.parse::<i64>().map_err(|_| expected())?;
        let amount =
            Amount::from_ore(ore).map_err(|error| at(112, Reason::InvalidAmount, error.to_string()))?;
        let turned = match sign {
            "" => false,
            "-" => true,
            _ => return Err(expected()),
        };
        let credit = match self.required(113)? {
            "D" => false,
            "K" => true,
            _ => return Err(at(113, Reason::InvalidField, "must be 'D' or 'K'")),
        };
        Ok(if turned == credit { amount } else { -amount })
    }

    /// The beneficiary, where it is a person.
    fn citizen(&self) -> Result<Option<CitizenRef>, Fault> {
        match (self.optional(132), self.optional(133)) {
            (Some(KIND_CPR), Some(number)) => {
                let cpr =
                    Cpr::parse(number).map_err(|error| at(133, Reason::InvalidCpr, error.to_string()))?;
                Ok(Some(CitizenRef::Cpr(cpr)))
            }
            (Some(KIND_CPR), None) => Err(at(133, Reason::MissingField, "is required where 132 says '02'")),
            (Some(kind), _) if kind.len() == 2 && kind.bytes().all(|b| b.is_ascii_digit()) => Ok(None),
            (Some(_), _) => Err(at(132, Reason::InvalidField, "must be two digits")),
            // Whose number it is cannot be known, and a citizen's must not be lost.
            (None, Some(_)) => Err(at(132, Reason::MissingField, "is required where 133 is given")),
            (None, None) => Ok(None),
        }
    }
}

fn text(number: u16, value: &str) -> Result<Text, Fault> {
    Text::new(value).map_err(|error| at(number, Reason::InvalidField, error.to_string()))
}

fn at(number: u16, reason: Reason, message: impl Into<String>) -> Fault {
    Fault::at(reason, format!("field {number}"), message)
}
