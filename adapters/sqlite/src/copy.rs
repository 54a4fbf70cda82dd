//! A copy of the store as it is at one moment, made beside its writer, and putting one where a store was.

use std::fs::File;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use samspor_domain::store::{Result, StoreError};

use crate::{FILE, Sqlite, configure, error, failed};

impl Sqlite {
    /// Copies the store of a directory into another one, which holds none, as it is at this moment. The writer goes on beside
    /// it; what it erases meanwhile is overwritten when the copy is done. What was erased before is not in the copy.
    ///
    /// # Errors
    /// There is no store, the other directory has one, or the copy cannot be written; then the directory may hold part of it.
    pub fn copy(directory: &Path, to: &Path) -> Result<()> {
        let (from, to_file) = (directory.join(FILE), to.join(FILE));
        if !from.exists() {
            return Err(StoreError::Unusable("the directory holds no store".into()));
        }
        if to_file.exists() {
            return Err(StoreError::Unusable("the directory for the copy holds a store already".into()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(from, flags).map_err(error)?;
        configure(&connection, false)?;
        let name = to_file.to_str();
        let name = name.ok_or_else(|| StoreError::Unusable("the copy's path is not UTF-8".into()))?;
        // One statement is one read transaction, so the copy is of one moment however long it takes.
        connection.execute("VACUUM INTO ?1", [name]).map_err(error)?;
        // SQLite leaves it to the system when the copy reaches the disk.
        File::open(&to_file).and_then(|file| file.sync_all()).map_err(failed)?;
        File::open(to).and_then(|dir| dir.sync_all()).map_err(failed)
    }
}

/// The database's file in a directory: what a backup is made of.
#[must_use]
pub fn database(directory: &Path) -> std::path::PathBuf {
    directory.join(FILE)
}
