//! The logs of targets that forward.

use rusqlite::types::ToSql;
use rusqlite::{Row, params};
use samspor_domain::store::{PostingNo, PostingRow, Result, Sealed, Seq, SourceNo};
use samspor_domain::{
    ForwardRow, ForwardSum, Forwarding, Passage, ReadForward, Text, WaitingRow, WriteForward,
};

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

/// How the store writes how far postings have come. The numbers never change.
fn passed(passage: Passage) -> i64 {
    match passage {
        Passage::Arrived => 0,
        Passage::Passed => 1,
        Passage::LeftOut => 2,
    }
}

fn passage(number: i64) -> Option<Passage> {
    [Passage::Arrived, Passage::Passed, Passage::LeftOut].into_iter().find(|known| passed(*known) == number)
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
            Ok((row(found)?, code::posting(&*self.covers, found, COLUMNS)?))
        })
    }

    fn forward_of(&mut self, target: &Text, posting: PostingNo) -> Result<Option<ForwardRow>> {
        let sql = format!("SELECT {ROW} FROM forward f WHERE f.target = {TARGET} AND f.posting = ?2");
        self.one(&sql, params![target.as_str(), posting.0], row)
    }

    fn forward_no(&mut self, target: &Text, posting: PostingNo) -> Result<Option<Seq>> {
        let sql = format!("SELECT f.no FROM forward f WHERE f.target = {TARGET} AND f.posting = ?2");
        self.one(&sql, params![target.as_str(), posting.0], |row| Ok(Seq(row.get(0)?)))
    }

    fn forward_waiting(&mut self, target: &Text, after: Seq, limit: usize) -> Result<Vec<WaitingRow>> {
        let sql = format!(
            "SELECT f.no, EXISTS (SELECT 1 FROM parked k WHERE k.target = f.target AND k.posting = f.posting), {} \
             FROM forward f JOIN posting p ON p.no = f.posting {} \
             WHERE f.target = {TARGET} AND f.no > ?2 ORDER BY f.no LIMIT ?3",
            code::POSTING,
            code::PERSONS,
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(&sql, params![target.as_str(), after.0, limit], |row| {
            Ok(WaitingRow {
                no: Seq(row.get(0)?),
                is_parked: row.get(1)?,
                posting: code::posting(&*self.covers, row, 2)?,
            })
        })
    }

    fn is_to_pass_on(&mut self, posting: PostingNo) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM forward WHERE posting = ?)";
        Ok(self.one(sql, [posting.0], |row| row.get(0))?.unwrap_or(false))
    }

    fn forward_tags(&mut self, posting: PostingNo) -> Result<Vec<(Seq, Sealed)>> {
        let sql = "SELECT no, tag FROM forward WHERE posting = ? AND tag IS NOT NULL ORDER BY no";
        self.all(sql, [posting.0], |row| Ok((Seq(row.get(0)?), Sealed(row.get(1)?))))
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
                passage: passage(row.get(6)?).ok_or_else(|| code::strange(6))?,
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
            let passed = passed(sum.passage);
            let key: [(&str, &dyn ToSql); 3] = [("target", &target), ("month", &month), ("passed", &passed)];
            self.add("forwarded", &key, sum.sum)
        })
    }
}
