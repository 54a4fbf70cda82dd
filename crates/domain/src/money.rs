//! Amounts in øre. Money is never a float, and arithmetic on it is checked.

use std::fmt;
use std::ops::Neg;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The largest amount, in øre: 13 digits of kroner and two decimals.
pub const MAX_ORE: i64 = 999_999_999_999_999;

/// An amount of Danish kroner, held as whole øre between −[`MAX_ORE`] and [`MAX_ORE`]. An expense is positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amount(i64);

/// Why a text or number is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// It is not written as an amount is.
    #[error(
        "is not an amount: expected an optional '-', 1 to 13 digits, then nothing or '.' and one or two digits"
    )]
    Form,
    /// It has parts of an øre.
    #[error("has parts of an øre")]
    Fraction,
    /// It has more than 13 digits of kroner.
    #[error("has more than 13 digits of kroner")]
    Range,
}

impl Amount {
    /// An amount from whole øre.
    pub const fn from_ore(ore: i64) -> Result<Self, AmountError> {
        if ore > MAX_ORE || ore < -MAX_ORE { Err(AmountError::Range) } else { Ok(Self(ore)) }
    }

    /// An amount from a decimal number of kroner, which must be whole in øre.
    pub fn from_kroner(kroner: Decimal) -> Result<Self, AmountError> {
        let ore = kroner.checked_mul(Decimal::ONE_HUNDRED).ok_or(AmountError::Range)?;
        if !ore.is_integer() {
            return Err(AmountError::Fraction);
        }
        i64::try_from(ore).map_err(|_| AmountError::Range).and_then(Self::from_ore)
    }

    /// An amount in the writing of XML schemas, `-?[0-9]+(\.[0-9]+)?`, which must be whole in øre.
    pub fn from_xml_decimal(text: &str) -> Result<Self, AmountError> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        if !all_digits(whole) || !all_digits(part) {
            return Err(AmountError::Form);
        }
        Self::from_kroner(Decimal::from_str_exact(text).map_err(|_| AmountError::Range)?)
    }

    /// The amount in whole øre.
    #[must_use]
    pub const fn ore(self) -> i64 {
        self.0
    }

    /// The amount without its sign, in øre.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// The amount in kroner.
    #[must_use]
    pub fn to_kroner(self) -> Decimal {
        Decimal::new(self.0, 2)
    }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

impl Neg for Amount {
    type Output = Self;
    fn neg(self) -> Self {
        // The range is symmetric, so this cannot overflow.
        Self(-self.0)
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    /// The contract's form: `-` or nothing, 1–13 digits, then nothing or `.` and one or two digits.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        if !all_digits(whole) || !all_digits(part) || part.len() > 2 || whole.len() > 13 {
            return Err(AmountError::Form);
        }
        Self::from_kroner(Decimal::from_str_exact(text).map_err(|_| AmountError::Form)?)
    }
}

impl fmt::Display for Amount {
    /// Two decimals and a point: `-12450.00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_kroner().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_form_is_held_to_the_letter() {
        for (text, ore) in [
            ("0", 0),
            ("12450.00", 1_245_000),
            ("-0.5", -50),
            ("-0", 0),
            ("9999999999999.99", MAX_ORE),
            ("007", 700),
        ] {
            assert_eq!(text.parse::<Amount>().map(Amount::ore), Ok(ore), "{text}");
        }
        for text in [
            "",
            "-",
            "+1",
            "1.",
            ".5",
            "1.234",
            "1,5",
            "1e3",
            "10000000000000",
            "NaN",
            " 1",
            "--1",
            "1.-5",
            "٣",
        ] {
            assert_eq!(text.parse::<Amount>(), Err(AmountError::Form), "{text}");
        }
    }

    #[test]
    fn xml_decimals_may_carry_zeros_but_no_parts_of_an_ore() {
        assert_eq!(Amount::from_xml_decimal("-1234.5000").map(Amount::ore), Ok(-123_450));
        assert_eq!(Amount::from_xml_decimal("1.005"), Err(AmountError::Fraction));
        assert_eq!(Amount::from_xml_decimal("99999999999999999999999999999999999"), Err(AmountError::Range));
        assert_eq!(Amount::from_xml_decimal("1."), Err(AmountError::Form));
    }

    #[test]
    fn amounts_are_shown_with_two_decimals() {
        assert_eq!(Amount(-5).to_string(), "-0.05");
        assert_eq!(Amount(1_245_000).to_string(), "12450.00");
        assert_eq!(Amount(0).to_string(), "0.00");
    }
}
