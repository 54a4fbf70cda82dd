//! Persons that nothing uses: no fact, no posting and no work. There is no index of postings by person alone, so each
//! segment of the journal is asked.

use samspor_domain::store::{PostingNo, Result};

use crate::Sqlite;

/// Deletes a person that nothing uses. The newest segments are asked first, and none after one that holds the person; that
/// they are not put in a list beforehand takes being said.
pub(crate) const DROP: &str = "
    WITH RECURSIVE segment (no) AS NOT MATERIALIZED (
        SELECT (SELECT max(no) FROM posting) >> 14
        UNION ALL SELECT no - 1 FROM segment WHERE no > (SELECT min(no) FROM posting) >> 14
    )
    DELETE FROM person WHERE no = ?1
    AND NOT EXISTS (SELECT 1 FROM holds WHERE person = ?1)
    AND NOT EXISTS (SELECT 1 FROM work WHERE reach = 0 AND a = ?1)
    AND NOT EXISTS (SELECT 1 FROM segment s CROSS JOIN posting p
        ON p.no >> 14 = s.no AND coalesce(p.citizen, p.granted) = ?1)
    AND NOT EXISTS (SELECT 1 FROM segment s CROSS JOIN posting p
        ON p.no >> 14 = s.no AND p.granted = ?1 AND p.citizen IS NOT NULL)";

/// How many times a segment can be asked in a tenth of a second, on a machine that is busy.
const LOOKS: usize = 100_000;

/// How many persons can be looked for in about that time. Each is looked for twice in every segment.
pub(crate) fn at_once(store: &Sqlite) -> Result<usize> {
    let segments = store.segments(PostingNo(0), true)?.len();
    Ok((LOOKS / (2 * segments.max(1))).max(2))
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    /// A store with a posting of a person in the first and in the last of so many segments.
    fn store(directory: &std::path::Path, segments: i64) -> Sqlite {
        let store = Sqlite::open(directory).expect("a store");
        for (no, person) in [(1, 1), (segments << 14, 2)] {
            for sql in [
                "INSERT INTO posting (no, source, id, date, account, amount, registered, standing, granted, citizen) \
                 VALUES (?1, 1, ?1, 20260105, 5, 1, 0, 1, ?2, ?2 + 100)",
                "INSERT INTO person (no, scope, pseudonym, sealed) VALUES (?2, 1, ?1, '')",
                "INSERT INTO person (no, scope, pseudonym, sealed) VALUES (?2 + 100, 2, ?1, '')",
            ] {
                store.run(sql, [no, person]).expect("it is there");
            }
        }
        store
    }

    /// How many steps it took, and how many persons were dropped.
    fn drop_one(store: &Sqlite, person: i64) -> (i32, usize) {
        let mut statement = store.connection.prepare(DROP).expect("a statement");
        let dropped = statement.execute([person]).expect("it is done");
        (statement.get_status(StatementStatus::VmStep), dropped)
    }

    #[test]
    fn one_whom_a_new_posting_names_is_found_at_once_and_one_whom_none_names_is_dropped() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = store(directory.path(), 2_000);
        store
            .run("INSERT INTO person (no, scope, pseudonym, sealed) VALUES (9, 3, 'x', '')", [])
            .expect("it is");
        let (newest, kept) = drop_one(&store, 102);
        assert_eq!(kept, 0);
        for (person, expected) in [(1, 0), (2, 0), (101, 0), (9, 1)] {
            let (steps, dropped) = drop_one(&store, person);
            assert_eq!(dropped, expected, "{person}");
            assert!(steps > 10 * newest, "{person}: {steps} and {newest}");
        }
    }

    #[test]
    fn the_more_segments_there_are_the_fewer_are_looked_for_at_once() {
        for (segments, persons) in [(1, 25_000), (100, 495), (3_052, 16), (1_000_000, 2)] {
            let directory = tempfile::tempdir().expect("a directory");
            assert_eq!(at_once(&store(directory.path(), segments)).expect("it answers"), persons);
        }
    }
}
