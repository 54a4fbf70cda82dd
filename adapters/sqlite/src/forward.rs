//! The logs of targets that forward.

use rusqlite::types::ToSql;
use rusqlite::{Row, params};
use samspor_domain::store::{PostingNo, PostingRow, Result, Sealed, Seq, SourceNo};
use samspor_domain::{ForwardRow, ForwardSum, Forwarding, ReadForward, Text, WriteForward};

use crate::{Sqlite, books, code};

/// The columns that [`row`] reads, of `forward f`.
const ROW: &str = "f.no, f.posting, f.body, f.tag";
/// How many they are.
const COLUMNS: usize = 4;
/// A target's number by its name.
const TARGET: &str = "(SELECT no FROM target WHERE name = ?1)";

fn row(row: &Row<'_>) -> rusqlite::Result<ForwardRow> {
    Ok(ForwardRow {
        no: Seq(row.get(0)?),
        posting: PostingNo(row.get(1)?),
        body: Sealed(row.get(2)?),
        tag: row.get::<_, Option<Vec<u8>>>(3)?.map(Sealed),
    })
}

impl ReadForward for Sqlite {
    fn forwardings(&mut self) -> Result<Vec<Forwarding>> {
        let sql = "SELECT t.name, f.source, t.cursor FROM forwarding f JOIN target t ON t.no = f.target ORDER BY t.name";
        self.all(sql, [], |row| {
            Ok(Forwarding {
                target: code::text(row, 0)?,
                source: SourceNo(row.get(1)?),
                cursor: Seq(row.get(2)?),
            })
        })
    }

    fn forward_after(
        &mut self,
        target: &Text,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<(ForwardRow, PostingRow)>> {
        let sql = format!(
            "SELECT {ROW}, {} FROM forward f JOIN posting p ON p.no = f.posting {} \
             WHERE f.target = {TARGET} AND f.no > ?2 ORDER BY f.no LIMIT ?3",
            code::POSTING,
            code::PERSONS,
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(&sql, params![target.as_str(), after.0, limit], |found| {
            Ok((row(found)?, code::posting(found, COLUMNS)?))
        })
    }

    fn forward_of(&mut self, target: &Text, posting: PostingNo) -> Result<Option<ForwardRow>> {
        let sql = format!("SELECT {ROW} FROM forward f WHERE f.target = {TARGET} AND f.posting = ?2");
        self.one(&sql, params![target.as_str(), posting.0], row)
    }

    fn forwards_of(&mut self, posting: PostingNo) -> Result<Vec<ForwardRow>> {
        self.all(&format!("SELECT {ROW} FROM forward f WHERE f.posting = ? ORDER BY f.no"), [posting.0], row)
    }

    fn count_forward_after(&mut self, target: &Text, after: Seq) -> Result<i64> {
        let sql = format!("SELECT count(*) FROM forward f WHERE f.target = {TARGET} AND f.no > ?2");
        Ok(self.one(&sql, params![target.as_str(), after.0], |row| row.get(0))?.unwrap_or(0))
    }

    fn last_forward(&mut self) -> Result<Seq> {
        // Not the last row that is there: that may have passed on.
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'forward'";
        Ok(Seq(self.one(sql, [], |row| row.get(0))?.unwrap_or(0)))
    }

    fn forward_sums(&mut self) -> Result<Vec<ForwardSum>> {
        let sql = "SELECT f.postings, f.debit, f.credit, f.hash, t.name, f.month, f.passed FROM forwarded f \
                   JOIN target t ON t.no = f.target ORDER BY t.name, f.month, f.passed";
        self.all(sql, [], |row| {
            Ok(ForwardSum {
                target: code::text(row, 4)?,
                month: code::read_date(row.get(5)?).ok_or_else(|| code::strange(5))?,
                has_passed: row.get(6)?,
                sum: books::sum(row)?,
            })
        })
    }
}

impl WriteForward for Sqlite {
    fn begin_forwarding(&mut self, target: &Text, source: SourceNo) -> Result<()> {
        self.run(
            "INSERT INTO target (name, cursor) VALUES (?, 0) ON CONFLICT DO NOTHING",
            [target.as_str()],
        )?;
        let sql = format!("INSERT INTO forwarding VALUES ({TARGET}, ?2) ON CONFLICT DO NOTHING");
        self.run(&sql, params![target.as_str(), source.0]).map(drop)
    }

    fn forward(
        &mut self,
        target: &Text,
        posting: PostingNo,
        body: &Sealed,
        tag: Option<&Sealed>,
    ) -> Result<Seq> {
        let sql = format!("INSERT INTO forward (target, posting, body, tag) VALUES ({TARGET}, ?2, ?3, ?4)");
        let tag = tag.map(|tag| &tag.0);
        self.insert(&sql, params![target.as_str(), posting.0, body.0, tag]).map(Seq)
    }

    fn has_passed(&mut self, target: &Text, posting: PostingNo) -> Result<bool> {
        let sql = format!("DELETE FROM forward WHERE target = {TARGET} AND posting = ?2");
        Ok(self.run(&sql, params![target.as_str(), posting.0])? == 1)
    }

    fn blank_forward(&mut self, no: Seq) -> Result<()> {
        self.run("UPDATE forward SET tag = NULL WHERE no = ?", [no.0]).map(drop)
    }

    fn add_forwarded(&mut self, sums: &[ForwardSum]) -> Result<()> {
        sums.iter().try_for_each(|sum| {
            let sql = "SELECT no FROM target WHERE name = ?";
            let target: Option<i64> = self.one(sql, [sum.target.as_str()], |row| row.get(0))?;
            let month = code::date(sum.month);
            let key: [(&str, &dyn ToSql); 3] =
                [("target", &target), ("month", &month), ("passed", &sum.has_passed)];
            self.add("forwarded", &key, sum.sum)
        })
    }
}
