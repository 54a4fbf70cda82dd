//! By which tags a reader wants to hear of: by solution, area, side, phase and kind of cost.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{CostKind, FilterKey, Phase, Revision, Side, Text};

/// What a target or reader is given. Of each list that it has, one word must hold; without any it is given everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TagFilter {
    /// The solutions' ids.
    pub solutions: Option<BTreeSet<Text>>,
    /// The sector areas of the postings; `unmapped` is the one of accounts that no chart knows.
    pub areas: Option<BTreeSet<Text>>,
    /// The sides.
    pub sides: Option<BTreeSet<Side>>,
    /// The phases.
    pub phases: Option<BTreeSet<Phase>>,
    /// The kinds of cost; none is the one of accounts of which no chart says it.
    pub kinds: Option<BTreeSet<Option<CostKind>>>,
}

/// What a posting's newest record is to a reader with a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Its tag is one that the reader wants.
    Tag,
    /// It is not, but an earlier one was, so the reader is told that the posting has none of those any more.
    Untag,
    /// Neither is. The reader never had anything to do with the posting.
    Nothing,
}

impl TagFilter {
    /// Whether it lets everything through.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a tag with that key is one that the reader wants.
    #[must_use]
    pub fn holds(&self, key: &FilterKey) -> bool {
        fn lists<T: Ord>(list: &Option<BTreeSet<T>>, word: &T) -> bool {
            list.as_ref().is_none_or(|list| list.contains(word))
        }
        lists(&self.solutions, &key.solution)
            && lists(&self.areas, &key.area)
            && lists(&self.sides, &key.side)
            && lists(&self.phases, &key.phase)
            && lists(&self.kinds, &key.kind)
    }

    /// What a record is to the reader.
    #[must_use]
    pub fn fit(&self, revision: &Revision) -> Fit {
        if revision.tag.as_ref().is_some_and(|tag| self.holds(&FilterKey::from(tag))) {
            Fit::Tag
        } else if revision.left.iter().any(|key| self.holds(key)) {
            Fit::Untag
        } else {
            Fit::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Text {
        Text::new(text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn key(solution: &str, side: Side, kind: Option<CostKind>) -> FilterKey {
        FilterKey { solution: text(solution), area: text("health"), side, phase: Phase::During, kind }
    }

    #[test]
    fn every_list_that_is_given_must_hold() {
        let inside = key("s", Side::Inside, None);
        assert!(TagFilter::default().holds(&inside));
        let filter = TagFilter {
            solutions: Some([text("s"), text("t")].into()),
            sides: Some([Side::Inside].into()),
            ..TagFilter::default()
        };
        assert!(filter.holds(&inside) && !filter.is_everything());
        assert!(!filter.holds(&key("s", Side::Outside, None)));
        assert!(!filter.holds(&key("u", Side::Inside, None)));
        let unmapped = TagFilter { kinds: Some([None].into()), ..TagFilter::default() };
        assert!(unmapped.holds(&inside));
        assert!(!unmapped.holds(&key("s", Side::Inside, Some(CostKind::Service))));
    }

    #[test]
    fn whoever_may_have_a_tag_is_told_that_it_is_gone() {
        let filter = TagFilter { sides: Some([Side::Inside].into()), ..TagFilter::default() };
        let gone = |left: Vec<FilterKey>| filter.fit(&Revision { tag: None, left, subject: None });
        assert_eq!(gone(vec![key("s", Side::Outside, None), key("s", Side::Inside, None)]), Fit::Untag);
        assert_eq!(gone(vec![key("s", Side::Outside, None)]), Fit::Nothing);
    }
}
