//! What readers ask.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{OptionalExtension, Params, Row, params};
use samspor_domain::keys::Covers;
use samspor_domain::store::{
    Balance, Count, Day, FactRow, FactVersion, FeedRow, HeldChange, Month, PostingRow, Quarantined, Reach,
    Read, Result, TaggedSum, Work,
};
use samspor_domain::{
    FactNo, Handed, Kind, Parked, PostingNo, Pseudonym, Scope, Seq, Shelf, SourceName, SourceNo, Stage, Text,
};

use crate::reach::Selection;
use crate::{Sqlite, books, code, covers, error, write};

impl Sqlite {
    pub(crate) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let mut statement = self.connection.prepare_cached(sql).map_err(error)?;
        statement.query_row(params, read).optional().map_err(error)
    }

    pub(crate) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.connection.prepare_cached(sql).map_err(error)?;
        let rows = statement.query_map(params, read).map_err(error)?;
        rows.collect::<rusqlite::Result<_>>().map_err(error)
    }

    pub(crate) fn person_no(&self, scope: Scope, pseudonym: &Pseudonym) -> Result<Option<i64>> {
        let sql = "SELECT no FROM person WHERE scope = ? AND pseudonym = ? AND key = ?";
        self.find_covered(pseudonym, |under, kept| {
            self.one(sql, params![code::scope(scope), kept, under.0], |row| row.get(0))
        })
    }
}

fn fact_where(condition: &str) -> String {
    format!(
        "SELECT f.no, f.scope, f.kind, {} FROM fact f \
         JOIN fact_version v ON v.fact = f.no AND v.version = f.version AND v.content = f.content WHERE {condition}",
        code::VERSION
    )
}

fn posting_where(condition: &str) -> String {
    format!("SELECT {} FROM posting p {} WHERE {condition}", code::POSTING, code::PERSONS)
}

fn record_where(condition: &str) -> String {
    format!("SELECT {} FROM feed f WHERE {condition}", code::RECORD)
}

impl Read for Sqlite {
    fn hold(&mut self) -> Result<()> {
        self.connection.execute_batch("BEGIN").map_err(error)
    }

    fn release(&mut self) -> Result<()> {
        self.connection.execute_batch("COMMIT").map_err(error)
    }

    fn set_covers(&mut self, covers: Arc<dyn Covers>) {
        self.covers = covers;
    }

    fn sources(&mut self) -> Result<Vec<(SourceNo, SourceName)>> {
        let rows = self.all("SELECT no, name FROM source ORDER BY no", [], |row| {
            Ok((SourceNo(row.get(0)?), Text::new(row.get_ref(1)?.as_str()?)))
        })?;
        Ok(rows.into_iter().filter_map(|(no, name)| Some((no, name.ok()?))).collect())
    }

    fn meta(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        self.one("SELECT value FROM meta WHERE key = ?", [key], |row| row.get(0))
    }

    fn metas(&mut self, beginning: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let sql = "SELECT key, value FROM meta WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key";
        self.all(sql, [beginning], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn find_fact(&mut self, scope: Scope, kind: Kind, key: &Pseudonym) -> Result<Option<FactRow>> {
        let sql = fact_where("f.scope = ? AND f.kind = ? AND f.id = ? AND f.key = ?");
        self.find_covered(key, |under, kept| {
            let params = params![code::scope(scope), code::kind(kind), kept, under.0];
            self.one(&sql, params, |row| code::fact(&*self.covers, row))
        })
    }

    fn fact(&mut self, no: FactNo) -> Result<Option<FactRow>> {
        self.one(&fact_where("f.no = ?"), [no.0], |row| code::fact(&*self.covers, row))
    }

    fn facts(&mut self, kind: Kind) -> Result<Vec<FactRow>> {
        self.all(&fact_where("f.kind = ? ORDER BY f.no"), [code::kind(kind)], |row| {
            code::fact(&*self.covers, row)
        })
    }

    fn facts_after(&mut self, kind: Kind, after: FactNo, limit: usize) -> Result<Vec<FactRow>> {
        let sql = fact_where("f.kind = ? AND f.no > ? ORDER BY f.no LIMIT ?");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(&sql, params![code::kind(kind), after.0, limit], |row| code::fact(&*self.covers, row))
    }

    fn facts_touching(&mut self, scope: Scope, reference: &Pseudonym) -> Result<Vec<FactRow>> {
        let Some(person) = self.person_no(scope, reference)? else { return Ok(Vec::new()) };
        let sql = fact_where("f.no IN (SELECT fact FROM holds WHERE person = ?) ORDER BY f.no");
        self.all(&sql, [person], |row| code::fact(&*self.covers, row))
    }

    fn versions(&mut self, no: FactNo) -> Result<Vec<FactVersion>> {
        let sql = format!(
            "SELECT {} FROM fact f JOIN fact_version v ON v.fact = f.no WHERE f.no = ? AND v.became IS NOT NULL \
             ORDER BY v.became",
            code::VERSION
        );
        self.all(&sql, [no.0], |row| code::fact_version(&*self.covers, row, 0))
    }

    fn facts_by_registration(
        &mut self,
        (after, no): (Timestamp, FactNo),
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, FactNo)>> {
        let sql = "SELECT registered, fact FROM fact_version WHERE body IS NOT NULL AND (registered, fact) > (?, ?) \
                   AND registered <= ? ORDER BY registered, fact LIMIT ?";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let params = params![after.as_microsecond(), no.0, until.as_microsecond(), limit];
        self.all(sql, params, |row| Ok((code::instant(row, 0)?, FactNo(row.get(1)?))))
    }

    fn posting(&mut self, no: PostingNo) -> Result<Option<PostingRow>> {
        self.one(&posting_where("p.no = ?"), [no.0], |row| code::posting(&*self.covers, row, 0))
    }

    fn find_posting(&mut self, source: SourceNo, id: &Text) -> Result<Option<PostingRow>> {
        let params = params![source.0, id.as_str()];
        self.one(&posting_where("p.source = ? AND p.id = ?"), params, |row| {
            code::posting(&*self.covers, row, 0)
        })
    }

    fn postings(&mut self, reach: &Reach, after: PostingNo, limit: usize) -> Result<Vec<PostingRow>> {
        let select = format!("SELECT {} FROM posting p {}", code::POSTING, code::PERSONS);
        let selection = Selection { select: &select, order: "ORDER BY p.no" };
        self.reached(reach, after, limit, &selection, |row| code::posting(&*self.covers, row, 0))
    }

    fn postings_by_id(
        &mut self,
        source: SourceNo,
        after: Option<&Text>,
        limit: usize,
    ) -> Result<Vec<PostingRow>> {
        let sql = posting_where("p.source = ? AND p.id > ? ORDER BY p.id LIMIT ?");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // An id is never empty, so the empty text goes before all.
        let params = params![source.0, after.map_or("", Text::as_str), limit];
        self.all(&sql, params, |row| code::posting(&*self.covers, row, 0))
    }

    fn reversals_of(&mut self, source: SourceNo, id: &Text) -> Result<Vec<PostingRow>> {
        let params = params![source.0, id.as_str()];
        // Hardly any posting is reversed, and each is asked about: this looks into the index only.
        let any = "SELECT 1 FROM posting WHERE source = ? AND reverses = ? LIMIT 1";
        if self.one(any, params, |_| Ok(()))?.is_none() {
            return Ok(Vec::new());
        }
        let sql = posting_where("p.source = ? AND p.reverses = ? ORDER BY p.no");
        self.all(&sql, params, |row| code::posting(&*self.covers, row, 0))
    }

    fn purged(&mut self, source: SourceNo, id: &Pseudonym) -> Result<Option<Pseudonym>> {
        let sql = "SELECT content, key FROM purged WHERE source = ? AND id = ? AND key = ?";
        self.find_covered(id, |under, kept| {
            self.one(sql, params![source.0, kept, under.0], |row| covers::hash(&*self.covers, row, 0, 1))
        })
    }

    fn newest_record(&mut self, posting: PostingNo) -> Result<Option<FeedRow>> {
        let sql = record_where("f.posting = ? ORDER BY f.revision DESC LIMIT 1");
        self.one(&sql, [posting.0], code::record)
    }

    fn records_of(&mut self, posting: PostingNo) -> Result<Vec<FeedRow>> {
        self.all(&record_where("f.posting = ? ORDER BY f.revision"), [posting.0], code::record)
    }

    fn newest_between(&mut self, after: Seq, until: Seq, limit: usize) -> Result<Vec<(FeedRow, PostingRow)>> {
        let sql = format!(
            "SELECT {}, {} FROM feed f JOIN posting p ON p.no = f.posting {} WHERE f.seq > ? AND f.seq <= ? AND NOT \
             EXISTS (SELECT 1 FROM feed n WHERE n.posting = f.posting AND n.revision > f.revision) ORDER BY f.seq \
             LIMIT ?",
            code::RECORD,
            code::POSTING,
            code::PERSONS,
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(&sql, params![after.0, until.0, limit], |row| {
            Ok((code::record(row)?, code::posting(&*self.covers, row, code::RECORD_COLUMNS)?))
        })
    }

    fn count_newest_after(&mut self, after: Seq) -> Result<i64> {
        let sql = "SELECT count(*) FROM feed f WHERE f.seq > ? AND NOT EXISTS \
                   (SELECT 1 FROM feed n WHERE n.posting = f.posting AND n.revision > f.revision)";
        Ok(self.one(sql, [after.0], |row| row.get(0))?.unwrap_or(0))
    }

    fn last_seq(&mut self) -> Result<Seq> {
        // Not the last record that is there: that may have been purged.
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'feed'";
        Ok(Seq(self.one(sql, [], |row| row.get(0))?.unwrap_or(0)))
    }

    fn cursor(&mut self, target: &Text) -> Result<Seq> {
        let sql = "SELECT cursor FROM target WHERE name = ?";
        Ok(Seq(self.one(sql, [target.as_str()], |row| row.get(0))?.unwrap_or(0)))
    }

    fn cursors(&mut self) -> Result<Vec<(Text, Seq)>> {
        let sql =
            "SELECT name, cursor FROM target WHERE no NOT IN (SELECT target FROM forwarding) ORDER BY name";
        let rows = self.all(sql, [], |row| Ok((Text::new(row.get_ref(0)?.as_str()?), Seq(row.get(1)?))))?;
        Ok(rows.into_iter().filter_map(|(name, cursor)| Some((name.ok()?, cursor))).collect())
    }

    fn handed(&mut self, target: &Text, posting: PostingNo) -> Result<Option<Handed>> {
        let sql = format!(
            "SELECT {} FROM handed h WHERE h.posting = ? AND h.target = (SELECT no FROM target WHERE name = ?)",
            books::HANDED
        );
        self.one(&sql, params![posting.0, target.as_str()], books::handed)
    }

    fn handed_of(&mut self, posting: PostingNo) -> Result<Vec<(Text, Handed)>> {
        let sql = format!(
            "SELECT {}, t.name FROM handed h JOIN target t ON t.no = h.target WHERE h.posting = ? ORDER BY t.name",
            books::HANDED
        );
        self.all(&sql, [posting.0], |row| Ok((code::text(row, books::HANDED_COLUMNS)?, books::handed(row)?)))
    }

    fn handed_in(
        &mut self,
        target: &Text,
        stage: Option<Stage>,
        after: PostingNo,
        limit: usize,
    ) -> Result<Vec<(PostingNo, Handed)>> {
        let sql = format!(
            "SELECT {}, h.posting FROM handed h WHERE h.target = (SELECT no FROM target WHERE name = ?1) \
             AND (?2 IS NULL OR h.stage = ?2) AND h.posting > ?3 ORDER BY h.posting LIMIT ?4",
            books::HANDED
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let params = params![target.as_str(), stage.map(books::stage), after.0, limit];
        self.all(&sql, params, |row| Ok((PostingNo(row.get(books::HANDED_COLUMNS)?), books::handed(row)?)))
    }

    fn shelves(&mut self) -> Result<Vec<Shelf>> {
        let sql = "SELECT s.postings, s.debit, s.credit, s.hash, t.name, s.source, s.month, s.change, s.stage \
                   FROM shelf s JOIN target t ON t.no = s.target";
        self.all(sql, [], books::shelf)
    }

    fn awaited(&mut self, target: &Text, until: Timestamp) -> Result<i64> {
        let count =
            self.one(books::AWAITED, params![until.as_microsecond(), target.as_str()], |row| row.get(0))?;
        Ok(count.unwrap_or(0))
    }

    fn kept_for_receipts(&mut self, target: &Text, until: Timestamp) -> Result<i64> {
        let count =
            self.one(books::KEPT_FOR_RECEIPTS, params![until.as_microsecond(), target.as_str()], |row| {
                row.get(0)
            })?;
        Ok(count.unwrap_or(0))
    }

    fn parked(&mut self, target: &Text, after: PostingNo, limit: usize) -> Result<Vec<Parked>> {
        let sql = books::asks_parked("", "t.name = ? AND p.posting > ?");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(&sql, params![target.as_str(), after.0, limit], books::parked)
    }

    fn parked_refused(&mut self, target: &Text, after: PostingNo, limit: usize) -> Result<Vec<Parked>> {
        let no = self.one("SELECT no FROM target WHERE name = ?", [target.as_str()], |row| row.get(0))?;
        let Some(no): Option<i64> = no else { return Ok(Vec::new()) };
        let sql = books::asks_parked(books::REFUSED[0], books::REFUSED[1]);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(&sql, params![no, after.0, limit], books::parked)
    }

    fn count_parked(&mut self, target: &Text) -> Result<(i64, i64)> {
        let count = |sql: &str| -> Result<i64> {
            Ok(self.one(sql, [target.as_str()], |row| row.get(0))?.unwrap_or_default())
        };
        Ok((count(books::COUNT_REFUSED)?, count(books::COUNT_CLOSED)?))
    }

    fn parked_to_try(
        &mut self,
        target: &Text,
        closed: &BTreeSet<Month>,
        after: PostingNo,
        limit: usize,
    ) -> Result<Vec<Parked>> {
        books::parked_to_try(self, target, closed, after, limit)
    }

    fn counts(&mut self) -> Result<Vec<Count>> {
        let rows = self.all("SELECT source, month, outcome, items FROM count", [], |row| {
            Ok((SourceNo(row.get(0)?), row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
        let read = |(source, month, outcome, items)| {
            Some(Count {
                source,
                month: code::read_date(month)?,
                outcome: code::read_outcome(outcome)?,
                items,
            })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    fn balances(&mut self) -> Result<Vec<Balance>> {
        let sql = "SELECT postings, debit, credit, hash, source, month, standing FROM balance";
        let rows =
            self.all(sql, [], |row| Ok((books::sum(row)?, SourceNo(row.get(4)?), row.get(5)?, row.get(6)?)))?;
        let read = |(sum, source, month, standing)| {
            let standing = match standing {
                -1 => None,
                0 => Some(None),
                reason => Some(Some(code::read_untagged(reason)?)),
            };
            Some(Balance { source, month: code::read_date(month)?, standing, sum })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    fn tagged_sums(&mut self) -> Result<Vec<TaggedSum>> {
        books::tagged_sums(self)
    }

    fn days(&mut self, source: SourceNo, from: Date, to: Date) -> Result<Vec<Day>> {
        let sql = "SELECT postings, debit, credit, hash, date FROM day \
                   WHERE source = ? AND date BETWEEN ? AND ? ORDER BY date";
        self.all(sql, params![source.0, code::date(from), code::date(to)], |row| {
            let date = code::read_date(row.get(4)?).ok_or_else(|| code::strange(4))?;
            Ok(Day { source, date, sum: books::sum(row)? })
        })
    }

    fn quarantine(&mut self, limit: usize) -> Result<Vec<Quarantined>> {
        let sql = "SELECT source, registered, reason, path, message, content, body, item, items, key FROM quarantine \
                   WHERE body IS NOT NULL ORDER BY no LIMIT ?";
        self.all(sql, [i64::try_from(limit).unwrap_or(i64::MAX)], |row| code::quarantined(&*self.covers, row))
    }

    fn reach_size(&mut self, reach: &Reach, limit: usize) -> Result<usize> {
        let selection = Selection { select: "SELECT 1 FROM posting p", order: "" };
        Ok(self.reached(reach, PostingNo(0), limit, &selection, |_| Ok(()))?.len())
    }

    fn work_of(&mut self, fact: FactNo) -> Result<Vec<Work>> {
        self.all(&write::work_where("w.cause = 1 AND w.cause_no = ? ORDER BY w.no"), [fact.0], |row| {
            write::work(&*self.covers, row)
        })
    }

    fn held_changes(&mut self) -> Result<Vec<HeldChange>> {
        let sql = "SELECT fact, version, since, held, preview FROM held_change ORDER BY fact";
        self.all(sql, [], code::held_change)
    }

    fn held_change(&mut self, fact: FactNo) -> Result<Option<HeldChange>> {
        let sql = "SELECT fact, version, since, held, preview FROM held_change WHERE fact = ?";
        self.one(sql, [fact.0], code::held_change)
    }

    fn pending_work(&mut self) -> Result<i64> {
        Ok(self.one("SELECT count(*) FROM work WHERE phase <> 2", [], |row| row.get(0))?.unwrap_or(0))
    }
}
