//! The sums of what is tagged, held against the newest records.

use std::collections::BTreeMap;

use samspor_domain::store::{PostingNo, Reach, Read};
use samspor_domain::{FilterKey, Sum};
use samspor_engine::newest_tag;
use samspor_vault::Purpose;

use super::look::{Checked, failed, sources};
use super::run::Run;

/// What is tagged, by what readers filter it by, is what the newest records say.
pub(crate) fn sums(read: &mut dyn Read, run: &Run) -> Checked {
    let mut sums: BTreeMap<_, Sum> = BTreeMap::new();
    for row in read.postings(&Reach::Tagged, PostingNo(0), usize::MAX).map_err(failed)? {
        let Some(tag) = newest_tag(read, &run.vault, row.no).map_err(failed)? else { continue };
        let name = sources(read)?.remove(&row.source).ok_or("a posting of nobody")?;
        let id = run.vault.source(&name).text("posting", row.posting.id.as_str());
        let key = (row.source, row.posting.date.first_of_month(), FilterKey::from(&tag));
        *sums.entry(key).or_default() += Sum::of(row.posting.amount, &id);
    }
    let mut kept: BTreeMap<_, Sum> = BTreeMap::new();
    for sum in read.tagged_sums().map_err(failed)?.into_iter().filter(|sum| sum.sum != Sum::default()) {
        let key = run.vault.open(Purpose::FilterKey, &sum.filter_key).map_err(|error| error.to_string())?;
        let key: FilterKey = serde_json::from_slice(&key).map_err(|error| error.to_string())?;
        *kept.entry((sum.source, sum.month, key)).or_default() += sum.sum;
    }
    if kept == sums { Ok(()) } else { Err(format!("tagged are {kept:?}, and add up to {sums:?}")) }
}
