//! How the domain's words are written in columns.

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::types::Type;
use rusqlite::{Error, Row};
use samspor_domain::keys::Covers;
use samspor_domain::store::{
    FactRow, FactVersion, FeedRow, HeldChange, Outcome, PostingRow, Quarantined, Sealed, Standing,
};
use samspor_domain::{
    Account, Amount, Cause, FactNo, Grouping, Kind, Posting, PostingNo, Rank, Reason, Scope, Seq, SourceNo,
    Text, Untagged,
};

use crate::covers::{hash, optional_hash};

/// A column holds something that this gateway never wrote.
pub(crate) fn strange(column: usize) -> Error {
    Error::InvalidColumnType(column, "unknown code".into(), Type::Integer)
}

pub(crate) fn date(date: Date) -> i64 {
    i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day())
}

pub(crate) fn read_date(code: i64) -> Option<Date> {
    Date::new((code / 10_000).try_into().ok()?, (code / 100 % 100) as i8, (code % 100) as i8).ok()
}

pub(crate) fn scope(scope: Scope) -> i64 {
    match scope {
        Scope::Registry => 0,
        Scope::Source(no) => no.0,
    }
}

fn read_scope(code: i64) -> Scope {
    if code == 0 { Scope::Registry } else { Scope::Source(SourceNo(code)) }
}

pub(crate) fn kind(kind: Kind) -> i64 {
    kind as i64
}

pub(crate) fn rank(rank: Rank) -> i64 {
    rank as i64
}

pub(crate) fn standing(standing: Standing) -> (i64, Option<i64>) {
    match standing {
        Standing::Tagged(solution) => (0, Some(solution.0)),
        Standing::Untagged(reason) => (untagged(reason), None),
    }
}

pub(crate) fn untagged(reason: Untagged) -> i64 {
    reason as i64 + 1
}

pub(crate) fn read_untagged(code: i64) -> Option<Untagged> {
    Untagged::ALL.into_iter().find(|reason| untagged(*reason) == code)
}

pub(crate) fn outcome(outcome: Outcome) -> i64 {
    outcome as i64
}

pub(crate) fn read_outcome(code: i64) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|known| outcome(*known) == code)
}

pub(crate) fn cause(cause: Cause) -> (i64, Option<i64>, Option<i64>) {
    match cause {
        Cause::Posting(no) => (0, Some(no.0), None),
        Cause::Fact(no, version) => (1, Some(no.0), Some(version)),
        Cause::Start => (2, None, None),
        Cause::Withdrawal => (3, None, None),
    }
}

pub(crate) fn read_cause(row: &Row<'_>, at: usize) -> rusqlite::Result<Cause> {
    match row.get::<_, i64>(at)? {
        0 => Ok(Cause::Posting(PostingNo(row.get(at + 1)?))),
        1 => Ok(Cause::Fact(FactNo(row.get(at + 1)?), row.get(at + 2)?)),
        2 => Ok(Cause::Start),
        3 => Ok(Cause::Withdrawal),
        _ => Err(strange(at)),
    }
}

pub(crate) fn instant(row: &Row<'_>, at: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(row.get(at)?).map_err(|_| strange(at))
}

pub(crate) fn text(row: &Row<'_>, at: usize) -> rusqlite::Result<Text> {
    optional_text(row, at)?.ok_or_else(|| strange(at))
}

fn optional_text(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Text>> {
    match row.get_ref(at)?.as_str_or_null()? {
        Some(text) => Text::new(text).map(Some).map_err(|_| strange(at)),
        None => Ok(None),
    }
}

/// The columns that [`posting`] reads of `posting p`, and the persons that they need joined.
pub(crate) const POSTING: &str = "p.no, p.source, p.id, p.date, p.account, p.amount, p.registered, p.standing, \
     p.solution, p.grouping, p.cost_centre, p.voucher, p.reverses, c.pseudonym, g.pseudonym, c.key, g.key";
pub(crate) const PERSONS: &str =
    "LEFT JOIN person c ON c.no = p.citizen LEFT JOIN person g ON g.no = p.granted";

pub(crate) fn posting(covers: &dyn Covers, row: &Row<'_>, at: usize) -> rusqlite::Result<PostingRow> {
    let standing = match (row.get::<_, i64>(at + 7)?, row.get::<_, Option<i64>>(at + 8)?) {
        (0, Some(solution)) => Standing::Tagged(FactNo(solution)),
        (code, _) => Standing::Untagged(read_untagged(code).ok_or_else(|| strange(at + 7))?),
    };
    Ok(PostingRow {
        no: PostingNo(row.get(at)?),
        source: SourceNo(row.get(at + 1)?),
        posting: Posting {
            id: text(row, at + 2)?,
            date: read_date(row.get(at + 3)?).ok_or_else(|| strange(at + 3))?,
            account: Account::from_code(row.get(at + 4)?).ok_or_else(|| strange(at + 4))?,
            amount: Amount::from_ore(row.get(at + 5)?).map_err(|_| strange(at + 5))?,
            grouping: row
                .get::<_, Option<u16>>(at + 9)?
                .map(|number| Grouping::from_number(number).ok_or_else(|| strange(at + 9)))
                .transpose()?,
            cost_centre: optional_text(row, at + 10)?,
            voucher: optional_text(row, at + 11)?,
            reverses: optional_text(row, at + 12)?,
            citizen: optional_hash(covers, row, at + 13, at + 15)?,
            grant: optional_hash(covers, row, at + 14, at + 16)?,
        },
        registered: instant(row, at + 6)?,
        standing,
    })
}

/// The columns that [`fact_version`] reads, of `fact f` and `fact_version v`.
pub(crate) const VERSION: &str = "v.version, v.rank, v.content, v.registered, v.body, f.key";

pub(crate) fn fact_version(covers: &dyn Covers, row: &Row<'_>, at: usize) -> rusqlite::Result<FactVersion> {
    Ok(FactVersion {
        version: row.get(at)?,
        rank: match row.get(at + 1)? {
            0 => Rank::Live,
            1 => Rank::Withdrawn,
            2 => Rank::Deleted,
            _ => return Err(strange(at + 1)),
        },
        content: hash(covers, row, at + 2, at + 5)?,
        registered: instant(row, at + 3)?,
        body: row.get::<_, Option<Vec<u8>>>(at + 4)?.map(Sealed),
    })
}

/// Reads number, scope and kind, then [`VERSION`].
pub(crate) fn fact(covers: &dyn Covers, row: &Row<'_>) -> rusqlite::Result<FactRow> {
    let code: i64 = row.get(2)?;
    Ok(FactRow {
        no: FactNo(row.get(0)?),
        scope: read_scope(row.get(1)?),
        kind: Kind::ALL.into_iter().find(|known| kind(*known) == code).ok_or_else(|| strange(2))?,
        newest: fact_version(covers, row, 3)?,
    })
}

/// The columns that [`record`] reads, of `feed f`.
pub(crate) const RECORD: &str =
    "f.seq, f.posting, f.revision, f.cause, f.cause_no, f.cause_version, f.registered, f.payload";
/// How many they are.
pub(crate) const RECORD_COLUMNS: usize = 8;

pub(crate) fn record(row: &Row<'_>) -> rusqlite::Result<FeedRow> {
    Ok(FeedRow {
        seq: Seq(row.get(0)?),
        posting: PostingNo(row.get(1)?),
        revision: row.get(2)?,
        cause: read_cause(row, 3)?,
        registered: instant(row, 6)?,
        payload: row.get::<_, Option<Vec<u8>>>(7)?.map(Sealed),
    })
}

/// Reads fact, version, since when, whether it is held, and the preview.
pub(crate) fn held_change(row: &Row<'_>) -> rusqlite::Result<HeldChange> {
    Ok(HeldChange {
        fact: FactNo(row.get(0)?),
        version: row.get(1)?,
        since: instant(row, 2)?,
        is_held: row.get(3)?,
        preview: row.get(4)?,
    })
}

pub(crate) fn quarantined(covers: &dyn Covers, row: &Row<'_>) -> rusqlite::Result<Quarantined> {
    Ok(Quarantined {
        source: SourceNo(row.get(0)?),
        registered: instant(row, 1)?,
        reason: Reason::from_word(row.get_ref(2)?.as_str()?).ok_or_else(|| strange(2))?,
        path: row.get(3)?,
        message: row.get(4)?,
        content: hash(covers, row, 5, 9)?,
        body: Sealed(row.get(6)?),
        item: row.get(7)?,
        items: row.get(8)?,
    })
}
