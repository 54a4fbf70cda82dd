//! The log of withdrawals as a file: appended, and on its disk before anything rests on it.

use std::io::Result;
use std::path::{Path, PathBuf};

use samspor_engine::WithdrawalLog;

use crate::appended as lines;

/// The file. It is opened for every withdrawal, which are few: what it lies on may have been away in between.
pub(crate) struct Withdrawals {
    path: PathBuf,
}

impl Withdrawals {
    /// Holds that the file can be written, so that this is known at the start and not at the first withdrawal.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        lines::open(path).map(|_| Self { path: path.to_owned() })
    }
}

impl WithdrawalLog for Withdrawals {
    fn append(&mut self, lines: &str) -> Result<()> {
        lines::append(&self.path, lines)
    }
}
