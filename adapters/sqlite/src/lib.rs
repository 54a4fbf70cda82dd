//! The embedded store: SQLite in one directory, for one process, with one writer and any number of readers.
//!
//! Write-ahead log, `synchronous=FULL`, `secure_delete`: what is committed survives a power cut, and what is erased is
//! overwritten. A lock file keeps a second process out.

mod audit;
mod books;
mod code;
mod copy;
mod covers;
mod forward;
mod quarantine;
mod reach;
mod read;
mod rekey;
mod unused;
mod whole;
mod wipe;
mod write;

pub use copy::database;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use samspor_domain::keys::{Covers, Uncovered};
use samspor_domain::store::{Result, StoreError};

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// The database's file in its directory.
const FILE: &str = "samspor.sqlite";
/// How long a checkpoint waits for readers to let go of the log.
const BUSY: Duration = Duration::from_secs(5);

/// A store in a directory, as its writer or as a reader.
pub struct Sqlite {
    connection: Connection,
    directory: PathBuf,
    covers: Arc<dyn Covers>,
    /// Held as long as the writer lives.
    _lock: Option<File>,
}

impl Sqlite {
    /// Opens the store for writing, making it if the directory holds none. Only one process can.
    pub fn open(directory: &Path) -> Result<Self> {
        // For nobody else, whatever the process makes files for.
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let lock = lock(directory)?;
        let mut connection = Connection::open(directory.join(FILE)).map_err(error)?;
        whole::check(&connection, &directory.join(FILE))?;
        configure(&connection, true)?;
        let mode: String =
            connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(error)?;
        if mode != "wal" {
            return Err(StoreError::Unusable("its file system does not support a write-ahead log".into()));
        }
        // A page that many transactions write, such as the end of an index, goes from the log to the database once for all
        // of them: with 16 MiB of log, once for some hundred.
        connection
            .execute_batch(
                "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 4096",
            )
            .map_err(error)?;
        wipe::prepare(&connection)?;
        migrations::migrations::runner()
            .run(&mut connection)
            .map_err(|error| StoreError::Unusable(format!("its schema is not this gateway's: {error}")))?;
        let covers = Arc::new(Uncovered);
        Ok(Self { connection, directory: directory.to_owned(), covers, _lock: Some(lock) })
    }

    /// Opens an existing store for reading, beside its writer if there is one.
    pub fn open_reader(directory: &Path) -> Result<Self> {
        let path = directory.join(FILE);
        if !path.exists() {
            return Err(StoreError::Unusable("the directory holds no store".into()));
        }
        // Not read-only: the first reader of a log that nobody has open must be able to recover it.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(error)?;
        configure(&connection, false)?;
        connection.execute_batch("PRAGMA query_only = ON").map_err(error)?;
        let covers = Arc::new(Uncovered);
        Ok(Self { connection, directory: directory.to_owned(), covers, _lock: None })
    }
}

/// Keeps every writer out of a directory as long as the file is open.
///
/// # Errors
/// There is one in it, or the directory cannot be written to.
pub fn lock(directory: &Path) -> Result<File> {
    let lock = OpenOptions::new().create(true).append(true).open(directory.join("lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// The store's files in its directory by what they hold: the database, and its log.
#[must_use]
pub fn files(directory: &Path) -> Vec<(&'static str, PathBuf)> {
    vec![("database", directory.join(FILE)), ("log", directory.join(format!("{FILE}-wal")))]
}

fn configure(connection: &Connection, is_writer: bool) -> Result<()> {
    connection.set_prepared_statement_cache_capacity(128);
    connection.busy_timeout(BUSY).map_err(error)?;
    // Else a statement is prepared again whenever other values are bound, which takes longer than running it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(error)?;
    // What arrives touches few pages, and a reader mostly reads what was written last.
    let cache = if is_writer { 8_192 } else { 2_048 };
    connection
        .execute_batch(&format!(
            "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{cache}; PRAGMA mmap_size = 0"
        ))
        .map_err(error)
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Failed(Box::new(error))
}

fn error(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged(error.to_string()),
        _ => failed(error),
    }
}
