//! The audit log.

use rusqlite::params;
use samspor_domain::Pseudonym;
use samspor_domain::audit::{AuditLink, AuditNo, AuditRow, ReadAudit, WriteAudit};
use samspor_domain::store::{Result, Sealed};

use crate::covers::hash;
use crate::{Sqlite, code};

fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl Sqlite {
    fn numbered(&self, sql: &str) -> Result<Option<(AuditNo, AuditLink)>> {
        self.one(sql, [], |row| Ok((AuditNo(row.get(0)?), AuditLink(row.get(1)?))))
    }
}

impl ReadAudit for Sqlite {
    fn audit_start(&mut self) -> Result<(AuditNo, AuditLink)> {
        Ok(self.numbered("SELECT no, link FROM audit_start")?.unwrap_or_default())
    }

    fn audit_head(&mut self) -> Result<(AuditNo, AuditLink)> {
        match self.numbered("SELECT no, link FROM audit ORDER BY no DESC LIMIT 1")? {
            Some(head) => Ok(head),
            None => self.audit_start(),
        }
    }

    fn audit_entries(&mut self, after: AuditNo, most: usize) -> Result<Vec<AuditRow>> {
        let sql = "SELECT no, at, sealed, link FROM audit WHERE no > ? ORDER BY no LIMIT ?";
        self.all(sql, params![after.0, limit(most)], |row| {
            Ok(AuditRow {
                no: AuditNo(row.get(0)?),
                at: code::instant(row, 1)?,
                sealed: Sealed(row.get(2)?),
                link: AuditLink(row.get(3)?),
            })
        })
    }

    fn audit_subjects(&mut self, no: AuditNo) -> Result<Vec<Pseudonym>> {
        let sql = "SELECT subject, key FROM audit_subject WHERE entry = ?";
        let mut subjects = self.all(sql, [no.0], |row| hash(&*self.covers, row, 0, 1))?;
        subjects.sort();
        Ok(subjects)
    }

    fn count_audit_subjects(&mut self) -> Result<(i64, i64)> {
        let sql = "SELECT (SELECT count(*) FROM audit_subject), (SELECT count(*) FROM audit_range)";
        Ok(self.one(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?.unwrap_or_default())
    }

    fn audit_ranges(&mut self, no: AuditNo) -> Result<Vec<(i64, i64)>> {
        let sql = "SELECT first, last FROM audit_range WHERE entry = ? ORDER BY first, last";
        self.all(sql, [no.0], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn audit_about(&mut self, subject: &Pseudonym, before: AuditNo, most: usize) -> Result<Vec<AuditNo>> {
        let sql = "SELECT entry FROM audit_subject WHERE subject = ? AND key = ? AND entry < ? \
                   ORDER BY entry DESC LIMIT ?";
        let mut entries = Vec::new();
        self.find_covered(subject, |under, kept| {
            let params = params![kept, under.0, before.0, limit(most)];
            entries.extend(self.all(sql, params, |row| row.get(0).map(AuditNo))?);
            Ok(None::<()>) // Some may be under each.
        })?;
        entries.sort_by_key(|no| std::cmp::Reverse(*no));
        entries.truncate(most);
        Ok(entries)
    }

    fn audit_about_record(&mut self, seq: i64, before: AuditNo, most: usize) -> Result<Vec<AuditNo>> {
        let sql = "SELECT DISTINCT entry FROM audit_range WHERE last >= ?1 AND first <= ?1 AND entry < ?2 \
                   ORDER BY entry DESC LIMIT ?3";
        self.all(sql, params![seq, before.0, limit(most)], |row| row.get(0).map(AuditNo))
    }
}

impl WriteAudit for Sqlite {
    fn append_audit(&mut self, row: &AuditRow, subjects: &[Pseudonym], ranges: &[(i64, i64)]) -> Result<()> {
        let (at, no) = (row.at.as_microsecond(), row.no.0);
        self.run("INSERT INTO audit VALUES (?, ?, ?, ?)", params![no, at, row.sealed.0, row.link.0])?;
        for subject in subjects {
            let (under, sql) = (self.newest(), "INSERT INTO audit_subject VALUES (?, ?, ?)");
            self.run(sql, params![self.covered(under, subject)?, no, under.0])?;
        }
        for (first, last) in ranges {
            self.run("INSERT INTO audit_range VALUES (?, ?, ?)", [no, *first, *last])?;
        }
        Ok(())
    }

    fn prune_audit(&mut self, up_to: AuditNo) -> Result<()> {
        let link: Option<[u8; 32]> =
            self.one("SELECT link FROM audit WHERE no = ?", [up_to.0], |row| row.get(0))?;
        let Some(link) = link else { return Ok(()) };
        self.run("DELETE FROM audit_start", [])?;
        self.run("INSERT INTO audit_start VALUES (?, ?)", params![up_to.0, link])?;
        for sql in [
            "DELETE FROM audit WHERE no <= ?",
            "DELETE FROM audit_subject WHERE entry <= ?",
            "DELETE FROM audit_range WHERE entry <= ?",
        ] {
            self.run(sql, [up_to.0])?;
        }
        Ok(())
    }
}
