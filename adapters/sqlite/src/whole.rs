//! Whether the database's file is whole, looked at before anything is written to it.
//!
//! SQLite notices damage where it happens to read it, which may be long after the gateway has written to what is damaged.
//! So every page is read at the start. That takes about as long as reading the file.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use samspor_domain::store::{Result, StoreError};

use crate::{error, failed};

/// Refuses a damaged database, and changes nothing of it then.
pub(crate) fn check(connection: &Connection, file: &Path) -> Result<()> {
    // A log that is there stays beside the database, as it would otherwise be written into it when this connection closes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(error)?;
    let page: u64 = connection
        .query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0))
        .map_err(error)?
        .unsigned_abs();
    // What is missing of a last page reads as zeros. Where there is a log, a full disk may have cut off the page as it was
    // copied from there, and the log still has it.
    let logged = std::fs::metadata(file.with_extension("sqlite-wal")).is_ok_and(|log| log.len() > 0);
    let length = std::fs::metadata(file).map_err(failed)?.len();
    if !logged && !length.is_multiple_of(page.max(1)) {
        return Err(StoreError::Damaged("its file ends within a page".into()));
    }
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(error)?;
    if found != "ok" {
        return Err(StoreError::Damaged(found.replace('\n', " ")));
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map(drop).map_err(error)
}
