//! Whose an open file is: the target that it is for, and what that was given, stand in its name. What was meant for another
//! reader is never handed to this one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::open::begun;
use super::{Columns, Format, Settings};

/// How the names of open files end; they begin with `.`.
const OPEN: &str = ".open";

/// How many hexadecimal digits tell of the target, and how many of all.
const DIGITS: (usize, usize) = (8, 20);

/// The name of an open file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// What the files that it becomes are called, without what comes behind.
    pub(super) stem: String,
    /// Whose it is; earlier gateways did not say.
    stamp: Option<String>,
}

/// What an open file is to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bond {
    /// Its own, to be handed over in this format.
    Own(Format),
    /// Its own, of the time when it was given something else.
    Older,
    /// Another target's.
    Other,
}

impl Name {
    pub(super) fn new(settings: &Settings, stem: String) -> Self {
        Self { stem, stamp: Some(stamp(settings, settings.format)) }
    }

    /// The same of a file that there is.
    pub(super) fn read(name: &OsStr) -> Option<Self> {
        let name = name.as_bytes().strip_prefix(b".")?.strip_suffix(OPEN.as_bytes())?;
        let name = std::str::from_utf8(name).ok()?;
        let is_stamp = |stamp: &str| stamp.len() == DIGITS.1 && stamp.bytes().all(|b| b.is_ascii_hexdigit());
        match name.rsplit_once('.') {
            Some((stem, stamp)) if is_stamp(stamp) && begun(stem).is_some() => {
                Some(Self { stem: stem.to_owned(), stamp: Some(stamp.to_owned()) })
            }
            _ => begun(name).map(|_| Self { stem: name.to_owned(), stamp: None }),
        }
    }

    pub(super) fn path(&self, dir: &Path) -> PathBuf {
        let stamp = self.stamp.iter().flat_map(|stamp| [".", stamp]).collect::<String>();
        dir.join(format!(".{}{stamp}{OPEN}", self.stem))
    }

    pub(super) fn bond(&self, settings: &Settings) -> Bond {
        let Some(own) = &self.stamp else { return Bond::Own(settings.format) };
        let formats = [Format::Ndjson, Format::Csv, Format::Parquet];
        match formats.into_iter().find(|format| stamp(settings, *format) == *own) {
            Some(format) => Bond::Own(format),
            None if own[..DIGITS.0] == digest(&[settings.target.as_str()])[..DIGITS.0] => Bond::Older,
            None => Bond::Other,
        }
    }
}

/// Target, audience, format and filter. What is written here must never change: open files are known by it.
fn stamp(settings: &Settings, format: Format) -> String {
    let columns = match settings.columns {
        Columns::Ledger => "ledger",
        Columns::Lis => "lis",
    };
    let filter = json!(settings.filter).to_string();
    let target = settings.target.as_str();
    let (of_target, of_all) = (digest(&[target]), digest(&[target, columns, format.extension(), &filter]));
    format!("{}{}", &of_target[..DIGITS.0], &of_all[..DIGITS.1 - DIGITS.0])
}

fn digest(texts: &[&str]) -> String {
    hex::encode(Sha256::digest(json!(texts).to_string()))
}
