//! Folders of sources and targets: which files, how often, and that no two have the same.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use samspor_domain::TagFilter;
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
            (Some(settle), None) => Some(source::Whole::Settled(self.seconds(settle))),
            (None, None) => {
                self.reading
                    .fault(folder.span(), "nothing says when a file is whole: one of `marker` and `settle_s` is missing")
                    .help(
                        "let the sender put a marker beside each file, `marker = \".done\"`; where it cannot, `settle_s` is \
                         longer than it ever pauses while it writes",
                    );
                None
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
            warn_after: self.seconds(&folder.warn_after_s),
            max_body_bytes,
        })
    }

    /// Where a target's files are put. Its filter is not looked at.
    pub(super) fn outbox(
        &mut self,
        folder: &At<file::TargetFolder>,
        target: &file::Target,
    ) -> Option<target::Settings> {
        let dir = self.path(&folder.dir);
        let prefix = match &folder.prefix {
            Some(prefix) => self.reading.parse::<target::Prefix>(prefix)?,
            None => target::Prefix::default(),
        };
        Some(target::Settings {
            target: target.name.parse().ok()?,
            filter: TagFilter::default(),
            dir,
            prefix,
            format: match folder.format {
                file::FileFormat::Ndjson => target::Format::Ndjson,
                file::FileFormat::Csv => target::Format::Csv,
                file::FileFormat::Parquet => target::Format::Parquet,
            },
            columns: match target.audience {
                file::Audience::Ledger => target::Columns::Ledger,
                file::Audience::Lis => target::Columns::Lis,
            },
            max_records: self.reading.number(&folder.max_records),
            max_bytes: self.reading.number(&folder.max_bytes),
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

/// What a folder is to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// A source takes files from it.
    Taken,
    /// A source moves files there.
    PutAway,
    /// A target puts files there.
    Written,
}

/// Folders that more than one source or target has, whatever they are called, as far as that is seen: a file that two sources
/// find is taken twice, and one that is put where another finds it is taken as that one's.
pub(super) fn check(base: &Path, sources: &[file::Source], targets: &[file::Target], reading: &mut Reading) {
    // Of each: whose it is, what for, and where that is said.
    let mut used: BTreeMap<PathBuf, (usize, Use, Range<usize>)> = BTreeMap::new();
    for (owner, folder) in sources.iter().enumerate().filter_map(|(no, of)| Some((no, of.folder.as_ref()?))) {
        let dir = real(base, &folder.dir);
        let put_away = [(&folder.done, "done"), (&folder.failed, "failed")].map(|(at, name)| match at {
            Some(at) => (real(base, at), at.span()),
            None => (dir.join(name), folder.dir.span()),
        });
        if meets(&mut used, dir, (owner, Use::Taken, folder.dir.span()), reading) {
            continue; // Then so do those within it.
        }
        for (path, at) in put_away {
            meets(&mut used, path, (owner, Use::PutAway, at), reading);
        }
    }
    for (no, folder) in targets.iter().enumerate().filter_map(|(no, of)| Some((no, of.folder.as_ref()?))) {
        let whose = (sources.len() + no, Use::Written, folder.dir.span());
        meets(&mut used, real(base, &folder.dir), whose, reading);
    }
}

/// Notes a folder. Answers whether somebody else has it already, which is a problem.
fn meets(
    used: &mut BTreeMap<PathBuf, (usize, Use, Range<usize>)>,
    path: PathBuf,
    (owner, what, at): (usize, Use, Range<usize>),
    reading: &mut Reading,
) -> bool {
    let Some((first_owner, first, first_at)) = used.get(&path).cloned() else {
        used.insert(path, (owner, what, at));
        return false;
    };
    if first_owner == owner {
        return false;
    }
    let message = match (first, what) {
        (Use::Taken, Use::Taken) => "two sources take the same files: each would take all of them",
        (Use::Taken, Use::Written) => "a target puts files into a folder that a source takes files from",
        (Use::Written, Use::Written) => "two targets have the same folder",
        (Use::Taken, Use::PutAway) | (Use::PutAway, Use::Taken) => {
            "a source would take what another one has put away"
        }
        (Use::PutAway, Use::PutAway) => "two sources put files away into one folder",
        _ => "a target has the folder that a source puts files away into",
    };
    reading.fault(at, message).also(first_at, "and here").help("give each a folder of its own");
    true
}

/// Where a folder really lies: through links as far as the way to it is there, and from there by the shortest path.
fn real(base: &Path, path: &Path) -> PathBuf {
    let path = base.join(path);
    let there = path.ancestors().find_map(|there| Some((there, there.canonicalize().ok()?)));
    let (mut real, rest) = match &there {
        Some((there, real)) => (real.clone(), path.strip_prefix(there).unwrap_or(Path::new(""))),
        None => (PathBuf::new(), path.as_path()),
    };
    for step in rest.components() {
        match step {
            Component::ParentDir => {
                real.pop();
            }
            Component::CurDir => {}
            step => real.push(step),
        }
    }
    real
}
