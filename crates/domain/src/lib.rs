//! The words of the gateway, its decision and its ports. No I/O, no clock, no wire format.

mod account;
mod answer;
pub mod audit;
mod chart;
mod circle;
mod cpr;
mod decide;
mod fault;
mod feed;
mod filter;
mod forward;
mod handed;
pub mod keys;
mod message;
mod money;
mod personal;
mod port;
pub mod quarantine;
mod reference;
mod rule;
mod solution;
mod split;
pub mod store;
mod sum;
mod text;
mod trace;
pub mod voucher;

pub use account::{Account, AccountError, AccountPrefix, AccountString, Grouping};
pub use answer::{Answer, Basis, Flag, Part, Phase, Tag, UNMAPPED, Untagged};
pub use chart::{Chart, ChartRule, Charts};
pub use circle::{Closure, Link, MAX_REFERENCES, closure};
pub use cpr::{Cpr, CprError};
pub use decide::{
    Candidate, Circle, Decision, Enrolled, Known, RULES_VERSION, candidates, days_after, days_before, decide,
    follows, overlap,
};
pub use fault::{Fault, Reason};
pub use feed::{Cause, Change, FilterKey, LedgerRecord, LisRecord, Record, Revision};
pub use filter::{Fit, TagFilter};
pub use forward::{
    Carried, Carry, ForwardRow, ForwardSum, Forwarding, Passage, ReadForward, WaitingRow, WriteForward,
};
pub use handed::{Handed, Parked, Receipted, Shelf, Stage, Verdict, Why};
pub use message::{
    Body, Case, Consent, ControlTotal, Enrolment, Fact, Grant, Identity, IdentityKind, Kind, Message,
    Payment, Period, Posting, Progress, Rank, Rate, Receipt, Span, State,
};
pub use money::{Amount, AmountError, MAX_ORE};
pub use personal::{check_names, holds_cpr, may_hold_cpr, may_identify, without_numbers};
pub use port::{
    Acknowledge, Batch, Clock, Confirms, Credential, Credentials, Decode, Delivery, Encode, Excerpt, Flow,
    Item, LinkError, Outgoing, Publisher, Refusal, Sent, Source, Subscription, Target, Token,
};
pub use reference::{CitizenRef, PersonUuid, Pseudonym, UuidError};
pub use rule::best;
pub use solution::{
    Budget, Condition, CostKind, Estimate, Expected, InvestmentCase, PowerRule, Powers, Share, Side,
    SideRule, Solution, Split, Target as TargetGoal,
};
pub use split::split;
pub use store::{EntryNo, FactNo, PostingNo, Scope, Seq, SetNo, SourceNo};
pub use sum::Sum;
pub use text::{MAX_TEXT_BYTES, SourceName, Text, TextError};
pub use trace::{Processing, Publishing, TraceContext, Traces};
