//! The balance of one transaction: what came in, what became of it, how postings stand, and what targets have.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use samspor_domain::store::{Balance, Count, Day, Month, Outcome, Result, Standing, Store, TaggedSum};
use samspor_domain::{Change, FilterKey, ForwardSum, Passage, Shelf, SourceNo, Stage, Sum, Text, Untagged};
use samspor_vault::Vault;

use crate::kept;

/// Counts and sums that are written once, with the transaction that they are about.
pub(crate) struct Tally {
    zone: TimeZone,
    /// The last instant that a month was asked of, and that month: items of one transaction mostly arrive at one.
    arrived: (Timestamp, Month),
    counts: BTreeMap<(SourceNo, Month, Outcome), i64>,
    /// By how the postings stand as [`Balance`] has it.
    balances: BTreeMap<(SourceNo, Month, Option<Option<Untagged>>), Sum>,
    /// All postings by date.
    days: BTreeMap<(SourceNo, Date), Sum>,
    shelves: BTreeMap<(Text, SourceNo, Month, Change, Stage), Sum>,
    /// What arrived for targets that forward, and what passed on.
    forwarded: BTreeMap<(Text, Month, Passage), Sum>,
    /// What is tagged, by what readers filter it by.
    tagged: BTreeMap<(SourceNo, Month, FilterKey), Sum>,
}

/// One posting as the books hold it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) source: SourceNo,
    pub(crate) date: Date,
    pub(crate) sum: Sum,
}

impl Entry {
    pub(crate) fn new(source: SourceNo, date: Date, sum: Sum) -> Self {
        Self { source, date, sum }
    }

    fn month(&self) -> Month {
        self.date.first_of_month()
    }
}

impl Tally {
    pub(crate) fn new() -> Self {
        // Months of arrival are Danish ones; the time zone comes with the binary, so it is always there.
        let zone = TimeZone::get("Europe/Copenhagen").unwrap_or(TimeZone::UTC);
        Self {
            arrived: (Timestamp::UNIX_EPOCH, jiff::civil::date(1970, 1, 1)),
            zone,
            counts: BTreeMap::new(),
            balances: BTreeMap::new(),
            days: BTreeMap::new(),
            shelves: BTreeMap::new(),
            forwarded: BTreeMap::new(),
            tagged: BTreeMap::new(),
        }
    }

    /// This became of an item, and so many of its fields were ignored. That it arrived was counted before.
    pub(crate) fn item(
        &mut self,
        source: SourceNo,
        arrived: Timestamp,
        outcome: Outcome,
        ignored_fields: u32,
    ) {
        self.count(source, arrived, outcome, 1);
        if ignored_fields > 0 {
            self.count(source, arrived, Outcome::IgnoredField, i64::from(ignored_fields));
        }
    }

    /// Counts so many more, or fewer, in the month of arrival.
    pub(crate) fn count(&mut self, source: SourceNo, arrived: Timestamp, outcome: Outcome, items: i64) {
        if self.arrived.0 != arrived {
            self.arrived = (arrived, arrived.to_zoned(self.zone.clone()).date().first_of_month());
        }
        let month = self.arrived.1;
        *self.counts.entry((source, month, outcome)).or_default() += items;
    }

    /// A posting came to the journal and stands so.
    pub(crate) fn posting(&mut self, entry: Entry, standing: Standing) {
        *self.balance(entry, None) += entry.sum;
        *self.days.entry((entry.source, entry.date)).or_default() += entry.sum;
        *self.balance(entry, Some(reason(standing))) += entry.sum;
    }

    /// A posting stands differently.
    pub(crate) fn moved(&mut self, entry: Entry, from: Standing, to: Standing) {
        *self.balance(entry, Some(reason(from))) -= entry.sum;
        *self.balance(entry, Some(reason(to))) += entry.sum;
    }

    /// A posting's newest record no longer has a tag that readers filter so, but so.
    pub(crate) fn retagged(&mut self, entry: Entry, from: Option<FilterKey>, to: Option<FilterKey>) {
        if from == to {
            return;
        }
        if let Some(from) = from {
            *self.tagged.entry((entry.source, entry.month(), from)).or_default() -= entry.sum;
        }
        if let Some(to) = to {
            *self.tagged.entry((entry.source, entry.month(), to)).or_default() += entry.sum;
        }
    }

    fn balance(&mut self, entry: Entry, standing: Option<Option<Untagged>>) -> &mut Sum {
        self.balances.entry((entry.source, entry.month(), standing)).or_default()
    }

    /// What a target has of a posting is no longer so, but so.
    pub(crate) fn handed(
        &mut self,
        target: &Text,
        entry: Entry,
        from: Option<(Change, Stage)>,
        to: Option<(Change, Stage)>,
    ) {
        if from == to {
            return;
        }
        let key = |(change, stage)| (target.clone(), entry.source, entry.month(), change, stage);
        if let Some(from) = from {
            *self.shelves.entry(key(from)).or_default() -= entry.sum;
        }
        if let Some(to) = to {
            *self.shelves.entry(key(to)).or_default() += entry.sum;
        }
    }

    /// A posting that passes on to a target has come so far.
    pub(crate) fn forwarded(&mut self, target: &Text, entry: Entry, passage: Passage) {
        *self.forwarded.entry((target.clone(), entry.month(), passage)).or_default() += entry.sum;
    }

    /// A posting is to pass on to a target no longer.
    pub(crate) fn not_forwarded(&mut self, target: &Text, entry: Entry) {
        *self.forwarded.entry((target.clone(), entry.month(), Passage::Arrived)).or_default() -= entry.sum;
    }

    /// Writes everything and begins anew.
    pub(crate) fn flush(&mut self, store: &mut dyn Store, vault: &Vault) -> Result<()> {
        let counts = std::mem::take(&mut self.counts);
        let counts = counts.into_iter().map(|((source, month, outcome), items)| Count {
            source,
            month,
            outcome,
            items,
        });
        store.count(&counts.collect::<Vec<_>>())?;
        let balances = std::mem::take(&mut self.balances);
        let changed = balances.into_iter().filter(|(_, sum)| *sum != Sum::default());
        let balances =
            changed.map(|((source, month, standing), sum)| Balance { source, month, standing, sum });
        store.weigh(&balances.collect::<Vec<_>>())?;
        let days = std::mem::take(&mut self.days).into_iter();
        let days = days.map(|((source, date), sum)| Day { source, date, sum });
        store.add_days(&days.collect::<Vec<_>>())?;
        let tagged = std::mem::take(&mut self.tagged);
        let changed = tagged.into_iter().filter(|(_, sum)| *sum != Sum::default());
        // A batch has many months and sources, and few keys.
        let mut sealed = BTreeMap::new();
        let tagged = changed.map(|((source, month, key), sum)| {
            let kept = sealed.entry(key).or_insert_with_key(|key| kept::seal_filter_key(vault, key));
            TaggedSum { source, month, key: kept.0, filter_key: kept.1.clone(), sum }
        });
        store.add_tagged(&tagged.collect::<Vec<_>>())?;
        let forwarded = std::mem::take(&mut self.forwarded).into_iter();
        let forwarded =
            forwarded.map(|((target, month, passage), sum)| ForwardSum { target, month, passage, sum });
        store.add_forwarded(&forwarded.collect::<Vec<_>>())?;
        let shelves = std::mem::take(&mut self.shelves);
        let changed = shelves.into_iter().filter(|(_, sum)| *sum != Sum::default());
        let shelves = changed.map(|((target, source, month, change, stage), sum)| Shelf {
            target,
            source,
            month,
            change,
            stage,
            sum,
        });
        store.shelve(&shelves.collect::<Vec<_>>())
    }

    pub(crate) fn clear(&mut self) {
        self.counts.clear();
        self.balances.clear();
        self.days.clear();
        self.shelves.clear();
        self.forwarded.clear();
        self.tagged.clear();
    }
}

fn reason(standing: Standing) -> Option<Untagged> {
    match standing {
        Standing::Tagged(_) => None,
        Standing::Untagged(reason) => Some(reason),
    }
}
