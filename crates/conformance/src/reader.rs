//! Readers of the feed, as the contract lets any target be one.

use std::collections::BTreeMap;

use samspor_domain::store::{FeedRow, Read, Result};
use samspor_domain::{CostKind, FilterKey, Phase, PostingNo, Revision, Seq, Side, Tag, Text};
use samspor_vault::{Purpose, Vault};

use crate::chance::Chance;
use crate::world::{AREAS, text};

/// What a reader wants; what it does not name may be anything.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this solution.
    pub solution: Option<Text>,
    /// Only this area.
    pub area: Option<Text>,
    /// Only this side.
    pub side: Option<Side>,
    /// Only this phase.
    pub phase: Option<Phase>,
    /// Only this kind of cost, or only where there is none.
    pub kind: Option<Option<CostKind>>,
}

impl Filter {
    /// One by chance, over these solutions.
    pub(crate) fn random(solutions: &[Text], chance: &mut Chance) -> Self {
        let kinds = [None, Some(CostKind::Service), Some(CostKind::Transfer)];
        Self {
            solution: if solutions.is_empty() { None } else { chance.maybe(40, solutions) },
            area: chance.maybe(40, &AREAS).map(text),
            side: chance.maybe(40, &[Side::Inside, Side::Outside]),
            phase: chance.maybe(40, &[Phase::During, Phase::After, Phase::Before]),
            kind: chance.maybe(40, &kinds),
        }
    }

    fn wants(&self, solution: &Text, area: &Text, side: Side, phase: Phase, kind: Option<CostKind>) -> bool {
        self.solution.as_ref().is_none_or(|wanted| wanted == solution)
            && self.area.as_ref().is_none_or(|wanted| wanted == area)
            && self.side.is_none_or(|wanted| wanted == side)
            && self.phase.is_none_or(|wanted| wanted == phase)
            && self.kind.is_none_or(|wanted| wanted == kind)
    }

    /// Whether a tag matches.
    #[must_use]
    pub fn wants_tag(&self, tag: &Tag) -> bool {
        self.wants(&tag.solution, &tag.area, tag.side, tag.phase, tag.kind)
    }

    fn wants_key(&self, key: &FilterKey) -> bool {
        self.wants(&key.solution, &key.area, key.side, key.phase, key.kind)
    }
}

/// A reader that keeps, of each posting, the highest revision that it got.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    filter: Filter,
    cursor: Seq,
    got: BTreeMap<PostingNo, (i64, Option<Tag>)>,
}

impl Reader {
    /// One that has read nothing yet.
    #[must_use]
    pub fn new(filter: Filter) -> Self {
        Self { filter, ..Self::default() }
    }

    /// What it wants.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Reads on, so many records at most. Answers whether there was one.
    pub fn read(&mut self, store: &mut dyn Read, vault: &Vault, limit: usize) -> Result<bool> {
        let rows = store.newest_after(self.cursor, limit)?;
        for (row, _) in &rows {
            assert!(row.seq > self.cursor, "a reader never gets a record twice, nor an earlier one");
            self.cursor = row.seq;
            let revision = open(vault, row).unwrap_or_else(|| panic!("a newest record says something"));
            let record = match revision.tag {
                // A record that matches by its tag is the reader's.
                Some(tag) if self.filter.wants_tag(&tag) => Some(tag),
                // And an untag under each key that the posting had.
                _ if revision.left.iter().any(|key| self.filter.wants_key(key)) => None,
                _ => continue,
            };
            let kept = self.got.entry(row.posting).or_insert((0, None));
            if row.revision > kept.0 {
                *kept = (row.revision, record);
            }
        }
        Ok(!rows.is_empty())
    }

    /// The tags that it holds.
    #[must_use]
    pub fn holds(&self) -> BTreeMap<PostingNo, &Tag> {
        self.got.iter().filter_map(|(no, (_, tag))| Some((*no, tag.as_ref()?))).collect()
    }
}

/// What a record says; none where it was erased.
pub(crate) fn open(vault: &Vault, row: &FeedRow) -> Option<Revision> {
    let plain =
        vault.open(Purpose::Revision, row.payload.as_ref()?).unwrap_or_else(|error| panic!("{error}"));
    Some(serde_json::from_slice(&plain).unwrap_or_else(|error| panic!("{error}")))
}
