//! How what targets have is written in columns, and sums.

use std::collections::BTreeSet;

use rusqlite::types::ToSql;
use rusqlite::{Row, params};
use samspor_domain::store::{Month, PostingNo, Result, Sealed, Seq, SourceNo, StoreError, TaggedSum};
use samspor_domain::{Change, Handed, Parked, Receipted, Shelf, Stage, Sum, Text, Verdict, Why};

use crate::Sqlite;
use crate::code::{date, instant, read_date, strange, text};
use crate::covers::hash;

/// Reads number, debit, credit and hash from the first columns.
pub(crate) fn sum(row: &Row<'_>) -> rusqlite::Result<Sum> {
    Ok(Sum {
        postings: row.get(0)?,
        debit: i128::from_be_bytes(row.get(1)?),
        credit: i128::from_be_bytes(row.get(2)?),
        hash: u128::from_be_bytes(row.get(3)?),
    })
}

impl Sqlite {
    /// Adds to the sum that stands in a table under a key of named columns. SQLite adds in 64 bits, so it is added here.
    pub(crate) fn add(&self, table: &str, key: &[(&str, &dyn ToSql)], change: Sum) -> Result<()> {
        let names: Vec<&str> = key.iter().map(|(name, _)| *name).collect();
        let mut params: Vec<&dyn ToSql> = key.iter().map(|(_, value)| *value).collect();
        let which: Vec<String> = names.iter().map(|name| format!("{name} = ?")).collect();
        let sql = format!("SELECT postings, debit, credit, hash FROM {table} WHERE {}", which.join(" AND "));
        let Sum { postings, debit, credit, hash } = self.one(&sql, &*params, sum)?.unwrap_or_default();
        let beyond = || StoreError::Damaged("a sum of amounts is beyond 128 bits".into());
        let postings = postings.checked_add(change.postings).ok_or_else(beyond)?;
        let debit = debit.checked_add(change.debit).ok_or_else(beyond)?.to_be_bytes();
        let credit = credit.checked_add(change.credit).ok_or_else(beyond)?.to_be_bytes();
        let hash = hash.wrapping_add(change.hash).to_be_bytes();
        let sql = format!(
            "INSERT INTO {table} ({}, postings, debit, credit, hash) VALUES ({}?, ?, ?, ?) ON CONFLICT DO UPDATE SET \
             postings = excluded.postings, debit = excluded.debit, credit = excluded.credit, hash = excluded.hash",
            names.join(", "),
            "?, ".repeat(names.len()),
        );
        params.extend([&postings as &dyn ToSql, &debit, &credit, &hash]);
        self.run(&sql, &*params).map(drop)
    }
}

pub(crate) fn change(change: Change) -> i64 {
    match change {
        Change::Tag => 0,
        Change::Untag => 1,
    }
}

fn read_change(row: &Row<'_>, at: usize) -> rusqlite::Result<Change> {
    match row.get(at)? {
        0 => Ok(Change::Tag),
        1 => Ok(Change::Untag),
        _ => Err(strange(at)),
    }
}

pub(crate) fn stage(stage: Stage) -> i64 {
    stage as i64
}

fn read_stage(row: &Row<'_>, at: usize) -> rusqlite::Result<Stage> {
    let code = row.get(at)?;
    Stage::ALL.into_iter().find(|known| stage(*known) == code).ok_or_else(|| strange(at))
}

/// The columns that [`handed`] reads, of `handed h`.
pub(crate) const HANDED: &str = "h.revision, h.change, h.at, h.stage, h.given, h.receipt";
/// How many they are.
pub(crate) const HANDED_COLUMNS: usize = 6;

pub(crate) fn handed(row: &Row<'_>) -> rusqlite::Result<Handed> {
    let given = |verdict| -> rusqlite::Result<Receipted> {
        Ok(Receipted::Given(verdict, instant(row, 4)?, Sealed(row.get(5)?)))
    };
    Ok(Handed {
        revision: row.get(0)?,
        change: read_change(row, 1)?,
        at: instant(row, 2)?,
        receipt: match read_stage(row, 3)? {
            Stage::Delivered => Receipted::NotAsked,
            Stage::Awaiting => Receipted::Awaited,
            Stage::Accepted => given(Verdict::Accepted)?,
            Stage::Rejected => given(Verdict::Rejected)?,
        },
    })
}

/// Reads a [`sum`], the target's name, source, month, change and stage.
pub(crate) fn shelf(row: &Row<'_>) -> rusqlite::Result<Shelf> {
    Ok(Shelf {
        target: text(row, 4)?,
        source: SourceNo(row.get(5)?),
        month: read_date(row.get(6)?).ok_or_else(|| strange(6))?,
        change: read_change(row, 7)?,
        stage: read_stage(row, 8)?,
        sum: sum(row)?,
    })
}

/// Asks for what [`parked`] reads, by an index if one is named: left to itself, SQLite goes through all of a target's.
pub(crate) fn asks_parked(index: &str, which: &str) -> String {
    format!(
        "SELECT t.name, p.posting, p.seq, p.tries, p.why, p.since, p.released FROM parked p {index} \
         JOIN target t ON t.no = p.target WHERE {which} ORDER BY p.posting LIMIT ?"
    )
}

/// What a target refused and nobody has released, as [`asks_parked`] takes it.
pub(crate) const REFUSED: [&str; 2] =
    ["INDEXED BY parked_refused", "p.target = ? AND p.released = 0 AND p.posting > ? AND p.tries > 0"];
pub(crate) const COUNT_REFUSED: &str = "SELECT count(*) FROM parked INDEXED BY parked_refused \
                                        WHERE target = (SELECT no FROM target WHERE name = ?) AND tries > 0";
pub(crate) const COUNT_CLOSED: &str = "SELECT count(*) FROM parked INDEXED BY parked_month \
                                       WHERE target = (SELECT no FROM target WHERE name = ?) AND month IS NOT NULL";

/// How many receipts are awaited of a target for what it was handed up to an instant.
pub(crate) const AWAITED: &str = "SELECT count(*) FROM handed WHERE stage = 1 AND change IN (0, 1) AND at <= ? \
                                  AND target = (SELECT no FROM target WHERE name = ?)";
/// How many of these are all that keeps a posting. Of all that is awaited only that of postings without a tag is looked
/// at, by its index, whatever is known of the tables' sizes.
pub(crate) const KEPT_FOR_RECEIPTS: &str = "SELECT count(*) FROM handed h INDEXED BY handed_awaiting CROSS JOIN posting p ON p.no = h.posting \
     WHERE h.stage = 1 AND h.change = 1 AND p.solution IS NULL AND coalesce(p.citizen, p.granted) IS NOT NULL \
     AND p.registered <= ? AND h.target = (SELECT no FROM target WHERE name = ?)";

const RELEASED: [&str; 2] = ["INDEXED BY parked_released", "p.target = ? AND p.posting > ? AND p.released"];
const OF_A_MONTH: [&str; 2] = ["INDEXED BY parked_month", "p.target = ? AND p.month = ? AND p.posting > ?"];

/// Reads the target's name, posting, record, tries, reason, since when, and whether it is released.
pub(crate) fn parked(row: &Row<'_>) -> rusqlite::Result<Parked> {
    Ok(Parked {
        target: text(row, 0)?,
        posting: PostingNo(row.get(1)?),
        seq: Seq(row.get(2)?),
        why: match row.get(3)? {
            0 => Why::ClosedMonth,
            tries => Why::Refused(tries, row.get(4)?),
        },
        since: instant(row, 5)?,
        is_released: row.get(6)?,
    })
}

/// What is parked of a target and of no closed month, or released. Each of its months is looked up, and of one that is
/// closed nothing is read.
pub(crate) fn parked_to_try(
    store: &Sqlite,
    target: &Text,
    closed: &BTreeSet<Month>,
    after: PostingNo,
    limit: usize,
) -> Result<Vec<Parked>> {
    let no: Option<i64> =
        store.one("SELECT no FROM target WHERE name = ?", [target.as_str()], |row| row.get(0))?;
    let Some(no) = no else { return Ok(Vec::new()) };
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = asks_parked(RELEASED[0], RELEASED[1]);
    let mut found = store.all(&sql, params![no, after.0, most], parked)?;
    let next = "SELECT month FROM parked INDEXED BY parked_month WHERE target = ? AND month > ? ORDER BY month LIMIT 1";
    let mut month = i64::MIN;
    while let Some(code) = store.one(next, [no, month], |row| row.get(0))? {
        month = code;
        if !read_date(code).is_some_and(|month| closed.contains(&month)) {
            let sql = asks_parked(OF_A_MONTH[0], OF_A_MONTH[1]);
            found.extend(store.all(&sql, params![no, code, after.0, most], parked)?);
        }
    }
    found.sort_by_key(|parked| parked.posting);
    found.dedup_by_key(|parked| parked.posting);
    found.truncate(limit);
    Ok(found)
}

/// Reads the sums of tagged postings.
pub(crate) fn tagged_sums(store: &Sqlite) -> Result<Vec<TaggedSum>> {
    let sql = "SELECT t.postings, t.debit, t.credit, t.hash, t.source, t.month, k.key, k.sealed, k.generation FROM tagged t \
               JOIN filter_key k ON k.no = t.filter_key";
    store.all(sql, [], |row| {
        Ok(TaggedSum {
            source: SourceNo(row.get(4)?),
            month: read_date(row.get(5)?).ok_or_else(|| strange(5))?,
            key: hash(&*store.covers, row, 6, 8)?,
            filter_key: Sealed(row.get(7)?),
            sum: sum(row)?,
        })
    })
}

/// Adds to a sum of tagged postings.
pub(crate) fn add_tagged(store: &Sqlite, tagged: &TaggedSum) -> Result<()> {
    let no = match filter_key(store, tagged)? {
        Some(no) => no,
        None => {
            let under = store.newest();
            let kept = store.covered(under, &tagged.key)?;
            let sql = "INSERT INTO filter_key (key, sealed, generation) VALUES (?, ?, ?)";
            store.run(sql, params![kept, tagged.filter_key.0, under.0])?;
            store.connection.last_insert_rowid()
        }
    };
    let month = date(tagged.month);
    let key: [(&str, &dyn ToSql); 3] = [("source", &tagged.source.0), ("month", &month), ("filter_key", &no)];
    store.add("tagged", &key, tagged.sum)?;
    if tagged.sum.postings >= 0 {
        return Ok(());
    }
    // Nothing tells that something was tagged so once.
    let sql = "DELETE FROM tagged WHERE source = ? AND month = ? AND filter_key = ? AND postings = 0 \
               AND hash = zeroblob(16)";
    store.run(sql, params![tagged.source.0, month, no]).map(drop)
}

fn filter_key(store: &Sqlite, tagged: &TaggedSum) -> Result<Option<i64>> {
    let sql = "SELECT no FROM filter_key WHERE key = ? AND generation = ?";
    store.find_covered(&tagged.key, |under, kept| store.one(sql, params![kept, under.0], |row| row.get(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is parked of closed months, none of it is looked at to find what is to be tried.
    /// Nor are all of it sorted for the first few.
    #[test]
    fn what_is_to_be_tried_is_found_by_its_own_indexes() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Sqlite::open(directory.path()).expect("a store");
        for [index, which] in [RELEASED, OF_A_MONTH, REFUSED] {
            let sql = format!("EXPLAIN QUERY PLAN {}", asks_parked(index, which));
            let values = vec![1; sql.matches('?').count()];
            let values = rusqlite::params_from_iter(values);
            let plan: Vec<String> = store.all(&sql, values, |row| row.get(3)).expect("a plan");
            assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE")), "{plan:?}");
            let name = index.trim_start_matches("INDEXED BY ");
            assert!(plan.iter().any(|line| line.contains(name)), "{plan:?}");
        }
    }

    /// However many records a target has, and however many receipts are awaited of it.
    #[test]
    fn what_is_told_at_each_look_is_counted_by_indexes() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Sqlite::open(directory.path()).expect("a store");
        for (sql, expected) in [
            (AWAITED, "COVERING INDEX handed_awaiting (target=? AND change=? AND at<?)"),
            (KEPT_FOR_RECEIPTS, "INDEX handed_awaiting (target=? AND change=?)"),
            (COUNT_REFUSED, "COVERING INDEX parked_refused (target=?)"),
            (COUNT_CLOSED, "COVERING INDEX parked_month (target=?"),
        ] {
            let values = vec![1; sql.matches('?').count()];
            let sql = format!("EXPLAIN QUERY PLAN {sql}");
            let plan: Vec<String> =
                store.all(&sql, rusqlite::params_from_iter(values), |row| row.get(3)).expect("a plan");
            assert!(plan.iter().any(|line| line.contains(expected)), "{plan:?}");
        }
    }
}
