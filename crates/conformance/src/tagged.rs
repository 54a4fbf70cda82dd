//! The sums of what is tagged, by what readers filter it by, are what adding the newest records up gives.

use std::collections::BTreeMap;

use samspor_domain::FilterKey;
use samspor_domain::store::Store;
use samspor_vault::{Purpose, Vault};

use crate::check::{Check, Checked, Newest, Seen, same};

pub(crate) fn sums(seen: &Seen, newest: &Newest, store: &mut dyn Store, vault: &Vault) -> Checked {
    let mut sums: BTreeMap<_, (i64, i128)> = BTreeMap::new();
    for row in &seen.rows {
        let Some(tag) = newest.tag(row.no) else { continue };
        let key = (row.source, row.posting.date.first_of_month(), FilterKey::from(tag));
        let (postings, ore) = sums.entry(key).or_default();
        *postings += 1;
        *ore += i128::from(row.posting.amount.ore());
    }
    let mut kept: BTreeMap<_, (i64, i128)> = BTreeMap::new();
    for tagged in store.tagged_sums()? {
        let opened = vault.open(Purpose::FilterKey, &tagged.filter_key);
        let plain = opened.unwrap_or_else(|error| panic!("{error}"));
        let key: FilterKey = serde_json::from_slice(&plain).unwrap_or_else(|error| panic!("{error}"));
        kept.insert((tagged.source, tagged.month, key), (tagged.sum.postings, tagged.sum.ore()));
    }
    same(Check::Balance, "tagged", &kept, &sums)
}
