//! CPR numbers: their form, their century, and the replacement numbers among them.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A CPR number: ten digits whose date exists in the century that the seventh gives.
///
/// Its `Debug` shows no digit, and it has no `Display`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cpr(u64);

/// The text is no CPR number. The message quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CprError {
    /// Not ten digits with at most one `-` or space before the last four.
    #[error("is not ten digits with at most one '-' or space before the last four")]
    Form,
    /// No such day in that month and century.
    #[error("does not begin with a date that exists in the century that its seventh digit gives")]
    Date,
}

impl Cpr {
    /// Reads `DDMMYYNNNN`, `DDMMYY-NNNN` or `DDMMYY NNNN`.
    pub fn parse(text: &str) -> Result<Self, CprError> {
        let bytes = text.as_bytes();
        let (head, tail) = match bytes.len() {
            10 => (&bytes[..6], &bytes[6..]),
            11 if matches!(bytes[6], b'-' | b' ') => (&bytes[..6], &bytes[7..]),
            _ => return Err(CprError::Form),
        };
        let mut number = 0u64;
        for byte in head.iter().chain(tail) {
            if !byte.is_ascii_digit() {
                return Err(CprError::Form);
            }
            number = number * 10 + u64::from(byte - b'0');
        }
        let cpr = Self(number);
        cpr.date_exists().then_some(cpr).ok_or(CprError::Date)
    }

    /// Digit `i` of ten, counted from the left and from 0.
    fn digit(self, i: u32) -> u64 {
        self.0 / 10u64.pow(9 - i) % 10
    }

    fn date_exists(self) -> bool {
        let two = |i| (self.digit(i) * 10 + self.digit(i + 1)) as i16;
        let (day, month, yy) = (two(0), two(2), two(4));
        let day = if (61..=91).contains(&day) { day - 60 } else { day };
        let century = match self.digit(6) {
            0..=3 => 1900,
            4 | 9 if yy <= 36 => 2000,
            4 | 9 => 1900,
            _ if yy <= 57 => 2000,
            _ => 1800,
        };
        day <= 31 && Date::new(century + yy, month as i8, day as i8).is_ok()
    }

    /// Whether it is a replacement number: 60 is added to the day.
    #[must_use]
    pub fn is_replacement(self) -> bool {
        self.digit(0) >= 6
    }

    /// Whether modulus 11 holds. It has not been required since 2007, so it is only reported.
    #[must_use]
    pub fn has_modulus_11(self) -> bool {
        let weights = [4, 3, 2, 7, 6, 5, 4, 3, 2, 1];
        (0..10).map(|i| self.digit(i) * weights[i as usize]).sum::<u64>() % 11 == 0
    }

    /// The ten digits, for the places that must have them: pseudonyms, sealing, and the search for a number in an id.
    #[must_use]
    pub fn reveal(self) -> String {
        format!("{:010}", self.0)
    }
}

impl fmt::Debug for Cpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cpr(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seventh_digit_gives_the_century() {
        // 29 February exists in 1904 and 2036, not in 1937 or 1900.
        for (text, good) in [
            ("2902040000", true),
            ("2902364000", true),
            ("2902374000", false),
            ("2902000000", false),
            ("2902005000", true),
            ("2902565000", true),
            ("2902605000", true),
            ("2902585000", false),
            ("3112995000", true),
        ] {
            assert_eq!(Cpr::parse(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn form_and_replacement_numbers() {
        assert_eq!(Cpr::parse("611280-1234"), Cpr::parse("6112801234"));
        assert_eq!(Cpr::parse("611280 1234"), Cpr::parse("6112801234"));
        assert!(Cpr::parse("6112801234").is_ok_and(Cpr::is_replacement));
        for text in ["611280--1234", "61128012345", "611280123", "611280_1234", "6112801 234", "６112801234"]
        {
            assert_eq!(Cpr::parse(text), Err(CprError::Form), "{text}");
        }
        for text in ["0012801234", "3212801234", "6012801234", "9212801234", "0113801234", "0100801234"] {
            assert_eq!(Cpr::parse(text), Err(CprError::Date), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_digit() {
        let shown = format!("{:?}", Cpr::parse("6112801234"));
        assert!(!shown.bytes().any(|b| b.is_ascii_digit()), "{shown}");
    }
}
