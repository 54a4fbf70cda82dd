//! Rows as a Danish spreadsheet opens them.

use std::borrow::Cow;
use std::io::{self, Write};

use samspor_domain::Amount;

use super::Columns;
use super::rows::{Record, Value, columns};

/// By which a spreadsheet knows UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Writes records, and says how many rows those are, without the first one, which names the columns.
pub(super) fn write(
    mut out: impl Write,
    kind: Columns,
    records: impl Iterator<Item = io::Result<(String, Record)>>,
) -> io::Result<u64> {
    out.write_all(BYTE_ORDER_MARK)?;
    let mut writer =
        csv::WriterBuilder::new().delimiter(b';').terminator(csv::Terminator::CRLF).from_writer(out);
    writer.write_record(columns(kind).iter().map(|column| column.name))?;
    let mut count = 0;
    for record in records {
        for row in record?.1.rows(kind) {
            writer.write_record(row.iter().map(|value| shown(value).into_owned()))?;
            count += 1;
        }
    }
    writer.flush()?;
    Ok(count)
}

fn shown<'a>(value: &'a Value<'_>) -> Cow<'a, str> {
    match value {
        Value::None => Cow::Borrowed(""),
        Value::Text(text) => harmless(text),
        Value::Owned(text) => harmless(text),
        Value::Whole(number) => Cow::Owned(number.to_string()),
        Value::Amount(amount) => Cow::Owned(kroner(*amount)),
        Value::Date(date) => Cow::Owned(date.to_string()),
    }
}

/// With a decimal comma.
fn kroner(amount: Amount) -> String {
    amount.to_string().replace('.', ",")
}

/// A spreadsheet takes a text that begins so for a formula, and does what it says. With an apostrophe before it, it is a
/// text; and so that nothing else is read for such a one, one that begins with an apostrophe gets another.
fn harmless(text: &str) -> Cow<'_, str> {
    let begins = ['=', '+', '-', '@', '\t', '\r', '\n', '\'', '＝', '＋', '－', '＠'];
    if text.starts_with(begins) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_a_formula_and_each_is_told_from_every_other() {
        for (text, written) in [
            ("=HYPERLINK(\"x\")", "'=HYPERLINK(\"x\")"),
            ("-1", "'-1"),
            ("'-1", "''-1"),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(harmless(text), written);
        }
    }

    #[test]
    fn amounts_have_a_decimal_comma() -> Result<(), samspor_domain::AmountError> {
        for (ore, written) in [(0, "0,00"), (-5, "-0,05"), (123_456_789, "1234567,89")] {
            assert_eq!(kroner(Amount::from_ore(ore)?), written);
        }
        Ok(())
    }
}
