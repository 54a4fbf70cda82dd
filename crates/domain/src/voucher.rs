//! Correction vouchers (*omposteringsbilag*): amounts moved from one account to another, as lines that balance.
//!
//! A voucher is a proposal. Nothing here knows whether it was ever booked, so what is proposed follows from what is right
//! now, and from nothing that was proposed before.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

use crate::{Account, AccountString, Amount, Grouping, Part, SourceName, Tag, Text};

mod name;

pub use name::{LINES, MAX_RUN, Name};

/// The parts of a posting that other areas bear than the one that its account belongs to.
///
/// Where the chart does not know the account, nobody can say which part lies right; the caller looks at that first.
pub fn elsewhere(tag: &Tag) -> impl Iterator<Item = &Part> {
    tag.parts.iter().filter(|part| part.area != tag.area && part.amount.ore() != 0)
}

/// Whether a posting is itself a line of a voucher that was made here and booked: its voucher or its id begins with one of
/// the machine numbers under which vouchers are made, as five digits, and `-` and a digit.
///
/// Such a line lies where it belongs. Were it shared once more, what was moved would be moved on and back.
pub fn is_line(machines: &BTreeSet<u32>, id: &Text, voucher: Option<&Text>) -> bool {
    [Some(id), voucher].into_iter().flatten().any(|name| {
        let (number, rest) = name.as_str().split_once('-').unwrap_or_default();
        let is_number = number.len() == 5 && number.bytes().all(|b| b.is_ascii_digit());
        is_number
            && rest.starts_with(|c: char| c.is_ascii_digit())
            && number.parse().is_ok_and(|number| machines.contains(&number))
    })
}

/// An amount to be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The account string that it is taken off, as the ledger writes it.
    pub from: String,
    /// The account string that it is put on.
    pub to: String,
    /// How much; a negative amount goes the other way.
    pub amount: Amount,
    /// What the lines say.
    pub text: String,
    /// The posting that it corrects, if it is one's.
    pub about: Option<About>,
}

/// Which part of which posting is moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The posting's source.
    pub source: SourceName,
    /// The posting's id.
    pub posting: Text,
    /// The area that it was booked in.
    pub from: Text,
    /// The area that bears the part.
    pub to: Text,
}

/// On which side of an account a line is booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// An expense.
    Debit,
    /// What is taken off an account.
    Credit,
}

impl Entry {
    /// The letter that Danish ledgers write: `D` or `K`.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Debit => "D",
            Self::Credit => "K",
        }
    }
}

/// A line of a voucher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number, which with the voucher's date names it.
    pub serial: usize,
    /// On which side.
    pub entry: Entry,
    /// The account string.
    pub account: String,
    /// How much, above zero.
    pub amount: Amount,
    /// What it says.
    pub text: String,
    /// The posting that it corrects, if it is one's.
    pub about: Option<About>,
}

/// A voucher, whose debit is its credit: it has a pair of lines for each move, and no others can be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    number: String,
    date: Date,
    lines: Vec<Line>,
}

impl Voucher {
    /// The voucher that makes these moves, in their order. What moves nothing, because the amount is zero or both accounts
    /// are the same, gets no lines. The same moves give the same lines.
    #[must_use]
    pub fn new(
        number: String,
        date: Date,
        first_serial: usize,
        moves: impl IntoIterator<Item = Move>,
    ) -> Self {
        let moves = moves.into_iter().filter(|one| one.amount.ore() != 0 && one.from != one.to);
        let pairs = moves.flat_map(|one| {
            let (off, on) = match one.amount.ore() {
                ..0 => (Entry::Debit, Entry::Credit),
                _ => (Entry::Credit, Entry::Debit),
            };
            let line = |entry, account, text, about| Line {
                serial: 0,
                entry,
                account,
                amount: one.amount.abs(),
                text,
                about,
            };
            [line(off, one.from, one.text.clone(), one.about.clone()), line(on, one.to, one.text, one.about)]
        });
        let numbered = pairs.enumerate().map(|(index, line)| Line { serial: first_serial + index, ..line });
        Self { number, date, lines: numbered.collect() }
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The date on which it is booked.
    #[must_use]
    pub fn date(&self) -> Date {
        self.date
    }

    /// Its lines.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// What one side of it adds up to, in øre; both are the same.
    #[must_use]
    pub fn sum(&self, entry: Entry) -> i128 {
        let lines = self.lines.iter().filter(|line| line.entry == entry);
        lines.map(|line| i128::from(line.amount.ore())).sum()
    }
}

/// How a ledger's account string is written, made of what the gateway keeps of one: `{function}{dranst}1{cost_centre}00`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Word(Word),
}

/// What a template can say of a posting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// The normal form, `5.28.21.1`.
    Account,
    /// The five digits of the function, `52821`.
    Function,
    /// The digit of the dranst.
    Dranst,
    /// The cost centre.
    CostCentre,
    /// The three digits of the grouping.
    Grouping,
}

impl Word {
    const ALL: [Self; 5] = [Self::Account, Self::Function, Self::Dranst, Self::CostCentre, Self::Grouping];

    /// As it stands between braces.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Function => "function",
            Self::Dranst => "dranst",
            Self::CostCentre => "cost_centre",
            Self::Grouping => "grouping",
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not how account strings are written: expected text with {{account}}, {{function}}, {{dranst}}, {{cost_centre}} \
     and {{grouping}} where those stand"
)]
pub struct TemplateError;

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            let (word, after) =
                from.strip_prefix('{').and_then(|from| from.split_once('}')).ok_or(TemplateError)?;
            let word = Word::ALL.into_iter().find(|known| known.word() == word).ok_or(TemplateError)?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Word(word));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        if pieces.is_empty() { Err(TemplateError) } else { Ok(Self(pieces)) }
    }
}

/// A template does not say on which account a posting was booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// The gateway was not told of it.
    #[error("has no {0}, which `booked` of [[vouchers]] wants")]
    Unsaid(Word),
    /// What is made of it is no account string, or another account's.
    #[error(
        "has a cost centre or grouping with which `booked` of [[vouchers]] makes no account string, or another one's: \
         give its source a section of its own, with `sources`"
    )]
    Other,
}

impl Template {
    /// The account string that a posting was booked on. It is read as an account string is, and must say of account, cost
    /// centre and grouping what the posting says: else it would name another account than the posting's.
    pub fn fill(
        &self,
        account: Account,
        cost_centre: Option<&Text>,
        grouping: Option<Grouping>,
    ) -> Result<String, FillError> {
        let normal = account.to_string();
        let digits: String = normal.chars().filter(char::is_ascii_digit).collect();
        let mut filled = String::new();
        for piece in &self.0 {
            let word = match piece {
                Piece::Text(text) => {
                    filled.push_str(text);
                    continue;
                }
                Piece::Word(word) => *word,
            };
            let said = match word {
                Word::Account => Some(normal.clone()),
                Word::Function => digits.get(..5).map(str::to_owned),
                Word::Dranst => digits.get(5..6).map(str::to_owned),
                Word::CostCentre => cost_centre.map(ToString::to_string),
                Word::Grouping => grouping.map(|grouping| grouping.to_string()),
            };
            filled.push_str(&said.ok_or(FillError::Unsaid(word))?);
        }
        let read: AccountString = filled.parse().map_err(|_| FillError::Other)?;
        let has = |word| self.0.contains(&Piece::Word(word));
        let is_same = (if has(Word::Account) || has(Word::Dranst) {
            read.account == account
        } else {
            read.account.function() == account.function()
        }) && (!has(Word::CostCentre)
            || read.cost_centre.as_deref() == cost_centre.map(Text::as_str))
            && (!has(Word::Grouping) || read.grouping == grouping);
        if is_same { Ok(filled) } else { Err(FillError::Other) }
    }
}

#[cfg(test)]
mod tests;
