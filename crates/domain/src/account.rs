//! Authorised account strings in their three writings, and the prefixes by which rules name them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An account in normal form: the function `5.28.21`, with dranst as a fourth element `5.28.21.1` where it is known.
///
/// Widths are 1, 2, 2 and 1; elements are compared as strings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Account {
    function: [u8; 5],
    dranst: Option<u8>,
}

/// A grouping (*gruppering*): three digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grouping(u16);

/// What one account string holds that the gateway uses. What it does not use is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountString {
    /// Function and dranst.
    pub account: Account,
    /// The cost centre: the four digits of the 16-digit form, or the department of Prisme's.
    pub cost_centre: Option<String>,
    /// The grouping, in the 16-digit form and in Prisme's.
    pub grouping: Option<Grouping>,
}

/// A text is no account, prefix or grouping. The message quotes nothing of it, since a CPR number may stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// None of the three writings of an account string.
    #[error(
        "is not an account string: expected '5.28.21', '5.28.21.1', 16 digits, or '01005-528211003-…' \
         (digits, '-', nine digits, '-')"
    )]
    Form,
    /// Not a prefix of one to four elements.
    #[error(
        "is not an account prefix: expected one to four elements, such as '5', '5.28', '5.28.21' or '5.28.21.1'"
    )]
    Prefix,
    /// Not three digits.
    #[error("is not a grouping: expected three digits")]
    Grouping,
}

/// The digits that stand before each element of the normal form, and its length.
const ELEMENTS: [(usize, usize); 4] = [(0, 1), (1, 2), (3, 2), (5, 1)];

fn digits(text: &str) -> Option<&[u8]> {
    text.bytes().all(|b| b.is_ascii_digit()).then_some(text.as_bytes())
}

impl Account {
    /// Reads the normal form.
    fn parse_normal(text: &str) -> Option<Self> {
        let prefix = AccountPrefix::from_str(text).ok()?;
        (prefix.elements >= 3).then(|| Self::from_digits(&prefix.digits, prefix.elements == 4))
    }

    fn from_digits(digits: &[u8], with_dranst: bool) -> Self {
        let mut function = [0; 5];
        function.copy_from_slice(&digits[..5]);
        Self { function, dranst: with_dranst.then(|| digits[5]) }
    }

    /// A number that keeps the order of accounts: the five digits of the function and 0, or dranst and 1, below them.
    #[must_use]
    pub fn code(self) -> u32 {
        let function = self.function.iter().fold(0u32, |n, d| n * 10 + u32::from(d - b'0'));
        function * 16 + self.dranst.map_or(0, |d| u32::from(d - b'0') + 1)
    }

    /// The account with that [`Account::code`].
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        let (mut rest, dranst) = (code / 16, code % 16);
        if rest > 99_999 || dranst > 10 {
            return None;
        }
        let mut function = [0; 5];
        for digit in function.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        Some(Self { function, dranst: (dranst > 0).then(|| b'0' + dranst as u8 - 1) })
    }

    /// The function alone, `5.28.21`.
    #[must_use]
    pub fn function(self) -> Self {
        Self { dranst: None, ..self }
    }
}

impl FromStr for Account {
    type Err = AccountError;
    fn from_str(text: &str) -> Result<Self, AccountError> {
        AccountString::from_str(text).map(|parsed| parsed.account)
    }
}

impl TryFrom<String> for Account {
    type Error = AccountError;
    fn try_from(text: String) -> Result<Self, AccountError> {
        text.parse()
    }
}

impl From<Account> for String {
    fn from(account: Account) -> Self {
        account.to_string()
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e] = self.function.map(char::from);
        write!(f, "{a}.{b}{c}.{d}{e}")?;
        self.dranst.map_or(Ok(()), |d| write!(f, ".{}", char::from(d)))
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AccountString {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        if let Some(account) = Account::parse_normal(text) {
            return Ok(Self { account, cost_centre: None, grouping: None });
        }
        if text.len() == 16
            && let Some(all) = digits(text)
        {
            // Main account 1, main function 2, function 2, dranst 1, ownership 1, cost centre 4, grouping 3, art 2.
            return Ok(Self {
                account: Account::from_digits(all, true),
                cost_centre: Some(text[7..11].to_owned()),
                grouping: text[11..14].parse().ok(),
            });
        }
        let prisme = || {
            let (department, rest) = text.split_once('-')?;
            let (middle, _) = rest.split_once('-')?;
            let all = digits(middle).filter(|all| all.len() == 9)?;
            if department.is_empty() || department.len() > crate::MAX_TEXT_BYTES {
                return None;
            }
            digits(department)?;
            Some(Self {
                account: Account::from_digits(all, true),
                cost_centre: Some(department.to_owned()),
                grouping: middle[6..].parse().ok(),
            })
        };
        prisme().ok_or(AccountError::Form)
    }
}

impl Grouping {
    /// The number, 0–999.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// The grouping with that number, 0–999.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        (number <= 999).then_some(Self(number))
    }
}

impl FromStr for Grouping {
    type Err = AccountError;
    fn from_str(text: &str) -> Result<Self, AccountError> {
        match digits(text) {
            Some(all) if all.len() == 3 => Ok(Self(all.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0')))),
            _ => Err(AccountError::Grouping),
        }
    }
}

impl fmt::Display for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.0)
    }
}

/// A prefix of one to four elements: `5`, `5.28`, `5.28.21` or `5.28.21.1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountPrefix {
    digits: [u8; 6],
    elements: u8,
}

impl AccountPrefix {
    /// How many elements it names, 1–4.
    #[must_use]
    pub fn elements(self) -> u8 {
        self.elements
    }

    fn width(self) -> usize {
        let (start, width) = ELEMENTS[usize::from(self.elements) - 1];
        start + width
    }

    /// Whether the account begins with these elements.
    #[must_use]
    pub fn matches(self, account: Account) -> bool {
        let width = self.width();
        if width <= 5 {
            account.function[..width] == self.digits[..width]
        } else {
            account.function == self.digits[..5] && account.dranst == Some(self.digits[5])
        }
    }

    /// The lowest and highest [`Account::code`] that the prefix matches.
    #[must_use]
    pub fn codes(self) -> (u32, u32) {
        let width = self.width();
        let number = self.digits[..width].iter().fold(0u32, |n, d| n * 10 + u32::from(d - b'0'));
        if width == 6 {
            let code = number / 10 * 16 + number % 10 + 1;
            return (code, code);
        }
        let scale = 10u32.pow(5 - width as u32);
        (number * scale * 16, (number * scale + scale - 1) * 16 + 15)
    }
}

impl FromStr for AccountPrefix {
    type Err = AccountError;
    fn from_str(text: &str) -> Result<Self, AccountError> {
        let mut prefix = Self { digits: [0; 6], elements: 0 };
        for element in text.split('.') {
            let &(start, width) = ELEMENTS.get(usize::from(prefix.elements)).ok_or(AccountError::Prefix)?;
            let element = digits(element).filter(|e| e.len() == width).ok_or(AccountError::Prefix)?;
            prefix.digits[start..start + width].copy_from_slice(element);
            prefix.elements += 1;
        }
        Ok(prefix)
    }
}

impl TryFrom<String> for AccountPrefix {
    type Error = AccountError;
    fn try_from(text: String) -> Result<Self, AccountError> {
        text.parse()
    }
}

impl From<AccountPrefix> for String {
    fn from(prefix: AccountPrefix) -> Self {
        prefix.to_string()
    }
}

impl fmt::Display for AccountPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (start, width)) in ELEMENTS.into_iter().take(self.elements.into()).enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            for digit in &self.digits[start..start + width] {
                write!(f, "{}", char::from(*digit))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for AccountPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Option<String>, Option<String>) {
        let parsed: AccountString = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        (parsed.account.to_string(), parsed.cost_centre, parsed.grouping.map(|g| g.to_string()))
    }

    #[test]
    fn the_three_writings() {
        assert_eq!(read("5.28.21"), ("5.28.21".into(), None, None));
        assert_eq!(read("5.28.21.1"), ("5.28.21.1".into(), None, None));
        assert_eq!(
            read("5282110417003499".get(..16).unwrap_or("")),
            ("5.28.21.1".into(), Some("4170".into()), Some("034".into()))
        );
        assert_eq!(
            read("01005-528211003-015031-529CPR---"),
            ("5.28.21.1".into(), Some("01005".into()), Some("003".into()))
        );
    }

    #[test]
    fn what_is_no_account_is_refused() {
        for text in [
            "",
            "5",
            "5.28",
            "5.28.21.1.003",
            "5.2.21",
            "52821",
            "528211041700349",
            "-528211003-",
            "a-528211003-",
            "01005-52821100-x",
            "01005-528211003",
            "5.28.２1",
        ] {
            assert_eq!(text.parse::<AccountString>(), Err(AccountError::Form), "{text}");
        }
    }

    #[test]
    fn prefixes_match_whole_elements_and_their_codes_agree() {
        let accounts: Vec<Account> =
            ["5.28.21", "5.28.21.1", "5.28.21.0", "5.28.20.1", "5.57.71.2", "4.62.85", "0.00.00.0"]
                .map(|t| t.parse().unwrap_or_else(|e| panic!("{t}: {e}")))
                .into();
        for prefix in ["5", "5.28", "5.28.21", "5.28.21.1", "5.28.21.0", "0", "4.62"] {
            let p: AccountPrefix = prefix.parse().unwrap_or_else(|e| panic!("{prefix}: {e}"));
            assert_eq!(p.to_string(), prefix);
            for account in &accounts {
                let text = account.to_string();
                let by_text = text == prefix || text.starts_with(&format!("{prefix}."));
                assert_eq!(p.matches(*account), by_text, "{prefix} {text}");
                let (low, high) = p.codes();
                assert_eq!((low..=high).contains(&account.code()), by_text, "{prefix} {text}");
                assert_eq!(Account::from_code(account.code()), Some(*account));
            }
        }
        for text in ["", "52", "5.", "5.2", "5.28.21.1.1", ".28"] {
            assert!(text.parse::<AccountPrefix>().is_err(), "{text}");
        }
    }
}
