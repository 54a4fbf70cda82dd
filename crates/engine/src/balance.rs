//! The balance sheet: what came in equals what it became, postings equal tagged and untagged, and each target has what is
//! tagged. All of it is read as of one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use samspor_domain::store::{Month, Outcome, Read, Result};
use samspor_domain::{SourceName, Sum, Untagged};
use samspor_vault::Vault;
use tokio_util::sync::CancellationToken;

use crate::reconcile::{Book, Books, ControlSum, Reader};

/// The balance sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// By source and month of arrival.
    pub items: Vec<Items>,
    /// By source and month of posting.
    pub postings: Vec<Postings>,
    /// What targets have, and control totals.
    pub books: Books,
}

/// What became of the items of one source that arrived in one month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Items {
    /// The source.
    pub source: SourceName,
    /// The month of arrival.
    pub month: Month,
    /// How many became what.
    pub outcomes: BTreeMap<Outcome, i64>,
}

/// How the postings of one source and month stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postings {
    /// The source.
    pub source: SourceName,
    /// The month of the postings' dates.
    pub month: Month,
    /// All of them.
    pub all: Sum,
    /// Those that are tagged.
    pub tagged: Sum,
    /// Those that are not.
    pub untagged: BTreeMap<Untagged, Sum>,
}

impl Items {
    /// Whether what was received is what became of it.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let of = |outcome| self.outcomes.get(&outcome).copied().unwrap_or(0);
        let apart = [Outcome::Message, Outcome::Received, Outcome::IgnoredField];
        let became: i64 = Outcome::ALL.into_iter().filter(|outcome| !apart.contains(outcome)).map(of).sum();
        of(Outcome::Received) == became
    }
}

impl Postings {
    /// Whether they are tagged or untagged for a reason, to the øre.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let told: Sum = self.untagged.values().copied().chain([self.tagged]).sum();
        (told.postings, told.ore()) == (self.all.postings, self.all.ore())
    }
}

impl Balance {
    /// Whether everything balances, and every control total agrees.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.items.iter().all(Items::is_balanced)
            && self.postings.iter().all(Postings::is_balanced)
            && self.books.targets.iter().all(Book::is_balanced)
            && self.books.lines.iter().all(crate::LineBook::is_balanced)
            && self.books.controls.iter().all(ControlSum::agrees)
    }
}

/// Reads the balance sheet. It ends with an error where it is told to stop.
pub fn balance(read: &mut dyn Read, vault: &Arc<Vault>, stop: &CancellationToken) -> Result<Balance> {
    let mut reader = Reader::until(read, vault, stop)?;
    let mut items: BTreeMap<(SourceName, Month), Items> = BTreeMap::new();
    for count in reader.read.counts()? {
        let (source, month) = (reader.name(count.source), count.month);
        let row = items.entry((source.clone(), month)).or_insert_with(|| Items {
            source,
            month,
            outcomes: BTreeMap::new(),
        });
        *row.outcomes.entry(count.outcome).or_default() += count.items;
    }
    let mut postings: BTreeMap<(SourceName, Month), Postings> = BTreeMap::new();
    for balance in reader.read.balances()? {
        let (source, month) = (reader.name(balance.source), balance.month);
        let row = postings.entry((source.clone(), month)).or_insert_with(|| Postings {
            source,
            month,
            all: Sum::default(),
            tagged: Sum::default(),
            untagged: BTreeMap::new(),
        });
        match balance.standing {
            None => row.all = balance.sum,
            Some(None) => row.tagged = balance.sum,
            Some(Some(reason)) => {
                row.untagged.insert(reason, balance.sum);
            }
        }
    }
    let books = reader.books()?;
    Ok(Balance { items: items.into_values().collect(), postings: postings.into_values().collect(), books })
}
