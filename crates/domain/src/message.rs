//! The messages as decoded: postings, which never change, and facts, whose highest version wins.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    Account, Amount, Budget, CitizenRef, Estimate, Grouping, InvestmentCase, Solution, SourceName, Split,
    TargetGoal, Text, Verdict,
};

/// One message: an immutable posting or a versioned fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// One line of a voucher.
    Posting(Posting),
    /// Something that is so until a higher version says otherwise.
    Fact(Fact),
    /// What a target's books say of a record that they were handed.
    Receipt(Receipt),
}

/// What a target's books say of a record (*forretningskvittering*).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its id.
    pub id: Text,
    /// The posting's source.
    pub source: SourceName,
    /// The posting's id.
    pub posting: Text,
    /// The record's revision.
    pub revision: i64,
    /// Accepted or rejected.
    pub verdict: Verdict,
    /// When the books said so. Of several about one revision the latest counts; at one instant a rejection.
    pub at: Timestamp,
    /// The books' own code.
    pub code: Option<Text>,
    /// In words, which may be personal.
    pub text: Option<String>,
}

/// One line of a voucher in the finance system, with references of type `R`: as decoded a [`CitizenRef`], as kept a
/// [`crate::Pseudonym`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting<R = CitizenRef> {
    /// Its id, unique in its source.
    pub id: Text,
    /// The posting date.
    pub date: Date,
    /// Function and, where known, dranst.
    pub account: Account,
    /// The grouping, if known.
    pub grouping: Option<Grouping>,
    /// The cost centre, if known.
    pub cost_centre: Option<Text>,
    /// The amount; an expense is positive.
    pub amount: Amount,
    /// Whom it concerns.
    pub citizen: Option<R>,
    /// The grant that it pays.
    pub grant: Option<R>,
    /// The voucher's number.
    pub voucher: Option<Text>,
    /// The id of the posting that it reverses, in the same source.
    pub reverses: Option<Text>,
}

impl<R> Posting<R> {
    /// The reference that decides who it is: its citizen, else its grant.
    pub fn reference(&self) -> Option<&R> {
        self.citizen.as_ref().or(self.grant.as_ref())
    }

    /// The same posting with other references.
    pub fn map<Q>(&self, mut f: impl FnMut(&R) -> Q) -> Posting<Q> {
        let Ok(posting) = self.try_zip(self, |reference, _| Ok::<Q, std::convert::Infallible>(f(reference)));
        posting
    }

    /// The same posting with other references, each made of its own and the one in its place in another; unless one cannot
    /// be had.
    pub fn try_zip<Q, S, E>(
        &self,
        other: &Posting<S>,
        mut f: impl FnMut(&R, &S) -> Result<Q, E>,
    ) -> Result<Posting<Q>, E> {
        Ok(Posting {
            id: self.id.clone(),
            date: self.date,
            account: self.account,
            grouping: self.grouping,
            cost_centre: self.cost_centre.clone(),
            amount: self.amount,
            citizen: self.citizen.as_ref().zip(other.citizen.as_ref()).map(|(a, b)| f(a, b)).transpose()?,
            grant: self.grant.as_ref().zip(other.grant.as_ref()).map(|(a, b)| f(a, b)).transpose()?,
            voucher: self.voucher.clone(),
            reverses: self.reverses.clone(),
        })
    }
}

/// A versioned fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it is about.
    pub kind: Kind,
    /// Its id, unique among facts of its kind in its source, or in the municipality.
    pub id: Text,
    /// 1 or more; the highest wins.
    pub version: i64,
    /// What this version says.
    pub state: State,
}

/// What a version of a fact says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It holds.
    Live(Body),
    /// A consent that is withdrawn.
    Withdrawn,
    /// It is deleted.
    Deleted,
}

impl State {
    /// At equal versions a deletion wins over a withdrawal, and that over anything live.
    #[must_use]
    pub fn rank(&self) -> Rank {
        match self {
            Self::Live(_) => Rank::Live,
            Self::Withdrawn => Rank::Withdrawn,
            Self::Deleted => Rank::Deleted,
        }
    }
}

/// Which of the three a version is, in the order in which they win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// It holds.
    Live,
    /// A withdrawn consent.
    Withdrawn,
    /// A deleted fact.
    Deleted,
}

/// What kinds of fact there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is documented at its body")]
pub enum Kind {
    Case,
    Grant,
    Payment,
    Progress,
    Identity,
    Consent,
    Enrolment,
    Solution,
    Split,
    Estimate,
    Budget,
    Target,
    InvestmentCase,
    ControlTotal,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Case,
        Self::Grant,
        Self::Payment,
        Self::Progress,
        Self::Identity,
        Self::Consent,
        Self::Enrolment,
        Self::Solution,
        Self::Split,
        Self::Estimate,
        Self::Budget,
        Self::Target,
        Self::InvestmentCase,
        Self::ControlTotal,
    ];

    /// Whether it is named in its source, rather than across the municipality.
    #[must_use]
    pub fn is_named_in_source(self) -> bool {
        matches!(self, Self::Case | Self::Grant | Self::Payment | Self::Progress)
    }

    /// The word of the contract's `type` field.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Case => "case",
            Self::Grant => "grant",
            Self::Payment => "payment",
            Self::Progress => "progress",
            Self::Identity => "identity",
            Self::Consent => "consent",
            Self::Enrolment => "enrolment",
            Self::Solution => "solution",
            Self::Split => "split",
            Self::Estimate => "estimate",
            Self::Budget => "budget",
            Self::Target => "target",
            Self::InvestmentCase => "investment-case",
            Self::ControlTotal => "control-total",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a live fact says. It is serialised for sealing only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is documented at its type")]
pub enum Body {
    Case(Case),
    Grant(Grant),
    Payment(Payment),
    Progress(Progress),
    Identity(Identity),
    Consent(Consent),
    Enrolment(Enrolment),
    Solution(Box<Solution>),
    Split(Split),
    Estimate(Estimate),
    Budget(Budget),
    Target(TargetGoal),
    InvestmentCase(InvestmentCase),
    ControlTotal(ControlTotal),
}

impl Body {
    /// The kind of fact that says this.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Case(_) => Kind::Case,
            Self::Grant(_) => Kind::Grant,
            Self::Payment(_) => Kind::Payment,
            Self::Progress(_) => Kind::Progress,
            Self::Identity(_) => Kind::Identity,
            Self::Consent(_) => Kind::Consent,
            Self::Enrolment(_) => Kind::Enrolment,
            Self::Solution(_) => Kind::Solution,
            Self::Split(_) => Kind::Split,
            Self::Estimate(_) => Kind::Estimate,
            Self::Budget(_) => Kind::Budget,
            Self::Target(_) => Kind::Target,
            Self::InvestmentCase(_) => Kind::InvestmentCase,
            Self::ControlTotal(_) => Kind::ControlTotal,
        }
    }
}

/// A span of dates; both ends belong, and an open end has none. An end before its start is an empty span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Span {
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub to: Option<Date>,
}

impl Span {
    /// Whether the day lies in it.
    #[must_use]
    pub fn contains(self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }
}

/// A case (*sag*) in a case system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Whose case.
    pub citizen: CitizenRef,
    /// The sector area, an open word.
    pub area: Option<Text>,
    /// The KLE number.
    pub kle: Option<Text>,
    /// The status, an open word.
    pub status: Option<Text>,
    /// When it runs.
    pub span: Span,
}

/// A grant (*bevilling*, *indsats*, *ydelse*).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Whose; given, or that of its case.
    pub citizen: Option<CitizenRef>,
    /// Its case, in the same source.
    pub case: Option<Text>,
    /// The account that it is paid from.
    pub account: Option<Account>,
    /// The offer (*tilbud*).
    pub offer: Option<Text>,
    /// The legal ground.
    pub law: Option<Text>,
    /// When it runs.
    pub span: Span,
    /// What it costs in each period.
    pub rate: Option<Rate>,
    /// What it costs in all; not negative.
    pub total: Option<Amount>,
}

/// An amount for each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// The amount.
    pub amount: Amount,
    /// The period.
    pub per: Period,
}

/// The period of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words say it")]
pub enum Period {
    Day,
    Week,
    Month,
    Once,
}

/// A payment of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// The grant, as [`CitizenRef::Grant`].
    pub grant: CitizenRef,
    /// What was paid.
    pub amount: Amount,
    /// The day at disposal.
    pub on: Date,
    /// What period it pays for.
    pub period: Span,
}

/// Where a citizen stands on a scale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Who.
    pub citizen: CitizenRef,
    /// The scale, such as `driftstrappe`.
    pub scale: Text,
    /// The step.
    pub value: Text,
    /// The day.
    pub on: Date,
}

/// References of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What ties them.
    pub kind: IdentityKind,
    /// Two or more; exactly two CPR numbers for a change.
    pub refs: Vec<CitizenRef>,
}

/// What ties the references of an identity fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityKind {
    /// They are of one person.
    Same,
    /// The person's CPR number was changed from the one to the other.
    CprChange,
}

/// A citizen's consent to link named sources' data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Who consents.
    pub citizen: CitizenRef,
    /// The sources; at least one.
    pub sources: Vec<SourceName>,
    /// The posting dates that it covers; `from` is always given.
    pub covers: Span,
    /// When it was given.
    pub given_on: Option<Date>,
    /// Who took it down.
    pub given_by: Option<Text>,
    /// `consent` or `law`.
    pub basis: Option<Text>,
    /// The paragraph that it rests on.
    pub legal_reference: Option<Text>,
}

/// A citizen is in a solution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The solution's id.
    pub solution: Text,
    /// Who.
    pub citizen: CitizenRef,
    /// As part of which family.
    pub family: Option<Text>,
    /// From when (always given) to when.
    pub span: Span,
}

/// What a finance system says that it sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the contract's field names")]
pub struct ControlTotal {
    pub source: SourceName,
    /// Both ends are always given.
    pub span: Span,
    pub count: i64,
    pub sum: Amount,
}
