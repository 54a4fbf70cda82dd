//! Rules on accounts: which hold for a posting, and which of those is the best.

use std::cmp::Ordering;

use jiff::civil::Date;

use crate::{Condition, Posting};

impl Condition {
    /// Whether everything that it names holds for the posting.
    pub fn holds<R>(&self, posting: &Posting<R>) -> bool {
        self.account.is_none_or(|prefix| prefix.matches(posting.account))
            && self.grouping.is_none_or(|grouping| posting.grouping == Some(grouping))
            && self.cost_centre.as_ref().is_none_or(|centre| posting.cost_centre.as_ref() == Some(centre))
            && self.span.contains(posting.date)
    }

    /// More account elements; then a grouping; then a cost centre; then the later start, none being the earliest.
    fn precision(&self) -> (u8, bool, bool, Option<Date>) {
        (
            self.account.map_or(0, |prefix| prefix.elements()),
            self.grouping.is_some(),
            self.cost_centre.is_some(),
            self.span.from,
        )
    }

    /// How it ranks among rules that hold: the greater goes first.
    #[must_use]
    pub fn cmp_precision(&self, other: &Self) -> Ordering {
        self.precision().cmp(&other.precision())
    }
}

/// The best of the rules that hold for the posting; among equals the later in the list.
pub fn best<'a, T, R>(
    rules: impl IntoIterator<Item = &'a T>,
    condition: impl Fn(&T) -> &Condition,
    posting: &Posting<R>,
) -> Option<&'a T> {
    rules
        .into_iter()
        .filter(|rule| condition(rule).holds(posting))
        // `max_by` keeps the last of equal maxima, which is what the contract asks for.
        .max_by(|a, b| condition(a).cmp_precision(condition(b)))
}
