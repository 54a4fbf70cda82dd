//! Folders of sources and targets: which files, how often, and that no two have the same.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use samspor_files::{source, target};

use super::at::{At, Number};
use super::file;
use super::reading::Reading;
use super::resolve::Resolver;

impl Resolver {
    /// Where a source's files are left.
    pub(super) fn inbox(
        &mut self,
        folder: &At<file::SourceFolder>,
        max_body_bytes: usize,
    ) -> Option<source::Settings> {
        let dir = self.path(&folder.dir);
        let pattern = match &folder.pattern {
            Some(pattern) => self.reading.parse(pattern),
            None => "*".parse().ok(),
        };
        let whole = match (&folder.settle_s, &folder.marker) {
            (Some(settle), Some(marker)) => {
                self.reading
                    .fault(settle.span(), "`settle_s` and `marker` exclude each other")
                    .also(marker.span(), "and here")
                    .help("keep `marker`, if the sender writes one: it is the surer of the two");
                None
            }
            (settle, None) => {
                let settle = self.seconds(&settle.clone().unwrap_or_default());
                Some(source::Whole::Settled(settle))
            }
            (None, Some(marker)) if marker.is_empty() || marker.contains('/') => {
                self.reading.fault(marker.span(), "this is not the end of a file's name, such as `.done`");
                None
            }
            (None, Some(marker)) => Some(source::Whole::Marked((**marker).clone())),
        };
        let done = folder.done.as_ref().map(|done| self.path(done));
        let failed = folder.failed.as_ref().map(|failed| self.path(failed));
        let poll = self.seconds(&folder.poll_s);
        for (to, at) in [(&done, &folder.done), (&failed, &folder.failed)] {
            if let (Some(to), Some(at)) = (to, at)
                && is_same(to, &dir)
            {
                self.reading.fault(at.span(), "this is the folder that files are taken from");
            }
        }
        Some(source::Settings {
            done: done.unwrap_or_else(|| dir.join("done")),
            failed: failed.unwrap_or_else(|| dir.join("failed")),
            dir,
            pattern: pattern?,
            whole: whole?,
            poll,
            max_body_bytes,
        })
    }

    /// Where a target's files are put.
    pub(super) fn outbox(
        &mut self,
        folder: &At<file::TargetFolder>,
        audience: file::Audience,
    ) -> Option<target::Settings> {
        let dir = self.path(&folder.dir);
        let prefix = match &folder.prefix {
            Some(prefix) => self.reading.parse::<target::Prefix>(prefix)?,
            None => target::Prefix::default(),
        };
        Some(target::Settings {
            dir,
            prefix,
            format: match folder.format {
                file::FileFormat::Ndjson => target::Format::Ndjson,
                file::FileFormat::Csv => target::Format::Csv,
                file::FileFormat::Parquet => target::Format::Parquet,
            },
            columns: match audience {
                file::Audience::Ledger => target::Columns::Ledger,
                file::Audience::Lis => target::Columns::Lis,
            },
            max_records: self.reading.number(&folder.max_records),
            max_age: self.seconds(&folder.max_age_s),
        })
    }

    fn seconds<const DEFAULT: u64, const MIN: u64, const MAX: u64>(
        &mut self,
        number: &Number<DEFAULT, MIN, MAX>,
    ) -> Duration {
        Duration::from_secs(self.reading.number(number))
    }
}

/// Whether two paths are the same, as they are written.
fn is_same(one: &Path, other: &Path) -> bool {
    one.components().eq(other.components())
}

/// Folders that two sources take the same files from, that two targets write to, or that are both.
pub(super) fn check(sources: &[file::Source], targets: &[file::Target], reading: &mut Reading) {
    let mut taken: BTreeMap<(Vec<_>, &str), Range<usize>> = BTreeMap::new();
    for folder in sources.iter().filter_map(|source| source.folder.as_ref()) {
        let pattern = folder.pattern.as_ref().map_or("*", |pattern| pattern.as_str());
        let dir = folder.dir.components().collect();
        if let Some(first) = taken.insert((dir, pattern), folder.dir.span()) {
            reading
                .fault(folder.dir.span(), "two sources take the same files: each would get a part of them")
                .also(first, "and here")
                .help("give each a `pattern` or a folder of its own");
        }
    }
    let mut written: BTreeMap<Vec<_>, Range<usize>> = BTreeMap::new();
    for folder in targets.iter().filter_map(|target| target.folder.as_ref()) {
        let dir: Vec<_> = folder.dir.components().collect();
        if let Some((_, at)) = taken.iter().find(|((of, _), _)| *of == dir) {
            reading
                .fault(folder.dir.span(), "a target puts files into a folder that a source takes files from")
                .also(at.clone(), "the source");
        }
        if let Some(first) = written.insert(dir, folder.dir.span()) {
            reading.fault(folder.dir.span(), "two targets have the same folder").also(first, "and here");
        }
    }
}
