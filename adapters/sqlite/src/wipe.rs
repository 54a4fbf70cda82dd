//! Wiping the unused parts of pages. `secure_delete` overwrites what is deleted, but where SQLite moves cells to another
//! place or page as it balances a B-tree, now and then a copy of one stays in the unused middle of the page, and would
//! outlive its deletion. See the file format of SQLite, section 1.6.

use rusqlite::{Connection, params};
use samspor_domain::store::{Result, StoreError};

use crate::error;

/// Pages wiped in one transaction at most.
const SLICE: u32 = 256;
/// A page that is no part of a B-tree begins with a page number or with zeros. Up to this many pages (128 GiB) such a
/// number does not begin as a page of a B-tree does.
const PAGES: u32 = 1 << 25;

/// Makes sure that pages can be wiped, and can be told apart.
pub(crate) fn prepare(connection: &Connection) -> Result<()> {
    let most: u32 = connection
        .query_row(&format!("PRAGMA max_page_count = {PAGES}"), [], |row| row.get(0))
        .map_err(error)?;
    if most > PAGES {
        return Err(StoreError::Unusable("its file is larger than 128 GiB".into()));
    }
    connection.prepare_cached(READ).map(drop).map_err(|_| {
        StoreError::Unusable(
            "SQLite was built without SQLITE_ENABLE_DBPAGE_VTAB; build from the project's own directory, whose \
             .cargo/config.toml says so"
                .into(),
        )
    })
}

const READ: &str = "SELECT data FROM sqlite_dbpage WHERE pgno = ?";

/// Wipes the pages after one of them, up to a slice. Answers the last one wiped; none where there is none left.
pub(crate) fn slice(connection: &mut Connection, after: u32) -> Result<Option<u32>> {
    let transaction = connection.transaction().map_err(error)?;
    let pages: u32 = transaction.query_row("PRAGMA page_count", [], |row| row.get(0)).map_err(error)?;
    let last = pages.min(after.saturating_add(SLICE));
    {
        let mut read = transaction.prepare_cached(READ).map_err(error)?;
        let mut write =
            transaction.prepare_cached("UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?").map_err(error)?;
        for number in after.saturating_add(1)..=last {
            let mut page: Vec<u8> = read.query_row([number], |row| row.get(0)).map_err(error)?;
            let header = if number == 1 { 100 } else { 0 };
            if let Some(unused) = unused(&mut page, header)
                && unused.iter().any(|byte| *byte != 0)
            {
                unused.fill(0);
                write.execute(params![page, number]).map_err(error)?;
            }
        }
    }
    transaction.commit().map_err(error)?;
    Ok(Some(last).filter(|_| last > after))
}

/// What lies between the cell pointers and the cells of a page, if it is one of a B-tree.
fn unused(page: &mut [u8], header: usize) -> Option<&mut [u8]> {
    let number = |at: usize| Some(usize::from(u16::from_be_bytes([*page.get(at)?, *page.get(at + 1)?])));
    let pointers = match page.get(header)? {
        2 | 5 => header + 12,
        10 | 13 => header + 8,
        _ => return None,
    };
    let from = pointers + 2 * number(header + 3)?;
    let to = match number(header + 5)? {
        0 => 65_536,
        to => to,
    };
    page.get_mut(from..to)
}
