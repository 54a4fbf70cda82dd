//! What the one writer does.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::ToSql;
use rusqlite::{Row, params};
use samspor_domain::keys::{Covers, Generation};
use samspor_domain::store::{
    Balance, Count, Day, FactVersion, HeldChange, NewPosting, PersonNo, Posted, Quarantined, Reach, Read,
    Rekeyed, Result, Sealed, Standing, Store, StoreError, TaggedSum, Work, WorkNo, WorkPhase,
};
use samspor_domain::{
    Cause, FactNo, Handed, Kind, Parked, PostingNo, Pseudonym, Receipted, Scope, Seq, Shelf, SourceName,
    SourceNo, Span, Text, Why,
};

use crate::covers::optional_hash;
use crate::{BUSY, Sqlite, books, code, error, rekey, unused, wipe};

impl Sqlite {
    pub(crate) fn run(&self, sql: &str, params: impl rusqlite::Params) -> Result<usize> {
        self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map_err(error)
    }

    fn hand(&self, sql: &str, target: &Text, posting: PostingNo, handed: &Handed) -> Result<usize> {
        let (given, receipt) = match &handed.receipt {
            Receipted::Given(_, given, receipt) => (Some(given.as_microsecond()), Some(&receipt.0)),
            Receipted::NotAsked | Receipted::Awaited => (None, None),
        };
        let (change, stage) = (books::change(handed.change), books::stage(handed.receipt.stage()));
        let (at, target) = (handed.at.as_microsecond(), target.as_str());
        self.run(sql, params![posting.0, target, handed.revision, change, at, stage, given, receipt])
    }

    /// The generation under which a fact's hashes are.
    fn generation_of(&self, no: FactNo) -> Result<Generation> {
        if !self.has_older() {
            return Ok(self.newest());
        }
        let under =
            self.one("SELECT key FROM fact WHERE no = ?", [no.0], |row| row.get(0).map(Generation))?;
        under.ok_or_else(|| StoreError::Damaged("a fact that has a version is not there".into()))
    }

    pub(crate) fn insert(&self, sql: &str, params: impl rusqlite::Params) -> Result<i64> {
        self.connection.prepare_cached(sql).and_then(|mut statement| statement.insert(params)).map_err(error)
    }
}

pub(crate) fn work_where(condition: &str) -> String {
    format!(
        "SELECT w.no, w.reach, w.a, w.b, w.from_date, w.to_date, w.cause, w.cause_no, w.cause_version, \
         w.after, p.scope, p.pseudonym, w.phase, p.key FROM work w LEFT JOIN person p ON w.reach = 0 AND p.no = w.a WHERE {condition}"
    )
}

pub(crate) fn work(covers: &dyn Covers, row: &Row<'_>) -> rusqlite::Result<Work> {
    let date = |at| row.get::<_, Option<i64>>(at).map(|code| code.and_then(code::read_date));
    let span = Span { from: date(4)?, to: date(5)? };
    let reach = match row.get::<_, i64>(1)? {
        0 => match optional_hash(covers, row, 11, 13)? {
            Some(pseudonym) => Reach::Person(SourceNo(row.get(10)?), pseudonym, span),
            None => Reach::Unreferenced(1, 0, span), // The person is gone, and so is the reach.
        },
        1 => Reach::Unreferenced(row.get(2)?, row.get(3)?, span),
        2 => Reach::Solution(FactNo(row.get(2)?)),
        3 => Reach::Tagged,
        _ => Reach::All,
    };
    let (no, cause, after) = (WorkNo(row.get(0)?), code::read_cause(row, 6)?, PostingNo(row.get(9)?));
    let phase = match row.get(12)? {
        0 => WorkPhase::Decide,
        1 => WorkPhase::Weigh,
        2 => WorkPhase::Held,
        _ => WorkPhase::WeighAgain,
    };
    Ok(Work { no, reach, cause, after, phase })
}

impl Store for Sqlite {
    fn reader(&self) -> Result<Box<dyn Read>> {
        let covers = Arc::clone(&self.covers);
        Ok(Box::new(Self { covers, ..Self::open_reader(&self.directory)? }))
    }

    fn begin(&mut self) -> Result<()> {
        self.run("BEGIN IMMEDIATE", []).map(drop)
    }

    fn commit(&mut self) -> Result<()> {
        self.run("COMMIT", []).map(drop)
    }

    fn rollback(&mut self) {
        if !self.connection.is_autocommit() {
            // A failure here means that SQLite has rolled back by itself, as on a full disk.
            let _ = self.run("ROLLBACK", []);
        }
    }

    fn source(&mut self, name: &SourceName) -> Result<SourceNo> {
        let known = self.one("SELECT no FROM source WHERE name = ?", [name.as_str()], |row| row.get(0))?;
        match known {
            Some(no) => Ok(SourceNo(no)),
            None => self.insert("INSERT INTO source (name) VALUES (?)", [name.as_str()]).map(SourceNo),
        }
    }

    fn set_meta(&mut self, key: &str, value: &[u8]) -> Result<()> {
        let sql = "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value";
        self.run(sql, params![key, value]).map(drop)
    }

    fn person(&mut self, scope: Scope, pseudonym: &Pseudonym, seal: &dyn Fn() -> Sealed) -> Result<PersonNo> {
        if let Some(no) = self.person_no(scope, pseudonym)? {
            return Ok(PersonNo(no));
        }
        let under = self.newest();
        let kept = self.covered(under, pseudonym)?;
        let sql = "INSERT INTO person (scope, key, pseudonym, sealed) VALUES (?, ?, ?, ?)";
        self.insert(sql, params![code::scope(scope), under.0, kept, seal().0]).map(PersonNo)
    }

    fn insert_fact(&mut self, scope: Scope, kind: Kind, key: &Pseudonym) -> Result<FactNo> {
        let under = self.newest();
        let kept = self.covered(under, key)?;
        let sql = "INSERT INTO fact (scope, kind, id, key) VALUES (?, ?, ?, ?)";
        self.insert(sql, params![code::scope(scope), code::kind(kind), kept, under.0]).map(FactNo)
    }

    fn see_version(&mut self, no: FactNo, version: i64, content: &Pseudonym) -> Result<bool> {
        let sql = "INSERT INTO fact_version (fact, version, content) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
        let kept = self.covered(self.generation_of(no)?, content)?;
        Ok(self.run(sql, params![no.0, version, kept])? == 0)
    }

    fn set_newest(&mut self, no: FactNo, version: &FactVersion, holds: &[PersonNo]) -> Result<()> {
        let sql = "INSERT INTO fact_version (fact, version, content, rank, became, registered, body) \
                   VALUES (?1, ?2, ?3, ?4, \
                       (SELECT coalesce(max(became), 0) + 1 FROM fact_version WHERE fact = ?1), ?5, ?6) \
                   ON CONFLICT DO UPDATE SET rank = excluded.rank, became = excluded.became, \
                       registered = excluded.registered, body = excluded.body";
        let content = self.covered(self.generation_of(no)?, &version.content)?;
        let rank = code::rank(version.rank);
        let registered = version.registered.as_microsecond();
        let body = version.body.as_ref().map(|sealed| &sealed.0);
        self.run(sql, params![no.0, version.version, content, rank, registered, body])?;
        let sql = "UPDATE fact SET version = ?, content = ?, rank = ? WHERE no = ?";
        self.run(sql, params![version.version, content, rank, no.0])?;
        for person in holds {
            self.run("INSERT INTO holds VALUES (?, ?) ON CONFLICT DO NOTHING", [person.0, no.0])?;
        }
        Ok(())
    }

    fn erase_fact(&mut self, no: FactNo) -> Result<Vec<PersonNo>> {
        self.run("UPDATE fact_version SET body = NULL WHERE fact = ? AND body IS NOT NULL", [no.0])?;
        let held =
            self.all("SELECT person FROM holds WHERE fact = ?", [no.0], |row| row.get(0).map(PersonNo))?;
        self.run("DELETE FROM holds WHERE fact = ?", [no.0])?;
        Ok(held)
    }

    fn drop_unused(&mut self, persons: &[PersonNo]) -> Result<()> {
        persons.iter().try_for_each(|person| self.run(unused::DROP, [person.0]).map(drop))
    }

    fn persons_at_once(&mut self) -> Result<usize> {
        unused::at_once(self)
    }

    fn post(&mut self, new: &NewPosting<'_>) -> Result<Posted> {
        let posting = new.posting;
        let (standing, solution) = code::standing(new.standing);
        let inserted = self.run(
            "INSERT INTO posting (source, id, date, account, amount, registered, standing, citizen, granted, \
             solution, grouping, cost_centre, voucher, reverses) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            params![
                new.source.0,
                posting.id.as_str(),
                code::date(posting.date),
                posting.account.code(),
                posting.amount.ore(),
                new.registered.as_microsecond(),
                standing,
                posting.citizen.map(|person| person.0),
                posting.grant.map(|person| person.0),
                solution,
                posting.grouping.map(|grouping| grouping.number()),
                posting.cost_centre.as_ref().map(Text::as_str),
                posting.voucher.as_ref().map(Text::as_str),
                posting.reverses.as_ref().map(Text::as_str),
            ],
        )?;
        if inserted == 1 {
            return Ok(Posted::New(PostingNo(self.connection.last_insert_rowid())));
        }
        let known = self.find_posting(new.source, &posting.id)?;
        let vanished = || StoreError::Damaged("a posting refused as known is not there".into());
        known.map(Box::new).map(Posted::Known).ok_or_else(vanished)
    }

    fn set_standing(&mut self, no: PostingNo, standing: Standing) -> Result<()> {
        let (standing, solution) = code::standing(standing);
        let sql = "UPDATE posting SET standing = ?, solution = ? WHERE no = ?";
        self.run(sql, params![standing, solution, no.0]).map(drop)
    }

    fn append(
        &mut self,
        posting: PostingNo,
        revision: i64,
        cause: Cause,
        registered: Timestamp,
        payload: &Sealed,
    ) -> Result<Seq> {
        let (cause, cause_no, cause_version) = code::cause(cause);
        let sql = "INSERT INTO feed (posting, revision, cause, cause_no, cause_version, registered, payload) \
                   VALUES (?, ?, ?, ?, ?, ?, ?)";
        let registered = registered.as_microsecond();
        self.insert(sql, params![posting.0, revision, cause, cause_no, cause_version, registered, payload.0])
            .map(Seq)
    }

    fn erase_superseded(&mut self, posting: PostingNo) -> Result<()> {
        let sql = "UPDATE feed SET payload = NULL, cause = 3, cause_no = NULL, cause_version = NULL WHERE posting = ?1 \
                   AND revision < (SELECT max(revision) FROM feed WHERE posting = ?1)";
        self.run(sql, [posting.0]).map(drop)
    }

    fn advance(&mut self, target: &Text, to: Seq) -> Result<()> {
        let sql = "INSERT INTO target (name, cursor) VALUES (?, ?) \
                   ON CONFLICT DO UPDATE SET cursor = max(cursor, excluded.cursor)";
        self.run(sql, params![target.as_str(), to.0]).map(drop)
    }

    fn rewind(&mut self, target: &Text, to: Seq) -> Result<()> {
        let sql = "UPDATE target SET cursor = min(cursor, ?) WHERE name = ?";
        self.run(sql, params![to.0, target.as_str()]).map(drop)
    }

    fn set_handed(&mut self, target: &Text, posting: PostingNo, handed: &Handed) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO handed VALUES (?, (SELECT no FROM target WHERE name = ?), ?, ?, ?, ?, ?, ?)";
        self.hand(sql, target, posting, handed).map(drop)
    }

    fn set_first_handed(&mut self, target: &Text, posting: PostingNo, handed: &Handed) -> Result<bool> {
        let sql = "INSERT INTO handed SELECT ?1, (SELECT no FROM target WHERE name = ?2), ?3, ?4, ?5, ?6, ?7, ?8 \
                   WHERE EXISTS (SELECT 1 FROM posting WHERE no = ?1) ON CONFLICT DO NOTHING";
        self.hand(sql, target, posting, handed).map(|done| done == 1)
    }

    fn shelve(&mut self, shelves: &[Shelf]) -> Result<()> {
        for shelf in shelves {
            let sql = "SELECT no FROM target WHERE name = ?";
            let target: Option<i64> = self.one(sql, [shelf.target.as_str()], |row| row.get(0))?;
            let (month, change) = (code::date(shelf.month), books::change(shelf.change));
            let stage = books::stage(shelf.stage);
            let key: [(&str, &dyn ToSql); 5] = [
                ("target", &target),
                ("source", &shelf.source.0),
                ("month", &month),
                ("change", &change),
                ("stage", &stage),
            ];
            self.add("shelf", &key, shelf.sum)?;
        }
        Ok(())
    }

    fn park(&mut self, parked: &Parked) -> Result<()> {
        let (tries, why) = match &parked.why {
            Why::Refused(tries, why) => (*tries, why.as_str()),
            Why::ClosedMonth => (0, ""),
        };
        let sql = "INSERT OR REPLACE INTO parked (target, posting, seq, tries, why, since, released, month) \
                   VALUES ((SELECT no FROM target WHERE name = ?1), ?2, ?3, ?4, ?5, ?6, ?7, \
                   CASE WHEN ?4 = 0 THEN (SELECT date / 100 * 100 + 1 FROM posting WHERE no = ?2) END)";
        let (target, posting) = (parked.target.as_str(), parked.posting.0);
        let since = parked.since.as_microsecond();
        self.run(sql, params![target, posting, parked.seq.0, tries, why, since, parked.is_released]).map(drop)
    }

    fn unpark(&mut self, target: &Text, posting: PostingNo) -> Result<bool> {
        let sql = "DELETE FROM parked WHERE target = (SELECT no FROM target WHERE name = ?) AND posting = ?";
        Ok(self.run(sql, params![target.as_str(), posting.0])? > 0)
    }

    fn take_back(&mut self, target: &Text, postings: &[PostingNo]) -> Result<()> {
        self.run("UPDATE target SET cursor = 0 WHERE name = ?", [target.as_str()])?;
        let sql = "DELETE FROM handed WHERE posting = ? AND target = (SELECT no FROM target WHERE name = ?)";
        postings.iter().try_for_each(|no| self.run(sql, params![no.0, target.as_str()]).map(drop))
    }

    fn forget_target(&mut self, target: &Text, limit: usize) -> Result<bool> {
        let no = self.one("SELECT no FROM target WHERE name = ?", [target.as_str()], |row| row.get(0))?;
        let Some(no): Option<i64> = no else { return Ok(true) };
        let sql = "DELETE FROM parked WHERE target = ?1 \
                   AND posting IN (SELECT posting FROM parked WHERE target = ?1 LIMIT ?2)";
        if self.run(sql, [no, i64::try_from(limit).unwrap_or(i64::MAX)])? > 0 {
            return Ok(false);
        }
        self.run("DELETE FROM forwarded WHERE target = ?", [no])?;
        self.run("DELETE FROM forwarding WHERE target = ?", [no])?;
        self.run("DELETE FROM shelf WHERE target = ?", [no])?;
        self.run("DELETE FROM target WHERE no = ?", [no])?;
        Ok(true)
    }

    fn add_work(&mut self, reach: &Reach, cause: Cause, phase: WorkPhase) -> Result<()> {
        let (kind, a, b, span) = match reach {
            Reach::Person(source, pseudonym, span) => {
                match self.person_no(Scope::Source(*source), pseudonym)? {
                    Some(person) => (0, Some(person), None, *span),
                    None => return Ok(()), // Someone of whom the journal has nothing.
                }
            }
            Reach::Unreferenced(low, high, span) => (1, Some(i64::from(*low)), Some(i64::from(*high)), *span),
            Reach::Solution(solution) => (2, Some(solution.0), None, Span::default()),
            Reach::Tagged => (3, None, None, Span::default()),
            Reach::All => (4, None, None, Span::default()),
        };
        let (from, to) = (span.from.map(code::date), span.to.map(code::date));
        let (cause, cause_no, cause_version) = code::cause(cause);
        let sql = "INSERT INTO work (reach, a, b, from_date, to_date, cause, cause_no, cause_version, phase) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.run(sql, params![kind, a, b, from, to, cause, cause_no, cause_version, phase as i64]).map(drop)
    }

    fn next_work(&mut self) -> Result<Option<Work>> {
        self.one(&work_where("w.phase <> 2 ORDER BY w.no LIMIT 1"), [], |row| work(&*self.covers, row))
    }

    fn advance_work(&mut self, no: WorkNo, after: PostingNo) -> Result<()> {
        self.run("UPDATE work SET after = ? WHERE no = ?", [after.0, no.0]).map(drop)
    }

    fn finish_work(&mut self, no: WorkNo) -> Result<()> {
        self.run("DELETE FROM work WHERE no = ?", [no.0]).map(drop)
    }

    fn finish_weighing(&mut self, no: WorkNo, fact: FactNo) -> Result<i64> {
        self.run("UPDATE work SET phase = 2, after = 0 WHERE no = ?", [no.0])?;
        let sql = "SELECT count(*) FROM work WHERE cause = 1 AND cause_no = ? AND phase IN (1, 3)";
        Ok(self.one(sql, [fact.0], |row| row.get(0))?.unwrap_or(0))
    }

    fn set_phase(&mut self, fact: FactNo, phase: WorkPhase) -> Result<()> {
        let sql = "UPDATE work SET phase = ?, after = 0 WHERE cause = 1 AND cause_no = ?";
        self.run(sql, params![phase as i64, fact.0]).map(drop)
    }

    fn set_held_change(&mut self, change: &HeldChange) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO held_change VALUES (?, ?, ?, ?, ?)";
        let since = change.since.as_microsecond();
        self.run(sql, params![change.fact.0, change.version, since, change.is_held, change.preview]).map(drop)
    }

    fn drop_held_change(&mut self, fact: FactNo) -> Result<()> {
        self.run("DELETE FROM held_change WHERE fact = ?", [fact.0]).map(drop)
    }

    fn take_work_of(&mut self, fact: FactNo) -> Result<Vec<Reach>> {
        let caused = self.work_of(fact)?;
        self.run("DELETE FROM work WHERE cause = 1 AND cause_no = ?", [fact.0])?;
        Ok(caused.into_iter().map(|work| work.reach).collect())
    }

    fn count(&mut self, counts: &[Count]) -> Result<()> {
        let sql =
            "INSERT INTO count VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET items = items + excluded.items";
        for count in counts {
            let (month, outcome) = (code::date(count.month), code::outcome(count.outcome));
            self.run(sql, params![count.source.0, month, outcome, count.items])?;
        }
        Ok(())
    }

    fn weigh(&mut self, balances: &[Balance]) -> Result<()> {
        for balance in balances {
            let standing = match balance.standing {
                None => -1,
                Some(None) => 0,
                Some(Some(reason)) => code::untagged(reason),
            };
            let month = code::date(balance.month);
            let key: [(&str, &dyn ToSql); 3] =
                [("source", &balance.source.0), ("month", &month), ("standing", &standing)];
            self.add("balance", &key, balance.sum)?;
        }
        Ok(())
    }

    fn add_tagged(&mut self, sums: &[TaggedSum]) -> Result<()> {
        sums.iter().try_for_each(|sum| books::add_tagged(self, sum))
    }

    fn add_days(&mut self, days: &[Day]) -> Result<()> {
        days.iter().try_for_each(|day| {
            let date = code::date(day.date);
            self.add("day", &[("source", &day.source.0), ("date", &date)], day.sum)
        })
    }

    fn put_in_quarantine(&mut self, entry: &Quarantined) -> Result<bool> {
        if self.has_older() && self.quarantined_as(entry.source, &entry.content)?.is_some() {
            return Ok(false);
        }
        let under = self.newest();
        let sql = "INSERT INTO quarantine \
                   (source, registered, reason, path, message, content, body, item, items, key) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
        let registered = entry.registered.as_microsecond();
        let (reason, content) = (entry.reason.word(), self.covered(under, &entry.content)?);
        let (path, message, body) = (&entry.path, &entry.message, &entry.body.0);
        let (item, items) = (entry.item, entry.items);
        let params =
            params![entry.source.0, registered, reason, path, message, content, body, item, items, under.0];
        Ok(self.run(sql, params)? == 1)
    }

    fn erase_quarantine(&mut self, until: Timestamp, limit: usize) -> Result<usize> {
        let sql = "UPDATE quarantine SET body = NULL WHERE no IN (SELECT no FROM quarantine \
                   WHERE body IS NOT NULL AND registered <= ? ORDER BY registered, no LIMIT ?)";
        self.run(sql, params![until.as_microsecond(), i64::try_from(limit).unwrap_or(i64::MAX)])
    }

    fn remember_purged(&mut self, source: SourceNo, id: &Pseudonym, content: &Pseudonym) -> Result<()> {
        let under = self.newest();
        let (id, content) = (self.covered(under, id)?, self.covered(under, content)?);
        self.run("INSERT INTO purged VALUES (?, ?, ?, ?)", params![source.0, id, content, under.0]).map(drop)
    }

    fn delete_posting(&mut self, no: PostingNo) -> Result<Vec<PersonNo>> {
        let named = self.one("SELECT citizen, granted FROM posting WHERE no = ?", [no.0], |row| {
            Ok([row.get::<_, Option<i64>>(0)?, row.get(1)?])
        })?;
        self.run("DELETE FROM posting WHERE no = ?", [no.0])?;
        self.run("DELETE FROM feed WHERE posting = ?", [no.0])?;
        self.run("DELETE FROM handed WHERE posting = ?", [no.0])?;
        self.run("DELETE FROM parked WHERE posting = ?", [no.0])?;
        Ok(named.into_iter().flatten().flatten().map(PersonNo).collect())
    }

    fn count_keyed(&mut self) -> Result<i64> {
        rekey::rows(self)
    }

    fn rekey(&mut self, after: &[u8], limit: usize) -> Result<Rekeyed> {
        rekey::slice(self, after, limit)
    }

    fn scrub(&mut self, after: u32, patience: Duration) -> Result<Option<u32>> {
        if let Some(last) = wipe::slice(&mut self.connection, after)? {
            return Ok(Some(last));
        }
        // Once the log is copied whole, those who begin to read no longer use it: only the reads that had begun before
        // are waited for, however many follow on each other.
        self.connection.busy_timeout(patience).map_err(error)?;
        let busy = self.one("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        self.connection.busy_timeout(BUSY).map_err(error)?;
        match busy? {
            Some(0) => Ok(None),
            _ => Err(StoreError::Locked),
        }
    }
}
