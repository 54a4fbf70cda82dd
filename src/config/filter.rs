//! Which tags a target is given: the words of a filter, checked.

use std::collections::BTreeSet;

use samspor_domain::{CostKind, Phase, Side, TagFilter, Text, UNMAPPED};

use super::at::At;
use super::file;
use super::resolve::Resolver;

/// A list of words, if there is one.
type Words = Option<At<Vec<At<String>>>>;

/// The words of sides.
const SIDES: [(&str, Side); 2] = [("inside", Side::Inside), ("outside", Side::Outside)];
/// The words of phases.
const PHASES: [(&str, Phase); 3] =
    [("before", Phase::Before), ("during", Phase::During), ("after", Phase::After)];
/// The words of kinds of cost. An account that no chart knows has none.
const KINDS: [(&str, Option<CostKind>); 3] =
    [("service", Some(CostKind::Service)), ("transfer", Some(CostKind::Transfer)), (UNMAPPED, None)];

impl Resolver {
    /// A target's filter; without one, everything. None if it has a problem.
    pub(super) fn filter(&mut self, filter: Option<&At<file::Filter>>) -> Option<TagFilter> {
        let Some(filter) = filter else { return Some(TagFilter::default()) };
        let lists = [&filter.solutions, &filter.areas, &filter.sides, &filter.phases, &filter.kinds];
        if lists.iter().all(|list| list.is_none()) {
            self.reading.fault(filter.span(), "this filter lets everything through: it has no list").help(
                "add `solutions`, `areas`, `sides`, `phases` or `kinds`, or take [targets.filter] away",
            );
            return None;
        }
        let solutions = self.words(&filter.solutions, |resolver, word| resolver.reading.text(word));
        let areas = self.words(&filter.areas, Self::area);
        let sides = self.words(&filter.sides, |resolver, word| resolver.one_of(word, &SIDES));
        let phases = self.words(&filter.phases, |resolver, word| resolver.one_of(word, &PHASES));
        let kinds = self.words(&filter.kinds, |resolver, word| resolver.one_of(word, &KINDS));
        Some(TagFilter {
            solutions: solutions?,
            areas: areas?,
            sides: sides?,
            phases: phases?,
            kinds: kinds?,
        })
    }

    /// A list of a filter. None if it has a problem; `Some(None)` if there is no list.
    fn words<T: Ord>(
        &mut self,
        words: &Words,
        read: impl Fn(&mut Self, &At<String>) -> Option<T>,
    ) -> Option<Option<BTreeSet<T>>> {
        let Some(words) = words else { return Some(None) };
        if words.is_empty() {
            self.reading
                .fault(words.span(), "this list is empty, so the filter lets nothing through")
                .help("name what goes through, or take the list away: then everything does");
            return None;
        }
        // Every faulty word is reported, and not the first one only.
        let read: Vec<Option<T>> = words.iter().map(|word| read(self, word)).collect();
        read.into_iter().collect::<Option<BTreeSet<T>>>().map(Some)
    }

    /// An area that a posting can have: one of the charts, which are part of the configuration. A word that no chart has would
    /// keep everything from the target without a sign of it.
    fn area(&mut self, word: &At<String>) -> Option<Text> {
        let area = self.reading.text(word)?;
        // Where the charts have problems, they may have more areas than could be read.
        if self.areas.is_empty() || self.areas.contains(&area) || area.as_str() == UNMAPPED {
            return Some(area);
        }
        let known: Vec<&str> = self.areas.iter().map(Text::as_str).chain([UNMAPPED]).collect();
        self.reading
            .fault(word.span(), "no chart has this area, so no posting is ever in it")
            .help(format!("there are {}", known.join(", ")));
        None
    }

    fn one_of<T: Copy>(&mut self, word: &At<String>, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(known, _)| *known == word.as_str()).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.reading
                .fault(word.span(), "there is no such word")
                .help(format!("there are {}", known.join(", ")));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::with;
    use super::*;

    const LIS: &str = "name = \"lis\"\naudience = \"lis\"\n";

    #[test]
    fn a_filter_is_what_its_lists_say() {
        let filter = "filter = { sides = [\"inside\"], kinds = [\"service\", \"unmapped\"], \
             areas = [\"vulnerable-children\", \"unmapped\"] }\n";
        let config = with(LIS, &format!("{LIS}{filter}")).load();
        let [ledger, lis] = &config.targets[..] else { panic!("two targets") };
        assert!(ledger.filter.is_everything());
        let expected = TagFilter {
            sides: Some([Side::Inside].into()),
            kinds: Some([Some(CostKind::Service), None].into()),
            areas: Some(["vulnerable-children", UNMAPPED].map(|area| area.parse().expect("a text")).into()),
            ..TagFilter::default()
        };
        assert_eq!(lis.filter, expected);
    }

    #[test]
    fn every_faulty_word_and_list_is_reported() {
        for (filter, expected) in [
            (
                "filter = {}",
                "45:10: this filter lets everything through: it has no list; add `solutions`, `areas`, \
                             `sides`, `phases` or `kinds`, or take [targets.filter] away",
            ),
            (
                "filter = { areas = [] }",
                "45:20: this list is empty, so the filter lets nothing through; name what goes \
                                         through, or take the list away: then everything does",
            ),
            (
                "filter = { areas = [\"unmapped\", \"vulnerable-childern\"] }",
                "45:33: no chart has this area, so no posting is ever in it; there are vulnerable-children, unmapped",
            ),
            ("filter = { sides = [\"in\"] }", "45:21: there is no such word; there are inside, outside"),
            (
                "filter = { kinds = [\"\"] }",
                "45:21: there is no such word; there are service, transfer, unmapped",
            ),
            ("filter = { solutions = [\"\"] }", "45:25: this must be 1 to 120 bytes long, and has 0"),
        ] {
            let problems = with(LIS, &format!("{LIS}{filter}\n")).problems();
            assert_eq!(problems, [format!("gateway.toml:{expected}")], "{filter}");
        }
    }
}
