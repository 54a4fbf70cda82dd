//! Correction vouchers as lines of G69.
//!
//! | field | holds |
//! |---|---|
//! | 103, 104, 110 | machine number, the line's serial number, and the voucher's date: together they name the line |
//! | 111 | the account string |
//! | 112, 113 | twelve digits of øre and a space; `D` or `K` |
//! | 114 | the year |
//! | 116 | the voucher's number |
//! | 153 | the text |
//! | 250 | the id of the posting that is corrected, where it fits into 20 characters and the encoding, and holds no `&` |
//!
//! Postings balance per machine number and date, as the format wants it, since each voucher does. No beneficiary is named.

use samspor_domain::voucher::{Line, Voucher};

use super::Encoding;
use super::write::{Fields, Header, WriteError, Writer};

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings<'h> {
    /// How each line begins.
    pub header: &'h Header,
    /// The encoding of the characters.
    pub encoding: Encoding,
    /// The machine number, of five digits at most.
    pub machine_number: u32,
}

/// A line that cannot be written. Nothing of it is quoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{number}, line {serial}: {why}")]
pub struct Unwritable {
    /// The voucher's number.
    pub number: String,
    /// The line's.
    pub serial: usize,
    /// What keeps it from being written.
    pub why: WriteError,
}

/// Writes vouchers into one file; or says of every line that cannot be written what is wrong with it.
pub fn file(settings: Settings<'_>, vouchers: &[Voucher]) -> Result<Vec<u8>, Vec<Unwritable>> {
    let mut writer = Writer::new(settings.header, settings.encoding);
    let mut wrong = Vec::new();
    for voucher in vouchers {
        for line in voucher.lines() {
            let written = fields(settings.machine_number, voucher, line, &writer);
            if let Err(why) = written.and_then(|fields| writer.line(&fields)) {
                wrong.push(Unwritable { number: voucher.number().to_owned(), serial: line.serial, why });
                // Every further line would say the same.
                if why == WriteError::Lines {
                    return Err(wrong);
                }
            }
        }
    }
    if wrong.is_empty() { Ok(writer.finish()) } else { Err(wrong) }
}

fn fields(machine: u32, voucher: &Voucher, line: &Line, writer: &Writer<'_>) -> Result<Fields, WriteError> {
    let ore = format!("{:012}", line.amount.ore());
    if ore.len() != 12 {
        return Err(WriteError::Amount);
    }
    let mut fields = Fields::default();
    fields
        .set(103, &format!("{machine:05}"))?
        .set(104, &format!("{:07}", line.serial))?
        .set(110, &voucher.date().strftime("%Y%m%d").to_string())?
        .set(111, &line.account)?
        .set(112, &format!("{ore} "))?
        .set(113, line.entry.letter())?
        .set(114, &voucher.date().strftime("%Y").to_string())?
        .set(116, voucher.number())?
        .set(153, &line.text)?;
    if let Some(about) = &line.about
        && writer.can_write(about.posting.as_str())
    {
        // Half an id would be another one's: where it does not fit, the CSV says it.
        let _ = fields.set(250, about.posting.as_str());
    }
    Ok(fields)
}
