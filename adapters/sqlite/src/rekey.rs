//! Putting what is under older keys under the newest: row by row through every table that holds keyed hashes or sealed
//! bytes, a slice at a time.

use rusqlite::types::Value;
use rusqlite::{params, params_from_iter};
use samspor_domain::keys::{Generation, Purpose};
use samspor_domain::store::{Rekeyed, Result, Sealed, StoreError};

use crate::Sqlite;

/// A table, by its primary key, its keyed hashes with the column of their generation, and its sealed bytes.
struct Table {
    name: &'static str,
    id: &'static [&'static str],
    hashes: &'static [&'static str],
    generation: Option<&'static str>,
    sealed: &'static [(&'static str, Purpose)],
}

const FACT: &str = "fact";

/// Every one, in the order in which they are gone through. Rows that come meanwhile are under the newest keys, so that it does
/// not matter where; nor does it where rows go whose primary key is a hash.
const TABLES: [Table; 10] = [
    Table {
        name: "person",
        id: &["no"],
        hashes: &["pseudonym"],
        generation: Some("key"),
        sealed: &[("sealed", Purpose::Reference)],
    },
    // With its versions, whose hashes are under its own generation.
    Table { name: FACT, id: &["no"], hashes: &["id", "content"], generation: Some("key"), sealed: &[] },
    Table {
        name: "feed",
        id: &["seq"],
        hashes: &[],
        generation: None,
        sealed: &[("payload", Purpose::Revision)],
    },
    Table {
        name: "handed",
        id: &["posting", "target"],
        hashes: &[],
        generation: None,
        sealed: &[("receipt", Purpose::Receipt)],
    },
    Table {
        name: "quarantine",
        id: &["no"],
        hashes: &["content"],
        generation: Some("key"),
        sealed: &[("body", Purpose::Quarantine)],
    },
    Table {
        name: "filter_key",
        id: &["no"],
        hashes: &["key"],
        generation: Some("generation"),
        sealed: &[("sealed", Purpose::FilterKey)],
    },
    Table {
        name: "forward",
        id: &["no"],
        hashes: &[],
        generation: None,
        sealed: &[("body", Purpose::Forward), ("tag", Purpose::ForwardTag)],
    },
    Table {
        name: "purged",
        id: &["source", "id"],
        hashes: &["id", "content"],
        generation: Some("key"),
        sealed: &[],
    },
    Table {
        name: "audit",
        id: &["no"],
        hashes: &[],
        generation: None,
        sealed: &[("sealed", Purpose::Audit)],
    },
    Table {
        name: "audit_subject",
        id: &["subject", "entry"],
        hashes: &["subject"],
        generation: Some("key"),
        sealed: &[],
    },
];

/// How many rows there are to go through.
pub(crate) fn rows(store: &Sqlite) -> Result<i64> {
    TABLES.iter().try_fold(0, |sum, table| {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        Ok(sum + store.one(&sql, [], |row| row.get::<_, i64>(0))?.unwrap_or(0))
    })
}

/// The next rows after a place: so many at most, of one table.
pub(crate) fn slice(store: &Sqlite, after: &[u8], limit: usize) -> Result<Rekeyed> {
    let place = || StoreError::Damaged("how far replacing its keys has come is not what was written".into());
    let (at, after) = read_place(after).ok_or_else(place)?;
    let Some(table) = TABLES.get(at) else { return Ok(Rekeyed { after: None, rows: 0 }) };
    let rows = table.rows(store, &after, limit)?;
    for row in &rows {
        table.rekey(store, row).map_err(|error| match error {
            StoreError::Damaged(what) => StoreError::Damaged(format!("{what}: {}", table.name(row))),
            other => other,
        })?;
    }
    let after = match rows.last() {
        Some(last) if rows.len() >= limit => write_place(at, &last[..table.id.len()]),
        _ => write_place(at + 1, &[]),
    };
    Ok(Rekeyed { after: Some(after), rows: rows.len() })
}

impl Table {
    /// Its columns in the order in which a row has them: primary key, hashes, generation, sealed bytes.
    fn columns(&self) -> Vec<&'static str> {
        let sealed = self.sealed.iter().map(|(column, _)| *column);
        [self.id, self.hashes].concat().into_iter().chain(self.generation).chain(sealed).collect()
    }

    /// A row by its table and primary key. Keyed hashes in it are not told.
    fn name(&self, row: &[Value]) -> String {
        let id = self.id.iter().zip(row).map(|(column, value)| match value {
            Value::Integer(number) => format!("{column} {number}"),
            _ => format!("one {column}"),
        });
        format!("table {}, {}", self.name, id.collect::<Vec<_>>().join(", "))
    }

    fn rows(&self, store: &Sqlite, after: &[Value], limit: usize) -> Result<Vec<Vec<Value>>> {
        let (id, columns) = (self.id.join(", "), self.columns());
        let place = if after.is_empty() {
            "true".to_owned()
        } else {
            format!("({id}) > ({})", vec!["?"; after.len()].join(", "))
        };
        // Rows with sealed bytes are looked at also where nothing is to be done: a slice is bounded by what it looks at. Of the
        // others some may have moved ahead, since their primary key is a hash, and are passed over.
        let stale = match self.generation {
            Some(column) if self.sealed.is_empty() => format!("AND {column} <> {}", store.newest()),
            _ => String::new(),
        };
        let (columns_read, name) = (columns.join(", "), self.name);
        let sql = format!("SELECT {columns_read} FROM {name} WHERE {place} {stale} ORDER BY {id} LIMIT ?");
        let limit = Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX));
        let params = params_from_iter(after.iter().cloned().chain([limit]));
        store.all(&sql, params, |row| (0..columns.len()).map(|column| row.get(column)).collect())
    }

    fn rekey(&self, store: &Sqlite, row: &[Value]) -> Result<()> {
        let (id, rest) = row.split_at(self.id.len());
        let (hashes, rest) = rest.split_at(self.hashes.len());
        let (generation, sealed) = rest.split_at(usize::from(self.generation.is_some()));
        let newest = store.newest();
        let mut changed: Vec<(&str, Value)> = Vec::new();
        if let (Some(column), [Value::Integer(under)]) = (self.generation, generation) {
            let under = Generation(u8::try_from(*under).map_err(|_| strange(self.name))?);
            if under != newest {
                if self.name == FACT {
                    versions(store, &id[0], under)?;
                }
                for (name, kept) in self.hashes.iter().zip(hashes) {
                    changed.push((name, again(store, under, kept)?));
                }
                changed.push((column, Value::Integer(newest.0.into())));
            }
        }
        for ((name, purpose), kept) in self.sealed.iter().zip(sealed) {
            if let Some(bytes) = resealed(store, *purpose, kept)? {
                changed.push((name, bytes));
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let set: Vec<String> = changed.iter().map(|(name, _)| format!("{name} = ?")).collect();
        let place: Vec<String> = self.id.iter().map(|name| format!("{name} = ?")).collect();
        let sql = format!("UPDATE {} SET {} WHERE {}", self.name, set.join(", "), place.join(" AND "));
        let values = changed.into_iter().map(|(_, value)| value).chain(id.iter().cloned());
        store.run(&sql, params_from_iter(values)).map(drop)
    }
}

/// The versions of a fact that is under an older generation.
fn versions(store: &Sqlite, fact: &Value, under: Generation) -> Result<()> {
    let sql = "SELECT version, content, body FROM fact_version WHERE fact = ?";
    let all: Vec<(i64, Value, Value)> =
        store.all(sql, [fact], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    for (version, kept, body) in all {
        let content = again(store, under, &kept)?;
        let body = resealed(store, Purpose::Fact, &body)?.unwrap_or(body);
        let sql =
            "UPDATE fact_version SET content = ?, body = ? WHERE fact = ? AND version = ? AND content = ?";
        store.run(sql, params![content, body, fact, version, kept])?;
    }
    Ok(())
}

/// A hash under the newest generation.
fn again(store: &Sqlite, under: Generation, kept: &Value) -> Result<Value> {
    let bytes = match kept {
        Value::Null => return Ok(Value::Null),
        Value::Blob(bytes) => bytes.as_slice().try_into().map_err(|_| strange("hash"))?,
        _ => return Err(strange("hash")),
    };
    let bare = store.covers.uncover(under, bytes)?;
    store.covered(store.newest(), &bare).map(|kept| Value::Blob(kept.to_vec()))
}

/// Sealed bytes under the newest generation, if they are not.
fn resealed(store: &Sqlite, purpose: Purpose, kept: &Value) -> Result<Option<Value>> {
    let Value::Blob(bytes) = kept else { return Ok(None) };
    if bytes.first() == Some(&store.newest().0) {
        return Ok(None);
    }
    Ok(store.covers.reseal(purpose, &Sealed(bytes.clone()))?.map(|sealed| Value::Blob(sealed.0)))
}

fn strange(what: &str) -> StoreError {
    StoreError::Damaged(format!("a row's keys cannot be replaced ({what})"))
}

/// A place: the table's number, then the values of its primary key, each a byte for its type, a length, and its bytes.
fn write_place(table: usize, id: &[Value]) -> Vec<u8> {
    let mut place = vec![u8::try_from(table).unwrap_or(u8::MAX)];
    for value in id {
        match value {
            Value::Integer(number) => {
                place.push(b'i');
                place.extend_from_slice(&number.to_be_bytes());
            }
            Value::Blob(bytes) => {
                place.push(b'b');
                place.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
                place.extend_from_slice(bytes);
            }
            _ => {}
        }
    }
    place
}

fn read_place(place: &[u8]) -> Option<(usize, Vec<Value>)> {
    let Some((table, mut rest)) = place.split_first() else { return Some((0, Vec::new())) };
    let mut id = Vec::new();
    while let Some((kind, after)) = rest.split_first() {
        rest = match kind {
            b'i' => {
                let (number, rest) = after.split_first_chunk()?;
                id.push(Value::Integer(i64::from_be_bytes(*number)));
                rest
            }
            b'b' => {
                let (length, after) = after.split_first()?;
                let (bytes, rest) = after.split_at_checked((*length).into())?;
                id.push(Value::Blob(bytes.to_vec()));
                rest
            }
            _ => return None,
        };
    }
    Some((usize::from(*table), id))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Columns of bytes that are neither keyed hashes nor sealed: sums, links of the audit log, and values of the store's own.
    const OTHERS: [&str; 20] = [
        "meta.value",
        "shelf.debit",
        "shelf.credit",
        "shelf.hash",
        "balance.debit",
        "balance.credit",
        "balance.hash",
        "day.debit",
        "day.credit",
        "day.hash",
        "tagged.debit",
        "tagged.credit",
        "tagged.hash",
        "forwarded.debit",
        "forwarded.credit",
        "forwarded.hash",
        "held_change.preview",
        "audit.link",
        "audit_start.link",
        "fact_version.content", // With its fact, and so is the next.
    ];

    /// A column of bytes that comes to the schema must be put under other keys, or be said to need none.
    #[test]
    fn every_column_of_bytes_is_gone_through_or_said_to_need_no_keys() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Sqlite::open(directory.path()).expect("a store");
        let sql = "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c \
                   WHERE t.type = 'table' AND c.type = 'BLOB'";
        let there: BTreeSet<String> =
            store.all(sql, [], |row| row.get(0)).expect("the schema").into_iter().collect();
        let column = |table: &Table, name: &str| format!("{}.{name}", table.name);
        let gone_through = TABLES.iter().flat_map(|table| {
            let sealed = table.sealed.iter().map(|(name, _)| *name);
            table.hashes.iter().copied().chain(sealed).map(|name| column(table, name)).collect::<Vec<_>>()
        });
        let others = OTHERS.map(str::to_owned).into_iter().chain(["fact_version.body".to_owned()]);
        assert_eq!(gone_through.chain(others).collect::<BTreeSet<_>>(), there);
    }

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let id = [Value::Integer(-7), Value::Blob(vec![b'i'; 16])];
        let (table, read) = read_place(&write_place(7, &id)).expect("a place");
        assert_eq!((table, read.as_slice()), (7, id.as_slice()));
        assert_eq!(read_place(&[]), Some((0, Vec::new())));
        let written = write_place(7, &id);
        for at in 2..written.len() {
            // Cut off, it is no place, or one with fewer values.
            assert!(read_place(&written[..at]).is_none_or(|(_, read)| read.len() < id.len()), "cut at {at}");
        }
    }
}
