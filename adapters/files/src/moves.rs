//! A list of moves that somebody made in a spreadsheet: from one account to another, how much, and what for.

use std::io::Read;

use samspor_domain::{AccountString, Amount};

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The account that it is taken off.
    pub from: String,
    /// The account that it is put on.
    pub to: String,
    /// How much.
    pub amount: Amount,
    /// What for; may be empty.
    pub text: String,
}

/// A list cannot be read. The message quotes nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum MovesError {
    /// Not a table, or not with these columns.
    #[error("is no list of moves: expected CSV with `;` and the columns from, to, amount and text")]
    Columns,
    /// A row that has not the columns that the first line names, or is not UTF-8.
    #[error("row {0} has not as many values as there are columns, or is not UTF-8")]
    Row(usize),
    /// Not an amount.
    #[error("row {0}: the amount is not written as 1.234,50 or 1234,5 or -1234")]
    Amount(usize),
    /// No account, or not as a ledger writes it.
    #[error(
        "row {0}: an account is missing or is no account string; where a spreadsheet made 5,28211E+15 of it, write it anew in \
         a column of text, with an apostrophe before it"
    )]
    Account(usize),
    /// It moves nothing.
    #[error("row {0}: it moves nothing, since the amount is zero or both accounts are the same")]
    Nothing(usize),
    /// Too long.
    #[error("has more than {MAX_ROWS} rows: divide it, and give each part a --run of its own")]
    TooMany,
}

/// The most rows of a list.
const MAX_ROWS: usize = 10_000;

/// Reads a list: UTF-8, `;` between columns, a first line that names them, in any order. Amounts are in kroner with a decimal
/// comma, and may have a point between each three digits. An apostrophe before a text, as the gateway writes one before
/// what a spreadsheet would take for a formula or round, is taken away.
///
/// An account is held against the writings of account strings. One of 16 digits that a spreadsheet has rounded to 15 and a
/// zero is such a string too, and is not found here.
pub fn read(from: impl Read) -> Result<Vec<Row>, MovesError> {
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').trim(csv::Trim::All).from_reader(from);
    let names = reader.headers().map_err(|_| MovesError::Columns)?.clone();
    let column = |name: &str| {
        names
            .iter()
            .position(|column| column.trim_start_matches('\u{feff}') == name)
            .ok_or(MovesError::Columns)
    };
    let (from, to, amount, text) = (column("from")?, column("to")?, column("amount")?, column("text")?);
    let mut rows = Vec::new();
    for (index, record) in reader.records().take(MAX_ROWS + 1).enumerate() {
        let number = index + 1;
        if number > MAX_ROWS {
            return Err(MovesError::TooMany);
        }
        let record = record.map_err(|_| MovesError::Row(number))?;
        let value = |at: usize| {
            let value = record.get(at).unwrap_or_default();
            value.strip_prefix('\'').unwrap_or(value).to_owned()
        };
        let amount = kroner(&value(amount)).ok_or(MovesError::Amount(number))?;
        let row = Row { from: value(from), to: value(to), amount, text: value(text) };
        if [&row.from, &row.to].iter().any(|account| account.parse::<AccountString>().is_err()) {
            return Err(MovesError::Account(number));
        }
        if row.amount.ore() == 0 || row.from == row.to {
            return Err(MovesError::Nothing(number));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// An amount as Danes write it, by its characters: never a float.
fn kroner(text: &str) -> Option<Amount> {
    let (sign, bare) = text.strip_prefix('-').map_or(("", text), |bare| ("-", bare));
    let (whole, ore) = bare.split_once(',').map_or((bare, None), |(whole, ore)| (whole, Some(ore)));
    let mut groups = whole.split('.');
    let first = groups.next()?;
    let rest: Vec<&str> = groups.collect();
    let is_grouped =
        rest.is_empty() || ((1..=3).contains(&first.len()) && rest.iter().all(|group| group.len() == 3));
    if !is_grouped || ore.is_some_and(|ore| ore.contains('.')) {
        return None;
    }
    let ore = ore.map(|ore| format!(".{ore}")).unwrap_or_default();
    format!("{sign}{first}{}{ore}", rest.concat()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_from_a_spreadsheet_is_read() -> Result<(), MovesError> {
        let list = "\u{feff}amount;from;to;text\r\n1.234,50;01005-528211003-1;'5282111041700341;\"'Gevinst; 2026\"\r\n-7;5.28.21;5.38.52.1;\r\n";
        let rows = read(list.as_bytes())?;
        let told: Vec<_> =
            rows.iter().map(|r| (r.from.as_str(), r.to.as_str(), r.amount.ore(), r.text.as_str())).collect();
        let first = ("01005-528211003-1", "5282111041700341", 123_450, "Gevinst; 2026");
        assert_eq!(told, [first, ("5.28.21", "5.38.52.1", -700, "")]);
        Ok(())
    }

    #[test]
    fn what_could_be_another_amount_is_refused() {
        for (text, ore) in [("0,05", 5), ("1234,5", 123_450), ("1.234.567,89", 123_456_789), ("-0,10", -10)] {
            assert_eq!(kroner(text).map(Amount::ore), Some(ore), "{text}");
        }
        for text in [
            "",
            "-",
            "1,234.50",
            "1.23,4",
            "12345.678",
            ".5",
            "1,",
            "1,234",
            "+1",
            "1 234",
            "1e3",
            "--1",
            "1.-23",
        ] {
            assert_eq!(kroner(text), None, "{text}");
        }
        let read = |text: &str| read(text.as_bytes()).map(|_| ()).map_err(|error| error.to_string());
        assert!(read("from;to;amount\n").is_err_and(|e| e.contains("columns from, to, amount and text")));
        assert!(read("from;to;amount;text\na;b;1;x;y\n").is_err_and(|e| e.starts_with("row 1 has not")));
        for account in ["", "5,28211E+15", "5.28211E+15", "528211104170034", "b"] {
            let one = format!("from;to;amount;text\n5.28.21;{account};1;x\n");
            assert!(read(&one).is_err_and(|e| e.starts_with("row 1: an account")), "{account}");
        }
        for row in ["5.28.21;5.38.52;0,00;x", "5.28.21;5.28.21;1;x"] {
            let one = format!("from;to;amount;text\n5.28.21;5.38.52;1;x\n{row}\n");
            assert!(read(&one).is_err_and(|e| e.starts_with("row 2: it moves nothing")), "{row}");
        }
        let long = format!("from;to;amount;text\n{}", "5.28.21;5.38.52;1;x\n".repeat(MAX_ROWS + 1));
        assert!(read(&long).is_err_and(|e| e.starts_with("has more than 10000 rows")));
        assert!(read("from;to;amount;text\na;b;1.5;x\n").is_err_and(|e| e.starts_with("row 1: the amount")));
    }
}
