//! Which postings a reach holds. The indexes by person and by account lie in segments of postings, and are gone through
//! one segment after the other.

use rusqlite::{Row, params_from_iter};
use samspor_domain::store::{PostingNo, Reach, Result, Scope};
use samspor_domain::{FactNo, Span};

use crate::{Sqlite, code};

/// The first and last date that there are, for spans with open ends.
const FIRST: i64 = -99_991_231;
const LAST: i64 = 99_991_231;

/// How many bits of a posting's number are its place in its segment. The schema's indexes say the same.
const SEGMENT_BITS: u32 = 14;

/// What is selected, of which postings `p`, in which order.
pub(crate) struct Selection<'a> {
    pub(crate) select: &'a str,
    pub(crate) order: &'a str,
}

/// A condition on postings `p`, and what stands for its question marks.
struct Condition {
    sql: &'static str,
    params: Vec<i64>,
    /// Whether one more, in front, is the segment.
    by_segment: bool,
}

impl Sqlite {
    /// Some of each posting that a reach holds: those after one of them, a number of them at most.
    pub(crate) fn reached<T>(
        &self,
        reach: &Reach,
        after: PostingNo,
        limit: usize,
        Selection { select, order }: &Selection<'_>,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let Some(Condition { sql, params, by_segment }) = self.condition(reach)? else {
            return Ok(Vec::new());
        };
        let sql = format!("{select} WHERE {sql} AND p.no > ? {order} LIMIT ?");
        let mut found = Vec::new();
        for segment in self.segments(after, by_segment)? {
            let left = i64::try_from(limit - found.len()).unwrap_or(i64::MAX);
            if left == 0 {
                break;
            }
            let params = segment.into_iter().chain(params.iter().copied()).chain([after.0, left]);
            found.extend(self.all(&sql, params_from_iter(params), &mut read)?);
        }
        Ok(found)
    }

    fn condition(&self, reach: &Reach) -> Result<Option<Condition>> {
        Ok(Some(match reach {
            Reach::Person(source, pseudonym, span) => {
                let Some(person) = self.person_no(Scope::Source(*source), pseudonym)? else {
                    return Ok(None);
                };
                let (from, to) = dates(*span);
                let sql = "p.no >> 14 = ? AND coalesce(p.citizen, p.granted) = ? AND p.date BETWEEN ? AND ?";
                Condition { sql, params: vec![person, from, to], by_segment: true }
            }
            Reach::Unreferenced(low, high, span) => {
                let (from, to) = dates(*span);
                let sql = "p.no >> 14 = ? AND coalesce(p.citizen, p.granted) IS NULL AND p.account BETWEEN ? AND ? \
                           AND p.date BETWEEN ? AND ?";
                let params = vec![i64::from(*low), i64::from(*high), from, to];
                Condition { sql, params, by_segment: true }
            }
            Reach::Solution(FactNo(solution)) => {
                Condition { sql: "p.solution = ?", params: vec![*solution], by_segment: false }
            }
            Reach::Tagged => Condition { sql: "p.solution IS NOT NULL", params: vec![], by_segment: false },
            Reach::All => Condition { sql: "true", params: vec![], by_segment: false },
        }))
    }

    /// The segments that hold postings after one; a single none where there are none to go through.
    pub(crate) fn segments(&self, after: PostingNo, by_segment: bool) -> Result<Vec<Option<i64>>> {
        if !by_segment {
            return Ok(vec![None]);
        }
        let sql = "SELECT (SELECT min(no) FROM posting), (SELECT max(no) FROM posting)";
        let ends = self
            .one(sql, [], |row| Ok(row.get::<_, Option<i64>>(0)?.zip(row.get::<_, Option<i64>>(1)?)))?
            .flatten();
        let Some((first, last)) = ends else { return Ok(Vec::new()) };
        let first = first.max(after.0.saturating_add(1));
        Ok((first >> SEGMENT_BITS..=last >> SEGMENT_BITS).map(Some).collect())
    }
}

fn dates(span: Span) -> (i64, i64) {
    (span.from.map_or(FIRST, code::date), span.to.map_or(LAST, code::date))
}
