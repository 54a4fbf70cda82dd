//! What is said of a solution: its rules, its split keys, and the figures that it is held against.

use serde::{Deserialize, Serialize};

use crate::{Account, AccountPrefix, Amount, CitizenRef, Grouping, Span, Text};

/// What an account rule asks of a posting; all that it names must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Condition {
    /// The account begins so.
    pub account: Option<AccountPrefix>,
    /// The grouping is this.
    pub grouping: Option<Grouping>,
    /// The cost centre is this.
    pub cost_centre: Option<Text>,
    /// The posting's date lies here.
    pub span: Span,
}

/// A cross-sector solution (*tværgående løsning*).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Solution {
    /// Its name.
    pub name: Text,
    /// The lowest goes first.
    pub priority: i32,
    /// When it runs.
    pub span: Span,
    /// Days before an enrolment that count as `before`.
    pub baseline_days: u16,
    /// Days after an enrolment that count as `after`.
    pub aftercare_days: u16,
    /// The amount above which area heads must approve.
    pub ceiling: Option<Amount>,
    /// Who grants above the ceiling.
    pub above_ceiling: Option<Text>,
    /// What is inside and outside the solution's budget.
    pub sides: Vec<SideRule>,
    /// The side where no rule holds.
    pub default_side: Side,
    /// Who grants and who pays.
    pub powers: Vec<PowerRule>,
    /// Who grants and pays where no rule holds.
    pub default_powers: Powers,
    /// What the solution claims among postings without a citizen.
    pub claims: Vec<Condition>,
}

/// A rule that says on which side of the solution's budget a posting is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideRule {
    /// When it holds.
    pub condition: Condition,
    /// What it says.
    pub side: Side,
}

/// Inside or outside the solution's own budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words say it")]
pub enum Side {
    Inside,
    Outside,
}

impl Side {
    /// The contract's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Outside => "outside",
        }
    }
}

/// A rule that says who grants and who pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerRule {
    /// When it holds.
    pub condition: Condition,
    /// What it says.
    pub powers: Powers,
}

/// Who grants and who pays: `solution`, `shared`, `area` or an area's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Powers {
    /// Who has the visitation competence.
    pub grants: Text,
    /// Whose budget pays.
    pub pays: Text,
}

/// A split key (*fordelingsnøgle*).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The solution's id.
    pub solution: Text,
    /// Only this family's.
    pub family: Option<Text>,
    /// Only what pays this grant, as [`CitizenRef::Grant`].
    pub grant: Option<CitizenRef>,
    /// Only these accounts.
    pub condition: Condition,
    /// 1–16 parts of unique areas.
    pub parts: Vec<Share>,
}

/// One area's share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Share {
    /// The area.
    pub area: Text,
    /// 1–1,000,000.
    pub weight: u32,
}

/// An average price for what is not booked on a citizen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the contract's field names")]
pub struct Estimate {
    pub solution: Text,
    pub account: Account,
    /// A month's.
    pub amount: Amount,
    /// `true`: per family; `false`: per citizen.
    pub per_family: bool,
    pub area: Option<Text>,
    /// `from` is always given.
    pub span: Span,
}

/// A year's budget of a solution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the contract's field names")]
pub struct Budget {
    pub solution: Text,
    pub year: i16,
    pub amount: Amount,
    pub area: Option<Text>,
    pub kind: Option<CostKind>,
    pub side: Option<Side>,
    pub funding: Option<Text>,
}

/// A year's target for a solution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the contract's field names")]
pub struct Target {
    pub solution: Text,
    pub year: i16,
    pub amount: Amount,
    pub area: Option<Text>,
    pub kind: Option<CostKind>,
    pub side: Option<Side>,
    pub share: Vec<Share>,
}

/// What a solution was expected to cost and give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the contract's field names")]
pub struct InvestmentCase {
    pub solution: Text,
    /// Both ends are always given.
    pub span: Span,
    pub expected: Vec<Expected>,
    pub activity: Option<Text>,
    pub effect: Option<Text>,
    pub uncertainty: Option<Text>,
}

/// An expected amount of one year and area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the contract's field names")]
pub struct Expected {
    pub year: i16,
    pub area: Text,
    pub amount: Amount,
}

/// What kind of cost an account holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words say it")]
pub enum CostKind {
    Service,
    Transfer,
}

impl CostKind {
    /// The contract's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Transfer => "transfer",
        }
    }
}
