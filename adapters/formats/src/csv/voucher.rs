//! Correction vouchers as CSV for a Danish spreadsheet: a line for each line of the voucher, with what it corrects.

use std::borrow::Cow;

use samspor_domain::voucher::Voucher;

use super::{comma, line};

/// By which a spreadsheet knows UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

const COLUMNS: [&str; 11] = [
    "voucher",
    "date",
    "line",
    "account",
    "entry",
    "amount",
    "text",
    "source",
    "posting",
    "booked_area",
    "area",
];

/// Writes vouchers into one file: UTF-8 with a byte order mark, `;` between columns, decimal commas, lines that end in CRLF.
/// `entry` is `D` or `K`, and `amount` is above zero. A text that a spreadsheet would take for a formula or round, or that
/// begins with an apostrophe, has an apostrophe before it.
#[must_use]
pub fn file(vouchers: &[Voucher]) -> Vec<u8> {
    let mut out = BYTE_ORDER_MARK.to_owned();
    line(&mut out, &COLUMNS);
    for voucher in vouchers {
        for one in voucher.lines() {
            let about = one.about.as_ref();
            let said = |text: Option<&str>| harmless(text.unwrap_or_default()).into_owned();
            line(
                &mut out,
                &[
                    harmless(voucher.number()).into_owned(),
                    voucher.date().to_string(),
                    one.serial.to_string(),
                    harmless(&one.account).into_owned(),
                    one.entry.letter().to_owned(),
                    comma(one.amount),
                    harmless(&one.text).into_owned(),
                    said(about.map(|about| about.source.as_str())),
                    said(about.map(|about| about.posting.as_str())),
                    said(about.map(|about| about.from.as_str())),
                    said(about.map(|about| about.to.as_str())),
                ],
            );
        }
    }
    out.into_bytes()
}

/// Digits that a spreadsheet keeps of a number. Of more it makes zeros, so `5282111041700341` becomes another account.
const DIGITS: usize = 15;

/// With an apostrophe before what a spreadsheet would take for a formula, before a number that it would round, and before
/// what begins with an apostrophe, so that each text is told from every other.
fn harmless(text: &str) -> Cow<'_, str> {
    let begins = ['=', '+', '-', '@', '\t', '\r', '\n', '\'', '＝', '＋', '－', '＠'];
    let is_rounded =
        text.len() > DIGITS && text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b',');
    if text.starts_with(begins) || is_rounded { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use samspor_domain::voucher::{About, Move};
    use samspor_domain::{Amount, AmountError, Text, TextError};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Wrong {
        #[error(transparent)]
        Amount(#[from] AmountError),
        #[error(transparent)]
        Text(#[from] TextError),
    }

    #[test]
    fn a_voucher_is_a_danish_table_and_no_text_a_formula() -> Result<(), Wrong> {
        let about = About {
            source: Text::new("opus")?,
            posting: Text::new("=1+1")?,
            from: Text::new("børn;unge")?,
            to: Text::new("-x")?,
        };
        let amount = Amount::from_ore(-123_405)?;
        let one = Move {
            from: "01005-1".into(),
            to: "'2".into(),
            amount,
            text: "a \"b\"".into(),
            about: Some(about),
        };
        let made = Voucher::new("00977-202603".into(), date(2026, 3, 31), 1, [one]);
        let written = String::from_utf8_lossy(&file(std::slice::from_ref(&made))).into_owned();
        assert_eq!(
            written,
            "\u{feff}voucher;date;line;account;entry;amount;text;source;posting;booked_area;area\r\n\
             00977-202603;2026-03-31;1;01005-1;D;1234,05;\"a \"\"b\"\"\";opus;'=1+1;\"børn;unge\";'-x\r\n\
             00977-202603;2026-03-31;2;''2;K;1234,05;\"a \"\"b\"\"\";opus;'=1+1;\"børn;unge\";'-x\r\n"
        );
        assert_eq!(file(std::slice::from_ref(&made)), file(&[made]));
        assert_eq!(harmless("5282111041700341"), "'5282111041700341", "a spreadsheet keeps fifteen digits");
        assert_eq!(harmless("528211104170034"), "528211104170034");
        Ok(())
    }
}
