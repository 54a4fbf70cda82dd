//! The balance of one transaction: what came in, what became of it, and how postings stand.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use samspor_domain::store::{Balance, Count, Month, Outcome, Result, Standing, Store};
use samspor_domain::{Posting, SourceNo, Untagged};

/// Counts and sums that are written once, with the transaction that they are about.
pub(crate) struct Tally {
    zone: TimeZone,
    counts: BTreeMap<(SourceNo, Month, Outcome), i64>,
    /// Number and sum, by how the postings stand as [`Balance`] has it.
    balances: BTreeMap<Cell, (i64, i128)>,
}

/// A source, a month of posting, and how postings stand.
type Cell = (SourceNo, Month, Option<Option<Untagged>>);

impl Tally {
    pub(crate) fn new() -> Self {
        // Months of arrival are Danish ones; the time zone comes with the binary, so it is always there.
        let zone = TimeZone::get("Europe/Copenhagen").unwrap_or(TimeZone::UTC);
        Self { zone, counts: BTreeMap::new(), balances: BTreeMap::new() }
    }

    /// An item arrived, this became of it, and so many of its fields were ignored.
    pub(crate) fn item(
        &mut self,
        source: SourceNo,
        arrived: Timestamp,
        outcome: Outcome,
        ignored_fields: u32,
    ) {
        for outcome in [Outcome::Received, outcome] {
            self.count(source, arrived, outcome, 1);
        }
        if ignored_fields > 0 {
            self.count(source, arrived, Outcome::IgnoredField, i64::from(ignored_fields));
        }
    }

    /// Counts so many more, or fewer, in the month of arrival.
    pub(crate) fn count(&mut self, source: SourceNo, arrived: Timestamp, outcome: Outcome, items: i64) {
        let month = arrived.to_zoned(self.zone.clone()).date().first_of_month();
        *self.counts.entry((source, month, outcome)).or_default() += items;
    }

    /// A posting came to the journal and stands so.
    pub(crate) fn posting<R>(&mut self, source: SourceNo, posting: &Posting<R>, standing: Standing) {
        self.add(source, posting, None, 1);
        self.add(source, posting, Some(reason(standing)), 1);
    }

    /// A posting stands differently.
    pub(crate) fn moved<R>(&mut self, source: SourceNo, posting: &Posting<R>, from: Standing, to: Standing) {
        self.add(source, posting, Some(reason(from)), -1);
        self.add(source, posting, Some(reason(to)), 1);
    }

    fn add<R>(
        &mut self,
        source: SourceNo,
        posting: &Posting<R>,
        standing: Option<Option<Untagged>>,
        sign: i8,
    ) {
        let month: Date = posting.date.first_of_month();
        let (postings, ore) = self.balances.entry((source, month, standing)).or_default();
        *postings += i64::from(sign);
        *ore += i128::from(posting.amount.ore()) * i128::from(sign);
    }

    /// Writes everything and begins anew.
    pub(crate) fn flush(&mut self, store: &mut dyn Store) -> Result<()> {
        let counts = std::mem::take(&mut self.counts);
        let counts = counts.into_iter().map(|((source, month, outcome), items)| Count {
            source,
            month,
            outcome,
            items,
        });
        store.count(&counts.collect::<Vec<_>>())?;
        let balances = std::mem::take(&mut self.balances);
        let changed = balances.into_iter().filter(|(_, (postings, ore))| *postings != 0 || *ore != 0);
        let balances = changed.map(|((source, month, standing), (postings, ore))| Balance {
            source,
            month,
            standing,
            postings,
            ore,
        });
        store.weigh(&balances.collect::<Vec<_>>())
    }

    pub(crate) fn clear(&mut self) {
        self.counts.clear();
        self.balances.clear();
    }
}

fn reason(standing: Standing) -> Option<Untagged> {
    match standing {
        Standing::Tagged(_) => None,
        Standing::Untagged(reason) => Some(reason),
    }
}
