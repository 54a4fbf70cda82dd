//! Amounts whose debit and credit stand in a column each.
//!
//! Most ledgers' exports write `0,00` in the one of the two that is not used, and some leave it empty. So which of them is there
//! says nothing, and neither does taking the first that is: the one that is not zero is the amount, and there must be just one.

use samspor_domain::Reason;

use super::build::{Failure, Place, one};
use super::flaws::{Flaws, Value};
use super::path::Path;
use super::rule::{Condition, From, Rule, Test};
use super::value;
use crate::json::Node;

/// The amount: debit as it stands, credit with its sign turned round.
pub(super) fn amount<'a>(
    rule: &'a Rule,
    place: &'a impl Place,
    debit: &'a Path,
    credit: &'a Path,
) -> Result<Node<'a>, Failure<'a>> {
    let mut found = None;
    for (path, is_credit) in [(debit, false), (credit, true)] {
        let Some(raw) = one(rule, place, path)? else { continue };
        let node = value::canonical(rule, raw, is_credit).map_err(|wrong| Failure {
            line: rule.line,
            path: Some(path),
            wrong,
        })?;
        if is_zero(&node) {
            continue;
        }
        if found.replace(node).is_some() {
            let why = "says a debit and a credit, and exactly one of both may be other than zero";
            return Err(Failure {
                line: rule.line,
                path: Some(credit),
                wrong: (Reason::InvalidAmount, why.into()),
            });
        }
    }
    found.ok_or_else(|| {
        let why = "says neither a debit nor a credit, of which exactly one is other than zero";
        Failure { line: rule.line, path: Some(debit), wrong: (Reason::InvalidAmount, why.into()) }
    })
}

/// Whether a canonical amount is zero.
fn is_zero(amount: &Node<'_>) -> bool {
    matches!(amount, Node::Text(text) if !text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)))
}

/// Tells that `first` of several places and a sign by which of them is there do not go together.
pub(super) fn refuse(flaws: &mut Flaws, at: Option<&Value<'_>>, from: &From, signs: [&[Condition]; 2]) {
    let (From::First(paths), Some(at)) = (from, at) else { return };
    if paths.len() > 1 && signs.into_iter().flatten().any(|condition| asks_for(condition, paths)) {
        let why = "`first` takes the first of these that is there, be it 0,00, and the sign asks which of them is there: \
                   amounts would be lost or get the wrong sign";
        flaws.add(at.span(), why).help = Some(
            "for debit and credit in two places say debit = \"…\", credit = \"…\" instead of both".into(),
        );
    }
}

/// Whether it asks if something stands at one of these paths.
fn asks_for(condition: &Condition, paths: &[Path]) -> bool {
    match condition {
        Condition::Of { path, test: Test::Exists(_), .. } => paths.contains(path),
        Condition::Of { .. } => false,
        Condition::Any(lists) => lists.iter().flatten().any(|condition| asks_for(condition, paths)),
    }
}
