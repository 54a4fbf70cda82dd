//! What the store says, all of one moment: items, postings, targets, quarantine, work. What takes longer to find out is of
//! its own: control totals, and what is kept for receipts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use samspor_domain::quarantine::{Filter, Standing};
use samspor_domain::store::{Balance, Month, Outcome, Read, Result};
use samspor_domain::{Change, Shelf, SourceNo, Stage, Sum, Text, Untagged};
use samspor_engine::ControlSum;

use crate::family::Family;

/// How tagged postings are called among the reasons why others are not.
const TAGGED: &str = "tagged";

/// Sources by their numbers.
type Names = BTreeMap<SourceNo, String>;

/// What is tagged of what a target is given, by source and month of posting.
type Tagged<'a> = dyn Fn(&mut dyn Read, &Text) -> Result<BTreeMap<(SourceNo, Month), Sum>> + 'a;

/// Reads all that the store has to tell of its sources and of these targets, but what is [`slow`].
pub(crate) fn read(read: &mut dyn Read, targets: &[Text], tagged: &Tagged<'_>) -> Result<Vec<Family>> {
    read.hold()?;
    let families = read_held(read, targets, tagged);
    let released = read.release();
    let families = families?;
    released?;
    Ok(families)
}

/// Reads what takes longer the more there is: control totals; and of what has been kept for long enough, where anything
/// is purged: what was registered up to then.
pub(crate) fn slow(
    read: &mut dyn Read,
    totals: &[ControlSum],
    purges_until: Option<Timestamp>,
) -> Result<Vec<Family>> {
    Ok(vec![kept_for_receipts(read, purges_until)?, controls(totals)])
}

fn read_held(read: &mut dyn Read, targets: &[Text], tagged: &Tagged<'_>) -> Result<Vec<Family>> {
    let names: Names = read.sources()?.into_iter().map(|(no, name)| (no, name.to_string())).collect();
    let balances = read.balances()?;
    let mut families = items(read, &names)?;
    families.extend(postings(&balances, &names));
    families.extend(self::targets(read, targets, tagged)?);
    families.push(quarantine(read, &names)?);
    families.extend(work(read)?);
    Ok(families)
}

fn items(read: &mut dyn Read, names: &Names) -> Result<Vec<Family>> {
    let mut sums: BTreeMap<(SourceNo, Outcome), i64> = BTreeMap::new();
    for count in read.counts()? {
        *sums.entry((count.source, count.outcome)).or_default() += count.items;
    }
    let mut messages = Family::counter(
        "samspor_messages_received",
        "Messages that arrived, before they were decoded, by source.",
    );
    let mut received = Family::counter("samspor_items_received", "Items that arrived, by source.");
    let mut ignored = Family::counter(
        "samspor_ignored_fields",
        "Fields in items that the contract does not know, and that were ignored, by source.",
    );
    let mut became = Family::gauge("samspor_items", "Items that arrived, by source and what became of them.");
    let mut unaccounted = Family::gauge(
        "samspor_items_unaccounted",
        "Items received less all that items became, by source. Anything but 0 is an error of the gateway.",
    );
    for (no, name) in names {
        let mut left = 0;
        for outcome in Outcome::ALL {
            let sum = sums.get(&(*no, outcome)).copied().unwrap_or_default();
            match outcome {
                Outcome::Received => {
                    left += sum;
                    received.add([("source", name)], sum);
                }
                Outcome::Message => messages.add([("source", name)], sum),
                Outcome::IgnoredField => ignored.add([("source", name)], sum),
                _ => {
                    left -= sum;
                    became.add([("source", name), ("outcome", outcome.word())], sum);
                }
            }
        }
        unaccounted.add([("source", name)], left);
    }
    Ok(vec![messages, received, became, ignored, unaccounted])
}

fn postings(balances: &[Balance], names: &Names) -> Vec<Family> {
    let mut sums: BTreeMap<(SourceNo, Option<Option<Untagged>>), i64> = BTreeMap::new();
    for balance in balances {
        *sums.entry((balance.source, balance.standing)).or_default() += balance.sum.postings;
    }
    let mut stand = Family::gauge(
        "samspor_postings",
        "Postings by source and how they stand: tagged, or why they are not.",
    );
    let mut unaccounted = Family::gauge(
        "samspor_postings_unaccounted",
        "Postings received less those tagged and untagged, by source. Anything but 0 is an error of the gateway.",
    );
    for (no, name) in names {
        let sum = |standing| sums.get(&(*no, standing)).copied().unwrap_or_default();
        let mut left = sum(None);
        for standing in [None].into_iter().chain(Untagged::ALL.map(Some)) {
            let postings = sum(Some(standing));
            left -= postings;
            stand.add([("source", name), ("standing", standing.map_or(TAGGED, Untagged::word))], postings);
        }
        unaccounted.add([("source", name)], left);
    }
    vec![stand, unaccounted]
}

fn targets(read: &mut dyn Read, targets: &[Text], tagged: &Tagged<'_>) -> Result<Vec<Family>> {
    let shelves = read.shelves()?;
    let feed =
        Family::counter("samspor_feed_records", "Records that the feed was ever given, purged ones too.")
            .of(read.last_seq()?.0);
    let mut waiting = Family::gauge(
        "samspor_target_waiting_records",
        "Postings whose newest record the target has not come to yet; those too that its filter will let pass by.",
    );
    let mut parked = Family::gauge(
        "samspor_target_parked_records",
        "Records that the target does not get for now, by why: refused, or closed-month.",
    );
    let mut has = Family::gauge(
        "samspor_target_postings",
        "Postings of which the target was given a record, by what its newest one says and how far that has come.",
    );
    let mut unbalanced = Family::gauge(
        "samspor_target_unbalanced_books",
        "Books, one for each source and month, in which the target has other postings than are tagged. Anything but 0 \
         is an error of the gateway. Absent while something is waiting or parked; `samspor reconcile` tells it then too.",
    );
    for target in targets {
        let cursor = read.cursor(target)?;
        let label = ("target", target.as_str());
        let to_come = read.count_newest_after(cursor)?;
        let (refused, closed) = read.count_parked(target)?;
        waiting.add([label], to_come);
        parked.add([label, ("reason", "refused")], refused);
        parked.add([label, ("reason", "closed-month")], closed);
        let of_target = || shelves.iter().filter(|shelf| shelf.target == *target);
        for change in [Change::Tag, Change::Untag] {
            for stage in Stage::ALL {
                let of = of_target().filter(|shelf| shelf.change == change && shelf.stage == stage);
                let labels = [label, ("change", change.word()), ("stage", stage.word())];
                has.add(labels, of.map(|shelf| shelf.sum.postings).sum::<i64>());
            }
        }
        if to_come == 0 && refused == 0 && closed == 0 {
            unbalanced.add([label], count_unbalanced(tagged(read, target)?, of_target()));
        }
    }
    Ok(vec![feed, waiting, parked, has, unbalanced])
}

/// Of all targets that the store knows, since those that are gone hold up purging too.
fn kept_for_receipts(read: &mut dyn Read, purges_until: Option<Timestamp>) -> Result<Family> {
    let mut kept = Family::gauge(
        "samspor_target_kept_for_receipt_postings",
        "Postings without a tag that would be purged by their age, and are kept until the target gives its receipt.",
    );
    for (target, _) in read.cursors()? {
        let postings = purges_until.map(|until| read.kept_for_receipts(&target, until)).transpose()?;
        kept.add([("target", target.as_str())], postings.unwrap_or_default());
    }
    Ok(kept)
}

/// Of each source how many control totals there are, and how many of them differ from what came in.
fn controls(totals: &[ControlSum]) -> Family {
    let mut sums: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for total in totals {
        for (state, is_so) in [("agrees", total.agrees()), ("differs", !total.agrees())] {
            *sums.entry((total.source.as_str(), state)).or_default() += i64::from(is_so);
        }
    }
    let mut controls = Family::gauge(
        "samspor_control_totals",
        "Control totals of the finance system, by the source that they count and whether what came in agrees or differs.",
    );
    for ((source, state), totals) in sums {
        controls.add([("source", source), ("state", state)], totals);
    }
    controls
}

/// In how many books a target that is to get nothing more has another sum than is tagged.
fn count_unbalanced<'a>(
    tagged: BTreeMap<(SourceNo, Month), Sum>,
    shelves: impl Iterator<Item = &'a Shelf>,
) -> usize {
    let mut books: BTreeMap<(SourceNo, Month), (Sum, Sum)> = BTreeMap::new();
    for (book, sum) in tagged {
        books.entry(book).or_default().0 += sum;
    }
    for shelf in shelves.filter(|shelf| shelf.change == Change::Tag) {
        books.entry((shelf.source, shelf.month)).or_default().1 += shelf.sum;
    }
    books.values().filter(|(tagged, has)| tagged != has).count()
}

fn quarantine(read: &mut dyn Read, names: &Names) -> Result<Family> {
    let mut sums: BTreeMap<(SourceNo, &'static str), i64> = BTreeMap::new();
    for group in read.groups(&Filter { standing: Some(Standing::Open), ..Filter::default() })? {
        *sums.entry((group.source, group.reason.word())).or_default() += group.entries;
    }
    let mut open = Family::gauge(
        "samspor_quarantine_entries",
        "Entries of the quarantine that nobody has released or discarded, by source and reason.",
    );
    for ((source, reason), entries) in sums {
        if let Some(name) = names.get(&source) {
            open.add([("source", name), ("reason", reason)], entries);
        }
    }
    Ok(open)
}

fn work(read: &mut dyn Read) -> Result<Vec<Family>> {
    let pending =
        Family::gauge("samspor_pending_work", "Work items: postings to be decided again, by changed facts.")
            .of(read.pending_work()?);
    let changes = read.held_changes()?;
    let mut held = Family::gauge(
        "samspor_held_changes",
        "Changes of facts that may change more than is allowed without someone's consent, by state: weighed, or held.",
    );
    for (state, is_held) in [("weighed", false), ("held", true)] {
        held.add([("state", state)], changes.iter().filter(|change| change.is_held == is_held).count());
    }
    Ok(vec![pending, held])
}
