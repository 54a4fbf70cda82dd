//! The quarantine's entries and frozen sets.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Row, params, params_from_iter};
use samspor_domain::keys::Covers;
use samspor_domain::quarantine::{
    Entry, Filter, Group, Order, ReadQuarantine, Set, Standing, State, WriteQuarantine, general_path,
};
use samspor_domain::store::{Outcome, Result, Sealed};
use samspor_domain::{EntryNo, Fault, Pseudonym, Reason, SetNo, SourceNo, Text};

use crate::covers::hash;
use crate::{Sqlite, code};

const ENTRY: &str = "no, source, registered, reason, path, message, content, item, items, state, settled, outcome, \
     body IS NULL, key";

fn entry(covers: &dyn Covers, row: &Row<'_>) -> rusqlite::Result<Entry> {
    let state = match row.get::<_, i64>(9)? {
        0 => State::Open,
        1 => State::Released {
            at: code::instant(row, 10)?,
            became: read_outcomes(row.get_ref(11)?.as_str()?).ok_or_else(|| code::strange(11))?,
        },
        2 => State::Discarded {
            at: code::instant(row, 10)?,
            why: Text::new(row.get_ref(11)?.as_str()?).map_err(|_| code::strange(11))?,
        },
        _ => return Err(code::strange(9)),
    };
    Ok(Entry {
        no: EntryNo(row.get(0)?),
        source: SourceNo(row.get(1)?),
        registered: code::instant(row, 2)?,
        reason: reason(row, 3)?,
        path: row.get(4)?,
        message: row.get(5)?,
        content: hash(covers, row, 6, 13)?,
        item: row.get(7)?,
        items: row.get(8)?,
        state,
        erased: row.get(12)?,
    })
}

fn reason(row: &Row<'_>, at: usize) -> rusqlite::Result<Reason> {
    Reason::from_word(row.get_ref(at)?.as_str()?).ok_or_else(|| code::strange(at))
}

fn outcomes(became: &BTreeMap<Outcome, i64>) -> String {
    let words: Vec<String> =
        became.iter().map(|(outcome, items)| format!("{}:{items}", outcome.word())).collect();
    words.join(" ")
}

fn read_outcomes(text: &str) -> Option<BTreeMap<Outcome, i64>> {
    let read = |pair: &str| {
        let (word, items) = pair.split_once(':')?;
        let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.word() == word)?;
        Some((outcome, items.parse().ok()?))
    };
    text.split_ascii_whitespace().map(read).collect()
}

/// The condition of a filter, and its values.
fn condition(filter: &Filter) -> (String, Vec<Value>) {
    let mut sql = "true".to_owned();
    let mut values: Vec<Value> = Vec::new();
    let mut and = |condition: &str, value: Value| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.push(value);
    };
    if let Some(source) = &filter.source {
        and("source = (SELECT no FROM source WHERE name = ?)", source.to_string().into());
    }
    if let Some(reason) = filter.reason {
        and("reason = ?", reason.word().to_owned().into());
    }
    if let Some(path) = &filter.path {
        let escaped = path.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_").replace('*', "%");
        and("path LIKE ? ESCAPE '\\'", escaped.into());
    }
    if let Some(from) = filter.from {
        and("registered >= ?", from.as_microsecond().into());
    }
    if let Some(before) = filter.before {
        and("registered < ?", before.as_microsecond().into());
    }
    // In letters, since the index of the open ones serves no value that is bound.
    sql.push_str(match filter.standing {
        None => "",
        Some(Standing::Open) => " AND state = 0",
        Some(Standing::Released) => " AND state = 1",
        Some(Standing::Discarded) => " AND state = 2",
    });
    (sql, values)
}

fn number(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl Sqlite {
    /// The entry of a source that has such a content.
    pub(crate) fn quarantined_as(&self, source: SourceNo, content: &Pseudonym) -> Result<Option<EntryNo>> {
        let sql = "SELECT no FROM quarantine WHERE source = ? AND content = ? AND key = ?";
        self.find_covered(content, |under, kept| {
            self.one(sql, params![source.0, kept, under.0], |row| row.get(0).map(EntryNo))
        })
    }
}

impl ReadQuarantine for Sqlite {
    fn entry(&mut self, no: EntryNo) -> Result<Option<Entry>> {
        self.one(&format!("SELECT {ENTRY} FROM quarantine WHERE no = ?"), [no.0], |row| {
            entry(&*self.covers, row)
        })
    }

    fn sealed_entry(&mut self, no: EntryNo) -> Result<Option<Sealed>> {
        let sql = "SELECT body FROM quarantine WHERE no = ? AND body IS NOT NULL";
        self.one(sql, [no.0], |row| row.get(0).map(Sealed))
    }

    fn entries(
        &mut self,
        filter: &Filter,
        order: Order,
        after: Option<EntryNo>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let (condition, mut values) = condition(filter);
        let (after_them, order) = match order {
            Order::OldestFirst => ("no > ?", "no"),
            Order::NewestFirst => ("no < ?", "no DESC"),
        };
        let after_them = after.map_or(String::new(), |after| {
            values.push(after.0.into());
            format!(" AND {after_them}")
        });
        values.push(number(limit).into());
        let sql =
            format!("SELECT {ENTRY} FROM quarantine WHERE {condition}{after_them} ORDER BY {order} LIMIT ?");
        self.all(&sql, params_from_iter(values), |row| entry(&*self.covers, row))
    }

    fn groups(&mut self, filter: &Filter) -> Result<Vec<Group>> {
        let (condition, values) = condition(filter);
        let sql = format!(
            "SELECT source, reason, path, count(*), min(registered), max(registered) FROM quarantine \
             WHERE {condition} GROUP BY source, reason, path"
        );
        let rows = self.all(&sql, params_from_iter(values), |row| {
            Ok(Group {
                source: SourceNo(row.get(0)?),
                reason: reason(row, 1)?,
                path: row.get::<_, Option<String>>(2)?.map(|path| general_path(&path)),
                entries: row.get(3)?,
                first: code::instant(row, 4)?,
                last: code::instant(row, 5)?,
            })
        })?;
        let mut groups: BTreeMap<_, Group> = BTreeMap::new();
        for row in rows {
            let key = (row.source, row.reason, row.path.clone());
            match groups.get_mut(&key) {
                Some(group) => {
                    group.entries += row.entries;
                    group.first = group.first.min(row.first);
                    group.last = group.last.max(row.last);
                }
                None => drop(groups.insert(key, row)),
            }
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.entries));
        Ok(groups)
    }

    fn frozen(&mut self, no: SetNo) -> Result<Option<Set>> {
        let sql = "SELECT s.made, (SELECT count(*) FROM quarantine_set_entry e WHERE e.no = s.no) \
                   FROM quarantine_set s WHERE s.no = ?";
        self.one(sql, [no.0], |row| Ok(Set { no, made: code::instant(row, 0)?, entries: row.get(1)? }))
    }

    fn sets_of(&mut self, entry: EntryNo) -> Result<Vec<SetNo>> {
        let sql = "SELECT no FROM quarantine_set_entry WHERE entry = ?";
        self.all(sql, [entry.0], |row| row.get(0).map(SetNo))
    }

    fn frozen_entries(&mut self, no: SetNo, after: EntryNo, limit: usize) -> Result<Vec<EntryNo>> {
        let sql = "SELECT entry FROM quarantine_set_entry WHERE no = ? AND entry > ? ORDER BY entry LIMIT ?";
        self.all(sql, params![no.0, after.0, number(limit)], |row| row.get(0).map(EntryNo))
    }
}

impl WriteQuarantine for Sqlite {
    fn freeze(&mut self, filter: &Filter, limit: usize, made: Timestamp) -> Result<SetNo> {
        let set = self
            .insert("INSERT INTO quarantine_set (made) VALUES (?)", [made.as_microsecond()])
            .map(SetNo)?;
        let (condition, mut values) = condition(filter);
        values.insert(0, set.0.into());
        values.push(number(limit).into());
        let sql = format!(
            "INSERT INTO quarantine_set_entry SELECT ?, no FROM quarantine WHERE {condition} ORDER BY no LIMIT ?"
        );
        self.run(&sql, params_from_iter(values))?;
        Ok(set)
    }

    fn settle(&mut self, no: EntryNo, state: &State) -> Result<()> {
        let (code, at, outcome) = match state {
            State::Open => return Ok(()),
            State::Released { at, became } => (1, at, outcomes(became)),
            State::Discarded { at, why } => (2, at, why.to_string()),
        };
        let sql = "UPDATE quarantine SET state = ?, settled = ?, outcome = ?, body = NULL WHERE no = ?";
        self.run(sql, params![code, at.as_microsecond(), outcome, no.0]).map(drop)
    }

    fn fault_again(&mut self, no: EntryNo, fault: &Fault, content: &Pseudonym) -> Result<()> {
        let sql = "UPDATE quarantine SET reason = ?, path = ?, message = ? WHERE no = ?";
        self.run(sql, params![fault.reason.word(), fault.path, fault.message, no.0])?;
        let sql = "SELECT source FROM quarantine WHERE no = ?";
        let source = self.one(sql, [no.0], |row| row.get(0).map(SourceNo))?;
        if let Some(source) = source
            && self.quarantined_as(source, content)?.is_none()
        {
            let under = self.newest();
            let sql = "UPDATE quarantine SET content = ?, key = ? WHERE no = ?";
            self.run(sql, params![self.covered(under, content)?, under.0, no.0])?;
        }
        Ok(())
    }
}
