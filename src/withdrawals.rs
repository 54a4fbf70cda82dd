//! The log of withdrawals as a file: appended, and on its disk before anything rests on it.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Result, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use samspor_engine::WithdrawalLog;

/// The file. It is opened for every withdrawal, which are few: what it lies on may have been away in between.
pub(crate) struct Withdrawals {
    path: PathBuf,
}

impl Withdrawals {
    /// Holds that the file can be written, so that this is known at the start and not at the first withdrawal.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        open(path).map(|_| Self { path: path.to_owned() })
    }
}

impl WithdrawalLog for Withdrawals {
    fn append(&mut self, lines: &str) -> Result<()> {
        let mut file = open(&self.path)?;
        // A crash may have cut off the last line. It was not stored either, but what follows must not run into it.
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        file.write_all(lines.as_bytes())?;
        file.sync_all()
    }
}

fn open(path: &Path) -> Result<File> {
    let is_new = !path.exists();
    let file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
    if is_new && let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}
